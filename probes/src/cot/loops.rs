//! Does a trace go round?
//!
//! - **Loop of a text**: an n-gram of at least 8 tokens that comes at least three times, each right behind the last. A shorter cycle
//!   counts as the n-gram of its repetitions: one word 24 times is an n-gram of 8, three times. A run of marks (`...`, `---`) is one token.
//! - **Loop score** of a text = the share of its tokens that the longest loop covers (a last time that is cut off counts with what
//!   there is of it). 0 without a loop.
//! - **Loop of anchors**: for 5 steps nothing new was asserted, and since the last new assertion one was made at least three times.
//!
//! methods.md 7.1. The definitions are ours; a retry may begin from what was there before [`TextLoop::start`] or
//! [`AnchorLoop::action`].
//!
//! How: every stretch with period p contains two neighbouring multiples of p, so it is found by comparing the text from there with
//! itself p further on, forth and back (n / p comparisons for each p, n log n in all), each by hashes of prefixes and bisection:
//! `O(n log^2 n)`. Hashes are modulo 2^61 - 1 with a fixed base, so the result is the same everywhere; that two different stretches
//! of a text of a million tokens collide has a chance below 1e-8.

use std::{collections::HashMap, ops::Range};

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{letters::in_word, link::Trajectory};

/// What counts as a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoopRule {
    /// Tokens of the repeated n-gram, at least.
    pub ngram: usize,
    /// How often an n-gram or an anchor must come, at least; 2 or more.
    pub times: usize,
    /// For how many steps nothing new must have been asserted.
    pub steps: usize,
}

impl Default for LoopRule {
    fn default() -> Self {
        Self { ngram: 8, times: 3, steps: 5 }
    }
}

/// A stretch of a text that repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLoop {
    /// Where it begins, in tokens.
    pub start: usize,
    /// Behind its last token.
    pub end: usize,
    /// After how many tokens it repeats itself.
    pub period: usize,
}

/// An assertion that comes again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorLoop {
    /// The action by which the loop is certain.
    pub action: usize,
    /// The node that it says.
    pub node: usize,
    /// How often it was said since the last new one.
    pub times: usize,
}

/// The words of a text (UAX-29, space apart) as numbers, equal for equal words: tokens for a text that has none. Marks side by side are
/// one word, so that an ellipsis, a rule or the frame of a table repeats nothing.
///
/// ```
/// use babelscope_probes::cot::loops::words;
/// assert_eq!(words("So so, wait... So"), [0, 1, 2, 3, 4, 0]);
/// ```
pub fn words(text: &str) -> Vec<u32> {
    let mut spans: Vec<(Range<usize>, bool)> = Vec::new();
    for (start, word) in text.split_word_bound_indices().filter(|(_, word)| !word.trim().is_empty()) {
        let (end, marks) = (start + word.len(), word.chars().all(is_mark));
        match spans.last_mut() {
            Some((last, true)) if marks => last.end = end,
            _ => spans.push((start..end, marks)),
        }
    }
    let mut ids: HashMap<&str, u32> = HashMap::new();
    let mut id = |word| {
        let next = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        *ids.entry(word).or_insert(next)
    };
    spans.into_iter().map(|(span, _)| id(&text[span])).collect()
}

/// Marks of punctuation and of drawing: what is no letter and no digit, up to the blocks of pictures, which a model may repeat as it
/// repeats words.
fn is_mark(c: char) -> bool {
    !c.is_alphanumeric() && !in_word(c) && c < '\u{1f000}'
}

/// The share of the tokens that the longest loop covers: a cycle of `rule.ngram` tokens or more, `rule.times` times.
///
/// ```
/// use babelscope_probes::cot::loops::{LoopRule, loop_score};
/// let pairs = LoopRule { ngram: 2, ..LoopRule::default() };
/// assert_eq!(loop_score(&[9, 1, 2, 1, 2, 1, 2, 1, 8, 8], &pairs), 0.7);
/// assert_eq!(loop_score(&[9, 1, 2, 1, 2, 1, 2, 1, 8, 8], &LoopRule::default()), 0.0);
/// ```
pub fn loop_score(tokens: &[u32], rule: &LoopRule) -> f64 {
    let longest = loops(tokens, rule).map(|(found, _)| found.end - found.start).max().unwrap_or_default();
    if tokens.is_empty() { 0.0 } else { longest as f64 / tokens.len() as f64 }
}

/// The loops of a text, each with the token by which it is certain.
fn loops(tokens: &[u32], rule: &LoopRule) -> impl Iterator<Item = (TextLoop, usize)> {
    let (times, ngram) = (rule.times.max(2), rule.ngram.max(1));
    let certain = move |cycle: &TextLoop| cycle.start + times * ngram.next_multiple_of(cycle.period);
    let found = cycles(tokens, times).into_iter().map(move |cycle| (cycle, certain(&cycle)));
    found.filter(|(cycle, certain)| *certain <= cycle.end)
}

/// The loop of a text that is certain first; none where it does not go round.
///
/// ```
/// use babelscope_probes::cot::loops::{LoopRule, text_loop, words};
/// let wait = "But wait, let me think about this again. ".repeat(3);
/// let text = format!("12 + 5 is 17. {wait}");
/// assert_eq!(text_loop(&words(&text), &LoopRule::default()).map(|found| (found.start, found.period)), Some((5, 10)));
/// assert_eq!(text_loop(&words("ha ha ha ha ha ha ha ha ha ha"), &LoopRule::default()), None);
/// ```
pub fn text_loop(tokens: &[u32], rule: &LoopRule) -> Option<TextLoop> {
    loops(tokens, rule).min_by_key(|(found, certain)| (*certain, found.period)).map(|(found, _)| found)
}

/// The first loop over anchors; none where the trace gets on.
pub fn anchor_loop(trajectory: &Trajectory, rule: &LoopRule) -> Option<AnchorLoop> {
    let mut said: HashMap<usize, usize> = HashMap::new();
    let mut ever: Vec<bool> = vec![false; trajectory.graph.nodes.len()];
    let mut news = 0;
    for (at, action) in trajectory.actions.iter().enumerate() {
        let step = action.step.unwrap_or(at);
        if let Some(known) = ever.get_mut(action.node)
            && !std::mem::replace(known, true)
        {
            said.clear();
            news = step;
        }
        let times = said.entry(action.node).or_default();
        *times += 1;
        if *times >= rule.times.max(2) && step >= news + rule.steps {
            return Some(AnchorLoop { action: at, node: action.node, times: *times });
        }
    }
    None
}

/// Every maximal stretch that covers `times` of its period, its shortest periods first.
fn cycles(tokens: &[u32], times: usize) -> Vec<TextLoop> {
    let n = tokens.len();
    let hashes = Hashes::new(tokens);
    let mut found = Vec::new();
    for period in 1..=n / times {
        let mut at = 0;
        while at + period < n {
            let forth = hashes.common(at, at + period);
            let back = hashes.common_before(at, at + period);
            let (start, end) = (at - back, at + period + forth);
            if end - start >= times * period {
                found.push(TextLoop { start, end, period });
            }
            // The next multiple that is not in the same stretch.
            at += period * (forth / period + 1);
        }
    }
    found.dedup();
    found
}

const PRIME: u64 = (1 << 61) - 1;
const BASE: u64 = 0x1357_9bdf_0246_8ace % PRIME;

fn times(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let folded = (product & u128::from(PRIME)) as u64 + (product >> 61) as u64;
    if folded >= PRIME { folded - PRIME } else { folded }
}

/// Hashes of all prefixes, so that two stretches are compared at once.
struct Hashes {
    prefix: Vec<u64>,
    power: Vec<u64>,
}

impl Hashes {
    fn new(tokens: &[u32]) -> Self {
        let (mut prefix, mut power) = (vec![0], vec![1]);
        let (mut hash, mut base) = (0, 1);
        for token in tokens {
            hash = (times(hash, BASE) + u64::from(*token) + 1) % PRIME;
            base = times(base, BASE);
            prefix.push(hash);
            power.push(base);
        }
        Self { prefix, power }
    }

    fn of(&self, from: usize, to: usize) -> u64 {
        (self.prefix[to] + PRIME - times(self.prefix[from], self.power[to - from])) % PRIME
    }

    /// How many tokens from `a` and from `b` on are the same; a < b.
    fn common(&self, a: usize, b: usize) -> usize {
        bisect(self.prefix.len() - 1 - b, |length| self.of(a, a + length) == self.of(b, b + length))
    }

    /// How many tokens right before `a` and right before `b` are the same; a < b.
    fn common_before(&self, a: usize, b: usize) -> usize {
        bisect(a, |length| self.of(a - length, a) == self.of(b - length, b))
    }
}

/// The largest length up to `most` that holds, where every shorter one holds too.
fn bisect(most: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LoopRule, anchor_loop, loop_score, text_loop, words};
    use crate::cot::{
        Trajectory,
        toy::{assertion, chain, givens},
    };

    /// The same from the definition: for every period the longest loop, token by token.
    fn slow(tokens: &[u32], ngram: usize, times: usize) -> (usize, Option<(usize, usize)>) {
        let (mut longest, mut first) = (0, None);
        for period in 1..=tokens.len() / times {
            let mut run = 0;
            for end in period..tokens.len() {
                run = if tokens[end] == tokens[end - period] { run + 1 } else { 0 };
                if run + period >= times * ngram.next_multiple_of(period) {
                    longest = longest.max(run + period);
                }
                if run + period == times * ngram.next_multiple_of(period) {
                    let certain = (end + 1, period);
                    first = first.map_or(Some(certain), |known: (usize, usize)| Some(known.min(certain)));
                }
            }
        }
        (longest, first)
    }

    #[test]
    fn one_word_again_and_again_is_an_ngram_of_itself() {
        let rule = LoopRule::default();
        assert!(text_loop(&[7; 23], &rule).is_none());
        let found = text_loop(&[7; 24], &rule).unwrap();
        assert_eq!((found.start, found.end, found.period), (0, 24, 1));
        assert_eq!((loop_score(&[7; 24], &rule), loop_score(&[7; 23], &rule), loop_score(&[], &rule)), (1.0, 0.0, 0.0));
    }

    /// They scored .13 to .15: three dots were an n-gram of one, three times.
    #[test]
    fn ellipses_rules_and_frames_are_no_loops() {
        let pairs = LoopRule { ngram: 1, times: 2, steps: 5 };
        let lines = [
            "Hmm... 9 - 4 = 5. … So 5.",
            "Wait.\n\n---\n\nSo 3 + 4 = 7.",
            "Seven!!! It is 7.",
            "| a | b |\n|---|---|---|---|\n| 1 | 2 |",
        ];
        for text in lines {
            assert_eq!(loop_score(&words(text), &pairs), 0.0, "{text}");
        }
        let rule = "-".repeat(80);
        assert_eq!(loop_score(&words(&rule), &LoopRule::default()), 0.0);
        // A model that repeats a picture, or a word with its marks, goes round.
        assert_eq!(loop_score(&words(&"😀".repeat(24)), &LoopRule::default()), 1.0);
        assert_eq!(loop_score(&words(&"wait... ".repeat(12)), &LoopRule::default()), 1.0);
    }

    #[test]
    fn the_parameters_of_a_loop_enter_its_score() {
        let tokens: Vec<u32> = (0..10).chain((10..14).cycle().take(12)).collect();
        let score = |ngram, times| loop_score(&tokens, &LoopRule { ngram, times, steps: 5 });
        assert_eq!((score(4, 3), score(5, 3), score(4, 4), score(6, 2)), (12.0 / 22.0, 0.0, 0.0, 0.0));
        assert_eq!(score(5, 2), 0.0);
        assert_eq!(score(3, 2), 12.0 / 22.0);
    }

    #[test]
    fn anchors_go_round_when_nothing_new_comes_for_five_steps() {
        let rule = LoopRule::default();
        let of = |steps: &[(usize, &str)]| {
            let anchors: Vec<_> = steps.iter().map(|(step, what)| assertion(*step, what)).collect();
            anchor_loop(&Trajectory::of(&givens(), &anchors), &rule).map(|found| (found.action, found.times))
        };
        let round = [(0, "A"), (1, "B"), (2, "A"), (3, "B"), (4, "A"), (5, "B"), (6, "A")];
        assert_eq!(of(&round), Some((6, 3)));
        assert_eq!(of(&round[..6]), None);
        // Something new in between.
        assert_eq!(of(&[(0, "A"), (1, "A"), (2, "A"), (3, "B"), (4, "A"), (7, "A")]), None);
        assert_eq!(anchor_loop(&chain(&["A", "A", "A", "B", "C"]), &rule), None);
    }

    #[test]
    fn a_long_text_takes_no_quadratic_time() {
        let started = std::time::Instant::now();
        let tokens: Vec<u32> = (0..200_000u64).map(|i| (i * i % 1_009) as u32 % 50 + u32::from(i % 7 == 0)).collect();
        let rule = LoopRule::default();
        assert!(loop_score(&tokens, &rule) > 0.0);
        assert_eq!(loop_score(&vec![3; 200_000], &rule), 1.0);
        assert!(started.elapsed().as_secs_f64() < 30.0, "{:?}", started.elapsed());
    }

    proptest! {
        #[test]
        fn cycles_are_those_of_the_definition(
            tokens in prop::collection::vec(0u32..3, 0..90), unit in prop::collection::vec(0u32..3, 1..12), at in 0usize..90,
            (ngram, times) in (1usize..10, 2usize..5)
        ) {
            let mut tokens = tokens;
            let at = at.min(tokens.len());
            tokens.splice(at..at, unit.repeat(3));
            let rule = LoopRule { ngram, times, steps: 5 };
            let (longest, first) = slow(&tokens, ngram, times);
            prop_assert_eq!(loop_score(&tokens, &rule), longest as f64 / tokens.len() as f64);
            let certain = text_loop(&tokens, &rule).map(|f| (f.start + times * ngram.next_multiple_of(f.period), f.period));
            prop_assert_eq!(certain, first);
        }
    }
}
