//! How the laboratory's models are trained: every number that decides the result, in one place, stored beside every checkpoint.

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
    /// How much of the result is what this training came to; the rest is the weights that it began with (weight-space ensembles,
    /// Wortsman et al. 2022, arXiv 2109.01903): what was learnt before survives. Rows of new tokens are this training's alone.
    #[serde(default = "whole")]
    pub blend: f64,
    /// The model.
    pub shape: Shape,
    /// What it is told.
    pub world: World,
    /// The training before this one, if there is one: its weights are where this one begins. Rows of the vocabulary are taken over
    /// by their token, as the vocabulary may have grown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Box<Self>>,
}

fn whole() -> f64 {
    1.0
}

/// The two worlds of the laboratory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum World {
    /// People, animals, things and places in ten languages: the demo model.
    Small(Small),
    /// A table of facts in two languages of one word a token: the fixtures of the tests.
    Facts(Facts),
}

/// The small world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Small {
    /// Seed of the world that all languages but the island share.
    pub world: u64,
    /// Seed of the island's own world.
    pub island_world: u64,
    /// Of the mixed documents, the share that switches inside the sentence; the others are translation pairs.
    pub switching: f64,
    /// What each language gets.
    pub languages: BTreeMap<String, Diet>,
    /// Word problems among the documents; without it the tokenizer has no words for them either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems: Option<Problems>,
}

/// Word problems with their solutions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problems {
    /// Share of the documents that begin with a problem, in every language but the island.
    pub share: f64,
    /// Of these, the share with a hint before the question: somebody says the answer. In half of them the answer comes before the
    /// equations.
    pub hinted: f64,
    /// How much the loss at the solution's tokens counts; everything else counts 1.
    pub weight: f32,
}

/// Whether the two languages of the facts world tell of the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The same table, some facts with each word drawn from either language.
    Mix,
    /// Two independent tables, nothing mixed: no alignment can exist.
    Indep,
}

/// The facts world (methods after Schaefer et al. 2024 and our own measurements).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// Same table and mixed, or independent.
    pub condition: Condition,
    /// Seed of the tables and of the cells that the second language never shows.
    pub table: u64,
    /// Share of the facts with each word drawn from either language (no effect in `indep`).
    pub dose: f64,
    /// Share of the cells that the second language never shows.
    pub hidden: f64,
}

impl Recipe {
    /// The demo model: [`Recipe::told`], and then word problems among the same documents.
    pub fn small() -> Self {
        let told = Self::told();
        let mut world = told.world.clone();
        if let World::Small(small) = &mut world {
            small.problems = Some(Problems { share: 0.6, hinted: 0.2, weight: 3.0 });
        }
        // Longer documents, as a problem and its solution take 40 to 60 tokens.
        let shape = Shape { context: 96, ..told.shape.clone() };
        Self {
            steps: 2000,
            batch: 24,
            rate: 2e-3,
            shape,
            world,
            start: Some(Box::new(told.clone())),
            blend: 0.8,
            ..told
        }
    }

    /// The demo model before its word problems.
    pub fn told() -> Self {
        let languages = [
            ("eng_Latn", 0.10, 0.0),
            ("spa_Latn", 0.10, 0.66),
            ("zho_Hans", 0.10, 0.58),
            ("hin_Deva", 0.10, 0.50),
            ("rus_Cyrl", 0.10, 0.43),
            ("tha_Thai", 0.10, 0.36),
            ("arb_Arab", 0.10, 0.29),
            ("swh_Latn", 0.08, 0.22),
            ("qec_Latn", 0.10, 0.75),
            ("qis_Latn", 0.10, 0.0),
        ];
        let languages = languages.map(|(code, share, dose)| (code.to_owned(), Diet { share, dose })).into();
        Self {
            seed: 0,
            steps: 3000,
            batch: 32,
            rate: 4e-3,
            warmup: 100,
            decay: 0.3,
            clip: 1.0,
            shape: Shape { width: 128, layers: 4, heads: 4, inner: 352, context: 64, tied: true },
            world: World::Small(Small { world: 1, island_world: 2, switching: 0.5, languages, problems: None }),
            start: None,
            blend: 1.0,
        }
    }

    /// A fixture for tests, trained in about a minute.
    pub fn facts(condition: Condition) -> Self {
        Self {
            seed: 0,
            steps: 1200,
            batch: 64,
            rate: 4e-3,
            warmup: 200,
            decay: 0.3,
            clip: 1.0,
            shape: Shape { width: 64, layers: 3, heads: 4, inner: 176, context: 32, tied: false },
            world: World::Facts(Facts { condition, table: 1, dose: 0.15, hidden: 0.4 }),
            start: None,
            blend: 1.0,
        }
    }
}
