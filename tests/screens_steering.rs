//! The views of steering and of patching, on the made-up run.

use std::{sync::mpsc::Receiver, time::Duration};

use babelscope::spec::{CompareSpec, ProbeSpec, RunSpec};
use babelscope_probes::patch::PatchParams;
use babelscope_tests::{
    acts,
    synthetic::LAYERS,
    window::{Window, click, click_cell, copied, fake_window, labels, pick, see, settle, showing, shows, until, value},
};
use egui::{Event, Key, Modifiers, PointerButton, Pos2};
use egui_kittest::kittest::Queryable as _;

const GRID: &str = "patched cells, layers by places";

fn on<'a>(screen: &str, tab: Option<&str>) -> Window<'a> {
    let mut window = showing(acts::run());
    click(&mut window, screen);
    if let Some(tab) = tab {
        click(&mut window, &format!("tab {tab}"));
    }
    window
}

/// The steering view with the specs that it asks for.
fn asking<'a>() -> (Window<'a>, Receiver<RunSpec>) {
    let (mut window, specs) = fake_window(false);
    window.state_mut().adopt(acts::run());
    settle(&mut window);
    click(&mut window, "Steering");
    (window, specs)
}

fn compare(spec: &RunSpec) -> CompareSpec {
    let [ProbeSpec::Compare(compare)] = spec.probe.as_slice() else { panic!("no comparison: {spec:?}") };
    compare.clone()
}

fn clipboard(window: &mut Window<'_>, button: &str) -> String {
    window.get_by_label(button).click();
    for _ in 0..6 {
        window.step();
        if let Some(text) = copied(window) {
            return text;
        }
    }
    panic!("nothing was copied");
}

#[test]
fn three_answers_stand_side_by_side_with_what_differs_and_what_it_costs() {
    let window = on("Steering", None);
    let tokens = |who: &str| labels(&window, &format!("{who} token "));
    assert_eq!(
        tokens("plain"),
        ["plain token 1, ·the", "plain token 2, ·cat", "plain token 3, ·sleeps", "plain token 4, ."]
    );
    let steered = [
        "steered token 1, ·the",
        "steered token 2, ·قطة, differs",
        "steered token 3, ·تنا, differs",
        "steered token 4, م, differs",
        "steered token 5, .",
    ];
    assert_eq!(tokens("steered"), steered);
    assert_eq!(tokens("random").iter().filter(|name| name.ends_with("differs")).count(), 2);
    // Reading begins at the right edge where the text does.
    assert!(window.query_by_label("the قطة تنام.").is_some());
    assert!(window.query_by_label("perplexity 20.000 = 2.000 × plain").is_some());
    assert!(window.query_by_label("perplexity 10.000").is_some());
    assert!(window.query_by_label_contains("a vector at layer 3: made up").is_some());
    assert!(!shows(&window, "Fluency has collapsed") && !shows(&window, "old: these answers"));
}

#[test]
fn a_collapse_of_fluency_is_said_and_scripts_are_whole() {
    let mut window = on("Steering", None);
    click(&mut window, "choose a prompt");
    click(&mut window, "सोती है");
    assert!(shows(&window, "Fluency has collapsed") && shows(&window, "4.500 times"));
    // Two tokens are the bytes of one letter.
    assert!(window.query_by_label("the बिल्लीझ").is_some());
    assert!(!labels(&window, "steered token 4, E0·A4, differs").is_empty());
    click(&mut window, "choose a prompt");
    click(&mut window, "睡觉");
    assert!(window.query_by_label("the猫在睡觉").is_some());
    assert!(!shows(&window, "Fluency has collapsed"));
}

#[test]
fn a_token_says_what_the_vector_did_there() {
    let mut window = on("Steering", None);
    // The largest divergence first.
    assert!(
        window.query_by_label("Token 3").is_some()
            && shows(&window, "KL 2.250 nats; this token: 0.125 plain, 0.750 steered")
    );
    click(&mut window, "steered token 4, م, differs");
    assert!(window.query_by_label("Token 4").is_some() && shows(&window, &format!("KL {:.3} nats", acts::kl(3))));
    assert_eq!(
        labels(&window, "word "),
        [
            "word 1: م, before 0.125, after 0.750, logit +3.50, chosen",
            "word 2: E0·A4, before 0.500, after 0.062, logit -2.25"
        ]
    );
    assert!(window.query_by_label("divergence over the answer").is_some());
}

#[test]
fn a_slider_asks_once_after_it_rests_and_the_old_answer_stays_in_sight() {
    let (mut window, specs) = asking();
    see(&mut window, "strength");
    let rect = window.get_by_label("strength").rect();
    let at = |pixels: f32| Pos2::new(rect.center().x + pixels, rect.center().y);
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    window.event(Event::PointerMoved(at(0.0)));
    window.event(button(at(0.0), true));
    window.step();
    for pixel in 1..30u8 {
        window.event(Event::PointerMoved(at(f32::from(pixel))));
        window.step();
        assert!(specs.try_recv().is_err(), "asked while the slider moves, at {pixel}");
    }
    assert!(shows(&window, "old: these answers"));
    assert!(window.query_by_label("the قطة تنام.").is_some(), "the old answer is gone");
    window.event(button(at(29.0), false));
    settle(&mut window);
    let spec = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    let asked = compare(&spec);
    assert!(asked.strength > 0.05, "{}", asked.strength);
    assert_eq!(CompareSpec { strength: 0.5, ..asked }, acts::compare_spec());
    until(&mut window, "the new answer", |window| !shows(window, "old: these answers"));
    settle(&mut window);
    assert!(specs.try_recv().is_err(), "asked twice");
}

#[test]
fn one_prompt_of_many_is_not_old() {
    let (mut window, _) = fake_window(false);
    let mut run = acts::run();
    for probe in &mut run.spec.probe {
        if let ProbeSpec::Compare(compare) = probe {
            compare.texts.push("睡觉".to_owned());
        }
    }
    window.state_mut().adopt(run);
    settle(&mut window);
    click(&mut window, "Steering");
    assert!(!shows(&window, "old: these answers"));
}

#[test]
fn enter_asks_at_once_and_the_text_has_no_line_more() {
    let (mut window, specs) = asking();
    window.get_by_label("Prompt").focus();
    window.run_ok();
    window.get_by_label("Prompt").type_text(" اليوم");
    window.run_ok();
    assert!(specs.try_recv().is_err(), "typing asks for nothing");
    window.key_press(Key::Enter);
    settle(&mut window);
    let spec = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    let asked = compare(&spec);
    assert!(asked.texts[0].contains("اليوم") && !asked.texts[0].contains('\n'), "{:?}", asked.texts);
    assert_eq!((&spec.model, &spec.data), (&acts::run().spec.model, &acts::run().spec.data));
}

#[test]
fn what_is_copied_is_the_spec_that_is_asked_for() {
    let (mut window, specs) = asking();
    pick(&mut window, "operator", "clamp");
    pick(&mut window, "positions", "last and generated");
    let copied = RunSpec::parse(&clipboard(&mut window, "Copy Steer as TOML")).unwrap();
    // Both changes have rested by now; the last one counts.
    let mut last = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    until(&mut window, "the answer", |window| !shows(window, "old: these answers"));
    while let Ok(next) = specs.try_recv() {
        last = next;
    }
    assert_eq!(last, copied);
    click(&mut window, "Patching");
    for (field, text) in
        [("Clean prompt", "ab cd"), ("Corrupt prompt", "ab ce"), ("Answer", "yes"), ("Wrong answer", "no")]
    {
        window.get_by_label(field).focus();
        window.run_ok();
        window.get_by_label(field).type_text(text);
        settle(&mut window);
    }
    let copied = RunSpec::parse(&clipboard(&mut window, "Copy Two prompts as TOML")).unwrap();
    click(&mut window, "Patch");
    let asked = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(asked, copied);
    let [ProbeSpec::Patch(PatchParams::Grid(grid))] = asked.probe.as_slice() else { panic!("no grid") };
    assert_eq!((grid.pairs[0].clean.as_str(), grid.pairs[0].answer.as_slice()), ("ab cd", &["yes".to_owned()][..]));
}

#[test]
fn a_vector_has_curves_a_card_and_a_path_and_can_steer() {
    let mut window = on("Steering", Some("Vectors"));
    assert!(window.query_by_label("quality of the vectors over layers").is_some());
    assert!(shows(&window, "tensors/vector/eng_Latn-to-arb_Arab-diff_mean.safetensors"));
    assert!(shows(&window, "the vector rests on 3 training items a side"));
    assert!(window.query_by_label("cosine with eng_Latn to hin_Deva (diff_mean): 0.000").is_some());
    pick(&mut window, "quality", "split half");
    assert!(shows(&window, "nothing was held out"));
    let path = clipboard(&mut window, "Copy the path");
    assert!(path.ends_with("eng_Latn-to-arb_Arab-diff_mean.safetensors"), "{path}");
    click(&mut window, "Steer with it");
    // A length of 5 at a mean norm of 10.
    assert!(shows(&window, "norm 0.500 = unit 5.000 = raw 1.000"));
    assert!(shows(&window, "held out, at this layer: pair order 0.740, d′ 2.960"));
    let spec = RunSpec::parse(&clipboard(&mut window, "Copy Steer as TOML")).unwrap();
    assert!(
        compare(&spec).vector.ends_with("eng_Latn-to-arb_Arab-diff_mean.safetensors")
            && compare(&spec).source.is_empty()
    );
}

#[test]
fn doses_stand_beside_fluency_and_a_cell_chooses_layer_and_strength() {
    let mut window = on("Steering", Some("Evaluation"));
    let map = "layers by strengths";
    see(&mut window, map);
    click_cell(&mut window, map, (0, 2), (2, 3));
    let said = value(&window, map);
    assert!(
        said.starts_with("strength 1, Modern Standard Arabic (arb_Arab) against English (eng_Latn), layer 4, forcing"),
        "{said}"
    );
    assert!(said.contains(&format!("forcing {:.3} ", acts::forcing(4, 1.0, 1))), "{said}");
    assert_eq!(window.state().selection().layer, Some(4));
    assert_eq!(
        value(&window, "forcing over strengths"),
        "strengths 0 to 1; steered 3 points, plain 1 points, random 3 points"
    );
    assert_eq!(value(&window, "perplexity over strengths"), "strengths 0 to 1; steered 3 points, plain 1 points");
    let square = "steering between languages";
    see(&mut window, square);
    click_cell(&mut window, square, (0, 3), (1, 3));
    assert!(value(&window, square).contains("forcing, 1 0."), "{}", value(&window, square));
    assert!(window.state().selection().pivot.is_some());
    see(&mut window, "effect");
    pick(&mut window, "effect", "perplexity");
    assert!(value(&window, map).contains("perplexity 50.000"), "{}", value(&window, map));
}

#[test]
fn a_grid_of_patches_follows_its_script_and_a_cell_shows_both_runs() {
    let mut window = on("Patching", None);
    see(&mut window, GRID);
    click_cell(&mut window, GRID, (0, LAYERS + 1), (0, 3));
    let said = value(&window, GRID);
    assert!(said.starts_with(&format!("layer {LAYERS}, token 3 ")) && said.contains("هنا"), "{said}");
    let effect = acts::effect(LAYERS, 2);
    let numbers = format!("effect {effect:.3}, patched logit difference {:.3}", 4.0 * effect - 2.0);
    assert!(said.ends_with(&numbers), "{said}");
    click(&mut window, "right to left");
    click_cell(&mut window, GRID, (0, LAYERS + 1), (0, 3));
    assert!(value(&window, GRID).contains("token 1 "), "{}", value(&window, GRID));
    assert_eq!(
        [labels(&window, "clean token 2"), labels(&window, "corrupt token 2")].concat(),
        ["clean token 2, ·قطة, differs", "corrupt token 2, ·كلبة, differs"]
    );
    assert_eq!(labels(&window, "clean next "), ["clean next 1: ·yes, 0.625", "clean next 2: ·no, 0.125"]);
    assert!(shows(&window, "logit difference: corrupt -2.000, patched 1.000, clean 2.000"));
    pick(&mut window, "pair", "2. hindi");
    pick(&mut window, "what is patched", "head, noise");
    click_cell(&mut window, GRID, (LAYERS, LAYERS + 1), (1, 4));
    assert!(value(&window, GRID).starts_with("layer 0, h1: effect -0.250"), "{}", value(&window, GRID));
    let means = "means over the pairs, layers by places";
    see(&mut window, means);
    click_cell(&mut window, means, (0, LAYERS + 1), (1, 3));
    let said = value(&window, means);
    assert!(said.contains("subject_last 0.500 [0.400, 0.600]"), "{said}");
}

#[test]
fn patching_between_languages_has_curves_over_layers() {
    let mut run = acts::run();
    run.measured.retain(|probed| probed.probe != "patch");
    run.measured.push(acts::cross());
    run.details.retain(|details| details.probe != "patch");
    let mut window = showing(run);
    click(&mut window, "Patching");
    see(&mut window, "shares over layers");
    assert!(window.query_by_label("probabilities of the words over layers").is_some());
    pick(&mut window, "what is exchanged", "concept");
    assert!(shows(&window, "of a prompt that differs in the concept alone"));
}

#[test]
fn what_a_run_does_not_have_is_said_with_the_way_to_it() {
    let (mut window, specs) = fake_window(true);
    click(&mut window, "Steering");
    assert!(shows(&window, "Nothing has been answered yet"));
    click(&mut window, "tab Vectors");
    assert!(shows(&window, "[[probe]] kind = \"vector\"") && shows(&window, "from 6 lines of both languages"));
    click(&mut window, "Train this vector");
    let spec = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    let [ProbeSpec::Vector(vector)] = spec.probe.as_slice() else { panic!("no vector") };
    assert_eq!((vector.sources.as_slice(), spec.data.languages.len()), (&["eng_Latn".to_owned()][..], 2));
    settle(&mut window);
    click(&mut window, "Steering");
    click(&mut window, "tab Evaluation");
    assert!(shows(&window, "[[probe]] kind = \"steer\"") && shows(&window, "180 answers"));
    click(&mut window, "Patching");
    assert!(shows(&window, "[[probe]] kind = \"patch\"") && shows(&window, "write both prompts"));
}

#[test]
fn without_a_run_the_built_in_corpus_gives_the_languages() {
    let (mut window, specs) = fake_window(false);
    window.key_press_modifiers(Modifiers::COMMAND, Key::Num7);
    settle(&mut window);
    assert!(shows(&window, "the built-in model and its corpus are used"));
    window.get_by_label("Prompt").focus();
    window.run_ok();
    window.get_by_label("Prompt").type_text("The cat");
    settle(&mut window);
    click(&mut window, "Answer");
    let spec = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    let asked = compare(&spec);
    assert_eq!((spec.model[0].path.as_str(), asked.texts.as_slice()), ("lab", &["The cat".to_owned()][..]));
    assert!(asked.source == "eng_Latn" && asked.target != asked.source && !asked.target.is_empty());
}
