//! Laws that hold for every figure.

use super::*;

fn every_figure() -> Vec<(String, String)> {
    let languages = ["arb_Arab", "hin_Deva", "tha_Thai", "zho_Hans", "amh_Ethi", "heb_Hebr", "tam_Taml"];
    let report = samples::alignment(&languages, 8, 200);
    all(Some(&report), &[samples::lens(&["cat", "قطة"], 4), samples::every_script()], &samples::source())
}

#[test]
fn each_figure_has_its_name() {
    let names: Vec<_> = every_figure().into_iter().map(|(name, _)| name).collect();
    let lenses = ["lens-1", "lens-1-languages", "lens-2", "lens-2-languages"];
    assert_eq!(names, [&["alignment-eng_Latn", "curves-eng_Latn"][..], &lenses[..]].concat());
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    assert_eq!(every_figure(), every_figure());
}

#[test]
fn every_figure_becomes_a_picture_that_is_not_blank() {
    for (name, svg) in every_figure() {
        let picture = resvg::tiny_skia::Pixmap::decode_png(&png::render(&svg).unwrap()).unwrap();
        let inked = picture.pixels().iter().filter(|p| (p.red(), p.green(), p.blue()) != (255, 255, 255)).count();
        assert!(inked * 100 > picture.pixels().len(), "{name}");
        assert!(picture.pixels().iter().all(|p| p.alpha() == 255), "{name} has no paper");
    }
}

#[test]
fn texts_of_a_figure_never_overlap() {
    let many = samples::codes(2000);
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let report = samples::alignment(&many[..60], 80, 200);
    let few = samples::alignment(&many[..12], 80, 200);
    let very_many = samples::alignment(&many, 12, 200);
    let mut figures = every_figure();
    for report in [&report, &few, &very_many] {
        figures.extend(all(Some(report), &[], &samples::source()));
    }
    for (name, svg) in figures {
        let boxes = png::text_boxes(&svg);
        assert!(boxes.len() > 10, "{name}");
        for (at, (text, a)) in boxes.iter().enumerate() {
            for (other, b) in &boxes[at + 1..] {
                // Marks of tall scripts reach beyond their line by design: only a real crossing counts.
                let wide = a.right().min(b.right()) - a.left().max(b.left());
                let tall = a.bottom().min(b.bottom()) - a.top().max(b.top());
                assert!(wide < 1.0 || tall < 3.0, "{name}: {text:?} and {other:?} cross");
            }
        }
    }
}

#[test]
fn every_text_is_inside_the_paper() {
    for (name, svg) in every_figure() {
        let (width, height) = png::size(&svg);
        for (text, b) in png::text_boxes(&svg) {
            assert!(
                b.left() >= 0.0 && b.top() >= 0.0 && b.right() <= width && b.bottom() <= height,
                "{name}: {text:?}"
            );
        }
    }
}

#[test]
fn a_language_has_the_same_colour_in_curves_and_in_the_lens() {
    let report = samples::alignment(&["hin_Deva", "arb_Arab"], 2, 50);
    let drawn = curves(&report, "eng_Latn", &samples::source());
    let read = lens(&samples::lens(&["a", "b"], 4), Colouring::Language, &samples::source());
    // arb, eng, hin: places 0 and 2.
    for place in [0, 2] {
        let colour = colour::language(place);
        assert!(drawn.contains(&format!("stroke=\"{colour}\"")));
        assert!(read.contains(&format!("fill=\"{}\"", colour::tint(colour, 0.42))));
    }
}

/// A page of a screen is about a thousand units high.
#[test]
fn a_figure_of_two_thousand_languages_is_as_large_as_one_of_a_hundred() {
    let codes = samples::codes(2000);
    let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
    let sizes = |languages: &[&str]| {
        let figures = all(Some(&samples::alignment(languages, 12, 200)), &[], &samples::source());
        figures.into_iter().map(|(_, svg)| (png::size(&svg), svg.len())).collect::<Vec<_>>()
    };
    for (((wide, high), bytes), ((_, hundred), _)) in sizes(&codes).into_iter().zip(sizes(&codes[..100])) {
        assert!(high <= hundred + 40.0 && high < 2000.0 && wide < 1200.0, "{wide} x {high}");
        assert!(bytes < 2_000_000, "{bytes} bytes");
    }
}
