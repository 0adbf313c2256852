//! What outputs are worth: are they in the language, do they mean what the prompt means, are they fluent, and what else changed?
//!
//! - **forcing** = share of the outputs that the identifier gives to the target; *unsure* outputs are no successes and are counted apart;
//! - **relevance**: `c_ij = cos(o_i - m, r_j - m')` of the mid-layer states (mean over tokens, unsteered model) of output i and of the
//!   prompt's line j in the output's language, each less the mean of its language. [`relevance`] gives `c_ii` and the share of the
//!   other lines that `c_ii` beats (ties count half), of which chance is 1/2;
//! - **score** = `2 F R / (F + R)` of the averages, as CLaS-Bench (arXiv 2601.08331) has it; `F` the forcing, `R` the mean of the judge's
//!   marks / 2, or without a judge `max(0, 2 rank - 1)`, which is 0 for what chance gives;
//! - **perplexity** `exp(sum -ln p / tokens)` of the outputs under the **unsteered** model, given the prompt;
//! - **repetition** = share of an output's token trigrams that occurred in it before; **distinct-n** = different token n-grams / all of
//!   them, over the outputs of a cell (Li et al. 2016, arXiv 1510.03055); **unfinished** = share that `max_new_tokens` or the context cut off.
//!
//! Tokens, not words, are what repeats: words are no unit in every script.

pub(super) mod judge;
pub(super) mod likelihood;
pub(super) mod propensity;

use std::collections::BTreeSet;

use ndarray::{Array2, ArrayView1};

/// Length of the n-grams of which repetition is measured.
const REPEATED: usize = 3;

/// `2 F R / (F + R)`, 0 where one of them is 0.
///
/// ```
/// use babelscope_probes::steer::harmonic;
/// assert_eq!(harmonic(1.0, 0.5), 2.0 / 3.0);
/// assert_eq!(harmonic(0.0, 0.9), 0.0);
/// ```
pub fn harmonic(forcing: f64, relevance: f64) -> f64 {
    if forcing <= 0.0 || relevance <= 0.0 { 0.0 } else { 2.0 * forcing * relevance / (forcing + relevance) }
}

/// Share of an output's trigrams that occurred in it before; `None` below two trigrams.
pub(super) fn repetition(ids: &[u32]) -> Option<f64> {
    let all = ids.len().checked_sub(REPEATED - 1).filter(|n| *n >= 2)?;
    let different: BTreeSet<&[u32]> = ids.windows(REPEATED).collect();
    Some(1.0 - different.len() as f64 / all as f64)
}

/// Different n-grams of all outputs divided by all n-grams, with the number of the latter; `None` where there is none.
pub(super) fn distinct<'a>(outputs: impl Iterator<Item = &'a [u32]>, n: usize) -> Option<(f64, usize)> {
    let (mut different, mut all) = (BTreeSet::new(), 0);
    for gram in outputs.flat_map(|ids| ids.windows(n)) {
        different.insert(gram);
        all += 1;
    }
    (all > 0).then(|| (different.len() as f64 / all as f64, all))
}

/// The cosine of an output with its own line, and the share of the other lines that it beats; `None` where a state has no direction.
///
/// # Shapes
/// `output` `[width]`, `lines` `[n, width]`, all centred.
pub fn relevance(output: ArrayView1<'_, f32>, lines: &Array2<f32>, own: usize) -> Option<(f64, Option<f64>)> {
    let dot = |a: ArrayView1<'_, f32>, b: ArrayView1<'_, f32>| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let length = dot(output, output).sqrt();
    let cosine = |line: ArrayView1<'_, f32>| {
        let lengths = length * dot(line, line).sqrt();
        (lengths > 0.0).then(|| dot(output, line) / lengths)
    };
    let mine = cosine(lines.row(own))?;
    let others: Vec<f64> = (0..lines.nrows()).filter(|j| *j != own).filter_map(|j| cosine(lines.row(j))).collect();
    let beaten = |other: &f64| if *other < mine { 1.0 } else { f64::from(u8::from(*other == mine)) / 2.0 };
    let share = (!others.is_empty()).then(|| others.iter().map(beaten).sum::<f64>() / others.len() as f64);
    Some((mine, share))
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repetition_and_distinct_by_hand() {
        // 1 2 3 1 2 3: trigrams 123 231 312 123, one of four came before.
        assert_eq!(repetition(&[1, 2, 3, 1, 2, 3]), Some(0.25));
        assert_eq!(repetition(&[7; 5]), Some(1.0 - 1.0 / 3.0));
        assert_eq!(repetition(&[1, 2, 3]), None);
        let outputs: [&[u32]; 2] = [&[1, 2, 1], &[2, 1]];
        assert_eq!(distinct(outputs.into_iter(), 1), Some((2.0 / 5.0, 5)));
        // 12 21 21
        assert_eq!(distinct(outputs.into_iter(), 2), Some((2.0 / 3.0, 3)));
        assert_eq!(distinct(outputs.into_iter(), 4), None);
    }

    #[test]
    fn the_own_line_beats_the_others_or_ties() {
        let lines = array![[1f32, 0.0], [0.0, 1.0], [1.0, 0.0]];
        let (cosine, rank) = relevance(array![2f32, 0.0].view(), &lines, 0).unwrap();
        assert_eq!((cosine, rank), (1.0, Some(0.75)));
        assert_eq!(relevance(array![0f32, 0.0].view(), &lines, 0), None);
        assert_eq!(relevance(array![1f32, 0.0].view(), &array![[1f32, 1.0]], 0).unwrap().1, None);
    }

    proptest! {
        #[test]
        fn the_harmonic_mean_lies_between(f in 0f64..=1.0, r in 0f64..=1.0) {
            let h = harmonic(f, r);
            prop_assert!((0.0..=1.0).contains(&h) && h <= f.max(r) + 1e-12 && (h == 0.0 || h >= f.min(r) - 1e-12));
            prop_assert_eq!(h, harmonic(r, f));
        }

        #[test]
        fn repetition_is_a_share(ids in prop::collection::vec(0u32..4, 0..30)) {
            prop_assert!(repetition(&ids).is_none_or(|r| (0.0..1.0).contains(&r)));
        }
    }
}
