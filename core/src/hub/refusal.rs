//! What keeps a model from coming, as sentences that say what to do.

use super::request::{Answer, Client};
use crate::Error;

impl Client<'_> {
    /// The download did not come to its end.
    pub(super) fn failed(&self, why: &str) -> Error {
        Error::Download { reference: self.id.to_owned(), why: why.to_owned() }
    }

    /// The model cannot be had, whatever the network.
    pub(super) fn no_such(&self, why: &str) -> Error {
        let why = format!("{why}\n{}/{} at revision {}", self.endpoint, self.id, self.repo.revision());
        Error::NotFound { reference: self.id.to_owned(), why }
    }

    /// The network does not lead there.
    pub(super) fn unreachable(&self, why: &str) -> Error {
        self.failed(&format!(
            "cannot reach {} ({why}). Check the network and the proxy (HTTPS_PROXY), or name a mirror in HF_ENDPOINT; where \
             there is no network, fetch the model elsewhere and take the cache folder along",
            self.endpoint
        ))
    }

    /// What a status other than success means for a person, for the model as a whole or a `file` of it.
    pub(super) fn refusal(&self, answer: Answer, file: Option<&str>) -> Error {
        let code = answer.header("x-error-code").unwrap_or_default();
        let page = format!("{}/{}", self.endpoint, self.id);
        let tokens = format!("{}/settings/tokens", self.endpoint);
        let revision = self.repo.revision();
        let mut why = match (answer.status, &self.hub.token) {
            (401 | 403, None) if code == "GatedRepo" => format!(
                "is gated: accept its conditions on {page}, and set HF_TOKEN to a token of the same account ({tokens})"
            ),
            (401 | 403, Some(token)) if code == "GatedRepo" => format!(
                "is gated, and the account of the token from {} has no access: accept its conditions on {page}",
                token.source
            ),
            (401 | 403, None) => format!(
                "there is no such public model: check the name; for a private or gated one set HF_TOKEN to a token ({tokens})"
            ),
            (401, Some(token)) => format!(
                "the Hub does not accept the token from {}, or the model is not there: check the name, and the token on {tokens}",
                token.source
            ),
            (403, Some(token)) => format!("the token from {} may not read it; see {tokens}", token.source),
            (404, _) => match (file, code) {
                (Some(file), _) => format!("revision {revision} has no file {file}"),
                (None, "RevisionNotFound") => format!("has no revision {revision} (branch, tag or full commit)"),
                (None, "RepoNotFound") => "the Hub has no such model; check the name".to_owned(),
                (None, _) => format!("the Hub has no such model, or no revision {revision} of it"),
            },
            (status, _) => {
                let said = format!("the server answered {status}, which was not expected\n{}", answer.url);
                return self.failed(&said);
            }
        };
        if let Some(said) = answer.header("x-error-message") {
            why.push_str(&format!(". The Hub says: {}", said.chars().take(200).collect::<String>()));
        }
        Error::NotFound { reference: self.id.to_owned(), why: format!("{why}\n{page}") }
    }
}
