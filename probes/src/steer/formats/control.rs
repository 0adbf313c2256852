//! The control vector of llama.cpp and repeng: a GGUF file with `general.architecture` = `controlvector`,
//! `controlvector.model_hint` (the architecture of the model), `controlvector.layer_count` (how many directions) and a tensor
//! `direction.{i}` `[width]` f32 for output of block i, counted from 0. The head of [`super`] has the table of layers.
//! Directions are raw: the strength is chosen when they are applied.
//!
//! Our card travels in `babelscope.card`, which the others leave alone.
//!
//! GGUF: little-endian; magic, version 3, number of tensors, number of entries; entries (name, kind, value); tensors (name,
//! number of sizes, sizes, format, offset); the data, each tensor at a multiple of 32 bytes.

use std::collections::BTreeMap;

use babelscope_core::gguf::{Value, contents};

use super::refuse;
use crate::{
    Error, Result,
    steer::{Card, SteeringVector},
};

const ARCHITECTURE: &str = "controlvector";
const HINT: &str = "controlvector.model_hint";
const COUNT: &str = "controlvector.layer_count";
const CARD: &str = "babelscope.card";
/// Kinds of values, and the format of tensors, by their numbers in the file.
const U32: u32 = 4;
const TEXT: u32 = 8;
const F32: u32 = 0;
const ALIGNMENT: usize = 32;

/// The bytes of a control vector; `hint` is the architecture of the model, `llama`, `qwen2` (`ModelInfo::family`).
///
/// # Errors
/// Layer 0 (embeddings) and layer 1 (output of the first block), to which llama.cpp can add nothing; what
/// [`SteeringVector::check_numbers`] refuses.
///
/// ```
/// use babelscope_probes::steer::{SteeringVector, formats::{from_control_vector, to_control_vector}};
/// let mut vector = SteeringVector { layers: [(1, vec![1.0, 0.0]), (2, vec![0.5, -1.0])].into(), ..SteeringVector::default() };
/// assert!(to_control_vector(&vector, "llama").unwrap_err().to_string().contains("layer 1"));
/// vector.layers.remove(&1);
/// assert_eq!(from_control_vector(&to_control_vector(&vector, "llama")?)?, vector);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn to_control_vector(vector: &SteeringVector, hint: &str) -> Result<Vec<u8>> {
    vector.check_numbers()?;
    if let Some((layer, _)) = vector.layers.first_key_value().filter(|(layer, _)| **layer < 2) {
        let what = if *layer == 0 { "the embeddings" } else { "the output of the first block" };
        return refuse(format!(
            "layer {layer} is {what}, and a control vector of llama.cpp begins at the second block; leave it out, and \
             write layers 2 and later"
        ));
    }
    let fail = |e: &dyn std::fmt::Display| Error::Input {
        measure: "steer",
        why: format!("the control vector cannot be written: {e}"),
    };
    let card = serde_json::to_string(&vector.card).map_err(|e| fail(&e))?;
    let count = u32::try_from(vector.layers.len()).map_err(|e| fail(&e))?;
    let mut file = Writer::default();
    file.bytes.extend(b"GGUF");
    file.u32(3);
    file.u64(vector.layers.len());
    file.u64(4);
    for (key, value) in [("general.architecture", ARCHITECTURE), (HINT, hint), (CARD, &card)] {
        file.text(key);
        file.u32(TEXT);
        file.text(value);
    }
    file.text(COUNT);
    file.u32(U32);
    file.u32(count);
    let size = (vector.width() * size_of::<f32>()).next_multiple_of(ALIGNMENT);
    for (at, layer) in vector.layers.keys().enumerate() {
        file.text(&format!("direction.{}", layer - 1));
        file.u32(1);
        file.u64(vector.width());
        file.u32(F32);
        file.u64(at * size);
    }
    for numbers in vector.layers.values() {
        file.align();
        numbers.iter().for_each(|x| file.bytes.extend(x.to_le_bytes()));
    }
    file.align();
    Ok(file.bytes)
}

/// Reads a control vector. `direction.0`, which repeng can write and llama.cpp refuses, becomes layer 1.
///
/// # Errors
/// Bytes that are no GGUF, a GGUF that is no control vector, a tensor that is no direction or not of one dimension, and what
/// [`SteeringVector::check_numbers`] refuses.
pub fn from_control_vector(bytes: &[u8]) -> Result<SteeringVector> {
    let file = contents(bytes).map_err(|why| Error::Input { measure: "steer", why })?;
    let text = |key: &str| match file.metadata.get(key) {
        Some(Value::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    match text("general.architecture") {
        Some(ARCHITECTURE) => {}
        other => {
            return refuse(format!(
                "the GGUF file holds {}, expected a control vector (`general.architecture` = {ARCHITECTURE})",
                other.map_or("no architecture".to_owned(), |name| format!("the architecture {name:?}"))
            ));
        }
    }
    let mut layers = BTreeMap::new();
    for (name, shape, numbers) in &file.tensors {
        let Some(block) =
            name.strip_prefix("direction.").and_then(|i| i.parse::<usize>().ok()).filter(|i| *i < usize::MAX)
        else {
            return refuse(format!(
                "the control vector has a tensor {name:?}; expected `direction.1`, `direction.2`, ..."
            ));
        };
        if shape.len() != 1 {
            return refuse(format!("{name} has the shape {shape:?}, expected one dimension"));
        }
        if layers.insert(block + 1, numbers.clone()).is_some() {
            return refuse(format!("the control vector has {name} twice"));
        }
    }
    let card = match text(CARD) {
        Some(card) => serde_json::from_str(card).map_err(|e| Error::Input {
            measure: "steer",
            why: format!("the card of the control vector cannot be read: {e}"),
        })?,
        None => foreign(text(HINT).unwrap_or_default()),
    };
    let vector = SteeringVector { card, layers };
    vector.check_numbers()?;
    Ok(vector)
}

/// What can be said of a file of another program.
fn foreign(hint: &str) -> Card {
    Card {
        name: "control vector".to_owned(),
        model: hint.to_owned(),
        site: "resid_post".to_owned(),
        notes: vec![format!(
            "read from a control vector of another program, which says the architecture {hint:?} and not which \
             weights, estimator or texts it is of"
        )],
        ..Card::default()
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn u32(&mut self, number: u32) {
        self.bytes.extend(number.to_le_bytes());
    }

    fn u64(&mut self, number: usize) {
        self.bytes.extend((number as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len());
        self.bytes.extend(text.as_bytes());
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}
