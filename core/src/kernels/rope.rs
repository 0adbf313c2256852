//! QK norm and rotary embedding, in place on the rows of the joint q, k, v product.

use rayon::prelude::*;

use super::{ROWS, simd::dispatch};
use crate::model::parts::Segments;

/// What happens to one token's queries and keys before attention.
pub(crate) struct Rotation<'a> {
    pub(crate) q_norm: Option<&'a Segments>,
    pub(crate) k_norm: Option<&'a Segments>,
    /// None where positions are not rotary.
    pub(crate) turn: Option<Turn<'a>>,
    pub(crate) head_dim: usize,
    /// Widths of q, of k, and of the whole row.
    pub(crate) q: usize,
    pub(crate) k: usize,
    pub(crate) row: usize,
}

/// Angles, and which pairs of a head they turn: the first `pairs` neighbours, or `x_i` with `x_{i + pairs}`.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'a> {
    /// `[rows, pairs]`
    pub(crate) cos: &'a [f32],
    pub(crate) sin: &'a [f32],
    /// The row of each token.
    pub(crate) rows: &'a [u32],
    pub(crate) pairs: usize,
    pub(crate) interleaved: bool,
}

impl Rotation<'_> {
    /// Norms, then turns the queries and keys of every token.
    ///
    /// # Shapes
    /// `qkv` `[tokens, row]`.
    pub(crate) fn forward(&self, qkv: &mut [f32]) {
        qkv.par_chunks_mut(self.row * ROWS).enumerate().for_each(|(task, rows)| {
            dispatch(
                #[inline(always)]
                || {
                    for (token, row) in rows.chunks_exact_mut(self.row).enumerate() {
                        let (q, rest) = row.split_at_mut(self.q);
                        let k = &mut rest[..self.k];
                        if let Some(Segments { norm, segment }) = self.q_norm {
                            norm.segments(q, *segment);
                        }
                        if let Some(Segments { norm, segment }) = self.k_norm {
                            norm.segments(k, *segment);
                        }
                        if let Some(turn) = &self.turn {
                            turn.heads(q, self.head_dim, task * ROWS + token);
                            turn.heads(k, self.head_dim, task * ROWS + token);
                        }
                    }
                },
            );
        });
    }
}

impl Turn<'_> {
    #[inline(always)]
    fn heads(&self, heads: &mut [f32], head_dim: usize, token: usize) {
        let at = self.rows[token] as usize * self.pairs;
        let (cos, sin) = (&self.cos[at..][..self.pairs], &self.sin[at..][..self.pairs]);
        for head in heads.chunks_exact_mut(head_dim) {
            let turned = &mut head[..2 * self.pairs];
            if self.interleaved {
                for ((pair, c), s) in turned.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                    let [a, b] = *pair;
                    *pair = [a * c - b * s, b * c + a * s];
                }
            } else {
                let (a, b) = turned.split_at_mut(self.pairs);
                for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                    (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rotary embedding as a product of complex numbers, pair by pair; what is not turned stays.
        #[test]
        fn equals_the_complex_product(x in prop::collection::vec(-3f32..3.0, 2 * 30), p in 0u32..9, interleaved: bool, pairs in 1usize..4) {
            let head_dim = 6;
            let angles: Vec<f32> =
                (0..10 * pairs).map(|i| (i / pairs) as f32 * 0.7f32.powi((i % pairs) as i32)).collect();
            let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
            let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
            let rows = [p, p + 1];
            let turn = Some(Turn { cos: &cos, sin: &sin, rows: &rows, pairs, interleaved });
            let rotation = Rotation { q_norm: None, k_norm: None, turn, head_dim, q: 12, k: 12, row: 30 };
            let mut got = x.clone();
            rotation.forward(&mut got);
            for (token, position) in rows.into_iter().enumerate() {
                for head in 0..4 {
                    let at = token * 30 + head * head_dim;
                    for i in 0..pairs {
                        let (one, two) = if interleaved { (2 * i, 2 * i + 1) } else { (i, i + pairs) };
                        let angle = f64::from(angles[position as usize * pairs + i]);
                        let (re, im) = (f64::from(x[at + one]), f64::from(x[at + two]));
                        prop_assert!((f64::from(got[at + one]) - (re * angle.cos() - im * angle.sin())).abs() < 1e-5);
                        prop_assert!((f64::from(got[at + two]) - (im * angle.cos() + re * angle.sin())).abs() < 1e-5);
                    }
                    prop_assert_eq!(&got[at + 2 * pairs..at + head_dim], &x[at + 2 * pairs..at + head_dim]);
                }
                prop_assert_eq!(&got[token * 30 + 24..][..6], &x[token * 30 + 24..][..6]);
            }
        }
    }
}
