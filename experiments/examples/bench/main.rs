//! Babelscope's side of the benchmarks; `experiments/bench/run.sh` runs it beside the others. Each call is one measurement in a
//! process of its own and prints one line of JSON.
//!
//! ```text
//! bench capture FOLDER IDS.json OUT.f32 REPETITIONS DTYPE
//! bench lens FOLDER STATES.safetensors CORPUS SETS.json OUT.json REPETITIONS DTYPE
//! ```

mod capture;
mod lens;

use std::{fs, time::Instant};

use anyhow::{Context as _, Result, bail};
use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut report = match arguments.as_slice() {
        ["capture", folder, ids, out, repetitions, dtype] => {
            capture::run(folder, ids.as_ref(), out.as_ref(), repetitions.parse()?, dtype)?
        }
        ["lens", folder, states, corpus, sets, out, repetitions, dtype] => {
            let files = lens::Files { states: states.as_ref(), sets: sets.as_ref(), out: out.as_ref() };
            lens::run(folder, corpus, &files, repetitions.parse()?, dtype)?
        }
        _ => bail!("expected one of the calls in the head of experiments/examples/bench/main.rs, got {arguments:?}"),
    };
    let status = fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the system tells no peak memory")?;
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    report["peak_mb"] = (peak / 1024.0).into();
    #[expect(clippy::print_stdout, reason = "the result, read by bench.py")]
    {
        println!("{report}");
    }
    Ok(())
}

/// The engine, and how long it took to load.
fn load(folder: &str, _dtype: &str) -> Result<(Engine, f64)> {
    let start = Instant::now();
    let engine = Engine::load(folder, &LoadOptions::default(), &Monitor::silent())?;
    Ok((engine, start.elapsed().as_secs_f64()))
}

/// Seconds of each of `repetitions` of `work`, and what the last one made.
fn timed<T>(repetitions: usize, mut work: impl FnMut() -> Result<T>) -> Result<(Vec<f64>, T)> {
    let mut seconds = Vec::new();
    let mut made = None;
    for _ in 0..repetitions {
        let start = Instant::now();
        made = Some(work()?);
        seconds.push(start.elapsed().as_secs_f64());
    }
    Ok((seconds, made.context("at least one repetition is needed")?))
}
