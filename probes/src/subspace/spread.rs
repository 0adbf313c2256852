//! How far the languages lie apart and how far their sentences: means, covariances, and what the bootstrap makes of them.

use std::borrow::Cow;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::{
    Result,
    bootstrap::Draws,
    correct::{ROUNDING, mean},
    product::a_bt,
    source::{StateSource, finite},
};

/// How many languages are held at once for what is measured between them.
pub(super) const TILE: usize = 16;

/// First and second moments of all languages at one layer.
pub(super) struct Spread {
    /// `[languages, width]`.
    pub(super) means: Array2<f64>,
    /// `tr Cov(x_a, x_b)` over the parallel sentences, unbiased; the variance of each language on the diagonal. `[languages, languages]`.
    pub(super) cross: Array2<f64>,
    /// Sentences.
    pub(super) n: usize,
}

impl Spread {
    /// Reads every language of a layer: once for the means, then in tiles for the pairs.
    pub(super) fn new(source: &dyn StateSource, layer: usize, check: &(dyn Fn() -> Result<()> + Sync)) -> Result<Self> {
        let (k, n) = (source.languages().len(), source.sentences());
        let mut means: Vec<Array1<f64>> = Vec::with_capacity(k);
        for language in 0..k {
            check()?;
            let state = finite(source, language, layer, "structure")?;
            let shape = (n, means.first().map_or(state.ncols(), Array1::len));
            if state.dim() != shape {
                return super::refuse(format!(
                    "the states of {} at layer {} have the shape {:?}, expected {shape:?}: all languages need the same sentences and the \
                     same width",
                    source.languages()[language],
                    source.layers()[layer],
                    state.dim(),
                ));
            }
            means.push(mean(state.view()));
        }
        let mut cross = Array2::zeros((k, k));
        let places: Vec<usize> = (0..k).collect();
        for tile in places.chunks(TILE) {
            let held = tile.iter().map(|l| source.state(*l, layer)).collect::<Result<Vec<_>>>()?;
            for b in tile[0]..k {
                check()?;
                let other = match tile.iter().position(|l| *l == b) {
                    Some(at) => held[at].view().into(),
                    None => source.state(b, layer)?,
                };
                let pairs = tile.par_iter().zip(&held).filter(|(a, _)| **a <= b);
                let found: Vec<(usize, f64)> = pairs
                    .map(|(&a, state)| (a, covariance((state.view(), &means[a]), (other.view(), &means[b]))))
                    .collect();
                for (a, value) in found {
                    (cross[[a, b]], cross[[b, a]]) = (value, value);
                }
            }
        }
        let width = means.first().map_or(0, Array1::len);
        let means = Array2::from_shape_fn((k, width), |(i, j)| means[i][j]);
        Ok(Self { means, cross, n })
    }

    fn languages(&self) -> f64 {
        self.means.nrows() as f64
    }

    /// The mean of all languages. `[width]`.
    pub(super) fn centre(&self) -> Array1<f64> {
        self.means.sum_axis(Axis(0)) / self.languages()
    }

    /// Mean squared distance of the means from their mean.
    pub(super) fn between(&self) -> f64 {
        (&self.means - &self.centre()).iter().map(|x| x * x).sum::<f64>() / self.languages()
    }

    /// Mean variance of the sentences of a language, unbiased.
    pub(super) fn within(&self) -> f64 {
        self.cross.diag().sum() / self.languages()
    }

    /// What sampling adds to [`Spread::between`]: `tr Sigma / n`, where Sigma is the mean covariance of the differences of a language from
    /// the mean of all. What all translations of a sentence share moves all means alike and is no noise of a difference.
    pub(super) fn noise(&self) -> f64 {
        let shared = self.cross.sum() / self.languages();
        (self.cross.diag().sum() - shared).max(0.0) / self.languages() / self.n as f64
    }

    /// Squared distance of two means, and what sampling adds to it: `tr Cov(x_a - x_b) / n`.
    pub(super) fn apart(&self, a: usize, b: usize) -> (f64, f64) {
        let squared = (&self.means.row(a) - &self.means.row(b)).iter().map(|x| x * x).sum();
        let noise = self.cross[[a, a]] + self.cross[[b, b]] - 2.0 * self.cross[[a, b]];
        (squared, noise.max(0.0) / self.n as f64)
    }

    /// The norm of a state (root mean square).
    pub(super) fn size(&self) -> f64 {
        (self.means.iter().map(|x| x * x).sum::<f64>() / self.languages() + self.within()).sqrt()
    }

    /// Whether a squared length is more than the rounding of the states.
    pub(super) fn counts(&self, squared: f64) -> bool {
        squared > (ROUNDING * self.size()).powi(2)
    }
}

/// `sum_i (a_i - mean a) . (b_i - mean b) / (n - 1)`.
fn covariance(
    (a, mean_a): (ArrayView2<'_, f32>, &Array1<f64>),
    (b, mean_b): (ArrayView2<'_, f32>, &Array1<f64>),
) -> f64 {
    let row = |(x, y): (ndarray::ArrayView1<'_, f32>, ndarray::ArrayView1<'_, f32>)| {
        let (x, y) = (x.into_iter().zip(mean_a), y.into_iter().zip(mean_b));
        x.zip(y).map(|((x, m), (y, k))| (f64::from(*x) - m) * (f64::from(*y) - k)).sum::<f64>()
    };
    a.outer_iter().zip(b.outer_iter()).map(row).sum::<f64>() / (a.nrows() - 1) as f64
}

/// What the spread is in each draw of the bootstrap.
#[derive(Default)]
pub(super) struct Drawn {
    /// [`Spread::between`] of the drawn sentences. `[draws]`.
    pub(super) between: Vec<f64>,
    /// [`Spread::within`] with the bias of dividing by n. `[draws]`.
    pub(super) within: Vec<f64>,
    /// `[pivot][language]`: squared distance of the means and mean variance of the two, biased. `[draws]`.
    pub(super) pairs: Vec<Vec<Vec<(f64, f64)>>>,
}

impl Drawn {
    /// Reads every language of a layer, the pivots once more.
    pub(super) fn new(
        source: &dyn StateSource,
        layer: usize,
        centre: &Array1<f64>,
        pivots: &[usize],
        draws: &Draws,
        check: &(dyn Fn() -> Result<()> + Sync),
    ) -> Result<Self> {
        if draws.draws() == 0 {
            return Ok(Self::default());
        }
        let (k, n, count) = (source.languages().len(), source.sentences(), draws.draws());
        let weights: Vec<Vec<f64>> = (0..count).map(|b| draws.weights(b)).collect();
        let weights = Array2::from_shape_fn((count, n), |(b, i)| weights[b][i] as f32);
        let read = |language| Moved::new(source.state(language, layer)?.view(), centre, &weights);
        let held = pivots.iter().map(|p| read(*p)).collect::<Result<Vec<_>>>()?;
        let mut sum = Array2::<f64>::zeros((count, centre.len()));
        let (mut squares, mut variance) = (vec![0.0; count], vec![0.0; count]);
        let mut pairs = vec![Vec::with_capacity(k); pivots.len()];
        for language in 0..k {
            check()?;
            let one = match pivots.iter().position(|p| *p == language) {
                Some(at) => Cow::Borrowed(&held[at]),
                None => Cow::Owned(read(language)?),
            };
            sum.zip_mut_with(&one.means, |s, x| *s += f64::from(*x));
            for b in 0..count {
                squares[b] += one.squares[b] / k as f64;
                variance[b] += one.variance[b] / k as f64;
            }
            for (pivot, pairs) in held.iter().zip(&mut pairs) {
                pairs.push((0..count).map(|b| one.against(pivot, b)).collect());
            }
        }
        let centre = sum.outer_iter().map(|s| s.iter().map(|x| (x / k as f64).powi(2)).sum::<f64>());
        let between = squares.iter().zip(centre).map(|(s, c)| s - c).collect();
        Ok(Self { between, within: variance, pairs })
    }
}

/// The means of one language in all draws, around a centre.
#[derive(Clone)]
struct Moved {
    /// `[draws, width]`.
    means: Array2<f32>,
    /// Their squared norms.
    squares: Vec<f64>,
    /// Variance of the drawn sentences, biased.
    variance: Vec<f64>,
}

impl Moved {
    fn new(state: ArrayView2<'_, f32>, centre: &Array1<f64>, weights: &Array2<f32>) -> Result<Self> {
        let n = state.nrows() as f64;
        let mut around = state.to_owned();
        for mut row in around.outer_iter_mut() {
            row.iter_mut().zip(centre).for_each(|(x, c)| *x = (f64::from(*x) - c) as f32);
        }
        let norms: Vec<f64> = around.outer_iter().map(|x| x.iter().map(|x| f64::from(*x).powi(2)).sum()).collect();
        let means = a_bt(weights.view(), around.t(), true) / n as f32;
        let squares: Vec<f64> = means.outer_iter().map(|m| m.iter().map(|x| f64::from(*x).powi(2)).sum()).collect();
        let total = weights.outer_iter().map(|w| w.iter().zip(&norms).map(|(w, x)| f64::from(*w) * x).sum::<f64>() / n);
        let variance = total.zip(&squares).map(|(t, s)| t - s).collect();
        Ok(Self { means, squares, variance })
    }

    fn against(&self, other: &Self, b: usize) -> (f64, f64) {
        let apart = self.means.row(b).into_iter().zip(other.means.row(b));
        (apart.map(|(x, y)| f64::from(x - y).powi(2)).sum(), (self.variance[b] + other.variance[b]) / 2.0)
    }
}
