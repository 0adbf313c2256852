//! MEXA and retrieval: for what share of the sentences is the true pair mutually the closest?

use serde::{Deserialize, Serialize};

/// What is done to the states of a language before the cosine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centring {
    /// Nothing.
    Raw,
    /// The mean of its own language is subtracted.
    Language,
}

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

/// One cell of the heat map: a language against the pivot at a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignCell {
    /// The language.
    pub language: String,
    /// The pivot.
    pub pivot: String,
    /// Canonical layer: 0 = embeddings, l = after block l.
    pub layer: usize,
    /// Raw or centred.
    pub centring: Centring,
    /// Share of the sentences whose true pair is strictly the closest both ways.
    pub mexa: Estimate,
    /// Share of the pivot's sentences whose closest in the language is the true one (strictly).
    pub recall_from_pivot: Estimate,
    /// Share of the language's sentences whose closest in the pivot is the true one (strictly).
    pub recall_to_pivot: Estimate,
    /// Mean cosine of the true pairs minus mean cosine of the wrong ones.
    pub cosine_gap: f64,
    /// Mean cosine of the wrong pairs: how narrow the cone is.
    pub cosine_wrong: f64,
    /// Sentences.
    pub n: usize,
    /// The outcome of each sentence, in corpus order.
    pub outcomes: Vec<Outcome>,
}

/// What happened to one sentence in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Cosine of the true pair.
    pub cosine: f32,
    /// The closest wrong sentence of the language, seen from the pivot's sentence.
    pub rival: u32,
    /// Its cosine.
    pub rival_cosine: f32,
    /// The closest wrong sentence of the pivot, seen from the language's sentence.
    pub rival_back: u32,
    /// Its cosine.
    pub rival_back_cosine: f32,
}

impl Outcome {
    /// Whether MEXA counts the sentence: strictly closest both ways.
    pub fn hit(&self) -> bool {
        self.cosine > self.rival_cosine && self.cosine > self.rival_back_cosine
    }
}

/// A whole analysis: every language with every pivot at every layer, raw and centred.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AlignReport {
    /// Cells, sorted by pivot, language, layer, centring.
    pub cells: Vec<AlignCell>,
    /// Chance of MEXA for exchangeable similarities, 1 / (2n - 1).
    pub chance_mexa: f64,
    /// Chance of recall@1, 1 / n.
    pub chance_recall: f64,
    /// Notes a person should see: duplicates, ties.
    pub notes: Vec<String>,
}
