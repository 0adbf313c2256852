//! A finished run of another machine brought here: copied under a temporary name, verified, renamed.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use babelscope_core::monitor::{Monitor, Tick};

use crate::{
    fault::{Fault, Kind},
    run::{MANIFEST, Run, folder::Draft, workbench::taken},
    sweep::Sweep,
};

/// What a sweep is without its shards. `models` comes first: without it there is nothing to fetch yet.
const NEEDED: [&str; 4] = ["models", "spec.toml", "sweep.json", "plan.jsonl"];

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// `HOST:PATH` as ssh knows the host, or a path here.
    pub from: String,
    /// The folder in which it will lie, under its own name.
    pub into: PathBuf,
    /// With the shards of a sweep: stored states and parts of tables.
    pub all: bool,
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies.
    pub folder: PathBuf,
    /// The run folders in it; itself, where it is no sweep.
    pub runs: Vec<PathBuf>,
    /// How many shards came along.
    pub shards: usize,
}

#[derive(Clone, Copy)]
enum Tool {
    Rsync,
    Scp,
}

impl Fetch {
    /// Copies, verifies and renames.
    ///
    /// # Errors
    /// [`Kind::Exists`] where something of that name is here, [`Kind::Missing`] where neither rsync nor scp is, [`Kind::Io`] with its
    /// words where it fails, [`Kind::Data`] where what came is not whole; then nothing is kept.
    pub fn run(&self, monitor: &Monitor) -> Result<Fetched> {
        let place = self.into.join(self.name()?);
        if place.exists() {
            return Err(taken(&place, "it is here already, and nothing was fetched"));
        }
        let tool = Tool::find()?;
        let draft = Draft::begin(&place)?;
        let here = draft.path();
        monitor.check()?;
        // A folder with a manifest is a run; of anything else the parts of a sweep are asked for.
        let is_run = tool.copy(&self.within(MANIFEST), here).is_ok();
        if is_run || self.all {
            tool.copy_all(&self.from, here)?;
        } else {
            for name in NEEDED {
                tool.copy(&self.within(name), here).map_err(|error| self.not_merged(name, error))?;
            }
            // A sweep that only stores has no table, and not every one a report.
            for name in ["results.parquet", "report.html"] {
                tool.copy(&self.within(name), here).ok();
            }
        }
        monitor.check()?;
        let (runs, shards) = if is_run { (verified(here, here)?, 0) } else { self.verify(here, monitor)? };
        let runs = runs.into_iter().map(|run| place.join(run)).collect();
        if !draft.publish()? {
            return Err(taken(&place, "it came to be here while it was fetched"));
        }
        Ok(Fetched { folder: place, runs, shards })
    }

    /// The last part of the path.
    fn name(&self) -> Result<String> {
        let (host, path) = match self.from.split_once(':') {
            Some((host, path)) if !host.contains('/') => (host, path),
            _ => ("", self.from.as_str()),
        };
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if self.from.starts_with('-') || host.starts_with('-') || matches!(name, "" | "." | "..") {
            return Err(Fault::spec(format!(
                "{:?} names no run: expected HOST:PATH/RUN as ssh and scp take it, or a path",
                self.from
            ))
            .into());
        }
        Ok(name.to_owned())
    }

    fn within(&self, name: &str) -> String {
        format!("{}/{name}", self.from.trim_end_matches('/'))
    }

    fn not_merged(&self, name: &str, error: anyhow::Error) -> anyhow::Error {
        let kind = crate::fault::kind(&error);
        let why = if name == "models" {
            "; it is neither a finished run nor a merged sweep (`babelscope status` there says how far it is; `--all` fetches a sweep that only stores)"
        } else {
            ""
        };
        Fault::new(kind, format!("{error:#}{why}")).into()
    }

    /// Every run of a sweep, and every shard that came.
    fn verify(&self, here: &Path, monitor: &Monitor) -> Result<(Vec<PathBuf>, usize)> {
        let sweep = Sweep::open(here)?;
        let mut runs = Vec::new();
        let total = sweep.info.models.len();
        for (done, model) in sweep.info.models.iter().enumerate() {
            monitor.tick(Tick { what: "verifying", done, total, unit: "runs" })?;
            if model.spec.probe.is_empty() {
                continue;
            }
            runs.extend(verified(&sweep.run_folder(model), here)?);
        }
        monitor.tick(Tick { what: "verifying", done: total, total, unit: "runs" })?;
        if !self.all {
            return Ok((runs, 0));
        }
        let missing = sweep.status()?.total.missing;
        if missing > 0 {
            let why = format!("{missing} shards are not done there; nothing was kept");
            return Err(Fault::new(Kind::Incomplete, why).into());
        }
        match sweep.verify(monitor)?.as_slice() {
            [] => Ok((runs, sweep.shards.len())),
            [first, ..] => Err(Fault::data(format!("{first}; nothing was kept")).into()),
        }
    }
}

/// The run in `folder`, below `root`, with every file hashed.
fn verified(folder: &Path, root: &Path) -> Result<Vec<PathBuf>> {
    Run::open(folder)?;
    Ok(vec![folder.strip_prefix(root)?.to_owned()])
}

impl Tool {
    fn find() -> Result<Self> {
        // Asked for nothing, both answer something; only one that is not there cannot be started.
        let there = |name: &str| {
            let started = Command::new(name).arg("--version").output();
            !started.is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
        };
        if there("rsync") {
            Ok(Self::Rsync)
        } else if there("scp") {
            Ok(Self::Scp)
        } else {
            Err(Fault::new(Kind::Missing, "neither rsync nor scp is on the PATH; install one of them").into())
        }
    }

    /// A file or a folder into the folder `to`.
    fn copy(self, from: &str, to: &Path) -> Result<()> {
        let mut command = match self {
            // Arguments that no shell of the other side takes apart.
            Self::Rsync => {
                let mut command = Command::new("rsync");
                command.args(["--archive", "--protect-args"]);
                command
            }
            Self::Scp => {
                let mut command = Command::new("scp");
                command.args(["-q", "-r", "-p"]);
                command
            }
        };
        let said = command.arg("--").arg(from).arg(to).output();
        let said = said.map_err(|e| Fault::new(Kind::Io, format!("cannot start the copy of {from}: {e}")))?;
        if said.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&said.stderr);
        Err(Fault::new(Kind::Io, format!("cannot fetch {from}; the copy says:\n{}", words.trim())).into())
    }

    /// What is in a folder into the folder `to`.
    fn copy_all(self, from: &str, to: &Path) -> Result<()> {
        let from = from.trim_end_matches('/');
        match self {
            Self::Rsync => self.copy(&format!("{from}/"), to),
            Self::Scp => self.copy(&format!("{from}/."), to),
        }
    }
}
