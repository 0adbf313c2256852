//! config.json to one struct, in the spelling of transformers 5 (`rope_parameters`, `dtype`) and of 4 (`rope_theta`,
//! `rope_scaling`, `torch_dtype`). Where a key is absent, the family's default in transformers holds; an option that would
//! change numbers and that this engine does not compute is refused, and so is an option that nobody here knows.

use std::path::Path;

use serde_json::Value;

use super::{
    families::Family,
    fields::Fields,
    rope::{LongRope, Rope},
};
use crate::{Error, Result, dtype::Dtype};

/// The kind of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `x / sqrt(mean(x^2) + eps) * gain`
    Rms,
    /// `(x - mean) / sqrt(variance + eps) * gain + bias`
    Layer,
}

/// How a token knows where it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Positions {
    /// Rotary embedding of queries and keys; for each block which of the tables it uses.
    Rope { tables: Vec<Rope>, of_block: Vec<usize> },
    /// A row is added to each embedding: learned, or the sines and cosines of XGLM.
    Rows,
    /// A slope for each head times the key's position is added to the scores: `(q k + slope) * scale` where `inside`
    /// (Falcon, in bf16), else `q k * scale + slope` (BLOOM). Press et al. 2021, arXiv 2108.12409.
    Alibi { slopes: Vec<f32>, inside: bool, times: f32 },
    /// A learned number for each head and distance is added to the scores (T5).
    Buckets { buckets: usize, furthest: usize },
}

/// The non-linear function of the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x sigmoid(x)`
    Silu,
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`
    GeluTanh,
    /// `0.5 x (1 + erf(x / sqrt 2))`
    Gelu,
    /// `max(x, 0)`
    Relu,
}

/// Experts in place of one feed-forward part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Experts {
    /// How many there are.
    pub count: usize,
    /// How many a token goes through.
    pub chosen: usize,
    /// Whether the chosen experts' probabilities are made to add up to 1.
    pub normalised: bool,
    /// Width inside of one expert.
    pub intermediate: usize,
    /// For each block whether it has experts (or one feed-forward part).
    pub of_block: Vec<bool>,
}

/// What turns the last state into logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The embedding (`tied`) or a matrix of its own.
    Linear { tied: bool },
    /// The masked-language head of BERT and XLM-R: dense, gelu, norm, matrix and bias. Absent from some checkpoints.
    Masked { tied: bool },
    /// No vocabulary: an encoder alone.
    None,
}

/// Which tokens of its sentence a token sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Itself and those before.
    Causal,
    /// All.
    Full,
}

/// A model's shape and options, the same whatever the family and the spelling. Where norms stand is the family's:
/// see [`crate::model`].
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Architecture.
    pub family: Family,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width of the embedding's rows; another than `width` where a matrix projects them (OPT 350m).
    pub embedding_width: usize,
    /// Blocks.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width inside of the feed-forward part.
    pub intermediate: usize,
    /// Longest sentence in tokens.
    pub context: usize,
    /// Kind of every norm.
    pub norm: Norm,
    /// Added to the variance.
    pub eps: f32,
    /// Positions.
    pub positions: Positions,
    /// Non-linear function.
    pub activation: Activation,
    /// Whether the feed-forward part multiplies with a gate.
    pub gated: bool,
    /// Experts, in a mixture.
    pub experts: Option<Experts>,
    /// Whether attention and the feed-forward part read the same stream side by side.
    pub parallel: bool,
    /// Whether norms stand on the sum of stream and output, so that a block's output is normed.
    pub norms_after: bool,
    /// Whether a norm stands behind the last block.
    pub final_norm: bool,
    /// Rows of the table of token types, of which the first is added to every token; 0 without one.
    pub token_types: usize,
    /// Factor on `q k`.
    pub scale: f32,
    /// `cap tanh(score / cap)` on the scores.
    pub score_cap: Option<f32>,
    /// `cap tanh(logit / cap)` on the logits.
    pub logit_cap: Option<f32>,
    /// Factor on the logits.
    pub logit_scale: f32,
    /// Factor on the embeddings.
    pub embedding_scale: f32,
    /// Bias on q, k and v.
    pub qkv_bias: bool,
    /// Bias on attention's output.
    pub out_bias: bool,
    /// Bias in the feed-forward part.
    pub mlp_bias: bool,
    /// Norm on queries and keys.
    pub qk_norm: bool,
    /// For each block how many tokens back attention sees, itself included; `None` is all.
    pub windows: Vec<Option<usize>>,
    /// Who sees whom.
    pub mask: Mask,
    /// From states to logits.
    pub head: Head,
    /// A token id that shifts positions in transformers (padding of XLM-R); a sentence that holds it is refused.
    pub shifting_id: Option<u32>,
    /// What products round their operands to. No key of config.json: the person who loads the model says it.
    pub compute: Dtype,
}

impl Config {
    /// Reads the text of a config.json; `path` is for messages, `allowed` names options that the person knows to be harmless.
    ///
    /// # Errors
    /// [`Error::Config`] when a key is missing or of the wrong type, when sizes contradict each other, when the
    /// architecture is unknown, or when an option is set that this engine does not compute or does not know.
    pub fn parse(text: &[u8], path: &Path, allowed: &[String]) -> Result<Self> {
        let fail = |why: String| Error::Config { why, path: path.to_owned() };
        let value: Value = serde_json::from_slice(text).map_err(|e| fail(format!("is not JSON: {e}")))?;
        let Value::Object(map) = value else { return Err(fail("expected a JSON object".to_owned())) };
        let fields = Fields::new(&map, path);
        let name = fields.text("model_type")?.ok_or_else(|| fail("`model_type` is missing".to_owned()))?;
        let family = Family::named(name).ok_or_else(|| {
            let known: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
            fail(format!("architecture {name:?} is not supported; supported are {}", known.join(", ")))
        })?;
        if fields.get("quantization_config").is_some() {
            return Err(fail(
                "the weights are quantised (`quantization_config`); expected f32, f16 or bf16".to_owned(),
            ));
        }
        let config = family.config(&fields)?;
        fields.refuse_unknown(family.name(), allowed)?;
        config.check().map_err(fail)?;
        Ok(config)
    }

    /// Fixes which factors longrope takes, whatever a sentence's length; models without longrope are as they were.
    pub fn fix_longrope(&mut self, choice: LongRope) {
        if let Positions::Rope { tables, .. } = &mut self.positions {
            tables.iter_mut().for_each(|rope| rope.fix(choice));
        }
    }

    /// Adds Falcon's ALiBi twice; other models are as they were. See [`crate::engine::LoadOptions::eager_alibi`].
    pub fn double_alibi(&mut self) {
        if let Positions::Alibi { inside: true, times, .. } = &mut self.positions {
            *times = 2.0;
        }
    }

    /// The unembedding is the embedding.
    pub fn tied(&self) -> bool {
        matches!(self.head, Head::Linear { tied: true } | Head::Masked { tied: true })
    }

    /// Whether block `block` (1-based) has experts.
    pub fn has_experts(&self, block: usize) -> bool {
        self.experts.as_ref().is_some_and(|experts| experts.of_block.get(block.wrapping_sub(1)) == Some(&true))
    }

    fn check(&self) -> std::result::Result<(), String> {
        let experts = self.experts.as_ref();
        for (what, size) in [
            ("vocabulary", self.vocabulary),
            ("width", self.width),
            ("embedding's width", self.embedding_width),
            ("number of blocks", self.layers),
            ("number of heads", self.heads),
            ("number of key-value heads", self.kv_heads),
            ("head width", self.head_dim),
            ("feed-forward width", self.intermediate),
            ("context", self.context),
            ("number of experts", experts.map_or(1, |e| e.count)),
            ("number of chosen experts", experts.map_or(1, |e| e.chosen)),
            ("experts' width", experts.map_or(1, |e| e.intermediate)),
        ] {
            if size == 0 {
                return Err(format!("the {what} is 0"));
            }
        }
        if let Some(experts) = experts.filter(|experts| experts.chosen > experts.count) {
            return Err(format!("{} experts are to be chosen out of {}", experts.chosen, experts.count));
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!("{} heads cannot share {} key-value heads", self.heads, self.kv_heads));
        }
        if let Positions::Rope { tables, of_block } = &self.positions {
            for rope in tables {
                let pairs = rope.pairs();
                if pairs == 0 || 2 * pairs > self.head_dim {
                    return Err(format!(
                        "rotary embedding turns {pairs} pairs, which a head of width {} does not have",
                        self.head_dim
                    ));
                }
            }
            debug_assert_eq!(of_block.len(), self.layers);
        }
        for (what, number) in [
            ("scale of the scores", Some(self.scale)),
            ("soft-cap of the scores", self.score_cap),
            ("soft-cap of the logits", self.logit_cap),
            ("scale of the logits", Some(self.logit_scale)),
            ("scale of the embeddings", Some(self.embedding_scale)),
        ] {
            if let Some(number) = number.filter(|number| !(number.is_finite() && *number > 0.0)) {
                return Err(format!("the {what} is {number}, expected a positive number"));
            }
        }
        if !(self.eps.is_finite() && self.eps >= 0.0) {
            return Err(format!("the norm's epsilon is {}, expected a small positive number", self.eps));
        }
        if self.windows.contains(&Some(0)) {
            return Err("the sliding window is 0; expected at least 1".to_owned());
        }
        Ok(())
    }
}
