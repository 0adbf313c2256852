//! The subspace that the means of the languages span: LSAR and Lens.

use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};

use crate::{
    Error, Result,
    spectrum::{product, singular},
};

/// What the means of the languages have in common, and where they differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Subspace {
    /// The mean of the means. `[width]`.
    pub mean: Array1<f64>,
    /// The common part: the point of the fitted affine span that is closest to the origin, orthogonal to every difference of fitted means.
    /// `[width]`.
    pub common: Array1<f64>,
    /// Orthonormal rows that span the differences: right singular vectors of the fitted means around `common`. `[rank, width]`.
    pub basis: Array2<f64>,
    /// The same span by its principal axes: right singular vectors of the means around `mean`. `[rank, width]`.
    pub directions: Array2<f64>,
    /// All singular values of the means around `mean`, from the largest: the scree. `[min(languages - 1, width)]`.
    pub singular_values: Array1<f64>,
    /// Each language along `directions`, around `mean`. `[languages, rank]`.
    pub coordinates: Array2<f64>,
}

impl Subspace {
    /// How many dimensions it has.
    pub fn rank(&self) -> usize {
        self.basis.nrows()
    }
}

/// The language subspace of rank `rank` (0: all that the languages span, one less than there are).
///
/// With the means as columns of `M`: `M - mu 1^T = U S V^T`, cut at `rank`, gives the fit `M' = mu 1^T + U S V^T`. Its common part is
/// `mu' = pinv(M')^T 1`, divided by its squared norm, and the basis is that of the singular value decomposition of `M' - mu' 1^T`. The
/// common part is computed as `mu - U U^T mu`, which is the same wherever the first is defined, and is also defined where the affine span
/// of the means contains the origin.
///
/// Xie et al. 2022, *Discovering Low-rank Subspaces for Language-agnostic Multilingual Representations* (arXiv 2401.05792); Zhao et al.
/// 2024, *Lens* (arXiv 2410.04407, `Probing/utils.py`).
///
/// The rank is lower than asked for where the means differ by no more than the rounding of f32, and 0 where they are all equal.
///
/// # Shapes
/// `means` `[languages, width]`.
///
/// # Errors
/// One language; a rank that the means cannot have, or that is the whole width; a mean that is not finite.
///
/// ```
/// use babelscope_probes::subspace::language_subspace;
/// use ndarray::array;
/// // Two languages that differ along the first axis, four away from the origin along the second.
/// let found = language_subspace(array![[1., 4., 0.], [3., 4., 0.]].view(), 0)?;
/// assert!((&found.common - &array![0., 4., 0.]).iter().all(|x| x.abs() < 1e-12));
/// assert!((found.basis[[0, 0]].abs() - 1.0).abs() < 1e-12);
/// assert!((found.singular_values[0] - 2f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn language_subspace(means: ArrayView2<'_, f64>, rank: usize) -> Result<Subspace> {
    let largest = means.outer_iter().map(|m| m.dot(&m)).fold(0f64, f64::max).sqrt();
    of_states(means, rank, largest)
}

/// [`language_subspace`] of the means of states of the norm `size`: differences below its rounding in f32 are none.
pub(crate) fn of_states(means: ArrayView2<'_, f64>, rank: usize, size: f64) -> Result<Subspace> {
    let (languages, width) = means.dim();
    let asked = rank_of((languages, width), rank)?;
    if let Some(((language, _), value)) = means.indexed_iter().find(|(_, x)| !x.is_finite()) {
        return refuse(format!("the mean of language {} has the value {value}, expected finite numbers", language + 1));
    }
    let mean = means.sum_axis(Axis(0)) / languages as f64;
    let around = singular((&means - &mean).view(), "structure")?;
    let floor = f64::from(f32::EPSILON) * size;
    let rank = around.values.iter().take(asked).take_while(|s| **s > floor).count();
    let first = |a: &Array2<f64>| a.slice_axis(Axis(0), Slice::from(..rank)).to_owned();
    let (directions, left) = (first(&around.right), first(&around.left));
    let coordinates =
        (left * around.values.slice_axis(Axis(0), Slice::from(..rank)).insert_axis(Axis(1))).t().to_owned();
    let common = &mean - &directions.t().dot(&directions.dot(&mean));
    let fitted = coordinates.dot(&directions) + &mean - &common;
    let basis = first(&singular(fitted.view(), "structure")?.right);
    let scree = Slice::from(..(languages - 1).min(width));
    let singular_values = around.values.slice_axis(Axis(0), scree).to_owned();
    Ok(Subspace { mean, common, basis, directions, singular_values, coordinates })
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "structure", why })
}

/// How many dimensions of the span of the means are meant by `rank`.
pub(super) fn rank_of((languages, width): (usize, usize), rank: usize) -> Result<usize> {
    if languages < 2 {
        return refuse(format!("a language subspace needs the means of at least 2 languages, got {languages}"));
    }
    let all = languages - 1;
    let meant = if rank == 0 { all } else { rank };
    if meant > all {
        return refuse(format!(
            "rank {rank} was asked for, but the means of {languages} languages differ in at most {all} dimensions; use 1 to {all}, or 0 \
             for all"
        ));
    }
    if meant >= width {
        return refuse(format!(
            "a subspace of {meant} dimensions would leave nothing of states of width {width}; set `rank` below {width}"
        ));
    }
    Ok(meant)
}

/// The principal angles between two subspaces in degrees, from the smallest: the arc cosines of the singular values of `a b^T`
/// (Björck and Golub 1973).
///
/// # Shapes
/// Orthonormal rows, `[r, width]` and `[s, width]`; gives `min(r, s)` angles.
///
/// # Errors
/// Rows of another width.
///
/// ```
/// use babelscope_probes::subspace::principal_angles;
/// use ndarray::array;
/// let (plane, other) = (array![[1., 0., 0.], [0., 1., 0.]], array![[1., 0., 0.], [0., 0.5, 0.75f64.sqrt()]]);
/// let angles = principal_angles(plane.view(), other.view())?;
/// assert!(angles[0].abs() < 1e-5 && (angles[1] - 60.0).abs() < 1e-9);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn principal_angles(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Result<Vec<f64>> {
    if a.ncols() != b.ncols() {
        return refuse(format!("subspaces of width {} and {} cannot be compared", a.ncols(), b.ncols()));
    }
    if a.is_empty() || b.is_empty() {
        return Ok(Vec::new());
    }
    let cosines = singular(product(a, b.t()).view(), "structure")?.values;
    Ok(cosines.iter().map(|c| c.clamp(0.0, 1.0).acos().to_degrees()).collect())
}

/// Coordinates turned, and mirrored where that is closer, onto those of another layer: the orthogonal `R` with the smallest
/// `|coordinates R - to|` (Schönemann 1966). Distances between languages stay as they are.
///
/// # Shapes
/// Both `[languages, components]`.
pub(super) fn matched(coordinates: &Array2<f64>, to: &Array2<f64>) -> Result<Array2<f64>> {
    let found = singular(coordinates.t().dot(to).view(), "structure")?;
    Ok(coordinates.dot(&found.left.t().dot(&found.right)))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis, array};
    use proptest::prelude::*;

    use super::{language_subspace, matched, principal_angles};
    use crate::spectrum::singular;

    fn means() -> impl Strategy<Value = Array2<f64>> {
        (2usize..6, 7usize..12).prop_flat_map(|(k, d)| {
            prop::collection::vec(-3f64..3.0, k * d).prop_map(move |v| Array2::from_shape_vec((k, d), v).unwrap() + 2.0)
        })
    }

    proptest! {
        #[test]
        fn it_is_what_lens_computes(means in means()) {
            let found = language_subspace(means.view(), 0).unwrap();
            let k = means.nrows();
            prop_assert_eq!(found.rank(), k - 1);
            // Step 3 as it is written: pinv of the fit, which at full rank is the means themselves.
            let factors = singular(means.view(), "test").unwrap();
            let inverse = &factors.left / &factors.values.clone().insert_axis(Axis(1)); // [k, k]
            let raw = factors.right.t().dot(&inverse.sum_axis(Axis(1)));
            let common = &raw / raw.dot(&raw);
            prop_assert!((&common - &found.common).iter().all(|x| x.abs() < 1e-8));
            // It is orthogonal to the differences, and is all that is left of a mean without the subspace.
            for m in means.outer_iter() {
                let left = &m - &found.basis.t().dot(&found.basis.dot(&m));
                prop_assert!((&left - &found.common).iter().all(|x| x.abs() < 1e-8));
                prop_assert!((&m - &means.row(0)).dot(&found.common).abs() < 1e-8);
            }
            let unit = found.basis.dot(&found.basis.t());
            prop_assert!((&unit - &Array2::<f64>::eye(k - 1)).iter().all(|x| x.abs() < 1e-9));
            prop_assert!(principal_angles(found.basis.view(), found.directions.view()).unwrap().iter().all(|a| *a < 1e-4));
            // The squared singular values are the scatter of the means; the coordinates keep their distances.
            let scatter: f64 = (&means - &found.mean).iter().map(|x| x * x).sum();
            prop_assert!((found.singular_values.mapv(|s| s * s).sum() - scatter).abs() < 1e-8);
            let apart = |a: &Array2<f64>| (&a.row(0) - &a.row(k - 1)).mapv(|x| x * x).sum();
            prop_assert!((apart(&means) - apart(&found.coordinates)).abs() < 1e-8);
        }
    }

    #[test]
    fn a_lower_rank_keeps_the_largest_differences() {
        let means = array![[10., 0., 0., 5.], [-10., 0., 0., 5.], [0., 1., 0., 5.], [0., -1., 0., 5.]];
        let found = language_subspace(means.view(), 1).unwrap();
        assert_eq!((found.rank(), found.singular_values.len()), (1, 3));
        assert!((found.basis[[0, 0]].abs() - 1.0).abs() < 1e-9);
        assert!((&found.common - &array![0., 0., 0., 5.]).iter().all(|x| x.abs() < 1e-9));
    }

    #[test]
    fn equal_means_add_no_direction() {
        let means = array![[1., 2., 3.], [1., 2., 3.], [1., 2., 3. + 1e-9]];
        assert_eq!(language_subspace(means.view(), 0).unwrap().rank(), 0);
        let means = array![[1., 2., 3., 0.], [1., 2., 3., 0.], [4., 2., 3., 0.]];
        assert_eq!(language_subspace(means.view(), 0).unwrap().rank(), 1);
    }

    #[test]
    fn what_makes_no_subspace_is_refused() {
        let why = |means: Array2<f64>, rank| language_subspace(means.view(), rank).unwrap_err().to_string();
        assert!(why(array![[1., 2.]], 0).contains("at least 2 languages, got 1"));
        assert!(why(array![[1., 2., 3.], [2., 1., 3.]], 2).contains("at most 1 dimensions"));
        assert!(why(array![[1., 2.], [2., 1.], [3., 5.]], 0).contains("set `rank` below 2"));
        assert!(why(array![[1., f64::NAN, 3.], [2., 1., 3.]], 0).contains("language 1"));
    }

    #[test]
    fn turned_and_mirrored_coordinates_are_matched() {
        let at: Array2<f64> = array![[1., 2.], [-3., 0.5], [2., -2.5]];
        let (c, s) = (0.6f64, 0.8f64);
        let turned = at.dot(&array![[c, s], [s, -c]]);
        let back = matched(&turned, &at).unwrap();
        assert!((&back - &at).iter().all(|x: &f64| x.abs() < 1e-12));
    }
}
