//! Executes a plan while the pass runs: each site's edits are made, then it is reduced where it lies, and only what the plan
//! keeps is kept. Pooling adds up in f64 and keeps f32.

mod check;
mod grown;
mod pooled;

use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

pub(crate) use self::check::{check, check_size};
use self::grown::Grown;
use crate::{
    Error, Result,
    alarm::{Alarm, Run, Watch},
    applied::{Applied, Log},
    edit::{Edits, Touching},
    engine::{Captured, Values},
    kernels::dispatch,
    model::{Config, config::Head},
    plan::{Capture, Plan, Point, Reduce, Site, Window},
    tokens::Encoded,
};

/// Which rows of a packed matrix belong to which sentence.
pub(crate) struct Layout {
    /// First row of each sentence, then the number of rows.
    pub(crate) starts: Vec<usize>,
    /// Tokens of each sentence that come before its rows and that a cache remembers.
    pub(crate) past: Vec<usize>,
    /// Place of the first sentence in the order of execution; the others follow.
    pub(crate) first: usize,
}

impl Layout {
    pub(crate) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn last_rows(&self) -> Vec<usize> {
        self.starts[1..].iter().map(|end| end - 1).collect()
    }

    /// The last row of each sentence as a matrix.
    pub(crate) fn one_row_each(&self) -> Self {
        let rows = self.starts.windows(2).map(|pair| pair[1] - pair[0]);
        let past = self.past.iter().zip(rows).map(|(past, rows)| past + rows - 1).collect();
        Self { starts: (0..=self.len()).collect(), past, first: self.first }
    }

    /// Runs of whole sentences of at most `rows` rows (a longer sentence is a run of its own).
    pub(crate) fn parts(&self, rows: usize) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for sentence in 0..self.len() {
            match parts.last_mut() {
                Some(part) if self.starts[sentence + 1] - self.starts[part.start] <= rows => part.end = sentence + 1,
                _ => parts.push(sentence..sentence + 1),
            }
        }
        parts
    }

    /// The sentences of `part` as a matrix of their own.
    pub(crate) fn slice(&self, part: Range<usize>) -> Self {
        let starts = &self.starts[part.start..=part.end];
        Self {
            starts: starts.iter().map(|row| row - starts[0]).collect(),
            past: self.past[part.clone()].to_vec(),
            first: self.first + part.start,
        }
    }
}

/// Columns `from .. from + width` of a row-major matrix of `stride` columns.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) from: usize,
    pub(crate) width: usize,
}

impl<'a> Rows<'a> {
    fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride + self.from..][..self.width]
    }
}

/// The same, to be changed.
pub(crate) struct RowsMut<'a> {
    pub(crate) data: &'a mut [f32],
    pub(crate) stride: usize,
    pub(crate) from: usize,
    pub(crate) width: usize,
}

impl<'a> RowsMut<'a> {
    pub(crate) fn whole(data: &'a mut [f32], width: usize) -> Self {
        Self { data, stride: width, from: 0, width }
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.data[row * self.stride + self.from..][..self.width]
    }
}

enum Sink {
    /// `[sentences, width]`, in the order of execution.
    Pooled { width: usize, rows: Vec<f32> },
    /// One a sentence, in the order of execution.
    Tokens(Vec<Tensor>),
    /// Of sequences that are generated.
    Grown(Grown),
}

/// Receives the sites of a pass, changes what the plan says and keeps what it asks for.
pub(crate) struct Collector<'a> {
    captures: Vec<Capture>,
    edits: Option<Edits<'a>>,
    log: Log,
    sentences: &'a [Encoded],
    /// The sentences in the order of execution. Under several plans sentence s of plan p has the number `p n + s`, of n sentences.
    order: Vec<usize>,
    plans: usize,
    sinks: Vec<Sink>,
    /// One a capture.
    watches: Vec<Watch>,
    last: Option<(usize, Point)>,
}

/// A capture with what is suspicious about it.
pub(crate) type Part = (Captured, Vec<Alarm>);

/// Where a site lies in the order of the pass.
pub(crate) fn moment(site: Site) -> (usize, Point) {
    match site.point {
        Point::Embeddings => (0, site.point),
        Point::FinalNorm | Point::Logits => (usize::MAX, site.point),
        _ => (site.block, site.point),
    }
}

fn square(point: Point) -> bool {
    matches!(point, Point::AttnScores | Point::AttnProbs)
}

/// Whether the numbers of a site are those of a pass without edits, under a plan whose first changed layer this is.
pub(crate) fn precedes(site: Site, layer: Option<usize>) -> bool {
    layer.is_none_or(|layer| moment(site) < moment(Site::layer(layer)))
}

impl<'a> Collector<'a> {
    /// For a plan that [`check`] lets pass; refuses captures that no memory holds.
    pub(crate) fn new(plan: &'a Plan, config: &Config, sentences: &'a [Encoded], order: Vec<usize>) -> Result<Self> {
        check(plan, config, sentences)?;
        check_size(&plan.captures, config, sentences.iter().map(|sentence| sentence.ids.len()))?;
        let edits = (!plan.edits.is_empty()).then(|| Edits::new(std::slice::from_ref(plan), config, sentences));
        let watches = vec![Watch::default(); plan.captures.len()];
        let sinks = plan.captures.iter().map(|capture| match capture.reduce {
            Reduce::All => Sink::Tokens(Vec::with_capacity(sentences.len())),
            Reduce::Mean(_) | Reduce::Weighted(_) | Reduce::Active(_) | Reduce::Last => {
                let width = width(capture.site.point, config);
                Sink::Pooled { width, rows: vec![0.0; sentences.len() * width] }
            }
        });
        let sinks = sinks.collect();
        let last = plan.captures.iter().map(|capture| moment(capture.site)).max();
        let (captures, log) = (plan.captures.clone(), Log::default());
        Ok(Self { captures, edits, log, sentences, order, plans: 1, sinks, watches, last })
    }

    /// Has the pass go on to a layer, even where no capture asks for it.
    pub(crate) fn go_to(&mut self, layer: usize) {
        self.last = self.last.max(Some(moment(Site::layer(layer))));
    }

    pub(crate) fn wants(&self, point: Point, block: usize) -> bool {
        self.captures.iter().any(|capture| capture.site == Site::new(point, block))
    }

    /// Whether nobody reads or changes a site, so that its numbers need not be there.
    pub(crate) fn idle(&self, point: Point, block: usize) -> bool {
        !self.edits(Site::new(point, block)) && !self.wants(point, block)
    }

    /// Whether every capture of the point keeps the last token only.
    pub(crate) fn only_last(&self, point: Point) -> bool {
        self.captures.iter().all(|capture| capture.site.point != point || capture.reduce == Reduce::Last)
    }

    /// Whether no site after this one is wanted.
    pub(crate) fn done(&self, site: Site) -> bool {
        self.last.is_none_or(|last| last <= moment(site))
    }

    /// What cuts edges of attention at `point` of block `block`, if anything does.
    pub(crate) fn touching(&mut self, point: Point, block: usize, layout: &Layout) -> Option<Touching<'a>> {
        self.edits.as_ref()?.touching(point, block, layout, &self.order, &mut self.log)
    }

    /// Edits the rows of a site for the sentences of `layout`, then reduces them.
    pub(crate) fn offer(&mut self, point: Point, block: usize, mut rows: RowsMut<'_>, layout: &Layout) -> Result<()> {
        let Self { captures, edits, log, sentences, order, sinks, watches, .. } = self;
        let site = Site::new(point, block);
        if let Some(edits) = edits {
            edits.apply(site, &mut rows, layout, order, log);
        }
        let rows = Rows { data: rows.data, stride: rows.stride, from: rows.from, width: rows.width };
        let kept = captures.iter().zip(sinks).zip(watches).filter(|((capture, _), _)| capture.site == site);
        for ((capture, sink), watch) in kept {
            match sink {
                Sink::Grown(grown) => {
                    for (index, sequence) in order[layout.first..].iter().enumerate().take(layout.len()) {
                        grown.add(*sequence, &rows, layout, index, sentences[*sequence % sentences.len()].bos);
                    }
                }
                Sink::Tokens(kept) => {
                    for (pair, sentence) in layout.starts.windows(2).zip(&order[layout.first..]) {
                        let values: Vec<f32> = (pair[0]..pair[1]).flat_map(|row| rows.row(row)).copied().collect();
                        watch.rows(*sentence, &values, rows.width);
                        kept.push(Tensor::from_vec(values, (pair[1] - pair[0], rows.width), &Device::Cpu)?);
                    }
                }
                Sink::Pooled { width, rows: kept } => {
                    let kept = &mut kept[layout.first * *width..][..layout.len() * *width];
                    kept.par_chunks_mut(*width).enumerate().for_each_init(Vec::new, |sums, (index, out)| {
                        let own = layout.starts[index]..layout.starts[index + 1];
                        let sentence = &sentences[order[layout.first + index] % sentences.len()];
                        dispatch(
                            #[inline(always)]
                            || reduce(capture.reduce, &rows, own, sentence.bos, sums, out),
                        );
                    });
                    for (row, sentence) in kept.chunks_exact(*width).zip(&order[layout.first..]) {
                        watch.rows(*sentence, row, *width);
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps the squares `[heads, t, t]` of a site, one sentence behind the other in `data`.
    pub(crate) fn take_squares(&mut self, site: Site, data: &[f32], heads: usize, layout: &Layout) -> Result<()> {
        let Self { captures, sinks, watches, order, .. } = self;
        let kept = captures.iter().zip(sinks).zip(watches).filter(|((capture, _), _)| capture.site == site);
        for ((_, sink), watch) in kept {
            let mut at = 0;
            let sentences = layout.past.iter().zip(&order[layout.first..]);
            for (pair, (past, sentence)) in layout.starts.windows(2).zip(sentences) {
                let rows = pair[1] - pair[0];
                let keys = past + rows;
                let values = &data[at..at + heads * rows * keys];
                at += values.len();
                match sink {
                    Sink::Tokens(kept) => {
                        watch.square(*sentence, values, keys);
                        kept.push(Tensor::from_vec(values.to_vec(), (heads, rows, keys), &Device::Cpu)?);
                    }
                    Sink::Grown(grown) => grown.add_square(*sentence, rows, keys, values),
                    Sink::Pooled { .. } => {}
                }
            }
        }
        Ok(())
    }

    /// What was kept, in the order of the plan, rows in the order of the sentences.
    pub(crate) fn finish(self) -> Result<Run> {
        let (parts, applied) = self.finish_parts()?;
        let (captured, alarms): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        Ok(Run { captured, alarms: alarms.concat(), applied })
    }

    /// Each capture with its alarms, and what the edits did.
    pub(crate) fn finish_parts(self) -> Result<(Vec<Part>, Vec<Applied>)> {
        let Self { captures, log, order, plans, sinks, watches, .. } = self;
        let mut place = vec![0; order.len()];
        for (executed, given) in order.iter().enumerate() {
            place[*given] = executed;
        }
        let restored = captures.iter().zip(sinks).zip(watches).map(|((capture, sink), watch)| {
            let values = match sink {
                Sink::Tokens(kept) => Values::Tokens(place.iter().map(|executed| kept[*executed].clone()).collect()),
                Sink::Pooled { width, rows } => {
                    let rows = place.iter().flat_map(|executed| &rows[executed * width..][..width]).copied().collect();
                    Values::Pooled(Tensor::from_vec(rows, (place.len(), width), &Device::Cpu)?)
                }
                Sink::Grown(_) => {
                    let why = "sequences that grow were finished as if they did not".to_owned();
                    return Err(Error::Plan { why });
                }
            };
            Ok((Captured { capture: *capture, values }, watch.alarms(capture.site).collect()))
        });
        Ok((restored.collect::<Result<_>>()?, log.finish(plans).concat()))
    }
}

/// Columns of a site that has one row a token.
pub(crate) fn width(point: Point, config: &Config) -> usize {
    match point {
        Point::Q | Point::Z => config.heads * config.head_dim,
        Point::K | Point::V => config.kv_heads * config.head_dim,
        Point::MlpGate | Point::MlpAct => config.intermediate,
        Point::RouterLogits | Point::RouterWeights => config.experts.as_ref().map_or(0, |experts| experts.count),
        Point::Logits => config.vocabulary,
        _ => config.width,
    }
}

/// The tokens that a window leaves of a sentence: BOS when it is included, then the content without its first tokens.
pub(crate) fn seen(window: Window, bos: usize, tokens: usize) -> impl Iterator<Item = usize> {
    let head = if window.include_bos { bos } else { 0 };
    (0..head).chain(bos.saturating_add(window.skip_first)..tokens)
}

/// Whether a window leaves this token.
fn counted(window: Window, bos: usize, token: usize) -> bool {
    if token < bos { window.include_bos } else { token - bos >= window.skip_first }
}

/// 1 for a number above 0, else 0; NaN for one that is not finite, so that nothing broken passes as silent.
#[inline(always)]
fn active(x: f32) -> f32 {
    f32::from(x > 0.0) + 0.0 * x
}

#[inline(always)]
fn reduce(reduce: Reduce, rows: &Rows<'_>, own: Range<usize>, bos: usize, sums: &mut Vec<f64>, out: &mut [f32]) {
    let (window, weighted) = match reduce {
        Reduce::Mean(window) | Reduce::Active(window) => (window, false),
        Reduce::Weighted(window) => (window, true),
        Reduce::Last | Reduce::All => {
            out.copy_from_slice(rows.row(own.end - 1));
            return;
        }
    };
    sums.clear();
    sums.resize(out.len(), 0.0);
    let mut total = 0.0;
    for token in seen(window, bos, own.len()) {
        let weight = if weighted { (token + 1) as f64 } else { 1.0 };
        total += weight;
        let row = rows.row(own.start + token);
        if matches!(reduce, Reduce::Active(_)) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(active(*x)));
        } else {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * f64::from(*x));
        }
    }
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = (*sum / total) as f32;
    }
}

/// Every site of a model of this shape, in the order of the pass.
pub(crate) fn sites(config: &Config) -> Vec<Site> {
    let of = |block: usize| Point::NAMES.iter().map(move |(point, _)| Site::new(*point, block));
    let outside = of(0).filter(|site| !site.point.in_block());
    let inside = (1..=config.layers).flat_map(of).filter(|site| site.point.in_block());
    let mut all: Vec<_> = outside.chain(inside).filter(|site| missing(*site, config).is_none()).collect();
    all.sort_by_key(|site| moment(*site));
    all
}

/// Why a model of this shape has no such site.
pub(crate) fn missing(site: Site, config: &Config) -> Option<String> {
    let family = config.family;
    let experts = config.has_experts(site.block);
    match site.point {
        Point::ResidMid if config.parallel => Some(format!(
            "{family} computes attention and the feed-forward part side by side, so no stream stands between them"
        )),
        Point::FinalNorm if !config.final_norm => {
            Some(format!("this {family} has no norm behind its last block; use resid_post.{}", config.layers))
        }
        Point::Logits if config.head == Head::None => {
            Some(format!("this {family} has no head: its checkpoint turns no state into logits"))
        }
        Point::RouterLogits | Point::RouterWeights if !experts => {
            Some(format!("block {} of this {family} has no experts to choose", site.block))
        }
        Point::MlpGate | Point::MlpAct if experts => Some(format!(
            "block {} of this {family} is a mixture of experts, each with an activation of its own",
            site.block
        )),
        _ => None,
    }
}
