//! The one face of the crate: load a model, run a plan on sentences, decode states through the unembedding.

use candle_core::Tensor;

use crate::{
    Result,
    monitor::Monitor,
    plan::{Capture, Plan, Site},
    tokens::{Encoded, Tokenizer},
};

/// What the program knows of a loaded model; goes into every manifest and onto the screen.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ModelInfo {
    /// The reference that was asked for: `lab`, a folder, a Hub id.
    pub reference: String,
    /// Architecture family: `llama`, `qwen2`, ...
    pub family: String,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Rows of the unembedding.
    pub vocabulary: usize,
    /// Longest sentence in tokens.
    pub context: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Dtype of the weights on disk, and of the computation: `f32`.
    pub stored_dtype: String,
    /// Dtype in which is computed.
    pub compute_dtype: String,
    /// Device: `cpu`, `cuda:0`.
    pub device: String,
    /// SHA-256 over the weight files (hex), see checkpoint.rs.
    pub weights_sha256: String,
    /// SHA-256 of tokenizer.json (hex).
    pub tokenizer_sha256: String,
}

/// How a model is loaded.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct LoadOptions {
    /// Hub revision (branch, tag or commit); `None` is `main`.
    pub revision: Option<String>,
    /// `cpu` (default), `cuda:0`, `metal`.
    pub device: Option<String>,
}

/// What a capture yields.
#[derive(Clone, Debug)]
pub enum Values {
    /// One row a sentence, in the order of the sentences given. `[sentences, width of the site]`, f32.
    Pooled(Tensor),
    /// One tensor a sentence (from [`crate::plan::Reduce::All`]): `[tokens, width]`, or `[heads, tokens, tokens]` for
    /// attention scores and probabilities, f32.
    Tokens(Vec<Tensor>),
}

/// A captured site.
#[derive(Clone, Debug)]
pub struct Captured {
    /// What was asked for.
    pub capture: Capture,
    /// What came.
    pub values: Values,
}

impl Captured {
    /// The site that was captured.
    pub fn site(&self) -> Site {
        self.capture.site
    }
}

/// A loaded model with its tokenizer, ready to run. `Send + Sync`: the window keeps it in its worker thread.
pub struct Engine {
    info: ModelInfo,
    tokenizer: Tokenizer,
}

impl Engine {
    /// Loads `model`: `lab` (embedded), a folder with config.json, tokenizer.json and safetensors, or a Hub id that the
    /// local cache holds.
    pub fn load(model: &str, options: &LoadOptions, monitor: &Monitor) -> Result<Self> {
        let _ = (model, options, monitor);
        todo!()
    }

    /// What is loaded.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Runs `plan` on all `sentences` (any number: they are sorted by length and packed into batches inside) and returns the
    /// captures in the order of the plan, rows in the order of `sentences`. Ticks once a batch.
    pub fn run(&self, sentences: &[Encoded], plan: &Plan, monitor: &Monitor) -> Result<Vec<Captured>> {
        let _ = (sentences, plan, monitor);
        todo!()
    }

    /// Final norm, unembedding, soft-cap: what the model itself would say if its last block had put out `states`.
    ///
    /// # Shapes
    /// `states` `[rows, width]` (before the final norm) to `[rows, vocabulary]`, f32.
    pub fn unembed(&self, states: &Tensor) -> Result<Tensor> {
        let _ = states;
        todo!()
    }
}
