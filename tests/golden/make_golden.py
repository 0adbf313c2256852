#!/usr/bin/env python3
"""Tiny random models and every site of their forward pass, computed by Hugging Face transformers.

    python make_golden.py CORPUS OUT      (as committed: CORPUS = the self-written sentences, OUT = models beside this file)

Each family gets OUT/<family>/{config.json, config_v4.json, model.safetensors, tokenizer.json, expected.safetensors, meta.json}. Every sentence is
run alone, so nothing was ever padded where the numbers come from; the rows are only laid side by side afterwards:

    site.<SITE>      [sentences, T, width] at the end filled with zeros; attention scores and probabilities [sentences, heads, T, T]
    right.*, left.*  the same hidden states, logits and attentions in the layout of `output_hidden_states`, filled right or left
    lens.*           lm_head(final_norm(h_l)) at the last token

SITE is the text form of core/src/plan/site.rs; blocks count from 1. Weights are scaled so that attention is peaked and every
feature of a family moves the logits, which is asserted: a model that ignores a sliding window cannot pass.
"""
import json, math, shutil, sys
from collections import Counter
from pathlib import Path

import safetensors.torch
import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.models.gpt2 import modeling_gpt2
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.qwen2 import modeling_qwen2
from transformers.models.qwen3 import modeling_qwen3

LANGUAGES = ["eng_Latn", "arb_Arab", "hin_Deva", "tha_Thai", "zho_Hans"]
LENGTHS = {"eng_Latn": 1, "arb_Arab": 9, "hin_Deva": 13, "tha_Thai": 11, "zho_Hans": 7}
WIDTH, HIDDEN, LAYERS, HEADS = 24, 40, 2, 4
WORDS = r"'s|'t|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level(lines, specials, split, normalizer=None, bos=None):
    t = Tokenizer(models.BPE())
    if normalizer is not None:
        t.normalizer = normalizer
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=split is None)
    t.pre_tokenizer = bytes_ if split is None else pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(split), "isolated"), bytes_])
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t.train_from_iterator(lines, trainers.BpeTrainer(
        vocab_size=340, special_tokens=specials, initial_alphabet=alphabet, show_progress=False))
    if bos:
        t.post_processor = with_bos(t, bos)
    return t


def byte_fallback(lines):
    """The shape of Llama 2's tokenizer: spaces are U+2581, and what has no token falls to bytes."""
    specials, raw = ["<unk>", "<s>", "</s>"], [f"<0x{b:02X}>" for b in range(256)]
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    # The trainer's own limit on the alphabet breaks ties at random: choose the commonest characters here.
    count = Counter("".join(lines))
    common = set(sorted(count, key=lambda c: (-count[c], c))[:70])
    kept = ["".join(c for c in line if c in common) for line in lines]
    t.train_from_iterator(kept, trainers.BpeTrainer(
        vocab_size=380, special_tokens=specials + raw, initial_alphabet=sorted(common - {" "}), show_progress=False))
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if a["content"] in specials]
    j["pre_tokenizer"] = None
    j["model"].update(byte_fallback=True, fuse_unk=True)
    t = Tokenizer.from_str(json.dumps(j))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens([AddedToken(s, normalized=False, special=True) for s in specials])
    t.post_processor = with_bos(t, "<s>")
    return t


def with_bos(t, bos):
    return processors.TemplateProcessing(
        single=f"{bos} $A", pair=f"{bos} $A {bos}:1 $B:1", special_tokens=[(bos, t.token_to_id(bos))])


def families(tok):
    """name -> (tokenizer, config, modeling module, {feature: config that switches it off})"""
    def rope(theta, **scaling):
        return {"rope_parameters": {"rope_theta": theta, "rope_type": "default", **scaling}}

    shape = dict(hidden_size=WIDTH, intermediate_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                 num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False)
    llama3 = rope(500.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=16)
    window = {"sliding_window": 4}
    return {
        "llama": ("fallback", transformers.LlamaConfig(**shape, **rope(10000.0)), modeling_llama, {}),
        "llama3": ("llama3", transformers.LlamaConfig(**shape | dict(num_key_value_heads=1, tie_word_embeddings=True), **llama3),
                   modeling_llama, {"rope scaling": rope(500.0)}),
        "qwen2": ("qwen", transformers.Qwen2Config(**shape | dict(tie_word_embeddings=True), **rope(100000.0)), modeling_qwen2, {}),
        "qwen3": ("qwen", transformers.Qwen3Config(**shape, head_dim=8, **rope(100000.0)), modeling_qwen3, {}),
        "mistral": ("fallback", transformers.MistralConfig(**shape, **window, **rope(10000.0)), modeling_mistral,
                    {"sliding window": {"sliding_window": None}}),
        "gpt2": ("gpt2", transformers.GPT2Config(n_embd=WIDTH, n_inner=HIDDEN, n_layer=LAYERS, n_head=HEADS, n_positions=64,
                 resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0), modeling_gpt2, {}),
    }


def scale_weights(model, seed):
    """Norm gains and biases scattered around their usual values, projections of unit gain, queries and keys of more."""
    g = torch.Generator().manual_seed(seed)
    done = set()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.data_ptr() in done:
                continue
            done.add(p.data_ptr())
            noise = torch.randn(p.shape, generator=g)
            if p.dim() == 1:
                p.copy_(0.2 * noise + (1.0 if name.endswith("weight") else 0.0))
            elif any(k in name for k in ("embed_tokens", "wte", "wpe")):
                p.copy_((0.3 if "wpe" in name else 0.6) * noise)
            else:
                fan_in = p.shape[0] if "transformer.h" in name else p.shape[1]
                gain = 1.7 if any(k in name for k in ("q_proj", "k_proj", "c_attn")) else 1.0
                p.copy_(gain / math.sqrt(fan_in) * noise)
    model.tie_weights()


def parts(model):
    """The modules of a block under one set of names: norms, attention, its output projection, feed-forward, its last projection."""
    if hasattr(model, "transformer"):
        blocks = [(b.ln_1, b.attn, b.attn.c_proj, b.ln_2, b.mlp, b.mlp.c_proj) for b in model.transformer.h]
        return model.transformer.h, blocks, model.transformer.ln_f
    blocks = [(b.input_layernorm, b.self_attn, b.self_attn.o_proj, b.post_attention_layernorm, b.mlp, b.mlp.down_proj)
              for b in model.model.layers]
    return model.model.layers, blocks, model.model.norm


def trace(model, module, ids):
    """One sentence alone -> {site: tensor without the batch axis}, and transformers' own outputs."""
    seen, hooks = {}, []
    plain = module.eager_attention_forward

    def first(x):
        return x[0] if isinstance(x, tuple) else x

    def on_input(site):
        return lambda m, args, kwargs: seen.__setitem__(site, first(args)[0] if args else kwargs["hidden_states"][0])

    def on_output(site):
        return lambda m, args, out: seen.__setitem__(site, first(out)[0])

    def attention(m, query, key, value, mask, scaling=None, **kwargs):
        out, probs = plain(m, query, key, value, mask, scaling=scaling, **kwargs)
        block = m.layer_idx + 1
        side_by_side = lambda x: x[0].transpose(0, 1).flatten(1)
        scores = query @ key.repeat_interleave(query.shape[1] // key.shape[1], 1).transpose(2, 3) * scaling
        if mask is not None:
            scores = scores.masked_fill(mask[..., : key.shape[2]] < -1e30, -math.inf)
        assert torch.allclose(scores.softmax(-1), probs, atol=1e-6)
        seen.update({f"q.{block}": side_by_side(query), f"k.{block}": side_by_side(key), f"v.{block}": side_by_side(value),
                     f"attn_scores.{block}": scores[0], f"attn_probs.{block}": probs[0]})
        return out, probs

    layers, blocks, final = parts(model)
    for l, (layer, (norm1, attn, proj, norm2, mlp, down)) in enumerate(zip(layers, blocks), 1):
        for m, hook in ((layer, f"resid_pre.{l}"), (proj, f"z.{l}"), (norm2, f"resid_mid.{l}"), (down, f"mlp_act.{l}")):
            hooks.append(m.register_forward_pre_hook(on_input(hook), with_kwargs=True))
        for m, hook in ((norm1, f"attn_in.{l}"), (attn, f"attn_out.{l}"), (norm2, f"mlp_in.{l}"), (mlp, f"mlp_out.{l}"),
                        (layer, f"resid_post.{l}")):
            hooks.append(m.register_forward_hook(on_output(hook)))
    hooks.append(final.register_forward_hook(on_output("final_norm")))
    module.eager_attention_forward = attention
    with torch.no_grad():
        out = model(input_ids=torch.tensor([ids]), output_hidden_states=True, output_attentions=True)
    module.eager_attention_forward = plain
    for h in hooks:
        h.remove()
    seen["embeddings"], seen["logits"] = out.hidden_states[0][0], out.logits[0]
    assert torch.equal(seen["embeddings"], seen["resid_pre.1"]) and torch.equal(seen["final_norm"], out.hidden_states[-1][0])
    for l in range(1, LAYERS + 1):
        assert torch.allclose(seen[f"resid_pre.{l}"] + seen[f"attn_out.{l}"], seen[f"resid_mid.{l}"], atol=1e-6)
        assert torch.allclose(seen[f"resid_mid.{l}"] + seen[f"mlp_out.{l}"], seen[f"resid_post.{l}"], atol=1e-6)
        assert torch.equal(seen[f"attn_probs.{l}"], out.attentions[l - 1][0])
    return {k: v.detach().clone() for k, v in seen.items()}


def side_by_side(rows, length, left=False):
    """Tensors of different numbers of tokens -> one, filled with zeros; every axis that counts tokens is filled."""
    out = []
    for row in rows:
        tokens = row.shape[-2]
        square = row.dim() == 3
        full = row.new_zeros((row.shape[0], length, length) if square else (length, row.shape[-1]))
        at = slice(length - tokens, length) if left else slice(0, tokens)
        full[(slice(None), at, at) if square else at] = row
        out.append(full)
    return torch.stack(out)


def sentences(corpus, encode):
    chosen = []
    for language in LANGUAGES:
        text = " ".join((corpus / f"{language}.txt").read_text(encoding="utf-8").split("\n")[:2])
        want = LENGTHS[language]
        fits = [text[:k].rstrip() for k in range(1, len(text)) if len(encode(text[:k].rstrip())) <= want]
        chosen.append((language, max(fits, key=len) if want > 1 else "a"))
    return chosen


def older_spelling(config):
    """The same config as transformers 4 spells it: what most checkpoints on the Hub carry."""
    old = {k: v for k, v in config.items() if k not in ("rope_parameters", "dtype")}
    old.update(torch_dtype=config["dtype"], transformers_version="4.57.6")
    if rope := config.get("rope_parameters"):
        scaling = {k: v for k, v in rope.items() if k != "rope_theta"}
        old.update(rope_theta=rope["rope_theta"], rope_scaling=None if rope["rope_type"] == "default" else scaling)
    return old


def write(name, spec, toks, corpus, out):
    tok, config, module, features = spec
    t = toks[tok]
    config.vocab_size = t.get_vocab_size()
    config._attn_implementation = "eager"
    seed = sum(map(ord, name))
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
    scale_weights(model, seed)
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    old = older_spelling(json.loads((folder / "config.json").read_text()))
    (folder / "config_v4.json").write_text(json.dumps(old, indent=2) + "\n")
    t.save(str(folder / "tokenizer.json"), pretty=False)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()

    chosen = sentences(corpus, lambda x: t.encode(x, add_special_tokens=False).ids)
    ids = [t.encode(x).ids for _, x in chosen]
    traces = [trace(model, module, i) for i in ids]
    longest = max(map(len, ids))
    peak = torch.cat([tr[f"attn_probs.{l}"][:, 2:].max(-1).values.flatten() for tr in traces for l in range(1, LAYERS + 1)])
    assert 0.4 < peak.mean() < 0.9, f"{name}: attention is not peaked: {peak.mean()}"
    for feature, off in features.items():
        other = type(config)(**{**config.to_dict(), **off})
        other._attn_implementation = "eager"
        without = type(model)(other).eval()
        without.load_state_dict(model.state_dict())
        with torch.no_grad():
            moved = max((without(input_ids=torch.tensor([i])).logits[0] - tr["logits"]).abs().max() for i, tr in zip(ids, traces))
        assert moved > 0.05, f"{name}: {feature} moves the logits by {moved} only"

    E = {f"site.{s}": side_by_side([tr[s] for tr in traces], longest) for s in traces[0]}
    states = ["embeddings"] + [f"resid_post.{l}" for l in range(1, LAYERS)] + ["final_norm"]
    for side, left in (("right", False), ("left", True)):
        lay = lambda site: side_by_side([tr[site] for tr in traces], longest, left)
        E[f"{side}.hidden_states"] = torch.stack([lay(s) for s in states])
        E[f"{side}.logits_last_token"] = torch.stack([tr["logits"][-1] for tr in traces])
        E[f"{side}.pool_mean"] = torch.stack([torch.stack([tr[s].mean(0) for tr in traces]) for s in states])
        E[f"{side}.pool_last_token"] = torch.stack([torch.stack([tr[s][-1] for tr in traces]) for s in states])
    E["right.logits"] = E["site.logits"].clone()
    E["right.last_layer_before_final_norm"] = E[f"site.resid_post.{LAYERS}"].clone()
    E["right.attentions"] = torch.stack([E[f"site.attn_probs.{l}"] for l in range(1, LAYERS + 1)])
    weights = lambda tr: torch.arange(1, len(tr["embeddings"]) + 1, dtype=torch.float32)[:, None]
    E["right.pool_mexa_weighted"] = torch.stack(
        [torch.stack([(weights(tr) * tr[s]).sum(0) / weights(tr).sum() for tr in traces]) for s in states])
    raw = ["embeddings"] + [f"resid_post.{l}" for l in range(1, LAYERS + 1)]
    _, _, final = parts(model)
    with torch.no_grad():
        E["lens.logits_last_token"] = torch.stack(
            [torch.stack([model.lm_head(final(tr[s][-1:]))[0] for tr in traces]) for s in raw])
    safetensors.torch.save_file({k: v.contiguous() for k, v in E.items()}, folder / "expected.safetensors")
    meta = dict(
        family=name, model_type=config.model_type, seed=seed, compute_dtype="float32", attn_implementation="eager",
        python=sys.version.split()[0], torch=torch.__version__, transformers=transformers.__version__,
        tokenizers=tokenizers.__version__, last_hidden_state_is_after_final_norm=True,
        attention_peakedness_mean_max_prob=round(float(peak.mean()), 3),
        sentences=[dict(lang=c, text=x, ids=i) for (c, x), i in zip(chosen, ids)])
    (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{name}: {[len(i) for i in ids]} tokens, attention {peak.mean():.2f}")


def main():
    corpus, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    lines = [l for f in sorted(corpus.glob("*_*.txt")) for l in f.read_text(encoding="utf-8").splitlines()]
    toks = {
        "llama3": byte_level(lines, ["<|begin_of_text|>", "<|end_of_text|>"], WORDS, bos="<|begin_of_text|>"),
        "qwen": byte_level(lines, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], WORDS, normalizers.NFC()),
        "gpt2": byte_level(lines, ["<|endoftext|>"], None),
        "fallback": byte_fallback(lines),
    }
    for name, spec in families(toks).items():
        write(name, spec, toks, corpus, out)


main()
