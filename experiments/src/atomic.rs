//! Single files that are whole or absent: written beside their place, forced to the disk, then given their name.

use std::{fs::File, io, path::Path};

use anyhow::Result;

use crate::fault::{Fault, Kind};

/// Writes a file. One that is there already is replaced only where `ours` says so, and refused otherwise.
///
/// # Errors
/// [`Kind::Exists`] for a file of somebody else, [`Kind::Io`] where the place cannot be written to, and what `write` says. Then nothing is left
/// behind, and what was there stays as it was.
pub(crate) fn write<R>(
    path: &Path,
    what: &str,
    ours: impl Fn(&Path) -> bool,
    write: impl FnOnce(&mut File) -> Result<R>,
) -> Result<R> {
    let ours = || path.is_file() && ours(path);
    let there = path.symlink_metadata().is_ok();
    if there && !ours() {
        return Err(taken(path, what));
    }
    let failed = |e: &io::Error| Fault::write(what, path, e);
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".partial");
    // The usual rights (less the umask), not tempfile's private ones.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut draft = builder.tempfile_in(folder).map_err(|e| failed(&e))?;
    let done = write(draft.as_file_mut())?;
    draft.as_file().sync_all().map_err(|e| failed(&e))?;
    let replaced = if there {
        Some(draft)
    } else {
        match draft.persist_noclobber(path) {
            Ok(_file) => None,
            // Another process was first since we looked: two that finish one sweep write the same page.
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists && ours() => Some(e.file),
            Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => return Err(taken(path, what)),
            Err(e) => return Err(failed(&e.error).into()),
        }
    };
    if let Some(draft) = replaced {
        draft.persist(path).map_err(|e| failed(&e.error))?;
    }
    if cfg!(unix) {
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| failed(&e))?;
    }
    Ok(done)
}

fn taken(path: &Path, what: &str) -> anyhow::Error {
    let text = format!(
        "will not write {what} here: the file is there already and is none that may be replaced; choose another name\n{}",
        path.display()
    );
    Fault::new(Kind::Exists, text).into()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::write;
    use crate::fault::{Fault, Kind, kind};

    #[test]
    fn a_file_of_somebody_else_stays_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.html");
        let put = |text: &'static str, ours: bool| {
            write(&path, "a page", |_| ours, |file| Ok(file.write_all(text.as_bytes())?))
        };
        put("first", false).unwrap();
        assert_eq!(kind(&put("second", false).unwrap_err()), Kind::Exists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        put("third", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "third");
        let failed = write(
            &path,
            "a page",
            |_| true,
            |file| {
                file.write_all(b"half")?;
                Err::<(), _>(Fault::data("no").into())
            },
        );
        assert_eq!(kind(&failed.unwrap_err()), Kind::Data);
        assert_eq!(fs::read_to_string(&path).unwrap(), "third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        let nowhere = folder.path().join("none").join("a.html");
        assert_eq!(kind(&write(&nowhere, "a page", |_| true, |_| Ok(())).unwrap_err()), Kind::Io);
    }

    #[test]
    fn a_twin_that_came_first_is_replaced_and_a_stranger_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.html");
        let ours = |path: &std::path::Path| fs::read_to_string(path).is_ok_and(|text| text.starts_with("ours"));
        let meeting = |other: &'static str| {
            fs::remove_file(&path).ok();
            write(&path, "a page", ours, |file| {
                fs::write(&path, other)?;
                Ok(file.write_all(b"ours too")?)
            })
        };
        meeting("ours").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ours too");
        assert_eq!(kind(&meeting("mine").unwrap_err()), Kind::Exists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}
