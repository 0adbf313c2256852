//! Finds a model (folder, Hub, embedded), maps its weights and hashes them.
//!
//! `weights_sha256` is the SHA-256 of the weight files put one behind the other in the order of their names: for a single
//! file what `sha256sum model.safetensors` prints, for shards `cat model-*.safetensors | sha256sum`.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use crate::{
    Error, Result,
    engine::LoadOptions,
    gguf::{self, Gguf},
    hash::hex,
    hub::{Hub, Snapshot, is_plain},
    model::{
        Config,
        weights::{Bytes, Shard},
    },
    monitor::Monitor,
    notes::Notes,
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
    pub(crate) shards: Vec<Arc<Shard>>,
    pub(crate) notes: Notes,
    /// The commit of a Hub snapshot.
    pub(crate) revision: Option<String>,
}

impl Checkpoint {
    /// Finds `reference`: `lab`, a folder, a .gguf file, or a Hub id or GGUF file of one (`ORG/NAME/FILE.gguf`), which is
    /// fetched when the cache does not have it whole.
    pub(crate) fn find(reference: &str, options: &LoadOptions, hub: &Hub, monitor: &Monitor) -> Result<Self> {
        if reference == LAB {
            return Ok(Self::embedded());
        }
        if Path::new(reference).is_dir() {
            return Self::open(Path::new(reference), None);
        }
        if Path::new(reference).extension().is_some_and(|extension| extension == "gguf") {
            return Self::gguf_here_or_there(reference, options.revision.as_deref(), hub, monitor);
        }
        // A config that is not supported is refused before the weights are fetched.
        let check = |config: &[u8], path: &Path| Config::parse(config, path, &options.ignore_options).map(drop);
        let Snapshot { folder, commit } = hub.find(reference, options.revision.as_deref(), &check, monitor)?;
        Self::open(&folder, Some(commit))
    }

    fn open(folder: &Path, revision: Option<String>) -> Result<Self> {
        let config = read(folder, "config.json", "the model's shape")?;
        let tokenizer = read(folder, "tokenizer.json", "the tokenizer")?;
        let shards = names(folder)?
            .into_iter()
            .map(|name| Shard::map(&folder.join(name)).map(Arc::new))
            .collect::<Result<_>>()?;
        let notes = Notes::open(folder, &config)?;
        let (config, tokenizer) = (config.into(), tokenizer.into());
        Ok(Self { folder: folder.to_owned(), config, tokenizer, shards, notes, revision })
    }

    /// A GGUF file of this machine, or of a repository.
    fn gguf_here_or_there(reference: &str, revision: Option<&str>, hub: &Hub, monitor: &Monitor) -> Result<Self> {
        let id = reference.match_indices('/').nth(1).map(|(at, _)| at);
        let Some(id) = id.filter(|_| !Path::new(reference).exists() && is_plain(reference)) else {
            return Self::gguf(Path::new(reference));
        };
        let found = hub.find_file(&reference[..id], revision, &reference[id + 1..], monitor);
        let (path, commit) = found.map_err(|error| match error {
            Error::NotFound { why, .. } => {
                let why = format!("is not a file here, and as a file of the Hub: {why}");
                Error::NotFound { reference: reference.to_owned(), why }
            }
            error => error,
        })?;
        Ok(Self { revision: Some(commit), ..Self::gguf(&path)? })
    }

    /// A GGUF file; the tokenizer.json beside it is its tokenizer, else the one that it holds itself.
    fn gguf(path: &Path) -> Result<Self> {
        let shard = Arc::new(Shard::map(path)?);
        let bytes = shard.bytes.as_ref();
        let refuse = |why: String| Error::Weights { why, path: path.to_owned() };
        let head = Gguf::read(bytes).map_err(refuse)?;
        let config = gguf::config(&head, bytes).map_err(refuse)?;
        let beside = path.with_file_name("tokenizer.json");
        let tokenizer = if beside.is_file() {
            let text = fs::read(&beside);
            let text = text.map_err(|source| Error::Read { what: "the tokenizer", path: beside.clone(), source })?;
            gguf::check_beside(&head, &text).map_err(|why| Error::Tokenizer { why, path: beside })?;
            text
        } else {
            gguf::tokenizer(&head).map_err(|why| Error::Tokenizer { why, path: path.to_owned() })?
        };
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let notes = Notes::of_gguf(path, &head);
        let (config, tokenizer) = (config.into(), tokenizer.into());
        Ok(Self { folder, config, tokenizer, shards: vec![shard], notes, revision: None })
    }

    /// The laboratory's model (`babelscope lab train`, see core/lab/CARD.md). A folder of that name is `./lab`.
    fn embedded() -> Self {
        let weights = include_bytes!("../lab/model.safetensors");
        let config = include_bytes!("../lab/config.json");
        Self {
            folder: LAB.into(),
            notes: Notes::of_config(Path::new(LAB), config),
            config: Cow::Borrowed(config),
            tokenizer: Cow::Borrowed(include_bytes!("../lab/tokenizer.json")),
            shards: vec![Arc::new(Shard { path: "lab/model.safetensors".into(), bytes: Bytes::Embedded(weights) })],
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
    let text = fs::read(&path).map_err(|source| Error::Read {
        what: "the index of the weights",
        path: path.clone(),
        source,
    })?;
    let names = shards(&text, &path)?;
    if let Some(missing) = names.iter().find(|name| !folder.join(name).is_file()) {
        let why = format!("the index names {missing}, which is not in the folder");
        return Err(Error::Weights { why, path });
    }
    Ok(names.into_iter().collect())
}

/// The weight files that an index names; `path` is for messages.
pub(crate) fn shards(index: &[u8], path: &Path) -> Result<BTreeSet<String>> {
    let fail = |why: String| Error::Weights { why, path: path.to_owned() };
    let index: Index = serde_json::from_slice(index).map_err(|e| fail(format!("the index is not as expected: {e}")))?;
    let names: BTreeSet<_> = index.weight_map.into_values().collect();
    if let Some(path) = names.iter().find(|name| name.contains(['/', '\\'])) {
        return Err(fail(format!("the index names {path}; expected the name of a file in the folder, not a path")));
    }
    if names.is_empty() {
        return Err(fail("the index names no weight file".to_owned()));
    }
    Ok(names)
}

/// What a folder still needs before [`Checkpoint::open`] can open it.
pub(crate) fn lacks(folder: &Path) -> Option<String> {
    let missing = ["config.json", "tokenizer.json"].into_iter().find(|name| !folder.join(name).is_file());
    missing.map(|name| format!("it has no {name}")).or_else(|| names(folder).err().map(|e| e.to_string()))
}

#[derive(serde::Deserialize)]
struct Index {
    weight_map: std::collections::BTreeMap<String, String>,
}
