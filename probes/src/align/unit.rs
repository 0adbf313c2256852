//! States as unit vectors, raw or centred: what the cosine is taken of.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::Centring;

/// Below this share of the state's own norm, what centring leaves is the rounding of f32, not a direction.
const ROUNDING: f64 = 1e-6;

/// Unit vectors of one language at one layer.
pub(crate) struct Unit {
    /// `[n, width]`, rows of norm 1 up to f32 rounding; zero where there is no direction.
    pub(crate) rows: Array2<f32>,
    /// What that rounding left of the norm, inverted, so that a cosine is exact: `[n]`.
    pub(crate) scale: Vec<f64>,
}

impl Unit {
    pub(crate) fn new(states: ArrayView2<'_, f32>, centring: Centring) -> Self {
        let wide = states.mapv(f64::from); // [n, width]
        let mean = match centring {
            Centring::Raw => Array1::zeros(states.ncols()),
            Centring::Language => wide.sum_axis(Axis(0)) / states.nrows() as f64,
        };
        let mut rows = Array2::zeros(states.raw_dim());
        let mut scale = Vec::with_capacity(states.nrows());
        for (state, mut row) in wide.outer_iter().zip(rows.outer_iter_mut()) {
            let norm = state.dot(&state).sqrt();
            let centred = &state - &mean;
            let left = centred.dot(&centred).sqrt();
            let directed = left > ROUNDING * norm && left > 0.0;
            if directed {
                row.zip_mut_with(&centred, |r, c| *r = (c / left) as f32);
            }
            let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            scale.push(if directed { squares.sqrt().recip() } else { 0.0 });
        }
        Self { rows, scale }
    }

    /// How many rows have no direction.
    pub(crate) fn without_direction(&self) -> usize {
        self.scale.iter().filter(|s| **s == 0.0).count()
    }

    /// Sum of the unit vectors, in f64: `[width]`.
    pub(crate) fn sum(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.rows.ncols()];
        for (row, scale) in self.rows.outer_iter().zip(&self.scale) {
            for (s, x) in sum.iter_mut().zip(row) {
                *s += f64::from(*x) * scale;
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
