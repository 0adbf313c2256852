//! All similarities of a pair of languages, from one f64 product, in blocks of rows.

use ndarray::{Array3, Axis, s};
use rayon::prelude::*;

use super::{Similarity, prepared::Prepared};

/// Rows of one block.
const BLOCK: usize = 128;

/// What comes from the product alone; the place in [`products`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Base {
    Cosine,
    Euclid,
    Dot,
}

/// Cosine and Euclid always (neighbours and F1 need them), the dot product where it is asked for.
pub(super) fn bases(similarities: &[Similarity]) -> Vec<Base> {
    let mut bases = vec![Base::Cosine, Base::Euclid];
    if similarities.contains(&Similarity::Dot) {
        bases.push(Base::Dot);
    }
    bases
}

/// Similarities `[base, n, n]`, rounded to f32: rows are the sentences of `left`, columns those of `right`.
///
/// An entry depends on its own two states alone, whatever the block or the number of threads: the product adds up along the width in one
/// order, with the same steps for every entry. So equal states have equal similarities, and exchanging the sides transposes.
pub(super) fn products(left: &Prepared, right: &Prepared, bases: &[Base]) -> Array3<f32> {
    let n = left.states.nrows();
    let mut all = Array3::zeros((bases.len(), n, right.states.nrows()));
    let blocks: Vec<_> = all.axis_chunks_iter_mut(Axis(1), BLOCK).collect();
    blocks.into_par_iter().enumerate().for_each(|(block, mut out)| {
        let top = block * BLOCK;
        let rows = left.states.slice(s![top..(top + BLOCK).min(n), ..]);
        let product = rows.dot(&right.states.t());
        for (base, mut out) in bases.iter().zip(out.outer_iter_mut()) {
            for ((r, j), to) in out.indexed_iter_mut() {
                let (i, along) = (top + r, product[[r, j]]);
                *to = match base {
                    Base::Cosine => along * (left.inverse[i] * right.inverse[j]),
                    Base::Dot => along,
                    Base::Euclid => -((left.squared[i] + right.squared[j]) - 2.0 * along).max(0.0).sqrt(),
                } as f32;
            }
        }
    });
    all
}
