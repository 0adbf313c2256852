//! Captures of sequences that grow token after token: what is kept is what one pass over the whole text would keep.

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::{Collector, Layout, Rows, Sink, active, check, check_size, counted, moment, precedes, width};
use crate::{
    Result,
    alarm::{Run, Watch},
    applied::Log,
    edit::Edits,
    engine::{Captured, Values},
    forks::numbered,
    model::Config,
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::Encoded,
};

impl<'a> Collector<'a> {
    /// For `prompts` that grow by up to `new_tokens` under each of `plans`, whose captures are kept apart. What the next tokens are
    /// chosen by is kept besides: of it only the rows of the pass.
    pub(crate) fn growing(
        plans: &'a [Plan],
        config: &Config,
        prompts: &'a [Encoded],
        new_tokens: usize,
    ) -> Result<Self> {
        for (number, plan) in plans.iter().enumerate() {
            numbered(number, plans.len(), check(plan, config, prompts))?;
        }
        let owned: Vec<(usize, Capture)> = plans
            .iter()
            .enumerate()
            .flat_map(|(number, plan)| plan.captures.iter().map(move |capture| (number, *capture)))
            .collect();
        let mut captures: Vec<Capture> = owned.iter().map(|(_, capture)| *capture).collect();
        let lengths = prompts.iter().map(|prompt| (prompt.ids.len().saturating_add(new_tokens)).min(config.context));
        check_size(&captures, config, lengths)?;
        let edited = plans.iter().any(|plan| !plan.edits.is_empty());
        let edits = edited.then(|| Edits::new(plans, config, prompts));
        let mut sinks: Vec<Sink> = owned
            .iter()
            .map(|(owner, capture)| {
                Sink::Grown(Grown::new(*owner, capture.reduce, width(capture.site.point, config), prompts.len()))
            })
            .collect();
        let logits = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
        captures.push(logits);
        sinks.push(Sink::Pooled { width: config.vocabulary, rows: Vec::new() });
        let watches = vec![Watch::default(); captures.len()];
        let last = Some(moment(logits.site));
        let (log, order) = (Log::default(), Vec::new());
        Ok(Self { captures, edits, log, sentences: prompts, order, plans: plans.len(), sinks, watches, last })
    }

    /// Which of the growing sequences the next passes are about.
    pub(crate) fn serve(&mut self, order: Vec<usize>) {
        if let Some(Sink::Pooled { width, rows }) = self.sinks.last_mut() {
            rows.resize(order.len() * *width, 0.0);
        }
        self.order = order;
    }

    /// The rows that the next tokens are chosen by, `[sequences served, vocabulary]`.
    pub(crate) fn chosen_by(&mut self) -> &mut [f32] {
        match self.sinks.last_mut() {
            Some(Sink::Pooled { rows, .. }) => rows,
            _ => &mut [],
        }
    }

    /// Takes over what `trunk`, which has read the `prompts` without edits, has kept of them at the sites that a plan leaves as they are:
    /// those before the edits of `layer`, or all.
    pub(crate) fn inherit(&mut self, trunk: &Collector<'_>, plan: usize, layer: Option<usize>, prompts: Range<usize>) {
        for (capture, sink) in self.captures.iter().zip(&mut self.sinks) {
            let Sink::Grown(grown) = sink else { continue };
            if grown.owner != plan || !precedes(capture.site, layer) {
                continue;
            }
            let same = trunk.captures.iter().zip(&trunk.sinks).find_map(|(read, sink)| match sink {
                Sink::Grown(read_grown) if read == capture => Some(read_grown),
                _ => None,
            });
            if let Some(read) = same {
                grown.sequences[prompts.clone()].clone_from_slice(&read.sequences[prompts.clone()]);
            }
        }
    }

    /// What was kept of the growing sequences of each plan, in the order of its captures.
    pub(crate) fn finish_growing(self, config: &Config) -> Result<Vec<Run>> {
        let Self { captures, log, plans, sinks, watches, .. } = self;
        let run = |applied| Run { captured: Vec::new(), alarms: Vec::new(), applied };
        let mut runs: Vec<Run> = log.finish(plans).into_iter().map(run).collect();
        for ((capture, sink), mut watch) in captures.iter().zip(sinks).zip(watches) {
            let Sink::Grown(grown) = sink else { continue };
            let owner = grown.owner;
            let unseen = if capture.site.point == Point::AttnScores { f32::NEG_INFINITY } else { 0.0 };
            let values = grown.finish(config.heads, unseen, &mut watch)?;
            runs[owner].captured.push(Captured { capture: *capture, values });
            runs[owner].alarms.extend(watch.alarms(capture.site));
        }
        Ok(runs)
    }
}

/// A capture of every sequence of a plan.
pub(super) struct Grown {
    owner: usize,
    reduce: Reduce,
    width: usize,
    sequences: Vec<Kept>,
}

/// What is kept of a sequence so far.
#[derive(Clone, Default)]
struct Kept {
    /// Every row, or the last one.
    rows: Vec<f32>,
    /// Sum of the rows, weighted, and of the weights.
    sums: Vec<f64>,
    total: f64,
    /// The squares' rows of each pass: `[heads, queries, keys]`.
    squares: Vec<(usize, usize, Vec<f32>)>,
}

impl Grown {
    fn new(owner: usize, reduce: Reduce, width: usize, sequences: usize) -> Self {
        Self { owner, reduce, width, sequences: vec![Kept::default(); sequences] }
    }

    /// What is kept of a sequence, if it is one of the plan.
    fn own(&mut self, sequence: usize) -> Option<&mut Kept> {
        let all = self.sequences.len();
        if sequence / all == self.owner { self.sequences.get_mut(sequence % all) } else { None }
    }

    /// Adds the rows of sentence `index` of `layout`, which is `sequence`.
    pub(super) fn add(&mut self, sequence: usize, rows: &Rows<'_>, layout: &Layout, index: usize, bos: usize) {
        let (reduce, width) = (self.reduce, self.width);
        let Some(kept) = self.own(sequence) else { return };
        let own = layout.starts[index]..layout.starts[index + 1];
        let (window, weighted) = match reduce {
            Reduce::All => {
                for row in own {
                    kept.rows.extend_from_slice(rows.row(row));
                }
                return;
            }
            Reduce::Last => {
                kept.rows.clear();
                return kept.rows.extend_from_slice(rows.row(own.end - 1));
            }
            Reduce::Mean(window) | Reduce::Active(window) => (window, false),
            Reduce::Weighted(window) => (window, true),
        };
        kept.sums.resize(width, 0.0);
        for (token, row) in (layout.past[index]..).zip(own) {
            if counted(window, bos, token) {
                let weight = if weighted { (token + 1) as f64 } else { 1.0 };
                kept.total += weight;
                for (sum, x) in kept.sums.iter_mut().zip(rows.row(row)) {
                    let x = if matches!(reduce, Reduce::Active(_)) { active(*x) } else { *x };
                    *sum += weight * f64::from(x);
                }
            }
        }
    }

    /// Adds the rows `[heads, queries, keys]` of a sequence's square.
    pub(super) fn add_square(&mut self, sequence: usize, queries: usize, keys: usize, values: &[f32]) {
        if let Some(kept) = self.own(sequence) {
            kept.squares.push((queries, keys, values.to_vec()));
        }
    }

    /// What was kept; in a square the keys behind a query have `unseen`.
    fn finish(self, heads: usize, unseen: f32, watch: &mut Watch) -> Result<Values> {
        let Self { reduce, width, sequences, .. } = self;
        if reduce != Reduce::All {
            let count = sequences.len();
            let mut all = Vec::with_capacity(count * width);
            for (sequence, Kept { rows, sums, total, .. }) in sequences.into_iter().enumerate() {
                all.extend(rows.into_iter().chain(sums.into_iter().map(|sum| (sum / total) as f32)));
                watch.rows(sequence, &all[sequence * width..], width);
            }
            return Ok(Values::Pooled(Tensor::from_vec(all, (count, width), &Device::Cpu)?));
        }
        let tensors = sequences.into_iter().enumerate().map(|(sequence, Kept { rows, squares, .. })| {
            if squares.is_empty() {
                watch.rows(sequence, &rows, width);
                let tokens = rows.len() / width;
                return Ok(Tensor::from_vec(rows, (tokens, width), &Device::Cpu)?);
            }
            let tokens = squares.last().map_or(0, |(_, keys, _)| *keys);
            let mut whole = vec![unseen; heads * tokens * tokens];
            for (queries, keys, values) in squares {
                watch.square(sequence, &values, keys);
                for (row, line) in values.chunks_exact(keys).enumerate() {
                    let (head, query) = (row / queries, keys - queries + row % queries);
                    whole[(head * tokens + query) * tokens..][..keys].copy_from_slice(line);
                }
            }
            Ok(Tensor::from_vec(whole, (heads, tokens, tokens), &Device::Cpu)?)
        });
        Ok(Values::Tokens(tensors.collect::<Result<_>>()?))
    }
}
