//! One run into the folder of fetched runs: what is there is checked, what was begun goes on, what is whole gets its name.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::Result;
use babelscope_core::{
    hub::{free_space, human},
    monitor::{Monitor, Tick},
};
use serde::Deserialize;

use super::{
    Place,
    client::{Client, header, range},
};
use crate::{
    fault::{Fault, Kind},
    manifest::{FileInfo, Manifest},
    run::{MANIFEST, sync_folders},
    serve::{
        Token,
        files::{Listed, is_plain},
    },
};

/// The folder of fetched runs, below that of our own; hidden, so that it is not listed as one.
const CACHE: &str = ".remote";
/// The longest manifest and the longest list of runs.
const LISTING: u64 = 1 << 26;
/// How many files a run may have.
const FILES: usize = 100_000;
/// Bytes between two ticks.
const STEP: u64 = 1 << 20;

#[derive(Deserialize)]
struct Runs {
    runs: Vec<Listed>,
}

/// Fetches a run into `runs/.remote/NAME-HASH` and gives that folder; a run that is there already is only asked for by its manifest.
/// The hash is that of the manifest, so a run that changed on the server is another folder here.
///
/// # Errors
/// A [`Fault`] with a sentence: nobody answers, a wrong token, no such run, a file that is longer or other than the manifest says,
/// no room. What has come so far stays, and the same call goes on from there.
pub fn fetch(place: &Place, token: &Token, runs: &Path, monitor: &Monitor) -> Result<PathBuf> {
    let client = Client::new(place, token, monitor);
    let name = match &place.run {
        Some(name) => name.clone(),
        None => only(&client)?,
    };
    let Some(text) = client.bytes(&Client::path(&name, "file/manifest.json"), LISTING)? else {
        return Err(missing(&client, &name)?);
    };
    let wrong = |why: String| client.fault(Kind::Data, &format!("the manifest of {name}: {why}"));
    let manifest = str::from_utf8(&text).map_err(|e| wrong(e.to_string()))?;
    let manifest = Manifest::parse(manifest).map_err(wrong)?;
    let total = check(&manifest.files).map_err(wrong)?;

    let cache = runs.join(CACHE);
    let hash = blake3::hash(&text).to_hex();
    let id = format!("{name}-{}", hash.get(..16).unwrap_or_default());
    let folder = cache.join(&id);
    let draft = cache.join(format!(".{id}.partial"));
    let write = |path: &Path, e: &std::io::Error| Fault::write("a fetched run", path, e);
    if folder.is_dir() {
        return Ok(folder);
    }
    fs::create_dir_all(&draft).map_err(|e| write(&draft, &e))?;
    let _lock = lock(&cache.join(format!(".{id}.lock")), monitor)?;
    // Another process may have brought it while this one waited.
    if folder.is_dir() {
        fs::remove_dir_all(&draft).ok();
        return Ok(folder);
    }
    if let Some(free) = free_space(&cache).filter(|free| *free < total) {
        let why = format!("the run has {}, and the disk has only {} free; make room", human(total), human(free));
        return Err(Fault::new(Kind::Io, format!("{why}\n{}", cache.display())).into());
    }
    let meter = Meter { monitor, total, done: Cell::new(0), said: Cell::new(0) };
    for file in &manifest.files {
        Draft { client: &client, file, address: Client::path(&name, &format!("file/{}", file.path)), meter: &meter }
            .bring(&draft.join(&file.path))?;
    }
    let own = draft.join(MANIFEST);
    File::create(&own).and_then(|mut f| f.write_all(&text).and_then(|()| f.sync_all())).map_err(|e| write(&own, &e))?;
    sync_folders(&draft).map_err(|e| write(&draft, &e))?;
    fs::rename(&draft, &folder).map_err(|e| write(&folder, &e))?;
    sync_folders(&folder).map_err(|e| write(&folder, &e))?;
    Ok(folder)
}

/// The only run of a server.
fn only(client: &Client<'_>) -> Result<String> {
    let Runs { runs } = client.json("/v1/runs", LISTING)?.unwrap_or(Runs { runs: Vec::new() });
    match runs.as_slice() {
        // The name becomes that of a folder here.
        [one] if !is_plain(&one.name) => {
            let why = format!("the server calls its run {:?}, which is no name of a run", short(&one.name));
            Err(client.fault(Kind::Data, &why))
        }
        [one] => Ok(one.name.clone()),
        [] => Err(client.fault(Kind::Missing, "the server has no finished run")),
        _ => Err(client
            .fault(Kind::Missing, &format!("which run? There are {}; put its name behind the address", names(&runs)))),
    }
}

fn missing(client: &Client<'_>, name: &str) -> Result<anyhow::Error> {
    let Runs { runs } = client.json("/v1/runs", LISTING)?.unwrap_or(Runs { runs: Vec::new() });
    Ok(client.fault(Kind::Missing, &format!("the server has no finished run {name}; there are {}", names(&runs))))
}

fn names(runs: &[Listed]) -> String {
    const SHOWN: usize = 20;
    let first: Vec<String> = runs.iter().take(SHOWN).map(|run| run.name.escape_debug().to_string()).collect();
    let more = runs.len().saturating_sub(SHOWN);
    if first.is_empty() {
        return "none".to_owned();
    }
    first.join(", ") + &if more == 0 { String::new() } else { format!(" and {more} more") }
}

/// Whether the files of a manifest can be those of a run; their bytes together.
fn check(files: &[FileInfo]) -> Result<u64, String> {
    if files.len() > FILES {
        return Err(format!("it names {} files; expected at most {FILES}", files.len()));
    }
    let (mut total, mut seen) = (0_u64, BTreeSet::new());
    for FileInfo { path, bytes, blake3 } in files {
        // Not told apart on some systems: two such files would be one.
        let folded = path.to_lowercase();
        if path.len() > 512 || path.split('/').count() > 8 || !path.split('/').all(is_plain) || folded == MANIFEST {
            return Err(format!("it names a file {:?}, which would lie elsewhere than in the run folder", short(path)));
        }
        if !seen.insert(folded) {
            return Err(format!("it names {path:?} twice"));
        }
        if blake3.len() != 64 || !blake3.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(format!("the hash of {path:?} is {:?}; expected 64 hex digits", short(blake3)));
        }
        total = total.checked_add(*bytes).ok_or_else(|| format!("with {path:?} it has more bytes than there are"))?;
    }
    Ok(total)
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Waits until no other process fetches the same run. The file stays: who removes it could take it away from somebody.
fn lock(path: &Path, monitor: &Monitor) -> Result<File> {
    let failed = |e: &std::io::Error| Fault::write("the lock of a fetched run", path, e);
    let file = File::options().create(true).append(true).open(path).map_err(|e| failed(&e))?;
    loop {
        monitor.check()?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(50)),
            Err(fs::TryLockError::Error(e)) => return Err(failed(&e).into()),
        }
    }
}

/// Counts bytes and reports them.
struct Meter<'a> {
    monitor: &'a Monitor,
    total: u64,
    done: Cell<u64>,
    said: Cell<u64>,
}

impl Meter<'_> {
    fn advance(&self, bytes: u64) -> Result<()> {
        // A file that begins anew comes twice.
        self.done.set(self.total.min(self.done.get() + bytes));
        if self.done.get() < self.total && self.done.get() - self.said.get() < STEP {
            return Ok(self.monitor.check()?);
        }
        self.said.set(self.done.get());
        let (done, total) = (self.done.get() as usize, self.total as usize);
        Ok(self.monitor.tick(Tick { what: "fetching the run", done, total, unit: "bytes" })?)
    }
}

/// A file on its way.
struct Draft<'a> {
    client: &'a Client<'a>,
    file: &'a FileInfo,
    address: String,
    meter: &'a Meter<'a>,
}

impl Draft<'_> {
    /// Makes the file whole and holds it against its hash.
    fn bring(&self, path: &Path) -> Result<()> {
        let write = |e: std::io::Error| Fault::write("a fetched file", path, &e);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| Fault::write("a folder", folder, &e))?;
        }
        let mut file = File::options().read(true).append(true).create(true).open(path).map_err(write)?;
        let mut hasher = blake3::Hasher::new();
        let mut length = std::io::copy(&mut (&file).take(self.file.bytes), &mut hasher).map_err(write)?;
        let mut resumed = length > 0;
        if file.metadata().map_err(write)?.len() != length {
            (length, resumed) = (restart(&file, &mut hasher).map_err(write)?, false);
        }
        self.meter.advance(length)?;
        let mut idle = 0;
        loop {
            let before = length;
            let mut cut = None;
            if length < self.file.bytes {
                cut = self.attempt(&mut file, &mut hasher, &mut length, path)?;
            }
            if length == self.file.bytes {
                if hasher.finalize().to_hex().as_str() == self.file.blake3.to_ascii_lowercase() {
                    return Ok(file.sync_all().map_err(write)?);
                }
                length = restart(&file, &mut hasher).map_err(write)?;
                // What an earlier attempt left may have been at fault; what came just now is the server's.
                if std::mem::take(&mut resumed) {
                    continue;
                }
                return Err(self.wrong("came with another content than the manifest says"));
            }
            idle = if length > before { 0 } else { idle + 1 };
            if idle > self.client.retries() {
                let why = format!(
                    "{} broke off at {} of {}, and {idle} attempts brought nothing ({}). What has come is kept: the same command \
                     goes on from there",
                    self.file.path,
                    human(length),
                    human(self.file.bytes),
                    cut.unwrap_or_default()
                );
                return Err(self.client.fault(Kind::Io, &why));
            }
            self.client.wait(idle.max(1), None)?;
        }
    }

    /// Asks for what is missing and takes what comes; why it ended, where that was too early.
    fn attempt(
        &self,
        file: &mut File,
        hasher: &mut blake3::Hasher,
        length: &mut u64,
        path: &Path,
    ) -> Result<Option<String>> {
        let Some(answer) = self.client.open(&self.address, *length)? else {
            return Err(self.wrong("is not there any more"));
        };
        let expected = self.file.bytes;
        let status = answer.status().as_u16();
        let said = match status {
            200 => header(&answer, "content-length").map(|whole| (0, whole)),
            206 => range(&answer),
            _ => return Err(self.wrong("is shorter than the manifest says")),
        };
        match said {
            Some((_, whole)) if whole != expected => {
                let why = format!("has {whole} bytes there, and the manifest says {expected}");
                return Err(self.wrong(&why));
            }
            Some((first, _)) if first == *length => (),
            // The whole file although a part was asked for.
            Some((0, _)) => *length = restart(file, hasher).map_err(|e| Fault::write("a fetched file", path, &e))?,
            _ => return Err(self.wrong("came without a length, or as another part than the one asked for")),
        }
        let mut body = answer.into_body().into_reader().take(expected - *length);
        let mut piece = vec![0; 1 << 17];
        while *length < expected {
            let bytes = match body.read(&mut piece) {
                Ok(0) => return Ok(Some("the connection was closed".to_owned())),
                Ok(n) => piece.get(..n).unwrap_or_default(),
                Err(e) => return Ok(Some(e.to_string())),
            };
            file.write_all(bytes).map_err(|e| Fault::write("a fetched file", path, &e))?;
            hasher.update(bytes);
            *length += bytes.len() as u64;
            self.meter.advance(bytes.len() as u64)?;
        }
        Ok(None)
    }

    fn wrong(&self, why: &str) -> anyhow::Error {
        let why = format!(
            "{} {why}: the run on the server was changed or damaged after it was written, so nothing of it is shown. \
             `babelscope show` on that machine says what is wrong",
            self.file.path
        );
        self.client.fault(Kind::Data, &why)
    }
}

/// Begins a file anew; its length, 0.
fn restart(file: &File, hasher: &mut blake3::Hasher) -> std::io::Result<u64> {
    hasher.reset();
    file.set_len(0)?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> FileInfo {
        FileInfo { path: path.to_owned(), bytes, blake3: "0".repeat(64) }
    }

    #[test]
    fn a_manifest_that_writes_elsewhere_or_without_end_is_refused() {
        assert_eq!(check(&[file("tables/a.parquet", 5), file("spec.toml", 7)]), Ok(12));
        for path in [
            "../a",
            "/etc/passwd",
            "a/../../b",
            "a\\b",
            ".hidden",
            "a//b",
            "",
            "C:/a",
            "manifest.json",
            "MANIFEST.json",
        ] {
            assert!(check(&[file(path, 1)]).is_err(), "{path}");
        }
        assert!(check(&[file("a", 1), file("A", 1)]).unwrap_err().contains("twice"));
        assert!(check(&[file("a", u64::MAX), file("b", 1)]).is_err());
        assert!(check(&[FileInfo { blake3: "x".repeat(64), ..file("a", 1) }]).is_err());
        assert!(check(&vec![file("a", 1); FILES + 1]).is_err());
    }
}
