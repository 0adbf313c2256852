//! `babelscope fetch HOST:PATH`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::cluster::Fetch;
use clap::Args;

use crate::terminal;

#[derive(Args)]
pub(super) struct Arguments {
    /// HOST:PATH of a run folder or of a merged sweep, as ssh and scp take it; a path here works too
    from: String,
    /// The folder in which it will lie (default: --runs)
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// With the shards of a sweep: stored states and parts of tables
    #[arg(long)]
    all: bool,
}

pub(super) fn main(arguments: Arguments, runs: PathBuf) -> Result<()> {
    let Arguments { from, into, all } = arguments;
    let progress = terminal::Progress::new();
    let fetched = Fetch { from, into: into.unwrap_or(runs), all }.run(&progress.monitor()?);
    progress.finish();
    let fetched = fetched?;
    for run in &fetched.runs {
        terminal::print(&run.display().to_string());
    }
    if fetched.shards > 0 {
        terminal::note(&format!("{} shards with it", fetched.shards));
    }
    terminal::note(&format!("verified: {}", fetched.folder.display()));
    Ok(())
}
