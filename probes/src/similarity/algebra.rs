//! Centred states, and dense algebra in f64.
//!
//! faer cuts its work by the number of threads that it is told of, so it is always told the same number: the bits of a result then do
//! not depend on how many there are.

use std::num::NonZeroUsize;

use faer::{
    Accum, Mat, MatRef, Par,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        matmul::matmul,
        qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size},
        svd::{ComputeSvdVectors, SvdError, svd, svd_scratch},
    },
};
use ndarray::{Array2, ArrayView2};

use crate::{Error, Result};

/// Into how many parts faer cuts its work.
const PARTS: Par = Par::Rayon(match NonZeroUsize::new(8) {
    Some(parts) => parts,
    None => NonZeroUsize::MIN,
});

/// Below this share of what was there, what is left after centring is the rounding of f32.
pub(super) const ROUNDING: f64 = 1e-6;

pub(super) fn refuse<T>(measure: &'static str, why: impl Into<String>) -> Result<T> {
    Err(Error::Input { measure, why: why.into() })
}

/// What every index of two sides needs: the same sentences, at least four, finite numbers.
pub(super) fn check(measure: &'static str, x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>) -> Result<()> {
    if x.nrows() != y.nrows() {
        let why = format!(
            "the two sides have {} and {} sentences; row i must be the same sentence on both, so nothing is cut",
            x.nrows(),
            y.nrows()
        );
        return refuse(measure, why);
    }
    check_one(measure, x)?;
    check_one(measure, y)
}

/// What every index needs of a side.
pub(super) fn check_one(measure: &'static str, x: ArrayView2<'_, f32>) -> Result<()> {
    let (n, width) = x.dim();
    if n < 4 {
        return refuse(measure, format!("at least 4 sentences are needed, got {n}; use 100 or more"));
    }
    if width == 0 {
        return refuse(measure, "the states have width 0");
    }
    if let Some(bad) = x.outer_iter().position(|row| row.iter().any(|v| !v.is_finite())) {
        return refuse(measure, format!("the state of sentence {} is not finite (NaN or infinite)", bad + 1));
    }
    Ok(())
}

/// The mean of some of the rows, f64. `[width]`.
pub(super) fn mean(x: ArrayView2<'_, f32>, rows: impl Iterator<Item = usize>) -> Vec<f64> {
    let (mut sum, mut count) = (vec![0f64; x.ncols()], 0usize);
    for i in rows {
        sum.iter_mut().zip(x.row(i)).for_each(|(s, v)| *s += f64::from(*v));
        count += 1;
    }
    sum.iter_mut().for_each(|s| *s /= count.max(1) as f64);
    sum
}

/// States less the mean of their side, which is taken in f64.
pub(super) struct Centred {
    /// `[n, width]`.
    pub(super) rows: Array2<f32>,
    /// `|x_i|^2` of the rows. `[n]`.
    pub(super) squares: Vec<f64>,
}

impl Centred {
    /// # Errors
    /// All sentences have the same state.
    pub(super) fn new(measure: &'static str, x: ArrayView2<'_, f32>) -> Result<Self> {
        let mean = mean(x, 0..x.nrows());
        let rows = less(x, &mean);
        let squares: Vec<f64> = rows.outer_iter().map(|r| square(r.iter())).collect();
        let all: f64 = square(x.iter());
        if squares.iter().sum::<f64>() <= ROUNDING * ROUNDING * all {
            return refuse(measure, "all sentences have the same state, so there is nothing that could be similar");
        }
        Ok(Self { rows, squares })
    }

    pub(super) fn n(&self) -> usize {
        self.rows.nrows()
    }

    pub(super) fn width(&self) -> usize {
        self.rows.ncols()
    }
}

fn square<'a>(values: impl Iterator<Item = &'a f32>) -> f64 {
    values.map(|v| f64::from(*v).powi(2)).sum()
}

/// The states of one side less their mean, as the indices that are centred by definition see them; [`super::mutual_knn`] and
/// [`super::rsa`] take states as they are.
///
/// # Shapes
/// `[n, width]` to `[n, width]`.
///
/// ```
/// use babelscope_probes::similarity::centred;
/// use ndarray::array;
/// assert_eq!(centred(array![[1f32, 5.], [3., 5.]].view()), array![[-1f32, 0.], [1., 0.]]);
/// ```
pub fn centred(x: ArrayView2<'_, f32>) -> Array2<f32> {
    less(x, &mean(x, 0..x.nrows()))
}

/// `x_i - mean`, taken in f64.
pub(super) fn less(x: ArrayView2<'_, f32>, mean: &[f64]) -> Array2<f32> {
    let mut rows = Array2::zeros(x.raw_dim());
    for (mut to, from) in rows.outer_iter_mut().zip(x.outer_iter()) {
        to.iter_mut().zip(from.iter().zip(mean)).for_each(|(to, (v, m))| *to = (f64::from(*v) - m) as f32);
    }
    rows
}

/// Rows of norm 1.
///
/// # Errors
/// A row without a direction.
pub(super) fn unit(measure: &'static str, x: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
    let mut rows = x.as_standard_layout().into_owned();
    for (i, mut row) in rows.outer_iter_mut().enumerate() {
        let norm = square(row.iter()).sqrt();
        if norm <= 0.0 {
            return refuse(measure, format!("the state of sentence {} has norm 0, so it has no direction", i + 1));
        }
        row.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
    Ok(rows)
}

/// The inner product, f64, in a fixed order.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0f64; 8];
    for (a, b) in a.iter().zip(b) {
        for k in 0..8 {
            lanes[k] += f64::from(a[k]) * f64::from(b[k]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    lanes.iter().sum::<f64>() + rest
}

/// A singular value decomposition `u diag(s) v'`, thin, largest first.
pub(super) struct Svd {
    /// `[rows, k]`.
    pub(super) u: Mat<f64>,
    /// `[k]`.
    pub(super) s: Vec<f64>,
    /// `[columns, k]`.
    pub(super) v: Mat<f64>,
}

impl Svd {
    /// # Errors
    /// The iteration does not converge, which finite input does not cause.
    pub(super) fn new(measure: &'static str, a: MatRef<'_, f64>) -> Result<Self> {
        let ((m, n), k) = (a.shape(), a.nrows().min(a.ncols()));
        let (mut u, mut s, mut v) = (Mat::zeros(m, k), Diag::zeros(k), Mat::zeros(n, k));
        let thin = ComputeSvdVectors::Thin;
        let mut buffer = MemBuffer::new(svd_scratch::<f64>(m, n, thin, thin, PARTS, Default::default()));
        let stack = MemStack::new(&mut buffer);
        svd(a, s.as_mut(), Some(u.as_mut()), Some(v.as_mut()), PARTS, stack, Default::default())
            .or_else(|error| diverged(measure, &error))?;
        Ok(Self { u, s: s.column_vector().iter().copied().collect(), v })
    }

    /// How many singular values are more than the rounding of f32 states.
    pub(super) fn rank(&self) -> usize {
        let floor = self.s.first().map_or(0.0, |s| s * ROUNDING);
        self.s.iter().take_while(|s| **s > floor).count()
    }
}

/// The singular values alone, largest first.
///
/// # Errors
/// As [`Svd::new`].
pub(super) fn singular_values(measure: &'static str, a: MatRef<'_, f64>) -> Result<Vec<f64>> {
    let ((m, n), k) = (a.shape(), a.nrows().min(a.ncols()));
    let mut s = Diag::zeros(k);
    let none = ComputeSvdVectors::No;
    let mut buffer = MemBuffer::new(svd_scratch::<f64>(m, n, none, none, PARTS, Default::default()));
    svd(a, s.as_mut(), None, None, PARTS, MemStack::new(&mut buffer), Default::default())
        .or_else(|error| diverged(measure, &error))?;
    Ok(s.column_vector().iter().copied().collect())
}

fn diverged<T>(measure: &'static str, error: &SvdError) -> Result<T> {
    refuse(measure, format!("the singular values were not found ({error:?}); look for states of enormous size"))
}

/// A matrix `c` of at most as many columns as rows with `c c' = a a'`: `a` itself, or the triangle of a QR decomposition of `a'`. Singular
/// values of `c_x' c_y` are then those of `x' y`, however wide the states are.
pub(super) fn narrow(a: Mat<f64>) -> Mat<f64> {
    let (n, width) = a.shape();
    if width <= n {
        return a;
    }
    let mut qr = a.transpose().to_owned(); // [width, n]
    let block = recommended_block_size::<f64>(width, n);
    let mut householder = Mat::zeros(block, n);
    let mut buffer = MemBuffer::new(qr_in_place_scratch::<f64>(width, n, block, PARTS, Default::default()));
    qr_in_place(qr.as_mut(), householder.as_mut(), PARTS, MemStack::new(&mut buffer), Default::default());
    Mat::from_fn(n, n, |i, j| if j <= i { qr[(j, i)] } else { 0.0 })
}

/// `a b`, f64.
pub(super) fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, PARTS);
    out
}

/// These rows, in f64.
pub(super) fn rows_f64(x: ArrayView2<'_, f32>, mean: &[f64], rows: &[usize]) -> Mat<f64> {
    Mat::from_fn(rows.len(), x.ncols(), |i, j| f64::from(x[[rows[i], j]]) - mean[j])
}

#[cfg(test)]
pub(super) mod samples {
    use ndarray::{Array2, ArrayView2};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    /// Standard normal numbers (Box and Muller).
    pub(crate) fn gaussian(n: usize, width: usize, seed: u64) -> Array2<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        Array2::from_shape_fn((n, width), |_| {
            let (u, v): (f64, f64) = (rng.random_range(f64::EPSILON..1.0), rng.random());
            ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
        })
    }

    /// A random rotation: Gram and Schmidt on Gaussian rows.
    pub(crate) fn rotation(width: usize, seed: u64) -> Array2<f32> {
        let mut q = gaussian(width, width, seed).mapv(f64::from);
        for i in 0..width {
            for j in 0..i {
                let along: f64 = q.row(i).dot(&q.row(j));
                let other = q.row(j).to_owned();
                q.row_mut(i).scaled_add(-along, &other);
            }
            let norm = q.row(i).dot(&q.row(i)).sqrt();
            q.row_mut(i).mapv_inplace(|v| v / norm);
        }
        q.mapv(|v| v as f32)
    }

    pub(crate) fn shuffled(x: ArrayView2<'_, f32>, to: &[u32]) -> Array2<f32> {
        Array2::from_shape_fn(x.raw_dim(), |(i, j)| x[[to[i] as usize, j]])
    }

    /// English and German of methods.md 1.1.
    pub(crate) fn toy() -> (Array2<f32>, Array2<f32>) {
        (
            ndarray::array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]],
            ndarray::array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]],
        )
    }
}
