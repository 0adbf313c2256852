"""Debiased linear CKA: Babelscope beside numpy, on the same states in the same run. Values, seconds, CPU seconds, memory.

    cargo build --release -p babelscope-probes --example cka_bench
    python bench_cka.py [--shape 2000,4096] [--runs 5]

numpy computes the kernel form (Song et al. 2012) as one writes it: two Gram matrices, zero diagonals, three traces; or the feature form
where the width is below n, as ours does. In f32, as ours has its products, and in f64. Seconds are those of the fastest run; CPU seconds
are a run's on all threads, which other work on the machine disturbs less.
"""

import argparse, json, resource, subprocess, tempfile, time
from pathlib import Path

import numpy as np

BINARY = Path(__file__).resolve().parents[2] / "target/release/examples/cka_bench"


def hsic(k, l):
    n, total = len(k), lambda m: m.sum(dtype=np.float64)
    rows = k.sum(1, dtype=np.float64) @ l.sum(1, dtype=np.float64)
    return np.vdot(k, l) + total(k) * total(l) / ((n - 1) * (n - 2)) - 2 / (n - 2) * rows


def kernel_form(x, y):
    k, l = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))


def feature_form(x, y):
    n = len(x)
    r, s = (x * x).sum(1, dtype=np.float64), (y * y).sum(1, dtype=np.float64)

    def of(a, b, p, q):
        c = a.T @ b
        return np.vdot(c, c) - n / (n - 2) * (p @ q) + p.sum() * q.sum() / ((n - 1) * (n - 2))

    return of(x, y, r, s) / np.sqrt(of(x, x, r, r) * of(y, y, s, s))


def by_numpy(x, y):
    x, y = x - x.mean(0), y - y.mean(0)
    return (feature_form if x.shape[1] < len(x) else kernel_form)(x, y)


def numpy_run(x, y, runs):
    value, seconds = by_numpy(x, y), []
    cpu = time.process_time()
    for _ in range(runs):
        start = time.perf_counter()
        by_numpy(x, y)
        seconds.append(time.perf_counter() - start)
    return value, min(seconds), (time.process_time() - cpu) / runs


def our_run(n, width, file, runs):
    """CPU seconds of a run are those of 1 + runs less those of 1, so that reading the file does not count."""

    def once(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [str(BINARY), str(n), str(width), file, str(times)]
        out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return out, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    (_, one), (out, all_of_them) = once(1), once(1 + runs)
    return out, (all_of_them - one) / runs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", default="2000,4096")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    n, width = map(int, options.shape.split(","))
    rng = np.random.default_rng(0)
    meaning = rng.standard_normal((n, width), dtype=np.float32)
    x, y = (meaning + rng.standard_normal((n, width), dtype=np.float32) for _ in range(2))
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(x.tobytes() + y.tobytes())
        file.flush()
        ours, cpu = our_run(n, width, file.name, options.runs)
    print(f"n {n}, width {width}, numpy {np.__version__}")
    print(f"Babelscope  {ours['debiased']:.7f}  {ours['seconds']:.3f} s  {cpu:.3f} CPU s  {ours['mib']} MiB above its input")
    for kind in (np.float32, np.float64):
        value, seconds, theirs = numpy_run(x.astype(kind), y.astype(kind), options.runs)
        ratios = f"{seconds / ours['seconds']:.2f} in seconds, {theirs / cpu:.2f} in CPU seconds"
        print(f"numpy {kind.__name__}  {value:.7f}  {seconds:.3f} s  {theirs:.3f} CPU s  ratio {ratios}")
    assert abs(ours["debiased"] - value) < 1e-5, "the two do not agree"


if __name__ == "__main__":
    main()
