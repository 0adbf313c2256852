//! The screens, one file each. A view gets its own state, its settings and the results, and pushes actions.

use serde::{Deserialize, Serialize};

pub mod alignment;
mod frames;
pub mod lens;
pub mod map;
mod new_run;
pub mod patching;
pub mod remote;
pub mod runs;
mod runs_filter;
pub mod steering;
pub mod structure;
pub mod tokenizer;
pub mod traces;

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Screen {
    /// Run folders, and a new run.
    Runs,
    /// Language by layer.
    Alignment,
    /// What of the states is language: subspace, linear probes, neurons.
    Structure,
    /// Sentences in the plane.
    Map,
    /// What the tokenizer does to each language, and what goes along with it.
    Tokenizer,
    /// Tokens by layers.
    Lens,
    /// Answers with a vector and without it.
    Steering,
    /// Layers by tokens: what changes the answer.
    Patching,
    /// Chains of thought: texts, graphs, and what was known along them.
    Traces,
}

impl Screen {
    /// All, in the order of the left bar.
    pub const ALL: [Self; 9] = [
        Self::Runs,
        Self::Alignment,
        Self::Structure,
        Self::Map,
        Self::Tokenizer,
        Self::Lens,
        Self::Steering,
        Self::Patching,
        Self::Traces,
    ];

    /// Its name in the left bar.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "Runs",
            Self::Alignment => "Alignment",
            Self::Structure => "Structure",
            Self::Map => "Map",
            Self::Tokenizer => "Tokenizer",
            Self::Lens => "Lens",
            Self::Steering => "Steering",
            Self::Patching => "Patching",
            Self::Traces => "Traces",
        }
    }
}
