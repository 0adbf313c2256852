//! Times pooled capture (mean of every layer) of one model on given token ids; `experiments/bench/bench_capture.py` runs it
//! beside Hugging Face transformers. Arguments: model folder, JSON file with a list of id lists, repetitions.

use std::{fs, time::Instant};

use anyhow::{Context as _, Result};
use babelscope_core::{
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
    tokens::Encoded,
};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &'static str| arguments.next().context(what);
    let (model, ids) = (next("expected a model folder")?, next("expected a file of token ids")?);
    let repetitions: usize = next("expected the number of repetitions")?.parse()?;
    let ids: Vec<Vec<u32>> = serde_json::from_slice(&fs::read(ids)?)?;
    let sentences: Vec<_> = ids.into_iter().map(|ids| Encoded { spans: vec![0..0; ids.len()], ids, bos: 0 }).collect();

    let start = Instant::now();
    let engine = Engine::load(&model, &LoadOptions::default(), &Monitor::silent())?;
    let load_seconds = start.elapsed().as_secs_f64();
    let plan = Plan::layers(0..=engine.info().layers, Reduce::Mean(Window::default()));
    let mut seconds = Vec::new();
    let mut checksum = 0.0;
    // One more than asked: the first warms up.
    for _ in 0..=repetitions {
        let start = Instant::now();
        let kept = engine.run(&sentences, &plan, &Monitor::silent())?;
        seconds.push(start.elapsed().as_secs_f64());
        if let Some(Values::Pooled(state)) = kept.iter().rev().nth(1).map(|captured| &captured.values) {
            checksum = state.abs()?.mean_all()?.to_scalar::<f32>()?;
        }
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown").trim();
    let report = serde_json::json!({
        "seconds": seconds[1..], "load_seconds": load_seconds, "peak": peak, "mean_abs_state": checksum,
        "weights": engine.info().stored_dtype,
    });
    #[expect(clippy::print_stdout, reason = "the result, read by bench_capture.py")]
    {
        println!("{report}");
    }
    Ok(())
}
