"""Debiased linear CKA: Babelscope against numpy, on the same states in the same run.

    cargo build --release -p babelscope-probes --example cka_bench
    python experiments/bench/bench_cka.py [N WIDTH]

numpy computes the kernel form (Song et al. 2012) as one writes it: two Gram matrices, zero diagonals, three traces; in f32, as ours has
its products, and in f64. Best of five of each. The feature form is taken where the width is smaller than n, as ours does.
"""

import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]


def hsic(k, l):
    n = len(k)
    return (
        np.einsum("ij,ij->", k, l, dtype=np.float64)
        + k.sum(dtype=np.float64) * l.sum(dtype=np.float64) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (k.sum(1, dtype=np.float64) @ l.sum(1, dtype=np.float64))
    )


def kernel_form(x, y):
    k, l = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def feature_form(x, y):
    n = len(x)
    r, s = (x * x).sum(1, dtype=np.float64), (y * y).sum(1, dtype=np.float64)

    def of(a, b, p, q):
        norm = np.square(a.T @ b).sum(dtype=np.float64)
        return norm - n / (n - 2) * (p @ q) + p.sum() * q.sum() / ((n - 1) * (n - 2))

    return of(x, y, r, s) / np.sqrt(of(x, x, r, r) * of(y, y, s, s))


def numpy_cka(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return (feature_form if max(x.shape[1], y.shape[1]) < len(x) else kernel_form)(x, y)


def best(of, runs=5):
    value, seconds = of(), []
    for _ in range(runs):
        start = time.perf_counter()
        value = of()
        seconds.append(time.perf_counter() - start)
    return value, min(seconds)


def main():
    n, width = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (2000, 4096)
    generator = np.random.default_rng(0)
    shared = generator.standard_normal((n, width), dtype=np.float32)
    x, y = (shared + generator.standard_normal((n, width), dtype=np.float32) for _ in range(2))
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(x.tobytes() + y.tobytes())
        file.flush()
        binary = ROOT / "target/release/examples/cka_bench"
        ours = json.loads(subprocess.run([binary, str(n), str(width), file.name], check=True, capture_output=True).stdout)
    f32, seconds_f32 = best(lambda: numpy_cka(x, y))
    f64, seconds_f64 = best(lambda: numpy_cka(x.astype(np.float64), y.astype(np.float64)))
    print(f"n {n}, width {width}, numpy {np.__version__}")
    print(f"Babelscope   {ours['seconds_best']:.3f} s  {ours['debiased']:.7f}  {ours['mib_more_than_the_input']} MiB above the input")
    print(f"numpy f32    {seconds_f32:.3f} s  {f32:.7f}  ratio {seconds_f32 / ours['seconds_best']:.2f}")
    print(f"numpy f64    {seconds_f64:.3f} s  {f64:.7f}  ratio {seconds_f64 / ours['seconds_best']:.2f}")
    print(f"numpy at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB, input and f64 copies included")
    assert abs(ours["debiased"] - f64) < 1e-5, "the two do not agree"


if __name__ == "__main__":
    main()
