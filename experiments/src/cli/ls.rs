//! `babelscope ls`.

use std::path::Path;

use anyhow::Result;
use babelscope::run;

use crate::terminal::{self, table::Table};

pub(super) fn main(runs: &Path) -> Result<()> {
    let entries = run::list(runs)?;
    if entries.is_empty() {
        terminal::note(&format!("no runs in {}", runs.display()));
        return Ok(());
    }
    let mut table = Table::new(["run", "begun", "model", "corpus", "languages", "lines", "probes", "seconds"])
        .right(4)
        .right(5)
        .right(7);
    let mut broken = Vec::new();
    for entry in entries {
        let name = entry.folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
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
    for why in broken {
        terminal::error(&why);
    }
    Ok(())
}
