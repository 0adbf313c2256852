//! What the pass asks of a tensor library.

use super::decoder::Decoder;
use crate::{
    Error, Result,
    dtype::Dtype,
    gradient::{Slopes, Task},
    model::{
        Batch,
        config::{Activation, Norm},
        stored::Rows,
    },
    monitor::Monitor,
};

/// A tensor of f32 numbers (weights of products may be in another format, indices are integers).
pub(super) trait Numbers: Sized + Send + 'static {
    /// A device with what it takes to put numbers there.
    type Place: Send;

    /// Name and version of the library.
    const LIBRARY: &'static str;

    fn upload(place: &Self::Place, numbers: Vec<f32>, shape: &[usize]) -> Result<Self>;

    /// The weight of [`Numbers::product`], in `dtype`. `[outputs, inputs]`
    fn weight(place: &Self::Place, weight: &Rows, dtype: Dtype) -> Result<Self>;

    fn indices(place: &Self::Place, indices: Vec<u32>) -> Result<Self>;

    /// All numbers in row-major order.
    fn download(&self) -> Result<Vec<f32>>;

    fn reshape(&self, shape: &[usize]) -> Result<Self>;

    fn narrow(&self, axis: usize, from: usize, len: usize) -> Result<Self>;

    fn transpose(&self, one: usize, other: usize) -> Result<Self>;

    fn cat(parts: &[Self], axis: usize) -> Result<Self>;

    /// The rows `indices` of a matrix, as f32 whatever it is stored in.
    fn rows(&self, indices: &Self) -> Result<Self>;

    /// The matrix with `rows` added to its rows `indices`.
    fn add_rows(&self, indices: &Self, rows: &Self) -> Result<Self>;

    /// `self + other`, where `other` may have fewer axes or axes of length 1.
    fn add(&self, other: &Self) -> Result<Self>;

    /// `self * other`, as [`Numbers::add`].
    fn mul(&self, other: &Self) -> Result<Self>;

    /// `times * self + plus`
    fn affine(&self, times: f32, plus: f32) -> Result<Self>;

    /// `self weight^T`: operands rounded to the weight's dtype. `[rows, inputs]` to `[rows, outputs]`
    fn product(&self, weight: &Self) -> Result<Self>;

    /// `[n, a, b]` with `[n, b, c]` to `[n, a, c]`
    fn matmul(&self, other: &Self) -> Result<Self>;

    fn tanh(&self) -> Result<Self>;

    /// Over the last axis.
    fn softmax(&self) -> Result<Self>;

    /// Over the last axis, without gain and bias.
    fn norm(&self, kind: Norm, eps: f32) -> Result<Self>;

    /// 1 for a number above 0, else 0; NaN for one that is not finite.
    fn active(&self) -> Result<Self>;

    fn activate(&self, activation: Activation) -> Result<Self>;

    /// [`super::Pass::gradients`]; a library whose graph is not used refuses.
    fn gradients(_decoder: &Decoder<Self>, _batch: &Batch, _task: &Task<'_>, _monitor: &Monitor) -> Result<Slopes> {
        let why = format!(
            "gradients are taken by candle, and this model is on {}; load it with the engine `candle`",
            Self::LIBRARY
        );
        Err(Error::Plan { why })
    }
}
