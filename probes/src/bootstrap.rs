//! Bootstrap over sentences with one set of draws for everything.
//!
//! What is drawn with replacement are the *outcomes* of the sentences (counted or not). Retrieval is not repeated on the drawn
//! sentences: a sentence drawn twice would be its own rival with an equal cosine, tie, and lose. The interval so says how far
//! the share would move with other sentences against the same rivals.

use babelscope_core::vector::dispatch;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{Error, Result, measure::Estimate};

/// Draws of n sentences out of n, made once from a seed and used for every language, layer and measure, so that two intervals
/// rest on the same sentences.
///
/// ```
/// use babelscope_probes::bootstrap::Draws;
/// let draws = Draws::new(4, 1000, 7)?;
/// let share = draws.share([true, true, true, false].into_iter());
/// assert_eq!(share.value, 0.75);
/// assert!(share.low >= 0.0 && share.low < 0.75 && share.high == 1.0);
/// assert_eq!(Draws::new(4, 0, 7)?.share([true, false, true, false].into_iter()).low, 0.5);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub struct Draws {
    n: usize,
    draws: usize,
    /// How often sentence i was drawn in draw b, at `i * draws + b`: adding the rows of the hits is then one straight loop.
    counts: Vec<u16>,
}

impl Draws {
    /// `draws` times `n` sentences of `n`; 0 switches the interval off.
    ///
    /// # Errors
    /// 1 to 99 draws: a 2.5 % percentile of so few is noise.
    pub fn new(n: usize, draws: usize, seed: u64) -> Result<Self> {
        if (1..100).contains(&draws) {
            let why = format!(
                "{draws} draws are too few for a 2.5 % percentile; use 1000, at least 100, or 0 for no interval"
            );
            return Err(Error::Input { measure: "bootstrap", why });
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut counts = vec![0u16; n * draws];
        for b in 0..draws {
            for _ in 0..n {
                let i = rng.random_range(0..n as u64) as usize;
                counts[i * draws + b] = counts[i * draws + b].saturating_add(1);
            }
        }
        Ok(Self { n, draws, counts })
    }

    /// How many draws.
    pub fn draws(&self) -> usize {
        self.draws
    }

    /// How often each sentence was drawn in draw `b`: weights for a statistic that is not a mean of the sentences'. `[n]`.
    pub fn weights(&self, b: usize) -> Vec<f64> {
        (0..self.n).map(|i| f64::from(self.counts[i * self.draws + b])).collect()
    }

    /// The sum of a number of each sentence in each draw: for a ratio of totals. `[draws]`.
    pub fn sums(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0f64; self.draws];
        let rows = values.iter().zip(self.counts.chunks_exact(self.draws.max(1)));
        dispatch(
            #[inline(always)]
            || {
                for (value, row) in rows.filter(|(value, _)| **value != 0.0) {
                    sums.iter_mut().zip(row).for_each(|(s, c)| *s += value * f64::from(*c));
                }
            },
        );
        sums
    }

    /// The mean of a number of each sentence in each draw. `[draws]`.
    pub fn means(&self, values: &[f64]) -> Vec<f64> {
        let n = self.n as f64;
        self.sums(values).into_iter().map(|s| s / n).collect()
    }

    /// The mean of a number of each sentence with its percentile interval.
    pub fn mean(&self, values: &[f64]) -> Estimate {
        interval(values.iter().sum::<f64>() / self.n as f64, self.means(values))
    }

    /// The share of hits with its percentile interval (2.5 %, 97.5 %; linear between order statistics, as numpy does).
    pub fn share(&self, hits: impl Iterator<Item = bool>) -> Estimate {
        let mut sums = vec![0u32; self.draws];
        let mut count = 0usize;
        let hits = hits.take(self.n).enumerate().filter(|(_, hit)| *hit);
        dispatch(
            #[inline(always)]
            || {
                for (i, _) in hits {
                    count += 1;
                    let row = &self.counts[i * self.draws..(i + 1) * self.draws];
                    sums.iter_mut().zip(row).for_each(|(s, c)| *s += u32::from(*c));
                }
            },
        );
        let value = count as f64 / self.n as f64;
        if sums.is_empty() {
            return Estimate { value, low: value, high: value };
        }
        sums.sort_unstable();
        let percentile = |q: f64| {
            let at = q * (sums.len() - 1) as f64;
            let (below, above) = (f64::from(sums[at.floor() as usize]), f64::from(sums[at.ceil() as usize]));
            (below + (above - below) * at.fract()) / self.n as f64
        };
        Estimate { value, low: percentile(0.025), high: percentile(0.975) }
    }
}

/// A value with the 2.5 % and 97.5 % percentiles (linear between order statistics, as numpy does) of the values that it has in the
/// draws. Draws without a finite value are left out; where none is left, the interval is the value itself.
///
/// ```
/// use babelscope_probes::bootstrap::interval;
/// let found = interval(0.5, (0..=100).map(|i| f64::from(i) / 100.0).collect());
/// assert!((found.low - 0.025).abs() < 1e-12 && (found.high - 0.975).abs() < 1e-12);
/// ```
pub fn interval(value: f64, mut drawn: Vec<f64>) -> Estimate {
    drawn.retain(|v| v.is_finite());
    drawn.sort_unstable_by(f64::total_cmp);
    match (quantile(&drawn, 0.025), quantile(&drawn, 0.975)) {
        (Some(low), Some(high)) => Estimate { value, low, high },
        _ => Estimate { value, low: value, high: value },
    }
}

/// The quantile of numbers in ascending order, linear between order statistics; `None` where there are none.
pub fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::Draws;

    #[test]
    fn every_draw_has_n_sentences() {
        let draws = Draws::new(50, 200, 1).unwrap();
        let all = draws.share(std::iter::repeat_n(true, 50));
        assert_eq!((all.value, all.low, all.high), (1.0, 1.0, 1.0));
    }

    #[test]
    fn interval_has_the_width_of_the_binomial() {
        // Standard error of a share of 0.4 over 1000: sqrt(.4 x .6 / 1000) = 0.0155; 95 % is +- 1.96 of it.
        let share = Draws::new(1000, 2000, 3).unwrap().share((0..1000).map(|i| i % 5 < 2));
        assert_eq!(share.value, 0.4);
        assert!((share.low - (0.4 - 0.0304)).abs() < 0.003 && (share.high - (0.4 + 0.0304)).abs() < 0.003, "{share:?}");
    }

    #[test]
    fn same_seed_same_interval_other_seed_other_draws() {
        let share = |seed| Draws::new(37, 500, seed).unwrap().share((0..37).map(|i| i % 3 == 0));
        assert_eq!(share(5), share(5));
        let counts = |seed| Draws::new(37, 500, seed).unwrap().counts;
        assert_ne!(counts(5), counts(6));
    }

    #[test]
    fn too_few_draws_are_refused() {
        assert!(Draws::new(10, 50, 0).is_err());
    }
}
