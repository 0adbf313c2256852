//! Many plans at once are what one plan after the other is: captured numbers and what the edits did to the bit, generated text token for
//! token; at every kind of place, in families of every order of parts.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use babelscope_core::{
    alarm::Run,
    applied::Applied,
    engine::{Captured, Engine, EngineKind, LoadOptions, Values},
    generate::{Generate, Generation},
    monitor::{Monitor, Tick},
    plan::{Blocks, Capture, Edit, Op, Plan, Point, Positions, Reduce, Schedule, Site, Unit, Vector, Window},
    tokens::Encoded,
};
use babelscope_tests::golden::{Family, all, difference, encoded, load, magnitude, values};
use candle_core::Tensor;

/// Numbers without a pattern, the same every time.
fn numbers(n: usize, seed: u32) -> Vector {
    let value = |i: usize| ((i as u32 + seed * 7919 + 1).wrapping_mul(2_654_435_761) >> 8) as f32 / 4e6 - 2.0;
    (0..n).map(value).collect::<Vec<_>>().into()
}

fn add(engine: &Engine, site: Site, coefficient: f32) -> Edit {
    let vector = numbers(engine.width(site.point), site.block as u32);
    Edit::at(site, Op::Add { vector, coefficient, unit: Unit::Raw, keep_norm: false })
}

/// Every kind of edit at every kind of place that the model has, among them edits that change nothing.
fn edits(engine: &Engine) -> Vec<Vec<Edit>> {
    let (last, sites) = (engine.info().layers, engine.sites());
    let mut all = vec![vec![]];
    for site in sites.iter().filter(|site| [0, 1, last].contains(&site.block)) {
        all.push(match site.point {
            Point::AttnScores | Point::AttnProbs => {
                let cut = Op::Cut { heads: Some(vec![0]), keys: Positions::FirstContent };
                vec![Edit { positions: Positions::Last, ..Edit::at(*site, cut) }]
            }
            Point::Z => vec![Edit::at(*site, Op::ScaleHeads { heads: vec![1], factor: 0.0 })],
            Point::MlpAct => vec![Edit::at(*site, Op::Scale { neurons: vec![0, 3], factor: -2.0 })],
            Point::ResidMid => {
                vec![Edit::at(*site, Op::Ablate { direction: numbers(engine.width(site.point), 5) })]
            }
            _ => vec![add(engine, *site, 0.5)],
        });
    }
    let layer = Site::layer;
    let kept = |edit: &Edit| match edit.op.clone() {
        Op::Add { vector, coefficient, unit, .. } => {
            Edit { op: Op::Add { vector, coefficient, unit, keep_norm: true }, ..edit.clone() }
        }
        _ => edit.clone(),
    };
    all.extend([
        vec![kept(&add(engine, layer(2), 0.9))],
        vec![add(engine, layer(2), 0.0)],
        vec![add(engine, layer(2), 0.4), add(engine, layer(1), -0.3)],
        vec![Edit { positions: Positions::Generated, ..add(engine, layer(1), 1.0) }],
        vec![Edit { sentences: Some(vec![1]), ..add(engine, layer(1), 1.0) }],
        vec![Edit { blocks: Blocks::All, ..add(engine, layer(1), 0.2) }],
        vec![Edit { schedule: Some(Schedule::Factors(vec![0.0, 1.0, -1.0])), ..add(engine, layer(1), 1.0) }],
        vec![Edit {
            schedule: Some(Schedule::Halving(2)),
            positions: Positions::Content,
            ..add(engine, layer(2), 1.0)
        }],
    ]);
    all
}

/// All that is captured of a model here; `number` leaves some of it out, so that plans differ in that too.
fn captures(engine: &Engine, number: usize) -> Vec<Capture> {
    let layers = engine.info().layers;
    let mean = Reduce::Mean(Window { include_bos: true, skip_first: 0 });
    let mut captures: Vec<Capture> = (0..=layers).map(|l| Capture { site: Site::layer(l), reduce: mean }).collect();
    let sites = engine.sites();
    captures.extend(
        sites
            .iter()
            .enumerate()
            .filter(|(at, _)| (at + number).is_multiple_of(3))
            .map(|(_, site)| all(site.point, site.block)),
    );
    if number % 5 == 4 {
        captures.truncate(2);
    }
    if let (0, Some(last)) = (number % 2, sites.last()) {
        captures.push(Capture { site: *last, reduce: Reduce::Last });
    }
    captures
}

fn plans(engine: &Engine) -> Vec<Plan> {
    let plan = |(number, edits)| Plan { captures: captures(engine, number), edits, ..Plan::default() };
    edits(engine).into_iter().enumerate().map(plan).collect()
}

fn each(captured: &Captured) -> Vec<Tensor> {
    match &captured.values {
        Values::Tokens(tokens) => tokens.clone(),
        Values::Pooled(rows) => vec![rows.clone()],
    }
}

fn bits(captured: &Captured) -> Vec<Vec<u32>> {
    each(captured).iter().map(|tensor| values(tensor).into_iter().map(f32::to_bits).collect()).collect()
}

fn families() -> impl Iterator<Item = Family> {
    let named = [
        "llama",
        "gemma2",
        "gpt_neox",
        "falcon_alibi",
        "cohere",
        "olmo2",
        "opt_postnorm",
        "mixtral",
        "bert",
        "mt5_encoder",
    ];
    named.into_iter().map(Family::golden)
}

#[test]
fn runs_of_many_plans_are_those_of_one_after_the_other_to_the_bit() {
    for family in families() {
        let engine = family.engine();
        let (sentences, plans) = (family.sentences(), plans(&engine));
        let together = engine.run_forks_watched(&sentences, &plans, &Monitor::silent()).unwrap();
        assert_eq!(together.len(), plans.len());
        for (number, (together, plan)) in together.iter().zip(&plans).enumerate() {
            let alone = engine.run_watched(&sentences, plan, &Monitor::silent()).unwrap();
            let what = || format!("{} {number} {:?}", family.name(), plan.edits.first().map(|e| (e.point, &e.blocks)));
            let sites = |run: &Run| run.captured.iter().map(|c| c.capture).collect::<Vec<_>>();
            assert_eq!(sites(together), plan.captures, "{}", what());
            for (together, alone) in together.captured.iter().zip(&alone.captured) {
                assert!(bits(together) == bits(alone), "{} {:?}", what(), alone.capture);
            }
            assert_eq!(together.alarms, alone.alarms, "{}", what());
            assert_eq!(together.applied, alone.applied, "{}", what());
        }
    }
}

/// More tokens than one batch takes, so that the trunk is climbed several times.
#[test]
fn many_batches_keep_their_order() {
    let engine = Family::golden("qwen2").engine();
    let ids = |n: usize| (0..n).map(|i| (i * 7 + n) as u32 % 60 + 3).collect::<Vec<_>>();
    let sentences: Vec<Encoded> = (0..150).map(|i| encoded(&ids(1 + i * 13 % 29))).collect();
    let plans: Vec<Plan> = [0.5, -1.0]
        .into_iter()
        .flat_map(|strength| (0..=engine.info().layers).map(move |layer| (strength, layer)))
        .map(|(strength, layer)| {
            let mut plan = Plan::layers(0..=engine.info().layers, Reduce::Last);
            plan.edits.push(add(&engine, Site::layer(layer), strength));
            plan
        })
        .collect();
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ticks);
    let monitor =
        Monitor::new(Arc::default(), move |tick: Tick<'_>| seen.lock().unwrap().push((tick.done, tick.total)));
    let together = engine.run_forks(&sentences, &plans, &monitor).unwrap();
    for (together, plan) in together.iter().zip(&plans) {
        let alone = engine.run(&sentences, plan, &Monitor::silent()).unwrap();
        assert!(together.iter().zip(&alone).all(|(together, alone)| bits(together) == bits(alone)));
    }
    let ticks = ticks.lock().unwrap();
    assert!(ticks.is_sorted() && ticks.len() > 3 * plans.len(), "{ticks:?}");
    assert_eq!(ticks.last(), Some(&(sentences.len() * plans.len(), sentences.len() * plans.len())));
}

#[test]
fn another_engine_computes_plan_after_plan_and_tells_the_same_of_its_edits() {
    let family = Family::golden("llama");
    let (native, sentences) = (family.engine(), family.sentences());
    let candle = load(&family.folder, &LoadOptions { engine: Some(EngineKind::Candle), ..family.options() });
    let plans = plans(&native);
    let [ours, theirs] =
        [&native, &candle].map(|engine| engine.run_forks_watched(&sentences, &plans, &Monitor::silent()).unwrap());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        for (ours, theirs) in ours.captured.iter().zip(&theirs.captured) {
            for (ours, theirs) in each(ours).iter().zip(each(theirs)) {
                assert!(difference(ours, &theirs) <= 1e-4 * magnitude(ours).max(1.0));
            }
        }
        same_told(&ours.applied, &theirs.applied, "candle");
    }
}

/// Equal but for rounding.
fn same_told(a: &[Applied], b: &[Applied], what: &str) {
    let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-4 * (1.0 + b.abs()),
        (a, b) => a == b,
    };
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        // Told are the logits that were computed: of the last token, or of all where some plan captures them.
        let logits = a.site.point == Point::Logits;
        let count = |x: &Applied| if logits { 0 } else { x.tokens };
        let blank = |x: &Applied| Applied { mean_norm: None, mean_change: None, tokens: count(x), ..x.clone() };
        assert_eq!(blank(a), blank(b), "{what}");
        let close = near(a.mean_norm, b.mean_norm) && near(a.mean_change, b.mean_change);
        assert!(logits || close, "{what}: {a:?} {b:?}");
    }
}

fn generate(engine: &Engine, prompts: &[Encoded], options: &Generate, plan: &Plan) -> Generation {
    engine.generate(prompts, options, plan, &mut |_| ControlFlow::Continue(()), &Monitor::silent()).unwrap()
}

fn generate_forks(engine: &Engine, prompts: &[Encoded], options: &Generate, plans: &[Plan]) -> Vec<Generation> {
    engine.generate_forks(prompts, options, plans, &mut |_, _| ControlFlow::Continue(()), &Monitor::silent()).unwrap()
}

fn greedy(max_new_tokens: usize) -> Generate {
    Generate { max_new_tokens, ignore_eos: true, logprobs: true, ..Generate::default() }
}

/// The same text, states and told edits.
fn same(together: &Generation, alone: &Generation, what: &str) {
    for (together, alone) in together.sequences.iter().zip(&alone.sequences) {
        assert_eq!((&together.ids, &together.text, &together.stop), (&alone.ids, &alone.text, &alone.stop), "{what}");
        for (a, b) in together.logprobs.iter().flatten().zip(alone.logprobs.iter().flatten()) {
            assert!((a - b).abs() <= 1e-4, "{what}: {a} {b}");
        }
    }
    assert_eq!(together.sequences.len(), alone.sequences.len(), "{what}");
    assert_eq!(together.captured.len(), alone.captured.len(), "{what}");
    for (together, alone) in together.captured.iter().zip(&alone.captured) {
        assert_eq!(together.capture, alone.capture, "{what}");
        for (a, b) in each(together).iter().zip(each(alone)) {
            let d = difference(a, &b) / magnitude(&b).max(1.0);
            assert!(d <= 1e-5, "{what} {:?}: {d:e}", alone.capture);
        }
    }
    let kinds = |generation: &Generation| generation.alarms.iter().map(|a| (a.site, a.what)).collect::<Vec<_>>();
    assert_eq!(kinds(together), kinds(alone), "{what}");
    same_told(&together.applied, &alone.applied, what);
}

#[test]
fn generation_under_many_plans_is_that_of_one_after_the_other() {
    for family in families().filter(Family::causal) {
        let engine = family.engine();
        let mut prompts = family.sentences()[..3].to_vec();
        prompts.iter_mut().for_each(|prompt| prompt.bos = usize::from(prompt.ids.len() > 2));
        prompts.push(prompts[0].clone());
        let plans = plans(&engine);
        let sampled = Generate { temperature: 1.3, top_k: Some(40), seed: 3, ..greedy(5) };
        for options in [greedy(5), sampled] {
            let together = generate_forks(&engine, &prompts, &options, &plans);
            assert_eq!(together.len(), plans.len());
            for (number, (together, plan)) in together.iter().zip(&plans).enumerate() {
                let places: Vec<_> = plan.edits.iter().map(|edit| (edit.point, &edit.blocks)).collect();
                let what = format!("{} {number} {places:?}", family.name());
                same(together, &generate(&engine, &prompts, &options, plan), &what);
            }
        }
    }
}

/// More plans than go on together, and more prompts than do under several.
#[test]
fn groups_of_plans_and_prompts_come_back_in_their_order() {
    let engine = Family::golden("qwen2").engine();
    let ids = |n: usize| (0..n).map(|i| (i * 7 + n) as u32 % 60 + 3).collect::<Vec<_>>();
    let prompts: Vec<Encoded> = (0..5).map(|i| encoded(&ids(2 + i * 13 % 29))).collect();
    let plan = |number: usize| Plan {
        edits: vec![Edit {
            positions: if number.is_multiple_of(4) { Positions::Generated } else { Positions::All },
            ..add(&engine, Site::layer(number % (engine.info().layers + 1)), number as f32 / 30.0)
        }],
        ..Plan::layers([1], Reduce::Last)
    };
    let plans: Vec<Plan> = (0..70).map(plan).collect();
    let mut heard = vec![vec![Vec::new(); prompts.len()]; plans.len()];
    let mut hear = |plan: usize, step: babelscope_core::generate::Step<'_>| {
        heard[plan][step.sequence].push(step.token);
        ControlFlow::Continue(())
    };
    let together = engine.generate_forks(&prompts, &greedy(3), &plans, &mut hear, &Monitor::silent()).unwrap();
    for (number, (together, heard)) in together.iter().zip(&heard).enumerate() {
        assert!(together.sequences.iter().zip(heard).all(|(sequence, heard)| sequence.ids == *heard), "{number}");
        if [0, 1, 4, 13, 31, 32, 63, 64, 69].contains(&number) {
            same(together, &generate(&engine, &prompts, &greedy(3), &plans[number]), &number.to_string());
        }
    }
}

/// A sequence that is broken off under one plan goes on under the others.
#[test]
fn each_plan_ends_by_itself() {
    let family = Family::golden("llama");
    let engine = family.engine();
    let prompts = family.sentences();
    let plans =
        [0.0, 0.8].map(|strength| Plan { edits: vec![add(&engine, Site::layer(2), strength)], ..Plan::default() });
    let mut stop = |plan: usize, _: babelscope_core::generate::Step<'_>| {
        if plan == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let got = engine.generate_forks(&prompts, &greedy(6), &plans, &mut stop, &Monitor::silent()).unwrap();
    assert!(got[0].sequences.iter().all(|sequence| sequence.ids.len() == 1));
    same(&got[1], &generate(&engine, &prompts, &greedy(6), &plans[1]), "the other plan");
}

#[test]
fn the_plan_that_does_not_fit_is_named() {
    let engine = Family::golden("llama").engine();
    let sentences = Family::golden("llama").sentences();
    let good = Plan::layers([1], Reduce::Last);
    let bad =
        Plan { edits: vec![Edit::at(Site::layer(1), Op::Ablate { direction: vec![1.0].into() })], ..good.clone() };
    let plans = [good.clone(), good.clone(), bad];
    let why = engine.run_forks(&sentences, &plans, &Monitor::silent()).unwrap_err().to_string();
    assert!(why.starts_with("plan: number 2, edit 0 (ablate at resid_post): the direction has 1 numbers"), "{why}");
    let mut never = |_: usize, _: babelscope_core::generate::Step<'_>| panic!("nothing should be said");
    let mut refuse = |plans: &[Plan]| {
        engine.generate_forks(&sentences, &greedy(2), plans, &mut never, &Monitor::silent()).unwrap_err().to_string()
    };
    assert!(refuse(&plans).starts_with("plan: number 2, edit 0"));
    assert!(refuse(&[]).contains("no plan was given"));
    let short = Plan { stop_after: Some(1), ..Plan::default() };
    assert!(refuse(&[good, short]).starts_with("plan: number 1, stop_after is layer 1"));
    assert!(engine.run_forks(&sentences, &[], &Monitor::silent()).unwrap().is_empty());
}
