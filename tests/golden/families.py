"""The families: their config, their tokenizer, and for each special feature the config that switches it off."""
import transformers as T

WIDTH, HIDDEN, LAYERS, HEADS = 24, 32, 2, 4


class Family:
    """`off`: feature -> what changes in the config to switch it off; the logits must move, else no test could see it."""

    def __init__(self, tokenizer, head, config, off=None, encoder=False, greedy=True):
        self.tokenizer, self.head, self.config = tokenizer, head, config
        self.off, self.encoder, self.greedy = off or {}, encoder, greedy and not encoder


def rope(theta=10000.0, **scaling):
    return {"rope_parameters": {"rope_theta": theta, "rope_type": "default", **scaling}}


def partial(share):
    return rope(partial_rotary_factor=share)


def families():
    shape = dict(hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                 num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False)
    tied, edited = {"tie_word_embeddings": True}, {"num_hidden_layers": 3}
    no_kv = {k: v for k, v in shape.items() if k != "num_key_value_heads"}
    llama3 = rope(500.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=16)
    yarn = rope(10000.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=16)
    long = rope(10000.0, rope_type="longrope", short_factor=[1.1, 1.5], long_factor=[1.6, 4.0],
                original_max_position_embeddings=6, partial_rotary_factor=0.75)
    both = lambda full, local: {"rope_parameters": {"full_attention": full, "sliding_attention": local}}
    gemma3 = dict(head_dim=8, query_pre_attn_scalar=12, sliding_window=4, layer_types=["sliding_attention", "full_attention"] * 2)
    far, near = rope(100000.0, rope_type="linear", factor=8.0)["rope_parameters"], rope(1000.0)["rope_parameters"]
    far_plain, near_far = rope(100000.0)["rope_parameters"], rope(100000.0)["rope_parameters"]
    neox = no_kv | dict(num_attention_heads=3)
    bloom = dict(hidden_size=WIDTH, n_layer=LAYERS, hidden_dropout=0.0, attention_dropout=0.0)
    falcon = dict(hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, ffn_hidden_size=HIDDEN, bias=False,
                  alibi=False, new_decoder_architecture=False, multi_query=True, parallel_attn=True, max_position_embeddings=64)
    opt = dict(hidden_size=WIDTH, ffn_dim=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, dropout=0.0,
               max_position_embeddings=64)
    bert = no_kv | dict(hidden_act="gelu", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0) | tied
    return {
        "llama": Family("fallback", "LlamaForCausalLM", T.LlamaConfig(**shape, **rope(), rms_norm_eps=1e-5)),
        "llama3": Family("llama3", "LlamaForCausalLM", T.LlamaConfig(**shape | tied | dict(num_key_value_heads=1), **llama3),
                         {"rope scaling": rope(500.0)}),
        "llama_linear": Family("llama3", "LlamaForCausalLM", T.LlamaConfig(
            **shape | tied | dict(num_attention_heads=3, num_key_value_heads=3), **rope(rope_type="linear", factor=4.0),
            attention_bias=True, mlp_bias=True), {"rope scaling": rope()}),
        "mistral": Family("fallback", "MistralForCausalLM", T.MistralConfig(
            **shape | dict(num_attention_heads=6), sliding_window=4, **rope()), {"sliding window": {"sliding_window": None}}),
        "qwen2": Family("qwen", "Qwen2ForCausalLM", T.Qwen2Config(
            **shape | tied | edited | dict(num_attention_heads=3, num_key_value_heads=1), **rope(100000.0))),
        "qwen2_yarn": Family("qwen", "Qwen2ForCausalLM", T.Qwen2Config(
            **shape | tied, **yarn, use_sliding_window=True, sliding_window=4, max_window_layers=1),
            {"rope scaling": rope(), "sliding window": {"use_sliding_window": False, "sliding_window": None, "layer_types": None}}),
        "qwen3": Family("qwen", "Qwen3ForCausalLM", T.Qwen3Config(**shape, head_dim=8, **rope(100000.0))),
        "gemma": Family("gemma", "GemmaForCausalLM", T.GemmaConfig(
            **shape | tied | dict(num_attention_heads=3, num_key_value_heads=1), head_dim=10, **rope())),
        "gemma2": Family("gemma", "Gemma2ForCausalLM", T.Gemma2Config(
            **shape | tied | edited, head_dim=8, query_pre_attn_scalar=12, sliding_window=4, attn_logit_softcapping=4.0,
            final_logit_softcapping=3.0, **rope()),
            {"attention soft-cap": {"attn_logit_softcapping": None}, "final soft-cap": {"final_logit_softcapping": None},
             "sliding window": {"sliding_window": 999}, "scale": {"query_pre_attn_scalar": 8}}),
        "gemma3": Family("gemma", "Gemma3ForCausalLM", T.Gemma3TextConfig(
            **shape | tied | dict(num_hidden_layers=4), **gemma3, **both(far, near)),
            {"sliding window": {"sliding_window": 999}, "rope scaling": both(far_plain, near), "local rope": both(far, near_far),
             "scale": {"query_pre_attn_scalar": 8}}),
        "phi3": Family("fallback", "Phi3ForCausalLM", T.Phi3Config(
            **shape, sliding_window=4, pad_token_id=0, **rope()), {"sliding window": {"sliding_window": None}}),
        "phi3_longrope": Family("fallback", "Phi3ForCausalLM", T.Phi3Config(
            **shape | tied, pad_token_id=0, original_max_position_embeddings=6, **long),
            {"rope scaling": partial(0.75)}, greedy=False),
        "olmo2": Family("gpt2", "Olmo2ForCausalLM", T.Olmo2Config(**shape | tied, **rope(50000.0))),
        "cohere": Family("gpt2", "CohereForCausalLM", T.CohereConfig(**shape | tied, logit_scale=0.25, **rope()),
                         {"logit scale": {"logit_scale": 1.0}}),
        "cohere_qk_norm": Family("gpt2", "CohereForCausalLM", T.CohereConfig(
            **shape | tied, logit_scale=0.5, use_qk_norm=True, **rope()), {"QK norm": {"use_qk_norm": False}}),
        "gpt2": Family("gpt2", "GPT2LMHeadModel", T.GPT2Config(
            n_embd=WIDTH, n_inner=HIDDEN, n_layer=LAYERS, n_head=HEADS, n_positions=64, resid_pdrop=0.0, embd_pdrop=0.0,
            attn_pdrop=0.0)),
        "gpt_neox": Family("gpt2", "GPTNeoXForCausalLM", T.GPTNeoXConfig(
            **neox | edited, hidden_act="gelu", use_parallel_residual=True, **partial(0.25)),
            {"parallel residual": {"use_parallel_residual": False}, "partial rotary": partial(1.0)}),
        "gpt_neox_sequential": Family("gpt2", "GPTNeoXForCausalLM", T.GPTNeoXConfig(
            **neox | tied, hidden_act="gelu_fast", use_parallel_residual=False, **partial(0.5)),
            {"sequential residual": {"use_parallel_residual": True}, "partial rotary": partial(1.0)}),
        "bloom": Family("gpt2", "BloomForCausalLM", T.BloomConfig(n_head=6, **bloom)),
        "falcon": Family("gpt2", "FalconForCausalLM", T.FalconConfig(**falcon, **rope())),
        "falcon_new": Family("gpt2", "FalconForCausalLM", T.FalconConfig(
            **falcon | dict(new_decoder_architecture=True, num_kv_heads=2), **rope())),
        "falcon_one_norm": Family("gpt2", "FalconForCausalLM", T.FalconConfig(
            **falcon | dict(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1), **rope())),
        "falcon_alibi": Family("gpt2", "FalconForCausalLM", T.FalconConfig(
            **falcon | dict(num_attention_heads=3, multi_query=False, parallel_attn=False, bias=True, alibi=True)),
            {"alibi": {"alibi": False} | rope()}),
        "opt": Family("opt", "OPTForCausalLM", T.OPTConfig(**opt, word_embed_proj_dim=WIDTH)),
        "opt_postnorm": Family("opt", "OPTForCausalLM", T.OPTConfig(
            **opt, word_embed_proj_dim=16, do_layer_norm_before=False)),
        "xglm": Family("xglm", "XGLMForCausalLM", T.XGLMConfig(
            d_model=WIDTH, ffn_dim=HIDDEN, num_layers=LAYERS, attention_heads=3, max_position_embeddings=64, dropout=0.0,
            attention_dropout=0.0), {"embedding scale": {"scale_embedding": False}}),
        "mixtral": Family("fallback", "MixtralForCausalLM", T.MixtralConfig(
            **shape | tied | dict(intermediate_size=16), num_local_experts=5, num_experts_per_tok=2, sliding_window=None, **rope())),
        "qwen3_moe": Family("qwen", "Qwen3MoeForCausalLM", T.Qwen3MoeConfig(
            **shape | tied, head_dim=8, moe_intermediate_size=12, num_experts=6, num_experts_per_tok=3, norm_topk_prob=True,
            mlp_only_layers=[0], **rope(100000.0)), {"normed top-k": {"norm_topk_prob": False}}),
        "qwen3_moe_step": Family("qwen", "Qwen3MoeForCausalLM", T.Qwen3MoeConfig(
            **shape | tied, head_dim=8, moe_intermediate_size=12, num_experts=4, num_experts_per_tok=2, norm_topk_prob=False,
            decoder_sparse_step=2, **rope(100000.0)), {"raw top-k": {"norm_topk_prob": True}}),
        "bert": Family("wordpiece", "BertForMaskedLM", T.BertConfig(**bert), encoder=True),
        "xlm_roberta": Family("xlmr", "XLMRobertaForMaskedLM", T.XLMRobertaConfig(
            **bert | dict(num_attention_heads=3, max_position_embeddings=66), type_vocab_size=1, pad_token_id=1),
            {"first position": {"pad_token_id": 0}}, encoder=True),
        "mt5_encoder": Family("mt5", "MT5EncoderModel", T.MT5Config(
            d_model=WIDTH, d_kv=8, d_ff=HIDDEN, num_layers=LAYERS, num_heads=HEADS, relative_attention_num_buckets=8,
            relative_attention_max_distance=6, feed_forward_proj="gated-gelu", dropout_rate=0.0), encoder=True),
    }


def older_spelling(config):
    """The same config as transformers 4 spelled it: what most checkpoints on the Hub carry."""
    old = {k: v for k, v in config.items() if k not in ("rope_parameters", "dtype", "layer_types", "_sliding_window_pattern")}
    old.update(torch_dtype=config["dtype"], transformers_version="4.57.6")
    rope, kind = config.get("rope_parameters"), config["model_type"]
    if kind == "gemma3_text":
        rope, local = rope["full_attention"], rope["sliding_attention"]
        old.update(rope_local_base_freq=local["rope_theta"], sliding_window_pattern=config["layer_types"].index("full_attention") + 1)
    if rope:
        scaling = {k: v for k, v in rope.items() if k not in ("rope_theta", "partial_rotary_factor")}
        old.update(rope_theta=rope["rope_theta"], rope_scaling=None if rope["rope_type"] == "default" else scaling)
        if kind == "gpt_neox":
            old.update(rotary_emb_base=old.pop("rope_theta"), rotary_pct=rope["partial_rotary_factor"])
        elif "partial_rotary_factor" in rope:
            old["partial_rotary_factor"] = rope["partial_rotary_factor"]
        if rope["rope_type"] == "longrope":
            del scaling["original_max_position_embeddings"]
            scaling["type"] = scaling.pop("rope_type")
    if kind == "bloom":
        old.update(n_embed=old.pop("hidden_size"), num_attention_heads=old.pop("n_head"), attention_softmax_in_fp32=True,
                   bias_dropout_fusion=True, masked_softmax_fusion=True, offset_alibi=100, skip_bias_add=True,
                   skip_bias_add_qkv=False)
    if kind == "qwen3_moe" and "num_local_experts" in old:
        old["num_experts"] = old.pop("num_local_experts")
    if kind in ("bert", "xlm-roberta"):
        old["position_embedding_type"] = "absolute"
    return old
