//! candle's tensors: on the CPU, and on CUDA and Metal in builds with those features.

use candle_core::{D, DType, Device as Place, Tensor};
use half::{bf16, f16, vec::HalfBitsVecExt as _};

use super::numbers::Numbers;
use crate::{
    Error, Result,
    device::Device,
    dtype::Dtype,
    model::{
        config::{Activation, Norm},
        stored::Rows,
    },
};

/// The device, if this machine has it.
pub(super) fn open(device: Device) -> Result<Place> {
    let place = match device {
        Device::Cpu => return Ok(Place::Cpu),
        Device::Cuda(ordinal) => Place::new_cuda(ordinal),
        Device::Metal => Place::new_metal(0),
    };
    place.map_err(|e| Error::Device { name: device.to_string(), why: format!("cannot be used on this machine: {e}") })
}

impl Numbers for Tensor {
    type Place = Place;

    const LIBRARY: &'static str = "candle 0.11.1";

    fn upload(place: &Place, numbers: Vec<f32>, shape: &[usize]) -> Result<Self> {
        Ok(Self::from_vec(numbers, shape, place)?)
    }

    fn weight(place: &Place, weight: &Rows, dtype: Dtype) -> Result<Self> {
        let shape = (weight.len(), weight.width());
        Ok(match dtype {
            Dtype::F32 => Self::from_vec(weight.to_vec(), shape, place)?,
            Dtype::Bf16 => Self::from_vec(weight.to_halves(dtype).reinterpret_into::<bf16>(), shape, place)?,
            Dtype::F16 => Self::from_vec(weight.to_halves(dtype).reinterpret_into::<f16>(), shape, place)?,
        })
    }

    fn indices(place: &Place, indices: Vec<u32>) -> Result<Self> {
        let len = indices.len();
        Ok(Self::from_vec(indices, len, place)?)
    }

    fn download(&self) -> Result<Vec<f32>> {
        Ok(self.flatten_all()?.to_vec1()?)
    }

    fn reshape(&self, shape: &[usize]) -> Result<Self> {
        Ok(self.reshape(shape)?)
    }

    fn narrow(&self, axis: usize, from: usize, len: usize) -> Result<Self> {
        Ok(self.narrow(axis, from, len)?)
    }

    fn transpose(&self, one: usize, other: usize) -> Result<Self> {
        Ok(self.transpose(one, other)?)
    }

    fn cat(parts: &[Self], axis: usize) -> Result<Self> {
        Ok(Self::cat(parts, axis)?)
    }

    fn rows(&self, indices: &Self) -> Result<Self> {
        Ok(self.contiguous()?.index_select(indices, 0)?.to_dtype(DType::F32)?)
    }

    fn add_rows(&self, indices: &Self, rows: &Self) -> Result<Self> {
        Ok(self.index_add(indices, rows, 0)?)
    }

    fn add(&self, other: &Self) -> Result<Self> {
        Ok(self.broadcast_add(other)?)
    }

    fn mul(&self, other: &Self) -> Result<Self> {
        Ok(self.broadcast_mul(other)?)
    }

    fn affine(&self, times: f32, plus: f32) -> Result<Self> {
        Ok(self.affine(f64::from(times), f64::from(plus))?)
    }

    fn product(&self, weight: &Self) -> Result<Self> {
        Ok(self.to_dtype(weight.dtype())?.matmul(&weight.t()?)?.to_dtype(DType::F32)?)
    }

    fn matmul(&self, other: &Self) -> Result<Self> {
        Ok(self.matmul(other)?)
    }

    fn tanh(&self) -> Result<Self> {
        Ok(self.tanh()?)
    }

    fn softmax(&self) -> Result<Self> {
        let raised = self.broadcast_sub(&self.max_keepdim(D::Minus1)?)?.exp()?;
        Ok(raised.broadcast_div(&raised.sum_keepdim(D::Minus1)?)?)
    }

    fn norm(&self, kind: Norm, eps: f32) -> Result<Self> {
        let centred = match kind {
            Norm::Rms => self.clone(),
            Norm::Layer => self.broadcast_sub(&self.mean_keepdim(D::Minus1)?)?,
        };
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        Ok(centred.broadcast_div(&variance.affine(1.0, f64::from(eps))?.sqrt()?)?)
    }

    fn active(&self) -> Result<Self> {
        Ok(self.gt(0f32)?.to_dtype(DType::F32)?.add(&self.affine(0.0, 0.0)?)?)
    }

    fn activate(&self, activation: Activation) -> Result<Self> {
        Ok(match activation {
            Activation::Silu => self.silu()?,
            Activation::GeluTanh => self.gelu()?,
            Activation::Gelu => self.gelu_erf()?,
            Activation::Relu => self.relu()?,
        })
    }
}
