//! What the colour of a cell of the lens means.

use babelscope_probes::lens::LensCell;
use serde::{Deserialize, Serialize};

/// What the colour of a cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Colouring {
    /// Probability of the top token.
    Probability,
    /// Entropy of the distribution.
    Entropy,
    /// Language of the top token.
    Language,
    /// Rank of the final layer's top token.
    Rank,
    /// KL from the final layer.
    Divergence,
}

impl Colouring {
    pub(super) const ALL: [Self; 5] = [Self::Probability, Self::Entropy, Self::Language, Self::Rank, Self::Divergence];

    /// The name in the chooser.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Entropy => "entropy",
            Self::Language => "language of the token",
            Self::Rank => "rank of the final token",
            Self::Divergence => "KL from final",
        }
    }

    /// Place on the fixed range of its colours, 0 to 1, for a vocabulary of `vocabulary` tokens.
    pub(super) fn share(self, cell: &LensCell, vocabulary: usize) -> f32 {
        let most = (vocabulary.max(2) as f32).ln();
        match self {
            Self::Probability | Self::Language => cell.top.first().map_or(f32::NAN, |c| c.probability),
            Self::Entropy => cell.entropy / most,
            Self::Rank => 1.0 - (cell.rank_of_final.max(1) as f32).ln() / most,
            Self::Divergence => cell.kl_from_final / most,
        }
    }
}
