//! Linear discriminant analysis: `S^-1 (mean p - mean n)` with S the covariance within the two sides,
//! `sum x x^T / (n + m - 2)` over all states less the mean of their side.
//!
//! S is singular where there are at most as many degrees of freedom as columns, which is the rule with states of a language
//! model. Then, and where its Cholesky factor does not exist, it is shrunk towards a multiple of the identity,
//! `(1 - a) S + a (tr S / width) I`, with the share `a` of Ledoit and Wolf (2004): with the centred states `x_i` (N of them),
//! `C = sum x x^T / N` and `t = tr C / width`, `a = min(b, c) / c`, `b = (sum_i |x_i|^4 / N - |C|^2) / N`,
//! `c = |C|^2 - width t^2`. CLaS-Bench adds 1e-6 to the diagonal instead, whose effect depends on the scale of the states.
//!
//! A shrunk S is never built: with the states as rows of X and `A = f I + g X^T X`,
//! `A^-1 v = (v - g X^T (f I + g X X^T)^-1 X v) / f`, so what is factored has a row for each state and not for each column.

use faer::{
    Accum, Mat, MatRef, Par, Side,
    linalg::{matmul::matmul, solvers::Solve as _},
};
use ndarray::ArrayView2;

use super::{mean, refuse, unit};
use crate::Result;

/// The direction, of length 1.
pub(super) fn lda(
    positive: ArrayView2<'_, f32>,
    negative: ArrayView2<'_, f32>,
    difference: &[f64],
    notes: &mut Vec<String>,
) -> Result<Vec<f64>> {
    let centred = centred(positive, negative);
    let (states, width) = centred.shape();
    let degrees = states.saturating_sub(2);
    if degrees > width
        && let Some(found) = solved(&centred, difference, degrees as f64)
    {
        return Ok(unit(found));
    }
    let (share, level) = shrinkage(centred.as_ref());
    if degrees == 0 || level == 0.0 {
        return refuse(format!(
            "lda needs states that vary within a side, and the {states} given do not; give more texts, or take diff_mean"
        ));
    }
    notes.push(format!(
        "lda: {states} states do not determine the covariance of {width} columns, so it was shrunk by {share:.3} \
         towards the identity (Ledoit and Wolf)"
    ));
    let trace = level * states as f64 / degrees as f64;
    Ok(unit(ridge(&centred, difference, share * trace, (1.0 - share) / degrees as f64)?))
}

/// All states less the mean of their side. `[n + m, width]`.
fn centred(positive: ArrayView2<'_, f32>, negative: ArrayView2<'_, f32>) -> Mat<f64> {
    let (n, width) = positive.dim();
    let (above, below) = (mean(positive), mean(negative));
    Mat::from_fn(n + negative.nrows(), width, |i, j| {
        if i < n { f64::from(positive[[i, j]]) - above[j] } else { f64::from(negative[[i - n, j]]) - below[j] }
    })
}

/// `S^-1 v`; `None` where S has no Cholesky factor.
fn solved(centred: &Mat<f64>, v: &[f64], degrees: f64) -> Option<Vec<f64>> {
    let width = centred.ncols();
    let mut covariance = Mat::zeros(width, width);
    let rows = centred.as_ref();
    matmul(covariance.as_mut(), Accum::Replace, rows.transpose(), rows, 1.0 / degrees, Par::Seq);
    let factor = covariance.llt(Side::Lower).ok()?;
    let solved = factor.solve(column(v));
    let found: Vec<f64> = solved.col(0).iter().copied().collect();
    found.iter().all(|x| x.is_finite()).then_some(found)
}

/// The share `a` of Ledoit and Wolf and `t`, of rows whose mean is 0.
fn shrinkage(rows: MatRef<'_, f64>) -> (f64, f64) {
    let (states, width) = (rows.nrows() as f64, rows.ncols() as f64);
    let products = products(rows);
    let squares: Vec<f64> = (0..rows.nrows()).map(|i| products[(i, i)]).collect();
    let level = squares.iter().sum::<f64>() / states / width;
    let size = products.col_iter().map(|c| c.iter().map(|x| x * x).sum::<f64>()).sum::<f64>() / states.powi(2);
    let noise = (squares.iter().map(|s| s * s).sum::<f64>() / states - size) / states;
    let spread = size - width * level.powi(2);
    let share = if noise <= 0.0 { 0.0 } else { noise.min(spread) / spread };
    (if share.is_finite() { share } else { 1.0 }, level)
}

/// `(f I + g X^T X)^-1 v`.
fn ridge(rows: &Mat<f64>, v: &[f64], f: f64, g: f64) -> Result<Vec<f64>> {
    let rows = rows.as_ref();
    let mut inner = products(rows);
    inner.col_iter_mut().for_each(|c| c.iter_mut().for_each(|x| *x *= g));
    (0..inner.nrows()).for_each(|i| inner[(i, i)] += f);
    let factor = inner.llt(Side::Lower);
    let Some(factor) = factor.ok().filter(|_| f > 0.0) else {
        return refuse(
            "lda: the covariance within the sides cannot be inverted; give more texts, or take diff_mean".to_owned(),
        );
    };
    let along = rows * column(v);
    let back = rows.transpose() * factor.solve(along);
    Ok(v.iter().zip(back.col(0).iter()).map(|(v, b)| (v - g * b) / f).collect())
}

fn column(v: &[f64]) -> Mat<f64> {
    Mat::from_fn(v.len(), 1, |i, _| v[i])
}

/// `X X^T`.
fn products(rows: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(rows.nrows(), rows.nrows());
    matmul(out.as_mut(), Accum::Replace, rows, rows.transpose(), 1.0, Par::Seq);
    out
}

#[cfg(test)]
mod tests {
    use faer::linalg::solvers::DenseSolveCore as _;
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    fn states(n: usize, width: usize, seed: usize) -> Array2<f32> {
        Array2::from_shape_fn((n, width), |(i, j)| {
            (((i * 37 + j * 11 + seed * 101) as f32).sin() * 43.7).fract() + j as f32
        })
    }

    /// `sklearn.covariance.ledoit_wolf_shrinkage(X, assume_centered=True)` of scikit-learn 1.9.1 on these rows.
    #[test]
    fn the_share_is_that_of_scikit_learn() {
        let rows = [[1.0, 2.0, -1.0], [-2.0, 0.5, 3.0], [0.5, -1.5, -1.0], [0.5, -1.0, -1.0]];
        let (share, level) = shrinkage(Mat::from_fn(4, 3, |i, j| rows[i][j]).as_ref());
        assert!((share - 0.866_872_861_279_283_9).abs() < 1e-12, "{share}");
        assert!((level - 25.0 / 12.0).abs() < 1e-12, "{level}");
    }

    proptest! {
        /// The covariance built, shrunk and inverted as the head says.
        #[test]
        fn equals_the_slow_way(n in 2usize..9, m in 2usize..9, width in 2usize..12, seed in 0usize..50) {
            let (p, q) = (states(n, width, seed), states(m, width, seed + 7));
            let difference: Vec<f64> = mean(p.view()).iter().zip(mean(q.view())).map(|(a, b)| a - b).collect();
            let found = lda(p.view(), q.view(), &difference, &mut Vec::new()).unwrap();
            let x = centred(p.view(), q.view());
            let degrees = (n + m - 2) as f64;
            let mut covariance = x.transpose() * &x;
            covariance.col_iter_mut().for_each(|c| c.iter_mut().for_each(|x| *x /= degrees));
            if n + m - 2 <= width {
                let (share, _) = shrinkage(x.as_ref());
                let trace = (0..width).map(|j| covariance[(j, j)]).sum::<f64>() / width as f64;
                covariance = Mat::from_fn(width, width, |i, j| {
                    (1.0 - share) * covariance[(i, j)] + if i == j { share * trace } else { 0.0 }
                });
            }
            let slow = covariance.partial_piv_lu().inverse() * column(&difference);
            let slow = unit(slow.col(0).iter().copied().collect());
            let worst = found.iter().zip(&slow).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            prop_assert!(worst < 1e-5, "{worst}");
        }
    }
}
