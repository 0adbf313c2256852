//! Gemma 1 to 3: embeddings times the root of the width, gains stored less 1, and from the second on norms before and
//! behind each part and windows in some of the blocks. Of a Gemma 3 that also sees, the text part is loaded.

use super::{
    super::{
        Config, Weights,
        config::Positions,
        fields::Fields,
        parts::{Parts, Stem},
        rope::{Rope, Shape},
    },
    Entry, Family,
    rotary::{self, Defaults, Norms, Spelling},
};
use crate::Result;

pub(super) static GEMMA: Entry = Entry { name: "gemma", config: gemma, stem, block, unused: &[] };
pub(super) static GEMMA2: Entry = Entry { name: "gemma2", config: gemma2, stem, block: sandwich, unused: &[] };
pub(super) static GEMMA3_TEXT: Entry =
    Entry { name: "gemma3_text", config: gemma3, stem, block: sandwich, unused: &[] };
pub(super) static GEMMA3: Entry = Entry {
    name: "gemma3",
    config: seeing,
    stem,
    block: sandwich,
    unused: &["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."],
};

fn common(family: Family, fields: &Fields<'_>, kv_heads: usize) -> Result<Config> {
    let defaults = Defaults {
        activation: "gelu_pytorch_tanh",
        kv_heads: Some(kv_heads),
        head_dim: Some(256),
        eps: 1e-6,
        tied: true,
    };
    let mut config = rotary::config(family, fields, &defaults)?;
    config.embedding_scale = (config.width as f32).sqrt();
    config.qkv_bias = fields.flag("attention_bias")?.unwrap_or(false);
    config.out_bias = config.qkv_bias;
    fields.only("use_bidirectional_attention", false)?;
    Ok(config)
}

fn gemma(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = common(family, fields, 16)?;
    config.positions = rotary::one_table(fields, &config)?;
    Ok(config)
}

/// What Gemma 2 and 3 share; `slides` says which blocks do where the file is silent.
fn later(
    family: Family,
    fields: &Fields<'_>,
    caps: [Option<f64>; 2],
    slides: impl Fn(usize) -> bool,
) -> Result<Config> {
    let mut config = common(family, fields, 4)?;
    config.scale = (1.0 / fields.number("query_pre_attn_scalar")?.unwrap_or(256.0).sqrt()) as f32;
    let cap = |key: &str, default: Option<f64>| -> Result<Option<f32>> {
        let given = if fields.contains(key) { fields.number(key)? } else { default };
        Ok(given.map(|cap| cap as f32))
    };
    config.score_cap = cap("attn_logit_softcapping", caps[0])?;
    config.logit_cap = cap("final_logit_softcapping", caps[1])?;
    let window = if fields.contains("sliding_window") { fields.size("sliding_window")? } else { Some(4096) };
    let slides = match fields.layer_types(config.layers)? {
        Some(slides) => slides,
        None => (0..config.layers).map(slides).collect(),
    };
    config.windows = slides.into_iter().map(|slides| window.filter(|_| slides)).collect();
    Ok(config)
}

fn gemma2(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = later(family, fields, [Some(50.0), Some(30.0)], |block| block.is_multiple_of(2))?;
    config.positions = rotary::one_table(fields, &config)?;
    Ok(config)
}

fn gemma3(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let every = fields.size("sliding_window_pattern")?.unwrap_or(6).max(1);
    let mut config = later(family, fields, [None, None], |block| !(block + 1).is_multiple_of(every))?;
    config.qk_norm = true;
    let plain = Shape::plain(config.head_dim, config.context);
    let (wide, near) = (Shape { theta: 1e6, ..plain }, Shape { theta: 1e4, ..plain });
    let kinds = fields.object("rope_parameters")?;
    let kind = |name: &str| kinds.and_then(|kinds| kinds.get(name)).and_then(|kind| kind.as_object());
    let tables = match (kind("full_attention"), kind("sliding_attention")) {
        (Some(full), Some(sliding)) => {
            fields.ignore(&["rope_theta", "rope_local_base_freq", "rope_scaling"]);
            vec![
                Rope::of(fields, "rope_parameters.full_attention", full, wide)?,
                Rope::of(fields, "rope_parameters.sliding_attention", sliding, near)?,
            ]
        }
        (None, None) if kinds.is_none() => {
            let theta = fields.number("rope_local_base_freq")?.unwrap_or(near.theta);
            let local = serde_json::Map::from_iter([("rope_theta".to_owned(), theta.into())]);
            vec![Rope::parse(fields, wide)?, Rope::of(fields, "rope_local_base_freq", &local, near)?]
        }
        _ => {
            let why = "`rope_parameters` should have the kinds full_attention and sliding_attention, as blocks of both \
                       kinds turn by their own frequencies";
            return Err(fields.fail(why));
        }
    };
    let of_block = fields.layer_types(config.layers)?;
    let of_block = of_block.unwrap_or_else(|| (0..config.layers).map(|b| !(b + 1).is_multiple_of(every)).collect());
    config.positions = Positions::Rope { tables, of_block: of_block.into_iter().map(usize::from).collect() };
    Ok(config)
}

/// The text part stands in `text_config`.
fn seeing(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let text = fields.object("text_config")?;
    let text = text.ok_or_else(|| fields.fail("`text_config` is missing; a gemma3 without it is a gemma3_text"))?;
    fields.ignore(&[
        "vision_config",
        "boi_token_index",
        "eoi_token_index",
        "image_token_index",
        "mm_tokens_per_image",
        "tie_word_embeddings",
    ]);
    let inner = fields.within(text);
    // Files on the Hub leave out what the text part's class assumes; these sizes differ between the models.
    let config = gemma3(family, &inner)?;
    inner.refuse_unknown(family.name(), &[])?;
    Ok(config)
}

fn stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    rotary::stem(config, weights, Spelling { plus_one: true, ..Spelling::LLAMA })
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    rotary::block(config, weights, index, Spelling { plus_one: true, ..Spelling::LLAMA })
}

fn sandwich(config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
    rotary::block(config, weights, index, Spelling { plus_one: true, norms: Norms::Both, ..Spelling::LLAMA })
}
