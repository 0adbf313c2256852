//! How good a vector is at a layer, on items that it was not trained on.
//!
//! With `s = v h` for the held-out states of the sides:
//!
//! - **pair order**: share of the pairs with `s_positive > s_negative`; a tie counts half. Chance .5.
//! - **AUC**: share of all combinations of a positive and a negative state with `s_positive > s_negative`, ties half. Chance .5.
//! - **d'**: `(mean s_positive - mean s_negative) / sqrt((var s_positive + var s_negative) / 2)`, variances over n - 1.
//! - **agreement**: mean cosine between the differences of two different pairs, `(|sum u_i|^2 - n) / (n (n - 1))` with
//!   `u_i = d_i / |d_i|`. The higher, the better a vector steers (Braun et al. 2025, arXiv 2505.22637). It does not depend on
//!   the vector.
//! - **split half**: cosine of the vector with the one that the same estimator finds on the held-out items.
//!
//! Intervals are bootstrap percentiles over held-out items; of the agreement over the items' first-order parts,
//! `U + 2 (mean_b a - U)` with `a_i` the mean cosine of pair i with the others, as an item drawn twice has a cosine of 1 with
//! itself.

use ndarray::{Array2, ArrayView1};

use crate::{
    bootstrap::{Draws, interval},
    measure::{Estimate, Row},
    steer::estimate::cosine,
};

use super::NOT_HELD_OUT;

/// A trained vector beside the states that it is tested on.
pub(super) struct Held<'a> {
    pub(super) vector: &'a [f32],
    /// Positive and negative, `[n, width]` each.
    pub(super) states: &'a [Array2<f32>; 2],
    pub(super) paired: bool,
    /// Of each side; of pairs the same twice.
    pub(super) draws: [&'a Draws; 2],
    /// The vector of the held-out items, or why there is none.
    pub(super) again: Result<Vec<f32>, String>,
    /// Items of a side that it was trained on.
    pub(super) training: usize,
    pub(super) mean_norm: f64,
    pub(super) cos_diff_mean: f64,
}

impl Held<'_> {
    pub(super) fn rows(&self) -> Vec<Row> {
        let vector: Vec<f64> = self.vector.iter().map(|x| f64::from(*x)).collect();
        let along = |row: ArrayView1<'_, f32>| row.iter().zip(&vector).map(|(h, v)| f64::from(*h) * v).sum::<f64>();
        let scores = self.states.each_ref().map(|side| side.outer_iter().map(along).collect::<Vec<f64>>());
        let mut rows = vec![self.auc(&scores), self.d_prime(&scores)];
        if self.paired {
            rows.insert(0, self.pair_order(&scores));
            rows.push(self.agreement());
        }
        rows.push(match &self.again {
            Ok(again) => {
                let again: Vec<f64> = again.iter().map(|x| f64::from(*x)).collect();
                Row::new("vector_split_half", cosine(&vector, &again), self.fewest()).chance(0.0)
            }
            Err(why) => Row::missing("vector_split_half", why.clone(), self.fewest()),
        });
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        rows.push(if self.mean_norm > 0.0 {
            Row::new("vector_norm_share", length / self.mean_norm, self.training)
        } else {
            Row::missing("vector_norm_share", "the states have no length", self.training)
        });
        rows.push(Row::new("vector_cos_diff_mean", self.cos_diff_mean, self.training));
        rows
    }

    fn fewest(&self) -> usize {
        self.states[0].nrows().min(self.states[1].nrows())
    }

    fn pair_order(&self, [positive, negative]: &[Vec<f64>; 2]) -> Row {
        if self.fewest() == 0 {
            return Row::missing("vector_pair_order", NOT_HELD_OUT, 0);
        }
        let hits: Vec<f64> = positive.iter().zip(negative).map(|(p, n)| order(*p, *n)).collect();
        estimate("vector_pair_order", self.draws[0].mean(&hits), hits.len()).chance(0.5)
    }

    fn auc(&self, scores: &[Vec<f64>; 2]) -> Row {
        if self.fewest() == 0 {
            return Row::missing("vector_auc", NOT_HELD_OUT, 0);
        }
        let ranks = Ranks::new(scores);
        let ones = scores.each_ref().map(|side| vec![1.0; side.len()]);
        let drawn = self.drawn().map(|weights| ranks.auc(&weights)).collect();
        estimate("vector_auc", interval(ranks.auc(&ones), drawn), self.fewest()).chance(0.5)
    }

    fn d_prime(&self, scores: &[Vec<f64>; 2]) -> Row {
        let n = self.fewest();
        if n < 2 {
            let why = if n == 0 { NOT_HELD_OUT } else { "one held-out item a side has no variance" };
            return Row::missing("vector_d_prime", why, n);
        }
        let ones = scores.each_ref().map(|side| vec![1.0; side.len()]);
        let Some(value) = d_prime(scores, &ones) else {
            return Row::missing("vector_d_prime", "the held-out states of a side do not vary along the vector", n);
        };
        let drawn = self.drawn().filter_map(|weights| d_prime(scores, &weights)).collect();
        estimate("vector_d_prime", interval(value, drawn), n).chance(0.0)
    }

    fn agreement(&self) -> Row {
        let n = self.fewest();
        let mut units: Vec<Vec<f64>> = Vec::with_capacity(n);
        for (p, q) in self.states[0].outer_iter().zip(self.states[1].outer_iter()) {
            let difference: Vec<f64> = p.iter().zip(q).map(|(p, q)| f64::from(*p) - f64::from(*q)).collect();
            let length = difference.iter().map(|x| x * x).sum::<f64>().sqrt();
            if length > 0.0 {
                units.push(difference.into_iter().map(|x| x / length).collect());
            }
        }
        if n < 2 || units.len() < n {
            let why = match n {
                0 => NOT_HELD_OUT.to_owned(),
                1 => "one held-out pair has no other".to_owned(),
                _ => format!("{} of the {n} held-out pairs have two equal states", n - units.len()),
            };
            return Row::missing("vector_agreement", why, n);
        }
        let mut sum = vec![0.0; units[0].len()];
        units.iter().for_each(|u| sum.iter_mut().zip(u).for_each(|(s, x)| *s += x));
        let others = n as f64 - 1.0;
        let own: Vec<f64> =
            units.iter().map(|u| (u.iter().zip(&sum).map(|(x, s)| x * s).sum::<f64>() - 1.0) / others).collect();
        let value = own.iter().sum::<f64>() / n as f64;
        let drawn =
            self.draws[0].means(&own).into_iter().map(|mean| (value + 2.0 * (mean - value)).clamp(-1.0, 1.0)).collect();
        estimate("vector_agreement", interval(value, drawn), n).chance(0.0)
    }

    /// The weights of both sides in each draw.
    fn drawn(&self) -> impl Iterator<Item = [Vec<f64>; 2]> {
        (0..self.draws[0].draws()).map(|b| self.draws.map(|draws| draws.weights(b)))
    }
}

fn estimate(metric: &str, Estimate { value, low, high }: Estimate, n: usize) -> Row {
    Row::new(metric, value, n).within(low, high)
}

fn order(p: f64, n: f64) -> f64 {
    if p > n {
        1.0
    } else if p < n {
        0.0
    } else {
        0.5
    }
}

/// `None` where neither side varies.
fn d_prime(scores: &[Vec<f64>; 2], weights: &[Vec<f64>; 2]) -> Option<f64> {
    let [above, below] = [0, 1].map(|side| {
        let (scores, weights) = (&scores[side], &weights[side]);
        let total: f64 = weights.iter().sum();
        let mean = scores.iter().zip(weights).map(|(s, w)| s * w).sum::<f64>() / total;
        let squares: f64 = scores.iter().zip(weights).map(|(s, w)| w * (s - mean).powi(2)).sum();
        (mean, squares / (total - 1.0))
    });
    let pooled = ((above.1 + below.1) / 2.0).sqrt();
    let value = (above.0 - below.0) / pooled;
    (pooled > 0.0 && value.is_finite()).then_some(value)
}

/// The scores of both sides in ascending order, so that a weighted AUC takes one walk.
struct Ranks {
    /// Score, side, place in the side.
    sorted: Vec<(f64, usize, usize)>,
}

impl Ranks {
    fn new(scores: &[Vec<f64>; 2]) -> Self {
        let of = |side: usize| scores[side].iter().enumerate().map(move |(at, score)| (*score, side, at));
        let mut sorted: Vec<_> = of(0).chain(of(1)).collect();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { sorted }
    }

    fn auc(&self, weights: &[Vec<f64>; 2]) -> f64 {
        let (mut won, mut below) = (0.0, 0.0);
        for tied in self.sorted.chunk_by(|a, b| a.0 == b.0) {
            let here = |side: usize| tied.iter().filter(|t| t.1 == side).map(|t| weights[side][t.2]).sum::<f64>();
            let (positive, negative) = (here(0), here(1));
            won += positive * (below + negative / 2.0);
            below += negative;
        }
        won / (below * weights[0].iter().sum::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn held(vector: &[f32], states: &[Array2<f32>; 2]) -> Vec<Row> {
        let draws = Draws::new(states[0].nrows(), 200, 1).unwrap();
        let held = Held {
            vector,
            states,
            paired: true,
            draws: [&draws, &draws],
            again: Ok(vec![0.0, 2.0]),
            training: 3,
            mean_norm: 4.0,
            cos_diff_mean: 1.0,
        };
        held.rows()
    }

    #[test]
    fn toy_values() {
        // Along (1, 0) the positives score 3, 1, 2 and the negatives 1, 2, 2.
        let states = [array![[3f32, 0.], [1., 0.], [2., 1.]], array![[1f32, 0.], [2., 0.], [2., 0.]]];
        let rows = held(&[1.0, 0.0], &states);
        let value = |metric: &str| rows.iter().find(|row| row.metric == metric).unwrap().value.unwrap();
        assert!((value("vector_pair_order") - 0.5).abs() < 1e-12, "a win, a loss, a tie");
        // Of nine combinations: 3 beats all three, 1 ties with one, 2 beats one and ties with two.
        assert!((value("vector_auc") - (3.0 + 0.5 + 2.0) / 9.0).abs() < 1e-12);
        // Means 2 and 5/3, variances 1 and 1/3.
        assert!((value("vector_d_prime") - (1.0 / 3.0) / (2f64 / 3.0).sqrt()).abs() < 1e-12);
        // Units (1, 0), (-1, 0), (0, 1): cosines -1, 0, 0.
        assert!((value("vector_agreement") + 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((value("vector_split_half"), value("vector_norm_share")), (0.0, 0.25));
        assert!(rows.iter().all(|row| row.low.is_none_or(|low| low <= row.value.unwrap() && row.value <= row.high)));
    }

    #[test]
    fn what_cannot_be_said_has_a_reason() {
        let rows = held(&[1.0, 0.0], &[array![[1f32, 0.], [1., 1.]], array![[0f32, 0.], [0., 1.]]]);
        let row = |metric: &str| rows.iter().find(|row| row.metric == metric).unwrap();
        assert!(row("vector_d_prime").status.contains("do not vary"));
        assert_eq!((row("vector_auc").value, row("vector_agreement").value), (Some(1.0), Some(1.0)));
        let rows = held(&[1.0, 0.0], &[array![[1f32, 0.]], array![[0f32, 0.]]]);
        let missing = |metric: &str| rows.iter().find(|row| row.metric == metric).unwrap().status.clone();
        assert!(missing("vector_d_prime").contains("no variance") && missing("vector_agreement").contains("no other"));
    }

    proptest! {
        /// The walk over the ranks gives what comparing every combination gives, repeated items included.
        #[test]
        fn auc_equals_the_slow_way(
            p in prop::collection::vec(0u8..5, 1..9),
            n in prop::collection::vec(0u8..5, 1..9),
            draw in 0u64..20,
        ) {
            let scores = [&p, &n].map(|side| side.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>());
            let weights = scores.each_ref().map(|side| Draws::new(side.len(), 100, draw).unwrap().weights(3));
            let (mut won, mut all) = (0.0, 0.0);
            for (s, w) in scores[0].iter().zip(&weights[0]) {
                for (t, u) in scores[1].iter().zip(&weights[1]) {
                    won += w * u * order(*s, *t);
                    all += w * u;
                }
            }
            prop_assert!((Ranks::new(&scores).auc(&weights) - won / all).abs() < 1e-12);
        }
    }
}
