//! What a person sets.

use babelscope_core::plan::{Positions, Reduce, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the vector is to lessen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearnLoss {
    /// Squared distance to the pivot's pooled states at `target_layer`.
    #[default]
    Mse,
    /// Kullback-Leibler divergence of the next-token distribution from the one behind the pivot's prompt.
    Kl,
    /// Minus the log-probability of given answers, per token.
    Task,
}

impl LearnLoss {
    /// The estimator on the vector's card.
    pub fn estimator(self) -> &'static str {
        match self {
            Self::Mse => "learned_mse",
            Self::Kl => "learned_kl",
            Self::Task => "learned_task",
        }
    }
}

/// Where the descent begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearnStart {
    /// At the difference of means at the layer.
    #[default]
    DiffMean,
    /// At nothing.
    Zero,
}

/// How a sentence's states become one, and to which of its tokens the vector is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearnPool {
    /// Mean over the tokens but BOS; added to all of them.
    #[default]
    Mean,
    /// Mean weighted by position (1, 2, 3 ...) over the tokens but BOS; added to all of them.
    Weighted,
    /// The last token; added to it alone.
    Last,
}

impl LearnPool {
    /// The name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Weighted => "weighted",
            Self::Last => "last",
        }
    }

    pub(super) fn reduce(self) -> Reduce {
        match self {
            Self::Mean => Reduce::Mean(Window::default()),
            Self::Weighted => Reduce::Weighted(Window::default()),
            Self::Last => Reduce::Last,
        }
    }

    /// Where the vector is added in a prompt of so many tokens; an answer behind it stays as it is.
    pub(super) fn positions(self, bos: usize, prompt: usize) -> Positions {
        match self {
            Self::Mean | Self::Weighted => Positions::Range { first: bos.min(prompt - 1), last: prompt - 1 },
            Self::Last => Positions::List(vec![prompt - 1]),
        }
    }
}

/// How a vector is learned.
///
/// ```
/// use babelscope_probes::steer::{LearnLoss, LearnParams};
/// let params = LearnParams { layer: 3, loss: LearnLoss::Mse, target_layer: Some(2), ..LearnParams::default() };
/// assert!(params.problem().is_some_and(|why| why.contains("target_layer")));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LearnParams {
    /// The layer at which the vector is added: 0 = embeddings, l = after block l.
    pub layer: usize,
    /// What it is to lessen: mse, kl, task.
    pub loss: LearnLoss,
    /// Of mse: the layer whose states are compared, `layer` or a later one; absent is `layer`, where the answer is the difference of means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_layer: Option<usize>,
    /// How states are pooled, and where the vector is added: mean, weighted, last.
    pub pool: LearnPool,
    /// Where it begins: diff_mean, zero.
    pub start: LearnStart,
    /// Most passes over the training sentences.
    pub epochs: usize,
    /// Sentences of a step.
    pub batch: usize,
    /// Length of Adam's first steps, each coordinate's share of the mean norm (mean norm / root of the width times this).
    pub rate: f64,
    /// Share of the sentences that is held out.
    pub validation: f64,
    /// Epochs without a lesser held-out loss after which it stops.
    pub patience: usize,
    /// Weight of `(|v| / mean norm)^2` in the loss.
    pub penalty: f64,
    /// Longest vector, in mean norms of the layer; absent is no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
    /// Draws of the intervals; 0 switches them off.
    pub bootstrap: usize,
}

impl Default for LearnParams {
    fn default() -> Self {
        Self {
            layer: 0,
            loss: LearnLoss::Mse,
            target_layer: None,
            pool: LearnPool::Mean,
            start: LearnStart::DiffMean,
            epochs: 40,
            batch: 16,
            rate: 0.05,
            validation: 0.2,
            patience: 8,
            penalty: 0.0,
            max_norm: None,
            bootstrap: 1000,
        }
    }
}

impl LearnParams {
    /// The layer whose states are compared.
    pub(super) fn target(&self) -> usize {
        self.target_layer.unwrap_or(self.layer)
    }

    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let positive = |x: f64| x.is_finite() && x > 0.0;
        if self.target() < self.layer {
            return Some(format!(
                "`target_layer` = {} lies before `layer` = {}, so nothing there changes with the vector",
                self.target(),
                self.layer
            ));
        }
        if self.target_layer.is_some() && self.loss != LearnLoss::Mse {
            return Some("`target_layer` belongs to the loss mse; leave it out".to_owned());
        }
        if self.epochs == 0 || self.batch == 0 || self.patience == 0 {
            return Some("`epochs`, `batch` and `patience` must be at least 1".to_owned());
        }
        if !positive(self.rate) || self.rate > 1.0 {
            return Some(format!("`rate` = {}: expected a number above 0 and up to 1", self.rate));
        }
        if !positive(self.validation) || self.validation > 0.5 {
            return Some(format!("`validation` = {}: expected a share above 0 and up to 0.5", self.validation));
        }
        if !(self.penalty.is_finite() && self.penalty >= 0.0) {
            return Some(format!("`penalty` = {}: expected a number from 0 on", self.penalty));
        }
        if let Some(norms) = self.max_norm.filter(|norms| !positive(*norms)) {
            return Some(format!("`max_norm` = {norms}: expected a positive number of mean norms, or leave it out"));
        }
        (1..100).contains(&self.bootstrap).then(|| {
            format!(
                "`bootstrap` = {}: so few draws give no 2.5 % percentile; use 1000, at least 100, or 0 for no interval",
                self.bootstrap
            )
        })
    }
}
