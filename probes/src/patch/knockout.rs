//! Attention knock-out: does the answer reach the last token by looking at these tokens, and in which layers?
//!
//! The edges from chosen queries to chosen keys are cut (their scores are minus infinity before the softmax, so that the other keys
//! share their weight) in a window of blocks around each layer, in all heads or in one. **Cut effect** = m with the cut - m without,
//! m the metric: negative where the edges carry the answer.
//!
//! Geva et al. 2023 (arXiv 2304.14767) cut windows of layers and give the relative change of the probability, which is the cut effect
//! of `prob` by `uncut`. One layer alone often shows nothing, as the next one looks again.

use std::ops::Range;

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
    plan::{Blocks, Edit, Op, Point, Positions},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    average::{Means, bootstrap_problem, name},
    cells::{Cell, States, layers, layers_problem, plain, run},
    metric::Metric,
    pair::{Prompt, PromptSpec},
    refuse,
    report::{Panel, PatchReport, PatchedRun, Side},
    trace::around,
};
use crate::Result;

/// Some tokens of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// Every token.
    All,
    /// The beginning-of-sequence token.
    Bos,
    /// Those before the subject, without BOS.
    Before,
    /// The subject's.
    Subject,
    /// The subject's last.
    SubjectLast,
    /// Those between the subject and the last token.
    After,
    /// The last token.
    Last,
    /// These, from 0, BOS counted.
    List(Vec<usize>),
}

/// The edges from some tokens to some tokens that they look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edges {
    /// Who looks.
    pub queries: Tokens,
    /// Who is no longer seen.
    pub keys: Tokens,
}

/// What a knock-out asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KnockoutParams {
    /// The prompts.
    pub prompts: Vec<PromptSpec>,
    /// Which edges are cut, each by itself.
    pub edges: Vec<Edges>,
    /// Blocks in which they are cut together: half before the layer, half behind, clipped.
    pub window: usize,
    /// Whether each head is cut by itself too.
    pub by_head: bool,
    /// What it is judged by.
    pub metric: Metric,
    /// Layers, ascending; empty is all blocks.
    pub layers: Vec<usize>,
    /// Draws of the interval over prompts; 0 for none.
    pub bootstrap: usize,
}

impl Default for KnockoutParams {
    fn default() -> Self {
        Self {
            prompts: Vec::new(),
            edges: vec![Edges { queries: Tokens::Last, keys: Tokens::Subject }],
            window: 1,
            by_head: true,
            metric: Metric::default(),
            layers: Vec::new(),
            bootstrap: 1000,
        }
    }
}

impl KnockoutParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.prompts.is_empty() || self.edges.is_empty() {
            return Some("`prompts` or `edges` is empty, so there is nothing to cut".to_owned());
        }
        if self.window == 0 {
            return Some("`window` is 0; it counts the blocks that are cut together, at least 1".to_owned());
        }
        layers_problem(&self.layers).or_else(|| bootstrap_problem(self.bootstrap))
    }
}

impl Tokens {
    fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Bos => "bos".to_owned(),
            Self::Before => "before".to_owned(),
            Self::Subject => "subject".to_owned(),
            Self::SubjectLast => "subject_last".to_owned(),
            Self::After => "after".to_owned(),
            Self::Last => "last".to_owned(),
            Self::List(list) => list.iter().map(usize::to_string).collect::<Vec<_>>().join(","),
        }
    }

    /// The positions in a prompt, ascending; may be none.
    fn of(&self, prompt: &Prompt) -> Result<Vec<usize>> {
        let (tokens, bos) = (prompt.encoded.ids.len(), prompt.encoded.bos);
        let subject = || -> Result<Range<usize>> {
            match &prompt.subject {
                Some(subject) => Ok(subject.clone()),
                None => refuse(format!("{}: the edges speak of the subject, and the prompt names none", prompt.name)),
            }
        };
        Ok(match self {
            Self::All => (0..tokens).collect(),
            Self::Bos => (0..bos).collect(),
            Self::Before => (bos..subject()?.start).collect(),
            Self::Subject => subject()?.collect(),
            Self::SubjectLast => vec![subject()?.end - 1],
            Self::After => (subject()?.end..tokens - 1).collect(),
            Self::Last => vec![tokens - 1],
            Self::List(list) => match list.iter().find(|at| **at >= tokens) {
                Some(at) => {
                    return refuse(format!("{}: token {at} is asked for, there are 0 to {}", prompt.name, tokens - 1));
                }
                None => list.clone(),
            },
        })
    }
}

impl Edges {
    /// `last to subject`.
    fn name(&self) -> String {
        format!("{} to {}", self.queries.name(), self.keys.name())
    }
}

/// Cuts the edges of every prompt.
///
/// # Errors
/// Params that make no sense, prompts that do not fit, and what the engine refuses.
pub fn knockout(engine: &Engine, params: &KnockoutParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    let prompts = params.prompts.iter().enumerate();
    let prompts = prompts.map(|(number, p)| p.prepare(engine.tokenizer(), params.metric, number));
    let prompts = prompts.collect::<Result<Vec<Prompt>>>()?;
    let layers = layers(&params.layers, 1, engine)?;
    let mut report = PatchReport::default();
    let mut means = Means::default();
    for (number, (spec, prompt)) in params.prompts.iter().zip(&prompts).enumerate() {
        monitor.tick(Tick { what: "cutting edges", done: number, total: prompts.len(), unit: "prompts" })?;
        let states = States::read(engine, std::slice::from_ref(&prompt.encoded), &[], monitor)?;
        let clean = &states.logits[0];
        let own = |_: usize, logits: &[f32]| params.metric.value(logits, &prompt.sides, clean);
        let uncut =
            plain(engine, std::slice::from_ref(&prompt.encoded), monitor, own)?.first().copied().unwrap_or_default();
        let side = Side::new(&spec.text, &prompt.encoded, clean, uncut, engine.tokenizer());
        let mut run_of = PatchedRun::new(&prompt.name, &spec.language, side, params.metric, prompt.sides.clone());
        means.add(name("uncut").of(&spec.language).variant(params.metric.name()), uncut);
        for edges in &params.edges {
            let Some(panel) = cut(engine, params, prompt, edges, &layers, clean, uncut, &monitor.quiet())? else {
                let note = format!("{}: no token is meant by {}; it is left out there", prompt.name, edges.name());
                report.measured.notes.push(note);
                continue;
            };
            for (layer, item, effect, cut) in panel.cells() {
                let row = |metric: &str| {
                    let row = name(metric).of(&spec.language).at(panel.layers[layer]);
                    row.variant(&panel.variant).item(&panel.items[item])
                };
                means.add(row("cut_effect"), effect);
                means.add(row("cut"), cut);
            }
            run_of.panels.push(panel);
        }
        report.runs.push(run_of);
    }
    report.measured.rows = means.rows(params.bootstrap, seed)?;
    Ok(report)
}

#[expect(clippy::too_many_arguments, reason = "all of one prompt's and of the run's")]
fn cut(
    engine: &Engine,
    params: &KnockoutParams,
    prompt: &Prompt,
    edges: &Edges,
    layers: &[usize],
    clean: &[f32],
    uncut: f64,
    monitor: &Monitor,
) -> Result<Option<Panel>> {
    let (queries, keys) = (edges.queries.of(prompt)?, edges.keys.of(prompt)?);
    if queries.is_empty() || keys.is_empty() {
        return Ok(None);
    }
    let single = (0..engine.info().heads).filter(|_| params.by_head).map(Some);
    let which: Vec<Option<usize>> = std::iter::once(None).chain(single).collect();
    let cell = |layer: &usize, head: &Option<usize>| {
        let blocks = around(*layer, params.window, engine.info().layers).collect();
        let op = Op::Cut { heads: head.map(|head| vec![head]), keys: Positions::List(keys.clone()) };
        let (point, positions) = (Point::AttnScores, Positions::List(queries.clone()));
        let edit = Edit { point, blocks: Blocks::List(blocks), positions, sentences: None, schedule: None, op };
        Cell { prompt: 0, edits: vec![edit] }
    };
    let cells = layers.iter().flat_map(|layer| which.iter().map(move |head| cell(layer, head))).collect();
    let score = |_: usize, logits: &[f32]| params.metric.value(logits, &prompt.sides, clean);
    let cut = run(engine, std::slice::from_ref(&prompt.encoded), cells, "cutting edges", monitor, score)?;
    Ok(Some(Panel {
        site: "edges".to_owned(),
        variant: edges.name(),
        layers: layers.to_vec(),
        items: which.iter().map(|head| head.map_or("all".to_owned(), |head| format!("h{head}"))).collect(),
        effect: cut.chunks(which.len()).map(|row| row.iter().map(|m| m - uncut).collect()).collect(),
        patched: cut.chunks(which.len()).map(<[f64]>::to_vec).collect(),
    }))
}
