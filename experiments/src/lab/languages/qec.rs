//! The clone of English: the same sentences with every letter, digit, sign and full stop exchanged for another one, so that the tokenizer
//! gives exactly the ids of the English tokens moved by a constant (Schaefer et al. 2024, arXiv 2404.07982).

use super::{Rendered, Written, eng};
use crate::lab::{problems::Line, world::Meaning};

/// English characters and, at the same place, those of the clone. None of the latter occurs in another language here, all are
/// single code points in NFC, and exchanging commutes with making a capital.
const ENGLISH: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.?0123456789+-=";
const CLONE: &str = "äḃçḋëḟġḣïĵķļṁṅöṗɋŗşţüṽẅẋÿżÄḂÇḊËḞĠḢÏĴĶĻṀṄÖṖɊŖŞŢÜṼẄẊŸŻ·‽０１２３４５６７８９＋－＝";

/// The clone's character for an English one; others (the space) stay.
pub fn shifted(letter: char) -> char {
    ENGLISH.chars().zip(CLONE.chars()).find(|(english, _)| *english == letter).map_or(letter, |(_, clone)| clone)
}

/// The English character for one of the clone; others stay.
pub fn unshifted(letter: char) -> char {
    CLONE.chars().zip(ENGLISH.chars()).find(|(clone, _)| *clone == letter).map_or(letter, |(_, english)| english)
}

fn end(english: &str) -> &'static str {
    if english == "?" { "‽" } else { "·" }
}

pub(super) fn render(meaning: &Meaning) -> Rendered {
    let mut rendered = eng::render(meaning);
    for chunk in &mut rendered.chunks {
        chunk.text = chunk.text.chars().map(shifted).collect();
    }
    rendered.end = end(rendered.end);
    rendered
}

pub(super) fn tell(line: &Line) -> Written {
    let told = eng::tell(line);
    let words = told.words.iter().map(|word| word.chars().map(shifted).collect()).collect();
    Written { words, end: end(told.end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanging_letters_loses_nothing_and_commutes_with_capitals() {
        let clone: std::collections::BTreeSet<char> = ENGLISH.chars().map(shifted).collect();
        assert_eq!(clone.len(), ENGLISH.chars().count());
        assert!(clone.iter().all(|c| !ENGLISH.contains(*c)));
        assert!(ENGLISH.chars().all(|c| unshifted(shifted(c)) == c));
        for letter in 'a'..='z' {
            let capital = letter.to_ascii_uppercase();
            assert_eq!(shifted(letter).to_uppercase().collect::<String>(), shifted(capital).to_string());
        }
    }
}
