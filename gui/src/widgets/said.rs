//! Tokens as running text: what they say together, and where each of them stands in it.

use std::ops::Range;

use babelscope_core::{lang::Direction, tokens::Piece};

use crate::text::base_direction;

use super::tokens::piece_name;

/// What tokens say together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The text.
    pub text: String,
    /// Bytes of the text of each token; those that make one character together share its range, special tokens at the ends have none.
    pub spans: Vec<Range<usize>>,
    /// The tokens.
    pub pieces: Vec<Piece>,
}

impl Said {
    /// The text of these tokens. Bytes that are whole characters only together become these characters; others are written in hex.
    pub fn new(pieces: Vec<Piece>) -> Self {
        let special = |piece: &Piece| matches!(piece, Piece::Special(_));
        let first = pieces.iter().position(|piece| !special(piece)).unwrap_or(pieces.len());
        let last = pieces.iter().rposition(|piece| !special(piece)).map_or(first, |at| at + 1);
        let mut said = Self { text: String::new(), spans: vec![0..0; first], pieces: Vec::new() };
        let inside = pieces.get(first..last).unwrap_or_default();
        let mut at = 0;
        while let Some(piece) = inside.get(at) {
            at += match joined(inside.get(at..).unwrap_or_default()) {
                Some((text, tokens)) => {
                    said.push(&text, tokens);
                    tokens
                }
                None => {
                    said.piece(piece);
                    1
                }
            };
        }
        let end = said.text.len();
        said.spans.resize(pieces.len(), end..end);
        said.pieces = pieces;
        said
    }

    /// The direction of the text; `around` where it has no letter of its own.
    pub fn direction(&self, around: &str) -> Direction {
        let letters = |text: &str| text.chars().any(char::is_alphabetic);
        base_direction(if letters(&self.text) { &self.text } else { around })
    }

    fn push(&mut self, text: &str, tokens: usize) {
        let start = self.text.len();
        self.text.push_str(text);
        self.spans.extend(std::iter::repeat_n(start..self.text.len(), tokens));
    }

    fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Word(text) => {
                if !self.text.is_empty() {
                    self.text.push(' ');
                }
                self.push(text, 1);
            }
            Piece::Text(text) | Piece::Marks(text) | Piece::Blank(text) => self.push(text, 1),
            Piece::Special(_) | Piece::Bytes(_) => self.push(&piece_name(piece), 1),
        }
    }
}

/// What the first tokens say together, where they are parts of characters: the text and how many they are.
fn joined(pieces: &[Piece]) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Bytes(own) = piece else { return None };
        bytes.extend_from_slice(own);
        if let Ok(text) = std::str::from_utf8(&bytes) {
            return Some((text.to_owned(), at + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(said: &Said) -> Vec<&str> {
        said.spans.iter().map(|span| &said.text[span.clone()]).collect()
    }

    #[test]
    fn every_token_finds_itself_in_the_text() {
        let bytes = "अ".as_bytes();
        let said = Said::new(vec![
            Piece::Special("<s>".to_owned()),
            Piece::Word("नम".to_owned()),
            Piece::Text("स्ते".to_owned()),
            Piece::Blank("\n".to_owned()),
            Piece::Bytes(bytes[..1].to_vec()),
            Piece::Bytes(bytes[1..].to_vec()),
            Piece::Word("قطة".to_owned()),
            Piece::Bytes(vec![0xE0]),
            Piece::Special("</s>".to_owned()),
        ]);
        assert_eq!(said.text, "नमस्ते\nअ قطةE0");
        assert_eq!(parts(&said), ["", "नम", "स्ते", "\n", "अ", "अ", "قطة", "E0", ""]);
    }

    #[test]
    fn a_text_without_letters_takes_the_direction_around_it() {
        let said = Said::new(vec![Piece::Text("12.".to_owned())]);
        assert_eq!(said.direction("قطة"), Direction::Rtl);
        assert_eq!(said.direction("cat"), Direction::Ltr);
        assert_eq!(Said::new(Vec::new()).spans, Vec::<Range<usize>>::new());
    }
}
