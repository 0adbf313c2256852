//! Method B: a wrapped passage of any script with tokens that can be coloured, hovered and clicked.

use std::ops::Range;
use std::sync::Arc;

use babelscope_core::lang::Direction;
use egui::{
    Color32, CornerRadius, Id, Mesh, Painter, Pos2, Rect, Response, Role, Sense, Stroke, StrokeKind, TextStyle, Ui,
    Vec2, WidgetInfo, pos2, vec2,
};
use unicode_segmentation::UnicodeSegmentation as _;

use super::bidi::base_direction;
use super::layout::Request;
use super::shelf::{Printed, Shelf};

/// A part of a passage with a look of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenSpan {
    /// Bytes of the text. Neighbours with the same range (pieces of one character) share its width.
    pub range: Range<usize>,
    /// What a screen reader calls it; the text of the range otherwise.
    pub name: Option<String>,
    /// Colour of the letters.
    pub color: Option<Color32>,
    /// Background.
    pub fill: Option<Color32>,
    /// Border.
    pub border: Option<Color32>,
    /// Whether a line stands under it: a mark that needs no colour.
    pub underline: bool,
}

/// A wrapped text. Colours never change the shapes: they are laid over one picture of the letters.
#[derive(Clone, Debug)]
pub struct Passage<'a> {
    text: &'a str,
    tokens: &'a [TokenSpan],
    size: Option<f32>,
    color: Option<Color32>,
    direction: Option<Direction>,
    width: Option<f32>,
}

/// What happened in a passage.
#[derive(Clone, Debug)]
pub struct PassageOutput {
    /// The whole passage; its name is the text.
    pub response: Response,
    /// The token under the pointer, an index into the spans.
    pub hovered: Option<usize>,
    /// The token that was clicked.
    pub clicked: Option<usize>,
    /// Screen rectangles of each token: one for each line, and for each change of direction inside it.
    pub rects: Vec<Vec<Rect>>,
}

/// Longest text that is laid out; more is cut, and the cut is said.
const LONGEST: usize = 32 * 1024;

impl<'a> Passage<'a> {
    /// A passage in body size and text colour.
    pub fn new(text: &'a str) -> Self {
        Self { text, tokens: &[], size: None, color: None, direction: None, width: None }
    }

    /// Tokens, in text order.
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
        let end = cut(self.text);
        let text = self.text.get(..end).unwrap_or_default();
        let scale = ui.ctx().pixels_per_point();
        let printed = Shelf::of(ui.ctx()).lock().print(ui.ctx(), &self.request(ui, text, scale));
        let size = vec2(printed.laid.width, printed.laid.height) / scale;
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
        let enabled = ui.is_enabled();
        response.widget_info(|| WidgetInfo::labeled(Role::Label, enabled, self.text));

        let shares = shares(self.tokens);
        // Letters stand on whole pixels, as the picture was drawn on them.
        let origin = (rect.min.to_vec2() * scale).round() / scale;
        let place = Place { origin: origin.to_pos2(), scale };
        let rects: Vec<Vec<Rect>> = shares
            .iter()
            .map(|&(start, end)| {
                printed.laid.parts(start, end).iter().map(|&part| place.rect(&printed, part)).collect()
            })
            .collect();
        let (hovered, clicked) = self.react(ui, &response, &rects, &printed, &shares, place);
        if ui.is_rect_visible(rect) {
            self.paint(ui.painter(), &printed, &shares, &rects, place);
        }
        if end < self.text.len() {
            ui.weak(format!("Shown up to byte {end} of {}.", self.text.len()));
        }
        PassageOutput { response, hovered, clicked, rects }
    }

    fn request(&self, ui: &Ui, text: &str, scale: f32) -> Request {
        let size = self.size.unwrap_or_else(|| TextStyle::Body.resolve(ui.style()).size);
        let most = ui.input(|i| i.max_texture_side).clamp(256, 8192) as f32;
        let width = self.width.unwrap_or_else(|| ui.available_width()) * scale;
        Request {
            text: text.to_owned(),
            rtl: self.direction.unwrap_or_else(|| base_direction(text)) == Direction::Rtl,
            size: (size * scale).clamp(1.0, 512.0).to_bits(),
            width: width.clamp(8.0, most / 2.0) as u32,
        }
    }

    fn react(
        &self,
        ui: &Ui,
        response: &Response,
        rects: &[Vec<Rect>],
        printed: &Printed,
        shares: &[(f64, f64)],
        place: Place,
    ) -> (Option<usize>, Option<usize>) {
        let token_at = |pos: Pos2| {
            let at = (pos - place.origin) * place.scale;
            let byte = printed.laid.byte_at(at.x, at.y)?;
            shares.iter().position(|&(start, end)| start <= byte && byte < end)
        };
        let mut hovered = None;
        let mut clicked = None;
        let enabled = ui.is_enabled();
        for (index, (token, boxes)) in self.tokens.iter().zip(rects).enumerate() {
            for (part, &rect) in boxes.iter().enumerate() {
                let id: Id = response.id.with((index, part));
                let reply = ui.interact(rect, id, Sense::CLICK);
                if part == 0 {
                    reply.widget_info(|| {
                        let name = token.name.as_deref();
                        let name = name.unwrap_or_else(|| self.text.get(token.range.clone()).unwrap_or_default());
                        WidgetInfo::labeled(Role::Button, enabled, name)
                    });
                }
                // egui gives near misses to a neighbour; the place decides where there is one.
                if reply.hovered() {
                    hovered = reply.hover_pos().and_then(token_at).or(hovered);
                }
                if reply.clicked() {
                    clicked = reply.interact_pointer_pos().and_then(token_at).or(Some(index));
                }
            }
        }
        (hovered, clicked)
    }

    fn paint(&self, painter: &Painter, printed: &Printed, shares: &[(f64, f64)], rects: &[Vec<Rect>], place: Place) {
        let hair = 1.0 / place.scale;
        for (token, boxes) in self.tokens.iter().zip(rects) {
            for rect in boxes {
                let rect = rect.shrink2(vec2(hair.min(rect.width() / 4.0), 0.0));
                if let Some(fill) = token.fill {
                    painter.rect_filled(rect, CornerRadius::same(3), fill);
                }
                if let Some(border) = token.border {
                    painter.rect_stroke(rect, CornerRadius::same(3), Stroke::new(1.0, border), StrokeKind::Inside);
                }
            }
        }
        let color = self.color.unwrap_or_else(|| painter.ctx().global_style().visuals.text_color());
        for rect in self.tokens.iter().zip(rects).filter(|(token, _)| token.underline).flat_map(|(_, boxes)| boxes) {
            let line = rect.shrink2(vec2(2.0 * hair.min(rect.width() / 4.0), 0.0));
            painter.hline(line.x_range(), rect.bottom() - 1.0, Stroke::new(2.0, color));
        }
        let mut tints = vec![Vec::new(); printed.laid.rows.len()];
        for (token, &(start, end)) in self.tokens.iter().zip(shares) {
            let Some(own) = token.color.filter(|&own| own != color) else { continue };
            for (row, left, right) in printed.laid.parts(start, end) {
                if let Some(row) = tints.get_mut(row) {
                    row.push((left, right, own));
                }
            }
        }
        for band in &printed.bands {
            let mut mesh = Mesh::with_texture(band.texture.id());
            for strip in strips(printed, &mut tints, color) {
                band.add(&mut mesh, &strip, |x, y| place.point(x, y));
            }
            painter.add(Arc::new(mesh));
        }
    }
}

/// From pixels of the picture to points on screen.
#[derive(Clone, Copy)]
struct Place {
    origin: Pos2,
    scale: f32,
}

impl Place {
    fn point(self, x: f32, y: f32) -> Pos2 {
        pos2(self.origin.x + x / self.scale, self.origin.y + y / self.scale)
    }

    fn rect(self, printed: &Printed, (row, left, right): (usize, f32, f32)) -> Rect {
        let (top, bottom) = printed.laid.rows.get(row).map_or((0.0, 0.0), |r| (r.top, r.bottom));
        Rect::from_min_max(self.point(left, top), self.point(right, bottom))
    }
}

/// A part of the picture in one colour, pixels.
pub(super) struct Strip {
    pub min: Vec2,
    pub max: Vec2,
    pub color: Color32,
}

/// The whole picture in strips, each point in exactly one, so that no letter is lost or drawn twice.
fn strips(printed: &Printed, tints: &mut [Vec<(f32, f32, Color32)>], color: Color32) -> Vec<Strip> {
    let (low, high) = (-printed.margin, vec2(printed.laid.width, printed.laid.height).ceil() + printed.margin);
    if tints.iter().all(Vec::is_empty) {
        return vec![Strip { min: low, max: high, color }];
    }
    let mut out = Vec::new();
    let rows = &printed.laid.rows;
    for (at, tints) in tints.iter_mut().enumerate() {
        let top = if at == 0 { low.y } else { rows.get(at).map_or(low.y, |r| r.top) };
        let bottom = rows.get(at + 1).map_or(high.y, |next| next.top);
        tints.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut x = low.x;
        let mut push = |left: f32, right: f32, color: Color32| {
            if left < right && top < bottom {
                out.push(Strip { min: vec2(left, top), max: vec2(right, bottom), color });
            }
        };
        for &(left, right, own) in tints.iter() {
            push(x, left, color);
            push(left.max(x), right, own);
            x = x.max(right);
        }
        push(x, high.x, color);
    }
    out
}

/// The bytes of each token; tokens with the same range divide it.
fn shares(tokens: &[TokenSpan]) -> Vec<(f64, f64)> {
    let mut out = Vec::with_capacity(tokens.len());
    for group in tokens.chunk_by(|a, b| a.range == b.range && !a.range.is_empty()) {
        for (k, token) in group.iter().enumerate() {
            let (start, step) = (token.range.start as f64, token.range.len() as f64 / group.len() as f64);
            out.push((start + step * k as f64, start + step * (k + 1) as f64));
        }
    }
    out
}

/// Where a long text is cut: at a grapheme.
fn cut(text: &str) -> usize {
    if text.len() <= LONGEST {
        return text.len();
    }
    text.grapheme_indices(true).map(|(at, _)| at).take_while(|&at| at <= LONGEST).last().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::layout::{Laid, Row};

    fn span(range: Range<usize>) -> TokenSpan {
        TokenSpan { range, ..TokenSpan::default() }
    }

    #[test]
    fn tokens_of_one_character_share_its_bytes() {
        let tokens = [span(0..1), span(1..4), span(1..4), span(1..4), span(4..5), span(5..5)];
        assert_eq!(shares(&tokens), [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 5.0), (5.0, 5.0)]);
    }

    #[test]
    fn colours_cut_the_picture_without_gap_or_overlap() {
        let row = |top: f32, bottom: f32| Row { top, bottom, cells: Vec::new() };
        let rows = vec![row(0.0, 20.0), row(20.0, 41.0)];
        let laid = Laid { width: 99.5, height: 41.0, rows, runs: Vec::new() };
        let printed = Printed { laid, margin: Vec2::splat(8.0), bands: Vec::new() };
        let red = Color32::RED;
        let all = (100.0 + 16.0) * (41.0 + 16.0);
        for mut tints in [
            vec![vec![], vec![]],
            vec![vec![(10.0, 20.0, red)], vec![]],
            vec![vec![(20.0, 30.0, red), (0.0, 20.0, red)], vec![(90.0, 99.5, red), (10.0, 12.0, red)]],
        ] {
            let coloured: f32 =
                tints.iter().zip([28.0, 29.0]).flat_map(|(t, h)| t.iter().map(move |t| (t.1 - t.0) * h)).sum();
            let strips = strips(&printed, &mut tints, Color32::WHITE);
            let area = |strips: &mut dyn Iterator<Item = &Strip>| -> f32 {
                strips.map(|s| (s.max - s.min).x * (s.max - s.min).y).sum()
            };
            assert!((area(&mut strips.iter()) - all).abs() < 0.1);
            assert!((area(&mut strips.iter().filter(|s| s.color == red)) - coloured).abs() < 0.1);
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_grapheme() {
        let text = "é".repeat(LONGEST);
        assert!(text.is_char_boundary(cut(&text)));
        assert!(cut(&text) <= LONGEST);
        assert_eq!(cut("short"), 5);
    }
}
