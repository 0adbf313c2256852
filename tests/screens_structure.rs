//! The views of structure, of the map, of the tokenizer and of tasks, on the made-up run.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use babelscope::{run::Run, tables::measures::Probed};
use babelscope_probes::project::MapMethod;
use babelscope_tests::{
    measured::{self, NO_WORDS, TOKENIZERS},
    synthetic::{self, LAYERS},
    window::{HEAT_MAP, Window, click, click_cell, labels, pick, press, see, settle, showing, value},
};
use egui::{Event, Key, Modifiers, PointerButton, Pos2};
use egui_kittest::kittest::Queryable as _;

const MAP: &str = "map of sentences";
const PLACES: &str = "languages along two components";

fn on<'a>(screen: &str, tab: Option<&str>) -> Window<'a> {
    let mut window = showing(synthetic::run());
    click(&mut window, screen);
    if let Some(tab) = tab {
        click(&mut window, &format!("tab {tab}"));
    }
    window
}

fn line(code: &str, at: usize) -> String {
    synthetic::corpus().lines(code).unwrap()[at].clone()
}

/// Moves a slider by an arrow key as far as it goes.
fn slide(window: &mut Window<'_>, slider: &str, by: Key) {
    see(window, slider);
    window.get_by_label(slider).focus();
    settle(window);
    for _ in 0..=LAYERS {
        press(window, by);
    }
}

#[test]
fn the_share_of_language_is_drawn_and_a_slider_chooses_the_layer_everywhere() {
    let mut window = on("Structure", None);
    assert!(window.query_by_label("language share of variance over layers").is_some());
    slide(&mut window, "layer of the scree", Key::ArrowLeft);
    assert_eq!(window.state().selection().layer, Some(0));
    assert!(window.query_by_label("share of each component").is_some());
    click(&mut window, "Alignment");
    click_cell(&mut window, HEAT_MAP, (0, 5), (2, LAYERS + 1));
    click(&mut window, "Structure");
    assert_eq!(window.state().selection().layer, Some(2));
    assert!(window.query_all_by_label("layer 2 of 6").next().is_some());
}

#[test]
fn places_of_languages_are_reached_by_arrow_keys() {
    let mut window = on("Structure", None);
    see(&mut window, PLACES);
    assert_eq!(value(&window, PLACES), "6 points, none chosen");
    window.get_by_label(PLACES).focus();
    settle(&mut window);
    press(&mut window, Key::ArrowRight);
    // Languages stand by code: Arabic first, with its planted coordinates at the deepest layer.
    assert_eq!(window.state().selection().language.as_deref(), Some("arb_Arab"));
    assert_eq!(value(&window, PLACES), "Modern Standard Arabic (arb_Arab), layer 6, -0.940 and 0.160");
    pick(&mut window, "component upwards", "component 3");
    assert_eq!(value(&window, PLACES), "Modern Standard Arabic (arb_Arab), layer 6, -0.940 and 6.060");
}

#[test]
fn distances_are_the_same_both_ways_and_raw_ones_are_larger() {
    let mut window = on("Structure", None);
    let square = "distances of languages";
    see(&mut window, square);
    // In the order that the probe has found: the languages backwards.
    let codes: Vec<String> = synthetic::corpus().languages.into_iter().rev().collect();
    let n = codes.len();
    click_cell(&mut window, square, (0, n), (n - 1, n));
    let said = value(&window, square);
    assert!(said.contains(&format!("layer {LAYERS}")) && said.contains("distance of languages 5.350"), "{said}");
    click_cell(&mut window, square, (n - 1, n), (0, n));
    assert!(value(&window, square).contains("distance of languages 5.350"), "{}", value(&window, square));
    click(&mut window, "distances: raw");
    assert!(value(&window, square).contains("distance of languages 5.600"), "{}", value(&window, square));
}

#[test]
fn linear_probes_have_a_task_a_reason_and_a_transfer_square() {
    let mut window = on("Structure", Some("Linear probes"));
    assert!(window.query_by_label("accuracy of linear probes over layers").is_some());
    assert!(window.query_by_label_contains("one script alone has no second language").is_some());
    pick(&mut window, "task of the probe", "topic");
    let square = "transfer between languages";
    see(&mut window, square);
    let n = synthetic::corpus().languages.len();
    click_cell(&mut window, square, (0, n), (1, n));
    let said = value(&window, square);
    assert!(said.contains("transfer accuracy") && said.contains("chance 0.5000"), "{said}");
    assert!(window.state().selection().pivot.is_some());
}

#[test]
fn neurons_are_counted_by_layer_and_the_controls_share_one_range() {
    let mut window = on("Structure", Some("Neurons"));
    let rows = labels(&window, "neurons, layer ");
    assert_eq!(rows.len(), LAYERS);
    assert!(rows[0].starts_with("neurons, layer 1: English 1, "), "{rows:?}");
    assert!(window.query_by_label_contains("choose the same to 0.640 (chance 0.010)").is_some());
    let square = "perplexity ratio";
    see(&mut window, square);
    let n = synthetic::corpus().languages.len();
    click_cell(&mut window, square, (1, n), (1, n));
    assert!(value(&window, square).contains("perplexity ratio 2.000"), "{}", value(&window, square));
    // Around 1, whatever the set: the same legend.
    let legend = "colours of perplexity ratio: 0 to 2";
    assert!(window.query_by_label(legend).is_some());
    click(&mut window, "switched off: random");
    assert!(value(&window, square).contains("perplexity ratio 1.050"), "{}", value(&window, square));
    assert!(window.query_by_label(legend).is_some());
    assert!(!labels(&window, "Hindi: random sets 0.26").is_empty());
}

/// Clicks the point of a language and a sentence on the map, which is at its planted place.
fn click_point(window: &mut Window<'_>, method: MapMethod, layer: usize, language: usize, sentence: usize) {
    let report = measured::map();
    let maps: Vec<_> = report.maps.iter().filter(|m| m.method == method && m.centring.name() == "raw").collect();
    let all = || maps.iter().flat_map(|m| m.points.iter().flatten());
    let ends = |of: fn(&(f32, f32)) -> f32| {
        let (low, high) = all().map(of).fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let margin = 0.05 * (high - low);
        (low - margin, high + margin)
    };
    let (x, y) = (ends(|p| p.0), ends(|p| p.1));
    let point = maps.iter().find(|m| m.layer == layer).unwrap().points[language][sentence];
    let rect = window.get_by_label(MAP).rect();
    let pos = Pos2::new(
        rect.left() + (point.0 - x.0) / (x.1 - x.0) * rect.width(),
        rect.bottom() - (point.1 - y.0) / (y.1 - y.0) * rect.height(),
    );
    window.event(Event::PointerMoved(pos));
    for pressed in [true, false] {
        window.event(Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE });
    }
    settle(window);
}

#[test]
fn a_point_of_the_map_chooses_its_sentence_on_every_screen() {
    let mut window = on("Map", None);
    slide(&mut window, "layer of the map", Key::ArrowLeft);
    let arabic = synthetic::corpus().languages.iter().position(|l| l == "arb_Arab").unwrap();
    click_point(&mut window, MapMethod::Pca, 0, arabic, 4);
    let selection = window.state().selection().clone();
    assert_eq!((selection.language.as_deref(), selection.sentence), (Some("arb_Arab"), Some(4)));
    let text = line("arb_Arab", 4);
    let said = value(&window, MAP);
    assert!(said.starts_with("Modern Standard Arabic (arb_Arab), line 5, layer 0: ") && said.contains(&text), "{said}");
    click(&mut window, "Alignment");
    click_cell(&mut window, HEAT_MAP, (0, 5), (6, LAYERS + 1));
    assert!(labels(&window, "sentence ").iter().any(|l| l.starts_with("sentence 5 ")));
    click(&mut window, "Lens");
    let english = line("eng_Latn", 4);
    assert_eq!(window.get_by_label("Sentence").value().as_ref(), Some(&english));
}

#[test]
fn names_and_sentences_of_every_script_are_said_on_the_map() {
    let mut window = on("Map", None);
    for code in ["hin_Deva", "tha_Thai", "arb_Arab"] {
        let language = synthetic::corpus().languages.iter().position(|l| l == code).unwrap();
        click_point(&mut window, MapMethod::Pca, LAYERS, language, 2);
        let text = line(code, 2);
        assert!(value(&window, MAP).contains(&text), "{}", value(&window, MAP));
    }
}

#[test]
fn a_layer_without_a_map_says_why() {
    let mut window = on("Map", None);
    click(&mut window, "method: t-SNE");
    slide(&mut window, "layer of the map", Key::ArrowLeft);
    assert!(window.query_by_label_contains("all states are equal, so there is nothing to draw").is_some());
    slide(&mut window, "layer of the map", Key::ArrowRight);
    assert!(window.query_by_label(MAP).is_some());
}

#[test]
fn colours_and_lines_of_the_map_have_their_choosers() {
    let mut window = on("Map", None);
    for paint in ["by family", "by script", "by resources"] {
        pick(&mut window, "colour of a point", paint);
    }
    assert!(window.query_by_label("colours of resource class: 0 to 5").is_some());
    click(&mut window, "lines: all lines");
    click(&mut window, "lines: no lines");
    pick(&mut window, "centring of the map", "centred");
    assert!(window.query_by_label_contains("account for 43 % and 12 % of the variance").is_some());
    assert!(window.query_by_label("trust of the map over layers").is_some());
    click(&mut window, "Play the layers");
    assert!(window.query_by_label("Stop playing").is_some());
}

/// 200,000 points are one mesh, and the pointer finds one of them.
#[test]
fn two_hundred_thousand_points_are_few_shapes() {
    let mut run = synthetic::run();
    let report = run.map.as_mut().unwrap();
    report.maps.retain(|m| m.layer >= LAYERS - 1 && m.method == MapMethod::Pca && m.centring.name() == "raw");
    report.layers = vec![LAYERS - 1, LAYERS];
    let each = 200_000 / report.languages.len() + 1;
    report.sentences = (0..each).collect();
    for map in &mut report.maps {
        for (l, points) in map.points.iter_mut().enumerate() {
            *points = (0..each).map(|i| ((i * 37 % 1009) as f32, ((i * 91 + l * 13) % 997) as f32)).collect();
        }
    }
    let mut window = showing(run);
    click(&mut window, "Map");
    assert!(window.output().shapes.len() < 600, "{} shapes", window.output().shapes.len());
    let rect = window.get_by_label(MAP).rect();
    let pos = rect.center();
    window.event(Event::PointerMoved(pos));
    for pressed in [true, false] {
        window.event(Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE });
    }
    settle(&mut window);
    assert!(window.state().selection().sentence.is_some());
}

#[test]
fn premiums_are_bars_with_intervals_and_a_missing_fertility_says_why() {
    let mut window = on("Tokenizer", None);
    let hindi = synthetic::corpus().languages.iter().position(|l| l == "hin_Deva").unwrap();
    let planted = measured::premium(hindi);
    let bar = format!("Hindi (hin_Deva), premium {planted:.3} [{:.3}, {:.3}], n 6", planted - 0.2, planted + 0.2);
    assert!(window.query_by_label(&bar).is_some(), "{bar}");
    let tops: Vec<f32> = labels(&window, "")
        .iter()
        .filter(|l| l.contains(", premium "))
        .map(|l| window.get_by_label(l).rect().top())
        .collect();
    assert_eq!(tops.len(), synthetic::corpus().languages.len() - 1);
    click(&mut window, &bar);
    assert_eq!(window.state().selection().language.as_deref(), Some("hin_Deva"));
    pick(&mut window, "metric of the tokenizer", "fertility");
    assert!(window.query_by_label(&format!("Thai (tha_Thai), fertility has no value: {NO_WORDS}")).is_some());
    pick(&mut window, "order of the bars", "by script");
    assert!(window.query_by_label("Devanagari").is_some());
}

#[test]
fn two_tokenizers_stand_side_by_side() {
    let mut run = synthetic::run();
    run.measured.retain(|probed: &Probed| probed.probe != "tokenizer");
    run.measured.push(measured::two_tokenizers());
    let mut window = showing(run);
    click(&mut window, "Tokenizer");
    let hindi = measured::premium(synthetic::corpus().languages.iter().position(|l| l == "hin_Deva").unwrap());
    let left = |name: &str, value: f64, window: &Window<'_>| {
        let label = labels(window, &format!("Hindi (hin_Deva), premium {value:.3} "));
        assert_eq!(label.len(), 1, "{name}");
        window.get_by_label(&label[0]).rect().left()
    };
    let (ours, theirs) = (left(TOKENIZERS[0], hindi, &window), left(TOKENIZERS[1], hindi + 0.5, &window));
    assert!(ours < theirs);
    click(&mut window, "tab Vocabulary");
    assert_eq!(labels(&window, "scripts, whole vocabulary: ").len(), 2);
}

#[test]
fn the_vocabulary_is_split_by_script_and_shared_by_pairs() {
    let mut window = on("Tokenizer", Some("Vocabulary"));
    let rows = labels(&window, "scripts, whole vocabulary: ");
    assert_eq!(
        rows,
        ["scripts, whole vocabulary: Arabic 0.100, Devanagari 0.050, Latin 0.600, no script 0.150, bytes 0.100"]
    );
    assert!(!labels(&window, "scripts, Thai: Latin 0.250, bytes 0.750").is_empty());
    let square = "shared tokens of languages";
    see(&mut window, square);
    let n = synthetic::corpus().languages.len();
    click_cell(&mut window, square, (0, n), (1, n));
    assert!(value(&window, square).contains("overlap of vocabularies"), "{}", value(&window, square));
}

#[test]
fn scores_lie_against_alignment_with_their_correlations() {
    let mut window = on("Tokenizer", Some("Tasks"));
    slide(&mut window, "layer of the scores", Key::ArrowLeft);
    assert!(window.query_by_label_contains("Pearson r 0.300 [0.100, 0.500], 5 languages, adjusted p 0.0100").is_some());
    assert!(window.query_by_label_contains("partial r 0.050 [-0.200, 0.300], 5 languages").is_some());
    let scatter = "alignment against scores";
    see(&mut window, scatter);
    window.get_by_label(scatter).focus();
    settle(&mut window);
    press(&mut window, Key::ArrowRight);
    let said = value(&window, scatter);
    let code = window.state().selection().language.clone().unwrap();
    let run = synthetic::run();
    let cell = run.align.as_ref().unwrap().cell(&code, "eng_Latn", 0, babelscope_probes::align::Centring::Language);
    assert!(said.contains(&format!("MEXA, centred {:.3}, belebele ", cell.unwrap().mexa.value)), "{said}");
    assert!(window.query_by_label("correlation over layers").is_some());
}

#[test]
fn what_a_run_does_not_have_is_said_with_the_way_to_it() {
    let mut window = showing(Run { measured: Vec::new(), map: None, ..synthetic::run() });
    click(&mut window, "Map");
    assert!(window.query_by_label_contains("[[probe]] kind = \"map\"").is_some());
    click(&mut window, "Structure");
    assert!(window.query_by_label_contains("[[probe]] kind = \"structure\"").is_some());
    click(&mut window, "tab Neurons");
    assert!(window.query_by_label_contains("[[probe]] kind = \"neurons\"").is_some());
    click(&mut window, "Tokenizer");
    assert!(window.query_by_label_contains("[[probe]] kind = \"tokenizer\"").is_some());
}
