//! Falcon in its three shapes: one key-value head and both parts side by side (7B), groups of heads and a norm for each part
//! (40B), ALiBi and one part after the other (RW).

use super::{
    super::{
        Config, Weights,
        config::Positions,
        fields::Fields,
        parts::{Matrix, Parts, Stem, grouped_rows},
    },
    Entry, Family,
    layered::{self, Sizes},
    rotary,
};
use crate::Result;

pub(super) static FALCON: Entry =
    Entry { name: "falcon", config, stem, block, unused: &[".rotary_emb.inv_freq", ".self_attention.bias"] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let width = fields.need_any(&["hidden_size", "n_embed"])?;
    let heads = fields.need_any(&["num_attention_heads", "n_head"])?;
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need_any(&["num_hidden_layers", "n_layer"])?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: fields.size("ffn_hidden_size")?.unwrap_or(4 * width),
        context: fields.size("max_position_embeddings")?.unwrap_or(2048),
        eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
    };
    fields.ignore(&["n_embed", "n_head", "n_layer"]);
    fields.only("apply_residual_connection_post_layernorm", false)?;
    let activation = fields.activation(&["activation"], "gelu")?;
    let tied = fields.flag("tie_word_embeddings")?.unwrap_or(true);
    let mut config = layered::config(family, &sizes, activation, tied);
    let grouped = fields.flag("new_decoder_architecture")?.unwrap_or(false);
    let kv_heads = fields.size("num_kv_heads")?.or(fields.size("n_head_kv")?).unwrap_or(heads);
    let single = fields.flag("multi_query")?.unwrap_or(true);
    config.kv_heads = if grouped {
        kv_heads
    } else if single {
        1
    } else {
        heads
    };
    config.parallel = fields.flag("parallel_attn")?.unwrap_or(true) || grouped;
    let bias = fields.flag("bias")?.unwrap_or(false);
    (config.qkv_bias, config.out_bias, config.mlp_bias) = (bias, bias, bias);
    // Read again where the norms are loaded: their names tell the two shapes apart.
    if let Some(norms) = fields.size("num_ln_in_parallel_attn")?.filter(|norms| *norms != 1 && *norms != 2) {
        return Err(fields.refuse("num_ln_in_parallel_attn", &norms.to_string(), "1, 2"));
    }
    config.positions = if fields.flag("alibi")?.unwrap_or(false) {
        fields.ignore(&["rope_parameters", "rope_theta", "rope_scaling"]);
        Positions::Alibi { slopes: layered::slopes(heads), inside: true, times: 1.0 }
    } else {
        rotary::one_table(fields, &config)?
    };
    Ok(config)
}

fn prefix(weights: &Weights<'_>) -> &'static str {
    if weights.has("word_embeddings.weight") || weights.has("h.0.self_attention.dense.weight") {
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
        embedding_norm: None,
        buckets: None,
        final_norm: Some(layered::norm(config, weights, &format!("{prefix}ln_f"))?),
        project_out: None,
        head: rotary::head(config, weights, "lm_head")?,
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("{}h.{index}", prefix(weights));
    let Config { width, heads, kv_heads, head_dim, .. } = *config;
    let rows = (heads + 2 * kv_heads) * head_dim;
    let qkv = Matrix::read(weights, &format!("{at}.self_attention.query_key_value"), width, rows, config.qkv_bias)?;
    // With one key-value head the stored order is all q, then k, then v, which grouping leaves as it is.
    let qkv = qkv.reordered(&grouped_rows(heads, kv_heads, head_dim));
    let (attn_norm, mlp_norm) = if weights.has(&format!("{at}.ln_attn.weight")) {
        let attn = layered::norm(config, weights, &format!("{at}.ln_attn"))?;
        (attn, layered::norm(config, weights, &format!("{at}.ln_mlp"))?)
    } else {
        let attn = layered::norm(config, weights, &format!("{at}.input_layernorm"))?;
        let mlp = if config.parallel {
            attn.clone()
        } else {
            layered::norm(config, weights, &format!("{at}.post_attention_layernorm"))?
        };
        (attn, mlp)
    };
    Ok(Parts {
        attn_norm: Some(attn_norm),
        qkv,
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{at}.self_attention.dense"), width, width, config.out_bias)?,
        attn_post: None,
        attn_after: None,
        mlp_norm: Some(mlp_norm),
        feed: layered::feed(config, weights, &format!("{at}.mlp.dense_h_to_4h"), &format!("{at}.mlp.dense_4h_to_h"))?,
        mlp_post: None,
        mlp_after: None,
    })
}
