//! Folders that are replaced whole or not at all, whenever the power fails.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Where the folder of the last checkpoint waits while the new one takes its place.
pub(super) fn aside(folder: &Path) -> PathBuf {
    folder.with_file_name(format!(".{}-old", folder.file_name().unwrap_or_default().to_string_lossy()))
}

/// Writes `write`'s files into a new folder and puts it in the place of `folder`; at every moment the old one or the new one
/// is whole, in its place or beside it.
pub(super) fn replace(folder: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = folder.parent().context("a checkpoint has a parent folder")?;
    let fresh = tempfile::Builder::new().prefix(".checkpoint-").tempdir_in(parent)?;
    write(fresh.path())?;
    for entry in fs::read_dir(fresh.path())? {
        File::open(entry?.path())?.sync_all()?;
    }
    let old = aside(folder);
    if folder.exists() {
        if old.exists() {
            fs::remove_dir_all(&old)?;
        }
        fs::rename(folder, &old)?;
    }
    fs::rename(fresh.keep(), folder)?;
    if old.exists() {
        fs::remove_dir_all(&old)?;
    }
    Ok(())
}
