//! The states of one language at one layer, corrected, with what the similarities need of each.

use std::cmp::Ordering;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::MEASURE;
use crate::{
    Error, Result,
    align::Centring,
    source::{StateSource, finite},
};

/// Below this share of the state's own norm, what a correction leaves is rounding, not a direction.
const ROUNDING: f64 = 1e-6;

pub(super) struct Prepared {
    /// `[n, width]`.
    pub(super) states: Array2<f64>,
    /// Squared norms. `[n]`.
    pub(super) squared: Vec<f64>,
    /// One over the norm; 0 where there is no direction. `[n]`.
    pub(super) inverse: Vec<f64>,
    /// How many states are equal, bit for bit, to another one before the correction.
    pub(super) duplicates: usize,
}

impl Prepared {
    pub(super) fn new(
        source: &dyn StateSource,
        language: usize,
        layer: usize,
        centring: Centring,
        row_centred: bool,
    ) -> Result<Self> {
        let captured = finite(source, language, layer, MEASURE)?;
        let mut states = captured.mapv(f64::from);
        match centring {
            Centring::Raw => {}
            Centring::Language => {
                let mean = states.fold_axis(Axis(0), 0f64, |sum, x| sum + x) / states.nrows() as f64;
                states -= &mean;
            }
            Centring::Global | Centring::Top | Centring::Subspace | Centring::Standardised | Centring::Whitened => {
                let why = format!("the centring `{}` is not available here; use `raw` or `language`", centring.name());
                return Err(Error::Input { measure: MEASURE, why });
            }
        }
        if row_centred {
            for mut row in states.outer_iter_mut() {
                let mean = row.sum() / row.len() as f64;
                row -= mean;
            }
        }
        let squared: Vec<f64> = states.outer_iter().map(|row| row.iter().map(|x| x * x).sum()).collect();
        let inverse = captured.outer_iter().zip(&squared).map(|(before, left)| {
            let before = before.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let left = left.sqrt();
            if left > ROUNDING * before && left > 0.0 { left.recip() } else { 0.0 }
        });
        let inverse = inverse.collect();
        Ok(Self { squared, inverse, duplicates: duplicates(captured.view()), states })
    }

    /// Which sentences have no direction.
    pub(super) fn lost(&self) -> Vec<bool> {
        self.inverse.iter().map(|inverse| *inverse == 0.0).collect()
    }

    /// The mean cosine of each sentence with the others of its language, `(u_i . sum u - u_i . u_i) / (n - 1)`. `[n]`.
    pub(super) fn cosines_within(&self) -> Vec<f64> {
        let inverse = Array1::from(self.inverse.clone());
        let sum = self.states.t().dot(&inverse);
        let along = self.states.dot(&sum);
        let others = self.inverse.len() as f64 - 1.0;
        (along.iter().zip(&self.inverse).zip(&self.squared))
            .map(|((along, inverse), squared)| (along * inverse - squared * inverse * inverse) / others)
            .collect()
    }
}

fn duplicates(states: ArrayView2<'_, f32>) -> usize {
    let order = |a: &usize, b: &usize| {
        let pairs = states.row(*a).into_iter().zip(states.row(*b));
        pairs.map(|(x, y)| x.to_bits().cmp(&y.to_bits())).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    };
    let mut rows: Vec<usize> = (0..states.nrows()).collect();
    rows.sort_unstable_by(order);
    rows.chunk_by(|a, b| order(a, b).is_eq()).filter(|equal| equal.len() > 1).map(<[usize]>::len).sum()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::{Prepared, duplicates};
    use crate::align::{Centring, LanguageStates};

    #[test]
    fn states_that_are_equal_are_counted() {
        assert_eq!(duplicates(array![[1f32, 2.], [0., 1.], [1., 2.], [1., 2.], [0., 1.], [3., 3.]].view()), 5);
        assert_eq!(duplicates(array![[1f32, 2.], [2., 1.]].view()), 0);
    }

    #[test]
    fn cosines_within_are_the_mean_of_all_pairs() {
        let state = array![[1f32, 0.], [0., 2.], [3., 3.], [0., 0.]];
        let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
        let states = LanguageStates::new(languages, vec![0], vec![vec![state.clone()], vec![state]]).unwrap();
        let prepared = Prepared::new(&states, 0, 0, Centring::Raw, false).unwrap();
        // cos(1, 2) = 0, cos(1, 3) = cos(2, 3) = sqrt(1/2); the zero state has cosine 0 with all.
        let half = 0.5f64.sqrt();
        for (got, expected) in prepared.cosines_within().iter().zip([half / 3.0, half / 3.0, 2.0 * half / 3.0, 0.0]) {
            assert!((got - expected).abs() < 1e-12);
        }
        assert_eq!(prepared.lost(), [false, false, false, true]);
    }

    #[test]
    fn row_centring_takes_the_mean_of_the_features() {
        let state = array![[1f32, 3.], [5., 5.], [0., 2.], [4., 0.]];
        let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
        let states = LanguageStates::new(languages, vec![0], vec![vec![state.clone()], vec![state]]).unwrap();
        let prepared = Prepared::new(&states, 0, 0, Centring::Raw, true).unwrap();
        assert_eq!(prepared.states, array![[-1., 1.], [0., 0.], [-1., 1.], [2., -2.]]);
        assert_eq!(prepared.lost(), [false, true, false, false]);
    }
}
