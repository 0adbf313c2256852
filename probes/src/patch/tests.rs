//! Laws on the laboratory's model: what must hold of any model and any prompts.

use std::sync::OnceLock;

use babelscope_core::{
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Blocks, Capture, Edit, Op, Plan, Point, Positions, Reduce, Site},
};

use super::{
    cells::{Cell, States, replace, run},
    *,
};
use crate::measure::Measured;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap())
}

fn pair() -> PairSpec {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    PairSpec {
        clean: "Anna lives in the".to_owned(),
        corrupt: "Peter lives in the".to_owned(),
        answer: words(&["village", "garden"]),
        wrong: words(&["city", "castle"]),
        language: "eng_Latn".to_owned(),
        ..PairSpec::default()
    }
}

fn prompt(text: &str, subject: &str) -> PromptSpec {
    let PairSpec { answer, wrong, language, .. } = pair();
    PromptSpec { text: text.to_owned(), subject: subject.to_owned(), answer, wrong, language, ..PromptSpec::default() }
}

fn value(measured: &Measured, metric: &str, layer: usize, variant: &str, item: &str) -> f64 {
    let fits = |row: &&crate::measure::Row| row.layer == Some(layer) && row.variant == variant && row.item == item;
    let row = measured.metric(metric).find(fits);
    row.and_then(|row| row.value).unwrap_or_else(|| panic!("no {metric} {layer} {variant} {item}"))
}

/// The metric of `pair` where these edits are made in the corrupt run, alone and without batches.
fn alone(edits: Vec<Edit>) -> f64 {
    let fit = pair().prepare(engine().tokenizer(), Metric::LogitDifference, 0).unwrap();
    let captures = vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last }];
    let plan = Plan { captures, edits, ..Plan::default() };
    let captured = engine().run(&[fit.corrupt], &plan, &Monitor::silent()).unwrap().pop().unwrap();
    let Values::Pooled(logits) = captured.values else { panic!("the last token was asked for") };
    let logits = logits.to_vec2::<f32>().unwrap().remove(0);
    Metric::LogitDifference.value(&logits, &fit.sides, &logits)
}

fn recorded(sites: &[Site]) -> (Pair, States) {
    let fit = pair().prepare(engine().tokenizer(), Metric::LogitDifference, 0).unwrap();
    let prompts = [fit.clean.clone(), fit.corrupt.clone()];
    let states = States::read(engine(), &prompts, sites, &Monitor::silent()).unwrap();
    (fit, states)
}

#[test]
fn all_positions_of_a_layer_are_the_other_run_and_its_own_change_no_bit() {
    let sites: Vec<Site> = (0..=engine().info().layers).map(Site::layer).collect();
    let (fit, states) = recorded(&sites);
    let score = |logits: &[f32]| Metric::LogitDifference.value(logits, &fit.sides, logits);
    let prompts = [fit.clean.clone(), fit.corrupt.clone()];
    let values = cells::plain(engine(), &prompts, &Monitor::silent(), |_, logits| score(logits)).unwrap();
    let (clean, corrupt) = (values[0], values[1]);
    let whole = |donor: usize| {
        let cell = |site: &Site| {
            let rows = (0..fit.clean.ids.len()).map(|at| states.vector(*site, donor, at)).collect();
            Cell { prompt: 1, edits: vec![replace(*site, (0..fit.clean.ids.len()).collect(), rows)] }
        };
        let cells = sites.iter().map(cell).collect();
        run(engine(), &prompts, cells, "", &Monitor::silent(), |_, logits| score(logits)).unwrap()
    };
    for (layer, m) in whole(0).into_iter().enumerate() {
        let effect = (m - corrupt) / (clean - corrupt);
        assert!((effect - 1.0).abs() < 1e-5, "layer {layer}: {effect}");
    }
    assert!(whole(1).iter().all(|m| *m == corrupt), "own states are no change");
}

#[test]
fn a_grid_keeps_its_laws_at_both_ends() {
    let params = GridParams { pairs: vec![pair()], ..GridParams::default() };
    let report = grid(engine(), &params, 1, &Monitor::silent()).unwrap();
    let deepest = engine().info().layers;
    for direction in ["denoise", "noise"] {
        let of = |layer, item: &str| value(&report.measured, "effect_resid", layer, direction, item);
        // The names differ in one token: layer 0 there is the whole difference, elsewhere none.
        assert!((of(0, "1") - 1.0).abs() < 1e-5);
        assert_eq!([of(0, "0"), of(0, "4"), of(deepest, "1"), of(deepest, "3")], [0.0; 4]);
        assert!((of(deepest, "4") - 1.0).abs() < 1e-5);
    }
    // BOS sees nobody: it is the same in both runs.
    assert_eq!(value(&report.measured, "effect_attn", 1, "denoise", "0"), 0.0);
    let run = &report.runs[0];
    let tokens = |side: &Side| side.tokens.len();
    assert_eq!((tokens(&run.clean), run.corrupt.as_ref().map(tokens), run.panels.len()), (5, Some(5), 8));
    assert!(run.clean.top.windows(2).all(|two| two[0].probability >= two[1].probability));
}

#[test]
fn batched_cells_equal_runs_of_one_sentence() {
    let params = GridParams {
        pairs: vec![pair()],
        sites: vec![GridSite::Attn, GridSite::Head, GridSite::Neurons],
        directions: vec![Direction::Denoise],
        neurons: vec![3, 10_000],
        ..GridParams::default()
    };
    let report = grid(engine(), &params, 1, &Monitor::silent()).unwrap();
    let of = |metric: &str, layer, item: &str| value(&report.measured, metric, layer, "denoise", item);
    let (attn, z, act) = (Site::new(Point::AttnOutPost, 2), Site::new(Point::Z, 2), Site::new(Point::MlpAct, 2));
    let (fit, states) = recorded(&[attn, z, act]);
    let near = |got: f64, want: f64| assert!((got - want).abs() < 1e-4, "{got} {want}");
    let all: Vec<usize> = (0..fit.clean.ids.len()).collect();
    near(of("patched_attn", 2, "3"), alone(vec![replace(attn, vec![3], vec![states.vector(attn, 0, 3)])]));
    // Every neuron of the layer is the layer's whole feed-forward part.
    let rows = |site: Site| all.iter().map(|at| states.vector(site, 0, *at)).collect::<Vec<_>>();
    near(of("patched_neurons", 2, "top10000"), alone(vec![replace(act, all.clone(), rows(act))]));
    // One head: its columns alone.
    let width = states.row(z, 0, 0).len() / engine().info().heads;
    let mixed = |at: &usize| {
        let mut row = states.row(z, 1, *at).to_vec();
        row[width..2 * width].copy_from_slice(&states.row(z, 0, *at)[width..2 * width]);
        row.into()
    };
    near(of("patched_head", 2, "h1"), alone(vec![replace(z, all.clone(), all.iter().map(mixed).collect())]));
}

#[test]
fn pairs_of_other_lengths_meet_by_role() {
    let longer = PairSpec {
        clean: "Anna lives in the village. Anna lives in the".to_owned(),
        corrupt: "Anna lives in the village. Peter lives in the".to_owned(),
        ..pair()
    };
    let params = GridParams {
        pairs: vec![pair(), longer],
        sites: vec![GridSite::Resid],
        directions: vec![Direction::Denoise],
        bootstrap: 200,
        ..GridParams::default()
    };
    let report = grid(engine(), &params, 1, &Monitor::silent()).unwrap();
    let rows: Vec<_> = report.measured.metric("effect_resid").filter(|row| row.layer == Some(0)).collect();
    let subject = rows.iter().find(|row| row.item == "subject_last").unwrap();
    assert!((subject.value.unwrap() - 1.0).abs() < 1e-5 && subject.n == 2 && subject.low.is_some());
    let before = rows.iter().find(|row| row.item == "before").unwrap();
    assert_eq!((before.value, before.n), (Some(0.0), 1));
}

#[test]
fn tracing_without_noise_finds_nothing_and_restoring_the_end_finds_all() {
    let said = |name: &str| {
        let encoded = engine().tokenizer().encode(&format!("{name} lives in the")).unwrap();
        let states = States::read(engine(), &[encoded], &[], &Monitor::silent()).unwrap();
        let id = metric::top(&states.logits[0]).unwrap();
        String::from_utf8(engine().tokenizer().bytes(id).unwrap()).unwrap()
    };
    let spec = PromptSpec { answer: vec![said("Anna")], ..prompt("Anna lives in the", "Anna") };
    let traced = |noise: f64| {
        let params =
            TraceParams { prompts: vec![spec.clone()], noise, samples: 3, window: 2, ..TraceParams::default() };
        trace(engine(), &params, 4, &Monitor::silent()).unwrap()
    };
    let still = traced(0.0);
    assert!(still.measured.metric("indirect_effect").all(|row| row.value.unwrap().abs() < 1e-6));
    let report = traced(3.0);
    let one = |metric: &str| report.measured.metric(metric).next().unwrap().value.unwrap();
    assert!((one("total_effect") - (one("high") - one("low"))).abs() < 1e-12);
    let of = |layer, item: &str| value(&report.measured, "indirect_effect", layer, "state", item);
    // The name put back at layer 0, and the last token put back at the end, undo all of the noise.
    let deepest = engine().info().layers;
    assert!((of(0, "1") - one("total_effect")).abs() < 1e-6 && (of(deepest, "4") - one("total_effect")).abs() < 1e-6);
    assert_eq!(of(deepest, "2"), 0.0);
    let answer = vec!["castle".to_owned(), "red".to_owned()];
    let other = PromptSpec { answer, wrong: Vec::new(), ..prompt("Anna sees", "Anna") };
    let params =
        TraceParams { prompts: vec![spec, other], samples: 2, kinds: vec![TraceKind::State], ..TraceParams::default() };
    let report = trace(engine(), &params, 4, &Monitor::silent()).unwrap();
    assert!(
        report.measured.notes.iter().any(|note| note.contains("1 of 2 prompts are left out")),
        "{:?}",
        report.measured.notes
    );
}

#[test]
fn windows_are_those_of_rome() {
    // max(0, l - w / 2) .. min(L, l + ceil(w / 2)) of blocks from 0, here from 1.
    let of = |layer, window| trace::around(layer, window, 12).collect::<Vec<_>>();
    assert_eq!(of(1, 10), [1, 2, 3, 4, 5]);
    assert_eq!(of(7, 10), (2..12).collect::<Vec<_>>());
    assert_eq!(of(12, 10), (7..13).collect::<Vec<_>>());
    assert_eq!(of(5, 1), [5]);
    assert_eq!(of(5, 3), [4, 5, 6]);
}

#[test]
fn a_knockout_is_the_cut_of_these_edges() {
    let deepest = engine().info().layers;
    let params = KnockoutParams {
        prompts: vec![prompt("Peter lives in the", "Peter")],
        edges: vec![
            Edges { queries: Tokens::Last, keys: Tokens::Subject },
            Edges { queries: Tokens::Bos, keys: Tokens::Last },
        ],
        window: 2 * deepest,
        ..KnockoutParams::default()
    };
    let report = knockout(engine(), &params, 1, &Monitor::silent()).unwrap();
    let of = |item: &str| value(&report.measured, "cut", 1, "last to subject", item);
    let cut = |heads: Option<Vec<usize>>| Edit {
        point: Point::AttnScores,
        blocks: Blocks::All,
        positions: Positions::Last,
        sentences: None,
        schedule: None,
        op: Op::Cut { heads, keys: Positions::List(vec![1]) },
    };
    assert!((of("all") - alone(vec![cut(None)])).abs() < 1e-4);
    assert!((of("h2") - alone(vec![cut(Some(vec![2]))])).abs() < 1e-4);
    // Nobody looks ahead, so there is nothing to cut.
    for row in report.measured.metric("cut_effect").filter(|row| row.variant == "bos to last") {
        assert_eq!(row.value, Some(0.0));
    }
}

#[test]
fn parts_add_up_and_the_report_says_the_same() {
    let params = DlaParams { prompts: vec![prompt("Peter lives in the", "Peter")], ..DlaParams::default() };
    let report = dla(engine(), &params, 1, &Monitor::silent()).unwrap();
    let of = |variant: &str| {
        report.measured.metric("logit_difference").find(|row| row.variant == variant).unwrap().value.unwrap()
    };
    assert!((of("model") - of("parts")).abs() < 1e-3);
    let parts: f64 = report.measured.metric("logit_part").map(|row| row.value.unwrap()).sum();
    let by_layer: f64 = report.runs[0].panels[1].effect.iter().flatten().sum();
    assert!((parts - of("parts")).abs() < 1e-9 && (parts - by_layer).abs() < 1e-9);
}

/// Two concepts in two languages: where somebody lives.
fn cross_params() -> CrossParams {
    let concept = |name: &str, english: &str, spanish: &str| Concept {
        name: name.to_owned(),
        words: [("eng_Latn", english), ("spa_Latn", spanish)].map(|(l, w)| (l.to_owned(), vec![w.to_owned()])).into(),
    };
    let asked = |concept: &str, language: &str, text: &str, object: &str| CrossPrompt {
        concept: concept.to_owned(),
        language: language.to_owned(),
        text: text.to_owned(),
        object: object.to_owned(),
        input: String::new(),
    };
    CrossParams {
        concepts: vec![concept("village", "village", "pueblo"), concept("city", "city", "ciudad")],
        prompts: vec![
            asked("village", "eng_Latn", "Anna lives in the", "Anna"),
            asked("city", "eng_Latn", "Peter lives in the", "Peter"),
            asked("village", "spa_Latn", "Ana vive en el", "Ana"),
            asked("city", "spa_Latn", "Pedro vive en la", "Pedro"),
        ],
        bootstrap: 100,
        ..CrossParams::default()
    }
}

#[test]
fn at_the_last_layer_the_target_says_what_the_source_says() {
    let report = cross(engine(), &cross_params(), 3, &Monitor::silent()).unwrap();
    let deepest = engine().info().layers;
    let of = |language: &str, pivot: &str, layer: Option<usize>, variant: &str, item: &str| {
        let fits = |row: &&crate::measure::Row| {
            row.language == language
                && row.pivot == pivot
                && row.layer == layer
                && row.variant == variant
                && row.item == item
        };
        report.measured.metric("probability").find(fits).unwrap().value.unwrap()
    };
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}");
    for (language, pivot) in [("eng_Latn", "spa_Latn"), ("spa_Latn", "eng_Latn")] {
        for item in ["cs_ls", "cs_lt", "ct_ls", "ct_lt"] {
            let own = of(language, pivot, None, "source", item);
            near(of(language, pivot, Some(deepest), "both", item), own);
            // The object's state no longer reaches anybody.
            near(of(language, pivot, Some(deepest), "object", item), of(language, pivot, None, "unpatched", item));
        }
        // With one other language the mean over languages is that language.
        near(of(language, "mean", Some(1), "object", "cs_lt"), of(language, pivot, Some(1), "object", "cs_lt"));
    }
    let shares = report.measured.metric("separability").chain(report.measured.metric("language_moved"));
    assert!(shares.filter_map(|row| row.value).all(|share| (0.0..=1.0).contains(&share)));
}

#[test]
fn colliding_and_missing_words_are_said() {
    let mut params = cross_params();
    params.concepts[1].words.insert("spa_Latn".to_owned(), vec!["pueblo".to_owned()]);
    let refused = cross(engine(), &params, 3, &Monitor::silent()).unwrap_err().to_string();
    assert!(refused.contains("begin with the same token"), "{refused}");
    let unknown = CrossParams { sources: vec!["deu_Latn".to_owned()], ..cross_params() };
    assert!(cross(engine(), &unknown, 3, &Monitor::silent()).unwrap_err().to_string().contains("deu_Latn"));
}
