//! How a file comes to its name: whole, forced to the disk, and first come first served.
//!
//! ```
//! use babelscope_core::store::publish;
//! let folder = tempfile::tempdir()?;
//! let place = folder.path().join("results.json");
//! assert!(publish::bytes(&place, b"first")?);
//! assert!(!publish::bytes(&place, b"second")?, "a name is given once");
//! publish::replace(&place, b"third")?; // an index, which is written again
//! assert_eq!(std::fs::read(&place)?, b"third");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::NamedTempFile;

use crate::{
    Error, Result,
    hub::{free_space, human},
};

/// The end of the names of files that are not whole yet.
pub(super) const TEMPORARY: &str = ".tmp";

/// Names that a process tries before it gives up: a process of the same number may have left some behind.
const TRIES: usize = 1000;

/// This machine's name, in letters that any file system takes.
static HOST: LazyLock<String> = LazyLock::new(|| {
    let name = sysinfo::System::host_name().ok().unwrap_or_else(|| "host".to_owned());
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(64).collect()
});

/// This machine's name, as temporary files and records have it.
pub fn host() -> String {
    HOST.clone()
}

static ATTEMPT: AtomicU64 = AtomicU64::new(0);

/// A file beside its final place, named `.STEM.HOST-PID-N.tmp` so that no two processes of a cluster meet. Removed when it is
/// dropped before it was placed. The folder is made where it is missing.
///
/// # Errors
/// [`Error::Write`].
pub fn temporary(folder: &Path, stem: &str) -> Result<NamedTempFile> {
    fs::create_dir_all(folder).map_err(|e| failed("a folder", folder, 0, e))?;
    for _ in 0..TRIES {
        let number = ATTEMPT.fetch_add(1, Ordering::Relaxed);
        let name = format!(".{stem}.{}-{}-{number}{TEMPORARY}", *HOST, process::id());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&name).rand_bytes(0);
        // Files of a run are shared like any others, so the usual rights (less the umask) and not tempfile's private ones.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        match builder.tempfile_in(folder) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => (),
            made => return made.map_err(|e| failed("a temporary file", folder, 0, e)),
        }
    }
    let why = format!(
        "{TRIES} names are taken by temporary files of an earlier process; remove the files *{TEMPORARY} there"
    );
    Err(failed("a temporary file", folder, 0, io::Error::other(why)))
}

/// Forces `temp` to the disk and gives it the name `place`, then forces the folder's list of names. `false`: the name was taken (a
/// twin was first); nothing of it changes, and `temp` is gone.
///
/// # Errors
/// [`Error::Write`].
pub fn place(temp: NamedTempFile, place: &Path) -> Result<bool> {
    let needed = temp.as_file().metadata().map_or(0, |m| m.len());
    temp.as_file().sync_all().map_err(|e| failed("a file", place, needed, e))?;
    Ok(place_synced(temp, place)?.is_none())
}

/// [`place`] for a file that is on the disk already; gives it back where the name is taken.
pub(super) fn place_synced(temp: NamedTempFile, place: &Path) -> Result<Option<NamedTempFile>> {
    match temp.persist_noclobber(place) {
        Ok(_file) => sync_folder(place).map(|()| None),
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(e.file)),
        Err(e) => Err(failed("a file", place, 0, e.error)),
    }
}

/// [`place`] for bytes.
///
/// # Errors
/// [`Error::Write`].
pub fn bytes(place: &Path, bytes: &[u8]) -> Result<bool> {
    self::place(written(place, bytes)?, place)
}

/// Gives `place` a new content at once: a reader sees the old or the new, whatever happens in between.
///
/// # Errors
/// [`Error::Write`].
pub fn replace(place: &Path, bytes: &[u8]) -> Result<()> {
    let temp = written(place, bytes)?;
    let fail = |e| failed("a file", place, bytes.len() as u64, e);
    temp.as_file().sync_all().map_err(fail)?;
    temp.persist(place).map_err(|e| fail(e.error))?;
    sync_folder(place)
}

fn written(place: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let stem = place.file_name().unwrap_or_default().to_string_lossy();
    let mut temp = temporary(folder_of(place), &stem)?;
    temp.as_file_mut().write_all(bytes).map_err(|e| failed("a file", place, bytes.len() as u64, e))?;
    Ok(temp)
}

/// The folder of a path; of a bare name, the one where the program stands.
pub(super) fn folder_of(place: &Path) -> &Path {
    place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Forces the folder's list of names to the disk, where the system can do that.
fn sync_folder(place: &Path) -> Result<()> {
    let folder = folder_of(place);
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| failed("a folder", folder, 0, e))?;
    }
    Ok(())
}

/// The error of a write of so many bytes. Where the disk is full, it says how full.
pub(super) fn failed(what: &'static str, path: &Path, needed: u64, source: io::Error) -> Error {
    let full = matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let source = if full {
        let free = free_space(folder_of(path)).map_or_else(String::new, |free| format!(", {} are free", human(free)));
        let why = format!("{source}: {} are needed{free}; make room there or choose another folder", human(needed));
        io::Error::new(source.kind(), why)
    } else {
        source
    };
    Error::Write { what, path: path.to_owned(), source }
}
