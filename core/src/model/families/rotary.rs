//! What Llama and its relatives share: the names of their tensors, and a config with rotary positions and RMS norms that
//! each family's file then changes where it differs.

use super::super::{
    Config, Weights,
    config::{Head, Mask, Norm as Kind, Positions},
    families::Family,
    fields::Fields,
    parts::{Feed, HeadParts, Matrix, Mlp, Parts, Segments, Stem},
    rope::{Rope, Shape},
};
use crate::{Result, dtype::Dtype, kernels::norm::Norm};

/// What a family's transformers class assumes where config.json is silent.
pub(super) struct Defaults {
    pub(super) activation: &'static str,
    /// `None`: as many as query heads.
    pub(super) kv_heads: Option<usize>,
    /// `None`: the width divided by the heads.
    pub(super) head_dim: Option<usize>,
    pub(super) eps: f64,
    pub(super) tied: bool,
}

impl Defaults {
    pub(super) const LLAMA: Self = Self { activation: "silu", kv_heads: None, head_dim: None, eps: 1e-6, tied: false };
}

/// A gated decoder with RMS norms before each part, one rotary table, no biases, full attention.
pub(super) fn config(family: Family, fields: &Fields<'_>, defaults: &Defaults) -> Result<Config> {
    let (width, layers) = (fields.need("hidden_size")?, fields.need("num_hidden_layers")?);
    let heads = fields.need("num_attention_heads")?;
    let head_dim = match fields.size("head_dim")?.or(defaults.head_dim) {
        Some(head_dim) => head_dim,
        None => fields.divided(width, heads)?,
    };
    Ok(Config {
        family,
        vocabulary: fields.need("vocab_size")?,
        width,
        embedding_width: width,
        layers,
        heads,
        kv_heads: fields.size("num_key_value_heads")?.or(defaults.kv_heads).unwrap_or(heads),
        head_dim,
        intermediate: fields.need("intermediate_size")?,
        context: fields.need("max_position_embeddings")?,
        norm: Kind::Rms,
        eps: fields.number("rms_norm_eps")?.unwrap_or(defaults.eps) as f32,
        // Every family sets its own; this keeps the struct whole.
        positions: Positions::Rows,
        activation: fields.activation(&["hidden_activation", "hidden_act"], defaults.activation)?,
        gated: true,
        experts: None,
        parallel: false,
        norms_after: false,
        final_norm: true,
        token_types: 0,
        scale: scale(head_dim),
        score_cap: None,
        logit_cap: None,
        logit_scale: 1.0,
        embedding_scale: 1.0,
        qkv_bias: false,
        out_bias: false,
        mlp_bias: false,
        qk_norm: false,
        windows: vec![None; layers],
        mask: Mask::Causal,
        head: Head::Linear { tied: fields.flag("tie_word_embeddings")?.unwrap_or(defaults.tied) },
        shifting_id: None,
        compute: Dtype::default(),
    })
}

/// `1 / sqrt(head_dim)`
pub(super) fn scale(head_dim: usize) -> f32 {
    1.0 / (head_dim as f32).sqrt()
}

/// The same rotary table in every block.
pub(super) fn one_table(fields: &Fields<'_>, config: &Config) -> Result<Positions> {
    table(fields, config, Shape::plain(config.head_dim, config.context))
}

pub(super) fn table(fields: &Fields<'_>, config: &Config, shape: Shape) -> Result<Positions> {
    Ok(Positions::Rope { tables: vec![Rope::parse(fields, shape)?], of_block: vec![0; config.layers] })
}

/// Where the norms of a block stand, by the names that checkpoints give them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Norms {
    /// `input_layernorm`, and `post_attention_layernorm` before the feed-forward part.
    Before,
    /// `post_attention_layernorm` and `post_feedforward_layernorm` on the parts' outputs.
    Behind,
    /// All four, with `pre_feedforward_layernorm`.
    Both,
    /// One `input_layernorm` for both parts.
    Shared,
}

/// How a family's checkpoint differs from Llama's.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    pub(super) norms: Norms,
    /// Gains are stored less 1.
    pub(super) plus_one: bool,
    /// q, k, v are stored as one tensor, and so are gate and up.
    pub(super) fused: bool,
    /// What an expert's matrices and the layer that holds them are called.
    pub(super) experts: Option<ExpertNames>,
}

#[derive(Clone, Copy)]
pub(super) struct ExpertNames {
    pub(super) holder: &'static str,
    pub(super) gate: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
}

impl Spelling {
    pub(super) const LLAMA: Self = Self { norms: Norms::Before, plus_one: false, fused: false, experts: None };
}

/// Files saved from the model without its head lack the prefix `model.`; those of models that also see have a longer one.
fn prefix(weights: &Weights<'_>) -> &'static str {
    let known = ["model.", "", "model.language_model.", "language_model.model."];
    known.into_iter().find(|prefix| weights.has(&format!("{prefix}embed_tokens.weight"))).unwrap_or("model.")
}

pub(super) fn stem(config: &Config, weights: &mut Weights<'_>, spelling: Spelling) -> Result<Stem> {
    let prefix = prefix(weights);
    let Config { width, vocabulary, .. } = *config;
    Ok(Stem {
        embedding: Matrix::read(weights, &format!("{prefix}embed_tokens"), width, vocabulary, false)?,
        project_in: None,
        token_type: None,
        positions: None,
        embedding_norm: None,
        buckets: None,
        final_norm: Some(norm(config, weights, &format!("{prefix}norm"), width, spelling.plus_one)?),
        project_out: None,
        head: head(config, weights, "lm_head")?,
    })
}

/// A head that is one matrix, unless it is the embedding.
pub(super) fn head(config: &Config, weights: &mut Weights<'_>, name: &str) -> Result<HeadParts> {
    let (inputs, outputs) = (config.embedding_width, config.vocabulary);
    let own = (!config.tied()).then(|| Matrix::read(weights, name, inputs, outputs, false)).transpose()?;
    Ok(HeadParts { own, ..HeadParts::default() })
}

/// A norm without bias.
fn norm(config: &Config, weights: &mut Weights<'_>, name: &str, width: usize, plus_one: bool) -> Result<Norm> {
    let mut gain = weights.take(&format!("{name}.weight"), &[width])?;
    if plus_one {
        gain.iter_mut().for_each(|gain| *gain += 1.0);
    }
    Ok(Norm { kind: config.norm, eps: config.eps, gain, bias: None })
}

pub(super) fn block(config: &Config, weights: &mut Weights<'_>, index: usize, spelling: Spelling) -> Result<Parts> {
    let at = format!("{}layers.{index}", prefix(weights));
    let (attn, mlp) = (format!("{at}.self_attn"), format!("{at}.mlp"));
    let Config { width, head_dim, .. } = *config;
    let (q, kv) = (config.heads * head_dim, config.kv_heads * head_dim);
    let mut named = |name: &str, there: bool| {
        there.then(|| norm(config, weights, &format!("{at}.{name}"), width, spelling.plus_one)).transpose()
    };
    let norms = spelling.norms;
    let behind = matches!(norms, Norms::Behind | Norms::Both);
    let attn_norm = named("input_layernorm", norms != Norms::Behind)?;
    let attn_post = named("post_attention_layernorm", behind)?;
    let mlp_post = named("post_feedforward_layernorm", behind)?;
    let mlp_norm = match norms {
        Norms::Before => named("post_attention_layernorm", true)?,
        Norms::Both => named("pre_feedforward_layernorm", true)?,
        Norms::Behind => None,
        Norms::Shared => attn_norm.clone(),
    };
    let joined = |parent: &str, names: &[(&str, usize)]| -> Vec<(String, usize)> {
        names.iter().map(|(name, outputs)| (format!("{parent}.{name}"), *outputs)).collect()
    };
    let stacked = |weights: &mut Weights<'_>, names: Vec<(String, usize)>, inputs: usize, biased: bool| {
        let names: Vec<_> = names.iter().map(|(name, outputs)| (name.as_str(), *outputs)).collect();
        Matrix::stacked(weights, &names, inputs, biased)
    };
    let qkv = if spelling.fused {
        joined(&attn, &[("qkv_proj", q + 2 * kv)])
    } else {
        joined(&attn, &[("q_proj", q), ("k_proj", kv), ("v_proj", kv)])
    };
    let gated = |weights: &mut Weights<'_>, parent: &str, names: [&str; 3], inside: usize| -> Result<Mlp> {
        let up = if spelling.fused {
            joined(parent, &[("gate_up_proj", 2 * inside)])
        } else {
            joined(parent, &[(names[0], inside), (names[1], inside)])
        };
        Ok(Mlp {
            up: stacked(weights, up, width, config.mlp_bias)?,
            down: Matrix::read(weights, &format!("{parent}.{}", names[2]), inside, width, config.mlp_bias)?,
        })
    };
    let feed = match (&config.experts, spelling.experts) {
        (Some(experts), Some(names)) if experts.of_block[index] => {
            let holder = format!("{at}.{}", names.holder);
            let each = (0..experts.count).map(|expert| {
                let parent = format!("{holder}.experts.{expert}");
                gated(weights, &parent, [names.gate, names.up, names.down], experts.intermediate)
            });
            let each = each.collect::<Result<_>>()?;
            let router = Matrix::read(weights, &format!("{holder}.gate"), width, experts.count, false)?;
            Feed::Experts { router, experts: each }
        }
        _ => Feed::Dense(gated(weights, &mlp, ["gate_proj", "up_proj", "down_proj"], config.intermediate)?),
    };
    Ok(Parts {
        attn_norm,
        qkv: stacked(weights, qkv, width, config.qkv_bias)?,
        q_norm: segments(config, weights, &format!("{attn}.q_norm"), q, spelling.plus_one)?,
        k_norm: segments(config, weights, &format!("{attn}.k_norm"), kv, spelling.plus_one)?,
        out: Matrix::read(weights, &format!("{attn}.o_proj"), q, width, config.out_bias)?,
        attn_post,
        attn_after: None,
        mlp_norm,
        feed,
        mlp_post,
        mlp_after: None,
    })
}

/// The norm of queries or keys: one gain for every head (Qwen 3, Gemma 3), a gain for each (Cohere), or one norm over all
/// heads together (OLMo 2).
fn segments(
    config: &Config,
    weights: &mut Weights<'_>,
    name: &str,
    width: usize,
    plus_one: bool,
) -> Result<Option<Segments>> {
    if !config.qk_norm {
        return Ok(None);
    }
    let head_dim = config.head_dim;
    let (shape, segment): (Vec<usize>, usize) = match config.family.name() {
        "olmo2" => (vec![width], width),
        "cohere" => (vec![width / head_dim, head_dim], head_dim),
        _ => (vec![head_dim], head_dim),
    };
    let mut gain = weights.take(&format!("{name}.weight"), &shape)?;
    if plus_one {
        gain.iter_mut().for_each(|gain| *gain += 1.0);
    }
    let gain = gain.iter().copied().cycle().take(width).collect();
    Ok(Some(Segments { norm: Norm { kind: config.norm, eps: config.eps, gain, bias: None }, segment }))
}
