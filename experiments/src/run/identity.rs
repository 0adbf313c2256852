//! What determines a result, and its hash: paths, threads, devices and dates do not.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    dtype::Dtype,
    engine::{EngineKind, LoadOptions, ModelInfo},
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::probes::LAB;
use crate::{
    fault::Fault,
    spec::{ExtractSpec, ModelSpec, ProbeSpec, RunSpec},
};

/// Raised by hand whenever the same inputs give other numbers than before.
pub(crate) const COMPUTE_VERSION: u32 = 1;

/// The place in the network of every capture.
pub(crate) const SITE: &str = "resid_post";

#[derive(Serialize)]
struct Identity<'a> {
    compute_version: u32,
    model: &'a str,
    weights_sha256: &'a str,
    config_sha256: &'a str,
    tokenizer_sha256: &'a str,
    compute_dtype: &'a str,
    /// None for the native one: another engine differs by rounding, and its run must not be taken for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<EngineKind>,
    #[serde(flatten)]
    load: LoadOptions,
    /// None for f32, whose rows are those of a run that stores nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<Dtype>,
    corpus_sha256: &'a str,
    languages: &'a [String],
    lines: usize,
    site: &'a str,
    extract: &'a ExtractSpec,
    probes: Vec<ProbeSpec>,
    seed: u64,
}

/// BLAKE3 (hex) of the canonical JSON (sorted keys, no spaces) of what determines the result of `spec`, in which layers and
/// pivots are written out.
pub(crate) fn identity(spec: &RunSpec, model: &ModelInfo, corpus: &Corpus) -> Result<String> {
    let load = spec.model.first().map(|model| model.load.clone()).unwrap_or_default();
    let identity = Identity {
        compute_version: COMPUTE_VERSION,
        model: spec.model.first().map_or("", ModelSpec::label),
        weights_sha256: &model.weights_sha256,
        config_sha256: &model.config_sha256,
        tokenizer_sha256: &model.tokenizer_sha256,
        compute_dtype: &model.compute_dtype,
        engine: (model.engine != EngineKind::Native).then_some(model.engine),
        load: LoadOptions { revision: None, device: None, engine: None, dtype: None, ..load },
        stored: spec.store.as_ref().map(|store| store.dtype).filter(|dtype| *dtype != Dtype::F32),
        corpus_sha256: &corpus.sha256,
        languages: &corpus.languages,
        lines: corpus.len(),
        site: SITE,
        extract: &spec.extract,
        probes: by_content(&spec.probe)?,
        seed: spec.seed,
    };
    canonical_hash(&identity)
}

/// The probes with what is in each file that they read in place of its path.
pub(crate) fn by_content(probes: &[ProbeSpec]) -> Result<Vec<ProbeSpec>> {
    let mut probes = probes.to_vec();
    for probe in &mut probes {
        for (what, path) in probe.files_mut() {
            if is_file(path) {
                // Rows bear the names of labels and tokenizers.
                let name = if what == "scores" { String::new() } else { called(path) };
                *path = format!("{} {name}", content(what, path)?);
            }
        }
    }
    Ok(probes)
}

/// The files that the probes read, with the hash of their content.
pub(crate) fn files(probes: &[ProbeSpec]) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (what, path) in probes.to_vec().iter_mut().flat_map(ProbeSpec::files_mut).filter(|(_, path)| is_file(path)) {
        found.insert(path.clone(), content(what, path)?);
    }
    Ok(found)
}

fn is_file(path: &str) -> bool {
    !path.is_empty() && !path.starts_with(LAB)
}

/// Keys whose value may be a folder of which every file counts.
const FOLDERS: [&str; 2] = ["traces", "references"];

/// The hash over the names and the contents of all files below a folder.
fn of_folder(what: &str, folder: &Path) -> Result<String> {
    let failed = |e: std::io::Error| Fault::read(&format!("the folder of `{what}`"), folder, &e);
    let (mut all, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() { open.push(path) } else { all.push(path) }
        }
    }
    all.sort();
    let mut hasher = blake3::Hasher::new();
    for path in all {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        hasher.update(name.as_bytes()).update(&[0]);
        hasher.update(blake3::hash(&std::fs::read(&path).map_err(failed)?).as_bytes());
    }
    Ok(format!("blake3:{}", hasher.finalize().to_hex()))
}

/// The hash of a file, or of the tokenizer in a folder.
pub(crate) fn content(what: &str, path: &str) -> Result<String> {
    let place = if FOLDERS.contains(&what) { PathBuf::from(path) } else { place(path) };
    if place.is_dir() {
        return of_folder(what, &place);
    }
    let bytes = std::fs::read(&place).map_err(|e| Fault::read(&format!("the file of `{what}`"), &place, &e))?;
    Ok(format!("blake3:{}", blake3::hash(&bytes).to_hex()))
}

/// The file itself: that of a folder is its tokenizer.
pub(crate) fn place(path: &str) -> PathBuf {
    let place = Path::new(path);
    if place.is_dir() { place.join("tokenizer.json") } else { place.to_owned() }
}

/// What rows call a file or a folder.
pub(crate) fn called(path: &str) -> String {
    let place = Path::new(path);
    // Names of models have dots that begin no ending: `Qwen3-0.6B`.
    let name = if place.is_dir() { place.file_name() } else { place.file_stem() };
    name.map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

/// BLAKE3 (hex) of a value's canonical JSON: sorted keys, no spaces.
pub(crate) fn canonical_hash(value: &impl Serialize) -> Result<String> {
    let canonical = sorted(serde_json::to_value(value)?).to_string();
    Ok(blake3::hash(canonical.as_bytes()).to_hex().to_string())
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().map(|(k, v)| (k, sorted(v))).collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// The seed of one part of a run: 53 bits (exact in JSON) of the BLAKE3 of the run's seed and the part's name.
pub(crate) fn derived_seed(seed: u64, part: &str) -> u64 {
    let hash = blake3::hash(format!("{seed}/{part}").as_bytes());
    hash.as_bytes().iter().take(8).fold(0u64, |all, byte| all << 8 | u64::from(*byte)) >> 11
}
