//! Cohere's Command R and Aya: attention and the feed-forward part side by side behind one layer norm without bias, pairs
//! of neighbours in the rotary embedding, a factor on the logits.

use super::{
    super::{
        Config, Weights,
        config::Norm,
        fields::Fields,
        parts::{Parts, Stem},
        rope::Shape,
    },
    Entry, Family,
    rotary::{self, Defaults, Norms, Spelling},
};
use crate::Result;

pub(super) static COHERE: Entry = Entry { name: "cohere", config, stem, block, unused: &[] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { tied: true, ..Defaults::LLAMA })?;
    config.norm = Norm::Layer;
    config.eps = fields.number("layer_norm_eps")?.unwrap_or(1e-5) as f32;
    config.parallel = true;
    config.logit_scale = fields.number("logit_scale")?.unwrap_or(0.0625) as f32;
    config.qk_norm = fields.flag("use_qk_norm")?.unwrap_or(false);
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(false);
    config.out_bias = config.qkv_bias;
    let shape = Shape { interleaved: true, ..Shape::plain(config.head_dim, config.context) };
    config.positions = rotary::table(fields, &config, shape)?;
    Ok(config)
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    rotary::stem(config, weights, Spelling::LLAMA)
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    rotary::block(config, weights, index, Spelling { norms: Norms::Shared, ..Spelling::LLAMA })
}
