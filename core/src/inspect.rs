//! What a model is, what it needs and how fast it will be, from config.json, tokenizer.json and the headers of the weight
//! files: no weight is read.
//!
//! Memory is counted from the shapes that the engine allocates; time is the model's own products on this machine, measured
//! for a moment on made-up numbers.

mod cost;
mod headers;

use std::{fs, path::Path};

use serde::Serialize;

use crate::{
    Result, capture,
    checkpoint::Checkpoint,
    dtype::Dtype,
    engine::LoadOptions,
    hub::Hub,
    model::{Config, Weights, config::Mask},
    monitor::Monitor,
    plan::Point,
    tokens::Tokenizer,
};

pub use cost::Speed;

/// A model, seen from outside.
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The reference that was asked for: `lab`, a folder, a Hub id.
    pub reference: String,
    /// Commit of a Hub snapshot.
    pub revision: Option<String>,
    /// Architecture: `llama`, `qwen2`, ...
    pub family: String,
    /// Whether a token sees only those before it; encoders see the whole sentence.
    pub causal: bool,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Width inside of the feed-forward part, or of one expert.
    pub intermediate: usize,
    /// How many experts there are and how many a token goes through; `None` without experts.
    pub experts: Option<(usize, usize)>,
    /// Rows of the embedding.
    pub vocabulary: usize,
    /// Entries of the tokenizer; the embedding may have more rows.
    pub tokens: usize,
    /// Longest sentence in tokens.
    pub context: usize,
    /// Number of parameters that the engine reads.
    pub parameters: usize,
    /// Dtype of the weights on disk: `bf16`, or `f32+bf16`.
    pub stored_dtype: String,
    /// Length of the weight files in bytes.
    pub file_bytes: usize,
    /// Number of weight files.
    pub files: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Whether the model brings a chat template.
    pub chat_template: bool,
    /// Every place that can be captured.
    pub sites: Vec<SiteShape>,
    /// Number format in which is computed.
    pub compute: Dtype,
    /// Bytes that the loaded weights occupy.
    pub weight_bytes: usize,
    /// Of these, bytes of the embedding and the unembedding, which stay in their file: a pass without logits reads some rows only.
    pub in_file_bytes: usize,
    #[serde(skip)]
    config: Config,
    #[serde(skip)]
    tokenizer: Tokenizer,
}

/// A place that can be captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteShape {
    /// `resid_post`, without the block.
    pub name: String,
    /// Blocks that have it; empty for a place outside of the blocks.
    pub blocks: Vec<usize>,
    /// Columns of a token's row; `None` where a sentence has a square for each head.
    pub width: Option<usize>,
}

impl Inspection {
    /// Looks at `model`: `lab`, a folder, or a Hub id, as [`crate::engine::Engine::load`] takes it.
    ///
    /// # Errors
    /// Those of [`crate::engine::Engine::load`] that a config, a tokenizer and headers can give: no such model, a missing or cut
    /// file, an architecture or an option that the engine does not compute, a tokenizer that does not fit.
    pub fn of(model: &str, options: &LoadOptions) -> Result<Self> {
        // To look at a model is no reason to download it.
        let hub = Hub { offline: true, ..Hub::from_env() };
        let checkpoint = Checkpoint::find(model, options, &hub, &Monitor::silent())?;
        let config =
            Config::parse(&checkpoint.config, &checkpoint.folder.join("config.json"), &options.ignore_options)?;
        let tokenizer = Tokenizer::from_bytes(&checkpoint.tokenizer, &checkpoint.folder.join("tokenizer.json"))?;
        tokenizer.check_rows(config.vocabulary)?;
        let weights = Weights::open(&checkpoint.shards, &checkpoint.folder)?;
        let compute = options.dtype.unwrap_or_default();
        let used = headers::used(&weights, &config, compute);
        Ok(Self {
            reference: model.to_owned(),
            revision: checkpoint.revision.clone(),
            family: config.family.to_string(),
            causal: config.mask == Mask::Causal,
            layers: config.layers,
            width: config.width,
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_dim: config.head_dim,
            intermediate: config.experts.as_ref().map_or(config.intermediate, |experts| experts.intermediate),
            experts: config.experts.as_ref().map(|experts| (experts.count, experts.chosen)),
            vocabulary: config.vocabulary,
            tokens: tokenizer.vocabulary(),
            context: config.context,
            parameters: used.parameters,
            stored_dtype: used.formats.into_iter().collect::<Vec<_>>().join("+"),
            file_bytes: checkpoint.shards.iter().map(|shard| shard.bytes.as_ref().len()).sum(),
            files: checkpoint.shards.len(),
            tied: config.tied(),
            chat_template: chat_template(&checkpoint.folder),
            sites: sites(&config),
            compute,
            weight_bytes: used.bytes,
            in_file_bytes: used.in_file,
            config,
            tokenizer,
        })
    }

    /// The tokenizer, to count a corpus.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Bytes of `layers` layers with one pooled row for each of `sentences`: `sentences * layers * width * 4`.
    pub fn pooled_bytes(&self, sentences: usize, layers: usize) -> usize {
        sentences * layers * self.width * size_of::<f32>()
    }

    /// Bytes of `layers` layers with a row for each of `tokens`: `tokens * layers * width * 4`.
    pub fn token_bytes(&self, tokens: usize, layers: usize) -> usize {
        tokens * layers * self.width * size_of::<f32>()
    }
}

fn sites(config: &Config) -> Vec<SiteShape> {
    let mut shapes: Vec<SiteShape> = Vec::new();
    for site in capture::sites(config) {
        let text = site.to_string();
        let name = text.split('.').next().unwrap_or(&text);
        if !shapes.iter().any(|shape| shape.name == name) {
            let square = matches!(site.point, Point::AttnScores | Point::AttnProbs);
            let width = (!square).then(|| capture::width(site.point, config));
            shapes.push(SiteShape { name: name.to_owned(), blocks: Vec::new(), width });
        }
        if let Some(shape) = shapes.iter_mut().find(|shape| shape.name == name && site.point.in_block()) {
            shape.blocks.push(site.block);
        }
    }
    shapes
}

/// In a file of its own, or in the tokenizer's settings.
fn chat_template(folder: &Path) -> bool {
    let settings = || {
        let text = fs::read(folder.join("tokenizer_config.json")).ok()?;
        let settings: serde_json::Value = serde_json::from_slice(&text).ok()?;
        settings.get("chat_template").map(|template| !template.is_null())
    };
    ["chat_template.jinja", "chat_template.json"].iter().any(|name| folder.join(name).is_file())
        || settings().unwrap_or(false)
}
