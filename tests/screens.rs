//! The window, headless: driven by the names that a screen reader would say, checked against the reports.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::sync_channel,
    },
    thread,
    time::Duration,
};

use babelscope::{
    run::Workbench,
    spec::{LensSpec, ModelSpec, ProbeSpec, RunSpec},
};
use babelscope_core::monitor::{Monitor, Tick};
use babelscope_gui::{
    app::App,
    data::Measure,
    state::Settings,
    views::Screen,
    worker::{Work, Worker},
};
use babelscope_probes::align::{AlignCell, AlignParams, Centring};
use babelscope_tests::{
    synthetic,
    window::{
        HEAT_MAP, LENS, TOKEN, Window, click, click_cell, copied, fake, fake_window, labels, real_window, settle,
        until, value, window,
    },
};
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};

/// The cell that the report holds for what stands in the value of the heat map.
fn cell_said<'r>(run: &'r babelscope::run::Run, said: &str, centring: Centring) -> &'r AlignCell {
    let report = run.align.as_ref().unwrap();
    report
        .cells
        .iter()
        .find(|c| c.centring == centring && said.contains(&format!("({}), layer {},", c.language, c.layer)))
        .unwrap_or_else(|| panic!("no cell for {said:?}"))
}

#[test]
fn the_first_start_offers_the_demo_and_shows_its_alignment() {
    let (mut window, specs) = fake_window(false);
    click(&mut window, "Run the demo");
    assert_eq!(specs.recv_timeout(Duration::from_secs(60)).unwrap(), RunSpec::demo().unwrap());
    until(&mut window, "the heat map", |w| w.query_by_label(HEAT_MAP).is_some());
}

#[test]
fn the_switch_between_raw_and_centred_shows_the_value_of_the_report() {
    let (mut window, _specs) = fake_window(true);
    let run = synthetic::run();
    let layers = synthetic::LAYERS + 1;
    click_cell(&mut window, HEAT_MAP, (1, 5), (3, layers));
    let centred = value(&window, HEAT_MAP);
    let cell = cell_said(&run, &centred, Centring::Language);
    assert_eq!(cell.layer, 3);
    assert!(
        centred.contains(&format!(
            "MEXA {:.3} [{:.3}, {:.3}], centred, n 6",
            cell.mexa.value, cell.mexa.low, cell.mexa.high
        )),
        "{centred}"
    );
    click(&mut window, "centring: raw");
    let raw = value(&window, HEAT_MAP);
    let other = cell_said(&run, &raw, Centring::Raw);
    assert_eq!((&other.language, other.layer), (&cell.language, 3));
    assert!(raw.contains(&format!("MEXA {:.3} ", other.mexa.value)) && raw.contains("raw"), "{raw}");
    assert_ne!(cell.mexa.value, other.mexa.value, "the made-up run must tell raw from centred here");
}

#[test]
fn a_click_on_a_cell_lists_the_sentences_that_fail_there_and_no_other() {
    let (mut window, _specs) = fake_window(true);
    let run = synthetic::run();
    let mut failures = 0;
    for (row, column) in [(0, 6), (2, 2), (4, 1)] {
        click_cell(&mut window, HEAT_MAP, (row, 5), (column, synthetic::LAYERS + 1));
        let cell = cell_said(&run, &value(&window, HEAT_MAP), Centring::Language);
        let mut expected: Vec<String> = (cell.outcomes.iter().enumerate())
            .filter(|(_, o)| !o.hit())
            .map(|(line, o)| format!("sentence {} fails, margin {:+.3}", line + 1, Measure::Mexa.margin(o)))
            .collect();
        expected.sort_unstable();
        failures += expected.len();
        assert_eq!(labels(&window, "sentence "), expected, "{} layer {}", cell.language, cell.layer);
    }
    assert!(failures > 0, "the made-up run must have failures");
}

#[test]
fn hits_are_listed_on_demand() {
    let (mut window, _specs) = fake_window(true);
    click_cell(&mut window, HEAT_MAP, (0, 5), (6, synthetic::LAYERS + 1));
    click(&mut window, "list the found ones too");
    assert_eq!(labels(&window, "sentence ").len(), synthetic::corpus().len());
}

#[test]
fn arrow_keys_move_the_cell_and_say_where_they_are() {
    let (mut window, _specs) = fake_window(true);
    click_cell(&mut window, HEAT_MAP, (1, 5), (3, synthetic::LAYERS + 1));
    assert!(value(&window, HEAT_MAP).contains("layer 3"));
    let before = value(&window, HEAT_MAP);
    window.key_press(Key::ArrowRight);
    settle(&mut window);
    assert!(value(&window, HEAT_MAP).contains("layer 4"), "{}", value(&window, HEAT_MAP));
    window.key_press(Key::ArrowDown);
    settle(&mut window);
    let language = |said: &str| said.split(',').next().unwrap_or_default().to_owned();
    assert_ne!(language(&value(&window, HEAT_MAP)), language(&before));
}

#[test]
fn a_grid_is_one_region_and_one_cell_however_many_cells_it_has() {
    let (mut window, _specs) = fake_window(true);
    click_cell(&mut window, HEAT_MAP, (1, 5), (3, synthetic::LAYERS + 1));
    let cells = window.root().children_recursive().filter(|n| n.accesskit_node().role() == egui::Role::Cell).count();
    assert_eq!(cells, 1);
}

#[test]
fn a_click_in_the_lens_shows_the_candidates_of_that_cell() {
    let (mut window, _specs) = fake_window(true);
    click(&mut window, "Lens");
    let run = synthetic::run();
    let report = &run.lens[0];
    let (layers, tokens) = (report.layers.len(), report.tokens.len());
    for (layer, token) in [(6, 1), (2, 3)] {
        click_cell(&mut window, LENS, (layers - 1 - layer, layers), (token, tokens));
        let said = value(&window, LENS);
        assert!(said.starts_with(&format!("layer {layer}, token {} ", token + 1)), "{said}");
        let mut expected: Vec<String> = (report.cells[layer][token].top.iter().enumerate())
            .map(|(rank, c)| {
                format!(
                    "candidate {}: {}, {:.3}",
                    rank + 1,
                    babelscope_gui::widgets::tokens::piece_name(&c.piece),
                    c.probability
                )
            })
            .collect();
        expected.sort_unstable();
        assert_eq!(labels(&window, "candidate "), expected);
    }
}

#[test]
fn a_right_to_left_text_runs_from_right_to_left_until_switched() {
    let (mut window, _specs) = fake_window(false);
    let spec = RunSpec::new("lens", ModelSpec::new("lab"), vec![ProbeSpec::lens(vec!["يغني الطائر الأحمر".to_owned()])]);
    window.state_mut().adopt(synthetic::lens_run(&spec, "يغني الطائر الأحمر"));
    settle(&mut window);
    let layers = synthetic::LAYERS + 1;
    click_cell(&mut window, LENS, (0, layers), (0, 4));
    assert!(value(&window, LENS).contains("token 4 "), "{}", value(&window, LENS));
    click(&mut window, "right to left");
    click_cell(&mut window, LENS, (0, layers), (0, 4));
    assert!(value(&window, LENS).contains("token 1 "), "{}", value(&window, LENS));
}

#[test]
fn a_typed_sentence_is_read_with_the_model_and_corpus_of_the_open_run() {
    let (mut window, specs) = fake_window(true);
    click(&mut window, "Lens");
    window.get_by_label("Sentence").focus();
    window.run_ok();
    window.get_by_label("Sentence").type_text("Two birds");
    settle(&mut window);
    click(&mut window, "Read");
    let spec = specs.recv_timeout(Duration::from_secs(60)).unwrap();
    let run = synthetic::run();
    assert_eq!((&spec.model, &spec.data), (&run.spec.model, &run.spec.data));
    assert_eq!(spec.probe, [ProbeSpec::Lens(LensSpec { texts: vec!["Two birds".to_owned()], top_k: 10 })]);
    spec.check().unwrap();
    // <s> and two words.
    until(&mut window, "the new grid", |w| w.query_by_label(LENS).is_some());
    settle(&mut window);
    click_cell(&mut window, LENS, (0, synthetic::LAYERS + 1), (2, 3));
    assert!(value(&window, LENS).contains("token 3 ·birds"), "{}", value(&window, LENS));
}

#[test]
fn copied_toml_is_the_spec_of_the_run() {
    let (mut window, _specs) = fake_window(true);
    window.get_by_label("Copy Alignment as TOML").click();
    let mut text = None;
    for _ in 0..6 {
        window.step();
        text = text.or_else(|| copied(&window));
    }
    assert_eq!(RunSpec::parse(&text.expect("nothing was copied")).unwrap(), synthetic::run().spec);
}

#[test]
fn cancel_shows_within_a_few_frames_and_the_old_run_stays() {
    let ticks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ticks);
    let slow = Worker::start_with(
        "slow",
        move || {
            let counted = Arc::clone(&counted);
            move |_: Work, monitor: &Monitor| loop {
                let done = counted.fetch_add(1, Ordering::Relaxed);
                monitor.tick(Tick { what: "capturing", done, total: 1_000_000, unit: "sentences" })?;
                thread::sleep(Duration::from_millis(1));
            }
        },
        || (),
    )
    .unwrap();
    let (told, _specs) = sync_channel(8);
    let mut app = App::with_workers(Settings::default(), PathBuf::from("runs"), slow, fake(told));
    app.adopt(synthetic::run());
    let mut window = window(app);
    settle(&mut window);
    click(&mut window, "Runs");
    click(&mut window, "Demo on the built-in model");
    until(&mut window, "progress", |w| w.query_by_label_contains("capturing").is_some());
    window.get_by_label("Cancel").click();
    let mut frames = 0;
    while window.query_by_label("idle").is_none() {
        window.step();
        frames += 1;
        assert!(frames < 200, "cancel was not seen within 200 frames of a millisecond");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(window.query_by_label_contains("cancelled after").is_some());
    click(&mut window, "Alignment");
    assert!(window.query_by_label(HEAT_MAP).is_some());
}

#[test]
fn a_panic_in_the_engine_is_a_message_and_the_window_goes_on() {
    let broken = Worker::start_with("broken", || |_: Work, _: &Monitor| panic!("a row is missing"), || ()).unwrap();
    let (told, _specs) = sync_channel(8);
    let mut app = App::with_workers(Settings::default(), PathBuf::from("runs"), broken, fake(told));
    app.adopt(synthetic::run());
    let mut window = window(app);
    settle(&mut window);
    click(&mut window, "Runs");
    click(&mut window, "Demo on the built-in model");
    until(&mut window, "the message", |w| w.query_all_by_label_contains("a row is missing").next().is_some());
    click(&mut window, "Close the message");
    click(&mut window, "Alignment");
    assert!(window.query_by_label(HEAT_MAP).is_some());
}

#[test]
fn a_damaged_run_folder_is_listed_with_its_sentence() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("broken-run");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("manifest.json"), "{ \"schema\": 1, ").unwrap();
    let sentence = format!("{:#}", babelscope::run::manifest(&folder).unwrap_err());
    let mut window = real_window(root.path());
    until(&mut window, "the folder", |w| w.query_by_label("Open run broken-run").is_some());
    assert!(window.query_by_label(&sentence).is_some(), "not shown: {sentence}");
    click(&mut window, "Open run broken-run");
    until(&mut window, "the failure", |w| w.query_by_label("Close the message").is_some());
}

#[test]
fn the_palette_finds_a_command_and_carries_it_out() {
    let (mut window, _specs) = fake_window(true);
    window.key_press_modifiers(Modifiers::COMMAND, Key::P);
    settle(&mut window);
    window.get_by_label("Command").type_text("lens");
    settle(&mut window);
    window.key_press(Key::Enter);
    settle(&mut window);
    assert!(window.query_by_label(LENS).is_some());
    assert!(window.query_by_label("Command").is_none());
}

/// Run folders with nothing but a manifest: all that the list reads.
fn list_runs(root: &Path, runs: &[(&str, &str, &str, &[&str])]) {
    for (name, model, started, languages) in runs {
        let mut manifest = synthetic::run().manifest;
        manifest.name = (*name).to_owned();
        manifest.model.reference = (*model).to_owned();
        manifest.started = (*started).to_owned();
        manifest.corpus.languages = languages.iter().map(|l| (*l).to_owned()).collect();
        std::fs::create_dir(root.join(name)).unwrap();
        std::fs::write(root.join(name).join("manifest.json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    }
}

#[test]
fn runs_are_filtered_by_words_and_ordered_by_columns() {
    let root = tempfile::tempdir().unwrap();
    let runs: [(&str, &str, &str, &[&str]); 3] = [
        ("pear", "lab", "2026-11-18T10:00:00Z", &["eng_Latn", "tha_Thai"]),
        ("apple", "qwen", "2026-11-19T10:00:00Z", &["eng_Latn", "arb_Arab", "tha_Thai"]),
        ("fig", "lab", "2026-11-20T10:00:00Z", &["eng_Latn"]),
    ];
    list_runs(root.path(), &runs);
    let mut window = real_window(root.path());
    until(&mut window, "the list", |w| w.query_by_label("Open run fig").is_some());
    let shown = |window: &Window<'_>| {
        let mut all: Vec<_> =
            labels(window, "Open run ").into_iter().map(|l| (window.get_by_label(&l).rect().top(), l)).collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all.into_iter().map(|(_, label)| label.replace("Open run ", "")).collect::<Vec<_>>()
    };
    assert_eq!(shown(&window), ["fig", "apple", "pear"], "newest first");
    click(&mut window, "Order runs by name");
    assert_eq!(shown(&window), ["apple", "fig", "pear"]);
    click(&mut window, "Order runs by languages");
    assert_eq!(shown(&window), ["apple", "pear", "fig"]);
    click(&mut window, "Order runs by languages");
    assert_eq!(shown(&window), ["fig", "pear", "apple"]);
    click(&mut window, "Filter runs");
    window.get_by_label("Filter runs").type_text("thai lab");
    settle(&mut window);
    assert_eq!(shown(&window), ["pear"]);
    assert!(window.query_by_label("1 of 3 runs").is_some());
    window.get_by_label("Filter runs").type_text(" nobody");
    settle(&mut window);
    assert_eq!(shown(&window), Vec::<String>::new());
    assert!(window.query_by_label_contains("None of the 3 runs").is_some());
    click(&mut window, "Clear");
    assert_eq!(shown(&window).len(), 3);
}

/// Both views on a real run of the embedded model, executed by the real worker from the window's own controls.
#[test]
fn a_run_of_the_embedded_model_shows_its_own_numbers() {
    let root = tempfile::tempdir().unwrap();
    let probe = vec![ProbeSpec::Align(AlignParams {
        pivots: vec!["eng_Latn".to_owned()],
        bootstrap: 100,
        ..AlignParams::default()
    })];
    let mut spec = RunSpec::new("screens", ModelSpec::new("lab"), probe);
    spec.data.limit = 12;
    let executed = Workbench::new(root.path()).execute(&spec, &Monitor::silent()).unwrap();
    let name = executed.run.folder.file_name().unwrap().to_string_lossy().into_owned();
    let mut window = real_window(root.path());
    let label = format!("Open run {name}");
    until(&mut window, "the run", |w| w.query_by_label(&label).is_some());
    click(&mut window, &label);
    until(&mut window, "the heat map", |w| w.query_by_label(HEAT_MAP).is_some());
    settle(&mut window);
    let report = executed.run.align.as_ref().unwrap();
    let layers = executed.run.manifest.capture.layers.len();
    let rows = report.cells.iter().filter(|c| c.layer == 0 && c.centring == Centring::Raw).count();
    click_cell(&mut window, HEAT_MAP, (rows - 1, rows), (layers - 1, layers));
    let said = value(&window, HEAT_MAP);
    let cell = cell_said(&executed.run, &said, Centring::Language);
    assert!(said.contains(&format!("MEXA {:.3} ", cell.mexa.value)), "{said}");
    let failing = cell.outcomes.iter().filter(|o| !o.hit()).count();
    assert_eq!(labels(&window, "sentence ").len(), failing.min(20));

    click(&mut window, "Lens");
    click(&mut window, "next line");
    click(&mut window, "Read");
    until(&mut window, "the lens", |w| w.query_by_label(LENS).is_some());
    settle(&mut window);
    assert_eq!(window.state().screen(), Screen::Lens);
    let report = window.state().lens_report().unwrap().clone();
    let (layers, tokens) = (report.layers.len(), report.tokens.len());
    let token = tokens.min(3) - 1;
    click_cell(&mut window, LENS, (0, layers), (token, tokens));
    let cell = &report.cells[layers - 1][token];
    let top = labels(&window, "candidate 1: ");
    assert_eq!(top.len(), 1);
    assert!(top[0].ends_with(&format!(", {:.3}", cell.top[0].probability)), "{top:?}");
}

#[test]
fn a_remote_run_is_opened_by_address_and_a_token_that_is_never_shown() {
    let (mut window, _specs) = fake_window(false);
    click(&mut window, "Open remote");
    let type_into = |window: &mut Window<'_>, field: &str, text: &str| {
        let select = Modifiers::COMMAND;
        window.get_by_label(field).focus();
        settle(window);
        window.key_press_modifiers(select, Key::A);
        window.get_by_label(field).type_text(text);
        settle(window);
    };
    type_into(&mut window, "Address", "https://127.0.0.1:8080/demo");
    assert!(window.query_by_label_contains("this program speaks no TLS").is_some());
    type_into(&mut window, "Address", "http://127.0.0.1:8080/demo");
    type_into(&mut window, "Token", "wrong-wrong-wrong-wrong");
    click(&mut window, "Open the remote run");
    let sentence = "opening http://127.0.0.1:8080/demo failed: the server does not know this token";
    until(&mut window, "the sentence", |w| w.query_all_by_label(sentence).next().is_some());
    click(&mut window, "Open remote");
    type_into(&mut window, "Token", TOKEN);
    let shown = |node: &str| node.contains("horse") || node.contains("wrong-");
    for node in window.root().children_recursive() {
        let node = node.accesskit_node();
        assert!(!node.label().is_some_and(|l| shown(&l)) && !node.value().is_some_and(|v| shown(&v)));
    }
    window.key_press(Key::Enter);
    until(&mut window, "the heat map", |w| w.query_by_label(HEAT_MAP).is_some());
    assert_eq!(window.state().screen(), Screen::Alignment);
    assert!(window.query_by_label("Open the remote run").is_none());
}
