//! Which folders and files a server shows: finished runs, and of them the files that their manifests name.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, Kind},
    manifest::{FileInfo, Manifest},
    run::{self, MANIFEST},
};

/// What makes a folder a sweep, and its folder with a run of each model.
const SWEEP: &str = "sweep.json";
const MODELS: &str = "models";
/// Between the name of a sweep and that of a model; no run's name holds it.
const IN_SWEEP: char = '~';

/// A run that is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name in addresses; `SWEEP~MODEL` for a model of a sweep.
    pub name: String,
    /// BLAKE3 of everything that determines its result.
    pub identity: String,
    /// `run`, or `model of a sweep`.
    pub kind: String,
}

/// The folder that is shown.
#[derive(Debug)]
pub(super) struct Shelf {
    root: PathBuf,
    /// The folder is itself a run of this name.
    single: Option<String>,
}

/// A file that may be sent.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) file: File,
    pub(super) length: u64,
}

impl Shelf {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let root = folder.canonicalize().map_err(|e| Fault::read("the folder", folder, &e))?;
        if !root.is_dir() {
            let why = format!("expected a run folder or a folder of runs\n{}", folder.display());
            return Err(Fault::new(Kind::Missing, why).into());
        }
        // A sweep is shown by its models.
        let models = root.join(MODELS);
        let root = if root.join(SWEEP).is_file() && models.is_dir() { models } else { root };
        let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
        let single = root.join(MANIFEST).is_file().then(|| name.filter(|name| is_plain(name)));
        let single = single.map(|name| name.unwrap_or_else(|| "run".to_owned()));
        Ok(Self { root, single })
    }

    /// The finished runs, and those of sweeps.
    pub(super) fn runs(&self) -> Result<Vec<Listed>> {
        if let Some(name) = &self.single {
            let Manifest { identity, .. } = run::manifest(&self.root)?;
            return Ok(vec![Listed { name: name.clone(), identity, kind: "run".to_owned() }]);
        }
        let mut runs = self.below(&self.root, "", "run")?;
        for sweep in sweeps(&self.root)? {
            runs.extend(self.below(
                &self.root.join(&sweep).join(MODELS),
                &format!("{sweep}{IN_SWEEP}"),
                "model of a sweep",
            )?);
        }
        Ok(runs)
    }

    /// The runs of a folder that can be asked for by their names behind `prefix`.
    fn below(&self, folder: &Path, prefix: &str, kind: &str) -> Result<Vec<Listed>> {
        let mut runs = Vec::new();
        for entry in run::list(folder)? {
            let name = format!("{prefix}{}", entry.folder.file_name().unwrap_or_default().to_string_lossy());
            if let Ok(manifest) = entry.manifest
                && self.folder(&name).is_some()
            {
                runs.push(Listed { name, identity: manifest.identity, kind: kind.to_owned() });
            }
        }
        Ok(runs)
    }

    /// The manifest of a run and the files that are offered, manifest.json first.
    pub(super) fn files(&self, name: &str) -> Option<(Manifest, Vec<FileInfo>)> {
        let folder = self.folder(name)?;
        let bytes = std::fs::read(inside(&folder, &folder.join(MANIFEST))?).ok()?;
        let manifest = Manifest::parse(str::from_utf8(&bytes).ok()?).ok()?;
        let own = FileInfo {
            path: MANIFEST.to_owned(),
            bytes: bytes.len() as u64,
            blake3: blake3::hash(&bytes).to_hex().to_string(),
        };
        let files = std::iter::once(own).chain(manifest.files.iter().cloned()).collect();
        Some((manifest, files))
    }

    /// A file of a run by the segments of its path: the manifest, or one that the manifest names.
    pub(super) fn file(&self, name: &str, path: &[String]) -> Option<Offered> {
        let wanted = path.join("/");
        let (_, files) = self.files(name)?;
        files.iter().find(|file| file.path == wanted)?;
        let folder = self.folder(name)?;
        let path = inside(&folder, &path.iter().fold(folder.clone(), |folder, segment| folder.join(segment)))?;
        // Opening a named pipe would wait for ever.
        if !path.metadata().ok()?.is_file() {
            return None;
        }
        let file = File::open(path).ok()?;
        let length = file.metadata().ok()?.len();
        Some(Offered { file, length })
    }

    /// The folder of a run; `None` for one that is hidden, not there, or elsewhere behind a link.
    fn folder(&self, name: &str) -> Option<PathBuf> {
        if !is_plain(name) {
            return None;
        }
        if let Some(single) = &self.single {
            return (single == name).then(|| self.root.clone());
        }
        let folder = match name.split_once(IN_SWEEP) {
            Some((sweep, model)) if is_plain(sweep) && is_plain(model) => {
                self.root.join(sweep).join(MODELS).join(model)
            }
            Some(_) => return None,
            None => self.root.join(name),
        };
        inside(&self.root, &folder).filter(|folder| *folder != self.root)
    }
}

/// The names of the sweeps in a folder, sorted.
fn sweeps(root: &Path) -> Result<Vec<String>> {
    let failed = |e| Fault::read("the folder of the runs", root, &e);
    let mut found = Vec::new();
    for entry in root.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join(SWEEP).is_file() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    Ok(found)
}

/// The real place of `path`, where that is below `folder`, which is a real place itself.
fn inside(folder: &Path, path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().filter(|real| real.starts_with(folder))
}

/// The parts of a request's target, decoded once; `None` where it cannot name anything that is shown.
///
/// ```
/// use babelscope::serve::files::segments;
/// assert_eq!(segments("/v1/a%20b").unwrap(), ["v1", "a b"]);
/// for escape in ["/a/../b", "/a/%2e%2e/b", "/a%2fb", "/a%5cb", "/a//b", "/.a", "/a%00", "a/b", "/a?b", "http://x/a"] {
///     assert_eq!(segments(escape), None);
/// }
/// ```
pub fn segments(target: &str) -> Option<Vec<String>> {
    target.strip_prefix('/')?.split('/').map(|text| decoded(text).filter(|name| is_plain(name))).collect()
}

/// Whether a name is one folder or file that is shown: not hidden, not half written, and no way to elsewhere on any system.
pub(crate) fn is_plain(name: &str) -> bool {
    let outside = |c: char| matches!(c, '/' | '\\' | ':' | '?' | '#') || c.is_control();
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.ends_with(".partial")
        && !name.contains(outside)
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(16 * high + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

/// A name as it stands in an address: [`segments`] gives it back.
pub(crate) fn encoded(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_comes_back_from_an_address(names in proptest::collection::vec("\\PC{1,20}", 1..4)) {
            let target: String = names.iter().map(|name| format!("/{}", encoded(name))).collect();
            let expected = names.iter().all(|name| is_plain(name)).then_some(names);
            prop_assert_eq!(segments(&target), expected);
        }

        #[test]
        fn no_target_leads_out_of_a_folder(target in "[/.%25ef\\\\a-c:]{0,40}") {
            let folder = Path::new("/shelf");
            for segment in segments(&target).unwrap_or_default() {
                let parts: Vec<_> = folder.join(&segment).components().map(|c| c.as_os_str().to_owned()).collect();
                prop_assert_eq!(parts.len(), 3);
                prop_assert_eq!(parts[2].to_str(), Some(segment.as_str()));
            }
        }
    }
}
