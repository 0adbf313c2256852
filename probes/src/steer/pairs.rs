//! Contrast pairs: two texts that differ in what is to be steered, and in as little else as possible.
//!
//! A file is JSON Lines or one JSON array. Two forms may stand in it:
//!
//! - **plain**: `{"positive": "...", "negative": "...", "language": "swh_Latn"}`, `language` optional;
//! - **CAA** (Rimsky et al. 2024):
//!   `{"question": "...", "answer_matching_behavior": "(A)", "answer_not_matching_behavior": "(B)"}`; both sides are the
//!   question with an answer behind it.
//!
//! Other keys are left alone. What would make a difference mean nothing is refused with its line: empty or equal sides, and
//! repetitions, which would put one pair into training and test.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Error, Result};

/// One pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The line of its file, from 1; in a JSON array its place.
    pub line: usize,
    /// What both sides begin with: the question of the CAA form, else empty.
    pub prompt: String,
    /// The side that the vector leads to.
    pub positive: String,
    /// The side that it leads away from.
    pub negative: String,
    /// Language of both sides, empty where it is not said.
    pub language: String,
}

/// Reads pairs.
///
/// # Errors
/// With the line: no JSON, none of the two forms, an empty side, two equal sides, a pair that came before; and a file without
/// pairs.
///
/// ```
/// use babelscope_probes::steer::read_pairs;
/// let file = r#"{"positive": "Love it.", "negative": "Hate it."}
/// {"question": "Are you sure?", "answer_matching_behavior": "(A)", "answer_not_matching_behavior": "(B)"}"#;
/// let pairs = read_pairs(file)?;
/// assert_eq!((pairs.len(), pairs[1].line, pairs[1].prompt.as_str()), (2, 2, "Are you sure?"));
/// assert!(read_pairs("{\"positive\": \"Yes\"}").unwrap_err().to_string().contains("line 1"));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn read_pairs(file: &str) -> Result<Vec<Pair>> {
    let mut seen = BTreeMap::new();
    let mut pairs = Vec::new();
    for (line, value) in entries(file)? {
        let pair = pair(line, &value)?;
        let key = (pair.prompt.clone(), pair.positive.clone(), pair.negative.clone());
        if let Some(before) = seen.insert(key, line) {
            return refuse(format!(
                "line {line} repeats the pair of line {before}; each pair may come once, or it is trained on and tested"
            ));
        }
        pairs.push(pair);
    }
    if pairs.is_empty() {
        return refuse(
            "the file holds no pair; expected lines such as {\"positive\": \"...\", \"negative\": \"...\"}".to_owned(),
        );
    }
    Ok(pairs)
}

/// The JSON values with their lines.
fn entries(file: &str) -> Result<Vec<(usize, Value)>> {
    let parse = |line: usize, text: &str| {
        serde_json::from_str::<Value>(text).map_err(|e| Error::Input {
            measure: "steer",
            why: format!("line {line} is no JSON: {e}; expected one object a line, or one array of objects"),
        })
    };
    if file.trim_start().starts_with('[') {
        let Value::Array(list) = parse(1, file)? else {
            return refuse("the file begins like a JSON array and is none".to_owned());
        };
        return Ok((1..).zip(list).collect());
    }
    let lines = (1..).zip(file.lines()).filter(|(_, text)| !text.trim().is_empty());
    lines.map(|(line, text)| Ok((line, parse(line, text)?))).collect()
}

fn pair(line: usize, value: &Value) -> Result<Pair> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let two = |one: &str, other: &str| Some((text(one)?, text(other)?));
    let (prompt, (positive, negative)) = match (
        two("positive", "negative"),
        text("question"),
        two("answer_matching_behavior", "answer_not_matching_behavior"),
    ) {
        (Some(sides), _, _) => (String::new(), sides),
        (None, Some(question), Some(sides)) => (question, sides),
        _ => {
            return refuse(format!(
                "line {line} is no pair; expected the texts `positive` and `negative`, or `question`, \
                 `answer_matching_behavior` and `answer_not_matching_behavior`"
            ));
        }
    };
    for (side, text) in [("positive", &positive), ("negative", &negative)] {
        if text.trim().is_empty() {
            return refuse(format!("line {line}: the {side} side is empty"));
        }
    }
    if positive == negative {
        return refuse(format!("line {line}: both sides are the same text, so they differ in nothing"));
    }
    Ok(Pair { line, prompt, positive, negative, language: text("language").unwrap_or_default() })
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

/// `prompt` with `answer` behind it, a space between them where neither brings one; and the bytes of the answer's letter.
pub(super) fn joined(prompt: &str, answer: &str) -> (String, Option<Range<usize>>) {
    let apart = prompt.is_empty() || prompt.ends_with(char::is_whitespace) || answer.starts_with(char::is_whitespace);
    let text = format!("{prompt}{}{answer}", if apart { "" } else { " " });
    let letter = letter(answer).map(|at| {
        let behind = text.len() - answer.len();
        behind + at.start..behind + at.end
    });
    (text, letter)
}

/// The first run of letters and digits of an answer: `A` of `(A)`.
fn letter(answer: &str) -> Option<Range<usize>> {
    let start = answer.find(char::is_alphanumeric)?;
    let length = answer[start..].find(|c: char| !c.is_alphanumeric()).unwrap_or(answer.len() - start);
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_arrays_are_read() {
        let lines = "\n{\"positive\": \"a\", \"negative\": \"b\", \"language\": \"eng_Latn\", \"source\": \
        3}\n\n{\"positive\": \"c\", \"negative\": \"d\"}\n";
        let pairs = read_pairs(lines).unwrap();
        assert_eq!(pairs.iter().map(|p| p.line).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((pairs[0].language.as_str(), pairs[1].language.as_str()), ("eng_Latn", ""));
        let array =
            r#"[{"question": "Q?", "answer_matching_behavior": " (B)", "answer_not_matching_behavior": " (A)"}]"#;
        let pairs = read_pairs(array).unwrap();
        assert_eq!((pairs[0].prompt.as_str(), pairs[0].positive.as_str(), pairs[0].line), ("Q?", " (B)", 1));
    }

    #[test]
    fn what_means_nothing_is_refused_with_its_line() {
        let good = r#"{"positive": "a", "negative": "b"}"#;
        for (file, why) in [
            (String::new(), "no pair"),
            (format!("{good}\n{{\"positive\": \"a\""), "line 2 is no JSON"),
            (format!("{good}\n{{\"text\": \"a\"}}"), "line 2 is no pair"),
            (format!("{good}\n\n{good}"), "line 3 repeats the pair of line 1"),
            (r#"{"positive": " ", "negative": "b"}"#.to_owned(), "line 1: the positive side is empty"),
            (r#"{"positive": "b", "negative": "b"}"#.to_owned(), "line 1: both sides are the same"),
            (r#"{"question": "Q", "answer_matching_behavior": "(A)"}"#.to_owned(), "line 1 is no pair"),
            (r#"{"positive": 1, "negative": "b"}"#.to_owned(), "line 1 is no pair"),
        ] {
            let error = read_pairs(&file).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_letter_is_found_by_its_bytes() {
        for (prompt, answer, text, letter) in [
            ("Ist das so?\n\nAntwort:", "(A)", "Ist das so?\n\nAntwort: (A)", "A"),
            ("Q", " (B)", "Q (B)", "B"),
            ("Q\n", "C", "Q\nC", "C"),
            ("", "(ñandú)", "(ñandú)", "ñandú"),
        ] {
            let (joined, at) = joined(prompt, answer);
            assert_eq!((joined.as_str(), &joined[at.unwrap()]), (text, letter));
        }
        assert_eq!(joined("Q", "()").1, None);
    }
}
