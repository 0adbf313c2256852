//! Objectives as tensors, f64 where the device has it. Each gives terms that belong to sentences; a sentence's value is their sum.

use candle_core::{D, DType, Device, Tensor};

use crate::{Result, gradient::Contrast};

/// The terms of the sentences of a batch.
pub(super) struct Terms {
    /// `[terms]`
    terms: Tensor,
    /// The sentence of each, and what is added to it that does not depend on the model.
    owners: Vec<(usize, f64)>,
}

impl Terms {
    /// What is differentiated: sentences do not depend on each other, so one backward pass of the sum serves all of them.
    pub(super) fn sum(&self) -> Result<Tensor> {
        Ok(self.terms.sum_all()?)
    }

    /// The value of each of the `sentences` sentences.
    pub(super) fn of_sentences(&self, sentences: usize) -> Result<Vec<f64>> {
        let mut values = vec![0.0; sentences];
        let terms: Vec<f64> = self.terms.to_dtype(DType::F64)?.to_vec1()?;
        for (term, (owner, constant)) in terms.into_iter().zip(&self.owners) {
            values[*owner] += term + constant;
        }
        Ok(values)
    }
}

/// Metal has no f64.
fn wide(device: &Device) -> DType {
    if device.is_metal() { DType::F32 } else { DType::F64 }
}

/// # Shapes
/// `[rows, vocabulary]` to the same.
fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let logits = logits.to_dtype(wide(logits.device()))?;
    let lowered = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    Ok(lowered.broadcast_sub(&lowered.exp()?.sum_keepdim(D::Minus1)?.log()?)?)
}

/// # Shapes
/// `logits` `[sentences, vocabulary]`, of the contrasts' positions.
pub(super) fn logit_difference(logits: &Tensor, contrasts: &[&Contrast]) -> Result<Terms> {
    let (rows, vocabulary) = logits.dims2()?;
    let (mut places, mut weights, mut owners) = (Vec::new(), Vec::new(), Vec::new());
    for (row, contrast) in contrasts.iter().enumerate() {
        for (ids, sign) in [(&contrast.plus, 1.0), (&contrast.minus, -1.0)] {
            for id in ids {
                places.push((row * vocabulary) as u32 + id);
                weights.push(sign / ids.len() as f64);
                owners.push((row, 0.0));
            }
        }
    }
    let device = logits.device();
    let picked = logits.reshape(rows * vocabulary)?.index_select(&Tensor::new(places, device)?, 0)?;
    let weights = Tensor::new(weights, &Device::Cpu)?.to_dtype(wide(device))?.to_device(device)?;
    Ok(Terms { terms: picked.to_dtype(wide(device))?.mul(&weights)?, owners })
}

/// # Shapes
/// `logits` `[tokens, vocabulary]`; `ids` the tokens that follow, `owners` their sentences.
pub(super) fn log_probability(logits: &Tensor, ids: Vec<u32>, owners: Vec<usize>) -> Result<Terms> {
    let tokens = ids.len();
    let ids = Tensor::from_vec(ids, (tokens, 1), logits.device())?;
    let terms = log_softmax(logits)?.gather(&ids, 1)?.reshape(tokens)?;
    Ok(Terms { terms, owners: owners.into_iter().map(|owner| (owner, 0.0)).collect() })
}

/// # Shapes
/// `logits` and `targets` `[sentences, vocabulary]`.
pub(super) fn divergence(logits: &Tensor, targets: &[&[f32]]) -> Result<Terms> {
    let (rows, vocabulary) = logits.dims2()?;
    let device = logits.device();
    let flat: Vec<f32> = targets.concat();
    let targets_there = Tensor::from_vec(flat, (rows, vocabulary), device)?.to_dtype(wide(device))?;
    let terms = targets_there.mul(&log_softmax(logits)?)?.sum(1)?.affine(-1.0, 0.0)?;
    let entropy = |target: &&[f32]| -> f64 {
        target.iter().filter(|p| **p > 0.0).map(|p| f64::from(*p) * f64::from(*p).ln()).sum()
    };
    Ok(Terms { terms, owners: targets.iter().map(entropy).enumerate().collect() })
}

/// # Shapes
/// `state` `[rows, width]`, `weights` `[sentences, rows]` flat, `targets` `[sentences, width]`.
pub(super) fn distance(place: &Device, state: &Tensor, weights: Vec<f32>, targets: &[&[f32]]) -> Result<Terms> {
    let (rows, width) = state.dims2()?;
    let sentences = targets.len();
    let pooled = Tensor::from_vec(weights, (sentences, rows), place)?.matmul(&state.contiguous()?)?;
    let apart = pooled.sub(&Tensor::from_vec(targets.concat(), (sentences, width), place)?)?;
    let terms = apart.to_dtype(wide(place))?.sqr()?.sum(1)?;
    Ok(Terms { terms, owners: (0..sentences).map(|sentence| (sentence, 0.0)).collect() })
}
