//! What training a steering vector costs beside the pass over its texts, with each estimator, in turns:
//!
//! ```text
//! cargo run --release -p babelscope-probes --example train_vector_bench -- MODEL POSITIVE.txt NEGATIVE.txt [PAIRS]
//! ```
//! Line i of both files is a pair; all layers are trained and tested, with 1000 bootstrap draws. The pass alone reads the same
//! tokens and keeps the last layer's last token.

#![expect(clippy::print_stdout, reason = "the numbers are its result")]

use std::{fs, time::Instant};

use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
    plan::{Plan, Reduce},
};
use babelscope_probes::steer::{Estimator, Names, Pair, TrainParams, train_pairs};

type Failed = Box<dyn std::error::Error>;

const TURNS: usize = 3;

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
    let mut passes = f64::INFINITY;
    let mut trained = [f64::INFINITY; Estimator::ALL.len()];
    for _ in 0..TURNS {
        let begun = Instant::now();
        let encoded = engine.tokenizer().encode_all(&texts)?;
        engine.run(&encoded, &plan, &monitor)?;
        passes = passes.min(begun.elapsed().as_secs_f64());
        for (best, estimator) in trained.iter_mut().zip(Estimator::ALL) {
            let params = TrainParams { estimator, ..TrainParams::default() };
            let begun = Instant::now();
            train_pairs(&engine, &pairs, names, &params, 0, &monitor)?;
            *best = best.min(begun.elapsed().as_secs_f64());
        }
    }
    println!("pass alone: {passes:.2} s");
    for (seconds, estimator) in trained.iter().zip(Estimator::ALL) {
        println!("{}: {seconds:.2} s, {:.2} of the pass alone", estimator.name(), seconds / passes);
    }
    Ok(())
}
