//! A run in memory and on disk: opening run folders and listing them. [`Workbench`] makes them.

pub(crate) mod folder;
pub(crate) mod identity;
pub(crate) mod workbench;
pub(crate) mod write;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use babelscope_core::corpus::Corpus;
use babelscope_probes::{align::AlignReport, lens::LensReport};

pub use workbench::{Outcome, Workbench};

use crate::{
    fault::{Fault, Kind},
    manifest::Manifest,
    spec::RunSpec,
    tables,
};

/// The manifest's name in a run folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The spec's name in a run folder.
pub(crate) const SPEC: &str = "spec.toml";
/// The metrics, below a run folder.
pub(crate) const RESULTS: &str = "tables/results.parquet";
/// The outcomes of the sentences, below a run folder.
pub(crate) const SENTENCES: &str = "tables/sentences.parquet";
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
}

impl Run {
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
        Ok(Self { folder: folder.to_owned(), spec, manifest, corpus, align, lens })
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
        let why =
            if e.kind() == std::io::ErrorKind::NotFound { "it has no manifest.json".to_owned() } else { e.to_string() };
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

/// The run folders below `root`, newest first; none where `root` does not exist. Reads the manifests only. A folder that holds
/// a spec or a manifest and cannot be read is listed last, with the reason.
///
/// # Errors
/// `root` exists and cannot be read.
pub fn list(root: &Path) -> Result<Vec<Entry>> {
    let entries = match fs::read_dir(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Fault::read("the folder of the runs", root, &e).into()),
        Ok(entries) => entries,
    };
    let mut found = Vec::new();
    for entry in entries {
        let folder = entry.map_err(|e| Fault::read("the folder of the runs", root, &e))?.path();
        let hidden = folder.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        if !hidden && (folder.join(MANIFEST).exists() || folder.join(SPEC).exists()) {
            let manifest = manifest(&folder);
            found.push(Entry { folder, manifest });
        }
    }
    let started = |e: &Entry| e.manifest.as_ref().map(|m| m.started.clone()).ok();
    found.sort_by(|a, b| started(b).cmp(&started(a)).then_with(|| a.folder.cmp(&b.folder)));
    Ok(found)
}
