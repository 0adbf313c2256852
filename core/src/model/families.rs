//! The architectures that this engine computes: one short file each, which says how config.json becomes a [`Config`] and
//! what the checkpoint calls its tensors.

mod bert;
mod bloom;
mod cohere;
mod falcon;
mod gemma;
mod gpt2;
mod gpt_neox;
mod layered;
mod llama;
mod mt5;
mod olmo2;
mod opt;
mod phi3;
mod qwen;
mod rotary;
mod xglm;

use std::fmt;

use super::{
    Config, Weights,
    fields::Fields,
    parts::{Parts, Stem},
};
use crate::Result;

/// An architecture.
#[derive(Clone, Copy)]
pub struct Family(&'static Entry);

struct Entry {
    /// `model_type` in config.json.
    name: &'static str,
    config: fn(Family, &Fields<'_>) -> Result<Config>,
    /// May set `config.head` to none where the checkpoint has no head.
    stem: fn(&mut Config, &mut Weights<'_>) -> Result<Stem>,
    /// The block's index counts from 0.
    block: fn(&Config, &mut Weights<'_>, usize) -> Result<Parts>,
    /// Beginnings and ends of the names of tensors that checkpoints hold and that no state of a token depends on.
    unused: &'static [&'static str],
}

impl Family {
    /// Every architecture.
    pub const ALL: [Self; 22] = [
        Self(&llama::LLAMA),
        Self(&llama::MISTRAL),
        Self(&llama::MIXTRAL),
        Self(&qwen::QWEN2),
        Self(&qwen::QWEN3),
        Self(&qwen::QWEN3_MOE),
        Self(&gemma::GEMMA),
        Self(&gemma::GEMMA2),
        Self(&gemma::GEMMA3_TEXT),
        Self(&gemma::GEMMA3),
        Self(&phi3::PHI3),
        Self(&olmo2::OLMO2),
        Self(&cohere::COHERE),
        Self(&gpt2::GPT2),
        Self(&gpt_neox::GPT_NEOX),
        Self(&bloom::BLOOM),
        Self(&falcon::FALCON),
        Self(&opt::OPT),
        Self(&xglm::XGLM),
        Self(&bert::BERT),
        Self(&bert::XLM_ROBERTA),
        Self(&mt5::MT5),
    ];

    /// The architecture that config.json calls `model_type`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }

    /// `model_type` in config.json.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(super) fn config(self, fields: &Fields<'_>) -> Result<Config> {
        (self.0.config)(self, fields)
    }

    pub(crate) fn stem(self, config: &mut Config, weights: &mut Weights<'_>) -> Result<Stem> {
        (self.0.stem)(config, weights)
    }

    pub(crate) fn block(self, config: &Config, weights: &mut Weights<'_>, index: usize) -> Result<Parts> {
        (self.0.block)(config, weights, index)
    }

    /// Whether a tensor that is left over is of no use to this architecture.
    pub(crate) fn unused(self, name: &str) -> bool {
        self.0.unused.iter().any(|part| name.starts_with(part) || name.ends_with(part))
    }
}

impl PartialEq for Family {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Family({})", self.name())
    }
}
