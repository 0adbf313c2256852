"""What an edited model computes, by hooks in transformers: edits.json says what was done, edits.safetensors what came out."""
import json
import math

import safetensors.torch
import torch

from anatomy import Anatomy, first, greedy, hooked, softmax_seen, trace

EDITED = ("qwen2", "gemma2", "gpt_neox")


def unit(width, seed):
    v = torch.randn(width, generator=torch.Generator().manual_seed(seed))
    return v / v.norm()


def cases(an, ids, traces):
    """name -> (sentences that are run, edits, tensors that the edits name). Positions count from 0, heads and neurons too."""
    width = traces[0]["embeddings"].shape[1]
    d, e = unit(width, 1), unit(width, 2)
    # Two different sentences give and take.
    to, donor = 2, 3
    last = len(ids[to]) - 1
    n = traces[to]["embeddings"].shape[0]
    at = {"sentence": to}
    return {
        "add_all": ([1, to], [dict(op="add", site="resid_post.2", vector="d", coefficient=2.5)], {"d": d}),
        "add_positions": ([to], [dict(op="add", site="resid_post.2", vector="d", coefficient=-3.0, positions=[1, n - 2], **at)],
                          {"d": d}),
        "ablate": ([to], [dict(op="ablate", site="resid_post.1", vector="d")], {"d": d}),
        "clamp": ([to], [dict(op="clamp", site="resid_post.1", vector="e", to=1.75)], {"e": e}),
        "replace": ([to], [dict(op="replace", site="resid_post.2", vector="from", positions=[last],
                                donor=dict(sentence=donor, position=len(ids[donor]) - 1), **at)],
                    {"from": traces[donor]["resid_post.2"][-1]}),
        "zero_neurons": ([to], [dict(op="scale_neurons", site="mlp_act.2", neurons=[3, 17], factor=0.0)], {}),
        "scale_neurons": ([to], [dict(op="scale_neurons", site="mlp_act.2", neurons=[3, 17], factor=3.0)], {}),
        "zero_head": ([to], [dict(op="scale_head", site="z.2", head=1, factor=0.0)], {}),
        "cut": ([to], [dict(op="cut", block=2, edges=[dict(query=last, key=1, head=0), dict(query=last, key=last, head=2),
                                                       dict(query=4, key=3, head=1)], **at)], {}),
        "two_at_once": ([to], [dict(op="ablate", site="resid_post.1", vector="d"),
                               dict(op="add", site="resid_post.2", vector="e", coefficient=2.0, positions=[last], **at)],
                        {"d": d, "e": e}),
    }


def edited(edit, x, tensors, heads):
    """`x` [tokens, width] at the site of `edit` -> what stands there instead."""
    x = x.clone()
    rows = torch.tensor(edit["positions"]) if "positions" in edit else torch.arange(len(x))
    if edit["op"] == "scale_neurons":
        x[:, edit["neurons"]] *= edit["factor"]
    elif edit["op"] == "scale_head":
        width = x.shape[1] // heads
        x[:, edit["head"] * width:(edit["head"] + 1) * width] *= edit["factor"]
    else:
        v = tensors[edit["vector"]]
        along = (x[rows] @ v)[:, None] * v
        x[rows] = {"add": lambda: x[rows] + edit["coefficient"] * v, "ablate": lambda: x[rows] - along,
                   "clamp": lambda: x[rows] - along + edit["to"] * v, "replace": lambda: v.expand(len(rows), -1)}[edit["op"]]()
    return x


def run(an, ids, sentence, edits, tensors):
    """-> logits [tokens, vocabulary], and resid_post of every block."""
    hooks, post = [], {}
    edits = [e for e in edits if e.get("sentence", sentence) == sentence]
    cuts = [e for e in edits if e["op"] == "cut"]
    for e in edits:
        if e["op"] == "cut":
            continue
        site, l = e["site"].split(".")
        b = an.blocks[int(l) - 1]
        change = lambda x, e=e: edited(e, x[0], tensors, an.heads)[None]
        if site == "resid_post":
            def hook(m, i, o, change=change):
                return (change(o[0]), *o[1:]) if isinstance(o, tuple) else change(o)
            hooks.append(b.block.register_forward_hook(hook))
        else:
            hooks.append({"mlp_act": b.down, "z": b.out}[site].register_forward_pre_hook(
                lambda m, args, change=change: (change(args[0]), *args[1:])))
    for l, b in enumerate(an.blocks, 1):
        # After the edit's own hook, so what is kept is what goes on.
        hooks.append(b.block.register_forward_hook(lambda m, i, o, l=l: post.__setitem__(l, first(o)[0].detach().clone())))

    def see(l, scores):
        scores = scores.clone()
        for c in cuts:
            for edge in c["edges"] if c["block"] == l else []:
                scores[0, edge["head"], edge["query"], edge["key"]] = -math.inf
        return scores, lambda probs: None

    with torch.no_grad(), softmax_seen(see), hooked(hooks):
        logits = an.model(input_ids=torch.tensor([ids])).logits[0].clone()
    return logits, post


def write(folder, model, ids):
    an = Anatomy(model)
    traces = [trace(an, i) for i in ids]
    E, said = {}, []
    for name, (sentences, edits, tensors) in cases(an, ids, traces).items():
        outs = [run(an, ids[s], s, edits, tensors) for s in sentences]
        moved = max(float((o[0] - traces[s]["logits"]).abs().max()) for s, o in zip(sentences, outs))
        assert moved > 0.02, f"{folder.name} {name}: the logits move by {moved} only"
        assert all(torch.isfinite(o[0]).all() for o in outs)
        E[f"{name}.logits"] = torch.cat([o[0] for o in outs])
        E.update({f"{name}.resid_post.{l}": torch.cat([o[1][l] for o in outs]) for l in range(1, len(an.blocks) + 1)})
        E.update({f"{name}.{t}": v for t, v in tensors.items()})
        case = dict(name=name, sentences=sentences, edits=edits)
        if name == "add_all":
            told = [greedy(an, ids[s], 8, lambda i, s=s: run(an, i, s, edits, tensors)[0]) for s in sentences]
            E[f"{name}.greedy.tokens"] = torch.tensor([t for t, _ in told])
            E[f"{name}.greedy.margin_top1_top2"] = torch.tensor([m for _, m in told])
        said.append(case)
    safetensors.torch.save_file({k: v.contiguous().clone() for k, v in E.items()}, folder / "edits.safetensors")
    (folder / "edits.json").write_text("[\n" + ",\n".join(" " + json.dumps(c) for c in said) + "\n]\n", encoding="utf-8")
