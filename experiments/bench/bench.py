"""Babelscope beside transformers, torch and candle-mi: the same token ids, the same threads, the sides in turns.

    python bench.py --ours BINARY --data FOLDER --corpus FOLDER --out FOLDER [--mode quick|full] [--only b1,lens,generate,peak]

Every side is a process of its own that loads the model and warms up; then they take turns, none while another works. Reported
are the best and the median of a side's turns, the peak memory of its process, and how far the results lie apart. `run.sh` builds
what is needed and calls this.
"""

import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np

import models

HERE = Path(__file__).parent
# Per mode: batches of 32 sentences for (small shapes, the 0.5B shape), turns of each side, new tokens.
MODES = {"quick": ((4, 2), 3, 32), "full": ((24, 6), 5, 64), "all": ((0, 0), 2, 64)}


class Failed(Exception):
    """A side that did not do the work."""


class Bench:
    def __init__(self, asked):
        self.asked = asked
        (self.small, self.large), self.rounds, self.tokens = MODES[asked.mode]
        self.work = Path(asked.out)
        self.work.mkdir(parents=True, exist_ok=True)
        self.data = Path(asked.data)
        self.results = []
        self.environment = os.environ | {
            "RAYON_NUM_THREADS": str(asked.threads), "OMP_NUM_THREADS": str(asked.threads), "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}

    def start(self, command):
        command = self.asked.prefix.split() + [str(part) for part in command]
        log = tempfile.NamedTemporaryFile("w", suffix=".log", dir=self.work, delete=False)
        pipe = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        process = subprocess.Popen(command, env=self.environment, **pipe)
        process.log = Path(log.name)
        return process

    def line(self, process):
        """The next line that is not talk of a library."""
        for line in process.stdout:
            if line.strip() == "ready" or line.startswith("{") or line[:1].isdigit():
                return line.strip()
        raise Failed(f"{' '.join(process.args)}\n{process.log.read_text()[-1500:]}")

    def turn(self, process):
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # The next line says why.
        seconds = float(self.line(process))
        time.sleep(0.3)  # Idle threads of one side spin for a while and would be in the way of the next.
        return seconds

    def end(self, process):
        process.stdin.close()
        report = json.loads(self.line(process))
        process.wait()
        return report

    def peer(self, *arguments, **options):
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        return [sys.executable, HERE / "peer.py", *arguments, *flags]

    def measure(self, case, unit, amount, sides, check=None, rounds=None):
        """Turns of all `sides`; `amount` units are done in one repetition. `check` compares what they left behind."""
        seconds, last, running = {side: [] for side in sides}, {}, {}
        try:
            for side, command in sides.items():
                running[side] = self.start(command)
                self.line(running[side])
            for _ in range(rounds or self.rounds):
                for side, process in running.items():
                    seconds[side].append(self.turn(process))
            for side, process in running.items():
                last[side] = self.end(process)
        except Failed as failed:
            print(f"  not measured: {failed}", flush=True)
            self.results.append(dict(case=case, failed=str(failed)))
            return None
        finally:
            for process in running.values():
                process.kill()
                process.log.unlink(missing_ok=True)
        ours = min(seconds["ours"])
        for side in sides:
            entry = dict(case=case, side=side, best_s=min(seconds[side]), median_s=statistics.median(seconds[side]),
                         seconds=seconds[side], unit=unit, rate=amount / min(seconds[side]),
                         ours_is=min(seconds[side]) / ours, peak_mb=last[side]["peak_mb"],
                         load_s=last[side].get("load_seconds"), mean_abs_state=last[side].get("mean_abs_state"),
                         off=check(side) if check and side != "ours" else None)
            entry["median_ratio"] = entry["median_s"] / statistics.median(seconds["ours"])
            self.results.append(entry)
            print(row(entry), flush=True)
        return last

    # B1: pooled capture of every layer.

    def capture(self):
        for shape, kinds in [(shape, kinds) for shape, kinds in [("llama-100m", ["causal", "base"]), ("xlmr-base", ["base"]), ("qwen2-0.5b", ["causal", "base"])]
                             if shape in self.asked.shapes.split(",")]:
            ids = json.loads((self.data / ("xlmr" if shape.startswith("xlmr") else "bpe")).with_suffix(".ids.json").read_text())
            many = self.large if shape == "qwen2-0.5b" else self.small
            real = models.pick(models.batches(ids), many)
            even = models.equal(ids, 48, 64)
            even = [even[:32], even[32:]]
            for dtype in self.asked.dtypes.split(","):
                folder = self.data / f"{shape}-{dtype}"
                for data, batches, sides in [("padded", real, kinds), ("equal length", even, ["base"])]:
                    self.one_capture(f"B1 {shape} {dtype} {data}", folder, dtype, batches, sides, shape)

    def one_capture(self, case, folder, dtype, batches, kinds, shape):
        file = self.work / "ids.json"
        file.write_text(json.dumps(batches))
        outs = {side: self.work / f"{side}.f32" for side in [*kinds, "ours", "candle-mi"]}
        sides = {kind: self.peer("capture", folder, file, outs[kind], head=kind, dtype=dtype) for kind in kinds}
        sides["ours"] = [self.asked.ours, "capture", folder, file, outs["ours"], dtype]
        # candle-mi knows no padding and no encoder, and computes in f32.
        if self.asked.candle_mi and "equal" in case and dtype == "float32" and not shape.startswith("xlmr"):
            sides["candle-mi"] = [self.asked.candle_mi, folder, file, outs["candle-mi"]]
        tokens = sum(len(row) for batch in batches for row in batch)
        width = models.SHAPES[shape][2]["hidden_size"]

        def off(side):
            """Largest difference over all poolings and sentences of one layer, in units of its root mean square."""
            mine, other = (np.fromfile(outs[name], dtype=np.float32).reshape(-1, width) for name in ("ours", side))
            mine = mine[: len(other)]  # candle-mi pools by the mean alone, which stands first.
            return float(np.abs(mine - other).max() / np.sqrt((other.astype(np.float64) ** 2).mean()))

        print(f"\n{case}: {sum(map(len, batches))} sentences, {tokens} tokens, {len(batches)} batches, "
              f"{len(batches) * 32 and sum(len(b) * max(map(len, b)) for b in batches)} with padding")
        last = self.measure(case, "tokens", tokens, sides, off)
        if last and shape == "qwen2-0.5b":
            linear = last["ours"]["parameters"] - models.SHAPES[shape][2]["vocab_size"] * width
            for entry in self.results:
                if entry["case"] == case and entry["side"] == "ours":
                    entry["gflops"] = 2 * linear * entry["rate"] / 1e9

    # B4: the lens.

    def lens(self):
        for dtype in self.asked.dtypes.split(","):
            folder, sets = self.data / f"qwen2-0.5b-{dtype}", self.work / "sets.json"
            states = self.data / "lens.states.safetensors"
            outs = {side: self.work / f"lens.{side}.json" for side in ["128 rows", "512 rows", "ours"]}
            ours = [self.asked.ours, "lens", folder, states, self.data / "corpus", sets, outs["ours"], dtype]
            sides = {f"{rows} rows": self.peer("lens", folder, states, sets, outs[f"{rows} rows"], rows=rows, dtype=dtype)
                     for rows in ((128,) if self.asked.mode == "quick" else (128, 512))}
            case = f"B4 lens qwen2-0.5b {dtype}"
            print(f"\n{case}: 512 rows x 25 layers, top 10 and the mass of {len(models.LANGUAGES)} languages over 151,936 tokens")

            def off(side, outs=outs):
                mine, other = (json.loads(outs[name].read_text()) for name in ("ours", side))
                top = np.mean([a[0] == b[0] for a, b in zip(mine["ids"], other["ids"], strict=True)])
                mass = np.abs(np.array(mine["masses"]) - np.array(other["masses"])).max()
                print(f"  equal top tokens {100 * top:.2f} %, largest difference of a mass {mass:.1e}")
                return float(mass)

            # Ours starts first: it writes the sets that the other side reads.
            self.measure(case, "rows", 512 * 25, {"ours": ours} | sides, off, rounds=2)

    # Greedy generation with an added vector.

    def generate(self):
        ids = json.loads((self.data / "bpe.ids.json").read_text())
        for dtype in self.asked.dtypes.split(","):
            folder = self.data / f"qwen2-0.5b-{dtype}"
            for batch in (1, 8):
                prompts = self.work / "prompts.json"
                prompts.write_text(json.dumps(models.equal(ids, 32, batch)))
                case = f"generation qwen2-0.5b {dtype}, batch {batch}"
                print(f"\n{case}: {self.tokens} tokens after 32, a vector added after block 12")
                sides = {"transformers": self.peer("generate", folder, prompts, tokens=self.tokens, layer=12, dtype=dtype),
                         "ours": [self.asked.ours, "generate", folder, prompts, self.tokens, 12, dtype]}
                last = self.measure(case, "tokens", batch * self.tokens, sides)
                if last is None:
                    continue
                mine, other = (np.array(last[side]["ids"]) for side in ("ours", "transformers"))
                print(f"  equal tokens: {100 * (mine == other).mean():.1f} %")

    # The machine.

    def peak(self):
        gflops = self.end(self.start(self.peer("peak")))["gflops"]
        self.results.append(dict(case="peak", side="torch", gflops=gflops))
        print("\ntorch, products of 2048 x 2048: " + ", ".join(f"{dtype} {rate:.0f} GFLOP/s" for dtype, rate in gflops.items()))
        for entry in self.results:
            if entry.get("side") == "ours" and "gflops" in entry:
                print(f"  {entry['case']}: linear layers at {entry['gflops']:.0f} GFLOP/s, "
                      f"{100 * entry['gflops'] / gflops['float32']:.0f} % of torch's f32 product")


def row(entry):
    line = (f"  {entry['side']:12} best {entry['best_s']:8.3f} s, median {entry['median_s']:8.3f} s, {entry['rate']:8.0f} "
            f"{entry['unit']}/s, ours is {entry['ours_is']:5.2f}x (median {entry['median_ratio']:.2f}x), peak {entry['peak_mb']:6.0f} MB")
    if entry["load_s"] is not None:
        line += f", load {entry['load_s']:.1f} s"
    if entry["mean_abs_state"] is not None:
        line += f", mean |state| {entry['mean_abs_state']:.6f}"
    return line + (f", off by {entry['off']:.1e}" if entry["off"] is not None else "")


def table(results):
    """The same as a table for docs/PERFORMANCE.md."""
    head = ["case", "side", "best, s", "rate, 1/s", "ours is", "by medians", "peak, MB", "load, s", "off by"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for e in (e for e in results if "best_s" in e):
        cells = [e["case"], e["side"], f"{e['best_s']:.3f}", f"{e['rate']:,.0f} {e['unit']}", f"{e['ours_is']:.2f}x",
                 f"{e['median_ratio']:.2f}x", f"{e['peak_mb']:,.0f}", "" if e["load_s"] is None else f"{e['load_s']:.1f}",
                 "" if e["off"] is None else f"{e['off']:.0e}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", required=True, help="the example `bench`")
    parser.add_argument("--candle-mi", help="the program made of candle_mi.rs; without it that side is left out")
    parser.add_argument("--data", required=True, help="models and token ids; made when they are missing (5 GB)")
    parser.add_argument("--corpus", required=True, help="a file a language, aligned by line")
    parser.add_argument("--out", required=True)
    parser.add_argument("--mode", default="quick", choices=list(MODES))
    parser.add_argument("--only", default="b1,lens,generate,peak")
    parser.add_argument("--shapes", default=",".join(models.SHAPES), help="of b1")
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prefix", default="", help="put before every measured command, as 'chrt -f 5'")
    asked = parser.parse_args()
    models.prepare(asked.data, asked.corpus)
    bench, start = Bench(asked), time.time()
    tasks = {"b1": bench.capture, "lens": bench.lens, "generate": bench.generate, "peak": bench.peak}
    for name in asked.only.split(","):
        tasks[name]()
    (bench.work / "results.json").write_text(json.dumps(bench.results, indent=1))
    (bench.work / "results.md").write_text(table(bench.results))
    print(f"\n{time.time() - start:.0f} s; {bench.work / 'results.md'}, {bench.work / 'results.json'}")


if __name__ == "__main__":
    main()
