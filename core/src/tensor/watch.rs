//! Executes edits and captures where the tensors lie: pooled sites become one row a sentence on the device, and only those rows come to
//! the host, together at the end of a batch, so that the device never waits for them in between.

use super::{buckets::Bucket, numbers::Numbers};
use crate::{
    Result,
    capture::{Collector, Layout},
    edit::Touching,
    model::Config,
    plan::{Point, Reduce, Site},
};

/// Looks on while a pass runs, reads its sites and changes them.
pub(super) trait Onlooker<'b, T: Numbers> {
    /// What comes after a site sees what this gives back.
    ///
    /// # Shapes
    /// `x` `[rows of the layout, width]`.
    fn pass(&mut self, point: Point, block: usize, x: T, width: usize, pools: &mut Pools<'_, T>) -> Result<T>;

    /// The weights of the experts, `chosen` on the host from the router's `logits`, `[tokens, experts]` each.
    fn shares(&self, _config: &Config, _logits: &T, chosen: T) -> Result<T> {
        Ok(chosen)
    }

    /// Whether no site after this one is wanted.
    fn done(&self, site: Site) -> bool;

    /// Whether the squares of a site are to be taken.
    fn wants(&self, point: Point, block: usize) -> bool;

    fn touching(&mut self, point: Point, block: usize, layout: &Layout) -> Option<Touching<'b>>;

    fn take_squares(&mut self, site: Site, squares: &[f32], heads: usize, layout: &Layout) -> Result<()>;
}

/// The collector of a pass with what is on its way to it.
pub(super) struct Watch<'a, 'b, T: Numbers> {
    pub(super) collector: &'a mut Collector<'b>,
    place: &'a T::Place,
    /// Capture, place of its first sentence in the order of execution, `[sentences, width]`.
    pending: Vec<(usize, usize, T)>,
}

/// How the rows of a layout become one row a sentence.
pub(super) struct Pools<'a, T> {
    pub(super) layout: &'a Layout,
    pub(super) buckets: Vec<Bucket>,
    last: Option<T>,
    /// For a reduction the weights of each bucket's tokens, `[sentences, 1, tokens]`.
    means: Vec<(Reduce, Vec<T>)>,
}

impl<'a, T: Numbers> Pools<'a, T> {
    pub(super) fn new(layout: &'a Layout) -> Self {
        Self { layout, buckets: Bucket::all(layout), last: None, means: Vec::new() }
    }

    fn last(&mut self, place: &T::Place, x: &T) -> Result<T> {
        if self.last.is_none() {
            let rows = self.layout.last_rows().into_iter().map(|row| row as u32).collect();
            self.last = Some(T::indices(place, rows)?);
        }
        match &self.last {
            Some(rows) => x.rows(rows),
            None => x.narrow(0, 0, 0),
        }
    }

    fn mean(&mut self, reduce: Reduce, collector: &Collector<'_>, place: &T::Place, x: &T, width: usize) -> Result<T> {
        let at = match self.means.iter().position(|(known, _)| *known == reduce) {
            Some(at) => at,
            None => {
                let weights = |bucket: &Bucket| {
                    let weights = bucket
                        .sentences
                        .clone()
                        .flat_map(|index| collector.weights(reduce, self.layout.first + index, bucket.tokens));
                    T::upload(place, weights.collect(), &[bucket.sentences.len(), 1, bucket.tokens])
                };
                let all = self.buckets.iter().map(weights).collect::<Result<_>>()?;
                self.means.push((reduce, all));
                self.means.len() - 1
            }
        };
        let pooled = self.buckets.iter().zip(&self.means[at].1).map(|(bucket, weights)| {
            let sentences = bucket.sentences.len();
            let own = x.narrow(0, bucket.rows.start, bucket.rows.len())?;
            weights.matmul(&own.reshape(&[sentences, bucket.tokens, width])?)?.reshape(&[sentences, width])
        });
        T::cat(&pooled.collect::<Result<Vec<_>>>()?, 0)
    }
}

impl<'a, 'b, T: Numbers> Watch<'a, 'b, T> {
    pub(super) fn new(collector: &'a mut Collector<'b>, place: &'a T::Place) -> Self {
        Self { collector, place, pending: Vec::new() }
    }

    /// Brings the pooled rows to the host.
    pub(super) fn finish(self) -> Result<()> {
        for (capture, first, pooled) in self.pending {
            self.collector.keep_pooled(capture, first, &pooled.download()?);
        }
        Ok(())
    }
}

impl<'b, T: Numbers> Onlooker<'b, T> for Watch<'_, 'b, T> {
    /// Edits a site where the plan says so, by way of the host, then reduces it.
    fn pass(&mut self, point: Point, block: usize, x: T, width: usize, pools: &mut Pools<'_, T>) -> Result<T> {
        let site = Site::new(point, block);
        let x = if self.collector.edits(site) {
            let mut rows = x.download()?;
            self.collector.edit(site, &mut rows, width, pools.layout);
            let count = rows.len() / width;
            T::upload(self.place, rows, &[count, width])?
        } else {
            x
        };
        for (capture, reduce) in self.collector.reductions(site) {
            let pooled = match reduce {
                Reduce::All => {
                    self.collector.keep_tokens(capture, &x.download()?, width, pools.layout)?;
                    continue;
                }
                Reduce::Last => pools.last(self.place, &x)?,
                Reduce::Active(_) => pools.mean(reduce, self.collector, self.place, &x.active()?, width)?,
                Reduce::Mean(_) | Reduce::Weighted(_) => pools.mean(reduce, self.collector, self.place, &x, width)?,
            };
            self.pending.push((capture, pools.layout.first, pooled));
        }
        Ok(x)
    }

    fn done(&self, site: Site) -> bool {
        self.collector.done(site)
    }

    fn wants(&self, point: Point, block: usize) -> bool {
        self.collector.wants(point, block)
    }

    fn touching(&mut self, point: Point, block: usize, layout: &Layout) -> Option<Touching<'b>> {
        self.collector.touching(point, block, layout)
    }

    fn take_squares(&mut self, site: Site, squares: &[f32], heads: usize, layout: &Layout) -> Result<()> {
        self.collector.take_squares(site, squares, heads, layout)
    }
}
