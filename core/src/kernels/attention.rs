//! Causal attention over a packed batch: every token sees its own sentence only, back to the window's edge.

use rayon::prelude::*;

use super::simd::{dispatch, dot, exp, sum};

/// Shape of a block's attention.
#[derive(Clone, Copy)]
pub(crate) struct Attention {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// How many tokens back are seen, the token itself included.
    pub(crate) window: Option<usize>,
}

/// Where a capture of the scores and probabilities goes: for each sentence `[heads, t, t]`, one behind the other.
pub(crate) struct Squares<'a> {
    pub(crate) scores: &'a mut [f32],
    pub(crate) probs: &'a mut [f32],
}

/// Some consecutive queries of one sentence.
struct Task<'a> {
    /// Rows of the sentence.
    start: usize,
    /// First query, counted in the sentence.
    first: usize,
    z: &'a mut [f32],
    squares: Option<Squares<'a>>,
}

/// Queries a task takes.
const QUERIES: usize = 32;

impl Attention {
    /// Width of a row of the joint q, k, v product.
    pub(crate) fn row(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// `z_i = sum_j softmax_j(q_i k_j / sqrt(head_dim)) v_j` for every head.
    ///
    /// # Shapes
    /// `qkv` `[tokens, row()]`, `starts` the first row of each sentence and the number of tokens, `z` `[tokens, heads * head_dim]`.
    pub(crate) fn forward(&self, qkv: &[f32], starts: &[usize], z: &mut [f32], squares: Option<Squares<'_>>) {
        let width = self.heads * self.head_dim;
        let mut tasks = Vec::new();
        let mut z = z;
        let mut squares = squares;
        for pair in starts.windows(2) {
            let (start, tokens) = (pair[0], pair[1] - pair[0]);
            // A sentence whose squares are wanted is one task, as the queries of a head lie side by side in its square.
            let step = if squares.is_some() { tokens.max(1) } else { QUERIES };
            for first in (0..tokens).step_by(step) {
                let (mine, rest) = z.split_at_mut(step.min(tokens - first) * width);
                z = rest;
                let mut own = None;
                if let Some(Squares { scores, probs }) = squares.take() {
                    let (s, s_rest) = scores.split_at_mut(self.heads * tokens * tokens);
                    let (p, p_rest) = probs.split_at_mut(self.heads * tokens * tokens);
                    own = Some(Squares { scores: s, probs: p });
                    squares = Some(Squares { scores: s_rest, probs: p_rest });
                }
                tasks.push(Task { start, first, z: mine, squares: own });
            }
        }
        tasks.into_par_iter().for_each_init(Vec::new, |line, task| {
            dispatch(
                #[inline(always)]
                || self.task(qkv, task, line),
            )
        });
    }

    #[inline(always)]
    fn task(&self, qkv: &[f32], mut task: Task<'_>, line: &mut Vec<f32>) {
        let (row, dim, group) = (self.row(), self.head_dim, self.heads / self.kv_heads);
        let width = self.heads * dim;
        let queries = task.z.len() / width;
        let scale = 1.0 / (dim as f32).sqrt();
        line.clear();
        line.resize(task.first + queries, 0.0);
        for head in 0..self.heads {
            let key = (self.heads + head / group) * dim;
            let value = key + self.kv_heads * dim;
            for i in 0..queries {
                let query = task.first + i;
                let from = self.window.map_or(0, |window| (query + 1).saturating_sub(window));
                let q = &qkv[(task.start + query) * row + head * dim..][..dim];
                let line = &mut line[..query + 1 - from];
                for (j, score) in line.iter_mut().enumerate() {
                    *score = dot(q, &qkv[(task.start + from + j) * row + key..][..dim]) * scale;
                }
                if let Some(squares) = &mut task.squares {
                    let at = (head * queries + i) * queries;
                    let scores = &mut squares.scores[at..][..queries];
                    scores.fill(f32::NEG_INFINITY);
                    scores[from..=query].copy_from_slice(line);
                }
                softmax(line);
                if let Some(squares) = &mut task.squares {
                    let at = (head * queries + i) * queries;
                    let probs = &mut squares.probs[at..][..queries];
                    probs.fill(0.0);
                    probs[from..=query].copy_from_slice(line);
                }
                let z = &mut task.z[i * width + head * dim..][..dim];
                z.fill(0.0);
                for (j, p) in line.iter().enumerate() {
                    let v = &qkv[(task.start + from + j) * row + value..][..dim];
                    for (z, v) in z.iter_mut().zip(v) {
                        *z += p * v;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn softmax(line: &mut [f32]) {
    let top = line.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    for x in line.iter_mut() {
        *x = exp(*x - top);
    }
    let scale = 1.0 / sum(line);
    for x in line.iter_mut() {
        *x *= scale;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Attention of one sentence in f64, written as the formula.
    fn slow(a: &Attention, qkv: &[f32]) -> Vec<f64> {
        let (row, dim) = (a.row(), a.head_dim);
        let tokens = qkv.len() / row;
        let mut z = vec![0.0; tokens * a.heads * dim];
        for head in 0..a.heads {
            let shared = head / (a.heads / a.kv_heads);
            let at = |token: usize, part: usize, i: usize| f64::from(qkv[token * row + part * dim + i]);
            for i in 0..tokens {
                let seen: Vec<usize> = (0..=i).filter(|j| a.window.is_none_or(|w| i - j < w)).collect();
                let score = |j: usize| {
                    (0..dim).map(|d| at(i, head, d) * at(j, a.heads + shared, d)).sum::<f64>() / (dim as f64).sqrt()
                };
                let total: f64 = seen.iter().map(|j| score(*j).exp()).sum();
                for d in 0..dim {
                    z[i * a.heads * dim + head * dim + d] =
                        seen.iter().map(|j| score(*j).exp() / total * at(*j, a.heads + a.kv_heads + shared, d)).sum();
                }
            }
        }
        z
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn equals_the_slow_attention_sentence_by_sentence(
            lengths in prop::collection::vec(1usize..40, 1..4), window in prop::option::of(1usize..9), seed in 0u32..999,
        ) {
            let a = Attention { heads: 4, kv_heads: 2, head_dim: 20, window };
            let tokens: usize = lengths.iter().sum();
            let value = |i: usize| ((i as u32 + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 4e6 - 2.0;
            let qkv: Vec<f32> = (0..tokens * a.row()).map(value).collect();
            let mut starts = vec![0];
            starts.extend(lengths.iter().scan(0, |at, n| { *at += n; Some(*at) }));
            let mut z = vec![f32::NAN; tokens * 80];
            a.forward(&qkv, &starts, &mut z, None);

            let cells: usize = lengths.iter().map(|n| 4 * n * n).sum();
            let (mut scores, mut probs, mut again) = (vec![f32::NAN; cells], vec![f32::NAN; cells], z.clone());
            a.forward(&qkv, &starts, &mut again, Some(Squares { scores: &mut scores, probs: &mut probs }));
            prop_assert_eq!(&z, &again, "a capture changed the numbers");
            let mut at = 0;
            for n in &lengths {
                for row in probs[at..at + 4 * n * n].chunks(*n) {
                    prop_assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                }
                at += 4 * n * n;
            }
            for (sentence, pair) in starts.windows(2).enumerate() {
                let want = slow(&a, &qkv[pair[0] * a.row()..pair[1] * a.row()]);
                for (got, want) in z[pair[0] * 80..pair[1] * 80].iter().zip(want) {
                    prop_assert!((f64::from(*got) - want).abs() < 1e-5, "sentence {sentence}: {got} {want}");
                }
            }
        }
    }
}
