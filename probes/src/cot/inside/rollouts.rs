//! Rollouts from the boundaries of a trace, within a budget.
//!
//! At each boundary that a chosen step needs, `rollouts` continuations are drawn; the trace is read once and each of them begins with its
//! keys. Then `more` are spent a few at a time, each time at the boundary whose accuracy has the widest Wilson interval (the first of
//! equal ones): the same numbers for the same seed.

use std::{collections::BTreeMap, ops::ControlFlow};

use babelscope_core::{
    engine::Engine,
    generate::Generate,
    known::{Branch, Known},
    monitor::{Monitor, Tick},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Cost, Importance, Told, importance, refuse, wilson};
use crate::Result;

/// Continuations that go on together.
const TOGETHER: usize = 64;

/// How much is resampled. The defaults but for the budget are those of Thought Anchors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResampleParams {
    /// Steps that are measured, from 0; empty means all.
    pub steps: Vec<usize>,
    /// Rollouts at each boundary; the original draws 100.
    pub rollouts: usize,
    /// Rollouts that go where the accuracy is least certain, over all boundaries.
    pub more: usize,
    /// Most new tokens of a rollout.
    pub max_new_tokens: usize,
    /// A rollout ends where its text holds one of these.
    pub stop: Vec<String>,
    /// Temperature of the draws.
    pub temperature: f32,
    /// Mass of the likeliest tokens that are drawn from.
    pub top_p: f32,
    /// A new step whose similarity to the old one is below this means something else.
    pub similarity: f64,
    /// Laplace's smoothing of the distributions of answers.
    pub alpha: f64,
}

impl Default for ResampleParams {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            rollouts: 20,
            more: 0,
            max_new_tokens: 512,
            stop: Vec::new(),
            temperature: 0.6,
            top_p: 0.95,
            similarity: 0.8,
            alpha: 1.0,
        }
    }
}

impl ResampleParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { rollouts, max_new_tokens, stop, temperature, top_p, similarity, alpha, .. } = self;
        let says = |name: &str, got: &dyn std::fmt::Display, want: &str| {
            Some(format!("resample.{name} is {got}, expected {want}"))
        };
        if *rollouts == 0 {
            return says("rollouts", &0, "at least 1");
        }
        if *max_new_tokens == 0 {
            return says("max_new_tokens", &0, "at least 1");
        }
        if stop.iter().any(String::is_empty) {
            return says("stop", &"an empty text", "some text");
        }
        if !(temperature.is_finite() && *temperature > 0.0) {
            return says("temperature", temperature, "a positive number; without chance all rollouts are one");
        }
        if !(*top_p > 0.0 && *top_p <= 1.0) {
            return says("top_p", top_p, "above 0, up to 1");
        }
        if !similarity.is_finite() {
            return says("similarity", similarity, "a finite number");
        }
        if !(alpha.is_finite() && *alpha > 0.0) {
            return says("alpha", alpha, "a positive number");
        }
        None
    }
}

/// How alike two steps are, 1 being the same.
pub type Similar<'a> = &'a dyn Fn(&str, &str) -> f64;

/// What is read of texts, by those who know how.
pub struct Judges<'a> {
    /// The answer of a whole trace.
    pub answer: &'a dyn Fn(&str) -> Option<String>,
    /// The first step of a continuation.
    pub first: &'a dyn Fn(&str) -> String,
    /// How alike two steps are, 1 being the same; without it no counterfactual importance is given.
    pub similar: Option<Similar<'a>>,
}

/// One continuation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// Its answer, if it came to one.
    pub answer: Option<String>,
    /// Its first step.
    pub first: String,
    /// New tokens.
    pub tokens: usize,
}

/// The steps of a trace by resampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampled {
    /// One for each step that was measured.
    pub steps: Vec<Importance>,
    /// The rollouts by boundary.
    pub rollouts: BTreeMap<usize, Vec<Rollout>>,
    /// Tokens that were run, new ones included.
    pub cost: Cost,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What the rollouts of a trace have in common.
struct Bench<'a> {
    engine: &'a Engine,
    known: &'a Known,
    told: &'a Told<'a>,
    params: &'a ResampleParams,
    judges: &'a Judges<'a>,
    seed: u64,
}

impl Bench<'_> {
    /// `count` continuations of each boundary. Draws of another round are other ones.
    fn roll(&self, boundaries: &[usize], count: usize, round: u64, monitor: &Monitor) -> Result<Vec<Vec<Rollout>>> {
        let ResampleParams { max_new_tokens, temperature, top_p, .. } = *self.params;
        let seed = self.seed.wrapping_add(round.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let stop = self.params.stop.clone();
        let options = Generate { max_new_tokens, temperature, top_p: Some(top_p), seed, stop, ..Generate::default() };
        let branch = |b: &usize| Branch { of: 0, cut: self.told.until(*b), ids: Vec::new() };
        let branches: Vec<Branch> = boundaries.iter().flat_map(|b| vec![branch(b); count]).collect();
        let go_on = &mut |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
        let made = self.engine.generate_behind(self.known, &branches, &options, go_on, &monitor.quiet())?;
        let mut rolled = Vec::with_capacity(boundaries.len());
        for (b, made) in boundaries.iter().zip(made.chunks(count)) {
            let told = self.engine.tokenizer().decode(&self.told.trace[..self.told.bounds[*b]])?;
            let rollout = |generated: &babelscope_core::generate::Generated| Rollout {
                answer: (self.judges.answer)(&format!("{told}{}", generated.text)),
                first: (self.judges.first)(&generated.text),
                tokens: generated.ids.len(),
            };
            rolled.push(made.iter().map(rollout).collect());
        }
        Ok(rolled)
    }

    fn width(&self, rollouts: &[Rollout], right: &str) -> f64 {
        let hits = rollouts.iter().filter(|rollout| rollout.answer.as_deref() == Some(right)).count();
        let share = wilson(hits, rollouts.len());
        share.high - share.low
    }
}

/// Importance of the steps by rollouts before and behind each; `right` is the answer that counts.
///
/// # Errors
/// Params that make no sense, a step that the trace does not have, a trace that does not fit the model with `max_new_tokens` behind it, an
/// engine that cannot generate, what the engine refuses. Cancelled between two tokens.
pub fn resample(
    engine: &Engine,
    told: &Told<'_>,
    right: &str,
    judges: &Judges<'_>,
    params: &ResampleParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Resampled> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    told.check(engine, params.max_new_tokens)?;
    let count = told.some_steps()?;
    if let Some(step) = params.steps.iter().find(|step| **step >= count) {
        return refuse(format!("step {step} is to be resampled, there are 0 to {}", count - 1));
    }
    let mut steps = if params.steps.is_empty() { (0..count).collect() } else { params.steps.clone() };
    steps.sort_unstable();
    steps.dedup();
    let mut boundaries: Vec<usize> = steps.iter().flat_map(|step| [*step, step + 1]).collect();
    boundaries.dedup();
    let total = boundaries.len() * params.rollouts + params.more;
    let tick = |done| monitor.tick(Tick { what: "resampling steps", done, total, unit: "rollouts" });
    tick(0)?;
    let (known, _) = told.read(engine, params.max_new_tokens, &[], monitor)?;
    let bench = Bench { engine, known: &known, told, params, judges, seed };
    let mut rollouts: BTreeMap<usize, Vec<Rollout>> = BTreeMap::new();
    let mut done = 0;
    for group in boundaries.chunks((TOGETHER / params.rollouts).max(1)) {
        let rolled = bench.roll(group, params.rollouts, 0, monitor)?;
        rollouts.extend(group.iter().copied().zip(rolled));
        done += group.len() * params.rollouts;
        tick(done)?;
    }
    let (mut left, mut round) = (params.more, 0);
    while left > 0 {
        round += 1;
        let wide = |b: &usize| bench.width(&rollouts[b], right);
        let widest = boundaries.iter().map(|b| (*b, wide(b))).reduce(|a, b| if b.1 > a.1 { b } else { a });
        let Some((b, _)) = widest else { break };
        let some = left.min(params.rollouts.div_ceil(2));
        let rolled = bench.roll(&[b], some, round, monitor)?;
        rollouts.entry(b).or_default().extend(rolled.into_iter().flatten());
        left -= some;
        done += some;
        tick(done)?;
    }
    let mut measured = Vec::with_capacity(steps.len());
    for step in steps {
        let (before, behind) = (&rollouts[&step], &rollouts[&(step + 1)]);
        let old = engine.tokenizer().decode(&told.trace[told.bounds[step]..told.bounds[step + 1]])?;
        let alike = |similar: &&dyn Fn(&str, &str) -> f64| -> Vec<bool> {
            before.iter().map(|rollout| similar(&old, &rollout.first) >= params.similarity).collect()
        };
        let same = judges.similar.as_ref().map(alike).unwrap_or_default();
        measured.push(importance(step, before, behind, right, &same, params.alpha));
    }
    let all = || rollouts.iter().flat_map(|(b, of)| of.iter().map(move |rollout| (*b, rollout)));
    let new: usize = all().map(|(_, rollout)| rollout.tokens).sum();
    let cost = Cost {
        shared: told.tokens() + all().count() + new,
        naive: all().map(|(b, _)| told.until(b)).sum::<usize>() + new,
    };
    let silent = all().filter(|(_, rollout)| rollout.answer.is_none()).count();
    let mut notes = Vec::new();
    if silent > 0 {
        notes.push(format!("{silent} of {} rollouts came to no answer; they count as wrong", all().count()));
    }
    Ok(Resampled { steps: measured, rollouts, cost, notes })
}
