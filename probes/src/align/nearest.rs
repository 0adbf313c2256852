//! The closest wrong sentence both ways, exact, without ever holding the n x n similarities.
//!
//! A tile of S comes from an f32 matrix product. It only says which entries can be the maximum of their row or column: those
//! within the error bound of the product. Their cosines are then computed in f64 in a fixed order, so identical states tie
//! exactly, and neither the tile nor the number of threads can change a result.

use ndarray::{Array2, ArrayView2, linalg::general_mat_mul, s};

use super::{Centring, Outcome, unit::Unit};
use crate::{Error, Result};

/// Entries in one tile of S: 4 MB, so that it stays in the cache of a core.
const TILE: usize = 1 << 20;

/// The best so far in a row or a column.
#[derive(Clone, Copy)]
struct Best {
    cosine: f32,
    at: u32,
}

impl Best {
    const NONE: Self = Self { cosine: f32::NEG_INFINITY, at: 0 };

    fn meet(&mut self, cosine: f32, at: usize) {
        if cosine > self.cosine {
            *self = Self { cosine, at: at as u32 };
        }
    }
}

/// Twice as far as an f32 product of unit vectors of this width ever strays: rounding errors add up like a random walk, and
/// eight of its standard deviations are never left (Higham and Mary 2019, doi 10.1137/18M1226312, theorem 2.4: odds below 1e-13).
fn tolerance(width: usize) -> f32 {
    (8.0 * (width as f32).sqrt() + 8.0) * f32::EPSILON
}

/// The outcome of each sentence.
///
/// # Shapes
/// Both `[n, width]`, n >= 2.
pub(crate) fn outcomes(pivot: &Unit<'_>, language: &Unit<'_>) -> Vec<Outcome> {
    tiled(pivot, language, (TILE / pivot.rows.nrows()).max(1))
}

fn tiled(pivot: &Unit<'_>, language: &Unit<'_>, height: usize) -> Vec<Outcome> {
    let n = pivot.rows.nrows();
    let tolerance = tolerance(pivot.rows.ncols());
    let mut forth = vec![Best::NONE; n];
    let mut back = vec![Best::NONE; n];
    let mut buffer = Array2::<f32>::zeros((height.min(n), n));
    let mut column_floor = vec![0f32; n];
    for top in (0..n).step_by(height) {
        let rows = height.min(n - top);
        let mut tile = buffer.slice_mut(s![..rows, ..]); // [rows, n]
        general_mat_mul(1.0, &pivot.rows.slice(s![top..top + rows, ..]), &language.rows.t(), 0.0, &mut tile);
        column_floor.iter_mut().zip(&back).for_each(|(f, b)| *f = b.cosine);
        let mut row_floor: Vec<f32> = forth[top..top + rows].iter().map(|b| b.cosine).collect();
        for (r, mut row) in tile.outer_iter_mut().enumerate() {
            row[top + r] = f32::NEG_INFINITY; // the true pair is no rival
            for (s, floor) in row.iter().zip(&mut column_floor) {
                *floor = floor.max(*s);
                row_floor[r] = row_floor[r].max(*s);
            }
        }
        for (r, row) in tile.outer_iter().enumerate() {
            let i = top + r;
            let floor = row_floor[r] - tolerance;
            for (j, (s, column)) in row.iter().zip(&column_floor).enumerate() {
                if j != i && (*s >= floor || *s >= column - tolerance) {
                    let exact = pivot.cosine(i, language, j);
                    forth[i].meet(exact, j);
                    back[j].meet(exact, i);
                }
            }
        }
    }
    (0..n)
        .map(|i| Outcome {
            cosine: pivot.cosine(i, language, i),
            rival: forth[i].at,
            rival_cosine: forth[i].cosine,
            rival_back: back[i].at,
            rival_back_cosine: back[i].cosine,
        })
        .collect()
}

/// The outcomes of one pair of languages at one layer: what [`super::align`] computes for a cell, for arrays at hand.
///
/// # Shapes
/// Both `[n, width]`.
///
/// # Errors
/// As [`super::LanguageStates::new`].
///
/// ```
/// use babelscope_probes::align::{Centring, pair_outcomes};
/// use ndarray::array;
/// let p = array![[1f32, 0.], [0., 1.]];
/// let far = &p + &array![9f32, 0.]; // the same, moved by a constant: both are closest to the first
/// let hits = |c| pair_outcomes(p.view(), far.view(), c).map(|o| o.iter().filter(|o| o.hit()).count());
/// assert_eq!(hits(Centring::Language)?, 2);
/// assert_eq!(hits(Centring::Raw)?, 1);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn pair_outcomes(
    pivot: ArrayView2<'_, f32>,
    language: ArrayView2<'_, f32>,
    centring: Centring,
) -> Result<Vec<Outcome>> {
    let states = super::LanguageStates::new(
        vec!["pivot".into(), "language".into()],
        vec![0],
        vec![vec![pivot.to_owned()], vec![language.to_owned()]],
    )?;
    Ok(outcomes(&Unit::new(states.at(0, 0), centring), &Unit::new(states.at(1, 0), centring)))
}

/// The outcomes for similarities that are already there: `S[i, j]` of pivot sentence i and sentence j of the language.
///
/// # Shapes
/// `[n, n]`, n >= 2.
///
/// # Errors
/// Not square, a single sentence, or a value that is not finite (the original's answer then depends on the order of the entries).
///
/// ```
/// use babelscope_probes::align::outcomes_of_similarities;
/// use ndarray::array;
/// let tied = outcomes_of_similarities(array![[1f32, 1., 0.], [0., 0.5, 0.2], [0.1, 0.2, 0.9]].view())?;
/// // Row 1 has a tie, and so has column 2.
/// assert_eq!(tied.iter().map(|o| o.hit()).collect::<Vec<_>>(), [false, false, true]);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn outcomes_of_similarities(similarities: ArrayView2<'_, f32>) -> Result<Vec<Outcome>> {
    let (n, columns) = similarities.dim();
    let refuse = |why| Err(Error::Input { measure: "align", why });
    if n != columns {
        return refuse(format!("the similarities must be square, got {n} x {columns}"));
    }
    if n < 2 {
        return refuse(format!("at least 2 sentences are needed, got {n}: a single one has no rival"));
    }
    if let Some(((i, j), s)) = similarities.indexed_iter().find(|(_, s)| !s.is_finite()) {
        return refuse(format!("similarity of sentences {} and {} is {s}, expected a finite number", i + 1, j + 1));
    }
    let rival = |of: &dyn Fn(usize) -> f32, i: usize| {
        let mut best = Best::NONE;
        (0..n).filter(|j| *j != i).for_each(|j| best.meet(of(j), j));
        best
    };
    Ok((0..n)
        .map(|i| {
            let (forth, back) = (rival(&|j| similarities[[i, j]], i), rival(&|j| similarities[[j, i]], i));
            Outcome {
                cosine: similarities[[i, i]],
                rival: forth.at,
                rival_cosine: forth.cosine,
                rival_back: back.at,
                rival_back_cosine: back.cosine,
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::{Centring, Unit, outcomes_of_similarities, tiled};

    /// The slow twin: every cosine, then the plain definition.
    fn slow(pivot: &Unit<'_>, language: &Unit<'_>) -> Vec<super::Outcome> {
        let n = pivot.rows.nrows();
        let all = Array2::from_shape_fn((n, n), |(i, j)| pivot.cosine(i, language, j));
        outcomes_of_similarities(all.view()).unwrap()
    }

    /// Small whole numbers make ties, duplicates and zero vectors likely; the offset makes cones narrow.
    fn states(n: usize, width: usize) -> impl Strategy<Value = Array2<f32>> {
        let coarse = prop::collection::vec((-2i8..=2).prop_map(f32::from), n * width);
        let fine = prop::collection::vec(-1f32..1.0, n * width);
        (prop_oneof![coarse, fine], prop_oneof![Just(0f32), Just(1000.0)])
            .prop_map(move |(v, offset)| Array2::from_shape_vec((n, width), v).unwrap() + offset)
    }

    proptest! {
        #[test]
        fn tiles_agree_with_the_plain_definition(
            (a, b) in (2usize..24, 1usize..20).prop_flat_map(|(n, d)| (states(n, d), states(n, d))),
            height in 1usize..9,
            centred in any::<bool>(),
        ) {
            let centring = if centred { Centring::Language } else { Centring::Raw };
            let (a, b) = (Unit::new(a.view(), centring), Unit::new(b.view(), centring));
            prop_assert_eq!(tiled(&a, &b, height), slow(&a, &b));
        }
    }

    #[test]
    fn a_state_without_direction_never_counts() {
        let a = ndarray::array![[0f32, 0.], [1., 0.], [0., 1.]];
        let b = ndarray::array![[1f32, 1.], [-1., 0.5], [0., 1.]];
        let found = tiled(&Unit::new(a.view(), Centring::Raw), &Unit::new(b.view(), Centring::Raw), 2);
        assert!(!found[0].hit());
        // All equal: nothing but rounding is left after centring, and rounding must not be measured.
        let same = Array2::from_elem((7, 33), 0.1f32);
        let unit = Unit::new(same.view(), Centring::Language);
        assert_eq!(unit.without_direction(), 7);
        assert!(tiled(&unit, &unit, 3).iter().all(|o| !o.found_from_pivot() && !o.found_to_pivot()));
    }
}
