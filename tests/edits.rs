//! Edits do what their formulas say, at every place, and equal what hooks in Hugging Face transformers do
//! (`tests/golden/*/edits.safetensors`); alarms see what is wrong with captured numbers.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{collections::BTreeMap, fs};

use babelscope_core::{
    alarm::Anomaly,
    engine::{Captured, Engine},
    monitor::Monitor,
    plan::{Blocks, Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Unit, Vector},
    tokens::Encoded,
};
use babelscope_tests::golden::{self, Family, all, difference, encoded, magnitude, pooled, tokens, values};
use candle_core::Tensor;
use serde_json::Value;

const TOLERANCE: f32 = 1e-4;

fn plan(captures: Vec<Capture>, edits: Vec<Edit>) -> Plan {
    Plan { captures, edits, ..Plan::default() }
}

fn edited(engine: &Engine, sentences: &[Encoded], captures: Vec<Capture>, edits: &[Edit]) -> Vec<Captured> {
    engine.run(sentences, &plan(captures, edits.to_vec()), &Monitor::silent()).unwrap()
}

/// States of every sentence at one site.
fn at(engine: &Engine, sentences: &[Encoded], site: Site, edits: &[Edit]) -> Vec<Tensor> {
    tokens(&edited(engine, sentences, vec![all(site.point, site.block)], edits)[0]).to_vec()
}

/// Numbers without a pattern, the same every time.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let value = |i: usize| ((i as u32 + seed * 7919 + 1).wrapping_mul(2_654_435_761) >> 8) as f32 / 4e6 - 2.0;
    (0..n).map(value).collect()
}

fn families() -> Vec<Family> {
    let named = [
        "llama",
        "qwen3",
        "gemma2",
        "gpt_neox",
        "falcon_alibi",
        "olmo2",
        "mixtral",
        "bert",
        "opt_postnorm",
        "mt5_encoder",
    ];
    named.into_iter().map(Family::golden).collect()
}

/// The last site of a model: the logits, or what an encoder without a head puts out.
fn end(engine: &Engine) -> Site {
    *engine.sites().last().unwrap()
}

/// The edits of a case of edits.json, in our words. `among` are the sentences that it is run on.
fn translated(case: &Value, among: &[usize], tensors: &BTreeMap<String, Tensor>) -> Vec<Edit> {
    let name = case["name"].as_str().unwrap();
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let list = |value: &Value| value.as_array().unwrap().iter().map(number).collect::<Vec<_>>();
    let one = |edit: &Value| -> Vec<Edit> {
        let vector = || -> Vector { values(&tensors[&format!("{name}.{}", edit["vector"].as_str().unwrap())]).into() };
        let real = |key: &str| edit[key].as_f64().unwrap() as f32;
        let sentences = edit.get("sentence").map_or_else(|| among.to_vec(), |s| vec![number(s)]);
        let positions = edit.get("positions").map_or(Positions::All, |p| Positions::List(list(p)));
        let placed = |site: Site, op: Op| {
            vec![Edit { sentences: Some(sentences.clone()), positions: positions.clone(), ..Edit::at(site, op) }]
        };
        let site = || edit["site"].as_str().unwrap().parse::<Site>().unwrap();
        match edit["op"].as_str().unwrap() {
            "add" => placed(
                site(),
                Op::Add { vector: vector(), coefficient: real("coefficient"), unit: Unit::Raw, keep_norm: false },
            ),
            "ablate" => placed(site(), Op::Ablate { direction: vector() }),
            "clamp" => placed(site(), Op::Clamp { direction: vector(), value: real("to") }),
            "replace" => placed(site(), Op::Replace { rows: vec![vector()] }),
            "scale_neurons" => placed(site(), Op::Scale { neurons: list(&edit["neurons"]), factor: real("factor") }),
            "scale_head" => {
                placed(site(), Op::ScaleHeads { heads: vec![number(&edit["head"])], factor: real("factor") })
            }
            "cut" => {
                let edge = |edge: &Value| Edit {
                    positions: Positions::List(vec![number(&edge["query"])]),
                    sentences: Some(sentences.clone()),
                    ..Edit::at(
                        Site::new(Point::AttnScores, number(&edit["block"])),
                        Op::Cut {
                            heads: Some(vec![number(&edge["head"])]),
                            keys: Positions::List(vec![number(&edge["key"])]),
                        },
                    )
                };
                edit["edges"].as_array().unwrap().iter().map(edge).collect()
            }
            other => panic!("edits.json has an op {other}"),
        }
    };
    case["edits"].as_array().unwrap().iter().flat_map(one).collect()
}

#[test]
fn every_recorded_edit_equals_hooks_in_transformers() {
    let mut cases = 0;
    for family in golden::golden().iter().filter(|family| family.folder.join("edits.json").exists()) {
        let engine = family.engine();
        let (layers, sentences) = (engine.info().layers, family.sentences());
        let tensors =
            candle_core::safetensors::load(family.folder.join("edits.safetensors"), &candle_core::Device::Cpu);
        let tensors: BTreeMap<String, Tensor> = tensors.unwrap().into_iter().collect();
        let told: Value = serde_json::from_str(&fs::read_to_string(family.folder.join("edits.json")).unwrap()).unwrap();
        for case in told.as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let among: Vec<usize> =
                case["sentences"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap() as usize).collect();
            let edits = translated(case, &among, &tensors);
            let ours: Vec<Site> = (1..=layers).map(Site::layer).chain([Site::new(Point::Logits, 0)]).collect();
            let captures = ours.iter().map(|site| all(site.point, site.block)).collect();
            // All sentences in one batch: those that the edit does not name stay as they are.
            let got = edited(&engine, &sentences, captures, &edits);
            for (got, site) in got.iter().zip(&ours) {
                let want = &tensors[&format!("{name}.{site}")];
                let mut from = 0;
                for s in &among {
                    let got = &tokens(got)[*s];
                    let want = want.narrow(0, from, got.dims()[0]).unwrap();
                    from += got.dims()[0];
                    let d = difference(got, &want);
                    assert!(d <= TOLERANCE, "{} {name} {site} sentence {s}: {d:e}", family.name());
                }
                let plain = at(&engine, &sentences, *site, &[]);
                for s in (0..sentences.len()).filter(|s| !among.contains(s)) {
                    assert_eq!(difference(&tokens(got)[s], &plain[s]), 0.0, "{} {name} {site}", family.name());
                }
            }
            if let Some(greedy) = tensors.get(&format!("{name}.greedy.tokens")) {
                let margins = tensors[&format!("{name}.greedy.margin_top1_top2")].to_vec2::<f32>().unwrap();
                let greedy = greedy.to_dtype(candle_core::DType::U32).unwrap().to_vec2::<u32>().unwrap();
                for ((s, greedy), margins) in among.iter().zip(greedy).zip(margins) {
                    let ids: Vec<u32> = family.meta.sentences[*s].ids.iter().chain(&greedy).copied().collect();
                    let edits: Vec<Edit> = edits.iter().map(|e| Edit { sentences: None, ..e.clone() }).collect();
                    let logits = &at(&engine, &[encoded(&ids)], Site::new(Point::Logits, 0), &edits)[0];
                    let first = ids.len() - greedy.len() - 1;
                    let sure = greedy.iter().zip(margins).take_while(|(_, margin)| *margin > 1e-3);
                    for (step, (token, _)) in sure.enumerate() {
                        let row = values(&logits.get(first + step).unwrap());
                        let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap();
                        assert_eq!(best, *token as usize, "{} {name} step {step}", family.name());
                    }
                }
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 30);
}

/// `h` after `op`, by its formula in f64.
fn formula(op: &Op, h: &[f32], heads: usize) -> Vec<f64> {
    let wide = |v: &[f32]| v.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let h = wide(h);
    let to = |direction: &Vector, value: f64| {
        let d = wide(direction);
        let square: f64 = d.iter().map(|x| x * x).sum();
        let along: f64 = h.iter().zip(&d).map(|(h, d)| h * d).sum();
        h.iter().zip(&d).map(|(h, d)| h - along / square * d + value / square.sqrt() * d).collect()
    };
    match op {
        Op::Add { vector, coefficient, .. } => {
            h.iter().zip(wide(vector)).map(|(h, v)| h + f64::from(*coefficient) * v).collect()
        }
        Op::Ablate { direction } => to(direction, 0.0),
        Op::Clamp { direction, value } => to(direction, f64::from(*value)),
        Op::Replace { rows } => wide(&rows[0]),
        Op::Scale { neurons, factor } => {
            let times = |i: usize| if neurons.contains(&i) { f64::from(*factor) } else { 1.0 };
            h.iter().enumerate().map(|(i, h)| h * times(i)).collect()
        }
        Op::ScaleHeads { heads: which, factor } => {
            let width = h.len() / heads;
            let times = |i: usize| if which.contains(&(i / width)) { f64::from(*factor) } else { 1.0 };
            h.iter().enumerate().map(|(i, h)| h * times(i)).collect()
        }
        Op::Cut { .. } => panic!("a cut changes no row"),
    }
}

#[test]
fn at_every_place_an_edit_changes_what_it_says_and_all_that_follows() {
    for family in families() {
        let engine = family.engine();
        let sentences = family.sentences();
        let (name, end) = (family.name(), end(&engine));
        let plain_end = at(&engine, &sentences, end, &[]);
        for (number, site) in engine.sites().into_iter().enumerate() {
            if matches!(site.point, Point::AttnScores | Point::AttnProbs) {
                continue;
            }
            let before = at(&engine, &sentences, site, &[]);
            let width = before[0].dims()[1];
            let vector = || Vector::from(numbers(width, number as u32));
            let kv = matches!(site.point, Point::K | Point::V);
            let heads = if kv { engine.info().kv_heads } else { engine.info().heads };
            let mut ops = vec![
                Op::Add { vector: vector(), coefficient: 0.7, unit: Unit::Raw, keep_norm: false },
                Op::Ablate { direction: vector() },
                Op::Clamp { direction: vector(), value: 1.5 },
                Op::Replace { rows: vec![vector()] },
                Op::Scale { neurons: vec![0, width - 1], factor: 0.0 },
            ];
            if matches!(site.point, Point::Q | Point::K | Point::V | Point::Z) {
                ops.push(Op::ScaleHeads { heads: vec![heads - 1], factor: 2.0 });
            }
            // Sentence 2 has at least six tokens.
            let (sentence, position) = (2, 3);
            for op in ops {
                let edit = Edit {
                    positions: Positions::List(vec![position]),
                    sentences: Some(vec![sentence]),
                    ..Edit::at(site, op.clone())
                };
                let captures = vec![all(site.point, site.block), all(end.point, end.block)];
                let after = edited(&engine, &sentences, captures, std::slice::from_ref(&edit));
                let mut changed = false;
                for (s, (after, before)) in tokens(&after[0]).iter().zip(&before).enumerate() {
                    for row in 0..before.dims()[0] {
                        let (after, before) = (values(&after.get(row).unwrap()), values(&before.get(row).unwrap()));
                        if (s, row) == (sentence, position) {
                            let want = formula(&op, &before, heads);
                            changed = after != before;
                            let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-5 * (1.0 + b.abs());
                            assert!(after.iter().zip(&want).all(near), "{name} {site} {op:?}: {after:?} {want:?}");
                        } else {
                            assert_eq!(after, before, "{name} {site} {op:?} sentence {s} token {row}");
                        }
                    }
                }
                let (end_after, end_before) = (&tokens(&after[1])[sentence], &plain_end[sentence]);
                let moved = difference(end_after, end_before);
                // A choice of experts that stays the same may hide a change of its logits, a neuron may be silent, and ReLU is 0 for
                // every gate below 0.
                let hidden = matches!(site.point, Point::RouterLogits | Point::RouterWeights)
                    || matches!((site.point, &op), (Point::MlpGate, Op::Scale { .. }));
                assert!(moved > 0.0 || hidden || !changed, "{name} {site} {op:?} changed nothing in the end");
                if family.causal() {
                    let earlier = |states: &Tensor| states.narrow(0, 0, position).unwrap();
                    // An edit that sends later tokens to other experts changes how many rows an expert has, and without AMX the last bits
                    // of a row depend on the rows beside it.
                    let room = if name.contains("mixtral") || name.contains("moe") { 1e-5 } else { 0.0 };
                    let past = difference(&earlier(end_after), &earlier(end_before));
                    assert!(past <= room, "{name} {site}: the past moved by {past}");
                }
            }
        }
    }
}

#[test]
fn strength_zero_changes_no_bit_anywhere() {
    for family in families() {
        let engine = family.engine();
        let sentences = family.sentences();
        let end = end(&engine);
        let plain = at(&engine, &sentences, end, &[]);
        for site in engine.sites() {
            if matches!(site.point, Point::AttnScores | Point::AttnProbs) {
                continue;
            }
            let width = at(&engine, &sentences[..1], site, &[])[0].dims()[1];
            let add = Op::Add { vector: numbers(width, 1).into(), coefficient: 0.0, unit: Unit::Raw, keep_norm: false };
            let edits = [Edit::at(site, add), Edit::at(site, Op::Scale { neurons: vec![0], factor: 1.0 })];
            for (a, b) in at(&engine, &sentences, end, &edits).iter().zip(&plain) {
                assert_eq!(values(a), values(b), "{} {site}", family.name());
            }
        }
    }
}

#[test]
fn a_sentence_whose_states_are_all_replaced_ends_as_the_giver_does() {
    for family in families() {
        let engine = family.engine();
        let longest = family.sentences().into_iter().max_by_key(|s| s.ids.len()).unwrap();
        let mut other = longest.clone();
        other.ids.reverse();
        for layer in 0..=engine.info().layers {
            let giver = &at(&engine, std::slice::from_ref(&longest), Site::layer(layer), &[])[0];
            let rows = giver.to_vec2::<f32>().unwrap().into_iter().map(Vector::from).collect();
            let patch = Edit { positions: Positions::Prompt, ..Edit::at(Site::layer(layer), Op::Replace { rows }) };
            let want = &at(&engine, std::slice::from_ref(&longest), end(&engine), &[])[0];
            let got = &at(&engine, std::slice::from_ref(&other), end(&engine), &[patch])[0];
            assert_eq!(difference(got, want), 0.0, "{} layer {layer}", family.name());
        }
    }
}

#[test]
fn cut_edges_get_no_weight_and_the_others_share_it() {
    for family in families() {
        let engine = family.engine();
        let sentences = family.sentences();
        let (scores, probs, z) =
            (Site::new(Point::AttnScores, 2), Site::new(Point::AttnProbs, 2), Site::new(Point::Z, 2));
        let cut = |site: Site, positions: Positions, heads: Option<Vec<usize>>, keys: Positions| Edit {
            positions,
            sentences: Some(vec![2]),
            ..Edit::at(site, Op::Cut { heads, keys })
        };
        let before = at(&engine, &sentences, scores, &[])[2].to_vec3::<f32>().unwrap();
        let weights = at(&engine, &sentences, probs, &[])[2].to_vec3::<f32>().unwrap();

        let edit = cut(scores, Positions::Range { first: 2, last: 4 }, Some(vec![1]), Positions::List(vec![0, 3]));
        let after = at(&engine, &sentences, probs, &[edit])[2].to_vec3::<f32>().unwrap();
        let kept = cut(probs, Positions::Range { first: 2, last: 4 }, Some(vec![1]), Positions::List(vec![0, 3]));
        let lost = at(&engine, &sentences, probs, &[kept])[2].to_vec3::<f32>().unwrap();
        for (head, query, key) in cells(&before) {
            let gone = |key: usize| head == 1 && (2..=4).contains(&query) && [0, 3].contains(&key);
            let e = |key: usize| if gone(key) { 0.0 } else { f64::from(before[head][query][key]).exp() };
            let total: f64 = (0..before[head][query].len()).map(e).sum();
            let want = e(key) / total;
            let got = f64::from(after[head][query][key]);
            assert!((got - want).abs() < 1e-5, "{} {head} {query} {key}: {got} {want}", family.name());
            let want = if gone(key) { 0.0 } else { weights[head][query][key] };
            assert_eq!(lost[head][query][key], want, "{}", family.name());
        }

        let all_gone = [cut(scores, Positions::Last, None, Positions::All)];
        let rows = at(&engine, &sentences, z, &all_gone);
        let last = rows[2].dims()[0] - 1;
        assert!(values(&rows[2].get(last).unwrap()).iter().all(|x| *x == 0.0), "{}", family.name());
        let plain = at(&engine, &sentences, z, &[]);
        assert_eq!(difference(&rows[2].narrow(0, 0, last).unwrap(), &plain[2].narrow(0, 0, last).unwrap()), 0.0);
        assert_eq!(difference(&rows[1], &plain[1]), 0.0, "{}", family.name());
    }
}

fn cells(square: &[Vec<Vec<f32>>]) -> impl Iterator<Item = (usize, usize, usize)> {
    let (heads, n) = (square.len(), square[0].len());
    (0..heads * n * n).map(move |i| (i / n / n, i / n % n, i % n))
}

#[test]
fn an_edited_sentence_alone_equals_the_same_in_a_batch() {
    for family in families() {
        let engine = family.engine();
        let sentences = family.sentences();
        let width = engine.info().width;
        let vector = || Vector::from(numbers(width, 5));
        let edits = [
            Edit::at(
                Site::layer(0),
                Op::Add { vector: vector(), coefficient: 0.3, unit: Unit::Norm(2.0), keep_norm: false },
            ),
            Edit {
                positions: Positions::FromEnd(vec![1]),
                ..Edit::at(Site::layer(1), Op::Ablate { direction: vector() })
            },
            Edit {
                blocks: Blocks::Range { first: 1, last: 2 },
                positions: Positions::Last,
                ..Edit::at(
                    Site::new(Point::AttnScores, 1),
                    Op::Cut { heads: Some(vec![0]), keys: Positions::FirstContent },
                )
            },
            Edit {
                blocks: Blocks::All,
                ..Edit::at(Site::new(Point::AttnOut, 1), Op::Clamp { direction: vector(), value: 0.1 })
            },
        ];
        let together = at(&engine, &sentences, end(&engine), &edits);
        for (sentence, together) in sentences.iter().zip(&together) {
            let alone = &at(&engine, std::slice::from_ref(sentence), end(&engine), &edits)[0];
            let d = difference(alone, together) / magnitude(together).max(1.0);
            assert!(d <= 1e-5, "{}: {d:e}", family.name());
        }
    }
}

#[test]
fn the_last_token_alone_is_edited_as_among_all() {
    let engine = Family::golden("qwen2").engine();
    let sentences = Family::golden("qwen2").sentences();
    let logits = Site::new(Point::Logits, 0);
    let row = Vector::from(numbers(engine.info().vocabulary, 3));
    let last = Edit { positions: Positions::Last, ..Edit::at(logits, Op::Replace { rows: vec![row.clone()] }) };
    let fifth = Edit {
        positions: Positions::List(vec![5]),
        sentences: Some(vec![1]),
        ..Edit::at(logits, Op::Ablate { direction: row.clone() })
    };
    for edits in [[last], [fifth]] {
        let whole = at(&engine, &sentences, logits, &edits);
        let capture = vec![Capture { site: logits, reduce: Reduce::Last }];
        let rows = edited(&engine, &sentences, capture, &edits);
        for (s, whole) in whole.iter().enumerate() {
            let want = whole.get(whole.dims()[0] - 1).unwrap();
            assert!(difference(&pooled(&rows[0]).get(s).unwrap(), &want) < 1e-5, "sentence {s}");
        }
    }
}

#[test]
fn edits_are_made_in_the_order_of_the_plan_and_captures_see_them() {
    let engine = Family::golden("llama").engine();
    let sentences = Family::golden("llama").sentences();
    let width = engine.info().width;
    let d = Vector::from(numbers(width, 2));
    let clamp = Edit::at(Site::layer(1), Op::Clamp { direction: d.clone(), value: 4.0 });
    let ablate = Edit::at(Site::layer(1), Op::Ablate { direction: d.clone() });
    let length = d.iter().map(|x| x * x).sum::<f32>().sqrt();
    for (edits, want) in [([clamp.clone(), ablate.clone()], 0.0), ([ablate, clamp], 4.0)] {
        for states in at(&engine, &sentences, Site::layer(1), &edits) {
            for row in states.to_vec2::<f32>().unwrap() {
                let along: f32 = row.iter().zip(d.iter()).map(|(h, d)| h * d).sum::<f32>() / length;
                assert!((along - want).abs() < 1e-4, "{along} {want}");
            }
        }
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused_before_any_work() {
    let family = Family::golden("mixtral");
    let engine = family.engine();
    let sentences = family.sentences();
    let refuse = |edit: Edit| {
        let plan = plan(vec![all(Point::ResidPost, 1)], vec![edit]);
        engine.run(&sentences, &plan, &Monitor::silent()).unwrap_err().to_string()
    };
    let width = engine.info().width;
    let ones = || Vector::from(vec![1.0; width]);
    let add = |vector: Vector| Op::Add { vector, coefficient: 1.0, unit: Unit::Raw, keep_norm: false };
    let post = || Edit::at(Site::layer(1), add(ones()));
    let at = |point: Point, op: Op| Edit::at(Site::new(point, if point.in_block() { 1 } else { 0 }), op);
    let cut = || Op::Cut { heads: None, keys: Positions::All };
    let two = || Op::Replace { rows: vec![ones(), ones()] };
    for (edit, reason) in [
        (Edit { op: add(vec![1.0; 3].into()), ..post() }, format!("the vector has 3 numbers, the place has {width}")),
        (Edit { op: add(vec![f32::NAN; width].into()), ..post() }, "holds NaN at 0".to_owned()),
        (
            Edit { op: Op::Add { vector: ones(), coefficient: f32::NAN, unit: Unit::Raw, keep_norm: false }, ..post() },
            "coefficient is NaN".into(),
        ),
        (
            Edit {
                op: Op::Add { vector: vec![1e30; width].into(), coefficient: 1e30, unit: Unit::Raw, keep_norm: false },
                ..post()
            },
            "beyond f32".into(),
        ),
        (
            Edit {
                op: Op::Add { vector: ones(), coefficient: 1.0, unit: Unit::Norm(0.0), keep_norm: false },
                ..post()
            },
            "expected a positive".into(),
        ),
        (Edit { op: Op::Ablate { direction: vec![0.0; width].into() }, ..post() }, "points nowhere".into()),
        (
            Edit { op: Op::Scale { neurons: vec![width], factor: 0.0 }, ..post() },
            format!("neuron {width} is asked for"),
        ),
        (Edit { op: Op::Scale { neurons: vec![1, 1], factor: 0.0 }, ..post() }, "names 1 twice".into()),
        (Edit { op: Op::Scale { neurons: vec![], factor: 0.0 }, ..post() }, "neurons is empty".into()),
        (Edit { op: Op::ScaleHeads { heads: vec![0], factor: 0.0 }, ..post() }, "at q, k, v and z alone".into()),
        (at(Point::K, Op::ScaleHeads { heads: vec![engine.info().kv_heads], factor: 0.0 }), "head".into()),
        (Edit { op: Op::Replace { rows: vec![] }, ..post() }, "no rows".into()),
        (Edit { op: two(), ..post() }, "positions whose number is known".into()),
        (
            Edit { op: two(), positions: Positions::Prompt, sentences: Some(vec![2]), ..post() },
            "there are 2 rows".into(),
        ),
        (Edit { op: cut(), ..post() }, "edges are cut at attn_scores or attn_probs".into()),
        (at(Point::AttnScores, add(ones())), "`cut` alone applies".into()),
        (Edit { blocks: Blocks::List(vec![99]), ..post() }, "the model has blocks 1 to".into()),
        (Edit { blocks: Blocks::List(vec![]), ..post() }, "blocks is empty".into()),
        (Edit { blocks: Blocks::Range { first: 2, last: 1 }, ..post() }, "begins at 2 and ends at 1".into()),
        (Edit { blocks: Blocks::Range { first: 1, last: usize::MAX }, ..post() }, "the model has blocks 1 to".into()),
        (Edit { blocks: Blocks::List(vec![1]), ..at(Point::Logits, add(ones())) }, "leave `blocks` out".into()),
        (Edit { blocks: Blocks::All, ..at(Point::MlpAct, add(ones())) }, "mixture of experts".into()),
        (Edit { sentences: Some(vec![9]), ..post() }, "sentence 9 is asked for, there are 0 to 4".into()),
        (Edit { sentences: Some(vec![]), ..post() }, "sentences is empty".into()),
        (
            Edit { positions: Positions::List(vec![40]), sentences: Some(vec![2]), ..post() },
            "sentence 2 has tokens 0 to".into(),
        ),
        (Edit { positions: Positions::FromEnd(vec![0]), ..post() }, "number 0 from the end".into()),
        (Edit { positions: Positions::Range { first: 0, last: 90 }, ..post() }, "position 90 is asked for".into()),
    ] {
        let why = refuse(edit.clone());
        assert!(why.starts_with("plan: edit 0 (") && why.contains(&reason), "{edit:?}\n{why}\n{reason}");
    }
}

#[test]
fn alarms_see_what_was_made_wrong_and_broken_numbers_are_refused() {
    let family = Family::golden("qwen2");
    let engine = family.engine();
    let sentences = family.sentences();
    let width = engine.info().width;
    let site = Site::layer(2);
    let to = |value: f32, sentence: usize| Edit {
        sentences: Some(vec![sentence]),
        ..Edit::at(site, Op::Replace { rows: vec![vec![value; width].into()] })
    };
    let watched = |captures: Vec<Capture>, edits: Vec<Edit>| {
        engine.run_watched(&sentences, &plan(captures, edits), &Monitor::silent()).unwrap()
    };
    let said = |reduce: Reduce, edits: Vec<Edit>| {
        let run = watched(vec![Capture { site, reduce }], edits);
        run.alarms.iter().map(|a| (a.what, a.sentence, a.count)).collect::<Vec<_>>()
    };
    assert_eq!(said(Reduce::All, vec![]), []);
    let tokens = |s: usize| sentences[s].ids.len();
    assert_eq!(said(Reduce::All, vec![to(0.0, 1)]), [(Anomaly::Zero, 1, tokens(1))]);
    assert_eq!(said(Reduce::Last, vec![to(2.0, 3), to(2.0, 2)]), [(Anomaly::Constant, 2, 2)]);
    assert_eq!(said(Reduce::Last, vec![to(-70_000.0, 4)]), [(Anomaly::BeyondF16, 4, 1)]);
    let capture = vec![all(Point::AttnScores, 1), all(Point::AttnProbs, 1)];
    assert!(watched(capture, vec![]).alarms.is_empty(), "masked scores are no alarm");

    // Twice beyond the middle of f32 is infinite, and its norm in the next block is no number.
    let huge = |_| Edit {
        sentences: Some(vec![2]),
        ..Edit::at(
            site,
            Op::Add { vector: vec![3e38; width].into(), coefficient: 1.0, unit: Unit::Raw, keep_norm: false },
        )
    };
    let edits: Vec<Edit> = (0..2).map(huge).collect();
    let broken = watched(vec![all(site.point, 2), all(Point::ResidPost, 3)], edits.clone());
    let kinds: Vec<_> = broken.alarms.iter().map(|a| (a.site.block, a.what, a.sentence)).collect();
    assert_eq!(kinds, [(2, Anomaly::Infinite, 2), (3, Anomaly::NotANumber, 2)]);
    let captures = vec![all(site.point, 2)];
    let why = engine.run(&sentences, &plan(captures, edits), &Monitor::silent()).unwrap_err().to_string();
    assert!(why.starts_with("site \"resid_post.2\", sentence 2: expected finite numbers, and 8 of"), "{why}");
}
