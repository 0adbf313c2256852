//! Representational similarity analysis: do two sides find the same sentences alike?
//!
//! A side becomes its matrix of dissimilarities `1 - cos(x_i, x_j)`; the halves above the diagonal of two sides are compared by Spearman's
//! correlation (ties take the mean of their ranks) or by Pearson's. Kriegeskorte, Mur and Bandettini 2008 (doi 10.3389/neuro.06.004.2008).
//! As both correlations are blind to `s -> 1 - s` on both sides, similarities are ranked as they are. States are taken as they are:
//! a constant added to all of them changes their cosines, so RSA of raw states is invariant to rotation and scale but not to a shift.

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use super::{
    algebra::{check, unit},
    relation::{Form, Relation, gram},
};
use crate::Result;

/// How two matrices of similarities are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correlation {
    /// By ranks.
    Spearman,
    /// By values.
    Pearson,
}

/// RSA of two sides on cosines, -1 to 1; 0 is what unrelated sides have on the average. Significance comes from permuting the sentences
/// (Mantel), which the probe does: the pairs are not independent of each other. Memory: two matrices `[n, n]` of f32 a side.
///
/// # Shapes
/// `x` `[n, d1]`, `y` `[n, d2]`, n >= 4.
///
/// # Errors
/// As [`super::cka`]; a state of norm 0; a side on which all sentences are equally similar.
///
/// ```
/// use babelscope_probes::similarity::{Correlation, rsa};
/// use ndarray::array;
/// let english = array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
/// let german = array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
/// let spearman = rsa(english.view(), german.view(), Correlation::Spearman)?;
/// let pearson = rsa(english.view(), german.view(), Correlation::Pearson)?;
/// assert!((spearman - 0.414039).abs() < 1e-6 && (pearson - 0.444942).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn rsa(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>, by: Correlation) -> Result<f64> {
    check("rsa", x, y)?;
    relation(x, by)?.index(&relation(y, by)?, None, "rsa")
}

/// One side.
///
/// # Errors
/// As [`rsa`].
pub(super) fn relation(x: ArrayView2<'_, f32>, by: Correlation) -> Result<Relation> {
    let mut cosines = gram(unit("rsa", x)?.view());
    if by == Correlation::Spearman {
        rank(&mut cosines);
    }
    Relation::kernel("rsa", cosines, Form::Pairs)
}

/// Replaces each entry above the diagonal, and its mirror, by its rank among them; ties take the mean of theirs.
fn rank(cosines: &mut Array2<f32>) {
    let n = cosines.nrows();
    let mut order: Vec<(f32, u32, u32)> = Vec::with_capacity(n * n.saturating_sub(1) / 2);
    for i in 0..n {
        order.extend((i + 1..n).map(|j| (cosines[[i, j]], i as u32, j as u32)));
    }
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let middle = order.len() as f64 / 2.0;
    let mut at = 0;
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        // From the middle, so that f32 holds the rank of millions of pairs.
        let rank = (at as f64 + (tied.len() as f64 - 1.0) / 2.0 - middle) as f32;
        for (_, i, j) in tied {
            cosines[[*i as usize, *j as usize]] = rank;
            cosines[[*j as usize, *i as usize]] = rank;
        }
        at += tied.len();
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{super::algebra::samples, Correlation, rank, rsa};

    #[test]
    fn ties_take_the_mean_of_their_ranks() {
        let mut m = array![[9f32, 0.5, 0.1, 0.5], [0.5, 9., 0.7, 0.1], [0.1, 0.7, 9., 0.5], [0.5, 0.1, 0.5, 9.]];
        rank(&mut m);
        // In order .1 .1 .5 .5 .5 .7, ranks 0.5 0.5 3 3 3 5 less the middle 3.
        assert_eq!((m[[0, 2]], m[[0, 1]], m[[1, 2]]), (-2.5, 0.0, 2.0));
        assert_eq!(m[[3, 2]], 0.0);
    }

    #[test]
    fn rotation_and_scale_change_nothing_and_a_shift_does() {
        let x = samples::gaussian(50, 9, 1);
        let y = &x + &samples::gaussian(50, 9, 2);
        for by in [Correlation::Spearman, Correlation::Pearson] {
            let of = |a: &Array2<f32>, b: &Array2<f32>| rsa(a.view(), b.view(), by).unwrap();
            let value = of(&x, &y);
            assert!((of(&x, &(&y * 3f32).dot(&samples::rotation(9, 3))) - value).abs() < 1e-4);
            assert!((of(&x, &x) - 1.0).abs() < 1e-6 && (of(&y, &x) - value).abs() < 1e-9);
            assert!((of(&x, &(&y + 5f32)) - value).abs() > 0.05);
            assert!(of(&x, &samples::gaussian(50, 9, 7)).abs() < 0.15);
        }
    }

    #[test]
    fn what_has_no_direction_or_no_differences_is_refused() {
        let (x, mut zero) = (samples::gaussian(6, 3, 1), samples::gaussian(6, 3, 2));
        zero.row_mut(3).fill(0.0);
        let why = |y: &Array2<f32>| rsa(x.view(), y.view(), Correlation::Spearman).unwrap_err().to_string();
        assert!(why(&zero).contains("sentence 4 has norm 0"));
        assert!(why(&Array2::eye(6)).contains("as similar as any others"));
    }
}
