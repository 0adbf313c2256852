//! One TOML file = one run. What a person clicks and what a script says are the same spec.

use serde::{Deserialize, Serialize};

/// The whole spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Version of this layout: 1.
    pub schema: u32,
    /// Name of the run; the folder is `NAME-HASH`.
    pub name: String,
    /// Every other seed is derived from it.
    #[serde(default)]
    pub seed: u64,
    /// The models.
    pub model: Vec<ModelSpec>,
    /// The parallel sentences.
    pub data: DataSpec,
    /// What is captured.
    #[serde(default)]
    pub extract: ExtractSpec,
    /// The analyses.
    #[serde(default)]
    pub probe: Vec<ProbeSpec>,
}

/// A model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Short name in tables.
    pub id: String,
    /// `lab`, a folder, or a Hub id.
    pub path: String,
    /// Hub revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

/// The corpus and the part of it that is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// `lab`, a folder, or a table file.
    pub path: String,
    /// FLORES codes; empty means all.
    #[serde(default)]
    pub languages: Vec<String>,
    /// First n lines; 0 means all.
    #[serde(default)]
    pub limit: usize,
}

/// What is captured of each sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractSpec {
    /// Canonical layers; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// Pooling.
    pub pooling: Pooling,
    /// Whether BOS counts in the pooling.
    pub include_bos: bool,
}

impl Default for ExtractSpec {
    fn default() -> Self {
        Self { layers: Vec::new(), pooling: Pooling::Mean, include_bos: false }
    }
}

/// How a sentence becomes one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean over tokens.
    Mean,
    /// Position-weighted mean (MEXA's default).
    Weighted,
    /// Last token.
    Last,
}

/// An analysis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum ProbeSpec {
    /// MEXA and retrieval.
    Align {
        /// Pivots; empty means every language (all pairs).
        pivots: Vec<String>,
        /// Bootstrap draws; 0 switches the interval off.
        #[serde(default)]
        bootstrap: usize,
    },
    /// The logit lens on texts.
    Lens {
        /// The texts.
        texts: Vec<String>,
        /// How many tokens are kept in each cell.
        #[serde(default)]
        top_k: usize,
    },
}
