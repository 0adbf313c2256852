//! Letters by how their script writes words.

/// How a script writes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// No letter.
    None,
    /// Latin, Greek, Cyrillic, Armenian, Georgian: digits behind letters belong to the word (`x86`).
    Joined,
    /// Spaces between words, digits apart (5টি, 5개).
    Spaced,
    Han,
    Kana,
    /// Thai, Lao, Khmer, Burmese: no spaces between words.
    Thai,
}

impl Class {
    /// No spaces between words.
    pub(super) fn unspaced(self) -> bool {
        matches!(self, Self::Han | Self::Kana | Self::Thai)
    }
}

/// The class of a letter.
pub(super) fn class(c: char) -> Class {
    match c {
        'a'..='z' | 'A'..='Z' => Class::Joined,
        '\0'..='\x7f' | '٪' | '₹' | '€' => Class::None,
        'ª' | 'º' | 'ˢ' | 'ᵉ' => Class::None,
        '\u{80}'..='\u{58f}' | '\u{10a0}'..='\u{10ff}' | '\u{1e00}'..='\u{1fff}' | '\u{1d400}'..='\u{1d7cd}'
            if c.is_alphabetic() =>
        {
            Class::Joined
        }
        '\u{2e80}'..='\u{2fff}'
        | '々'
        | '〇'
        | '\u{3400}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{3ffff}' => Class::Han,
        '\u{3041}'..='\u{30fa}' | 'ー' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9d}' => Class::Kana,
        '\u{0e01}'..='\u{0e3a}' | '\u{0e40}'..='\u{0e4e}' | '\u{0e80}'..='\u{0ecf}' => Class::Thai,
        '\u{1000}'..='\u{103f}' | '\u{1050}'..='\u{108f}' | '\u{1780}'..='\u{17d3}' | '\u{17d7}' => Class::Thai,
        _ if c.is_alphabetic() || (in_word(c) && c.is_alphanumeric()) => Class::Spaced,
        _ => Class::None,
    }
}

/// Whether a character goes on a word that has begun: letters, and marks that combine with them.
pub(super) fn in_word(c: char) -> bool {
    match c {
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c7}' => {
            true
        }
        '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}' => true,
        '\u{964}' | '\u{965}' | '\u{9f2}' | '\u{9f3}' | '\u{9fb}' | '\u{af1}' | '\u{bf9}' => false,
        '\u{900}'..='\u{dff}' => !c.is_numeric(),
        '\u{135d}'..='\u{135f}' | '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' => true,
        _ => c.is_alphabetic(),
    }
}

/// How much a character says, in halves of a letter: 5 in scripts whose sentences have far fewer of them, 3 where a character is a
/// syllable, else 2.
pub(super) fn density(c: char) -> usize {
    match c {
        '\u{1100}'..='\u{11ff}' | '\u{3130}'..='\u{318f}' | '\u{ac00}'..='\u{d7af}' => 5,
        '\u{900}'..='\u{dff}' | '\u{1200}'..='\u{139f}' if c.is_alphabetic() => 3,
        _ if class(c).unspaced() => 5,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_the_class_of_their_script() {
        for (letters, wanted) in [
            ("aZéßяλ𝐴և", Class::Joined),
            ("かカー", Class::Kana),
            ("三〇々", Class::Han),
            ("กำ็ក", Class::Thai),
            ("अبא한አ", Class::Spaced),
            ("5+٣५。।₹ ", Class::None),
        ] {
            assert!(letters.chars().all(|c| class(c) == wanted), "{letters}");
        }
        assert!("्ॉং́".chars().all(in_word));
        assert_eq!(['三', '한', 'ก', 'अ', 'አ', 'a', '5', '።'].map(density), [5, 5, 5, 3, 3, 2, 2, 2]);
    }
}
