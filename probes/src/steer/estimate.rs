//! One direction from the states of two sides: what leads from the negative side to the positive one.
//!
//! With the states `p_i` of the positive and `n_i` of the negative side and, of pairs, the differences `d_i = p_i - n_i`:
//!
//! - **`diff_mean`**: `mean p - mean n` in f64, at the scale of the states. Of pairs it is the mean of the differences (CAA,
//!   steering-vectors).
//! - **`pca`**: the first component of the `d_i` and `-d_i`, which are not centred (steering-vectors); its sign makes
//!   `mean d_i v` positive.
//! - **`pca_diff`**: the first component of the `d_i` less their mean (repeng's `pca_diff`).
//! - **`pca_center`**: the first component of both sides less the midpoint of their pair, `d_i / 2` and `-d_i / 2`: that of
//!   `pca`, with the sign of `pca_diff` (repeng's `pca_center`).
//! - **`pca_random_order`**: that of `s_i d_i` less their mean, with `s_i` = 1 or -1 drawn by the seed (RepE).
//! - **`logistic`**: the weights of a logistic regression without intercept, C = 1, on `d_i / 2` (class 1) and `-d_i / 2`
//!   (class -1): the minimum of `2 sum_i ln(1 + exp(-w d_i / 2)) + |w|^2 / 2` (steering-vectors).
//! - **`lda`**: `S^-1 (mean p - mean n)` with the covariance S within the sides (CLaS-Bench); see [`lda`] for how a singular S
//!   is shrunk.
//!
//! All but `diff_mean` have length 1, as their own length means nothing. Signs of the last three PCAs: more pairs have
//! `p_i v > n_i v` than the reverse; of equally many the entry that is largest in absolute value is positive.
//!
//! methods.md 5.1, 5.3, 5.4, 4.5. **Why `diff_mean` is the default**: a PCA returns whatever the differences vary in most,
//! which is another attribute (topic, length) as soon as that varies more than the sides differ in the mean; `pca_diff` takes
//! the mean difference itself away. So every direction comes with its cosine with `diff_mean`, and a low one with a note.

mod lda;
#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod tests;

use faer::Mat;
use ndarray::ArrayView2;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    classify::{Problem, Softmax},
    pca::Pca,
};

/// A cosine with the difference of means below which a component is probably another attribute.
const LOW_COSINE: f64 = 0.5;
/// The logistic regression stops this close to its minimum, in nats a row; the direction is then right to about seven digits.
const TOLERANCE: f64 = 1e-16;
const STEPS: usize = 5000;

/// How a direction is estimated. The head of this module has the formulas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// The difference of means.
    #[default]
    DiffMean,
    /// The first component of the differences and their negatives, not centred.
    Pca,
    /// The first component of the differences, centred.
    PcaDiff,
    /// The first component of both sides, each less the midpoint of its pair.
    PcaCenter,
    /// The first component of the differences in random order, centred.
    PcaRandomOrder,
    /// Logistic regression on pairs less their midpoint, without intercept.
    Logistic,
    /// The inverse covariance within the sides times the difference of means.
    Lda,
}

impl Estimator {
    /// Every estimator.
    pub const ALL: [Self; 7] =
        [Self::DiffMean, Self::Pca, Self::PcaDiff, Self::PcaCenter, Self::PcaRandomOrder, Self::Logistic, Self::Lda];

    /// The name in a spec and on a card.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiffMean => "diff_mean",
            Self::Pca => "pca",
            Self::PcaDiff => "pca_diff",
            Self::PcaCenter => "pca_center",
            Self::PcaRandomOrder => "pca_random_order",
            Self::Logistic => "logistic",
            Self::Lda => "lda",
        }
    }

    /// Whether row i of one side must belong to row i of the other.
    pub fn needs_pairs(self) -> bool {
        !matches!(self, Self::DiffMean | Self::Lda)
    }

    fn is_component(self) -> bool {
        matches!(self, Self::Pca | Self::PcaDiff | Self::PcaCenter | Self::PcaRandomOrder)
    }
}

/// An estimated direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    /// `[width]`; of length 1, but for the difference of means, which has the scale of the states.
    pub vector: Vec<f32>,
    /// Cosine with the difference of means of the same states.
    pub cos_diff_mean: f64,
    /// What a person should know before believing it.
    pub notes: Vec<String>,
}

/// The direction from the negative to the positive side.
///
/// `seed` draws the order within pairs for [`Estimator::PcaRandomOrder`] and does nothing else.
///
/// # Shapes
/// `positive` `[n, width]`, `negative` `[m, width]`; m = n and row i a pair where [`Estimator::needs_pairs`].
///
/// # Errors
/// A side without states, sides of unequal width, a number that is not finite, unequal numbers of states where pairs are
/// needed, two sides of the same mean, differences that do not vary where a component is asked for, states that do not vary
/// for `lda`.
///
/// ```
/// use babelscope_probes::steer::{Estimator, estimate};
/// use ndarray::array;
/// let (positive, negative) = (array![[2., 1.], [4., 1.]], array![[1., 1.], [1., 0.]]);
/// let found = estimate(positive.view(), negative.view(), Estimator::DiffMean, 0)?;
/// assert_eq!((found.vector, found.cos_diff_mean), (vec![2.0, 0.5], 1.0));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn estimate(
    positive: ArrayView2<'_, f32>,
    negative: ArrayView2<'_, f32>,
    estimator: Estimator,
    seed: u64,
) -> Result<Direction> {
    check(positive, negative, estimator)?;
    let difference: Vec<f64> = mean(positive).iter().zip(mean(negative)).map(|(p, n)| p - n).collect();
    if difference.iter().all(|x| *x == 0.0) {
        return refuse("both sides have the same mean, so no direction leads from one to the other".to_owned());
    }
    let mut notes = Vec::new();
    let vector = match estimator {
        Estimator::DiffMean => difference.clone(),
        Estimator::Lda => lda::lda(positive, negative, &difference, &mut notes)?,
        Estimator::Logistic => logistic(&differences(positive, negative), &mut notes),
        _ => component(&differences(positive, negative), estimator, seed)?,
    };
    let cos_diff_mean = if estimator == Estimator::DiffMean { 1.0 } else { cosine(&vector, &difference) };
    if estimator.is_component() && cos_diff_mean.abs() < LOW_COSINE {
        notes.push(format!(
            "{} has a cosine of {cos_diff_mean:.2} with the difference of means: the differences vary more in \
             something else (topic, length) than the sides differ, and that is what it returned; take diff_mean",
            estimator.name()
        ));
    }
    let vector: Vec<f32> = vector.iter().map(|x| *x as f32).collect();
    if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
        return refuse(format!("column {at} of the direction does not fit f32; the states are too large to be sane"));
    }
    Ok(Direction { vector, cos_diff_mean, notes })
}

fn check(positive: ArrayView2<'_, f32>, negative: ArrayView2<'_, f32>, estimator: Estimator) -> Result<()> {
    let ((n, width), (m, other)) = (positive.dim(), negative.dim());
    if n == 0 || m == 0 {
        return refuse(format!("{n} positive and {m} negative states; a direction needs at least one of each"));
    }
    if width != other || width == 0 {
        return refuse(format!("the positive states have {width} columns, the negative ones {other}"));
    }
    if estimator.needs_pairs() && n != m {
        return refuse(format!(
            "{} needs pairs, and there are {n} positive and {m} negative states; take diff_mean or lda for texts that are no pairs",
            estimator.name()
        ));
    }
    for (side, states) in [("positive", positive.view()), ("negative", negative.view())] {
        if let Some(row) = states.outer_iter().position(|row| row.iter().any(|x| !x.is_finite())) {
            return refuse(format!("the {side} state {} is not finite; check the weights of the model", row + 1));
        }
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

/// The mean of the rows.
pub(super) fn mean(states: ArrayView2<'_, f32>) -> Vec<f64> {
    let mut sum = vec![0.0; states.ncols()];
    for row in states.outer_iter() {
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
    }
    let n = states.nrows() as f64;
    sum.iter_mut().for_each(|s| *s /= n);
    sum
}

/// The cosine of two vectors; 0 where one has no length.
pub(super) fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths == 0.0 { 0.0 } else { (dot(a, b) / lengths).clamp(-1.0, 1.0) }
}

fn differences(positive: ArrayView2<'_, f32>, negative: ArrayView2<'_, f32>) -> Mat<f64> {
    let (n, width) = positive.dim();
    Mat::from_fn(n, width, |i, j| f64::from(positive[[i, j]]) - f64::from(negative[[i, j]]))
}

/// `factor` times the differences, and behind them their negatives.
fn both(differences: &Mat<f64>, factor: f64) -> Mat<f64> {
    let n = differences.nrows();
    Mat::from_fn(2 * n, differences.ncols(), |i, j| {
        if i < n { factor * differences[(i, j)] } else { -factor * differences[(i - n, j)] }
    })
}

fn component(differences: &Mat<f64>, estimator: Estimator, seed: u64) -> Result<Vec<f64>> {
    let rows = match estimator {
        Estimator::PcaDiff => differences.clone(),
        Estimator::PcaRandomOrder => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let signs: Vec<f64> = (0..differences.nrows()).map(|_| if rng.random() { 1.0 } else { -1.0 }).collect();
            Mat::from_fn(differences.nrows(), differences.ncols(), |i, j| signs[i] * differences[(i, j)])
        }
        _ => both(differences, 1.0),
    };
    let found = Pca::fit(rows.as_ref(), 1, "steer")?;
    if found.variances.is_empty() {
        return refuse(format!(
            "the differences of the {} pairs do not vary, so they have no component; give more pairs, or take diff_mean",
            differences.nrows()
        ));
    }
    let mut vector: Vec<f64> = found.components.col(0).iter().copied().collect();
    let along = |i: usize| (0..vector.len()).map(|j| differences[(i, j)] * vector[j]).sum::<f64>();
    let scores: Vec<f64> = (0..differences.nrows()).map(along).collect();
    let lead = match estimator {
        Estimator::Pca => scores.iter().sum::<f64>(),
        _ => scores.iter().map(|s| if *s > 0.0 { 1.0 } else { -f64::from(u8::from(*s < 0.0)) }).sum(),
    };
    if lead < 0.0 {
        vector.iter_mut().for_each(|x| *x = -*x);
    }
    Ok(vector)
}

/// [`Softmax`] has an intercept, whose best value is 0 here, as every row comes with its negative in the other class; so it
/// changes nothing.
fn logistic(differences: &Mat<f64>, notes: &mut Vec<String>) -> Vec<f64> {
    let n = differences.nrows();
    let rows = both(differences, 0.5);
    let classes: Vec<u32> = (0..2 * n).map(|i| u32::from(i < n)).collect();
    let problem = Problem {
        rows: rows.as_ref(),
        classes: &classes,
        count: 2,
        weights: &[1.0, 1.0],
        c: 1.0,
        tolerance: TOLERANCE,
        steps: STEPS,
    };
    let fitted = Softmax::fit(&problem, None);
    if !fitted.converged {
        notes.push(format!("the logistic regression had not settled after {STEPS} steps; its direction is not exact"));
    }
    let (weights, _) = fitted.weights();
    unit((0..differences.ncols()).map(|j| weights[(j, 1)] - weights[(j, 0)]).collect())
}

fn unit(mut vector: Vec<f64>) -> Vec<f64> {
    let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x /= length);
    }
    vector
}
