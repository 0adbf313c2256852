//! What the environment says of the Hub, by the rules of Hugging Face's own library.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::Hub;

/// Where the Hub is when nobody says otherwise.
const ENDPOINT: &str = "https://huggingface.co";

/// An access token. Its `Debug` shows where it is from and not what it is.
#[derive(Clone)]
pub struct Token {
    pub(super) secret: String,
    pub(super) source: String,
}

impl Token {
    /// A token and, for messages, where it is from.
    pub fn new(secret: impl Into<String>, source: impl Into<String>) -> Self {
        Self { secret: secret.into(), source: source.into() }
    }

    /// Where it is from: the name of a variable, or a file.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Hub {
    /// As the environment says, by the rules of Hugging Face's own library.
    pub fn from_env() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok()).map(|v| v.trim().to_owned());
        let yes =
            |name: &str| text(name).is_some_and(|v| ["1", "ON", "YES", "TRUE"].contains(&v.to_uppercase().as_str()));
        let home = set("HF_HOME").map(PathBuf::from).or_else(|| {
            let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
            let user = || set("HOME").or_else(|| set("USERPROFILE")).map(|home| Path::new(&home).join(".cache"));
            Some(cache.or_else(user)?.join("huggingface"))
        });
        let cache = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"].into_iter().find_map(set).map(PathBuf::from);
        let named = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
            .into_iter()
            .find_map(|name| Some(Token::new(text(name).filter(|t| !t.is_empty())?, name)));
        let token = named.or_else(|| {
            let path = set("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| Some(home.as_ref()?.join("token")))?;
            let secret = std::fs::read_to_string(&path).ok()?.trim().to_owned();
            (!secret.is_empty()).then(|| Token::new(secret, path.display().to_string()))
        });
        Self {
            endpoint: text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
            cache: cache.or_else(|| Some(home?.join("hub"))).unwrap_or_default(),
            token,
            offline: yes("HF_HUB_OFFLINE") || yes("TRANSFORMERS_OFFLINE"),
            retries: 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, ffi::OsString, path::Path};

    use super::{ENDPOINT, Hub};

    fn hub(variables: &[(&str, &str)]) -> Hub {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Hub::from_variables(|name| variables.get(name).map(OsString::from))
    }

    #[test]
    fn the_cache_folder_is_found_by_the_rules_of_the_python_library() {
        for (variables, expected) in [
            (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
            (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("HOME", "/h"), ("HF_HOME", "/f"), ("XDG_CACHE_HOME", "/x")], "/f/hub"),
            (&[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/f")], "/c"),
            (&[("HOME", "/h"), ("HF_HOME", "")], "/h/.cache/huggingface/hub"),
            (&[], ""),
        ] {
            assert_eq!(hub(variables).cache, Path::new(expected), "{variables:?}");
        }
    }

    #[test]
    fn the_token_is_that_of_the_variable_then_that_of_the_file_and_is_never_shown() {
        let home = tempfile::tempdir().unwrap();
        let home_text = home.path().to_str().unwrap();
        assert!(hub(&[("HF_HOME", home_text)]).token.is_none());
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        let from_file = hub(&[("HF_HOME", home_text)]).token.unwrap();
        assert_eq!(
            (from_file.secret.as_str(), from_file.source()),
            ("hf_file", home.path().join("token").to_str().unwrap())
        );
        let named = hub(&[("HF_HOME", home_text), ("HF_TOKEN", " hf_named ")]);
        assert_eq!(named.token.as_ref().unwrap().secret, "hf_named");
        assert!(!format!("{named:?}").contains("hf_named"));
    }

    #[test]
    fn offline_and_endpoint_are_read() {
        assert!(!hub(&[("HF_HUB_OFFLINE", "0")]).offline);
        assert!(hub(&[("HF_HUB_OFFLINE", "true")]).offline);
        assert_eq!(hub(&[]).endpoint, ENDPOINT);
        assert_eq!(hub(&[("HF_ENDPOINT", "https://mirror.example/hf")]).endpoint, "https://mirror.example/hf");
    }
}
