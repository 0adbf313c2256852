//! What gradients cost against a forward pass, for docs/methods/attribution.md.
//!
//! `cargo run --release -p babelscope-probes --example gradient_bench -- MODEL SENTENCES TOKENS RUNS` takes the gradient of a logit difference
//! at `resid_post`, `attn_out_post`, `mlp_out_post` and `z` of every block and prints JSON: seconds of the fastest run of each, and the most
//! memory that the process had above the loaded models, in MiB.

use std::{error::Error, fs, time::Instant};

use babelscope_core::{
    engine::{Engine, LoadOptions},
    gradient::{Contrast, Objective},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::Encoded,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, sentences, tokens, runs] = arguments.as_slice() else {
        return Err("usage: gradient_bench MODEL SENTENCES TOKENS RUNS".into());
    };
    let (count, tokens, runs): (u32, u32, usize) = (sentences.parse()?, tokens.parse()?, runs.parse()?);
    let silent = Monitor::silent();
    let native = Engine::load(model, &LoadOptions::default(), &silent)?;
    let candle = native.differentiable(&silent)?;
    let vocabulary = native.info().vocabulary as u32;
    let sentence = |seed: u32| {
        let ids: Vec<u32> = (0..tokens).map(|i| 5 + (seed * 31 + i * 17 + i * i * 7) % (vocabulary - 5)).collect();
        Encoded { spans: vec![0..0; ids.len()], ids, bos: 0 }
    };
    let sentences: Vec<Encoded> = (0..count).map(sentence).collect();
    let contrast = Contrast { plus: vec![7], minus: vec![9], position: tokens as usize - 1 };
    let objective = Objective::LogitDifference(vec![contrast; sentences.len()]);
    let points = [Point::ResidPost, Point::AttnOutPost, Point::MlpOutPost, Point::Z];
    let sites: Vec<Site> = native.sites().into_iter().filter(|site| points.contains(&site.point)).collect();
    let logits = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
    let plan = Plan { captures: vec![logits], ..Plan::default() };
    let fastest = |work: &dyn Fn() -> Outcome<()>| -> Outcome<f64> {
        let mut seconds = f64::INFINITY;
        for _ in 0..runs {
            let start = Instant::now();
            work()?;
            seconds = seconds.min(start.elapsed().as_secs_f64());
        }
        Ok(seconds)
    };
    let forward = |engine: &Engine| fastest(&|| Ok(engine.run(&sentences, &plan, &silent).map(drop)?));
    let (by_native, by_candle) = (forward(&native)?, forward(&candle)?);
    let before = peak();
    let taken = fastest(&|| Ok(candle.gradients(&sentences, &sites, &[], &objective, &silent).map(drop)?))?;
    let mib = (peak() - before) / 1024;
    println!(
        "{}",
        serde_json::json!({
            "sites": sites.len(), "forward_native": by_native, "forward_candle": by_candle, "gradients": taken,
            "times_candle": taken / by_candle, "times_native": taken / by_native, "mib": mib,
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
