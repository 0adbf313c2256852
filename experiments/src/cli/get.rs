//! `babelscope get MODEL`: from the Hub into the cache.

use std::{cell::RefCell, path::Path};

use anyhow::Result;
use babelscope::fault::{Fault, Kind};
use babelscope_core::{
    Error,
    hub::{Hub, human},
    model::Config,
};
use clap::Args;

use crate::terminal::{self, Progress, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    /// Hub id, ORGANISATION/NAME
    model: String,
    /// Branch, tag or commit (default: main)
    #[arg(long)]
    revision: Option<String>,
    /// Only this file of the repository, a GGUF for example
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
}

pub(super) fn main(arguments: &Arguments) -> Result<()> {
    let Arguments { model, revision, file } = arguments;
    if model == "lab" || Path::new(model).is_dir() {
        let what = if model == "lab" { "is inside the program" } else { "is a folder here, which goes before the Hub" };
        return Err(Fault::data(format!("{model:?} {what}: there is nothing to fetch")).into());
    }
    let unfit = RefCell::new(None);
    let look = |config: &[u8], path: &Path| {
        *unfit.borrow_mut() = Config::parse(config, path, &[]).err();
        Ok(())
    };
    let progress = Progress::new();
    let monitor = progress.monitor()?;
    let (hub, revision_asked) = (Hub::from_env(), revision.as_deref());
    let done = match file {
        Some(file) => {
            hub.fetch_file(model, revision_asked, file, &monitor).map(|(snapshot, file)| (snapshot, vec![file]))
        }
        None => hub.fetch(model, revision_asked, &look, &monitor),
    };
    progress.finish();
    let (snapshot, files) = done.map_err(|error| match error {
        Error::Cancelled => {
            let what = "stopped; what has come is kept, and the same command goes on from there";
            Fault::new(Kind::Cancelled, what).into()
        }
        error => anyhow::Error::from(error),
    })?;

    let mut table = Table::new(["file", "size", "hash"]).right(1);
    for file in &files {
        table.row([file.name.clone(), human(file.bytes), file.hash.to_string()]);
    }
    terminal::print(&table.to_string());
    let all = human(files.iter().map(|file| file.bytes).sum());
    terminal::print(&format!("\nCommit  {}", snapshot.commit));
    terminal::print(&format!("Size    {all}; every file has the hash that the Hub publishes"));
    if let Some(file) = file {
        terminal::print(&format!("File    {}", snapshot.folder.join(file).display()));
        return Ok(());
    }
    terminal::print(&format!("Folder  {}", snapshot.folder.display()));
    match unfit.into_inner() {
        Some(why) => terminal::note(&format!("note: this program cannot load it: {why}")),
        None => {
            let revision = revision.as_ref().map_or_else(String::new, |r| format!(" --revision {r}"));
            terminal::print(&format!("Use     babelscope align --model {model}{revision} --corpus lab"));
        }
    }
    Ok(())
}
