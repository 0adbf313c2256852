//! A clean and a corrupt prompt, aligned token by token, and what counts as the answer.

use std::ops::Range;

use babelscope_core::tokens::{Encoded, Tokenizer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    metric::{Metric, Sides},
    refuse,
    words::sides,
};
use crate::Result;

/// Two prompts that differ in what an answer rests on, mostly one word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PairSpec {
    /// What it is called; empty is its number, from 1.
    pub name: String,
    /// The prompt whose answer is asked about.
    pub clean: String,
    /// The same prompt with something exchanged, of as many tokens.
    pub corrupt: String,
    /// Accepted answers of the clean prompt. A word is joined to the prompt as its script writes it; begin it with a space to say so.
    pub answer: Vec<String>,
    /// Answers that count against it, mostly the corrupt prompt's.
    pub wrong: Vec<String>,
    /// The part of the clean prompt that the answer is about; empty is from the first to the last token that differs.
    pub subject: String,
    /// Language of the clean prompt, and of the corrupt one where nothing else is said.
    pub language: String,
    /// Language of the corrupt prompt.
    pub corrupt_language: String,
}

/// A prompt alone, with its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PromptSpec {
    /// What it is called; empty is its number, from 1.
    pub name: String,
    /// The prompt.
    pub text: String,
    /// The part of it that the answer is about.
    pub subject: String,
    /// Accepted answers.
    pub answer: Vec<String>,
    /// Answers that count against it.
    pub wrong: Vec<String>,
    /// Its language.
    pub language: String,
}

/// A [`PairSpec`] that fits a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// Its name.
    pub name: String,
    /// Tokens of the clean prompt.
    pub clean: Encoded,
    /// Tokens of the corrupt prompt, as many.
    pub corrupt: Encoded,
    /// Answer and wrong answer.
    pub sides: Sides,
    /// Tokens of the subject.
    pub subject: Range<usize>,
}

/// A [`PromptSpec`] that fits a tokenizer.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// Its tokens.
    pub encoded: Encoded,
    /// Answer and wrong answer.
    pub sides: Sides,
    /// Tokens of the subject; `None` where none is named.
    pub subject: Option<Range<usize>>,
}

impl PairSpec {
    /// The tokens of both prompts. `number` counts from 0.
    ///
    /// # Errors
    /// Prompts of unequal numbers of tokens or that do not differ, a subject that does not occur in the clean prompt, answers whose
    /// first tokens are not to be told apart or that the metric needs and that are not there.
    pub fn prepare(&self, tokenizer: &Tokenizer, metric: Metric, number: usize) -> Result<Pair> {
        let name = named(&self.name, "pair", number);
        let (clean, corrupt) = (tokenizer.encode(&self.clean)?, tokenizer.encode(&self.corrupt)?);
        let (n, m) = (clean.ids.len(), corrupt.ids.len());
        if n != m {
            return refuse(format!(
                "{name}: the clean prompt has {n} tokens ({}), the corrupt one {m} ({}), and a state is patched at the same place of \
                 both; exchange words of as many tokens",
                shown(tokenizer, &clean),
                shown(tokenizer, &corrupt)
            ));
        }
        let differ: Vec<usize> = (0..n).filter(|at| clean.ids[*at] != corrupt.ids[*at]).collect();
        let (Some(first), Some(last)) = (differ.first(), differ.last()) else {
            return refuse(format!(
                "{name}: the clean and the corrupt prompt are the same {n} tokens; exchange a word"
            ));
        };
        let subject = match self.subject.is_empty() {
            true => *first..last + 1,
            false => span(&name, &self.clean, &clean, &self.subject)?,
        };
        let mut sides = within(&name, sides(tokenizer, &self.clean, &self.answer, &self.wrong))?;
        // The same words behind the corrupt prompt may begin with other tokens.
        let other = within(&name, self::sides(tokenizer, &self.corrupt, &self.answer, &self.wrong))?;
        merge(&mut sides.answer, other.answer);
        merge(&mut sides.wrong, other.wrong);
        within(&name, metric.check(&sides))?;
        Ok(Pair { name, clean, corrupt, sides, subject })
    }

    /// Language of the corrupt prompt.
    pub fn corrupt_language(&self) -> &str {
        if self.corrupt_language.is_empty() { &self.language } else { &self.corrupt_language }
    }
}

impl PromptSpec {
    /// The tokens of the prompt. `number` counts from 0.
    ///
    /// # Errors
    /// As [`PairSpec::prepare`].
    pub fn prepare(&self, tokenizer: &Tokenizer, metric: Metric, number: usize) -> Result<Prompt> {
        let name = named(&self.name, "prompt", number);
        let encoded = tokenizer.encode(&self.text)?;
        if encoded.ids.len() <= encoded.bos {
            return refuse(format!("{name}: the text {:?} has no token", self.text));
        }
        let subject = match self.subject.is_empty() {
            true => None,
            false => Some(span(&name, &self.text, &encoded, &self.subject)?),
        };
        let sides = within(&name, sides(tokenizer, &self.text, &self.answer, &self.wrong))?;
        within(&name, metric.check(&sides))?;
        Ok(Prompt { name, encoded, sides, subject })
    }
}

/// The tokens that hold a part of a text: its last occurrence.
///
/// # Errors
/// The part does not occur, or no token lies in it.
pub(super) fn span(name: &str, text: &str, encoded: &Encoded, part: &str) -> Result<Range<usize>> {
    let Some(start) = text.rfind(part) else {
        return refuse(format!("{name}: {part:?} does not occur in {text:?}; write it as it stands there"));
    };
    let end = start + part.len();
    let held = |span: &Range<usize>| !span.is_empty() && span.start < end && span.end > start;
    let first = encoded.spans.iter().position(held);
    let last = encoded.spans.iter().rposition(held);
    match (first, last) {
        (Some(first), Some(last)) => Ok(first..last + 1),
        _ => refuse(format!("{name}: no token of {text:?} lies in {part:?}")),
    }
}

fn named(name: &str, what: &str, number: usize) -> String {
    if name.is_empty() { format!("{what} {}", number + 1) } else { name.to_owned() }
}

/// The same refusal with the name of what it is about.
fn within<T>(name: &str, result: Result<T>) -> Result<T> {
    result.or_else(|error| match error {
        crate::Error::Input { why, .. } => refuse(format!("{name}: {why}")),
        other => Err(other),
    })
}

fn merge(ids: &mut Vec<u32>, more: Vec<u32>) {
    ids.extend(more);
    ids.sort_unstable();
    ids.dedup();
}

fn shown(tokenizer: &Tokenizer, encoded: &Encoded) -> String {
    encoded.ids.iter().map(|id| tokenizer.token(*id).unwrap_or("?")).collect::<Vec<_>>().join("|")
}

#[cfg(test)]
mod tests {
    use babelscope_core::{
        engine::{Engine, LoadOptions},
        monitor::Monitor,
    };

    use super::*;

    fn pair(clean: &str, corrupt: &str) -> PairSpec {
        PairSpec {
            clean: clean.to_owned(),
            corrupt: corrupt.to_owned(),
            answer: vec!["village".to_owned()],
            wrong: vec!["city".to_owned(), "garden".to_owned()],
            ..PairSpec::default()
        }
    }

    #[test]
    fn prompts_are_aligned_and_the_difference_is_the_subject() {
        let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
        let prepare = |pair: &PairSpec| pair.prepare(engine.tokenizer(), Metric::LogitDifference, 0);
        let fit = prepare(&pair("Anna lives in the", "Peter lives in the")).unwrap();
        assert_eq!((fit.subject.clone(), fit.clean.ids.len(), &*fit.name), (1..2, 5, "pair 1"));
        assert_eq!((fit.sides.answer.len(), fit.sides.wrong.len()), (1, 2));
        let named = PairSpec { subject: "lives in".to_owned(), ..pair("Anna lives in the", "Peter lives in the") };
        assert_eq!(prepare(&named).unwrap().subject, 2..4);
        let refused = [
            (pair("Anna lives in the", "Peter lives in"), "5 tokens"),
            (pair("Anna lives in the", "Anna lives in the"), "exchange a word"),
            (PairSpec { subject: "Paul".to_owned(), ..named }, "does not occur"),
            (PairSpec { wrong: Vec::new(), ..pair("Anna lives in the", "Peter lives in the") }, "pair 1: the metric"),
        ];
        for (pair, why) in refused {
            let error = prepare(&pair).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
