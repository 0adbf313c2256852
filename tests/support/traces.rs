//! Chains of thought of the made-up run: one problem in five scripts, one of them wrong, one with a gap; and what was known along them.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use babelscope::{
    details::Details,
    run::Run,
    spec::{CotSpec, HintsSpec, ProbeSpec},
    tables::measures::Probed,
};
use babelscope_core::monitor::Monitor;
use babelscope_probes::cot::{
    Trace,
    commitment::{Changes, Commitment},
    hints::{Arm, AskParams, Asked, Cue, Mention},
    inside::{
        Cost, Curves, HeadScore, Importance, Influence, Latent, LatentCell, Projection, Receivers, Shift, newcombe,
        wilson,
    },
    report::{Traced, report},
    table::GraphParams,
    watched::Watched,
};

use crate::synthetic::{self, LAYERS};

/// The languages of the traces, sorted.
pub const LANGUAGES: [&str; 5] = ["arb_Arab", "eng_Latn", "hin_Deva", "tha_Thai", "zho_Hans"];

/// The trace of the first problem in each of [`LANGUAGES`]: right, right, wrong from the first step on, with a gap and something
/// that is not needed, right.
pub const TEXTS: [&str; 5] = [
    "٣ + ٤ = ٧. ٧ - ٢ = ٥. الجواب هو ٥.",
    "3 + 4 = 7. 7 - 2 = 5. The answer is 5.",
    "३ + ४ = ८। ८ - २ = ६। उत्तर ६ है।",
    "๑๐ + ๑ = ๑๑. ๗ - ๒ = ๕. คำตอบคือ ๕.",
    "3 + 4 = 7。7 - 2 = 5。答案是 5。",
];

fn trace(problem: &str, language: &str, text: &str) -> Trace {
    Trace {
        problem: problem.to_owned(),
        language: language.to_owned(),
        statement: "Anna has 3 cups and buys 4 cups. She loses 2 cups.".to_owned(),
        statement_language: Some("eng_Latn".to_owned()),
        text: text.to_owned(),
        answer: Some("5".to_owned()),
        ..Trace::default()
    }
}

/// What the model commits to behind a step.
pub fn committed(boundary: usize, steps: usize) -> f64 {
    boundary as f64 / steps as f64
}

/// Four of six rollouts are right behind a step and two before it; the first step is like any other.
fn importance(step: usize) -> Importance {
    let [before, behind] = [wilson(2, 6), wilson(4, 6)];
    Importance {
        step,
        n: [6, 6],
        accuracy: [before, behind],
        resampling: Shift { accuracy: newcombe(behind, before), kl: 0.25 },
        counterfactual: (step > 0).then(|| Shift { accuracy: newcombe(wilson(0, 3), behind), kl: 0.75 }),
        different: Some(wilson(3, 6)),
        overdetermined: 0.5,
    }
}

/// Two heads, of which the second looks back the more pointedly.
fn receivers(steps: usize) -> Receivers {
    let vertical: Vec<Option<f64>> =
        (0..steps).map(|step| (step + 1 < steps).then(|| 0.25 * (step + 1) as f64)).collect();
    let head = |block, head, kurtosis| HeadScore { block, head, kurtosis: Some(kurtosis), vertical: vertical.clone() };
    Receivers {
        heads: vec![head(1, 0, 1.5), head(2, 1, 2.5)],
        top: vec![(2, 1), (1, 0)],
        attention: (0..steps).map(|step| vec![0.25; step + 1]).collect(),
        score: vertical.clone(),
        notes: Vec::new(),
    }
}

/// What earlier steps do to later ones: `scale` nats, less by the place of the earlier one.
fn influence(change: &str, scale: f64, steps: usize) -> Influence {
    Influence {
        change: change.to_owned(),
        temperature: 1.0,
        kl: (0..steps).map(|step| (0..step).map(|before| scale / (1.0 + before as f64)).collect()).collect(),
        log_kl: (0..steps).map(|step| vec![0.0; step]).collect(),
        cost: Cost::default(),
        notes: Vec::new(),
    }
}

/// What was known along a trace, by rule: it commits evenly, the lens follows at half the height.
fn watched(number: usize, traced: &Traced) -> Watched {
    let steps = traced.steps.len();
    let curve: Vec<f64> = (0..=steps).map(|boundary| committed(boundary, steps)).collect();
    let language = traced.trace.language.as_str();
    let cell = |layer: usize| {
        // English in the middle, the own language at the end.
        let own = layer + 1 >= LAYERS;
        LatentCell { languages: vec![0.5, 0.5], scripts: Vec::new(), top: Some(usize::from(own)) }
    };
    let found = Watched {
        trace: number,
        curves: Some(Curves {
            answer: "5".to_owned(),
            seen: (0..=steps).map(|boundary| boundary >= 2).collect(),
            decodable: curve.iter().map(|share| 0.5 * share).collect(),
            layer: LAYERS - 1,
            committed: curve.clone(),
            stated: (0..=steps).map(|boundary| boundary == steps).collect(),
            same: (0..=steps).map(|boundary| 2 * boundary >= steps).collect(),
        }),
        candidates: vec!["5".to_owned(), "7".to_owned()],
        top: (0..=steps).map(|boundary| usize::from(2 * boundary < steps)).collect(),
        commitment: vec![(0.5, Commitment::of(&curve[1..], 0.5).unwrap())],
        changes: Changes::default(),
        cost: Cost::default(),
        surface: vec![Some(language.to_owned()); steps],
        latent: Some(Latent {
            layers: (0..=LAYERS).collect(),
            languages: vec!["eng_Latn".to_owned(), language.to_owned()],
            rule: "made up".to_owned(),
            scripts: Vec::new(),
            cells: (0..steps).map(|_| (0..=LAYERS).map(cell).collect()).collect(),
            surface: vec![Some(language.to_owned()); steps],
            agreement: vec![Some(1.0); LAYERS + 1],
        }),
        influence: Some(influence("suppressed", 1.0, steps)),
        left_out: Some(influence("left_out", 2.0, steps)),
        receivers: Some(receivers(steps)),
        importance: (0..steps).map(importance).collect(),
        projections: vec![Projection {
            vector: "made up".to_owned(),
            layers: vec![2],
            tokens: vec![Vec::new()],
            cosine: vec![Vec::new()],
            steps: vec![(0..steps).map(|step| step as f64).collect()],
            prompt: vec![1.0],
        }],
        ..Watched::default()
    };
    Watched { notes: vec!["made up".to_owned()], ..found }
}

/// A run with these traces, of which those in Arabic and Thai were watched.
pub fn of(traces: Vec<Trace>) -> Run {
    let params = GraphParams { bootstrap: 0, ..GraphParams::default() };
    let found = report(traces, &BTreeMap::new(), "eng_Latn", &params, 0, &Monitor::silent()).unwrap();
    let seen = |traced: &Traced| ["arb_Arab", "tha_Thai"].contains(&traced.trace.language.as_str());
    let watched = found.traces.iter().enumerate().filter(|(_, traced)| seen(traced)).map(|(at, t)| watched(at, t));
    let watched = watched.collect();
    let mut run = synthetic::run();
    run.measured.push(Probed { probe: "cot".to_owned(), seed: 0, measured: found.measured });
    run.details.push(Details {
        probe: "cot".to_owned(),
        problems: found.problems,
        traces: found.traces,
        watched,
        ..Details::default()
    });
    let mut spec = CotSpec::default();
    let watch = &mut spec.watch;
    (watch.rollouts, watch.receivers, watch.suppress, watch.leave_out) = (6, true, true, true);
    run.spec.probe.push(ProbeSpec::Cot(spec));
    run
}

/// The made-up run with the traces of two problems; the second one has two tries in Arabic.
pub fn run() -> Run {
    let mut traces: Vec<Trace> =
        LANGUAGES.iter().zip(TEXTS).map(|(language, text)| trace("cups", language, text)).collect();
    traces.push(trace("spoons", "eng_Latn", TEXTS[1]));
    traces.push(trace("spoons", "arb_Arab", "٣ + ٤ = ٨. الجواب هو ٨."));
    traces.push(Trace { sample: 1, ..trace("spoons", "arb_Arab", TEXTS[0]) });
    of(traces)
}

/// A run of hints alone: two questions in two languages. In English the hint switches both answers and neither says so; in Arabic it
/// switches one, which says so.
pub fn hinted() -> Run {
    let one = |item: &str, language: &str, arm: Arm, chosen: usize, mentioned: bool| {
        let hint = Mention { span: 0..4, cue: Cue::Phrase };
        let text = if language == "arb_Arab" { "المعلم. الجواب هو ٩." } else { "The answer is 9." };
        Asked {
            item: item.to_owned(),
            language: language.to_owned(),
            arm,
            statement: "3 + 4?".to_owned(),
            text: text.to_owned(),
            options: ["7", "9"].map(str::to_owned).into(),
            hinted: (arm != Arm::NoHint).then_some(1),
            chosen: Some(chosen),
            mentions: if mentioned { vec![hint] } else { Vec::new() },
            shares: vec![vec![0.25, 0.75]],
            ..Asked::default()
        }
    };
    let asked = vec![
        one("q1", "eng_Latn", Arm::NoHint, 0, false),
        one("q1", "eng_Latn", Arm::Hint, 1, false),
        one("q1", "eng_Latn", Arm::RandomHint, 0, false),
        one("q2", "eng_Latn", Arm::NoHint, 0, false),
        one("q2", "eng_Latn", Arm::Hint, 1, false),
        one("q1", "arb_Arab", Arm::NoHint, 0, false),
        one("q1", "arb_Arab", Arm::Hint, 1, true),
        one("q1", "arb_Arab", Arm::RandomHint, 0, false),
        one("q2", "arb_Arab", Arm::NoHint, 0, false),
        one("q2", "arb_Arab", Arm::Hint, 0, false),
    ];
    let mut run = synthetic::run();
    let measured = Asked::rows(&asked, &AskParams::default()).unwrap();
    run.measured.push(Probed { probe: "hints".to_owned(), seed: 0, measured });
    run.details.push(Details { probe: "hints".to_owned(), asked, ..Details::default() });
    run.spec.probe.push(ProbeSpec::Hints(HintsSpec::default()));
    run
}

/// The same with nothing but what is watched always.
pub fn sparse() -> Run {
    let mut run = run();
    for watched in run.details.iter_mut().flat_map(|details| &mut details.watched) {
        (watched.influence, watched.left_out, watched.receivers) = (None, None, None);
        watched.importance.clear();
    }
    run.spec.probe.retain(|probe| probe.kind() != "cot");
    run.spec.probe.push(ProbeSpec::Cot(CotSpec::default()));
    run
}

/// A run with one long trace in which each step is built on three before it.
pub fn woven(steps: usize) -> Run {
    let value = |n: usize| 1000 + n;
    let first = "1001 + 0 = 1001. 1001 + 1 = 1002. 1002 + 1 = 1003. 1003 + 1 = 1004. 1004 + 1 = 1005. ";
    let step = |n: usize| format!("{} + {} - {} = {}. ", value(n - 1), value(n - 4), value(n - 5), value(n));
    let text: String = std::iter::once(first.to_owned()).chain((6..=steps).map(step)).collect();
    of(vec![Trace { answer: Some(value(steps).to_string()), ..trace("weave", "eng_Latn", &text) }])
}

/// A run with one long trace that is a tree: each step is built on the one at half its place.
pub fn tree(steps: usize) -> Run {
    let step = |n: usize| format!("{} + {} = {}. ", 1000 + n / 2, n - n / 2, 1000 + n);
    let text: String = (1..=steps).map(step).collect();
    of(vec![Trace { answer: Some((1000 + steps).to_string()), ..trace("tree", "eng_Latn", &text) }])
}

/// A run with one long trace: each step adds one to the value before.
pub fn long(steps: usize) -> Run {
    let text: String = (1..=steps).map(|n| format!("{n} + 1 = {}. ", n + 1)).collect();
    of(vec![Trace { answer: Some((steps + 1).to_string()), ..trace("count", "eng_Latn", &text) }])
}
