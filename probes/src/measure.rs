//! What every measure says, in one form: rows of one table, which a figure, a screen and a script read alike.

use serde::{Deserialize, Serialize};

/// A value with its bootstrap interval over sentences.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// 2.5 % percentile of the bootstrap; NaN never: equal to the value when the bootstrap is off.
    pub low: f64,
    /// 97.5 % percentile.
    pub high: f64,
}

/// What shuffling says of a value: how it lies among the values of sentences that do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NullFit {
    /// Draws.
    pub draws: u32,
    /// Mean of the statistic over the draws.
    pub mean: f64,
    /// 95 % quantile of the draws.
    pub q95: f64,
    /// `(1 + draws that reach the value) / (1 + draws)`: never 0.
    pub p: f64,
    /// `p` after Benjamini and Hochberg over the cells of the same metric, variant and pivot; `None` where one cell was tested.
    pub p_adjusted: Option<f64>,
    /// `(value - mean) / standard deviation`; `None` where all draws are equal.
    pub z: Option<f64>,
    /// `max(0, (value - q95) / (1 - q95))`: 0 is what shuffling reaches, 1 the largest value that there is. `None` for a measure whose
    /// largest value is not 1.
    pub calibrated: Option<f64>,
}

/// One number, with all that a person needs to read it.
///
/// What does not apply is empty: a number of a whole layer has no `language`, one of a whole language no `layer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was measured, as documented in `docs/methods/`: `cka`, `recall_at_k`, `premium`.
    pub metric: String,
    /// The language; empty for a number of all languages.
    pub language: String,
    /// What it was compared with, mostly another language; empty where there is no other side.
    pub pivot: String,
    /// Canonical layer: 0 = embeddings, l = after block l, before the final norm.
    pub layer: Option<usize>,
    /// Layer of the other side where it is another one.
    pub pivot_layer: Option<usize>,
    /// What was done before, or which form of the metric it is: `raw`, `language`, `debiased`, `matched`.
    pub variant: String,
    /// Which of several numbers of one metric: k of a recall, number of a component, name of a class.
    pub item: String,
    /// The number; `None` where it cannot be computed, and then `status` says why.
    pub value: Option<f64>,
    /// 2.5 % percentile of its interval; `None` without one.
    pub low: Option<f64>,
    /// 97.5 % percentile.
    pub high: Option<f64>,
    /// How many sentences, words or neurons it rests on.
    pub n: usize,
    /// The value that chance gives, where it is known by a formula.
    pub chance: Option<f64>,
    /// Against sentences that were shuffled.
    pub shuffled: Option<NullFit>,
    /// Against sentences that were shuffled only among those of like length and like share of common tokens.
    pub matched: Option<NullFit>,
    /// `ok`, or why there is no value.
    pub status: String,
}

impl Row {
    /// A row of this metric and value, on `n` items.
    pub fn new(metric: &str, value: f64, n: usize) -> Self {
        let finite = value.is_finite();
        let status = if finite { "ok".to_owned() } else { "the value is not a finite number".to_owned() };
        Self { metric: metric.to_owned(), value: finite.then_some(value), n, status, ..Self::default() }
    }

    /// A row whose value cannot be computed.
    pub fn missing(metric: &str, why: impl Into<String>, n: usize) -> Self {
        Self { metric: metric.to_owned(), n, status: why.into(), ..Self::default() }
    }

    /// The same with its interval.
    #[must_use]
    pub fn within(mut self, low: f64, high: f64) -> Self {
        (self.low, self.high) = (Some(low), Some(high));
        self
    }

    /// The same of a language.
    #[must_use]
    pub fn of(mut self, language: &str) -> Self {
        language.clone_into(&mut self.language);
        self
    }

    /// The same against another language.
    #[must_use]
    pub fn against(mut self, pivot: &str) -> Self {
        pivot.clone_into(&mut self.pivot);
        self
    }

    /// The same at a layer.
    #[must_use]
    pub fn at(mut self, layer: usize) -> Self {
        self.layer = Some(layer);
        self
    }

    /// The same of a variant.
    #[must_use]
    pub fn variant(mut self, variant: &str) -> Self {
        variant.clone_into(&mut self.variant);
        self
    }

    /// The same of an item.
    #[must_use]
    pub fn item(mut self, item: impl Into<String>) -> Self {
        self.item = item.into();
        self
    }

    /// The same with the value of chance.
    #[must_use]
    pub fn chance(mut self, chance: f64) -> Self {
        self.chance = Some(chance);
        self
    }
}

/// All that one probe says of a model and a corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The numbers.
    pub rows: Vec<Row>,
    /// What a person should know before believing them.
    pub notes: Vec<String>,
}

impl Measured {
    /// The rows of a metric.
    pub fn metric<'a>(&'a self, metric: &'a str) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.metric == metric)
    }

    /// The value of the one row that fits; `None` where none does or it has no value.
    ///
    /// ```
    /// use babelscope_probes::measure::{Measured, Row};
    /// let row = Row::new("cka", 0.25, 100).of("deu_Latn").against("eng_Latn").at(3).variant("debiased");
    /// let measured = Measured { rows: vec![row], notes: Vec::new() };
    /// assert_eq!(measured.value("cka", "deu_Latn", "eng_Latn", Some(3), "debiased"), Some(0.25));
    /// assert_eq!(measured.value("cka", "deu_Latn", "eng_Latn", Some(4), "debiased"), None);
    /// ```
    pub fn value(&self, metric: &str, language: &str, pivot: &str, layer: Option<usize>, variant: &str) -> Option<f64> {
        let fits = |row: &&Row| {
            row.metric == metric
                && row.language == language
                && row.pivot == pivot
                && row.layer == layer
                && row.variant == variant
        };
        self.rows.iter().find(fits)?.value
    }
}
