//! One forward pass for every family, over a packed batch: all tokens of all sentences are rows of one matrix, and only
//! attention knows where a sentence begins.
//!
//! A block is `mid = pre + attn(norm(pre))`, `post = mid + mlp(norm(mid))`, with the norms where the family has them (see
//! [`super::parts::Parts`]), or both parts side by side. The pass offers each site to the collector in this order and stops
//! after the last one that is wanted. Whether a site is wanted never changes a number.

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
    monitor::Monitor,
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

/// Buffers of a pass, kept between passes: fresh pages from the system cost a quarter of the time.
#[derive(Default)]
pub(crate) struct Scratch {
    stream: Buffer,
    normed: Buffer,
    qkv: Buffer,
    z: Buffer,
    /// Attention's output.
    delta: Buffer,
    /// The feed-forward part's output.
    fed: Buffer,
    up: Buffer,
    act: Buffer,
    router: Buffer,
    angles: Vec<Angles>,
    scores: Buffer,
    probs: Buffer,
    logits: Buffer,
    workspace: Workspace,
}

/// A rotary table, kept while its positions suffice, and the row of each token of this batch in it.
#[derive(Default)]
struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
    positions: usize,
    rows: Vec<u32>,
    pairs: usize,
    interleaved: bool,
}

/// The first `len` elements, grown as needed; what they hold is left over from before.
fn sized(buffer: &mut Buffer, len: usize) -> &mut [f32] {
    buffer.sized(len)
}

/// Rows that are unembedded at once: `[rows, vocabulary]` is the largest buffer of all.
pub(crate) const LOGIT_ROWS: usize = 128;

impl Decoder {
    /// Runs the batch until the collector has all it wants. With a cache, the rows are each sequence's next tokens.
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
        mut cache: Option<&mut Cache>,
        monitor: &Monitor,
    ) -> Result<()> {
        let layout = &batch.layout;
        let width = self.config.width;
        self.embedding.intact()?;
        scratch.workspace.step(cache.is_some() && layout.past.iter().all(|past| *past > 0));
        self.angles(batch, &mut scratch.angles);
        self.embed(batch, scratch);
        let stream = sized(&mut scratch.stream, batch.ids.len() * width);
        collector.offer(Point::Embeddings, 0, RowsMut::whole(stream, width), layout)?;
        for (index, block) in self.blocks.iter().enumerate() {
            // A cache must hold every block's keys, wanted or not.
            if cache.is_none() && collector.done(Site::layer(index)) {
                return Ok(());
            }
            monitor.check()?;
            if !self.block(block, index + 1, batch, scratch, collector, cache.as_deref_mut())? {
                return Ok(());
            }
        }
        if let Some(cache) = cache {
            cache.seen(layout);
        }
        if collector.done(Site::layer(self.blocks.len())) {
            return Ok(());
        }
        let Scratch { stream, normed, logits, workspace, .. } = scratch;
        let stream = sized(stream, batch.ids.len() * width);
        let normed = sized(normed, stream.len());
        match &self.final_norm {
            Some(norm) => {
                norm.forward(stream, normed);
                collector.offer(Point::FinalNorm, 0, RowsMut::whole(normed, width), layout)?;
            }
            None => normed.copy_from_slice(stream),
        }
        if !collector.wants(Point::Logits, 0) {
            return Ok(());
        }
        if collector.only_last(Point::Logits) {
            let rows = layout.last_rows();
            let last: Vec<f32> = rows.iter().flat_map(|row| &normed[row * width..][..width]).copied().collect();
            return self.offer_logits(&last, &layout.one_row_each(), logits, workspace, collector);
        }
        self.offer_logits(normed, layout, logits, workspace, collector)
    }

    /// Runs one block; false when the collector has all it wants.
    fn block(
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
        collector.offer(Point::ResidPost, number, RowsMut::whole(stream, width), layout)?;
        Ok(true)
    }

    /// Unembeds whole sentences, some at a time.
    fn offer_logits(
        &self,
        normed: &[f32],
        layout: &Layout,
        logits: &mut Buffer,
        workspace: &mut Workspace,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let Config { width, vocabulary, .. } = self.config;
        for part in layout.parts(LOGIT_ROWS) {
            let rows = layout.starts[part.start]..layout.starts[part.end];
            let logits = sized(logits, rows.len() * vocabulary);
            self.head.forward(&normed[rows.start * width..rows.end * width], width, &self.embedding, logits, workspace);
            collector.offer(Point::Logits, 0, RowsMut::whole(logits, vocabulary), &layout.slice(part))?;
        }
        Ok(())
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
    fn embed(&self, batch: &Batch, scratch: &mut Scratch) {
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

    fn angles(&self, batch: &Batch, angles: &mut Vec<Angles>) {
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
