//! "Percent" as a word: 20 percent, 20 pour cent, asilimia 20.

use super::{
    letters::{Class, class, in_word},
    lex::lower,
};

/// Behind the number; `_` is a space. In scripts that join endings to it the word may go on.
const BEHIND: &[(&str, &str)] = &[
    ("eng", "percent per_cent"),
    ("spa", "por_ciento"),
    ("por", "por_cento"),
    ("ita", "per_cento"),
    ("fra", "pour_cent"),
    ("deu", "prozent"),
    ("nld", "procent"),
    ("rus", "процент процента процентов процентам процентами"),
    ("arb", "بالمئة بالمائة في_المئة في_المائة"),
    ("pes", "درصد"),
    ("urd", "فیصد فی_صد"),
    ("hin", "प्रतिशत फीसदी फ़ीसदी"),
    ("mar", "टक्के प्रतिशत"),
    ("npi", "प्रतिशत"),
    ("ben", "শতাংশ"),
    ("tel", "శాతం"),
    ("tam", "சதவீதம் சதவிகிதம்"),
    ("jpn", "パーセント"),
    ("kor", "퍼센트"),
    ("tha", "เปอร์เซ็นต์"),
    ("ind", "persen"),
    ("zsm", "peratus"),
    ("vie", "phần_trăm"),
    ("amh", "በመቶ ፐርሰንት"),
    ("heb", "אחוז אחוזים"),
];
/// Before the number.
const BEFORE: &[(&str, &str)] = &[("swh", "asilimia"), ("tur", "yüzde"), ("tha", "ร้อยละ"), ("ckb", "لەسەدا")];

fn words(list: &'static [(&str, &str)], language: &str) -> impl Iterator<Item = &'static str> {
    let found = list.iter().find(|(code, _)| *code == language);
    found.into_iter().flat_map(|(_, words)| words.split_whitespace())
}

/// How many bytes behind a number say "percent"; the words of English count everywhere.
pub(super) fn behind(rest: &str, language: &str) -> Option<usize> {
    let text = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    let first = text.chars().next().filter(|c| class(*c) != Class::None)?;
    let spaces = rest.len() - text.len();
    // No such word is longer.
    let end = text.char_indices().nth(24).map_or(text.len(), |(at, _)| at);
    let head = lower(&text[..end]).replace('\u{a0}', " ");
    let word = words(BEHIND, language).chain(words(BEHIND, "eng")).find(|word| {
        let mut parts = head.as_str();
        let fits = word.split('_').enumerate().all(|(at, part)| {
            let here = if at > 0 { parts.strip_prefix(' ') } else { Some(parts) };
            here.and_then(|here| here.strip_prefix(part)).is_some_and(|behind| {
                parts = behind;
                true
            })
        });
        fits && (class(first) != Class::Joined || !parts.starts_with(|c: char| in_word(c)))
    })?;
    // The word has the same letters in lower case, and its endings go with it.
    let letters = word.chars().count();
    let length = text.char_indices().nth(letters).map_or(text.len(), |(at, _)| at);
    let ending = if class(first) == Class::Spaced { text[length..].find(|c: char| !in_word(c)) } else { Some(0) };
    Some(spaces + length + ending.unwrap_or(text.len() - length))
}

/// Whether a text ends in a word that makes a percentage of the number behind it, or in the sign itself: %20.
pub(super) fn before(text: &str, language: &str) -> bool {
    let said = text.trim_end_matches([' ', '\u{a0}']);
    said.len() < text.len() + usize::from(language == "tha")
        && words(BEFORE, language).any(|word| {
            let start = said.len().checked_sub(word.len()).filter(|start| said.is_char_boundary(*start));
            start.is_some_and(|start| {
                lower(&said[start..]) == word && (language == "tha" || !said[..start].ends_with(in_word))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_a_word_in_many_languages() {
        for (rest, language, said) in [
            (" percent of", "eng", " percent"),
            (" per cent.", "eng", " per cent"),
            (" percentage points", "eng", ""),
            (" por ciento", "spa", " por ciento"),
            (" por cientos", "spa", ""),
            ("\u{a0}pour cent", "fra", "\u{a0}pour cent"),
            (" Prozent", "deu", " Prozent"),
            (" процентов", "rus", " процентов"),
            (" في المئة", "arb", " في المئة"),
            (" শতাংশের কম", "ben", " শতাংশের"),
            ("パーセントです", "jpn", "パーセント"),
            ("퍼센트는", "kor", "퍼센트는"),
            (" percent", "hin", " percent"),
            (" people", "eng", ""),
            ("", "eng", ""),
        ] {
            let found = behind(rest, language).map_or("", |length| &rest[..length]);
            assert_eq!(found, said, "{rest} in {language}");
        }
        assert!(before("ni asilimia ", "swh") && before("Yüzde ", "tur") && before("ร้อยละ", "tha"));
        assert!(!before("siasilimia ", "swh") && !before("asilimia ", "eng") && !before("asilimia", "swh"));
    }
}
