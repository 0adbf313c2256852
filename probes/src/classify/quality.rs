//! How good held-out predictions are.
//!
//! All of them take a weight for each sentence, which is 1, or how often a bootstrap draw has it:
//!
//! - **macro F1** = mean over the classes of `2 tp / (2 tp + fp + fn)`; classes that are neither there nor predicted are left out;
//! - **AUROC** of a class = share of the pairs of a row of the class and another row in which the first has the larger probability, ties
//!   counting half; macro = mean over the classes (one against the rest);
//! - **calibration** = expected calibration error: rows in ten bins of equal width by the largest probability, `sum_b n_b / n |accuracy_b
//!   - confidence_b|`.

use ndarray::Array2;

/// Bins of the calibration error.
const BINS: usize = 10;

/// Held-out predictions of all rows, and what is true of them.
pub(crate) struct Held {
    /// Class of each row.
    pub(crate) truth: Vec<u32>,
    /// Sentence of each row.
    pub(crate) sentence: Vec<usize>,
    /// `[rows, classes]`.
    pub(crate) probabilities: Array2<f64>,
    /// Of each class, its rows from the smallest probability to the largest.
    order: Vec<Vec<u32>>,
    predicted: Vec<u32>,
}

impl Held {
    pub(crate) fn new(truth: Vec<u32>, sentence: Vec<usize>, probabilities: Array2<f64>) -> Self {
        let order = probabilities.columns().into_iter().map(|of| {
            let mut rows: Vec<u32> = (0..).take(of.len()).collect();
            rows.sort_by(|a, b| of[*a as usize].total_cmp(&of[*b as usize]));
            rows
        });
        let predicted = probabilities.outer_iter().map(|row| largest(row.iter().copied())).collect();
        Self { order: order.collect(), predicted, truth, sentence, probabilities }
    }

    pub(crate) fn classes(&self) -> usize {
        self.probabilities.ncols()
    }

    pub(crate) fn hit(&self, row: usize) -> bool {
        self.predicted[row] == self.truth[row]
    }

    /// Rows of a class (first index) that were taken for one (second).
    pub(crate) fn confusion(&self, weights: &[f64]) -> Array2<f64> {
        let mut counts = Array2::zeros((self.classes(), self.classes()));
        for (row, truth) in self.truth.iter().enumerate() {
            counts[[*truth as usize, self.predicted[row] as usize]] += weights[self.sentence[row]];
        }
        counts
    }

    pub(crate) fn macro_f1(&self, weights: &[f64]) -> f64 {
        let confusion = self.confusion(weights);
        let scores = (0..self.classes()).filter_map(|class| {
            let both = confusion.row(class).sum() + confusion.column(class).sum();
            (both > 0.0).then(|| 2.0 * confusion[[class, class]] / both)
        });
        mean(scores)
    }

    pub(crate) fn auroc(&self, weights: &[f64]) -> f64 {
        mean((0..self.classes()).filter_map(|class| self.auroc_of(class, weights)))
    }

    /// `None` where the class, or the rest, has no row.
    fn auroc_of(&self, class: usize, weights: &[f64]) -> Option<f64> {
        let probability = |row: u32| self.probabilities[[row as usize, class]];
        let (mut below, mut inside, mut won) = (0.0, 0.0, 0.0);
        for tied in self.order[class].chunk_by(|a, b| probability(*a) == probability(*b)) {
            let (mut own, mut other) = (0.0, 0.0);
            for row in tied {
                let weight = weights[self.sentence[*row as usize]];
                if self.truth[*row as usize] as usize == class { own += weight } else { other += weight }
            }
            won += own * (below + 0.5 * other);
            below += other;
            inside += own;
        }
        (below > 0.0 && inside > 0.0).then(|| won / (below * inside))
    }

    pub(crate) fn calibration(&self, weights: &[f64]) -> f64 {
        let mut bins = [(0.0, 0.0); BINS];
        let mut total = 0.0;
        for (row, predicted) in self.predicted.iter().enumerate() {
            let weight = weights[self.sentence[row]];
            let confidence = self.probabilities[[row, *predicted as usize]];
            let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
            bin.0 += weight * confidence;
            bin.1 += if self.hit(row) { weight } else { 0.0 };
            total += weight;
        }
        bins.iter().map(|(confidence, hits)| (hits - confidence).abs()).sum::<f64>() / total
    }
}

/// The place of the largest; the first of several.
pub(crate) fn largest(values: impl Iterator<Item = f64>) -> u32 {
    let mut best = (f64::NEG_INFINITY, 0);
    for (value, at) in values.zip(0..) {
        if value > best.0 {
            best = (value, at);
        }
    }
    best.1
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::Held;

    fn held(truth: &[u32], probabilities: Array2<f64>) -> Held {
        Held::new(truth.to_vec(), (0..truth.len()).collect(), probabilities)
    }

    #[test]
    fn toy_values_by_hand() {
        // Class 0 is right twice of three times, class 1 once of one; one 0 is taken for 1.
        let toy = held(&[0, 0, 0, 1], array![[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]);
        let ones = [1.0; 4];
        assert!((toy.macro_f1(&ones) - (4.0 / 5.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // Of the three pairs of a 0 and the 1, two have the larger probability of 0 at the 0; the same pairs count for class 1.
        assert!((toy.auroc(&ones) - 2.0 / 3.0).abs() < 1e-12);
        // Confidences .9 .8 .7 .6, hits 1 1 0 1, each in a bin of its own.
        assert!((toy.calibration(&ones) - (0.1 + 0.2 + 0.7 + 0.4) / 4.0).abs() < 1e-12);
        assert_eq!(toy.confusion(&ones), array![[2.0, 1.0], [0.0, 1.0]]);
    }

    proptest! {
        /// A weight is a number of copies: the weighted fast ways equal plain counting over pairs of repeated rows.
        #[test]
        fn weights_are_copies(rows in prop::collection::vec((0u32..3, 0u8..4, 0u8..4, 0usize..3), 4..20)) {
            let probabilities = Array2::from_shape_fn((rows.len(), 3), |(i, k)| {
                let raw = [f64::from(rows[i].1) + 0.5, f64::from(rows[i].2) + 0.5, 1.0];
                raw[k] / raw.iter().sum::<f64>()
            });
            let truth: Vec<u32> = rows.iter().map(|r| r.0).collect();
            let weights: Vec<f64> = rows.iter().map(|r| r.3 as f64).collect();
            let copies: Vec<usize> = (0..rows.len()).flat_map(|i| std::iter::repeat_n(i, rows[i].3)).collect();
            let twin_truth: Vec<u32> = copies.iter().map(|i| truth[*i]).collect();
            prop_assume!(twin_truth.iter().any(|c| *c != twin_truth[0]));
            let twin = probabilities.select(ndarray::Axis(0), &copies);
            let auroc = (0..3).filter_map(|class| {
                let (own, rest): (Vec<usize>, Vec<usize>) = (0..copies.len()).partition(|i| twin_truth[*i] as usize == class);
                let won = own.iter().flat_map(|i| rest.iter().map(move |j| (*i, *j))).map(|(i, j)| {
                    let (a, b) = (twin[[i, class]], twin[[j, class]]);
                    if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 }
                });
                (!own.is_empty() && !rest.is_empty()).then(|| won.sum::<f64>() / (own.len() * rest.len()) as f64)
            });
            let auroc: Vec<f64> = auroc.collect();
            let fast = held(&truth, probabilities);
            let slow = held(&twin_truth, twin.clone());
            let ones = vec![1.0; copies.len()];
            prop_assert!((fast.auroc(&weights) - auroc.iter().sum::<f64>() / auroc.len() as f64).abs() < 1e-12);
            prop_assert!((fast.macro_f1(&weights) - slow.macro_f1(&ones)).abs() < 1e-12);
            prop_assert!((fast.calibration(&weights) - slow.calibration(&ones)).abs() < 1e-12);
        }
    }
}
