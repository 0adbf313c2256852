//! `babelscope lens`: a spec with one lens probe.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::{LensSpec, ProbeSpec, RunSpec};
use clap::Args;

use super::{ModelArguments, OutArguments};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The text; may be given more than once
    #[arg(long, required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Parallel sentences from which the token sets of the languages are made
    #[arg(long, default_value = "lab", value_name = "CORPUS")]
    corpus: String,
    /// How many tokens are kept in each cell
    #[arg(long, default_value_t = 5, value_name = "K")]
    top_k: usize,
    /// Only these layers: 0 is the embeddings, l the output of block l
    #[arg(long, value_delimiter = ',', value_name = "LAYERS")]
    layers: Vec<usize>,
    #[command(flatten)]
    out: OutArguments,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let probe = ProbeSpec::Lens(LensSpec { texts: arguments.text.clone(), top_k: arguments.top_k });
    let mut spec = RunSpec::new("lens", arguments.model.spec(), vec![probe]);
    spec.data.path.clone_from(&arguments.corpus);
    spec.extract.layers.clone_from(&arguments.layers);
    arguments.out.finish(spec, runs)
}
