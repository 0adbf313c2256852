//! BLOOM and BLOOMZ: no position embedding but ALiBi, a norm on the embeddings, q, k and v of each head stored together.

use super::{
    super::{
        Config, Weights,
        config::{Activation, Positions},
        fields::Fields,
        parts::{Matrix, Parts, Stem, grouped_rows},
    },
    Entry, Family,
    layered::{self, Sizes},
    rotary,
};
use crate::Result;

pub(super) static BLOOM: Entry = Entry { name: "bloom", config, stem, block, unused: &[] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    fields.only("apply_residual_connection_post_layernorm", false)?;
    let width = fields.need_any(&["hidden_size", "n_embed"])?;
    let heads = fields.need_any(&["n_head", "num_attention_heads"])?;
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need_any(&["n_layer", "num_hidden_layers"])?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: 4 * width,
        // What it was trained on; ALiBi itself has no end.
        context: fields.size("seq_length")?.unwrap_or(2048),
        eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
    };
    fields.ignore(&["n_embed", "n_inner"]);
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(true);
    let mut config = layered::config(family, &sizes, Activation::GeluTanh, tied);
    config.positions = Positions::Alibi { slopes: layered::slopes(heads), inside: false, times: 1.0 };
    Ok(config)
}

fn prefix(weights: &Weights<'_>) -> &'static str {
    if weights.has("word_embeddings_layernorm.weight") || weights.has("h.0.input_layernorm.weight") {
        ""
    } else {
        "transformer."
    }
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let prefix = prefix(weights);
    Ok(Stem {
        embedding: Matrix::read(weights, &format!("{prefix}word_embeddings"), config.width, config.vocabulary, false)?,
        project_in: None,
        token_type: None,
        positions: None,
        embedding_norm: Some(layered::norm(config, weights, &format!("{prefix}word_embeddings_layernorm"))?),
        buckets: None,
        final_norm: Some(layered::norm(config, weights, &format!("{prefix}ln_f"))?),
        project_out: None,
        head: rotary::head(config, weights, "lm_head")?,
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("{}h.{index}", prefix(weights));
    let Config { width, heads, head_dim, .. } = *config;
    let qkv = Matrix::read(weights, &format!("{at}.self_attention.query_key_value"), width, 3 * width, true)?;
    Ok(Parts {
        attn_norm: Some(layered::norm(config, weights, &format!("{at}.input_layernorm"))?),
        qkv: qkv.reordered(&grouped_rows(heads, heads, head_dim)),
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{at}.self_attention.dense"), width, width, true)?,
        attn_post: None,
        attn_after: None,
        mlp_norm: Some(layered::norm(config, weights, &format!("{at}.post_attention_layernorm"))?),
        feed: layered::feed(config, weights, &format!("{at}.mlp.dense_h_to_4h"), &format!("{at}.mlp.dense_4h_to_h"))?,
        mlp_post: None,
        mlp_after: None,
    })
}
