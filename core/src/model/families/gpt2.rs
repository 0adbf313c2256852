//! GPT-2: learned positions, linear layers stored `[inputs, outputs]`.

use super::{
    super::{
        Config, Weights,
        fields::Fields,
        parts::{Feed, Matrix, Mlp, Parts, Stem},
    },
    Entry, Family,
    layered::{self, Sizes},
    rotary,
};
use crate::Result;

pub(super) static GPT2: Entry =
    Entry { name: "gpt2", config, stem, block, unused: &[".attn.bias", ".attn.masked_bias"] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    fields.only("scale_attn_by_inverse_layer_idx", false)?;
    fields.only("scale_attn_weights", true)?;
    fields.only("add_cross_attention", false)?;
    let (width, heads) = (fields.need("n_embd")?, fields.need("n_head")?);
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need("n_layer")?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: fields.size("n_inner")?.unwrap_or(4 * width),
        context: fields.size("n_positions")?.unwrap_or(1024),
        eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-5),
    };
    let activation = fields.activation(&["activation_function"], "gelu_new")?;
    Ok(layered::config(family, &sizes, activation, fields.flag("tie_word_embeddings")?.unwrap_or(true)))
}

/// The first files on the Hub have no prefix.
fn prefix(weights: &Weights<'_>) -> &'static str {
    if weights.has("wte.weight") || weights.has("h.0.ln_1.weight") { "" } else { "transformer." }
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let prefix = prefix(weights);
    Ok(Stem {
        embedding: Matrix::read(weights, &format!("{prefix}wte"), config.width, config.vocabulary, false)?,
        project_in: None,
        token_type: None,
        positions: Some(layered::offset_rows(config, weights, &format!("{prefix}wpe"), 0)?),
        embedding_norm: None,
        buckets: None,
        final_norm: Some(layered::norm(config, weights, &format!("{prefix}ln_f"))?),
        project_out: None,
        head: rotary::head(config, weights, "lm_head")?,
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("{}h.{index}", prefix(weights));
    let Config { width, intermediate, .. } = *config;
    Ok(Parts {
        attn_norm: Some(layered::norm(config, weights, &format!("{at}.ln_1"))?),
        qkv: Matrix::transposed(weights, &format!("{at}.attn.c_attn"), width, 3 * width)?,
        q_norm: None,
        k_norm: None,
        out: Matrix::transposed(weights, &format!("{at}.attn.c_proj"), width, width)?,
        attn_post: None,
        attn_after: None,
        mlp_norm: Some(layered::norm(config, weights, &format!("{at}.ln_2"))?),
        feed: Feed::Dense(Mlp {
            up: Matrix::transposed(weights, &format!("{at}.mlp.c_fc"), width, intermediate)?,
            down: Matrix::transposed(weights, &format!("{at}.mlp.c_proj"), intermediate, width)?,
        }),
        mlp_post: None,
        mlp_after: None,
    })
}
