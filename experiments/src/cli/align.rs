//! `babelscope align`: a spec with one alignment probe.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::{ProbeSpec, RunSpec};
use babelscope_probes::align::AlignParams;
use clap::Args;

use super::{ModelArguments, OutArguments, data::DataArguments};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// Bootstrap draws for the intervals; 0 for none
    #[arg(long, default_value_t = 1000, value_name = "DRAWS")]
    bootstrap: usize,
    /// Draws of shuffled sentences for the null; 0 for none
    #[arg(long, default_value_t = 200, value_name = "DRAWS")]
    shuffles: usize,
    #[command(flatten)]
    out: OutArguments,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let Arguments { bootstrap, shuffles, .. } = *arguments;
    let probe = ProbeSpec::Align(AlignParams { bootstrap, shuffles, ..AlignParams::default() });
    let mut spec = RunSpec::new("align", arguments.model.spec(), vec![probe]);
    arguments.data.apply(&mut spec);
    arguments.out.finish(spec, runs)
}
