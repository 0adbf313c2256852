//! The logit lens: what each layer would say, and in which language.
//!
//! With the state `h_l[t]` of layer l at token t, the model's own final norm and unembedding (its soft-cap included):
//!
//! - `p_l = softmax(unembed(h_l[t]))`; at the last layer this is the model's own prediction of token t + 1;
//! - **entropy** `-sum_v p_l[v] ln p_l[v]` in nats, 0 to ln(vocabulary);
//! - **final token** f = the most probable token at the last layer (the smallest id of several equal ones); its
//!   **probability** `p_l[f]` and its **rank** = how many logits of the layer are >= its own (1 = top);
//! - **KL from final** `sum_v p_L[v] (ln p_L[v] - ln p_l[v])` in nats, computed on log-probabilities without clipping
//!   (transformer-utils clips probabilities at 1 / (10 vocabulary), so its values differ where a layer is sure and wrong);
//! - **mass** of a language or script = sum of `p_l[v]` over its tokens, see [`TokenSets`].
//!
//! nostalgebraist 2020, *interpreting GPT: the logit lens*; latent-language probabilities after Wendler et al. 2024 (arXiv
//! 2402.10588). Traps: early layers are read through a norm and an unembedding that were trained for the last one; with tied
//! embeddings layer 0 decodes its own input; a piece is not a word; byte tokens hide their script.

mod readout;
mod report;
mod token_sets;
mod walk;
mod words;

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Plan, Reduce},
};
use candle_core::Tensor;

pub use readout::{Readout, read_out};
pub use report::{Candidate, LensCell, LensReport};
pub use token_sets::TokenSets;
pub(crate) use token_sets::script;
pub use words::{Discarded, WordPair, Words};

use crate::{Error, Result};

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LensParams {
    /// Canonical layers, ascending; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// How many tokens are kept in each cell, at least 1.
    pub top_k: usize,
    /// Bytes of one block of logits; three blocks of this size stand in memory at once. At least one row is read.
    pub logit_bytes: usize,
}

impl Default for LensParams {
    fn default() -> Self {
        Self { layers: Vec::new(), top_k: 5, logit_bytes: 160 << 20 }
    }
}

/// Reads every token of `text` at every layer: one pass of the model, then the unembedding of a few rows at a time.
///
/// # Errors
/// An empty text, `top_k` 0, layers that do not ascend or that the model does not have, logits that are not finite, and whatever
/// the engine refuses.
pub fn analyse(
    engine: &Engine,
    text: &str,
    sets: &TokenSets,
    params: &LensParams,
    monitor: &Monitor,
) -> Result<LensReport> {
    let deepest = engine.info().layers;
    let layers = if params.layers.is_empty() { (0..=deepest).collect() } else { params.layers.clone() };
    if !layers.is_sorted_by(|a, b| a < b) || layers.last().is_none_or(|l| *l > deepest) {
        let why = format!("expected layers of 0..={deepest} in ascending order, each once, got {layers:?}");
        return Err(Error::Input { measure: "lens", why });
    }
    let encoded = engine.tokenizer().encode(text)?;
    if encoded.ids.len() <= encoded.bos {
        return Err(Error::Input { measure: "lens", why: format!("the text {text:?} has no token to read") });
    }
    let mut captured_layers = layers.clone();
    if layers.last() != Some(&deepest) {
        captured_layers.push(deepest);
    }
    let captured = engine.run(std::slice::from_ref(&encoded), &Plan::layers(captured_layers, Reduce::All), monitor)?;
    let mut states: Vec<Tensor> = Vec::with_capacity(captured.len());
    for capture in captured {
        let Values::Tokens(mut tensors) = capture.values else {
            return Err(Error::Input { measure: "lens", why: "the engine pooled what was to be kept whole".into() });
        };
        states.extend(tensors.pop());
    }
    let last = states
        .last()
        .cloned()
        .ok_or_else(|| Error::Input { measure: "lens", why: "the engine returned no states".into() })?;
    states.truncate(layers.len());
    let unembed = |rows: &Tensor, logits: &mut Vec<f32>| Ok(engine.unembed_into(rows, logits)?);
    let readouts = read_out(&states, &last, &unembed, sets, params, monitor)?;
    let piece = |id: u32| sets.candidate(id, engine.tokenizer());
    let cells = (readouts.into_iter()).map(|row| row.into_iter().map(|r| r.into_cell(&piece)).collect()).collect();
    let tokens = encoded.ids.iter().map(|&id| Candidate { probability: 1.0, ..piece(id) }).collect();
    Ok(LensReport {
        text: text.to_owned(),
        tokens,
        spans: encoded.spans.iter().map(|s| (s.start, s.end)).collect(),
        layers,
        cells,
        languages: sets.languages().to_vec(),
        language_rule: sets.rule().to_owned(),
        scripts: sets.scripts().to_vec(),
    })
}
