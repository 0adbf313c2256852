//! Seconds and memory of debiased linear CKA at n = 2,000 and width 4,096 (or `N WIDTH` as arguments), for `experiments/bench/bench_cka.py`.
//!
//! `cargo run --release -p babelscope-probes --example cka_bench -- 2000 4096 states.bin` reads two sides of little-endian f32, one behind the
//! other, and prints JSON: the best and the median of five runs, the value, and the most memory that the process ever had.

use std::{error::Error, fs, time::Instant};

use babelscope_probes::similarity::cka;
use ndarray::ArrayView2;

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [n, width, file] = arguments.as_slice() else { return Err("usage: cka_bench N WIDTH STATES.bin".into()) };
    let (n, width) = (n.parse::<usize>()?, width.parse::<usize>()?);
    let values: Vec<f32> = fs::read(file)?.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    if values.len() != 2 * n * width {
        return Err(format!("{file} has {} numbers, expected 2 x {n} x {width}", values.len()).into());
    }
    let (x, y) = values.split_at(n * width);
    let (x, y) = (ArrayView2::from_shape((n, width), x)?, ArrayView2::from_shape((n, width), y)?);
    let before = peak();
    let mut seconds = Vec::new();
    let mut found = cka(x, y)?;
    for _ in 0..5 {
        let start = Instant::now();
        found = cka(x, y)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!(
        "{}",
        serde_json::json!({
            "seconds_best": seconds[0], "seconds_median": seconds[2], "debiased": found.debiased, "biased": found.biased,
            "mib_more_than_the_input": (peak() - before) / 1024,
        })
    );
    Ok(())
}

/// The most memory that this process ever had, in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
