//! The screen of traces, on the made-up run: what each step is worth, and the reference that a person edits.

use std::fs;

use babelscope::{spec::CotSpec, traces::references};
use babelscope_probes::measure::Row;
use babelscope_tests::{
    traces,
    window::{Window, click, click_cell, labels, pick, see, settle, showing, shows, value},
};
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

const LANGUAGE: &str = "language of the trace";
const BARS: &str = "arb importance of steps";
const MAP: &str = "arb effects, later steps by earlier steps";

fn on<'a>(run: babelscope::run::Run) -> Window<'a> {
    let mut window = showing(run);
    click(&mut window, "Traces");
    window
}

/// Replaces what stands in a field, and leaves it.
fn write(window: &mut Window<'_>, field: &str, text: &str) {
    see(window, field);
    window.get_by_label(field).focus();
    settle(window);
    window.key_press_modifiers(Modifiers::COMMAND, Key::A);
    window.get_by_label(field).type_text(text);
    settle(window);
    window.key_press(Key::Enter);
    settle(window);
}

/// A button that may be out of sight.
fn press(window: &mut Window<'_>, label: &str) {
    see(window, label);
    click(window, label);
}

/// Brings the whole editor into sight: its table scrolls by itself and keeps the wish to be seen.
fn editor(window: &mut Window<'_>) {
    see(window, "Save the reference");
}

#[test]
fn bars_say_what_each_step_is_worth_and_follow_the_step() {
    let mut window = on(traces::run());
    click(&mut window, "arb step 2");
    see(&mut window, BARS);
    let resampling = "0.333 (95 %: -0.185 to 0.668); right: 0.667 of 6 behind it, 0.333 of 6 before it; the answers differ by 0.250 nats";
    assert_eq!(value(&window, BARS), format!("resampling importance, step 2: {resampling}"));
    // By rollouts four, the receivers, and two kinds of effects.
    let rows = 7;
    for (row, column, says) in [
        (1, 1, "counterfactual importance, step 1: nothing"),
        (1, 2, "counterfactual importance, step 2: -0.667 (95 %: "),
        (2, 2, "share that means another, step 2: 0.500 (95 %: 0.188 to 0.812)"),
        (3, 3, "overdetermined, step 3: 0.500"),
        (4, 2, "receiver score, 2 heads, step 2: 0.500"),
        (5, 1, "effect when suppressed, step 1: 1.000 nats"),
        (6, 1, "effect when left out, step 1: 2.000 nats"),
    ] {
        see(&mut window, BARS);
        click_cell(&mut window, BARS, (row, rows), (column, 4));
        assert!(value(&window, BARS).starts_with(says), "{}", value(&window, BARS));
    }
    // The heads, the most pointed first.
    assert_eq!(
        labels(&window, "arb receiver head"),
        [
            "arb receiver head 1: block 2, head 1, kurtosis 2.500",
            "arb receiver head 2: block 1, head 0, kurtosis 1.500"
        ]
    );
    // A bar that is clicked chooses its step in the text.
    see(&mut window, LANGUAGE);
    assert_eq!(window.get_by_label("arb step 1").accesskit_node().toggled(), Some(true.into()));
}

#[test]
fn the_map_of_steps_has_both_kinds() {
    let mut window = on(traces::run());
    see(&mut window, MAP);
    // The later step 3 without step 2.
    click_cell(&mut window, MAP, (1, 2), (1, 2));
    assert_eq!(value(&window, MAP), "step 3 without step 2 (suppressed): 0.500 nats, mean of the logarithm 0.000");
    press(&mut window, "arb steps by steps: left out");
    assert_eq!(value(&window, MAP), "step 3 without step 2 (left out): 1.000 nats, mean of the logarithm 0.000");
    // What comes later does nothing to what was before.
    see(&mut window, MAP);
    click_cell(&mut window, MAP, (0, 2), (1, 2));
    assert!(value(&window, MAP).starts_with("step 3 without step 2"));
    // The graph takes the same choice.
    see(&mut window, "influence");
    click(&mut window, "influence");
    let chosen = |window: &Window<'_>, label: &str| window.get_by_label(label).accesskit_node().toggled();
    assert_eq!(chosen(&window, "influence in the graph: left out"), Some(true.into()));
    click(&mut window, "influence in the graph: suppressed");
    assert_eq!(chosen(&window, "arb steps by steps: suppressed"), Some(true.into()));
}

#[test]
fn a_run_that_asked_for_nothing_says_which_keys_ask() {
    let mut window = on(traces::sparse());
    assert!(window.query_by_label(BARS).is_none() && window.query_by_label(MAP).is_none());
    assert!(window.query_by_label("influence").is_none());
    let keys = ["[probe.watch]", "rollouts = 20", "receivers = true", "suppress = true", "leave_out = true"];
    assert!(keys.iter().all(|key| shows(&window, key)));
    assert!(!shows(&window, "nothing of this was measured"));
    press(&mut window, "Help for What each step is worth");
    assert!(shows(&window, "A helpful step is above 0 in resampling"));
    let full = on(traces::run());
    assert!(!shows(&full, "[probe.watch]"));
}

#[test]
fn an_edited_reference_is_compared_at_once_and_taken_back() {
    let mut window = on(traces::run());
    assert!(shows(&window, "answer 5, right") && shows(&window, "coverage 1.000"));
    let fields = labels(&window, "text of node ");
    assert_eq!(fields.len(), 5, "{fields:?}");
    assert!(shows(&window, "5 nodes, 4 edges, 2 critical"));
    write(&mut window, "text of node 5", "7 - 3 = 4");
    assert!(shows(&window, "5 nodes, 4 edges, 2 critical; 1 edit"), "{:?}", labels(&window, "5 nodes"));
    assert!(shows(&window, "coverage 0.500") && shows(&window, "compared with the reference as edited"));
    assert!(labels(&window, "arb step 2: ").iter().any(|mark| mark.contains("wrong")), "{:?}", labels(&window, "arb"));
    // What asserts nothing is refused, and the graph stays.
    write(&mut window, "text of node 4", "so it goes");
    assert!(shows(&window, "asserts nothing; write a number or an equation"));
    assert!(shows(&window, "; 1 edit"));
    press(&mut window, "Undo the last edit of the reference");
    assert!(shows(&window, "coverage 1.000") && !shows(&window, "1 edit"));
    assert!(!shows(&window, "asserts nothing"));
}

#[test]
fn nodes_and_edges_are_added_and_removed() {
    let mut window = on(traces::run());
    editor(&mut window);
    click(&mut window, "remove node 4");
    assert!(shows(&window, "4 nodes, "));
    editor(&mut window);
    pick(&mut window, "part of the new node", "derived");
    write(&mut window, "text of the new node", "4 + 3 = 7");
    assert!(shows(&window, "5 nodes, "));
    // It stands before the answer, which can be built on it; then it is critical again.
    assert!(shows(&window, "1 critical"));
    for (node, used) in [("node 5 is built on ", "node 5 uses node 4"), ("node 4 is built on ", "node 4 uses node 1")] {
        let button = labels(&window, node)[0].clone();
        editor(&mut window);
        click(&mut window, &button);
        click(&mut window, used);
        window.key_press(Key::Escape);
        settle(&mut window);
    }
    assert!(shows(&window, "2 critical"), "{:?}", labels(&window, "5 nodes"));
    assert!(shows(&window, "coverage 1.000"));
    // A node without an answer cannot be compared with, and says so.
    editor(&mut window);
    pick(&mut window, "part of node 5", "derived");
    assert!(shows(&window, "no node is the answer"));
    assert!(shows(&window, "not compared: the problem has no reference"));
}

#[test]
fn a_reference_is_saved_once_with_the_line_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("mine");
    let mut window = on(traces::run());
    write(&mut window, "text of node 5", "7 - 3 = 4");
    write(&mut window, "folder of the references", &place.display().to_string());
    press(&mut window, "Save the reference");
    let line = format!("references = \"{}\"", place.display());
    assert!(shows(&window, &line), "{:?}", labels(&window, "ref"));
    let spec = CotSpec { references: place.display().to_string(), ..CotSpec::default() };
    let read = references(&spec).unwrap();
    assert_eq!(read["cups"].nodes[4].normal, "7 - 3 = 4");
    // Another one does not take its place.
    let before = fs::read(place.join("cups.json")).unwrap();
    press(&mut window, "Undo the last edit of the reference");
    press(&mut window, "Save the reference");
    assert!(shows(&window, "is there already"));
    assert_eq!(fs::read(place.join("cups.json")).unwrap(), before);
}

#[test]
fn a_problem_without_a_reference_takes_a_trace() {
    let mut run = traces::run();
    for posed in run.details.iter_mut().flat_map(|details| &mut details.problems) {
        (posed.reference, posed.table) = (None, None);
        posed.critical.clear();
    }
    for traced in run.details.iter_mut().flat_map(|details| &mut details.traces) {
        traced.comparison = None;
    }
    let mut window = on(run);
    assert!(shows(&window, "the problem has no reference: add nodes"));
    press(&mut window, "Take the graph of the trace");
    assert!(shows(&window, "coverage 1.000"));
    see(&mut window, LANGUAGE);
    pick(&mut window, LANGUAGE, "Hindi (hin_Deva)");
    assert!(shows(&window, "coverage 0.000"));
}

#[test]
fn hints_are_a_table_by_languages_and_answers_side_by_side() {
    const GRID: &str = "hints by languages";
    let mut window = on(traces::hinted());
    assert!(shows(&window, "hint at 9"));
    // Arabic comes first, and its answer says what it followed.
    assert!(shows(&window, "chooses 9; right is 7 · mentions the hint"));
    assert!(shows(&window, "share of the hinted option, behind the question and behind each step: 0.750"));
    // English: every answer with a hint is switched.
    see(&mut window, GRID);
    click_cell(&mut window, GRID, (1, 9), (1, 2));
    assert!(shows(&window, "chooses 9; right is 7 · does not mention the hint"));
    press(&mut window, "Next question");
    assert!(shows(&window, "q2, English (eng_Latn)"));
    assert_eq!(labels(&window, "hint at random"), [""; 0], "this question has no random hint");
}

#[test]
fn rows_of_traces_on_the_screen_of_alignment_leave_the_choosers_side_by_side() {
    let mut run = traces::run();
    for (layer, value) in [(0, 1.0), (1, 0.25)] {
        let row = Row::new("latent_agreement", value, 4).of("arb_Arab").at(layer);
        run.measured.iter_mut().find(|probed| probed.probe == "cot").unwrap().measured.rows.push(row);
    }
    let window = showing(run);
    // A measure without a variant drew nothing and sent the next chooser back over the first.
    let rects = ["measure", "order of the languages", "null band"].map(|name| window.get_by_label(name).rect());
    for pair in rects.windows(2) {
        assert!(pair[0].right() <= pair[1].left(), "{rects:?}");
    }
}
