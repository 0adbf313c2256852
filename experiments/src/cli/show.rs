//! `babelscope show RUN`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::{run::Run, sweep::Sweep};
use clap::Args;

use crate::terminal::report;

#[derive(Args)]
pub(super) struct Arguments {
    /// A run folder
    run: PathBuf,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    if Sweep::is_at(&arguments.run) {
        return super::sweep::show(&Sweep::open(&arguments.run)?);
    }
    report::run(&Run::open(&arguments.run)?);
    Ok(())
}
