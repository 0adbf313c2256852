//! `babelscope report RUN`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use babelscope::{
    fault::{Fault, Kind},
    html::{self, REPORT},
    run,
};
use clap::Args;

use crate::terminal;

#[derive(Args)]
pub(super) struct Arguments {
    /// A run folder, or the folder of a sweep
    run: PathBuf,
    /// Where the report is written (default: report.html in the folder)
    #[arg(long, value_name = "FILE.html")]
    out: Option<PathBuf>,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let out = arguments.out.clone().unwrap_or_else(|| arguments.run.join(REPORT));
    if let Some(why) = belongs(&arguments.run, &out) {
        if arguments.out.is_some() {
            return Err(Fault::new(Kind::Exists, format!("{why}; choose another name\n{}", out.display())).into());
        }
        terminal::note(&format!("{why}; --out FILE.html writes a new one"));
        terminal::print(&out.display().to_string());
        return Ok(());
    }
    let page = html::folder(&arguments.run)?;
    html::write(&out, &page)?;
    terminal::note(&format!("{:.1} MB, opens in any browser, needs no network", page.len() as f64 / 1e6));
    terminal::print(&out.display().to_string());
    Ok(())
}

/// Why the file may not be written: the manifest holds its hash.
fn belongs(folder: &Path, out: &Path) -> Option<String> {
    let manifest = run::manifest(folder).ok()?;
    let (inside, out) = (folder.canonicalize().ok()?, out.canonicalize().ok()?);
    let held = manifest.files.iter().any(|file| inside.join(&file.path) == out);
    held.then(|| "this file is part of the run, and the manifest holds its hash".to_owned())
}
