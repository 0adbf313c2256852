//! What training a steering vector costs beside the pass over its texts, in turns:
//!
//! ```text
//! cargo run --release -p babelscope-probes --example train_vector_bench -- MODEL POSITIVE.txt NEGATIVE.txt [PAIRS] [ESTIMATOR...]
//! ```
//! Line i of both files is a pair; all layers are trained and tested, with 1000 bootstrap draws. The pass alone reads the same
//! tokens and keeps the last layer's last token. Processor seconds are given beside those of the clock, which depend on what else
//! the machine does. Linux.

#![expect(clippy::print_stdout, reason = "the numbers are its result")]

use std::{fs, time::Instant};

use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
    plan::{Plan, Reduce},
};
use babelscope_probes::steer::{Estimator, Names, Pair, TrainParams, train_pairs};

type Failed = Box<dyn std::error::Error>;

const TURNS: usize = 2;

/// Seconds of the clock and of the processors that work took.
fn cost(work: impl FnOnce() -> Result<(), Failed>) -> Result<[f64; 2], Failed> {
    let (begun, before) = (Instant::now(), processor()?);
    work()?;
    Ok([begun.elapsed().as_secs_f64(), processor()? - before])
}

/// Processor seconds of this process so far.
fn processor() -> Result<f64, Failed> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).ok_or("no times in /proc/self/stat");
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, positive, negative, rest @ ..] = arguments.as_slice() else {
        return Err("expected MODEL POSITIVE.txt NEGATIVE.txt [PAIRS]".into());
    };
    let count: usize = rest.first().map_or(Ok(200), |text| text.parse())?;
    let monitor = Monitor::silent();
    let engine = Engine::load(model, &LoadOptions::default(), &monitor)?;
    let (positive, negative) = (fs::read_to_string(positive)?, fs::read_to_string(negative)?);
    let pair = |(line, (positive, negative)): (usize, (&str, &str))| Pair {
        line,
        positive: positive.to_owned(),
        negative: negative.to_owned(),
        ..Pair::default()
    };
    let pairs: Vec<Pair> = (1..).zip(positive.lines().zip(negative.lines())).take(count).map(pair).collect();
    let texts: Vec<&str> = pairs.iter().flat_map(|pair| [pair.positive.as_str(), pair.negative.as_str()]).collect();
    let encoded = engine.tokenizer().encode_all(&texts)?;
    let tokens: usize = encoded.iter().map(|sentence| sentence.ids.len()).sum();
    println!(
        "{} pairs, {tokens} tokens, {} layers of width {}",
        pairs.len(),
        engine.info().layers,
        engine.info().width
    );
    let plan = Plan::layers([engine.info().layers], Reduce::Last);
    let names = Names { positive: "positive", negative: "negative" };
    let named = rest.get(1..).unwrap_or_default();
    let estimators =
        Estimator::ALL.into_iter().filter(|e| named.is_empty() || named.iter().any(|name| name == e.name()));
    let estimators: Vec<Estimator> = estimators.collect();
    let best =
        |best: &mut [f64; 2], new: [f64; 2]| best.iter_mut().zip(new).for_each(|(best, new)| *best = best.min(new));
    let mut passes = [f64::INFINITY; 2];
    let mut trained = vec![[f64::INFINITY; 2]; estimators.len()];
    for _ in 0..TURNS {
        let alone = cost(|| {
            engine.run(&engine.tokenizer().encode_all(&texts)?, &plan, &monitor)?;
            Ok(())
        });
        best(&mut passes, alone?);
        for (trained, estimator) in trained.iter_mut().zip(&estimators) {
            let params = TrainParams { estimator: *estimator, ..TrainParams::default() };
            let all = cost(|| {
                train_pairs(&engine, &pairs, names, &params, 0, &monitor)?;
                Ok(())
            });
            best(trained, all?);
        }
    }
    println!("pass alone: {:.2} s, {:.2} processor seconds", passes[0], passes[1]);
    for ([clock, processor], estimator) in trained.iter().zip(estimators) {
        let (name, shares) = (estimator.name(), [clock / passes[0], processor / passes[1]]);
        println!("{name}: {clock:.2} s ({:.2}), {processor:.2} processor seconds ({:.2})", shares[0], shares[1]);
    }
    Ok(())
}
