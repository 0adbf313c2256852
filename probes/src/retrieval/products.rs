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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::{Base, products};
    use crate::{
        align::{Centring, LanguageStates},
        retrieval::{
            RetrievalParams,
            prepared::{Correction, Prepared},
        },
    };

    /// More rows than a block and more columns than the product takes at a time; rows 7 and 131 are equal, and so are 3 and 250.
    fn sides() -> [Prepared; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut side = || {
            let mut state = Array2::from_shape_simple_fn((261, 700), || rng.random_range(-1f32..1.0));
            for (from, to) in [(7, 131), (3, 250)] {
                let row = state.row(from).to_owned();
                state.row_mut(to).assign(&row);
            }
            state
        };
        let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
        let states = LanguageStates::new(languages, vec![0], vec![vec![side()], vec![side()]]).unwrap();
        let correction = Correction::fit(&states, 0, Centring::Raw, &RetrievalParams::default()).unwrap();
        [0, 1].map(|language| Prepared::new(&states, language, 0, &correction).unwrap())
    }

    const ALL: [Base; 3] = [Base::Cosine, Base::Euclid, Base::Dot];

    #[test]
    fn blocks_agree_with_the_plain_sums() {
        let [left, right] = sides();
        let found = products(&left, &right, &ALL);
        for (i, j) in [(0, 0), (127, 128), (128, 127), (260, 260), (5, 259), (131, 7)] {
            let (x, y) = (left.states.row(i), right.states.row(j));
            let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
            let norms = x.iter().map(|x| x * x).sum::<f64>().sqrt() * y.iter().map(|y| y * y).sum::<f64>().sqrt();
            let distance = x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
            for (at, expected) in [dot / norms, -distance, dot].into_iter().enumerate() {
                let got = f64::from(found[[at, i, j]]);
                assert!((got - expected).abs() <= 1e-6 * expected.abs().max(0.1), "{at} {i} {j}: {got} {expected}");
            }
        }
    }

    #[test]
    fn equal_states_are_equal_to_the_bit_and_sides_can_be_exchanged() {
        let [left, right] = sides();
        let (found, turned) = (products(&left, &right, &ALL), products(&right, &left, &ALL));
        for base in 0..3 {
            let of = found.slice(s![base, .., ..]);
            for (a, b) in [(7, 131), (3, 250)] {
                assert_eq!(of.row(a), of.row(b));
                assert_eq!(of.column(a), of.column(b));
            }
            assert_eq!(of, turned.slice(s![base, .., ..]).t());
        }
    }
}
