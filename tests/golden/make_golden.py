#!/usr/bin/env python3
"""Tiny random models of every family and every site of their forward pass, computed by Hugging Face transformers.

    python make_golden.py CORPUS OUT [FAMILY ...]   (as committed: CORPUS = the self-written sentences, OUT = models beside this file)

Each family gets OUT/<family>/{config.json, config_v4.json, model.safetensors, tokenizer.json, expected.safetensors, meta.json}, some
also edits.json and edits.safetensors; README.md says what the tensors are. Every sentence is run alone, so nothing was ever
padded where the numbers come from. Weights are scaled so that attention is peaked and every feature of a family moves the
logits, which is asserted: a model that ignores a sliding window cannot pass.
"""
import json, math, shutil, sys
from pathlib import Path

import safetensors.torch
import tokenizers
import torch
import transformers

import edits
import tokens
from anatomy import Anatomy, greedy, lens, trace
from families import families, older_spelling

NEW_TOKENS = 8


def scale_weights(model, seed):
    """Norm gains and biases scattered around their usual values, projections of unit gain, queries and keys of more."""
    g, done = torch.Generator().manual_seed(seed), set()
    kind = model.config.model_type
    scaled_embedding = kind.startswith("gemma") or kind == "xglm"
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.data_ptr() in done:
                continue
            done.add(p.data_ptr())
            noise, last = torch.randn(p.shape, generator=g), name.split(".")[-2] if "." in name else name
            if p.dim() == 1 or "norm" in last:
                p.copy_((1.0 if p.mean() > 0.5 else 0.0) + 0.2 * noise)
            elif "relative_attention_bias" in name:
                p.copy_(noise)
            elif any(k in name for k in ("wpe", "embed_positions", "position_embeddings", "token_type")):
                p.copy_(0.3 * noise)
            elif any(k in last for k in ("embed", "emb", "wte", "shared")) and last != "embed_out":
                p.copy_((1.0 / math.sqrt(p.shape[1]) if scaled_embedding else 0.6) * noise)
            else:
                transposed = kind == "gpt2" and "transformer.h" in name
                gain = {"gate": 2.0, "q_proj": 1.7, "k_proj": 1.7, "query": 1.7, "key": 1.7, "c_attn": 1.7, "qkv_proj": 1.7,
                        "query_key_value": 1.7, "q": 0.6 if kind == "mt5" else 1.0}.get(last, 1.0)
                p.copy_(gain / math.sqrt(p.shape[0] if transposed else p.shape[-1]) * noise)
    model.tie_weights()


def load(folder, head):
    return getattr(transformers, head).from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()


def save(name, family, toks, folder):
    """The checkpoint, with a config.json of either spelling, which transformers must take for the same model."""
    config, t = family.config, toks[family.tokenizer]
    config.vocab_size = t.get_vocab_size()
    seed = sum(map(ord, name))
    torch.manual_seed(seed)
    model = getattr(transformers, family.head)._from_config(config, attn_implementation="eager").float().eval()
    scale_weights(model, seed)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    t.save(str(folder / "tokenizer.json"), pretty=False)
    new = (folder / "config.json").read_text()
    old = json.dumps(older_spelling(json.loads(new)), indent=2) + "\n"
    (folder / "config_v4.json").write_text(old)
    ids = torch.tensor([t.encode("a b").ids])
    (folder / "config.json").write_text(old)
    with torch.no_grad():
        other = load(folder, family.head)(input_ids=ids)[0]
        (folder / "config.json").write_text(new)
        assert torch.equal(load(folder, family.head)(input_ids=ids)[0], other), f"{name}: the spellings differ"
    return seed


def without(name, family, model, feature, ids, traces):
    """How far the logits move when a feature is switched off."""
    other = type(family.config)(**{**family.config.to_dict(), **family.off[feature]})
    plain = type(model)._from_config(other, attn_implementation="eager").float().eval()
    plain.load_state_dict(model.state_dict(), strict=False)
    with torch.no_grad():
        moved = max(float((plain(input_ids=torch.tensor([i])).logits[0] - tr["logits"]).abs().max()) for i, tr in zip(ids, traces))
    assert moved > 0.05, f"{name}: {feature} moves the logits by {moved} only"
    return round(moved, 3)


def packed(rows, longest):
    """One sentence behind the other; the axis of the keys is filled to the longest sentence with zeros."""
    if rows[0].dim() == 3:
        return torch.cat([torch.nn.functional.pad(r, (0, longest - r.shape[-1])) for r in rows], 1)
    return torch.cat(rows)


def write(name, family, toks, corpus, out):
    folder, t = out / name, toks[family.tokenizer]
    seed = save(name, family, toks, folder)
    model = load(folder, family.head)
    an = Anatomy(model)
    chosen = tokens.sentences(corpus, t)
    ids = [t.encode(x).ids for _, x in chosen]
    traces = [trace(an, i) for i in ids]
    layers = range(1, len(an.blocks) + 1)
    peak = float(torch.cat([tr[f"attn_probs.{l}"][:, 2:].amax(-1).flatten() for tr in traces for l in layers]).mean())
    assert 0.35 < peak < 0.9, f"{name}: attention is not peaked: {peak}"
    moved = {feature: without(name, family, model, feature, ids, traces) for feature in family.off}

    E = {f"site.{s}": packed([tr[s] for tr in traces], max(map(len, ids))) for s in traces[0]}
    if "logits" in traces[0]:
        raw = ["embeddings"] + [f"resid_post.{l}" for l in layers]
        E["lens.logits_last_token"] = torch.stack([torch.stack([lens(an, i, tr[s]) for i, tr in zip(ids, traces)]) for s in raw])
        assert all(torch.equal(row, tr["logits"][-1]) for row, tr in zip(E["lens.logits_last_token"][-1], traces))
    if getattr(model.config, "alibi", False):
        # Eager attention adds Falcon's ALiBi twice (in the mask and to the scores); the default attention adds it once.
        other = getattr(transformers, family.head).from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32).eval()
        with torch.no_grad():
            E["sdpa.logits"] = torch.cat([other(input_ids=torch.tensor([i])).logits[0] for i in ids])
    if family.greedy:
        said = [greedy(an, i, NEW_TOKENS) for i in ids]
        E["greedy.tokens"], E["greedy.margin_top1_top2"] = (torch.tensor(list(x)) for x in zip(*said))
    safetensors.torch.save_file({k: v.contiguous().clone() for k, v in E.items()}, folder / "expected.safetensors")
    meta = dict(
        family=name, model_type=family.config.model_type, seed=seed, compute_dtype="float32", attn_implementation="eager",
        python=sys.version.split()[0], torch=torch.__version__, transformers=transformers.__version__,
        tokenizers=tokenizers.__version__, layers=len(an.blocks), parallel=an.parallel, post_norm=an.postnorm,
        causal=not family.encoder, last_hidden_state_is_after_final_norm=an.final is not None,
        attention_peakedness_mean_max_prob=round(peak, 3), logits_move_when_switched_off=moved,
        sentences=[dict(lang=c, text=x, ids=i) for (c, x), i in zip(chosen, ids)])
    (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if name in edits.EDITED:
        edits.write(folder, model, ids)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: {size / 1e3:.0f} kB, {[len(i) for i in ids]} tokens, attention {peak:.2f}, {moved}")


def main():
    corpus, out, only = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    lines = [l for f in sorted(corpus.glob("*_*.txt")) for l in f.read_text(encoding="utf-8").splitlines()]
    toks = tokens.make(lines)
    for name, family in families().items():
        if not only or name in only:
            write(name, family, toks, corpus, out)


main()
