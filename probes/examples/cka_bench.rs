//! Debiased linear CKA of two sides in a file, so many times over, for `experiments/bench/bench_cka.py`.
//!
//! `cargo run --release -p babelscope-probes --example cka_bench -- 2000 4096 states.bin 5` reads two sides of little-endian f32, one behind
//! the other, and prints JSON: seconds of the fastest run, the values, and how much memory the process had at most above its input.

use std::{
    error::Error,
    fs,
    io::{BufReader, Read as _},
    time::Instant,
};

use babelscope_probes::similarity::cka;
use ndarray::ArrayView2;

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [n, width, file, runs] = arguments.as_slice() else {
        return Err("usage: cka_bench N WIDTH STATES.bin RUNS".into());
    };
    let (n, width) = (n.parse::<usize>()?, width.parse::<usize>()?);
    // Read as it is needed: a copy of the whole file would hide what CKA itself takes.
    let mut reader = BufReader::new(fs::File::open(file)?);
    let mut values = vec![0f32; 2 * n * width];
    for value in &mut values {
        let mut bytes = [0u8; 4];
        reader.read_exact(&mut bytes)?;
        *value = f32::from_le_bytes(bytes);
    }
    let (x, y) = values.split_at(n * width);
    let (x, y) = (ArrayView2::from_shape((n, width), x)?, ArrayView2::from_shape((n, width), y)?);
    let before = peak();
    let (mut seconds, mut found) = (f64::INFINITY, None);
    for _ in 0..runs.parse::<usize>()? {
        let start = Instant::now();
        found = Some(cka(x, y)?);
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let found = found.ok_or("RUNS is at least 1")?;
    let mib = (peak() - before) / 1024;
    let (debiased, biased) = (found.debiased, found.biased);
    println!("{}", serde_json::json!({ "seconds": seconds, "debiased": debiased, "biased": biased, "mib": mib }));
    Ok(())
}

/// The most memory that this process ever had, in KiB; 0 where the system does not say.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
