//! The proof that a corpus is parallel, its normal form, and its hash.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use sha2::{Digest as _, Sha256};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use super::{Corpus, read::Read};
use crate::{Error, Result, hash, lang};

/// How many line numbers a message lists before it only counts.
const LISTED: usize = 5;

impl Corpus {
    /// Normalises, proves and hashes what was read.
    pub(super) fn prove(path: &Path, name: String, read: Read) -> Result<Self> {
        let fail = |why: String| Error::Corpus { why, path: path.to_owned() };
        let Read { columns, mut notes } = read;
        let mut languages = Vec::with_capacity(columns.len());
        let mut sentences = Vec::with_capacity(columns.len());
        for (language, lines) in columns {
            if !lang::is_valid(&language) {
                lang::resolve(&language)?;
            }
            if languages.contains(&language) {
                return Err(fail(format!("{language} is there twice; keep one")));
            }
            sentences.push(normal(&language, lines, &mut notes));
            languages.push(language);
        }
        if languages.is_empty() {
            return Err(fail(
                "there is no language; expected one file (eng_Latn.txt) or one column for each".to_owned(),
            ));
        }
        let counts: BTreeSet<_> = sentences.iter().map(Vec::len).collect();
        if counts.len() > 1 {
            return Err(fail(unequal(&languages, &sentences)));
        }
        if counts.contains(&0) {
            return Err(fail("the languages have no lines".to_owned()));
        }
        for (language, lines) in languages.iter().zip(&sentences) {
            let empty: Vec<_> = (1..).zip(lines).filter(|(_, l)| l.is_empty()).map(|(n, _)| n).collect();
            if !empty.is_empty() {
                return Err(fail(format!(
                    "{language} has nothing in {}; fill or remove the same lines in every language",
                    listed(&empty)
                )));
            }
        }
        notes.extend(findings(&languages, &sentences));
        let sha256 = digest(&languages, &sentences);
        Ok(Self { name, languages, sentences, sha256, notes })
    }
}

/// NFC without white space at the ends, with a note of how many lines that changed.
fn normal(language: &str, lines: Vec<String>, notes: &mut Vec<String>) -> Vec<String> {
    let (mut composed, mut trimmed) = (Vec::new(), Vec::new());
    let lines = (1..)
        .zip(lines)
        .map(|(number, line)| {
            let line = if is_nfc(&line) {
                line
            } else {
                composed.push(number);
                line.nfc().collect()
            };
            let inner = line.trim();
            if inner.len() == line.len() {
                return line;
            }
            trimmed.push(number);
            inner.to_owned()
        })
        .collect();
    if !composed.is_empty() {
        notes.push(format!("{language}: {} normalised to NFC ({})", count(composed.len()), listed(&composed)));
    }
    if !trimmed.is_empty() {
        let changed = count(trimmed.len());
        notes.push(format!("{language}: white space at the ends removed in {changed} ({})", listed(&trimmed)));
    }
    lines
}

/// What a person should know of the lines: repeated ones (they tie in every retrieval score) and those that two languages share.
pub(super) fn findings(languages: &[String], sentences: &[Vec<String>]) -> Vec<String> {
    let mut notes = Vec::new();
    for (language, lines) in languages.iter().zip(sentences) {
        let mut seen = HashMap::new();
        let repeated: Vec<_> =
            (1..).zip(lines).filter(|(number, line)| seen.insert(*line, *number).is_some()).map(|(n, _)| n).collect();
        if !repeated.is_empty() {
            notes.push(format!(
                "{language}: {} repeated from above ({}); equal sentences tie in retrieval",
                count(repeated.len()),
                listed(&repeated)
            ));
        }
    }
    let mut shared: Vec<(usize, &str, &str)> = Vec::new();
    for (at, (a, left)) in languages.iter().zip(sentences).enumerate() {
        for (b, right) in languages.iter().zip(sentences).skip(at + 1) {
            let same = left.iter().zip(right).filter(|(x, y)| x == y).count();
            if same > 0 {
                shared.push((same, a, b));
            }
        }
    }
    shared.sort_by_key(|(same, a, b)| (std::cmp::Reverse(*same), *a, *b));
    let total = sentences.first().map_or(1, |l| l.len().max(1));
    for (same, a, b) in shared.iter().take(LISTED) {
        let percent = 100.0 * *same as f64 / total as f64;
        notes.push(format!("{a} and {b} are the same text in {} ({percent:.1} %)", count(*same)));
    }
    if let Some(more) = shared.len().checked_sub(LISTED).filter(|m| *m > 0) {
        notes.push(format!("{more} more pairs of languages share lines, fewer in each"));
    }
    notes
}

fn unequal(languages: &[String], sentences: &[Vec<String>]) -> String {
    let mut of: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (language, lines) in languages.iter().zip(sentences) {
        of.entry(lines.len()).or_default().push(language);
    }
    let mut groups: Vec<_> = of.into_iter().collect();
    // The odd ones first: they are the ones to look at.
    groups.sort_by_key(|(lines, who)| (who.len(), *lines));
    let said: Vec<_> = groups.iter().map(|(lines, who)| format!("{} in {}", count(*lines), who.join(", "))).collect();
    format!("not parallel: {}; line i must mean the same in every language", said.join("; "))
}

fn count(lines: usize) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

/// `line 3`, `lines 3, 7`, `lines 1, 2, 3, 4, 5 and 10 more`.
pub(super) fn listed(numbers: &[usize]) -> String {
    let first: Vec<_> = numbers.iter().take(LISTED).map(usize::to_string).collect();
    let rest = numbers.len().saturating_sub(LISTED);
    let more = if rest == 0 { String::new() } else { format!(" and {rest} more") };
    format!("line{} {}{more}", if numbers.len() == 1 { "" } else { "s" }, first.join(", "))
}

/// Lines hold no line break (see [`super::read`]), so breaks keep neighbours apart.
fn digest(languages: &[String], sentences: &[Vec<String>]) -> String {
    let mut sha = Sha256::new();
    for (language, lines) in languages.iter().zip(sentences) {
        sha.update(format!("{language}\n{}\n", lines.len()));
        for line in lines {
            sha.update(line.as_bytes());
            sha.update(b"\n");
        }
    }
    hash::hex(&sha.finalize())
}
