//! candle's tensors: on the CPU, and on CUDA and Metal in builds with those features.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, D, DType, Device as Place, Layout, MetalStorage, Shape, Storage, Tensor,
    backend::BackendStorage,
};
use half::{bf16, f16, vec::HalfBitsVecExt as _};

use super::{decoder::Decoder, numbers::Numbers};
use crate::{
    Error, Result,
    device::Device,
    dtype::Dtype,
    gradient::{Slopes, Task},
    model::{
        Batch,
        config::{Activation, Norm},
        stored::Rows,
    },
    monitor::Monitor,
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

/// A product with a weight that is not trained: candle's own would compute and keep a gradient of every weight, which is half the
/// time of a backward pass and as much memory as the model.
struct Frozen {
    /// `[inputs, outputs]`
    turned: Tensor,
}

impl Frozen {
    fn product<S: BackendStorage>(
        &self,
        x: &S,
        layout: &Layout,
        pick: impl Fn(&Storage) -> Option<&S>,
    ) -> candle_core::Result<(S, Shape)> {
        let (rows, inputs) = layout.shape().dims2()?;
        let outputs = self.turned.dim(1)?;
        let (storage, turned) = self.turned.storage_and_layout();
        let Some(weight) = pick(&storage) else {
            candle_core::bail!("a weight lies on another device than its operand")
        };
        Ok((x.matmul(weight, (1, rows, outputs, inputs), layout, turned)?, (rows, outputs).into()))
    }
}

impl CustomOp1 for Frozen {
    fn name(&self) -> &'static str {
        "product with a frozen weight"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        self.product(x, layout, |storage| if let Storage::Cpu(weight) = storage { Some(weight) } else { None })
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> candle_core::Result<(CudaStorage, Shape)> {
        self.product(x, layout, |storage| if let Storage::Cuda(weight) = storage { Some(weight) } else { None })
    }

    fn metal_fwd(&self, x: &MetalStorage, layout: &Layout) -> candle_core::Result<(MetalStorage, Shape)> {
        self.product(x, layout, |storage| if let Storage::Metal(weight) = storage { Some(weight) } else { None })
    }

    fn bwd(&self, _x: &Tensor, _result: &Tensor, gradient: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(gradient.matmul(&self.turned.t()?)?))
    }
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
        Ok(self.to_dtype(weight.dtype())?.apply_op1(Frozen { turned: weight.t()? })?.to_dtype(DType::F32)?)
    }

    fn matmul(&self, other: &Self) -> Result<Self> {
        Ok(self.matmul(other)?)
    }

    fn tanh(&self) -> Result<Self> {
        Ok(self.tanh()?)
    }

    fn softmax(&self) -> Result<Self> {
        // What is subtracted cancels, so no gradient need go through it.
        let raised = self.broadcast_sub(&self.max_keepdim(D::Minus1)?.detach())?.exp()?;
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

    fn gradients(decoder: &Decoder<Self>, batch: &Batch, task: &Task<'_>, monitor: &Monitor) -> Result<Slopes> {
        decoder.differentiate(batch, task, monitor)
    }
}
