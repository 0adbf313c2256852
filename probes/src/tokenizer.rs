//! What a tokenizer makes of each language: how many tokens, how long, how evenly used, and which of them two languages share.
//!
//! With the tokens, words, characters and bytes of the sentences of language X, special tokens never counted, and pivot P:
//!
//! - **fertility** `tokens / words`, **continued words** = share of the words in two tokens or more (Rust et al. 2021);
//! - **premium** `tokens(X) / tokens(P)` on parallel sentences, a ratio of totals (Petrov et al. 2023, arXiv 2305.15425), and
//!   **premium of sentences** = mean of the ratios of each sentence; **byte premium** the same in UTF-8 (Arnett et al. 2024);
//! - **shared tokens** = mean share of the tokens of a sentence that also occur in its translation; **vocabulary overlap** =
//!   Jaccard index of the tokens in use; **JSD** = Jensen-Shannon divergence of the two distributions, base 2;
//! - **Renyi efficiency** `H_alpha(p) / log2 |V|`, V the tokens in use (Zouhar et al. 2023); **average rank** from 0
//!   (Limisiewicz et al. 2023);
//! - **unknown share**, **byte fallback share** = coverage; scripts of the vocabulary and of the tokens in use.
//!
//! Decided here:
//! - A word is a UAX-29 word that holds a letter or a digit; tokens of punctuation count above the line, not below it. Scripts
//!   without spaces between words have no fertility, see `words::unspaced`.
//! - A character is a grapheme cluster, spaces included. A token is part of a word when it has a byte of it.
//! - Sentences are encoded one by one. Petrov et al. join them by spaces first: `premium_joined`.
//! - Ratios have intervals by bootstrap over sentences, both totals drawn anew. What counts types (overlap, JSD, efficiencies,
//!   rank) has none: a draw leaves a third of the sentences out, and with them types, so all draws lie to one side of the value.
//! - Two tokenizers are subtracted draw by draw, the second minus the first.

mod distribution;
mod figures;
mod kinds;
mod reading;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use babelscope_core::{
    corpus::Corpus,
    monitor::{Monitor, Tick},
    tokens::Tokenizer,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use distribution::{average_rank, jensen_shannon, renyi_efficiency};

use crate::{Error, Result, bootstrap::Draws, measure::Measured};
use figures::{Figure, Pair};
use kinds::Kinds;
use reading::{Column, Reading};

/// What is computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerParams {
    /// Languages that the others are compared with; empty means every language, so all pairs.
    pub pivots: Vec<String>,
    /// A second tokenizer: a tokenizer.json or a folder that holds one. Empty: none.
    pub compare: String,
    /// Order of the Renyi entropy, above 0; 1 is Shannon's, the paper recommends 2.5.
    pub alpha: f64,
    /// Bootstrap draws for the intervals; 0 switches them off, otherwise at least 100.
    pub bootstrap: usize,
}

impl Default for TokenizerParams {
    fn default() -> Self {
        Self { pivots: vec!["eng_Latn".to_owned()], compare: String::new(), alpha: 2.5, bootstrap: 1000 }
    }
}

impl TokenizerParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Some(format!(
                "`alpha` is the order of an entropy, above 0 and finite, got {}; use 2.5",
                self.alpha
            ));
        }
        if (1..100).contains(&self.bootstrap) {
            return Some(format!("`bootstrap` is 0 or at least 100, got {}", self.bootstrap));
        }
        let again = self.pivots.iter().enumerate().find(|(at, pivot)| self.pivots[..*at].contains(pivot));
        again.map(|(_, pivot)| format!("pivot {pivot} is named twice"))
    }
}

/// A byte premium of fewer sentences is rough (the tool of Arnett et al. warns below it).
const FEW: usize = 100;
/// Pairs with more unknown tokens are left out by Petrov et al.
const UNKNOWN: f64 = 0.1;

/// Measures what `tokenizer` makes of every language of the corpus, alone and beside each pivot.
///
/// Rows carry the tokenizer's name as their variant where two are compared, with rows `premium_difference` and so on for the second
/// minus the first. Memory holds the tokens of the pivots and of one language at a time.
///
/// # Errors
/// Parameters that make no sense, an unknown pivot, an empty corpus, two tokenizers of one name, text that cannot be encoded;
/// [`babelscope_core::Error::Cancelled`].
///
/// ```
/// use babelscope_core::{corpus::Corpus, monitor::Monitor, tokens::Tokenizer};
/// use babelscope_probes::tokenizer::{TokenizerParams, tokenizer};
///
/// // Knows whole words; what it does not know is one unknown token.
/// let json = br#"{"model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "no": 1, "cat": 2, "gato": 3}},
///     "pre_tokenizer": {"type": "Whitespace"}}"#;
/// let words = Tokenizer::from_bytes(json, "tokenizer.json".as_ref())?;
/// let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
/// let corpus = Corpus::from_lines("two lines", vec![
///     ("eng_Latn".to_owned(), lines("no cat\ncat")),
///     ("spa_Latn".to_owned(), lines("no gato\nun gato")),
/// ])?;
/// let found = tokenizer("words", &words, None, &corpus, &TokenizerParams::default(), 0, &Monitor::silent())?;
/// let of = |metric, pivot| found.value(metric, "spa_Latn", pivot, None, "");
/// assert_eq!(of("tokens", ""), Some(4.0));
/// assert_eq!(of("premium", "eng_Latn"), Some(4.0 / 3.0));
/// assert_eq!(of("premium_sentences", "eng_Latn"), Some(1.5));
/// assert_eq!(of("shared_tokens", "eng_Latn"), Some(0.25));
/// assert_eq!(of("unknown_share", ""), Some(0.25));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn tokenizer(
    name: &str,
    tokenizer: &Tokenizer,
    other: Option<(&str, &Tokenizer)>,
    corpus: &Corpus,
    params: &TokenizerParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Measured> {
    if let Some(why) = params.problem() {
        return Err(refuse(why));
    }
    if corpus.is_empty() {
        return Err(refuse(format!("the corpus {} holds no sentence", corpus.name)));
    }
    if other.is_some_and(|(second, _)| second == name) {
        return Err(refuse(format!("both tokenizers are called {name}; give them names that tell them apart")));
    }
    let pivots = pivots(corpus, &params.pivots)?;
    let draws = Draws::new(corpus.len(), params.bootstrap, seed)?;
    let mut sides = vec![Side::new(if other.is_some() { name } else { "" }, tokenizer)?];
    if let Some((name, tokenizer)) = other {
        sides.push(Side::new(name, tokenizer)?);
    }
    let total = corpus.languages.len() * sides.len();
    let mut done = 0;
    let mut read = |side: &Side<'_>, at: usize| {
        let reading = side.read(&corpus.sentences[at], &draws, monitor)?;
        done += 1;
        monitor.tick(Tick { what: "counting tokens", done, total, unit: "languages" })?;
        Ok::<_, Error>(reading)
    };
    for side in &mut sides {
        for at in &pivots {
            let reading = read(side, *at)?;
            side.pivots.insert(*at, reading);
        }
    }
    let mut measured = Measured::default();
    for side in &sides {
        measured.rows.extend(figures::vocabulary(&side.variant, &side.kinds));
    }
    for (at, language) in corpus.languages.iter().enumerate() {
        let mut found: Vec<Vec<Figure>> = Vec::with_capacity(sides.len());
        for (which, side) in sides.iter().enumerate() {
            let own = if side.pivots.contains_key(&at) { None } else { Some(read(side, at)?) };
            let Some(reading) = own.as_ref().or_else(|| side.pivots.get(&at)) else { continue };
            let mut figures = figures::alone(reading, language, params.alpha);
            for (pivot, of) in side.pivots.iter().filter(|(pivot, _)| **pivot != at) {
                let pair = Pair { language, reading, pivot: &corpus.languages[*pivot], of };
                figures.extend(figures::beside(&pair, &draws, which == 0));
            }
            notes(side, language, reading, &mut measured.notes);
            measured.rows.extend(figures.iter().map(|figure| figure.row(figure.variant(&side.variant))));
            measured.rows.extend(figures::scripts(&side.variant, language, reading, &side.kinds));
            found.push(figures);
        }
        if let [first, second] = found.as_slice() {
            let variant = format!("{} - {}", sides[1].variant, sides[0].variant);
            measured.rows.extend(figures::differences(first, second, &variant));
        }
    }
    if corpus.len() < FEW {
        let why = "a byte premium of fewer than 100 is rough, and so is every other ratio";
        measured.notes.push(format!("{} sentences: {why}", corpus.len()));
    }
    Ok(measured)
}

/// One tokenizer and what it made of the pivots.
struct Side<'a> {
    variant: String,
    tokenizer: &'a Tokenizer,
    kinds: Kinds,
    /// Special tokens that it puts behind every text.
    back: usize,
    /// By the place of the language in the corpus.
    pivots: BTreeMap<usize, Reading>,
}

impl<'a> Side<'a> {
    fn new(variant: &str, tokenizer: &'a Tokenizer) -> Result<Self> {
        let (all, plain) = (tokenizer.encode("")?, tokenizer.encode_plain("")?);
        let back = all.ids.len().saturating_sub(plain.len() + all.bos);
        let kinds = Kinds::new(tokenizer);
        Ok(Self { variant: variant.to_owned(), tokenizer, kinds, back, pivots: BTreeMap::new() })
    }

    fn read(&self, lines: &[String], draws: &Draws, monitor: &Monitor) -> Result<Reading> {
        Reading::new(self.tokenizer, &self.kinds, self.back, lines, draws, monitor)
    }
}

fn notes(side: &Side<'_>, language: &str, reading: &Reading, notes: &mut Vec<String>) {
    let by = if side.variant.is_empty() { String::new() } else { format!(" by {}", side.variant) };
    let unknown = reading.total(Column::Unknown) / reading.total(Column::Tokens);
    if unknown > UNKNOWN {
        notes.push(format!(
            "{language}: {:.1} % of the tokens{by} are unknown, and a premium counts them like any other; Petrov et al. leave out \
             languages above 10 %",
            100.0 * unknown
        ));
    }
    let empty = reading.ids.iter().filter(|ids| ids.is_empty()).count();
    if empty > 0 {
        notes.push(format!(
            "{language}: {empty} of {} sentences have no token{by}; premium_sentences and shared_tokens leave them out",
            reading.ids.len()
        ));
    }
}

/// The places of the pivots; empty means every language.
fn pivots(corpus: &Corpus, named: &[String]) -> Result<Vec<usize>> {
    if named.is_empty() {
        return Ok((0..corpus.languages.len()).collect());
    }
    let place =
        |pivot: &String| {
            corpus.languages.iter().position(|language| language == pivot).ok_or_else(|| {
                refuse(format!("pivot {pivot} is not among the languages: {}", corpus.languages.join(", ")))
            })
        };
    named.iter().map(place).collect()
}

fn refuse(why: String) -> Error {
    Error::Input { measure: "tokenizer", why }
}
