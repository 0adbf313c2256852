//! QK norm and rotary embedding, in place on the rows of the joint q, k, v product.

use rayon::prelude::*;

use super::{ROWS, norm::Norm, simd::dispatch};

/// What happens to one token's queries and keys before attention.
pub(crate) struct Rotation<'a> {
    pub(crate) q_norm: Option<&'a Norm>,
    pub(crate) k_norm: Option<&'a Norm>,
    /// `[positions, head_dim / 2]`
    pub(crate) cos: &'a [f32],
    pub(crate) sin: &'a [f32],
    pub(crate) head_dim: usize,
    /// Widths of q, of k, and of the whole row.
    pub(crate) q: usize,
    pub(crate) k: usize,
    pub(crate) row: usize,
}

impl Rotation<'_> {
    /// Rotates pair `(x_i, x_{i + head_dim / 2})` of each head by the angle of the token's position.
    ///
    /// # Shapes
    /// `qkv` `[tokens, row]`, `positions` `[tokens]`.
    pub(crate) fn forward(&self, qkv: &mut [f32], positions: &[u32]) {
        qkv.par_chunks_mut(self.row * ROWS).zip(positions.par_chunks(ROWS)).for_each(|(rows, positions)| {
            dispatch(
                #[inline(always)]
                || {
                    for (row, position) in rows.chunks_exact_mut(self.row).zip(positions) {
                        let (q, rest) = row.split_at_mut(self.q);
                        let k = &mut rest[..self.k];
                        if let Some(norm) = self.q_norm {
                            norm.heads(q);
                        }
                        if let Some(norm) = self.k_norm {
                            norm.heads(k);
                        }
                        self.rotate(q, *position as usize);
                        self.rotate(k, *position as usize);
                    }
                },
            );
        });
    }

    #[inline(always)]
    fn rotate(&self, heads: &mut [f32], position: usize) {
        let half = self.head_dim / 2;
        let (cos, sin) = (&self.cos[position * half..][..half], &self.sin[position * half..][..half]);
        for head in heads.chunks_exact_mut(self.head_dim) {
            let (a, b) = head.split_at_mut(half);
            for (((a, b), c), s) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *b * c + *a * s);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Rotary embedding as a product of complex numbers, pair by pair.
        #[test]
        fn equals_the_complex_product(x in prop::collection::vec(-3f32..3.0, 2 * 30), p in 0u32..9) {
            let (head_dim, half) = (6, 3);
            let angles: Vec<f32> = (0..10 * half).map(|i| (i / half) as f32 * 0.7f32.powi((i % half) as i32)).collect();
            let cos: Vec<f32> = angles.iter().map(|a| a.cos()).collect();
            let sin: Vec<f32> = angles.iter().map(|a| a.sin()).collect();
            let rotation =
                Rotation { q_norm: None, k_norm: None, cos: &cos, sin: &sin, head_dim, q: 12, k: 12, row: 30 };
            let mut got = x.clone();
            rotation.forward(&mut got, &[p, p + 1]);
            for (token, position) in [p, p + 1].into_iter().enumerate() {
                for head in 0..4 {
                    for i in 0..half {
                        let at = token * 30 + head * head_dim + i;
                        let angle = f64::from(angles[position as usize * half + i]);
                        let (re, im) = (f64::from(x[at]), f64::from(x[at + half]));
                        prop_assert!((f64::from(got[at]) - (re * angle.cos() - im * angle.sin())).abs() < 1e-5);
                        prop_assert!((f64::from(got[at + half]) - (im * angle.cos() + re * angle.sin())).abs() < 1e-5);
                    }
                }
                prop_assert_eq!(&got[token * 30 + 24..][..6], &x[token * 30 + 24..][..6]);
            }
        }
    }
}
