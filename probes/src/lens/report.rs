//! What the lens says: a grid of layers and tokens.

use babelscope_core::tokens::Piece;
use serde::{Deserialize, Serialize};

/// A token of the vocabulary with its probability.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Token id.
    pub id: u32,
    /// The token as it is shown.
    pub piece: Piece,
    /// Probability under the lens; 1 for an input token.
    pub probability: f32,
    /// Index into [`LensReport::languages`] of the one token set that holds the token; `None` when it is in none or in several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<u16>,
}

/// The read-outs at one layer and one position.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LensCell {
    /// The most probable tokens, best first (of equal ones the smallest id first).
    pub top: Vec<Candidate>,
    /// Entropy of the lens distribution in nats.
    pub entropy: f32,
    /// Rank of the final layer's top token: 1 is the top (count of logits >= its own).
    pub rank_of_final: u32,
    /// Probability of the final layer's top token.
    pub probability_of_final: f32,
    /// KL(final || this layer) in nats.
    pub kl_from_final: f32,
    /// Probability mass of each language's token set, in the order of [`LensReport::languages`]; the rest is in no set.
    pub language_mass: Vec<f32>,
    /// Probability mass of each script, in the order of [`LensReport::scripts`]; they add up to 1.
    pub script_mass: Vec<f32>,
}

/// A whole analysis of one text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LensReport {
    /// The text.
    pub text: String,
    /// Input tokens.
    pub tokens: Vec<Candidate>,
    /// Byte range of each input token in the text.
    pub spans: Vec<(usize, usize)>,
    /// The layers, ascending.
    pub layers: Vec<usize>,
    /// `cells[layer index][token]`.
    pub cells: Vec<Vec<LensCell>>,
    /// Languages with a token set, FLORES codes.
    pub languages: Vec<String>,
    /// How the token sets were made, for the screen: "tokens seen in only this language of corpus lab".
    pub language_rule: String,
    /// Scripts, ISO 15924 codes; the last is `Zyyy` (no script: digits, punctuation, bytes).
    pub scripts: Vec<String>,
}
