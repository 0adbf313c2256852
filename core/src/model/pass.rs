//! The order of a pass: enter, climb from layer to layer, leave. A pass may begin where another one stands, so that what several plans
//! have in common is computed once.

use std::ops::Range;

use super::{Batch, Cache, Config, Decoder, Scratch, decoder::sized};
use crate::{
    Result,
    capture::{Collector, Layout, RowsMut},
    kernels::{buffer::Buffer, linear::Workspace},
    monitor::Monitor,
    plan::{Point, Site},
};

/// Rows that are unembedded at once: `[rows, vocabulary]` is the largest buffer of all.
pub(crate) const LOGIT_ROWS: usize = 128;

impl Decoder {
    /// Runs the batch until the collector has all it wants. With a cache, the rows are each sequence's next tokens.
    pub(crate) fn forward(
        &self,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
        cache: Option<&mut Cache>,
        monitor: &Monitor,
    ) -> Result<()> {
        self.enter(batch, scratch, cache.is_some())?;
        self.leave(0, batch, scratch, collector, cache, monitor)
    }

    /// Begins a pass: layer 0 is in the stream, before its edits.
    pub(crate) fn enter(&self, batch: &Batch, scratch: &mut Scratch, cached: bool) -> Result<()> {
        self.embedding.intact()?;
        scratch.workspace.step(cached && batch.layout.past.iter().all(|past| *past > 0));
        self.angles(batch, &mut scratch.angles);
        self.embed(batch, scratch);
        Ok(())
    }

    /// Begins a pass where another one, of `rows` rows, stands now: its stream again and again, as often as the batch holds it.
    pub(crate) fn branch(&self, batch: &Batch, trunk: &Scratch, rows: usize, scratch: &mut Scratch) {
        scratch.workspace.step(false);
        self.angles(batch, &mut scratch.angles);
        let width = self.config.width;
        for stream in sized(&mut scratch.stream, batch.ids.len() * width).chunks_exact_mut(rows * width) {
            stream.copy_from_slice(&trunk.stream[..rows * width]);
        }
    }

    /// The blocks from the first of `layers`, which is in the stream before its edits, up to the last, which is in the stream afterwards,
    /// before its edits too. False when the collector has all it wants.
    pub(crate) fn climb(
        &self,
        layers: Range<usize>,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
        mut cache: Option<&mut Cache>,
        monitor: &Monitor,
    ) -> Result<bool> {
        for layer in layers {
            self.offer_layer(layer, batch, scratch, collector)?;
            // A cache must hold every block's keys, wanted or not.
            if cache.is_none() && collector.done(Site::layer(layer)) {
                return Ok(false);
            }
            monitor.check()?;
            let block = &self.blocks[layer];
            if !self.block(block, layer + 1, batch, scratch, collector, cache.as_deref_mut())? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rest of a pass whose stream holds `layer` before its edits.
    pub(crate) fn leave(
        &self,
        layer: usize,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
        mut cache: Option<&mut Cache>,
        monitor: &Monitor,
    ) -> Result<()> {
        let (width, last) = (self.config.width, self.blocks.len());
        let layout = &batch.layout;
        if !self.climb(layer..last, batch, scratch, collector, cache.as_deref_mut(), monitor)? {
            return Ok(());
        }
        if let Some(cache) = cache {
            cache.seen(layout);
        }
        self.offer_layer(last, batch, scratch, collector)?;
        if collector.done(Site::layer(last)) {
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

    fn offer_layer(
        &self,
        layer: usize,
        batch: &Batch,
        scratch: &mut Scratch,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let width = self.config.width;
        let stream = sized(&mut scratch.stream, batch.ids.len() * width);
        let Site { point, block } = Site::layer(layer);
        collector.offer(point, block, RowsMut::whole(stream, width), &batch.layout)
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
}
