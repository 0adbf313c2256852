//! The straight way of the stream: what reaches the logits of a token from a part of its state without going through attention or an
//! activation again, for direct logit attribution. A norm on this way is linear once the scale that it had is kept.

use super::{
    Decoder,
    config::{Head as Kind, Mask, Norm as NormKind},
    decoder::Block,
};
use crate::{
    Error, Result,
    engine::Engine,
    kernels::{
        linear::{Linear, Workspace},
        norm::Norm,
    },
};

/// A norm on the way of what a block adds to the stream. Blocks count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On attention's output (Gemma 2 and 3, OLMo 2).
    AttnPost(usize),
    /// On the sum of stream and attention's output (OPT 350m).
    AttnAfter(usize),
    /// On the sum of stream and the feed-forward part's output (OPT 350m).
    MlpAfter(usize),
    /// Behind the last block.
    Final,
}

/// The linear pieces between the states of a model and its logits.
///
/// ```
/// # use babelscope_core::{engine::{Engine, LoadOptions, Values}, monitor::Monitor, model::attribute::Place};
/// # use babelscope_core::plan::{Capture, Plan, Reduce, Site};
/// let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent())?;
/// let sentence = engine.tokenizer().encode("Anna lives in the")?;
/// let plan = Plan::layers([engine.info().layers], Reduce::Last);
/// # let mut captured = engine.run(&[sentence], &plan, &Monitor::silent())?;
/// # let Some(Values::Pooled(last)) = captured.pop().map(|c| c.values) else { panic!() };
/// # let logits = engine.unembed(&last)?.get(0)?.to_vec1::<f32>()?;
/// # let state = last.get(0)?.to_vec1::<f32>()?;
/// // `state`: the last layer's. All of it, through the norm as it scaled it, gives the logit.
/// let path = engine.straight_path()?;
/// let Some(norm) = path.freeze(Place::Final, &state) else { panic!("the lab has a final norm") };
/// let whole: Vec<f64> = state.iter().map(|x| f64::from(*x)).collect();
/// let read = path.read(&[norm.part(&whole)], &[(7, 1.0)])[0] + path.constant(&[(7, 1.0)]);
/// assert!((read - f64::from(logits[7])).abs() < 1e-4);
/// # Ok::<(), babelscope_core::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct StraightPath<'a> {
    decoder: &'a Decoder,
}

/// A norm whose scale is kept: linear, and then a constant.
pub struct Frozen<'a> {
    norm: &'a Norm,
    scale: f64,
}

impl Engine {
    /// The linear pieces of a model that says the next token.
    ///
    /// # Errors
    /// [`Error::Plan`] for a model that another engine than `native` computes, for an encoder, and for one without a head.
    pub fn straight_path(&self) -> Result<StraightPath<'_>> {
        let refuse = |why: String| Error::Plan { why };
        let decoder = self.native().map_err(|_other| {
            refuse(format!(
                "attribution reads the weights of the native engine, and this model is on {} ({}); load it on `cpu` without another \
                 `engine`",
                self.info().engine,
                self.info().device
            ))
        })?;
        let config = &decoder.config;
        if config.mask != Mask::Causal || !matches!(config.head, Kind::Linear { .. }) {
            return Err(refuse(format!(
                "this {} has no matrix that turns its last state into the next token's logits, and attribution is to these",
                config.family
            )));
        }
        Ok(StraightPath { decoder })
    }
}

impl<'a> StraightPath<'a> {
    fn block(self, block: usize) -> Option<&'a Block> {
        self.decoder.blocks.get(block.checked_sub(1)?)
    }

    /// The norm at a place with the scale that it has for `state`, which is all that it norms there; `None` where the model has none.
    ///
    /// # Shapes
    /// `state` `[width]`.
    pub fn freeze(self, place: Place, state: &[f32]) -> Option<Frozen<'a>> {
        let norm = match place {
            Place::AttnPost(block) => self.block(block)?.attn_post.as_ref(),
            Place::AttnAfter(block) => self.block(block)?.attn_after.as_ref(),
            Place::MlpAfter(block) => self.block(block)?.mlp_after.as_ref(),
            Place::Final => self.decoder.final_norm.as_ref(),
        }?;
        let n = state.len() as f64;
        let centre = match norm.kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => state.iter().map(|x| f64::from(*x)).sum::<f64>() / n,
        };
        let variance = state.iter().map(|x| (f64::from(*x) - centre).powi(2)).sum::<f64>() / n;
        Some(Frozen { norm, scale: 1.0 / (variance + f64::from(norm.eps)).sqrt() })
    }

    /// What each head puts into attention's output: `W_O` of the head times its `z`. The output is their sum and
    /// [`StraightPath::out_bias`].
    ///
    /// # Shapes
    /// `z` `[heads * head_dim]`; one row `[width]` for each head.
    pub fn heads(self, block: usize, z: &[f32]) -> Vec<Vec<f64>> {
        let Some(block) = self.block(block) else { return Vec::new() };
        let head_dim = self.decoder.config.head_dim;
        let heads = z.len() / head_dim;
        let mut alone = vec![0f32; heads * z.len()];
        for (head, row) in alone.chunks_exact_mut(z.len()).enumerate() {
            let own = head * head_dim..(head + 1) * head_dim;
            row[own.clone()].copy_from_slice(&z[own]);
        }
        through(&block.out, &alone)
    }

    /// What attention's output holds beside its heads. `[width]`
    pub fn out_bias(self, block: usize) -> Option<Vec<f64>> {
        let bias = self.block(block)?.out.bias()?;
        Some(bias.iter().map(|x| f64::from(*x)).collect())
    }

    /// The soft-cap that stands on the logits: what is read here lies before it.
    pub fn cap(self) -> Option<f32> {
        self.decoder.head.cap
    }

    /// What each part adds to `sum of weight * logit` over some tokens, before the soft-cap.
    ///
    /// # Shapes
    /// `parts`: `[width]` each, behind the final norm.
    pub fn read(self, parts: &[Vec<f64>], weights: &[(u32, f64)]) -> Vec<f64> {
        let direction = self.direction(weights);
        let dot = |part: &Vec<f64>| part.iter().zip(&direction).map(|(x, u)| x * u).sum::<f64>();
        match &self.decoder.head.project {
            None => parts.iter().map(dot).collect(),
            Some(project) => {
                let states: Vec<f32> = parts.iter().flatten().map(|x| *x as f32).collect();
                through(project, &states).iter().map(dot).collect()
            }
        }
    }

    /// What the head adds to the same sum whatever the state is.
    pub fn constant(self, weights: &[(u32, f64)]) -> f64 {
        let head = &self.decoder.head;
        let own = head
            .bias
            .as_ref()
            .map_or(0.0, |bias| weights.iter().map(|(id, weight)| weight * f64::from(bias[*id as usize])).sum::<f64>());
        let projected =
            head.project.as_ref().and_then(Linear::bias).map_or(0.0, |bias| {
                bias.iter().zip(self.direction(weights)).map(|(x, u)| f64::from(*x) * u).sum::<f64>()
            });
        own * f64::from(head.scale) + projected
    }

    /// `scale * sum of weight * row of the unembedding`. `[embedding_width]`
    fn direction(self, weights: &[(u32, f64)]) -> Vec<f64> {
        let head = &self.decoder.head;
        let matrix = head.own.as_ref().unwrap_or(&self.decoder.embedding);
        let mut row = vec![0f32; matrix.width()];
        let mut direction = vec![0f64; matrix.width()];
        for (id, weight) in weights {
            matrix.row(*id as usize, &mut row);
            let factor = weight * f64::from(head.scale);
            direction.iter_mut().zip(&row).for_each(|(d, x)| *d += factor * f64::from(*x));
        }
        direction
    }
}

/// The product of rows without the layer's bias.
fn through(layer: &Linear, rows: &[f32]) -> Vec<Vec<f64>> {
    let (inputs, outputs) = layer.shape();
    let mut out = vec![0f32; rows.len() / inputs * outputs];
    layer.forward(rows, &mut out, &mut Workspace::default());
    let bias = layer.bias();
    let without = |row: &[f32]| -> Vec<f64> {
        let at = |i: usize| bias.map_or(0.0, |bias| f64::from(bias[i]));
        row.iter().enumerate().map(|(i, x)| f64::from(*x) - at(i)).collect()
    };
    out.chunks_exact(outputs).map(without).collect()
}

impl Frozen<'_> {
    /// What becomes of a part of the state. The parts of a state become parts of `norm(state)` without its bias.
    ///
    /// # Shapes
    /// `part` and the result `[width]`.
    pub fn part(&self, part: &[f64]) -> Vec<f64> {
        let centre = match self.norm.kind {
            NormKind::Rms => 0.0,
            NormKind::Layer => part.iter().sum::<f64>() / part.len() as f64,
        };
        part.iter().zip(&self.norm.gain).map(|(x, gain)| (x - centre) * self.scale * f64::from(*gain)).collect()
    }

    /// What the norm adds whatever the state is. `[width]`
    pub fn bias(&self) -> Option<Vec<f64>> {
        Some(self.norm.bias.as_ref()?.iter().map(|x| f64::from(*x)).collect())
    }
}

impl std::fmt::Debug for StraightPath<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StraightPath").field("family", &self.decoder.config.family).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Frozen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Frozen").field("scale", &self.scale).finish_non_exhaustive()
    }
}
