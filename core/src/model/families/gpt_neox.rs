//! GPT-NeoX and Pythia: a part of each head is turned, attention and the feed-forward part stand side by side (or one after
//! the other, `use_parallel_residual`), q, k and v of each head stored together.

use super::{
    super::{
        Config, Weights,
        fields::Fields,
        parts::{Matrix, Parts, Stem, grouped_rows},
        rope::Shape,
    },
    Entry, Family,
    layered::{self, Sizes},
    rotary,
};
use crate::Result;

pub(super) static GPT_NEOX: Entry = Entry {
    name: "gpt_neox",
    config,
    stem,
    block,
    unused: &[".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"],
};

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let (width, heads) = (fields.need("hidden_size")?, fields.need("num_attention_heads")?);
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need("num_hidden_layers")?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: fields.need("intermediate_size")?,
        context: fields.size("max_position_embeddings")?.unwrap_or(2048),
        eps: fields.number("layer_norm_eps")?.unwrap_or(1e-5),
    };
    let activation = fields.activation(&["hidden_act"], "gelu")?;
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(false);
    let mut config = layered::config(family, &sizes, activation, tied);
    config.parallel = fields.flag("use_parallel_residual")?.unwrap_or(true);
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(true);
    config.out_bias = config.qkv_bias;
    let shape = Shape {
        partial: Some(fields.number("rotary_pct")?.unwrap_or(0.25)),
        theta: fields.number("rotary_emb_base")?.unwrap_or(10_000.0),
        ..Shape::plain(config.head_dim, config.context)
    };
    config.positions = rotary::table(fields, &config, shape)?;
    Ok(config)
}

fn prefix(weights: &Weights<'_>) -> &'static str {
    if weights.has("embed_in.weight") || weights.has("layers.0.input_layernorm.weight") { "" } else { "gpt_neox." }
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let prefix = prefix(weights);
    let head = if weights.has("lm_head.weight") { "lm_head" } else { "embed_out" };
    Ok(Stem {
        embedding: Matrix::read(weights, &format!("{prefix}embed_in"), config.width, config.vocabulary, false)?,
        project_in: None,
        token_type: None,
        positions: None,
        embedding_norm: None,
        buckets: None,
        final_norm: Some(layered::norm(config, weights, &format!("{prefix}final_layer_norm"))?),
        project_out: None,
        head: rotary::head(config, weights, head)?,
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("{}layers.{index}", prefix(weights));
    let Config { width, heads, head_dim, .. } = *config;
    let qkv = format!("{at}.attention.query_key_value");
    let qkv = Matrix::read(weights, &qkv, width, 3 * width, config.qkv_bias)?;
    Ok(Parts {
        attn_norm: Some(layered::norm(config, weights, &format!("{at}.input_layernorm"))?),
        qkv: qkv.reordered(&grouped_rows(heads, heads, head_dim)),
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{at}.attention.dense"), width, width, config.out_bias)?,
        attn_post: None,
        attn_after: None,
        mlp_norm: Some(layered::norm(config, weights, &format!("{at}.post_attention_layernorm"))?),
        feed: layered::feed(config, weights, &format!("{at}.mlp.dense_h_to_4h"), &format!("{at}.mlp.dense_4h_to_h"))?,
        mlp_post: None,
        mlp_after: None,
    })
}
