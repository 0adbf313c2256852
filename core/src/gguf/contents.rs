//! GGUF files that are no models, such as llama.cpp's control vectors: everything that they hold.

use std::collections::BTreeMap;

use super::{Gguf, Value};

/// What a file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// By key.
    pub metadata: BTreeMap<String, Value>,
    /// Name, shape from the outermost size on, and numbers (dequantised) of each tensor, in the order of the file.
    pub tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
}

/// Reads a whole file.
///
/// # Errors
/// A sentence that says why the bytes are no GGUF, are damaged, or of a number format that is not known.
///
/// ```
/// assert!(babelscope_core::gguf::contents(b"GGML").unwrap_err().contains("does not begin with GGUF"));
/// ```
pub fn contents(bytes: &[u8]) -> Result<Contents, String> {
    let Gguf { metadata, tensors } = Gguf::read(bytes)?;
    let read = tensors.into_iter().map(|entry| {
        let mut numbers = vec![0.0; entry.shape.iter().product()];
        let read = entry.format.dequantise(&bytes[entry.range], &mut numbers);
        read.map_err(|e| format!("tensor {} cannot be read: {e}", entry.name))?;
        Ok((entry.name, entry.shape, numbers))
    });
    Ok(Contents { metadata, tensors: read.collect::<Result<_, String>>()? })
}
