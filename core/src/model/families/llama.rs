//! Llama 1 to 3, Mistral (a sliding window in every block) and Mixtral (Mistral with experts).

use super::{
    super::{
        Config, Weights,
        config::Experts,
        fields::Fields,
        parts::{Parts, Stem},
    },
    Entry, Family,
    rotary::{self, Defaults, ExpertNames, Spelling},
};
use crate::Result;

pub(super) static LLAMA: Entry = Entry { name: "llama", config: llama, stem, block, unused: &[] };
pub(super) static MISTRAL: Entry = Entry { name: "mistral", config: mistral, stem, block, unused: &[] };
pub(super) static MIXTRAL: Entry = Entry { name: "mixtral", config: mixtral, stem, block: expert_block, unused: &[] };

fn llama(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults::LLAMA)?;
    config.positions = rotary::one_table(fields, &config)?;
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(false);
    config.out_bias = config.qkv_bias;
    config.mlp_bias = fields.flag("mlp_bias")?.unwrap_or(false);
    Ok(config)
}

fn mistral(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { kv_heads: Some(8), ..Defaults::LLAMA })?;
    config.positions = rotary::one_table(fields, &config)?;
    let window = if fields.contains("sliding_window") { fields.size("sliding_window")? } else { Some(4096) };
    config.windows = vec![window; config.layers];
    if fields.layer_types(config.layers)?.is_some_and(|slides| slides.contains(&false)) {
        return Err(fields.fail("`layer_types` mixes kinds of attention, which mistral does not have"));
    }
    Ok(config)
}

fn mixtral(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { kv_heads: Some(8), eps: 1e-5, ..Defaults::LLAMA })?;
    config.positions = rotary::one_table(fields, &config)?;
    config.windows = vec![fields.size("sliding_window")?; config.layers];
    config.experts = Some(Experts {
        count: fields.size("num_local_experts")?.or(fields.size("num_experts")?).unwrap_or(8),
        chosen: fields.size("num_experts_per_tok")?.unwrap_or(2),
        normalised: true,
        intermediate: config.intermediate,
        of_block: vec![true; config.layers],
    });
    Ok(config)
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    rotary::stem(config, weights, Spelling::LLAMA)
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    rotary::block(config, weights, index, Spelling::LLAMA)
}

fn expert_block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let names = ExpertNames { holder: "block_sparse_moe", gate: "w1", up: "w3", down: "w2" };
    rotary::block(config, weights, index, Spelling { experts: Some(names), ..Spelling::LLAMA })
}
