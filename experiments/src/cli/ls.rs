//! `babelscope ls`.

use std::path::Path;

use anyhow::Result;
use babelscope::{
    filter::{self, Filter, Order},
    run,
    sweep::Sweep,
};
use clap::Args;

use crate::terminal::{self, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    /// Part of the model's name
    #[arg(long, default_value = "")]
    model: String,
    /// A language: part of its code or of its English name
    #[arg(long, default_value = "")]
    language: String,
    /// align or lens
    #[arg(long, default_value = "")]
    probe: String,
    /// Begun since: 2026-11-20, 2026-11-20T15:00 (UTC), 7d, 12h
    #[arg(long, default_value = "")]
    since: String,
    /// Part of the run's name
    #[arg(long, default_value = "")]
    name: String,
    /// One JSON object a run: its folder and its manifest
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &Arguments, runs: &Path) -> Result<()> {
    let Arguments { model, language, probe, since, name, json } = arguments;
    let owned = |text: &String| text.trim().to_owned();
    let filter = Filter {
        model: owned(model),
        language: owned(language),
        probe: owned(probe),
        since: owned(since),
        name: owned(name),
        words: String::new(),
    };
    let filter = filter.checked()?;
    let entries = run::list(runs)?;
    let sweeps = run::sweeps(runs)?;
    if entries.is_empty() && sweeps.is_empty() {
        terminal::note(&format!("no runs in {}", runs.display()));
        return Ok(());
    }
    let found = filter::select(&entries, &filter, Order::Begun, true);
    let mut table = Table::new(["run", "begun", "model", "corpus", "languages", "lines", "probes", "seconds"])
        .right(4)
        .right(5)
        .right(7);
    let (mut broken, mut fitting) = (Vec::new(), 0);
    for entry in found.into_iter().filter_map(|at| entries.get(at)) {
        let name = entry.folder.strip_prefix(runs).unwrap_or(&entry.folder).display().to_string();
        match &entry.manifest {
            Ok(m) if *json => {
                fitting += 1;
                terminal::print(&serde_json::json!({ "folder": entry.folder, "manifest": m }).to_string());
            }
            Ok(m) => {
                fitting += 1;
                table.row([
                    name,
                    m.started.clone(),
                    m.model.reference.clone(),
                    m.corpus.name.clone(),
                    m.corpus.languages.len().to_string(),
                    m.corpus.lines.to_string(),
                    filter::probes(m).join(" "),
                    format!("{:.1}", m.seconds.total),
                ]);
            }
            Err(why) => broken.push(format!("{name}: {why:#}")),
        }
    }
    let readable = entries.iter().filter(|e| e.manifest.is_ok()).count();
    if fitting == 0 && readable > 0 {
        terminal::note(&format!("none of the {readable} runs in {} fits", runs.display()));
    } else if !json && fitting > 0 {
        terminal::print(&table.to_string());
    }
    // A sweep that is under way has no manifest to filter by.
    for folder in sweeps.iter().filter(|_| filter.is_empty() && !json) {
        match Sweep::open(folder).and_then(|sweep| Ok((sweep.status()?.total.done, sweep.shards.len()))) {
            Ok((done, all)) => terminal::print(&format!("sweep {}: {done} of {all} shards", folder.display())),
            Err(why) => broken.push(format!("{}: {why:#}", folder.display())),
        }
    }
    for why in broken {
        terminal::error(&why);
    }
    Ok(())
}
