//! Captures of sequences that grow token after token: what is kept is what one pass over the whole text would keep.

use candle_core::{Device, Tensor};

use super::{Collector, Layout, Rows, Sink, active, check_plan, check_sentences, check_size, counted, moment, width};
use crate::{
    Result,
    alarm::{Run, Watch},
    edit::{self, Edits},
    engine::{Captured, Values},
    model::Config,
    plan::{Capture, Plan, Point, Reduce},
    tokens::Encoded,
};

impl<'a> Collector<'a> {
    /// For `prompts` that grow by up to `new_tokens`. The last capture of `plan` is what the next token is chosen by: of it
    /// only the rows of the pass are kept.
    pub(crate) fn growing(plan: &'a Plan, config: &Config, prompts: &'a [Encoded], new_tokens: usize) -> Result<Self> {
        check_plan(plan, config)?;
        check_sentences(plan, config, prompts)?;
        let lengths = prompts.iter().map(|prompt| (prompt.ids.len().saturating_add(new_tokens)).min(config.context));
        check_size(plan, config, lengths)?;
        edit::check(plan, config, prompts)?;
        let edits = (!plan.edits.is_empty()).then(|| Edits::new(plan, config, prompts));
        let watches = vec![Watch::default(); plan.captures.len()];
        let grown = |capture: &Capture| {
            Sink::Grown(Grown::new(capture.reduce, width(capture.site.point, config), prompts.len()))
        };
        let mut sinks: Vec<Sink> = plan.captures.iter().map(grown).collect();
        if let (Some(sink), Some(capture)) = (sinks.last_mut(), plan.captures.last()) {
            *sink = Sink::Pooled { width: width(capture.site.point, config), rows: Vec::new() };
        }
        let last = plan.captures.iter().map(|capture| moment(capture.site)).max();
        Ok(Self { captures: &plan.captures, edits, sentences: prompts, order: Vec::new(), sinks, watches, last })
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

    /// What was kept of the growing sequences, in the order of the plan without its last capture.
    pub(crate) fn finish_growing(self, config: &Config) -> Result<Run> {
        let Self { captures, sinks, watches, .. } = self;
        let (mut captured, mut alarms) = (Vec::new(), Vec::new());
        for ((capture, sink), mut watch) in captures.iter().zip(sinks).zip(watches) {
            let Sink::Grown(grown) = sink else { continue };
            let unseen = if capture.site.point == Point::AttnScores { f32::NEG_INFINITY } else { 0.0 };
            let values = grown.finish(config.heads, unseen, &mut watch)?;
            captured.push(Captured { capture: *capture, values });
            alarms.extend(watch.alarms(capture.site));
        }
        Ok(Run { captured, alarms })
    }
}

/// A capture of every sequence.
pub(super) struct Grown {
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
    fn new(reduce: Reduce, width: usize, sequences: usize) -> Self {
        Self { reduce, width, sequences: vec![Kept::default(); sequences] }
    }

    /// Adds the rows of sentence `index` of `layout`, which is `sequence`.
    pub(super) fn add(
        &mut self,
        sequence: usize,
        rows: &Rows<'_>,
        layout: &Layout,
        index: usize,
        bos: usize,
        watch: &mut Watch,
    ) {
        let kept = &mut self.sequences[sequence];
        let own = layout.starts[index]..layout.starts[index + 1];
        let (window, weighted) = match self.reduce {
            Reduce::All => {
                for row in own {
                    watch.rows(sequence, rows.row(row), rows.width);
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
        kept.sums.resize(self.width, 0.0);
        for (token, row) in (layout.past[index]..).zip(own) {
            if counted(window, bos, token) {
                let weight = if weighted { (token + 1) as f64 } else { 1.0 };
                kept.total += weight;
                for (sum, x) in kept.sums.iter_mut().zip(rows.row(row)) {
                    let x = if matches!(self.reduce, Reduce::Active(_)) { active(*x) } else { *x };
                    *sum += weight * f64::from(x);
                }
            }
        }
    }

    /// Adds the rows `[heads, queries, keys]` of a sequence's square.
    pub(super) fn add_square(&mut self, sequence: usize, queries: usize, keys: usize, values: &[f32]) {
        self.sequences[sequence].squares.push((queries, keys, values.to_vec()));
    }

    /// What was kept; in a square the keys behind a query have `unseen`.
    fn finish(self, heads: usize, unseen: f32, watch: &mut Watch) -> Result<Values> {
        let Self { reduce, width, sequences } = self;
        if reduce != Reduce::All {
            let count = sequences.len();
            let mut all = Vec::with_capacity(count * width);
            for (sequence, Kept { rows, sums, total, .. }) in sequences.into_iter().enumerate() {
                all.extend(rows.into_iter().chain(sums.into_iter().map(|sum| (sum / total) as f32)));
                watch.rows(sequence, &all[sequence * width..], width);
            }
            return Ok(Values::Pooled(Tensor::from_vec(all, (count, width), &Device::Cpu)?));
        }
        let tensors = sequences.into_iter().map(|Kept { rows, squares, .. }| {
            if squares.is_empty() {
                let tokens = rows.len() / width;
                return Ok(Tensor::from_vec(rows, (tokens, width), &Device::Cpu)?);
            }
            let tokens = squares.last().map_or(0, |(_, keys, _)| *keys);
            let mut whole = vec![unseen; heads * tokens * tokens];
            for (queries, keys, values) in squares {
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
