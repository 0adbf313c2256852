//! The view of traces, on the made-up run: texts of five scripts, their graphs, strips and tables, and one choice for all of them.

use std::time::Duration;

use babelscope::run::Run;
use babelscope_tests::{
    acts,
    synthetic::LAYERS,
    traces,
    window::{Window, click, click_cell, copied, fake_window, labels, pick, see, settle, showing, shows, value},
};
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

const LANGUAGE: &str = "language of the trace";
const OTHER: &str = "compare with";
const TABLE: &str = "critical anchors by languages";
const ALL: &str = "coverage, problems by languages";

fn on<'a>(run: Run) -> Window<'a> {
    let mut window = showing(run);
    click(&mut window, "Traces");
    window
}

/// The one name that begins and ends so.
fn named(window: &Window<'_>, begin: &str, end: &str) -> String {
    let mut found =
        labels(window, begin).into_iter().filter(|label| label.replace(['\u{2068}', '\u{2069}'], "").ends_with(end));
    let first = found.next();
    assert!(first.is_some(), "no {begin} … {end} among {:?}", labels(window, begin));
    assert_eq!(found.next(), None, "{begin} … {end} twice");
    first.unwrap_or_default()
}

fn is_chosen(window: &Window<'_>, node: &str) -> bool {
    window.get_by_label(node).accesskit_node().toggled() == Some(true.into())
}

fn chosen_nodes(window: &Window<'_>) -> Vec<String> {
    labels(window, "node ").into_iter().filter(|node| is_chosen(window, node)).collect()
}

#[test]
fn anchors_are_marked_by_what_became_of_them_in_every_script() {
    let mut window = on(traces::run());
    // The first language of the problem stands there.
    named(&window, "arb step 1: ", "٣ + ٤ = ٧, correct, anchor 1");
    named(&window, "arb step 2: ", "٧ - ٢ = ٥, correct, anchor 2, answer");
    assert!(shows(&window, "answer 5, right · 3 steps") && shows(&window, "coverage 1.000"));
    pick(&mut window, LANGUAGE, "Hindi (hin_Deva)");
    named(&window, "hin step 1: ", "३ + ४ = ८, wrong, anchor 1");
    named(&window, "hin step 2: ", "८ - २ = ६, wrong, anchor 2, answer");
    assert!(shows(&window, "answer 6, wrong") && shows(&window, "first harm: wrong value in step 1"));
    pick(&mut window, LANGUAGE, "Thai (tha_Thai)");
    named(&window, "tha step 1: ", "๑๐ + ๑ = ๑๑, redundant");
    named(&window, "tha step 2: ", "๗ - ๒ = ๕, correct, anchor 2, answer");
    pick(&mut window, LANGUAGE, "Chinese (simplified) (zho_Hans)");
    named(&window, "zho step 1: ", "3 + 4 = 7, correct, anchor 1");
    // The statement is English and its numbers are given.
    named(&window, "zho problem: ", "3 cups, given");
}

#[test]
fn the_graph_has_what_is_missing_and_a_click_in_it_goes_to_the_text() {
    let mut window = on(traces::run());
    pick(&mut window, LANGUAGE, "Thai (tha_Thai)");
    assert!(window.query_by_label("node 3 + 4 = 7: missing, anchor 1").is_some(), "{:?}", labels(&window, "node"));
    assert!(window.query_by_label("node 1 + 10 = 11: redundant, step 1").is_some(), "{:?}", labels(&window, "node"));
    let answer = "node 7 - 2 = 5: correct, answer, step 2, anchor 2";
    click(&mut window, answer);
    assert_eq!(chosen_nodes(&window), [answer]);
    named(&window, "tha step 2: ", "answer, chosen");
    // A step chooses all that it says first, an anchor in the text its node.
    click(&mut window, "tha step 1");
    assert_eq!(chosen_nodes(&window), ["node 1 + 10 = 11: redundant, step 1"]);
    let mark = named(&window, "tha step 2: ", "answer");
    click(&mut window, &mark);
    assert_eq!(chosen_nodes(&window), [answer]);
    // The reference, with what the trace makes of it.
    click(&mut window, "graph: reference");
    assert!(window.query_by_label("node 7 - 2 = 5: correct, answer, anchor 2").is_some());
}

#[test]
fn two_languages_stand_side_by_side_and_matched_anchors_are_chosen_together() {
    let mut window = on(traces::run());
    pick(&mut window, OTHER, "Chinese (simplified) (zho_Hans)");
    let left = named(&window, "arb step 1: ", "anchor 1");
    click(&mut window, &left);
    named(&window, "arb step 1: ", "anchor 1, chosen");
    named(&window, "zho step 1: ", "anchor 1, chosen");
    let right = named(&window, "zho step 2: ", "answer");
    click(&mut window, &right);
    named(&window, "arb step 2: ", "answer, chosen");
    // Each has its graph.
    see(&mut window, "graph: zho");
    click(&mut window, "graph: zho");
    assert_eq!(chosen_nodes(&window), ["node 7 - 2 = 5: correct, answer, step 2, anchor 2"]);
}

#[test]
fn strips_follow_the_step_and_the_layer() {
    let mut window = on(traces::run());
    let strips = "arb strips, what was known by step";
    click(&mut window, "arb step 2");
    see(&mut window, strips);
    let share = traces::committed(2, 3);
    assert_eq!(value(&window, strips), format!("committed (forced answer), step 2: {share:.3}"));
    // Four curves, the likeliest answer, two languages, a vector.
    let rows = 8;
    see(&mut window, strips);
    for (row, says) in [
        (3, "stated (given as answer), step 1: no".to_owned()),
        (5, "language as written, step 1: Modern Standard Arabic (arb_Arab)".to_owned()),
        (6, format!("latent language, layer {}, step 1: English (eng_Latn)", LAYERS / 2)),
        (7, "along made up, layer 2, step 1: -1.000".to_owned()),
    ] {
        click_cell(&mut window, strips, (row, rows), (1, 4));
        assert_eq!(value(&window, strips), says);
    }
    assert!(window.query_by_label("arb curves of the answer").is_some());
    assert!(shows(&window, "the answer that is meant: 5"));
    assert!(shows(&window, "at 0.5: committed from step 2 of 3 on"));
    // What was not watched says nothing.
    see(&mut window, LANGUAGE);
    pick(&mut window, LANGUAGE, "Hindi (hin_Deva)");
    assert!(window.query_by_label("What the model knew").is_none());
}

#[test]
fn influence_edges_are_there_when_they_are_wished_for() {
    let mut window = on(traces::run());
    let before = window.get_by_label("influence");
    assert_eq!(before.accesskit_node().toggled(), Some(false.into()));
    click(&mut window, "influence");
    assert_eq!(window.get_by_label("influence").accesskit_node().toggled(), Some(true.into()));
    pick(&mut window, LANGUAGE, "English (eng_Latn)");
    assert!(window.query_by_label("influence").is_none());
}

#[test]
fn the_tables_choose_anchor_language_and_problem() {
    let mut window = on(traces::run());
    see(&mut window, TABLE);
    // Second row, third column: the last equation in Hindi.
    click_cell(&mut window, TABLE, (1, 2), (2, 5));
    assert_eq!(value(&window, TABLE), "anchor 2, 7 - 2 = 5, Hindi (hin_Deva): 0 correct, 1 wrong, 0 missing");
    see(&mut window, LANGUAGE);
    assert_eq!(window.get_by_label(LANGUAGE).value().as_deref(), Some("Hindi (hin_Deva)"));
    named(&window, "hin step 2: ", "answer, chosen");
    see(&mut window, ALL);
    click_cell(&mut window, ALL, (1, 2), (0, 5));
    assert!(
        value(&window, ALL).ends_with("Modern Standard Arabic (arb_Arab): coverage 0.500"),
        "{}",
        value(&window, ALL)
    );
    see(&mut window, LANGUAGE);
    assert_eq!(window.get_by_label("problem of the traces").value().as_deref(), Some("spoons"));
    assert!(shows(&window, "answer 8, wrong"));
    pick(&mut window, "try of the traces", "try 2");
    assert!(shows(&window, "answer 5, right"));
}

#[test]
fn three_hundred_nodes_are_drawn() {
    let mut window = on(traces::long(300));
    assert_eq!(window.get_by_label("graph of the trace").value().as_deref(), Some("303 nodes, 299 edges"));
    click(&mut window, "fit the graph");
    click(&mut window, "smaller graph");
}

#[test]
fn a_run_without_traces_says_how_to_get_some() {
    let (mut window, specs) = fake_window(false);
    window.state_mut().adopt(acts::run());
    settle(&mut window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Num9);
    settle(&mut window);
    assert!(shows(&window, "There are no traces in this run"));
    window.get_by_label("Copy the word problems as TOML").click();
    let text = (0..6).find_map(|_| {
        window.step();
        copied(&window)
    });
    assert!(text.is_some_and(|text| text.contains("kind = \"cot\"")));
    click(&mut window, "Solve the word problems");
    let Ok(spec) = specs.recv_timeout(Duration::from_secs(10)) else { panic!("nothing was asked for") };
    assert_eq!(spec.probe.iter().map(|probe| probe.kind()).collect::<Vec<_>>(), ["cot"]);
}

#[test]
fn help_and_toml_are_where_they_are_everywhere() {
    let mut window = on(traces::run());
    click(&mut window, "Help for Trace");
    assert!(shows(&window, "cut into steps") && shows(&window, "need not be how it came to the answer"));
    window.get_by_label("Copy Trace as TOML").click();
    let text = (0..6).find_map(|_| {
        window.step();
        copied(&window)
    });
    assert!(text.is_some_and(|text| text.contains("kind = \"cot\"")));
}
