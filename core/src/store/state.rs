//! Whether a shard is there, and what to do with what is left of one that is not.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    Checked,
    meta::{Record, check_key, own_name},
    publish::{self, TEMPORARY},
};
use crate::{Error, Result};

/// What is left of a process that was killed is swept when it is older than this.
const STALE: Duration = Duration::from_secs(24 * 3600);

/// Whether a shard is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Its record parses, is of its key, and the data file has the recorded length.
    Done,
    /// There is no record.
    Missing,
    /// There is a record, and it is not kept. The sentence says how.
    Damaged(String),
}

/// Looks at the record and at the length of the data file; reads no data.
pub fn state(folder: &Path, key: &str) -> State {
    match Record::read(folder, key) {
        Ok(record) => length(folder, &record).map_or_else(State::Damaged, |()| State::Done),
        Err(Error::Read { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => State::Missing,
        Err(Error::Store { why, .. }) => State::Damaged(why),
        Err(other) => State::Damaged(other.to_string()),
    }
}

/// Refuses a data file of another length than the record says.
pub(super) fn length(folder: &Path, record: &Record) -> Checked<()> {
    let Record { file, bytes, .. } = record;
    match fs::metadata(folder.join(file)) {
        Ok(found) if found.len() == *bytes => Ok(()),
        Ok(found) => Err(format!("{file} has {} bytes, its record says {bytes}", found.len())),
        Err(e) => Err(format!("the data file {file} cannot be read: {e}")),
    }
}

/// The folder of a shard: `root/ab` for a key that begins with `ab`, so that no folder holds ten thousand files.
pub fn shard_folder(root: &Path, key: &str) -> PathBuf {
    root.join(key.get(..2).unwrap_or(key))
}

/// Moves record and data of a shard to the folder `to`, so that the shard counts as missing. The record goes first: without it the
/// rest is nothing. What lies at `to` under the same name is not overwritten; a number is put behind the new one.
///
/// # Errors
/// [`Error::Write`].
pub fn quarantine(folder: &Path, key: &str, to: &Path) -> Result<()> {
    check_key(key).map_err(|why| Error::Store { why, path: folder.to_owned() })?;
    fs::create_dir_all(to).map_err(|e| publish::failed("the quarantine", to, 0, e))?;
    for name in names(folder, key) {
        let mut place = to.join(&name);
        let mut number = 1;
        while place.exists() {
            place = to.join(format!("{name}.{number}"));
            number += 1;
        }
        match fs::rename(folder.join(&name), &place) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(publish::failed("the quarantine", &place, 0, e));
            }
            _ => (),
        }
    }
    Ok(())
}

/// Record, data file, data file of a second name.
fn names(folder: &Path, key: &str) -> Vec<String> {
    let there =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.file_name().to_string_lossy().into_owned());
    let mut seconds: Vec<String> = there.filter(|name| own_name(name, key)).collect();
    seconds.sort_unstable();
    [format!("{key}.json"), format!("{key}.safetensors")].into_iter().chain(seconds).collect()
}

/// Removes what killed processes left in `folder` more than a day ago: temporary files, and data files that no record names. Returns
/// how many. Best effort. A file from the future (a clock that jumped) is young.
pub fn sweep(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let entries: Vec<_> = entries.flatten().collect();
    let names = entries.iter().map(|e| e.file_name().to_string_lossy().into_owned());
    let records = names.filter_map(|name| name.strip_suffix(".json").and_then(|key| Record::read(folder, key).ok()));
    let kept: BTreeSet<String> = records.map(|record| record.file).collect();
    let mut removed = 0;
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let temporary = name.starts_with('.') && name.ends_with(TEMPORARY);
        let orphan = name.ends_with(".safetensors") && !kept.contains(&name) && !has_record(folder, &name);
        let modified = entry.metadata().and_then(|m| m.modified()).ok();
        let age = modified.and_then(|time| SystemTime::now().duration_since(time).ok());
        if (temporary || orphan) && age.is_some_and(|age| age > STALE) && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    removed
}

/// Whether there is any record of the key in this name, be it damaged: then a person looks first.
fn has_record(folder: &Path, name: &str) -> bool {
    let key = name.split('.').next().unwrap_or(name);
    let path = folder.join(format!("{key}.json"));
    path.exists() && Record::read(folder, key).is_err()
}
