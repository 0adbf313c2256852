//! A steering vector as it is kept: one direction a layer, and the card that says what it is and where it belongs.

use std::collections::BTreeMap;

use babelscope_core::engine::ModelInfo;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What a steering vector is, so that nobody adds it elsewhere by mistake.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// What it is called: `eng_Latn to spa_Latn`, `polite`.
    pub name: String,
    /// The model that it was trained on, as it was asked for.
    pub model: String,
    /// Hub commit of the model; empty for a folder.
    pub revision: String,
    /// SHA-256 over the weight files of that model; empty in files of other programs, which do not say it.
    pub weights_sha256: String,
    /// Blocks of that model.
    pub model_layers: usize,
    /// The site: `resid_post` with canonical layers (0 = embeddings, l = after block l, before the final norm).
    pub site: String,
    /// How it was estimated: `diff_mean`, `pca`, ...
    pub estimator: String,
    /// Which token's state, or which mean of them, was read: `mean`, `last`, ...
    pub position: String,
    /// What adding it leads to: a language or the name of the positive side.
    pub positive: String,
    /// What it leads away from.
    pub negative: String,
    /// Pairs (or, unpaired, texts of both sides) that it was estimated on.
    pub pairs: usize,
    /// SHA-256 over the texts; empty where it is unknown.
    pub data_sha256: String,
    /// Mean norm of the site's states at each layer, over both sides of the training texts: what strength 1 of unit `norm` is.
    pub mean_norm: BTreeMap<usize, f64>,
    /// Cosine with the difference of means of the same states.
    pub cos_diff_mean: BTreeMap<usize, f64>,
    /// Seed of whatever was drawn.
    pub seed: u64,
    /// Program and version that wrote it.
    pub program: String,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// One direction a layer with its card.
///
/// # Shapes
/// `layers`: canonical layer to `[width]`, all of one width.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SteeringVector {
    /// What it is.
    pub card: Card,
    /// The numbers as the estimator gave them (raw scale).
    pub layers: BTreeMap<usize, Vec<f32>>,
}

impl SteeringVector {
    /// Width; 0 without layers.
    pub fn width(&self) -> usize {
        self.layers.values().next().map_or(0, Vec::len)
    }

    /// Euclidean norm at a layer.
    pub fn norm(&self, layer: usize) -> Option<f64> {
        self.layers.get(&layer).map(|v| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt())
    }

    /// Refuses a vector that holds no finite direction, or that is of another model than `model`; `elsewhere` allows another model
    /// of the same width, as a person may want to know what happens.
    ///
    /// ```
    /// use babelscope_probes::steer::{Card, SteeringVector};
    /// let layers = [(2, vec![1.0, f32::NAN])].into();
    /// let broken = SteeringVector { card: Card { name: "polite".into(), ..Card::default() }, layers };
    /// assert!(broken.check_numbers().unwrap_err().to_string().contains("layer 2"));
    /// ```
    ///
    /// # Errors
    /// A sentence that names the vector, what was expected, and what came.
    pub fn check(&self, model: &ModelInfo, elsewhere: bool) -> Result<()> {
        self.check_numbers()?;
        let name = &self.card.name;
        if self.width() != model.width {
            return refuse(format!(
                "the vector {name} has {} numbers a layer, the residual stream of {} has {}; train it on this model",
                self.width(),
                model.reference,
                model.width
            ));
        }
        if let Some(layer) = self.layers.keys().find(|layer| **layer > model.layers) {
            return refuse(format!(
                "the vector {name} has a direction for layer {layer}, {} has layers 0 (embeddings) to {}",
                model.reference, model.layers
            ));
        }
        let known = &self.card.weights_sha256;
        if !elsewhere && *known != model.weights_sha256 {
            let whose = if known.is_empty() {
                "does not say which model it is of".to_owned()
            } else {
                format!("is of {}", self.card.model)
            };
            return refuse(format!(
                "the vector {name} {whose}, and {} is loaded (its weights differ); say `elsewhere = true` to apply it all the same",
                model.reference
            ));
        }
        Ok(())
    }

    /// The part of [`SteeringVector::check`] that needs no model.
    ///
    /// # Errors
    /// No layer, layers of several widths, a number that is not finite, a direction of length 0.
    pub fn check_numbers(&self) -> Result<()> {
        let name = &self.card.name;
        if self.layers.is_empty() {
            return refuse(format!("the vector {name} has no layer"));
        }
        let width = self.width();
        for (layer, numbers) in &self.layers {
            if numbers.len() != width || width == 0 {
                return refuse(format!(
                    "the vector {name} has {} numbers at layer {layer}, {width} elsewhere",
                    numbers.len()
                ));
            }
            if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
                return refuse(format!(
                    "the vector {name} holds {} at layer {layer}, column {at}; expected finite numbers",
                    numbers[at]
                ));
            }
            if numbers.iter().all(|x| *x == 0.0) {
                return refuse(format!("the vector {name} is zero at layer {layer}, so it points nowhere"));
            }
        }
        Ok(())
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Layers<'a> = &'a [(usize, &'a [f32])];

    fn vector(layers: Layers<'_>) -> SteeringVector {
        let layers = layers.iter().map(|(layer, numbers)| (*layer, numbers.to_vec())).collect();
        SteeringVector { card: Card { name: "polite".into(), ..Card::default() }, layers }
    }

    #[test]
    fn broken_numbers_are_named() {
        let refused: [(Layers<'_>, &str); 4] = [
            (&[], "has no layer"),
            (&[(1, &[1.0, 2.0]), (2, &[1.0])], "1 numbers at layer 2, 2 elsewhere"),
            (&[(1, &[1.0, f32::INFINITY])], "inf at layer 1, column 1"),
            (&[(3, &[0.0, 0.0])], "zero at layer 3"),
        ];
        for (layers, why) in refused {
            let error = vector(layers).check_numbers().unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(vector(&[(1, &[3.0, 4.0])]).check_numbers().is_ok());
        assert_eq!(vector(&[(1, &[3.0, 4.0])]).norm(1), Some(5.0));
    }
}
