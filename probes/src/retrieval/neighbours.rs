//! The nearest by cosine of each sentence: what CSLS and the margins subtract, what xSIM chooses from, and where the hubs are.

use ndarray::ArrayView2;
use rayon::prelude::*;

use crate::bootstrap::{Draws, interval};
use crate::measure::Estimate;

/// The k nearest of each row, closest first, equal ones in order of their place.
pub(super) struct Neighbours {
    k: usize,
    /// `[n * k]`.
    nearest: Vec<(f32, u32)>,
}

impl Neighbours {
    /// # Shapes
    /// `similarities` `[n, n]`, `k` <= n.
    pub(super) fn new(similarities: ArrayView2<'_, f32>, k: usize) -> Self {
        let rows: Vec<Vec<(f32, u32)>> = (0..similarities.nrows())
            .into_par_iter()
            .map(|i| {
                let mut best: Vec<(f32, u32)> = Vec::with_capacity(k + 1);
                for (j, s) in (0u32..).zip(similarities.row(i)) {
                    if best.len() < k || best.last().is_some_and(|last| *s > last.0) {
                        let at = best.partition_point(|other| other.0 >= *s);
                        best.insert(at, (*s, j));
                        best.truncate(k);
                    }
                }
                best
            })
            .collect();
        Self { k, nearest: rows.into_iter().flatten().collect() }
    }

    /// The k nearest of sentence i, k at most what was asked for.
    pub(super) fn of(&self, i: usize, k: usize) -> &[(f32, u32)] {
        &self.nearest[i * self.k..i * self.k + k]
    }

    /// The mean similarity of each sentence to its k nearest: `r`. `[n]`.
    pub(super) fn means(&self, k: usize) -> Vec<f64> {
        let rows = self.nearest.chunks_exact(self.k);
        rows.map(|row| row[..k].iter().map(|(s, _)| f64::from(*s)).sum::<f64>() / k as f64).collect()
    }

    /// `N_k`: for how many sentences is each among the k nearest? A sentence without a direction has no nearest and is not asked. `[n]`.
    pub(super) fn occurrences(&self, k: usize, lost: &[bool]) -> Vec<u32> {
        let mut counts = vec![0; lost.len()];
        for i in (0..lost.len()).filter(|i| !lost[*i]) {
            self.of(i, k).iter().for_each(|(_, j)| counts[*j as usize] += 1);
        }
        counts
    }
}

/// Skewness of `N_k`, `m3 / m2^(3/2)` with central moments; `None` where all are equal. The draws weigh the sentences that are counted.
pub(super) fn skewness(counts: &[u32], draws: &Draws) -> Option<Estimate> {
    let skew = |weights: &[f64]| {
        let total: f64 = weights.iter().sum();
        let moment = |of: &dyn Fn(f64) -> f64| {
            counts.iter().zip(weights).map(|(c, w)| w * of(f64::from(*c))).sum::<f64>() / total
        };
        let mean = moment(&|c| c);
        let (second, third) = (moment(&|c| (c - mean).powi(2)), moment(&|c| (c - mean).powi(3)));
        (second > 0.0).then(|| third / second.powf(1.5))
    };
    let value = skew(&vec![1.0; counts.len()])?;
    Some(interval(value, (0..draws.draws()).filter_map(|b| skew(&draws.weights(b))).collect()))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::{Neighbours, skewness};
    use crate::bootstrap::Draws;

    proptest! {
        #[test]
        fn the_nearest_are_those_of_a_full_sort(
            values in prop::collection::vec((-3i8..=3).prop_map(f32::from), 49), k in 1usize..7
        ) {
            let all = Array2::from_shape_vec((7, 7), values).unwrap();
            let found = Neighbours::new(all.view(), k);
            for (i, row) in all.outer_iter().enumerate() {
                let mut sorted: Vec<(f32, u32)> = row.iter().copied().zip(0..).collect();
                sorted.sort_by(|a, b| b.0.total_cmp(&a.0)); // stable: equal ones keep their order
                prop_assert_eq!(found.of(i, k), &sorted[..k]);
            }
        }
    }

    #[test]
    fn one_hub_is_counted_by_all() {
        let hub = array![[0.9f32, 0.1, 0.], [0.9, 0.5, 0.], [0.9, 0., 0.5]];
        let found = Neighbours::new(hub.view(), 1);
        assert_eq!(found.occurrences(1, &[false; 3]), [3, 0, 0]);
        assert_eq!(found.occurrences(1, &[false, true, false]), [2, 0, 0]);
        assert!(found.means(1).iter().all(|r| (r - 0.9).abs() < 1e-7));
    }

    /// 3, 0, 0: mean 1, m2 = (4 + 1 + 1) / 3 = 2, m3 = (8 - 1 - 1) / 3 = 2, so 2 / 2^1.5 = 1 / sqrt(2).
    #[test]
    fn skewness_by_hand() {
        let draws = Draws::new(3, 0, 0).unwrap();
        assert!((skewness(&[3, 0, 0], &draws).unwrap().value - 0.5f64.sqrt()).abs() < 1e-12);
        assert!(skewness(&[1, 1, 1], &draws).is_none());
    }
}
