//! `babelscope compare`: one prompt answered plainly, steered, and with a random vector.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::{CompareSpec, ProbeSpec, RunSpec};
use clap::Args;

use super::{ModelArguments, OutArguments, data::DataArguments};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    data: DataArguments,
    /// A prompt; may be given more than once
    #[arg(long, required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// File of the vector; without it the language vector from --source to --target
    #[arg(long, value_name = "FILE", default_value = "", conflicts_with_all = ["source", "target"])]
    vector: String,
    /// Language that the vector leads away from
    #[arg(long, value_name = "LANGUAGE", default_value = "")]
    source: String,
    /// Language that it leads to
    #[arg(long, value_name = "LANGUAGE", default_value = "")]
    target: String,
    /// Canonical layer at which it is applied
    #[arg(long)]
    layer: usize,
    /// How strongly, in mean norms of the states there (see --set unit)
    #[arg(long, allow_negative_numbers = true)]
    strength: f64,
    /// Another key of the probe as in a spec: `--set unit=raw`; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    out: OutArguments,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let Arguments { text, vector, source, target, layer, strength, .. } = arguments;
    let compare = CompareSpec {
        texts: text.clone(),
        vector: vector.clone(),
        source: source.clone(),
        target: target.clone(),
        layer: *layer,
        strength: *strength,
        ..CompareSpec::default()
    };
    let mut spec = RunSpec::new("compare", arguments.model.spec(), vec![ProbeSpec::Compare(compare)]);
    arguments.data.apply(&mut spec);
    let set = arguments.set.iter().map(|assignment| format!("probe.0.{assignment}"));
    arguments.out.finish(spec.with_all(set)?, runs)
}
