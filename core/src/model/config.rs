//! config.json to one struct, in the spelling of transformers 5 (`rope_parameters`, `dtype`) and of 4 (`rope_theta`,
//! `rope_scaling`, `torch_dtype`). Where a key is absent, the family's default in transformers holds; an option that would
//! change numbers and that this engine does not compute is refused.

use std::{fmt, path::Path};

use serde_json::{Map, Value};

use super::rope::Rope;
use crate::{Error, Result};

/// The architectures this engine computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama 1 to 3.x.
    Llama,
    /// Mistral: a sliding window in every block.
    Mistral,
    /// Qwen 2 and 2.5: biases on q, k, v.
    Qwen2,
    /// Qwen 3: RMS norm on each query and key head.
    Qwen3,
    /// GPT-2: learned positions, layer norm, biases everywhere.
    Gpt2,
}

impl Family {
    /// Every family with its `model_type`.
    pub const NAMES: [(Self, &'static str); 5] = [
        (Self::Llama, "llama"),
        (Self::Mistral, "mistral"),
        (Self::Qwen2, "qwen2"),
        (Self::Qwen3, "qwen3"),
        (Self::Gpt2, "gpt2"),
    ];
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.iter().find(|(family, _)| family == self).map_or("?", |(_, name)| name))
    }
}

/// Which norm stands before attention, before the feed-forward part and at the end.
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
    /// Rotary embedding of queries and keys.
    Rope(Rope),
    /// A learned row is added to each embedding.
    Learned,
}

/// The feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mlp {
    /// `down(silu(gate(x)) * up(x))`
    SiluGated,
    /// `down(gelu_tanh(up(x)))`
    GeluTanh,
}

/// A model's shape and options, the same whatever the family and the spelling.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Architecture.
    pub family: Family,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Width of the residual stream.
    pub width: usize,
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
    /// Norm and its epsilon.
    pub norm: Norm,
    /// Added to the variance.
    pub eps: f32,
    /// Positions.
    pub positions: Positions,
    /// Feed-forward part.
    pub mlp: Mlp,
    /// Bias on q, k and v.
    pub qkv_bias: bool,
    /// Bias on attention's output.
    pub out_bias: bool,
    /// Bias in the feed-forward part.
    pub mlp_bias: bool,
    /// RMS norm on each query and key head.
    pub qk_norm: bool,
    /// For each block how many tokens back attention sees, itself included; `None` is all.
    pub windows: Vec<Option<usize>>,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
}

impl Config {
    /// Reads the text of a config.json; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Config`] when a key is missing or of the wrong type, when sizes contradict each other, when the
    /// architecture is unknown, or when an option is set that this engine does not compute.
    pub fn parse(text: &[u8], path: &Path) -> Result<Self> {
        let fail = |why: String| Error::Config { why, path: path.to_owned() };
        let value: Value = serde_json::from_slice(text).map_err(|e| fail(format!("is not JSON: {e}")))?;
        let Value::Object(map) = value else { return Err(fail("expected a JSON object".to_owned())) };
        let fields = Fields { map: &map, path };
        let name = fields.text("model_type")?.ok_or_else(|| fail("`model_type` is missing".to_owned()))?;
        let family = Family::NAMES.iter().find(|(_, n)| *n == name).map(|(f, _)| *f).ok_or_else(|| {
            let known: Vec<_> = Family::NAMES.iter().map(|(_, n)| *n).collect();
            fail(format!("architecture {name:?} is not supported; supported are {}", known.join(", ")))
        })?;
        if fields.get("quantization_config").is_some() {
            return Err(fail(
                "the weights are quantised (`quantization_config`); expected f32, f16 or bf16".to_owned(),
            ));
        }
        let config = if family == Family::Gpt2 { gpt2(&fields)? } else { rotary(family, &fields)? };
        config.check().map_err(fail)?;
        Ok(config)
    }

    fn check(&self) -> std::result::Result<(), String> {
        for (what, size) in [
            ("vocabulary", self.vocabulary),
            ("width", self.width),
            ("number of blocks", self.layers),
            ("number of heads", self.heads),
            ("number of key-value heads", self.kv_heads),
            ("head width", self.head_dim),
            ("feed-forward width", self.intermediate),
            ("context", self.context),
        ] {
            if size == 0 {
                return Err(format!("the {what} is 0"));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(format!("{} heads cannot share {} key-value heads", self.heads, self.kv_heads));
        }
        if matches!(self.positions, Positions::Rope(_)) && !self.head_dim.is_multiple_of(2) {
            return Err(format!("the head width {} is odd; rotary embedding needs pairs", self.head_dim));
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

fn gpt2(fields: &Fields<'_>) -> Result<Config> {
    let activation = fields.text("activation_function")?.unwrap_or("gelu_new");
    if !["gelu_new", "gelu_pytorch_tanh"].contains(&activation) {
        return Err(fields.refuse("activation_function", activation, "gelu_new, gelu_pytorch_tanh"));
    }
    if fields.flag("scale_attn_by_inverse_layer_idx")?.unwrap_or(false) {
        return Err(fields.refuse("scale_attn_by_inverse_layer_idx", "true", "false"));
    }
    if !fields.flag("scale_attn_weights")?.unwrap_or(true) {
        return Err(fields.refuse("scale_attn_weights", "false", "true"));
    }
    if fields.flag("add_cross_attention")?.unwrap_or(false) {
        return Err(fields.refuse("add_cross_attention", "true", "false"));
    }
    let (width, layers, heads) = (fields.need("n_embd")?, fields.need("n_layer")?, fields.need("n_head")?);
    fields.divides(width, heads)?;
    Ok(Config {
        family: Family::Gpt2,
        vocabulary: fields.need("vocab_size")?,
        width,
        layers,
        heads,
        kv_heads: heads,
        head_dim: width / heads,
        intermediate: fields.size("n_inner")?.unwrap_or(4 * width),
        context: fields.size("n_positions")?.unwrap_or(1024),
        norm: Norm::Layer,
        eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5) as f32,
        positions: Positions::Learned,
        mlp: Mlp::GeluTanh,
        qkv_bias: true,
        out_bias: true,
        mlp_bias: true,
        qk_norm: false,
        windows: vec![None; layers],
        tied: fields.flag("tie_word_embeddings")?.unwrap_or(true),
    })
}

fn rotary(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let activation = fields.text("hidden_act")?.unwrap_or("silu");
    if !["silu", "swish"].contains(&activation) {
        return Err(fields.refuse("hidden_act", activation, "silu"));
    }
    let (width, layers) = (fields.need("hidden_size")?, fields.need("num_hidden_layers")?);
    let heads = fields.need("num_attention_heads")?;
    let kv_heads = match (family, fields.size("num_key_value_heads")?) {
        (_, Some(kv_heads)) => kv_heads,
        (Family::Llama, None) => heads,
        (Family::Mistral, None) => 8,
        (_, None) => 32,
    };
    let head_dim = match (family, fields.size("head_dim")?) {
        (_, Some(head_dim)) => head_dim,
        (Family::Qwen3, None) => 128,
        (_, None) => {
            fields.divides(width, heads)?;
            width / heads
        }
    };
    let context = fields.need("max_position_embeddings")?;
    let bias = fields.flag("attention_bias")?.unwrap_or(false);
    Ok(Config {
        family,
        vocabulary: fields.need("vocab_size")?,
        width,
        layers,
        heads,
        kv_heads,
        head_dim,
        intermediate: fields.need("intermediate_size")?,
        context,
        norm: Norm::Rms,
        eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6) as f32,
        positions: Positions::Rope(Rope::parse(fields, head_dim, context)?),
        mlp: Mlp::SiluGated,
        qkv_bias: match family {
            Family::Qwen2 => true,
            Family::Llama | Family::Qwen3 => bias,
            Family::Mistral | Family::Gpt2 => false,
        },
        out_bias: matches!(family, Family::Llama | Family::Qwen3) && bias,
        mlp_bias: family == Family::Llama && fields.flag("mlp_bias")?.unwrap_or(false),
        qk_norm: family == Family::Qwen3,
        windows: windows(family, fields, layers)?,
        tied: fields.flag("tie_word_embeddings")?.unwrap_or(false),
    })
}

/// Mistral slides in every block. Qwen slides where `layer_types` says so or, in older files, from `max_window_layers` on,
/// and only when `use_sliding_window` is set.
fn windows(family: Family, fields: &Fields<'_>, layers: usize) -> Result<Vec<Option<usize>>> {
    let given = fields.map.contains_key("sliding_window");
    let window = if given { fields.size("sliding_window")? } else { Some(4096) };
    let slides: Vec<bool> = match family {
        Family::Llama | Family::Gpt2 => vec![false; layers],
        Family::Mistral => match fields.get("layer_types") {
            Some(kinds) if layer_types(kinds, fields, layers)?.contains(&false) => {
                return Err(fields.fail("`layer_types` mixes kinds of attention, which mistral does not have"));
            }
            _ => vec![true; layers],
        },
        Family::Qwen2 | Family::Qwen3 => match fields.get("layer_types") {
            Some(kinds) => layer_types(kinds, fields, layers)?,
            None => {
                let on = fields.flag("use_sliding_window")?.unwrap_or(false);
                let first = fields.size("max_window_layers")?.unwrap_or(28);
                (0..layers).map(|block| on && block >= first).collect()
            }
        },
    };
    Ok(slides.into_iter().map(|slides| window.filter(|_| slides)).collect())
}

fn layer_types(kinds: &Value, fields: &Fields<'_>, layers: usize) -> Result<Vec<bool>> {
    let kinds = kinds.as_array().ok_or_else(|| fields.fail("`layer_types` is not a list"))?;
    if kinds.len() != layers {
        let why = format!("`layer_types` has {} entries, expected {layers}, one a block", kinds.len());
        return Err(fields.fail(&why));
    }
    kinds
        .iter()
        .map(|kind| match kind.as_str() {
            Some("full_attention") => Ok(false),
            Some("sliding_attention") => Ok(true),
            _ => Err(fields.refuse("layer_types", &kind.to_string(), "full_attention, sliding_attention")),
        })
        .collect()
}

/// Typed access to the keys of a JSON object; null is absent.
pub(super) struct Fields<'a> {
    pub(super) map: &'a Map<String, Value>,
    pub(super) path: &'a Path,
}

impl Fields<'_> {
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn fail(&self, why: &str) -> Error {
        Error::Config { why: why.to_owned(), path: self.path.to_owned() }
    }

    pub(super) fn refuse(&self, key: &str, got: &str, known: &str) -> Error {
        self.fail(&format!("`{key}` is {got}, which is not supported; supported: {known}"))
    }

    fn wrong(&self, key: &str, want: &str, got: &Value) -> Error {
        self.fail(&format!("`{key}` should be {want}, found {got}"))
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<usize>> {
        // Far above any model, and low enough that sizes made of several counts cannot overflow.
        const MOST: usize = 1 << 24;
        let size = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= MOST);
        self.get(key).map(|v| size(v).ok_or_else(|| self.wrong(key, "a count up to 16777216", v))).transpose()
    }

    fn need(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.fail(&format!("`{key}` is missing")))
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key).map(|v| v.as_f64().ok_or_else(|| self.wrong(key, "a number", v))).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key).map(|v| v.as_bool().ok_or_else(|| self.wrong(key, "true or false", v))).transpose()
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&str>> {
        self.get(key).map(|v| v.as_str().ok_or_else(|| self.wrong(key, "a string", v))).transpose()
    }

    fn divides(&self, width: usize, heads: usize) -> Result<()> {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(self.fail(&format!("the width {width} does not divide into {heads} heads")));
        }
        Ok(())
    }
}
