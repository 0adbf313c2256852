//! What alignment says: cells of the heat map, and the outcome of each sentence in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::measure::{Estimate, Measured};

/// What is done to the states of a language before the cosine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Centring {
    /// Nothing.
    Raw,
    /// The mean of its own language is subtracted.
    Language,
    /// The mean of all languages is subtracted.
    Global,
    /// All but the top: the mean of its own language is subtracted, then its first principal components are removed (Mu and
    /// Viswanath 2018).
    Top,
    /// The mean of all languages is subtracted, then the subspace that the means of the languages span is removed.
    Subspace,
    /// The mean of all languages is subtracted, then each dimension divided by its standard deviation over all languages.
    Standardised,
    /// The mean of its own language is subtracted, then the states multiplied by the inverse root of their covariance.
    Whitened,
}

impl Centring {
    /// All of them, in the order of the declaration.
    pub const ALL: [Self; 7] =
        [Self::Raw, Self::Language, Self::Global, Self::Top, Self::Subspace, Self::Standardised, Self::Whitened];

    /// Its name in specs, tables and rows.
    ///
    /// ```
    /// use babelscope_probes::align::Centring;
    /// let written = serde_json::to_string(&Centring::ALL).map_err(|e| e.to_string())?;
    /// let names: Vec<String> = Centring::ALL.iter().map(|c| format!("\"{}\"", c.name())).collect();
    /// assert_eq!(written, format!("[{}]", names.join(",")));
    /// # Ok::<(), String>(())
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Language => "language",
            Self::Global => "global",
            Self::Top => "top",
            Self::Subspace => "subspace",
            Self::Standardised => "standardised",
            Self::Whitened => "whitened",
        }
    }

    /// Whether it needs nothing but the states of the language itself, and no copy of them.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::Raw | Self::Language)
    }
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
    /// What was done to the states before.
    pub centring: Centring,
    /// Share of the sentences whose true pair is the closest both ways: strictly, unless ties count.
    pub mexa: Estimate,
    /// Share of the pivot's sentences whose closest in the language is the true one.
    pub recall_from_pivot: Estimate,
    /// Share of the language's sentences whose closest in the pivot is the true one.
    pub recall_to_pivot: Estimate,
    /// Mean cosine of the true pairs minus mean cosine of the wrong ones.
    pub cosine_gap: f64,
    /// Mean cosine of the wrong pairs: how narrow the cone is.
    pub cosine_wrong: f64,
    /// Sentences.
    pub n: usize,
    /// The outcome of each sentence, in corpus order; empty when they were not asked for.
    pub outcomes: Vec<Outcome>,
}

/// What happened to one sentence in one cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Cosine of the true pair.
    pub cosine: f32,
    /// The closest wrong sentence of the language, seen from the pivot's sentence (the first of several equal ones).
    pub rival: u32,
    /// Its cosine.
    pub rival_cosine: f32,
    /// The closest wrong sentence of the pivot, seen from the language's sentence (the first of several equal ones).
    pub rival_back: u32,
    /// Its cosine.
    pub rival_back_cosine: f32,
}

impl Outcome {
    /// Whether MEXA counts the sentence: strictly closest both ways.
    ///
    /// ```
    /// use babelscope_probes::align::Outcome;
    /// let tie = Outcome { cosine: 0.8, rival: 3, rival_cosine: 0.8, rival_back: 5, rival_back_cosine: 0.1 };
    /// assert!(!tie.hit() && !tie.found_from_pivot() && tie.found_to_pivot());
    /// ```
    pub fn hit(&self) -> bool {
        self.found_from_pivot() && self.found_to_pivot()
    }

    /// Whether the pivot's sentence finds its pair: strictly closer than every other sentence of the language.
    pub fn found_from_pivot(&self) -> bool {
        self.cosine > self.rival_cosine
    }

    /// Whether the language's sentence finds its pair: strictly closer than every other sentence of the pivot.
    pub fn found_to_pivot(&self) -> bool {
        self.cosine > self.rival_back_cosine
    }

    /// The same pair seen with pivot and language exchanged.
    pub(crate) fn mirrored(&self) -> Self {
        Self {
            cosine: self.cosine,
            rival: self.rival_back,
            rival_cosine: self.rival_back_cosine,
            rival_back: self.rival,
            rival_back_cosine: self.rival_cosine,
        }
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
    /// Tokens that the engine read for it, BOS included; 0 where the states were given.
    #[serde(default)]
    pub tokens: usize,
    /// The same numbers against their nulls, over the layers, and for fewer sentences.
    #[serde(default)]
    pub measured: Measured,
}

/// MEXA of one language over the layers that were measured, as the paper pools it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverLayers {
    /// Mean over the layers.
    pub mean: f64,
    /// Maximum over the layers.
    pub max: f64,
    /// The first layer that reaches the maximum.
    pub best_layer: usize,
}

impl AlignReport {
    /// The cell of a language, a pivot, a layer and a centring.
    pub fn cell(&self, language: &str, pivot: &str, layer: usize, centring: Centring) -> Option<&AlignCell> {
        self.cells
            .iter()
            .find(|c| c.language == language && c.pivot == pivot && c.layer == layer && c.centring == centring)
    }

    /// Mean and maximum of MEXA over the layers; `None` when no cell fits. The maximum of several noisy layers is biased
    /// upwards: compare it only between analyses with the same layers and the same number of sentences.
    ///
    /// ```
    /// use babelscope_core::monitor::Monitor;
    /// use babelscope_probes::align::{AlignParams, Centring, LanguageStates, align};
    /// use ndarray::array;
    /// let (p, swapped) = (array![[1f32, 0.], [0., 1.]], array![[0f32, 1.], [1., 0.]]);
    /// let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
    /// // Layer 1 exchanges the sentences, layer 2 does not.
    /// let states = LanguageStates::new(languages, vec![1, 2], vec![vec![p.clone(), p.clone()], vec![swapped, p]])?;
    /// let report = align(&states, &AlignParams { bootstrap: 0, ..AlignParams::default() }, &Monitor::silent())?;
    /// let over = report.over_layers("deu_Latn", "eng_Latn", Centring::Raw).ok_or("no such cells")?;
    /// assert_eq!((over.mean, over.max, over.best_layer), (0.5, 1.0, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn over_layers(&self, language: &str, pivot: &str, centring: Centring) -> Option<OverLayers> {
        let fits = |c: &&AlignCell| c.language == language && c.pivot == pivot && c.centring == centring;
        let cells: Vec<&AlignCell> = self.cells.iter().filter(fits).collect();
        let mut best = *cells.first()?;
        for cell in &cells {
            if cell.mexa.value > best.mexa.value {
                best = cell;
            }
        }
        let mean = cells.iter().map(|c| c.mexa.value).sum::<f64>() / cells.len() as f64;
        Some(OverLayers { mean, max: best.mexa.value, best_layer: best.layer })
    }
}
