//! What the layers would answer at the end of each step, without being asked: the logit lens on the answer's first tokens.
//!
//! `p_b,l = sum over the tokens v of softmax(unembed(h_l[last token before boundary b]))_v`, with the model's own final norm. One pass of
//! the trace serves every boundary and layer. nostalgebraist 2020; along a trace as in methods.md 7.5 b.
//!
//! Decided here: the answer is meant by its first tokens, all of its spellings (`29`, ` 29`, `twenty`), each counted once. At the last
//! layer this is the probability that the next token *is* the answer: low where the next step begins with another word, however sure the
//! model is. Compare layers and boundaries with each other, and with tokens of other answers (`rank`).

use babelscope_core::{engine::Engine, monitor::Monitor};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Told, chosen, refuse, rows, tensor};
use crate::Result;

/// The lens on an answer along a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decodable {
    /// Canonical layers, ascending.
    pub layers: Vec<usize>,
    /// `[boundary][layer]`: probability of the tokens together.
    pub probability: Vec<Vec<f64>>,
    /// `[boundary][layer]`: how many logits are at least as large as the best of the tokens' (1 = it is the top).
    pub rank: Vec<Vec<u32>>,
}

/// Reads the answer's tokens at the end of each step, and of the prompt. `layers` empty means all.
///
/// # Errors
/// A trace that does not fit the model, no tokens, layers that do not ascend, logits that are not finite, what the engine refuses.
pub fn decodable(
    engine: &Engine,
    told: &Told<'_>,
    answer: &[u32],
    layers: &[usize],
    monitor: &Monitor,
) -> Result<Decodable> {
    told.check(engine, 0)?;
    let layers = chosen(layers, engine)?;
    let mut answer = answer.to_vec();
    answer.sort_unstable();
    answer.dedup();
    let vocabulary = engine.info().vocabulary;
    if answer.is_empty() || answer.last().is_some_and(|id| *id as usize >= vocabulary) {
        return refuse(format!("expected token ids of the answer below {vocabulary}, at least one, got {answer:?}"));
    }
    let (_, states) = told.read(engine, 0, &layers, monitor)?;
    let boundaries = told.steps() + 1;
    let ends: Vec<u32> = (0..boundaries).map(|b| told.until(b) as u32 - 1).collect();
    let ends = Tensor::from_vec(ends, boundaries, &Device::Cpu).map_err(tensor)?;
    let mut found = Decodable { layers, probability: vec![Vec::new(); boundaries], rank: vec![Vec::new(); boundaries] };
    for states in &states {
        let rows = states.index_select(&ends, 0).map_err(tensor)?;
        let read = |_: usize, logits: &[f32], total: &crate::logits::Total| {
            let probability: f64 = answer.iter().map(|id| (-total.nats(logits, *id as usize)).exp()).sum();
            let best = answer.iter().map(|id| logits[*id as usize]).fold(f32::NEG_INFINITY, f32::max);
            (probability.min(1.0), logits.iter().filter(|logit| **logit >= best).count() as u32)
        };
        for (b, (probability, rank)) in rows::each(engine, &rows, read, monitor)?.into_iter().enumerate() {
            found.probability[b].push(probability);
            found.rank[b].push(rank);
        }
    }
    Ok(found)
}
