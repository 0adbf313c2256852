"""B1 on a GPU: pooled capture of all layers beside transformers on the same device, and the device's measured matrix peak.

    python gpu.py --ours BINARY --work FOLDER --out FOLDER [--device cuda:0] [--dtype bfloat16] [--shapes qwen2-0.5b,llama-100m]

Lengths follow a fixed distribution like that of the corpus's sentences (5 to 200 tokens, median 40), ids are random: on random
weights the text makes no difference. transformers gets batches sorted by length and padded, of several sizes, and the best of
them counts. Both sides warm up with all of the work once and then take turns. Writes gpu.json and gpu.md.
"""

import argparse, json, math, os, random, subprocess, time
from pathlib import Path

import models
from peer import padded, pool

parser = argparse.ArgumentParser()
parser.add_argument("--ours", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--out", required=True)
parser.add_argument("--device", default="cuda:0")
parser.add_argument("--dtype", default="bfloat16")
parser.add_argument("--shapes", default="llama-100m,qwen2-0.5b,xlmr-base")
parser.add_argument("--sentences", type=int, default=3200)
parser.add_argument("--turns", type=int, default=5)
parser.add_argument("--sizes", default="32,128,512")
parser.add_argument("--peak", type=int, default=8192)
asked = parser.parse_args()

import torch, transformers  # After the arguments: a wrong one should not wait for them.

work, out = Path(asked.work), Path(asked.out)
work.mkdir(parents=True, exist_ok=True)
out.mkdir(parents=True, exist_ok=True)
dtype = getattr(torch, asked.dtype)
gpu = asked.device != "cpu"


def settle():
    if gpu:
        torch.cuda.synchronize()


def peak():
    """TFLOP/s of the largest square product in the dtype of the comparison."""
    n = asked.peak
    a, b = (torch.randn(n, n, device=asked.device, dtype=dtype) for _ in range(2))
    best = math.inf
    for _ in range(10):
        settle()
        start = time.perf_counter()
        a @ b
        settle()
        best = min(best, time.perf_counter() - start)
    return 2 * n**3 / best / 1e12


def sentences(vocabulary):
    rng = random.Random(0)
    length = lambda: max(5, min(200, round(rng.lognormvariate(math.log(40), 0.5))))
    # From 3 on, as small ids may be padding.
    return [[rng.randrange(3, vocabulary) for _ in range(length())] for _ in range(asked.sentences)]


def model_folder(shape):
    folder = work / f"{shape}-{asked.dtype}"
    if not (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer
        from tokenizers.models import WordLevel

        models.write_model(folder, shape, asked.dtype)
        Tokenizer(WordLevel({"a": 0}, unk_token="a")).save(str(folder / "tokenizer.json"))
    return folder


def theirs(model, batches):
    kept = []
    with torch.inference_mode():
        for batch in batches:
            ids, mask = (x.to(asked.device) for x in padded(batch, 1))
            hidden = model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
            kept.append(torch.stack([pool(h, mask) for h in hidden]))
        # The rows come to the host, as ours do.
        return torch.cat(kept, 2).float().cpu()


class Ours:
    def __init__(self, folder, ids, states):
        environment = os.environ | {"BABELSCOPE_DEVICE": asked.device, "BABELSCOPE_ENGINE": "candle"}
        command = [asked.ours, "capture", folder, ids, states, asked.dtype]
        pipe = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process = subprocess.Popen([str(part) for part in command], env=environment, **pipe)
        assert self.process.stdout.readline().strip() == "ready"

    def turn(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        report = json.loads(self.process.stdout.readline())
        self.process.wait()
        return report


def compare(shape, tflops):
    folder = model_folder(shape)
    sizes = models.SHAPES[shape][2]
    ids = sorted(sentences(sizes["vocab_size"]), key=len, reverse=True)
    file, states = work / "ids.json", work / "ours.f32"
    file.write_text(json.dumps([ids]))
    model = transformers.AutoModel.from_pretrained(folder, dtype=dtype).eval().to(asked.device)
    tokens = sum(map(len, ids))
    inside = sum(p.numel() for name, p in model.named_parameters() if "embed" not in name and p.dim() == 2)
    ours = Ours(folder, file, states)
    ours.turn()
    seconds, results = {"ours": []}, {}
    for size in map(int, asked.sizes.split(",")):
        batches = [ids[i : i + size] for i in range(0, len(ids), size)]
        side = f"transformers, batches of {size}"
        try:
            results[side] = theirs(model, batches)
        except torch.OutOfMemoryError:
            continue
        seconds[side] = []
        for _ in range(asked.turns):
            settle()
            start = time.perf_counter()
            theirs(model, batches)
            settle()
            seconds[side].append(time.perf_counter() - start)
            seconds["ours"].append(ours.turn())
    report = ours.end()
    mine = torch.from_file(str(states), size=states.stat().st_size // 4).reshape(3, len(ids), -1)
    rows = []
    for side, turns in seconds.items():
        best = min(turns)
        row = dict(shape=shape, dtype=asked.dtype, side=side, tokens=tokens, best_s=best, tokens_per_s=tokens / best,
                   ours_is=best / min(seconds["ours"]), share_of_peak=2 * inside * tokens / best / 1e12 / tflops)
        if side in results:
            other = results[side][-2]
            row["off_rms"] = ((mine - other).pow(2).mean() / other.pow(2).mean()).sqrt().item()
        else:
            row["load_s"] = report["load_seconds"]
        rows.append(row)
    return rows


name = torch.cuda.get_device_name() if gpu else "cpu"
tflops = peak()
rows = [row for shape in asked.shapes.split(",") for row in compare(shape, tflops)]
result = dict(device=name, torch=torch.__version__, transformers=transformers.__version__, peak_tflops=tflops,
              peak_of=f"{asked.peak}^3 in {asked.dtype}", rows=rows)
(out / "gpu.json").write_text(json.dumps(result, indent=1))
lines = [f"{name}, torch {torch.__version__}, measured peak {tflops:.1f} TFLOP/s ({result['peak_of']})", "",
         "| shape | side | tokens/s | ours is | share of the peak | off (rms) |", "| --- | --- | --- | --- | --- | --- |"]
for row in rows:
    off = f"{row['off_rms']:.1e}" if "off_rms" in row else ""
    lines.append(f"| {row['shape']} {row['dtype']} | {row['side']} | {row['tokens_per_s']:.0f} | {row['ours_is']:.2f}x | "
                 f"{row['share_of_peak']:.1%} | {off} |")
(out / "gpu.md").write_text("\n".join(lines) + "\n")
print("\n".join(lines))
