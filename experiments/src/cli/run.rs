//! `babelscope run spec.toml`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::sweep::SpecArguments;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// The run folder (default: NAME-HASH below --runs)
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    super::execute(&arguments.spec.read()?, runs, arguments.out.as_deref())
}
