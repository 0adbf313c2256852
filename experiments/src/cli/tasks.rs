//! `babelscope tasks`: alignment, and how it goes along with scores of tasks.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::{ProbeSpec, RunSpec};
use babelscope_probes::relate::TaskParams;
use clap::Args;

use super::{ModelArguments, OutArguments, data::DataArguments};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// CSV with a line for each language: its code, then a score in each column; without it only premium and resources are related
    #[arg(long, value_name = "FILE", default_value = "")]
    scores: String,
    /// A key of the probe `tasks` as in a spec: `--set permutations=0`; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    out: OutArguments,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let probe = ProbeSpec::align("eng_Latn");
    let mut spec = RunSpec::new("tasks", arguments.model.spec(), vec![probe]);
    arguments.data.apply(&mut spec);
    let pivots = spec.align().map_or_else(Vec::new, |params| params.pivots.clone());
    let tasks = TaskParams { scores: arguments.scores.clone(), pivots, ..TaskParams::default() };
    spec.probe.push(ProbeSpec::Tasks(tasks));
    let set = arguments.set.iter().map(|assignment| format!("probe.1.{assignment}"));
    arguments.out.finish(spec.with_all(set)?, runs)
}
