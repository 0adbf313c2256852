//! Whether a hint in the prompt changes the answer, and when the trace was committed to it.
//!
//! One problem with options is put several times: without a hint, with a hint at a wrong option, with a hint at a random option. Each arm is
//! continued, its trace cut into steps, and the options forced at every boundary. Onyame et al. (arXiv 2605.27901): the **share of those who
//! follow** is over problems, and whether the trace *says* that it follows is for a detector of mentions; here is one problem's part.
//!
//! An arm without a hint says what the model would have answered, and one with a random hint what any hint does: report neither number of
//! the hinted arm without them.

use std::ops::ControlFlow;

use babelscope_core::{
    engine::Engine,
    generate::Generate,
    monitor::{Monitor, Tick},
    plan::Plan,
};
use serde::{Deserialize, Serialize};

use super::{Candidate, Forced, Told, encoded, forced, refuse};
use crate::Result;

/// One way to put the problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// `no_hint`, `hint`, `random_hint`.
    pub name: String,
    /// The prompt, BOS included.
    pub prompt: Vec<u32>,
    /// Number of the option that the hint names; `None` without a hint.
    pub hinted: Option<usize>,
}

/// How traces are written and asked.
pub struct HintParams<'a> {
    /// What is put behind a boundary.
    pub stub: &'a [u32],
    /// The options of the problem.
    pub options: &'a [Candidate],
    /// Number of the right one.
    pub right: usize,
    /// How the traces are generated.
    pub generate: &'a Generate,
    /// Boundaries of a trace in tokens, from its text and its ids: see [`Told::bounds`].
    pub cut: &'a dyn Fn(&str, &[u32]) -> Vec<usize>,
    /// The option that a trace states, if it states one.
    pub chosen: &'a dyn Fn(&str) -> Option<usize>,
}

/// What came of an arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmOutcome {
    /// Its name.
    pub name: String,
    /// What was written.
    pub text: String,
    /// The option that the trace states; `None` where it states none.
    pub stated: Option<usize>,
    /// The likeliest option when it is forced at the end.
    pub forced: usize,
    /// The option of the hint.
    pub hinted: Option<usize>,
    /// Whether the stated option is the hinted one and wrong; `None` without a hint or an answer.
    pub followed: Option<bool>,
    /// Share of the hinted option at each boundary; empty without a hint.
    pub hint_curve: Vec<f64>,
    /// Share of the right option at each boundary.
    pub right_curve: Vec<f64>,
    /// All options at every boundary.
    pub curve: Forced,
}

/// Runs the arms of one problem.
///
/// # Errors
/// No arms, options that do not exist, bounds that are none, and what generating and forcing refuse.
pub fn hint(engine: &Engine, arms: &[Arm], params: &HintParams<'_>, monitor: &Monitor) -> Result<Vec<ArmOutcome>> {
    let HintParams { stub, options, right, generate, cut, chosen } = params;
    let named = arms.iter().filter_map(|arm| arm.hinted).chain([*right]);
    if let Some(option) = named.into_iter().find(|option| *option >= options.len()) {
        return refuse(format!("option {option} is named, there are {} (0 is the first)", options.len()));
    }
    if arms.is_empty() {
        return refuse("there are no arms; give at least one without and one with a hint".to_owned());
    }
    let tick = |done| monitor.tick(Tick { what: "running hints", done, total: arms.len() + 1, unit: "arms" });
    tick(0)?;
    let prompts: Vec<_> = arms.iter().map(|arm| encoded(arm.prompt.clone(), engine)).collect();
    let go_on = &mut |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
    let made = engine.generate(&prompts, generate, &Plan::default(), go_on, &monitor.quiet())?;
    let mut outcomes = Vec::with_capacity(arms.len());
    for (done, (arm, made)) in arms.iter().zip(made.sequences).enumerate() {
        tick(done + 1)?;
        let bounds = cut(&made.text, &made.ids);
        let told = Told { prompt: &arm.prompt, trace: &made.ids, bounds: &bounds };
        let curve = forced(engine, &told, stub, options, &monitor.quiet())?;
        let stated = chosen(&made.text);
        let share = |option: usize| curve.points.iter().map(|point| point.share[option]).collect::<Vec<f64>>();
        outcomes.push(ArmOutcome {
            name: arm.name.clone(),
            stated,
            forced: curve.points.last().map_or(0, |point| point.top),
            hinted: arm.hinted,
            followed: arm.hinted.zip(stated).map(|(hinted, stated)| stated == hinted && stated != *right),
            hint_curve: arm.hinted.map(share).unwrap_or_default(),
            right_curve: share(*right),
            text: made.text,
            curve,
        });
    }
    tick(arms.len() + 1)?;
    Ok(outcomes)
}
