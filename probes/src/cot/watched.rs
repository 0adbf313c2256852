//! What the model knew along each trace: the measures of [`super::inside`] on traces as text.
//!
//! The model reads the statement and then the trace, as they stand; where the program wrote the trace itself, its own tokens are used.
//! A token belongs to the step in whose text it begins, white space at the end of a step not counted.
//!
//! Candidates of the forced answer are what the trace answers, then the right answer where it is another, then the latest other values of
//! the trace and the statement, spelt in the digits of the trace. They are cut from stub and answer tokenised together, so that they are
//! the tokens that would really come.

use std::collections::BTreeMap;

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Kind, Value, anchors,
    commitment::{Changes, Commitment, changes, early_answering},
    inside::{
        Candidate, Cost, Curves, Importance, Influence, InfluenceParams, Judges, Latent, Projection, RAW_STUB,
        ReceiverParams, Receivers, ResampleParams, Told, decodable, forced, latent, left_out, project, receivers,
        resample, stub, suppressed,
    },
    report::Traced,
    spelling::spelled,
    steps,
};
use crate::{
    Error, Result,
    lens::TokenSets,
    measure::{Measured, Row},
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
    /// Continuations from before and behind each step, whose answers say what the step does; 0 is none, the original draws 100.
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
    /// How often the likeliest answer changes.
    pub changes: Changes,
    /// Tokens of the forced answers, and without shared beginnings.
    pub cost: Cost,
    /// Language of each step as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub surface: Vec<Option<String>>,
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
}

/// Tokens of a trace and its boundaries.
struct Read {
    prompt: Vec<u32>,
    trace: Vec<u32>,
    bounds: Vec<usize>,
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Input { measure: "watched traces", why: why.into() })
}

fn read(engine: &Engine, traced: &Traced) -> Result<Read> {
    let trace = &traced.trace;
    let (prompt, ids, starts) = match &trace.tokens {
        Some(tokens) => {
            let prompt = engine.tokenizer().encode(&trace.statement)?.ids;
            (prompt, tokens.ids.clone(), tokens.spans.iter().map(|span| span.start).collect())
        }
        None => {
            let spaced = trace.statement.is_empty()
                || trace.statement.ends_with(char::is_whitespace)
                || trace.text.starts_with(char::is_whitespace);
            let joint = format!("{}{}{}", trace.statement, if spaced { "" } else { " " }, trace.text);
            let begins = joint.len() - trace.text.len();
            let encoded = engine.tokenizer().encode(&joint)?;
            // A token that begins with the space before the trace is the trace's first.
            let last = encoded.spans.iter().rposition(|span| span.end <= begins).map_or(0, |at| at + 1);
            let starts: Vec<usize> =
                encoded.spans[last..].iter().map(|span| span.start.saturating_sub(begins)).collect();
            (encoded.ids[..last].to_vec(), encoded.ids[last..].to_vec(), starts)
        }
    };
    let mut bounds = vec![0];
    for step in &traced.steps {
        let written = trace.text.get(step.span.clone()).unwrap_or_default();
        let end = step.span.start + written.trim_end().len();
        bounds.push(starts.partition_point(|start: &usize| *start < end));
    }
    Ok(Read { prompt, trace: ids, bounds })
}

/// Stub and candidates as tokens.
fn answers(engine: &Engine, traced: &Traced, params: &WatchParams) -> Result<(Vec<u32>, Vec<Candidate>)> {
    let Some(answer) = traced.answer.clone() else { return refuse("the trace gives no answer") };
    let language = &traced.trace.language;
    let own = params.stubs.get(language).cloned().or_else(|| stub(language)).unwrap_or_else(|| RAW_STUB.to_owned());
    let mut values = vec![answer];
    let right = traced.trace.answer.as_deref().and_then(|text| super::report::answer_value(text, language));
    let later = traced.trajectory.graph.nodes.iter().rev().filter_map(|node| node.value.clone());
    for value in right.into_iter().chain(later) {
        if !values.contains(&value) && values.len() <= params.distractors {
            values.push(value);
        }
    }
    let tokenizer = engine.tokenizer();
    let begin = tokenizer.encode_plain(&own)?;
    let boxed = own.ends_with('{');
    let mut candidates: Vec<Candidate> = Vec::new();
    for value in values {
        let Some(text) = spelled(&value, &traced.trace.text) else { continue };
        let whole = if boxed { format!("{own}{text}}}") } else { format!("{own} {text}") };
        let joint = tokenizer.encode_plain(&whole)?;
        // Scripts without spaces between words have none here either.
        let joint = if joint.starts_with(&begin) { joint } else { tokenizer.encode_plain(&format!("{own}{text}"))? };
        if joint.starts_with(&begin) && joint.len() > begin.len() {
            let ids = joint[begin.len()..].to_vec();
            if candidates.iter().all(|other| other.ids != ids) {
                candidates.push(Candidate { name: text, ids });
            }
        }
    }
    if candidates.len() < 2 {
        return refuse(format!(
            "fewer than two answers can be told apart behind the stub {own:?}; another value is needed, or another stub (`stubs`)"
        ));
    }
    Ok((begin, candidates))
}

/// Whether a value was among the anchors, and whether the text had given it as the answer, at each boundary.
fn written(traced: &Traced, answer: &Value) -> (Vec<bool>, Vec<bool>) {
    let nodes = &traced.trajectory.graph.nodes;
    let of = |wanted: &dyn Fn(usize) -> bool| -> Vec<bool> {
        let first = traced.trajectory.actions.iter().filter(|a| wanted(a.node)).filter_map(|a| a.step).min();
        (0..=traced.steps.len()).map(|boundary| first.is_some_and(|step| step < boundary)).collect()
    };
    let seen = of(&|node| nodes[node].value.as_ref() == Some(answer));
    let stated = traced.trajectory.graph.answer();
    let last = stated.and_then(|node| traced.trajectory.said.iter().rposition(|said| *said == Some(node)));
    // The answer is stated where it is last said: an equation that comes to it does not give it as the answer yet.
    let step = last.and_then(|at| traced.said_step(at));
    let stated = (0..=traced.steps.len()).map(|boundary| step.is_some_and(|step| step < boundary)).collect();
    (seen, stated)
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
        let of = |step: &super::Step| traced.trace.text.get(step.span.clone()).map(|text| identifier.verdict(text));
        found.surface = traced.steps.iter().map(|step| of(step).and_then(|verdict| verdict.language)).collect();
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
        match rolled(engine, traced, &told, params, aids.seed, monitor) {
            Ok(of) => found.importance = of,
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

/// The answer that a text gives first, as a number.
fn concluded(text: &str, language: &str) -> Option<String> {
    let (found, _) = anchors(text, &steps(text), language);
    found
        .into_iter()
        .find(|anchor| anchor.kind == Kind::Answer)
        .and_then(|anchor| anchor.value)
        .map(|value| value.to_string())
}

fn rolled(
    engine: &Engine,
    traced: &Traced,
    told: &Told<'_>,
    params: &WatchParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Vec<Importance>> {
    let Some(answer) = &traced.answer else { return refuse("the trace gives no answer") };
    let language = traced.trace.language.as_str();
    let first =
        |text: &str| steps(text).first().and_then(|step| text.get(step.span.clone())).unwrap_or_default().to_owned();
    let judges = Judges { answer: &|text| concluded(text, language), first: &first, similar: None };
    let longest = traced.trace.tokens.as_ref().map_or(told.trace.len(), |tokens| tokens.ids.len());
    let asked = ResampleParams { rollouts: params.rollouts, max_new_tokens: 2 * longest, ..ResampleParams::default() };
    // What does not fit behind the trace is cut from the budget of new tokens.
    let room = engine.info().context.saturating_sub(told.tokens());
    let asked = ResampleParams { max_new_tokens: asked.max_new_tokens.min(room).max(1), ..asked };
    Ok(resample(engine, told, &answer.to_string(), &judges, &asked, seed, &monitor.quiet())?.steps)
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
/// Rows, a mean over the traces of a language each: `commitment` (share of the steps after which the answer stays committed; the variant is
/// the threshold), `committed_before` (share of its answer before anything is written), `early_aoc`, `flips`, `latent_agreement` by layer.
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
    if let Some(why) = params.problem() {
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
    let measured = rows(&all, traces, params)?;
    Ok((all, measured))
}

fn rows(all: &[Watched], traces: &[Traced], params: &WatchParams) -> Result<Measured> {
    let mut cells: BTreeMap<(&str, &str, String, Option<usize>), Vec<f64>> = BTreeMap::new();
    let mut without = 0;
    for one in all {
        let language = traces[one.trace].trace.language.as_str();
        let mut put = |metric: &'static str, variant: String, layer: Option<usize>, value: f64| {
            cells.entry((metric, language, variant, layer)).or_default().push(value);
        };
        let Some(curves) = &one.curves else {
            without += 1;
            continue;
        };
        for (theta, commitment) in &one.commitment {
            // Where it never commits, the whole trace was needed and more.
            put("commitment", theta.to_string(), None, commitment.share().unwrap_or(1.0));
        }
        put("committed_before", String::new(), None, curves.committed.first().copied().unwrap_or_default());
        put("flips", String::new(), None, one.changes.flips as f64);
        let steps = one.working() - 1;
        if steps > 0 {
            let positions: Vec<f64> = (0..=steps).map(|step| step as f64 / steps as f64).collect();
            // Whether it is the answer that the trace comes to, which the likeliest one after the statement need not be.
            let same: Vec<f64> = one.top[..=steps].iter().map(|top| f64::from(u8::from(*top == 0))).collect();
            put("early_aoc", String::new(), None, early_answering(&positions, &same)?.aoc);
        }
        if let Some(latent) = &one.latent {
            for (layer, share) in latent.layers.iter().zip(&latent.agreement) {
                if let Some(share) = share {
                    put("latent_agreement", String::new(), Some(*layer), *share);
                }
            }
        }
    }
    let mut measured = Measured::default();
    for ((metric, language, variant, layer), values) in cells {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let row = Row::new(metric, mean, values.len()).of(language).variant(&variant);
        measured.rows.push(Row { layer, ..row });
    }
    if without > 0 {
        measured.notes.push(format!("{without} of {} watched traces have no curve; each says why", all.len()));
    }
    let cost = all.iter().fold(Cost::default(), |sum, one| Cost {
        shared: sum.shared + one.cost.shared,
        naive: sum.naive + one.cost.naive,
    });
    if cost.shared > 0 {
        measured.notes.push(format!(
            "forced answers ran {} tokens, {:.1} times fewer than without shared beginnings; {} thresholds",
            cost.shared,
            cost.ratio(),
            params.thresholds.len()
        ));
    }
    Ok(measured)
}
