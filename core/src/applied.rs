//! What the edits of a pass did, kept while they are made: a strength that did nothing, or far too much, shows in numbers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{kernels::dispatch, plan::Site};

/// What one edit did at one place to one sentence in one step. An edit that changed nothing (coefficient 0, no such token in the pass) has
/// no entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Number of the edit in the plan, from 0.
    pub edit: usize,
    /// Number of the sentence or prompt, from 0 in the order given.
    pub sentence: usize,
    /// 0 for the tokens that were given, i for the i-th new token, counted from 1.
    pub step: usize,
    /// The place.
    pub site: Site,
    /// How many tokens were changed; for a cut, how many edges (a query, a key, a head) were there and are gone.
    pub tokens: usize,
    /// Mean of `|h|` over those tokens, as this edit found it. `None` for a cut, and where a state is not finite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_norm: Option<f64>,
    /// Mean of `|h' - h|` over those tokens. `None` as above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_change: Option<f64>,
    /// The coefficient of an [`crate::plan::Op::Add`] times the schedule's factor of the step; `None` for the other ops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coefficient: Option<f32>,
}

/// What an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) plan: usize,
    pub(crate) edit: usize,
    pub(crate) sentence: usize,
    pub(crate) step: usize,
    pub(crate) site: Site,
}

struct Entry {
    key: Key,
    tokens: usize,
    /// Sums over the tokens.
    norm: f64,
    change: f64,
    coefficient: Option<f32>,
}

/// The entries of a call, as they come.
#[derive(Default)]
pub(crate) struct Log {
    rows: Vec<Entry>,
    /// Counted by the threads of attention.
    cuts: Vec<(Key, Arc<AtomicUsize>)>,
    /// The row before it is changed.
    before: Vec<f32>,
}

impl Log {
    /// Changes a row and notes by how much.
    pub(crate) fn change(
        &mut self,
        key: Key,
        coefficient: Option<f32>,
        row: &mut [f32],
        change: impl FnOnce(&mut [f32]),
    ) {
        self.before.clear();
        self.before.extend_from_slice(row);
        change(row);
        let (norm, moved) = (norm(&self.before), distance(row, &self.before));
        match self.rows.last_mut() {
            Some(entry) if entry.key == key => {
                entry.tokens += 1;
                entry.norm += norm;
                entry.change += moved;
            }
            _ => self.rows.push(Entry { key, tokens: 1, norm, change: moved, coefficient }),
        }
    }

    /// The counter of the edges that a cut takes away.
    pub(crate) fn edges(&mut self, key: Key) -> Arc<AtomicUsize> {
        let counter = Arc::new(AtomicUsize::new(0));
        self.cuts.push((key, Arc::clone(&counter)));
        counter
    }

    /// The entries of each of `plans` plans, by edit, sentence, step and block.
    pub(crate) fn finish(self, plans: usize) -> Vec<Vec<Applied>> {
        let told = |key: Key, tokens: usize| {
            let Key { edit, sentence, step, site, .. } = key;
            Applied { edit, sentence, step, site, tokens, mean_norm: None, mean_change: None, coefficient: None }
        };
        let rows = self.rows.into_iter().map(|Entry { key, tokens, norm, change, coefficient }| {
            let mean = |sum: f64| Some(sum / tokens as f64).filter(|mean| mean.is_finite());
            let applied =
                Applied { mean_norm: mean(norm), mean_change: mean(change), coefficient, ..told(key, tokens) };
            (key, applied)
        });
        let cuts = self.cuts.into_iter().map(|(key, count)| (key, told(key, count.load(Ordering::Relaxed))));
        let mut all: Vec<(Key, Applied)> = rows.chain(cuts.filter(|(_, applied)| applied.tokens > 0)).collect();
        all.sort_by_key(|(key, _)| *key);
        let mut told = vec![Vec::new(); plans];
        for (key, applied) in all {
            told[key.plan].push(applied);
        }
        told
    }
}

/// Running sums of a long sum, so that the processor adds several at once.
const LANES: usize = 16;

/// `sqrt(sum_i x_i^2)` in f64.
pub(crate) fn norm(row: &[f32]) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let mut sums = [0f64; LANES];
            for chunk in chunks {
                for lane in 0..LANES {
                    sums[lane] += f64::from(chunk[lane]) * f64::from(chunk[lane]);
                }
            }
            let rest: f64 = rest.iter().map(|x| f64::from(*x).powi(2)).sum();
            // As in `kernels::simd`: seen together, the sum of the lanes would take the loop's vectors apart.
            (std::hint::black_box(sums).iter().sum::<f64>() + rest).sqrt()
        },
    )
}

/// `|a - b|` in f64.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
            let mut sums = [0f64; LANES];
            for (a, b) in a.iter().zip(b) {
                for lane in 0..LANES {
                    let step = f64::from(a[lane]) - f64::from(b[lane]);
                    sums[lane] += step * step;
                }
            }
            let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
            (std::hint::black_box(sums).iter().sum::<f64>() + rest).sqrt()
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn norms_and_distances_are_those_of_the_plain_sums(rows in prop::collection::vec((-9f32..9.0, -9f32..9.0), 0..70)) {
            let (a, b): (Vec<f32>, Vec<f32>) = rows.iter().copied().unzip();
            let plain = |terms: &mut dyn Iterator<Item = f64>| terms.map(|x| x * x).sum::<f64>().sqrt();
            let want = plain(&mut a.iter().map(|x| f64::from(*x)));
            prop_assert!((norm(&a) - want).abs() <= 1e-12 * (1.0 + want));
            let want = plain(&mut rows.iter().map(|(a, b)| f64::from(*a) - f64::from(*b)));
            prop_assert!((distance(&a, &b) - want).abs() <= 1e-12 * (1.0 + want));
        }
    }

    #[test]
    fn entries_are_means_in_order_and_each_plan_has_its_own() {
        let mut log = Log::default();
        let key = |plan: usize, sentence: usize| Key { plan, edit: 0, sentence, step: 0, site: Site::layer(2) };
        let to = |x: f32| move |row: &mut [f32]| row.fill(x);
        log.change(key(1, 3), Some(0.5), &mut [3.0, 4.0], to(0.0));
        log.change(key(1, 3), Some(0.5), &mut [0.0, 0.0], to(0.0));
        log.change(key(0, 1), None, &mut [f32::INFINITY, 0.0], to(1.0));
        log.change(key(1, 1), None, &mut [1.0, 0.0], to(1.0));
        log.edges(key(1, 2)).fetch_add(4, Ordering::Relaxed);
        log.edges(key(1, 0));
        let told = log.finish(3);
        let short = |applied: &Applied| (applied.sentence, applied.tokens, applied.mean_norm, applied.mean_change);
        assert_eq!(told[0].iter().map(short).collect::<Vec<_>>(), [(1, 1, None, None)]);
        let want = [(1, 1, Some(1.0), Some(1.0)), (2, 4, None, None), (3, 2, Some(2.5), Some(2.5))];
        assert_eq!(told[1].iter().map(short).collect::<Vec<_>>(), want);
        assert_eq!(told[1][2].coefficient, Some(0.5));
        assert!(told[2].is_empty());
        let text = serde_json::to_string(&told[1]).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Applied>>(&text).unwrap(), told[1]);
        assert!(text.contains(r#""site":"resid_post.2""#) && !text.contains("null"), "{text}");
    }
}
