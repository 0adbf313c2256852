//! Runs many copies of a prompt in one pass, each with edits of its own: a cell of a patching grid is a copy, not a run.

use std::collections::BTreeMap;

use babelscope_core::{
    engine::{Engine, Values},
    monitor::{Monitor, Tick},
    plan::{Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Vector},
    tokens::Encoded,
};

use super::refuse;
use crate::Result;

/// Numbers of logits that stand in memory at once.
const LOGITS: usize = 1 << 24;
/// Tokens of one pass: what the engine takes at once, so that a pass is one batch.
const TOKENS: usize = 1024;
/// Copies of one pass: rows that are unembedded at once.
const COPIES: usize = 128;
/// Copies that a pass has at least, where it may have so many. A product of very few rows is added up in another order, and a copy
/// that nothing changes must have the same bits in every pass.
const LEAST: usize = 8;

/// A copy of one of several prompts, and what is done to it.
pub(super) struct Cell {
    /// Which prompt.
    pub(super) prompt: usize,
    /// The edits, their `sentences` left open.
    pub(super) edits: Vec<Edit>,
}

/// Puts rows at positions of a site.
pub(super) fn replace(site: Site, positions: Vec<usize>, rows: Vec<Vector>) -> Edit {
    Edit { positions: Positions::List(positions), ..Edit::at(site, Op::Replace { rows }) }
}

/// States of prompts, kept whole, and the logits behind each.
pub(super) struct States {
    sites: BTreeMap<Site, Vec<Kept>>,
    /// `[prompts][vocabulary]`
    pub(super) logits: Vec<Vec<f32>>,
}

struct Kept {
    width: usize,
    /// `[tokens, width]`
    rows: Vec<f32>,
}

impl States {
    /// One pass over the prompts.
    ///
    /// # Errors
    /// What the engine refuses.
    pub(super) fn read(engine: &Engine, prompts: &[Encoded], sites: &[Site], monitor: &Monitor) -> Result<Self> {
        let mut captures: Vec<Capture> =
            sites.iter().map(|site| Capture { site: *site, reduce: Reduce::All }).collect();
        captures.push(Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last });
        let captured = engine.run(prompts, &Plan { captures, ..Plan::default() }, &monitor.quiet())?;
        let mut kept = Self { sites: BTreeMap::new(), logits: Vec::new() };
        for captured in captured {
            match captured.values {
                Values::Pooled(logits) => {
                    kept.logits = logits.to_vec2::<f32>().map_err(babelscope_core::Error::from)?
                }
                Values::Tokens(tensors) => {
                    let whole = |tensor: candle_core::Tensor| -> Result<Kept> {
                        let width = tensor.dims().last().copied().unwrap_or_default();
                        let rows = tensor.flatten_all().and_then(|t| t.to_vec1::<f32>());
                        Ok(Kept { width, rows: rows.map_err(babelscope_core::Error::from)? })
                    };
                    let site = captured.capture.site;
                    kept.sites.insert(site, tensors.into_iter().map(whole).collect::<Result<_>>()?);
                }
            }
        }
        Ok(kept)
    }

    /// The state of one token; empty where it was not read.
    pub(super) fn row(&self, site: Site, prompt: usize, position: usize) -> &[f32] {
        let kept = self.sites.get(&site).and_then(|prompts| prompts.get(prompt));
        kept.and_then(|k| k.rows.get(position * k.width..(position + 1) * k.width)).unwrap_or_default()
    }

    pub(super) fn vector(&self, site: Site, prompt: usize, position: usize) -> Vector {
        self.row(site, prompt, position).to_vec().into()
    }
}

/// Runs all cells and gives each one's number: `score` reads the logits at the last token of a cell, by its index.
///
/// # Errors
/// What the engine refuses; [`babelscope_core::Error::Cancelled`].
pub(super) fn run<T>(
    engine: &Engine,
    prompts: &[Encoded],
    cells: Vec<Cell>,
    what: &str,
    monitor: &Monitor,
    score: impl Fn(usize, &[f32]) -> T,
) -> Result<Vec<T>> {
    let total = cells.len();
    let longest = prompts.iter().map(|prompt| prompt.ids.len()).max().unwrap_or(1).max(1);
    let at_once = (LOGITS / engine.info().vocabulary.max(1)).min(TOKENS / longest).clamp(1, COPIES);
    let quiet = monitor.quiet();
    let mut scores = Vec::with_capacity(total);
    let mut left = cells.into_iter();
    loop {
        monitor.tick(Tick { what, done: scores.len(), total, unit: "cells" })?;
        let (mut sentences, mut edits) = (Vec::new(), Vec::new());
        for cell in left.by_ref().take(at_once) {
            let own = Some(vec![sentences.len()]);
            edits.extend(cell.edits.into_iter().map(|edit| Edit { sentences: own.clone(), ..edit }));
            let Some(prompt) = prompts.get(cell.prompt) else {
                return refuse(format!("a cell is of prompt {}, there are {}", cell.prompt, prompts.len()));
            };
            sentences.push(prompt.clone());
        }
        if sentences.is_empty() {
            return Ok(scores);
        }
        let own = sentences.len();
        let filling = sentences.first().cloned();
        sentences.extend((own..LEAST.min(at_once)).filter_map(|_| filling.clone()));
        let captures = vec![Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last }];
        let captured = engine.run(&sentences, &Plan { captures, edits, ..Plan::default() }, &quiet)?;
        for captured in captured {
            let Values::Pooled(logits) = captured.values else { continue };
            for row in logits.to_vec2::<f32>().map_err(babelscope_core::Error::from)?.into_iter().take(own) {
                scores.push(score(scores.len(), &row));
            }
        }
    }
}

/// The number of prompts that nothing is done to, in passes like those of the cells.
///
/// # Errors
/// As [`run`].
pub(super) fn plain<T>(
    engine: &Engine,
    prompts: &[Encoded],
    monitor: &Monitor,
    score: impl Fn(usize, &[f32]) -> T,
) -> Result<Vec<T>> {
    let cells = (0..prompts.len()).map(|prompt| Cell { prompt, edits: Vec::new() }).collect();
    run(engine, prompts, cells, "running prompts", &monitor.quiet(), score)
}

/// Refuses a model whose tokens see what follows them: the logits at the last token of a prompt say nothing of a next one.
pub(super) fn check_engine(engine: &Engine) -> Result<()> {
    if engine.is_causal() && engine.sites().contains(&Site::new(Point::Logits, 0)) {
        return Ok(());
    }
    refuse(format!(
        "{} ({}) does not say the next token, and every number here is read from the logits of the next token; take a decoder",
        engine.info().reference,
        engine.info().family
    ))
}

/// The layers that a person asked for, ascending; none named means all from `first` on.
pub(super) fn layers(named: &[usize], first: usize, engine: &Engine) -> Result<Vec<usize>> {
    let deepest = engine.info().layers;
    let layers: Vec<usize> = if named.is_empty() { (0..=deepest).collect() } else { named.to_vec() };
    match layers.iter().find(|layer| **layer > deepest) {
        Some(layer) => refuse(format!("layer {layer} is asked for, the model has 0 (embeddings) to {deepest}")),
        None => Ok(layers.into_iter().filter(|layer| *layer >= first).collect()),
    }
}

/// Why a list of layers makes no sense.
pub(super) fn layers_problem(layers: &[usize]) -> Option<String> {
    let ascend = layers.is_sorted_by(|a, b| a < b);
    (!ascend).then(|| format!("`layers` is {layers:?}; name each layer once, in ascending order"))
}
