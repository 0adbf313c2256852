//! `babelscope results RUNS... --out FILE`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::merged::{self, Merging};
use clap::Args;

use crate::terminal;

#[derive(Args)]
pub(super) struct Arguments {
    /// Run folders, sweeps, or folders of runs
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// The file to write: .parquet or .csv
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Every number of every measure (tables/measures.parquet) instead of the cells of alignment (tables/results.parquet)
    #[arg(long)]
    measures: bool,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let mut runs = Vec::new();
    for path in &arguments.runs {
        runs.extend(merged::runs_of(path)?);
    }
    let table = if arguments.measures { Merging::Measures } else { Merging::Results };
    let done = merged::write(&runs, table, &arguments.out)?;
    terminal::note(&format!("{} rows of {} runs", done.rows, done.runs));
    terminal::print(&arguments.out.display().to_string());
    Ok(())
}
