//! Which token comes next: the definitions of transformers, in its order.
//!
//! Of the logits `l`: repetition penalty `r` (`l / r` where `l > 0`, else `l * r`, for each token of the prompt or of what was
//! said, once); then greedy, or temperature (`l / t`), top-k (those below the k-th largest are dropped, equals of it kept),
//! top-p (the most probable tokens up to the first with which their probabilities reach `p`), and a draw from the softmax
//! of what is left. Keskar et al. 2019, arXiv 1909.05858, eq. 1 (penalty); Holtzman et al. 2020, arXiv 1904.09751 (top-p).

use std::{cmp::Ordering, collections::BTreeSet};

use rand::Rng as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use sha2::{Digest as _, Sha256};

use super::Generate;

/// The token that was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chosen {
    pub(super) token: u32,
    /// Its log-probability (natural) in the model's own distribution.
    pub(super) logprob: Option<f32>,
}

/// The random numbers of a sequence: by the seed, the prompt, and which copy of an equal prompt it is, so that they are the
/// same whatever else is in the batch.
pub(super) fn stream(seed: u64, prompt: &[u32], copy: u64) -> ChaCha20Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(copy.to_le_bytes());
    for id in prompt {
        hash.update(id.to_le_bytes());
    }
    ChaCha20Rng::from_seed(hash.finalize().into())
}

/// Chooses by the logits of one position, which are changed; `None` where they are not numbers.
///
/// # Shapes
/// `logits` `[vocabulary]`.
pub(super) fn choose(
    options: &Generate,
    logits: &mut [f32],
    seen: &BTreeSet<u32>,
    random: &mut ChaCha20Rng,
) -> Option<Chosen> {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !top.is_finite() || logits.iter().any(|logit| logit.is_nan()) {
        return None;
    }
    let norm = options.logprobs.then(|| {
        let sum: f64 = logits.iter().map(|logit| f64::from(logit - top).exp()).sum();
        f64::from(top) + sum.ln()
    });
    // What the penalty changes, so that the probability is the model's own.
    let mut own: Vec<(u32, f32)> = Vec::new();
    if options.repetition_penalty != 1.0 {
        for token in seen {
            let logit = &mut logits[*token as usize];
            own.push((*token, *logit));
            *logit =
                if *logit < 0.0 { *logit * options.repetition_penalty } else { *logit / options.repetition_penalty };
        }
    }
    let token = if options.greedy() { greedy(logits) } else { draw(options, logits, random) };
    let logit = own.iter().find(|(id, _)| *id == token).map_or_else(|| logits[token as usize], |(_, logit)| *logit);
    Some(Chosen { token, logprob: norm.map(|norm| (f64::from(logit) - norm) as f32) })
}

/// The largest; of equals the first.
fn greedy(logits: &[f32]) -> u32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|logit| *logit == top).unwrap_or(0) as u32
}

/// Larger before smaller, of equals the first token before the others.
fn order(a: &(u32, f32), b: &(u32, f32)) -> Ordering {
    b.1.total_cmp(&a.1).then(a.0.cmp(&b.0))
}

fn draw(options: &Generate, logits: &[f32], random: &mut ChaCha20Rng) -> u32 {
    let warm = |(token, logit): (usize, &f32)| (token as u32, logit / options.temperature);
    let mut left: Vec<(u32, f32)> = logits.iter().enumerate().map(warm).collect();
    if let Some(k) = options.top_k.filter(|k| *k < left.len()) {
        let least = left.select_nth_unstable_by(k - 1, order).1.1;
        left.retain(|(_, logit)| *logit >= least);
    }
    let top = left.iter().fold(f32::NEG_INFINITY, |top, (_, logit)| top.max(*logit));
    let weight = |(_, logit): &(u32, f32)| f64::from(logit - top).exp();
    let mut total: f64 = left.iter().map(weight).sum();
    if let Some(p) = options.top_p.filter(|p| *p < 1.0) {
        total = nucleus(&mut left, f64::from(p) * total, weight);
    }
    // In the order of the vocabulary, so that a draw does not depend on how the candidates were found.
    left.sort_unstable_by_key(|(token, _)| *token);
    let mut at = random.random::<f64>() * total;
    for candidate in &left {
        at -= weight(candidate);
        if at < 0.0 {
            return candidate.0;
        }
    }
    // Rounding may leave the last step a hair short.
    left.iter().rev().find(|candidate| weight(candidate) > 0.0).map_or(0, |(token, _)| *token)
}

/// Keeps the heaviest candidates before which less than `mass` lies, at least one; gives their weight.
fn nucleus(left: &mut Vec<(u32, f32)>, mass: f64, weight: impl Fn(&(u32, f32)) -> f64) -> f64 {
    // Sorting all of a large vocabulary takes longer than a small model's pass, and the nucleus is small.
    let mut sorted = 0;
    let mut before = 0.0;
    loop {
        let until = (sorted * 8).max(256).min(left.len());
        if until < left.len() {
            left[sorted..].select_nth_unstable_by(until - sorted, order);
        }
        left[sorted..until].sort_unstable_by(order);
        for place in sorted..until {
            if place > 0 && before >= mass {
                left.truncate(place);
                return before;
            }
            before += weight(&left[place]);
        }
        sorted = until;
        if sorted == left.len() {
            return before;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sampled(temperature: f32, top_k: Option<usize>, top_p: Option<f32>) -> Generate {
        Generate { temperature, top_k, top_p, logprobs: true, ..Generate::default() }
    }

    fn counts(options: &Generate, logits: &[f32], draws: usize) -> Vec<usize> {
        let mut random = stream(7, &[1, 2, 3], 0);
        let mut counts = vec![0; logits.len()];
        for _ in 0..draws {
            let chosen = choose(options, &mut logits.to_vec(), &BTreeSet::new(), &mut random).unwrap();
            counts[chosen.token as usize] += 1;
        }
        counts
    }

    /// The rules as transformers writes them, with full sorts: logits to probabilities.
    fn slow(options: &Generate, logits: &[f32]) -> Vec<f64> {
        let mut logits: Vec<f64> = logits.iter().map(|l| f64::from(l / options.temperature)).collect();
        let softmax = |logits: &[f64]| {
            let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|l| (l - top).exp()).sum();
            logits.iter().map(|l| (l - top).exp() / sum).collect::<Vec<_>>()
        };
        if let Some(k) = options.top_k {
            let mut sorted = logits.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let least = sorted[k.min(sorted.len()) - 1];
            logits.iter_mut().filter(|l| **l < least).for_each(|l| *l = f64::NEG_INFINITY);
        }
        if let Some(p) = options.top_p {
            let probabilities = softmax(&logits);
            let mut ascending: Vec<usize> = (0..logits.len()).rev().collect();
            ascending.sort_by(|a, b| logits[*a].total_cmp(&logits[*b]));
            let mut below = 0.0;
            for token in &ascending[..logits.len() - 1] {
                below += probabilities[*token];
                if below <= 1.0 - f64::from(p) {
                    logits[*token] = f64::NEG_INFINITY;
                }
            }
        }
        softmax(&logits)
    }

    #[test]
    fn frequencies_match_the_probabilities() {
        // softmax of ln of 8, 4, 2, 1, 1 = 1/2, 1/4, 1/8, 1/16, 1/16; of top-3: 4/7, 2/7, 1/7; of top-p 0.7: 2/3, 1/3.
        let logits = [8f32, 4.0, 2.0, 1.0, 1.0].map(f32::ln);
        let draws = 20_000;
        for (options, expected) in [
            (sampled(1.0, None, None), vec![0.5, 0.25, 0.125, 0.0625, 0.0625]),
            (sampled(1.0, Some(3), None), vec![4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0, 0.0, 0.0]),
            (sampled(1.0, None, Some(0.7)), vec![2.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 0.0]),
            // At temperature 1/2 the weights are squared: 64, 16, 4, 1, 1.
            (sampled(0.5, None, None), [64.0, 16.0, 4.0, 1.0, 1.0].map(|w| w / 86.0).to_vec()),
            // Equals of the fourth stay.
            (sampled(1.0, Some(4), None), vec![0.5, 0.25, 0.125, 0.0625, 0.0625]),
        ] {
            let mut chi_squared = 0.0;
            for (count, p) in counts(&options, &logits, draws).into_iter().zip(expected) {
                let expected: f64 = p * draws as f64;
                if expected == 0.0 {
                    assert_eq!(count, 0, "{options:?}");
                } else {
                    chi_squared += (count as f64 - expected).powi(2) / expected;
                }
            }
            // The 99.9 % quantile of chi squared with four degrees of freedom.
            assert!(chi_squared < 18.47, "{options:?}: {chi_squared}");
        }
    }

    #[test]
    fn the_penalty_divides_what_is_positive_and_multiplies_what_is_not() {
        let options = Generate { repetition_penalty: 2.0, logprobs: true, ..Generate::default() };
        let mut logits = [3.0, 2.0, -1.0, 0.5];
        let seen = BTreeSet::from([0, 2]);
        let chosen = choose(&options, &mut logits, &seen, &mut stream(0, &[], 0)).unwrap();
        assert_eq!(logits, [1.5, 2.0, -2.0, 0.5]);
        assert_eq!(chosen.token, 1);
        let sum: f64 = [3.0f64, 2.0, -1.0, 0.5].iter().map(|l| l.exp()).sum();
        assert!((f64::from(chosen.logprob.unwrap()) - (2.0 - sum.ln())).abs() < 1e-6, "the model's own probability");
    }

    #[test]
    fn logits_that_are_not_numbers_choose_nothing() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut logits = [0.0, bad, 1.0];
            assert_eq!(choose(&Generate::default(), &mut logits, &BTreeSet::new(), &mut stream(0, &[], 0)), None);
        }
        let mut none = [f32::NEG_INFINITY; 3];
        assert_eq!(choose(&Generate::default(), &mut none, &BTreeSet::new(), &mut stream(0, &[], 0)), None);
    }

    #[test]
    fn each_prompt_has_its_own_random_numbers() {
        let first = |seed, prompt: &[u32], copy| stream(seed, prompt, copy).random::<u64>();
        assert_eq!(first(1, &[5, 6], 0), first(1, &[5, 6], 0));
        let all: BTreeSet<u64> =
            [first(1, &[5, 6], 0), first(2, &[5, 6], 0), first(1, &[6, 5], 0), first(1, &[5, 6], 1)].into();
        assert_eq!(all.len(), 4);
    }

    proptest! {
        #[test]
        fn only_what_transformers_would_keep_is_drawn(
            values in prop::collection::vec(-4f32..4.0, 2..40), t in 0.3f32..2.0,
            k in prop::option::of(1usize..50), p in prop::option::of(0.05f32..1.0), seed: u64,
        ) {
            let options = sampled(t, k, p);
            let expected = slow(&options, &values);
            let mut random = stream(seed, &[], 0);
            for _ in 0..20 {
                let chosen = choose(&options, &mut values.clone(), &BTreeSet::new(), &mut random).unwrap();
                prop_assert!(expected[chosen.token as usize] > 0.0);
            }
            let one = sampled(t, Some(1), p);
            let greedy = choose(&Generate::default(), &mut values.clone(), &BTreeSet::new(), &mut random).unwrap();
            prop_assert_eq!(choose(&one, &mut values.clone(), &BTreeSet::new(), &mut random).unwrap().token, greedy.token);
        }

        #[test]
        fn the_nucleus_of_a_large_vocabulary_is_that_of_a_full_sort(seed in 0u32..1000, p in 0.05f64..0.999) {
            let value = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 3e6;
            let mut left: Vec<(u32, f32)> = (0..5000).map(|i| (i, value(i))).collect();
            let mut all = left.clone();
            all.sort_by(order);
            let weight = |c: &(u32, f32)| f64::from(c.1 - 6.0).exp();
            let mass = p * all.iter().map(weight).sum::<f64>();
            let mut before = 0.0;
            all.retain(|c| { let keep = before < mass; before += weight(c); keep });
            nucleus(&mut left, mass, weight);
            prop_assert_eq!(left, all);
        }
    }
}
