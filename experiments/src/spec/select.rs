//! The keys of `select`: one direction for a behaviour, found among many by what it does.

use babelscope_probes::steer::SelectParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A direction that a behaviour hangs on: candidates over layers and last tokens, judged by ablating and by adding them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectSpec {
    /// What the behaviour is called.
    pub name: String,
    /// Words that begin an answer which shows it; the first token of each counts.
    pub words: Vec<String>,
    /// File of prompts that show it, one a line.
    pub with: String,
    /// File of prompts that do not.
    pub without: String,
    /// Whether the prompts go through the model's chat template.
    pub chat: bool,
    /// How candidates are made and judged.
    pub search: SelectParams,
}

impl SelectSpec {
    /// Why these make no sense, as a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        if self.name.trim().is_empty() {
            return Some("`name` is empty; say what the behaviour of `select` is called, as `refusal`".to_owned());
        }
        if self.words.is_empty() || self.words.iter().any(|word| word.trim().is_empty()) {
            return Some(
                "`words` needs the beginnings of answers that show the behaviour, as [\"I cannot\"]".to_owned(),
            );
        }
        if self.with.is_empty() || self.without.is_empty() {
            return Some("`with` and `without` name a file of prompts each, one a line".to_owned());
        }
        self.search.problem()
    }
}
