//! OPT: learned positions behind two unused rows; the 350m model norms each sum and projects narrower embeddings.

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

pub(super) static OPT: Entry = Entry { name: "opt", config, stem, block, unused: &[] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    fields.only("layer_norm_elementwise_affine", true)?;
    let (width, heads) = (fields.need("hidden_size")?, fields.need("num_attention_heads")?);
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need("num_hidden_layers")?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: fields.need("ffn_dim")?,
        context: fields.need("max_position_embeddings")?,
        eps: 1e-5,
    };
    let activation = fields.activation(&["activation_function"], "relu")?;
    let mut config = layered::config(family, &sizes, activation, fields.flag("tie_word_embeddings")?.unwrap_or(true));
    config.embedding_width = fields.size("word_embed_proj_dim")?.unwrap_or(width);
    let bias = fields.flag("enable_bias")?.unwrap_or(true);
    (config.qkv_bias, config.out_bias, config.mlp_bias) = (bias, bias, bias);
    config.norms_after = !fields.flag("do_layer_norm_before")?.unwrap_or(true);
    config.final_norm = !config.norms_after && !fields.flag("_remove_final_layer_norm")?.unwrap_or(false);
    Ok(config)
}

fn prefix(weights: &Weights<'_>) -> &'static str {
    let known = ["model.decoder.", "decoder.", ""];
    known.into_iter().find(|prefix| weights.has(&format!("{prefix}embed_positions.weight"))).unwrap_or("model.decoder.")
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let prefix = prefix(weights);
    let Config { width, embedding_width: narrow, vocabulary, .. } = *config;
    let project = |weights: &mut Weights<'_>, name: &str, inputs: usize, outputs: usize| {
        (narrow != width).then(|| Matrix::read(weights, &format!("{prefix}{name}"), inputs, outputs, false)).transpose()
    };
    let name = format!("{prefix}final_layer_norm");
    Ok(Stem {
        embedding: Matrix::read(weights, &format!("{prefix}embed_tokens"), narrow, vocabulary, false)?,
        project_in: project(weights, "project_in", narrow, width)?,
        token_type: None,
        positions: Some(layered::offset_rows(config, weights, &format!("{prefix}embed_positions"), 2)?),
        embedding_norm: None,
        buckets: None,
        final_norm: config.final_norm.then(|| layered::norm(config, weights, &name)).transpose()?,
        project_out: project(weights, "project_out", width, narrow)?,
        head: rotary::head(config, weights, "lm_head")?,
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("{}layers.{index}", prefix(weights));
    let width = config.width;
    let attn = layered::norm(config, weights, &format!("{at}.self_attn_layer_norm"))?;
    let mlp = layered::norm(config, weights, &format!("{at}.final_layer_norm"))?;
    let (before, after) = if config.norms_after {
        ([None, None], [Some(attn), Some(mlp)])
    } else {
        ([Some(attn), Some(mlp)], [None, None])
    };
    let ([attn_norm, mlp_norm], [attn_after, mlp_after]) = (before, after);
    let names = ["q_proj", "k_proj", "v_proj"].map(|name| format!("{at}.self_attn.{name}"));
    Ok(Parts {
        attn_norm,
        qkv: layered::qkv(config, weights, names)?,
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{at}.self_attn.out_proj"), width, width, config.out_bias)?,
        attn_post: None,
        attn_after,
        mlp_norm,
        feed: layered::feed(config, weights, &format!("{at}.fc1"), &format!("{at}.fc2"))?,
        mlp_post: None,
        mlp_after,
    })
}
