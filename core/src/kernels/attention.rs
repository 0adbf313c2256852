//! Attention over a packed batch: every token sees its own sentence only, back to the window's edge or all of it, and what a
//! cache holds of it from before.

use std::{ops::Range, sync::Arc};

use half::bf16;
use rayon::prelude::*;

use super::simd::{dispatch, dot, exp, sum};

/// Shape of a block's attention.
#[derive(Clone)]
pub(crate) struct Attention {
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// How many tokens back are seen, the token itself included.
    pub(crate) window: Option<usize>,
    /// Whether a token sees only itself and those before.
    pub(crate) causal: bool,
    /// Factor on `q k`.
    pub(crate) scale: f32,
    /// `cap tanh(score / cap)`
    pub(crate) cap: Option<f32>,
    pub(crate) bias: Bias,
}

/// What is added to the scores by position.
#[derive(Clone, Debug)]
pub(crate) enum Bias {
    None,
    /// `slope * position of the key`; where `inside` scaled like `q k`, and in bf16. Added so many times.
    Alibi {
        slopes: Vec<f32>,
        inside: bool,
        times: f32,
    },
    /// A number for each head and distance `key - query` from `-furthest` to `furthest`: `[heads, 2 * furthest + 1]`.
    Distance {
        furthest: usize,
        values: Arc<Vec<f32>>,
    },
}

/// Where a capture of the scores and probabilities goes: for each sentence `[heads, queries, keys]`, one behind the other.
pub(crate) struct Squares<'a> {
    pub(crate) scores: &'a mut [f32],
    pub(crate) probs: &'a mut [f32],
}

/// The scores or probabilities of one query before they are used, for edits.
pub(crate) struct Line<'a> {
    /// Place of the sentence in the batch.
    pub(crate) sentence: usize,
    pub(crate) head: usize,
    /// Position in the sentence.
    pub(crate) query: usize,
    /// Position of the first key; those before are not seen.
    pub(crate) from: usize,
    pub(crate) values: &'a mut [f32],
}

/// Changes to the scores before the softmax and to the probabilities behind it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Touch<'a> {
    pub(crate) scores: Option<&'a (dyn Fn(Line<'_>) + Sync)>,
    pub(crate) probs: Option<&'a (dyn Fn(Line<'_>) + Sync)>,
}

/// Keys and values of one sentence, from its first token to its last in this batch, in two pieces one behind the other, of which
/// the first may belong to other sentences too: `[tokens, kv_heads * head_dim]` each.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(crate) keys: [&'a [f32]; 2],
    pub(crate) values: [&'a [f32]; 2],
}

/// Rows of a matrix in two pieces, from a column on.
#[derive(Clone, Copy)]
struct View<'a> {
    pieces: [&'a [f32]; 2],
    /// Rows of the first piece.
    split: usize,
    stride: usize,
}

impl<'a> View<'a> {
    fn new(pieces: [&'a [f32]; 2], stride: usize) -> Self {
        Self { pieces, split: pieces[0].len() / stride, stride }
    }

    #[inline(always)]
    fn row(&self, row: usize, column: usize, width: usize) -> &'a [f32] {
        let (piece, row) = if row < self.split { (0, row) } else { (1, row - self.split) };
        &self.pieces[piece][row * self.stride + column..][..width]
    }
}

/// Some consecutive queries of one sentence, or some heads of one query.
struct Task<'a> {
    sentence: usize,
    heads: Range<usize>,
    /// Row of the first query.
    row: usize,
    /// First query, counted in the sentence.
    first: usize,
    /// Tokens that the sentence has in all.
    total: usize,
    keys: View<'a>,
    values: View<'a>,
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

    /// `z_i = sum_j softmax_j(cap(q_i k_j scale + bias_ij)) v_j` for every head.
    ///
    /// # Shapes
    /// `qkv` `[rows, row()]`, `starts` the first row of each sentence and the number of rows, `past` the tokens of each
    /// sentence that come before its rows and whose keys and values are in `memory` (with those of the rows), `z`
    /// `[rows, heads * head_dim]`.
    #[expect(clippy::too_many_arguments, reason = "one operation with all that it reads and writes")]
    pub(crate) fn forward(
        &self,
        qkv: &[f32],
        starts: &[usize],
        past: &[usize],
        memory: Option<&[Memory<'_>]>,
        z: &mut [f32],
        squares: Option<Squares<'_>>,
        touch: Touch<'_>,
    ) {
        let width = self.heads * self.head_dim;
        let kv = self.kv_heads * self.head_dim;
        let mut tasks = Vec::new();
        // Where each sentence has one query, the threads share its heads.
        let share = self.heads.div_ceil(rayon::current_num_threads().div_ceil(past.len().max(1)));
        let mut z = z;
        let mut squares = squares;
        for (sentence, pair) in starts.windows(2).enumerate() {
            let (start, rows) = (pair[0], pair[1] - pair[0]);
            let total = past[sentence] + rows;
            let (keys, values) = match memory {
                Some(memory) => {
                    let Memory { keys, values } = memory[sentence];
                    (View::new(keys, kv), View::new(values, kv))
                }
                None => {
                    let own = &qkv[start * self.row()..];
                    let row = self.row();
                    (View::new([&[], &own[width..]], row), View::new([&[], &own[width + kv..]], row))
                }
            };
            // A sentence whose squares are wanted is one task, as the queries of a head lie side by side in its square.
            let step = if squares.is_some() { rows.max(1) } else { QUERIES };
            if rows == 1 && squares.is_none() {
                let (mine, rest) = z.split_at_mut(width);
                z = rest;
                tasks.extend(mine.chunks_mut(share * self.head_dim).enumerate().map(|(index, z)| {
                    let heads = index * share..index * share + z.len() / self.head_dim;
                    Task { sentence, heads, row: start, first: total - 1, total, keys, values, z, squares: None }
                }));
                continue;
            }
            for first in (0..rows).step_by(step) {
                let (mine, rest) = z.split_at_mut(step.min(rows - first) * width);
                z = rest;
                let mut own = None;
                if let Some(Squares { scores, probs }) = squares.take() {
                    let (s, s_rest) = scores.split_at_mut(self.heads * rows * total);
                    let (p, p_rest) = probs.split_at_mut(self.heads * rows * total);
                    own = Some(Squares { scores: s, probs: p });
                    squares = Some(Squares { scores: s_rest, probs: p_rest });
                }
                let first = past[sentence] + first;
                let row = start + first - past[sentence];
                let heads = 0..self.heads;
                tasks.push(Task { sentence, heads, row, first, total, keys, values, z: mine, squares: own });
            }
        }
        tasks.into_par_iter().for_each_init(Vec::new, |line, task| {
            dispatch(
                #[inline(always)]
                || self.task(qkv, task, line, touch),
            )
        });
    }

    #[inline(always)]
    fn task(&self, qkv: &[f32], mut task: Task<'_>, line: &mut Vec<f32>, touch: Touch<'_>) {
        let (row, dim, group) = (self.row(), self.head_dim, self.heads / self.kv_heads);
        let width = task.heads.len() * dim;
        let queries = task.z.len() / width;
        let total = task.total;
        line.clear();
        line.resize(total, 0.0);
        for head in task.heads.clone() {
            let shared = head / group * dim;
            for i in 0..queries {
                let query = task.first + i;
                let (from, until) = self.seen(query, total);
                let q = &qkv[(task.row + i) * row + head * dim..][..dim];
                let line = &mut line[..until - from];
                for (j, score) in line.iter_mut().enumerate() {
                    *score = dot(q, task.keys.row(from + j, shared, dim)) * self.scale;
                }
                self.add_bias(line, head, query, from);
                if let Some(cap) = self.cap {
                    for score in line.iter_mut() {
                        *score = (*score / cap).tanh() * cap;
                    }
                }
                if let Some(touch) = touch.scores {
                    touch(Line { sentence: task.sentence, head, query, from, values: line });
                }
                let at = (head * queries + i) * total;
                if let Some(squares) = &mut task.squares {
                    let scores = &mut squares.scores[at..][..total];
                    scores.fill(f32::NEG_INFINITY);
                    scores[from..until].copy_from_slice(line);
                }
                softmax(line);
                if let Some(touch) = touch.probs {
                    touch(Line { sentence: task.sentence, head, query, from, values: line });
                }
                if let Some(squares) = &mut task.squares {
                    let probs = &mut squares.probs[at..][..total];
                    probs.fill(0.0);
                    probs[from..until].copy_from_slice(line);
                }
                let z = &mut task.z[i * width + (head - task.heads.start) * dim..][..dim];
                z.fill(0.0);
                for (j, p) in line.iter().enumerate() {
                    let v = task.values.row(from + j, shared, dim);
                    for (z, v) in z.iter_mut().zip(v) {
                        *z += p * v;
                    }
                }
            }
        }
    }

    /// The keys that a query of a sentence of `total` tokens sees: from the first up to the second.
    #[inline(always)]
    pub(crate) fn seen(&self, query: usize, total: usize) -> (usize, usize) {
        if self.causal {
            (self.window.map_or(0, |window| (query + 1).saturating_sub(window)), query + 1)
        } else {
            (0, total)
        }
    }

    /// Adds to the scores of keys `from ..` what the family adds by position.
    #[inline(always)]
    pub(crate) fn add_bias(&self, line: &mut [f32], head: usize, query: usize, from: usize) {
        match &self.bias {
            Bias::None => {}
            Bias::Alibi { slopes, inside, times } => {
                let factor = if *inside { times * self.scale } else { *times };
                let slope = slopes[head];
                for (j, score) in line.iter_mut().enumerate() {
                    let key = (from + j) as f32;
                    let bias = if *inside { rounded_product(slope, key) } else { slope * key };
                    *score += bias * factor;
                }
            }
            Bias::Distance { furthest, values } => {
                let values = &values[head * (2 * furthest + 1)..][..2 * furthest + 1];
                for (j, score) in line.iter_mut().enumerate() {
                    let distance = (from + j + furthest).saturating_sub(query).min(2 * furthest);
                    *score += values[distance];
                }
            }
        }
    }
}

/// As transformers computes Falcon's bias: every factor and the product in bf16.
fn rounded_product(slope: f32, key: f32) -> f32 {
    let product = bf16::from_f32(slope).to_f32() * bf16::from_f32(key).to_f32();
    bf16::from_f32(product).to_f32()
}

/// Scores of minus infinity get nothing; where all are, so does every key.
#[inline(always)]
pub(crate) fn softmax(line: &mut [f32]) {
    let top = line.iter().fold(f32::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
    if top == f32::NEG_INFINITY {
        line.fill(0.0);
        return;
    }
    for x in line.iter_mut() {
        *x = if *x == f32::NEG_INFINITY { 0.0 } else { exp(*x - top) };
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

    fn bias(a: &Attention, head: usize, query: usize, key: usize) -> f64 {
        match &a.bias {
            Bias::None => 0.0,
            Bias::Alibi { slopes, inside, times } => {
                f64::from(slopes[head] * times) * key as f64 * if *inside { f64::from(a.scale) } else { 1.0 }
            }
            Bias::Distance { furthest, values } => {
                let distance = (key as isize - query as isize).clamp(-(*furthest as isize), *furthest as isize);
                f64::from(values[head * (2 * furthest + 1) + (distance + *furthest as isize) as usize])
            }
        }
    }

    /// Attention of one sentence in f64, written as the formula.
    fn slow(a: &Attention, qkv: &[f32]) -> Vec<f64> {
        let (row, dim) = (a.row(), a.head_dim);
        let tokens = qkv.len() / row;
        let mut z = vec![0.0; tokens * a.heads * dim];
        for head in 0..a.heads {
            let shared = head / (a.heads / a.kv_heads);
            let at = |token: usize, part: usize, i: usize| f64::from(qkv[token * row + part * dim + i]);
            for i in 0..tokens {
                let sees = |j: &usize| !a.causal || (*j <= i && a.window.is_none_or(|w| i - j < w));
                let seen: Vec<usize> = (0..tokens).filter(sees).collect();
                let score = |j: usize| {
                    let product: f64 = (0..dim).map(|d| at(i, head, d) * at(j, a.heads + shared, d)).sum();
                    let score = product * f64::from(a.scale) + bias(a, head, i, j);
                    a.cap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
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

    fn biases() -> impl Strategy<Value = Bias> {
        prop_oneof![
            Just(Bias::None),
            // Slopes that bf16 holds exactly with every position below 256.
            (any::<bool>(), 1f32..3.0).prop_map(|(inside, times)| Bias::Alibi {
                slopes: vec![0.5, 0.25, 0.125, 0.0078125],
                inside,
                times
            }),
            Just(Bias::Distance { furthest: 3, values: Arc::new((0..28).map(|i| i as f32 * 0.37 % 1.0).collect()) }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_the_slow_attention_sentence_by_sentence(
            lengths in prop::collection::vec(1usize..40, 1..4), window in prop::option::of(1usize..9), causal: bool,
            cap in prop::option::of(2f32..9.0), bias in biases(), seed in 0u32..999,
        ) {
            let a = Attention { heads: 4, kv_heads: 2, head_dim: 20, window, causal, scale: 0.2, cap, bias };
            let tokens: usize = lengths.iter().sum();
            let value = |i: usize| ((i as u32 + seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 4e6 - 2.0;
            let qkv: Vec<f32> = (0..tokens * a.row()).map(value).collect();
            let mut starts = vec![0];
            starts.extend(lengths.iter().scan(0, |at, n| { *at += n; Some(*at) }));
            let none = vec![0; lengths.len()];
            let mut z = vec![f32::NAN; tokens * 80];
            a.forward(&qkv, &starts, &none, None, &mut z, None, Touch::default());

            let cells: usize = lengths.iter().map(|n| 4 * n * n).sum();
            let (mut scores, mut probs, mut again) = (vec![f32::NAN; cells], vec![f32::NAN; cells], z.clone());
            let squares = Some(Squares { scores: &mut scores, probs: &mut probs });
            a.forward(&qkv, &starts, &none, None, &mut again, squares, Touch::default());
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
                    prop_assert!((f64::from(*got) - want).abs() < 2e-5, "sentence {sentence}: {got} {want}");
                }
            }
            if causal {
                // The last row of each sentence alone, its keys and values out of a cache, the first half of them shared.
                let kept: Vec<(Vec<f32>, Vec<f32>)> = starts.windows(2).map(|pair| {
                    let rows = qkv[pair[0] * a.row()..pair[1] * a.row()].chunks(a.row());
                    (rows.clone().flat_map(|row| row[80..120].to_vec()).collect(), rows.flat_map(|row| row[120..].to_vec()).collect())
                }).collect();
                fn halves(rows: &[f32]) -> [&[f32]; 2] {
                    rows.split_at(rows.len() / 80 * 40).into()
                }
                let memory: Vec<Memory<'_>> =
                    kept.iter().map(|(keys, values)| Memory { keys: halves(keys), values: halves(values) }).collect();
                let last: Vec<f32> = starts[1..].iter().flat_map(|end| qkv[(end - 1) * a.row()..end * a.row()].to_vec()).collect();
                let past: Vec<usize> = lengths.iter().map(|n| n - 1).collect();
                let one: Vec<usize> = (0..=lengths.len()).collect();
                let mut tail = vec![f32::NAN; lengths.len() * 80];
                a.forward(&last, &one, &past, Some(&memory), &mut tail, None, Touch::default());
                for (row, end) in tail.chunks(80).zip(&starts[1..]) {
                    prop_assert_eq!(row, &z[(end - 1) * 80..end * 80], "the cache changed the numbers");
                }
            }
        }
    }
}
