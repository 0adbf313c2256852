//! Tokens as a person can read them: one piece in a cell, and a sentence with the borders of its tokens.

use std::ops::Range;

use babelscope_core::lang::Direction;
use babelscope_core::tokens::Piece;
use egui::{
    Align, Align2, Color32, CornerRadius, Layout, Painter, Rect, Response, Role, Sense, Stroke, StrokeKind, Ui,
    WidgetInfo, pos2, vec2,
};

use crate::text::{Line, Passage, TokenSpan, base_direction, base_direction_or, line_height};

/// What a screen reader (and a test) calls the piece, and its text on a label: nothing in it is invisible.
pub fn piece_name(piece: &Piece) -> String {
    let circle = if piece.begins_with_mark() { "\u{25cc}" } else { "" };
    match piece {
        Piece::Text(text) | Piece::Marks(text) => format!("{circle}{text}"),
        Piece::Word(text) => format!("·{circle}{text}"),
        Piece::Blank(text) => text.chars().map(sign).collect(),
        Piece::Special(text) => text.clone(),
        Piece::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join("·"),
    }
}

/// The sign of a character that leaves no ink.
fn sign(c: char) -> String {
    match c {
        ' ' => "·".to_owned(),
        '\n' => "⏎".to_owned(),
        '\t' => "⇥".to_owned(),
        '\u{a0}' | '\u{3000}' => "␣".to_owned(),
        '\u{200b}' => "ZWSP".to_owned(),
        '\u{200c}' => "ZWNJ".to_owned(),
        '\u{200d}' => "ZWJ".to_owned(),
        '\u{200e}' => "LRM".to_owned(),
        '\u{200f}' => "RLM".to_owned(),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

/// Draws a piece in the middle of a cell, cut at its logical end where the cell is narrow. `size` in points, `color` for letters;
/// what is no letter (a space, bytes, a frame) is fainter.
pub fn paint_piece(painter: &Painter, cell: Rect, piece: &Piece, size: f32, color: Color32) {
    paint_piece_in(painter, cell, piece, size, color, Direction::Ltr);
}

/// [`paint_piece`] in a sentence of direction `around`, which is that of pieces without one of their own (numbers, punctuation).
pub fn paint_piece_in(painter: &Painter, cell: Rect, piece: &Piece, size: f32, color: Color32, around: Direction) {
    let painter = painter.with_clip_rect(painter.clip_rect().intersect(cell));
    let faint = color.gamma_multiply(0.55);
    let name = piece_name(piece);
    // Bytes are written as they are read by programs, whatever stands around them.
    let around = if matches!(piece, Piece::Bytes(_)) { Direction::Ltr } else { around };
    let line = |text: &str, size: f32, color: Color32| {
        let direction = base_direction_or(text, around);
        Line::new(text.to_owned()).size(size).color(color).width(cell.width()).direction(direction)
    };
    match piece {
        Piece::Text(_) | Piece::Marks(_) => {
            line(&name, size, color).paint(&painter, cell.center(), Align2::CENTER_CENTER);
        }
        Piece::Word(_) => {
            let word = name.strip_prefix('·').unwrap_or(&name);
            word_with_dot(&painter, cell, &line(word, size, color), faint);
        }
        Piece::Blank(_) => {
            line(&name, size, faint).paint(&painter, cell.center(), Align2::CENTER_CENTER);
        }
        Piece::Bytes(_) => {
            line(&name, size * 0.8, faint).monospace().paint(&painter, cell.center(), Align2::CENTER_CENTER);
        }
        Piece::Special(_) => {
            let text = line(&name, size * 0.85, faint).width(cell.width() - 6.0);
            let rect = text.paint(&painter, cell.center(), Align2::CENTER_CENTER);
            let frame = rect.expand2(vec2(3.0, 0.0)).intersect(cell);
            painter.rect_stroke(frame, CornerRadius::same(3), Stroke::new(1.0, faint), StrokeKind::Inside);
        }
    }
}

/// The dot of the space stands where reading begins: left of a left-to-right word, right of a right-to-left one.
fn word_with_dot(painter: &Painter, cell: Rect, word: &Line<'_>, faint: Color32) {
    let dot = word.clone().text("·").color(faint).layout(painter).galley;
    let laid = word.clone().width(cell.width() - dot.size().x).layout(painter);
    let (ink, space) = (laid.galley.size(), dot.size());
    let left = cell.center().x - (ink.x + space.x) / 2.0;
    let (dot_x, word_x) = match laid.direction {
        Direction::Ltr => (left, left + space.x),
        Direction::Rtl => (left + ink.x, left),
    };
    painter.galley(pos2(dot_x, cell.center().y - space.y / 2.0), dot, faint);
    painter.galley(pos2(word_x, cell.center().y - ink.y / 2.0), laid.galley, faint);
}

/// A sentence with the borders of its tokens, each coloured by a value. Right-to-left sentences run from the right edge.
pub struct TokenStrip<'a> {
    /// The sentence.
    pub text: &'a str,
    /// Byte range of each token; empty for tokens that the tokenizer added (BOS), which are shown as frames at the ends.
    pub spans: &'a [Range<usize>],
    /// The pieces, for names and for the tokens without a range.
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
#[derive(Clone, Debug)]
pub struct StripOutput {
    /// The whole strip.
    pub response: Response,
    /// The token under the pointer.
    pub hovered: Option<usize>,
    /// The token that was clicked.
    pub clicked: Option<usize>,
    /// Screen rectangles of each token.
    pub rects: Vec<Vec<Rect>>,
}

impl TokenStrip<'_> {
    /// Shows the strip over the width that is there.
    pub fn show(&self, ui: &mut Ui) -> StripOutput {
        self.show_as(ui, "", &[])
    }

    /// [`TokenStrip::show`] with a word in front of the names of the tokens, and a line under those that are `marked`.
    pub fn show_as(&self, ui: &mut Ui, who: &str, marked: &[bool]) -> StripOutput {
        let named = Named { strip: self, who, marked };
        named.show(ui)
    }
}

/// A strip whose tokens are called by whose they are.
struct Named<'a> {
    strip: &'a TokenStrip<'a>,
    who: &'a str,
    marked: &'a [bool],
}

impl Named<'_> {
    fn is_marked(&self, index: usize) -> bool {
        self.marked.get(index).copied().unwrap_or(false)
    }

    fn show(&self, ui: &mut Ui) -> StripOutput {
        let strip = self.strip;
        let direction = strip.direction.unwrap_or_else(|| base_direction(strip.text));
        let layout = match direction {
            Direction::Ltr => Layout::left_to_right(Align::TOP),
            Direction::Rtl => Layout::right_to_left(Align::TOP),
        };
        let inside = |span: &Range<usize>| !span.is_empty();
        let first = strip.spans.iter().position(inside).unwrap_or(strip.spans.len());
        let last = strip.spans.iter().rposition(inside).map_or(first, |at| at + 1);
        let mut rects = vec![Vec::new(); strip.spans.len()];
        let (mut hovered, mut clicked) = (None, None);
        let response = ui
            .with_layout(layout, |ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                let mut chips = |ui: &mut Ui, range: Range<usize>| {
                    for index in range {
                        let reply = self.chip(ui, index);
                        if let Some(own) = rects.get_mut(index) {
                            own.push(reply.rect);
                        }
                        hovered = if reply.hovered() { Some(index) } else { hovered };
                        clicked = if reply.clicked() { Some(index) } else { clicked };
                    }
                };
                chips(ui, 0..first);
                // Room for the frames behind the sentence, which are laid out after it.
                let behind = (strip.spans.len() - last) as f32 * strip.size * 3.0;
                let tokens = self.tokens(ui, first..last);
                let passage = Passage::new(strip.text).size(strip.size).direction(direction).tokens(&tokens);
                let shown = passage.width((ui.available_width() - behind).max(strip.size * 4.0)).show(ui);
                chips(ui, last..strip.spans.len());
                hovered = hovered.or(shown.hovered.map(|at| at + first));
                clicked = clicked.or(shown.clicked.map(|at| at + first));
                for (own, boxes) in rects.iter_mut().skip(first).zip(shown.rects) {
                    own.extend(boxes);
                }
            })
            .response;
        StripOutput { response, hovered, clicked, rects }
    }

    fn tokens(&self, ui: &Ui, range: Range<usize>) -> Vec<TokenSpan> {
        let strip = self.strip;
        let visuals = ui.visuals();
        range
            .map(|index| {
                let fill = strip.fills.get(index).copied().filter(|fill| fill.a() > 0);
                let chosen = strip.selected == Some(index);
                let border = if chosen { visuals.selection.stroke.color } else { faint_border(ui) };
                TokenSpan {
                    range: strip.spans.get(index).cloned().unwrap_or_default(),
                    name: Some(self.name(index)),
                    color: fill.map(|fill| ink_on(fill, visuals.panel_fill)),
                    fill,
                    border: Some(border),
                    underline: self.is_marked(index),
                }
            })
            .collect()
    }

    fn name(&self, index: usize) -> String {
        let strip = self.strip;
        let span = strip.spans.get(index).cloned().unwrap_or_default();
        let piece = strip.pieces.get(index).map(piece_name);
        let text = piece.unwrap_or_else(|| strip.text.get(span).unwrap_or_default().to_owned());
        let who = if self.who.is_empty() { String::new() } else { format!("{} ", self.who) };
        format!("{who}token {}, {text}{}", index + 1, if self.is_marked(index) { ", differs" } else { "" })
    }

    fn chip(&self, ui: &mut Ui, index: usize) -> Response {
        let strip = self.strip;
        let name = strip.pieces.get(index).map_or_else(String::new, piece_name);
        let text = Line::new(name).size(strip.size * 0.8).color(ui.visuals().weak_text_color());
        let laid = text.layout(ui.painter());
        let size = vec2(laid.galley.size().x + 8.0, strip.size * line_height(strip.text));
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK);
        let enabled = ui.is_enabled();
        response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, self.name(index)));
        let chosen = strip.selected == Some(index);
        let border = if chosen { ui.visuals().selection.stroke.color } else { faint_border(ui) };
        if let Some(&fill) = strip.fills.get(index) {
            ui.painter().rect_filled(rect, CornerRadius::same(3), fill);
        }
        ui.painter().rect_stroke(rect, CornerRadius::same(3), Stroke::new(1.0, border), StrokeKind::Inside);
        if self.is_marked(index) {
            ui.painter().hline(rect.x_range(), rect.bottom() - 1.0, Stroke::new(2.0, ui.visuals().text_color()));
        }
        text.paint(ui.painter(), rect.center(), Align2::CENTER_CENTER);
        response
    }
}

fn faint_border(ui: &Ui) -> Color32 {
    ui.visuals().text_color().gamma_multiply(0.25)
}

/// Black or white, whichever is read more easily on `fill` over `ground`.
fn ink_on(fill: Color32, ground: Color32) -> Color32 {
    let seen = ground.blend(fill);
    // Relative luminance on linear light; 0.18 is where the contrast with black and with white is the same (WCAG 2).
    let [r, g, b] = [seen.r(), seen.g(), seen.b()].map(egui::ecolor::linear_f32_from_gamma_u8);
    if 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 { Color32::from_gray(16) } else { Color32::from_gray(240) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_piece_has_an_invisible_name() {
        for (piece, name) in [
            (Piece::Text("hello".into()), "hello"),
            (Piece::Word("hello".into()), "·hello"),
            (Piece::Text("्र".into()), "◌्र"),
            (Piece::Word("\u{301}".into()), "·◌\u{301}"),
            (Piece::Marks("ा".into()), "◌ा"),
            (Piece::Blank(" ".into()), "·"),
            (Piece::Blank("\n\t".into()), "⏎⇥"),
            (Piece::Blank("\u{200d}".into()), "ZWJ"),
            (Piece::Blank("\u{7}".into()), "U+0007"),
            (Piece::Special("<s>".into()), "<s>"),
            (Piece::Bytes(vec![0xE0, 0xA4]), "E0·A4"),
        ] {
            assert_eq!(piece_name(&piece), name);
        }
    }

    #[test]
    fn ink_stands_out() {
        assert_eq!(ink_on(Color32::WHITE, Color32::BLACK), Color32::from_gray(16));
        assert_eq!(ink_on(Color32::BLACK, Color32::WHITE), Color32::from_gray(240));
        assert_eq!(ink_on(Color32::TRANSPARENT, Color32::WHITE), Color32::from_gray(16));
    }
}
