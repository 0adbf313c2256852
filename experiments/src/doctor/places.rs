//! Folders, disks, and the Hub's settings.

use std::{io, path::Path};

use babelscope_core::hub::{Hub, free_space, human};

use super::Finding;
use crate::fault::Kind;

/// Below this a run may not fit, or hardly.
const NO_ROOM: u64 = 200_000_000;
const LITTLE_ROOM: u64 = 10_000_000_000;

pub(super) fn cache(hub: &Hub) -> Finding {
    let check = "model cache";
    if hub.cache.as_os_str().is_empty() {
        return Finding::problem(check, Kind::Spec, "no home folder", "set HF_HOME to a folder for models");
    }
    let place = hub.cache.display();
    let models = hub.models();
    let bytes = human(models.iter().map(|model| model.bytes).sum());
    let found = match models.len() {
        0 if !hub.cache.is_dir() => format!("{place}, made by the first download"),
        1 => format!("{place}: 1 model, {bytes}"),
        n => format!("{place}: {n} models, {bytes}"),
    };
    if let Err(why) = writable(&hub.cache) {
        let advice = "models that are there load; to fetch others set HF_HOME to a folder that you may write to";
        return Finding::note(check, format!("{found}; cannot be written to ({why})"), advice);
    }
    let begun: Vec<_> = models.iter().filter(|model| model.incomplete).map(|model| model.id.as_str()).collect();
    if let Some(first) = begun.first() {
        let found = format!("{found}; downloads that were begun: {}", begun.join(", "));
        return Finding::note(check, found, format!("`babelscope get {first}` goes on from there"));
    }
    Finding::fine(check, found)
}

pub(super) fn server(hub: &Hub) -> Finding {
    let check = "Hub";
    let endpoint = &hub.endpoint;
    if hub.offline {
        let advice = "models that are in the cache load; unset HF_HUB_OFFLINE to fetch others";
        return Finding::note(check, "offline by HF_HUB_OFFLINE", advice);
    }
    if !endpoint.starts_with("https://") && !endpoint.starts_with("http://") {
        let found = format!("HF_ENDPOINT is {endpoint:?}");
        return Finding::problem(
            check,
            Kind::Spec,
            found,
            "set it to an address that begins with https://, or unset it",
        );
    }
    match &hub.token {
        Some(token) => {
            Finding::fine(check, format!("{endpoint}, with the token from {}; not asked now", token.source()))
        }
        None => Finding::fine(
            check,
            format!("{endpoint}, without a token (private and gated models need HF_TOKEN); not asked now"),
        ),
    }
}

pub(super) fn runs(folder: &Path) -> Finding {
    let check = "run folder";
    let place = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    match writable(folder) {
        Ok(()) if folder.is_dir() => Finding::fine(check, place.display().to_string()),
        Ok(()) => Finding::fine(check, format!("{}, made by the first run", place.display())),
        Err(why) => Finding::problem(
            check,
            Kind::Io,
            format!("{} cannot be written to ({why})", place.display()),
            "start from a folder that is yours, or give one with --runs",
        ),
    }
}

pub(super) fn disk(check: &'static str, path: &Path) -> Finding {
    let advice = "remove old runs or models, or use a folder on a larger disk (--runs, HF_HOME)";
    match free_space(path) {
        None => Finding::note(check, "the system does not say how much is free", advice),
        Some(free) if free < NO_ROOM => Finding::problem(check, Kind::Io, format!("{} free", human(free)), advice),
        Some(free) if free < LITTLE_ROOM => Finding::note(check, format!("{} free", human(free)), advice),
        Some(free) => Finding::fine(check, format!("{} free", human(free))),
    }
}

/// Whether a file can be made in `folder`, or in the nearest folder above it that is there.
fn writable(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    match folder.ancestors().find(|path| path.exists()) {
        Some(there) => tempfile::tempfile_in(there).map(drop),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use babelscope_core::hub::Token;

    use super::*;
    use crate::doctor::State;

    fn hub(cache: &Path) -> Hub {
        let endpoint = "https://hub.example".to_owned();
        Hub { endpoint, cache: cache.to_owned(), token: None, offline: false, retries: 0 }
    }

    #[test]
    fn a_cache_is_counted_and_what_was_begun_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let cache_folder = folder.path().join("hub");
        assert!(cache(&hub(&cache_folder)).found.contains("first download"));
        for (model, blob) in [("models--org--a", "00"), ("models--gpt2", "11"), ("datasets--org--b", "22")] {
            let blobs = cache_folder.join(model).join("blobs");
            fs::create_dir_all(&blobs).unwrap();
            fs::write(blobs.join(blob), vec![0; 1500]).unwrap();
        }
        let whole = cache(&hub(&cache_folder));
        assert!(whole.found.ends_with(": 2 models, 3.0 kB"), "{whole:?}");
        fs::write(cache_folder.join("models--org--a/blobs/33.incomplete"), "").unwrap();
        let begun = cache(&hub(&cache_folder));
        assert!(begun.found.contains("begun: org/a") && begun.advice.unwrap().contains("get org/a"));
        assert!(matches!(cache(&hub(Path::new(""))).state, State::Problem(Kind::Spec)));
    }

    #[test]
    fn a_place_below_a_file_cannot_be_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(runs(&file.join("runs")).state, State::Problem(Kind::Io)));
        assert_eq!(cache(&hub(&file.join("hub"))).state, State::Note);
        assert_eq!(runs(&folder.path().join("a/b")).state, State::Fine);
    }

    #[test]
    fn the_settings_of_the_hub_are_told_without_the_token() {
        let mut hub = hub(Path::new("/c"));
        hub.token = Some(Token::new("hf_secret", "HF_TOKEN"));
        let found = server(&hub).found;
        assert!(found.contains("https://hub.example, with the token from HF_TOKEN") && !found.contains("hf_secret"));
        hub.offline = true;
        assert_eq!(server(&hub).state, State::Note);
        let wrong = Hub { endpoint: "hub.example".to_owned(), offline: false, ..hub };
        assert!(matches!(server(&wrong).state, State::Problem(Kind::Spec)));
    }
}
