//! Average neuron-wise correlation: does the same coordinate follow the same sentences on both sides?
//!
//! `ANC = mean over coordinates j of |corr(x[:, j], y[:, j])|` over the sentences. Del and Fishel 2022 (AACL, arXiv 2212.01924, repository
//! TartuNLP/xsim). Both sides must be states of one model, as coordinate j must mean the same on both; a rotation of one side, which CKA,
//! CCA and RSA cannot see, brings ANC to chance. Chance for independent sides is about `sqrt(2 / (pi n))`, 0.08 at n = 100.
//!
//! The paper's text has the absolute value, one of the programs of its authors (`run_analysis_torch_corr.py`) the signed correlation; both
//! are given here. A coordinate that is constant on a side has no correlation and is left out of the mean.

use ndarray::{Array2, ArrayView2, Axis, Zip};

use super::algebra::{ROUNDING, check, check_one, mean, refuse};
use crate::{Result, bootstrap::interval, product::a_bt};

/// What [`anc`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anc {
    /// Mean of the absolute correlations, 0 to 1.
    pub value: f64,
    /// Mean of the correlations with their signs, -1 to 1: the number of the authors' program.
    pub signed: f64,
    /// Coordinates that are constant on a side and do not count.
    pub constant: usize,
}

/// ANC of two sides. Invariant to a shift and to a positive scale of each coordinate, not to a rotation.
///
/// # Shapes
/// Both `[n, width]`, n >= 4.
///
/// # Errors
/// As [`super::cka`]; unequal widths; no coordinate that moves on both sides.
///
/// ```
/// use babelscope_probes::similarity::anc;
/// use ndarray::array;
/// let english = array![[1f32, 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
/// let german = array![[2f32, 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
/// assert!((anc(english.view(), german.view())?.value - 0.754376).abs() < 1e-6);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn anc(x: ArrayView2<'_, f32>, y: ArrayView2<'_, f32>) -> Result<Anc> {
    check("anc", x, y)?;
    let (x, y) = (Columns::new(x)?, Columns::new(y)?);
    let moving = x.shared(&y)?;
    let correlations = x.correlations(&y, None);
    let mean = |of: fn(f64) -> f64| correlations.iter().map(|c| of(*c)).sum::<f64>() / moving as f64;
    Ok(Anc { value: mean(f64::abs), signed: mean(|c| c), constant: x.rows.ncols() - moving })
}

/// What independent sides have on the average, `sqrt(2 / (pi n))`.
pub(super) fn chance(n: usize) -> f64 {
    (2.0 / (std::f64::consts::PI * n as f64)).sqrt()
}

/// One side: each coordinate centred and of norm 1 over the sentences, 0 where it is constant.
pub(super) struct Columns {
    /// `[n, width]`.
    rows: Array2<f32>,
    moves: Vec<bool>,
}

impl Columns {
    /// # Errors
    /// Every coordinate is constant.
    pub(super) fn new(x: ArrayView2<'_, f32>) -> Result<Self> {
        check_one("anc", x)?;
        let mean = mean(x, 0..x.nrows());
        let (mut left, mut all) = (vec![0f64; mean.len()], vec![0f64; mean.len()]);
        for row in x.outer_iter() {
            for (j, v) in row.iter().enumerate() {
                left[j] += (f64::from(*v) - mean[j]).powi(2);
                all[j] += f64::from(*v).powi(2);
            }
        }
        let moves: Vec<bool> = left.iter().zip(&all).map(|(l, a)| *l > ROUNDING * ROUNDING * a).collect();
        if !moves.contains(&true) {
            return refuse(
                "anc",
                "every coordinate of a side is constant over the sentences, so none has a correlation",
            );
        }
        let scale: Vec<f64> = left.iter().zip(&moves).map(|(l, m)| if *m { l.sqrt().recip() } else { 0.0 }).collect();
        let rows = Array2::from_shape_fn(x.raw_dim(), |(i, j)| ((f64::from(x[[i, j]]) - mean[j]) * scale[j]) as f32);
        Ok(Self { rows, moves })
    }

    /// How many coordinates move on both sides.
    ///
    /// # Errors
    /// None, or unequal widths.
    pub(super) fn shared(&self, other: &Self) -> Result<usize> {
        let (width, there) = (self.rows.ncols(), other.rows.ncols());
        if width != there {
            let why = format!(
                "the sides have widths {width} and {there}; coordinate j must be the same neuron on both, so use CKA instead"
            );
            return refuse("anc", why);
        }
        match self.moves.iter().zip(&other.moves).filter(|(a, b)| **a && **b).count() {
            0 => refuse("anc", "no coordinate moves on both sides, so none has a correlation"),
            moving => Ok(moving),
        }
    }

    /// The correlation of each coordinate, 0 where it is constant.
    fn correlations(&self, other: &Self, draw: Option<&[u32]>) -> Vec<f64> {
        let mut sums = vec![0f64; self.rows.ncols()];
        for (i, row) in self.rows.outer_iter().enumerate() {
            let there = other.rows.row(draw.map_or(i, |draw| draw[i] as usize));
            let pairs = row.into_iter().zip(there);
            sums.iter_mut().zip(pairs).for_each(|(s, (a, b))| *s += f64::from(*a) * f64::from(*b));
        }
        sums
    }

    /// ANC where sentence i here is paired with sentence `draw[i]` there.
    ///
    /// # Errors
    /// As [`anc`].
    pub(super) fn index(&self, other: &Self, draw: Option<&[u32]>) -> Result<f64> {
        let moving = self.shared(other)?;
        Ok((self.correlations(other, draw).iter().map(|c| c.abs()).sum::<f64>() / moving as f64).min(1.0))
    }

    /// The percentile interval over drawn sentences. `weights` `[draws, n]`.
    pub(super) fn interval(&self, other: &Self, weights: &Array2<f32>, value: f64) -> (f64, f64) {
        let n = self.rows.nrows() as f64;
        let drawn = |of: Array2<f32>| a_bt(weights.view(), of.t(), true).mapv(f64::from); // [draws, width]
        let squares = |c: &Self| drawn(c.rows.mapv(|v| v * v));
        let (x, y, xx, yy) = (drawn(self.rows.clone()), drawn(other.rows.clone()), squares(self), squares(other));
        let mut xy = drawn(&self.rows * &other.rows);
        let covariance = |sum: f64, a: f64, b: f64| sum / n - a * b / (n * n);
        Zip::from(&mut xy).and(&x).and(&y).for_each(|xy, a, b| *xy = covariance(*xy, *a, *b));
        // What is left is a correlation once the variances are divided out; a coordinate that a draw makes constant counts 0.
        let variances = |sums: Array2<f64>, means: &Array2<f64>| {
            Zip::from(&sums).and(means).map_collect(|s, m| covariance(*s, *m, *m))
        };
        let (xx, yy) = (variances(xx, &x), variances(yy, &y));
        Zip::from(&mut xy).and(&xx).and(&yy).for_each(|xy, a, b| {
            let scale = (a * b).sqrt();
            *xy = if *a > 1e-9 / n && *b > 1e-9 / n { (*xy / scale).abs().min(1.0) } else { 0.0 };
        });
        let moving = self.moves.iter().zip(&other.moves).filter(|(a, b)| **a && **b).count().max(1) as f64;
        let found = interval(value, (xy.sum_axis(Axis(1)) / moving).to_vec());
        (found.low, found.high)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::{super::algebra::samples, anc, chance};
    use crate::{
        bootstrap::{Draws, quantile},
        null::Permutations,
    };

    #[test]
    fn a_rotation_brings_it_to_chance_and_a_shift_does_not() {
        let x = samples::gaussian(400, 64, 1);
        let value = |y: &Array2<f32>| anc(x.view(), y.view()).unwrap().value;
        assert!((value(&x) - 1.0).abs() < 1e-6);
        assert!((value(&(&x * -3f32 + 100f32)) - 1.0).abs() < 1e-4);
        assert!(value(&x.dot(&samples::rotation(64, 2))) < 0.2);
        assert!((value(&samples::gaussian(400, 64, 9)) - chance(400)).abs() < 0.01);
        let mirrored = anc(x.view(), (-&x).view()).unwrap();
        assert!((mirrored.signed + 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_shuffled_side_is_the_shuffled_states() {
        let (x, y) = (samples::gaussian(30, 5, 1), samples::gaussian(30, 5, 2));
        let draws = Permutations::new(30, 20, 1).unwrap();
        let (a, b) = (super::Columns::new(x.view()).unwrap(), super::Columns::new(y.view()).unwrap());
        for draw in (0..20).map(|d| draws.draw(d)) {
            let expected = anc(x.view(), samples::shuffled(y.view(), draw).view()).unwrap().value;
            assert!((a.index(&b, Some(draw)).unwrap() - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn the_interval_is_that_of_drawn_sentences() {
        let x = samples::gaussian(40, 6, 1);
        let y = &x + &samples::gaussian(40, 6, 2);
        let draws = Draws::new(40, 100, 3).unwrap();
        let (a, b) = (super::Columns::new(x.view()).unwrap(), super::Columns::new(y.view()).unwrap());
        let weights = super::super::relation::weights(&draws, 40);
        let (low, high) = a.interval(&b, &weights, a.index(&b, None).unwrap());
        let mut slow: Vec<f64> = (0..100)
            .map(|d| {
                let w = draws.weights(d);
                let places: Vec<u32> =
                    (0..40u32).flat_map(|i| std::iter::repeat_n(i, w[i as usize] as usize)).collect();
                anc(samples::shuffled(x.view(), &places).view(), samples::shuffled(y.view(), &places).view())
                    .unwrap()
                    .value
            })
            .collect();
        slow.sort_by(f64::total_cmp);
        assert!((low - quantile(&slow, 0.025).unwrap()).abs() < 1e-4);
        assert!((high - quantile(&slow, 0.975).unwrap()).abs() < 1e-4);
    }

    #[test]
    fn constant_coordinates_do_not_count() {
        let x = array![[1f32, 7., 0.3], [2., 7., 0.1], [3., 7., 0.9], [5., 7., 0.2]];
        let found = anc(x.view(), x.view()).unwrap();
        assert!((found.value - 1.0).abs() < 1e-6 && found.constant == 1);
        let why = |y: &Array2<f32>| anc(x.view(), y.view()).unwrap_err().to_string();
        assert!(why(&Array2::from_elem((4, 3), 0.1)).contains("every coordinate of a side is constant"));
        assert!(why(&samples::gaussian(4, 2, 1)).contains("widths 3 and 2"));
        let other = array![[1f32, 1., 1.], [1., 2., 1.], [1., 3., 1.], [1., 4., 1.]];
        assert!(why(&other).contains("no coordinate moves on both sides"));
    }
}
