"""The sides that are not ours: transformers and torch doing the same work. A process loads, warms up, says `ready`, does the work
once for each line of its input and tells the seconds; when the input ends it reports in JSON.

    python peer.py capture FOLDER IDS.json OUT.f32 --head causal|base --dtype float32
    python peer.py lens FOLDER STATES.safetensors SETS.json OUT.json --dtype float32
    python peer.py generate FOLDER PROMPTS.json --tokens 48 --layer 12
    python peer.py peak

IDS.json is a list of batches, each a list of lists of token ids.
"""

import argparse, json, os, resource, sys, time

import torch


def report(**fields):
    fields["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(fields))


def turns():
    """Yields once for each line of the input, and tells how long it was until the next."""
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        yield
        print(time.perf_counter() - start, flush=True)


def load(folder, dtype, kind):
    import transformers

    start = time.perf_counter()
    model = getattr(transformers, kind).from_pretrained(folder, dtype=getattr(torch, dtype)).eval()
    return model, time.perf_counter() - start


def padded(batch, pad):
    width = max(map(len, batch))
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in batch])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in batch])
    return ids, mask


def pool(hidden, mask):
    """Mean, position-weighted mean and last token of each sentence: [3, sentences, width]."""
    mask = mask.to(torch.float32)
    position = torch.arange(1, mask.shape[1] + 1, dtype=torch.float32) * mask
    weights = torch.stack([mask / mask.sum(1, keepdim=True), position / position.sum(1, keepdim=True)], 1)
    pooled = torch.bmm(weights.to(hidden.dtype), hidden).transpose(0, 1)
    last = hidden[torch.arange(len(mask)), mask.sum(1).long() - 1]
    return torch.cat([pooled, last[None]])


def capture(a):
    kind = {"causal": "AutoModelForCausalLM", "base": "AutoModel"}[a.head]
    model, seconds_load = load(a.folder, a.dtype, kind)
    batches = json.load(open(a.ids))
    kept = None
    with torch.inference_mode():
        model(input_ids=torch.tensor([batches[0][0]]), output_hidden_states=True)  # Warms up.
        for _ in turns():
            kept = []
            for batch in batches:
                ids, mask = padded(batch, 1)
                same = mask.all().item()
                out = model(input_ids=ids, attention_mask=None if same else mask, output_hidden_states=True)
                kept.append(torch.stack([pool(h, mask) for h in out.hidden_states]))
                del out
    states = torch.cat(kept, 2).float()  # [layers + 1, 3, sentences, width]
    # The last entry is after the final norm, so the one before shows that both sides compute the same.
    states[-2].numpy().tofile(a.out)
    report(load_seconds=seconds_load, mean_abs_state=states[:-1].abs().mean().item())


def lens(a):
    from safetensors.torch import load_file

    model, seconds_load = load(a.folder, a.dtype, "AutoModelForCausalLM")
    dtype = getattr(torch, a.dtype)
    norm, head = model.model.norm, model.lm_head
    states = load_file(a.states)["states"].to(dtype)  # [layers, rows, width]
    sets = json.load(open(a.sets))
    member = torch.zeros(head.weight.shape[0], len(sets))
    for column, ids in enumerate(sets):
        member[torch.tensor(ids, dtype=torch.long), column] = 1
    tops, masses = None, None
    with torch.inference_mode():
        head(norm(states[0][:8]))
        for _ in turns():
            tops, masses = [], []
            for layer in states:
                for rows in layer.split(a.rows):
                    logits = head(norm(rows)).float()
                    top = logits.topk(10)
                    log_sum = logits.logsumexp(-1, keepdim=True)
                    p = (logits - log_sum).exp_()
                    tops.append(torch.stack([top.indices.float(), (top.values - log_sum).exp()]))
                    masses.append(p @ member)
    tops, masses = torch.cat(tops, 1), torch.cat(masses)
    json.dump(dict(ids=tops[0].int().tolist(), masses=masses.tolist()), open(a.out, "w"))
    report(load_seconds=seconds_load, rows=a.rows)


def generate(a):
    model, seconds_load = load(a.folder, a.dtype, "AutoModelForCausalLM")
    prompts = torch.tensor(json.load(open(a.prompts)))
    vector = torch.arange(model.config.hidden_size, dtype=torch.float32).sin().to(model.dtype)

    def steer(_module, _inputs, output):
        return (output[0] + vector, *output[1:]) if isinstance(output, tuple) else output + vector

    # Layer l is the output of block l, which transformers counts from 0.
    hook = model.model.layers[a.layer - 1].register_forward_hook(steer)
    options = dict(do_sample=False, max_new_tokens=a.tokens, min_new_tokens=a.tokens, use_cache=True, pad_token_id=1,
                   eos_token_id=None, attention_mask=torch.ones_like(prompts))
    out = None
    with torch.inference_mode():
        model.generate(prompts, **options | dict(max_new_tokens=2, min_new_tokens=2))
        for _ in turns():
            out = model.generate(prompts, **options)
    hook.remove()
    report(load_seconds=seconds_load, ids=out[:, prompts.shape[1]:].tolist())


def peak(a):
    """Best of several large products: what the library reaches on this machine."""
    best = {}
    for dtype in ["float32", "bfloat16"]:
        x = torch.randn(2048, 2048, dtype=getattr(torch, dtype))
        x @ x
        times = []
        for _ in range(6):
            start = time.perf_counter()
            x @ x
            times.append(time.perf_counter() - start)
        best[dtype] = 2 * 2048**3 / min(times) / 1e9
    report(gflops=best)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=["capture", "lens", "generate", "peak"])
    parser.add_argument("inputs", nargs="*")
    parser.add_argument("--head", default="base")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--layer", type=int, default=12)
    a = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    names = {"capture": ["folder", "ids", "out"], "lens": ["folder", "states", "sets", "out"],
             "generate": ["folder", "prompts"], "peak": []}[a.task]
    for name, value in zip(names, a.inputs, strict=True):
        setattr(a, name, value)
    globals()[a.task](a)


if __name__ == "__main__":
    main()
