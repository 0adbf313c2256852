//! What the model knew along each trace: the measures of [`super::inside`] on traces as text.
//!
//! The model reads the statement and then the trace, as they stand; where the program wrote the trace itself, its own tokens are used, and
//! those that it was given (a chat's own tokens among them).
//! A token belongs to the step in whose text it begins, white space at the end of a step not counted.
//!
//! Candidates of the forced answer are what the trace answers, then the right answer where it is another, then the latest other values of
//! the trace and the statement, spelt in the digits of the trace. They are cut from stub and answer tokenised together, so that they are
//! the tokens that would really come.

mod mixed;
mod rolled;
mod rows;
mod told;

use std::collections::BTreeMap;

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::rolled::alike;
use self::{
    mixed::mixed,
    rolled::rolled,
    told::{answers, progress, read, written},
};
use super::{
    commitment::{Changes, Commitment, changes},
    inside::{
        Cost, Curves, Importance, Influence, InfluenceParams, Latent, Projection, ReceiverParams, Receivers, Told,
        decodable, forced, latent, left_out, project, receivers, suppressed,
    },
    mixing::Mixing,
    report::Traced,
};
use crate::{
    Error, Result,
    lens::TokenSets,
    measure::Measured,
    steer::{Identifier, SteeringVector},
};

/// What is asked of the model along a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchParams {
    /// Traces that are watched, the first ones of each language; 0 is none.
    pub traces: usize,
    /// Other values that the forced answer may take, at most.
    pub distractors: usize,
    /// Probabilities from which on an answer counts as committed.
    pub thresholds: Vec<f64>,
    /// The layer at which the answer is read without being asked for; none takes three quarters of the depth.
    pub layer: Option<usize>,
    /// What stands behind the trace so that an answer follows, by language; others get the program's own sentence, or `\boxed{`.
    pub stubs: BTreeMap<String, String>,
    /// Whether each step is cut from the sight of the later ones.
    pub suppress: bool,
    /// Whether each step is left out of the context of the later ones.
    pub leave_out: bool,
    /// Whether the heads that look back at few steps are sought.
    pub receivers: bool,
    /// Continuations from before and behind each step, whose answers say what the step does; 0 is none, the original draws 100. A new step
    /// means the same as the old one where they assert the same ([`alike`] of at least 0.8).
    pub rollouts: usize,
    /// Whether the lens says which language the layers speak at each step.
    pub latent: bool,
}

impl Default for WatchParams {
    fn default() -> Self {
        Self {
            traces: 20,
            distractors: 4,
            thresholds: vec![0.5, 0.9],
            layer: None,
            stubs: BTreeMap::new(),
            suppress: false,
            leave_out: false,
            receivers: false,
            rollouts: 0,
            latent: true,
        }
    }
}

impl Watched {
    /// The curves up to the last boundary at which the answer is not stated yet, both ends counted; what a model says when it is asked for an
    /// answer that it has just given is another question. All of them where it is stated at once or never.
    pub fn working(&self) -> usize {
        let Some(curves) = &self.curves else { return 0 };
        let before = curves.stated.iter().take_while(|stated| !**stated).count();
        if before >= 2 { before } else { curves.stated.len() }
    }
}

impl WatchParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if let Some(theta) = self.thresholds.iter().find(|theta| !(**theta > 0.0 && **theta <= 1.0)) {
            return Some(format!("`thresholds` are probabilities above 0, at most 1; got {theta}"));
        }
        if self.distractors == 0 {
            return Some("`distractors` must be at least 1: an answer without another one is certain".to_owned());
        }
        None
    }

    /// Why these make no sense for a model of so many blocks, as a sentence.
    pub fn problem_for(&self, layers: usize) -> Option<String> {
        let beyond = self.layer.filter(|layer| self.traces > 0 && *layer > layers);
        beyond.map(|layer| format!("`watch.layer` is {layer}; the model has layers 0 (embeddings) to {layers}"))
    }
}

/// A trace as the model knew it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Watched {
    /// Which trace of the report.
    pub trace: usize,
    /// Seen, decodable, committed, stated, at each boundary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub curves: Option<Curves>,
    /// The candidates of the forced answer, the trace's own first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
    /// Which candidate was likeliest, at each boundary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<usize>,
    /// When it commits, by threshold, over the boundaries of [`Watched::working`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commitment: Vec<(f64, Commitment)>,
    /// Share of all its tokens that stand before each boundary after the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<f64>,
    /// The share of the critical anchors of its problem that it has got right there; empty where there is no reference.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<f64>,
    /// How often the likeliest answer changes.
    pub changes: Changes,
    /// Tokens of the forced answers, and without shared beginnings.
    pub cost: Cost,
    /// Language of each step as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub surface: Vec<Option<String>>,
    /// How the languages of the steps mix; steps of few letters go along with the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mixing: Option<Mixing>,
    /// The languages that the mixing counts, in its order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<String>,
    /// Language that the layers speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latent: Option<Latent>,
    /// What each step does to the later ones: cut from their sight, then left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub influence: Option<Influence>,
    /// The same with the step left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<Influence>,
    /// Steps that heads look back at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receivers: Option<Receivers>,
    /// What rollouts say of each step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub importance: Vec<Importance>,
    /// Projections on vectors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub projections: Vec<Projection>,
    /// Why something is not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What the watching needs beside the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Aids<'a> {
    /// Token sets of the languages, for the latent one.
    pub sets: Option<&'a TokenSets>,
    /// Names the language of a step.
    pub identifier: Option<&'a Identifier>,
    /// Directions to project on, and whether they may be of another model.
    pub vectors: &'a [SteeringVector],
    /// Whether vectors of another model are taken.
    pub elsewhere: bool,
    /// Of the rollouts.
    pub seed: u64,
    /// A rollout ends where its text holds one of these, as the traces themselves did.
    pub stop: &'a [String],
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Input { measure: "watched traces", why: why.into() })
}

/// Watches one trace.
///
/// # Errors
/// What the engine refuses; everything that concerns this trace alone becomes a note of it.
pub fn watch(
    engine: &Engine,
    (number, traced): (usize, &Traced),
    params: &WatchParams,
    aids: Aids<'_>,
    monitor: &Monitor,
) -> Result<Watched> {
    let mut found = Watched { trace: number, ..Watched::default() };
    let tokens = read(engine, traced)?;
    let told = Told { prompt: &tokens.prompt, trace: &tokens.trace, bounds: &tokens.bounds };
    let noted = |notes: &mut Vec<String>, e: Error| match e {
        Error::Input { why, .. } => {
            notes.push(why);
            Ok(())
        }
        other => Err(other),
    };
    if let Err(e) = curves(engine, traced, &told, params, &mut found, monitor) {
        noted(&mut found.notes, e)?;
    }
    if let Some(identifier) = aids.identifier {
        mixed(traced, identifier, &mut found)?;
    }
    if let Some(sets) = aids.sets.filter(|_| params.latent) {
        match latent(engine, &told, sets, &[], &found.surface, &monitor.quiet()) {
            Ok(of) => found.latent = Some(of),
            Err(e) => noted(&mut found.notes, e)?,
        }
    }
    if params.suppress {
        match suppressed(engine, &told, &InfluenceParams::default(), &monitor.quiet()) {
            Ok(of) => found.influence = Some(of),
            Err(e) => noted(&mut found.notes, e)?,
        }
    }
    if params.leave_out {
        match left_out(engine, &told, &InfluenceParams::default(), &monitor.quiet()) {
            Ok(of) => found.left_out = Some(of),
            Err(e) => noted(&mut found.notes, e)?,
        }
    }
    if params.receivers {
        match receivers(engine, &told, &ReceiverParams::default(), &monitor.quiet()) {
            Ok(of) => found.receivers = Some(of),
            Err(e) => noted(&mut found.notes, e)?,
        }
    }
    if params.rollouts > 0 {
        match rolled(engine, traced, &told, params, (aids.seed, aids.stop), monitor) {
            Ok((steps, notes)) => {
                found.importance = steps;
                found.notes.extend(notes);
            }
            Err(e) => noted(&mut found.notes, e)?,
        }
    }
    for vector in aids.vectors {
        match project(engine, &told, vector, aids.elsewhere, &monitor.quiet()) {
            Ok(of) => found.projections.push(of),
            Err(e) => noted(&mut found.notes, e)?,
        }
    }
    Ok(found)
}

fn curves(
    engine: &Engine,
    traced: &Traced,
    told: &Told<'_>,
    params: &WatchParams,
    found: &mut Watched,
    monitor: &Monitor,
) -> Result<()> {
    let (begin, candidates) = answers(engine, traced, params)?;
    let Some(answer) = &traced.answer else { return Ok(()) };
    let forced = forced(engine, told, &begin, &candidates, &monitor.quiet())?;
    let deepest = engine.info().layers;
    let layer = params.layer.unwrap_or_else(|| (3 * deepest).div_ceil(4));
    let lens = decodable(engine, told, &candidates[0].ids[..1], &[layer], &monitor.quiet())?;
    let (seen, stated) = written(traced, answer);
    let curves = Curves::new(&seen, (&lens, layer), (&forced, 0), &stated)?;
    found.top = forced.points.iter().map(|point| point.top).collect();
    found.curves = Some(curves);
    let working = found.working();
    let (tokens, anchors) = progress(traced, told.bounds);
    (found.tokens, found.anchors) = (tokens, anchors.unwrap_or_default());
    let committed = found.curves.as_ref().map(|curves| curves.committed[1..working].to_vec()).unwrap_or_default();
    for theta in &params.thresholds {
        found.commitment.push((*theta, Commitment::of(&committed, *theta)?));
    }
    found.changes = changes(&found.top[1..working]);
    found.cost = forced.cost;
    found.notes.extend(forced.notes);
    found.candidates = forced.candidates;
    Ok(())
}

/// Watches the first traces of each language.
///
/// Rows, a mean over the traces of a language each: `commits` (the share of them that end at or above the threshold, which is the variant),
/// and over those `commitment` (the share of the steps of [`Watched::working`] after which the answer stays committed), `commitment_tokens`
/// and `commitment_anchors` (the same as a share of their tokens, which fertility stretches, and as the share of the critical anchors that
/// is reached by then); `committed_before` (share of its answer before anything is written), `early_aoc` (the variant `by_length` is the mean
/// over lengths), `flips`, `latent_agreement` by layer. Of the languages of the steps: `switch_points`, `mixing_entropy`,
/// `code_switch_index`, `language_share` (the variant is the language), `own_language` (share of the steps in the language that was asked
/// for) and `own_language_at_commitment`, at the first threshold.
///
/// # Errors
/// As [`watch`]; parameters that make no sense.
pub fn watched(
    engine: &Engine,
    traces: &[Traced],
    params: &WatchParams,
    aids: Aids<'_>,
    monitor: &Monitor,
) -> Result<(Vec<Watched>, Measured)> {
    if let Some(why) = params.problem().or_else(|| params.problem_for(engine.info().layers)) {
        return refuse(why);
    }
    let mut of_language: BTreeMap<&str, usize> = BTreeMap::new();
    let chosen: Vec<(usize, &Traced)> = (traces.iter().enumerate())
        .filter(|(_, traced)| {
            let count = of_language.entry(&traced.trace.language).or_default();
            *count += 1;
            *count <= params.traces
        })
        .collect();
    let total = chosen.len();
    let mut all = Vec::with_capacity(total);
    for (done, one) in chosen.into_iter().enumerate() {
        monitor.tick(Tick { what: "watching traces", done, total, unit: "traces" })?;
        all.push(watch(engine, one, params, aids, monitor)?);
    }
    let measured = rows::rows(&all, traces, params)?;
    Ok((all, measured))
}
