//! What patching leaves beside its rows: the runs as a person reads them, with the grid of each.

use babelscope_core::tokens::{Encoded, Tokenizer};
use serde::{Deserialize, Serialize};

use super::metric::{Metric, Sides, probability};
use crate::{lens::Candidate, measure::Measured};

/// All that an experiment says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PatchReport {
    /// The numbers.
    pub measured: Measured,
    /// The runs behind them.
    pub runs: Vec<PatchedRun>,
}

/// A pair of runs (or one, where nothing is corrupted) with what patching does between them. Between languages `clean` is the prompt that
/// gives and `corrupt` the one that is changed, and the run is the first of many pairs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PatchedRun {
    /// Name of the pair or prompt.
    pub name: String,
    /// Language of the clean prompt.
    pub language: String,
    /// The clean run.
    pub clean: Side,
    /// The corrupt run, where there is one.
    pub corrupt: Option<Side>,
    /// What the values are: `logit_difference`, `prob`, ...
    pub metric: String,
    /// Token ids of answer and wrong answer.
    pub sides: Sides,
    /// The grids, in the order of the experiment.
    pub panels: Vec<Panel>,
    /// Why it was left out; empty where it counts.
    pub skipped: String,
}

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The text.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<Candidate>,
    /// The most probable next tokens, best first.
    pub top: Vec<Candidate>,
    /// The metric.
    pub value: f64,
}

/// A grid of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// What was changed: `resid`, `attn`, `mlp`, `head`, `neurons`, `state`, ...
    pub site: String,
    /// In which way: `denoise`, `noise`, or the experiment's own word.
    pub variant: String,
    /// Layers, the rows of the grid.
    pub layers: Vec<usize>,
    /// Positions, heads, or groups of neurons: the columns.
    pub items: Vec<String>,
    /// The metric of the changed run, `[layer][item]`.
    pub patched: Vec<Vec<f64>>,
    /// What is drawn: the effect, `[layer][item]`.
    pub effect: Vec<Vec<f64>>,
}

impl Side {
    /// A run as it is shown, with its `k` most probable next tokens.
    pub(super) fn new(text: &str, encoded: &Encoded, logits: &[f32], value: f64, tokenizer: &Tokenizer) -> Self {
        const SHOWN: usize = 5;
        let candidate =
            |id: u32, probability: f32| Candidate { id, piece: tokenizer.piece(id), probability, language: None };
        let mut best: Vec<u32> = (0..logits.len() as u32).collect();
        let order = |a: &u32, b: &u32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
        let shown = SHOWN.min(best.len());
        if shown > 0 && shown < best.len() {
            best.select_nth_unstable_by(shown - 1, order);
        }
        best.truncate(shown);
        best.sort_unstable_by(order);
        Self {
            text: text.to_owned(),
            tokens: encoded.ids.iter().map(|id| candidate(*id, 1.0)).collect(),
            top: best.into_iter().map(|id| candidate(id, probability(logits, &[id]) as f32)).collect(),
            value,
        }
    }
}

impl Panel {
    /// The cells with their row and column.
    pub(super) fn cells(&self) -> impl Iterator<Item = (usize, usize, f64, f64)> + '_ {
        let rows = self.effect.iter().zip(&self.patched).enumerate();
        rows.flat_map(|(l, (effect, patched))| {
            effect.iter().zip(patched).enumerate().map(move |(i, (effect, patched))| (l, i, *effect, *patched))
        })
    }
}

impl PatchedRun {
    pub(super) fn new(name: &str, language: &str, clean: Side, metric: Metric, sides: Sides) -> Self {
        let (name, language, metric) = (name.to_owned(), language.to_owned(), metric.name().to_owned());
        Self { name, language, clean, metric, sides, ..Self::default() }
    }
}
