//! Tokens on paper: never a raw string, as half a character is not text.

use babelscope_core::{lang::Direction, tokens::Piece};
use unicode_bidi::{BidiClass, bidi_class};
use unicode_script::{Script, UnicodeScript as _};

use super::{
    colour::Rgb,
    svg::{Anchor, Svg},
    typeset::{Line, Reading, fit, line},
};

/// Room between the dot of a word boundary and the word.
const GAP: f64 = 1.0;

/// A piece, laid out.
#[derive(Debug)]
pub(super) struct Shown {
    line: Line,
    /// The sign of a leading space, apart from the word so that it can step back.
    dot: Option<Line>,
    framed: bool,
}

/// The signs that stand for a piece, in logical order and without the dot of a word boundary.
pub(super) fn signs(piece: &Piece) -> String {
    match piece {
        Piece::Text(text) | Piece::Word(text) | Piece::Marks(text) => {
            let circle = if piece.begins_with_mark() { "\u{25CC}" } else { "" };
            let visible: String = text.chars().map(|c| if c.is_control() { sign(c) } else { c.to_string() }).collect();
            format!("{circle}{visible}")
        }
        Piece::Blank(text) => text.chars().map(sign).collect::<Vec<_>>().join(" "),
        Piece::Special(text) => text.clone(),
        Piece::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join("·"),
    }
}

/// A sign for a character that leaves no ink.
fn sign(c: char) -> String {
    match c {
        ' ' => "␣".to_owned(),
        '\n' => "⏎".to_owned(),
        '\r' => "↵".to_owned(),
        '\t' => "⇥".to_owned(),
        c => format!("U+{:04X}", u32::from(c)),
    }
}

/// Lays a piece out in at most `width`, cut at its logical end. Digits and punctuation alone stand in the direction of the
/// text that they come from.
pub(super) fn shown(piece: &Piece, size: f64, width: f64, text_rtl: bool) -> Shown {
    let signs = signs(piece);
    let neutral = |c: char| !matches!(bidi_class(c), BidiClass::L | BidiClass::R | BidiClass::AL);
    let words = matches!(piece, Piece::Text(_) | Piece::Word(_) | Piece::Marks(_));
    let own = signs.chars().any(of_right_to_left_script);
    let borrowed = words && signs.chars().all(neutral) && (own || text_rtl);
    let natural = Reading { direction: borrowed.then_some(Direction::Rtl), script: None };
    let dot = matches!(piece, Piece::Word(_)).then(|| line("·", size, Reading { script: Some("Latn"), ..natural }));
    let taken = dot.as_ref().map_or(0.0, |d| d.width + GAP);
    let size = if matches!(piece, Piece::Bytes(_)) { size * 0.85 } else { size };
    let framed = matches!(piece, Piece::Special(_));
    let room = width - taken - if framed { 4.0 } else { 0.0 };
    Shown { line: fit(&signs, size, natural, room), dot, framed }
}

/// Vowel signs have no direction of their own, but they are placed by the rules of their script.
fn of_right_to_left_script(c: char) -> bool {
    let scripts = c.script_extension();
    !scripts.is_common()
        && [Script::Arabic, Script::Hebrew, Script::Syriac, Script::Thaana, Script::Nko, Script::Adlam]
            .into_iter()
            .any(|script| scripts.contains_script(script))
}

impl Shown {
    /// Width of everything.
    pub(super) fn width(&self) -> f64 {
        self.line.width + self.dot.as_ref().map_or(0.0, |d| d.width + GAP) + if self.framed { 4.0 } else { 0.0 }
    }

    /// Draws it centred on `x` with the baseline at `y`; `quiet` is the colour of the dot and the frame.
    pub(super) fn draw(&self, svg: &mut Svg, x: f64, y: f64, ink: Rgb, quiet: Rgb) {
        let left = x - self.width() / 2.0;
        if self.framed {
            svg.frame(left, y - self.line.size, self.width(), self.line.size * 1.35, quiet, 2.0);
        }
        let Some(dot) = &self.dot else {
            svg.text(x, y, Anchor::Middle, &self.line, ink, "");
            return;
        };
        // The space comes before the word, so it stands where reading begins.
        let (dot_at, word_at) =
            if self.line.rtl { (left + self.line.width + GAP, left) } else { (left, left + dot.width + GAP) };
        svg.text(dot_at, y, Anchor::Start, dot, quiet, "");
        svg.text(word_at, y, Anchor::Start, &self.line, ink, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_no_ink_gets_a_sign() {
        let own = ToOwned::to_owned;
        assert_eq!(signs(&Piece::Blank(own(" \n\t\u{200D}"))), "␣ ⏎ ⇥ U+200D");
        assert_eq!(signs(&Piece::Bytes(vec![0xE0, 0xA4])), "E0·A4");
        assert_eq!(signs(&Piece::Marks(own("ि"))), "\u{25CC}ि");
        assert_eq!(signs(&Piece::Text(own("्र"))), "\u{25CC}्र");
        assert_eq!(signs(&Piece::Text(own("a\n"))), "a⏎");
        assert_eq!(signs(&Piece::Word(own("cat"))), "cat");
    }

    #[test]
    fn the_dot_of_a_space_stands_where_reading_begins() {
        let places = |text: &str| {
            let mut svg = Svg::default();
            shown(&Piece::Word(text.to_owned()), 10.0, 60.0, false).draw(
                &mut svg,
                50.0,
                10.0,
                Rgb(0, 0, 0),
                Rgb(9, 9, 9),
            );
            let file = svg.finish(100.0, 20.0, "t");
            let document = resvg::usvg::roxmltree::Document::parse(&file).unwrap();
            let texts = document.descendants().filter(|n| n.has_tag_name("text"));
            texts
                .map(|n| (n.text() == Some("·"), n.attribute("x").unwrap().parse::<f64>().unwrap()))
                .collect::<Vec<_>>()
        };
        for (text, before) in [("cat", true), ("سلام", false), ("שלום", false), ("नमस्ते", true)] {
            let [(true, dot), (false, word)] = places(text)[..] else { panic!("{text}: {:?}", places(text)) };
            assert_eq!(dot < word, before, "{text}");
        }
    }

    #[test]
    fn digits_stand_in_the_direction_of_their_text_and_letters_in_their_own() {
        let rtl = |text: &str, of| shown(&Piece::Word(text.to_owned()), 10.0, 60.0, of).line.rtl;
        assert!(rtl("12", true) && rtl("،", true) && rtl("قطة", false));
        assert!(shown(&Piece::Marks("\u{64E}".to_owned()), 10.0, 60.0, false).line.rtl);
        assert!(!shown(&Piece::Marks("\u{E48}".to_owned()), 10.0, 60.0, false).line.rtl);
        assert!(!rtl("12", false) && !rtl("cat", true));
        assert!(!shown(&Piece::Bytes(vec![0x20, 0x21]), 10.0, 60.0, true).line.rtl);
    }

    #[test]
    fn a_long_piece_never_leaves_its_cell() {
        for text in ["internationalisation", "الاستقلالية", "अन्तर्राष्ट्रीयकरण"]
        {
            assert!(shown(&Piece::Word(text.to_owned()), 10.0, 40.0, false).width() <= 40.0);
        }
    }
}
