//! Linear layers, norms, rotary embedding and the head, on any tensor library.

use super::numbers::Numbers;
use crate::{
    Result,
    dtype::Dtype,
    kernels::norm::Norm as NormParts,
    model::{
        Config,
        config::{Activation, Norm as Kind},
        parts::{HeadParts, Matrix, Segments},
        rope::Rope,
        stored::Rows,
    },
};

pub(super) struct Linear<T> {
    weight: T,
    bias: Option<T>,
}

impl<T: Numbers> Linear<T> {
    pub(super) fn new(place: &T::Place, matrix: Matrix, compute: Dtype) -> Result<Self> {
        let bias = matrix.bias.map(|bias| T::upload(place, bias, &[matrix.outputs])).transpose()?;
        Ok(Self { weight: weight(place, &matrix.weight, compute)?, bias })
    }

    /// # Shapes
    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, x: &T) -> Result<T> {
        plus(x.product(&self.weight)?, self.bias.as_ref())
    }
}

/// A matrix on the device; what the host held of its file is given back.
pub(super) fn weight<T: Numbers>(place: &T::Place, rows: &Rows, compute: Dtype) -> Result<T> {
    rows.fits(compute)?;
    let weight = T::weight(place, rows, compute)?;
    rows.forget(0..rows.len());
    Ok(weight)
}

fn plus<T: Numbers>(x: T, bias: Option<&T>) -> Result<T> {
    match bias {
        Some(bias) => x.add(bias),
        None => Ok(x),
    }
}

/// A norm of whole rows, or of each part of a row by itself.
pub(super) struct Norm<T> {
    kind: Kind,
    eps: f32,
    /// `[parts, width of a part]`
    gain: T,
    bias: Option<T>,
    parts: usize,
    width: usize,
}

impl<T: Numbers> Norm<T> {
    pub(super) fn new(place: &T::Place, norm: NormParts) -> Result<Self> {
        let segment = norm.gain.len();
        Self::of_parts(place, Segments { norm, segment })
    }

    pub(super) fn of_parts(place: &T::Place, Segments { norm, segment }: Segments) -> Result<Self> {
        let NormParts { kind, eps, gain, bias } = norm;
        let (parts, width) = (gain.len() / segment, segment);
        let shape = [parts, width];
        let bias = bias.map(|bias| T::upload(place, bias, &shape)).transpose()?;
        Ok(Self { kind, eps, gain: T::upload(place, gain, &shape)?, bias, parts, width })
    }

    /// # Shapes
    /// `x` `[rows, parts * width]`.
    pub(super) fn forward(&self, x: &T, rows: usize) -> Result<T> {
        let x = x.reshape(&[rows, self.parts, self.width])?;
        let normed = x.norm(self.kind, self.eps)?.mul(&self.gain)?;
        plus(normed, self.bias.as_ref())?.reshape(&[rows, self.parts * self.width])
    }
}

/// Angles of each token of a batch.
pub(super) struct Turn<T> {
    /// `[tokens, 1, pairs]`
    cos: T,
    sin: T,
    pairs: usize,
    interleaved: bool,
}

impl<T: Numbers> Turn<T> {
    /// `tokens` holds the position of each token and the length of its sentence.
    pub(super) fn new(place: &T::Place, rope: &Rope, tokens: &[(u32, usize)]) -> Result<Self> {
        let positions = tokens.iter().map(|(position, _)| *position as usize + 1).max().unwrap_or(0);
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        rope.tables(positions, &mut cos, &mut sin);
        let row = |(position, length): &(u32, usize)| *position + rope.offset(*length, positions) as u32;
        let rows = T::indices(place, tokens.iter().map(row).collect())?;
        let pairs = rope.pairs();
        let angles = |table: Vec<f32>| {
            let all = table.len() / pairs;
            T::upload(place, table, &[all, pairs])?.rows(&rows)?.reshape(&[tokens.len(), 1, pairs])
        };
        Ok(Self { cos: angles(cos)?, sin: angles(sin)?, pairs, interleaved: rope.interleaved })
    }

    /// Turns the pairs of each head by the token's angles; what is left of a head stays.
    ///
    /// # Shapes
    /// `x` `[tokens, heads * head_dim]`.
    pub(super) fn forward(&self, x: &T, tokens: usize, heads: usize, head_dim: usize) -> Result<T> {
        let (pairs, turned) = (self.pairs, 2 * self.pairs);
        let x = x.reshape(&[tokens, heads, head_dim])?;
        // Pairs as an axis of their own: neighbours, or first half with second.
        let (shape, axis) =
            if self.interleaved { ([tokens, heads, pairs, 2], 3) } else { ([tokens, heads, 2, pairs], 2) };
        let both = x.narrow(2, 0, turned)?.reshape(&shape)?;
        let flat = [tokens, heads, pairs];
        let a = both.narrow(axis, 0, 1)?.reshape(&flat)?;
        let b = both.narrow(axis, 1, 1)?.reshape(&flat)?;
        let first = a.mul(&self.cos)?.add(&b.mul(&self.sin)?.affine(-1.0, 0.0)?)?;
        let second = b.mul(&self.cos)?.add(&a.mul(&self.sin)?)?;
        let mut single = shape;
        single[axis] = 1;
        let both = T::cat(&[first.reshape(&single)?, second.reshape(&single)?], axis)?;
        let both = both.reshape(&[tokens, heads, turned])?;
        let whole =
            if turned == head_dim { both } else { T::cat(&[both, x.narrow(2, turned, head_dim - turned)?], 2)? };
        whole.reshape(&[tokens, heads * head_dim])
    }
}

/// From the states behind the last block to logits.
pub(super) struct Head<T> {
    project: Option<Linear<T>>,
    dense: Option<(Linear<T>, Norm<T>)>,
    /// `None` when it is the embedding.
    own: Option<T>,
    bias: Option<T>,
    activation: Activation,
    scale: f32,
    cap: Option<f32>,
}

impl<T: Numbers> Head<T> {
    pub(super) fn new(
        place: &T::Place,
        config: &Config,
        project: Option<Matrix>,
        parts: HeadParts,
        compute: Dtype,
    ) -> Result<Self> {
        let HeadParts { dense, own, bias } = parts;
        let project = project.map(|matrix| Linear::new(place, matrix, compute)).transpose()?;
        let dense = match dense {
            Some((dense, norm)) => Some((Linear::new(place, dense, compute)?, Norm::new(place, norm)?)),
            None => None,
        };
        let own = own.map(|matrix| Ok::<_, crate::Error>(Linear::new(place, matrix, compute)?.weight)).transpose()?;
        let bias = bias.map(|bias| T::upload(place, bias, &[config.vocabulary])).transpose()?;
        let Config { activation, logit_scale: scale, logit_cap: cap, .. } = *config;
        Ok(Self { project, dense, own, bias, activation, scale, cap })
    }

    /// # Shapes
    /// `states` `[rows, width]` behind the final norm, `embedding` `[vocabulary, embedding_width]`, to `[rows, vocabulary]`.
    pub(super) fn forward(&self, states: &T, rows: usize, embedding: &T) -> Result<T> {
        let dense = match &self.dense {
            Some((dense, norm)) => Some(norm.forward(&dense.forward(states)?.activate(self.activation)?, rows)?),
            None => None,
        };
        let states = dense.as_ref().unwrap_or(states);
        let narrow = self.project.as_ref().map(|project| project.forward(states)).transpose()?;
        let states = narrow.as_ref().unwrap_or(states);
        let mut logits = plus(states.product(self.own.as_ref().unwrap_or(embedding))?, self.bias.as_ref())?;
        if self.scale != 1.0 {
            logits = logits.affine(self.scale, 0.0)?;
        }
        match self.cap {
            Some(cap) => logits.affine(1.0 / cap, 0.0)?.tanh()?.affine(cap, 0.0),
            None => Ok(logits),
        }
    }
}
