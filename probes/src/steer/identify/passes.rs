//! Line by line and word by word: the language-confusion measures (Marchisio et al. 2024, arXiv 2406.20052).
//!
//! - **LPR**, line-level pass rate: of the responses with a line that can be identified, the share of which all such lines are in the
//!   target language;
//! - **WPR**, word-level pass rate: of the responses that pass by lines, the share without a stray word in Latin letters; for targets in
//!   other scripts alone;
//! - **LCPR** = `2 LPR WPR / (LPR + WPR)`.
//!
//! Decided here: a line that the identifier is unsure of says nothing. A stray word has at least two letters, all of them Latin, and does
//! not occur in the target's own lines (names of programs and firms are at home everywhere).

use std::collections::BTreeSet;

use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

use super::Verdict;

/// Shares of one cell, each with how many responses it rests on; `None` where that is 0 or the measure is not defined.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Passes {
    /// Line-level pass rate.
    pub lines: Option<(f64, usize)>,
    /// Word-level pass rate; `None` for a target in Latin letters.
    pub words: Option<(f64, usize)>,
    /// Their harmonic mean.
    pub both: Option<f64>,
}

/// The pass rates of responses: each with the verdicts of its lines.
///
/// ```
/// use std::collections::BTreeSet;
/// use babelscope_probes::steer::{Verdict, passes};
/// let said = |code: &str| Verdict { language: Some(code.into()), posterior: 1.0, letters: 9 };
/// let responses = [
///     ("У Павла есть книга.".to_owned(), vec![said("rus_Cyrl")]),
///     ("У Павла есть book.".to_owned(), vec![said("rus_Cyrl")]),
///     ("Paul has a book.\nУ Павла.".to_owned(), vec![said("eng_Latn"), said("rus_Cyrl")]),
///     ("...".to_owned(), vec![Verdict::default()]),
/// ];
/// let found = passes(&responses, "rus_Cyrl", &BTreeSet::new());
/// assert_eq!((found.lines, found.words), (Some((2.0 / 3.0, 3)), Some((0.5, 2))));
/// ```
pub fn passes(responses: &[(String, Vec<Verdict>)], target: &str, own_words: &BTreeSet<String>) -> Passes {
    let decided = |verdicts: &[Verdict]| verdicts.iter().any(|v| v.language.is_some());
    let right = |verdicts: &[Verdict]| verdicts.iter().all(|v| v.language.as_deref().is_none_or(|l| l == target));
    let heard: Vec<_> = responses.iter().filter(|(_, verdicts)| decided(verdicts)).collect();
    let passed: Vec<_> = heard.iter().filter(|(_, verdicts)| right(verdicts)).collect();
    let share = |of: usize, n: usize| (n > 0).then(|| (of as f64 / n as f64, n));
    let lines = share(passed.len(), heard.len());
    let words = (!target.ends_with("_Latn"))
        .then(|| share(passed.iter().filter(|(text, _)| !strays(text, own_words)).count(), passed.len()))
        .flatten();
    let both = lines.zip(words).map(|((l, _), (w, _))| if l + w > 0.0 { 2.0 * l * w / (l + w) } else { 0.0 });
    Passes { lines, words, both }
}

/// Whether a text has a word of at least two Latin letters that is not among `own` (in lower case).
fn strays(text: &str, own: &BTreeSet<String>) -> bool {
    let latin = |word: &str| word.chars().filter(|c| c.is_alphabetic()).all(|c| c.script() == Script::Latin);
    let long = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() >= 2;
    text.unicode_words().any(|word| long(word) && latin(word) && !own.contains(&word.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_at_home_and_single_letters_do_not_stray() {
        let own = BTreeSet::from(["dna".to_owned()]);
        assert!(!strays("ДНК (DNA) и X", &own));
        assert!(strays("ДНК и cell", &own));
        let said = Verdict { language: Some("eng_Latn".into()), posterior: 1.0, letters: 4 };
        let latin = passes(&[("Anna".into(), vec![said])], "eng_Latn", &own);
        assert_eq!((latin.lines, latin.words, latin.both), (Some((1.0, 1)), None, None));
        assert_eq!(passes(&[], "rus_Cyrl", &own), Passes::default());
    }
}
