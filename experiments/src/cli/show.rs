//! `babelscope show RUN`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use babelscope::{
    fault::Fault,
    remote::{self, Place},
    run::Run,
    sweep::Sweep,
};
use clap::Args;

use super::serve::TokenArguments;
use crate::terminal::{Progress, report};

#[derive(Args)]
pub(super) struct Arguments {
    /// A run folder, or http://HOST:PORT/NAME of a machine where `babelscope serve` runs
    run: PathBuf,
    #[command(flatten)]
    token: TokenArguments,
}

pub(super) fn main(arguments: &Arguments, runs: &Path) -> Result<()> {
    let token = arguments.token.read()?;
    let Some(address) = remote::address(&arguments.run) else {
        if Sweep::is_at(&arguments.run) {
            return super::sweep::show(&Sweep::open(&arguments.run)?);
        }
        report::run(&Run::open(&arguments.run)?);
        return Ok(());
    };
    let place = Place::parse(address)?;
    let token = token.ok_or_else(|| {
        Fault::spec(format!(
            "{address} needs the token of its server: --token-file FILE (what `babelscope serve` printed)"
        ))
    })?;
    let progress = Progress::new();
    let folder = remote::fetch(&place, &token, runs, &progress.monitor()?);
    progress.finish();
    report::run(&Run::open(&folder?)?);
    Ok(())
}
