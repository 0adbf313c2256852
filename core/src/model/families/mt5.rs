//! The encoder of mT5: RMS norms, no biases, unscaled scores with a learned number for each head and distance.

use super::{
    super::{
        Config, Weights,
        config::{Activation, Head, Mask, Norm as Kind, Positions},
        fields::Fields,
        parts::{Feed, HeadParts, Matrix, Mlp, Parts, Stem},
    },
    Entry, Family,
    layered::{self, Sizes},
};
use crate::{Result, kernels::norm::Norm};

pub(super) static MT5: Entry =
    Entry { name: "mt5", config, stem, block, unused: &["decoder.", "lm_head.weight", "encoder.embed_tokens.weight"] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let (activation, gated) = match fields.text("feed_forward_proj")?.unwrap_or("gated-gelu") {
        "gated-gelu" => (Activation::GeluTanh, true),
        "gated-silu" => (Activation::Silu, true),
        "relu" => (Activation::Relu, false),
        other => return Err(fields.refuse("feed_forward_proj", other, "gated-gelu, gated-silu, relu")),
    };
    fields.ignore(&["is_gated_act", "dense_act_fn", "num_decoder_layers", "n_positions", "tie_word_embeddings"]);
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width: fields.need("d_model")?,
        layers: fields.need("num_layers")?,
        heads: fields.need("num_heads")?,
        head_dim: fields.need("d_kv")?,
        intermediate: fields.need("d_ff")?,
        // Distances beyond the furthest bucket are one to it, so a sentence may be as long as memory allows.
        context: 1 << 16,
        eps: fields.number("layer_norm_epsilon")?.unwrap_or(1e-6),
    };
    let mut config = layered::config(family, &sizes, activation, true);
    config.norm = Kind::Rms;
    config.gated = gated;
    config.scale = 1.0;
    (config.qkv_bias, config.out_bias, config.mlp_bias) = (false, false, false);
    config.mask = Mask::Full;
    config.head = Head::None;
    let buckets = fields.size("relative_attention_num_buckets")?.unwrap_or(32);
    let furthest = fields.size("relative_attention_max_distance")?.unwrap_or(128);
    if buckets < 4 || !buckets.is_multiple_of(2) || furthest <= buckets / 4 {
        let why = format!("{buckets} buckets cannot hold distances up to {furthest}");
        return Err(fields.fail(&why));
    }
    config.positions = Positions::Buckets { buckets, furthest };
    Ok(config)
}

fn norm(config: &Config, weights: &mut Weights<'_>, name: &str) -> Result<Norm> {
    let gain = weights.take(&format!("{name}.weight"), &[config.width])?;
    Ok(Norm { kind: config.norm, eps: config.eps, gain, bias: None })
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let Positions::Buckets { buckets, .. } = config.positions else { unreachable!("set by `config` above") };
    let name = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    let shared = if weights.has("shared.weight") { "shared" } else { "encoder.embed_tokens" };
    Ok(Stem {
        embedding: Matrix::read(weights, shared, config.width, config.vocabulary, false)?,
        project_in: None,
        token_type: None,
        positions: None,
        embedding_norm: None,
        buckets: Some(weights.take(name, &[buckets, config.heads])?),
        final_norm: Some(norm(config, weights, "encoder.final_layer_norm")?),
        project_out: None,
        head: HeadParts::default(),
    })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let at = format!("encoder.block.{index}.layer");
    let (attn, feed) = (format!("{at}.0.SelfAttention"), format!("{at}.1.DenseReluDense"));
    let Config { width, intermediate, .. } = *config;
    let names = ["q", "k", "v"].map(|name| format!("{attn}.{name}"));
    let up = if config.gated {
        let (gate, up) = (format!("{feed}.wi_0"), format!("{feed}.wi_1"));
        Matrix::stacked(weights, &[(&gate, intermediate), (&up, intermediate)], width, false)?
    } else {
        Matrix::read(weights, &format!("{feed}.wi"), width, intermediate, false)?
    };
    Ok(Parts {
        attn_norm: Some(norm(config, weights, &format!("{at}.0.layer_norm"))?),
        qkv: layered::qkv(config, weights, names)?,
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{attn}.o"), config.heads * config.head_dim, width, false)?,
        attn_post: None,
        attn_after: None,
        mlp_norm: Some(norm(config, weights, &format!("{at}.1.layer_norm"))?),
        feed: Feed::Dense(Mlp { up, down: Matrix::read(weights, &format!("{feed}.wo"), intermediate, width, false)? }),
        mlp_post: None,
        mlp_after: None,
    })
}
