//! Cross-lingual patching: can the language and the concept of an answer be changed apart?
//!
//! A target prompt (concept C_T, answered in language L_T) runs with states of source prompts, and P of each concept's accepted words is
//! read in each language behind it:
//!
//! - **last** (experiment 1): at layer j the target's last position becomes the source's (concept C_S, language L_S);
//! - **factorial**: the same with sources that differ in one thing alone, `concept` = (C_S, L_T) and `language` = (C_T, L_S); `both` is
//!   experiment 1;
//! - **object** (experiment 2): the last token of the word that is asked about becomes, at all layers from j on, what it is in a source
//!   prompt of C_S, or the **mean** of this state over all languages but L_T.
//!
//! With `p` the mean over pairs of prompts, `cs_lt` the accepted words of C_S in L_T and so on:
//!
//! - **separability** `p(cs_lt) / (p(cs_lt) + p(cs_ls) + p(ct_lt))`: 1 = the concept came over and the language stayed;
//! - **language moved** `(p(cs_ls) + p(ct_ls)) / sum of the four`, **concept moved** `(p(cs_ls) + p(cs_lt)) / sum of the four`.
//!
//! A set holds the first tokens of accepted words as they follow this prompt. Pairs of prompts whose sets share a token are left out and
//! counted. Intervals: percentile bootstrap over pairs, ratios drawn as ratios.
//!
//! Dumas et al. 2025 (arXiv 2411.08745; github.com/Butanium/llm-lang-agnostic); separability, shares and the factorial are ours.

mod bench;
mod outcome;
mod prompts;

use std::collections::{BTreeMap, BTreeSet};

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use prompts::{Concept, CrossPrompt, Translation};

use self::{
    bench::{Bench, MEAN},
    outcome::{Outcomes, Table},
};
use super::{
    average::bootstrap_problem,
    cells::layers_problem,
    refuse,
    report::{Panel, PatchReport},
};
use crate::Result;

/// An experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CrossExperiment {
    /// The last position becomes that of a prompt of another concept and language.
    Last,
    /// ... and of prompts that differ in the concept alone, and in the language alone.
    Factorial,
    /// The object's last token becomes that of other languages' prompts.
    Object,
}

/// What cross-lingual patching asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrossParams {
    /// The concepts with their words.
    pub concepts: Vec<Concept>,
    /// Prompts, as many languages and concepts as there are.
    pub prompts: Vec<CrossPrompt>,
    /// Prompts that are made from the concepts, beside those.
    pub translation: Option<Translation>,
    /// What is done.
    pub experiments: Vec<CrossExperiment>,
    /// Languages that give; empty is all.
    pub sources: Vec<String>,
    /// Languages that are changed; empty is all.
    pub targets: Vec<String>,
    /// The language in which the concepts are read beside the two.
    pub pivot: String,
    /// Pairs of prompts for each pair of languages.
    pub pairs: usize,
    /// Whether prompts count whose most probable next token is no accepted answer.
    pub only_answered: bool,
    /// Layers, ascending; empty is all.
    pub layers: Vec<usize>,
    /// Draws of the interval over pairs; 0 for none.
    pub bootstrap: usize,
}

impl Default for CrossParams {
    fn default() -> Self {
        Self {
            concepts: Vec::new(),
            prompts: Vec::new(),
            translation: None,
            experiments: vec![CrossExperiment::Last, CrossExperiment::Factorial, CrossExperiment::Object],
            sources: Vec::new(),
            targets: Vec::new(),
            pivot: "eng_Latn".to_owned(),
            pairs: 200,
            only_answered: false,
            layers: Vec::new(),
            bootstrap: 1000,
        }
    }
}

impl CrossParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.concepts.len() < 2 {
            return Some(format!(
                "`concepts` has {}; source and target differ, so give at least 2",
                self.concepts.len()
            ));
        }
        if self.prompts.is_empty() && self.translation.is_none() {
            return Some("there are no prompts; give `prompts` or `translation`".to_owned());
        }
        if self.experiments.is_empty() || self.pairs == 0 {
            return Some("`experiments` is empty or `pairs` is 0, so there is nothing to do".to_owned());
        }
        let translation = self.translation.as_ref().and_then(Translation::problem);
        translation.or_else(|| layers_problem(&self.layers)).or_else(|| bootstrap_problem(self.bootstrap))
    }
}

/// Runs the experiments.
///
/// # Errors
/// Params that make no sense, prompts that do not fit, no pair of prompts that can be told apart, and what the engine refuses.
pub fn cross(engine: &Engine, params: &CrossParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    if let Some(problem) = params.problem() {
        return refuse(problem);
    }
    let bench = Bench::new(engine, params, seed, monitor)?;
    let mut report = PatchReport::default();
    let mut table = Table::default();
    let mut seen = BTreeSet::new();
    let (sources, targets) = (bench.languages(&params.sources)?, bench.languages(&params.targets)?);
    let of_two =
        targets.iter().flat_map(|t| sources.iter().filter(move |s| *s != t).map(move |s| (s.as_str(), t.as_str())));
    let of_two: Vec<(&str, &str)> = of_two.collect();
    for (done, (source, target)) in of_two.iter().enumerate() {
        monitor.tick(Tick { what: "patching languages", done, total: of_two.len(), unit: "pairs" })?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(done as u64 + 1);
        let pairs = bench.draw(source, target, &mut rng, &mut report.measured.notes)?;
        if pairs.is_empty() {
            continue;
        }
        let before = bench.unpatched(&pairs, &mut table, (source, target), monitor)?;
        let mut example = bench.example(&pairs[0], &before)?;
        for experiment in bench.experiments(&pairs, &mut seen) {
            let (pivot, variant) = match experiment.variant {
                MEAN => ("mean", "object"),
                variant => (*source, variant),
            };
            let outcomes = bench.read(&pairs, experiment, monitor)?;
            if outcomes.is_empty() && pivot != "mean" {
                let note = format!("{source} into {target}: no pair has the prompts that `{variant}` needs");
                report.measured.notes.push(note);
                continue;
            }
            example.panels.extend(panel(variant, pivot, &bench.layers, &outcomes));
            table.add((target, pivot), variant, &bench.layers, &outcomes);
        }
        report.runs.push(example);
    }
    if report.runs.is_empty() {
        return refuse(format!("no pair of prompts can be used: {}", report.measured.notes.join("; ")));
    }
    report.measured.rows = table.rows(params.bootstrap, seed)?;
    Ok(report)
}

/// What is read of the first pair, where there is one.
fn panel(variant: &str, pivot: &str, layers: &[usize], outcomes: &[Vec<Outcomes>]) -> Option<Panel> {
    let first: Vec<BTreeMap<&str, f64>> = outcomes.first()?.iter().map(Outcomes::named).collect();
    let items = first.first()?.keys().map(|item| (*item).to_owned()).collect();
    let rows: Vec<Vec<f64>> = first.iter().map(|of| of.values().copied().collect()).collect();
    let site = if pivot == "mean" { format!("{variant}_mean") } else { variant.to_owned() };
    let (layers, effect) = (layers.to_vec(), rows.clone());
    Some(Panel { site, variant: "probability".to_owned(), layers, items, patched: rows, effect })
}
