//! Many shards as one store: `index.json` in the manner of `model.safetensors.index.json`, and shards that are opened when somebody
//! reads them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use super::{
    meta::{Record, SCHEMA, ShardMeta},
    publish,
    reader::Shard,
    state::{State, state},
};
use crate::{Error, Result};

/// Name of the index.
const INDEX: &str = "index.json";

/// A million shards have an index of half of this.
const INDEX_BYTES: u64 = 1 << 30;

/// A shard in the index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Its data file, from the folder of the index, with `/`.
    pub file: String,
    /// The model as it was asked for.
    pub model: String,
    /// Language of its lines.
    pub language: String,
    /// The point that was read.
    pub site: String,
    /// `mean`, `weighted`, `last`, `tokens`.
    pub pooling: String,
    /// First line, counted from 0.
    pub first_line: usize,
    /// Number of lines.
    pub lines: usize,
    /// Rows of each layer.
    pub rows: usize,
    /// Length of the data file.
    pub bytes: u64,
    /// SHA-256 of the data file (hex).
    pub sha256: String,
}

/// `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Layout and sums: `schema`, `total_size`, `total_rows`.
    pub metadata: BTreeMap<String, u64>,
    /// The shards by model, language, first line, key.
    pub shards: Vec<Entry>,
}

impl Index {
    /// The shards that are done below `root/below` (`""` is `root` itself), as their records say. No data are read.
    ///
    /// # Errors
    /// [`Error::Read`] when a folder cannot be listed; [`Error::Store`] for a shard that is damaged.
    pub fn scan(root: &Path, below: &str) -> Result<Self> {
        let mut shards = Vec::new();
        for (folder, key) in keys(&root.join(below))? {
            if let State::Damaged(why) = state(&folder, &key) {
                let why = format!("the shard is damaged: {why}; `babelscope store verify` lists all");
                return Err(Error::Store { why, path: folder.join(format!("{key}.json")) });
            }
            let record = Record::read(&folder, &key)?;
            let parts = [below, &name(&folder), &record.file].map(|part| part.trim_matches('/').to_owned());
            let file = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
            shards.push(Entry::of(record, file));
        }
        shards.sort_by(|a, b| {
            let order = |e: &Entry| (e.model.clone(), e.language.clone(), e.site.clone(), e.first_line, e.key.clone());
            order(a).cmp(&order(b))
        });
        let total = |of: fn(&Entry) -> u64| shards.iter().map(of).sum();
        let metadata = [
            ("schema".to_owned(), u64::from(SCHEMA)),
            ("total_size".to_owned(), total(|e| e.bytes)),
            ("total_rows".to_owned(), total(|e| e.rows as u64)),
        ];
        Ok(Self { metadata: metadata.into(), shards })
    }

    /// Writes `root/index.json`; an earlier one is replaced at once.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = root.join(INDEX);
        let text =
            serde_json::to_string_pretty(self).map_err(|e| Error::Store { why: e.to_string(), path: path.clone() })?;
        publish::replace(&path, (text + "\n").as_bytes())
    }

    /// Reads `root/index.json`.
    ///
    /// # Errors
    /// [`Error::Read`] when there is none, [`Error::Store`] when it is no index, of a newer version, or leads out of `root`.
    pub fn read(root: &Path) -> Result<Self> {
        let path = root.join(INDEX);
        let fail = |why: String| Error::Store { why, path: path.clone() };
        let read = |source| Error::Read { what: "the index of a store", path: path.clone(), source };
        let bytes = fs::metadata(&path).map_err(read)?.len();
        if bytes > INDEX_BYTES {
            return Err(fail(format!("the index has {bytes} bytes; no index is as long")));
        }
        let text = fs::read(&path).map_err(read)?;
        let index: Self = serde_json::from_slice(&text)
            .map_err(|e| fail(format!("the index is damaged: {e}; write it again with `babelscope store index`")))?;
        let schema = index.metadata.get("schema").copied().unwrap_or_default();
        if schema > u64::from(SCHEMA) {
            return Err(fail(format!(
                "was written by a newer version of Babelscope (layout {schema}, this one knows {SCHEMA})"
            )));
        }
        let outside = |file: &str| {
            let plain = |c: std::path::Component<'_>| matches!(c, std::path::Component::Normal(_));
            !Path::new(file).components().all(plain)
        };
        if let Some(entry) = index.shards.iter().find(|e| outside(&e.file)) {
            return Err(fail(format!("names the file {:?}, which lies outside of the store", entry.file)));
        }
        Ok(index)
    }
}

impl Entry {
    fn of(record: Record, file: String) -> Self {
        let Record { key, meta, rows, bytes, sha256, .. } = record;
        let ShardMeta { model, language, site, pooling, first_line, lines, .. } = meta;
        Self { key, file, model, language, site, pooling, first_line, lines, rows, bytes, sha256 }
    }
}

/// A folder with an index. Opening reads the index alone; a shard is opened and mapped when it is asked for.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    index: Index,
    open: Mutex<BTreeMap<usize, Arc<Shard>>>,
}

impl Store {
    /// Opens the store at `root`.
    ///
    /// # Errors
    /// As [`Index::read`].
    pub fn open(root: &Path) -> Result<Self> {
        Ok(Self { root: root.to_owned(), index: Index::read(root)?, open: Mutex::default() })
    }

    /// Its shards.
    pub fn shards(&self) -> &[Entry] {
        &self.index.shards
    }

    /// The shard at this place of [`Store::shards`].
    ///
    /// # Errors
    /// As [`Shard::open`]; [`Error::Store`] for a place that does not exist, or a shard that is not the one of the index.
    pub fn shard(&self, at: usize) -> Result<Arc<Shard>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = open.get(&at) {
            return Ok(Arc::clone(shard));
        }
        let fail = |why: String| Error::Store { why, path: self.root.join(INDEX) };
        let count = self.index.shards.len();
        let entry = self.index.shards.get(at).ok_or_else(|| fail(format!("has {count} shards, none at place {at}")))?;
        let file = self.root.join(&entry.file);
        let shard = Shard::open(publish::folder_of(&file), &entry.key)?;
        if shard.record().sha256 != entry.sha256 {
            let why = format!(
                "the shard {} is not the one of the index; write the index again (`babelscope store index`)",
                entry.key
            );
            return Err(fail(why));
        }
        let shard = Arc::new(shard);
        open.insert(at, Arc::clone(&shard));
        Ok(shard)
    }

    /// The place in [`Store::shards`] of the shard that holds a line of a language, of those for which `wanted` is true.
    pub fn find(&self, language: &str, line: usize, wanted: impl Fn(&Entry) -> bool) -> Option<usize> {
        let holds =
            |e: &Entry| e.language == language && (e.first_line..e.first_line + e.lines).contains(&line) && wanted(e);
        self.index.shards.iter().position(holds)
    }
}

/// Every record below `root`, whole or not: the folder it lies in and its key, in the order of the keys.
///
/// # Errors
/// [`Error::Read`] when a folder cannot be listed.
pub fn keys(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut keys = Vec::new();
    for folder in list(root)?.into_iter().filter(|path| path.is_dir() && name(path).len() == 2) {
        for path in list(&folder)? {
            if let Some(key) = name(&path).strip_suffix(".json").filter(|key| !key.starts_with('.')) {
                keys.push((folder.clone(), key.to_owned()));
            }
        }
    }
    Ok(keys)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = |source| Error::Read { what: "a folder of shards", path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(read)?.map(|e| e.map(|e| e.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>().map_err(read)?;
    paths.sort_unstable();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
