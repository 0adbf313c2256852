//! Eigenvalues, singular values and products in f64, the same bits on any number of threads.
//!
//! faer cuts its work by the number of threads that it is told of, so it is always told the same number; how many there really are then
//! changes the time alone.

use std::num::NonZeroUsize;

use faer::{
    Accum, Mat, MatRef, Par,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch},
        matmul::matmul,
        svd::{ComputeSvdVectors, svd, svd_scratch},
    },
};
use ndarray::{Array1, Array2, ArrayView2};

use crate::{Error, Result};

/// Into how many parts work is cut.
const PARTS: Par = Par::Rayon(match NonZeroUsize::new(8) {
    Some(parts) => parts,
    None => NonZeroUsize::MIN,
});

/// A copy that faer reads.
pub(crate) fn mat(a: ArrayView2<'_, f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[[i, j]])
}

/// And back.
pub(crate) fn array(a: MatRef<'_, f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), a.ncols()), |(i, j)| a[(i, j)])
}

/// `a b`.
pub(crate) fn product(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, mat(a).as_ref(), mat(b).as_ref(), 1.0, PARTS);
    array(out.as_ref())
}

/// `sum += a^T a`.
///
/// # Shapes
/// `sum` `[width, width]`, `a` `[n, width]`.
pub(crate) fn add_scatter(sum: &mut Mat<f64>, a: ArrayView2<'_, f64>) {
    let a = mat(a);
    matmul(sum.as_mut(), Accum::Add, a.transpose(), a.as_ref(), 1.0, PARTS);
}

/// Eigenvalues of a symmetric matrix from the largest to the smallest, and its eigenvectors as rows.
///
/// # Errors
/// No convergence, which a finite matrix does not cause.
pub(crate) fn eigen(a: MatRef<'_, f64>, measure: &'static str) -> Result<(Array1<f64>, Array2<f64>)> {
    let n = a.nrows();
    let (mut values, mut vectors) = (Diag::zeros(n), Mat::zeros(n, n));
    let scratch = self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, PARTS, Default::default());
    self_adjoint_evd(
        a,
        values.as_mut(),
        Some(vectors.as_mut()),
        PARTS,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|e| refused(measure, &format!("eigenvalues ({e:?})"), n, n))?;
    let last = n.saturating_sub(1);
    let descending = Array1::from_shape_fn(n, |i| values[last - i]);
    Ok((descending, Array2::from_shape_fn((n, n), |(i, j)| vectors[(j, last - i)])))
}

/// A singular value decomposition `U diag(s) V^T`, the singular values from the largest to the smallest.
pub(crate) struct Singular {
    /// Left singular vectors as rows: `[min(n, m), n]`.
    pub(crate) left: Array2<f64>,
    /// Singular values: `[min(n, m)]`.
    pub(crate) values: Array1<f64>,
    /// Right singular vectors as rows: `[min(n, m), m]`.
    pub(crate) right: Array2<f64>,
}

/// The singular value decomposition of `a` `[n, m]`. The largest entry of each right vector is positive (the first of equal ones), which
/// settles the signs.
///
/// # Errors
/// No convergence, which a finite matrix does not cause.
pub(crate) fn singular(a: ArrayView2<'_, f64>, measure: &'static str) -> Result<Singular> {
    let (n, m) = a.dim();
    let size = n.min(m);
    let (mut values, mut left, mut right) = (Diag::zeros(size), Mat::zeros(n, size), Mat::zeros(m, size));
    let thin = ComputeSvdVectors::Thin;
    let scratch = svd_scratch::<f64>(n, m, thin, thin, PARTS, Default::default());
    svd(
        mat(a).as_ref(),
        values.as_mut(),
        Some(left.as_mut()),
        Some(right.as_mut()),
        PARTS,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .map_err(|e| refused(measure, &format!("singular values ({e:?})"), n, m))?;
    let sign = |i: usize| {
        let mut largest = 0f64;
        (0..m).map(|j| right[(j, i)]).for_each(|x| {
            if x.abs() > largest.abs() {
                largest = x
            }
        });
        if largest < 0.0 { -1.0 } else { 1.0 }
    };
    let signs: Vec<f64> = (0..size).map(sign).collect();
    Ok(Singular {
        left: Array2::from_shape_fn((size, n), |(i, j)| left[(j, i)] * signs[i]),
        values: Array1::from_shape_fn(size, |i| values[i]),
        right: Array2::from_shape_fn((size, m), |(i, j)| right[(j, i)] * signs[i]),
    })
}

fn refused(measure: &'static str, what: &str, n: usize, m: usize) -> Error {
    let why = format!(
        "the {what} of a {n} x {m} matrix did not converge; check that the states are finite and of a sane size"
    );
    Error::Input { measure, why }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::{add_scatter, array, eigen, mat, product, singular};

    fn waves(n: usize, m: usize) -> Array2<f64> {
        Array2::from_shape_fn((n, m), |(i, j)| ((i * 7 + j * 13) as f64).sin() + ((i * i + 3 * j) as f64).cos())
    }

    #[test]
    fn known_values() {
        let (values, vectors) = eigen(mat(array![[2., 1.], [1., 2.]].view()).as_ref(), "test").unwrap();
        assert!((values[0] - 3.0).abs() < 1e-12 && (values[1] - 1.0).abs() < 1e-12);
        assert!((vectors[[0, 0]] - vectors[[0, 1]]).abs() < 1e-12, "{vectors}");
        let found = singular(array![[3., 0., 0.], [0., 0., -4.]].view(), "test").unwrap();
        assert!((found.values[0] - 4.0).abs() < 1e-12 && (found.values[1] - 3.0).abs() < 1e-12);
        assert!((found.right[[0, 2]] - 1.0).abs() < 1e-12 && (found.left[[0, 1]] + 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let a = waves(400, 300);
                let mut scatter = faer::Mat::zeros(300, 300);
                add_scatter(&mut scatter, a.view());
                let (values, vectors) = eigen(scatter.as_ref(), "test").unwrap();
                let found = singular(a.view(), "test").unwrap();
                (array(scatter.as_ref()), values, vectors, found.values, found.left, found.right)
            })
        };
        let one = on(1);
        assert!([2, 5].into_iter().all(|threads| on(threads) == one));
    }

    proptest! {
        #[test]
        fn the_factors_give_the_matrix_back(n in 1usize..12, m in 1usize..12) {
            let a = waves(n, m);
            let found = singular(a.view(), "test").unwrap();
            let scaled = &found.right * &found.values.insert_axis(ndarray::Axis(1));
            let back = product(found.left.t(), scaled.view());
            prop_assert!(back.iter().zip(&a).all(|(x, y)| (x - y).abs() < 1e-10));
        }
    }
}
