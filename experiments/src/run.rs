//! Executes a spec into a run folder, and opens run folders.

use std::path::{Path, PathBuf};

use anyhow::Result;
use babelscope_core::{corpus::Corpus, monitor::Monitor};
use babelscope_probes::{align::AlignReport, lens::LensReport};

use crate::spec::RunSpec;

/// A finished run, in memory: what every view draws.
#[derive(Clone, Debug)]
pub struct Run {
    /// The folder it lies in.
    pub folder: PathBuf,
    /// The spec that reproduces it.
    pub spec: RunSpec,
    /// manifest.json.
    pub manifest: serde_json::Value,
    /// The sentences that were used (after `languages` and `limit`); `None` when no probe needed them.
    pub corpus: Option<Corpus>,
    /// The alignment analysis.
    pub align: Option<AlignReport>,
    /// The lens, one report a text.
    pub lens: Vec<LensReport>,
}

impl Run {
    /// Reads a run folder back.
    pub fn open(folder: &Path) -> Result<Self> {
        let _ = folder;
        todo!()
    }
}

/// Executes specs and keeps the last model loaded, so that the second click is fast.
pub struct Workbench {
    root: PathBuf,
}

impl Workbench {
    /// Runs are written below `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where the runs lie.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Executes `spec`; a run of the same identity that is there already is opened, not repeated.
    pub fn execute(&mut self, spec: &RunSpec, monitor: &Monitor) -> Result<Run> {
        let _ = (spec, monitor);
        todo!()
    }
}
