//! What every two sentences of one side have to do with each other, and what two sides agree on: CKA and RSA in one form.
//!
//! A side becomes a symmetric matrix `A` over its sentences; the index of two sides is `<A, B> / sqrt(<A, A> <B, B>)`:
//!
//! | index | A |
//! | --- | --- |
//! | debiased CKA | the kernel with zero diagonal, `A_ij = K_ij - R_i - R_j + T` for i != j: then `<A, B> = n (n - 3) HSIC` |
//! | biased CKA | the kernel centred in rows and columns, with its diagonal |
//! | RSA | ranks of the similarities less their mean, zero diagonal (Spearman), or the similarities less their mean (Pearson) |
//!
//! with `R` the row sums over `n - 2` and `T` the total over `(n - 1)(n - 2)`, as Song et al. 2012 centre.
//!
//! So a draw of the null is one permuted trace, and exact: centring commutes with permuting sentences.

use ndarray::{Array2, ArrayView2, Zip, s};
use rayon::prelude::*;

use super::{
    algebra::{Centred, dot, refuse},
    cka::ratio,
};
use crate::{
    Result,
    bootstrap::{Draws, interval},
    product::a_bt,
};

/// Rows of a Gram matrix computed at once.
const TILE: usize = 256;

/// `x x'`, the half above the diagonal computed and mirrored.
pub(super) fn gram(x: ArrayView2<'_, f32>) -> Array2<f32> {
    let n = x.nrows();
    let mut out = Array2::<f32>::zeros((n, n));
    let tiles: Vec<_> = out.axis_chunks_iter_mut(ndarray::Axis(0), TILE).enumerate().collect();
    tiles.into_par_iter().for_each(|(at, mut rows)| {
        let top = at * TILE;
        let tile = a_bt(x.slice(s![top..(top + TILE).min(n), ..]), x.slice(s![top.., ..]), false);
        rows.slice_mut(s![.., top..]).assign(&tile);
    });
    for i in 0..n {
        for j in 0..i {
            out[[i, j]] = out[[j, i]];
        }
    }
    out
}

/// How a matrix of similarities is centred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// After Song et al.
    Debiased,
    /// After Kornblith et al.
    Biased,
    /// Correlation over the pairs of sentences.
    Pairs,
}

/// One side.
pub(super) struct Relation {
    form: Form,
    /// Symmetric, centred. `[n, n]`.
    matrix: Array2<f32>,
    /// `<A, A>`.
    square: f64,
}

impl Relation {
    /// A kernel, centred as its form asks.
    ///
    /// # Errors
    /// Nothing is left of it.
    pub(super) fn kernel(measure: &'static str, mut k: Array2<f32>, form: Form) -> Result<Self> {
        let n = k.nrows();
        let nf = n as f64;
        if form != Form::Biased {
            k.diag_mut().fill(0.0);
        }
        let sums: Vec<f64> = k.outer_iter().map(|row| row.iter().map(|v| f64::from(*v)).sum()).collect();
        let total: f64 = sums.iter().sum();
        let (by, all) = match form {
            Form::Debiased => (nf - 2.0, total / ((nf - 1.0) * (nf - 2.0))),
            Form::Biased => (nf, total / (nf * nf)),
            Form::Pairs => (f64::INFINITY, -total / (nf * (nf - 1.0))),
        };
        let size: f64 = k.iter().map(|v| f64::from(*v).powi(2)).sum();
        for ((i, j), v) in k.indexed_iter_mut() {
            // One order for both halves, so that the matrix stays symmetric to the bit.
            let (i, j) = (i.min(j), i.max(j));
            *v = (f64::from(*v) - sums[i] / by - sums[j] / by + all) as f32;
        }
        if form != Form::Biased {
            k.diag_mut().fill(0.0);
        }
        let square = k.outer_iter().map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>()).sum::<f64>();
        if square <= 1e-12 * size {
            return refuse(
                measure,
                "every two sentences of a side are as similar as any others, so there is nothing to agree on",
            );
        }
        Ok(Self { form, matrix: k, square })
    }

    /// The linear kernel of a side.
    pub(super) fn linear(measure: &'static str, x: &Centred, form: Form) -> Result<Self> {
        Self::kernel(measure, gram(x.rows.view()), form)
    }

    pub(super) fn n(&self) -> usize {
        self.matrix.nrows()
    }

    /// The half above the diagonal, row by row. `[n (n - 1) / 2]`.
    pub(super) fn upper(&self) -> impl Iterator<Item = f32> + '_ {
        self.matrix.outer_iter().enumerate().flat_map(|(i, row)| row.into_iter().skip(i + 1).copied())
    }

    /// Row i of the other side's sentences in the order of a draw, right of the diagonal.
    pub(super) fn drawn<'a>(&'a self, draw: &'a [u32], i: usize) -> impl Iterator<Item = f32> + 'a {
        let row = self.row(draw[i] as usize);
        draw[i + 1..].iter().map(move |j| row[*j as usize])
    }

    pub(super) fn square(&self) -> f64 {
        self.square
    }

    fn row(&self, i: usize) -> &[f32] {
        let n = self.n();
        self.matrix.as_slice().map_or(&[], |all| &all[i * n..(i + 1) * n])
    }

    /// The index of two sides of one form. `draw`: sentence i here is paired with sentence `draw[i]` of the other side.
    ///
    /// # Errors
    /// None for sides that were built.
    pub(super) fn index(&self, other: &Self, draw: Option<&[u32]>, measure: &'static str) -> Result<f64> {
        let n = self.n();
        let mut sum = 0f64;
        for i in 0..n {
            let here = &self.row(i)[i + 1..];
            sum += 2.0
                * match draw {
                    None => dot(here, &other.row(i)[i + 1..]),
                    Some(draw) => gather(here, other.row(draw[i] as usize), &draw[i + 1..]),
                };
            if self.form == Form::Biased {
                let there = draw.map_or(i, |draw| draw[i] as usize);
                sum += f64::from(self.matrix[[i, i]]) * f64::from(other.matrix[[there, there]]);
            }
        }
        ratio(measure, sum, self.square, other.square)
    }
}

/// The inner product with the entries of `row` at `at`.
fn gather(here: &[f32], row: &[f32], at: &[u32]) -> f64 {
    let ((here, here_rest), (at, at_rest)) = (here.as_chunks::<4>(), at.as_chunks::<4>());
    let mut lanes = [0f64; 4];
    for (a, j) in here.iter().zip(at) {
        for k in 0..4 {
            lanes[k] += f64::from(a[k]) * f64::from(row[j[k] as usize]);
        }
    }
    let rest: f64 = here_rest.iter().zip(at_rest).map(|(a, j)| f64::from(*a) * f64::from(row[*j as usize])).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The draws of the bootstrap as weights of the sentences. `[draws, n]`.
pub(super) fn weights(draws: &Draws, n: usize) -> Array2<f32> {
    let mut all = Array2::zeros((draws.draws(), n));
    for (b, mut row) in all.outer_iter_mut().enumerate() {
        row.iter_mut().zip(draws.weights(b)).for_each(|(w, v)| *w = v as f32);
    }
    all
}

/// What a side alone gives in every draw of the bootstrap.
///
/// A draw takes n sentences with replacement. Two copies of one sentence are equal on both sides, so they would look like agreement: such
/// pairs count as similar as the average, 0 in a matrix that is centred, or not at all in a correlation over pairs. Centring and
/// ranks stay those of the whole sample.
pub(super) struct Resampled {
    /// `A w`. `[draws, n]`.
    rows: Array2<f32>,
    /// `w' A w`. `[draws]`.
    sums: Vec<f64>,
    /// `w' (A o A) w`. `[draws]`.
    squares: Vec<f64>,
}

impl Resampled {
    pub(super) fn new(of: &Relation, weights: &Array2<f32>) -> Self {
        let rows = a_bt(weights.view(), of.matrix.view(), true);
        let squares = quadratic(of.matrix.mapv(|v| v * v), weights);
        let sums = rows.outer_iter().zip(weights.outer_iter()).map(|(r, w)| inner(r.iter(), w.iter())).collect();
        Self { rows, sums, squares }
    }
}

/// `w' M w` for each draw.
fn quadratic(m: Array2<f32>, weights: &Array2<f32>) -> Vec<f64> {
    let rows = a_bt(weights.view(), m.view(), true);
    rows.outer_iter().zip(weights.outer_iter()).map(|(r, w)| inner(r.iter(), w.iter())).collect()
}

fn inner<'a>(a: impl Iterator<Item = &'a f32>, b: impl Iterator<Item = &'a f32>) -> f64 {
    a.zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// The percentile interval of the index of two sides; `None` for the biased form, which is a control.
pub(super) fn resampled(
    (a, of_a): (&Relation, &Resampled),
    (b, of_b): (&Relation, &Resampled),
    weights: &Array2<f32>,
    value: f64,
) -> Option<(f64, f64)> {
    if a.form == Form::Biased {
        return None;
    }
    let n = a.n() as f64;
    let both = quadratic(Zip::from(&a.matrix).and(&b.matrix).par_map_collect(|a, b| a * b), weights);
    let drawn = weights.outer_iter().enumerate().map(|(d, w)| {
        let pairs = n * n - inner(w.iter(), w.iter());
        let term = |square: f64, x: &Resampled, y: &Resampled| {
            let sums = x.sums[d] * y.sums[d];
            if a.form == Form::Pairs {
                return square - sums / pairs;
            }
            let rows = x.rows.row(d).into_iter().zip(y.rows.row(d)).zip(w);
            let cross: f64 = rows.map(|((x, y), w)| f64::from(*w) * f64::from(*x) * f64::from(*y)).sum();
            square + sums / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * cross
        };
        let (xx, yy) = (term(of_a.squares[d], of_a, of_a), term(of_b.squares[d], of_b, of_b));
        // A draw in which a side has no variance says nothing; `interval` leaves it out.
        if xx > 0.0 && yy > 0.0 { (term(both[d], of_a, of_b) / (xx * yy).sqrt()).clamp(-1.0, 1.0) } else { f64::NAN }
    });
    let found = interval(value, drawn.collect());
    Some((found.low, found.high))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{
        super::{
            algebra::{Centred, samples},
            cka::cka,
        },
        Form, Relation, Resampled, gram, resampled, weights,
    };
    use crate::{bootstrap::Draws, null::Permutations};

    fn both(form: Form, seed: u64) -> (Array2<f32>, Array2<f32>, Relation, Relation) {
        let x = samples::gaussian(40, 12, seed);
        let y = &x + &samples::gaussian(40, 12, seed + 1);
        let of = |x: &Array2<f32>| Relation::linear("cka", &Centred::new("cka", x.view()).unwrap(), form).unwrap();
        let (a, b) = (of(&x), of(&y));
        (x, y, a, b)
    }

    #[test]
    fn the_gram_matrix_in_tiles_is_the_plain_one() {
        let x = samples::gaussian(300, 7, 1);
        let plain = x.dot(&x.t());
        assert!(gram(x.view()).iter().zip(&plain).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn a_relation_says_what_cka_says_also_of_shuffled_sentences() {
        let draws = Permutations::new(40, 20, 3).unwrap();
        for form in [Form::Debiased, Form::Biased] {
            let (x, y, a, b) = both(form, 5);
            let of = |y: &Array2<f32>| {
                let found = cka(x.view(), y.view()).unwrap();
                if form == Form::Biased { found.biased } else { found.debiased }
            };
            assert!((a.index(&b, None, "cka").unwrap() - of(&y)).abs() < 1e-5);
            for draw in (0..20).map(|d| draws.draw(d)) {
                let expected = of(&samples::shuffled(y.view(), draw));
                assert!((a.index(&b, Some(draw), "cka").unwrap() - expected).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn the_interval_is_that_of_drawn_sentences_whose_copies_are_left_out() {
        let (_, _, a, b) = both(Form::Pairs, 7);
        let draws = Draws::new(40, 100, 2).unwrap();
        let w = weights(&draws, 40);
        let value = a.index(&b, None, "rsa").unwrap();
        let (low, high) = resampled((&a, &Resampled::new(&a, &w)), (&b, &Resampled::new(&b, &w)), &w, value).unwrap();
        // The slow twin: every pair of drawn places that are not copies, Pearson.
        let mut slow: Vec<f64> = (0..100)
            .map(|d| {
                let weights = draws.weights(d);
                let places: Vec<usize> = (0..40).flat_map(|i| std::iter::repeat_n(i, weights[i] as usize)).collect();
                let pairs: Vec<(f64, f64)> = (places.iter())
                    .flat_map(|i| places.iter().map(move |j| (*i, *j)))
                    .filter(|(i, j)| i != j)
                    .map(|(i, j)| (f64::from(a.matrix[[i, j]]), f64::from(b.matrix[[i, j]])))
                    .collect();
                let n = pairs.len() as f64;
                let mean = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
                let of = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
                let xy = of(&|p| (p.0 - mean.0) * (p.1 - mean.1));
                xy / (of(&|p| (p.0 - mean.0).powi(2)) * of(&|p| (p.1 - mean.1).powi(2))).sqrt()
            })
            .collect();
        slow.sort_by(f64::total_cmp);
        let expected = [0.025, 0.975].map(|q| crate::bootstrap::quantile(&slow, q).unwrap());
        assert!((low - expected[0]).abs() < 1e-4 && (high - expected[1]).abs() < 1e-4);
        assert!(low < value && value < high);
    }

    #[test]
    fn the_interval_of_independent_states_holds_zero() {
        // Copies counted as similar would lift every draw: 0.2 and more at n = 40.
        let of = |seed| {
            let x = samples::gaussian(40, 200, seed);
            Relation::linear("cka", &Centred::new("cka", x.view()).unwrap(), Form::Debiased).unwrap()
        };
        let w = weights(&Draws::new(40, 200, 1).unwrap(), 40);
        let held = (0..10u64).filter(|s| {
            let (a, b) = (of(*s), of(100 + s));
            let value = a.index(&b, None, "cka").unwrap();
            let (low, high) =
                resampled((&a, &Resampled::new(&a, &w)), (&b, &Resampled::new(&b, &w)), &w, value).unwrap();
            low < 0.0 && 0.0 < high
        });
        assert!(held.count() >= 8);
    }

    #[test]
    fn the_biased_form_has_no_interval() {
        let (_, _, a, b) = both(Form::Biased, 9);
        let w = weights(&Draws::new(40, 100, 1).unwrap(), 40);
        assert_eq!(resampled((&a, &Resampled::new(&a, &w)), (&b, &Resampled::new(&b, &w)), &w, 0.5), None);
    }
}
