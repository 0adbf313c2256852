//! How good the identifier is, on pieces of lines that it did not learn from, by their number of letters.
//!
//! A piece is made of whole words of a line, from its i-th word on (i goes round, so that not every piece is a beginning), as long as
//! it stays within the class; a word longer than the class is cut.

use babelscope_core::corpus::Corpus;
use rayon::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Identifier, letters};
use crate::measure::{Measured, Row};

/// Classes of length in letters: name, fewest, most.
const CLASSES: [(&str, usize, usize); 5] =
    [("1-5", 1, 5), ("6-10", 6, 10), ("11-20", 11, 20), ("21-40", 21, 40), ("41+", 41, usize::MAX)];
/// Share of equal lines from which two languages are called the same text.
const SAME: f64 = 0.5;
/// Share of a language's pieces that are given to another one, from which a note says so.
const CONFUSED: f64 = 0.1;

/// What was said of a piece.
struct Said {
    language: usize,
    class: usize,
    best: Option<usize>,
    sure: bool,
}

impl Identifier {
    /// Tests on pieces of the lines 2, 4, 6 ... of the corpus that it was trained on.
    ///
    /// Rows, `language` being the true one (empty: all) and `item` the class of length: `identifier_accuracy` (the likeliest language is
    /// the true one, unsure or not), `identifier_unsure`, `identifier_error` (of the sure answers, the wrong ones); and
    /// `identifier_confusion` of `language` taken for `pivot`, over all lengths, where it happened.
    pub fn assess(&self, corpus: &Corpus) -> Measured {
        let pieces: Vec<(usize, usize, String)> = (corpus.sentences.iter().enumerate())
            .flat_map(|(language, lines)| {
                lines.iter().skip(1).step_by(2).enumerate().flat_map(move |(nth, line)| {
                    let all = CLASSES.iter().enumerate();
                    all.filter_map(move |(class, (_, few, most))| {
                        Some((language, class, piece(line, nth, *few, *most)?))
                    })
                })
            })
            .collect();
        let said: Vec<Said> = (pieces.par_iter())
            .map(|(language, class, text)| Said {
                language: *language,
                class: *class,
                best: self.best(text).map(|(at, _)| at),
                sure: self.verdict(text).language.is_some(),
            })
            .collect();
        let mut measured = Measured::default();
        for language in std::iter::once(None).chain((0..self.languages.len()).map(Some)) {
            for class in 0..CLASSES.len() {
                let own = |said: &&Said| said.class == class && language.is_none_or(|l| l == said.language);
                let own: Vec<&Said> = said.iter().filter(own).collect();
                measured.rows.extend(self.of_class(&own, language, class));
            }
        }
        measured.rows.extend(self.confusion(&said));
        measured.notes = self.notes(corpus, &measured.rows);
        measured
    }

    fn of_class(&self, said: &[&Said], language: Option<usize>, class: usize) -> [Row; 3] {
        let n = said.len();
        let right = |said: &&&Said| said.best == Some(said.language);
        let (accurate, sure) = (said.iter().filter(right).count(), said.iter().filter(|s| s.sure).count());
        let wrong = said.iter().filter(|s| s.sure && s.best != Some(s.language)).count();
        let share = |metric: &str, of: usize, n: usize, why: &str| match n {
            0 => Row::missing(metric, why, 0),
            n => Row::new(metric, of as f64 / n as f64, n),
        };
        let none = "no held-out line is as long";
        [
            share("identifier_accuracy", accurate, n, none).chance(1.0 / self.languages.len() as f64),
            share("identifier_unsure", n - sure, n, none),
            share("identifier_error", wrong, sure, if n == 0 { none } else { "every answer is unsure" }),
        ]
        .map(|row| row.of(language.map_or("", |l| &self.languages[l])).item(CLASSES[class].0))
    }

    fn confusion(&self, said: &[Said]) -> Vec<Row> {
        let languages = self.languages.len();
        let mut counts = vec![vec![0usize; languages]; languages];
        for said in said {
            if let Some(best) = said.best {
                counts[said.language][best] += 1;
            }
        }
        let pairs = (0..languages).flat_map(|a| (0..languages).map(move |b| (a, b)));
        let confused = pairs.filter(|(a, b)| a != b && counts[*a][*b] > 0);
        let row = |(a, b): (usize, usize)| {
            let n = said.iter().filter(|said| said.language == a).count();
            let share = counts[a][b] as f64 / n as f64;
            Row::new("identifier_confusion", share, n).of(&self.languages[a]).against(&self.languages[b])
        };
        confused.map(row).collect()
    }

    fn notes(&self, corpus: &Corpus, rows: &[Row]) -> Vec<String> {
        let mut notes = Vec::new();
        for (a, lines) in corpus.sentences.iter().enumerate() {
            for (b, others) in corpus.sentences.iter().enumerate().skip(a + 1) {
                let equal = lines.iter().zip(others).filter(|(x, y)| x == y).count();
                if equal as f64 >= SAME * lines.len() as f64 {
                    notes.push(format!(
                        "{} and {} are the same text in {equal} of {} lines: nothing tells them apart, so neither is ever identified",
                        self.languages[a],
                        self.languages[b],
                        lines.len()
                    ));
                }
            }
        }
        let often = |row: &&Row| row.metric == "identifier_confusion" && row.value.is_some_and(|v| v >= CONFUSED);
        notes.extend(rows.iter().filter(often).map(|row| {
            let share = 100.0 * row.value.unwrap_or_default();
            format!(
                "{share:.0} % of the pieces of {} are taken for {}: read the forcing of both with care",
                row.language, row.pivot
            )
        }));
        notes
    }
}

/// Words of a line from the `nth` on, together of `few` to `most` letters; `None` where the line has no such piece.
fn piece(line: &str, nth: usize, few: usize, most: usize) -> Option<String> {
    let words: Vec<(usize, &str)> = line.unicode_word_indices().collect();
    let first = if most == usize::MAX { 0 } else { nth % words.len().max(1) };
    let begin = words.get(first)?.0;
    let mut kept = None;
    for (at, word) in &words[first..] {
        let text = &line[begin..at + word.len()];
        match letters(text) {
            n if n < few => (),
            n if n <= most => kept = Some(text.to_owned()),
            _ => {
                // Nothing fits yet: the word is cut where the class is full.
                return kept.or_else(|| cut(text, most));
            }
        }
    }
    kept
}

/// The beginning of a text with so many letters.
fn cut(text: &str, most: usize) -> Option<String> {
    let ends = text.grapheme_indices(true).map(|(at, cluster)| at + cluster.len());
    ends.take_while(|end| letters(&text[..*end]) <= most).last().map(|end| text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_words_of_the_class() {
        let line = "Emma gives five green hats to David.";
        assert_eq!(piece(line, 0, 1, 5).as_deref(), Some("Emma"));
        assert_eq!(piece(line, 1, 6, 10).as_deref(), Some("gives five"));
        assert_eq!(piece(line, 0, 41, usize::MAX), None);
        assert_eq!(piece(line, 6, 1, 5).as_deref(), Some("David"));
        assert_eq!(piece(line, 6, 6, 10), None);
        assert_eq!(piece("Supercalifragilistic", 0, 1, 5).as_deref(), Some("Super"));
        assert_eq!(piece("...", 0, 1, 5), None);
    }
}
