//! `babelscope show RUN`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::run::Run;
use clap::Args;

use crate::terminal::report;

#[derive(Args)]
pub(super) struct Arguments {
    /// A run folder
    run: PathBuf,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    report::run(&Run::open(&arguments.run)?);
    Ok(())
}
