//! Steps taken from those behind them, in two ways.
//!
//! **Suppressed**: no later token sees the step's keys, in any layer and head (scores of minus infinity before the softmax); its own tokens
//! see it as before, and all later tokens are run again, so that nothing reaches them by way of others. **Left out**: the step is not in
//! the context at all, and what follows moves up.
//!
//! Both begin with the keys of all that stands before, so a step costs the tokens behind it. Bogdan et al. 2025 (arXiv 2506.19143)
//! suppress the step's view of itself too, which changes the step and not what others take from it.

use babelscope_core::{
    engine::Engine,
    known::{Branch, Known},
    monitor::{Monitor, Tick},
    plan::{Blocks, Edit, Op, Plan, Point, Positions, Reduce},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Cost, Told,
    influence::{Changed, Influence, compare},
    refuse, tokens, unshared,
};
use crate::Result;

/// Bytes of the changed states that are held at once; one step always is.
const STATE_BYTES: usize = 64 << 20;

/// How divergences are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InfluenceParams {
    /// Divides the logits of both sides. 1 is the model's own distribution, 0.6 is that of Thought Anchors.
    pub temperature: f64,
}

impl Default for InfluenceParams {
    fn default() -> Self {
        Self { temperature: 1.0 }
    }
}

impl InfluenceParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let t = self.temperature;
        (!(t.is_finite() && t > 0.0)).then(|| format!("influence.temperature is {t}, expected a positive number"))
    }
}

/// What each step does to the later ones by attention: a pass for each, in which later tokens do not see it.
///
/// # Errors
/// Params that make no sense, a trace without steps or that does not fit the model, logits that are not finite, what the engine refuses.
pub fn suppressed(engine: &Engine, told: &Told<'_>, params: &InfluenceParams, monitor: &Monitor) -> Result<Influence> {
    let cut = |step: usize, number: usize| {
        let keys = told.step(step);
        let op = Op::Cut { heads: None, keys: Positions::Range { first: keys.start, last: keys.end - 1 } };
        let positions = Positions::From(keys.end);
        let sentences = Some(vec![number]);
        Some(Edit { point: Point::AttnScores, blocks: Blocks::All, positions, sentences, schedule: None, op })
    };
    influence(engine, told, params, ("suppressed", "suppressing steps"), |step| told.step(step).end, cut, monitor)
}

/// What each step does to the later ones at all: a pass for each, in which it is not there.
///
/// # Errors
/// As [`suppressed`].
pub fn left_out(engine: &Engine, told: &Told<'_>, params: &InfluenceParams, monitor: &Monitor) -> Result<Influence> {
    let whole = |_: usize, _: usize| None;
    influence(engine, told, params, ("left_out", "leaving steps out"), |step| told.step(step).start, whole, monitor)
}

fn influence(
    engine: &Engine,
    told: &Told<'_>,
    params: &InfluenceParams,
    (change, what): (&str, &str),
    cut: impl Fn(usize) -> usize,
    edit: impl Fn(usize, usize) -> Option<Edit>,
    monitor: &Monitor,
) -> Result<Influence> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    told.check(engine, 0)?;
    let steps = told.some_steps()?;
    let deepest = engine.info().layers;
    let tick = |done| monitor.tick(Tick { what, done, total: steps - 1, unit: "steps" });
    tick(0)?;
    let (known, states) = told.read(engine, 0, &[deepest], monitor)?;
    let ids = told.ids();
    let behind = |step: usize| told.tokens() - told.step(step).end;
    let triangle = || (0..steps).map(|i| vec![0.0; i]).collect::<Vec<_>>();
    let (mut kl, mut log_kl) = (triangle(), triangle());
    let fit = (STATE_BYTES / (engine.info().width * size_of::<f32>())).max(1);
    let mut first = 0;
    while first + 1 < steps {
        let mut rows = 0;
        let fits = (first..steps - 1).take_while(|step| {
            rows += behind(*step);
            rows <= fit
        });
        let group = first..first + fits.count().max(1);
        let branch = |step: usize| Branch { of: 0, cut: cut(step), ids: ids[told.step(step).end..].to_vec() };
        let branches: Vec<Branch> = group.clone().map(branch).collect();
        let edits = group.clone().enumerate().filter_map(|(number, step)| edit(step, number)).collect();
        let changed = run(engine, &known, &branches, edits, monitor)?;
        let changed: Vec<Changed> = group.clone().zip(changed).map(|(step, states)| Changed { step, states }).collect();
        compare(engine, told, &states[0], &changed, params.temperature, [&mut kl, &mut log_kl], monitor)?;
        first = group.end;
        tick(first)?;
    }
    let cost = Cost {
        shared: told.tokens() + (0..steps - 1).map(behind).sum::<usize>(),
        naive: told.tokens() + (0..steps - 1).map(|step| cut(step) + behind(step)).sum::<usize>(),
    };
    let (cost, notes) = (cost.behind(&known), unshared(&known, engine));
    Ok(Influence { change: change.to_owned(), temperature: params.temperature, kl, log_kl, cost, notes })
}

/// The last layer's states of each branch.
fn run(
    engine: &Engine,
    known: &Known,
    branches: &[Branch],
    edits: Vec<Edit>,
    monitor: &Monitor,
) -> Result<Vec<candle_core::Tensor>> {
    let plan = Plan { edits, ..Plan::layers([engine.info().layers], Reduce::All) };
    let captured = engine.run_behind(known, branches, &plan, &monitor.quiet())?;
    Ok(captured.into_iter().map(tokens).collect::<Result<Vec<_>>>()?.concat())
}
