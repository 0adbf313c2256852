//! Principal components: the directions of the largest variance.
//!
//! With the rows `x_i` (n of them, width d) and their mean m, `C = sum_i (x_i - m)(x_i - m)^T / (n - 1)`; component k is the eigenvector
//! of the k-th largest eigenvalue of C, and that eigenvalue is its variance. Where n < d the eigenvectors of the n x n matrix of the
//! rows' products give the same. A sign is free: the entry that is largest in absolute value is made positive.

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};

use crate::{Result, spectrum::eigen};

/// A variance below this share of the largest is the rounding of f64, not a direction.
const ROUNDING: f64 = 1e-13;

/// The mean and the first components of some rows.
pub(crate) struct Pca {
    /// `[width]`.
    pub(crate) mean: Vec<f64>,
    /// `[width, k]`, orthonormal columns.
    pub(crate) components: Mat<f64>,
    /// Of each component, largest first, divided by n - 1. `[k]`.
    pub(crate) variances: Vec<f64>,
    /// Sum of the variances of all directions.
    pub(crate) total: f64,
}

impl Pca {
    /// At most `most` components; fewer where the rows have fewer directions.
    ///
    /// # Errors
    /// The eigenvalues are not found.
    pub(crate) fn fit(rows: MatRef<'_, f64>, most: usize, measure: &'static str) -> Result<Self> {
        let (n, width) = rows.shape();
        let mean: Vec<f64> = rows.col_iter().map(|column| column.iter().sum::<f64>() / n as f64).collect();
        let centred = Mat::from_fn(n, width, |i, j| rows[(i, j)] - mean[j]);
        let turned = n < width;
        let side = n.min(width);
        let mut products = Mat::<f64>::zeros(side, side);
        let (left, right) =
            if turned { (centred.as_ref(), centred.transpose()) } else { (centred.transpose(), centred.as_ref()) };
        matmul(products.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
        let total: f64 = (0..side).map(|i| products[(i, i)]).sum();
        let (values, vectors) = eigen(products.as_ref(), measure)?;
        let largest = values.first().copied().unwrap_or(0.0);
        let kept = values.iter().take(most).take_while(|value| **value > ROUNDING * largest && **value > 0.0).count();
        let chosen = Mat::from_fn(side, kept, |i, k| vectors[[k, i]]);
        let mut components = if turned {
            let mut out = Mat::<f64>::zeros(width, kept);
            matmul(out.as_mut(), Accum::Replace, centred.transpose(), chosen.as_ref(), 1.0, Par::Seq);
            out
        } else {
            chosen
        };
        for k in 0..kept {
            let norm = components.col(k).iter().map(|x| x * x).sum::<f64>().sqrt();
            let most = components.col(k).iter().fold(0f64, |most, x| if x.abs() > most.abs() { *x } else { most });
            components.col_mut(k).iter_mut().for_each(|x| *x /= norm.copysign(most));
        }
        let degrees = n.max(2) as f64 - 1.0;
        let variances = values.iter().take(kept).map(|value| value / degrees).collect();
        Ok(Self { mean, components, variances, total: total / degrees })
    }

    /// The rows in the components, centred with the mean of the rows that were fitted. `[n, k]`.
    pub(crate) fn project(&self, rows: MatRef<'_, f64>) -> Mat<f64> {
        let centred = Mat::from_fn(rows.nrows(), rows.ncols(), |i, j| rows[(i, j)] - self.mean[j]);
        let mut out = Mat::<f64>::zeros(rows.nrows(), self.components.ncols());
        matmul(out.as_mut(), Accum::Replace, centred.as_ref(), self.components.as_ref(), 1.0, Par::Seq);
        out
    }
}

#[cfg(test)]
mod tests {
    use faer::Mat;
    use proptest::prelude::*;

    use super::Pca;
    use crate::oracle;

    fn matrix(n: usize, width: usize) -> impl Strategy<Value = Mat<f64>> {
        prop::collection::vec(-3f64..3.0, n * width).prop_map(move |v| Mat::from_fn(n, width, |i, j| v[i * width + j]))
    }

    proptest! {
        /// Components are orthonormal, and the projections have their variances and no covariance: the definition itself, for
        /// more rows than columns and for fewer.
        #[test]
        fn projections_are_uncorrelated(rows in (3usize..12, 2usize..12).prop_flat_map(|(n, d)| matrix(n, d))) {
            let found = Pca::fit(rows.as_ref(), 4, "test").unwrap();
            let projected = found.project(rows.as_ref());
            let n = rows.nrows() as f64;
            for a in 0..found.variances.len() {
                for b in 0..found.variances.len() {
                    let unit: f64 = found.components.col(a).iter().zip(found.components.col(b).iter()).map(|(x, y)| x * y).sum();
                    let covariance: f64 =
                        projected.col(a).iter().zip(projected.col(b).iter()).map(|(x, y)| x * y).sum::<f64>() / (n - 1.0);
                    let same = f64::from(u8::from(a == b));
                    prop_assert!((unit - same).abs() < 1e-5, "{a} {b} {unit}");
                    prop_assert!((covariance - same * found.variances[a]).abs() < 1e-6 * found.total.max(1.0));
                }
            }
            prop_assert!(found.variances.is_sorted_by(|a, b| a >= b));
            prop_assert!(found.variances.iter().sum::<f64>() <= found.total * (1.0 + 1e-9));
        }
    }

    #[test]
    fn equals_scikit_learn() {
        let Some(folder) = oracle::folder() else { return };
        let reference = oracle::json(&folder.join("sklearn.json"));
        let expected = oracle::tensors(&folder.join("sklearn.safetensors"));
        for set in ["tiny_llama3_mean", "planted"] {
            let stated = &reference["pca"][set];
            let rows = oracle::rows(&folder, set, stated);
            let found = Pca::fit(rows.as_ref(), 5, "test").unwrap();
            for k in 0..5 {
                let ratio = stated["explained_variance_ratio"][k].as_f64().unwrap();
                assert!((found.variances[k] / found.total - ratio).abs() < 1e-9);
                assert!((found.variances[k] - stated["explained_variance"][k].as_f64().unwrap()).abs() < 1e-7);
            }
            let projected = found.project(rows.as_ref());
            let (shape, values) = &expected[&format!("pca.{set}.projected")];
            assert_eq!(shape, &[rows.nrows(), 5]);
            for k in 0..5 {
                let theirs = |i: usize| values[i * 5 + k];
                let sign = (0..rows.nrows()).map(|i| projected[(i, k)] * theirs(i)).sum::<f64>().signum();
                let worst = (0..rows.nrows()).map(|i| (projected[(i, k)] * sign - theirs(i)).abs()).fold(0.0, f64::max);
                assert!(worst < 1e-6, "{set}, component {k}: {worst}");
            }
        }
    }
}
