//! What of a text says its language: letters with their marks, in lower case, one space between words; digits and punctuation are left out.

use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

/// Letters and marks of a text, with a space in front and between words.
pub(super) fn spelled(text: &str) -> Vec<char> {
    let mut out = vec![' '];
    for c in text.chars().flat_map(char::to_lowercase) {
        if spells(c) {
            out.push(c);
        } else if out.last() != Some(&' ') {
            out.push(' ');
        }
    }
    while out.len() > 1 && out.last() == Some(&' ') {
        out.pop();
    }
    out
}

/// Whether a character is part of a word. Marks (a virama, a tone) are of a script without being letters; digits are of a script too.
fn spells(c: char) -> bool {
    let of_script = !matches!(c.script(), Script::Common | Script::Unknown);
    !c.is_numeric() && (c.is_alphabetic() || of_script)
}

/// How many letters a text has: grapheme clusters with a letter in them, so that a vowel sign is no letter of its own.
pub(crate) fn letters(text: &str) -> usize {
    text.graphemes(true).filter(|cluster| cluster.chars().any(char::is_alphabetic)).count()
}

/// Letters of each script, the most frequent first, of several equally frequent ones the first that came.
pub(super) fn scripts(text: &[char]) -> Vec<(Script, usize)> {
    let mut counts: Vec<(Script, usize)> = Vec::new();
    for script in text.iter().map(|c| c.script()) {
        if matches!(script, Script::Common | Script::Inherited | Script::Unknown) {
            continue;
        }
        match counts.iter_mut().find(|(s, _)| *s == script) {
            Some((_, count)) => *count += 1,
            None => counts.push((script, 1)),
        }
    }
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_word_is_a_boundary() {
        let of = |text: &str| spelled(text).into_iter().collect::<String>();
        assert_eq!(of("  L'eau, 12 km! "), " l eau km");
        assert_eq!(of("है।"), " है");
        assert_eq!(of("१२ किले"), " किले");
        assert_eq!(of("3.14"), " ");
    }

    #[test]
    fn marks_are_no_letters_of_their_own() {
        assert_eq!((letters("Anna, 7"), letters("किला"), letters("ที่"), letters("志强。")), (4, 2, 1, 2));
    }

    #[test]
    fn scripts_come_by_frequency() {
        let found = scripts(&spelled("Anna มีแมว 3"));
        assert_eq!(found.iter().map(|(s, n)| (s.short_name(), *n)).collect::<Vec<_>>(), [("Thai", 5), ("Latn", 4)]);
    }
}
