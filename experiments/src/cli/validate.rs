//! `babelscope validate spec.toml`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::RunSpec;
use clap::Args;

use crate::terminal;

#[derive(Args)]
pub(super) struct Arguments {
    /// The spec
    spec: PathBuf,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let spec = RunSpec::open(&arguments.spec)?;
    terminal::note("the spec is good; with every default written out it is");
    terminal::print(spec.to_toml()?.trim_end());
    Ok(())
}
