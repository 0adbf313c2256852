//! Passages laid out by parley: lines, cells that can be hit, and glyphs.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use babelscope::fonts::{FACES, of_script};
use parley::fontique::{Blob, Collection, CollectionOptions, FontInfoOverride, SourceCache};
use parley::{
    Alignment, AlignmentOptions, BaseDirection, FontContext, FontFamily, FontFamilyName, Layout, LayoutContext,
    LineHeight, OverflowWrap, PositionedLayoutItem, StyleProperty,
};

use super::fonts::script_tag;
use super::raster::{Coverage, GlyphRun, PlacedGlyph};

/// One grapheme on one line, pixels from the left of the passage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub bytes: Range<usize>,
    pub left: f32,
    pub right: f32,
    pub rtl: bool,
}

/// One line on screen.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub top: f32,
    pub bottom: f32,
    /// From left to right.
    pub cells: Vec<Cell>,
}

/// A passage laid out, pixels.
#[derive(Clone, Debug)]
pub(super) struct Laid {
    pub width: f32,
    pub height: f32,
    pub rows: Vec<Row>,
    pub runs: Vec<GlyphRun>,
}

/// What a layout depends on. Colours are not in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub text: String,
    /// Paragraph direction.
    pub rtl: bool,
    /// Font size in pixels, bits of an `f32`.
    pub size: u32,
    /// Pixels to wrap at.
    pub width: u32,
}

/// Height of a row over the size of the letters. The same for most scripts, so that rows of a mixed page stand evenly; scripts that
/// stack letters need more.
pub fn line_height(text: &str) -> f32 {
    let (above, below) = proportions(text);
    above + below
}

/// Room above and below the baseline over the size. The fonts' own numbers leave too little above in some scripts (Devanagari's
/// vowel signs stand higher than its ascent) and differ between the faces of one line.
fn proportions(text: &str) -> (f32, f32) {
    match script_tag(text) {
        Some("Tibt" | "Mymr" | "Khmr") => (1.25, 0.8),
        _ => (1.2, 0.5),
    }
}

/// The fonts and scratch space of parley.
pub(super) struct Typesetter {
    fonts: FontContext,
    scratch: LayoutContext<()>,
}

impl Typesetter {
    pub(super) fn new() -> Self {
        let mut collection = Collection::new(CollectionOptions { shared: false, system_fonts: false });
        for face in FACES {
            let name = FontInfoOverride { family_name: Some(face.family), ..FontInfoOverride::default() };
            collection.register_fonts(Blob::new(Arc::new(face.bytes)), Some(name));
        }
        Self { fonts: FontContext { collection, source_cache: SourceCache::default() }, scratch: LayoutContext::new() }
    }

    /// Shapes, orders and wraps a text.
    pub(super) fn lay_out(&mut self, request: &Request) -> Laid {
        let first = script_tag(&request.text).and_then(of_script).map(|face| face.family);
        let families: Vec<FontFamilyName<'_>> =
            first.into_iter().chain(FACES.iter().map(|f| f.family)).map(FontFamilyName::named).collect();
        let mut builder = self.scratch.ranged_builder(&mut self.fonts, &request.text, 1.0, true);
        builder.push_default(StyleProperty::FontFamily(FontFamily::List(Cow::Owned(families))));
        builder.push_default(StyleProperty::FontSize(f32::from_bits(request.size)));
        builder.push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(line_height(&request.text))));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::Anywhere));
        builder.set_base_direction(if request.rtl { BaseDirection::Rtl } else { BaseDirection::Ltr });
        let mut layout: Layout<()> = builder.build(&request.text);
        layout.break_all_lines(Some(request.width as f32));
        // A right-to-left passage begins at the right edge of its column; a left-to-right one is as wide as its words.
        layout.align(Alignment::Start, AlignmentOptions::default());
        read(&layout, f32::from_bits(request.size), proportions(&request.text))
    }
}

fn read(layout: &Layout<()>, size: f32, (above, below): (f32, f32)) -> Laid {
    let room = (size * above).round();
    let shift = room - layout.first_baseline().unwrap_or(room);
    let mut rows: Vec<Row> = Vec::new();
    let mut runs = Vec::new();
    let mut width: f32 = layout.width();
    for line in layout.lines() {
        let metrics = line.metrics();
        let mut left = metrics.offset + metrics.inline_min_coord;
        let mut cells = Vec::new();
        for run in line.runs() {
            for cluster in run.visual_clusters() {
                let right = left + cluster.advance();
                cells.push(Cell { bytes: cluster.text_range(), left, right, rtl: cluster.is_rtl() });
                left = right;
            }
        }
        width = width.max(left);
        let top = metrics.baseline + shift - room;
        if let Some(Row { bottom, .. }) = rows.last_mut() {
            *bottom = top;
        }
        rows.push(Row { top, bottom: top + room + (size * below).round(), cells });
        for item in line.items() {
            let PositionedLayoutItem::GlyphRun(run) = item else { continue };
            runs.push(GlyphRun {
                font: run.run().font().clone(),
                size: run.run().font_size(),
                glyphs: run.positioned_glyphs().map(|g| PlacedGlyph { id: g.id, x: g.x, y: g.y + shift }).collect(),
            });
        }
    }
    let height = rows.last().map_or(0.0, |row| row.bottom);
    Laid { width, height, rows, runs }
}

impl Laid {
    /// The picture, with `margin` pixels around for what hangs over.
    pub(super) fn picture(&self, margin: usize) -> Coverage {
        let side = |points: f32| points.ceil().max(0.0) as usize + 2 * margin;
        let mut coverage = Coverage::new(side(self.width), side(self.height));
        for run in &self.runs {
            let mut run = run.clone();
            for glyph in &mut run.glyphs {
                glyph.x += margin as f32;
                glyph.y += margin as f32;
            }
            coverage.draw(&run);
        }
        coverage
    }

    /// The byte under a point, with its fraction: two tokens inside one grapheme share its width.
    pub(super) fn byte_at(&self, x: f32, y: f32) -> Option<f64> {
        let row = self.rows.iter().find(|row| (row.top..row.bottom).contains(&y))?;
        let cell = row.cells.iter().find(|cell| (cell.left..cell.right).contains(&x))?;
        let part = f64::from((x - cell.left) / (cell.right - cell.left));
        let part = if cell.rtl { 1.0 - part } else { part };
        // Right-to-left cells are open at their left end, where the next byte begins.
        let last = cell.bytes.end as f64 - 1e-6;
        Some((cell.bytes.start as f64 + part * cell.bytes.len() as f64).min(last))
    }

    /// Where the bytes `start..end` stand: `(row, left, right)`, one for each row and direction change.
    pub(super) fn parts(&self, start: f64, end: f64) -> Vec<(usize, f32, f32)> {
        let mut out: Vec<(usize, f32, f32)> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            for cell in &row.cells {
                let (from, to) = (cell.bytes.start as f64, cell.bytes.end as f64);
                if end <= from || to <= start || cell.right <= cell.left {
                    continue;
                }
                let part = |byte: f64| ((byte.clamp(from, to) - from) / (to - from)) as f32;
                let (a, b) = (part(start), part(end));
                let (a, b) = if cell.rtl { (1.0 - b, 1.0 - a) } else { (a, b) };
                let width = cell.right - cell.left;
                let (left, right) = (cell.left + a * width, cell.left + b * width);
                match out.last_mut() {
                    Some(last) if last.0 == at && (last.2 - left).abs() < 0.01 => last.2 = right,
                    _ => out.push((at, left, right)),
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use babelscope_core::lang::Direction;

    use super::*;
    use crate::text::{base_direction, missing, samples};

    fn laid(text: &str, width: u32) -> Laid {
        let rtl = base_direction(text) == Direction::Rtl;
        Typesetter::new().lay_out(&Request { text: text.to_owned(), rtl, size: 16.0_f32.to_bits(), width })
    }

    #[test]
    fn no_sample_has_a_box() {
        for (name, text) in samples::SAMPLES {
            assert!(missing(text).is_empty(), "{name}: {:?}", missing(text));
            let laid = laid(text, 2000);
            let glyphs: Vec<u32> = laid.runs.iter().flat_map(|r| r.glyphs.iter().map(|g| g.id)).collect();
            assert!(!glyphs.is_empty() && glyphs.iter().all(|&id| id != 0), "{name}: {glyphs:?}");
            assert!(laid.picture(8).alpha.iter().sum::<f32>() > 100.0, "{name} leaves no ink");
        }
    }

    #[test]
    fn every_grapheme_is_hit_where_it_stands() {
        for (name, text) in samples::SAMPLES {
            for width in [2000, 150] {
                let laid = laid(text, width);
                for row in &laid.rows {
                    for cell in row.cells.iter().filter(|cell| cell.right > cell.left) {
                        let byte = laid.byte_at((cell.left + cell.right) / 2.0, (row.top + row.bottom) / 2.0).unwrap();
                        let (start, end) = (cell.bytes.start as f64, cell.bytes.end as f64);
                        assert!(start <= byte && byte < end, "{name}: {byte} not in {:?}", cell.bytes);
                        assert!(!laid.parts(start, end).is_empty(), "{name}");
                    }
                }
            }
        }
    }

    #[test]
    fn cells_hold_every_byte_once() {
        for (name, text) in samples::SAMPLES {
            for width in [2000, 150] {
                let mut bytes: Vec<usize> =
                    laid(text, width).rows.iter().flat_map(|r| r.cells.iter().flat_map(|c| c.bytes.clone())).collect();
                bytes.sort_unstable();
                assert_eq!(bytes, (0..text.len()).collect::<Vec<_>>(), "{name} at {width}");
            }
        }
    }

    #[test]
    fn right_to_left_begins_at_the_right_edge() {
        let laid = laid("سلام", 300);
        let first = laid.rows[0].cells.iter().find(|c| c.bytes.start == 0).unwrap();
        assert!(first.rtl && (first.right - 300.0).abs() < 1.0, "{first:?}");
    }

    #[test]
    fn two_tokens_inside_one_letter_share_its_width() {
        let laid = laid("سلام", 300);
        let whole = laid.parts(0.0, 2.0)[0];
        let (a, b) = (laid.parts(0.0, 1.0)[0], laid.parts(1.0, 2.0)[0]);
        // Right to left: the first half is the right one.
        assert_eq!((b.1, a.2), (whole.1, whole.2));
        assert!((a.1 - b.2).abs() < 1e-3);
    }
}
