//! Models of the Hugging Face Hub, by id and revision, in the cache folder that all tools share.
//!
//! The crate `hf-hub` builds addresses and requests (token, proxy, TLS). What it does not do is here: every file is held
//! against the hash that the Hub publishes, a cut download goes on where it stopped, a refusal says what to do, and a
//! snapshot shows a file only when it is whole.
//!
//! ```text
//! models--ORG--NAME/refs/main                  the commit that `main` was when it was fetched
//! models--ORG--NAME/blobs/HASH                 a file, named by its hash; HASH.incomplete while it comes
//! models--ORG--NAME/snapshots/COMMIT/NAME      a link to the blob
//! ```

mod choice;
mod download;
mod place;
mod refusal;
mod request;
mod settings;
mod sha1;
mod store;

use std::path::{Path, PathBuf};

use self::{
    choice::Choice,
    download::bring,
    request::{Client, Listing, Remote},
    store::Store,
};
pub use self::{
    place::{free_space, human},
    settings::Token,
    store::Hash,
};
use crate::{Error, Result, checkpoint, monitor::Monitor};

/// Where models come from and where they are kept.
///
/// ```
/// use babelscope_core::hub::Hub;
/// let hub = Hub { offline: true, ..Hub::from_env() };
/// let refused = hub.find("nobody/nothing-at-all", None, &|_, _| Ok(()), &babelscope_core::monitor::Monitor::silent());
/// assert!(refused.unwrap_err().to_string().contains("offline"));
/// ```
#[derive(Clone, Debug)]
pub struct Hub {
    /// Address of the Hub or of a mirror, with any path before `/ORG/NAME`: `HF_ENDPOINT`.
    pub endpoint: String,
    /// The folder of `models--ORG--NAME`: `HF_HUB_CACHE`, `HF_HOME/hub`, `~/.cache/huggingface/hub`. Empty when there is no
    /// home folder.
    pub cache: PathBuf,
    /// Sent to the endpoint and to nobody else: `HF_TOKEN`, or the file that `hf auth login` writes.
    pub token: Option<Token>,
    /// Nothing is asked of any server: `HF_HUB_OFFLINE`.
    pub offline: bool,
    /// How often a request is repeated that brought nothing. An attempt that brought something does not count.
    pub retries: usize,
}

/// A revision of a model that lies whole in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder with config.json, tokenizer.json and weights.
    pub folder: PathBuf,
    /// The commit, also where a branch or tag was asked for.
    pub commit: String,
}

/// A file that was fetched or found, and whose hash was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its name in the repository.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// The hash that the Hub publishes, and that the file has.
    pub hash: Hash,
}

/// A model in the cache, whole or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// Its id, `ORG/NAME`.
    pub id: String,
    /// What its files take on the disk, of all revisions.
    pub bytes: u64,
    /// Whether a download was begun and has not come to its end.
    pub incomplete: bool,
}

/// Looks at the bytes of config.json (and where they lie) before the weights are fetched; an error ends the download.
pub type Check<'a> = &'a dyn Fn(&[u8], &Path) -> Result<()>;

impl Hub {
    /// The snapshot of `id` at `revision` (`None` is `main`): the cached one when it is whole, without any request, else
    /// what the Hub has.
    ///
    /// # Errors
    /// Those of [`Hub::fetch`].
    pub fn find(&self, id: &str, revision: Option<&str>, check: Check<'_>, monitor: &Monitor) -> Result<Snapshot> {
        let revision = names(id, revision)?;
        match self.cached(id, revision) {
            Ok(snapshot) => Ok(snapshot),
            Err(why) if self.offline => Err(self.offline_refusal(id, &why)),
            Err(_) => Ok(self.fetch(id, Some(revision), check, monitor)?.0),
        }
    }

    /// Asks the Hub what `revision` is now, downloads what the engine needs and the cache lacks, and holds every file
    /// against its published hash, also those that were there.
    ///
    /// # Errors
    /// [`Error::NotFound`]: no such model, revision or file, no access to it, no safetensors in it, offline.
    /// [`Error::Download`]: the network, the disk, a wrong hash (the file is then removed).
    /// What `check` says of config.json. [`Error::Cancelled`]; what has come so far is kept for the next time.
    pub fn fetch(
        &self,
        id: &str,
        revision: Option<&str>,
        check: Check<'_>,
        monitor: &Monitor,
    ) -> Result<(Snapshot, Vec<Verified>)> {
        let revision = names(id, revision)?;
        if self.offline {
            return Err(self.offline_refusal(id, "the Hub was to be asked"));
        }
        let client = Client::new(self, id, revision)?;
        let listing = client.listing()?;
        let choice = Choice::of(&listing.files).map_err(|why| client.no_such(&why))?;
        let store = Store::new(&self.cache, id, &listing.commit)?;
        let client = client.at(&listing.commit)?;
        monitor.check()?;

        let mut files = client.describe(choice.first(), monitor)?;
        bring(&client, &store, &files, "downloading config files", monitor)?;
        let config = store.pointer("config.json");
        check(&store.read("config.json")?, &config)?;
        let weights = match choice.index() {
            None => choice.single(),
            Some(index) => checkpoint::shards(&store.read(index)?, &store.pointer(index))?.into_iter().collect(),
        };
        let weights = client.describe(weights, monitor)?;
        bring(&client, &store, &weights, "downloading weights", monitor)?;
        store.point(revision)?;

        files.extend(weights);
        let snapshot = Snapshot { folder: store.folder(), commit: listing.commit };
        Ok((snapshot, files.into_iter().map(Remote::verified).collect()))
    }

    /// One file of a repository, by its path there (`model.Q4_K_M.gguf`): the cached one without any request, else fetched.
    /// Also gives the commit.
    ///
    /// # Errors
    /// Those of [`Hub::fetch_file`].
    pub fn find_file(
        &self,
        id: &str,
        revision: Option<&str>,
        file: &str,
        monitor: &Monitor,
    ) -> Result<(PathBuf, String)> {
        let revision = names(id, revision)?;
        let Snapshot { folder, commit } = self.place(id, revision);
        let path = folder.join(file);
        if is_plain(file) && !self.cache.as_os_str().is_empty() && path.is_file() {
            return Ok((path, commit));
        }
        if self.offline {
            return Err(self.offline_refusal(id, &format!("the cache has no {file} of revision {revision}")));
        }
        let (Snapshot { folder, commit }, _) = self.fetch_file(id, Some(revision), file, monitor)?;
        Ok((folder.join(file), commit))
    }

    /// Asks the Hub for one file, downloads it when the cache lacks it, and holds it against its published hash.
    ///
    /// # Errors
    /// Those of [`Hub::fetch`]; when there is no such file, with the files that there are.
    pub fn fetch_file(
        &self,
        id: &str,
        revision: Option<&str>,
        file: &str,
        monitor: &Monitor,
    ) -> Result<(Snapshot, Verified)> {
        let revision = names(id, revision)?;
        if self.offline {
            return Err(self.offline_refusal(id, "the Hub was to be asked"));
        }
        let client = Client::new(self, id, revision)?;
        let Listing { commit, files } = client.listing()?;
        if !files.iter().any(|name| name == file) {
            return Err(client.no_such(&format!("the repository has no file {file:?}; it has {}", files.join(", "))));
        }
        let store = Store::new(&self.cache, id, &commit)?;
        let client = client.at(&commit)?;
        let remote = client.describe_one(file.to_owned(), monitor)?;
        bring(&client, &store, std::slice::from_ref(&remote), "downloading the file", monitor)?;
        // A whole older snapshot stays what the branch is for those who load all of it.
        if self.cached(id, revision).is_err() {
            store.point(revision)?;
        }
        Ok((Snapshot { folder: store.folder(), commit }, remote.verified()))
    }

    /// The models of the cache, sorted by id.
    pub fn models(&self) -> Vec<Cached> {
        let Ok(folders) = std::fs::read_dir(&self.cache) else { return Vec::new() };
        let model = |entry: std::fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_prefix("models--")?.replacen("--", "/", 1);
            let mut model = Cached { id, bytes: 0, incomplete: false };
            for blob in std::fs::read_dir(entry.path().join("blobs")).into_iter().flatten().flatten() {
                model.bytes += blob.metadata().map_or(0, |data| data.len());
                model.incomplete |= blob.file_name().to_string_lossy().ends_with(".incomplete");
            }
            Some(model)
        };
        let mut models: Vec<_> = folders.flatten().filter_map(model).collect();
        models.sort_by(|a, b| a.id.cmp(&b.id));
        models
    }

    /// The cached snapshot, or what it lacks.
    fn cached(&self, id: &str, revision: &str) -> std::result::Result<Snapshot, String> {
        if self.cache.as_os_str().is_empty() {
            return Err("there is no home folder with a cache".to_owned());
        }
        let Snapshot { folder, commit } = self.place(id, revision);
        if !folder.is_dir() {
            return Err(format!("the cache has no revision {revision} of it"));
        }
        match checkpoint::lacks(&folder) {
            None => Ok(Snapshot { folder, commit }),
            Some(what) => Err(format!("the cached snapshot is not whole: {what}")),
        }
    }

    /// Where the cache would have a revision, whole or not.
    fn place(&self, id: &str, revision: &str) -> Snapshot {
        let model = self.cache.join(store::folder_name(id));
        let commit = std::fs::read_to_string(model.join("refs").join(revision)).unwrap_or_else(|_| revision.to_owned());
        let commit = commit.trim().to_owned();
        Snapshot { folder: model.join("snapshots").join(&commit), commit }
    }

    fn offline_refusal(&self, id: &str, why: &str) -> Error {
        let why = format!(
            "{why}, and the Hub may not be asked: offline by HF_HUB_OFFLINE. Unset it, or fetch the model where there is a \
             network (`babelscope get {id}`) and take the cache folder along\n{}",
            self.cache.display()
        );
        Error::NotFound { reference: id.to_owned(), why }
    }
}

/// The revision, once it and the id are found to be names and not paths.
fn names<'a>(id: &str, revision: Option<&'a str>) -> Result<&'a str> {
    let fail = |why: String| Err(Error::NotFound { reference: id.to_owned(), why });
    if id.split('/').count() > 2 || !is_plain(id) {
        return fail("is not a folder, and not a Hub id (ORGANISATION/NAME)".to_owned());
    }
    let revision = revision.unwrap_or("main");
    if !is_plain(revision) {
        return fail(format!("the revision {revision:?} is not a branch, tag or commit"));
    }
    Ok(revision)
}

/// Whether every part between slashes is a name that is safe in a path and in an address.
pub(crate) fn is_plain(path: &str) -> bool {
    path.split('/').all(|part| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_or_revision_that_leads_out_of_the_cache_is_refused() {
        for id in ["../x", "a/../b", "/etc", "a/b/c", "", "a b", "a/.git", r"a\b"] {
            assert!(names(id, None).is_err(), "{id}");
        }
        for revision in ["../main", "", "a b", "refs//x"] {
            assert!(names("a/b", Some(revision)).is_err(), "{revision}");
        }
        assert_eq!(names("gpt2", None).unwrap(), "main");
        assert_eq!(names("org/name", Some("refs/pr/5")).unwrap(), "refs/pr/5");
    }
}
