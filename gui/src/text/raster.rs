//! Outlines into coverage: the picture of a laid out passage.

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, GlyphId, MetadataProvider as _};

/// One glyph at its place, pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PlacedGlyph {
    pub id: u32,
    pub x: f32,
    /// Of the baseline, downwards.
    pub y: f32,
}

/// Glyphs of one face and size.
#[derive(Clone, Debug)]
pub(super) struct GlyphRun {
    pub font: parley::FontData,
    pub size: f32,
    pub glyphs: Vec<PlacedGlyph>,
}

/// Coverage, one number 0..=1 a pixel, row by row.
pub(super) struct Coverage {
    pub width: usize,
    pub alpha: Vec<f32>,
}

/// Longest side of one glyph's picture; a larger one is left out rather than filling memory.
const LARGEST: f32 = 4096.0;

impl Coverage {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, alpha: vec![0.0; width * height] }
    }

    /// Adds a run; what hangs out of the picture is cut.
    pub(super) fn draw(&mut self, run: &GlyphRun) {
        let Ok(font) = FontRef::from_index(run.font.data.as_ref(), run.font.index) else { return };
        let outlines = font.outline_glyphs();
        let mut pen = Path::default();
        for glyph in &run.glyphs {
            let Some(outline) = outlines.get(GlyphId::new(glyph.id)) else { continue };
            pen.segments.clear();
            // The bundled faces are no variable fonts.
            let settings = DrawSettings::unhinted(Size::new(run.size), LocationRef::default());
            if outline.draw(settings, &mut pen).is_ok() {
                self.fill(&pen, glyph.x, glyph.y);
            }
        }
    }

    /// Fills a path on a canvas of its own size, as the rasteriser must not get points outside of its canvas.
    fn fill(&mut self, path: &Path, x: f32, y: f32) {
        let Some((low, high)) = path.bounds() else { return };
        // A margin of one pixel on each side keeps every sub-pixel position inside.
        let (left, top) = ((x + low.x).floor() - 1.0, (y - high.y).floor() - 1.0);
        let (width, height) = ((x + high.x).ceil() + 1.0 - left, (y - low.y).ceil() + 1.0 - top);
        let drawable = |side: f32| (1.0..=LARGEST).contains(&side);
        if !(drawable(width) && drawable(height)) {
            return;
        }
        let (columns, rows) = (width as usize, height as usize);
        let mut canvas = Rasterizer::new(columns, rows);
        let place = |p: Point| point((x + p.x - left).clamp(0.0, width), (y - p.y - top).clamp(0.0, height));
        for segment in &path.segments {
            match *segment {
                Segment::Line(a, b) => canvas.draw_line(place(a), place(b)),
                Segment::Quad(a, b, c) => canvas.draw_quad(place(a), place(b), place(c)),
                Segment::Cubic(a, b, c, d) => canvas.draw_cubic(place(a), place(b), place(c), place(d)),
            }
        }
        let (left, top) = (left as i64, top as i64);
        canvas.for_each_pixel_2d(|column, row, alpha| {
            let (column, row) = (left + i64::from(column), top + i64::from(row));
            if let (Ok(column), Ok(row)) = (usize::try_from(column), usize::try_from(row))
                && column < self.width
                && let Some(pixel) = self.alpha.get_mut(row * self.width + column)
            {
                // Neighbours that touch (joined letters) must not leave a seam.
                *pixel = (*pixel + alpha).min(1.0);
            }
        });
    }
}

#[derive(Clone, Copy)]
enum Segment {
    Line(Point, Point),
    Quad(Point, Point, Point),
    Cubic(Point, Point, Point, Point),
}

/// An outline, y upwards.
#[derive(Default)]
struct Path {
    segments: Vec<Segment>,
    start: Point,
    at: Point,
}

impl Path {
    fn bounds(&self) -> Option<(Point, Point)> {
        let mut bounds: Option<(Point, Point)> = None;
        let points = self.segments.iter().flat_map(|s| match *s {
            Segment::Line(a, b) => [a, b, b, b],
            Segment::Quad(a, b, c) => [a, b, c, c],
            Segment::Cubic(a, b, c, d) => [a, b, c, d],
        });
        for p in points {
            let (low, high) = bounds.get_or_insert((p, p));
            *low = point(low.x.min(p.x), low.y.min(p.y));
            *high = point(high.x.max(p.x), high.y.max(p.y));
        }
        bounds
    }
}

impl OutlinePen for Path {
    fn move_to(&mut self, x: f32, y: f32) {
        self.start = point(x, y);
        self.at = self.start;
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let to = point(x, y);
        self.segments.push(Segment::Line(self.at, to));
        self.at = to;
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        let to = point(x, y);
        self.segments.push(Segment::Quad(self.at, point(cx, cy), to));
        self.at = to;
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        let to = point(x, y);
        self.segments.push(Segment::Cubic(self.at, point(ax, ay), point(bx, by), to));
        self.at = to;
    }

    fn close(&mut self) {
        self.segments.push(Segment::Line(self.at, self.start));
        self.at = self.start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(side: f32) -> Path {
        let mut path = Path::default();
        path.move_to(0.0, 0.0);
        path.line_to(side, 0.0);
        path.line_to(side, side);
        path.line_to(0.0, side);
        path.close();
        path
    }

    #[test]
    fn a_square_covers_its_area() {
        let mut coverage = Coverage::new(20, 20);
        coverage.fill(&square(6.0), 4.25, 12.5);
        assert!((coverage.alpha.iter().sum::<f32>() - 36.0).abs() < 1e-3);
        assert!((coverage.alpha[9 * 20 + 7] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn what_hangs_out_is_cut_and_nothing_else_changes() {
        // 6 by 6 with its lower left corner at (-3, 3): 3 by 3 pixels are inside.
        let mut coverage = Coverage::new(10, 10);
        coverage.fill(&square(6.0), -3.0, 3.0);
        assert!((coverage.alpha.iter().sum::<f32>() - 9.0).abs() < 1e-3);
        for (x, y) in [(-50.0, 5.0), (50.0, 5.0), (5.0, -50.0), (5.0, 50.0), (f32::NAN, 1.0), (1e30, 1e30)] {
            let mut coverage = Coverage::new(10, 10);
            coverage.fill(&square(6.0), x, y);
            assert_eq!(coverage.alpha.iter().sum::<f32>(), 0.0, "{x} {y}");
        }
    }
}
