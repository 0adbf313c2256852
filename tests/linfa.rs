//! The logistic regression and the t-SNE of the probes against linfa's.
//!
//! The sources are included here because neither is public, and linfa is loaded here alone: its sparse matrices implement so many
//! operators that the compiler gives up (E0275) on ordinary arithmetic in the tests of whichever crate loads it.

#![allow(dead_code, reason = "only a part of the included sources is called")]
#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

#[path = "../probes/src/project/plane.rs"]
mod plane;
#[path = "../probes/src/classify/softmax.rs"]
mod softmax;
#[path = "../probes/src/project/tsne.rs"]
mod tsne;

use babelscope_core::monitor::Monitor;
use babelscope_probes::Result;
use faer::Mat;
use linfa::{
    Dataset,
    traits::{Fit as _, Transformer as _},
};
use linfa_logistic::MultiLogisticRegression;
use linfa_tsne::TSneParams;
use ndarray::{Array1, Array2};
use proptest::prelude::*;

use softmax::{Problem, Softmax};
use tsne::tests::{clouds, distances, divergence, start};

fn ours(rows: &Mat<f64>, classes: &[u32], count: usize, c: f64, tolerance: f64) -> Array2<f64> {
    let weights = vec![1.0; count];
    let problem = Problem { rows: rows.as_ref(), classes, count, weights: &weights, c, tolerance, steps: 5000 };
    Softmax::fit(&problem, None).probabilities(rows.as_ref())
}

fn theirs(rows: &Mat<f64>, classes: &[u32], c: f64, tolerance: f64) -> Array2<f64> {
    let records = Array2::from_shape_fn((rows.nrows(), rows.ncols()), |(i, j)| rows[(i, j)]);
    let targets = Array1::from_iter(classes.iter().map(|class| *class as usize));
    let model = MultiLogisticRegression::default().alpha(1.0 / c).max_iterations(5000).gradient_tolerance(tolerance);
    model.fit(&Dataset::new(records.clone(), targets)).unwrap().predict_probabilities(&records)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Another program with the same loss finds the same minimum.
    #[test]
    fn probes_equal_linfa(
        values in prop::collection::vec(-2f64..2.0, 24 * 5),
        classes in prop::collection::vec(0u32..3, 24),
        c in prop_oneof![Just(0.05), Just(1.0)],
    ) {
        prop_assume!((0..3).all(|class| classes.contains(&class)));
        let rows = Mat::from_fn(24, 5, |i, j| values[i * 5 + j]);
        let (a, b) = (ours(&rows, &classes, 3, c, 1e-16), theirs(&rows, &classes, c, 1e-9));
        let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        prop_assert!(worst < 1e-4, "{worst}");
    }
}

#[test]
fn t_sne_reaches_what_linfa_reaches() {
    let rows = clouds(30);
    let found = tsne::tsne(distances(&rows).as_ref(), &start(&rows), 15.0, 1000, 0, &Monitor::silent()).unwrap();
    let data = Array2::from_shape_fn((90, 5), |(i, j)| rows[(i, j)]);
    let other = TSneParams::embedding_size(2).perplexity(15.0).approx_threshold(0.0).max_iter(1000).transform(data);
    let other: Vec<_> = other.unwrap().outer_iter().map(|row| [row[0], row[1]]).collect();
    let (a, b) = (divergence(&rows, &found, 15.0), divergence(&rows, &other, 15.0));
    assert!(a <= b + 0.02, "ours {a}, linfa's {b}");
}
