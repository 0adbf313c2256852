//! Qwen 2 and 2.5 (biases on q, k, v), Qwen 3 (a norm on each query and key head) and its mixture of experts.

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

pub(super) static QWEN2: Entry = Entry { name: "qwen2", config: qwen2, stem, block, unused: &[] };
pub(super) static QWEN3: Entry = Entry { name: "qwen3", config: qwen3, stem, block, unused: &[] };
pub(super) static QWEN3_MOE: Entry = Entry { name: "qwen3_moe", config: qwen3_moe, stem, block, unused: &[] };

fn qwen2(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { kv_heads: Some(32), ..Defaults::LLAMA })?;
    config.positions = rotary::one_table(fields, &config)?;
    config.qkv_bias = true;
    fields.only("use_mrope", false)?;
    config.windows = windows(fields, config.layers)?;
    Ok(config)
}

fn qwen3(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let defaults = Defaults { kv_heads: Some(32), head_dim: Some(128), ..Defaults::LLAMA };
    let mut config = rotary::config(family, fields, &defaults)?;
    config.positions = rotary::one_table(fields, &config)?;
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(false);
    config.out_bias = config.qkv_bias;
    config.qk_norm = true;
    config.windows = windows(fields, config.layers)?;
    Ok(config)
}

fn qwen3_moe(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = rotary::config(family, fields, &Defaults { kv_heads: Some(4), ..Defaults::LLAMA })?;
    config.positions = rotary::one_table(fields, &config)?;
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(false);
    config.out_bias = config.qkv_bias;
    config.qk_norm = true;
    // Unlike in its smaller sisters, the window holds for every block.
    let window = fields.size("sliding_window")?.or((!fields.contains("sliding_window")).then_some(4096));
    fields.ignore(&["max_window_layers"]);
    let slides = fields.flag("use_sliding_window")?.unwrap_or(false);
    config.windows = vec![window.filter(|_| slides); config.layers];
    let count = fields.size("num_experts")?.or(fields.size("num_local_experts")?).unwrap_or(128);
    let step = fields.size("decoder_sparse_step")?.unwrap_or(1);
    if step == 0 {
        return Err(fields.fail("`decoder_sparse_step` is 0; expected at least 1"));
    }
    let plain: Vec<usize> =
        fields.numbers("mlp_only_layers")?.unwrap_or_default().into_iter().map(|l| l as usize).collect();
    config.experts = (count > 0).then_some(Experts {
        count,
        chosen: fields.size("num_experts_per_tok")?.unwrap_or(8),
        normalised: fields.flag("norm_topk_prob")?.unwrap_or(false),
        intermediate: fields.size("moe_intermediate_size")?.unwrap_or(768),
        of_block: (0..config.layers).map(|l| !plain.contains(&l) && (l + 1).is_multiple_of(step)).collect(),
    });
    Ok(config)
}

/// A block slides where `layer_types` says so or, in older files, from `max_window_layers` on, and only when
/// `use_sliding_window` is set.
fn windows(fields: &Fields<'_>, layers: usize) -> Result<Vec<Option<usize>>> {
    let window = if fields.contains("sliding_window") { fields.size("sliding_window")? } else { Some(4096) };
    let on = fields.flag("use_sliding_window")?.unwrap_or(false);
    let first = fields.size("max_window_layers")?.unwrap_or(28);
    let slides = match fields.layer_types(layers)? {
        Some(slides) => slides,
        None => (0..layers).map(|block| on && block >= first).collect(),
    };
    Ok(slides.into_iter().map(|slides| window.filter(|_| slides)).collect())
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    rotary::stem(config, weights, Spelling::LLAMA)
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    let names = ExpertNames { holder: "mlp", gate: "gate_proj", up: "up_proj", down: "down_proj" };
    rotary::block(config, weights, index, Spelling { experts: Some(names), ..Spelling::LLAMA })
}
