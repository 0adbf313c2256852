//! The three number formats that weights are stored in and products are computed in.
//!
//! What a compute dtype means on the CPU: the operands of every matrix product with weights are rounded to it, weights once
//! when they are loaded and activations before each product; products and sums are f32. The residual stream, norms, softmax,
//! attention and everything that is captured stay f32 in all three. So `bf16` here is at least as precise as a library
//! that also keeps the stream in bf16.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Error;

/// A number format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 24 significant bits. Products are exact to f32 rounding, whatever the weights are stored in.
    #[default]
    F32,
    /// 8 significant bits, the range of f32.
    Bf16,
    /// 11 significant bits, numbers up to 65504.
    F16,
}

impl Dtype {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        })
    }
}

impl FromStr for Dtype {
    type Err = Error;

    /// Reads `f32`, `bf16`, `f16`.
    ///
    /// ```
    /// use babelscope_core::dtype::Dtype;
    /// assert_eq!("bf16".parse::<Dtype>()?, Dtype::Bf16);
    /// assert!("int8".parse::<Dtype>().is_err());
    /// # Ok::<(), babelscope_core::Error>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::F32, Self::Bf16, Self::F16].into_iter().find(|dtype| dtype.to_string() == text).ok_or_else(|| {
            let why = "is no number format to compute in; expected f32, bf16 or f16".to_owned();
            Error::Dtype { text: text.to_owned(), why }
        })
    }
}
