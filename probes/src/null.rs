//! Nulls: what a measure gives when sentences that do not belong together are paired.
//!
//! - **Shuffled**: one permutation of the sentences a draw, the same for every layer, language and measure, so that a maximum over
//!   layers is calibrated by the maxima of the same draws.
//! - **Matched**: permuted only among sentences of like length and like count of shared tokens ([`strata`]), which asks for meaning
//!   beyond length and copied tokens.
//! - Many cells tested at once: Benjamini and Hochberg ([`adjust`]).
//!
//! methods.md 2.7, after Groeger, Wen and Brbic 2026 (arXiv 2602.14486).

use std::collections::{BTreeMap, HashMap};

use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Error, Result,
    bootstrap::quantile,
    measure::{NullFit, Row},
};

/// Permutations of n sentences, one a draw.
///
/// ```
/// use babelscope_probes::null::Permutations;
/// let all = Permutations::new(5, 200, 1)?;
/// assert_eq!(all.draws(), 200);
/// let mut first = all.draw(0).to_vec();
/// first.sort();
/// assert_eq!(first, [0, 1, 2, 3, 4]);
/// let within = Permutations::within(&[0, 1, 0, 1, 0], 200, 1)?;
/// assert!((0..200).all(|b| within.draw(b).iter().enumerate().all(|(i, j)| i % 2 == *j as usize % 2)));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permutations {
    n: usize,
    /// One behind the other.
    places: Vec<u32>,
}

impl Permutations {
    /// `draws` permutations of `n` sentences; 0 switches the null off.
    ///
    /// # Errors
    /// 1 to 18 draws: a p below .05 needs at least 19.
    pub fn new(n: usize, draws: usize, seed: u64) -> Result<Self> {
        Self::within(&vec![0; n], draws, seed)
    }

    /// Permutations that move a sentence only to the place of one in the same stratum.
    ///
    /// # Errors
    /// As [`Permutations::new`].
    pub fn within(strata: &[u32], draws: usize, seed: u64) -> Result<Self> {
        if (1..19).contains(&draws) {
            let why = format!("{draws} draws cannot give a p below .05; use 200, at least 19, or 0 for no null");
            return Err(Error::Input { measure: "null", why });
        }
        let n = strata.len();
        let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (i, stratum) in (0u32..).zip(strata) {
            groups.entry(*stratum).or_default().push(i);
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut places = Vec::with_capacity(n * draws);
        for _ in 0..draws {
            let mut draw: Vec<u32> = (0..).take(n).collect();
            for group in groups.values() {
                let mut to = group.clone();
                to.shuffle(&mut rng);
                group.iter().zip(to).for_each(|(from, to)| draw[*from as usize] = to);
            }
            places.extend(draw);
        }
        Ok(Self { n, places })
    }

    /// How many.
    pub fn draws(&self) -> usize {
        self.places.len().checked_div(self.n).unwrap_or_default()
    }

    /// Draw `b`: sentence i of one side is paired with sentence `draw[i]` of the other. `[n]`.
    pub fn draw(&self, b: usize) -> &[u32] {
        &self.places[b * self.n..(b + 1) * self.n]
    }

    /// The mean share of sentences that a draw leaves where they are: 1 / n of a plain shuffle on the average, more within strata. The
    /// more, the closer the null comes to the value itself, and the less it can say.
    pub fn fixed(&self) -> f64 {
        let stay = (self.places.iter().enumerate()).filter(|(at, to)| (at % self.n) as u32 == **to).count();
        stay as f64 / self.places.len().max(1) as f64
    }
}

/// Strata of like length and like count of shared tokens for a pair of languages: thirds of the length (tokens of both sides) times
/// no, one or two, or more shared tokens. A stratum of one sentence joins the nearest one, of the same count of shared tokens where there is one.
///
/// `left` and `right` are the token ids of each sentence without BOS.
pub fn strata(left: &[Vec<u32>], right: &[Vec<u32>]) -> Vec<u32> {
    let lengths: Vec<usize> = left.iter().zip(right).map(|(a, b)| a.len() + b.len()).collect();
    let mut sorted = lengths.clone();
    sorted.sort_unstable();
    let cut = |part: usize| sorted.get(part * sorted.len() / 3).copied().unwrap_or_default();
    let (low, high) = (cut(1), cut(2));
    let third = |length: usize| u32::from(length >= low) + u32::from(length >= high);
    let level = |count: usize| match count {
        0 => 0u32,
        1 | 2 => 1,
        _ => 2,
    };
    let mut strata: Vec<u32> = (left.iter().zip(right).zip(&lengths))
        .map(|((a, b), length)| level(shared_tokens(a, b)) * 3 + third(*length))
        .collect();
    // A stratum of one sentence cannot be shuffled: it joins the nearest that has others.
    for alone in 0..9u32 {
        if strata.iter().filter(|s| **s == alone).count() != 1 {
            continue;
        }
        let apart = |other: u32| 4 * (alone / 3).abs_diff(other / 3) + (alone % 3).abs_diff(other % 3);
        let others = (0..9).filter(|other| *other != alone && strata.contains(other));
        if let Some(nearest) = others.min_by_key(|other| (apart(*other), *other)) {
            strata.iter_mut().filter(|s| **s == alone).for_each(|s| *s = nearest);
        }
    }
    strata
}

/// How many tokens two sentences have in common, each as often as in the one that has it less often.
pub fn shared_tokens(left: &[u32], right: &[u32]) -> usize {
    let mut there: HashMap<u32, usize> = HashMap::new();
    left.iter().for_each(|token| *there.entry(*token).or_default() += 1);
    let taken = right.iter().filter(|token| match there.get_mut(token) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    });
    taken.count()
}

/// How `value` lies among the `drawn` values of the null; `bounded`: 1 is the largest value that there is. `None` without draws or
/// without a finite value.
///
/// ```
/// use babelscope_probes::null::fit;
/// let drawn: Vec<f64> = (0..99).map(|i| f64::from(i) / 200.0).collect();
/// let fit = fit(0.9, &drawn, true).ok_or("no draws")?;
/// assert_eq!(fit.p, 0.01);
/// assert!((fit.q95 - 0.4655).abs() < 1e-12 && fit.calibrated > Some(0.8));
/// # Ok::<(), &str>(())
/// ```
pub fn fit(value: f64, drawn: &[f64], bounded: bool) -> Option<NullFit> {
    let mut sorted: Vec<f64> = drawn.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let q95 = quantile(&sorted, 0.95)?;
    if !value.is_finite() {
        return None;
    }
    let n = sorted.len() as f64;
    let mean = sorted.iter().sum::<f64>() / n;
    let deviation = (sorted.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
    let reached = sorted.iter().filter(|v| **v >= value).count() as f64;
    let calibrated = if q95 < 1.0 { ((value - q95) / (1.0 - q95)).max(0.0) } else { 0.0 };
    Some(NullFit {
        draws: u32::try_from(sorted.len()).unwrap_or(u32::MAX),
        mean,
        q95,
        p: (1.0 + reached) / (1.0 + n),
        p_adjusted: None,
        z: (deviation > 0.0).then(|| (value - mean) / deviation),
        calibrated: bounded.then_some(calibrated),
    })
}

/// p values after Benjamini and Hochberg 1995, in the order given: `min over the larger ones of p m / rank`.
///
/// ```
/// use babelscope_probes::null::adjust;
/// let adjusted = adjust(&[0.01, 0.04, 0.03, 0.005]);
/// for (got, expected) in adjusted.iter().zip([0.02, 0.04, 0.04, 0.02]) {
///     assert!((got - expected).abs() < 1e-12);
/// }
/// ```
pub fn adjust(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*b].total_cmp(&p[*a]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least = 1f64;
    for (from_last, at) in order.into_iter().enumerate() {
        let rank = (p.len() - from_last) as f64;
        least = least.min(p[at] * p.len() as f64 / rank);
        adjusted[at] = least;
    }
    adjusted
}

/// Adjusts the p values of rows in their families: same metric, variant, item and pivot. A family of one stays as it is.
pub fn adjust_rows(rows: &mut [Row]) {
    let mut families: BTreeMap<(String, String, String, String), Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let family = (row.metric.clone(), row.variant.clone(), row.item.clone(), row.pivot.clone());
        families.entry(family).or_default().push(at);
    }
    for places in families.into_values() {
        for null in [(|row| &mut row.shuffled) as fn(&mut Row) -> &mut Option<NullFit>, |row| &mut row.matched] {
            let tested: Vec<usize> = places.iter().copied().filter(|at| null(&mut rows[*at]).is_some()).collect();
            if tested.len() < 2 {
                continue;
            }
            let p: Vec<f64> = tested.iter().map(|at| null(&mut rows[*at]).map_or(1.0, |fit| fit.p)).collect();
            for (at, adjusted) in tested.into_iter().zip(adjust(&p)) {
                if let Some(fit) = null(&mut rows[at]) {
                    fit.p_adjusted = Some(adjusted);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Permutations, adjust_rows, fit, shared_tokens, strata};
    use crate::measure::Row;

    #[test]
    fn every_place_is_as_likely_as_any_other() {
        let all = Permutations::new(4, 8000, 3).unwrap();
        let mut counts = [[0u32; 4]; 4];
        for b in 0..all.draws() {
            all.draw(b).iter().enumerate().for_each(|(i, j)| counts[i][*j as usize] += 1);
        }
        // Binomial: mean 2000, standard deviation 38.7; six of them.
        assert!(counts.iter().flatten().all(|c| c.abs_diff(2000) < 233), "{counts:?}");
        assert!((all.fixed() - 0.25).abs() < 0.02);
    }

    #[test]
    fn p_is_uniform_when_there_is_nothing() {
        // Ranks of one of 100 exchangeable values: p below .05 in 5 of 100.
        let values: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        let p = |i: usize| {
            let others: Vec<f64> = values.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, v)| *v).collect();
            fit(values[i], &others, false).unwrap().p
        };
        assert_eq!((0..100).filter(|i| p(*i) <= 0.05).count(), 5);
    }

    #[test]
    fn shared_tokens_are_counted_as_often_as_both_have_them() {
        assert_eq!(shared_tokens(&[1, 1, 2, 3], &[1, 2, 2, 2, 9]), 2);
        assert_eq!(shared_tokens(&[], &[1]), 0);
    }

    #[test]
    fn strata_split_by_length_and_by_shared_tokens_and_leave_nobody_alone() {
        let left: Vec<Vec<u32>> = (0..30).map(|i| (0..=i).collect()).collect();
        let right: Vec<Vec<u32>> = (0..30u32).map(|i| if i % 2 == 0 { vec![900] } else { vec![0, 1, 2, 3] }).collect();
        let found = strata(&left, &right);
        assert!(found.iter().step_by(2).all(|s| *s < 3) && found[29] == 8, "{found:?}");
        assert!(found.iter().all(|s| found.iter().filter(|t| *t == s).count() > 1));
    }

    #[test]
    fn too_few_draws_are_refused() {
        assert!(Permutations::new(10, 10, 0).is_err());
        assert_eq!(Permutations::new(10, 0, 0).unwrap().draws(), 0);
    }

    #[test]
    fn rows_are_adjusted_within_their_family() {
        let row = |language: &str, variant: &str, value: f64| {
            let drawn: Vec<f64> = (0..99).map(f64::from).collect();
            Row { shuffled: fit(value, &drawn, false), ..Row::new("m", value, 9).of(language).variant(variant) }
        };
        let mut rows = vec![row("a", "x", 200.0), row("b", "x", 49.5), row("a", "y", 200.0)];
        adjust_rows(&mut rows);
        let adjusted: Vec<_> = rows.iter().map(|r| r.shuffled.unwrap().p_adjusted).collect();
        assert_eq!(adjusted, [Some(0.02), Some(0.5), None], "{rows:?}");
    }
}
