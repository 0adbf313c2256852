//! The forward pass a second time, written for a tensor library instead of the processor: [`numbers::Numbers`] is what it
//! asks of one, and candle (CPU, CUDA, Metal) and libtorch (feature `tch`) answer. The two passes read the same parts of a
//! checkpoint and offer the same sites, so each is the other's witness.
//!
//! As on the CPU the compute dtype is that of the operands of products with weights; here their result is rounded to it too, as
//! the libraries do. Stream, norms, attention and everything that is captured are f32.

mod attention;
mod buckets;
mod candle;
mod decoder;
mod feed;
mod gradient;
mod layers;
mod numbers;
mod objective;
mod tape;
#[cfg(feature = "tch")]
mod torch;
mod watch;

use std::{
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error, Result,
    capture::Collector,
    device::Device,
    dtype::Dtype,
    engine::BATCH_TOKENS,
    gradient::{Slopes, Task},
    model::{Batch, Config, Weights},
    monitor::Monitor,
};

use self::{decoder::Decoder, numbers::Numbers};

/// What computes a model's pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Our own kernels on the processor.
    #[default]
    Native,
    /// candle: every device; what a GPU uses.
    Candle,
    /// libtorch, in builds with the feature `tch`.
    Torch,
}

impl EngineKind {
    const ALL: [Self; 3] = [Self::Native, Self::Candle, Self::Torch];
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::Candle => "candle",
            Self::Torch => "torch",
        })
    }
}

impl FromStr for EngineKind {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is no engine; expected native, candle or torch"))
    }
}

/// A loaded model on a tensor library.
pub(crate) trait Pass: Send + Sync {
    fn config(&self) -> &Config;

    /// Which library computes, for manifests.
    fn kernel(&self) -> &'static str;

    /// Tokens that a batch should have.
    fn batch_tokens(&self) -> usize;

    /// Runs the batch until the collector has all it wants.
    fn forward(&self, batch: &Batch, collector: &mut Collector<'_>, monitor: &Monitor) -> Result<()>;

    /// As [`crate::model::Decoder::unembed`].
    fn unembed(&self, states: &[f32], logits: &mut [f32]) -> Result<()>;

    /// The objective of each sentence of the batch and its gradient, where the library keeps a graph.
    fn gradients(&self, batch: &Batch, task: &Task<'_>, monitor: &Monitor) -> Result<Slopes>;
}

/// A device as a tensor library knows it.
pub(crate) enum Place {
    Candle(candle_core::Device),
    #[cfg(feature = "tch")]
    Torch(tch::Device),
}

impl Place {
    /// Opens `device` for an engine of `kind`.
    ///
    /// # Errors
    /// [`Error::Device`] when the engine does not compute there, when this build does not have it, or when the machine does
    /// not have the device.
    pub(crate) fn open(kind: EngineKind, device: Device) -> Result<Self> {
        let lacking = |why: &str| Err(Error::Device { name: device.to_string(), why: why.to_owned() });
        match kind {
            EngineKind::Native => {
                lacking("the native engine computes on `cpu` only; leave `engine` out, or say `candle`")
            }
            EngineKind::Candle => candle::open(device).map(Self::Candle),
            #[cfg(feature = "tch")]
            EngineKind::Torch => torch::open(device).map(Self::Torch),
            #[cfg(not(feature = "tch"))]
            EngineKind::Torch => lacking(
                "this build has no torch engine; build with `--features tch` where PyTorch 2.13 is installed \
                 (docs/GPU.md), or leave `engine` out",
            ),
        }
    }

    /// Loads a model there, weights block by block in `compute`.
    pub(crate) fn load(self, config: Config, weights: &mut Weights<'_>, compute: Dtype) -> Result<Box<dyn Pass>> {
        Ok(match self {
            Self::Candle(place) => {
                // A GPU is busy with no fewer; the processor's caches hold no more.
                let tokens = if place.is_cpu() { BATCH_TOKENS } else { DEVICE_TOKENS };
                let decoder = Decoder::<candle_core::Tensor>::load(config, weights, place, compute)?;
                Box::new(Shared::new(decoder, tokens))
            }
            #[cfg(feature = "tch")]
            Self::Torch(place) => {
                let tokens = if place.is_cuda() { DEVICE_TOKENS } else { BATCH_TOKENS };
                let decoder = Decoder::<tch::Tensor>::load(config, weights, place, compute)?;
                Box::new(Shared::new(decoder, tokens))
            }
        })
    }
}

/// Tokens that go through a GPU at once.
const DEVICE_TOKENS: usize = 16 * BATCH_TOKENS;

/// A pass that one caller uses at a time: a second one would only share the same device and its memory.
struct Shared<T: Numbers> {
    config: Config,
    tokens: usize,
    decoder: Mutex<Decoder<T>>,
}

impl<T: Numbers> Shared<T> {
    fn new(decoder: Decoder<T>, tokens: usize) -> Self {
        Self { config: decoder.config.clone(), tokens, decoder: Mutex::new(decoder) }
    }
}

impl<T: Numbers> Pass for Shared<T> {
    fn config(&self) -> &Config {
        &self.config
    }

    fn kernel(&self) -> &'static str {
        T::LIBRARY
    }

    fn batch_tokens(&self) -> usize {
        self.tokens
    }

    fn forward(&self, batch: &Batch, collector: &mut Collector<'_>, monitor: &Monitor) -> Result<()> {
        // Weights do not change, so a panic elsewhere leaves them whole.
        self.decoder.lock().unwrap_or_else(PoisonError::into_inner).forward(batch, collector, monitor)
    }

    fn unembed(&self, states: &[f32], logits: &mut [f32]) -> Result<()> {
        self.decoder.lock().unwrap_or_else(PoisonError::into_inner).unembed(states, logits)
    }

    fn gradients(&self, batch: &Batch, task: &Task<'_>, monitor: &Monitor) -> Result<Slopes> {
        T::gradients(&self.decoder.lock().unwrap_or_else(PoisonError::into_inner), batch, task, monitor)
    }
}
