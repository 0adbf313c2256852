//! Text in every script, through egui, without a window: what is shown, what it is called, and what a click hits.

use std::ops::Range;

use babelscope_core::lang::Direction;
use babelscope_core::tokens::Piece;
use babelscope_gui::text::{Line, Passage, PassageOutput, TokenSpan, install_fonts};
use babelscope_gui::widgets::tokens::{StripOutput, TokenStrip, paint_piece_in};
use babelscope_tests::samples;
use egui::{Color32, Event, Rect, Ui, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use proptest::prelude::{Strategy as _, any, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};

/// A harness that draws with our fonts from its second frame on; it refuses boxes and nameless widgets by itself.
fn harness<'a, S: 'a>(state: S, mut show: impl FnMut(&mut Ui, &mut S) + 'a) -> Harness<'a, S> {
    let mut ready = false;
    let mut harness = Harness::builder().with_size(vec2(900.0, 700.0)).build_ui_state(
        move |ui, state| {
            if ready {
                show(ui, state);
            } else {
                install_fonts(ui.ctx());
                ready = true;
            }
        },
        state,
    );
    harness.run();
    harness
}

/// Words of a text with their white space, as a tokenizer would cut them.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut starts: Vec<usize> = text.char_indices().filter(|&(at, c)| at > 0 && c == ' ').map(|(at, _)| at).collect();
    starts.insert(0, 0);
    starts.push(text.len());
    starts.windows(2).map(|w| w[0]..w[1]).collect()
}

fn spans(ranges: &[Range<usize>]) -> Vec<TokenSpan> {
    ranges
        .iter()
        .enumerate()
        .map(|(at, range)| TokenSpan {
            range: range.clone(),
            name: Some(format!("token {}", at + 1)),
            ..TokenSpan::default()
        })
        .collect()
}

#[test]
fn every_script_is_drawn_and_named_by_its_logical_text() {
    let harness = harness((), |ui, ()| {
        for (_, text) in samples::SAMPLES {
            Line::new(*text).show(ui);
        }
    });
    for (_, text) in samples::SAMPLES {
        harness.get_by_label(text);
    }
}

#[test]
fn what_is_cut_is_the_logical_end() {
    let mut shown = harness(Vec::new(), |ui, out: &mut Vec<_>| {
        out.clear();
        for text in ["ترى القطة الشجرة الخضراء الصغيرة", "The cat sees the small green tree"]
        {
            out.push(Line::new(text).width(100.0).layout(ui.painter()));
        }
    });
    shown.run();
    let [arabic, english] = shown.state().as_slice() else { panic!("two lines") };
    // A galley is in visual order: what is cut off a right-to-left line is missing at its left.
    assert!(arabic.elided && arabic.galley.text().starts_with('…') && arabic.galley.text().ends_with("ترى"));
    assert!(english.elided && english.galley.text().starts_with("The cat") && english.galley.text().ends_with('…'));
    assert!(arabic.galley.size().x <= 100.0 && english.galley.size().x <= 100.0);
    assert_eq!((arabic.direction, english.direction), (Direction::Rtl, Direction::Ltr));
}

type Shown = (&'static str, Vec<TokenSpan>, Option<PassageOutput>);

fn passage(text: &'static str, tokens: Vec<TokenSpan>, width: f32) -> Harness<'static, Shown> {
    harness((text, tokens, None), move |ui, (text, tokens, out)| {
        let shown = Passage::new(text).tokens(tokens).size(18.0).width(width).show(ui);
        let clicked = shown.clicked.or(out.as_ref().and_then(|o: &PassageOutput| o.clicked));
        *out = Some(PassageOutput { clicked, ..shown });
    })
}

#[test]
fn each_token_is_hovered_and_clicked_at_its_own_place() {
    for (name, text) in samples::SAMPLES {
        let ranges = words(text);
        for width in [800.0, 160.0] {
            let mut harness = passage(text, spans(&ranges), width);
            for token in 0..ranges.len() {
                let rects = harness.state().2.as_ref().unwrap().rects[token].clone();
                assert!(!rects.is_empty(), "{name}: token {token} stands nowhere");
                for rect in rects.iter().filter(|r| r.width() > 1.0) {
                    harness.event(Event::PointerMoved(rect.center()));
                    harness.run();
                    assert_eq!(harness.state().2.as_ref().unwrap().hovered, Some(token), "{name} {rect:?}");
                }
            }
            let last = format!("token {}", ranges.len());
            harness.get_by_label(&last).click();
            harness.run();
            assert_eq!(harness.state().2.as_ref().unwrap().clicked, Some(ranges.len() - 1), "{name}");
        }
    }
}

#[test]
fn right_to_left_tokens_run_to_the_left() {
    let text = "ترى القطة الشجرة";
    let harness = passage(text, spans(&words(text)), 800.0);
    let rects = &harness.state().2.as_ref().unwrap().rects;
    let left: Vec<f32> = rects.iter().map(|r| r[0].left()).collect();
    assert!(left[0] > left[1] && left[1] > left[2], "{left:?}");
}

#[test]
fn thai_words_are_not_torn_at_the_end_of_a_line() {
    let words = ["แมว", "เห็น", "ต้นไม้", "เล็ก", "สี", "เขียว"];
    let text: &'static str = words.concat().leak();
    let mut at = 0;
    let ranges: Vec<_> = words
        .iter()
        .map(|w| {
            (at, {
                at += w.len();
                at
            })
        })
        .map(|(a, b)| a..b)
        .collect();
    let harness = passage(text, spans(&ranges), 90.0);
    let rects = &harness.state().2.as_ref().unwrap().rects;
    let rows: std::collections::BTreeSet<i32> = rects.iter().map(|r| r[0].top() as i32).collect();
    assert!(rows.len() > 1, "the line was meant to be too narrow");
    for (word, rects) in words.iter().zip(rects) {
        assert_eq!(rects.len(), 1, "{word} is on two lines");
    }
}

#[test]
fn colours_leave_the_letters_where_they_are() {
    let text = "العربية हिन्दी";
    let letters: Vec<Range<usize>> = text.char_indices().map(|(at, c)| at..at + c.len_utf8()).collect();
    let plain = passage(text, spans(&letters), 500.0);
    let coloured = spans(&letters)
        .into_iter()
        .enumerate()
        .map(|(at, span)| TokenSpan { color: [Some(Color32::RED), None][at % 2], fill: Some(Color32::BLUE), ..span })
        .collect();
    let coloured = passage(text, coloured, 500.0);
    assert_eq!(plain.state().2.as_ref().unwrap().rects, coloured.state().2.as_ref().unwrap().rects);
}

#[test]
fn strips_name_their_tokens_and_tell_which_was_clicked() {
    let text = "سلام world";
    let mut harness = harness(None, move |ui, out: &mut Option<StripOutput>| {
        let pieces = [Piece::Special("<s>".into()), Piece::Text("سلام".into()), Piece::Word("world".into())];
        let spans = [0..0, 0..8, 8..14];
        let fills = [Color32::TRANSPARENT; 3];
        let strip = TokenStrip {
            text,
            spans: &spans,
            pieces: &pieces,
            fills: &fills,
            selected: Some(1),
            direction: Some(Direction::Rtl),
            size: 16.0,
        };
        let shown = strip.show(ui);
        if shown.clicked.is_some() || out.is_none() {
            *out = Some(shown);
        }
    });
    for (at, name) in ["token 1, <s>", "token 2, سلام", "token 3, ·world"].iter().enumerate() {
        harness.get_by_label(name).click();
        harness.run();
        assert_eq!(harness.state().as_ref().unwrap().clicked, Some(at), "{name}");
    }
    let rects = harness.state().as_ref().unwrap().rects.clone();
    assert!(rects[0][0].left() > rects[1][0].left() && rects[1][0].left() > rects[2][0].left(), "{rects:?}");
}

#[test]
fn no_text_brings_the_window_down() {
    let of = |low: char, high: char| prop::char::range(low, high);
    let any_script = prop_oneof![
        any::<char>(),
        of('\u{0}', '\u{20}'),
        of('\u{300}', '\u{36f}'),
        of('\u{5d0}', '\u{6ff}'),
        of('\u{900}', '\u{97f}'),
        of('\u{e00}', '\u{e7f}'),
        of('\u{200b}', '\u{206f}'),
        of('\u{1f1e6}', '\u{1f64f}'),
    ];
    let texts = prop_oneof![
        4 => prop::collection::vec(any_script, 0..80).prop_map(String::from_iter),
        1 => of('\u{600}', '\u{6ff}').prop_map(|c| String::from_iter(vec![c; 5000])),
    ];
    let mut ready = false;
    let mut harness = Harness::builder().with_size(vec2(900.0, 700.0)).allow_missing_glyphs().build_ui_state(
        move |ui, (text, width): &mut (String, f32)| {
            if !ready {
                install_fonts(ui.ctx());
                ready = true;
                return;
            }
            Line::new(text.as_str()).width(*width).show(ui);
            let letters: Vec<Range<usize>> =
                text.char_indices().map(|(at, c)| at..at + c.len_utf8()).take(200).collect();
            Passage::new(text).tokens(&spans(&letters)).width(*width).show(ui);
            let rect = Rect::from_min_size(ui.cursor().min, vec2(*width, 20.0));
            for piece in [Piece::Text(text.clone()), Piece::Word(text.clone()), Piece::Blank(text.clone())] {
                paint_piece_in(ui.painter(), rect, &piece, 12.0, Color32::WHITE, Direction::Rtl);
            }
        },
        (String::new(), 1.0),
    );
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let shown = std::cell::RefCell::new(&mut harness);
    let result = runner.run(&(texts, 1.0_f32..900.0), |case| {
        let mut harness = shown.borrow_mut();
        *harness.state_mut() = case;
        harness.step();
        Ok(())
    });
    result.unwrap();
}
