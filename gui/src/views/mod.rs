//! The screens, one file each. A view gets its own state, its settings and the results, and pushes actions.

use serde::{Deserialize, Serialize};

pub mod alignment;
pub mod lens;
pub mod remote;
pub mod runs;
mod runs_filter;

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Screen {
    /// Run folders, and a new run.
    Runs,
    /// Language by layer.
    Alignment,
    /// Tokens by layers.
    Lens,
}

impl Screen {
    /// All, in the order of the left bar.
    pub const ALL: [Self; 3] = [Self::Runs, Self::Alignment, Self::Lens];

    /// Its name in the left bar.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "Runs",
            Self::Alignment => "Alignment",
            Self::Lens => "Lens",
        }
    }
}
