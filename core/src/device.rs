//! The only file that knows devices: CPU now, CUDA and Metal as features that forward to candle.

use crate::{Error, Result};

/// Where a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor, with our own kernels.
    Cpu,
}

impl Device {
    /// Reads `cpu`, `cuda:0`, `metal`; absent is `cpu`.
    ///
    /// # Errors
    /// [`Error::Device`] for a device that this build cannot use.
    pub fn parse(name: Option<&str>) -> Result<Self> {
        match name {
            None | Some("cpu") => Ok(Self::Cpu),
            Some(name) => {
                let known = name == "metal" || name == "cuda" || name.starts_with("cuda:");
                let why = if known { "this build computes on `cpu` only" } else { "unknown; expected `cpu`" };
                Err(Error::Device { name: name.to_owned(), why: why.to_owned() })
            }
        }
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
        }
    }
}
