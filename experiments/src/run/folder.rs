//! Run folders on disk: written under a hidden name beside their place, forced to the disk, renamed when whole.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    fault::{Fault, Kind},
    manifest::FileInfo,
};

const SUFFIX: &str = ".partial";

/// A run folder that is being written. Dropped before [`Draft::publish`], it leaves nothing behind.
pub(crate) struct Draft {
    folder: TempDir,
    place: PathBuf,
}

impl Draft {
    /// Begins the folder that will lie at `place`.
    pub(crate) fn begin(place: &Path) -> Result<Self> {
        let parent = match place.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|e| Fault::write("the folder of the runs", parent, &e))?;
        sweep(parent);
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(SUFFIX);
        // A finished run is shared like any other folder, so the usual rights (less the umask) and not tempfile's private ones.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let folder = builder.tempdir_in(parent).map_err(|e| Fault::write("a run folder", parent, &e))?;
        Ok(Self { folder, place: place.to_owned() })
    }

    /// Where to write now.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A folder inside.
    pub(crate) fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).map_err(|e| Fault::write("a folder", &path, &e))?;
        Ok(path)
    }

    /// Writes a text file.
    pub(crate) fn text(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path().join(name);
        Ok(fs::write(&path, text).map_err(|e| Fault::write(name, &path, &e))?)
    }

    /// Every file written so far, with lengths and hashes, sorted by path.
    pub(crate) fn files(&self) -> Result<Vec<FileInfo>> {
        let mut files = Vec::new();
        for path in walk(self.path()).map_err(|e| Fault::write("a run folder", self.path(), &e))? {
            let relative = path.strip_prefix(self.path())?;
            let parts: Vec<_> = relative.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
            files.push(info(&path, parts.join("/"))?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Length and hash of one file that was written.
    pub(super) fn file(&self, name: &str) -> Result<FileInfo> {
        info(&self.path().join(name), name.to_owned())
    }

    /// Forces everything to the disk and gives the folder its name. `false`: a folder of that name came to be in the meantime, and
    /// stays as it is; the draft is removed.
    pub(crate) fn publish(self) -> Result<bool> {
        let failed = |e: io::Error| Fault::write("a run folder", &self.place, &e);
        for path in walk(self.path()).map_err(failed)? {
            File::open(&path).and_then(|f| f.sync_all()).map_err(failed)?;
        }
        sync_folders(self.path()).map_err(failed)?;
        match fs::rename(self.path(), &self.place) {
            Ok(()) => {
                let parent = self.path().parent().map(Path::to_owned);
                // Its name has changed, so there is nothing left to remove.
                let _renamed = self.folder.keep();
                if let Some(parent) = parent {
                    sync_folder(&parent).map_err(|e| Fault::write("the folder of the runs", &parent, &e))?;
                }
                Ok(true)
            }
            Err(_) if self.place.exists() => Ok(false),
            Err(e) => Err(failed(e).into()),
        }
    }
}

/// Removes drafts that a killed process left more than a day ago. Best effort: they are hidden and harm nobody.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let old = |e: &fs::DirEntry| {
            let age =
                e.metadata().and_then(|m| m.modified()).ok().and_then(|t| SystemTime::now().duration_since(t).ok());
            age.is_some_and(|age| age > Duration::from_secs(24 * 3600))
        };
        if name.starts_with('.') && name.ends_with(SUFFIX) && old(&entry) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Every file below `folder`.
fn walk(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { files.extend(walk(&entry.path())?) } else { files.push(entry.path()) }
    }
    Ok(files)
}

/// Forces the lists of names of a folder and of all below it to the disk.
pub(crate) fn sync_folders(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Forces a folder's list of names to the disk, where the system can do that.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn info(path: &Path, name: String) -> Result<FileInfo> {
    let read = |e: io::Error| Fault::read("a file of the run", path, &e);
    let mut hasher = blake3::Hasher::new();
    let bytes = io::copy(&mut File::open(path).map_err(read)?, &mut hasher).map_err(read)?;
    Ok(FileInfo { path: name, bytes, blake3: hasher.finalize().to_hex().to_string() })
}

/// Refuses a file that is not what the manifest says.
pub(crate) fn verify(folder: &Path, expected: &FileInfo) -> Result<()> {
    let path = folder.join(&expected.path);
    if !path.is_file() {
        let why = format!("the run is damaged: {} is missing\n{}", expected.path, folder.display());
        return Err(Fault::new(Kind::Data, why).into());
    }
    let found = info(&path, expected.path.clone())?;
    let why = if found.bytes != expected.bytes {
        format!("has {} bytes, the manifest says {}", found.bytes, expected.bytes)
    } else if found.blake3 != expected.blake3 {
        "has other content than when the run was written".to_owned()
    } else {
        return Ok(());
    };
    Err(Fault::data(format!(
        "the run is damaged: {} {why}; run its spec again under another name\n{}",
        expected.path,
        folder.display()
    ))
    .into())
}
