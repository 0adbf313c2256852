"""Where in transformers' modules each site lies, and one sentence's pass with every site recorded.

Sites are the text form of core/src/plan/site.rs; blocks count from 1. What the docstring of make_golden.py says of each site
is asserted here: the contributions add up, the projections of what entered give what left, the scores' softmax is the rows.
"""
import contextlib
import math
import sys

import torch
from torch import nn

MASKED = -1e30


class Block:
    """The modules of one block under one set of names."""

    def __init__(self, block, norm, qkv, out, mid, first, down=None, moe=None, post=(None, None)):
        self.block, self.norm, self.qkv, self.out, self.down, self.moe = block, norm, qkv, out, down, moe
        # What resid_mid is: the input of a module, the output of one, or nothing in a parallel block.
        self.mid, self.first, self.attn_post, self.mlp_post = mid, first, *post


def llama_like(b, config):
    a, m, kind = b.self_attn, b.mlp, config.model_type
    qkv = a.qkv_proj if kind == "phi3" else (a.q_proj, a.k_proj, a.v_proj)
    first = m if hasattr(m, "experts") else m.gate_up_proj if kind == "phi3" else m.gate_proj
    mlp = dict(moe=m) if hasattr(m, "experts") else dict(down=m.down_proj)
    if kind == "olmo2":
        post = (b.post_attention_layernorm, b.post_feedforward_layernorm)
        return Block(b, None, qkv, a.o_proj, ("in", m), first, post=post, **mlp)
    if kind in ("gemma2", "gemma3_text"):
        post = (b.post_attention_layernorm, b.post_feedforward_layernorm)
        return Block(b, b.input_layernorm, qkv, a.o_proj, ("in", b.pre_feedforward_layernorm), first, post=post, **mlp)
    mid = None if kind == "cohere" else ("in", b.post_attention_layernorm)
    return Block(b, b.input_layernorm, qkv, a.o_proj, mid, first, **mlp)


def falcon(b, config):
    a, m = b.self_attention, b.mlp
    parallel = config.new_decoder_architecture or config.parallel_attn
    norm = b.ln_attn if hasattr(b, "ln_attn") else b.input_layernorm
    mid = None if parallel else ("in", b.post_attention_layernorm)
    return Block(b, norm, a.query_key_value, a.dense, mid, m.dense_h_to_4h, m.dense_4h_to_h)


def opt(b, config):
    a, pre = b.self_attn, getattr(config, "do_layer_norm_before", True)
    mid = ("in", b.final_layer_norm) if pre else ("out", b.self_attn_layer_norm)
    return Block(b, b.self_attn_layer_norm if pre else None, (a.q_proj, a.k_proj, a.v_proj), a.out_proj, mid, b.fc1, b.fc2)


def bert(b, _config):
    a = b.attention
    qkv = (getattr(a.self, "query"), a.self.key, a.self.value)
    return Block(b, None, qkv, a.output.dense, ("out", a.output.LayerNorm), b.intermediate.dense, b.output.dense)


def mt5(b, _config):
    a, m = b.layer[0].SelfAttention, b.layer[1]
    dense = m.DenseReluDense
    return Block(b, b.layer[0].layer_norm, (a.q, a.k, a.v), a.o, ("in", m.layer_norm), dense.wi_0, dense.wo)


def gpt2(b, _config):
    return Block(b, b.ln_1, b.attn.c_attn, b.attn.c_proj, ("in", b.ln_2), b.mlp.c_fc, b.mlp.c_proj)


def gpt_neox(b, config):
    mid = None if config.use_parallel_residual else ("in", b.post_attention_layernorm)
    return Block(b, b.input_layernorm, b.attention.query_key_value, b.attention.dense, mid, b.mlp.dense_h_to_4h,
                 b.mlp.dense_4h_to_h)


def bloom(b, _config):
    a, m = b.self_attention, b.mlp
    return Block(b, b.input_layernorm, a.query_key_value, a.dense, ("in", b.post_attention_layernorm), m.dense_h_to_4h,
                 m.dense_4h_to_h)


class Anatomy:
    def __init__(self, model):
        self.model, self.config = model, model.config
        self.kind = kind = model.config.model_type
        root, layers, final, of = {
            "gpt2": ("transformer", "h", "ln_f", gpt2), "bloom": ("transformer", "h", "ln_f", bloom),
            "falcon": ("transformer", "h", "ln_f", falcon), "gpt_neox": ("gpt_neox", "layers", "final_layer_norm", gpt_neox),
            "opt": ("model.decoder", "layers", "final_layer_norm", opt), "xglm": ("model", "layers", "layer_norm", opt),
            "bert": ("bert.encoder", "layer", None, bert), "xlm-roberta": ("roberta.encoder", "layer", None, bert),
            "mt5": ("encoder", "block", "final_layer_norm", mt5),
        }.get(kind, ("model", "layers", "norm", llama_like))
        root = model.get_submodule(root)
        self.blocks = [of(b, self.config) for b in getattr(root, layers)]
        self.final = getattr(root, final) if final else None
        self.parallel = self.blocks[0].mid is None
        self.postnorm = kind in ("bert", "xlm-roberta") or kind == "opt" and not self.config.do_layer_norm_before
        self.heads = next(getattr(self.config, n) for n in ("num_attention_heads", "n_head", "num_heads", "attention_heads")
                          if hasattr(self.config, n))


def first(x):
    return x[0] if isinstance(x, tuple) else x


def rows(x):
    return first(x).detach().reshape(-1, first(x).shape[-1]).clone()


@contextlib.contextmanager
def softmax_seen(see):
    """`see(scores) -> scores` gets the attention scores of each block in turn: every family calls this one function."""
    plain, turn = nn.functional.softmax, [0]

    def softmax(x, *args, **kwargs):
        if x.dim() > 2:  # the router of a mixture of experts has two axes
            turn[0] += 1
            x, note = see(turn[0], x)
            out = plain(x, *args, **kwargs)
            note(out)
            return out
        return plain(x, *args, **kwargs)

    nn.functional.softmax = softmax
    try:
        yield
    finally:
        nn.functional.softmax = plain


@contextlib.contextmanager
def hooked(hooks):
    try:
        yield
    finally:
        for h in hooks:
            h.remove()


@contextlib.contextmanager
def projections_seen(an, seen):
    """Queries and keys after QK norm and rotary embedding and without the score's scale, and values."""
    beside = lambda x: x[0].transpose(0, 1).flatten(1).detach().clone()
    module, hooks, undo = sys.modules[type(an.model).__module__], [], []
    if an.kind in ("opt", "xglm"):  # these scale the query where they project it
        for l, b in enumerate(an.blocks, 1):
            for name, m in zip("qkv", b.qkv):
                hooks.append(m.register_forward_hook(lambda m, i, o, s=f"{name}.{l}": seen.__setitem__(s, rows(o))))
    elif an.kind == "bloom":
        for l, b in enumerate(an.blocks, 1):
            a, plain = b.block.self_attention, b.block.self_attention._reshape

            def reshape(fused, plain=plain, l=l):
                out = plain(fused)
                seen.update({f"{n}.{l}": beside(x) for n, x in zip("qkv", out)})
                return out
            a._reshape = reshape
            undo.append(lambda a=a: delattr(a, "_reshape"))
    elif an.kind == "falcon":
        kv, turn, plain_rotary = an.config.num_kv_heads, [0], module.apply_rotary_pos_emb
        # The newer architecture repeats keys and values for each head of their group.
        group = an.heads // kv if an.config.new_decoder_architecture else 1
        for l, b in enumerate(an.blocks, 1):
            a, plain = b.block.self_attention, b.block.self_attention._split_heads

            def split(fused, plain=plain, l=l):
                q, k, v = plain(fused)
                flat = lambda x: x[0].flatten(1).detach().clone()
                seen.update({f"q.{l}": flat(q), f"k.{l}": flat(k[:, :, ::group]), f"v.{l}": flat(v[:, :, ::group])})
                return q, k, v
            a._split_heads = split
            undo.append(lambda a=a: delattr(a, "_split_heads"))

        def rotary(q, k, *args, **kwargs):
            turn[0] += 1
            q, k = plain_rotary(q, k, *args, **kwargs)
            seen.update({f"q.{turn[0]}": beside(q), f"k.{turn[0]}": beside(k[:, ::group])})
            return q, k
        module.apply_rotary_pos_emb = rotary
        undo.append(lambda: setattr(module, "apply_rotary_pos_emb", plain_rotary))
    else:
        turn, plain = [0], module.eager_attention_forward

        def attention(m, query, key, value, *args, **kwargs):
            turn[0] += 1
            seen.update({f"{n}.{turn[0]}": beside(x) for n, x in zip("qkv", (query, key, value))})
            return plain(m, query, key, value, *args, **kwargs)
        module.eager_attention_forward = attention
        undo.append(lambda: setattr(module, "eager_attention_forward", plain))
    with hooked(hooks):
        try:
            yield
        finally:
            for back in undo:
                back()


def trace(an, ids):
    """One sentence alone -> {site: tensor without the batch axis}."""
    seen, pre, hooks = {}, {}, []
    keep = lambda site, into=seen: lambda m, i, o: into.__setitem__(site, rows(o))

    def enters(m, site, into=seen):
        hook = lambda m, args, kwargs: into.__setitem__(site, rows(args[0] if args else kwargs["hidden_states"]))
        hooks.append(m.register_forward_pre_hook(hook, with_kwargs=True))

    def router(l, experts):
        def hook(m, i, o):
            logits, weights, chosen = o
            seen[f"router_logits.{l}"] = logits.detach().clone()
            seen[f"router_weights.{l}"] = torch.zeros_like(logits).scatter(1, chosen, weights.float()).detach()
        return hook

    for l, b in enumerate(an.blocks, 1):
        enters(b.block, f"resid_pre.{l}", pre)
        enters(b.qkv[0] if isinstance(b.qkv, tuple) else b.qkv, f"attn_in.{l}")
        enters(b.out, f"z.{l}")
        enters(b.first, f"mlp_in.{l}")
        hooks.append(b.out.register_forward_hook(keep(f"attn_out.{l}")))
        hooks.append(b.block.register_forward_hook(keep(f"resid_post.{l}")))
        hooks.append((b.down or b.moe).register_forward_hook(keep(f"mlp_out.{l}")))
        if b.down is not None:
            enters(b.down, f"mlp_act.{l}")
        else:
            hooks.append(b.moe.gate.register_forward_hook(router(l, b.moe)))
        if b.mid:
            side, m = b.mid
            if side == "in":
                enters(m, f"resid_mid.{l}")
            else:
                hooks.append(m.register_forward_hook(keep(f"resid_mid.{l}")))
        for m, site in ((b.attn_post, "attn_out_post"), (b.mlp_post, "mlp_out_post")):
            if m is not None:
                hooks.append(m.register_forward_hook(keep(f"{site}.{l}")))
    if an.final is not None:
        hooks.append(an.final.register_forward_hook(keep("final_norm")))

    def see(l, scores):
        square = lambda x: x.detach().reshape(-1, *x.shape[-2:]).clone()
        seen[f"attn_scores.{l}"] = square(scores).masked_fill(square(scores) < MASKED, -math.inf)
        return scores, lambda probs: seen.__setitem__(f"attn_probs.{l}", square(probs))

    with torch.no_grad(), softmax_seen(see), hooked(hooks), projections_seen(an, seen):
        out = an.model(input_ids=torch.tensor([ids]), output_hidden_states=True, output_attentions=True)
    seen["embeddings"] = out.hidden_states[0][0].clone()
    if "logits" in out:
        seen["logits"] = out.logits[0].clone()
    check(an, seen, pre, out)
    return seen


def check(an, seen, pre, out):
    """What the records must be to each other, and to what transformers itself returns."""
    same = lambda a, b: torch.allclose(a, b, atol=2e-6, rtol=1e-6)
    states = ["embeddings"] + [f"resid_post.{l}" for l in range(1, len(an.blocks) + 1)]
    for l, b in enumerate(an.blocks, 1):
        s = lambda name: seen.get(f"{name}.{l}")
        assert torch.equal(pre[f"resid_pre.{l}"], seen[states[l - 1]])
        assert torch.equal(s("attn_probs"), out.attentions[l - 1][0])
        assert same(s("attn_scores").softmax(-1), s("attn_probs"))
        assert same(b.out(s("z")), s("attn_out"))
        if b.norm is not None:
            assert same(b.norm(seen[states[l - 1]]), s("attn_in"))
        attn, mlp = (s(f"{n}_post") if s(f"{n}_post") is not None else s(n) for n in ("attn_out", "mlp_out"))
        heads, n = an.heads, len(s("q"))
        # z is the mix of values, each query head with the key-value head of its group.
        v = s("v").view(n, -1, s("z").shape[1] // heads)
        v = v.repeat_interleave(heads // v.shape[1], 1)
        assert same(torch.einsum("hqk,khd->qhd", s("attn_probs"), v).flatten(1), s("z"))
        if an.parallel:
            assert same(seen[states[l - 1]] + attn + mlp, s("resid_post"))
        elif not an.postnorm:
            assert same(seen[states[l - 1]] + attn, s("resid_mid")) and same(s("resid_mid") + mlp, s("resid_post"))
        else:
            one, two = ((b.block.attention.output.LayerNorm, b.block.output.LayerNorm) if an.kind != "opt"
                        else (b.block.self_attn_layer_norm, b.block.final_layer_norm))
            assert same(one(seen[states[l - 1]] + attn), s("resid_mid")) and same(two(s("resid_mid") + mlp), s("resid_post"))
    for l, state in enumerate(states[:-1]):
        assert torch.equal(seen[state], out.hidden_states[l][0])
    if an.final is not None:
        assert torch.equal(seen["final_norm"], out.hidden_states[-1][0])


def replaced(block, states):
    """The hook that makes a block put out `states` instead: with the last block, transformers' own logit lens."""
    def hook(m, i, o):
        new = states[None]
        return (new, *o[1:]) if isinstance(o, tuple) else new
    return block.register_forward_hook(hook)


def lens(an, ids, states):
    """What the model says where its last block puts out `states`; the logits of the last token."""
    with torch.no_grad(), hooked([replaced(an.blocks[-1].block, states)]):
        return an.model(input_ids=torch.tensor([ids])).logits[0, -1]


def greedy(an, ids, tokens, run=None):
    """Every token from a full pass without a cache -> (tokens, margin between the first and the second logit)."""
    run = run or (lambda ids: an.model(input_ids=torch.tensor([ids])).logits[0])
    said, margins = [], []
    with torch.no_grad():
        for _ in range(tokens):
            top = run(ids + said)[-1].topk(2)
            said.append(int(top.indices[0]))
            margins.append(float(top.values[0] - top.values[1]))
    return said, margins
