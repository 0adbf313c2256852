"""MEXA and recalls, raw and centred, by numpy and by Babelscope on the same states, and the ratio of their times.

    cargo build --release -p babelscope-probes --example align_bench
    python experiments/bench/bench_align.py target/release/examples/align_bench [LANGUAGES LAYERS SENTENCES WIDTH]

numpy computes what is asked and no more: f32 products on as many cores as OpenBLAS takes, both maxima, three shares. Babelscope also
gives 1000 bootstrap draws, 200 shuffles, the outcome of each sentence and the curve over n. CPU seconds are those of all threads, so that
they can be compared on a machine with other work.
"""

import os

os.environ.pop("OPENBLAS_CORETYPE", None)

import re
import subprocess
import sys
import tempfile
import time

import numpy as np


def states(languages, layers, n, width):
    """Shared concepts, noise of the language, an offset: as `align_bench` makes them."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((layers, n, width), dtype=np.float32)
    out = np.empty((languages, layers, n, width), np.float32)
    for language in range(languages):
        rng.standard_normal(out=out[language], dtype=np.float32)
        out[language] *= 3
        out[language] += shared
        out[language] += rng.standard_normal(width, dtype=np.float32)
    return out


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def scores(p, x):
    s = p @ x.T
    true = np.diagonal(s).copy()
    np.fill_diagonal(s, -np.inf)
    there, back = true > s.max(axis=1), true > s.max(axis=0)
    return (there & back).mean(), there.mean(), back.mean()


def by_numpy(all_states):
    """Mean MEXA raw and centred; the pivot is the first language, prepared once a layer."""
    raw, centred = [], []
    for layer in range(all_states.shape[1]):
        pivot = all_states[0, layer]
        pivot_raw, pivot_centred = unit(pivot), unit(pivot - pivot.mean(axis=0))
        for language in range(1, all_states.shape[0]):
            x = all_states[language, layer]
            raw.append(scores(pivot_raw, unit(x))[0])
            centred.append(scores(pivot_centred, unit(x - x.mean(axis=0)))[0])
    return np.mean(raw), np.mean(centred)


def main():
    program = sys.argv[1]
    shape = tuple(int(a) for a in sys.argv[2:6]) or (16, 4, 1012, 1024)
    data = states(*shape)
    with tempfile.NamedTemporaryFile(suffix=".states") as file:
        file.write(np.array(shape, "<u4").tobytes())
        data.tofile(file)
        file.flush()
        ours, theirs = [], []
        for _ in range(3):
            begun, used = time.perf_counter(), time.process_time()
            raw, centred = by_numpy(data)
            theirs.append((time.perf_counter() - begun, time.process_time() - used))
            said = subprocess.run([program, file.name], check=True, capture_output=True, text=True).stdout
            seconds, cpu = re.search(r": ([\d.]+) s, CPU ([\d.]+) s", said).groups()
            ours.append((float(seconds), float(cpu)))
    print(f"{shape}; load {os.getloadavg()[0]:.1f}; numpy {np.__version__}")
    print(said.strip())
    print(f"numpy: mean MEXA: raw {raw:.6f}, centred {centred:.6f}")
    for at, what in enumerate(("wall", "CPU")):
        numpy_best, our_best = min(t[at] for t in theirs), min(t[at] for t in ours)
        print(f"{what}: numpy {numpy_best:.2f} s, Babelscope {our_best:.2f} s, ratio {numpy_best / our_best:.2f}")


main()
