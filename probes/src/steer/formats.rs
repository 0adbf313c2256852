//! Steering vectors as files, ours and those of other programs: bytes in, bytes out.
//!
//! **Layers.** What the same place is called, for a model of L blocks:
//!
//! | place | here | repeng, steering-vectors, CLaS-Bench, hotwire, lm-eval's `layers.i` | llama.cpp `direction.i` |
//! | --- | --- | --- | --- |
//! | embeddings | 0 | - | - |
//! | output of the first block | 1 | 0 | - (llama.cpp refuses `direction.0`) |
//! | output of block l, counted from 1 | l | l - 1 | l - 1 |
//! | output of the last block | L | L - 1 | L - 1 |
//!
//! repeng writes its keys as they are, so that its files and llama.cpp agree: llama.cpp puts `direction.i` into slot i - 1 of
//! a buffer and block i (from 0) reads slot i - 1 (`common_control_vector_load_one`, `llama_adapter_cvec::apply`), and adds it
//! to what the block puts out. By default repeng trains L - 1 to 1, which are our layers L to 2.
//!
//! `own` is our format, `control` the control vector of llama.cpp and repeng. Files of torch (`.pt`) go through
//! `experiments/python/convert_vector.py`, as reading a pickle means executing it.

mod control;
mod own;
#[cfg(test)]
mod tests;

pub use control::{from_control_vector, to_control_vector};
pub use own::{VectorFile, from_safetensors, to_safetensors};

use crate::{Error, Result};

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}
