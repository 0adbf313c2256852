//! Visual order of one line (Unicode Standard Annex 9), cut so that egui's shaper keeps it.
//!
//! egui puts shaped runs left to right in text order, and shapes each section of a layout job alone with a guessed direction.
//! So a line is handed over as stretches in visual order: words of right-to-left letters stay in logical order inside their stretch
//! (the shaper turns them), everything else in a right-to-left run is given out backwards, one grapheme at a time, with brackets mirrored.

use std::borrow::Cow;
use std::ops::Range;

use babelscope_core::lang::Direction;
use unicode_bidi::{BidiClass, BidiInfo, Level, bidi_class};
use unicode_script::{Script, UnicodeScript as _};
use unicode_segmentation::UnicodeSegmentation as _;

/// One section of a line, in the order of the screen from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// What the shaper gets.
    pub text: String,
    /// Where it stands in the logical text, bytes.
    pub range: Range<usize>,
    /// Whether the shaper turns it: a word of right-to-left letters.
    pub turned: bool,
}

/// Pairs whose glyphs change places in right-to-left text (the common part of BidiMirroring.txt).
const MIRRORED: &[(char, char)] = &[
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('<', '>'),
    ('«', '»'),
    ('‹', '›'),
    ('≤', '≥'),
    ('≪', '≫'),
    ('∈', '∋'),
    ('⊂', '⊃'),
    ('⊆', '⊇'),
    ('⟨', '⟩'),
    ('⟪', '⟫'),
    ('⁅', '⁆'),
    ('⁽', '⁾'),
    ('₍', '₎'),
    ('⌈', '⌉'),
    ('⌊', '⌋'),
    ('❨', '❩'),
    ('〈', '〉'),
    ('《', '》'),
    ('「', '」'),
    ('『', '』'),
    ('【', '】'),
    ('〔', '〕'),
    ('〖', '〗'),
    ('（', '）'),
    ('［', '］'),
    ('｛', '｝'),
    ('＜', '＞'),
];

fn mirror(c: char) -> char {
    MIRRORED
        .iter()
        .find_map(|&(open, close)| match c {
            _ if c == open => Some(close),
            _ if c == close => Some(open),
            _ => None,
        })
        .unwrap_or(c)
}

/// Whether the shaper guesses right to left from this character: the scripts of `Bidi_Class` R and AL.
fn turns(c: char) -> bool {
    matches!(
        c.script(),
        Script::Arabic
            | Script::Hebrew
            | Script::Syriac
            | Script::Thaana
            | Script::Nko
            | Script::Adlam
            | Script::Samaritan
            | Script::Mandaic
            | Script::Mende_Kikakui
            | Script::Hanifi_Rohingya
    ) || matches!(bidi_class(c), BidiClass::R | BidiClass::AL)
}

/// Invisible, of the Arabic script: it tells the shaper by which rules the vowel signs of Arabic are placed where no letter does
/// (`◌َ`); the signs themselves belong to several scripts.
const ARABIC_LETTER_MARK: char = '\u{61c}';

/// A vowel sign that Arabic shares with other scripts.
fn is_arabic_sign(c: char) -> bool {
    c.script() == Script::Inherited && c.script_extension().iter().any(|script| script == Script::Arabic)
}

/// The text on one line: line breaks, tabs and other controls as signs that can be seen.
///
/// Direction marks and joiners stay: they are invisible but decide order and shape.
pub fn visible(text: &str) -> Cow<'_, str> {
    let sign = |c: char| match c {
        '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('⏎'),
        '\r' => Some('␣'),
        '\t' => Some('⇥'),
        c if c.is_control() => Some('\u{fffd}'),
        _ => None,
    };
    let text = if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) };
    if text.chars().any(|c| sign(c).is_some()) {
        Cow::Owned(text.chars().map(|c| sign(c).unwrap_or(c)).collect())
    } else {
        text
    }
}

/// A name to put into a sentence of another direction: its marks and digits stay with it (FSI … PDI of Annex 9).
pub fn isolate(name: &str) -> Cow<'_, str> {
    if name.chars().any(turns) { Cow::Owned(format!("\u{2068}{name}\u{2069}")) } else { Cow::Borrowed(name) }
}

/// Direction of a text from its first strong letter; left to right when it has none.
pub fn base_direction(text: &str) -> Direction {
    base_direction_or(text, Direction::Ltr)
}

/// Direction of a text from its first strong letter; `otherwise` when it has none, as a number among words.
pub fn base_direction_or(text: &str, otherwise: Direction) -> Direction {
    match unicode_bidi::get_base_direction(text) {
        unicode_bidi::Direction::Rtl => Direction::Rtl,
        unicode_bidi::Direction::Ltr => Direction::Ltr,
        unicode_bidi::Direction::Mixed => otherwise,
    }
}

/// The stretches of one line from left to right. `text` must not hold paragraph separators (see [`visible`]); what follows one is dropped.
pub fn visual_order(text: &str, direction: Direction) -> Vec<Stretch> {
    let level = match direction {
        Direction::Ltr => Level::ltr(),
        Direction::Rtl => Level::rtl(),
    };
    let info = BidiInfo::new(text, Some(level));
    let Some(paragraph) = info.paragraphs.first() else { return Vec::new() };
    let (levels, runs) = info.visual_runs(paragraph, paragraph.range.clone());
    let mut out = Vec::new();
    for run in runs {
        let Some(part) = text.get(run.clone()) else { continue };
        let rtl = levels.get(run.start).is_some_and(Level::is_rtl);
        let pieces = cut(part, run.start, rtl);
        if rtl {
            out.extend(pieces.into_iter().rev());
        } else {
            out.extend(pieces);
        }
    }
    out
}

/// Cuts one directional run, in logical order.
fn cut(part: &str, offset: usize, rtl: bool) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    // Whether the stretch that is open takes more graphemes.
    let mut open = false;
    for (at, grapheme) in part.grapheme_indices(true) {
        let range = offset + at..offset + at + grapheme.len();
        let letter = grapheme.chars().next().is_some_and(|c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL));
        // In a left-to-right run nothing may stand in one stretch that the shaper would turn: letters under an override, and
        // digits such as ۱۲۳, whose script is Arabic though they are read from left to right.
        let borrowed = !letter && grapheme.chars().any(is_arabic_sign) && !grapheme.chars().any(turns);
        let joins = if rtl { letter } else { !borrowed && !grapheme.chars().any(turns) };
        match out.last_mut() {
            Some(last) if open && joins => {
                last.text.push_str(grapheme);
                last.range.end = range.end;
            }
            _ => {
                let mut text: String =
                    if rtl && !letter { grapheme.chars().map(mirror).collect() } else { grapheme.to_owned() };
                if borrowed {
                    text.insert(0, ARABIC_LETTER_MARK);
                }
                out.push(Stretch { text, range, turned: rtl && letter });
            }
        }
        open = joins;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The screen from left to right, one character at a time, as unicode-bidi would give it out (it does not mirror).
    fn flat(text: &str, direction: Direction) -> String {
        visual_order(text, direction)
            .iter()
            .map(|s| if s.turned { s.text.chars().rev().collect() } else { text[s.range.clone()].to_owned() })
            .collect()
    }

    fn reference(text: &str, direction: Direction) -> String {
        let level = if direction == Direction::Rtl { Level::rtl() } else { Level::ltr() };
        let info = BidiInfo::new(text, Some(level));
        info.reorder_line(&info.paragraphs[0], info.paragraphs[0].range.clone()).into_owned()
    }

    #[test]
    fn order_is_that_of_unicode_bidi() {
        for text in [
            "hello",
            "שלום עולם",
            "שלום world 123, (טוב)!",
            "The word שלום (peace) in Hebrew",
            "قرأ 25 كتابا في 2024 (Rust 1.95).",
            "price: 12-34 ש\"ח",
            "a\u{202e}bcd\u{202c}e",
        ] {
            for direction in [Direction::Ltr, Direction::Rtl] {
                assert_eq!(flat(text, direction), reference(text, direction), "{text:?} {direction:?}");
            }
        }
    }

    #[test]
    fn letters_stay_together_and_brackets_are_mirrored() {
        let shown: Vec<String> = visual_order("אבג (12) דה", Direction::Rtl).into_iter().map(|s| s.text).collect();
        assert_eq!(shown, ["דה", " ", "(", "12", ")", " ", "אבג"]);
    }

    #[test]
    fn equal_formats_never_turn_digits() {
        let shown: Vec<String> = visual_order("عام 2024", Direction::Rtl).into_iter().map(|s| s.text).collect();
        assert_eq!(shown, ["2024", " ", "عام"]);
    }

    #[test]
    fn digits_of_a_right_to_left_script_are_never_turned() {
        let shown: Vec<String> = visual_order("سال ۱۲۳", Direction::Rtl).into_iter().map(|s| s.text).collect();
        assert_eq!(shown, ["۱", "۲", "۳", " ", "سال"]);
    }

    #[test]
    fn a_lone_arabic_sign_is_shaped_as_arabic() {
        let shown: Vec<String> = visual_order("◌\u{64e}", Direction::Ltr).into_iter().map(|s| s.text).collect();
        assert_eq!(shown, ["\u{61c}◌\u{64e}"]);
        let latin: Vec<String> = visual_order("e\u{301}a", Direction::Ltr).into_iter().map(|s| s.text).collect();
        assert_eq!(latin, ["e\u{301}a"]);
    }

    #[test]
    fn an_isolated_name_keeps_its_marks() {
        let sentence = format!("token 3, {}, 0.31", isolate("·قط"));
        let shown: String = visual_order(&sentence, Direction::Ltr).into_iter().map(|s| s.text).collect();
        assert_eq!(shown.replace(['\u{2068}', '\u{2069}'], ""), "token 3, قط·, 0.31");
        assert_eq!(isolate("plain"), "plain");
    }

    #[test]
    fn stretches_cover_the_line_once() {
        let text = "مرحبا (hello) ١٢٣ שלום\u{200f}, ok";
        for direction in [Direction::Ltr, Direction::Rtl] {
            let mut ranges: Vec<_> = visual_order(text, direction).into_iter().map(|s| s.range).collect();
            ranges.sort_by_key(|r| r.start);
            assert_eq!(ranges.first().unwrap().start, 0);
            assert_eq!(ranges.last().unwrap().end, text.len());
            assert!(ranges.windows(2).all(|w| w[0].end == w[1].start));
        }
    }

    #[test]
    fn controls_are_shown_as_signs() {
        assert_eq!(visible("a\nb\tc\r\nd\u{1}"), "a⏎b⇥c⏎d\u{fffd}");
        assert_eq!(visible("plain"), "plain");
    }
}
