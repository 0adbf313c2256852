//! `babelscope ls`.

use std::path::Path;

use anyhow::Result;
use babelscope::{run, sweep::Sweep};

use crate::terminal::{self, table::Table};

pub(super) fn main(runs: &Path) -> Result<()> {
    let entries = run::list(runs)?;
    let sweeps = run::sweeps(runs)?;
    if entries.is_empty() && sweeps.is_empty() {
        terminal::note(&format!("no runs in {}", runs.display()));
        return Ok(());
    }
    let mut table = Table::new(["run", "begun", "model", "corpus", "languages", "lines", "probes", "seconds"])
        .right(4)
        .right(5)
        .right(7);
    let mut broken = Vec::new();
    for entry in entries {
        let name = entry.folder.strip_prefix(runs).unwrap_or(&entry.folder).display().to_string();
        match entry.manifest {
            Ok(m) => {
                let probes = [m.align.as_ref().map(|_| "align"), (!m.lens.is_empty()).then_some("lens")];
                table.row([
                    name,
                    m.started.clone(),
                    m.model.reference.clone(),
                    m.corpus.name.clone(),
                    m.corpus.languages.len().to_string(),
                    m.corpus.lines.to_string(),
                    probes.into_iter().flatten().collect::<Vec<_>>().join(" "),
                    format!("{:.1}", m.seconds.total),
                ]);
            }
            Err(why) => broken.push(format!("{name}: {why:#}")),
        }
    }
    terminal::print(&table.to_string());
    for folder in sweeps {
        match Sweep::open(&folder).and_then(|sweep| Ok((sweep.status()?.total.done, sweep.shards.len()))) {
            Ok((done, all)) => terminal::print(&format!("sweep {}: {done} of {all} shards", folder.display())),
            Err(why) => broken.push(format!("{}: {why:#}", folder.display())),
        }
    }
    for why in broken {
        terminal::error(&why);
    }
    Ok(())
}
