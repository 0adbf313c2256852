//! A typed place in the network, with a stable text form that parses back.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::names;
use crate::{Error, Result};

/// What is read at a block, or outside of the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Layer 0: the embedding output (after any scale, norm or position embedding). Has no block.
    Embeddings,
    /// The residual stream that enters the block.
    ResidPre,
    /// The normed input of attention.
    AttnIn,
    /// Queries, after QK norm and rotary embedding. `[heads * head_dim]` a token.
    Q,
    /// Keys, after QK norm and rotary embedding. `[kv_heads * head_dim]` a token.
    K,
    /// Values. `[kv_heads * head_dim]` a token.
    V,
    /// Attention scores before the softmax, masked entries at minus infinity. `[heads, t, t]` a sentence.
    AttnScores,
    /// Attention probabilities. `[heads, t, t]` a sentence.
    AttnProbs,
    /// The mix of values of each head, before the output projection. `[heads * head_dim]` a token.
    Z,
    /// Attention's output: its output projection, bias included, before any norm that stands on it.
    AttnOut,
    /// What attention adds to the residual stream: `attn_out`, but behind the norm in the families that norm it (Gemma 2 and
    /// 3, OLMo 2).
    AttnOutPost,
    /// The residual stream between attention and the feed-forward part. Families that compute both side by side have none.
    ResidMid,
    /// The normed input of the feed-forward part.
    MlpIn,
    /// The router's logits in a mixture of experts. `[experts]` a token.
    RouterLogits,
    /// The weight with which each expert's output enters the sum; 0 for experts that were not chosen. `[experts]` a token.
    RouterWeights,
    /// What the activation function of the feed-forward part reads: the gate's product, or in families without a gate the only
    /// one, bias included. `[intermediate]` a token. Blocks of experts have none.
    MlpGate,
    /// The hidden activation of the feed-forward part, after gating. `[intermediate]` a token. Blocks of experts have none.
    MlpAct,
    /// The feed-forward part's output, before any norm that stands on it.
    MlpOut,
    /// What the feed-forward part adds to the residual stream: `mlp_out`, but behind the norm in the families that norm it.
    MlpOutPost,
    /// The residual stream that leaves the block: `resid_post.l` is layer l.
    ResidPost,
    /// The final norm's output. Has no block.
    FinalNorm,
    /// The logits. Has no block.
    Logits,
}

impl Point {
    /// Every point with its name.
    pub const NAMES: [(Self, &'static str); 22] = [
        (Self::Embeddings, "embeddings"),
        (Self::ResidPre, "resid_pre"),
        (Self::AttnIn, "attn_in"),
        (Self::Q, "q"),
        (Self::K, "k"),
        (Self::V, "v"),
        (Self::AttnScores, "attn_scores"),
        (Self::AttnProbs, "attn_probs"),
        (Self::Z, "z"),
        (Self::AttnOut, "attn_out"),
        (Self::AttnOutPost, "attn_out_post"),
        (Self::ResidMid, "resid_mid"),
        (Self::MlpIn, "mlp_in"),
        (Self::RouterLogits, "router_logits"),
        (Self::RouterWeights, "router_weights"),
        (Self::MlpGate, "mlp_gate"),
        (Self::MlpAct, "mlp_act"),
        (Self::MlpOut, "mlp_out"),
        (Self::MlpOutPost, "mlp_out_post"),
        (Self::ResidPost, "resid_post"),
        (Self::FinalNorm, "final_norm"),
        (Self::Logits, "logits"),
    ];

    /// Whether the point belongs to a block (and so needs a block number).
    pub fn in_block(self) -> bool {
        !matches!(self, Self::Embeddings | Self::FinalNorm | Self::Logits)
    }
}

/// A point, and the block it belongs to: 1 is the first block, as layer l is the output of block l.
///
/// The names of TransformerLens, nnterp and interp-engine, which count blocks from 0, parse too where they mean exactly one of
/// our sites, and print back ([`Site::transformer_lens`], [`Site::nnterp`], [`Site::interp_engine`]); others are refused with
/// the reason. Beware: interp-engine writes `resid_post.4` for what is `resid_post.5` here. That spelling is always ours; theirs
/// is read as `Address("resid_post", 4)`.
///
/// ```
/// use babelscope_core::plan::{Point, Site};
/// let site: Site = "resid_post.5".parse()?;
/// assert_eq!(site, Site::layer(5));
/// assert_eq!(site.to_string(), "resid_post.5");
/// for name in ["blocks.4.hook_resid_post", "layers_output[4]", "Address(\"resid_post\", 4)"] {
///     assert_eq!(name.parse::<Site>()?, site);
/// }
/// assert_eq!(site.transformer_lens().as_deref(), Some("blocks.4.hook_resid_post"));
/// assert_eq!(Site::layer(0).to_string(), "embeddings");
/// # Ok::<(), babelscope_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Site {
    /// What is read.
    pub point: Point,
    /// The 1-based block; 0 for the points outside of the blocks.
    pub block: usize,
}

impl Site {
    /// The residual stream at layer `l`: the embeddings for 0, else the output of block `l`.
    pub fn layer(l: usize) -> Self {
        if l == 0 { Self { point: Point::Embeddings, block: 0 } } else { Self { point: Point::ResidPost, block: l } }
    }

    /// A point of block `block` (1-based), or a point outside of the blocks (`block` 0).
    pub fn new(point: Point, block: usize) -> Self {
        Self { point, block }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Point::NAMES.iter().find(|(p, _)| *p == self.point).map_or("?", |(_, n)| n);
        if self.point.in_block() { write!(f, "{name}.{}", self.block) } else { f.write_str(name) }
    }
}

impl FromStr for Site {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fail = |why: &str| Error::Site { text: text.to_owned(), why: why.to_owned() };
        if let Some(read) = names::read(text) {
            return read.map_err(|why| fail(&why));
        }
        let (name, block) = text.split_once('.').map_or((text, None), |(n, b)| (n, Some(b)));
        let point = Point::NAMES.iter().find(|(_, n)| *n == name).map(|(p, _)| *p).ok_or_else(|| {
            let names: Vec<_> = Point::NAMES.iter().map(|(_, n)| *n).collect();
            fail(&format!("unknown point; known are {}", names.join(", ")))
        })?;
        match (point.in_block(), block) {
            (true, Some(b)) => {
                let block: usize = b.parse().map_err(|_e| fail("the block is not a number"))?;
                if block == 0 {
                    return Err(fail("blocks count from 1 (layer 0 is the site `embeddings`)"));
                }
                Ok(Self { point, block })
            }
            (true, None) => Err(fail("this point needs a block: NAME.BLOCK, blocks count from 1")),
            (false, None) => Ok(Self { point, block: 0 }),
            (false, Some(_)) => Err(fail("this point lies outside of the blocks and takes no number")),
        }
    }
}

impl Serialize for Site {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Site {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
