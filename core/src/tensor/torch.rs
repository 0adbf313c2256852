//! libtorch's tensors, through the PyTorch that is installed.

use half::{bf16, f16, vec::HalfBitsVecExt as _};
use tch::{Device as Place, Kind, Tensor};

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

/// The device, if this machine's PyTorch has it.
pub(super) fn open(device: Device) -> Result<Place> {
    let lacking = |why: String| Err(Error::Device { name: device.to_string(), why });
    match device {
        Device::Cpu => Ok(Place::Cpu),
        Device::Cuda(ordinal) => {
            let found = tch::Cuda::device_count();
            match i64::try_from(ordinal).is_ok_and(|ordinal| ordinal < found) {
                true => Ok(Place::Cuda(ordinal)),
                false => lacking(format!("PyTorch finds {found} CUDA devices on this machine")),
            }
        }
        Device::Metal => lacking("the torch engine computes on `cpu` and `cuda`".to_owned()),
    }
}

fn signed(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|size| *size as i64).collect()
}

impl From<tch::TchError> for Error {
    fn from(e: tch::TchError) -> Self {
        Self::Torch(e.to_string())
    }
}

impl Numbers for Tensor {
    type Place = Place;

    const LIBRARY: &'static str = "libtorch 2.13";

    fn upload(place: &Place, numbers: Vec<f32>, shape: &[usize]) -> Result<Self> {
        Ok(Self::f_from_slice(&numbers)?.f_reshape(signed(shape))?.f_to_device(*place)?)
    }

    fn weight(place: &Place, weight: &Rows, dtype: Dtype) -> Result<Self> {
        let numbers = match dtype {
            Dtype::F32 => Self::f_from_slice(&weight.to_vec())?,
            // tch 0.26 takes the bits of bf16 for those of f16, so their kind is said again.
            Dtype::Bf16 => {
                Self::f_from_slice(&weight.to_halves(dtype).reinterpret_into::<bf16>())?.f_view_dtype(Kind::BFloat16)?
            }
            Dtype::F16 => Self::f_from_slice(&weight.to_halves(dtype).reinterpret_into::<f16>())?,
        };
        Ok(numbers.f_reshape(signed(&[weight.len(), weight.width()]))?.f_to_device(*place)?)
    }

    fn indices(place: &Place, indices: Vec<u32>) -> Result<Self> {
        let indices: Vec<i64> = indices.into_iter().map(i64::from).collect();
        Ok(Self::f_from_slice(&indices)?.f_to_device(*place)?)
    }

    fn download(&self) -> Result<Vec<f32>> {
        let here = self.f_contiguous()?.f_to_device(Place::Cpu)?;
        let mut numbers = vec![0.0; here.numel()];
        here.f_copy_data(&mut numbers, here.numel())?;
        Ok(numbers)
    }

    fn reshape(&self, shape: &[usize]) -> Result<Self> {
        Ok(self.f_reshape(signed(shape))?)
    }

    fn narrow(&self, axis: usize, from: usize, len: usize) -> Result<Self> {
        Ok(self.f_narrow(axis as i64, from as i64, len as i64)?)
    }

    fn transpose(&self, one: usize, other: usize) -> Result<Self> {
        Ok(self.f_transpose(one as i64, other as i64)?)
    }

    fn cat(parts: &[Self], axis: usize) -> Result<Self> {
        Ok(Self::f_cat(parts, axis as i64)?)
    }

    fn rows(&self, indices: &Self) -> Result<Self> {
        Ok(self.f_index_select(0, indices)?.f_to_kind(Kind::Float)?)
    }

    fn add_rows(&self, indices: &Self, rows: &Self) -> Result<Self> {
        Ok(self.f_index_add(0, indices, rows)?)
    }

    fn add(&self, other: &Self) -> Result<Self> {
        Ok(self.f_add(other)?)
    }

    fn mul(&self, other: &Self) -> Result<Self> {
        Ok(self.f_mul(other)?)
    }

    fn affine(&self, times: f32, plus: f32) -> Result<Self> {
        let scaled = self.f_mul_scalar(f64::from(times))?;
        Ok(if plus == 0.0 { scaled } else { scaled.f_add_scalar(f64::from(plus))? })
    }

    fn product(&self, weight: &Self) -> Result<Self> {
        Ok(self.f_to_kind(weight.f_kind()?)?.f_matmul(&weight.f_transpose(0, 1)?)?.f_to_kind(Kind::Float)?)
    }

    fn matmul(&self, other: &Self) -> Result<Self> {
        Ok(self.f_matmul(other)?)
    }

    fn tanh(&self) -> Result<Self> {
        Ok(self.f_tanh()?)
    }

    fn softmax(&self) -> Result<Self> {
        Ok(self.f_softmax(-1, Kind::Float)?)
    }

    fn norm(&self, kind: Norm, eps: f32) -> Result<Self> {
        let width = self.size().last().copied().unwrap_or_default();
        let none: Option<&Self> = None;
        Ok(match kind {
            Norm::Rms => self.f_rms_norm([width], none, Some(f64::from(eps)))?,
            Norm::Layer => self.f_layer_norm([width], none, none, f64::from(eps), false)?,
        })
    }

    fn active(&self) -> Result<Self> {
        Ok(self.f_gt(0.0)?.f_to_kind(Kind::Float)?.f_add(&self.f_mul_scalar(0.0)?)?)
    }

    fn activate(&self, activation: Activation) -> Result<Self> {
        Ok(match activation {
            Activation::Silu => self.f_silu()?,
            Activation::GeluTanh => self.f_gelu("tanh")?,
            Activation::Gelu => self.f_gelu("none")?,
            Activation::Relu => self.f_relu()?,
        })
    }
}
