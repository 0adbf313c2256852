//! One forward pass for every family, over a packed batch: all tokens of all sentences are rows of one matrix, and only
//! attention knows where a sentence begins.
//!
//! The order of a pass is in [`super::pass`]; here is what it is made of.
//!
//! A block is `mid = pre + attn(norm(pre))`, `post = mid + mlp(norm(mid))`, with the norms where the family has them (see
//! [`super::parts::Parts`]), or both parts side by side. Each site is offered to the collector in this order, and the pass
//! stops after the last one that is wanted. Whether a site is wanted never changes a number.

use super::{
    Cache, Config,
    config::Positions,
    feed::{FeedForward, choose, mix},
    head::Head,
    parts::Segments,
};
use crate::{
    Result,
    capture::{Collector, Layout, RowsMut},
    kernels::{
        activation::activate,
        attention::{Attention, Squares, Touch},
        buffer::Buffer,
        linear::{Linear, Workspace, feed},
        norm::{Norm, add},
        rope::{Rotation, Turn},
        table::Table,
    },
    plan::{Point, Site},
};

/// A loaded model.
pub(crate) struct Decoder {
    pub(crate) config: Config,
    /// `[vocabulary, embedding_width]`
    pub(super) embedding: Table,
    pub(super) project_in: Option<Linear>,
    /// `[width]`
    pub(super) token_type: Option<Vec<f32>>,
    /// `[context, width]`, added by position.
    pub(super) positions: Option<Vec<f32>>,
    pub(super) embedding_norm: Option<Norm>,
    pub(super) blocks: Vec<Block>,
    pub(super) final_norm: Option<Norm>,
    pub(super) head: Head,
}

pub(super) struct Block {
    pub(super) attn_norm: Option<Norm>,
    pub(super) qkv: Linear,
    pub(super) q_norm: Option<Segments>,
    pub(super) k_norm: Option<Segments>,
    /// Which rotary table turns queries and keys.
    pub(super) rope: Option<usize>,
    pub(super) attention: Attention,
    pub(super) out: Linear,
    pub(super) attn_post: Option<Norm>,
    pub(super) attn_after: Option<Norm>,
    pub(super) mlp_norm: Option<Norm>,
    pub(super) feed: FeedForward,
    pub(super) mlp_post: Option<Norm>,
    pub(super) mlp_after: Option<Norm>,
}

/// Sentences packed one behind the other.
pub(crate) struct Batch {
    pub(crate) ids: Vec<u32>,
    /// Position of each token in its sentence.
    pub(crate) positions: Vec<u32>,
    /// Tokens that each sentence has, or will have when it is generated: what longrope goes by.
    pub(crate) lengths: Vec<usize>,
    pub(crate) layout: Layout,
}

impl Batch {
    /// Without sentences yet; the first will be at place `first` in the order of execution.
    pub(crate) fn new(first: usize) -> Self {
        let layout = Layout { starts: vec![0], past: Vec::new(), first };
        Self { ids: Vec::new(), positions: Vec::new(), lengths: Vec::new(), layout }
    }

    /// Whether a sentence can be added so that there are no more than `tokens` tokens; the first always can.
    pub(crate) fn takes(&self, ids: &[u32], tokens: usize) -> bool {
        self.ids.is_empty() || self.ids.len() + ids.len() <= tokens
    }

    /// Puts a sentence behind the others, which has or will have `length` tokens.
    pub(crate) fn add(&mut self, ids: &[u32], length: usize) {
        self.add_behind(0, ids, length);
    }

    /// The same for a sentence of which a cache holds `past` tokens that come before these.
    pub(crate) fn add_behind(&mut self, past: usize, ids: &[u32], length: usize) {
        self.ids.extend(ids);
        self.positions.extend((past as u32..).take(ids.len()));
        self.lengths.push(length);
        self.layout.past.push(past);
        self.layout.starts.push(self.ids.len());
    }
}

/// Buffers of a pass, kept between passes: fresh pages from the system cost a quarter of the time.
#[derive(Default)]
pub(crate) struct Scratch {
    pub(super) stream: Buffer,
    pub(super) normed: Buffer,
    qkv: Buffer,
    z: Buffer,
    /// Attention's output.
    delta: Buffer,
    /// The feed-forward part's output.
    fed: Buffer,
    up: Buffer,
    act: Buffer,
    router: Buffer,
    pub(super) angles: Vec<Angles>,
    scores: Buffer,
    probs: Buffer,
    pub(super) logits: Buffer,
    pub(super) workspace: Workspace,
}

/// A rotary table, kept while its positions suffice, and the row of each token of this batch in it.
#[derive(Default)]
pub(super) struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
    positions: usize,
    rows: Vec<u32>,
    pairs: usize,
    interleaved: bool,
}

/// The first `len` elements, grown as needed; what they hold is left over from before.
pub(super) fn sized(buffer: &mut Buffer, len: usize) -> &mut [f32] {
    buffer.sized(len)
}

impl Decoder {
    /// Runs one block up to the stream that it leaves; false when the collector has all it wants.
    pub(super) fn block(
        &self,
        block: &Block,
        number: usize,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
        cache: Option<&mut Cache>,
    ) -> Result<bool> {
        let Config { width, heads, kv_heads, head_dim, parallel, .. } = self.config;
        let layout = &batch.layout;
        let tokens = batch.ids.len();
        let cached = cache.is_some();
        let Scratch { stream, normed, qkv, z, delta, fed, up, act, router, angles, scores, probs, workspace, .. } =
            scratch;
        let stream = sized(stream, tokens * width);
        let normed = sized(normed, tokens * width);
        let qkv = sized(qkv, tokens * block.attention.row());
        let z = sized(z, tokens * heads * head_dim);
        let delta = sized(delta, tokens * width);
        let fed = sized(fed, tokens * width);
        let (q, kv) = (heads * head_dim, kv_heads * head_dim);
        let done = |collector: &Collector<'_>, point| !cached && collector.done(Site::new(point, number));

        collector.offer(Point::ResidPre, number, RowsMut::whole(stream, width), layout)?;
        normed_input(block.attn_norm.as_ref(), stream, normed);
        collector.offer(Point::AttnIn, number, RowsMut::whole(normed, width), layout)?;
        block.qkv.forward(normed, qkv, workspace);
        let turn = block.rope.map(|table| {
            let Angles { cos, sin, rows, pairs, interleaved, .. } = &angles[table];
            Turn { cos, sin, rows, pairs: *pairs, interleaved: *interleaved }
        });
        let (q_norm, k_norm) = (block.q_norm.as_ref(), block.k_norm.as_ref());
        if turn.is_some() || q_norm.is_some() || k_norm.is_some() {
            Rotation { q_norm, k_norm, turn, head_dim, q, k: kv, row: block.attention.row() }.forward(qkv);
        }
        for (point, from, width) in [(Point::Q, 0, q), (Point::K, q, kv), (Point::V, q + kv, kv)] {
            let stride = block.attention.row();
            collector.offer(point, number, RowsMut { data: qkv, stride, from, width }, layout)?;
        }
        if done(collector, Point::V) {
            return Ok(false);
        }
        let memory = cache.map(|cache| {
            cache.add(number - 1, layout, qkv, q, kv);
            cache.memory(number - 1)
        });
        let memory = memory.as_deref();
        let cut_scores = collector.touching(Point::AttnScores, number, layout);
        let cut_probs = collector.touching(Point::AttnProbs, number, layout);
        let touch = Touch { scores: cut_scores.as_deref(), probs: cut_probs.as_deref() };
        if collector.wants(Point::AttnScores, number) || collector.wants(Point::AttnProbs, number) {
            let pairs = layout.starts.windows(2).zip(&layout.past);
            let cells = pairs.map(|(pair, past)| heads * (pair[1] - pair[0]) * (past + pair[1] - pair[0])).sum();
            let (scores, probs) = (sized(scores, cells), sized(probs, cells));
            let squares = Some(Squares { scores, probs });
            block.attention.forward(qkv, &layout.starts, &layout.past, memory, z, squares, touch);
            let (scores, probs) = (&scratch.scores[..cells], &scratch.probs[..cells]);
            collector.take_squares(Site::new(Point::AttnScores, number), scores, heads, layout)?;
            collector.take_squares(Site::new(Point::AttnProbs, number), probs, heads, layout)?;
        } else {
            block.attention.forward(qkv, &layout.starts, &layout.past, memory, z, None, touch);
        }
        collector.offer(Point::Z, number, RowsMut::whole(z, q), layout)?;
        if done(collector, Point::Z) {
            return Ok(false);
        }
        block.out.forward(z, delta, workspace);
        collector.offer(Point::AttnOut, number, RowsMut::whole(delta, width), layout)?;
        if let Some(norm) = &block.attn_post {
            norm.in_place(delta);
        }
        collector.offer(Point::AttnOutPost, number, RowsMut::whole(delta, width), layout)?;
        if parallel {
            normed_input(block.mlp_norm.as_ref(), stream, normed);
        } else {
            match &block.mlp_norm {
                // One walk, where nobody looks at what stands between the two.
                Some(norm) if block.attn_after.is_none() && collector.idle(Point::ResidMid, number) => {
                    norm.add_forward(stream, delta, normed);
                }
                norm => {
                    add(stream, delta);
                    if let Some(after) = &block.attn_after {
                        after.in_place(stream);
                    }
                    collector.offer(Point::ResidMid, number, RowsMut::whole(stream, width), layout)?;
                    normed_input(norm.as_ref(), stream, normed);
                }
            }
        }
        collector.offer(Point::MlpIn, number, RowsMut::whole(normed, width), layout)?;
        if done(collector, Point::MlpIn) {
            return Ok(false);
        }
        match &block.feed {
            FeedForward::Dense { up: up_layer, down } => {
                let Config { intermediate: inside, activation, gated, .. } = self.config;
                let short = collector.idle(Point::MlpGate, number)
                    && collector.idle(Point::MlpAct, number)
                    && feed(up_layer, down, activation, gated, normed, fed, workspace);
                if !short {
                    let stride = if gated { 2 * inside } else { inside };
                    let up = sized(up, tokens * stride);
                    let act = sized(act, tokens * inside);
                    up_layer.forward(normed, up, workspace);
                    let gate = RowsMut { data: up, stride, from: 0, width: inside };
                    collector.offer(Point::MlpGate, number, gate, layout)?;
                    activate(activation, gated, up, inside, act);
                    collector.offer(Point::MlpAct, number, RowsMut::whole(act, inside), layout)?;
                    down.forward(act, fed, workspace);
                }
            }
            FeedForward::Experts { router: router_layer, experts } => {
                let (logits, weights) = sized(router, 2 * tokens * experts.len()).split_at_mut(tokens * experts.len());
                router_layer.forward(normed, logits, workspace);
                collector.offer(Point::RouterLogits, number, RowsMut::whole(logits, experts.len()), layout)?;
                if let Some(shape) = &self.config.experts {
                    choose(logits, shape.count, shape.chosen, shape.normalised, weights);
                }
                collector.offer(Point::RouterWeights, number, RowsMut::whole(weights, experts.len()), layout)?;
                mix(&self.config, experts, normed, weights, fed, workspace);
            }
        }
        collector.offer(Point::MlpOut, number, RowsMut::whole(fed, width), layout)?;
        if let Some(norm) = &block.mlp_post {
            norm.in_place(fed);
        }
        collector.offer(Point::MlpOutPost, number, RowsMut::whole(fed, width), layout)?;
        if parallel {
            add(stream, delta);
        }
        add(stream, fed);
        if let Some(norm) = &block.mlp_after {
            norm.in_place(stream);
        }
        Ok(true)
    }

    /// Whether the model turns states into logits.
    pub(crate) fn has_head(&self) -> bool {
        self.head.exists()
    }

    /// Final norm and unembedding of `states` `[rows, width]` to `logits` `[rows, vocabulary]`, in models with a head.
    pub(crate) fn unembed(&self, states: &[f32], logits: &mut [f32], scratch: &mut Scratch) {
        let Scratch { normed, workspace, .. } = scratch;
        workspace.step(false);
        let normed = sized(normed, states.len());
        normed_input(self.final_norm.as_ref(), states, normed);
        self.head.forward(normed, self.config.width, &self.embedding, logits, workspace);
    }

    /// Layer 0 into the stream: rows of the embedding, scaled, projected, with type and position added, normed, each where
    /// the family has it.
    pub(super) fn embed(&self, batch: &Batch, scratch: &mut Scratch) {
        let Config { width, embedding_width: narrow, embedding_scale: scale, .. } = self.config;
        let Scratch { stream, up, workspace, .. } = scratch;
        let stream = sized(stream, batch.ids.len() * width);
        let rows = match &self.project_in {
            Some(_) => sized(up, batch.ids.len() * narrow),
            None => &mut *stream,
        };
        for (row, id) in rows.chunks_exact_mut(narrow).zip(&batch.ids) {
            self.embedding.row(*id as usize, row);
            if scale != 1.0 {
                row.iter_mut().for_each(|x| *x *= scale);
            }
        }
        if let Some(project) = &self.project_in {
            project.forward(&up[..batch.ids.len() * narrow], stream, workspace);
        }
        for (row, position) in stream.chunks_exact_mut(width).zip(&batch.positions) {
            if let Some(token_type) = &self.token_type {
                add(row, token_type);
            }
            if let Some(positions) = &self.positions {
                add(row, &positions[*position as usize * width..][..width]);
            }
        }
        if let Some(norm) = &self.embedding_norm {
            norm.in_place(stream);
        }
    }

    pub(super) fn angles(&self, batch: &Batch, angles: &mut Vec<Angles>) {
        let Positions::Rope { tables, .. } = &self.config.positions else { return };
        angles.resize_with(tables.len(), Angles::default);
        let positions = batch.positions.iter().max().map_or(0, |last| *last as usize + 1);
        for (rope, angles) in tables.iter().zip(angles) {
            if angles.positions < positions {
                angles.positions = positions.next_power_of_two();
                rope.tables(angles.positions, &mut angles.cos, &mut angles.sin);
            }
            (angles.pairs, angles.interleaved) = (rope.pairs(), rope.interleaved);
            angles.rows.clear();
            for (pair, length) in batch.layout.starts.windows(2).zip(&batch.lengths) {
                let offset = rope.offset(*length, angles.positions) as u32;
                angles.rows.extend(batch.positions[pair[0]..pair[1]].iter().map(|position| position + offset));
            }
        }
    }
}

/// The norm of the stream, or the stream itself in families that have none before this part.
fn normed_input(norm: Option<&Norm>, stream: &[f32], out: &mut [f32]) {
    match norm {
        Some(norm) => norm.forward(stream, out),
        None => out.copy_from_slice(stream),
    }
}
