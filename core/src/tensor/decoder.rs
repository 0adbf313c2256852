//! The pass of [`crate::model::decoder`] over tensors: the same parts, the same sites in the same order.

use super::{
    attention::{Added, Inputs, attend},
    feed::{FeedForward, gate, hidden, mix, shares},
    layers::{Head, Linear, Norm, Turn, weight},
    numbers::Numbers,
    watch::{Onlooker, Pools, Watch},
};
use crate::{
    Result,
    capture::{Collector, Layout},
    dtype::Dtype,
    kernels::attention::{Attention, Touch},
    model::{
        Batch, Config, Weights,
        config::{Mask, Positions},
        load::bias,
        parts::{Parts, Stem},
    },
    monitor::Monitor,
    plan::{Point, Site},
};

pub(super) struct Decoder<T: Numbers> {
    pub(super) config: Config,
    pub(super) place: T::Place,
    /// `[vocabulary, embedding_width]`
    embedding: T,
    project_in: Option<Linear<T>>,
    token_type: Option<T>,
    /// `[context, width]`
    positions: Option<T>,
    embedding_norm: Option<Norm<T>>,
    blocks: Vec<Block<T>>,
    final_norm: Option<Norm<T>>,
    head: Head<T>,
}

struct Block<T> {
    attn_norm: Option<Norm<T>>,
    qkv: Linear<T>,
    q_norm: Option<Norm<T>>,
    k_norm: Option<Norm<T>>,
    /// Which rotary table turns queries and keys.
    rope: Option<usize>,
    attention: Attention,
    out: Linear<T>,
    attn_post: Option<Norm<T>>,
    attn_after: Option<Norm<T>>,
    mlp_norm: Option<Norm<T>>,
    feed: FeedForward<T>,
    mlp_post: Option<Norm<T>>,
    mlp_after: Option<Norm<T>>,
}

/// What the blocks of a pass share.
struct Around<'a, T> {
    tokens: usize,
    turns: Vec<Turn<T>>,
    added: Added<T>,
    pools: Pools<'a, T>,
}

/// Logits that are held at once.
const LOGITS: usize = 1 << 27;

fn through<T: Numbers>(norm: Option<&Norm<T>>, x: T, rows: usize) -> Result<T> {
    match norm {
        Some(norm) => norm.forward(&x, rows),
        None => Ok(x),
    }
}

/// The norm of the stream, or the stream itself in families that have none before this part.
fn normed_input<T: Numbers>(norm: Option<&Norm<T>>, stream: &T, rows: usize, width: usize) -> Result<T> {
    match norm {
        Some(norm) => norm.forward(stream, rows),
        None => stream.reshape(&[rows, width]),
    }
}

impl<T: Numbers> Decoder<T> {
    pub(super) fn load(mut config: Config, weights: &mut Weights<'_>, place: T::Place, compute: Dtype) -> Result<Self> {
        let family = config.family;
        let stem = family.stem(&mut config, weights)?;
        let bias = bias(&config, &stem);
        let Stem {
            embedding, project_in, token_type, positions, embedding_norm, final_norm, project_out, head, ..
        } = stem;
        let norm = |norm: Option<_>| norm.map(|norm| Norm::new(&place, norm)).transpose();
        let embedding = weight(&place, &embedding.weight, compute)?;
        let project_in = project_in.map(|matrix| Linear::new(&place, matrix, compute)).transpose()?;
        let token_type = token_type.map(|row| T::upload(&place, row, &[config.width])).transpose()?;
        let rows = |table: Vec<f32>| {
            let rows = table.len() / config.width;
            T::upload(&place, table, &[rows, config.width])
        };
        let positions = positions.map(rows).transpose()?;
        let (embedding_norm, final_norm) = (norm(embedding_norm)?, norm(final_norm)?);
        let head = Head::new(&place, &config, project_out, head, compute)?;
        let mut blocks = Vec::with_capacity(config.layers);
        for (index, window) in config.windows.iter().enumerate() {
            let Config { heads, kv_heads, head_dim, scale, score_cap: cap, mask, .. } = config;
            let causal = mask == Mask::Causal;
            let attention =
                Attention { heads, kv_heads, head_dim, window: *window, causal, scale, cap, bias: bias.clone() };
            let rope = match &config.positions {
                Positions::Rope { of_block, .. } => Some(of_block[index]),
                _ => None,
            };
            let parts = family.block(&config, weights, index)?;
            blocks.push(Block::new(&place, parts, attention, rope, compute)?);
        }
        Ok(Self {
            config,
            place,
            embedding,
            project_in,
            token_type,
            positions,
            embedding_norm,
            blocks,
            final_norm,
            head,
        })
    }

    /// Runs the batch until the collector has all it wants.
    pub(super) fn forward(&self, batch: &Batch, collector: &mut Collector<'_>, monitor: &Monitor) -> Result<()> {
        let mut watch = Watch::new(collector, &self.place);
        if let Some(normed) = self.states(batch, &mut watch, monitor)? {
            self.logits(batch, &normed, &mut watch)?;
        }
        watch.finish()
    }

    /// What the head reads, `[tokens, width]`; `None` when nobody wants what comes there.
    pub(super) fn states(
        &self,
        batch: &Batch,
        watch: &mut dyn Onlooker<'_, T>,
        monitor: &Monitor,
    ) -> Result<Option<T>> {
        let Config { width, .. } = self.config;
        let mut around = Around {
            tokens: batch.ids.len(),
            turns: self.turns(batch)?,
            added: Added::default(),
            pools: Pools::new(&batch.layout),
        };
        let mut stream = watch.pass(Point::Embeddings, 0, self.embed(batch)?, width, &mut around.pools)?;
        for (index, block) in self.blocks.iter().enumerate() {
            if watch.done(Site::layer(index)) {
                return Ok(None);
            }
            monitor.check()?;
            match self.block(block, index + 1, stream, &mut around, watch)? {
                Some(next) => stream = next,
                None => return Ok(None),
            }
        }
        if watch.done(Site::layer(self.blocks.len())) {
            return Ok(None);
        }
        let mut normed = through(self.final_norm.as_ref(), stream, around.tokens)?;
        if self.final_norm.is_some() {
            normed = watch.pass(Point::FinalNorm, 0, normed, width, &mut around.pools)?;
        }
        Ok(Some(normed))
    }

    /// Unembeds what the collector wants of it.
    fn logits(&self, batch: &Batch, normed: &T, watch: &mut Watch<'_, '_, T>) -> Result<()> {
        if !watch.collector.wants(Point::Logits, 0) {
            return Ok(());
        }
        if watch.collector.only_last(Point::Logits) {
            let rows = batch.layout.last_rows().into_iter().map(|row| row as u32).collect();
            let last = normed.rows(&T::indices(&self.place, rows)?)?;
            return self.offer_logits(&last, &batch.layout.one_row_each(), watch);
        }
        self.offer_logits(normed, &batch.layout, watch)
    }

    /// Runs one block; `None` when the collector has all it wants.
    fn block(
        &self,
        block: &Block<T>,
        number: usize,
        stream: T,
        around: &mut Around<'_, T>,
        watch: &mut dyn Onlooker<'_, T>,
    ) -> Result<Option<T>> {
        let Config { width, heads, kv_heads, head_dim, parallel, .. } = self.config;
        let Around { tokens, turns, added, pools } = around;
        let rows = *tokens;
        let (q_width, kv_width) = (heads * head_dim, kv_heads * head_dim);
        let done = |watch: &dyn Onlooker<'_, T>, point| watch.done(Site::new(point, number));

        let stream = watch.pass(Point::ResidPre, number, stream, width, pools)?;
        let input = normed_input(block.attn_norm.as_ref(), &stream, rows, width)?;
        let input = watch.pass(Point::AttnIn, number, input, width, pools)?;
        let qkv = block.qkv.forward(&input)?;
        let ready = |from: usize, width: usize, heads: usize, norm: Option<&Norm<T>>| -> Result<T> {
            let x = through(norm, qkv.narrow(1, from, width)?, rows)?;
            match block.rope {
                Some(table) => turns[table].forward(&x, rows, heads, head_dim),
                None => Ok(x),
            }
        };
        let q = ready(0, q_width, heads, block.q_norm.as_ref())?;
        let k = ready(q_width, kv_width, kv_heads, block.k_norm.as_ref())?;
        let v = qkv.narrow(1, q_width + kv_width, kv_width)?;
        let q = watch.pass(Point::Q, number, q, q_width, pools)?;
        let k = watch.pass(Point::K, number, k, kv_width, pools)?;
        let v = watch.pass(Point::V, number, v, kv_width, pools)?;
        if done(watch, Point::V) {
            return Ok(None);
        }
        let z = self.mixed(block, number, &Inputs { q, k, v }, added, pools, watch)?;
        let z = watch.pass(Point::Z, number, z, q_width, pools)?;
        if done(watch, Point::Z) {
            return Ok(None);
        }
        let delta = watch.pass(Point::AttnOut, number, block.out.forward(&z)?, width, pools)?;
        let delta = through(block.attn_post.as_ref(), delta, rows)?;
        let delta = watch.pass(Point::AttnOutPost, number, delta, width, pools)?;
        // Side by side, the feed-forward part reads the stream that attention read.
        let (stream, late) = if parallel {
            (stream, Some(delta))
        } else {
            let mid = through(block.attn_after.as_ref(), stream.add(&delta)?, rows)?;
            (watch.pass(Point::ResidMid, number, mid, width, pools)?, None)
        };
        let input = normed_input(block.mlp_norm.as_ref(), &stream, rows, width)?;
        let input = watch.pass(Point::MlpIn, number, input, width, pools)?;
        if done(watch, Point::MlpIn) {
            return Ok(None);
        }
        let fed = self.fed(block, number, &input, pools, watch)?;
        let fed = watch.pass(Point::MlpOut, number, fed, width, pools)?;
        let fed = through(block.mlp_post.as_ref(), fed, rows)?;
        let fed = watch.pass(Point::MlpOutPost, number, fed, width, pools)?;
        let stream = match late {
            Some(delta) => stream.add(&delta)?,
            None => stream,
        };
        let stream = through(block.mlp_after.as_ref(), stream.add(&fed)?, rows)?;
        watch.pass(Point::ResidPost, number, stream, width, pools).map(Some)
    }

    /// The mix of values of every head, sentence by sentence.
    fn mixed(
        &self,
        block: &Block<T>,
        number: usize,
        inputs: &Inputs<T>,
        added: &mut Added<T>,
        pools: &Pools<'_, T>,
        watch: &mut dyn Onlooker<'_, T>,
    ) -> Result<T> {
        let [scores, probs] = [Point::AttnScores, Point::AttnProbs];
        let cuts = [scores, probs].map(|point| watch.touching(point, number, pools.layout));
        let [cut_scores, cut_probs] = &cuts;
        let wanted = [scores, probs].map(|point| watch.wants(point, number));
        let mut z = Vec::with_capacity(pools.buckets.len());
        for bucket in &pools.buckets {
            let touch = Touch { scores: cut_scores.as_deref(), probs: cut_probs.as_deref() };
            let squares = wanted.contains(&true);
            let (own, squares) = attend(&block.attention, &self.place, inputs, bucket, added, squares, touch)?;
            if let Some(squares) = squares {
                let layout = pools.layout.slice(bucket.sentences.clone());
                let both = [(scores, squares.scores), (probs, squares.probs)];
                for ((point, x), _) in both.into_iter().zip(wanted).filter(|(_, wanted)| *wanted) {
                    let (site, heads) = (Site::new(point, number), block.attention.heads);
                    watch.take_squares(site, &x.download()?, heads, &layout)?;
                }
            }
            z.push(own);
        }
        T::cat(&z, 0)
    }

    /// The feed-forward part's output.
    fn fed(
        &self,
        block: &Block<T>,
        number: usize,
        input: &T,
        pools: &mut Pools<'_, T>,
        watch: &mut dyn Onlooker<'_, T>,
    ) -> Result<T> {
        match &block.feed {
            FeedForward::Dense { up, down } => {
                let inside = self.config.intermediate;
                let (gate, up) = gate(&self.config, up, input, inside)?;
                let gate = watch.pass(Point::MlpGate, number, gate, inside, pools)?;
                let act = hidden(&self.config, &gate, up.as_ref())?;
                down.forward(&watch.pass(Point::MlpAct, number, act, inside, pools)?)
            }
            FeedForward::Experts { router, experts } => {
                let count = experts.len();
                let logits = watch.pass(Point::RouterLogits, number, router.forward(input)?, count, pools)?;
                let chosen = shares(&self.config, &logits)?;
                let rows = chosen.len() / count;
                let chosen = T::upload(&self.place, chosen, &[rows, count])?;
                let chosen = watch.shares(&self.config, &logits, chosen)?;
                let chosen = watch.pass(Point::RouterWeights, number, chosen, count, pools)?;
                mix(&self.config, &self.place, experts, input, &chosen)
            }
        }
    }

    /// Unembeds whole sentences, some at a time.
    fn offer_logits(&self, normed: &T, layout: &Layout, watch: &mut Watch<'_, '_, T>) -> Result<()> {
        let vocabulary = self.config.vocabulary;
        for part in layout.parts((LOGITS / vocabulary).max(1)) {
            let (from, until) = (layout.starts[part.start], layout.starts[part.end]);
            let rows = until - from;
            let logits = self.unembedded(&normed.narrow(0, from, rows)?, rows)?;
            let layout = layout.slice(part);
            watch.pass(Point::Logits, 0, logits, vocabulary, &mut Pools::new(&layout))?;
        }
        Ok(())
    }

    /// Logits of states behind the final norm: `[rows, width]` to `[rows, vocabulary]`.
    pub(super) fn unembedded(&self, normed: &T, rows: usize) -> Result<T> {
        self.head.forward(normed, rows, &self.embedding)
    }

    /// Final norm and unembedding of `states` `[rows, width]` to `logits` `[rows, vocabulary]`, in models with a head.
    pub(super) fn unembed(&self, states: &[f32], logits: &mut [f32]) -> Result<()> {
        let Config { width, vocabulary, .. } = self.config;
        let step = (LOGITS / vocabulary).max(1);
        for (states, logits) in states.chunks(step * width).zip(logits.chunks_mut(step * vocabulary)) {
            let rows = states.len() / width;
            let states = T::upload(&self.place, states.to_vec(), &[rows, width])?;
            let normed = through(self.final_norm.as_ref(), states, rows)?;
            logits.copy_from_slice(&self.unembedded(&normed, rows)?.download()?);
        }
        Ok(())
    }

    /// Layer 0.
    fn embed(&self, batch: &Batch) -> Result<T> {
        let mut x = self.embedding.rows(&T::indices(&self.place, batch.ids.clone())?)?;
        if self.config.embedding_scale != 1.0 {
            x = x.affine(self.config.embedding_scale, 0.0)?;
        }
        if let Some(project) = &self.project_in {
            x = project.forward(&x)?;
        }
        if let Some(token_type) = &self.token_type {
            x = x.add(token_type)?;
        }
        if let Some(positions) = &self.positions {
            x = x.add(&positions.rows(&T::indices(&self.place, batch.positions.clone())?)?)?;
        }
        through(self.embedding_norm.as_ref(), x, batch.ids.len())
    }

    fn turns(&self, batch: &Batch) -> Result<Vec<Turn<T>>> {
        let Positions::Rope { tables, .. } = &self.config.positions else { return Ok(Vec::new()) };
        let spans = batch.layout.starts.windows(2).zip(&batch.lengths);
        let tokens: Vec<_> = spans
            .flat_map(|(pair, length)| batch.positions[pair[0]..pair[1]].iter().map(|position| (*position, *length)))
            .collect();
        tables.iter().map(|rope| Turn::new(&self.place, rope, &tokens)).collect()
    }
}

impl<T: Numbers> Block<T> {
    fn new(place: &T::Place, parts: Parts, attention: Attention, rope: Option<usize>, compute: Dtype) -> Result<Self> {
        let Parts { attn_norm, qkv, q_norm, k_norm, out, attn_post, attn_after, mlp_norm, feed, mlp_post, mlp_after } =
            parts;
        let norm = |norm: Option<_>| norm.map(|norm| Norm::new(place, norm)).transpose();
        let segments = |norm: Option<_>| norm.map(|norm| Norm::of_parts(place, norm)).transpose();
        Ok(Self {
            attn_norm: norm(attn_norm)?,
            qkv: Linear::new(place, qkv, compute)?,
            q_norm: segments(q_norm)?,
            k_norm: segments(k_norm)?,
            rope,
            attention,
            out: Linear::new(place, out, compute)?,
            attn_post: norm(attn_post)?,
            attn_after: norm(attn_after)?,
            mlp_norm: norm(mlp_norm)?,
            feed: FeedForward::new(place, feed, compute)?,
            mlp_post: norm(mlp_post)?,
            mlp_after: norm(mlp_after)?,
        })
    }
}
