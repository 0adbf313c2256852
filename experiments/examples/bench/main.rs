//! Babelscope's side of the benchmarks; `experiments/bench/run.sh` runs it beside the others. It loads, warms up, and then does
//! the work once for each line that it reads, so that the sides can take turns without loading anew. Each answer is a line:
//! `ready`, the seconds of a turn, and when the input ends a report in JSON. `BABELSCOPE_DEVICE` and `BABELSCOPE_ENGINE` name
//! another device or engine.
//!
//! ```text
//! bench capture FOLDER IDS.json OUT.f32 DTYPE
//! bench lens FOLDER STATES.safetensors CORPUS SETS.json OUT.json DTYPE
//! bench generate FOLDER PROMPTS.json TOKENS LAYER DTYPE
//! ```

mod capture;
mod generate;
mod lens;

use std::{fs, io::Write as _, time::Instant};

use anyhow::{Context as _, Result, bail};
use babelscope_core::{
    dtype::Dtype,
    engine::{Engine, LoadOptions},
    monitor::Monitor,
};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut report = match arguments.as_slice() {
        ["capture", folder, ids, out, dtype] => capture::run(folder, ids.as_ref(), out.as_ref(), dtype)?,
        ["lens", folder, states, corpus, sets, out, dtype] => {
            let files = lens::Files { states: states.as_ref(), sets: sets.as_ref(), out: out.as_ref() };
            lens::run(folder, corpus, &files, dtype)?
        }
        ["generate", folder, prompts, tokens, layer, dtype] => {
            generate::run(folder, prompts.as_ref(), tokens.parse()?, layer.parse()?, dtype)?
        }
        _ => bail!("expected one of the calls in the head of experiments/examples/bench/main.rs, got {arguments:?}"),
    };
    let status = fs::read_to_string("/proc/self/status")?;
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the system tells no peak memory")?;
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    report["peak_mb"] = (peak / 1024.0).into();
    say(&report.to_string())
}

/// A line for bench.py.
fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// The engine, and how long it took to load. `dtype` is the peer's: what it loads the weights in is what ours computes in.
fn load(folder: &str, dtype: &str) -> Result<(Engine, f64)> {
    let dtype = match dtype {
        "bfloat16" => Dtype::Bf16,
        "float16" => Dtype::F16,
        _ => Dtype::F32,
    };
    let named = |name: &str| std::env::var(name).ok();
    let engine = named("BABELSCOPE_ENGINE").map(|engine| engine.parse().map_err(anyhow::Error::msg)).transpose()?;
    let options =
        LoadOptions { dtype: Some(dtype), device: named("BABELSCOPE_DEVICE"), engine, ..LoadOptions::default() };
    let start = Instant::now();
    let engine = Engine::load(folder, &options, &Monitor::silent())?;
    Ok((engine, start.elapsed().as_secs_f64()))
}

/// Does `work` once for each line of the input and tells its seconds; returns what the last one made.
fn turns<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
    say("ready")?;
    let mut made = None;
    for line in std::io::stdin().lines() {
        line?;
        // What the last turn made is not this turn's memory.
        drop(made.take());
        let start = Instant::now();
        made = Some(work()?);
        say(&start.elapsed().as_secs_f64().to_string())?;
    }
    made.context("at least one turn is needed")
}
