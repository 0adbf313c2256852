//! RMS norm and layer norm over rows, with the residual addition that precedes them done in the same walk.

use rayon::prelude::*;

use super::{
    ROWS,
    simd::{dispatch, squares, sum},
};
use crate::model::config::Norm as Kind;

/// A norm's kind and weights.
#[derive(Clone)]
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

    /// `x = norm(x)`
    pub(crate) fn in_place(&self, x: &mut [f32]) {
        let width = self.gain.len();
        x.par_chunks_mut(width * ROWS).for_each(|x| {
            dispatch(
                #[inline(always)]
                || x.chunks_exact_mut(width).for_each(|row| self.segments(row, width)),
            );
        });
    }

    /// Norms in place each `segment` of `row` by itself; the gain has the row's width.
    #[inline(always)]
    pub(crate) fn segments(&self, row: &mut [f32], segment: usize) {
        for (part, (x, gain)) in row.chunks_exact_mut(segment).zip(self.gain.chunks_exact(segment)).enumerate() {
            let (centre, scale) = self.statistics(x);
            for (x, gain) in x.iter_mut().zip(gain) {
                *x = (*x - centre) * scale * gain;
            }
            if let Some(bias) = &self.bias {
                for (x, bias) in x.iter_mut().zip(&bias[part * segment..]) {
                    *x += bias;
                }
            }
        }
    }

    /// What is subtracted and what is multiplied with.
    #[inline(always)]
    fn statistics(&self, x: &[f32]) -> (f32, f32) {
        let n = x.len() as f32;
        let centre = match self.kind {
            Kind::Rms => 0.0,
            Kind::Layer => sum(x) / n,
        };
        (centre, 1.0 / (squares(x, centre) / n + self.eps).sqrt())
    }

    #[inline(always)]
    fn row(&self, x: &[f32], out: &mut [f32]) {
        let (centre, scale) = self.statistics(x);
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
            prop_assert_eq!(&sum, &stream);
            prop_assert_eq!(&out, &fused);
            norm.in_place(&mut sum);
            prop_assert_eq!(&sum, &out);
            let mut parts = stream.clone();
            parts.chunks_exact_mut(width).for_each(|row| norm.segments(row, 7));
            for (part, (got, x)) in parts.chunks(7).zip(stream.chunks(7)).enumerate() {
                let at = part % 3 * 7;
                let (gain, bias) = (&norm.gain[at..at + 7], norm.bias.as_ref().map(|bias| bias[at..at + 7].to_vec()));
                let own = Norm { kind, eps: 1e-5, gain: gain.to_vec(), bias };
                for (got, want) in got.iter().zip(slow(&own, x)) {
                    prop_assert!((got - want).abs() < 5e-5, "{got} {want}");
                }
            }
        }
    }
}
