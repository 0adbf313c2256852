//! Checkpoints as they lie on the Hub: the keys of their config.json, and names of tensors that differ from what transformers
//! saves today. What an unknown key or tensor is refused for must not refuse these. Written from the models' public shapes.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{collections::HashMap, fs, path::Path};

use babelscope_core::{engine::LoadOptions, model::Config};
use babelscope_tests::golden::{self, Family, all, difference, load, tokens};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};

/// What nearly every file has.
fn common(model_type: &str, rest: Value) -> Value {
    let mut config = json!({
        "_name_or_path": "somebody/something", "architectures": ["SomethingForCausalLM"], "model_type": model_type,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "initializer_range": 0.02, "torch_dtype": "bfloat16",
        "transformers_version": "4.44.0", "use_cache": true, "attention_dropout": 0.0, "id2label": {"0": "LABEL_0"},
    });
    config.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    config
}

fn shape(width: usize, layers: usize, heads: usize, kv: usize, hidden: usize, vocabulary: usize) -> Value {
    json!({"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv,
        "intermediate_size": hidden, "vocab_size": vocabulary, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
        "hidden_act": "silu", "rope_theta": 10000.0, "rope_scaling": null})
}

fn with(mut shape: Value, rest: Value) -> Value {
    shape.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    shape
}

fn hub_configs() -> Vec<(&'static str, Value)> {
    let llama3 = json!({"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"});
    let factors = |n: usize, by: f64| (0..n).map(|i| 1.0 + by * i as f64).collect::<Vec<_>>();
    let gemma = json!({"hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh", "head_dim": 256,
        "cache_implementation": "hybrid", "query_pre_attn_scalar": 256, "attention_bias": false});
    let bert = json!({"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "layer_norm_eps": 1e-12,
        "position_embedding_type": "absolute", "classifier_dropout": null});
    let falcon = json!({"alibi": false, "apply_residual_connection_post_layernorm": false, "bias": false, "hidden_dropout": 0.0,
        "layer_norm_epsilon": 1e-5, "multi_query": true, "parallel_attn": true, "vocab_size": 65024, "hidden_size": 4544,
        "num_attention_heads": 71, "num_hidden_layers": 32, "new_decoder_architecture": false,
        "auto_map": {"AutoModel": "modeling_falcon.FalconModel"}});
    let bloom = json!({"apply_residual_connection_post_layernorm": false, "attention_softmax_in_fp32": true,
        "bias_dropout_fusion": true, "hidden_dropout": 0.0, "layer_norm_epsilon": 1e-5, "masked_softmax_fusion": true,
        "n_embed": 1024, "n_inner": null, "n_layer": 24, "num_attention_heads": 16, "offset_alibi": 100, "pretraining_tp": 1,
        "seq_length": 2048, "skip_bias_add": true, "skip_bias_add_qkv": false, "slow_but_exact": false, "unk_token_id": 0,
        "vocab_size": 250880});
    let opt = json!({"activation_dropout": 0.0, "activation_function": "relu", "do_layer_norm_before": true, "dropout": 0.1,
        "ffn_dim": 3072, "hidden_size": 768, "init_std": 0.02, "layerdrop": 0.0, "max_position_embeddings": 2048,
        "num_attention_heads": 12, "num_hidden_layers": 12, "prefix": "</s>", "vocab_size": 50272, "word_embed_proj_dim": 768});
    let neox = json!({"hidden_act": "gelu", "hidden_size": 512, "intermediate_size": 2048, "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048, "num_attention_heads": 8, "num_hidden_layers": 6, "rotary_emb_base": 10000,
        "rotary_pct": 0.25, "tie_word_embeddings": false, "use_parallel_residual": true, "vocab_size": 50304});
    let gpt2 = json!({"activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1,
        "layer_norm_epsilon": 1e-5, "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024,
        "summary_activation": null, "summary_first_dropout": 0.1, "summary_proj_to_labels": true, "summary_type": "cls_index",
        "summary_use_proj": true, "task_specific_params": {"text-generation": {"do_sample": true}}, "vocab_size": 50257});
    let phi = json!({"attention_bias": false, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "sliding_window": 2047,
        "original_max_position_embeddings": 4096, "tie_word_embeddings": false, "auto_map": {"AutoConfig": "x.Y"}});
    let moe = json!({"attention_bias": false, "decoder_sparse_step": 1, "head_dim": 128, "max_window_layers": 48,
        "mlp_only_layers": [], "moe_intermediate_size": 768, "norm_topk_prob": true, "num_experts": 128,
        "num_experts_per_tok": 8, "output_router_logits": false, "router_aux_loss_coef": 0.001, "sliding_window": null,
        "use_sliding_window": false, "tie_word_embeddings": false});
    vec![
        (
            "Llama 2",
            common(
                "llama",
                with(shape(4096, 32, 32, 32, 11008, 32000), json!({"pretraining_tp": 1, "tie_word_embeddings": false})),
            ),
        ),
        (
            "Llama 3.2",
            common(
                "llama",
                with(
                    shape(2048, 16, 32, 8, 8192, 128_256),
                    json!({"attention_bias": false, "mlp_bias": false,
            "head_dim": 64, "pretraining_tp": 1, "rope_theta": 500_000.0, "rope_scaling": llama3, "tie_word_embeddings": true,
            "eos_token_id": [128_001, 128_008]}),
                ),
            ),
        ),
        ("Mistral 0.1", common("mistral", with(shape(4096, 32, 32, 8, 14336, 32000), json!({"sliding_window": 4096})))),
        (
            "Mistral Nemo",
            common(
                "mistral",
                with(shape(5120, 40, 32, 8, 14336, 131_072), json!({"sliding_window": null, "head_dim": 128})),
            ),
        ),
        (
            "Qwen 2.5",
            common(
                "qwen2",
                with(
                    shape(896, 24, 14, 2, 4864, 151_936),
                    json!({"max_window_layers": 24, "sliding_window": 32768,
            "use_mrope": false, "use_sliding_window": false, "tie_word_embeddings": true}),
                ),
            ),
        ),
        (
            "Qwen 3",
            common(
                "qwen3",
                with(
                    shape(1024, 28, 16, 8, 3072, 151_936),
                    json!({"attention_bias": false, "head_dim": 128,
            "max_window_layers": 28, "sliding_window": null, "use_sliding_window": false, "tie_word_embeddings": true}),
                ),
            ),
        ),
        (
            "Gemma 1",
            common(
                "gemma",
                with(
                    shape(2048, 18, 8, 1, 16384, 256_000),
                    json!({"attention_bias": false, "head_dim": 256,
            "hidden_act": "gelu", "hidden_activation": null}),
                ),
            ),
        ),
        (
            "Gemma 2",
            common(
                "gemma2",
                with(
                    with(shape(2304, 26, 8, 4, 9216, 256_000), gemma.clone()),
                    json!({"sliding_window": 4096,
            "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}),
                ),
            ),
        ),
        (
            "Gemma 3",
            common(
                "gemma3_text",
                with(
                    with(shape(1152, 26, 4, 1, 6912, 262_144), gemma),
                    json!({"sliding_window": 512,
            "attn_logit_softcapping": null, "final_logit_softcapping": null, "rope_local_base_freq": 10000, "rope_theta": 1_000_000,
            "sliding_window_pattern": 6}),
                ),
            ),
        ),
        ("Phi 3 mini", common("phi3", with(shape(3072, 32, 32, 32, 8192, 32064), phi.clone()))),
        (
            "Phi 3 mini 128k",
            common(
                "phi3",
                with(
                    with(shape(3072, 32, 32, 32, 8192, 32064), phi.clone()),
                    json!({
            "max_position_embeddings": 131_072, "sliding_window": 262_144,
            "rope_scaling": {"type": "longrope", "short_factor": factors(48, 0.01), "long_factor": factors(48, 1.0)}}),
                ),
            ),
        ),
        (
            "Phi 4 mini",
            common(
                "phi3",
                with(
                    with(shape(3072, 32, 24, 8, 8192, 200_064), phi),
                    json!({"full_attn_mod": 1,
            "interpolate_factor": 1, "lm_head_bias": false, "mlp_bias": false, "partial_rotary_factor": 0.75, "sliding_window": 262_144,
            "max_position_embeddings": 131_072, "tie_word_embeddings": true,
            "rope_scaling": {"type": "longrope", "short_factor": factors(48, 0.0), "long_factor": factors(48, 1.0)}}),
                ),
            ),
        ),
        (
            "OLMo 2",
            common(
                "olmo2",
                with(
                    shape(4096, 32, 32, 32, 11008, 100_352),
                    json!({"attention_bias": false,
            "tie_word_embeddings": false}),
                ),
            ),
        ),
        (
            "Aya 23",
            common(
                "cohere",
                with(
                    shape(4096, 32, 32, 8, 14336, 256_000),
                    json!({"attention_bias": false, "layer_norm_eps": 1e-5,
            "logit_scale": 0.0625, "use_qk_norm": false, "rms_norm_eps": null}),
                ),
            ),
        ),
        ("GPT-2", common("gpt2", gpt2.clone())),
        (
            "mGPT",
            common(
                "gpt2",
                with(
                    gpt2,
                    json!({"n_inner": null, "output_past": true, "gradient_checkpointing": false,
            "reorder_and_upcast_attn": false, "scale_attn_by_inverse_layer_idx": false, "scale_attn_weights": true}),
                ),
            ),
        ),
        ("Pythia", common("gpt_neox", neox.clone())),
        (
            "GPT-NeoX 20B",
            common(
                "gpt_neox",
                with(
                    neox,
                    json!({"hidden_act": "gelu_fast", "attention_probs_dropout_prob": 0,
            "hidden_dropout_prob": 0}),
                ),
            ),
        ),
        ("BLOOM", common("bloom", bloom)),
        ("Falcon 7B", common("falcon", falcon.clone())),
        (
            "Falcon 40B",
            common(
                "falcon",
                with(
                    falcon.clone(),
                    json!({"new_decoder_architecture": true, "num_kv_heads": 8,
            "hidden_size": 8192, "num_attention_heads": 128, "num_hidden_layers": 60}),
                ),
            ),
        ),
        (
            "Falcon RW",
            common(
                "falcon",
                with(
                    falcon,
                    json!({"alibi": true, "bias": true, "multi_query": false, "parallel_attn": false,
            "hidden_size": 2048, "num_attention_heads": 32, "num_hidden_layers": 24, "vocab_size": 50304}),
                ),
            ),
        ),
        ("OPT 125m", common("opt", opt.clone())),
        (
            "OPT 350m",
            common(
                "opt",
                with(
                    opt,
                    json!({"do_layer_norm_before": false, "hidden_size": 1024, "num_attention_heads": 16,
            "word_embed_proj_dim": 512, "_remove_final_layer_norm": false, "enable_bias": true, "layer_norm_elementwise_affine": true}),
                ),
            ),
        ),
        (
            "XGLM",
            common(
                "xglm",
                json!({"activation_dropout": 0, "activation_function": "gelu", "attention_heads": 16, "d_model": 1024,
            "decoder_start_token_id": 2, "dropout": 0.1, "ffn_dim": 4096, "init_std": 0.02, "layerdrop": 0.0,
            "max_position_embeddings": 2048, "num_layers": 24, "scale_embedding": true, "vocab_size": 256_008}),
            ),
        ),
        (
            "Mixtral",
            common(
                "mixtral",
                with(
                    shape(4096, 32, 32, 8, 14336, 32000),
                    json!({"num_experts_per_tok": 2, "num_local_experts": 8,
            "output_router_logits": false, "router_aux_loss_coef": 0.02, "sliding_window": null, "tie_word_embeddings": false}),
                ),
            ),
        ),
        ("Qwen 3 A3B", common("qwen3_moe", with(shape(2048, 48, 32, 4, 6144, 151_936), moe))),
        (
            "multilingual BERT",
            common(
                "bert",
                with(
                    bert.clone(),
                    json!({"directionality": "bidi", "max_position_embeddings": 512,
            "pooler_fc_size": 768, "pooler_num_attention_heads": 12, "pooler_num_fc_layers": 3, "pooler_size_per_head": 128,
            "pooler_type": "first_token_transform", "type_vocab_size": 2, "vocab_size": 119_547}),
                ),
            ),
        ),
        (
            "XLM-RoBERTa",
            common(
                "xlm-roberta",
                with(
                    bert,
                    json!({"max_position_embeddings": 514, "output_past": true, "pad_token_id": 1,
            "layer_norm_eps": 1e-5, "type_vocab_size": 1, "vocab_size": 250_002}),
                ),
            ),
        ),
        (
            "mT5",
            common(
                "mt5",
                json!({"architectures": ["MT5ForConditionalGeneration"], "d_ff": 1024, "d_kv": 64, "d_model": 512,
            "decoder_start_token_id": 0, "dropout_rate": 0.1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
            "is_encoder_decoder": true, "layer_norm_epsilon": 1e-6, "num_decoder_layers": 8, "num_heads": 6, "num_layers": 8,
            "relative_attention_num_buckets": 32, "tie_word_embeddings": false, "tokenizer_class": "T5Tokenizer",
            "vocab_size": 250_112}),
            ),
        ),
    ]
}

#[test]
fn the_configs_of_known_checkpoints_are_read() {
    let refused: Vec<String> = hub_configs()
        .into_iter()
        .filter_map(|(name, config)| {
            let read = Config::parse(config.to_string().as_bytes(), Path::new("config.json"), &[]);
            read.err().map(|e| format!("{name}: {e}"))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

type Tensors = HashMap<String, Tensor>;

fn float(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap()
}

/// Tensors of `family` with `change`, its states and logits as before.
fn still_the_same(family: &str, change: impl FnOnce(&mut Tensors)) {
    let family = Family::golden(family);
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json"] {
        fs::copy(family.folder.join(name), folder.path().join(name)).unwrap();
    }
    let mut tensors = candle_core::safetensors::load(family.folder.join("model.safetensors"), &Device::Cpu).unwrap();
    change(&mut tensors);
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    let (plain, other) = (family.engine(), load(folder.path(), &LoadOptions::default()));
    let last = golden::sites(plain.info().layers).filter(|site| site.block == plain.info().layers || site.block == 0);
    let has = family.sites();
    let captures: Vec<_> = last.filter(|site| has.contains(site)).map(|site| all(site.point, site.block)).collect();
    let run = |engine| golden::run(engine, &family.sentences(), captures.clone());
    for (a, b) in run(&plain).iter().zip(run(&other)) {
        for (x, y) in tokens(a).iter().zip(tokens(&b)) {
            assert_eq!(difference(x, y), 0.0, "{} {}", family.name(), a.site());
        }
    }
}

/// Every name with `from` at its beginning has `to` there.
fn renamed(tensors: &mut Tensors, from: &str, to: &str) {
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(from)).cloned().collect();
    assert!(!names.is_empty(), "no tensor begins with {from}");
    for name in names {
        let tensor = tensors.remove(&name).unwrap();
        tensors.insert(name.replacen(from, to, 1), tensor);
    }
}

fn ended(tensors: &mut Tensors, from: &str, to: &str) {
    let names: Vec<String> = tensors.keys().filter(|name| name.ends_with(from)).cloned().collect();
    assert!(!names.is_empty(), "no tensor ends with {from}");
    for name in names {
        let tensor = tensors.remove(&name).unwrap();
        tensors.insert(format!("{}{to}", name.strip_suffix(from).unwrap()), tensor);
    }
}

fn copied(tensors: &mut Tensors, from: &str, to: &str) {
    let tensor = tensors[from].copy().unwrap();
    tensors.insert(to.to_owned(), tensor);
}

#[test]
fn files_of_the_model_without_its_head_lack_the_prefix() {
    still_the_same("llama3", |t| renamed(t, "model.", ""));
    still_the_same("gemma2", |t| renamed(t, "model.", ""));
    still_the_same("gpt2", |t| renamed(t, "transformer.", ""));
    still_the_same("bloom", |t| renamed(t, "transformer.", ""));
    still_the_same("opt", |t| renamed(t, "model.decoder.", "decoder."));
}

#[test]
fn tables_and_copies_of_older_files_are_passed_over() {
    still_the_same("llama", |t| {
        t.insert("model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(), float(&[3]));
    });
    still_the_same("gpt2", |t| {
        t.insert("transformer.h.0.attn.bias".to_owned(), float(&[1, 1, 64, 64]));
        t.insert("transformer.h.1.attn.masked_bias".to_owned(), float(&[]));
        copied(t, "transformer.wte.weight", "lm_head.weight");
    });
    still_the_same("gpt_neox", |t| {
        for index in 0..3 {
            t.insert(format!("gpt_neox.layers.{index}.attention.rotary_emb.inv_freq"), float(&[1]));
            t.insert(format!("gpt_neox.layers.{index}.attention.bias"), float(&[1, 1, 64, 64]));
            t.insert(format!("gpt_neox.layers.{index}.attention.masked_bias"), float(&[]));
        }
    });
    still_the_same("qwen2", |t| copied(t, "model.embed_tokens.weight", "lm_head.weight"));
    still_the_same("bloom", |t| copied(t, "transformer.word_embeddings.weight", "lm_head.weight"));
    still_the_same("falcon", |t| copied(t, "transformer.word_embeddings.weight", "lm_head.weight"));
    still_the_same("opt", |t| copied(t, "model.decoder.embed_tokens.weight", "lm_head.weight"));
    still_the_same("xglm", |t| {
        copied(t, "model.embed_tokens.weight", "lm_head.weight");
        t.insert("model.embed_positions.weights".to_owned(), float(&[66, 24]));
    });
}

#[test]
fn encoders_are_found_in_files_that_hold_more() {
    still_the_same("bert", |t| {
        ended(t, "LayerNorm.weight", "LayerNorm.gamma");
        ended(t, "LayerNorm.bias", "LayerNorm.beta");
        copied(t, "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight");
        t.insert("bert.embeddings.position_ids".to_owned(), Tensor::arange(0i64, 64, &Device::Cpu).unwrap());
        t.insert("bert.pooler.dense.weight".to_owned(), float(&[24, 24]));
        t.insert("bert.pooler.dense.bias".to_owned(), float(&[24]));
        t.insert("cls.seq_relationship.weight".to_owned(), float(&[2, 24]));
        t.insert("cls.seq_relationship.bias".to_owned(), float(&[2]));
    });
    still_the_same("xlm_roberta", |t| {
        copied(t, "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight");
        copied(t, "lm_head.bias", "lm_head.decoder.bias");
        t.insert("roberta.embeddings.position_ids".to_owned(), Tensor::arange(0i64, 66, &Device::Cpu).unwrap());
        t.insert("roberta.pooler.dense.weight".to_owned(), float(&[24, 24]));
        t.insert("roberta.pooler.dense.bias".to_owned(), float(&[24]));
    });
    still_the_same("mt5_encoder", |t| {
        copied(t, "shared.weight", "encoder.embed_tokens.weight");
        copied(t, "shared.weight", "decoder.embed_tokens.weight");
        copied(t, "shared.weight", "lm_head.weight");
        t.insert("decoder.final_layer_norm.weight".to_owned(), float(&[24]));
        t.insert("decoder.block.0.layer.0.SelfAttention.q.weight".to_owned(), float(&[32, 24]));
        t.insert("decoder.block.0.layer.1.EncDecAttention.k.weight".to_owned(), float(&[32, 24]));
    });
}
