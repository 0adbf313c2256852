"""MEXA: Babelscope beside the original program, on the same activations in one run. Values and seconds.

    git clone https://github.com/cisnlp/Mexa        # its compute_mexa.py is started as it is
    cargo build --release --workspace --example mexa
    python bench_mexa.py --original Mexa/compute_mexa.py --ours target/release/examples/mexa \
        [--activations FILE.safetensors ...] [--synthetic 1000,1024,16,9] [--original-cells 2]

Activation files hold one f32 tensor [layers, sentences, width] a language, eng_Latn among them. The original compares
sentence by sentence (scipy), so of the synthetic set it gets only `--original-cells` cells, and its time for all is that time
multiplied. Ours measures every cell raw and centred, with recalls and 1000 bootstrap draws; its seconds are those of the whole
process. CPU seconds are of the process and all its threads. Needs numpy, scipy, tqdm and safetensors.
"""

import argparse, json, pickle, resource, subprocess, sys, tempfile, time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

PIVOT = "eng_Latn"


def timed(command):
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return done.stdout, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def original(script, states, sentences):
    """Scores [layer] of each language, by the program itself, from pickles as its embed_extractor.py writes them."""
    with tempfile.TemporaryDirectory() as folder:
        pickles, results = Path(folder, "pickles"), Path(folder, "results")
        pickles.mkdir()
        for language, layers in states.items():
            rows = {layer: [{"embd_weighted": row} for row in state] for layer, state in enumerate(layers)}
            Path(pickles, f"{language}.pkl").write_bytes(pickle.dumps(rows))
        command = [sys.executable, str(script), "--embedding_path", str(pickles), "--save_path", str(results)]
        _, wall, cpu = timed(command + ["--pivot", PIVOT, "--num_sents", str(sentences)])
        scores = {p.stem: list(json.loads(p.read_text()).values()) for p in results.iterdir()}
    return scores, wall, cpu


def ours(binary, file):
    out, wall, cpu = timed([str(binary), str(file), PIVOT])
    return json.loads(out)["scores"]["raw"], wall, cpu


def synthetic(sentences, width, languages, layers, seed=0):
    """Shared meaning, noise that grows with the language, an offset of each language: scores from 1 to chance."""
    rng = np.random.default_rng(seed)
    meaning = rng.standard_normal((layers, sentences, width), dtype=np.float32)
    states = {}
    for k in range(languages):
        noise = rng.standard_normal((layers, sentences, width), dtype=np.float32)
        offset = rng.standard_normal((layers, 1, width), dtype=np.float32)
        states[PIVOT if k == 0 else f"l{k:02}_Latn"] = meaning + (1 + k / 2) * noise + offset
    return states


def line(name, cells, wall, cpu):
    print(f"  {name:34} {cells:5} cells {wall:10.2f} s wall {cpu:10.2f} s CPU {1000 * cpu / cells:10.1f} ms CPU a cell")


def compare(name, mine, theirs):
    pairs = [(l, i, mine[l][i], s) for l, scores in theirs.items() for i, s in enumerate(scores)]
    off = [(l, i, a, b) for l, i, a, b in pairs if abs(a - b) > 1e-6]
    print(f"  {len(pairs) - len(off)} of {len(pairs)} values equal to 1e-6" + "".join(
        f"\n    {l} layer {i}: ours {a:.6f}, original {b:.6f}" for l, i, a, b in off))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, required=True)
    parser.add_argument("--ours", type=Path, required=True)
    parser.add_argument("--activations", type=Path, nargs="*", default=[])
    parser.add_argument("--synthetic", default="", help="sentences,width,languages,layers")
    parser.add_argument("--original-cells", type=int, default=2)
    asked = parser.parse_args()
    for file in asked.activations:
        states = load_file(file)
        cells = sum(len(s) for s in states.values())
        print(f"{file.name}: {len(states)} languages, [layers, sentences, width] {list(states[PIVOT].shape)}")
        theirs, wall, cpu = original(asked.original, states, states[PIVOT].shape[1])
        line("original (raw)", cells, wall, cpu)
        mine, wall, cpu = ours(asked.ours, file)
        line("Babelscope (raw and centred)", 2 * cells, wall, cpu)
        compare(file.name, mine, theirs)
    if asked.synthetic:
        sentences, width, languages, layers = map(int, asked.synthetic.split(","))
        states = synthetic(sentences, width, languages, layers)
        print(f"synthetic: {sentences} sentences, width {width}, {languages} languages, {layers} layers")
        some = {l: s[: asked.original_cells] for l, s in states.items() if l in (PIVOT, "l04_Latn")}
        # The pivot against itself costs the original as much as a language, so it is counted.
        measured = 2 * asked.original_cells
        theirs, wall, cpu = original(asked.original, some, sentences)
        line("original (raw)", measured, wall, cpu)
        all_cells = languages * layers
        scale = all_cells / measured
        line("original, all cells (calculated)", all_cells, wall * scale, cpu * scale)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "synthetic.safetensors")
            save_file(states, file)
            mine, our_wall, our_cpu = ours(asked.ours, file)
        line("Babelscope (raw and centred)", 2 * all_cells, our_wall, our_cpu)
        compare("synthetic", mine, theirs)
        print(f"  wall time of the original / ours for all cells: {wall * scale / our_wall:.0f}")


if __name__ == "__main__":
    main()
