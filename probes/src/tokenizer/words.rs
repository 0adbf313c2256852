//! Words in a sentence, and which of them a tokenizer splits.

use std::ops::Range;

use babelscope_core::lang;
use unicode_segmentation::UnicodeSegmentation as _;

/// Scripts written without spaces between words (Tibetan has marks between syllables): what UAX-29 finds in them are no words.
const UNSPACED: [&str; 14] =
    ["Hans", "Hant", "Hani", "Jpan", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt", "Lana", "Tale", "Talu"];

/// Why a language has no number of words, as a sentence; `None` where it has.
pub(super) fn unspaced(language: &str) -> Option<String> {
    let script = language.rsplit('_').next().unwrap_or_default();
    UNSPACED.contains(&script).then(|| {
        let name = lang::find(language).map_or(language, |known| known.name);
        format!(
            "{name} is written without spaces between words, so UAX-29 finds no words in it; see tokens_per_character"
        )
    })
}

/// The byte range of each UAX-29 word with a letter or a digit.
pub(super) fn words(text: &str) -> Vec<Range<usize>> {
    text.unicode_word_indices().map(|(start, word)| start..start + word.len()).collect()
}

/// How many words two or more tokens have a byte of. Both in the order of the text.
pub(super) fn continued(words: &[Range<usize>], spans: &[Range<usize>]) -> usize {
    let mut first = 0;
    let parts = words.iter().filter(|word| {
        while spans.get(first).is_some_and(|span| span.end <= word.start) {
            first += 1;
        }
        let behind = spans[first..].iter().take_while(|span| span.start < word.end);
        behind.filter(|span| !span.is_empty() && span.end > word.start).take(2).count() == 2
    });
    parts.count()
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use proptest::prelude::*;

    use super::{continued, unspaced, words};

    #[test]
    fn words_are_those_with_letters_or_digits() {
        let of = |text: &'static str| words(text).into_iter().map(|at| &text[at]).collect::<Vec<_>>();
        assert_eq!(of("Don't pay 3.14, please!"), ["Don't", "pay", "3.14", "please"]);
        assert_eq!(of("यह हिन्दी है।"), ["यह", "हिन्दी", "है"]);
        assert_eq!(of("... !"), [""; 0]);
    }

    #[test]
    fn scripts_without_spaces_have_no_words() {
        for code in ["zho_Hans", "yue_Hant", "jpn_Jpan", "tha_Thai", "lao_Laoo", "khm_Khmr", "mya_Mymr", "bod_Tibt"] {
            assert!(unspaced(code).is_some_and(|why| why.contains("tokens_per_character")), "{code}");
        }
        assert!(["eng_Latn", "kor_Hang", "hin_Deva", "amh_Ethi"].iter().all(|code| unspaced(code).is_none()));
    }

    proptest! {
        #[test]
        fn one_pass_agrees_with_the_plain_definition(
            cuts in prop::collection::btree_set(0usize..40, 0..20),
            spans in prop::collection::vec((0usize..4, 0usize..6), 0..20),
        ) {
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let words: Vec<Range<usize>> = cuts.chunks_exact(2).map(|c| c[0]..c[1]).collect();
            // Spans that go on, stand still (bytes of one character) or are empty.
            let mut at = 0;
            let spans: Vec<Range<usize>> = spans.into_iter().map(|(on, length)| { at += on; at..at + length }).collect();
            let mut ends = 0;
            prop_assume!(spans.iter().all(|s| { let ordered = s.end >= ends; ends = s.end; ordered }));
            let shares = |w: &Range<usize>, s: &Range<usize>| s.clone().any(|byte| w.contains(&byte));
            let plain = words.iter().filter(|w| spans.iter().filter(|s| shares(w, s)).count() >= 2).count();
            prop_assert_eq!(continued(&words, &spans), plain);
        }
    }
}
