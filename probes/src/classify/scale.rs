//! From states to the input of a probe: standardised, and reduced where the states are wide; both fitted on training rows alone.
//!
//! Each column is `(x - mean) / deviation` with the mean and the population deviation of the training rows, as scikit-learn's
//! `StandardScaler`. The states are then turned onto the principal components of at most 1024 of the training rows (evenly spaced), the
//! first ones alone where the states are wide. Nothing is whitened, so the penalty keeps its meaning, and a turn changes no probe: what
//! it does is to let the solver walk straight. A probe's weights lie in the span of its training rows, so with fewer training rows than
//! components nothing is lost.

use faer::{Accum, Mat, Par, linalg::matmul::matmul};
use ndarray::{ArrayView1, CowArray, Ix2};

use crate::{
    Result,
    pca::Pca,
    source::{StateSource, finite},
};

use super::MEASURE;

/// Rows of which the principal components are computed at most: 1024 x 1024 numbers are solved in a second.
const SAMPLE: usize = 1024;

/// Rows that are turned at a time.
const BLOCK: usize = 256;

/// A deviation below this share of the mean is the rounding of f32.
const ROUNDING: f64 = 1e-6;

/// A row: the place of its language and its sentence.
pub(crate) type Place = (usize, usize);

/// The states of all languages at one layer.
pub(crate) struct Layer<'a> {
    states: Vec<CowArray<'a, f32, Ix2>>,
}

impl<'a> Layer<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// A state that is not finite, or cannot be read.
    pub(crate) fn read(source: &'a dyn StateSource, at: usize) -> Result<Self> {
        let states = (0..source.languages().len()).map(|l| finite(source, l, at, MEASURE)).collect::<Result<_>>()?;
        Ok(Self { states })
    }

    fn row(&self, (language, sentence): Place) -> ArrayView1<'_, f32> {
        self.states[language].row(sentence)
    }

    pub(crate) fn width(&self) -> usize {
        self.states.first().map_or(0, |s| s.ncols())
    }
}

/// Mean and inverse deviation of each column.
pub(crate) struct Moments {
    mean: Vec<f64>,
    inverse: Vec<f64>,
}

impl Moments {
    pub(crate) fn of(layer: &Layer<'_>, places: &[Place]) -> Self {
        let n = places.len() as f64;
        let mut mean = vec![0.0; layer.width()];
        for place in places {
            mean.iter_mut().zip(layer.row(*place)).for_each(|(m, x)| *m += f64::from(*x));
        }
        mean.iter_mut().for_each(|m| *m /= n);
        let mut squares = vec![0.0; layer.width()];
        for place in places {
            (squares.iter_mut().zip(layer.row(*place)).zip(&mean))
                .for_each(|((s, x), m)| *s += (f64::from(*x) - m).powi(2));
        }
        let inverse = squares.iter().zip(&mean).map(|(s, m)| {
            let deviation = (s / n).sqrt();
            // A constant column says nothing; scikit-learn leaves its scale too.
            if deviation > ROUNDING * m.abs() && deviation > 0.0 { deviation.recip() } else { 1.0 }
        });
        Self { inverse: inverse.collect(), mean }
    }

    fn standardised(&self, layer: &Layer<'_>, places: &[Place]) -> Mat<f64> {
        let mut out = Mat::<f64>::zeros(places.len(), layer.width());
        for (i, place) in places.iter().enumerate() {
            for (j, x) in layer.row(*place).iter().enumerate() {
                out[(i, j)] = (f64::from(*x) - self.mean[j]) * self.inverse[j];
            }
        }
        out
    }
}

/// What was learnt from the training rows.
pub(crate) struct Scaler {
    moments: Moments,
    /// `[width, k]`; `None` where the states stay as they are.
    components: Option<Mat<f64>>,
}

impl Scaler {
    /// Learns from these rows; `most` 0 never reduces.
    ///
    /// # Errors
    /// The principal components are not found.
    pub(crate) fn fit(layer: &Layer<'_>, places: &[Place], most: usize) -> Result<Self> {
        let moments = Moments::of(layer, places);
        let step = places.len().div_ceil(SAMPLE).max(1);
        let sample: Vec<Place> = places.iter().copied().step_by(step).collect();
        // Some rows of many may miss directions that the others have: no matter where directions are dropped anyway.
        let whole = step == 1 || sample.len() > layer.width();
        let components = if most > 0 && (whole || layer.width() > most) {
            let rows = moments.standardised(layer, &sample);
            Some(Pca::fit(rows.as_ref(), most, MEASURE)?.components)
        } else {
            None
        };
        Ok(Self { moments, components })
    }

    /// The rows as the probe sees them. `[places, width or components]`.
    pub(crate) fn apply(&self, layer: &Layer<'_>, places: &[Place]) -> Mat<f64> {
        self.apply_with(&self.moments, layer, places)
    }

    /// The same, standardised with other moments.
    pub(crate) fn apply_with(&self, moments: &Moments, layer: &Layer<'_>, places: &[Place]) -> Mat<f64> {
        let Some(components) = &self.components else { return moments.standardised(layer, places) };
        let mut out = Mat::<f64>::zeros(places.len(), components.ncols());
        for (block, top) in places.chunks(BLOCK).zip((0..).step_by(BLOCK)) {
            let rows = moments.standardised(layer, block);
            let target = out.as_mut().subrows_mut(top, block.len());
            matmul(target, Accum::Replace, rows.as_ref(), components.as_ref(), 1.0, Par::Seq);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{Layer, Scaler};

    #[test]
    fn only_training_rows_are_learnt_from() {
        let planted = |shift: f32| {
            let state = Array2::from_shape_fn((6, 3), |(i, j)| {
                let held = if i >= 4 { shift } else { 0.0 };
                (i * (j + 1)) as f32 + held + if j == 2 { 7.0 - i as f32 * 3.0 } else { 0.0 }
            });
            Layer { states: vec![state.into()] }
        };
        let train: Vec<_> = (0..4).map(|i| (0, i)).collect();
        for most in [0, 2] {
            let rows = [planted(0.0), planted(1e6)].map(|layer| {
                let scaler = Scaler::fit(&layer, &train, most).unwrap();
                scaler.apply(&layer, &train)
            });
            assert!(rows[0] == rows[1], "held-out rows changed what the probe is trained on");
        }
    }

    #[test]
    fn a_constant_column_is_left_at_zero() {
        let layer = Layer { states: vec![Array2::from_elem((5, 2), 0.1f32).into()] };
        let places: Vec<_> = (0..5).map(|i| (0, i)).collect();
        let rows = Scaler::fit(&layer, &places, 0).unwrap().apply(&layer, &places);
        assert!(rows.col(0).iter().all(|x| x.abs() < 1e-7));
    }
}
