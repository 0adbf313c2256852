//! Against steering-vectors 0.12.2 and repeng 0.4.0, from the states of our own engine: directions, and the logits of a pass
//! that adds them.

use std::{collections::BTreeMap, path::Path};

use babelscope_core::{
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Unit},
    tokens::Encoded,
};
use ndarray::Array2;
use safetensors::SafeTensors;

use super::*;
use crate::oracle;

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// The states of the last token of each text.
fn last(engine: &Engine, texts: &[String], site: Site) -> Array2<f32> {
    let encoded = engine.tokenizer().encode_all(texts).unwrap();
    let plan = Plan { captures: vec![Capture { site, reduce: Reduce::Last }], ..Plan::default() };
    let kept = engine.run(&encoded, &plan, &Monitor::silent()).unwrap();
    let Values::Pooled(rows) = &kept[0].values else { panic!("not pooled") };
    let shape = rows.dims2().unwrap();
    Array2::from_shape_vec(shape, rows.flatten_all().unwrap().to_vec1().unwrap()).unwrap()
}

fn logits(engine: &Engine, ids: &[u32], edits: Vec<Edit>) -> Vec<f64> {
    let capture = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::All };
    let sentence = Encoded { spans: vec![0..0; ids.len()], ids: ids.to_vec(), bos: 0 };
    let plan = Plan { captures: vec![capture], edits, ..Plan::default() };
    let kept = engine.run(&[sentence], &plan, &Monitor::silent()).unwrap();
    let Values::Tokens(rows) = &kept[0].values else { panic!("pooled") };
    rows[0].flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
}

fn ids(file: &Path, name: &str) -> Vec<u32> {
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor(name).unwrap().data().to_vec();
    data.chunks_exact(8).map(|b| u32::try_from(i64::from_le_bytes(b.try_into().unwrap())).unwrap()).collect()
}

/// The largest difference, in units of the largest value.
fn off(got: impl Iterator<Item = f64>, want: &[f64]) -> f64 {
    let largest = want.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    got.zip(want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest
}

fn add(vector: &[f64], coefficient: f32, keep_norm: bool, positions: Positions) -> Edit {
    let vector: Vec<f32> = vector.iter().map(|x| *x as f32).collect();
    let op = Op::Add { vector: vector.into(), coefficient, unit: Unit::Raw, keep_norm };
    Edit { positions, ..Edit::at(Site::layer(2), op) }
}

/// Texts of both sides; `cut` is in characters.
fn sides(sentences: &serde_json::Value, language: &str, cut: usize) -> [Vec<String>; 2] {
    let of = |language: &str| {
        let lines = sentences[language].as_array().unwrap().iter().take(40);
        lines.map(|line| line.as_str().unwrap().chars().take(cut).collect()).collect()
    };
    [of(language), of("eng_Latn")]
}

fn engine(folder: &Path, family: &str) -> Engine {
    let model = folder.join("../full").join(family);
    Engine::load(&model.to_string_lossy(), &LoadOptions::default(), &Monitor::silent()).unwrap()
}

fn compare(engine: &Engine, sides: &[Vec<String>; 2], estimator: Estimator, site: Site, want: &[f64], name: &str) {
    let [positive, negative] = sides.each_ref().map(|texts| last(engine, texts, site));
    let found = estimate(positive.view(), negative.view(), estimator, 0).unwrap();
    let worst = off(found.vector.iter().map(|x| f64::from(*x)), want);
    // scikit-learn stops its logistic regression at a gradient of 1e-4, which leaves this much of the direction open.
    let tolerance = if estimator == Estimator::Logistic { 5e-4 } else { 1e-5 };
    assert!(worst < tolerance, "{name}: {worst:.1e}");
    if estimator == Estimator::Logistic {
        let differences = differences(positive.view(), negative.view());
        let ours: Vec<f64> = found.vector.iter().map(|x| f64::from(*x)).collect();
        let [ours, theirs] = [ours.as_slice(), want].map(|direction| gradient(&differences, direction));
        assert!(ours < 1e-5 && ours < theirs / 3.0, "{name}: {ours:.1e}, theirs {theirs:.1e}");
    }
}

/// How far a direction v is from the minimum of `2 sum ln(1 + exp(-w d / 2)) + |w|^2 / 2`: there
/// `w = sum d / (1 + exp(w d / 2))`. Taken at the length of w where that holds along v, and in units of it.
fn gradient(differences: &Mat<f64>, v: &[f64]) -> f64 {
    let pull = |length: f64| {
        let mut sum = vec![0.0; v.len()];
        for i in 0..differences.nrows() {
            let along: f64 = v.iter().enumerate().map(|(j, v)| differences[(i, j)] * v).sum();
            let weight = 1.0 / (1.0 + (length * along / 2.0).exp());
            sum.iter_mut().enumerate().for_each(|(j, s)| *s += weight * differences[(i, j)]);
        }
        sum
    };
    let (mut low, mut high) = (0.0, 1e4);
    for _ in 0..200 {
        let length = (low + high) / 2.0;
        let along: f64 = pull(length).iter().zip(v).map(|(p, v)| p * v).sum();
        if along > length { low = length } else { high = length }
    }
    let off: f64 = pull(low).iter().zip(v).map(|(p, v)| (p - low * v).powi(2)).sum();
    off.sqrt() / low
}

#[test]
fn equals_steering_vectors() {
    let Some(folder) = oracle::folder() else { return };
    let file = folder.join("steering_vectors.safetensors");
    let (expected, sentences): (Tensors, _) = (oracle::tensors(&file), oracle::json(&folder.join("sentences.json")));
    for family in ["llama3", "gpt2"] {
        let engine = engine(&folder, family);
        for language in ["swh_Latn", "rus_Cyrl"] {
            // GPT-2 takes 64 tokens, so it was given the first 40 characters.
            let sides = sides(&sentences, language, if family == "gpt2" { 40 } else { usize::MAX });
            for (theirs, estimator) in
                [("mean", Estimator::DiffMean), ("pca", Estimator::Pca), ("logistic", Estimator::Logistic)]
            {
                // The package ran Russian texts past the context of 128 tokens, which our engine refuses.
                for block in (0..3).filter(|_| family == "gpt2" || language == "swh_Latn") {
                    let name = format!("{family}.{language}.{theirs}.layer{block}");
                    compare(&engine, &sides, estimator, Site::layer(block + 1), &expected[&name].1, &name);
                }
            }
            let ids = ids(&file, &format!("{family}.{language}.apply.input_ids"));
            let mean = &expected[&format!("{family}.{language}.mean.layer1")].1;
            for multiplier in [-2f32, 0.0, 1.0] {
                let name = format!("{family}.{language}.apply.layer1.mult{multiplier:.1}");
                let all = logits(&engine, &ids, vec![add(mean, multiplier, false, Positions::All)]);
                let worst = off(all.into_iter(), &expected[&format!("{name}.logits")].1);
                assert!(worst < 1e-5, "{name}: {worst:.1e}");
                let later = logits(&engine, &ids, vec![add(mean, multiplier, false, Positions::From(4))]);
                let want = &expected[&format!("{name}.from_token4.logits_last")].1;
                let worst = off(later[later.len() - want.len()..].iter().copied(), want);
                assert!(worst < 1e-5, "{name} from token 4: {worst:.1e}");
            }
        }
    }
}

#[test]
fn equals_repeng() {
    let Some(folder) = oracle::folder() else { return };
    let file = folder.join("repeng.safetensors");
    let (expected, sentences): (Tensors, _) = (oracle::tensors(&file), oracle::json(&folder.join("sentences.json")));
    for family in ["llama3", "gpt2"] {
        let engine = engine(&folder, family);
        for language in ["swh_Latn", "rus_Cyrl"] {
            let sides = sides(&sentences, language, 40);
            for (theirs, estimator) in [("pca_diff", Estimator::PcaDiff), ("pca_center", Estimator::PcaCenter)] {
                for block in 1..3 {
                    // repeng reads transformers' hidden states, whose last is behind the final norm.
                    let site = if block == 2 { Site::new(Point::FinalNorm, 0) } else { Site::layer(block + 1) };
                    let name = format!("{family}.{language}.{theirs}.block{block}");
                    compare(&engine, &sides, estimator, site, &expected[&name].1, &name);
                }
            }
            let ids = ids(&file, &format!("{family}.{language}.apply.input_ids"));
            let direction = &expected[&format!("{family}.{language}.pca_diff.block1")].1;
            for coefficient in [-3f32, 0.0, 1.5] {
                for (normalize, keep_norm) in [("False", false), ("True", true)] {
                    let name =
                        format!("{family}.{language}.apply.block1.coeff{coefficient:.1}.normalize{normalize}.logits");
                    let got = logits(&engine, &ids, vec![add(direction, coefficient, keep_norm, Positions::All)]);
                    let worst = off(got.into_iter(), &expected[&name].1);
                    assert!(worst < 1e-5, "{name}: {worst:.1e}");
                }
            }
        }
    }
}
