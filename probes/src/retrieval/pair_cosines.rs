//! How much closer are true pairs than wrong ones, on the average?

use ndarray::ArrayView2;

use crate::null::Permutations;

pub(super) struct PairCosines {
    /// The cosine of each true pair. `[n]`.
    pub(super) truth: Vec<f64>,
    /// That minus the mean of the wrong pairs that its two sentences have. The mean over the sentences is the gap. `[n]`.
    pub(super) gap: Vec<f64>,
    /// Standard deviation of the wrong pairs (of all of them, so divided by their number).
    pub(super) spread: f64,
    /// Sum of all pairs, true and wrong.
    total: f64,
}

impl PairCosines {
    /// # Shapes
    /// `cosines` `[n, n]`, n >= 2.
    pub(super) fn new(cosines: ArrayView2<'_, f32>) -> Self {
        let n = cosines.nrows();
        let (mut rows, mut columns) = (vec![0f64; n], vec![0f64; n]);
        for ((i, j), cosine) in cosines.indexed_iter() {
            rows[i] += f64::from(*cosine);
            columns[j] += f64::from(*cosine);
        }
        let truth: Vec<f64> = cosines.diag().iter().map(|c| f64::from(*c)).collect();
        let total: f64 = rows.iter().sum();
        let others = n as f64 - 1.0;
        let wrong = (total - truth.iter().sum::<f64>()) / (n as f64 * others);
        let squares: f64 = (cosines.indexed_iter().filter(|((i, j), _)| i != j))
            .map(|(_, cosine)| (f64::from(*cosine) - wrong).powi(2))
            .sum();
        let gap = (truth.iter().zip(rows.iter().zip(&columns)))
            .map(|(t, (row, column))| t - (row + column - 2.0 * t) / (2.0 * others))
            .collect();
        Self { truth, gap, spread: (squares / (n as f64 * others)).sqrt(), total }
    }

    /// Mean cosine of the true pairs and their gap, with the same steps as those of a draw: one that moves nothing is equal to the bit.
    pub(super) fn values(&self) -> (f64, f64) {
        self.of_pairs(self.truth.iter().sum())
    }

    /// Mean cosine of the pairs that each draw makes, and their gap.
    pub(super) fn drawn(&self, cosines: ArrayView2<'_, f32>, permutations: &Permutations) -> (Vec<f64>, Vec<f64>) {
        let draw = |b: usize| {
            let pairs = permutations.draw(b).iter().enumerate();
            self.of_pairs(pairs.map(|(i, j)| f64::from(cosines[[i, *j as usize]])).sum())
        };
        (0..permutations.draws()).map(draw).unzip()
    }

    fn of_pairs(&self, sum: f64) -> (f64, f64) {
        let n = self.truth.len() as f64;
        (sum / n, sum / n - (self.total - sum) / (n * (n - 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::PairCosines;
    use crate::null::Permutations;

    /// Diagonal mean 0.8; the others 0.1, 0.2, 0.3, 0.4, 0.3, 0.5: mean 0.3, squares 0.04 + 0.01 + 0.01 + 0.04 = 0.1, sd sqrt(0.1 / 6).
    #[test]
    fn means_and_spread_by_hand() {
        let cosines = array![[0.9f32, 0.1, 0.2], [0.3, 0.8, 0.4], [0.3, 0.5, 0.7]];
        let found = PairCosines::new(cosines.view());
        let mean = |values: &[f64]| values.iter().sum::<f64>() / 3.0;
        assert!((mean(&found.truth) - 0.8).abs() < 1e-6);
        assert!((mean(&found.gap) - 0.5).abs() < 1e-6);
        assert!((found.spread - (0.1f64 / 6.0).sqrt()).abs() < 1e-6);
        let turned = PairCosines::new(cosines.t());
        assert!((mean(&turned.gap) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn a_draw_that_moves_nothing_is_the_value() {
        let cosines = array![[0.9f32, 0.1, 0.2], [0.3, 0.8, 0.4], [0.3, 0.5, 0.7]];
        let found = PairCosines::new(cosines.view());
        let alone = Permutations::within(&[0, 1, 2], 20, 0).unwrap();
        let (cosine, gap) = found.drawn(cosines.view(), &alone);
        assert!(cosine.into_iter().zip(gap).all(|drawn| drawn == found.values()));
        assert!((found.values().0 - 0.8).abs() < 1e-6 && (found.values().1 - 0.5).abs() < 1e-6);
    }
}
