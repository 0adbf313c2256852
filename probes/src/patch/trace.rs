//! Causal tracing (ROME): where a fact about a subject passes through.
//!
//! The subject's tokens are made useless by noise on their embeddings, `samples` times with other noise; then one state at a time is
//! put back to what it was in the clean run. With p = mean over the copies of P(answer):
//!
//! - **high** = p of the clean run, **low** = p with noise and nothing put back, **total effect** = high - low;
//! - **indirect effect** of a place = p with the place put back - low.
//!
//! Noise is `noise` x sigma x N(0, 1) on every number of layer 0 at the subject's tokens, sigma = the standard deviation (n - 1) of all
//! these numbers over the subjects of all prompts. `state` puts back one residual state; `mlp` and `attn` put back what the part adds in
//! a **window** of blocks around the layer: half before it, half behind (ROME: `l - w / 2 .. l + ceil(w / 2)`), clipped at both ends.
//! A prompt whose most probable next token is no accepted answer is left out, and counted.
//!
//! Meng et al. 2022 (arXiv 2202.05262), `experiments/causal_trace.py` of github.com/kmeng01/rome. Differences: noise is from ChaCha, not
//! numpy; layer 0 is behind positions and embedding norm where a family has them; layer 0 itself can be put back; P is of a set of
//! accepted first tokens. Zhang and Nanda 2023 (arXiv 2309.16042): noise leaves the model's distribution and windows inflate; prefer a
//! pair of prompts (`grid`) where one exists.

use std::{f64::consts::TAU, ops::Range};

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
    plan::{Edit, Point, Site, Vector},
    tokens::Encoded,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    average::{Means, bootstrap_problem, name},
    cells::{Cell, States, layers, layers_problem, plain, replace, run},
    metric::{Metric, probability, top},
    pair::{Prompt, PromptSpec},
    refuse,
    report::{Panel, PatchReport, PatchedRun, Side},
    roles::{NAMES, roles},
};
use crate::Result;

/// What is put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TraceKind {
    /// One residual state.
    State,
    /// What the feed-forward parts of a window of blocks add.
    Mlp,
    /// What attention adds in a window of blocks.
    Attn,
}

/// What causal tracing asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TraceParams {
    /// The prompts, each with a subject and its accepted answers.
    pub prompts: Vec<PromptSpec>,
    /// What is put back.
    pub kinds: Vec<TraceKind>,
    /// Noise in standard deviations of the subjects' embeddings.
    pub noise: f64,
    /// Whether the noise stands in place of the embedding, not on it.
    pub overwrite: bool,
    /// Copies of a prompt with noise.
    pub samples: usize,
    /// Blocks of a window.
    pub window: usize,
    /// Layers, ascending; empty is all.
    pub layers: Vec<usize>,
    /// Draws of the interval over prompts; 0 for none.
    pub bootstrap: usize,
}

impl Default for TraceParams {
    fn default() -> Self {
        Self {
            prompts: Vec::new(),
            kinds: vec![TraceKind::State, TraceKind::Mlp, TraceKind::Attn],
            noise: 3.0,
            overwrite: false,
            samples: 10,
            window: 10,
            layers: Vec::new(),
            bootstrap: 1000,
        }
    }
}

impl TraceParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.prompts.is_empty() || self.kinds.is_empty() {
            return Some("`prompts` or `kinds` is empty, so there is nothing to trace".to_owned());
        }
        if let Some(prompt) = self.prompts.iter().find(|prompt| prompt.subject.is_empty() || prompt.answer.is_empty()) {
            return Some(format!(
                "the prompt {:?} needs a `subject` that the noise is for and an `answer`",
                prompt.text
            ));
        }
        if self.samples == 0 || self.window == 0 {
            return Some("`samples` and `window` are at least 1".to_owned());
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Some(format!("`noise` is {}; give standard deviations, 3 in the paper", self.noise));
        }
        layers_problem(&self.layers).or_else(|| bootstrap_problem(self.bootstrap))
    }
}

impl TraceKind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Mlp => "mlp",
            Self::Attn => "attn",
        }
    }

    /// The places that are put back together at a layer.
    fn places(self, layer: usize, window: usize, blocks: usize) -> Vec<Site> {
        let point = match self {
            Self::State => return vec![Site::layer(layer)],
            Self::Mlp => Point::MlpOutPost,
            Self::Attn => Point::AttnOutPost,
        };
        around(layer, window, blocks).map(|block| Site::new(point, block)).collect()
    }
}

/// The blocks of a window around block `layer`, clipped.
pub(super) fn around(layer: usize, window: usize, blocks: usize) -> Range<usize> {
    layer.saturating_sub(window / 2).max(1)..(layer + window.div_ceil(2)).min(blocks + 1)
}

/// Traces every prompt.
///
/// # Errors
/// Params that make no sense, prompts that do not fit, no prompt that the model answers, and what the engine refuses.
pub fn trace(engine: &Engine, params: &TraceParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    let prompts = params.prompts.iter().enumerate();
    let prompts = prompts.map(|(number, p)| p.prepare(engine.tokenizer(), Metric::Prob, number));
    let prompts = prompts.collect::<Result<Vec<Prompt>>>()?;
    let layers = layers(&params.layers, 0, engine)?;
    let sigma = sigma(engine, &prompts, monitor)?;
    let mut report = PatchReport::default();
    for (number, (spec, prompt)) in params.prompts.iter().zip(&prompts).enumerate() {
        monitor.tick(Tick { what: "tracing prompts", done: number, total: prompts.len(), unit: "prompts" })?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number as u64);
        report.runs.push(one(
            engine,
            params,
            (spec, prompt),
            &layers,
            params.noise * sigma,
            &mut rng,
            &monitor.quiet(),
        )?);
    }
    let skipped = report.runs.iter().filter(|run| !run.skipped.is_empty()).count();
    if skipped == prompts.len() {
        return refuse(format!(
            "none of the {skipped} prompts is answered: {}",
            report.runs.first().map(|run| run.skipped.clone()).unwrap_or_default()
        ));
    }
    if skipped > 0 {
        let first = report.runs.iter().find(|run| !run.skipped.is_empty()).map(|run| run.skipped.clone());
        let note = format!("{skipped} of {} prompts are left out: {}", prompts.len(), first.unwrap_or_default());
        report.measured.notes.push(note);
    }
    report.measured.notes.push(format!(
        "noise {} x {sigma:.4} on the subject's embeddings, {} copies; `mlp` and `attn` put back windows of {} blocks",
        params.noise, params.samples, params.window
    ));
    report.measured.rows = average(params, &prompts, &report.runs).rows(params.bootstrap, seed)?;
    Ok(report)
}

/// The standard deviation (n - 1) of the numbers of layer 0 at the subjects' tokens.
fn sigma(engine: &Engine, prompts: &[Prompt], monitor: &Monitor) -> Result<f64> {
    let (mut n, mut sum, mut squares) = (0f64, 0f64, 0f64);
    for prompt in prompts {
        let site = Site::layer(0);
        let states = States::read(engine, std::slice::from_ref(&prompt.encoded), &[site], monitor)?;
        for at in prompt.subject.iter().flat_map(Clone::clone) {
            for x in states.row(site, 0, at) {
                let x = f64::from(*x);
                (n, sum, squares) = (n + 1.0, sum + x, squares + x * x);
            }
        }
    }
    if n < 2.0 {
        return refuse("the subjects have no token".to_owned());
    }
    Ok(((squares - sum * sum / n).max(0.0) / (n - 1.0)).sqrt())
}

/// A number of the standard normal distribution (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (u, v) = (1.0 - rng.random::<f64>(), rng.random::<f64>());
    (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
}

fn one(
    engine: &Engine,
    params: &TraceParams,
    (spec, prompt): (&PromptSpec, &Prompt),
    layers: &[usize],
    noise: f64,
    rng: &mut ChaCha8Rng,
    monitor: &Monitor,
) -> Result<PatchedRun> {
    let prompts = std::slice::from_ref(&prompt.encoded);
    let (blocks, tokens) = (engine.info().layers, prompt.encoded.ids.len());
    let mut sites: Vec<Site> = layers.iter().map(|layer| Site::layer(*layer)).chain([Site::layer(0)]).collect();
    for point in [Point::MlpOutPost, Point::AttnOutPost] {
        sites.extend((1..=blocks).map(|block| Site::new(point, block)));
    }
    sites.sort_unstable();
    sites.dedup();
    let states = States::read(engine, prompts, &sites, monitor)?;
    let logits = &states.logits[0];
    let own = |_: usize, logits: &[f32]| probability(logits, &prompt.sides.answer);
    let high = plain(engine, prompts, monitor, own)?.first().copied().unwrap_or_default();
    let clean = Side::new(&spec.text, &prompt.encoded, logits, high, engine.tokenizer());
    let mut run_of = PatchedRun::new(&prompt.name, &spec.language, clean, Metric::Prob, prompt.sides.clone());
    let best = top(logits).filter(|best| prompt.sides.answer.contains(best));
    if best.is_none() {
        let said = top(logits).and_then(|id| engine.tokenizer().token(id)).unwrap_or("?");
        run_of.skipped = format!("{}: the model says {said:?}, expected {:?}", prompt.name, spec.answer);
        return Ok(run_of);
    }
    let subject: Vec<usize> = prompt.subject.iter().flat_map(Clone::clone).collect();
    let mut copy = || -> Edit {
        let mut row = |at: &usize| -> Vector {
            let noisy = states.row(Site::layer(0), 0, *at).iter().map(|x| {
                let added = (noise * normal(rng)) as f32;
                if params.overwrite { added } else { x + added }
            });
            noisy.collect::<Vec<f32>>().into()
        };
        let rows = subject.iter().map(&mut row).collect();
        replace(Site::layer(0), subject.clone(), rows)
    };
    let copies: Vec<Edit> = (0..params.samples).map(|_| copy()).collect();
    let mean = |cells: Vec<Cell>| -> Result<Vec<f64>> {
        let score = |_: usize, logits: &[f32]| probability(logits, &prompt.sides.answer);
        let each = run(engine, prompts, cells, "tracing cells", monitor, score)?;
        Ok(each.chunks(params.samples).map(|copies| copies.iter().sum::<f64>() / copies.len() as f64).collect())
    };
    let noisy = copies.iter().map(|noise| Cell { prompt: 0, edits: vec![noise.clone()] });
    let low = mean(noisy.collect())?.first().copied().unwrap_or_default();
    run_of.corrupt = Some(corrupted(spec, &prompt.encoded, &states, low, engine));
    for kind in &params.kinds {
        let own: Vec<usize> = layers.iter().copied().filter(|l| *kind == TraceKind::State || *l > 0).collect();
        let mut cells = Vec::new();
        for (layer, at) in own.iter().flat_map(|layer| (0..tokens).map(move |at| (*layer, at))) {
            let places = kind.places(layer, params.window, blocks);
            let back = places.iter().map(|site| replace(*site, vec![at], vec![states.vector(*site, 0, at)]));
            let back: Vec<Edit> = back.collect();
            let edits = |noise: &Edit| [std::slice::from_ref(noise), &back].concat();
            cells.extend(copies.iter().map(|noise| Cell { prompt: 0, edits: edits(noise) }));
        }
        let patched = mean(cells)?;
        run_of.panels.push(Panel {
            site: kind.name().to_owned(),
            variant: "restore".to_owned(),
            layers: own,
            items: (0..tokens).map(|at| at.to_string()).collect(),
            effect: patched.chunks(tokens).map(|row| row.iter().map(|p| p - low).collect()).collect(),
            patched: patched.chunks(tokens).map(<[f64]>::to_vec).collect(),
        });
    }
    Ok(run_of)
}

/// The noisy run as it is shown: the mean of its copies has no token of its own.
fn corrupted(spec: &PromptSpec, encoded: &Encoded, states: &States, low: f64, engine: &Engine) -> Side {
    let side = Side::new(&spec.text, encoded, &states.logits[0], low, engine.tokenizer());
    Side { top: Vec::new(), ..side }
}

/// By position for one prompt, by role of the token for several.
fn average(params: &TraceParams, prompts: &[Prompt], runs: &[PatchedRun]) -> Means {
    let mut means = Means::default();
    let used = params.prompts.iter().zip(prompts).zip(runs).filter(|(_, run)| run.skipped.is_empty());
    let used: Vec<_> = used.collect();
    for ((spec, _), run) in &used {
        let low = run.corrupt.as_ref().map_or(0.0, |side| side.value);
        for (metric, value) in [("high", run.clean.value), ("low", low), ("total_effect", run.clean.value - low)] {
            means.add(name(metric).of(&spec.language), value);
        }
    }
    for ((spec, prompt), run) in &used {
        let subject = prompt.subject.clone().unwrap_or_default();
        let roles = roles(prompt.encoded.ids.len(), prompt.encoded.bos, &subject);
        for panel in &run.panels {
            let row = |layer: usize, item: &str| {
                name("indirect_effect").of(&spec.language).at(panel.layers[layer]).variant(&panel.site).item(item)
            };
            if used.len() == 1 {
                for (layer, item, effect, _) in panel.cells() {
                    means.add(row(layer, &panel.items[item]), effect);
                }
                continue;
            }
            for (layer, effect) in panel.effect.iter().enumerate() {
                for role in NAMES {
                    let own: Vec<f64> =
                        roles.iter().zip(effect).filter(|(r, _)| **r == role).map(|(_, e)| *e).collect();
                    if !own.is_empty() {
                        means.add(row(layer, role), own.iter().sum::<f64>() / own.len() as f64);
                    }
                }
            }
        }
    }
    means
}
