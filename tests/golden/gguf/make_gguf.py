"""Tiny GGUF files, written with the `gguf` package the way llama.cpp's converter writes models.

    python make_gguf.py ../models .        # gguf 0.19, transformers 5.23; the same command gives the same bytes

FAMILY.gguf: the golden model of that family in F32; it must give what the safetensors give.
FAMILY-q8_0.gguf: a model of its own whose matrices are Q8_0, and FAMILY-q8_0.safetensors: `ids`, and the `hidden` states
`[layers + 1, tokens, width]` and `logits` that transformers computes with the weights as the `gguf` package dequantises them.
formats.gguf: a tensor of random blocks in every format, with formats.safetensors: their values as the package reads them.
"""

import json, sys
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType as Q, GGUFWriter
from gguf.quants import dequantize, quantize
from safetensors.numpy import load_file, save_file

FAMILIES = ["llama", "llama3", "qwen2", "qwen3", "gemma", "gemma2", "phi3"]
FORMATS = [Q.F16, Q.BF16, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q8_0, Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K]
PARTS = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.qkv_proj": "attn_qkv", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
         "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.gate_up_proj": "ffn_up", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
SANDWICH = PARTS | {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                    "post_feedforward_layernorm": "post_ffw_norm"}


def gguf_name(family, name):
    plain = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    if name in plain:
        return plain[name]
    block, part = name.removeprefix("model.layers.").split(".", 1)
    part, kind = part.rsplit(".", 1)
    return f"blk.{block}.{(SANDWICH if family == 'gemma2' else PARTS)[part]}.{kind}"


def permute(x, heads):
    """llama.cpp turns neighbouring pairs, transformers halves: rows of each head are interleaved."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def converted(family, config, name, x):
    if family in ("llama", "llama3"):
        if ".q_proj." in name:
            return permute(x, config["num_attention_heads"])
        if ".k_proj." in name:
            return permute(x, config["num_key_value_heads"])
    if family.startswith("gemma") and name.endswith("norm.weight"):
        return x + np.float32(1)
    return x


def rope_factors(config):
    """Llama 3's scaling as factors of the wave lengths, as the converter stores it."""
    rope, dim = config["rope_parameters"], config["head_dim"]
    frequency = 1 / rope["rope_theta"] ** (np.arange(0, dim, 2, dtype=np.float32) / dim)
    original = rope["original_max_position_embeddings"]
    low, high = original / rope["low_freq_factor"], original / rope["high_freq_factor"]
    factors = []
    for wave in 2 * np.pi / frequency:
        smooth = (original / wave - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
        if wave < high:
            factors.append(1.0)
        elif wave > low:
            factors.append(rope["factor"])
        else:
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(factors, dtype=np.float32)


def metadata(writer, family, config, tokenizer):
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)}
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(0)
    if family in ("llama", "llama3", "phi3"):
        writer.add_rope_dimension_count(head_dim)
    if family not in ("qwen2", "phi3"):
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if family in ("gemma2", "phi3"):
        writer.add_sliding_window(config["sliding_window"])
    if family == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    model = tokenizer["model"]
    added = {token["id"]: token for token in tokenizer["added_tokens"]}
    texts = {id: text for text, id in model["vocab"].items()} | {id: token["content"] for id, token in added.items()}
    byte_level = "ByteLevel" in json.dumps(tokenizer["pre_tokenizer"])
    writer.add_tokenizer_model("gpt2" if byte_level else "llama")
    writer.add_tokenizer_pre("qwen2" if byte_level else "default")
    ids = range(max(texts) + 1)
    writer.add_token_list([texts.get(id, f"[PAD{id}]") for id in ids])
    writer.add_token_types([5 if id not in texts else 3 if id in added else 1 for id in ids])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    if byte_level:
        writer.add_token_merges(merges)
    else:
        writer.add_token_scores([0.0 for _ in ids])


def write(path, family, config, tokenizer, tensors, format=Q.F32):
    """Matrices whose rows divide into blocks are stored in `format`, all else in F32. Returns them as they are read."""
    writer = GGUFWriter(path, "llama" if family == "llama3" else family)
    metadata(writer, family, config, tokenizer)
    read = {}
    if family == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_factors(config))
    for name, x in sorted(tensors.items()):
        stored = converted(family, config, name, x)
        own = format if x.ndim == 2 and x.shape[-1] % 32 == 0 else Q.F32
        data = quantize(stored, own) if own != Q.F32 else stored
        writer.add_tensor(gguf_name(family, name), data, raw_dtype=own)
        # Quantised row by row, so reading the unconverted rows gives the same numbers.
        read[name] = dequantize(quantize(x, own), own) if own != Q.F32 else x
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return read


def golden(models, out):
    for family in FAMILIES:
        folder = models / family
        config = json.loads((folder / "config.json").read_text())
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        write(out / f"{family}.gguf", family, config, tokenizer, load_file(folder / "model.safetensors"))


def quantised(models, out):
    import transformers

    for family, names in [("llama", ("LlamaConfig", "LlamaForCausalLM")), ("qwen2", ("Qwen2Config", "Qwen2ForCausalLM"))]:
        tokenizer = json.loads((models / "qwen2" / "tokenizer.json").read_text())
        torch.manual_seed(7)
        config = getattr(transformers, names[0])(
            hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=304, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=family == "qwen2",
            attn_implementation="eager")
        model = getattr(transformers, names[1])(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
        tensors = {name: x.detach().numpy() for name, x in model.named_parameters()}
        read = write(out / f"{family}-q8_0.gguf", family, config.to_dict(), tokenizer, tensors, Q.Q8_0)
        assert any((read[name] != x).any() for name, x in tensors.items())
        model.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in read.items()}, strict=False)
        ids = torch.randint(3, 290, (1, 24))
        with torch.inference_mode():
            given = model(ids, output_hidden_states=True)
        save_file({"ids": ids[0].int().numpy(), "hidden": torch.cat(given.hidden_states).numpy(),
                   "logits": given.logits[0].numpy()}, out / f"{family}-q8_0.safetensors")


def formats(out):
    rng = np.random.default_rng(0)
    from gguf.constants import GGML_QUANT_SIZES

    writer, expected = GGUFWriter(out / "formats.gguf", "none"), {}
    for format in FORMATS:
        block, size = GGML_QUANT_SIZES[format]
        count = 3 * 256 // block
        # Blocks of random bytes whose scales are small finite numbers, three rows of 256.
        x = rng.standard_normal((3, 256), dtype=np.float32)
        if format.name.endswith("_K"):
            data = rng.integers(0, 256, (count, size), dtype=np.uint8)
            scale = np.float16(rng.uniform(0.001, 0.1, (count, 2))).view(np.uint8).reshape(count, 4)
            if format in (Q.Q4_K, Q.Q5_K):
                data[:, :4] = scale
            elif format == Q.Q2_K:
                data[:, -4:] = scale
            else:
                data[:, -2:] = scale[:, :2]
            data = data.reshape(3, -1)
        else:
            data = quantize(x, format)
        writer.add_tensor(format.name, data, raw_dtype=format)
        expected[format.name] = dequantize(data, format).reshape(3, 256)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, out / "formats.safetensors")


if __name__ == "__main__":
    models, out = map(Path, sys.argv[1:])
    golden(models, out)
    quantised(models, out)
    formats(out)
