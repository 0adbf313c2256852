//! One forward pass for every family, over a packed batch: all tokens of all sentences are rows of one matrix, and only
//! attention knows where a sentence begins.
//!
//! A block is `mid = pre + attn(norm(pre))`, `post = mid + mlp(norm(mid))`. The pass offers each site to the collector in
//! this order and stops after the last one that is wanted. Whether a site is wanted never changes a number.

use super::{
    Config,
    config::{Mlp, Positions},
};
use crate::{
    Result,
    capture::{Collector, Layout, Rows},
    kernels::{
        activation::{gelu_tanh, silu_gated},
        attention::{Attention, Squares},
        linear::{Linear, Workspace, product},
        norm::{Norm, add},
        rope::Rotation,
    },
    monitor::Monitor,
    plan::{Point, Site},
};

/// A loaded model. Weights are `[outputs, inputs]`, row-major.
pub(crate) struct Decoder {
    pub(crate) config: Config,
    /// `[vocabulary, width]`
    pub(super) embedding: Vec<f32>,
    /// `[context, width]`, for learned positions.
    pub(super) positions: Option<Vec<f32>>,
    pub(super) blocks: Vec<Block>,
    pub(super) final_norm: Norm,
    /// `[vocabulary, width]`; `None` when the embedding is the unembedding.
    pub(super) head: Option<Vec<f32>>,
}

pub(super) struct Block {
    pub(super) attn_norm: Norm,
    pub(super) qkv: Linear,
    pub(super) q_norm: Option<Norm>,
    pub(super) k_norm: Option<Norm>,
    pub(super) attention: Attention,
    pub(super) out: Linear,
    pub(super) mlp_norm: Norm,
    /// Gate and up one behind the other where the family gates.
    pub(super) up: Linear,
    pub(super) down: Linear,
}

/// Sentences packed one behind the other.
pub(crate) struct Batch {
    pub(crate) ids: Vec<u32>,
    /// Position of each token in its sentence.
    pub(crate) positions: Vec<u32>,
    pub(crate) layout: Layout,
}

/// Buffers of a pass, kept between passes: fresh pages from the system cost a quarter of the time.
#[derive(Default)]
pub(crate) struct Scratch {
    stream: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    z: Vec<f32>,
    delta: Vec<f32>,
    up: Vec<f32>,
    act: Vec<f32>,
    cos: Vec<f32>,
    sin: Vec<f32>,
    scores: Vec<f32>,
    probs: Vec<f32>,
    logits: Vec<f32>,
    workspace: Workspace,
}

/// The first `len` elements, grown as needed; what they hold is left over from before.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Rows that are unembedded at once: `[rows, vocabulary]` is the largest buffer of all.
const LOGIT_ROWS: usize = 128;

impl Decoder {
    /// Runs the batch until the collector has all it wants.
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
        monitor: &Monitor,
    ) -> Result<()> {
        let Config { width, heads, kv_heads, head_dim, intermediate, .. } = self.config;
        let tokens = batch.ids.len();
        let Scratch { stream, normed, qkv, z, delta, up, act, cos, sin, scores, probs, logits, workspace } = scratch;
        let stream = sized(stream, tokens * width);
        let normed = sized(normed, tokens * width);
        let qkv = sized(qkv, tokens * (heads + 2 * kv_heads) * head_dim);
        let z = sized(z, tokens * heads * head_dim);
        let delta = sized(delta, tokens * width);
        let up = sized(up, tokens * self.up_width());
        let act = sized(act, tokens * intermediate);
        let (q_width, k_width) = (heads * head_dim, kv_heads * head_dim);
        if let Positions::Rope(rope) = &self.config.positions {
            rope.tables(batch.layout.longest(), cos, sin);
        }

        self.embed(batch, stream);
        collector.take(Point::Embeddings, 0, Rows::whole(stream, width), &batch.layout)?;
        for (index, block) in self.blocks.iter().enumerate() {
            let number = index + 1;
            if collector.done(Site::layer(index)) {
                return Ok(());
            }
            monitor.check()?;
            collector.take(Point::ResidPre, number, Rows::whole(stream, width), &batch.layout)?;
            block.attn_norm.forward(stream, normed);
            collector.take(Point::AttnIn, number, Rows::whole(normed, width), &batch.layout)?;
            block.qkv.forward(normed, qkv, workspace);
            if matches!(self.config.positions, Positions::Rope(_)) {
                let (q_norm, k_norm) = (block.q_norm.as_ref(), block.k_norm.as_ref());
                let row = block.attention.row();
                Rotation { q_norm, k_norm, cos, sin, head_dim, q: q_width, k: k_width, row }
                    .forward(qkv, &batch.positions);
            }
            let part = |from: usize, width: usize| Rows { data: qkv, stride: block.attention.row(), from, width };
            collector.take(Point::Q, number, part(0, q_width), &batch.layout)?;
            collector.take(Point::K, number, part(q_width, k_width), &batch.layout)?;
            collector.take(Point::V, number, part(q_width + k_width, k_width), &batch.layout)?;
            if collector.done(Site::new(Point::V, number)) {
                return Ok(());
            }
            if collector.wants(Point::AttnScores, number) || collector.wants(Point::AttnProbs, number) {
                let cells = batch.layout.starts.windows(2).map(|pair| heads * (pair[1] - pair[0]).pow(2)).sum();
                let (scores, probs) = (sized(scores, cells), sized(probs, cells));
                block.attention.forward(qkv, &batch.layout.starts, z, Some(Squares { scores, probs }));
                collector.take_squares(Site::new(Point::AttnScores, number), scores, heads, &batch.layout)?;
                collector.take_squares(Site::new(Point::AttnProbs, number), probs, heads, &batch.layout)?;
            } else {
                block.attention.forward(qkv, &batch.layout.starts, z, None);
            }
            collector.take(Point::Z, number, Rows::whole(z, q_width), &batch.layout)?;
            if collector.done(Site::new(Point::Z, number)) {
                return Ok(());
            }
            block.out.forward(z, delta, workspace);
            collector.take(Point::AttnOut, number, Rows::whole(delta, width), &batch.layout)?;
            block.mlp_norm.add_forward(stream, delta, normed);
            collector.take(Point::ResidMid, number, Rows::whole(stream, width), &batch.layout)?;
            collector.take(Point::MlpIn, number, Rows::whole(normed, width), &batch.layout)?;
            if collector.done(Site::new(Point::MlpIn, number)) {
                return Ok(());
            }
            block.up.forward(normed, up, workspace);
            match self.config.mlp {
                Mlp::SiluGated => silu_gated(up, intermediate, act),
                Mlp::GeluTanh => gelu_tanh(up, act),
            }
            collector.take(Point::MlpAct, number, Rows::whole(act, intermediate), &batch.layout)?;
            block.down.forward(act, delta, workspace);
            collector.take(Point::MlpOut, number, Rows::whole(delta, width), &batch.layout)?;
            add(stream, delta);
            collector.take(Point::ResidPost, number, Rows::whole(stream, width), &batch.layout)?;
        }
        if collector.done(Site::layer(self.blocks.len())) {
            return Ok(());
        }
        self.final_norm.forward(stream, normed);
        collector.take(Point::FinalNorm, 0, Rows::whole(normed, width), &batch.layout)?;
        if collector.wants(Point::Logits, 0) {
            if collector.only_last(Point::Logits) {
                let last = batch.layout.last_rows();
                let gathered = &mut delta[..last.len() * width];
                for (to, row) in gathered.chunks_exact_mut(width).zip(&last) {
                    to.copy_from_slice(&normed[row * width..][..width]);
                }
                self.offer_logits(gathered, &batch.layout.one_row_each(), logits, collector)?;
            } else {
                self.offer_logits(normed, &batch.layout, logits, collector)?;
            }
        }
        Ok(())
    }

    /// Unembeds whole sentences, some at a time.
    fn offer_logits(
        &self,
        normed: &[f32],
        layout: &Layout,
        logits: &mut Vec<f32>,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let Config { width, vocabulary, .. } = self.config;
        for part in layout.parts(LOGIT_ROWS) {
            let rows = layout.starts[part.start]..layout.starts[part.end];
            let logits = sized(logits, rows.len() * vocabulary);
            product(&normed[rows.start * width..rows.end * width], self.head(), width, vocabulary, logits);
            collector.take(Point::Logits, 0, Rows::whole(logits, vocabulary), &layout.slice(part))?;
        }
        Ok(())
    }

    fn head(&self) -> &[f32] {
        self.head.as_deref().unwrap_or(&self.embedding)
    }

    /// Final norm and unembedding of `states` `[rows, width]` to `logits` `[rows, vocabulary]`.
    pub(crate) fn unembed(&self, states: &[f32], logits: &mut [f32]) {
        let Config { width, vocabulary, .. } = self.config;
        let mut normed = vec![0.0; states.len()];
        self.final_norm.forward(states, &mut normed);
        product(&normed, self.head(), width, vocabulary, logits);
    }

    /// `[tokens, width]`: rows of the embedding, plus the position's row where positions are learned.
    fn embed(&self, batch: &Batch, stream: &mut [f32]) {
        let width = self.config.width;
        let tokens = batch.ids.iter().zip(&batch.positions);
        for (row, (id, position)) in stream.chunks_exact_mut(width).zip(tokens) {
            row.copy_from_slice(&self.embedding[*id as usize * width..][..width]);
            if let Some(positions) = &self.positions {
                add(row, &positions[*position as usize * width..][..width]);
            }
        }
    }
}
