//! Our format: safetensors with a tensor `layer.{l}` `[width]` f32 for each canonical layer, and in the metadata
//!
//! - `card`: the [`Card`] as JSON,
//! - `index_base`: what a layer's number means, in words,
//! - `format`: [`FORMAT`], with its version.
//!
//! Keys that this version does not know, of the metadata and of the card, are kept and written again.

use std::collections::{BTreeMap, HashMap};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Map, Value};

use super::refuse;
use crate::{
    Error, Result,
    steer::{Card, SteeringVector},
};

/// The name and version of the format.
const FORMAT: &str = "babelscope steering vector 1";
/// What a layer's number means.
const INDEX_BASE: &str = "0 = embeddings, l = output of block l (counted from 1), before the final norm";
/// Keys of the metadata that are ours.
const KEYS: [&str; 3] = ["card", "format", "index_base"];

/// A vector and what its file holds beside it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorFile {
    /// The vector.
    pub vector: SteeringVector,
    /// Keys of the card that this version does not know.
    pub unknown: Map<String, Value>,
    /// Further metadata.
    pub metadata: BTreeMap<String, String>,
}

impl From<SteeringVector> for VectorFile {
    fn from(vector: SteeringVector) -> Self {
        Self { vector, ..Self::default() }
    }
}

/// The bytes of a file.
///
/// # Errors
/// What [`SteeringVector::check_numbers`] refuses.
///
/// ```
/// use babelscope_probes::steer::{Card, SteeringVector, formats::{from_safetensors, to_safetensors}};
/// let card = Card { name: "polite".into(), ..Card::default() };
/// let vector = SteeringVector { card, layers: [(3, vec![0.5, -1.0])].into() };
/// let bytes = to_safetensors(&vector.clone().into())?;
/// assert_eq!(from_safetensors(&bytes)?.vector, vector);
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn to_safetensors(file: &VectorFile) -> Result<Vec<u8>> {
    let VectorFile { vector, unknown, metadata } = file;
    vector.check_numbers()?;
    let broken = |e: &dyn std::fmt::Display| Error::Input {
        measure: "steer",
        why: format!("the vector cannot be written: {e}"),
    };
    let mut card = serde_json::to_value(&vector.card).map_err(|e| broken(&e))?;
    if let Value::Object(card) = &mut card {
        unknown.iter().for_each(|(key, value)| {
            card.entry(key).or_insert_with(|| value.clone());
        });
    }
    let mut all: HashMap<String, String> = metadata.clone().into_iter().collect();
    all.extend(
        [("card", card.to_string()), ("format", FORMAT.to_owned()), ("index_base", INDEX_BASE.to_owned())]
            .map(|(k, v)| (k.to_owned(), v)),
    );
    let numbers: Vec<(String, Vec<u8>)> = vector
        .layers
        .iter()
        .map(|(layer, numbers)| (format!("layer.{layer}"), numbers.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let views: Vec<(&str, TensorView<'_>)> = numbers
        .iter()
        .map(|(name, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?)))
        .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| broken(&e))?;
    safetensors::serialize(views, Some(all)).map_err(|e| broken(&e))
}

/// Reads a file.
///
/// # Errors
/// Bytes that are no safetensors, a file without a card or of a newer version, a tensor that is no layer, is not `[width]` or
/// not f32, and what [`SteeringVector::check_numbers`] refuses.
pub fn from_safetensors(bytes: &[u8]) -> Result<VectorFile> {
    let fail = |why: String| Error::Input { measure: "steer", why };
    let (_, head) = SafeTensors::read_metadata(bytes)
        .map_err(|e| fail(format!("the file is no safetensors ({e}); get it again")))?;
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|e| fail(format!("the file is damaged ({e}); get it again")))?;
    let metadata: BTreeMap<String, String> =
        head.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    match metadata.get("format").map(String::as_str) {
        Some(FORMAT) => {}
        Some(other) => {
            return refuse(format!(
                "the file is of the format {other:?}, this program reads {FORMAT:?}; take a newer one"
            ));
        }
        None => {
            return refuse(
                "the file has no `format` in its metadata, so it is no steering vector of ours; convert it with \
                 convert_vector.py"
                    .to_owned(),
            );
        }
    }
    let Some(card) = metadata.get("card") else {
        return refuse("the file has no `card` in its metadata, so nothing says what the vector is".to_owned());
    };
    let card: Map<String, Value> =
        serde_json::from_str(card).map_err(|e| fail(format!("the card is no JSON object: {e}")))?;
    let read: Card = serde_json::from_value(Value::Object(card.clone()))
        .map_err(|e| fail(format!("the card cannot be read: {e}")))?;
    let known = serde_json::to_value(Card::default()).map_err(|e| fail(e.to_string()))?;
    let unknown = card.into_iter().filter(|(key, _)| known.get(key).is_none()).collect();
    let mut layers = BTreeMap::new();
    for (name, tensor) in tensors.iter() {
        let Some(layer) =
            name.strip_prefix("layer.").and_then(|l| l.parse::<usize>().ok()).filter(|l| name == format!("layer.{l}"))
        else {
            return refuse(format!(
                "the file has a tensor {name:?}; expected `layer.0`, `layer.1`, ... and nothing else"
            ));
        };
        if tensor.dtype() != Dtype::F32 || tensor.shape().len() != 1 {
            return refuse(format!(
                "{name} is {:?} {:?}, expected f32 of one dimension",
                tensor.dtype(),
                tensor.shape()
            ));
        }
        layers.insert(layer, tensor.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect());
    }
    let vector = SteeringVector { card: read, layers };
    vector.check_numbers()?;
    let metadata = metadata.into_iter().filter(|(key, _)| !KEYS.contains(&key.as_str())).collect();
    Ok(VectorFile { vector, unknown, metadata })
}
