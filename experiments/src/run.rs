//! A run in memory and on disk: opening run folders and listing them. [`Workbench`] makes them.

mod acts;
pub(crate) mod folder;
pub(crate) mod identity;
pub(crate) mod probes;
pub(crate) mod states;
pub(crate) mod workbench;
pub(crate) mod write;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use babelscope_core::corpus::Corpus;
use babelscope_probes::{align::AlignReport, lens::LensReport, measure::Measured, project::MapReport};

pub(crate) use folder::{sync_folders, verify};
pub use workbench::{Outcome, Workbench};

use crate::{
    details::Details,
    fault::{Fault, Kind},
    manifest::Manifest,
    spec::RunSpec,
    sweep::Sweep,
    tables::{self, measures::Probed},
};

/// The manifest's name in a run folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The spec's name in a run folder.
pub(crate) const SPEC: &str = "spec.toml";
/// The metrics, below a run folder.
pub(crate) const RESULTS: &str = "tables/results.parquet";
/// The outcomes of the sentences, below a run folder.
pub(crate) const SENTENCES: &str = "tables/sentences.parquet";
/// The numbers of all other measures, below a run folder.
pub(crate) const MEASURES: &str = "tables/measures.parquet";
/// The sentences, below a run folder.
pub(crate) const CORPUS: &str = "tables/corpus.parquet";

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
    /// The numbers of every other probe, and what alignment says beside its cells.
    pub measured: Vec<Probed>,
    /// Sentences in the plane.
    pub map: Option<MapReport>,
    /// Texts and tokens of the probes that say some beside their numbers.
    pub details: Vec<Details>,
}

impl Run {
    /// What a probe of this kind said.
    pub fn probed(&self, kind: &str) -> Option<&Measured> {
        self.measured.iter().find(|probed| probed.probe == kind).map(|probed| &probed.measured)
    }

    /// What a probe of this kind said beside its numbers.
    pub fn detailed(&self, kind: &str) -> Option<&Details> {
        self.details.iter().find(|details| details.probe == kind)
    }

    /// Reads a run folder back.
    ///
    /// # Errors
    /// A [`crate::fault::Fault`] with a sentence where the folder is missing, is no run folder, was written by another layout, or is
    /// damaged (a file missing, of another length or content than the manifest says).
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = manifest(folder)?;
        for file in &manifest.files {
            folder::verify(folder, file)?;
        }
        let spec = RunSpec::open(&folder.join(SPEC))?;
        let corpus = tables::corpus::read(&folder.join(CORPUS), &manifest.corpus)?;
        let align = manifest
            .align
            .as_ref()
            .map(|info| {
                tables::align::read(&folder.join(RESULTS), &folder.join(SENTENCES), info, manifest.corpus.tokens)
            })
            .transpose()?;
        let lens = if manifest.lens.is_empty() {
            Vec::new()
        } else {
            tables::lens::read(&folder.join("tables"), &manifest.lens)?
        };
        let measured = if manifest.measured.is_empty() {
            Vec::new()
        } else {
            tables::measures::read(&folder.join(MEASURES), &manifest.measured)?
        };
        let tables = folder.join("tables");
        let map = manifest.map.as_ref().map(|info| tables::map::read(|name| tables.join(name), info)).transpose()?;
        let details = Details::of_run(folder, &measured)?;
        Ok(Self { folder: folder.to_owned(), spec, manifest, corpus, align, lens, measured, map, details })
    }
}

/// Reads the manifest of a run folder.
///
/// # Errors
/// A [`crate::fault::Fault`] where the folder is missing, is no run folder, or was written by another layout.
pub fn manifest(folder: &Path) -> Result<Manifest> {
    if !folder.is_dir() {
        return Err(Fault::new(Kind::Missing, format!("there is no run folder here\n{}", folder.display())).into());
    }
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::NotFound if Sweep::is_at(folder) => {
                "it is a sweep; its runs are the folders below models/, once it is merged".to_owned()
            }
            std::io::ErrorKind::NotFound => "it has no manifest.json".to_owned(),
            _ => e.to_string(),
        };
        Fault::new(Kind::Missing, format!("this folder is no run: {why}\n{}", folder.display()))
    })?;
    Manifest::parse(&text).map_err(|why| Fault::data(format!("{why}\n{}", path.display())).into())
}

/// One line of a runs browser.
#[derive(Debug)]
pub struct Entry {
    /// The run folder.
    pub folder: PathBuf,
    /// Its manifest, or why it cannot be read.
    pub manifest: Result<Manifest>,
}

/// The run folders below `root`, those of sweeps among them, newest first; none where `root` does not exist. Reads the manifests
/// only. A folder that holds a spec or a manifest and cannot be read is listed last, with the reason.
///
/// # Errors
/// `root` exists and cannot be read.
pub fn list(root: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for folder in folders(root)? {
        if Sweep::is_at(&folder) {
            found.extend(folders(&folder.join("models"))?);
        } else if folder.join(MANIFEST).exists() || folder.join(SPEC).exists() {
            found.push(folder);
        }
    }
    let mut found: Vec<Entry> = found.into_iter().map(|folder| Entry { manifest: manifest(&folder), folder }).collect();
    let started = |e: &Entry| e.manifest.as_ref().map(|m| m.started.clone()).ok();
    found.sort_by(|a, b| started(b).cmp(&started(a)).then_with(|| a.folder.cmp(&b.folder)));
    Ok(found)
}

/// The sweeps below `root` by name; none where `root` does not exist.
///
/// # Errors
/// `root` exists and cannot be read.
pub fn sweeps(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = folders(root)?.into_iter().filter(|folder| Sweep::is_at(folder)).collect();
    found.sort();
    Ok(found)
}

/// What lies in `root` and is not hidden; nothing where there is no `root`.
fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Fault::read("the folder of the runs", root, &e);
    let entries = match fs::read_dir(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')) {
            found.push(path);
        }
    }
    Ok(found)
}
