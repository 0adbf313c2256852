//! CKA with a Gaussian kernel, `k(x, y) = exp(-|x - y|^2 / (2 s^2))`.
//!
//! `s` is a fraction of the median distance between two sentences of the side (Kornblith et al. 2019 use 0.2, 0.4 and 0.8), so the index
//! does not depend on scale. A small fraction looks at neighbourhoods, a large one comes close to the linear kernel. Debiased as
//! Song et al. 2012; the biased value stands beside it. The fixed `s = 1` of platonic-rep is not offered: it depends on the scale.

use ndarray::{Array2, ArrayView2};

use super::{
    algebra::{Centred, ROUNDING, check, refuse},
    cka::Cka,
    relation::{Form, Relation, gram},
};
use crate::Result;

/// CKA of two sides with a Gaussian kernel whose width is `bandwidth` times the median distance of each side. Invariant to rotation, to
/// one scale for all and to a shift of each side. Memory: two matrices `[n, n]` of f32 a side.
///
/// # Shapes
/// `x` `[n, d1]`, `y` `[n, d2]`, n >= 4.
///
/// # Errors
/// As [`super::cka`]; a bandwidth that is not above 0; more than half of the pairs of sentences at distance 0.
///
/// ```
/// use babelscope_probes::similarity::rbf_cka;
/// use ndarray::Array2;
/// let x = Array2::from_shape_fn((9, 2), |(i, j)| if j == 0 { i as f32 } else { (i * i % 7) as f32 });
/// let same = rbf_cka(x.view(), (&x * 5f32).view(), 0.4)?;
/// assert!((same.debiased - 1.0).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn rbf_cka(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>, bandwidth: f64) -> Result<Cka> {
    check("cka_rbf", x, y)?;
    let (k, l) = (kernel(&Centred::new("cka_rbf", x)?, bandwidth)?, kernel(&Centred::new("cka_rbf", y)?, bandwidth)?);
    let of = |k: Array2<f32>, l: Array2<f32>, form| {
        let (a, b) = (Relation::kernel("cka_rbf", k, form)?, Relation::kernel("cka_rbf", l, form)?);
        a.index(&b, None, "cka_rbf")
    };
    Ok(Cka { debiased: of(k.clone(), l.clone(), Form::Debiased)?, biased: of(k, l, Form::Biased)? })
}

/// The kernel of one side. `[n, n]`.
///
/// # Errors
/// As [`rbf_cka`].
pub(super) fn kernel(x: &Centred, bandwidth: f64) -> Result<Array2<f32>> {
    if !(bandwidth > 0.0 && bandwidth.is_finite()) {
        return refuse(
            "cka_rbf",
            format!("the bandwidth is a share of the median distance above 0, got {bandwidth}; use 0.4"),
        );
    }
    let mut squares = gram(x.rows.view());
    for ((i, j), v) in squares.indexed_iter_mut() {
        let size = x.squares[i] + x.squares[j];
        let square = size - 2.0 * f64::from(*v);
        // What is left of equal states is the rounding of the product.
        *v = if square > ROUNDING * size { square as f32 } else { 0.0 };
    }
    let n = squares.nrows();
    let mut pairs: Vec<f32> = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).map(|at| squares[at]).collect();
    // The upper of the two middle ones where there is no middle: the root of a mean of squares would be neither.
    let half = pairs.len() / 2;
    let (_, median, _) = pairs.select_nth_unstable_by(half, f32::total_cmp);
    let median = f64::from(*median);
    if median <= 0.0 {
        return refuse(
            "cka_rbf",
            "half of the sentences have the same state, so the median distance is 0; look for duplicated lines",
        );
    }
    let scale = -0.5 / (median * bandwidth * bandwidth);
    squares.mapv_inplace(|v| (f64::from(v) * scale).exp() as f32);
    Ok(squares)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::{super::algebra::samples, Centred, kernel, rbf_cka};
    use crate::similarity::cka;

    /// The definition from differences of states, in f64.
    fn slow(x: &Array2<f32>, bandwidth: f64) -> Array2<f64> {
        let n = x.nrows();
        let square = |i: usize, j: usize| (&x.row(i) - &x.row(j)).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
        let mut all: Vec<f64> = (0..n).flat_map(|i| (i + 1..n).map(move |j| square(i, j))).collect();
        all.sort_by(f64::total_cmp);
        let s = bandwidth * all[all.len() / 2].sqrt();
        Array2::from_shape_fn((n, n), |(i, j)| (-square(i, j) / (2.0 * s * s)).exp())
    }

    #[test]
    fn the_kernel_is_that_of_the_distances() {
        let x = samples::gaussian(30, 6, 1) + 5.0;
        let got = kernel(&Centred::new("cka_rbf", x.view()).unwrap(), 0.4).unwrap();
        assert!(got.iter().zip(&slow(&x, 0.4)).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-5));
    }

    #[test]
    fn moved_scaled_and_rotated_sides_are_the_same_and_independent_ones_are_zero() {
        let x = samples::gaussian(80, 10, 1);
        let y = &x + &samples::gaussian(80, 10, 2);
        let moved = (&y * 0.01f32).dot(&samples::rotation(10, 3)) + 4.0;
        let (a, b) = (rbf_cka(x.view(), y.view(), 0.4).unwrap(), rbf_cka(x.view(), moved.view(), 0.4).unwrap());
        assert!((a.debiased - b.debiased).abs() < 1e-3 && (a.biased - b.biased).abs() < 1e-3, "{a:?} {b:?}");
        let back = rbf_cka(y.view(), x.view(), 0.4).unwrap();
        assert!((a.debiased - back.debiased).abs() < 1e-9);
        assert!((rbf_cka(x.view(), x.view(), 0.4).unwrap().debiased - 1.0).abs() < 1e-6);
        let other = rbf_cka(x.view(), samples::gaussian(80, 10, 9).view(), 0.4).unwrap();
        assert!(other.debiased.abs() < 0.05, "{other:?}");
    }

    #[test]
    fn a_wide_kernel_is_the_linear_one() {
        let x = samples::gaussian(60, 8, 4);
        let y = &x + &samples::gaussian(60, 8, 5);
        let (wide, linear) = (rbf_cka(x.view(), y.view(), 30.0).unwrap(), cka(x.view(), y.view()).unwrap());
        assert!((wide.debiased - linear.debiased).abs() < 0.01, "{wide:?} {linear:?}");
    }

    #[test]
    fn bad_bandwidths_and_duplicates_are_refused() {
        let x = samples::gaussian(12, 3, 1);
        let mut same = x.clone();
        (3..12).for_each(|i| same.row_mut(i).assign(&x.row(0)));
        let why = |y: &Array2<f32>, s| rbf_cka(x.view(), y.view(), s).unwrap_err().to_string();
        assert!(why(&x, 0.0).contains("above 0, got 0"));
        assert!(why(&x, f64::NAN).contains("above 0"));
        assert!(why(&same, 0.4).contains("median distance is 0"));
    }
}
