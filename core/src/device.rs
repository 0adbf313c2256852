//! The only file that knows devices: the CPU always, CUDA and Metal in builds with those features.

use std::fmt;

use crate::{Error, Result};

/// Where a model computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// The GPU of this number, from 0.
    Cuda(usize),
    /// Apple's GPU.
    Metal,
}

/// Whether this build can use CUDA: through candle, or through the PyTorch that is installed.
const CUDA: bool = cfg!(any(feature = "cuda", feature = "tch"));
const METAL: bool = cfg!(feature = "metal");

impl Device {
    /// Reads `cpu`, `cuda` (the first), `cuda:1`, `metal`; absent is `cpu`.
    ///
    /// # Errors
    /// [`Error::Device`] for a device that this build cannot use. Whether the machine has it shows when it is opened.
    pub fn parse(name: Option<&str>) -> Result<Self> {
        let Some(name) = name else { return Ok(Self::Cpu) };
        let fail = |why: &str| Err(Error::Device { name: name.to_owned(), why: why.to_owned() });
        let ordinal = match name {
            "cpu" => return Ok(Self::Cpu),
            "metal" if METAL => return Ok(Self::Metal),
            "metal" => return fail("this build has no Metal; build with `--features metal` on a Mac (docs/GPU.md)"),
            "cuda" => Some(0),
            _ => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        match ordinal {
            Some(ordinal) if CUDA => Ok(Self::Cuda(ordinal)),
            Some(_) => fail("this build computes on `cpu` only; build with `--features cuda` (docs/GPU.md)"),
            None => fail("unknown; expected `cpu`, `cuda:0` or `metal`"),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_and_others_refused() {
        assert_eq!(Device::parse(None).unwrap(), Device::Cpu);
        assert_eq!(Device::parse(Some("cpu")).unwrap(), Device::Cpu);
        for name in ["gpu", "cuda:", "cuda:x", "cuda:-1", ""] {
            assert!(Device::parse(Some(name)).unwrap_err().to_string().contains("unknown"), "{name}");
        }
        match Device::parse(Some("cuda:1")) {
            Ok(device) => assert_eq!((device, device.to_string().as_str()), (Device::Cuda(1), "cuda:1")),
            Err(e) => assert!(!CUDA && e.to_string().contains("--features cuda"), "{e}"),
        }
        assert_eq!(Device::parse(Some("metal")).is_ok(), METAL);
    }
}
