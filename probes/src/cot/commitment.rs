//! When does a trace commit itself to its answer? Arithmetic on curves that were read elsewhere (methods.md 7.4, 7.5).
//!
//! `P_i` = probability of the final answer after step i = 1..n (forced, or read through a lens; or 0 and 1 for what is seen or stated),
//! `theta` a threshold:
//! - **first crossing** = first i with `P_i >= theta`; **commitment step** `c` = first i from which on every `P_j >= theta`, j = i..n;
//! - **commitment share** = c / n, or the progress that is made after step c on any other scale (tokens, anchors); **post-hoc share** = 1
//!   - share: what was written when the answer was settled already. None of them where `P_n < theta`: the trace never commits.
//! - **flips** = steps whose best answer is not that of the step before; **last change** = the last of them;
//! - **margin area** = mean over the curve (trapezoid, by progress) of `P(final) - max P(other candidate)`, -1 to 1;
//! - **early answering** (Lanham et al. 2023, arXiv 2307.13702): `same_i` = 1 if the answer after a share x_i of the trace is the one of
//!   the whole; **AUC** = area under same over x from 0 to 1 (trapezoid), **AOC** = 1 - AUC. Over a set of traces: one mean curve for
//!   each number of steps, their AOC averaged with the number of traces as weights.
//!
//! High AOC: the answer hangs on late reasoning. A changed answer may also come from the cut itself (another format), so this measures
//! how sensitive the answer is, not how faithful the trace. Steps count from 1.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Input { measure: "commitment", why: why.into() })
}

/// When a curve stays above a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    /// How many steps there are.
    pub steps: usize,
    /// The first step at or above the threshold.
    pub first: Option<usize>,
    /// The first step from which on all are.
    pub step: Option<usize>,
}

impl Commitment {
    /// Of the probability of the final answer after each step. `[steps]`.
    ///
    /// # Errors
    /// No step; a probability or threshold outside 0 to 1.
    ///
    /// ```
    /// use babelscope_probes::cot::commitment::Commitment;
    /// let found = Commitment::of(&[0.2, 0.6, 0.4, 0.7, 0.95], 0.5)?;
    /// assert_eq!((found.first, found.step, found.share()), (Some(2), Some(4), Some(0.8)));
    /// # Ok::<(), babelscope_probes::Error>(())
    /// ```
    pub fn of(curve: &[f64], theta: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&theta) {
            return refuse(format!("the threshold is a probability, got {theta}"));
        }
        if let Some((at, p)) = curve.iter().enumerate().find(|(_, p)| !(0.0..=1.0).contains(*p)) {
            return refuse(format!("the probability after step {} is {p}, expected 0 to 1", at + 1));
        }
        if curve.is_empty() {
            return refuse("there is no step; a curve has a probability after each");
        }
        let reaches = |p: &f64| *p >= theta;
        let stays = curve.iter().rev().take_while(|p| reaches(p)).count();
        Ok(Self {
            steps: curve.len(),
            first: curve.iter().position(reaches).map(|at| at + 1),
            step: (stays > 0).then(|| curve.len() - stays + 1),
        })
    }

    /// Commitment step over steps.
    pub fn share(&self) -> Option<f64> {
        self.step.map(|step| step as f64 / self.steps as f64)
    }

    /// What was written afterwards, as a share of the steps.
    pub fn post_hoc_share(&self) -> Option<f64> {
        self.share().map(|share| 1.0 - share)
    }

    /// The progress made when it commits: `progress[i - 1]` after step i (share of the tokens, of the critical anchors). `[steps]`.
    ///
    /// # Errors
    /// Another number of steps.
    pub fn share_of(&self, progress: &[f64]) -> Result<Option<f64>> {
        if progress.len() != self.steps {
            return refuse(format!("the progress has {} steps, the curve {}", progress.len(), self.steps));
        }
        Ok(self.step.map(|step| progress[step - 1]))
    }
}

/// How often the best answer changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Changes from one step to the next.
    pub flips: usize,
    /// The step of the last; none where it never changes.
    pub last: Option<usize>,
}

/// Changes of the best answer. `[steps]`.
///
/// ```
/// use babelscope_probes::cot::commitment::{Changes, changes};
/// assert_eq!(changes(&["x", "f", "x", "f", "f"]), Changes { flips: 3, last: Some(4) });
/// assert_eq!(changes(&["f", "f"]), Changes::default());
/// ```
pub fn changes<T: PartialEq>(best: &[T]) -> Changes {
    let flips = best.windows(2).enumerate().filter(|(_, pair)| pair[0] != pair[1]);
    Changes { flips: flips.clone().count(), last: flips.last().map(|(at, _)| at + 2) }
}

/// The mean of a curve over its positions, by trapezoids. `[n]` both.
///
/// # Errors
/// Fewer than two points, unequal lengths, positions that do not ascend strictly, numbers that are not finite.
pub fn mean_over(positions: &[f64], values: &[f64]) -> Result<f64> {
    if positions.len() != values.len() {
        return refuse(format!("{} positions and {} values", positions.len(), values.len()));
    }
    if positions.len() < 2 {
        return refuse(format!("an area needs at least 2 points, got {}", positions.len()));
    }
    if positions.iter().chain(values).any(|x| !x.is_finite()) || !positions.is_sorted_by(|a, b| a < b) {
        return refuse("expected finite values at positions that ascend strictly");
    }
    let trapezoid = |at: usize| (positions[at] - positions[at - 1]) * (values[at] + values[at - 1]) / 2.0;
    let area: f64 = (1..positions.len()).map(trapezoid).sum();
    Ok(area / (positions[positions.len() - 1] - positions[0]))
}

/// By how much the final answer leads: `P(final) - max P(other)` after each step. `[steps][candidates]` to `[steps]`.
///
/// # Errors
/// Fewer than two candidates, a step with another number of them, `last` that is none of them.
pub fn margins(probabilities: &[Vec<f64>], last: usize) -> Result<Vec<f64>> {
    let candidates = probabilities.first().map_or(0, Vec::len);
    if candidates < 2 || last >= candidates {
        return refuse(format!("a margin needs the final answer (candidate {last}) and another; got {candidates}"));
    }
    let margin = |(at, step): (usize, &Vec<f64>)| {
        if step.len() != candidates {
            return refuse(format!("step {} has {} candidates, step 1 has {candidates}", at + 1, step.len()));
        }
        let others = step.iter().enumerate().filter(|(other, _)| *other != last).map(|(_, p)| *p);
        Ok(step[last] - others.fold(f64::NEG_INFINITY, f64::max))
    };
    probabilities.iter().enumerate().map(margin).collect()
}

/// The areas of an early-answering curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyAnswering {
    /// Area under the curve.
    pub auc: f64,
    /// Area over it.
    pub aoc: f64,
}

/// Areas of `same` (0 or 1, or the mean of several traces) over the shares of the trace, from 0 to 1. `[n]` both.
///
/// # Errors
/// As [`mean_over`]; positions that do not run from 0 to 1, values outside 0 to 1.
///
/// ```
/// use babelscope_probes::cot::commitment::early_answering;
/// let found = early_answering(&[0.0, 0.25, 0.5, 0.75, 1.0], &[0.0, 0.0, 1.0, 1.0, 1.0])?;
/// assert_eq!((found.auc, found.aoc), (0.625, 0.375));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn early_answering(positions: &[f64], same: &[f64]) -> Result<EarlyAnswering> {
    if positions.first() != Some(&0.0) || positions.last() != Some(&1.0) {
        return refuse("the positions must run from 0 (nothing of the trace) to 1 (all of it)");
    }
    if let Some(value) = same.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return refuse(format!("`same` is a share, got {value}"));
    }
    let auc = mean_over(positions, same)?;
    Ok(EarlyAnswering { auc, aoc: 1.0 - auc })
}

/// Early answering over traces of different lengths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyByLength {
    /// AOC averaged over lengths, each as often as it occurs.
    pub aoc: f64,
    /// Steps, traces, mean curve and its AOC for each length, ascending.
    pub lengths: Vec<LengthCurve>,
}

/// The mean curve of the traces of one length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LengthCurve {
    /// Steps.
    pub steps: usize,
    /// Traces.
    pub traces: usize,
    /// Share of the traces whose answer is the final one after 0, 1, ... all steps. `[steps + 1]`.
    pub same: Vec<f64>,
    /// Area over that curve.
    pub aoc: f64,
}

/// Early answering of many traces: for each, whether the answer after 0, 1, ... all steps is that of the whole. `[traces][steps + 1]`.
///
/// # Errors
/// No trace; one without a step.
pub fn early_by_length(traces: &[Vec<bool>]) -> Result<EarlyByLength> {
    if traces.is_empty() {
        return refuse("there is no trace");
    }
    let mut groups: BTreeMap<usize, Vec<&Vec<bool>>> = BTreeMap::new();
    for (at, trace) in traces.iter().enumerate() {
        if trace.len() < 2 {
            return refuse(format!("trace {} has no step: answers after none and after all are needed", at + 1));
        }
        groups.entry(trace.len() - 1).or_default().push(trace);
    }
    let mut lengths = Vec::new();
    for (steps, group) in groups {
        let n = group.len() as f64;
        let mean = |at: usize| group.iter().filter(|trace| trace[at]).count() as f64 / n;
        let same: Vec<f64> = (0..=steps).map(mean).collect();
        let positions: Vec<f64> = (0..=steps).map(|at| at as f64 / steps as f64).collect();
        let aoc = early_answering(&positions, &same)?.aoc;
        lengths.push(LengthCurve { steps, traces: group.len(), same, aoc });
    }
    let aoc = lengths.iter().map(|l| l.aoc * l.traces as f64).sum::<f64>() / traces.len() as f64;
    Ok(EarlyByLength { aoc, lengths })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Commitment, changes, early_answering, early_by_length, margins, mean_over};

    #[test]
    fn toy_curve_of_9_5() {
        let found = Commitment::of(&[0.2, 0.6, 0.4, 0.7, 0.95], 0.5).unwrap();
        assert_eq!((found.first, found.step, found.share()), (Some(2), Some(4), Some(0.8)));
        assert!((found.post_hoc_share().unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(found.share_of(&[0.1, 0.2, 0.3, 0.9, 1.0]).unwrap(), Some(0.9));
        let changed = changes(&['x', 'f', 'x', 'f', 'f']);
        assert_eq!((changed.flips, changed.last), (3, Some(4)));
        let early = early_answering(&[0.0, 0.25, 0.5, 0.75, 1.0], &[0.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
        assert_eq!((early.auc, early.aoc), (0.625, 0.375));
    }

    #[test]
    fn a_trace_that_ends_below_the_threshold_never_commits() {
        let found = Commitment::of(&[0.9, 0.4], 0.5).unwrap();
        assert_eq!((found.first, found.step, found.share(), found.post_hoc_share()), (Some(1), None, None, None));
        assert_eq!(Commitment::of(&[0.5], 0.5).unwrap().step, Some(1));
    }

    #[test]
    fn refusals() {
        assert!(Commitment::of(&[], 0.5).is_err() && Commitment::of(&[f64::NAN], 0.5).is_err());
        assert!(Commitment::of(&[0.5], 1.5).is_err());
        assert!(Commitment::of(&[0.5], 0.5).unwrap().share_of(&[0.5, 1.0]).is_err());
        assert!(mean_over(&[0.0], &[1.0]).is_err() && mean_over(&[0.0, 0.0], &[1.0, 1.0]).is_err());
        assert!(
            early_answering(&[0.0, 0.9], &[0.0, 1.0]).is_err() && early_answering(&[0.0, 1.0], &[0.0, 2.0]).is_err()
        );
        assert!(early_by_length(&[]).is_err() && early_by_length(&[vec![true]]).is_err());
        assert!(margins(&[vec![1.0]], 0).is_err() && margins(&[vec![0.5, 0.5], vec![1.0]], 0).is_err());
    }

    #[test]
    fn margin_is_over_the_strongest_rival() {
        let found = margins(&[vec![0.2, 0.5, 0.3], vec![0.8, 0.1, 0.1]], 0).unwrap();
        assert!((found[0] + 0.3).abs() < 1e-12 && (found[1] - 0.7).abs() < 1e-12);
        assert!((mean_over(&[1.0, 3.0], &found).unwrap() - 0.2).abs() < 1e-12);
    }

    #[test]
    fn lengths_weigh_as_often_as_they_occur() {
        // One step: AOC .5 (answer only at the end). Two steps, twice: 0 0 1 -> .75, 1 1 1 -> 0; mean curve .5 .5 1 -> .375.
        let found = early_by_length(&[vec![false, true], vec![false, false, true], vec![true; 3]]).unwrap();
        assert_eq!(
            found.lengths.iter().map(|l| (l.steps, l.traces, l.aoc)).collect::<Vec<_>>(),
            [(1, 1, 0.5), (2, 2, 0.375)]
        );
        assert!((found.aoc - (0.5 + 2.0 * 0.375) / 3.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn commitment_is_the_definition_said_slowly(curve in prop::collection::vec(0.0f64..=1.0, 1..20), theta in 0.0f64..=1.0) {
            let found = Commitment::of(&curve, theta).unwrap();
            let slow = (1..=curve.len()).find(|i| curve[i - 1..].iter().all(|p| *p >= theta));
            prop_assert_eq!(found.step, slow);
            prop_assert!(found.first <= found.step || found.step.is_none());
        }
    }
}
