//! Attention over sentences of one length: no padding, no copies of shared keys and values, long sentences some queries at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range,
};

use super::{buckets::Bucket, numbers::Numbers};
use crate::{
    Result,
    kernels::attention::{Attention, Bias, Line, Touch, softmax},
};

/// Scores that are held at once; above this the queries of a bucket are taken in parts.
const CELLS: usize = 1 << 27;

/// Queries, keys and values of a packed batch: `[tokens, heads * head_dim]`.
pub(super) struct Inputs<T> {
    pub(super) q: T,
    pub(super) k: T,
    pub(super) v: T,
}

/// Scores and probabilities of a bucket, `[sentences, heads, tokens, tokens]`.
pub(super) struct Squares<T> {
    pub(super) scores: T,
    pub(super) probs: T,
}

/// What is added to the scores of sentences of some length, kept for the blocks that follow.
pub(super) struct Added<T> {
    /// By tokens and window.
    masks: HashMap<(usize, Option<usize>), T>,
    /// By tokens.
    biases: HashMap<usize, T>,
}

impl<T> Default for Added<T> {
    fn default() -> Self {
        Self { masks: HashMap::new(), biases: HashMap::new() }
    }
}

/// `z`, and the squares where they are wanted.
///
/// # Shapes
/// `z` `[tokens of the bucket, heads * head_dim]`.
pub(super) fn attend<T: Numbers>(
    shape: &Attention,
    place: &T::Place,
    inputs: &Inputs<T>,
    bucket: &Bucket,
    added: &mut Added<T>,
    squares: bool,
    touch: Touch<'_>,
) -> Result<(T, Option<Squares<T>>)> {
    let Attention { heads, kv_heads, head_dim, .. } = *shape;
    let (sentences, tokens) = (bucket.sentences.len(), bucket.tokens);
    let (all, shared, group) = (sentences * heads, sentences * kv_heads, heads / kv_heads);
    // [sentences, heads, tokens, head_dim]
    let by_head = |x: &T, heads: usize| {
        let x = x.narrow(0, bucket.rows.start, bucket.rows.len())?;
        x.reshape(&[sentences, tokens, heads, head_dim])?.transpose(1, 2)
    };
    let q = by_head(&inputs.q, heads)?;
    let k = by_head(&inputs.k, kv_heads)?.reshape(&[shared, tokens, head_dim])?.transpose(1, 2)?;
    let v = by_head(&inputs.v, kv_heads)?.reshape(&[shared, tokens, head_dim])?;
    let step = (CELLS / (all * tokens)).clamp(1, tokens);
    let (mut z, mut scores, mut probs) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..tokens).step_by(step) {
        let queries = first..tokens.min(first + step);
        let n = queries.len();
        let part = q.narrow(2, first, n)?.reshape(&[shared, group * n, head_dim])?;
        let mut line = part.matmul(&k)?.affine(shape.scale, 0.0)?.reshape(&[sentences, heads, n, tokens])?;
        if !matches!(shape.bias, Bias::None) {
            line = added.bias(shape, place, tokens, &queries, &line)?;
        }
        if let Some(cap) = shape.cap {
            line = line.affine(1.0 / cap, 0.0)?.tanh()?.affine(cap, 0.0)?;
        }
        if shape.causal {
            line = added.mask(shape, place, tokens, &queries, &line)?;
        }
        let share = if touch.scores.is_none() && touch.probs.is_none() {
            line.softmax()?
        } else {
            let (scores, probs) = touched(shape, bucket, &queries, line.download()?, touch);
            line = T::upload(place, scores, &[sentences, heads, n, tokens])?;
            T::upload(place, probs, &[sentences, heads, n, tokens])?
        };
        let mixed = share.reshape(&[shared, group * n, tokens])?.matmul(&v)?;
        z.push(mixed.reshape(&[sentences, heads, n, head_dim])?);
        if squares {
            scores.push(line);
            probs.push(share);
        }
    }
    let z = T::cat(&z, 2)?.transpose(1, 2)?.reshape(&[bucket.rows.len(), heads * head_dim])?;
    let squares = match squares {
        true => Some(Squares { scores: T::cat(&scores, 2)?, probs: T::cat(&probs, 2)? }),
        false => None,
    };
    Ok((z, squares))
}

/// Edits the scores `[sentences, heads, queries, tokens]` and their softmax on the host, line by line, by the code of the
/// native engine: a line without any key left gets no probabilities.
fn touched(
    shape: &Attention,
    bucket: &Bucket,
    queries: &Range<usize>,
    mut scores: Vec<f32>,
    touch: Touch<'_>,
) -> (Vec<f32>, Vec<f32>) {
    let mut probs = vec![0.0; scores.len()];
    let heads = (0..shape.heads).flat_map(|head| queries.clone().map(move |query| (head, query)));
    let places =
        bucket.sentences.clone().flat_map(|sentence| heads.clone().map(move |(h, query)| (sentence, h, query)));
    let lines = scores.chunks_exact_mut(bucket.tokens).zip(probs.chunks_exact_mut(bucket.tokens));
    for ((sentence, head, query), (scores, probs)) in places.zip(lines) {
        let (from, until) = shape.seen(query, bucket.tokens);
        let (scores, probs) = (&mut scores[from..until], &mut probs[from..until]);
        if let Some(touch) = touch.scores {
            touch(Line { sentence, head, query, from, values: scores });
        }
        probs.copy_from_slice(scores);
        softmax(probs);
        if let Some(touch) = touch.probs {
            touch(Line { sentence, head, query, from, values: probs });
        }
    }
    (scores, probs)
}

impl<T: Numbers> Added<T> {
    /// `line` with minus infinity where a query does not see a key.
    fn mask(
        &mut self,
        shape: &Attention,
        place: &T::Place,
        tokens: usize,
        queries: &Range<usize>,
        line: &T,
    ) -> Result<T> {
        let make = || {
            let mut cells = vec![f32::NEG_INFINITY; queries.len() * tokens];
            for (query, row) in queries.clone().zip(cells.chunks_exact_mut(tokens)) {
                let (from, until) = shape.seen(query, tokens);
                row[from..until].fill(0.0);
            }
            T::upload(place, cells, &[queries.len(), tokens])
        };
        if queries.len() < tokens {
            return line.add(&make()?);
        }
        let key = (tokens, shape.window);
        if let Entry::Vacant(place) = self.masks.entry(key) {
            place.insert(make()?);
        }
        line.add(&self.masks[&key])
    }

    /// `line` with what the family adds by position.
    fn bias(
        &mut self,
        shape: &Attention,
        place: &T::Place,
        tokens: usize,
        queries: &Range<usize>,
        line: &T,
    ) -> Result<T> {
        // ALiBi is the same for every query.
        let own = if matches!(shape.bias, Bias::Alibi { .. }) { 0..1 } else { queries.clone() };
        let make = || {
            let mut cells = vec![0.0; shape.heads * own.len() * tokens];
            let rows = (0..shape.heads).flat_map(|head| own.clone().map(move |query| (head, query)));
            for ((head, query), row) in rows.zip(cells.chunks_exact_mut(tokens)) {
                shape.add_bias(row, head, query, 0);
            }
            T::upload(place, cells, &[shape.heads, own.len(), tokens])
        };
        if queries.len() < tokens {
            return line.add(&make()?);
        }
        if let Entry::Vacant(place) = self.biases.entry(tokens) {
            place.insert(make()?);
        }
        line.add(&self.biases[&tokens])
    }
}
