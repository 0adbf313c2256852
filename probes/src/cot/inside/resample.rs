//! The importance of a step by what becomes of the answer when the step is thought again: the arithmetic.
//!
//! Rollouts **before** step i write it again; rollouts **behind** it keep it. Bogdan et al. 2025 (arXiv 2506.19143):
//!
//! - **resampling importance** = `acc(behind) - acc(before)`, or `KL(before || behind)` of the distributions of answers;
//! - **counterfactual importance**: of the rollouts before i those alone whose new step means something else (similarity below a bound);
//!   `acc(different) - acc(behind)`, or `KL(different || behind)`. Mind the sign: a *helpful* step is above 0 in the first form and below
//!   0 in this one, as in the original;
//! - **different** = share of the rollouts before i whose step means something else;
//! - **overdetermined** = 1 - distinct steps / steps: how often the very same step was written again.
//!
//! Answers are smoothed by Laplace, `(count + alpha) / (n + alpha K)` over the K answers of either side, no answer being one of them: the
//! original's 1e-9 makes one unseen answer worth 20 nats. Shares have Wilson's interval, differences Newcombe's (1998, method 10), 95 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Rollout;
use crate::measure::Estimate;

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A comparison of two sets of rollouts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Difference of the accuracies with its interval.
    pub accuracy: Estimate,
    /// Divergence of the answers in nats.
    pub kl: f64,
}

/// What a step is worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The step, from 0.
    pub step: usize,
    /// Rollouts before and behind it.
    pub n: [usize; 2],
    /// Accuracy before and behind it.
    pub accuracy: [Estimate; 2],
    /// Resampling importance.
    pub resampling: Shift,
    /// Counterfactual importance; `None` where no new step means something else, or none was compared.
    pub counterfactual: Option<Shift>,
    /// Share of the rollouts whose step means something else; `None` where none was compared.
    pub different: Option<Estimate>,
    /// How often the same step was written again.
    pub overdetermined: f64,
}

/// Wilson's 95 % interval of `hits` of `n` (1927). Without any trial it is 0 to 1.
///
/// ```
/// let share = babelscope_probes::cot::inside::wilson(8, 10);
/// assert!((share.low - 0.4902).abs() < 1e-4 && (share.high - 0.9433).abs() < 1e-4);
/// ```
pub fn wilson(hits: usize, n: usize) -> Estimate {
    if n == 0 {
        return Estimate { value: 0.0, low: 0.0, high: 1.0 };
    }
    let (total, p) = (n as f64, hits as f64 / n as f64);
    let middle = p + Z * Z / (2.0 * total);
    let half = Z * (p * (1.0 - p) / total + Z * Z / (4.0 * total * total)).sqrt();
    let scale = 1.0 + Z * Z / total;
    // The ends of no hit and of hits alone are exact; rounding must not move them.
    let low = if hits == 0 { 0.0 } else { (middle - half) / scale };
    let high = if hits == n { 1.0 } else { (middle + half) / scale };
    Estimate { value: p, low, high }
}

/// Difference `a - b` of two independent shares with Newcombe's 95 % interval (1998, method 10).
///
/// ```
/// use babelscope_probes::cot::inside::{newcombe, wilson};
/// // Newcombe 1998, table II (a): 56/70 - 48/80.
/// let d = newcombe(wilson(56, 70), wilson(48, 80));
/// assert!((d.value - 0.2).abs() < 1e-12 && (d.low - 0.0524).abs() < 1e-4 && (d.high - 0.3339).abs() < 1e-4);
/// ```
pub fn newcombe(a: Estimate, b: Estimate) -> Estimate {
    let value = a.value - b.value;
    Estimate {
        value,
        low: value - (a.value - a.low).hypot(b.high - b.value),
        high: value + (a.high - a.value).hypot(b.value - b.low),
    }
}

fn accuracy<'a>(rollouts: impl Iterator<Item = &'a Rollout> + Clone, right: &str) -> Estimate {
    let hits = rollouts.clone().filter(|rollout| rollout.answer.as_deref() == Some(right)).count();
    wilson(hits, rollouts.count())
}

/// `KL(a || b)` of the smoothed distributions of answers.
fn divergence<'a>(a: impl Iterator<Item = &'a Rollout>, b: impl Iterator<Item = &'a Rollout>, alpha: f64) -> f64 {
    let mut counts: BTreeMap<Option<&str>, [f64; 2]> = BTreeMap::new();
    a.for_each(|rollout| counts.entry(rollout.answer.as_deref()).or_default()[0] += 1.0);
    b.for_each(|rollout| counts.entry(rollout.answer.as_deref()).or_default()[1] += 1.0);
    let totals = counts.values().fold([alpha * counts.len() as f64; 2], |[x, y], [a, b]| [x + a, y + b]);
    let term = |[a, b]: &[f64; 2]| {
        let (p, q) = ((a + alpha) / totals[0], (b + alpha) / totals[1]);
        if p > 0.0 { p * (p / q).ln() } else { 0.0 }
    };
    counts.values().map(term).sum::<f64>().max(0.0)
}

/// Importance of step `step` by the rollouts before it and behind it. `same[r]` says whether the step of rollout r before it means what the
/// step itself means; empty where nothing was compared. `alpha` must be positive.
pub fn importance(
    step: usize,
    before: &[Rollout],
    behind: &[Rollout],
    right: &str,
    same: &[bool],
    alpha: f64,
) -> Importance {
    let [old, new] = [accuracy(before.iter(), right), accuracy(behind.iter(), right)];
    let other = || before.iter().zip(same).filter(|(_, same)| !**same).map(|(rollout, _)| rollout);
    let differ = other().count();
    let counterfactual = (differ > 0 && !behind.is_empty()).then(|| Shift {
        accuracy: newcombe(accuracy(other(), right), new),
        kl: divergence(other(), behind.iter(), alpha),
    });
    let mut distinct: Vec<&str> = before.iter().map(|rollout| rollout.first.trim()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    Importance {
        step,
        n: [before.len(), behind.len()],
        accuracy: [old, new],
        resampling: Shift { accuracy: newcombe(new, old), kl: divergence(before.iter(), behind.iter(), alpha) },
        counterfactual,
        different: (!same.is_empty()).then(|| wilson(differ, same.len())),
        overdetermined: 1.0 - distinct.len() as f64 / before.len().max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rollouts(answers: &[&str]) -> Vec<Rollout> {
        let rollout = |answer: &&str| Rollout {
            answer: (!answer.is_empty()).then(|| (*answer).to_owned()),
            first: format!("so {answer}"),
            tokens: 1,
        };
        answers.iter().map(rollout).collect()
    }

    #[test]
    fn a_helpful_step_has_opposite_signs_in_the_two_forms() {
        let before = rollouts(&["29", "31", "31", ""]);
        let behind = rollouts(&["29", "29", "29", "31"]);
        let found = importance(2, &before, &behind, "29", &[true, false, false, true], 1.0);
        assert_eq!([found.accuracy[0].value, found.accuracy[1].value], [0.25, 0.75]);
        assert_eq!(found.resampling.accuracy.value, 0.5);
        let counterfactual = found.counterfactual.unwrap();
        assert_eq!(counterfactual.accuracy.value, -0.75);
        assert_eq!((found.different.unwrap().value, found.overdetermined), (0.5, 0.25));
        // Answers none, 29, 31: (1+1, 1+1, 2+1) / 7 against (0+1, 3+1, 1+1) / 7.
        let kl = |p: [f64; 3], q: [f64; 3]| -> f64 { (0..3).map(|i| p[i] * (p[i] / q[i]).ln()).sum() };
        let want = kl([2.0 / 7.0, 2.0 / 7.0, 3.0 / 7.0], [1.0 / 7.0, 4.0 / 7.0, 2.0 / 7.0]);
        assert!((found.resampling.kl - want).abs() < 1e-12);
        // Only 31 and 29 there: (0+1, 2+1) / 4 against (3+1, 1+1) / 6.
        let want = 0.25 * (0.25f64 * 6.0 / 4.0).ln() + 0.75 * (0.75f64 * 6.0 / 2.0).ln();
        assert!((counterfactual.kl - want).abs() < 1e-12);
    }

    #[test]
    fn without_rollouts_nothing_is_claimed() {
        let found = importance(0, &[], &[], "29", &[], 1.0);
        assert_eq!((found.accuracy[0].low, found.accuracy[0].high), (0.0, 1.0));
        assert_eq!((found.counterfactual, found.different, found.resampling.kl), (None, None, 0.0));
        let all = rollouts(&["29", "29"]);
        assert_eq!(importance(0, &all, &all, "29", &[true, true], 1.0).counterfactual, None);
    }

    proptest! {
        #[test]
        fn intervals_hold_their_value_and_stay_within_bounds(a in 0usize..40, n in 1usize..40, b in 0usize..40, m in 1usize..40) {
            let [p, q] = [wilson(a.min(n), n), wilson(b.min(m), m)];
            prop_assert!(0.0 <= p.low && p.low <= p.value && p.value <= p.high && p.high <= 1.0);
            let [there, back] = [newcombe(p, q), newcombe(q, p)];
            prop_assert!(-1.0 - 1e-12 <= there.low && there.low <= there.value && there.value <= there.high && there.high <= 1.0 + 1e-12);
            prop_assert!((there.low + back.high).abs() < 1e-12);
        }
    }
}
