//! Activation patching: which states carry what makes the clean prompt's answer differ from the corrupt one's.
//!
//! A prompt runs with one place's state taken from the other prompt's run. With m the metric, base = the prompt that runs and donor =
//! the one that gives, the **effect** is the share of the way from base to donor:
//!
//! `effect = (m_patched - m_base) / (m_donor - m_base)`, 0 = nothing moved, 1 = all of it.
//!
//! - **denoise**: clean states into the corrupt run, `(m_p - m_corrupt) / (m_clean - m_corrupt)`: is the place enough (sufficiency)?
//! - **noise**: corrupt states into the clean run, `(m_p - m_clean) / (m_corrupt - m_clean)`: is it needed (necessity)? TransformerLens
//!   users often normalise this run as the other one, which is 1 minus ours; `patched_*` rows hold m itself.
//!
//! Sites: the residual stream (layer 0 included), what attention and what the feed-forward part add, by position; single heads (their
//! columns of z) and the neurons of `mlp_act` that differ most, at all positions or at one. A patched place leaves everything before
//! it as it was, so the row with one head's columns exchanged is made from the two recorded runs.
//!
//! TransformerLens `patching.py`; Heimersheim and Nanda 2024 (arXiv 2404.15255). All cells of a pair are copies of the prompt in one
//! batch, with edits of their own.

mod draw;
mod means;

use std::collections::BTreeMap;

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
    plan::{Point, Site},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{draw::Recorded, means::average};
use super::{
    average::bootstrap_problem,
    cells::{States, layers, layers_problem, plain, run},
    metric::Metric,
    pair::{Pair, PairSpec},
    refuse,
    report::{Panel, PatchReport, PatchedRun, Side},
};
use crate::Result;

/// What is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GridSite {
    /// The residual stream, by layer (0 = embeddings) and position.
    Resid,
    /// What attention adds to it, by layer and position.
    Attn,
    /// What the feed-forward part adds to it, by layer and position.
    Mlp,
    /// Single heads, by layer.
    Head,
    /// The neurons that differ most, by layer and how many.
    Neurons,
}

/// Which run gives, and which takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Clean states into the corrupt run.
    Denoise,
    /// Corrupt states into the clean run.
    Noise,
}

/// At which tokens heads and neurons are patched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum At {
    /// At all.
    #[default]
    All,
    /// At the last.
    Last,
    /// At those of the subject.
    Subject,
}

/// What a grid asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridParams {
    /// The pairs of prompts.
    pub pairs: Vec<PairSpec>,
    /// What is patched.
    pub sites: Vec<GridSite>,
    /// In which directions.
    pub directions: Vec<Direction>,
    /// At which tokens heads and neurons are patched.
    pub at: At,
    /// What it is judged by.
    pub metric: Metric,
    /// Layers, ascending; empty is all.
    pub layers: Vec<usize>,
    /// How many neurons are patched together, for each column of that grid.
    pub neurons: Vec<usize>,
    /// Draws of the interval over pairs; 0 for none.
    pub bootstrap: usize,
}

impl Default for GridParams {
    fn default() -> Self {
        Self {
            pairs: Vec::new(),
            sites: vec![GridSite::Resid, GridSite::Attn, GridSite::Mlp, GridSite::Head],
            directions: vec![Direction::Denoise, Direction::Noise],
            at: At::All,
            metric: Metric::default(),
            layers: Vec::new(),
            neurons: vec![1, 10, 100],
            bootstrap: 1000,
        }
    }
}

impl GridParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.pairs.is_empty() {
            return Some("`pairs` is empty; give at least one clean and one corrupt prompt".to_owned());
        }
        if self.sites.is_empty() || self.directions.is_empty() {
            return Some("`sites` or `directions` is empty, so there is nothing to patch".to_owned());
        }
        let neurons = self.sites.contains(&GridSite::Neurons);
        if neurons && (self.neurons.is_empty() || self.neurons.contains(&0)) {
            return Some(format!("`neurons` is {:?}; give how many are patched together, at least 1", self.neurons));
        }
        layers_problem(&self.layers).or_else(|| bootstrap_problem(self.bootstrap))
    }
}

impl GridSite {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resid => "resid",
            Self::Attn => "attn",
            Self::Mlp => "mlp",
            Self::Head => "head",
            Self::Neurons => "neurons",
        }
    }

    /// The place at a layer; `None` where the layer has none.
    fn at(self, layer: usize) -> Option<Site> {
        match self {
            Self::Resid => Some(Site::layer(layer)),
            _ if layer == 0 => None,
            Self::Attn => Some(Site::new(Point::AttnOutPost, layer)),
            Self::Mlp => Some(Site::new(Point::MlpOutPost, layer)),
            Self::Head => Some(Site::new(Point::Z, layer)),
            Self::Neurons => Some(Site::new(Point::MlpAct, layer)),
        }
    }
}

impl Direction {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Denoise => "denoise",
            Self::Noise => "noise",
        }
    }

    /// Which of clean (0) and corrupt (1) runs, and which gives.
    fn prompts(self) -> (usize, usize) {
        match self {
            Self::Denoise => (1, 0),
            Self::Noise => (0, 1),
        }
    }
}

/// Patches every cell of every pair.
///
/// # Errors
/// Params that make no sense, prompts that do not fit each other, and what the engine refuses.
pub fn grid(engine: &Engine, params: &GridParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    let tokenizer = engine.tokenizer();
    let pairs = params.pairs.iter().enumerate().map(|(number, pair)| pair.prepare(tokenizer, params.metric, number));
    let pairs = pairs.collect::<Result<Vec<Pair>>>()?;
    let mut report = PatchReport::default();
    let places = places(engine, params, &mut report.measured.notes)?;
    let quiet = monitor.quiet();
    for (number, (spec, pair)) in params.pairs.iter().zip(&pairs).enumerate() {
        monitor.tick(Tick { what: "patching pairs", done: number, total: pairs.len(), unit: "pairs" })?;
        let prompts = [pair.clean.clone(), pair.corrupt.clone()];
        let sites: Vec<Site> = places.values().flatten().map(|(_, site)| *site).collect();
        let states = States::read(engine, &prompts, &sites, &quiet)?;
        let score = |_: usize, logits: &[f32]| params.metric.value(logits, &pair.sides, &states.logits[0]);
        let values = plain(engine, &prompts, monitor, score)?;
        let [clean, corrupt] = [(0, &spec.clean), (1, &spec.corrupt)]
            .map(|(at, text)| Side::new(text, &prompts[at], &states.logits[at], values[at], tokenizer));
        let mut run_of = PatchedRun::new(&pair.name, &spec.language, clean, params.metric, pair.sides.clone());
        run_of.corrupt = Some(corrupt);
        let recorded = Recorded { pair, prompts: prompts.clone(), states, heads: engine.info().heads };
        if let Some(why) = apart(params.metric, &values, &pair.name, &mut report.measured.notes) {
            run_of.skipped = why;
            report.runs.push(run_of);
            continue;
        }
        for site in &params.sites {
            let Some(places) = places.get(site.name()) else { continue };
            for direction in &params.directions {
                let drawn = recorded.draw(*site, *direction, params, places);
                let score =
                    |_: usize, logits: &[f32]| params.metric.value(logits, &pair.sides, &recorded.states.logits[0]);
                let patched = run(engine, &recorded.prompts, drawn.cells, "patching cells", &quiet, score)?;
                let (base, donor) = direction.prompts();
                // Plus 0: nothing moved is 0, never -0.
                let share = |m: &f64| (m - values[base]) / (values[donor] - values[base]) + 0.0;
                run_of.panels.push(Panel {
                    site: site.name().to_owned(),
                    variant: direction.name().to_owned(),
                    effect: patched.chunks(drawn.items.len()).map(|row| row.iter().map(share).collect()).collect(),
                    patched: patched.chunks(drawn.items.len()).map(<[f64]>::to_vec).collect(),
                    layers: drawn.layers,
                    items: drawn.items,
                });
            }
        }
        report.runs.push(run_of);
    }
    let means = average(&params.pairs, &pairs, &report.runs);
    report.measured.rows = means.rows(params.bootstrap, seed)?;
    Ok(report)
}

/// The layers and places of each site that is asked for.
fn places<'a>(
    engine: &Engine,
    params: &GridParams,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<&'a str, Vec<(usize, Site)>>> {
    let (all, known) = (layers(&params.layers, 0, engine)?, engine.sites());
    let mut places = BTreeMap::new();
    for site in &params.sites {
        let wanted = all.iter().filter_map(|layer| Some((*layer, site.at(*layer)?)));
        let (here, missing): (Vec<_>, Vec<_>) = wanted.partition(|(_, place)| known.contains(place));
        if let Some((layer, place)) = missing.first() {
            notes.push(format!(
                "{}: {} layers have no {place} (the first is {layer}); blocks of experts have no neurons of their own",
                site.name(),
                missing.len()
            ));
        }
        places.insert(site.name(), here);
    }
    Ok(places)
}

/// Notes two runs that lie close or the other way round; why the pair cannot be used where they are equal.
fn apart(metric: Metric, values: &[f64], name: &str, notes: &mut Vec<String>) -> Option<String> {
    let (clean, corrupt) = (values[0], values[1]);
    let distance = (clean - corrupt).abs();
    let said = format!("{} is {clean:.4} clean and {corrupt:.4} corrupt", metric.name());
    if distance == 0.0 || !distance.is_finite() {
        let why = format!("{name}: {said}, so there is no difference to explain; it is left out");
        notes.push(why.clone());
        return Some(why);
    }
    if distance < metric.small() {
        notes.push(format!(
            "{name}: {said}; an effect is a share of this small difference (less than {}), so it is noisy: the model hardly tells the \
             prompts apart",
            metric.small()
        ));
    }
    let better = match metric {
        Metric::Kl | Metric::Rank => clean <= corrupt,
        Metric::LogitDifference | Metric::LogProb | Metric::Prob => clean >= corrupt,
    };
    if !better {
        notes.push(format!("{name}: {said}: the answer is likelier behind the corrupt prompt; are they exchanged?"));
    }
    None
}
