//! The keys of `learn`: a vector that is learned by gradient instead of estimated from means.

use babelscope_probes::steer::{LearnLoss, LearnParams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A vector that is added to one language's states at one layer, learned so that they come nearer to the pivot's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearnSpec {
    /// The language whose states are moved.
    pub language: String,
    /// The language that they are moved towards.
    pub pivot: String,
    /// Of the loss `task`: a file with the answer to each line of the corpus.
    pub answers: String,
    /// Where and how it is learned.
    pub learning: LearnParams,
}

impl LearnSpec {
    /// Why these make no sense, as a sentence; `languages` are those that the spec names, empty for all.
    pub(super) fn problem(&self, languages: &[String]) -> Option<String> {
        if self.language.is_empty() || self.pivot.is_empty() || self.language == self.pivot {
            return Some(format!(
                "`learn` moves {:?} towards {:?}; expected two different languages as `language` and `pivot`",
                self.language, self.pivot
            ));
        }
        let mut named = [&self.language, &self.pivot].into_iter();
        if let Some(outside) = named.find(|code| !languages.is_empty() && !languages.contains(code)) {
            return Some(format!("the language {outside} of `learn` is not among `data.languages`; add it there"));
        }
        match (self.learning.loss == LearnLoss::Task, self.answers.is_empty()) {
            (true, true) => Some("the loss `task` needs `answers`, a file with the answer to each line".to_owned()),
            (false, false) => Some("`answers` belongs to the loss `task`; leave it out".to_owned()),
            _ => self.learning.problem(),
        }
    }
}
