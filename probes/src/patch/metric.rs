//! What a patch is judged by: one number of the logits at the last token.
//!
//! With answers A and wrong answers B, sets of token ids, `p = softmax(logits)`:
//!
//! - **logit difference** `ln sum_A e^logit - ln sum_B e^logit` (default), for single tokens `logit_a - logit_b`; it equals
//!   `ln p(A) - ln p(B)`, so it does not move when all logits do;
//! - **log-prob** `ln p(A)`, **prob** `p(A)`;
//! - **KL** `sum_v c_v (ln c_v - ln p_v)` with c = the clean run, in nats; it needs no answer;
//! - **rank** of the best token of A: 1 + the tokens outside of A whose logit is at least its own.
//!
//! Heimersheim and Nanda 2024 (arXiv 2404.15255) and Zhang and Nanda 2023 (arXiv 2309.16042) say why the difference is the default: a
//! probability is flat where the answer is far off or certain, and hides what pushes against the answer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refuse;
use crate::Result;

/// A number of the logits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// `ln sum_A e^logit - ln sum_B e^logit`.
    #[default]
    LogitDifference,
    /// `ln p(A)`.
    LogProb,
    /// `p(A)`.
    Prob,
    /// KL(clean || run) in nats.
    Kl,
    /// Rank of the best answer, 1 = top.
    Rank,
}

/// The token ids that count as the answer, and those that count against it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides {
    /// Ascending ids of the answer.
    pub answer: Vec<u32>,
    /// Ascending ids of the wrong answer; may be empty where the metric does not need them.
    pub wrong: Vec<u32>,
}

impl Metric {
    /// The name in a spec and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::LogitDifference => "logit_difference",
            Self::LogProb => "log_prob",
            Self::Prob => "prob",
            Self::Kl => "kl",
            Self::Rank => "rank",
        }
    }

    /// Below this distance of two runs an effect, which is a share of the distance, says little.
    pub fn small(self) -> f64 {
        match self {
            Self::LogitDifference | Self::LogProb => 0.5,
            Self::Prob | Self::Kl => 0.05,
            Self::Rank => 1.0,
        }
    }

    /// Refuses sides that the metric cannot work with.
    ///
    /// # Errors
    /// A sentence that names the metric and what it lacks.
    pub fn check(self, sides: &Sides) -> Result<()> {
        let name = self.name();
        match self {
            Self::Kl => Ok(()),
            _ if sides.answer.is_empty() => {
                refuse(format!("the metric {name} is about an answer; give at least one word"))
            }
            Self::LogitDifference if sides.wrong.is_empty() => refuse(format!(
                "the metric {name} compares the answer with a wrong one; give at least one wrong word, or take log_prob"
            )),
            _ => Ok(()),
        }
    }

    /// The number of these logits. `clean` are those of the clean run, which only KL reads. Ids beyond the logits do not count.
    ///
    /// ```
    /// use babelscope_probes::patch::{Metric, Sides};
    /// let sides = Sides { answer: vec![0], wrong: vec![1] };
    /// let logits = [2.0, 0.5, 1.0];
    /// assert_eq!(Metric::LogitDifference.value(&logits, &sides, &logits), 1.5);
    /// assert_eq!(Metric::Rank.value(&logits, &Sides { answer: vec![1], ..sides.clone() }, &logits), 3.0);
    /// assert_eq!(Metric::Kl.value(&logits, &sides, &logits), 0.0);
    /// ```
    ///
    /// # Shapes
    /// `logits` and `clean` `[vocabulary]`.
    pub fn value(self, logits: &[f32], sides: &Sides, clean: &[f32]) -> f64 {
        match self {
            Self::LogitDifference => log_sum(logits, &sides.answer) - log_sum(logits, &sides.wrong),
            Self::LogProb => log_sum(logits, &sides.answer) - log_sum_all(logits),
            Self::Prob => (log_sum(logits, &sides.answer) - log_sum_all(logits)).exp(),
            Self::Kl => {
                let (all, clean_all) = (log_sum_all(logits), log_sum_all(clean));
                let term = |(x, c): (&f32, &f32)| {
                    let (p, c) = (f64::from(*x) - all, f64::from(*c) - clean_all);
                    c.exp() * (c - p)
                };
                logits.iter().zip(clean).map(term).sum()
            }
            Self::Rank => {
                let best = own(logits, &sides.answer).fold(f32::NEG_INFINITY, f32::max);
                let rivals = logits.iter().filter(|x| **x >= best).count();
                let accepted = own(logits, &sides.answer).filter(|x| *x >= best).count();
                (1 + rivals - accepted) as f64
            }
        }
    }
}

/// `p(A)`.
pub(super) fn probability(logits: &[f32], ids: &[u32]) -> f64 {
    if ids.is_empty() { 0.0 } else { (log_sum(logits, ids) - log_sum_all(logits)).exp() }
}

/// Id of the largest logit, of equal ones the smallest.
pub(super) fn top(logits: &[f32]) -> Option<u32> {
    let better = |best: Option<(usize, f32)>, (at, x): (usize, &f32)| match best {
        Some((_, top)) if top >= *x => best,
        _ => Some((at, *x)),
    };
    logits.iter().enumerate().fold(None, better).map(|(at, _)| at as u32)
}

fn own<'a>(logits: &'a [f32], ids: &'a [u32]) -> impl Iterator<Item = f32> + 'a {
    ids.iter().filter_map(|id| logits.get(*id as usize)).copied()
}

fn log_sum(logits: &[f32], ids: &[u32]) -> f64 {
    let max = own(logits, ids).fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + own(logits, ids).map(|x| f64::from(x - max).exp()).sum::<f64>().ln()
}

fn log_sum_all(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + logits.iter().map(|x| f64::from(x - max).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ln of 1, 2, 3, 4: the probabilities are a tenth each.
    fn logits() -> [f32; 4] {
        [1f32, 2.0, 3.0, 4.0].map(f32::ln)
    }

    fn sides(answer: &[u32], wrong: &[u32]) -> Sides {
        Sides { answer: answer.to_vec(), wrong: wrong.to_vec() }
    }

    #[test]
    fn metrics_equal_their_formulas() {
        let (x, near) = (logits(), |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} {b}"));
        let of = |metric: Metric, answer: &[u32], wrong: &[u32]| metric.value(&x, &sides(answer, wrong), &x);
        near(of(Metric::LogitDifference, &[3], &[0]), 4f64.ln());
        near(of(Metric::LogitDifference, &[2, 3], &[0, 1]), (7f64 / 3.0).ln());
        near(of(Metric::LogProb, &[1, 2], &[]), 0.5f64.ln());
        near(of(Metric::Prob, &[0], &[]), 0.1);
        assert_eq!(of(Metric::Rank, &[3], &[]), 1.0);
        assert_eq!(of(Metric::Rank, &[0, 1], &[]), 3.0);
        // Uniform against the tenths: sum of c ln(c / 0.25).
        let want: f64 = (1..=4).map(|i| f64::from(i) / 10.0).map(|c| c * (c / 0.25).ln()).sum();
        near(Metric::Kl.value(&[0.0; 4], &sides(&[], &[]), &x), want);
        near(probability(&x, &[2]), 0.3);
    }

    #[test]
    fn a_rank_counts_equal_rivals_against_the_answer() {
        let rank = |answer: &[u32]| Metric::Rank.value(&[1.0, 1.0, 0.0], &sides(answer, &[]), &[]);
        assert_eq!((rank(&[0]), rank(&[0, 1]), rank(&[2])), (2.0, 1.0, 3.0));
        assert_eq!(top(&[0.0, 2.0, 2.0]), Some(1));
    }

    #[test]
    fn lacking_sides_are_refused() {
        assert!(Metric::Kl.check(&sides(&[], &[])).is_ok());
        assert!(Metric::LogProb.check(&sides(&[1], &[])).is_ok());
        for (metric, answer) in [(Metric::Rank, &[][..]), (Metric::LogitDifference, &[1])] {
            let error = metric.check(&sides(answer, &[])).unwrap_err().to_string();
            assert!(error.contains(metric.name()), "{error}");
        }
    }
}
