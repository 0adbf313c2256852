//! Tokens as a person can read them.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use unicode_normalization::char::is_combining_mark;

/// A token as it is shown. Never a raw string, as half a character is not text.
///
/// A text may begin with a combining mark that belongs to the token before it (see [`Piece::begins_with_mark`]): show that on
/// a dotted circle too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Piece {
    /// Ordinary text without a leading space.
    Text(String),
    /// Text that begins with a word boundary (a space, shown as a grey middle dot); the space is not in the string.
    Word(String),
    /// White space, control or invisible format characters alone: space, newline, tab, zero-width joiner.
    Blank(String),
    /// A special token (`<s>`).
    Special(String),
    /// Bytes that are not UTF-8 alone.
    Bytes(Vec<u8>),
    /// Combining marks alone; show them on a dotted circle.
    Marks(String),
}

/// One token of a sentence as it is shown among its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The token alone.
    pub piece: Piece,
    /// When this token's bytes complete text only together with its neighbours: which tokens, and the text of all of them.
    pub joined: Option<Joined>,
}

/// Text that several tokens make together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The tokens, as positions in the row that was asked for.
    pub cells: Range<usize>,
    /// What they say together.
    pub text: String,
}

impl Piece {
    /// The piece that these bytes are.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Self::Bytes(bytes.to_vec());
        };
        let own = |s: &str| s.to_owned();
        if text.chars().all(is_combining_mark) && !text.is_empty() {
            Self::Marks(own(text))
        } else if text.chars().all(is_invisible) && !text.is_empty() {
            Self::Blank(own(text))
        } else {
            text.strip_prefix(' ').map_or_else(|| Self::Text(own(text)), |rest| Self::Word(own(rest)))
        }
    }

    /// Whether the first visible character is a combining mark, which fonts drop when nothing stands before it.
    pub fn begins_with_mark(&self) -> bool {
        match self {
            Self::Text(s) | Self::Word(s) | Self::Marks(s) => s.chars().next().is_some_and(is_combining_mark),
            Self::Blank(_) | Self::Special(_) | Self::Bytes(_) => false,
        }
    }
}

/// White space, control characters, and the format characters that leave no ink.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// How a tokenizer writes bytes and spaces in its vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// GPT-2's alphabet: one printable character for each byte (`Ġ` is the space).
    ByteLevel,
    /// SentencePiece: `▁` is the space, `<0xE0>` a byte.
    Metaspace,
    /// BERT: words, and continuations behind this prefix (`##`).
    WordPiece(String),
}

impl Spelling {
    /// The bytes that a token of the vocabulary stands for.
    pub(super) fn bytes(&self, token: &str) -> Vec<u8> {
        match self {
            // A token that holds a character outside of the alphabet was never made of bytes, so it means itself.
            Self::ByteLevel => {
                token.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| token.as_bytes().to_vec())
            }
            Self::Metaspace => {
                byte_fallback(token).map_or_else(|| token.replace('▁', " ").into_bytes(), |byte| vec![byte])
            }
            Self::WordPiece(prefix) => token
                .strip_prefix(prefix.as_str())
                .filter(|rest| !rest.is_empty())
                .map_or_else(|| format!(" {token}").into_bytes(), |rest| rest.as_bytes().to_vec()),
        }
    }
}

/// The byte of a character of GPT-2's alphabet: printable Latin-1 stands for itself, the 68 other bytes follow from U+0100 on.
fn byte_of(c: char) -> Option<u8> {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let code = u32::from(c);
    match u8::try_from(code) {
        Ok(b) => printable(b).then_some(b),
        Err(_) => (0..=u8::MAX).filter(|b| !printable(*b)).nth(usize::try_from(code - 0x100).ok()?),
    }
}

/// `<0xE0>` is the byte 0xE0.
fn byte_fallback(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// Tells tokens that are not text alone which neighbours complete them. `bytes` is `None` where a token is no text.
pub(super) fn join(pieces: Vec<Piece>, bytes: &[Option<Vec<u8>>]) -> Vec<Cell> {
    let broken: Vec<bool> = pieces.iter().map(|p| matches!(p, Piece::Bytes(_))).collect();
    let mut cells: Vec<_> = pieces.into_iter().map(|piece| Cell { piece, joined: None }).collect();
    let mut start = 0;
    while start < cells.len() {
        let end = if broken.get(start) == Some(&true) { complete(start, bytes) } else { None };
        if let Some((end, text)) = &end {
            for cell in cells.iter_mut().take(*end).skip(start) {
                cell.joined = Some(Joined { cells: start..*end, text: text.clone() });
            }
        }
        start = end.map_or(start + 1, |(end, _)| end);
    }
    cells
}

/// The first end such that the tokens from `start` on are text together; `None` when more bytes cannot help.
fn complete(start: usize, bytes: &[Option<Vec<u8>>]) -> Option<(usize, String)> {
    let mut together = Vec::new();
    for (at, token) in bytes.iter().enumerate().skip(start) {
        together.extend_from_slice(token.as_deref()?);
        match std::str::from_utf8(&together) {
            Ok(text) => return Some((at + 1, text.to_owned())),
            Err(e) if e.error_len().is_some() => return None,
            Err(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpt2_alphabet_spells_every_byte_once() {
        // Ġ is the space, Ċ the newline, ł (U+0142) byte 0xA0, Ń (U+0143) the soft hyphen's 0xAD: openai/gpt-2 encoder.py.
        for (c, byte) in [('Ġ', b' '), ('Ċ', b'\n'), ('!', b'!'), ('ł', 0xA0), ('Ń', 0xAD), ('ÿ', 0xFF), ('Ā', 0)]
        {
            assert_eq!(byte_of(c), Some(byte), "{c}");
        }
        let mut seen: Vec<u8> = (0..0x144).filter_map(char::from_u32).filter_map(byte_of).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(byte_of('\u{144}'), None);
        assert_eq!(byte_of('अ'), None);
    }

    #[test]
    fn each_spelling_says_which_bytes_a_token_is() {
        assert_eq!(Spelling::ByteLevel.bytes("Ġthe"), b" the");
        assert_eq!(Spelling::ByteLevel.bytes("à¤"), [0xE0, 0xA4]);
        assert_eq!(Spelling::Metaspace.bytes("▁the"), b" the");
        assert_eq!(Spelling::Metaspace.bytes("<0xE0>"), [0xE0]);
        assert_eq!(Spelling::Metaspace.bytes("<0xE>"), b"<0xE>");
        let bert = Spelling::WordPiece("##".to_owned());
        assert_eq!(bert.bytes("the"), b" the");
        assert_eq!(bert.bytes("##ing"), b"ing");
        assert_eq!(bert.bytes("##"), b" ##");
    }

    #[test]
    fn pieces_are_told_apart_by_what_can_be_seen() {
        let own = ToOwned::to_owned;
        assert_eq!(Piece::of(b"the"), Piece::Text(own("the")));
        assert_eq!(Piece::of(b" the"), Piece::Word(own("the")));
        assert_eq!(Piece::of(" مرحبا".as_bytes()), Piece::Word(own("مرحبا")));
        assert_eq!(Piece::of(b" "), Piece::Blank(own(" ")));
        assert_eq!(Piece::of(b"\n\n"), Piece::Blank(own("\n\n")));
        assert_eq!(Piece::of("\u{200D}".as_bytes()), Piece::Blank(own("\u{200D}")));
        assert_eq!(Piece::of(&[0xE0, 0xA4]), Piece::Bytes(vec![0xE0, 0xA4]));
        assert_eq!(Piece::of("ि".as_bytes()), Piece::Marks(own("ि")));
        assert_eq!(Piece::of("\u{301}".as_bytes()), Piece::Marks(own("\u{301}")));
        assert_eq!(Piece::of("्र".as_bytes()), Piece::Text(own("्र")));
        assert!(Piece::of("्र".as_bytes()).begins_with_mark());
        assert!(!Piece::of("र्".as_bytes()).begins_with_mark());
    }

    #[test]
    fn neighbours_that_complete_a_character_say_so() {
        // अ is E0 A4 85; the middle token finishes it and brings a letter along.
        let bytes: Vec<_> = [&b"x"[..], &[0xE0, 0xA4], &[0x85, b'y'], &[0xE0], &[0xE0, 0xA4]]
            .into_iter()
            .map(|b| Some(b.to_vec()))
            .collect();
        let pieces = bytes.iter().flatten().map(|b| Piece::of(b)).collect();
        let cells = join(pieces, &bytes);
        let whole = Some(Joined { cells: 1..3, text: "अy".to_owned() });
        let joined: Vec<_> = cells.into_iter().map(|c| c.joined).collect();
        assert_eq!(joined, [None, whole.clone(), whole, None, None]);
    }

    #[test]
    fn a_special_token_ends_a_broken_character() {
        let bytes = [Some(vec![0xE0, 0xA4]), None, Some(vec![0x85])];
        let pieces = vec![Piece::of(&[0xE0, 0xA4]), Piece::Special("</s>".to_owned()), Piece::of(&[0x85])];
        assert!(join(pieces, &bytes).iter().all(|c| c.joined.is_none()));
    }
}
