//! Text to ids with byte offsets, and tokens as a person can read them.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Result;

/// One sentence as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// For each id its byte range in the text; empty for tokens that the tokenizer added (BOS).
    pub spans: Vec<Range<usize>>,
    /// How many special tokens stand in front (0 or 1: BOS).
    pub bos: usize,
}

/// A token as it is shown. Never a raw string, as half a character is not text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Piece {
    /// Ordinary text without a leading space.
    Text(String),
    /// Text that begins with a word boundary (a space, shown as a grey middle dot); the space is not in the string.
    Word(String),
    /// White space or control characters alone: newline, tab.
    Blank(String),
    /// A special token (`<s>`).
    Special(String),
    /// Bytes that are not UTF-8 alone.
    Bytes(Vec<u8>),
    /// Combining marks alone; show them on a dotted circle.
    Marks(String),
}

/// A tokenizer.json, checked against its model.
pub struct Tokenizer {}

impl Tokenizer {
    /// Ids of `text` with the model's own special tokens.
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        let _ = text;
        todo!()
    }

    /// Number of ids, added tokens included.
    pub fn vocabulary(&self) -> usize {
        todo!()
    }

    /// The token as it is shown.
    pub fn piece(&self, id: u32) -> Piece {
        let _ = id;
        todo!()
    }

    /// Text of `ids`, special tokens left out.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let _ = ids;
        todo!()
    }
}
