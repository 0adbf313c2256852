//! OLMo 2: norms on the output of each part and none before, a norm over all queries and one over all keys.

use super::{
    super::{
        Config, Weights,
        fields::Fields,
        parts::{Parts, Stem},
    },
    Entry, Family,
    rotary::{self, Defaults, Norms, Spelling},
};
use crate::Result;

pub(super) static OLMO2: Entry = Entry { name: "olmo2", config, stem, block, unused: &[] };

fn config(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { eps: 1e-5, ..Defaults::LLAMA })?;
    config.positions = rotary::one_table(fields, &config)?;
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(false);
    config.out_bias = config.qkv_bias;
    config.qk_norm = true;
    Ok(config)
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    rotary::stem(config, weights, Spelling::LLAMA)
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    rotary::block(config, weights, index, Spelling { norms: Norms::Behind, ..Spelling::LLAMA })
}
