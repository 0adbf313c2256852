//! Lines of text as they must stand on paper: cut into pieces of one direction and one face, in visual order, with their widths.
//!
//! SVG viewers do bidi for a whole `<text>`, but the renderer that makes our PNG assumes a left-to-right paragraph and shapes
//! a text with one face. So every piece becomes a `<text>` of its own that needs no reordering and no fallback.

use std::sync::LazyLock;

use babelscope_core::lang::Direction;
use harfrust::{FontRef, ShapeOptions, ShaperData, UnicodeBuffer};
use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};
use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::fonts::{self, FACES, Face};

/// Keeps neutral characters at the ends of a right-to-left piece on their side, whoever does the bidi.
const RIGHT_TO_LEFT_MARK: char = '\u{200F}';

/// A piece of a line: one direction, one face.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// What stands in the SVG.
    pub(super) text: String,
    /// Family of the face.
    pub(super) family: &'static str,
    /// Whether it runs right to left.
    pub(super) rtl: bool,
    /// Left edge, from the left edge of the line.
    pub(super) x: f64,
    /// Width of the ink and the spaces between.
    pub(super) width: f64,
}

/// A line of text, laid out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    /// The text in logical order.
    pub(super) text: String,
    /// Font size.
    pub(super) size: f64,
    /// Direction of the line as a whole.
    pub(super) rtl: bool,
    /// Its pieces, left to right.
    pub(super) items: Vec<Item>,
    /// Width of all pieces.
    pub(super) width: f64,
    /// Grapheme clusters that no face has.
    pub(super) missing: Vec<String>,
}

/// How a text is read: its direction and script where they are known, otherwise as its first strong character says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading<'a> {
    pub(super) direction: Option<Direction>,
    /// ISO 15924.
    pub(super) script: Option<&'a str>,
}

impl<'a> Reading<'a> {
    /// As a FLORES code says.
    pub(super) fn of_language(code: &'a str) -> Self {
        let script = code.split_once('_').map(|(_, script)| script);
        Self { direction: Some(babelscope_core::lang::direction(code)), script }
    }
}

struct Loaded {
    face: &'static Face,
    font: FontRef<'static>,
    data: ShaperData,
}

static LOADED: LazyLock<Vec<Loaded>> = LazyLock::new(|| {
    let load = |face: &'static Face| {
        let font = FontRef::new(face.bytes).ok()?;
        let data = ShaperData::new(&font);
        Some(Loaded { face, font, data })
    };
    FACES.iter().filter_map(load).collect()
});

impl Loaded {
    /// Width in em, and whether every character has a glyph.
    fn shape(&self, text: &str, rtl: bool) -> (f64, bool) {
        let shaper = self.data.shaper(&self.font).build();
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.set_direction(if rtl { harfrust::Direction::RightToLeft } else { harfrust::Direction::LeftToRight });
        buffer.guess_segment_properties();
        let shaped = shaper.shape(buffer, ShapeOptions::new());
        let units: i32 = shaped.glyph_positions().iter().map(|p| p.x_advance).sum();
        let whole = shaped.glyph_infos().iter().all(|glyph| glyph.glyph_id != 0);
        (f64::from(units) / f64::from(shaper.units_per_em()), whole)
    }

    fn covers(&self, grapheme: &str) -> bool {
        self.shape(grapheme, false).1
    }
}

/// Lays out one line.
pub(super) fn line(text: &str, size: f64, reading: Reading<'_>) -> Line {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let level = reading.direction.map(|d| if d == Direction::Rtl { Level::rtl() } else { Level::ltr() });
    let bidi = BidiInfo::new(&text, level);
    let mut laid = Line { size, ..Line::default() };
    if let Some(paragraph) = bidi.paragraphs.first() {
        laid.rtl = paragraph.level.is_rtl();
        let (levels, runs) = bidi.visual_runs(paragraph, paragraph.range.clone());
        for run in runs {
            let rtl = levels.get(run.start).is_some_and(Level::is_rtl);
            let mut pieces = one_face_each(&text[run], reading.script, &mut laid.missing);
            if rtl {
                pieces.reverse();
            }
            for (face, piece) in pieces {
                laid.push(face, &piece, rtl);
            }
        }
    }
    laid.text = text;
    laid
}

/// [`line`], cut at its logical end with an ellipsis where it is wider than `width`.
pub(super) fn fit(text: &str, size: f64, reading: Reading<'_>, width: f64) -> Line {
    let whole = line(text, size, reading);
    if whole.width <= width {
        return whole;
    }
    let reading = Reading { direction: Some(if whole.rtl { Direction::Rtl } else { Direction::Ltr }), ..reading };
    let ends: Vec<usize> = text.grapheme_indices(true).map(|(at, _)| at).collect();
    // Widths grow with the number of clusters but for rare ligatures, so the longest start that fits is found by halving.
    let cut = |clusters: usize| {
        let end = ends.get(clusters).copied().unwrap_or(text.len());
        line(&format!("{}…", text[..end].trim_end()), size, reading)
    };
    let fitting = (0..ends.len()).collect::<Vec<_>>().partition_point(|&n| cut(n).width <= width);
    cut(fitting.saturating_sub(1))
}

/// Breaks a left-to-right text into lines no wider than `width`, at spaces.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<Line> {
    let reading = Reading { direction: Some(Direction::Ltr), script: None };
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split(' ') {
        let longer = if current.is_empty() { word.to_owned() } else { format!("{current} {word}") };
        if !current.is_empty() && line(&longer, size, reading).width > width {
            lines.push(line(&current, size, reading));
            word.clone_into(&mut current);
        } else {
            current = longer;
        }
    }
    lines.push(line(&current, size, reading));
    lines
}

impl Line {
    fn push(&mut self, loaded: &'static Loaded, piece: &str, rtl: bool) {
        let ink = piece.trim();
        let space = |s: &str| loaded.shape(s, rtl).0 * self.size;
        let (before, after) = (piece.len() - piece.trim_start().len(), piece.trim_end().len());
        let (mut left, mut right) =
            if ink.is_empty() { (space(piece), 0.0) } else { (space(&piece[..before]), space(&piece[after..])) };
        if rtl {
            (left, right) = (right, left);
        }
        if !ink.is_empty() {
            let width = space(ink);
            let x = self.width + left;
            self.items.push(Item { text: anchored(ink, rtl), family: loaded.face.family, rtl, x, width });
            left += width;
        }
        self.width += left + right;
    }
}

/// The piece with marks at its ends where a viewer that assumes a left-to-right paragraph would move them.
fn anchored(piece: &str, rtl: bool) -> String {
    let strong = |c: Option<char>| c.is_some_and(|c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL));
    if !rtl {
        return piece.to_owned();
    }
    let mut text = String::with_capacity(piece.len() + 6);
    if !strong(piece.chars().next()) {
        text.push(RIGHT_TO_LEFT_MARK);
    }
    text.push_str(piece);
    if !strong(piece.chars().next_back()) {
        text.push(RIGHT_TO_LEFT_MARK);
    }
    text
}

/// Cuts a run of one direction where the face must change. A face keeps the spaces and signs that it has, so that words
/// are not torn from their punctuation.
fn one_face_each(run: &str, script: Option<&str>, missing: &mut Vec<String>) -> Vec<(&'static Loaded, String)> {
    let of = |script: &str| fonts::of_script(script).and_then(|f| LOADED.iter().find(|l| l.face.family == f.family));
    let mut pieces: Vec<(&'static Loaded, String)> = Vec::new();
    let letter = |c: &char| !matches!(c.script(), Script::Common | Script::Inherited);
    let mut own = script.and_then(of).or_else(|| of(run.chars().find(letter)?.script().short_name()));
    for grapheme in run.graphemes(true) {
        let by_letter = grapheme.chars().find(letter).and_then(|c| of(c.script().short_name()));
        let candidates = by_letter.into_iter().chain(own).chain(LOADED.iter());
        let Some(chosen) = candidates.clone().find(|l| l.covers(grapheme)).or_else(|| candidates.clone().next()) else {
            continue;
        };
        if !chosen.covers(grapheme) {
            missing.push(grapheme.to_owned());
        }
        if by_letter.is_some() {
            own = Some(chosen);
        }
        match pieces.last_mut() {
            Some((last, text)) if std::ptr::eq(*last, chosen) => text.push_str(grapheme),
            _ => pieces.push((chosen, grapheme.to_owned())),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn natural(text: &str) -> Line {
        line(text, 10.0, Reading::default())
    }

    #[test]
    fn latin_stands_before_a_right_to_left_word_in_a_left_to_right_line_and_behind_in_the_other() {
        let order = |text, direction| {
            let reading = Reading { direction: Some(direction), script: None };
            line(text, 10.0, reading).items.into_iter().map(|item| (item.text, item.rtl)).collect::<Vec<_>>()
        };
        let (latin, arabic) = (("cat".to_owned(), false), ("قطة".to_owned(), true));
        assert_eq!(order("cat قطة", Direction::Ltr), [latin.clone(), arabic.clone()]);
        assert_eq!(order("cat قطة", Direction::Rtl), [arabic, latin]);
    }

    #[test]
    fn numbers_in_arabic_keep_their_own_order_at_their_place_from_the_right() {
        let line = natural("لديها 12 كتابا.");
        let texts: Vec<_> = line.items.iter().map(|i| i.text.trim_matches(RIGHT_TO_LEFT_MARK)).collect();
        assert_eq!(texts, ["كتابا.", "12", "لديها"]);
        assert!(line.rtl && line.items[0].rtl && !line.items[1].rtl);
        assert!(line.items[0].text.ends_with(RIGHT_TO_LEFT_MARK), "the full stop would jump to the right");
    }

    #[test]
    fn pieces_stand_side_by_side_without_overlap_and_fill_the_line() {
        for text in ["القطة (cat) نائمة!", "Hello नमस्ते สวัสดี 你好 ሰላም שלום → x", "  a  ب  "]
        {
            let line = natural(text);
            let mut end = 0.0;
            for item in &line.items {
                assert!(item.x >= end - 1e-9 && item.width > 0.0, "{text}: {:?}", line.items);
                end = item.x + item.width;
            }
            assert!(end <= line.width + 1e-9);
            assert_eq!(line.missing, Vec::<String>::new());
        }
    }

    #[test]
    fn each_word_has_the_face_of_its_script_and_is_not_torn() {
        let families = |text| natural(text).items.iter().map(|i| i.family).collect::<Vec<_>>();
        assert_eq!(families("क्षत्रिय सोती है।"), ["Noto Sans Devanagari"]);
        assert_eq!(families("القطة، نائمة؟"), ["Noto Sans Arabic"]);
        assert_eq!(families("ድመቷ ተኝታለች።"), ["Noto Sans Ethiopic"]);
        assert_eq!(families("猫在床上。"), ["Noto Sans CJK SC"]);
        assert_eq!(families("ไทย x"), ["Noto Sans Thai", "Noto Sans"]);
        assert_eq!(families("\u{25CC}\u{093F}"), ["Noto Sans Devanagari"]);
    }

    #[test]
    fn a_cluster_that_no_face_has_is_told() {
        assert_eq!(natural("a𓀀b").missing, ["𓀀"]);
    }

    #[test]
    fn joined_letters_are_narrower_than_the_same_letters_apart() {
        let apart: f64 = ["س", "ل", "ا", "م"].iter().map(|c| natural(c).width).sum();
        assert!(natural("سلام").width < 0.9 * apart);
    }

    #[test]
    fn cutting_takes_the_logical_end_away_and_never_exceeds_the_width() {
        for text in ["internationalisation", "الحمد لله رب العالمين", "अन्तर्राष्ट्रीयकरण"]
        {
            let cut = fit(text, 10.0, Reading::default(), 40.0);
            assert!(cut.width <= 40.0 && cut.text.ends_with('…'));
            assert!(text.starts_with(cut.text.trim_end_matches('…')) && cut.text.chars().count() > 2, "{}", cut.text);
        }
        assert_eq!(fit("cat", 10.0, Reading::default(), 40.0), natural("cat"));
        let arabic = fit("الحمد لله رب العالمين", 10.0, Reading::default(), 40.0);
        assert!(arabic.items[0].text.contains('…'), "the ellipsis of a right-to-left text stands on the left");
    }

    #[test]
    fn wrapping_loses_no_word() {
        let text = "share of the sentences whose translation is mutually the closest";
        let lines = wrap(text, 10.0, 120.0);
        assert!(lines.len() > 1 && lines.iter().all(|l| l.width <= 120.0));
        assert_eq!(lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>().join(" "), text);
    }
}
