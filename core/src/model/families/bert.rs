//! BERT and XLM-R: encoders whose tokens see the whole sentence, with norms on each sum and, where the checkpoint has it,
//! the masked-language head.

use super::{
    super::{
        Config, Weights,
        config::{Head, Mask},
        fields::Fields,
        parts::{HeadParts, Matrix, Parts, Stem},
    },
    Entry, Family,
    layered::{self, Sizes},
};
use crate::Result;

pub(super) static BERT: Entry = Entry {
    name: "bert",
    config: bert,
    stem: bert_stem,
    block: |config, weights, index| block(config, weights, index, "bert."),
    unused: &["position_ids", "pooler.dense.weight", "pooler.dense.bias", "cls.seq_relationship."],
};
pub(super) static XLM_ROBERTA: Entry = Entry {
    name: "xlm-roberta",
    config: xlm_roberta,
    stem: xlm_roberta_stem,
    block: |config, weights, index| block(config, weights, index, "roberta."),
    unused: &["position_ids", "pooler.dense.weight", "pooler.dense.bias"],
};

/// The rows of XLM-R's positions that belong to padding.
const OFFSET: usize = 2;

fn common(family: Family, fields: &Fields<'_>, offset: usize) -> Result<Config> {
    fields.only("is_decoder", false)?;
    fields.only("add_cross_attention", false)?;
    if let Some(kind) = fields.text("position_embedding_type")?.filter(|kind| *kind != "absolute") {
        return Err(fields.refuse("position_embedding_type", kind, "absolute"));
    }
    let (width, heads) = (fields.need("hidden_size")?, fields.need("num_attention_heads")?);
    let sizes = Sizes {
        vocabulary: fields.need("vocab_size")?,
        width,
        layers: fields.need("num_hidden_layers")?,
        heads,
        head_dim: fields.divided(width, heads)?,
        intermediate: fields.need("intermediate_size")?,
        context: fields.need("max_position_embeddings")?.saturating_sub(offset),
        eps: fields.number("layer_norm_eps")?.unwrap_or(1e-12),
    };
    let activation = fields.activation(&["hidden_act"], "gelu")?;
    let mut config = layered::config(family, &sizes, activation, true);
    config.mask = Mask::Full;
    config.norms_after = true;
    config.final_norm = false;
    config.head = Head::Masked { tied: fields.flag("tie_word_embeddings")?.unwrap_or(true) };
    config.token_types = fields.size("type_vocab_size")?.unwrap_or(2);
    Ok(config)
}

fn bert(family: Family, fields: &Fields<'_>) -> Result<Config> {
    common(family, fields, 0)
}

fn xlm_roberta(family: Family, fields: &Fields<'_>) -> Result<Config> {
    let mut config = common(family, fields, OFFSET)?;
    let padding = fields.size("pad_token_id")?.unwrap_or(1);
    if padding + 1 != OFFSET {
        return Err(fields.refuse("pad_token_id", &padding.to_string(), "1, behind which positions count"));
    }
    config.shifting_id = Some(padding as u32);
    Ok(config)
}

fn prefixed(weights: &Weights<'_>, prefix: &'static str) -> &'static str {
    if weights.has("embeddings.word_embeddings.weight") || weights.has("encoder.layer.0.output.dense.weight") {
        ""
    } else {
        prefix
    }
}

fn stem(
    config: &mut Config,
    weights: &mut Weights<'_>,
    prefix: &'static str,
    offset: usize,
    head: HeadParts,
) -> Result<Stem> {
    let at = format!("{}embeddings", prefixed(weights, prefix));
    let Config { width, vocabulary, token_types, .. } = *config;
    let mut types = weights.take(&format!("{at}.token_type_embeddings.weight"), &[token_types, width])?;
    types.truncate(width);
    Ok(Stem {
        embedding: Matrix::read(weights, &format!("{at}.word_embeddings"), width, vocabulary, false)?,
        project_in: None,
        token_type: Some(types),
        positions: Some(layered::offset_rows(config, weights, &format!("{at}.position_embeddings"), offset)?),
        embedding_norm: Some(layered::norm(config, weights, &format!("{at}.LayerNorm"))?),
        buckets: None,
        final_norm: None,
        project_out: None,
        head,
    })
}

/// The head's dense layer and norm, its matrix where it is not the embedding, its bias.
fn head(config: &mut Config, weights: &mut Weights<'_>, names: [&str; 5]) -> Result<HeadParts> {
    let [dense, norm, own, bias, copy] = names;
    if !weights.has(&format!("{dense}.weight")) {
        config.head = Head::None;
        return Ok(HeadParts::default());
    }
    let (width, vocabulary) = (config.width, config.vocabulary);
    if config.tied() {
        // Files of older versions hold the tied matrix and the bias a second time.
        weights.discard(&format!("{own}.weight"));
    }
    weights.discard(copy);
    Ok(HeadParts {
        dense: Some((Matrix::read(weights, dense, width, width, true)?, layered::norm(config, weights, norm)?)),
        own: (!config.tied()).then(|| Matrix::read(weights, own, width, vocabulary, false)).transpose()?,
        bias: Some(weights.take(bias, &[vocabulary])?),
    })
}

fn bert_stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let names = [
        "cls.predictions.transform.dense",
        "cls.predictions.transform.LayerNorm",
        "cls.predictions.decoder",
        "cls.predictions.bias",
        "cls.predictions.decoder.bias",
    ];
    let head = head(config, weights, names)?;
    stem(config, weights, "bert.", 0, head)
}

fn xlm_roberta_stem(config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
    let names = ["lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias", "lm_head.decoder.bias"];
    let head = head(config, weights, names)?;
    stem(config, weights, "roberta.", OFFSET, head)
}

fn block(config: &Config, weights: &mut Weights<'_>, index: usize, prefix: &'static str) -> Result<Parts> {
    let at = format!("{}encoder.layer.{index}", prefixed(weights, prefix));
    let width = config.width;
    let names = ["query", "key", "value"].map(|name| format!("{at}.attention.self.{name}"));
    Ok(Parts {
        attn_norm: None,
        qkv: layered::qkv(config, weights, names)?,
        q_norm: None,
        k_norm: None,
        out: Matrix::read(weights, &format!("{at}.attention.output.dense"), width, width, true)?,
        attn_post: None,
        attn_after: Some(layered::norm(config, weights, &format!("{at}.attention.output.LayerNorm"))?),
        mlp_norm: None,
        feed: layered::feed(config, weights, &format!("{at}.intermediate.dense"), &format!("{at}.output.dense"))?,
        mlp_post: None,
        mlp_after: Some(layered::norm(config, weights, &format!("{at}.output.LayerNorm"))?),
    })
}
