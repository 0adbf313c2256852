//! Phi 3 and 4: q, k and v stored as one tensor, and gate and up; longrope in the models of long context.

use super::{
    super::{
        Config, Weights,
        fields::Fields,
        parts::{Parts, Stem},
        rope::Shape,
    },
    Entry, Family,
    rotary::{self, Defaults, Spelling},
};
use crate::Result;

pub(super) static PHI3: Entry = Entry { name: "phi3", config, stem, block, unused: &[] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { eps: 1e-5, ..Defaults::LLAMA })?;
    let shape = Shape { partial: Some(1.0), ..Shape::plain(config.head_dim, config.context) };
    config.positions = rotary::table(fields, &config, shape)?;
    fields.ignore(&["original_max_position_embeddings"]);
    for bias in ["attention_bias", "mlp_bias", "lm_head_bias"] {
        fields.only(bias, false)?;
    }
    // Phi 4 mini's own code has these for sizes that it does not come in; transformers does not read them.
    fields.ignore(&["full_attn_mod", "interpolate_factor"]);
    config.windows = vec![fields.size("sliding_window")?; config.layers];
    if fields.layer_types(config.layers)?.is_some_and(|slides| slides.contains(&false) && slides.contains(&true)) {
        return Err(fields.fail("`layer_types` mixes kinds of attention, which phi3 does not have"));
    }
    Ok(config)
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    rotary::stem(config, weights, Spelling::LLAMA)
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    rotary::block(config, weights, index, Spelling { fused: true, ..Spelling::LLAMA })
}
