//! The keys of `cot`: chains of thought, read from files or written by the model, as graphs, and what the model knew along them.

use std::collections::BTreeMap;

use babelscope_probes::cot::{read::Format, table::GraphParams, watched::WatchParams};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::ANY;

/// The problems that the laboratory has by construction.
pub(crate) const LAB_PROBLEMS: &str = "lab:problems";

/// What is done about a trace that went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retry {
    /// Nothing.
    #[default]
    None,
    /// A trace that goes round is written again from where it was last right, with another seed.
    Loop,
    /// A trace whose answer is wrong is written again, with the formulas of the reference before it, their values taken out.
    Formula,
}

/// Chains of thought.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CotSpec {
    /// Files or folders of traces that others wrote. Empty: the model solves `problems`.
    pub traces: Vec<String>,
    /// How they are stored; found out by itself where it is empty: `jsonl`, `polymath`, `mgsm`, `thought_anchors`, `inspect`, `lm_eval`.
    pub format: String,
    /// Language of traces and problems that do not name theirs.
    pub language: String,
    /// Lines of {problem, language, statement, answer} to be solved; `lab:problems` are the word problems of the laboratory.
    pub problems: String,
    /// How many problems of each language are solved; 0 is all of them.
    pub limit: usize,
    /// Tries at each problem. More than one needs a temperature above 0.
    pub samples: u32,
    /// Longest trace, tokens.
    pub max_new_tokens: usize,
    /// The model's trace ends where its text holds one of these: what a model without an end of text writes next is another text.
    pub stop: Vec<String>,
    /// Divides the logits; 0 takes the likeliest token.
    pub temperature: f32,
    /// What follows the statement, by language: the beginning of the reasoning, which leads the model into its language.
    pub prefixes: BTreeMap<String, String>,
    /// Whether the statement goes through the model's chat template.
    pub chat: bool,
    /// What is done about traces that went wrong; what it changes is in the rows `solved`.
    pub retry: Retry,
    /// Language of the references.
    pub pivot: String,
    /// Folder with the reference graph of each problem, `PROBLEM.json` in the shape of DAG-MATH; else the correct traces of `pivot` agree on one.
    pub references: String,
    /// Files of steering vectors on which the traces are projected.
    pub vectors: Vec<String>,
    /// A program that is asked of each critical anchor that a trace misses whether its text asserts it all the same, with its arguments: one
    /// JSON object a line in (`ask` = `anchor`, `problem`, `language`, `statement`, `text`, `anchor`), yes or no a line out. What it says is
    /// in the rows `coverage_judged`; no other number changes.
    pub judge_command: Vec<String>,
    /// Longest time in seconds for the program.
    pub timeout: u64,
    /// How graphs are compared.
    pub graph: GraphParams,
    /// What is asked of the model along the traces.
    pub watch: WatchParams,
}

impl Default for CotSpec {
    fn default() -> Self {
        Self {
            traces: Vec::new(),
            format: String::new(),
            language: "eng_Latn".to_owned(),
            problems: LAB_PROBLEMS.to_owned(),
            limit: 40,
            samples: 1,
            max_new_tokens: 64,
            stop: Vec::new(),
            temperature: 0.0,
            prefixes: BTreeMap::new(),
            chat: false,
            retry: Retry::None,
            pivot: "eng_Latn".to_owned(),
            references: String::new(),
            vectors: Vec::new(),
            judge_command: Vec::new(),
            timeout: 600,
            graph: GraphParams::default(),
            watch: WatchParams::default(),
        }
    }
}

/// Why a program could not answer within so many seconds.
pub(super) fn program_problem(timeout: u64) -> Option<String> {
    (timeout == 0).then(|| "`timeout` is 0 seconds, so no program can answer".to_owned())
}

/// The formats by the names that a spec has for them.
const FORMATS: [(&str, Format); 6] = [
    ("jsonl", Format::Jsonl),
    ("polymath", Format::PolyMath),
    ("mgsm", Format::Mgsm),
    ("thought_anchors", Format::ThoughtAnchors),
    ("inspect", Format::Inspect),
    ("lm_eval", Format::LmEval),
];

impl CotSpec {
    /// The format that is named; none: it is to be found out.
    pub fn format(&self) -> Option<Format> {
        FORMATS.iter().find(|(name, _)| *name == self.format).map(|(_, format)| *format)
    }

    /// One with every key that there can be.
    pub(super) fn complete() -> Self {
        let any = || [(ANY.to_owned(), String::new())].into();
        let watch = WatchParams { layer: Some(0), stubs: any(), ..WatchParams::default() };
        Self { prefixes: any(), watch, ..Self::default() }
    }

    /// Files and folders that it reads.
    pub(super) fn files_mut(&mut self) -> Vec<(&'static str, &mut String)> {
        let Self { traces, problems, references, vectors, .. } = self;
        let mut all: Vec<(&'static str, &mut String)> = traces.iter_mut().map(|path| ("traces", path)).collect();
        if all.is_empty() {
            all.push(("problems", problems));
        }
        all.push(("references", references));
        all.extend(vectors.iter_mut().map(|path| ("vectors", path)));
        all
    }

    /// Why these make no sense, as a sentence.
    pub(super) fn problem(&self) -> Option<String> {
        if !self.format.is_empty() && self.format().is_none() {
            let known: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            return Some(format!("`format` is {:?}; known are {}", self.format, known.join(", ")));
        }
        if self.traces.is_empty() && self.problems.is_empty() {
            return Some("`cot` needs `traces` to read or `problems` to solve".to_owned());
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
            return Some("`max_new_tokens` is 0; a trace has at least one token".to_owned());
        }
        if self.retry != Retry::None && !self.traces.is_empty() {
            return Some(
                "`retry` writes traces again, and these are read from files; leave out `traces` or `retry`".to_owned(),
            );
        }
        if self.retry == Retry::Loop && self.temperature == 0.0 {
            return Some(
                "`retry = \"loop\"` goes on from where a trace was last right, and at temperature 0 it would go round again; set a `temperature`"
                    .to_owned(),
            );
        }
        program_problem(self.timeout).or_else(|| self.graph.problem()).or_else(|| self.watch.problem())
    }
}
