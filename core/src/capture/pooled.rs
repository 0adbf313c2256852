//! The collector's side of engines that reduce a site where its tensor lies, and hand over what is left of it.

use candle_core::{Device, Tensor};

use super::{Collector, Layout, RowsMut, Sink, seen};
use crate::{
    Result,
    plan::{Reduce, Site},
    tokens::Encoded,
};

impl Collector<'_> {
    /// What the captures of a site keep, each with its place in the plan.
    pub(crate) fn reductions(&self, site: Site) -> Vec<(usize, Reduce)> {
        let here = self.captures.iter().enumerate().filter(|(_, capture)| capture.site == site);
        here.map(|(at, capture)| (at, capture.reduce)).collect()
    }

    /// Whether the plan changes the rows of a site.
    pub(crate) fn edits(&self, site: Site) -> bool {
        self.edits.as_ref().is_some_and(|edits| edits.change(site))
    }

    /// Changes the rows of a site, `[rows of the layout, width]`.
    pub(crate) fn edit(&mut self, site: Site, rows: &mut [f32], width: usize, layout: &Layout) {
        if let Some(edits) = &self.edits {
            edits.apply(site, &mut RowsMut::whole(rows, width), layout, &self.order, &mut self.log);
        }
    }

    /// The weight of each of the `tokens` of the sentence at `executed` in the order of execution; they add up to 1, but for
    /// [`Reduce::Active`], where each is 1: a count is exact in every format in which a device may add.
    pub(crate) fn weights(&self, reduce: Reduce, executed: usize, tokens: usize) -> Vec<f32> {
        let (window, weighted) = match reduce {
            Reduce::Mean(window) | Reduce::Active(window) => (window, false),
            Reduce::Weighted(window) => (window, true),
            Reduce::Last | Reduce::All => {
                return (0..tokens).map(|token| if token + 1 == tokens { 1.0 } else { 0.0 }).collect();
            }
        };
        let bos = self.sentences[self.order[executed]].bos;
        let weight = |token: usize| if weighted { (token + 1) as f64 } else { 1.0 };
        let total = match reduce {
            Reduce::Active(_) => 1.0,
            _ => seen(window, bos, tokens).map(weight).sum::<f64>(),
        };
        let mut weights = vec![0.0; tokens];
        for token in seen(window, bos, tokens) {
            weights[token] = (weight(token) / total) as f32;
        }
        weights
    }

    /// Keeps the rows, one a sentence from `first` on in the order of execution, of the capture at `at`. Counts become shares.
    pub(crate) fn keep_pooled(&mut self, at: usize, first: usize, pooled: &[f32]) {
        if let Sink::Pooled { width, rows } = &mut self.sinks[at] {
            let kept = &mut rows[first * *width..][..pooled.len()];
            kept.copy_from_slice(pooled);
            for (row, sentence) in kept.chunks_exact_mut(*width).zip(&self.order[first..]) {
                if let Reduce::Active(window) = self.captures[at].reduce {
                    let Encoded { ids, bos, .. } = &self.sentences[*sentence];
                    let tokens = seen(window, *bos, ids.len()).count() as f32;
                    row.iter_mut().for_each(|count| *count /= tokens);
                }
                self.watches[at].rows(*sentence, row, *width);
            }
        }
    }

    /// Keeps every token of the sentences of `layout` for the capture at `at`.
    pub(crate) fn keep_tokens(&mut self, at: usize, rows: &[f32], width: usize, layout: &Layout) -> Result<()> {
        if let Sink::Tokens(kept) = &mut self.sinks[at] {
            for (pair, sentence) in layout.starts.windows(2).zip(&self.order[layout.first..]) {
                let values = rows[pair[0] * width..pair[1] * width].to_vec();
                self.watches[at].rows(*sentence, &values, width);
                kept.push(Tensor::from_vec(values, (pair[1] - pair[0], width), &Device::Cpu)?);
            }
        }
        Ok(())
    }
}
