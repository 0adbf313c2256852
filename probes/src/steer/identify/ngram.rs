//! A character model: each character given the three before it, so that the probabilities of a text multiply without any n-gram
//! being counted twice.
//!
//! `p_k(c | h) = (n(h c) + t(h) p_{k-1}(c | h')) / (n(h) + t(h))` (Witten and Bell 1991, interpolated), where `h` are the last k
//! characters, `h'` the last k - 1, `n` counts, `t(h)` how many different characters followed `h`; `p_{-1} = 1 / alphabet`.

use std::collections::HashMap;

/// Characters that are looked back at.
const ORDER: usize = 3;

/// What followed one context.
#[derive(Clone, Debug, Default)]
struct Seen {
    total: f64,
    kinds: f64,
}

/// The model of one language. Looked up, never walked through: the order of a hash map decides nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    contexts: HashMap<u128, Seen>,
    counts: HashMap<u128, f64>,
}

/// Up to four characters as one number; the length keeps contexts of different orders apart.
fn key(characters: &[char]) -> u128 {
    characters.iter().fold(characters.len() as u128, |key, c| (key << 21) | u128::from(u32::from(*c)))
}

impl Model {
    /// Counts a text that [`super::text::spelled`] gave.
    pub(super) fn learn(&mut self, text: &[char]) {
        for at in 1..text.len() {
            for order in 0..=ORDER.min(at) {
                let gram = &text[at - order..=at];
                let count = self.counts.entry(key(gram)).or_default();
                let seen = self.contexts.entry(key(&gram[..order])).or_default();
                seen.total += 1.0;
                if *count == 0.0 {
                    seen.kinds += 1.0;
                }
                *count += 1.0;
            }
        }
    }

    /// Natural log-probability of a text, `alphabet` characters being possible.
    pub(super) fn log_probability(&self, text: &[char], alphabet: usize) -> f64 {
        let of = |at: usize| {
            let uniform = 1.0 / alphabet as f64;
            let deeper = |p: f64, order: usize| {
                let gram = &text[at - order..=at];
                match self.contexts.get(&key(&gram[..order])) {
                    Some(Seen { total, kinds }) => {
                        (self.counts.get(&key(gram)).copied().unwrap_or_default() + kinds * p) / (total + kinds)
                    }
                    None => p,
                }
            };
            (0..=ORDER.min(at)).fold(uniform, deeper).ln()
        };
        (1..text.len()).map(of).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(text: &str) -> Model {
        let mut model = Model::default();
        model.learn(&text.chars().collect::<Vec<_>>());
        model
    }

    #[test]
    fn smoothing_by_hand() {
        // " ab": behind nothing a and b once each, two kinds: p_0(a) = (1 + 2/4) / 4 with an alphabet of 4.
        // Behind " ": a once, one kind: p_1(a | " ") = (1 + 3/8) / 2 = 11/16.
        let p = model(" ab").log_probability(&[' ', 'a'], 4).exp();
        assert!((p - 11.0 / 16.0).abs() < 1e-12, "{p}");
        // c was never seen: p_0 = (2/4) / 4 = 1/8, p_1 = (1/8) / 2.
        let p = model(" ab").log_probability(&[' ', 'c'], 4).exp();
        assert!((p - 1.0 / 16.0).abs() < 1e-12, "{p}");
    }

    #[test]
    fn probabilities_behind_a_context_add_up_to_one() {
        let model = model(" abba abab");
        let alphabet = ['a', 'b', ' ', 'x'];
        for context in [" ", " a", " ab", " abb", " xab"] {
            let before: Vec<char> = context.chars().collect();
            let with = |c: char| before.iter().copied().chain([c]).collect::<Vec<_>>();
            let all = |text: Vec<char>| model.log_probability(&text, alphabet.len());
            let sum: f64 = alphabet.iter().map(|c| (all(with(*c)) - all(before.clone())).exp()).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{context:?}: {sum}");
        }
    }
}
