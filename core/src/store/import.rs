//! Takes captures that other programs made into a store: numpy's `.npy` and `.npz`, PyTorch's `.pt`, safetensors, vLLM's hidden-state
//! files.
//!
//! Which layer a tensor is must be known, not guessed. It is known where the tensor's name is one of a site ([`Site`]: ours,
//! TransformerLens's, nnterp's); otherwise the caller says what the numbers count ([`LayerOf`]), or names the layers. The last
//! entry of transformers' `hidden_states` is behind the final norm in decoders: it becomes the site `final_norm`, never layer L.

mod files;
mod layers;
mod write;

use std::{fmt, path::Path, str::FromStr};

pub use write::import;

use crate::{Error, Result, dtype::Dtype, plan::Site};

/// What the number of a tensor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerOf {
    /// The entries of transformers' `hidden_states`: 0 = embeddings, l = output of block l, the last behind the final norm.
    HiddenStates,
    /// Layers as Babelscope counts them: 0 = embeddings, l = output of block l, before the final norm. vLLM's ids are these.
    Layer,
    /// Blocks from 0 on, each with its output: b is layer b + 1.
    Block,
}

impl FromStr for LayerOf {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "hidden_states" => Ok(Self::HiddenStates),
            "layer" => Ok(Self::Layer),
            "block" => Ok(Self::Block),
            _ => {
                let why =
                    "expected hidden_states (of transformers), layer (0 = embeddings) or block (0 = the first block)";
                Err(Error::Plan { why: format!("--layer-of {text}: {why}") })
            }
        }
    }
}

/// What the files do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// What numbers in names, places in a stack, or `layers` count.
    pub layer_of: Option<LayerOf>,
    /// The numbers themselves, in the order of the stack.
    pub layers: Vec<usize>,
    /// Blocks of the model; needed where `hidden_states` are not there as a whole.
    pub blocks: Option<usize>,
    /// `hidden_states` of a model without a norm behind its last block (most encoders, OPT 350m): the last entry is layer L.
    pub no_final_norm: bool,
    /// Where a tensor of three dimensions has its layers: 0 for `[layers, rows, width]`, 1 for `[rows, layers, width]`.
    pub layer_axis: Option<usize>,
    /// Only these tensors; empty means all.
    pub tensors: Vec<String>,
}

/// What is recorded of imported states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The model.
    pub model: String,
    /// SHA-256 of its weights, where it is known.
    pub weights_sha256: String,
    /// Language of the lines.
    pub language: String,
    /// `mean`, `weighted`, `last`, or `tokens`, for which the file must have the tensor `token_ids`.
    pub pooling: String,
    /// Whether BOS counts among what was pooled or kept.
    pub include_bos: bool,
    /// Tokens that were left out at the start.
    pub skip_first: usize,
    /// Line of the first row.
    pub first_line: usize,
    /// Number format of the shards; `None` keeps that of the files (f64 becomes f32).
    pub dtype: Option<Dtype>,
}

/// A layer of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    site: Site,
    tensor: String,
    /// Axis and place in a stack of layers.
    slice: Option<(usize, usize)>,
}

fn fail(path: &Path, why: impl fmt::Display) -> Error {
    Error::Store { why: format!("import: {why}"), path: path.to_owned() }
}
