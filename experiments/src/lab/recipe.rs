//! How the demo model is trained: every number that decides the result, in one place, stored beside every checkpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::Shape;

/// What a language gets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diet {
    /// Relative share of the documents.
    pub share: f64,
    /// Share of this language's documents that are mixed with English: half of them sentence by sentence in both (translation
    /// pairs), half inside the sentence (code-switching).
    pub dose: f64,
}

/// Everything that decides the result of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of the weights and of the documents.
    pub seed: u64,
    /// Seed of the world that all languages but the island share.
    pub world: u64,
    /// Seed of the island's own world.
    pub island_world: u64,
    /// Optimizer steps.
    pub steps: usize,
    /// Documents a step.
    pub batch: usize,
    /// Peak learning rate.
    pub rate: f64,
    /// Steps of warm-up.
    pub warmup: usize,
    /// Decoupled weight decay of the matrices.
    pub decay: f32,
    /// Largest gradient norm.
    pub clip: f32,
    /// Of the mixed documents, the share that switches inside the sentence; the others are translation pairs.
    pub switching: f64,
    /// The model.
    pub shape: Shape,
    /// What each language gets.
    pub languages: BTreeMap<String, Diet>,
}

impl Default for Recipe {
    fn default() -> Self {
        let languages = [
            ("eng_Latn", 0.14, 0.0),
            ("spa_Latn", 0.10, 0.80),
            ("rus_Cyrl", 0.10, 0.65),
            ("zho_Hans", 0.10, 0.50),
            ("arb_Arab", 0.10, 0.38),
            ("hin_Deva", 0.10, 0.28),
            ("tha_Thai", 0.10, 0.20),
            ("swh_Latn", 0.06, 0.20),
            ("qec_Latn", 0.10, 0.80),
            ("qis_Latn", 0.10, 0.0),
        ];
        Self {
            seed: 0,
            world: 1,
            island_world: 2,
            steps: 2500,
            batch: 32,
            rate: 4e-3,
            warmup: 150,
            decay: 0.3,
            clip: 1.0,
            switching: 0.5,
            shape: Shape { width: 128, layers: 4, heads: 4, inner: 352, context: 64, tied: true },
            languages: languages.map(|(code, share, dose)| (code.to_owned(), Diet { share, dose })).into(),
        }
    }
}
