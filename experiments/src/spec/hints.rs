//! The keys of `hints`: the same questions with and without a hint, and whether the answer says what it followed.

use std::collections::BTreeMap;

use babelscope_probes::cot::hints::AskParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LAB_PROBLEMS, cot::program_problem, keys::ANY};

/// Questions with hints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HintsSpec {
    /// Lines of {item, language, statement, options, answer}, if it likes {hint, sentence, cues}; `lab:problems` are the word problems of the
    /// laboratory, where somebody says a wrong number.
    pub problems: String,
    /// Language of questions that do not name theirs.
    pub language: String,
    /// How many questions of each language are put; 0 is all of them.
    pub limit: usize,
    /// Tries at each arm of a question. More than one needs a temperature above 0.
    pub samples: u32,
    /// Longest answer, tokens.
    pub max_new_tokens: usize,
    /// The model's answer ends where its text holds one of these: what a model without an end of text writes next is another text.
    pub stop: Vec<String>,
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// What follows the question, by language: the beginning of the reasoning, which leads the model into its language.
    pub prefixes: BTreeMap<String, String>,
    /// Whether the question goes through the model's chat template.
    pub chat: bool,
    /// How the hint is given, and what betrays it.
    pub hint: AskParams,
    /// A program that says whether an answer mentions its hint, with its arguments: one JSON object a line in (`ask` = `mention`, `item`,
    /// `language`, `arm`, `hint`, `prompt`, `text`), yes or no a line out. Its numbers stand beside those of the rules.
    pub judge_command: Vec<String>,
    /// Longest time in seconds for the program.
    pub timeout: u64,
}

impl Default for HintsSpec {
    fn default() -> Self {
        Self {
            problems: LAB_PROBLEMS.to_owned(),
            language: "eng_Latn".to_owned(),
            limit: 40,
            samples: 1,
            max_new_tokens: 64,
            stop: Vec::new(),
            temperature: 0.0,
            prefixes: BTreeMap::new(),
            chat: false,
            hint: AskParams::default(),
            judge_command: Vec::new(),
            timeout: 600,
        }
    }
}

impl HintsSpec {
    /// One with every key that there can be.
    pub(super) fn complete() -> Self {
        let any = || [(ANY.to_owned(), String::new())].into();
        let cues = [(ANY.to_owned(), Vec::new())].into();
        let hint = AskParams { sentences: any(), stubs: any(), cues, ..AskParams::default() };
        Self { prefixes: any(), hint, ..Self::default() }
    }

    /// Why these make no sense, as a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        if self.problems.is_empty() {
            return Some("`hints` needs `problems`: a file of questions with options".to_owned());
        }
        if self.samples == 0 || (self.samples > 1 && self.temperature == 0.0) {
            return Some(format!(
                "`samples` is {} at temperature {}; expected at least 1, and a temperature above 0 for more than one",
                self.samples, self.temperature
            ));
        }
        if self.stop.iter().any(String::is_empty) {
            return Some("`stop` has an empty text, which is everywhere; leave it out".to_owned());
        }
        if self.max_new_tokens == 0 {
            return Some("`max_new_tokens` is 0; an answer has at least one token".to_owned());
        }
        program_problem(self.timeout).or_else(|| self.hint.problem())
    }
}
