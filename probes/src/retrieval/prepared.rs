//! The states of one language at one layer, corrected, with what the similarities need of each.

use std::cmp::Ordering;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{MEASURE, RetrievalParams};
use crate::{
    Result,
    align::Centring,
    correct::{Corrector, Options},
    source::{StateSource, finite},
};

/// Below this share of the state's own norm, what a subtraction leaves is rounding, not a direction.
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

/// What is done to the states of every language at one layer.
pub(super) struct Correction {
    centring: Centring,
    row_centred: bool,
    /// For all but raw and language: those stay in f64 here, as in [`crate::align`].
    corrector: Option<Corrector>,
}

impl Correction {
    pub(super) fn fit(
        source: &dyn StateSource,
        layer: usize,
        centring: Centring,
        params: &RetrievalParams,
    ) -> Result<Self> {
        let options = Options { top: params.top, rank: params.rank };
        let corrector = match centring {
            Centring::Raw | Centring::Language => None,
            Centring::Global | Centring::Top | Centring::Subspace | Centring::Standardised | Centring::Whitened => {
                Some(Corrector::fit(source, layer, centring, &options)?)
            }
        };
        Ok(Self { centring, row_centred: params.row_centred, corrector })
    }

    /// Corrected states; zero where nothing but rounding is left.
    fn apply(&self, language: usize, captured: ArrayView2<'_, f32>) -> Array2<f64> {
        let mut states = match &self.corrector {
            Some(corrector) => corrector.apply(language, captured).mapv(f64::from),
            None => captured.mapv(f64::from),
        };
        if self.centring == Centring::Language {
            let before = squared(&states);
            let mean = states.fold_axis(Axis(0), 0f64, |sum, x| sum + x) / states.nrows() as f64;
            states -= &mean;
            still(&mut states, &before);
        }
        if self.row_centred {
            let before = squared(&states);
            for mut row in states.outer_iter_mut() {
                let mean = row.sum() / row.len() as f64;
                row -= mean;
            }
            still(&mut states, &before);
        }
        states
    }
}

fn squared(states: &Array2<f64>) -> Vec<f64> {
    states.outer_iter().map(|row| row.iter().map(|x| x * x).sum()).collect()
}

/// Makes zero what is rounding of a state with the squared norm `before`.
fn still(states: &mut Array2<f64>, before: &[f64]) {
    let left = squared(states);
    for ((mut row, left), before) in states.outer_iter_mut().zip(left).zip(before) {
        if left.sqrt() <= ROUNDING * before.sqrt() {
            row.fill(0.0);
        }
    }
}

impl Prepared {
    pub(super) fn new(
        source: &dyn StateSource,
        language: usize,
        layer: usize,
        correction: &Correction,
    ) -> Result<Self> {
        let captured = finite(source, language, layer, MEASURE)?;
        let states = correction.apply(language, captured.view());
        let squared = squared(&states);
        let inverse = squared.iter().map(|s| if *s > 0.0 { s.sqrt().recip() } else { 0.0 }).collect();
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
    use ndarray::{Array2, array};

    use super::{super::RetrievalParams, Correction, Prepared, duplicates};
    use crate::align::{Centring, LanguageStates};

    #[test]
    fn states_that_are_equal_are_counted() {
        assert_eq!(duplicates(array![[1f32, 2.], [0., 1.], [1., 2.], [1., 2.], [0., 1.], [3., 3.]].view()), 5);
        assert_eq!(duplicates(array![[1f32, 2.], [2., 1.]].view()), 0);
    }

    fn prepared(state: Array2<f32>, params: &RetrievalParams) -> Prepared {
        let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
        let states = LanguageStates::new(languages, vec![0], vec![vec![state.clone()], vec![state]]).unwrap();
        let correction = Correction::fit(&states, 0, params.centrings[0], params).unwrap();
        Prepared::new(&states, 0, 0, &correction).unwrap()
    }

    #[test]
    fn cosines_within_are_the_mean_of_all_pairs() {
        let found = prepared(array![[1f32, 0.], [0., 2.], [3., 3.], [0., 0.]], &RetrievalParams::default());
        // cos(1, 2) = 0, cos(1, 3) = cos(2, 3) = sqrt(1/2); the zero state has cosine 0 with all.
        let half = 0.5f64.sqrt();
        for (got, expected) in found.cosines_within().iter().zip([half / 3.0, half / 3.0, 2.0 * half / 3.0, 0.0]) {
            assert!((got - expected).abs() < 1e-12);
        }
        assert_eq!(found.lost(), [false, false, false, true]);
    }

    #[test]
    fn row_centring_takes_the_mean_of_the_features() {
        let params = RetrievalParams { row_centred: true, ..RetrievalParams::default() };
        let found = prepared(array![[1f32, 3.], [5., 5.], [0., 2.], [4., 0.]], &params);
        assert_eq!(found.states, array![[-1., 1.], [0., 0.], [-1., 1.], [2., -2.]]);
        assert_eq!(found.lost(), [false, true, false, false]);
    }

    #[test]
    fn rounding_is_no_direction() {
        let params = RetrievalParams { centrings: vec![Centring::Language], ..RetrievalParams::default() };
        assert_eq!(prepared(Array2::from_elem((7, 33), 0.1), &params).lost(), [true; 7]);
    }
}
