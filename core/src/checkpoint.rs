//! Finds a model (folder, Hub cache, embedded), maps its weights and hashes them.
//!
//! `weights_sha256` is the SHA-256 of the weight files put one behind the other in the order of their names: for a single
//! file what `sha256sum model.safetensors` prints, for shards `cat model-*.safetensors | sha256sum`.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    Error, Result,
    hash::hex,
    model::weights::{Bytes, Shard},
};

/// The reference of the embedded model.
const LAB: &str = "lab";

/// What is hashed before its pages are given back to the system.
const PIECE: usize = 1 << 24;

/// The parts of a model before anything is computed from them.
pub(crate) struct Checkpoint {
    /// The folder, for messages; `lab` for the embedded model.
    pub(crate) folder: PathBuf,
    pub(crate) config: Cow<'static, [u8]>,
    pub(crate) tokenizer: Cow<'static, [u8]>,
    pub(crate) shards: Vec<Shard>,
    /// The commit of a Hub snapshot.
    pub(crate) revision: Option<String>,
}

impl Checkpoint {
    /// Finds `reference`: `lab`, a folder, or a Hub id in the local cache.
    pub(crate) fn find(reference: &str, revision: Option<&str>) -> Result<Self> {
        if reference == "lab" {
            let weights = Bytes::Embedded(include_bytes!("../lab/model.safetensors"));
            return Ok(Self {
                folder: PathBuf::from("lab"),
                config: include_bytes!("../lab/config.json").as_slice().into(),
                tokenizer: include_bytes!("../lab/tokenizer.json").as_slice().into(),
                shards: vec![Shard { path: PathBuf::from("lab/model.safetensors"), bytes: weights }],
                revision: None,
            });
        }
        if reference == LAB {
            return Ok(Self::embedded());
        }
        if Path::new(reference).is_dir() {
            return Self::open(Path::new(reference), None);
        }
        let snapshot = cached(reference, revision)?;
        let commit = snapshot.file_name().map(|name| name.to_string_lossy().into_owned());
        Self::open(&snapshot, commit)
    }

    fn open(folder: &Path, revision: Option<String>) -> Result<Self> {
        let config = read(folder, "config.json", "the model's shape")?;
        let tokenizer = read(folder, "tokenizer.json", "the tokenizer")?;
        let shards = names(folder)?.into_iter().map(|name| map(&folder.join(name))).collect::<Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), config: config.into(), tokenizer: tokenizer.into(), shards, revision })
    }

    /// The laboratory's model (`babelscope lab train`, see core/lab/CARD.md). A folder of that name is `./lab`.
    fn embedded() -> Self {
        let weights = include_bytes!("../lab/model.safetensors");
        Self {
            folder: LAB.into(),
            config: Cow::Borrowed(include_bytes!("../lab/config.json")),
            tokenizer: Cow::Borrowed(include_bytes!("../lab/tokenizer.json")),
            shards: vec![Shard { path: "lab/model.safetensors".into(), bytes: Bytes::Embedded(weights) }],
            revision: None,
        }
    }

    pub(crate) fn weights_sha256(&self) -> String {
        let mut hash = Sha256::new();
        for shard in &self.shards {
            let bytes = shard.bytes.as_ref();
            for start in (0..bytes.len()).step_by(PIECE) {
                let piece = start..bytes.len().min(start + PIECE);
                hash.update(&bytes[piece.clone()]);
                shard.bytes.forget(piece);
            }
        }
        hex(&hash.finalize())
    }
}

fn read(folder: &Path, name: &str, what: &'static str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    if !path.is_file() {
        let why = format!("the folder has no {name} ({what}); expected a Hugging Face model folder");
        return Err(Error::NotFound { reference: folder.display().to_string(), why });
    }
    fs::read(&path).map_err(|source| Error::Read { what, path, source })
}

/// The weight files, sorted by name: those of the index when there is one, else the single file.
fn names(folder: &Path) -> Result<Vec<String>> {
    let path = folder.join("model.safetensors.index.json");
    if !path.is_file() {
        if folder.join("model.safetensors").is_file() {
            return Ok(vec!["model.safetensors".to_owned()]);
        }
        let why = "the folder has no model.safetensors and no model.safetensors.index.json; convert other formats to \
                   safetensors first";
        return Err(Error::NotFound { reference: folder.display().to_string(), why: why.to_owned() });
    }
    let fail = |why: String| Error::Weights { why, path: path.clone() };
    let text = fs::read(&path).map_err(|source| Error::Read {
        what: "the index of the weights",
        path: path.clone(),
        source,
    })?;
    let index: Index = serde_json::from_slice(&text).map_err(|e| fail(format!("the index is not as expected: {e}")))?;
    let names: BTreeSet<_> = index.weight_map.into_values().collect();
    if let Some(path) = names.iter().find(|name| name.contains(['/', '\\'])) {
        return Err(fail(format!("the index names {path}; expected the name of a file in the folder, not a path")));
    }
    if let Some(missing) = names.iter().find(|name| !folder.join(name).is_file()) {
        return Err(fail(format!("the index names {missing}, which is not in the folder")));
    }
    if names.is_empty() {
        return Err(fail("the index names no weight file".to_owned()));
    }
    Ok(names.into_iter().collect())
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: std::collections::BTreeMap<String, String>,
}

fn map(path: &Path) -> Result<Shard> {
    let fail = |source| Error::Read { what: "the weights", path: path.to_owned(), source };
    let file = File::open(path).map_err(fail)?;
    #[expect(unsafe_code, reason = "a memory map of a file")]
    // SAFETY: undefined only when the file is cut while it is mapped; the map lives for the time of loading, and reading a
    // checkpoint that is being overwritten is wrong in any way of reading.
    let bytes = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
    Ok(Shard { path: path.to_owned(), bytes: Bytes::Mapped(bytes) })
}

/// The snapshot folder of a Hub id in the local cache (`HF_HUB_CACHE`, `HF_HOME/hub`, `~/.cache/huggingface/hub`).
fn cached(reference: &str, revision: Option<&str>) -> Result<PathBuf> {
    let fail = |why: String| Error::NotFound { reference: reference.to_owned(), why };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    if reference.split('/').count() > 2 || !reference.split('/').all(plain) {
        return Err(fail("is not a folder, and not a Hub id (ORGANISATION/NAME)".to_owned()));
    }
    let revision = revision.unwrap_or("main");
    if !revision.split('/').all(plain) {
        return Err(fail(format!("the revision {revision:?} is not a branch, tag or commit")));
    }
    let hub = hub().ok_or_else(|| fail("is not a folder, and there is no home folder with a Hub cache".to_owned()))?;
    let model = hub.join(format!("models--{}", reference.replace('/', "--")));
    let commit = fs::read_to_string(model.join("refs").join(revision)).unwrap_or_else(|_| revision.to_owned());
    let snapshot = model.join("snapshots").join(commit.trim());
    if snapshot.is_dir() {
        return Ok(snapshot);
    }
    let why = format!(
        "is not a folder, and the Hub cache has no revision {revision} of it; `hf download {reference} --revision \
         {revision}` gets it\n{}",
        model.display()
    );
    Err(fail(why))
}

fn hub() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("HF_HUB_CACHE")
        .or_else(|| folder("HF_HOME").map(|home| home.join("hub")))
        .or_else(|| folder("XDG_CACHE_HOME").map(|cache| cache.join("huggingface/hub")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/huggingface/hub")))
}
