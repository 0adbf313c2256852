//! States as unit vectors, raw or centred: what the cosine is taken of.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::Centring;

/// Below this share of the state's own norm, what centring leaves is the rounding of f32, not a direction.
const ROUNDING: f64 = 1e-6;

/// The states of one language at one layer, ready for cosines.
pub(crate) struct Unit<'a> {
    /// As captured: `[n, width]`.
    states: ArrayView2<'a, f32>,
    /// What is subtracted from each: the mean, or zero. `[width]`.
    mean: Array1<f64>,
    /// One over the norm of what is left; 0 where there is no direction. `[n]`.
    scale: Vec<f64>,
    /// Rows of norm 1 up to f32 rounding, zero where there is no direction: for fast products. `[n, width]`.
    pub(crate) rows: Array2<f32>,
}

impl<'a> Unit<'a> {
    pub(crate) fn new(states: ArrayView2<'a, f32>, centring: Centring) -> Self {
        let mean = match centring {
            Centring::Language => {
                let sum = states.fold_axis(Axis(0), 0f64, |sum, x| sum + f64::from(*x));
                sum / states.nrows() as f64
            }
            // Whatever else was asked for was done to the states before.
            _ => Array1::zeros(states.ncols()),
        };
        let mut rows = Array2::zeros(states.raw_dim());
        let mut scale = Vec::with_capacity(states.nrows());
        for (state, mut row) in states.outer_iter().zip(rows.outer_iter_mut()) {
            let norm = state.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let left = state.iter().zip(&mean).map(|(x, m)| (f64::from(*x) - m).powi(2)).sum::<f64>().sqrt();
            let inverse = if left > ROUNDING * norm && left > 0.0 { left.recip() } else { 0.0 };
            row.iter_mut()
                .zip(state.iter().zip(&mean))
                .for_each(|(r, (x, m))| *r = ((f64::from(*x) - m) * inverse) as f32);
            scale.push(inverse);
        }
        Self { states, mean, scale, rows }
    }

    /// Cosine of row `i` here and row `j` of `other`, in f64 in a fixed order, rounded to f32.
    pub(crate) fn cosine(&self, i: usize, other: &Unit<'_>, j: usize) -> f32 {
        let left = self.states.row(i).into_iter().zip(&self.mean);
        let right = other.states.row(j).into_iter().zip(&other.mean);
        let product: f64 = left.zip(right).map(|((x, m), (y, k))| (f64::from(*x) - m) * (f64::from(*y) - k)).sum();
        (product * self.scale[i] * other.scale[j]) as f32
    }

    /// How many rows have no direction.
    pub(crate) fn without_direction(&self) -> usize {
        self.scale.iter().filter(|s| **s == 0.0).count()
    }

    /// Sum of the unit vectors, in f64: `[width]`.
    pub(crate) fn sum(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.mean.len()];
        for (state, scale) in self.states.outer_iter().zip(&self.scale) {
            for (s, (x, m)) in sum.iter_mut().zip(state.iter().zip(&self.mean)) {
                *s += (f64::from(*x) - m) * scale;
            }
        }
        sum
    }
}

/// How many rows are equal, bit for bit, to another one.
pub(crate) fn shared(states: ArrayView2<'_, f32>) -> usize {
    let mut groups: HashMap<Vec<u32>, usize> = HashMap::new();
    for row in states.outer_iter() {
        *groups.entry(row.iter().map(|x| x.to_bits()).collect()).or_default() += 1;
    }
    let mut sizes: Vec<usize> = groups.into_values().filter(|n| *n > 1).collect();
    sizes.sort_unstable();
    sizes.into_iter().sum()
}
