//! Laws of steering, through the whole engine: what is added is added once to each token that is meant, as long and as often as was asked
//! for, what is ablated is gone, schedules count steps alike with and without a cache, and the log tells what was done.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::ops::ControlFlow;

use babelscope_core::{
    applied::Applied,
    dtype::Dtype,
    engine::{Engine, LoadOptions},
    generate::{Generate, Generation},
    monitor::Monitor,
    plan::{Blocks, Edit, Op, Plan, Point, Positions, Schedule, Site, Unit, Vector},
    tokens::Encoded,
};
use babelscope_tests::golden::{Family, all, difference, encoded, load, magnitude, tokens, values};
use candle_core::Tensor;

/// Numbers without a pattern, the same every time.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let value = |i: usize| ((i as u32 + seed * 7919 + 1).wrapping_mul(2_654_435_761) >> 8) as f32 / 4e6 - 2.0;
    (0..n).map(value).collect()
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

fn norm(row: &[f64]) -> f64 {
    row.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn rows(states: &Tensor) -> Vec<Vec<f64>> {
    states.to_vec2::<f32>().unwrap().iter().map(|row| wide(row)).collect()
}

fn add(vector: &[f32], coefficient: f32, unit: Unit) -> Op {
    Op::Add { vector: vector.to_vec().into(), coefficient, unit, keep_norm: false }
}

fn families() -> impl Iterator<Item = (Family, Engine)> {
    ["llama", "gemma2", "gpt_neox", "falcon", "olmo2", "mixtral", "bert"].into_iter().map(|name| {
        let family = Family::golden(name);
        let engine = family.engine();
        (family, engine)
    })
}

/// Sentences in which every position that is named here exists.
fn long(family: &Family) -> Vec<Encoded> {
    let sentences: Vec<Encoded> = family.sentences().into_iter().filter(|sentence| sentence.ids.len() > 5).collect();
    assert!(sentences.len() > 2, "{}", family.name());
    sentences
}

fn at(engine: &Engine, sentences: &[Encoded], site: Site, edits: &[Edit]) -> Vec<Tensor> {
    let plan = Plan { captures: vec![all(site.point, site.block)], edits: edits.to_vec(), ..Plan::default() };
    tokens(&engine.run(sentences, &plan, &Monitor::silent()).unwrap()[0]).to_vec()
}

fn generate(engine: &Engine, prompts: &[Encoded], new: usize, plan: &Plan) -> Generation {
    let options = Generate { max_new_tokens: new, ignore_eos: true, ..Generate::default() };
    engine.generate(prompts, &options, plan, &mut |_| ControlFlow::Continue(()), &Monitor::silent()).unwrap()
}

fn texts(prompts: &[Encoded], said: &Generation) -> Vec<Encoded> {
    let whole = |prompt: &Encoded, new: &[u32]| {
        let ids: Vec<u32> = prompt.ids.iter().chain(new).copied().collect();
        Encoded { bos: prompt.bos, ..encoded(&ids) }
    };
    prompts.iter().zip(&said.sequences).map(|(prompt, said)| whole(prompt, &said.ids)).collect()
}

#[test]
fn the_change_at_a_layer_is_as_long_as_was_asked_for() {
    for (family, engine) in families() {
        let sentences = family.sentences();
        let vector = numbers(engine.info().width, 4);
        for layer in 0..=engine.info().layers {
            let site = Site::layer(layer);
            let before = at(&engine, &sentences, site, &[]);
            for (coefficient, unit, want) in [
                (0.5, Unit::Norm(8.0), 4.0),
                (-2.0, Unit::Norm(1.5), 3.0),
                (0.25, Unit::Raw, 0.25 * norm(&wide(&vector))),
            ] {
                let after = at(&engine, &sentences, site, &[Edit::at(site, add(&vector, coefficient, unit))]);
                for (after, before) in after.iter().zip(&before) {
                    for (after, before) in rows(after).iter().zip(rows(before)) {
                        let got = norm(&minus(after, &before));
                        assert!((got / want - 1.0).abs() <= 1e-5, "{} {site}: {got} {want}", family.name());
                    }
                }
            }
        }
    }
}

#[test]
fn an_ablated_direction_is_gone_at_every_position() {
    for (family, engine) in families() {
        let sentences = family.sentences();
        let direction = numbers(engine.info().width, 9);
        let d = wide(&direction);
        let ablate = Op::Ablate { direction: direction.clone().into() };
        for block in 1..=engine.info().layers {
            let edit = Edit { blocks: Blocks::All, ..Edit::at(Site::layer(block), ablate.clone()) };
            for states in at(&engine, &sentences, Site::layer(block), &[edit]) {
                for row in rows(&states) {
                    let along = row.iter().zip(&d).map(|(h, d)| h * d).sum::<f64>() / norm(&d) / norm(&row);
                    assert!(along.abs() <= 1e-5, "{} {block}: {along:e}", family.name());
                }
            }
        }
    }
}

#[test]
fn what_is_added_and_subtracted_is_gone() {
    for (family, engine) in families() {
        let sentences = family.sentences();
        let vector = numbers(engine.info().width, 2);
        for layer in 0..=engine.info().layers {
            let site = Site::layer(layer);
            let edits = [0.7, -0.7].map(|coefficient| Edit::at(site, add(&vector, coefficient, Unit::Norm(3.0))));
            let before = at(&engine, &sentences, site, &[]);
            for (back, before) in at(&engine, &sentences, site, &edits).iter().zip(&before) {
                for (back, before) in rows(back).iter().zip(rows(before)) {
                    let scale = norm(&before).max(2.1);
                    assert!(norm(&minus(back, &before)) <= 1e-6 * scale, "{} {site}", family.name());
                }
            }
        }
    }
}

/// What stands at the edited layer is what stands there without the edit, as nothing below it has changed, and the vector once.
#[test]
fn a_vector_is_added_once_to_every_given_and_every_generated_token() {
    for (family, engine) in families().filter(|(family, _)| family.causal()) {
        let prompts = long(&family);
        let vector = numbers(engine.info().width, 6);
        for layer in 0..=engine.info().layers {
            let site = Site::layer(layer);
            for positions in [Positions::All, Positions::Generated, Positions::From(2), Positions::Prompt] {
                let edit = Edit { positions: positions.clone(), ..Edit::at(site, add(&vector, 1.5, Unit::Raw)) };
                let plan = Plan { captures: vec![all(site.point, site.block)], edits: vec![edit], ..Plan::default() };
                let said = generate(&engine, &prompts, 4, &plan);
                let plain = at(&engine, &texts(&prompts, &said), site, &[]);
                for ((steered, plain), prompt) in tokens(&said.captured[0]).iter().zip(&plain).zip(&prompts) {
                    for (position, (steered, plain)) in rows(steered).iter().zip(rows(plain)).enumerate() {
                        let meant = match positions {
                            Positions::All => true,
                            Positions::Generated => position >= prompt.ids.len(),
                            Positions::Prompt => position < prompt.ids.len(),
                            _ => position >= 2,
                        };
                        let want: Vec<f64> = wide(&vector).iter().map(|v| if meant { 1.5 * v } else { 0.0 }).collect();
                        let off = norm(&minus(&minus(steered, &plain), &want));
                        assert!(off <= 1e-4 * (1.0 + norm(&plain)), "{} {site} {position}: {off}", family.name());
                    }
                }
            }
        }
    }
}

/// What a prompt's tokens got is the first factor. Read as one text, all tokens are given, so the new ones have edits of their own there.
#[test]
fn a_scheduled_generation_is_one_pass_over_its_text_with_the_factors_written_out() {
    for name in ["llama", "gemma2", "gpt_neox"] {
        let family = Family::golden(name);
        let engine = family.engine();
        let prompts = long(&family);
        let vector = numbers(engine.info().width, 3);
        let captures =
            vec![all(Point::ResidPost, 1), all(Point::ResidPost, engine.info().layers), all(Point::Logits, 0)];
        for schedule in [
            Schedule::First(2),
            Schedule::Halving(1),
            Schedule::Linear { to: -1.0, steps: 3 },
            Schedule::Factors(vec![0.0, 2.0, 1.0]),
        ] {
            let steer = Edit::at(Site::layer(2), add(&vector, 0.6, Unit::Norm(4.0)));
            let scheduled = Edit { schedule: Some(schedule.clone()), ..steer };
            let plan = Plan { captures: captures.clone(), edits: vec![scheduled], ..Plan::default() };
            let said = generate(&engine, &prompts, 6, &plan);
            let texts = texts(&prompts, &said);
            let one = |sentence: usize, position: usize| {
                let factor = schedule.at(position.saturating_sub(prompts[sentence].ids.len()));
                Edit {
                    positions: Positions::List(vec![position]),
                    sentences: Some(vec![sentence]),
                    ..Edit::at(Site::layer(2), add(&vector, 0.6 * factor, Unit::Norm(4.0)))
                }
            };
            let edits: Vec<Edit> = texts
                .iter()
                .enumerate()
                .flat_map(|(sentence, text)| (0..text.ids.len()).map(move |position| (sentence, position)))
                .map(|(sentence, position)| one(sentence, position))
                .collect();
            let written = Plan { captures: captures.clone(), edits, ..Plan::default() };
            let want = engine.run(&texts, &written, &Monitor::silent()).unwrap();
            for (got, want) in said.captured.iter().zip(&want) {
                for (got, want) in tokens(got).iter().zip(tokens(want)) {
                    let d = difference(got, want) / magnitude(want).max(1.0);
                    assert!(d <= 1e-5, "{name} {schedule:?} {:?}: {d:e}", want.dims());
                }
            }
            let logits = tokens(&want[2]);
            for ((prompt, sequence), logits) in prompts.iter().zip(&said.sequences).zip(logits) {
                for (step, token) in sequence.ids.iter().enumerate() {
                    let row = values(&logits.get(prompt.ids.len() - 1 + step).unwrap());
                    let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    assert!(top - row[*token as usize] <= 1e-3, "{name}: not the likeliest");
                }
            }
        }
        // All given: one text with the schedule has its first factor everywhere.
        let edit = |schedule: Option<Schedule>, coefficient: f32| Edit {
            schedule,
            ..Edit::at(Site::layer(2), add(&vector, coefficient, Unit::Raw))
        };
        let scheduled = at(
            &engine,
            &prompts,
            Site::layer(engine.info().layers),
            &[edit(Some(Schedule::Factors(vec![0.5, 9.0])), 2.0)],
        );
        let plain = at(&engine, &prompts, Site::layer(engine.info().layers), &[edit(None, 1.0)]);
        for (scheduled, plain) in scheduled.iter().zip(&plain) {
            assert!(difference(scheduled, plain) <= 1e-6 * magnitude(plain), "{name}");
        }
    }
}

#[test]
fn the_log_tells_what_each_edit_did() {
    for (family, engine) in families() {
        let sentences = long(&family);
        let width = engine.info().width;
        let (steer, direction) = (numbers(width, 8), numbers(width, 1));
        let edits = vec![
            Edit {
                positions: Positions::FromEnd(vec![1, 2]),
                ..Edit::at(Site::layer(1), add(&steer, 0.5, Unit::Norm(6.0)))
            },
            Edit {
                blocks: Blocks::Range { first: 1, last: 2 },
                sentences: Some(vec![2, 0]),
                ..Edit::at(Site::layer(1), Op::Ablate { direction: direction.clone().into() })
            },
            Edit::at(Site::layer(2), add(&steer, 0.0, Unit::Raw)),
        ];
        let plan = |captures, edits: &[Edit]| Plan { captures, edits: edits.to_vec(), ..Plan::default() };
        let watch = |plan: &Plan| engine.run_watched(&sentences, plan, &Monitor::silent()).unwrap();
        let deep = vec![all(Point::ResidPost, 2)];
        assert_eq!(watch(&plan(deep.clone(), &[])).applied, []);
        let told = watch(&plan(deep, &edits)).applied;
        let at = |edit: usize| told.iter().filter(move |a| a.edit == edit).collect::<Vec<_>>();
        let short = |a: &&Applied| (a.sentence, a.step, a.site.block, a.tokens, a.coefficient);
        let two: Vec<_> = (0..sentences.len()).map(|s| (s, 0, 1, 2, Some(0.5))).collect();
        assert_eq!(at(0).iter().map(short).collect::<Vec<_>>(), two);
        let n = |s: usize| sentences[s].ids.len();
        let both = [(0, 0, 1, n(0), None), (0, 0, 2, n(0), None), (2, 0, 1, n(2), None), (2, 0, 2, n(2), None)];
        assert_eq!(at(1).iter().map(short).collect::<Vec<_>>(), both);
        assert!(at(2).is_empty(), "strength 0 was told");

        let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len() as f64;
        let states = |edits: &[Edit]| {
            let run = watch(&plan(vec![all(Point::ResidPost, 1)], edits));
            tokens(&run.captured[0]).iter().map(rows).collect::<Vec<_>>()
        };
        let (bare, steered, ablated) = (states(&[]), states(&edits[..1]), states(&edits[..2]));
        for (told, bare) in at(0).iter().zip(&bare) {
            let norms: Vec<f64> = bare[bare.len() - 2..].iter().map(|row| norm(row)).collect();
            assert!((told.mean_norm.unwrap() / mean(&norms) - 1.0).abs() < 1e-5, "{}: {told:?}", family.name());
            assert!((told.mean_change.unwrap() - 3.0).abs() < 1e-4, "{}: {told:?}", family.name());
        }
        for told in at(1).iter().filter(|told| told.site.block == 1) {
            let (before, after) = (&steered[told.sentence], &ablated[told.sentence]);
            let moved: Vec<f64> = before.iter().zip(after).map(|(a, b)| norm(&minus(a, b))).collect();
            let norms: Vec<f64> = before.iter().map(|row| norm(row)).collect();
            assert!((told.mean_norm.unwrap() / mean(&norms) - 1.0).abs() < 1e-5, "{}: {told:?}", family.name());
            assert!((told.mean_change.unwrap() - mean(&moved)).abs() < 1e-4, "{}: {told:?}", family.name());
        }
    }
}

#[test]
fn a_cut_tells_how_many_edges_were_there() {
    for name in ["llama", "bert", "mistral"] {
        let family = Family::golden(name);
        let engine = family.engine();
        let sentences = long(&family);
        let scores = Site::new(Point::AttnScores, 1);
        let heads = engine.info().heads;
        let cut = |heads: Option<Vec<usize>>| Edit {
            positions: Positions::Range { first: 1, last: 3 },
            sentences: Some(vec![2]),
            ..Edit::at(scores, Op::Cut { heads, keys: Positions::List(vec![2, 5]) })
        };
        let there = at(&engine, &sentences, scores, &[])[2].to_vec3::<f32>().unwrap();
        let of = |head: usize| {
            let cells = (1..=3).flat_map(|query| [2, 5].map(|key| there[head][query][key]));
            cells.filter(|score| score.is_finite()).count()
        };
        let plan =
            Plan { captures: vec![all(Point::Z, 1)], edits: vec![cut(Some(vec![1])), cut(None)], ..Plan::default() };
        let told = engine.run_watched(&sentences, &plan, &Monitor::silent()).unwrap().applied;
        let short = |a: &Applied| (a.edit, a.sentence, a.step, a.tokens, a.mean_norm);
        // The second edit finds head 1 without them.
        let rest = (0..heads).filter(|head| *head != 1).map(of).sum();
        assert_eq!(
            told.iter().map(short).collect::<Vec<_>>(),
            [(0, 2, 0, of(1), None), (1, 2, 0, rest, None)],
            "{name}"
        );
    }
}

#[test]
fn the_log_of_a_generation_counts_the_new_tokens_from_1() {
    let family = Family::golden("llama");
    let engine = family.engine();
    let prompts = long(&family)[..2].to_vec();
    let vector: Vector = numbers(engine.info().width, 5).into();
    let steer = Edit {
        schedule: Some(Schedule::Factors(vec![1.0, 0.0, 0.5])),
        ..Edit::at(Site::layer(1), add(&vector, 2.0, Unit::Raw))
    };
    let cut =
        Edit::at(Site::new(Point::AttnScores, 2), Op::Cut { heads: Some(vec![0]), keys: Positions::List(vec![0]) });
    let plan = |captures| Plan { captures, edits: vec![steer.clone(), cut.clone()], ..Plan::default() };
    let told = generate(&engine, &prompts, 5, &plan(vec![all(Point::ResidPost, 1)])).applied;
    let short = |a: &Applied| (a.sentence, a.step, a.tokens, a.coefficient);
    let of = |edit: usize| told.iter().filter(|a| a.edit == edit).map(short).collect::<Vec<_>>();
    let n = |s: usize| prompts[s].ids.len();
    let steps = |s| {
        [
            (s, 0, n(s), Some(2.0)),
            (s, 1, 1, Some(2.0)),
            (s, 3, 1, Some(1.0)),
            (s, 4, 1, Some(1.0)),
            (s, 5, 1, Some(1.0)),
        ]
    };
    assert_eq!(of(0), [steps(0), steps(1)].concat());
    let edges = |s: usize| (0..=5).map(move |step| (s, step, if step == 0 { n(s) } else { 1 }, None));
    assert_eq!(of(1), edges(0).chain(edges(1)).collect::<Vec<_>>());
    // Without captures the last token goes through no pass.
    let told = generate(&engine, &prompts, 5, &plan(vec![])).applied;
    assert_eq!(told.iter().map(|a| a.step).max(), Some(4));
}

#[test]
fn a_model_in_f16_refuses_a_strength_that_f16_cannot_hold() {
    let family = Family::golden("llama");
    let [half, full] = [Dtype::F16, Dtype::F32]
        .map(|dtype| load(&family.folder, &LoadOptions { dtype: Some(dtype), ..family.options() }));
    let width = full.info().width;
    let edit = Edit::at(Site::layer(1), add(&vec![1.0; width], 70_000.0, Unit::Raw));
    let plan = Plan { captures: vec![all(Point::ResidPost, 2)], edits: vec![edit], ..Plan::default() };
    let why = half.run(&long(&family), &plan, &Monitor::silent()).unwrap_err().to_string();
    assert!(why.starts_with("plan: edit 0 (add at resid_post): up to 70000 is added to one number."), "{why}");
    assert!(full.run(&long(&family), &plan, &Monitor::silent()).is_ok());
}
