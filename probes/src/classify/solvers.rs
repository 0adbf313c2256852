//! The probe against scikit-learn. Against linfa: `probes/tests/linfa.rs`.

use faer::Mat;
use proptest::prelude::*;

use super::softmax::{Problem, Softmax, gather};
use crate::oracle;

fn fit(rows: &Mat<f64>, classes: &[u32], count: usize, c: f64) -> Softmax {
    let weights = vec![1.0; count];
    let problem = Problem { rows: rows.as_ref(), classes, count, weights: &weights, c, tolerance: 1e-18, steps: 5000 };
    Softmax::fit(&problem, None)
}

/// Standardised with the rows that train, as the oracle was.
fn standardised(rows: &Mat<f64>, train: &[usize]) -> Mat<f64> {
    let n = train.len() as f64;
    let mut out = rows.clone();
    for j in 0..rows.ncols() {
        let column = |i: &usize| rows[(*i, j)];
        let mean = train.iter().map(column).sum::<f64>() / n;
        let deviation = (train.iter().map(|i| (column(i) - mean).powi(2)).sum::<f64>() / n).sqrt();
        (0..rows.nrows()).for_each(|i| out[(i, j)] = (column(&i) - mean) / deviation);
    }
    out
}

#[test]
fn equals_scikit_learn() {
    let Some(folder) = oracle::folder() else { return };
    let reference = oracle::json(&folder.join("sklearn.json"));
    let expected = oracle::tensors(&folder.join("sklearn.safetensors"));
    for set in ["tiny_llama3_mean", "planted"] {
        let rows = oracle::rows(&folder, set, &reference["pca"][set]);
        let languages = reference["pca"][set]["languages"].as_array().unwrap();
        let mut names: Vec<&str> = languages.iter().map(|l| l.as_str().unwrap()).collect();
        let each = rows.nrows() / names.len();
        let spoken: Vec<&str> = (0..rows.nrows()).map(|i| names[i / each]).collect();
        names.sort_unstable();
        // The oracle's classes are the languages as listed, or sorted by name: the intercepts say which.
        let by_name: Vec<u32> = spoken.iter().map(|l| names.iter().position(|n| n == l).unwrap() as u32).collect();
        let as_listed: Vec<u32> = (0..rows.nrows()).map(|i| (i / each) as u32).collect();
        let (test, train): (Vec<usize>, Vec<usize>) = (0..rows.nrows()).partition(|i| i % 3 == 0);
        let inputs = standardised(&rows, &train);
        let (trained, tested) = (gather(inputs.as_ref(), &train), gather(inputs.as_ref(), &test));
        for (c, key) in [(1.0, "C1.0"), (0.01, "C0.01")] {
            let of = |what: &str| &expected[&format!("probe.{set}.{key}.{what}")].1;
            let worst = [&as_listed, &by_name].map(|classes| {
                let own: Vec<u32> = train.iter().map(|i| classes[*i]).collect();
                let probe = fit(&trained, &own, names.len(), c);
                assert!(probe.converged, "{set} {key}");
                let (weights, intercept) = probe.weights();
                let width = weights.nrows();
                let weight =
                    (0..width * names.len()).map(|at| (weights[(at % width, at / width)] - of("coef")[at]).abs());
                let offset = intercept.iter().zip(of("intercept")).map(|(a, b)| (a - b).abs());
                let probabilities = probe.probabilities(tested.as_ref());
                let chance = probabilities.iter().zip(of("test_proba")).map(|(a, b)| (a - b).abs());
                let right =
                    super::validate::hits(&probabilities, &test.iter().map(|i| classes[*i]).collect::<Vec<_>>());
                let accuracy = right.iter().filter(|hit| **hit).count() as f64 / test.len() as f64;
                (weight.chain(offset).chain(chance).fold(0.0, f64::max), accuracy)
            });
            let (worst, accuracy) = if worst[0].0 < worst[1].0 { worst[0] } else { worst[1] };
            assert!(worst < 1e-5, "{set} {key}: {worst}");
            let stated = reference["probe"][format!("{set}.{key}")]["accuracy_test"].as_f64().unwrap();
            assert!((accuracy - stated).abs() < 1e-12, "{set} {key}: {accuracy} {stated}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The stronger the penalty, the shorter the weights; balanced weights of equal classes change nothing.
    #[test]
    fn a_stronger_penalty_shortens_the_weights(values in prop::collection::vec(-2f64..2.0, 20 * 3)) {
        let rows = Mat::from_fn(20, 3, |i, j| values[i * 3 + j]);
        let classes: Vec<u32> = (0..20).map(|i| i % 2).collect();
        let norms = [0.01, 0.1, 1.0].map(|c| fit(&rows, &classes, 2, c).norm());
        prop_assert!(norms[0] <= norms[1] && norms[1] <= norms[2], "{norms:?}");
    }
}

/// Where linfa's loss is wrong: one row far from the others makes its logits the largest of all, and those of the other rows underflow.
#[test]
fn one_far_row_does_not_change_the_loss_of_the_others() {
    let rows = Mat::from_fn(40, 1, |i, _| if i == 0 { 4000.0 } else { f64::from(u8::from(i % 2 == 0)) - 0.5 });
    let classes: Vec<u32> = (0..40).map(|i| u32::from(i % 2 == 0)).collect();
    let probe = fit(&rows, &classes, 2, 10.0);
    let right = super::validate::hits(&probe.probabilities(rows.as_ref()), &classes);
    assert!(probe.converged && right.iter().all(|hit| *hit));
}
