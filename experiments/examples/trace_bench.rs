//! How fast traces are read: cut, anchored, linked and compared.
//!
//! ```text
//! cargo run --release -p babelscope --example trace_bench -- [TRACES]
//! ```
//! 10,000 traces of 40 steps in the laboratory's languages, made from its own worked-out solutions, read from a JSONL file as a person's
//! would be. Linux (for the memory).

#![expect(clippy::print_stdout, reason = "the numbers are its result")]

use std::{fs, io::Write as _, time::Instant};

use anyhow::{Context as _, Result};
use babelscope::lab::{corrupt, languages, problems};
use babelscope_probes::cot::{Trace, Traces, read::Format, report::Traced};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

const STEPS: usize = 40;
/// Traces in memory at once.
const BLOCK: usize = 512;

fn main() -> Result<()> {
    let count: usize = std::env::args().nth(1).map_or(Ok(10_000), |number| number.parse())?;
    let file = tempfile::Builder::new().suffix(".jsonl").tempfile()?;
    let mut out = std::io::BufWriter::new(file.reopen()?);
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let spoken: Vec<_> =
        languages::ALL.into_iter().filter(|language| language.code != languages::ISLAND.code).collect();
    for at in 0..count {
        let language = spoken[at % spoken.len()];
        let (mut statement, mut text, mut steps) = (String::new(), String::new(), 0);
        while steps < STEPS {
            let problem = corrupt::long(rng, 7)?;
            let of = |lines: &[problems::Line]| problems::text(language, lines).context("no word problems");
            statement += &(of(&problem.statement())? + "\n");
            text += &(of(&problem.solution())? + "\n");
            steps += problem.solution().len();
        }
        let language = language.code.to_owned();
        let trace = Trace { problem: at.to_string(), language, statement, text, ..Trace::default() };
        writeln!(out, "{}", serde_json::to_string(&trace)?)?;
    }
    out.flush()?;
    let bytes = fs::metadata(file.path())?.len();
    let start = Instant::now();
    let (mut traces, mut steps, mut nodes) = (0, 0, 0);
    let mut read = Traces::open(file.path(), Format::Jsonl, None)?;
    loop {
        let block: Vec<Trace> = read.by_ref().take(BLOCK).filter_map(std::result::Result::ok).collect();
        if block.is_empty() {
            break;
        }
        let found = block.into_par_iter().map(Traced::of).collect::<babelscope_probes::Result<Vec<Traced>>>()?;
        traces += found.len();
        steps += found.iter().map(|traced| traced.steps.len()).sum::<usize>();
        nodes += found.iter().map(|traced| traced.trajectory.graph.nodes.len()).sum::<usize>();
    }
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    println!("{traces} traces, {:.1} MB, {steps} steps, {nodes} nodes: {seconds:.2} s, {peak}", bytes as f64 / 1e6);
    Ok(())
}
