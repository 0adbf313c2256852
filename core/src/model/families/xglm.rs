//! XGLM: embeddings times the root of the width, positions as fixed sines and cosines.

use super::{
    super::{
        Config, Weights,
        fields::Fields,
        parts::{Matrix, Parts, Stem},
    },
    Entry, Family,
    layered::{self, Sizes},
    rotary,
};
use crate::Result;

pub(super) static XGLM: Entry =
    Entry { name: "xglm", config, stem, block, unused: &["embed_positions.weights", "embed_positions._float_tensor"] };

/// Positions count from here; the rows before belong to padding.
const OFFSET: usize = 2;

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    fields.only("add_cross_attention", false)?;
    let width = fields.need_any(&["d_model", "hidden_size"])?;
    let heads = fields.need_any(&["attention_heads", "num_attention_heads"])?;
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need_any(&["num_layers", "num_hidden_layers"])?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: fields.need("ffn_dim")?,
        context: fields.need("max_position_embeddings")?,
        eps: 1e-5,
    };
    let activation = fields.activation(&["activation_function"], "gelu")?;
    let mut config = layered::config(family, &sizes, activation, fields.flag("tie_word_embeddings")?.unwrap_or(true));
    if fields.flag("scale_embedding")?.unwrap_or(true) {
        config.embedding_scale = (width as f32).sqrt();
    }
    Ok(config)
}

/// Row `p`: sines, then cosines of `(p + OFFSET) e^(-i ln 10000 / (width / 2 - 1))`, rounded to f32 where transformers
/// rounds.
fn sinusoids(context: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let step = (10_000f64.ln() / (half as f64 - 1.0)) as f32;
    let frequencies: Vec<f32> = (0..half).map(|i| f64::from(-step * i as f32).exp() as f32).collect();
    let mut rows = Vec::with_capacity(context * width);
    for position in OFFSET..OFFSET + context {
        let angle = |frequency: &f32| f64::from(position as f32 * frequency);
        rows.extend(frequencies.iter().map(|f| angle(f).sin() as f32));
        rows.extend(frequencies.iter().map(|f| angle(f).cos() as f32));
        rows.extend((2 * half..width).map(|_| 0.0));
    }
    rows
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    Ok(Stem {
        embedding: Matrix::read(weights, "model.embed_tokens", config.width, config.vocabulary, false)?,
        project_in: None,
        token_type: None,
        positions: Some(sinusoids(config.context, config.width)),
        embedding_norm: None,
        buckets: None,
        final_norm: Some(layered::norm(config, weights, "model.layer_norm")?),
        project_out: None,
        head: rotary::head(config, weights, "lm_head")?,
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("model.layers.{index}");
    let width = config.width;
    let names = ["q_proj", "k_proj", "v_proj"].map(|name| format!("{at}.self_attn.{name}"));
    Ok(Parts {
        attn_norm: Some(layered::norm(config, weights, &format!("{at}.self_attn_layer_norm"))?),
        qkv: layered::qkv(config, weights, names)?,
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{at}.self_attn.out_proj"), width, width, true)?,
        attn_post: None,
        attn_after: None,
        mlp_norm: Some(layered::norm(config, weights, &format!("{at}.final_layer_norm"))?),
        feed: layered::feed(config, weights, &format!("{at}.fc1"), &format!("{at}.fc2"))?,
        mlp_post: None,
        mlp_after: None,
    })
}
