//! A chain of thought as it was written.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One chain of thought: a problem, and what was written to solve it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// Name of the problem; traces of one problem in several languages share it.
    pub problem: String,
    /// Language of the reasoning.
    pub language: String,
    /// The problem as it was given; empty where it is not known.
    pub statement: String,
    /// Language of the statement, where it differs from the reasoning's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_language: Option<String>,
    /// What was written.
    pub text: String,
    /// The right answer, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Which of several tries this is.
    pub sample: u32,
    /// Seed of the try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Who wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its tokens, where the program wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
}

/// The tokens of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Their ids.
    pub ids: Vec<u32>,
    /// The bytes of the text that each stands for.
    pub spans: Vec<Range<usize>>,
    /// Ids of what the model was given before, the chat's own tokens included; empty where it was the statement as it stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompt: Vec<u32>,
}

/// A step of a trace: a sentence, or several that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its bytes in the text of the trace.
    pub span: Range<usize>,
}
