//! Causes: what changes in the answer when a state, an edge or a component changes.
//!
//! Every number is read from the logits at the last token of a prompt ([`Metric`]). The experiments: a grid of activation patching
//! between two prompts ([`grid`]), causal tracing with noise ([`trace`]), patching between languages ([`cross`]), attention knock-out
//! ([`knockout`]), direct logit attribution ([`dla`]), which changes nothing and adds up instead, and
//! attribution patching by gradient ([`attribution`]).

mod attribute;
mod attributed;
mod attribution;
mod average;
mod cells;
mod cross;
mod grid;
mod knockout;
mod metric;
mod pair;
mod report;
mod roles;
#[cfg(test)]
mod tests;
mod trace;
mod words;

use babelscope_core::{engine::Engine, monitor::Monitor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use attribute::{DlaParams, LogitPart, dla, logit_parts};
pub use attributed::{AttributedParams, attributed};
pub use attribution::{AttributionPair, AttributionParams, AttributionPoint, attribution};
pub use cross::{Concept, CrossExperiment, CrossParams, CrossPrompt, Translation, cross};
pub use grid::{At, Direction, GridParams, GridSite, grid};
pub use knockout::{Edges, KnockoutParams, Tokens, knockout};
pub use metric::{Metric, Sides};
pub use pair::{Pair, PairSpec, Prompt, PromptSpec};
pub use report::{Panel, PatchReport, PatchedRun, Side};
pub use trace::{TraceKind, TraceParams, trace};

use crate::{Error, Result};

/// One experiment, as a spec writes it: `experiment = "grid"` and the keys of that experiment.
///
/// ```
/// use babelscope_probes::patch::PatchParams;
/// let spec = r#"{"experiment": "dla", "prompts": [{"text": "Anna lives in the", "answer": ["village"], "wrong": ["city"]}]}"#;
/// let params: PatchParams = serde_json::from_str(spec)?;
/// assert_eq!(params.problem(), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "experiment", rename_all = "snake_case")]
pub enum PatchParams {
    /// Activation patching between two prompts.
    Grid(GridParams),
    /// Causal tracing with noise.
    Trace(TraceParams),
    /// Patching between languages.
    Cross(CrossParams),
    /// Attention knock-out.
    Knockout(KnockoutParams),
    /// Direct logit attribution.
    Dla(DlaParams),
    /// Attribution patching by gradient, beside true patching of a sample.
    Attribution(AttributedParams),
}

impl PatchParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Grid(params) => params.problem(),
            Self::Trace(params) => params.problem(),
            Self::Cross(params) => params.problem(),
            Self::Knockout(params) => params.problem(),
            Self::Dla(params) => params.problem(),
            Self::Attribution(params) => params.problem(),
        }
    }
}

impl PatchParams {
    /// What an effect is in this experiment, for captions.
    pub fn effect(&self) -> &'static str {
        match self {
            Self::Grid(_) => "effect: share of the way from the run that is changed (0) to the run that gives (1)",
            Self::Trace(_) => "effect: probability of the answer with the state put back, minus without",
            Self::Cross(_) => {
                "probability of the words of a concept (cs: that of the source, ct: of the target) in a language (ls, lt)"
            }
            Self::Knockout(_) => {
                "effect: the metric with the edges cut, minus without; negative where they carry the answer"
            }
            Self::Dla(_) => "effect: what the component adds to answer minus wrong answer",
            Self::Attribution(_) => {
                "effect: what patching would do to first order, as a share of the way from the corrupt run to the clean one"
            }
        }
    }
}

/// Runs one experiment.
///
/// # Errors
/// A model that does not say the next token, params or prompts that make no sense, and what the engine refuses.
pub fn patch(engine: &Engine, params: &PatchParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    cells::check_engine(engine)?;
    match params {
        PatchParams::Grid(params) => grid(engine, params, seed, monitor),
        PatchParams::Trace(params) => trace(engine, params, seed, monitor),
        PatchParams::Cross(params) => cross(engine, params, seed, monitor),
        PatchParams::Knockout(params) => knockout(engine, params, seed, monitor),
        PatchParams::Dla(params) => dla(engine, params, seed, monitor),
        PatchParams::Attribution(params) => attributed(engine, params, seed, monitor),
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "patch", why })
}
