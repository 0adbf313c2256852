//! What the forward pass is told to do, as data: which sites to capture, how to reduce them, what to change, where to stop.

mod edit;
mod names;
mod site;

pub(crate) use edit::Given;
pub use edit::{Blocks, Edit, Op, Positions, Schedule, Unit, Vector};
pub use site::{Point, Site};

use serde::{Deserialize, Serialize};

/// Which tokens of a sentence a pooled reduction sees. Padding never exists, so it is never counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Whether the BOS token that the tokenizer added counts (attention sink: very large norm, the same in every sentence).
    pub include_bos: bool,
    /// How many content tokens to leave out at the start.
    pub skip_first: usize,
}

/// How the states of a sentence become what is kept. Executed where the tensor lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// `sum_t h_t / n` over the window.
    Mean(Window),
    /// `sum_t w_t h_t / sum_t w_t` over the window, `w_t` = 1-based position in the sentence **as the model saw it**
    /// (BOS, when there is one, has position 1 even where the window leaves it out).
    Weighted(Window),
    /// The share of the window's tokens whose number is above 0, for each column: how often a neuron is active. Times the number of
    /// those tokens it is a whole number, so that counts of sentences add up without any token being kept. A number that is
    /// not finite makes its column NaN.
    Active(Window),
    /// The state of the last token.
    Last,
    /// Every token, BOS included.
    All,
}

/// One thing to keep: a site and its reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capture {
    /// Where.
    pub site: Site,
    /// What of it.
    pub reduce: Reduce,
}

/// What a forward pass is to do. A site that no capture names costs nothing; the pass stops after the last site wanted,
/// and the logits are computed only when a capture names them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// What to keep, in the order in which it is returned.
    pub captures: Vec<Capture>,
    /// What to change, in this order. Captures see the changed values.
    pub edits: Vec<Edit>,
    /// Do not go past this layer even when a capture lies deeper (such a capture is then an error).
    pub stop_after: Option<usize>,
}

impl Plan {
    /// The residual stream of each of `layers` (0 = embeddings, l = after block l) with one reduction.
    pub fn layers(layers: impl IntoIterator<Item = usize>, reduce: Reduce) -> Self {
        let captures = layers.into_iter().map(|l| Capture { site: Site::layer(l), reduce }).collect();
        Self { captures, ..Self::default() }
    }
}
