//! Do two sides have the same neighbours? Mutual k nearest neighbours, and CKA restricted to them.
//!
//! With `N(i)` the k nearest other sentences of sentence i by cosine (the earlier one first where two are equally near):
//!
//! - **mutual kNN** = mean over i of `|N_x(i) and N_y(i)| / k`, 0 to 1; chance is `k / (n - 1)`. Huh et al. 2024 (arXiv 2405.07987),
//!   `mutual_knn` of minyoungg/platonic-rep.
//! - **CKNNA** = HSIC of Song et al. 2012 of the kernels (cosines) where only the entries `(i, j)` with j in `N_x(i)` and in `N_y(i)`
//!   are kept, over the root of the same of each side with itself: `cknna` of the same program. Its normalisation keeps other entries
//!   than its numerator, so it may pass 1 for few sentences.
//!
//! The original adds 1e-6 to the denominator of CKNNA, which is left out here: it matters only where a side has no spread, and that is
//! refused. It clamps states to their 0.95 quantile before either ([`clamped`]); here that is for the caller to choose.

use ndarray::{Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::algebra::{check, check_one, refuse, unit};
use crate::{
    Result,
    bootstrap::{Draws, interval, quantile},
    product::a_bt,
};

/// Rows of cosines at once.
const TILE: usize = 128;

/// Mutual k nearest neighbours of two sides. Invariant to rotation and to a scale of each state; a constant added to all states moves it
/// a little (centre first to take it out).
///
/// # Shapes
/// `x` `[n, d1]`, `y` `[n, d2]`, n >= 4, 1 <= k < n - 1.
///
/// # Errors
/// As [`super::cka`]; a state of norm 0; k of 0 or with which every sentence is a neighbour.
///
/// ```
/// use babelscope_probes::similarity::mutual_knn;
/// use ndarray::array;
/// let english = array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
/// let german = array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
/// // Neighbours by line: 4 2, 4 1, 1 2, 1 2 and 4 2, 4 3, 4 2, 3 2.
/// assert_eq!(mutual_knn(english.view(), german.view(), 2)?, 0.625);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn mutual_knn(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>, k: usize) -> Result<f64> {
    check("mutual_knn", x, y)?;
    let (x, y) = (Neighbours::new("mutual_knn", x, k)?, Neighbours::new("mutual_knn", y, k)?);
    Ok(share(&x.overlaps(&y, None)))
}

/// CKA restricted to mutual neighbours.
///
/// # Shapes
/// As [`mutual_knn`], k >= 2.
///
/// # Errors
/// As [`mutual_knn`]; k below 2; a side whose neighbourhoods have no spread.
///
/// ```
/// use babelscope_probes::similarity::cknna;
/// use ndarray::Array2;
/// let x = Array2::from_shape_fn((20, 3), |(i, j)| ((i * 7 + j * 5) % 11) as f32 - 4.5);
/// assert!((cknna(x.view(), (&x * 2f32).view(), 5)? - 1.0).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn cknna(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>, k: usize) -> Result<f64> {
    check("cknna", x, y)?;
    let (x, y) = (Neighbours::new("cknna", x, k)?, Neighbours::new("cknna", y, k)?);
    x.cknna(&y, None)
}

/// States whose entries are clamped to the mean over sentences of the `share` quantile of their absolute values, as platonic-rep does with
/// 0.95 before it looks for neighbours: a few enormous coordinates then no longer decide every cosine.
///
/// # Errors
/// A share outside 0 to 1; a value that is not finite.
///
/// ```
/// use babelscope_probes::similarity::clamped;
/// use ndarray::array;
/// let x = array![[1f32, -2., 3., 100.], [1., 2., 3., 4.], [0., 0., 0., 1.], [0., 1., 0., 0.]];
/// // Medians of the absolute values: 2.5, 2.5, 0, 0.
/// assert_eq!(clamped(x.view(), 0.5)?.row(0).to_vec(), [1., -1.25, 1.25, 1.25]);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn clamped(x: ArrayView2<'_, f32>, share: f64) -> Result<Array2<f32>> {
    check_one("mutual_knn", x)?;
    if !(0.0..=1.0).contains(&share) {
        return refuse("mutual_knn", format!("the quantile to clamp at lies from 0 to 1, got {share}; use 0.95"));
    }
    let of_row = |row: ndarray::ArrayView1<'_, f32>| {
        let mut sizes: Vec<f64> = row.iter().map(|v| f64::from(v.abs())).collect();
        sizes.sort_unstable_by(f64::total_cmp);
        quantile(&sizes, share).unwrap_or_default()
    };
    let limit = (x.outer_iter().map(of_row).sum::<f64>() / x.nrows() as f64) as f32;
    Ok(x.mapv(|v| v.clamp(-limit, limit)))
}

/// Mean of the shares.
pub(super) fn share(overlaps: &[f64]) -> f64 {
    overlaps.iter().sum::<f64>() / overlaps.len() as f64
}

/// One side: who is near whom, and how near.
pub(super) struct Neighbours {
    /// `[n, k]`, nearest first.
    at: Array2<u32>,
    /// Their cosines. `[n, k]`.
    cosines: Array2<f32>,
}

impl Neighbours {
    /// # Errors
    /// As [`mutual_knn`].
    pub(super) fn new(measure: &'static str, x: ArrayView2<'_, f32>, k: usize) -> Result<Self> {
        check_one(measure, x)?;
        let n = x.nrows();
        if k == 0 || k >= n - 1 {
            let why = format!("{k} neighbours among {n} sentences; expected from 1 to {}, and 10 is usual", n - 2);
            return refuse(measure, why);
        }
        let rows = unit(measure, x)?;
        let (mut at, mut cosines) = (Array2::zeros((n, k)), Array2::zeros((n, k)));
        let tiles: Vec<_> = (at.axis_chunks_iter_mut(Axis(0), TILE))
            .zip(cosines.axis_chunks_iter_mut(Axis(0), TILE))
            .enumerate()
            .collect();
        tiles.into_par_iter().for_each(|(tile, (mut at, mut cosines))| {
            let top = tile * TILE;
            let near = a_bt(rows.slice(s![top..top + at.nrows(), ..]), rows.view(), false);
            let mut order: Vec<(f32, u32)> = Vec::with_capacity(n);
            for (r, row) in near.outer_iter().enumerate() {
                order.clear();
                order.extend((0u32..).zip(row).filter(|(j, _)| *j as usize != top + r).map(|(j, c)| (*c, j)));
                let nearer = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
                order.select_nth_unstable_by(k - 1, nearer);
                order[..k].sort_unstable_by(nearer);
                for (c, (cosine, j)) in order[..k].iter().enumerate() {
                    (at[[r, c]], cosines[[r, c]]) = (*j, *cosine);
                }
            }
        });
        Ok(Self { at, cosines })
    }

    fn k(&self) -> usize {
        self.at.ncols()
    }

    /// The pairs `(i, c)` of a sentence and one of its neighbours here that is one on the other side too: there its place is `d`.
    /// Where sentence i here is paired with sentence `draw[i]` there.
    fn shared<'a>(
        &'a self,
        other: &'a Self,
        draw: Option<&'a [u32]>,
        i: usize,
    ) -> impl Iterator<Item = (usize, usize)> + 'a {
        let to = move |i: u32| draw.map_or(i, |draw| draw[i as usize]);
        let there = other.at.row(to(i as u32) as usize);
        self.at.row(i).into_iter().enumerate().filter_map(move |(c, j)| {
            let wanted = to(*j);
            there.iter().position(|other| *other == wanted).map(|d| (c, d))
        })
    }

    /// Which share of its neighbours each sentence has on both sides. `[n]`.
    pub(super) fn overlaps(&self, other: &Self, draw: Option<&[u32]>) -> Vec<f64> {
        (0..self.at.nrows()).map(|i| self.shared(other, draw, i).count() as f64 / self.k() as f64).collect()
    }

    /// The entries of both masked kernels.
    fn masked(&self, other: &Self, draw: Option<&[u32]>) -> Masked {
        let mut entries = Vec::new();
        let to = |i: u32| draw.map_or(i, |draw| draw[i as usize]);
        let has = |side: &Self, i: u32, j: u32| side.at.row(i as usize).iter().any(|other| *other == j);
        for i in 0..self.at.nrows() {
            let there = to(i as u32) as usize;
            for (c, d) in self.shared(other, draw, i) {
                let j = self.at[[i, c]];
                let back = has(self, j, i as u32) && has(other, to(j), there as u32);
                let (k, l) = (f64::from(self.cosines[[i, c]]), f64::from(other.cosines[[there, d]]));
                entries.push(Entry { i: i as u32, j, k, l, back });
            }
        }
        Masked { n: self.at.nrows(), entries }
    }

    /// [`cknna`] where sentence i here is paired with sentence `draw[i]` there.
    ///
    /// # Errors
    /// As [`cknna`].
    pub(super) fn cknna(&self, other: &Self, draw: Option<&[u32]>) -> Result<f64> {
        if self.k() < 2 {
            return refuse("cknna", "CKNNA needs at least 2 neighbours, got 1; use 10");
        }
        let of = |a: &Self, b: &Self, draw| a.masked(b, draw).hsic(None);
        normalised(of(self, other, draw), of(self, self, None), of(other, other, None)).map_or_else(
            || {
                refuse(
                    "cknna",
                    "the neighbourhoods of a side have no spread, so nothing can be shared; use more neighbours",
                )
            },
            Ok,
        )
    }

    /// The percentile interval of [`cknna`] over drawn sentences. Neighbours stay those of the whole sample, so a copy of a sentence is
    /// nobody's neighbour.
    pub(super) fn cknna_interval(&self, other: &Self, draws: &Draws, value: f64) -> (f64, f64) {
        let (xy, xx, yy) = (self.masked(other, None), self.masked(self, None), other.masked(other, None));
        let drawn = (0..draws.draws()).map(|b| {
            let w = draws.weights(b);
            normalised(xy.hsic(Some(&w)), xx.hsic(Some(&w)), yy.hsic(Some(&w))).unwrap_or(f64::NAN)
        });
        let found = interval(value, drawn.collect());
        (found.low, found.high)
    }
}

fn normalised(xy: f64, xx: f64, yy: f64) -> Option<f64> {
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

/// Entry `(i, j)` of two masked kernels.
struct Entry {
    i: u32,
    j: u32,
    k: f64,
    l: f64,
    /// Whether `(j, i)` is in the mask too.
    back: bool,
}

/// Two kernels of which all but a few entries are 0.
struct Masked {
    n: usize,
    entries: Vec<Entry>,
}

impl Masked {
    /// HSIC of Song et al. 2012 times n (n - 3), each sentence as often as its weight.
    fn hsic(&self, weights: Option<&[f64]>) -> f64 {
        let w = |i: u32| weights.map_or(1.0, |w| w[i as usize]);
        let (mut trace, mut sums) = (0f64, [0f64; 2]);
        // Column sums of the first kernel, row sums of the second.
        let (mut columns, mut rows) = (vec![0f64; self.n], vec![0f64; self.n]);
        for Entry { i, j, k, l, back } in &self.entries {
            let weight = w(*i) * w(*j);
            // The kernels are symmetric, so entry (j, i) of the second is its entry (i, j) where the mask has both.
            trace += if *back { weight * k * l } else { 0.0 };
            sums[0] += weight * k;
            sums[1] += weight * l;
            columns[*j as usize] += w(*i) * k;
            rows[*i as usize] += w(*j) * l;
        }
        let cross: f64 = columns.iter().zip(&rows).zip(0u32..).map(|((c, r), i)| w(i) * c * r).sum();
        let n = self.n as f64;
        trace + sums[0] * sums[1] / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * cross
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::{super::algebra::samples, Neighbours, cknna, clamped, mutual_knn, unit};
    use crate::{bootstrap::Draws, null::Permutations};

    /// The program of platonic-rep, matrix by matrix.
    fn slow_cknna(x: &Array2<f32>, y: &Array2<f32>, k: usize) -> f64 {
        let n = x.nrows();
        let kernel = |x: &Array2<f32>| {
            let u = unit("cknna", x.view()).unwrap().mapv(f64::from);
            u.dot(&u.t())
        };
        let mask = |m: &Array2<f64>| {
            let mut mask = Array2::<f64>::zeros((n, n));
            for i in 0..n {
                let mut order: Vec<usize> = (0..n).filter(|j| *j != i).collect();
                order.sort_by(|a, b| m[[i, *b]].total_cmp(&m[[i, *a]]));
                order[..k].iter().for_each(|j| mask[[i, *j]] = 1.0);
            }
            mask
        };
        let hsic = |k: Array2<f64>, l: Array2<f64>| {
            let (m, both) = (n as f64, k.dot(&l));
            (&k * &l.t()).sum() + k.sum() * l.sum() / ((m - 1.0) * (m - 2.0)) - 2.0 * both.sum() / (m - 2.0)
        };
        let (k, l) = (kernel(x), kernel(y));
        let (of_k, of_l) = (mask(&k), mask(&l));
        let both = &of_k * &of_l;
        hsic(&both * &k, &both * &l) / (hsic(&of_k * &k, &of_k * &k) * hsic(&of_l * &l, &of_l * &l)).sqrt()
    }

    proptest! {
        #[test]
        fn cknna_is_that_of_whole_matrices(n in 8usize..40, width in 2usize..9, k in 2usize..6, seed in any::<u64>()) {
            let x = samples::gaussian(n, width, seed);
            let y = &x + &samples::gaussian(n, width, seed ^ 1);
            let expected = slow_cknna(&x, &y, k);
            match cknna(x.view(), y.view(), k) {
                Ok(got) => prop_assert!((got - expected).abs() < 1e-3 * expected.abs().max(1.0), "{got} {expected}"),
                Err(_) => prop_assert!(expected.is_nan()),
            }
        }
    }

    /// The value of platonic-rep's own formulas (commit 07ef02a) in numpy for the toy of methods.md 1.1, without its 1e-6.
    #[test]
    fn cknna_of_the_toy() {
        let (x, y) = samples::toy();
        // 0.10931119 / sqrt(0.08333333 x 0.02952983).
        assert!((cknna(x.view(), y.view(), 2).unwrap() - 2.203559).abs() < 1e-4);
    }

    #[test]
    fn rotation_and_scale_change_nothing_and_strangers_are_at_chance() {
        let x = samples::gaussian(200, 20, 1);
        let y = &x + &samples::gaussian(200, 20, 2);
        let of = |a: &Array2<f32>, b: &Array2<f32>| mutual_knn(a.view(), b.view(), 10).unwrap();
        assert_eq!(of(&x, &x), 1.0);
        assert!((of(&x, &(&y * 4f32).dot(&samples::rotation(20, 3))) - of(&x, &y)).abs() < 0.002);
        assert_eq!(of(&x, &y), of(&y, &x));
        let strange = samples::gaussian(200, 20, 9);
        assert!((of(&x, &strange) - 10.0 / 199.0).abs() < 0.012);
        assert!(cknna(x.view(), strange.view(), 10).unwrap().abs() < 0.1);
    }

    #[test]
    fn a_shuffled_side_is_the_shuffled_states() {
        let x = samples::gaussian(30, 5, 1);
        let y = &x + &samples::gaussian(30, 5, 2);
        let draws = Permutations::new(30, 20, 1).unwrap();
        let of = |x: &Array2<f32>| Neighbours::new("mutual_knn", x.view(), 4).unwrap();
        for draw in (0..20).map(|d| draws.draw(d)) {
            let other = samples::shuffled(y.view(), draw);
            let got = super::share(&of(&x).overlaps(&of(&y), Some(draw)));
            assert!((got - mutual_knn(x.view(), other.view(), 4).unwrap()).abs() < 1e-12);
            let got = of(&x).cknna(&of(&y), Some(draw)).unwrap();
            assert!((got - cknna(x.view(), other.view(), 4).unwrap()).abs() < 1e-5);
        }
    }

    #[test]
    fn the_interval_of_cknna_holds_its_value() {
        let x = samples::gaussian(100, 8, 1);
        let y = &x + &(samples::gaussian(100, 8, 2) * 0.5);
        let (a, b) = (Neighbours::new("cknna", x.view(), 10).unwrap(), Neighbours::new("cknna", y.view(), 10).unwrap());
        let value = a.cknna(&b, None).unwrap();
        let (low, high) = a.cknna_interval(&b, &Draws::new(100, 200, 1).unwrap(), value);
        assert!(low < value && value < high && high - low < 0.5, "{low} {value} {high}");
    }

    #[test]
    fn bad_input_is_refused_with_a_sentence() {
        let (x, mut zero) = (samples::gaussian(6, 3, 1), samples::gaussian(6, 3, 2));
        zero.row_mut(1).fill(0.0);
        let why = |y: &Array2<f32>, k| mutual_knn(x.view(), y.view(), k).unwrap_err().to_string();
        assert!(why(&x, 0).contains("0 neighbours among 6 sentences; expected from 1 to 4"));
        assert!(why(&x, 5).contains("expected from 1 to 4"));
        assert!(why(&zero, 2).contains("sentence 2 has norm 0"));
        assert!(cknna(x.view(), x.view(), 1).unwrap_err().to_string().contains("at least 2 neighbours"));
        assert!(clamped(x.view(), 1.5).unwrap_err().to_string().contains("got 1.5"));
    }
}
