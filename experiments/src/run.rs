//! Executes a spec into a run folder, and opens run folders.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use babelscope_core::{corpus::Corpus, engine::Engine, monitor::Monitor};
use babelscope_probes::{align::AlignReport, lens::LensReport};

use crate::{
    manifest::Manifest,
    spec::{ModelSpec, RunSpec},
};

/// A finished run, in memory: what every view draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The folder it lies in.
    pub folder: PathBuf,
    /// The spec that reproduces it.
    pub spec: RunSpec,
    /// manifest.json.
    pub manifest: Manifest,
    /// The sentences that were used (after `languages` and `limit`).
    pub corpus: Corpus,
    /// The alignment analysis.
    pub align: Option<AlignReport>,
    /// The lens, one report a text.
    pub lens: Vec<LensReport>,
}

impl Run {
    /// Reads a run folder back.
    ///
    /// # Errors
    /// A [`crate::fault::Fault`] with a sentence where the folder is missing, is no run folder, was written by another layout, or is
    /// damaged (a file missing, of another length or content than the manifest says).
    pub fn open(folder: &Path) -> Result<Self> {
        let _ = folder;
        todo!()
    }
}

/// One line of a runs browser.
#[derive(Debug)]
pub struct Entry {
    /// The run folder.
    pub folder: PathBuf,
    /// Its manifest, or why it cannot be read.
    pub manifest: Result<Manifest>,
}

/// What [`Workbench::execute`] did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run.
    pub run: Run,
    /// Whether it was there already, and so was only opened.
    pub already_done: bool,
}

/// Executes specs and keeps the last model loaded, so that the second click is fast.
pub struct Workbench {
    root: PathBuf,
    engine: Option<(ModelSpec, Arc<Engine>)>,
}

impl Workbench {
    /// Runs are written below `root`, which is made when the first run is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), engine: None }
    }

    /// Where the runs lie.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The run folders below the root, newest first. Reads the manifests only; a folder that cannot be read is listed with the reason.
    ///
    /// # Errors
    /// The root exists and cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>> {
        todo!()
    }

    /// The engine of `model`: the one that is loaded, or loaded now.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn engine(&mut self, model: &ModelSpec, monitor: &Monitor) -> Result<Arc<Engine>> {
        let _ = (&self.engine, model, monitor);
        todo!()
    }

    /// Executes `spec` into `ROOT/NAME-HASH`; a run of the same identity that is there already is opened, not repeated.
    ///
    /// # Errors
    /// Anything that keeps the run from being whole; then no run folder is left. [`crate::fault::kind`] tells the kinds apart.
    pub fn execute(&mut self, spec: &RunSpec, monitor: &Monitor) -> Result<Outcome> {
        let _ = (spec, monitor);
        todo!()
    }

    /// Executes `spec` into `folder`.
    ///
    /// # Errors
    /// As [`Workbench::execute`]; [`crate::fault::Kind::Exists`] where `folder` exists and is not this very run.
    pub fn execute_to(&mut self, spec: &RunSpec, folder: &Path, monitor: &Monitor) -> Result<Outcome> {
        let _ = (spec, folder, monitor);
        todo!()
    }
}
