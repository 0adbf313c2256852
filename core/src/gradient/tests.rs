//! Against difference quotients of the native engine, which shares no code with the graph.

use std::{fs, path::PathBuf};

use super::*;
use crate::{
    engine::Values,
    plan::{Positions, Unit, Vector, Window},
};

const WINDOW: Window = Window { include_bos: true, skip_first: 1 };

/// The tiny models of every family.
fn folders() -> Vec<PathBuf> {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models");
    let mut found: Vec<PathBuf> = fs::read_dir(models).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|folder| folder.join("config.json").is_file());
    found.sort();
    assert!(found.len() > 20, "{found:?}");
    found
}

fn load(folder: &std::path::Path, options: &LoadOptions) -> Engine {
    Engine::load(folder.to_str().unwrap(), options, &Monitor::silent()).unwrap()
}

fn sentences(engine: &Engine) -> Vec<Encoded> {
    let vocabulary = engine.info().vocabulary as u32;
    let sentence = |seed: u32, n: u32| {
        let ids: Vec<u32> = (0..n).map(|i| 5 + (seed * 31 + i * 17 + i * i * 7) % (vocabulary - 5)).collect();
        Encoded { spans: vec![0..0; ids.len()], ids, bos: 0 }
    };
    vec![sentence(1, 6), sentence(4, 8)]
}

fn rows(values: &Values) -> Vec<Vec<f64>> {
    let wide = |tensor: &Tensor| -> Vec<f64> {
        tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
    };
    match values {
        Values::Pooled(all) => (0..all.dim(0).unwrap()).map(|row| wide(&all.get(row).unwrap())).collect(),
        Values::Tokens(all) => all.iter().map(wide).collect(),
    }
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|x| (x - largest).exp()).sum();
    logits.iter().map(|x| x - largest - sum.ln()).collect()
}

/// The objective once more, from what the native engine says; `which` names the objective's entry for each of `sentences`.
fn values(
    engine: &Engine,
    sentences: &[Encoded],
    which: &[usize],
    edits: Vec<Edit>,
    objective: &Objective,
) -> Vec<f64> {
    let capture = match objective {
        Objective::Distance { layer, reduce, .. } => Capture { site: Site::layer(*layer), reduce: *reduce },
        _ => Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::All },
    };
    let plan = Plan { captures: vec![capture], edits, stop_after: None };
    let captured = engine.run(sentences, &plan, &Monitor::silent()).unwrap();
    let vocabulary = engine.info().vocabulary;
    let read = rows(&captured[0].values).into_iter().zip(sentences).zip(which);
    read.map(|((numbers, sentence), at)| {
        let logits = |position: usize| &numbers[position * vocabulary..][..vocabulary];
        match objective {
            Objective::LogitDifference(contrasts) => {
                let Contrast { plus, minus, position } = &contrasts[*at];
                let mean =
                    |ids: &[u32]| ids.iter().map(|id| logits(*position)[*id as usize]).sum::<f64>() / ids.len() as f64;
                mean(plus) - mean(minus)
            }
            Objective::LogProbability { from } => {
                let next = from[*at]..sentence.ids.len();
                next.map(|t| log_softmax(logits(t - 1))[sentence.ids[t] as usize]).sum()
            }
            Objective::Divergence { targets } => {
                let q = log_softmax(logits(sentence.ids.len() - 1));
                let p = targets[*at].iter().copied().map(f64::from);
                p.zip(q).filter(|(p, _)| *p > 0.0).map(|(p, q)| p * (p.ln() - q)).sum()
            }
            Objective::Distance { targets, .. } => {
                numbers.iter().zip(&targets[*at][..]).map(|(x, y)| (x - f64::from(*y)).powi(2)).sum()
            }
        }
    })
    .collect()
}

fn objectives(engine: &Engine, sentences: &[Encoded]) -> Vec<Objective> {
    let (width, vocabulary) = (engine.info().width, engine.info().vocabulary);
    let row =
        |seed: usize| -> Vector { (0..width).map(|i| ((seed * 7 + i * 13) as f32).sin()).collect::<Vec<f32>>().into() };
    let mut all: Vec<Objective> = [Reduce::Mean(WINDOW), Reduce::Last]
        .map(|reduce| Objective::Distance { layer: engine.info().layers, reduce, targets: vec![row(1), row(2)] })
        .into();
    if engine.is_causal() {
        let contrast = |position| Contrast { plus: vec![7, 11], minus: vec![9], position };
        all.push(Objective::LogitDifference(vec![contrast(5), contrast(4)]));
        all.push(Objective::LogProbability { from: vec![3, 5] });
        let p = |seed: usize| -> Vector {
            let raw: Vec<f64> = (0..vocabulary).map(|i| 3.0 * ((seed + i * i) as f64).sin()).collect();
            log_softmax(&raw).iter().map(|x| x.exp() as f32).collect::<Vec<f32>>().into()
        };
        all.push(Objective::Divergence { targets: vec![p(1), p(2)] });
    }
    assert!(sentences.len() == 2);
    all
}

/// Something at several places that a gradient must pass through.
fn base(engine: &Engine) -> Vec<Edit> {
    let width = engine.info().width;
    let row = |seed: usize| -> Vector {
        (0..width).map(|i| 0.3 * ((seed * 5 + i * 3) as f32).cos()).collect::<Vec<f32>>().into()
    };
    let add = |keep_norm| Op::Add { vector: row(3), coefficient: 0.5, unit: Unit::Raw, keep_norm };
    let last = engine.info().layers;
    let some = |site, positions, op| Edit { positions, ..Edit::at(site, op) };
    let at = |point| Site::new(point, last);
    vec![
        some(Site::layer(1), Positions::All, add(false)),
        some(Site::layer(1), Positions::List(vec![2]), Op::Replace { rows: vec![row(1)] }),
        some(at(Point::AttnOutPost), Positions::All, Op::Ablate { direction: row(2) }),
        some(at(Point::MlpIn), Positions::Content, Op::Clamp { direction: row(4), value: 0.7 }),
        some(at(Point::MlpOutPost), Positions::All, Op::Scale { neurons: vec![0, 3], factor: 0.4 }),
        some(at(Point::Z), Positions::All, Op::ScaleHeads { heads: vec![0], factor: 1.5 }),
        some(Site::layer(last), Positions::All, add(true)),
    ]
}

/// One derivative that is compared: at a token of a sentence, along a direction.
struct Probe {
    site: usize,
    sentence: usize,
    token: usize,
    direction: Vec<f32>,
    /// The length of a step.
    size: f64,
    slope: f64,
}

fn probes(found: &Gradients, states: &[Vec<Tensor>]) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (site, (slopes, states)) in found.of_site.iter().zip(states).enumerate() {
        for (sentence, gradient) in slopes.iter().enumerate() {
            let (tokens, width) = gradient.dims2().unwrap();
            let token = if (site + sentence) % 2 == 0 { 1 } else { tokens - 3 };
            let row: Vec<f32> = gradient.get(token).unwrap().to_vec1().unwrap();
            let state: Vec<f32> = states[sentence].get(token).unwrap().to_vec1().unwrap();
            let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let (length, size) = (norm(&row), norm(&state).max(1e-3));
            let turned: Vec<f32> = (0..width).map(|i| ((site * 3 + token + i * 7) as f32).sin()).collect();
            let mut column = vec![0.0; width];
            let largest = (0..width).max_by(|a, b| row[*a].abs().total_cmp(&row[*b].abs())).unwrap();
            column[largest] = 1.0;
            let along: Vec<f32> = if length > 0.0 { row.clone() } else { turned.clone() };
            for direction in [along, turned, column] {
                let n = norm(&direction) as f32;
                let direction: Vec<f32> = direction.iter().map(|x| x / n).collect();
                let slope = row.iter().zip(&direction).map(|(g, d)| f64::from(*g) * f64::from(*d)).sum();
                probes.push(Probe { site, sentence, token, direction, size, slope });
            }
        }
    }
    probes
}

/// On which side of everything that has no derivative each sentence is: which experts are chosen, which rectifiers are open.
fn sides(engine: &Engine, sentences: &[Encoded], edits: &[Edit]) -> Vec<Vec<bool>> {
    let rectified = engine.config().activation == crate::model::config::Activation::Relu;
    let turns = |site: &Site| site.point == Point::RouterWeights || rectified && site.point == Point::MlpGate;
    let captures = engine.sites().into_iter().filter(turns).map(|site| Capture { site, reduce: Reduce::All });
    let plan = Plan { captures: captures.collect(), edits: edits.to_vec(), stop_after: None };
    let mut all = vec![Vec::new(); sentences.len()];
    if !plan.captures.is_empty() {
        for captured in engine.run(sentences, &plan, &Monitor::silent()).unwrap() {
            for (own, numbers) in all.iter_mut().zip(rows(&captured.values)) {
                own.extend(numbers.into_iter().map(|x| x > 0.0));
            }
        }
    }
    all
}

/// Steps of a difference quotient in shares of the state's length: a kink needs a short one, rounding a long one.
const STEPS: [f64; 3] = [0.04, 0.008, 0.002];
/// What rounding may do to an objective, relative to its size.
const ROUNDING: f64 = 4e-6;

/// `(8 (f(h) - f(-h)) - (f(2 h) - f(-2 h))) / 12 h` for every probe, with what rounding may make of it; `None` where the step changes
/// sides, as a quotient across a jump or a kink is no slope.
fn quotients(
    native: &Engine,
    sentences: &[Encoded],
    sites: &[Site],
    base: &[Edit],
    objective: &Objective,
    probes: &[Probe],
    step: f64,
) -> Vec<Option<(f64, f64)>> {
    let weights = [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)];
    let (mut copies, mut which, mut edits) = (Vec::new(), Vec::new(), base.to_vec());
    for probe in probes {
        for (times, _) in weights {
            let vector: Vector = probe.direction.clone().into();
            let coefficient = (times * step * probe.size) as f32;
            let op = Op::Add { vector, coefficient, unit: Unit::Raw, keep_norm: false };
            let edit = Edit::at(sites[probe.site], op);
            let (positions, sentence) = (Positions::List(vec![probe.token]), Some(vec![copies.len()]));
            edits.push(Edit { positions, sentences: sentence, ..edit });
            copies.push(sentences[probe.sentence].clone());
            which.push(probe.sentence);
        }
    }
    let (here, there) = (sides(native, sentences, base), sides(native, &copies, &edits));
    let all = values(native, &copies, &which, edits, objective);
    let quotient = |((probe, four), sides): ((&Probe, &[f64]), &[Vec<bool>])| {
        let h = f64::from((step * probe.size) as f32);
        let sum: f64 = four.iter().zip(weights).map(|(value, (_, weight))| value * weight).sum();
        let size = four.iter().fold(1f64, |size, value| size.max(value.abs()));
        let smooth = sides.iter().all(|side| *side == here[probe.sentence]);
        smooth.then_some((sum / (12.0 * h), 1.5 * ROUNDING * size / h))
    };
    probes.iter().zip(all.chunks_exact(4)).zip(there.chunks_exact(4)).map(quotient).collect()
}

/// What a family's slopes came to.
#[derive(Default)]
struct Found {
    /// Of slopes that rounding leaves sure: how far from their quotient, in shares of the slope.
    sure: Vec<f64>,
    /// Slopes with a step that changes no side, and all.
    smooth: usize,
    tried: usize,
    failures: String,
}

impl Found {
    fn compare(&mut self, native: &Engine, twin: &Engine, sites: &[Site], edits: &[Edit], objective: &Objective) {
        let (sentences, silent) = (sentences(native), Monitor::silent());
        let (reference, name) = (&native.info().reference, objective.name());
        let found = twin.gradients(&sentences, sites, edits, objective, &silent);
        let found = found.unwrap_or_else(|e| panic!("{reference}: {e}"));
        let plain = values(native, &sentences, &[0, 1], edits.to_vec(), objective);
        for (got, want) in found.value.iter().zip(&plain) {
            assert!((got - want).abs() < 1e-4 * want.abs().max(1.0), "{reference} {name}: {got} {want}");
        }
        let captures = sites.iter().map(|site| Capture { site: *site, reduce: Reduce::All }).collect();
        let plan = Plan { captures, edits: edits.to_vec(), stop_after: None };
        let captured = native.run(&sentences, &plan, &silent).unwrap();
        let states = captured.into_iter().map(|captured| match captured.values {
            Values::Tokens(tokens) => tokens,
            Values::Pooled(_) => panic!("pooled"),
        });
        let probes = probes(&found, &states.collect::<Vec<_>>());
        let by_step = STEPS.map(|step| quotients(native, &sentences, sites, edits, objective, &probes, step));
        self.tried += probes.len();
        for (at, probe) in probes.iter().enumerate() {
            let size = probe.slope.abs().max(1e-9);
            let near = |(quotient, rounding): (f64, f64)| {
                let apart = (quotient - probe.slope).abs();
                ((apart - rounding) / size, apart / size)
            };
            let smooth: Vec<(f64, f64)> = by_step.iter().filter_map(|step| step[at]).collect();
            let Some(best) = smooth.iter().copied().map(near).min_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            self.smooth += 1;
            if best.0 >= 1e-2 || best.0.is_nan() {
                let (site, sentence, token) = (sites[probe.site], probe.sentence, probe.token);
                self.failures += &format!("{reference} {name} {site} sentence {sentence} token {token}: ");
                self.failures += &format!("slope {}, quotients {smooth:?}\n", probe.slope);
            }
            if smooth.iter().any(|step| step.1 < 1e-2 * probe.slope.abs()) {
                self.sure.push(best.1);
            }
        }
    }
}

#[test]
fn every_family_has_the_gradient_that_difference_quotients_say() {
    let none = [Point::Logits, Point::AttnScores, Point::AttnProbs, Point::RouterWeights];
    let mut failures = String::new();
    for folder in folders() {
        let native = load(&folder, &LoadOptions::default());
        let twin = native.differentiable(&Monitor::silent()).unwrap();
        assert!(twin.is_differentiable() && !native.is_differentiable());
        let mut found = Found::default();
        for (number, objective) in objectives(&native, &sentences(&native)).into_iter().enumerate() {
            let edits = if number % 2 == 1 { base(&native) } else { Vec::new() };
            let here =
                native.sites().into_iter().filter(|site| !none.contains(&site.point) && !objective.misses(*site));
            found.compare(&native, &twin, &here.collect::<Vec<_>>(), &edits, &objective);
        }
        let Found { mut sure, smooth, tried, failures: own } = found;
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        failures += &own;
        // A test that judges too few says nothing.
        if 4 * sure.len() <= smooth || sure.len() < 200 {
            failures += &format!("{name}: of {tried} slopes {smooth} are smooth and {} sure\n", sure.len());
        }
        sure.sort_by(f64::total_cmp);
        let (median, most) = (sure[sure.len() / 2], sure[sure.len() - 1]);
        if median >= 2e-3 {
            failures += &format!("{name}: median error {median}\n");
        }
        #[expect(clippy::print_stdout, reason = "the table is for people")]
        {
            let counts = format!("{tried:>5} slopes, {smooth:>5} smooth, {:>5} sure", sure.len());
            println!("{name:<20} {counts}, median error {median:.1e}, largest {most:.1e}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_sentence_has_the_same_gradient_alone_and_in_any_batch() {
    let folder = folders().into_iter().find(|folder| folder.ends_with("gemma2")).unwrap();
    let engine = load(&folder, &LoadOptions { engine: Some(EngineKind::Candle), ..LoadOptions::default() });
    let sentences = sentences(&engine);
    let sites = [Site::layer(1), Site::new(Point::Z, 2)];
    let ask = |which: &[usize]| {
        let from = which.iter().map(|at| [3, 5][*at]).collect();
        let some: Vec<Encoded> = which.iter().map(|at| sentences[*at].clone()).collect();
        engine.gradients(&some, &sites, &[], &Objective::LogProbability { from }, &Monitor::silent()).unwrap()
    };
    let (both, turned) = (ask(&[0, 1]), ask(&[1, 0, 1]));
    for at in 0..2 {
        let alone = ask(&[at]);
        for other in [(&both, at), (&turned, 1 - at)] {
            assert!((alone.value[0] - other.0.value[other.1]).abs() < 1e-5);
            for site in 0..sites.len() {
                let flat = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                let (one, two) = (flat(&alone.of_site[site][0]), flat(&other.0.of_site[site][other.1]));
                let size = one.iter().fold(0f32, |size, x| size.max(x.abs()));
                assert!(one.iter().zip(&two).all(|(a, b)| (a - b).abs() < 1e-4 * size));
            }
        }
    }
}

#[test]
fn what_has_no_gradient_is_refused_with_the_reason() {
    let find = |name: &str| folders().into_iter().find(|folder| folder.ends_with(name)).unwrap();
    let candle = LoadOptions { engine: Some(EngineKind::Candle), ..LoadOptions::default() };
    let said = |engine: &Engine, site: Site, edits: &[Edit], objective: &Objective| {
        engine.gradients(&sentences(engine), &[site], edits, objective, &Monitor::silent()).unwrap_err().to_string()
    };
    let contrast = |plus: &[u32], minus: &[u32], position| {
        let one = Contrast { plus: plus.to_vec(), minus: minus.to_vec(), position };
        Objective::LogitDifference(vec![one.clone(), one])
    };
    let good = contrast(&[7], &[9], 2);
    let (llama, native) = (load(&find("llama"), &candle), load(&find("llama"), &LoadOptions::default()));
    let width = llama.info().width;
    let rows = |width: usize| vec![Vector::from(vec![0.5; width]); 2];
    let distance = |layer, width| Objective::Distance { layer, reduce: Reduce::Last, targets: rows(width) };
    let cut = Op::Cut { heads: None, keys: Positions::Last };
    let cut = [Edit::at(Site::new(Point::AttnScores, 1), cut)];
    let (bert, layer) = (load(&find("bert"), &candle), Site::layer(1));
    for (said, why) in [
        (said(&native, layer, &[], &good), "Engine::differentiable"),
        (said(&bert, layer, &[], &good), "an encoder"),
        (said(&llama, Site::new(Point::Logits, 0), &[], &good), "made of logits already"),
        (said(&llama, Site::new(Point::AttnProbs, 1), &[], &good), "a square for each head"),
        (said(&llama, Site::layer(2), &[], &distance(1, width)), "lies behind the layer"),
        (said(&llama, Site::layer(99), &[], &good), "the model has blocks"),
        (said(&llama, layer, &cut, &good), "edit 0 (cut)"),
        (said(&llama, layer, &[], &contrast(&[], &[9], 2)), "sentence 0: no token counts for"),
        (said(&llama, layer, &[], &contrast(&[7], &[7], 2)), "named on both sides"),
        (said(&llama, layer, &[], &contrast(&[7], &[9], 7)), "position 7 is asked for"),
        (said(&llama, layer, &[], &Objective::LogProbability { from: vec![0, 3] }), "begin at token 0"),
        (said(&llama, layer, &[], &Objective::LogProbability { from: vec![3] }), "1 beginnings"),
        (said(&llama, layer, &[], &Objective::Divergence { targets: rows(5) }), "has 5 numbers, the vocabulary"),
        (said(&llama, layer, &[], &Objective::Divergence { targets: rows(llama.info().vocabulary) }), "adds up to"),
        (said(&llama, layer, &[], &distance(1, 3)), "row 0 has 3 numbers"),
    ] {
        assert!(said.contains(why), "{said}\nexpected: {why}");
    }
}

#[test]
fn a_model_that_changed_on_disk_is_not_the_same() {
    let from = folders().into_iter().find(|folder| folder.ends_with("gpt2")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let engine = load(folder.path(), &LoadOptions::default());
    let path = folder.path().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    // Another file of that name: the one that is mapped stays as it is.
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    let error = engine.differentiable(&Monitor::silent()).unwrap_err().to_string();
    assert!(error.contains("its weights changed on disk"), "{error}");
}
