//! Every measure in the alignment view: picker, variants, nulls, orders, missing numbers, all pairs, and the way to the sentences.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use babelscope::{run::Run, spec::RunSpec};
use babelscope_probes::align::Centring;
use babelscope_tests::{
    measured::{self, NO_SVCCA},
    synthetic::{self, LAYERS},
    window::{HEAT_MAP, Window, click, click_cell, fake_window, labels, pick, press, settle, showing, value},
};
use egui::{Event, Key, Pos2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

const PAIRS: &str = "alignment, languages by pivots";

/// The code in "Chinese (simplified) (zho_Hans), layer 3".
fn code_of(said: &str) -> String {
    let parts = said.split('(').filter_map(|part| part.split_once(')')).map(|(inside, _)| inside);
    parts.into_iter().find(|inside| inside.contains('_')).unwrap_or_default().to_owned()
}

fn place(code: &str) -> usize {
    synthetic::corpus().languages.iter().position(|l| l == code).unwrap()
}

#[test]
fn the_picker_groups_measures_by_probe_and_the_variant_has_two_parts() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Retrieval: MEXA");
    click_cell(&mut window, HEAT_MAP, (1, 5), (3, LAYERS + 1));
    let said = value(&window, HEAT_MAP);
    let language = place(&code_of(&said));
    // The centring stays, and so does what the picker does not name.
    let planted = measured::retrieval(language, 0, 3, "language/cosine");
    assert!(said.contains(&format!("MEXA {planted:.3} [")), "{said}, planted {planted:.3}");
    assert!(said.contains("centred, cosine"), "{said}");
    click(&mut window, "similarity: CSLS");
    let said = value(&window, HEAT_MAP);
    let planted = measured::retrieval(language, 0, 3, "language/csls");
    assert!(said.contains(&format!("MEXA {planted:.3} [")) && said.contains("centred, CSLS"), "{said}");
    click(&mut window, "centring: raw");
    assert!(value(&window, HEAT_MAP).contains("raw, CSLS"), "{}", value(&window, HEAT_MAP));
    pick(&mut window, "measure", "Retrieval: recall from pivot @5");
    let said = value(&window, HEAT_MAP);
    let planted = measured::retrieval(language, 0, 3, "raw/csls") + 0.02;
    assert!(said.contains(&format!("recall from pivot @5 {planted:.3}")) && said.contains("chance 0.8333"), "{said}");
}

#[test]
fn a_value_that_is_not_above_its_null_says_so_and_no_other_does() {
    let mut window = showing(synthetic::run());
    let run = synthetic::run();
    let (mut weak, mut strong) = (0, 0);
    for (row, column) in [(0, 0), (0, 6), (4, 0), (4, 6), (2, 3)] {
        click_cell(&mut window, HEAT_MAP, (row, 5), (column, LAYERS + 1));
        let said = value(&window, HEAT_MAP);
        let report = run.align.as_ref().unwrap();
        let cell = report.cell(&code_of(&said), "eng_Latn", column, Centring::Language).unwrap();
        let fit = measured::null(cell.mexa.value).unwrap();
        assert!(said.contains(&format!("null q95 0.250, p {:.4}, adjusted p {:.4}", fit.p, 2.0 * fit.p)), "{said}");
        assert_eq!(said.ends_with("not above its null"), cell.mexa.value <= 0.25, "{said}");
        if cell.mexa.value <= 0.25 { weak += 1 } else { strong += 1 }
    }
    assert!(weak > 0 && strong > 0, "the made-up run must have both: {weak}, {strong}");
    assert!(window.query_by_label_contains("A dot: not above what shuffled sentences give").is_some());
}

#[test]
fn the_null_band_is_that_of_the_chosen_language_and_can_be_switched_off() {
    let mut window = showing(synthetic::run());
    assert!(window.query_by_label_contains("Grey: shuffled sentences of").is_some());
    click_cell(&mut window, HEAT_MAP, (2, 5), (3, LAYERS + 1));
    let language = code_of(&value(&window, HEAT_MAP));
    assert!(window.query_by_label_contains(&format!("({language}).")).is_some());
    click(&mut window, "null band");
    assert!(window.query_by_label_contains("Grey: shuffled sentences of").is_none());
    // A measure that was not shuffled has none to switch on.
    click(&mut window, "null band");
    pick(&mut window, "measure", "Similarity of spaces: CKA");
    assert!(window.query_by_label_contains("Grey: shuffled sentences of").is_none());
}

#[test]
fn a_missing_number_shows_its_reason() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Similarity of spaces: SVCCA");
    click_cell(&mut window, HEAT_MAP, (0, 5), (2, LAYERS + 1));
    let said = value(&window, HEAT_MAP);
    assert!(said.ends_with(&format!("SVCCA has no value: {NO_SVCCA}")), "{said}");
}

#[test]
fn one_layer_against_another_is_no_cell() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Similarity of spaces: CKA");
    for column in 0..=LAYERS {
        click_cell(&mut window, HEAT_MAP, (0, 5), (column, LAYERS + 1));
        assert!(!value(&window, HEAT_MAP).contains("0.011"), "{}", value(&window, HEAT_MAP));
    }
}

/// The languages of the heat map from top to bottom.
fn rows(window: &mut Window<'_>) -> Vec<String> {
    (0..5)
        .map(|row| {
            click_cell(window, HEAT_MAP, (row, 5), (0, LAYERS + 1));
            code_of(&value(window, HEAT_MAP))
        })
        .collect()
}

#[test]
fn languages_are_ordered_by_score_script_family_and_clustering() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Retrieval: MEXA");
    let corpus: Vec<String> = synthetic::corpus().languages.into_iter().skip(1).collect();
    assert_eq!(rows(&mut window), corpus, "the planted values fall with the place of the language");
    pick(&mut window, "order of the languages", "by code");
    let mut sorted = corpus.clone();
    sorted.sort_unstable();
    assert_eq!(rows(&mut window), sorted);
    pick(&mut window, "order of the languages", "by family");
    let family = |code: &String| babelscope_core::lang::find(code).unwrap().family;
    let mut by_family = sorted.clone();
    by_family.sort_by_key(|code| (family(code), code.clone()));
    assert_eq!(rows(&mut window), by_family);
    pick(&mut window, "order of the languages", "by clustering");
    let backwards: Vec<String> = corpus.into_iter().rev().collect();
    assert_eq!(rows(&mut window), backwards, "the order that the probe structure has found");
}

#[test]
fn the_square_of_pairs_chooses_pair_and_pivot() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Retrieval: MEXA");
    pick(&mut window, "order of the languages", "by code");
    let mut codes = synthetic::corpus().languages;
    codes.sort_unstable();
    let count = codes.len();
    let place_of = |code: &str| codes.iter().position(|l| l == code).unwrap();
    let (row, column) = (place_of("hin_Deva"), place_of("tha_Thai"));
    window.get_by_label(PAIRS).scroll_to_me();
    settle(&mut window);
    click_cell(&mut window, PAIRS, (row, count), (column, count));
    let selection = window.state().selection().clone();
    assert_eq!(selection.language.as_deref(), Some("hin_Deva"));
    assert_eq!(selection.pivot.as_deref(), Some("tha_Thai"));
    assert_eq!(selection.layer, Some(LAYERS));
    let planted = measured::retrieval(place("hin_Deva"), place("tha_Thai"), LAYERS, "language/cosine");
    let said = value(&window, PAIRS);
    assert!(said.starts_with("Hindi (hin_Deva) against Thai (tha_Thai), layer 6, "), "{said}");
    assert!(said.contains(&format!("MEXA {planted:.3}")), "{said}");
    // The diagonal is no pair.
    click_cell(&mut window, PAIRS, (row, count), (row, count));
    assert_eq!(window.state().selection(), &selection);
}

#[test]
fn any_measure_leads_to_the_sentences_of_the_exact_cell() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Similarity of spaces: CKA");
    pick(&mut window, "order of the languages", "by code");
    click_cell(&mut window, HEAT_MAP, (0, 5), (2, LAYERS + 1));
    let run = synthetic::run();
    let language = code_of(&value(&window, HEAT_MAP));
    let report = run.align.as_ref().unwrap();
    let cell = report.cell(&language, "eng_Latn", 2, Centring::Raw).unwrap();
    let failing = cell.outcomes.iter().filter(|o| !o.hit()).count();
    assert!(failing > 0);
    assert_eq!(labels(&window, "sentence ").len(), failing);
    assert!(window.query_by_label_contains("outcomes by exact cosines (raw) at the same language").is_some());
}

#[test]
fn without_outcomes_the_way_to_them_is_said() {
    let mut window = showing(Run { align: None, ..synthetic::run() });
    pick(&mut window, "measure", "Retrieval: MEXA");
    click_cell(&mut window, HEAT_MAP, (0, 5), (2, LAYERS + 1));
    assert!(window.query_by_label_contains("no outcomes of sentences for").is_some());
    assert!(window.query_by_label_contains("kind = \"align\"").is_some());
    click(&mut window, "Close the sentences");
    assert!(window.query_by_label_contains("no outcomes of sentences for").is_none());
}

#[test]
fn the_tooltip_says_what_the_number_rests_on() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Retrieval: MEXA");
    pick(&mut window, "order of the languages", "by code");
    let rect = window.get_by_label(HEAT_MAP).rect();
    window.event(Event::PointerMoved(Pos2::new(rect.center().x, rect.top() + 4.0)));
    for _ in 0..20 {
        window.step();
    }
    let arabic = place("arb_Arab");
    let premium = format!("premium {:.2}", measured::premium(arabic));
    assert!(window.query_by_label_contains(&premium).is_some(), "{premium}");
    assert!(window.query_by_label_contains("shuffled, 199 draws: mean 0.100, q95 0.250").is_some());
    assert!(window.query_by_label_contains("matched, 199 draws").is_some());
    assert_eq!(window.query_all_by_label_contains(", calibrated 0.").count(), 2);
    assert!(window.query_by_label("click to see the sentences").is_some());
}

#[test]
fn what_is_said_over_all_layers_stands_below_the_curves() {
    let mut window = showing(synthetic::run());
    pick(&mut window, "measure", "Retrieval: MEXA");
    click(&mut window, "centring: raw");
    pick(&mut window, "order of the languages", "by code");
    let hindi = 2;
    click_cell(&mut window, HEAT_MAP, (hindi, 5), (1, LAYERS + 1));
    assert_eq!(code_of(&value(&window, HEAT_MAP)), "hin_Deva");
    assert!(window.query_by_label_contains("largest 0.770 at layer 6").is_some());
}

#[test]
fn fewer_sentences_are_a_curve_over_n_and_no_map() {
    let mut window = showing(synthetic::run());
    assert!(window.query_by_label("MEXA over the number of sentences").is_some());
    click(&mut window, "measure");
    assert!(window.query_by_label_contains("MEXA of fewer sentences").is_none());
    click(&mut window, "Retrieval: MEXA");
    assert!(window.query_by_label("MEXA over the number of sentences").is_none());
}

#[test]
fn a_chosen_line_comes_first_in_every_cell_even_where_it_is_found() {
    let mut window = showing(synthetic::run());
    click_cell(&mut window, HEAT_MAP, (0, 5), (1, LAYERS + 1));
    let first = labels(&window, "Choose sentence ").first().cloned().unwrap();
    click(&mut window, &first);
    let line = window.state().selection().sentence.unwrap();
    press(&mut window, Key::Escape);
    click_cell(&mut window, HEAT_MAP, (0, 5), (6, LAYERS + 1));
    assert!(labels(&window, "sentence ").iter().any(|l| l.starts_with(&format!("sentence {} ", line + 1))));
    assert!(window.query_by_label("chosen on the map or here").is_some());
}

#[test]
fn a_new_run_has_a_box_for_every_probe() {
    let (mut window, specs) = fake_window(true);
    click(&mut window, "Runs");
    for name in ["Retrieval", "Similarity of spaces", "Linear probes", "Map", "Tokenizer"] {
        window.get_by_role_and_label(egui::Role::CheckBox, name).scroll_to_me();
        settle(&mut window);
        window.get_by_role_and_label(egui::Role::CheckBox, name).click();
        settle(&mut window);
    }
    window.get_by_label("Labels").scroll_to_me();
    settle(&mut window);
    window.get_by_label("Labels").focus();
    settle(&mut window);
    window.get_by_label("Labels").type_text("lab:colour");
    settle(&mut window);
    window.get_by_label("Start").scroll_to_me();
    settle(&mut window);
    click(&mut window, "Start");
    let spec: RunSpec = specs.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
    let kinds: Vec<&str> = spec.probe.iter().map(|probe| probe.kind()).collect();
    assert_eq!(kinds, ["align", "retrieval", "similarity", "classify", "map", "tokenizer"]);
    assert!(spec.to_toml().unwrap().contains("lab:colour"));
}

/// 204 languages by 33 layers, with 204 curves: what a large run asks of the window.
#[test]
fn a_large_run_has_few_nodes_and_few_shapes() {
    let mut run = synthetic::run();
    let languages: Vec<&str> = babelscope_core::lang::all().iter().map(|l| l.code).take(204).collect();
    let mut rows = Vec::new();
    for (l, language) in languages.iter().enumerate() {
        for layer in 0..33 {
            let value = ((l * 7 + layer * 13) % 101) as f64 / 100.0;
            let row =
                babelscope_probes::measure::Row::new("mexa", value, 1012).of(language).against("eng_Latn").at(layer);
            rows.push(babelscope_probes::measure::Row {
                shuffled: measured::null(value),
                ..row.within(value, value).variant("raw")
            });
        }
    }
    run.align = None;
    run.measured = vec![babelscope::tables::measures::Probed {
        probe: "retrieval".to_owned(),
        seed: 1,
        measured: babelscope_probes::measure::Measured { rows, notes: Vec::new() },
    }];
    let mut window = showing(run);
    let nodes = window.root().children_recursive().count();
    assert!(nodes < 400, "{nodes} nodes");
    let shapes = window.output().shapes.len();
    assert!(shapes < 6000, "{shapes} shapes");
    click_cell(&mut window, HEAT_MAP, (2, languages.len()), (32, 33));
    assert!(value(&window, HEAT_MAP).contains("layer 32"), "{}", value(&window, HEAT_MAP));
}
