//! The cache folder of one model: blobs by hash, snapshots as links to them, refs; and the hashes themselves.

use std::{
    fmt,
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use hf_hub::{Repo, RepoType};
use sha2::{Digest as _, Sha256};

use super::{download::Meter, request::Remote, sha1::Sha1};
use crate::{Error, Result, hash::hex, monitor::Monitor};

/// What the Hub publishes of a file, lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Of a large file (LFS): the SHA-256 of its bytes.
    Sha256(String),
    /// Of a small one: the SHA-1 of `blob SIZE\0` and its bytes, as `git hash-object` prints it.
    Git(String),
}

impl Hash {
    /// Reads the `ETag` of a file; `None` where it is no hash.
    pub(super) fn of_etag(etag: &str) -> Option<Self> {
        let text = etag.trim().trim_start_matches("W/").trim_matches('"');
        if !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return None;
        }
        match text.len() {
            64 => Some(Self::Sha256(text.to_owned())),
            40 => Some(Self::Git(text.to_owned())),
            _ => None,
        }
    }

    fn hex(&self) -> &str {
        match self {
            Self::Sha256(hex) | Self::Git(hex) => hex,
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hex) => write!(f, "sha256:{hex}"),
            Self::Git(hex) => write!(f, "git:{hex}"),
        }
    }
}

/// The hash of bytes that come one after the other.
pub(super) enum Hasher {
    Sha256(Sha256),
    Git(Sha1),
}

impl Hasher {
    /// Of the kind that the file's published hash is.
    pub(super) fn of(file: &Remote) -> Self {
        match file.hash {
            Hash::Sha256(_) => Self::Sha256(Sha256::new()),
            Hash::Git(_) => {
                let mut hash = Sha1::new();
                hash.update(format!("blob {}\0", file.size).as_bytes());
                Self::Git(hash)
            }
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Git(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Hash {
        match self {
            Self::Sha256(hash) => Hash::Sha256(hex(&hash.finalize())),
            Self::Git(hash) => Hash::Git(hex(&hash.finish())),
        }
    }
}

/// The cache folder of a model at a commit.
pub(super) struct Store {
    id: String,
    cache: PathBuf,
    model: PathBuf,
    commit: String,
}

/// How the folder of a model is called.
pub(super) fn folder_name(id: &str) -> String {
    Repo::new(id.to_owned(), RepoType::Model).folder_name()
}

impl Store {
    pub(super) fn new(cache: &Path, id: &str, commit: &str) -> Result<Self> {
        if cache.as_os_str().is_empty() {
            let why = "there is no home folder to keep it in; set HF_HOME to a folder".to_owned();
            return Err(Error::Download { reference: id.to_owned(), why });
        }
        let model = cache.join(folder_name(id));
        Ok(Self { id: id.to_owned(), cache: cache.to_owned(), model, commit: commit.to_owned() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.cache
    }

    pub(super) fn folder(&self) -> PathBuf {
        self.model.join("snapshots").join(&self.commit)
    }

    /// Where a file of the snapshot stands.
    pub(super) fn pointer(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(super) fn blob(&self, file: &Remote) -> PathBuf {
        self.model.join("blobs").join(file.hash.hex())
    }

    /// What has come of a file so far.
    pub(super) fn part(&self, file: &Remote) -> PathBuf {
        self.model.join("blobs").join(format!("{}.incomplete", file.hash.hex()))
    }

    /// The file, where it is in the cache.
    pub(super) fn present(&self, file: &Remote) -> Option<PathBuf> {
        [self.pointer(&file.name), self.blob(file)].into_iter().find(|path| path.is_file())
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.pointer(name);
        fs::read(&path).map_err(|source| Error::Read { what: "a downloaded file", path, source })
    }

    /// Holds a file that was there against the published hash; removes it when it is another.
    pub(super) fn verify(&self, file: &Remote, path: &Path, meter: &Meter<'_>) -> Result<()> {
        let unreadable = |source| Error::Read { what: "a cached file", path: path.to_owned(), source };
        let mut hasher = Hasher::of(file);
        let mut bytes = File::open(path).map_err(unreadable)?;
        let mut piece = vec![0; 1 << 20];
        loop {
            match bytes.read(&mut piece).map_err(unreadable)? {
                0 => break,
                n => {
                    hasher.update(&piece[..n]);
                    meter.advance(n)?;
                }
            }
        }
        let found = hasher.finish();
        if found == file.hash {
            return Ok(());
        }
        let target = path.canonicalize().map_err(unreadable)?;
        fs::remove_file(&target).map_err(|e| self.cannot("remove a damaged file", &target, &e))?;
        let why = format!(
            "{} in the cache was damaged: it has {found}, and the Hub says {}. It was removed; the same command fetches it \
             anew\n{}",
            file.name,
            file.hash,
            target.display()
        );
        Err(Error::Download { reference: self.id.clone(), why })
    }

    /// Waits until no other process fetches the same file. The lock ends with the value.
    pub(super) fn lock(&self, file: &Remote, monitor: &Monitor) -> Result<Option<File>> {
        let folder = self.cache.join(".locks").join(folder_name(&self.id));
        self.make(&folder)?;
        let path = folder.join(format!("{}.lock", file.hash.hex()));
        let lock = File::create(&path).map_err(|e| self.cannot("write", &path, &e))?;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => {
                    monitor.check()?;
                    sleep(Duration::from_millis(200));
                }
                // Some network file systems have no locks; two writers at once would be found by the hash.
                Err(TryLockError::Error(_)) => return Ok(None),
            }
        }
    }

    /// Shows a file in the snapshot: a relative link to its blob, in one step.
    pub(super) fn publish(&self, file: &Remote) -> Result<()> {
        let pointer = self.pointer(&file.name);
        if pointer.is_file() {
            return Ok(());
        }
        let folder = pointer.parent().unwrap_or(&self.model);
        self.make(folder)?;
        let up = "../".repeat(2 + file.name.matches('/').count());
        let target = PathBuf::from(format!("{up}blobs/{}", file.hash.hex()));
        let draft = folder.join(format!(".{}.{}", file.hash.hex(), std::process::id()));
        link(&self.blob(file), &target, &draft)
            .and_then(|()| fs::rename(&draft, &pointer))
            .map_err(|e| self.cannot("write", &pointer, &e))
    }

    /// Remembers which commit a branch or tag is, now that the snapshot is whole.
    pub(super) fn point(&self, revision: &str) -> Result<()> {
        if revision == self.commit {
            return Ok(());
        }
        let path = self.model.join("refs").join(revision);
        let folder = path.parent().unwrap_or(&self.model);
        self.make(folder)?;
        let draft = folder.join(format!(".{}.{}", self.commit, std::process::id()));
        File::create(&draft)
            .and_then(|mut to| to.write_all(self.commit.as_bytes()).and_then(|()| to.sync_all()))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|e| self.cannot("write", &path, &e))
    }

    pub(super) fn make(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).map_err(|e| self.cannot("make", folder, &e))
    }

    /// The disk does not take it.
    pub(super) fn cannot(&self, what: &str, path: &Path, error: &io::Error) -> Error {
        let advice = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "; make room or set HF_HOME to a folder on a larger disk; what has come is kept"
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "; set HF_HOME to a folder that you may write to"
            }
            _ => "",
        };
        let why = format!("cannot {what}: {error}{advice}\n{}", path.display());
        Error::Download { reference: self.id.clone(), why }
    }
}

#[cfg(unix)]
fn link(_blob: &Path, target: &Path, draft: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, draft)
}

/// Links need a permission there that few have.
#[cfg(not(unix))]
fn link(blob: &Path, _target: &Path, draft: &Path) -> io::Result<()> {
    fs::hard_link(blob, draft).or_else(|_| fs::copy(blob, draft).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_a_hash_or_nothing() {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of_etag(&format!("\"{sha}\"")), Some(Hash::Sha256(sha.to_owned())));
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        assert_eq!(Hash::of_etag(&format!("W/\"{git}\"")), Some(Hash::Git(git.to_owned())));
        for other in ["", "\"5f3a-17\"", "../../etc/passwd", &sha.to_uppercase(), &sha[1..]] {
            assert_eq!(Hash::of_etag(other), None, "{other}");
        }
    }

    #[test]
    fn a_full_disk_says_what_to_do() {
        let store = Store::new(Path::new("/c"), "org/name", "0").unwrap();
        let message = |kind| store.cannot("write", Path::new("/c/x"), &io::Error::from(kind)).to_string();
        assert!(message(io::ErrorKind::StorageFull).contains("make room"));
        assert!(message(io::ErrorKind::PermissionDenied).contains("HF_HOME"));
    }
}
