//! The matrix products of the measures.

pub(crate) mod short;

use gemm::Parallelism;
use ndarray::{Array2, ArrayView2};

/// `a b^T`, f32, on all cores when `parallel`, else on the core that asks (for callers that share the work among cores themselves).
///
/// # Shapes
/// `a` `[n, width]`, `b` `[m, width]` to `[n, m]`.
pub(crate) fn a_bt(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, parallel: bool) -> Array2<f32> {
    assert!(a.ncols() == b.ncols(), "rows of one product have one width");
    let ((n, width), m) = (a.dim(), b.nrows());
    let mut out = Array2::<f32>::zeros((n, m));
    let ([a_row, a_column], [b_row, b_column]) = ([a.strides()[0], a.strides()[1]], [b.strides()[0], b.strides()[1]]);
    let parallelism = if parallel { Parallelism::Rayon(0) } else { Parallelism::None };
    #[expect(unsafe_code, reason = "gemm takes pointers and strides")]
    // SAFETY: pointers, lengths and strides are those of the views and of `out`, which is in standard layout and lives here alone.
    unsafe {
        gemm::gemm(
            n,
            m,
            width,
            out.as_mut_ptr(),
            1,
            m as isize,
            false,
            a.as_ptr(),
            a_column,
            a_row,
            b.as_ptr(),
            b_row,
            b_column,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::a_bt;

    #[test]
    fn equals_the_plain_sum_of_products_also_of_slices() {
        let whole = Array2::from_shape_fn((9, 14), |(i, j)| ((i * 31 + j * 17) % 23) as f32 - 11.0);
        let (a, b) = (whole.slice(s![..5, 2..12;2]), whole.slice(s![3..9, 1..6]));
        let got = a_bt(a, b, false);
        let expected = Array2::from_shape_fn((5, 6), |(i, j)| (0..5).map(|k| a[[i, k]] * b[[j, k]]).sum::<f32>());
        assert_eq!(got, expected);
        assert_eq!(a_bt(a, b, true), expected);
    }
}
