//! Results of an analysis shard: a few tables named by the key, and the record that makes them count.

use std::{fs, io, path::Path};

use anyhow::Result;
use babelscope_core::store::{self, State, publish};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::{
    fault::Fault,
    manifest::{FileInfo, LensInfo, MapInfo, MeasuredInfo, Program},
};

const SCHEMA: u32 = 1;

/// KEY.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) schema: u32,
    pub(super) key: String,
    /// The tables beside it, named `KEY.NAME`.
    pub(super) files: Vec<FileInfo>,
    pub(super) notes: Vec<String>,
    /// Chance of MEXA and of recall, of alignment.
    pub(super) chance: Option<(f64, f64)>,
    /// What of a text is not in its tables.
    pub(super) lens: Option<LensInfo>,
    /// What of a probe is not in its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) measured: Option<MeasuredInfo>,
    /// What of a map is not in its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) map: Option<MapInfo>,
    /// Not part of the result: where and how long.
    pub(super) made: Made,
}

/// Who computed it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Made {
    pub(super) host: String,
    pub(super) seconds: f64,
    pub(super) program: Program,
}

/// What an analysis says beside its tables.
#[derive(Default)]
pub(super) struct Said {
    pub(super) notes: Vec<String>,
    pub(super) chance: Option<(f64, f64)>,
    pub(super) lens: Option<LensInfo>,
    pub(super) measured: Option<MeasuredInfo>,
    pub(super) map: Option<MapInfo>,
}

/// Publishes every file of `draft` (a folder in `folder`) under `KEY.NAME`, then the record. `false`: a twin was first.
pub(super) fn publish(folder: &Path, key: &str, draft: &TempDir, said: Said, seconds: f64) -> Result<bool> {
    let mut files = Vec::new();
    let mut names: Vec<String> = fs::read_dir(draft.path())
        .and_then(|entries| entries.map(|e| e.map(|e| e.file_name().to_string_lossy().into_owned())).collect())
        .map_err(|e| Fault::read("a draft", draft.path(), &e))?;
    names.sort_unstable();
    for name in names {
        let from = draft.path().join(&name);
        let bytes = fs::read(&from).map_err(|e| Fault::read("a draft", &from, &e))?;
        let path = format!("{key}.{name}");
        files.push(FileInfo {
            path: path.clone(),
            bytes: bytes.len() as u64,
            blake3: blake3::hash(&bytes).to_hex().to_string(),
        });
        let place = folder.join(path);
        if !publish::bytes(&place, &bytes)? && fs::read(&place).ok().as_deref() != Some(&bytes) {
            // Left by a process that died before its record, and damaged since: it counts for nothing.
            publish::replace(&place, &bytes)?;
        }
    }
    let made = Made { host: super::work::host(), seconds, program: Program::this() };
    let record = Record {
        schema: SCHEMA,
        key: key.to_owned(),
        files,
        notes: said.notes,
        chance: said.chance,
        lens: said.lens,
        measured: said.measured,
        map: said.map,
        made,
    };
    let text = serde_json::to_string_pretty(&record)? + "\n";
    Ok(publish::bytes(&folder.join(format!("{key}.json")), text.as_bytes())?)
}

/// Whether the record is there and its files have the recorded lengths.
pub(super) fn state(folder: &Path, key: &str) -> State {
    let path = folder.join(format!("{key}.json"));
    match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => State::Missing,
        Err(e) => State::Damaged(format!("cannot read the record: {e}")),
        Ok(bytes) => match parse(&bytes, key) {
            Err(why) => State::Damaged(why),
            Ok(record) => record
                .files
                .iter()
                .find_map(|file| {
                    let length = fs::metadata(folder.join(&file.path)).map(|m| m.len()).ok();
                    let found = length.map_or_else(|| "is missing".to_owned(), |l| format!("has {l} bytes"));
                    (length != Some(file.bytes))
                        .then(|| format!("{} {found}, the record says {}", file.path, file.bytes))
                })
                .map_or(State::Done, State::Damaged),
        },
    }
}

/// The record, with every file hashed.
pub(super) fn read(root: &Path, key: &str) -> Result<Record> {
    let folder = store::shard_folder(root, key);
    let path = folder.join(format!("{key}.json"));
    let bytes = fs::read(&path).map_err(|e| Fault::read("the record of a shard", &path, &e))?;
    let record =
        parse(&bytes, key).map_err(|why| Fault::data(format!("the shard is damaged: {why}\n{}", path.display())))?;
    for file in &record.files {
        crate::run::folder::verify(&folder, file)?;
    }
    Ok(record)
}

fn parse(bytes: &[u8], key: &str) -> Result<Record, String> {
    let record: Record = serde_json::from_slice(bytes).map_err(|e| format!("its record does not parse: {e}"))?;
    if record.schema != SCHEMA {
        return Err(format!("its record has layout {}, this program reads {SCHEMA}", record.schema));
    }
    if record.key != key {
        return Err(format!("its record is that of {}", record.key));
    }
    // The record names files to read: nothing outside of the folder.
    match record.files.iter().find(|f| !f.path.starts_with(key) || f.path.contains(['/', '\\'])) {
        Some(file) => Err(format!("its record names a file of another shard, {}", file.path)),
        None => Ok(record),
    }
}
