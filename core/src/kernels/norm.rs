//! RMS norm and layer norm over rows, with the residual addition that precedes them done in the same walk.

use rayon::prelude::*;

use super::{
    ROWS,
    simd::{dispatch, squares, sum},
};
use crate::model::config::Norm as Kind;

/// A norm's kind and weights.
pub(crate) struct Norm {
    pub(crate) kind: Kind,
    pub(crate) eps: f32,
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
}

impl Norm {
    /// `out = norm(x)`, rows of the gain's width.
    pub(crate) fn forward(&self, x: &[f32], out: &mut [f32]) {
        let width = self.gain.len();
        out.par_chunks_mut(width * ROWS).zip(x.par_chunks(width * ROWS)).for_each(|(out, x)| {
            dispatch(
                #[inline(always)]
                || {
                    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        self.row(x, out);
                    }
                },
            );
        });
    }

    /// `x += delta`, then `out = norm(x)`.
    pub(crate) fn add_forward(&self, x: &mut [f32], delta: &[f32], out: &mut [f32]) {
        let width = self.gain.len();
        let step = width * ROWS;
        out.par_chunks_mut(step).zip(x.par_chunks_mut(step)).zip(delta.par_chunks(step)).for_each(
            |((out, x), delta)| {
                dispatch(
                    #[inline(always)]
                    || {
                        let rows =
                            out.chunks_exact_mut(width).zip(x.chunks_exact_mut(width)).zip(delta.chunks_exact(width));
                        for ((out, x), delta) in rows {
                            for (x, d) in x.iter_mut().zip(delta) {
                                *x += d;
                            }
                            self.row(x, out);
                        }
                    },
                );
            },
        );
    }

    /// Norms in place the heads that stand side by side in `row`.
    #[inline(always)]
    pub(crate) fn heads(&self, row: &mut [f32]) {
        for head in row.chunks_exact_mut(self.gain.len()) {
            let scale = self.rms(head);
            for (x, gain) in head.iter_mut().zip(&self.gain) {
                *x *= scale * gain;
            }
        }
    }

    #[inline(always)]
    fn rms(&self, x: &[f32]) -> f32 {
        1.0 / (squares(x, 0.0) / x.len() as f32 + self.eps).sqrt()
    }

    #[inline(always)]
    fn row(&self, x: &[f32], out: &mut [f32]) {
        let (centre, scale) = match self.kind {
            Kind::Rms => (0.0, self.rms(x)),
            Kind::Layer => {
                let n = x.len() as f32;
                let mean = sum(x) / n;
                (mean, 1.0 / (squares(x, mean) / n + self.eps).sqrt())
            }
        };
        for ((out, x), gain) in out.iter_mut().zip(x).zip(&self.gain) {
            *out = (x - centre) * scale * gain;
        }
        if let Some(bias) = &self.bias {
            for (out, bias) in out.iter_mut().zip(bias) {
                *out += bias;
            }
        }
    }
}

/// `x += delta`
pub(crate) fn add(x: &mut [f32], delta: &[f32]) {
    const STEP: usize = 1 << 14;
    x.par_chunks_mut(STEP).zip(delta.par_chunks(STEP)).for_each(|(x, delta)| {
        for (x, d) in x.iter_mut().zip(delta) {
            *x += d;
        }
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow(norm: &Norm, x: &[f32]) -> Vec<f32> {
        let width = norm.gain.len();
        let mut out = Vec::new();
        for row in x.chunks(width) {
            let mean = match norm.kind {
                Kind::Rms => 0.0,
                Kind::Layer => row.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64,
            };
            let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / width as f64;
            for (i, x) in row.iter().enumerate() {
                let y = (f64::from(*x) - mean) / (variance + f64::from(norm.eps)).sqrt() * f64::from(norm.gain[i]);
                out.push((y + norm.bias.as_ref().map_or(0.0, |b| f64::from(b[i]))) as f32);
            }
        }
        out
    }

    proptest! {
        #[test]
        fn equals_the_slow_norm(x in prop::collection::vec(-9f32..9.0, 21 * 5), layer: bool, biased: bool) {
            let (kind, width) = (if layer { Kind::Layer } else { Kind::Rms }, 21);
            let gain: Vec<f32> = (0..width).map(|i| 0.5 + i as f32 / 9.0).collect();
            let norm = Norm { kind, eps: 1e-5, bias: biased.then(|| gain.clone()), gain };
            let mut out = vec![f32::NAN; x.len()];
            norm.forward(&x, &mut out);
            for (got, want) in out.iter().zip(slow(&norm, &x)) {
                prop_assert!((got - want).abs() < 2e-5, "{got} {want}");
            }
            let delta: Vec<f32> = x.iter().map(|x| x * 0.3 - 1.0).collect();
            let (mut sum, mut fused) = (x.clone(), out.clone());
            add(&mut sum, &delta);
            let mut stream = x.clone();
            norm.add_forward(&mut stream, &delta, &mut fused);
            norm.forward(&sum, &mut out);
            prop_assert_eq!(sum, stream);
            prop_assert_eq!(out, fused);
        }
    }
}
