//! `babelscope patch`: two prompts that differ in one thing, and which states carry the difference.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::{ProbeSpec, RunSpec};
use babelscope_probes::patch::{GridParams, PairSpec, PatchParams};
use clap::Args;

use super::{ModelArguments, OutArguments};

/// Other experiments (trace, cross, knockout, dla, attribution) are written as specs: `babelscope run SPEC.toml`.
#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    model: ModelArguments,
    /// The prompt whose answer is asked about
    #[arg(long, value_name = "TEXT")]
    clean: String,
    /// The same prompt with something exchanged, of as many tokens
    #[arg(long, value_name = "TEXT")]
    corrupt: String,
    /// An accepted answer of the clean prompt; may be given more than once
    #[arg(long, required = true, value_name = "WORD")]
    answer: Vec<String>,
    /// An answer that counts against it, mostly the corrupt prompt's; may be given more than once
    #[arg(long, required = true, value_name = "WORD")]
    wrong: Vec<String>,
    /// Language of the prompts, for their direction and script
    #[arg(long, default_value = "", value_name = "LANGUAGE")]
    language: String,
    /// A key of the probe as in a spec: `--set 'sites=["resid"]'`; may be given more than once
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    out: OutArguments,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let Arguments { clean, corrupt, answer, wrong, language, .. } = arguments;
    let pair = PairSpec {
        clean: clean.clone(),
        corrupt: corrupt.clone(),
        answer: answer.clone(),
        wrong: wrong.clone(),
        language: language.clone(),
        ..PairSpec::default()
    };
    let grid = PatchParams::Grid(GridParams { pairs: vec![pair], ..GridParams::default() });
    let spec = RunSpec::new("patch", arguments.model.spec(), vec![ProbeSpec::Patch(grid)]);
    let set = arguments.set.iter().map(|assignment| format!("probe.0.{assignment}"));
    arguments.out.finish(spec.with_all(set)?, runs)
}
