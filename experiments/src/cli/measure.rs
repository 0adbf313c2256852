//! `babelscope retrieval`, `similarity`, `structure`, `neurons`, `classify`, `map`, `tokenizer`: a spec with one such probe.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use babelscope::spec::{ProbeSpec, RunSpec};
use clap::Args;

use super::{ModelArguments, OutArguments, data::DataArguments};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// A key of the probe as in a spec: `--set neighbours=5`; may be given more than once (`babelscope validate` prints all keys)
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    out: OutArguments,
}

pub(super) fn main(kind: &str, arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let probe = ProbeSpec::of_kind(kind).with_context(|| format!("there is no probe {kind}"))?;
    let mut spec = RunSpec::new(kind, arguments.model.spec(), vec![probe]);
    arguments.data.apply(&mut spec);
    let set = arguments.set.iter().map(|assignment| format!("probe.0.{assignment}"));
    arguments.out.finish(spec.with_all(set)?, runs)
}
