//! A model folder that cannot be right is refused with a sentence that says what was expected, what came, and where.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
};
use candle_core::{Device, Tensor};

/// A copy of a golden model to spoil.
struct Spoiled {
    folder: tempfile::TempDir,
}

impl Spoiled {
    fn new(family: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/models").join(family);
        for name in ["config.json", "tokenizer.json", "model.safetensors"] {
            fs::copy(golden.join(name), folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(&self, key: &str, value: serde_json::Value) {
        let mut config: serde_json::Value =
            serde_json::from_slice(&fs::read(self.path("config.json")).unwrap()).unwrap();
        config[key] = value;
        fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    fn weights(&self, change: impl FnOnce(&mut HashMap<String, Tensor>)) {
        let path = self.path("model.safetensors");
        let mut tensors = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
        change(&mut tensors);
        candle_core::safetensors::save(&tensors, path).unwrap();
    }

    /// The message of the refusal.
    fn refusal(&self) -> String {
        refusal(self.folder.path().to_str().unwrap())
    }
}

fn refusal(model: &str) -> String {
    match Engine::load(model, &LoadOptions::default(), &Monitor::silent()) {
        Ok(_) => panic!("{model} was loaded"),
        Err(e) => e.to_string(),
    }
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for (name, expected) in [
        ("config.json", "has no config.json"),
        ("tokenizer.json", "has no tokenizer.json"),
        ("model.safetensors", "has no model.safetensors and no model.safetensors.index.json"),
    ] {
        let model = Spoiled::new("llama");
        fs::remove_file(model.path(name)).unwrap();
        says(&model.refusal(), &[expected]);
    }
}

#[test]
fn truncated_weights_are_refused() {
    let model = Spoiled::new("llama");
    let bytes = fs::read(model.path("model.safetensors")).unwrap();
    for keep in [0, 5, 100, bytes.len() - 1] {
        fs::write(model.path("model.safetensors"), &bytes[..keep]).unwrap();
        let message = model.refusal();
        assert!(message.contains("truncated or damaged") || message.contains("cannot read"), "{keep}: {message}");
    }
}

#[test]
fn a_shard_that_the_index_names_and_nobody_has_is_refused() {
    let model = Spoiled::new("llama");
    fs::write(
        model.path("model.safetensors.index.json"),
        r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#,
    )
    .unwrap();
    says(&model.refusal(), &["the index names model-00001-of-00002.safetensors, which is not in the folder"]);
}

#[test]
fn an_index_that_leads_out_of_the_folder_is_refused() {
    let model = Spoiled::new("llama");
    for path in ["../other/model.safetensors", "/etc/passwd"] {
        let index = serde_json::json!({"weight_map": {"a": path}});
        fs::write(model.path("model.safetensors.index.json"), index.to_string()).unwrap();
        says(&model.refusal(), &[&format!("the index names {path}; expected the name of a file in the folder")]);
    }
}

#[test]
fn a_wrong_shape_says_tensor_expected_and_found() {
    let model = Spoiled::new("llama");
    model.weights(|tensors| {
        let norm = Tensor::zeros(5, candle_core::DType::F32, &Device::Cpu).unwrap();
        tensors.insert("model.norm.weight".to_owned(), norm);
    });
    says(&model.refusal(), &["tensor model.norm.weight has shape [5], expected [24] from config.json"]);
}

#[test]
fn a_missing_or_superfluous_tensor_is_named() {
    let model = Spoiled::new("llama");
    model.weights(|tensors| drop(tensors.remove("model.layers.1.mlp.up_proj.weight")));
    says(&model.refusal(), &["tensor model.layers.1.mlp.up_proj.weight is missing; expected it with shape"]);
    let model = Spoiled::new("llama");
    model.weights(|tensors| {
        let bias = tensors["model.norm.weight"].clone();
        tensors.insert("model.layers.0.self_attn.q_proj.bias".to_owned(), bias);
    });
    says(&model.refusal(), &["tensor model.layers.0.self_attn.q_proj.bias", "has no place for it"]);
}

#[test]
fn weights_that_are_not_numbers_are_refused() {
    for bad in [f32::NAN, f32::INFINITY] {
        let model = Spoiled::new("gpt2");
        model.weights(|tensors| {
            let mut gain = tensors["transformer.ln_f.weight"].to_vec1::<f32>().unwrap();
            gain[3] = bad;
            let len = gain.len();
            tensors.insert("transformer.ln_f.weight".to_owned(), Tensor::from_vec(gain, len, &Device::Cpu).unwrap());
        });
        says(&model.refusal(), &["tensor transformer.ln_f.weight holds", "at element 3; expected finite numbers"]);
    }
}

#[test]
fn an_unknown_architecture_is_named_with_those_that_are_known() {
    let model = Spoiled::new("llama");
    model.set("model_type", "mamba2".into());
    says(
        &model.refusal(),
        &[
            "architecture \"mamba2\" is not supported; supported are llama, mistral, mixtral, qwen2",
            "bert, xlm-roberta, mt5",
        ],
    );
}

#[test]
fn an_option_that_changes_numbers_and_is_not_computed_is_refused() {
    for (key, value, expected) in [
        ("hidden_act", serde_json::json!("mish"), "`hidden_act` is mish"),
        ("rope_parameters", serde_json::json!({"rope_type": "dynamic", "factor": 2.0}), "rope_type` is dynamic"),
        (
            "rope_parameters",
            serde_json::json!({"rope_type": "default", "twist": 2.0}),
            "rope_parameters.twist` is not known",
        ),
        ("partial_rotary_factor", serde_json::json!(0.5), "`partial_rotary_factor` is 0.5"),
        ("quantization_config", serde_json::json!({"bits": 4}), "quantised"),
        (
            "num_attention_heads",
            serde_json::json!("four"),
            "`num_attention_heads` should be a count up to 16777216, found \"four\"",
        ),
        ("num_key_value_heads", serde_json::json!(3), "cannot share 3 key-value heads"),
        ("hidden_size", serde_json::Value::Null, "`hidden_size` is missing"),
    ] {
        let model = Spoiled::new("llama");
        model.set(key, value);
        says(&model.refusal(), &[expected]);
    }
    let model = Spoiled::new("qwen3");
    model.set("layer_types", serde_json::json!(["full_attention", "chunked_attention"]));
    says(&model.refusal(), &["chunked_attention"]);
}

/// A key that this family's config does not have in transformers, or has with another meaning than the engine computes: it may
/// change numbers, so it is never passed over.
#[test]
fn an_option_that_nobody_here_knows_is_refused_by_name() {
    let number = serde_json::json!(0.5);
    let on = serde_json::json!(true);
    let mut cases = vec![
        ("llama", "attn_logit_softcapping", &number),
        ("llama", "final_logit_softcapping", &number),
        ("llama", "query_pre_attn_scalar", &number),
        ("llama", "logit_scale", &number),
        ("llama", "residual_multiplier", &number),
        ("llama", "embedding_multiplier", &number),
        ("llama", "use_qk_norm", &on),
        ("mistral", "use_qk_norm", &on),
        ("qwen2", "use_mrope", &on),
        ("qwen3", "attn_logit_softcapping", &number),
        ("gemma", "final_logit_softcapping", &number),
        ("gemma3", "use_bidirectional_attention", &on),
        ("olmo2", "clip_qkv", &number),
        ("gpt2", "scale_attn_by_inverse_layer_idx", &on),
        ("gpt2", "add_cross_attention", &on),
        ("bloom", "apply_residual_connection_post_layernorm", &on),
        ("falcon", "logit_scale", &number),
        ("qwen3_moe", "shared_expert_intermediate_size", &number),
        ("mixtral", "routed_scaling_factor", &number),
        ("bert", "is_decoder", &on),
        ("bert", "embedding_size", &number),
    ];
    let families = babelscope_tests::golden::golden();
    let names: Vec<_> = families.iter().map(|f| f.folder.file_name().unwrap().to_str().unwrap()).collect();
    cases.extend(names.iter().map(|name| (*name, "some_new_option", &number)));
    for (family, key, value) in cases {
        let model = Spoiled::new(family);
        model.set(key, value.clone());
        says(&model.refusal(), &[&format!("`{key}`")]);
        model.set(key, serde_json::Value::Null);
        let loaded = Engine::load(model.folder.path().to_str().unwrap(), &LoadOptions::default(), &Monitor::silent());
        assert!(loaded.is_ok(), "{family}: `{key}`: null says nothing, and was refused: {loaded:?}");
    }
}

/// Inside of the rope settings too, in either spelling.
#[test]
fn an_unknown_option_of_rope_is_refused_by_name() {
    for family in ["llama", "llama3", "qwen2_yarn", "phi3_longrope", "gpt_neox", "cohere", "mixtral"] {
        let model = Spoiled::new(family);
        let config: serde_json::Value = serde_json::from_slice(&fs::read(model.path("config.json")).unwrap()).unwrap();
        let mut rope = config["rope_parameters"].clone();
        rope["twist"] = serde_json::json!(2.0);
        model.set("rope_parameters", rope);
        says(&model.refusal(), &["twist"]);
    }
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let model = Spoiled::new("llama");
    model.weights(|tensors| {
        for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            if let Some(rows) = tensors.get(name).cloned() {
                tensors.insert(name.to_owned(), rows.narrow(0, 0, 10).unwrap().contiguous().unwrap());
            }
        }
    });
    model.set("vocab_size", 10.into());
    says(&model.refusal(), &["tokenizer", "embedding has only 10 rows"]);
}

#[test]
fn a_name_that_is_nothing_says_where_was_looked() {
    says(&refusal("/no/such/folder"), &["is not a folder, and not a Hub id"]);
}

#[test]
fn a_device_that_this_build_lacks_is_refused() {
    if cfg!(any(feature = "cuda", feature = "tch")) {
        return;
    }
    let options = LoadOptions { device: Some("cuda:0".to_owned()), ..LoadOptions::default() };
    let message = Engine::load("lab", &options, &Monitor::silent()).unwrap_err().to_string();
    says(&message, &["device \"cuda:0\": this build computes on `cpu` only", "--features cuda"]);
}
