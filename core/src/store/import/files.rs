//! The files of other programs as named tensors. candle's readers are held so that a damaged file is an error and no end.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use candle_core::{DType, Device, Tensor, npy::NpzTensors, pickle::PthTensors, safetensors::MmapedSafetensors};

use super::{super::meta::POOLED, fail};
use crate::{Error, Result};

enum Reader {
    Npy,
    Npz(NpzTensors),
    Pt(PthTensors),
    Safetensors(MmapedSafetensors),
}

/// A file that is open.
pub(super) struct Foreign {
    pub(super) path: PathBuf,
    /// Its tensors by name.
    pub(super) tensors: BTreeMap<String, (Vec<usize>, DType)>,
    reader: Reader,
}

impl Foreign {
    /// Opens a `.npy`, `.npz`, `.pt`, `.pth`, `.bin` or `.safetensors` file and reads what tensors it has.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let length = fs::metadata(path)
            .map_err(|source| Error::Read { what: "a file to import", path: path.to_owned(), source })?
            .len();
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let (reader, tensors) = held(path, || match ending.as_str() {
            "npy" => {
                claims(path, length).map_err(candle_core::Error::Msg)?;
                let tensor = Tensor::read_npy(path)?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                Ok((Reader::Npy, BTreeMap::from([(name, (tensor.dims().to_vec(), tensor.dtype()))])))
            }
            "npz" => {
                let file = NpzTensors::new(path)?;
                let names: Vec<String> = file.names().into_iter().cloned().collect();
                let about = names.into_iter().map(|name| {
                    let (shape, dtype) = file.get_shape_and_dtype(&name)?;
                    Ok((name, (shape.dims().to_vec(), dtype)))
                });
                let tensors = about.collect::<candle_core::Result<_>>()?;
                Ok((Reader::Npz(file), tensors))
            }
            "pt" | "pth" | "bin" => {
                let file = PthTensors::new(path, None)?;
                let about = file.tensor_infos().iter();
                let tensors = about.map(|(name, i)| (name.clone(), (i.layout.dims().to_vec(), i.dtype))).collect();
                Ok((Reader::Pt(file), tensors))
            }
            "safetensors" => {
                #[expect(unsafe_code, reason = "a memory map of a file")]
                // SAFETY: undefined only when the file is cut or written to while it is mapped; it is a finished file of another
                // program, and it is read once.
                let file = unsafe { MmapedSafetensors::new(path) }?;
                let about = file.tensors().into_iter();
                let tensors = about.map(|(name, view)| {
                    let dtype = DType::try_from(view.dtype())?;
                    Ok((name, (view.shape().to_vec(), dtype)))
                });
                let tensors = tensors.collect::<candle_core::Result<_>>()?;
                Ok((Reader::Safetensors(file), tensors))
            }
            other => {
                candle_core::bail!("the ending .{other} is unknown; expected .npy, .npz, .pt, .pth or .safetensors")
            }
        })?;
        let file = Self { path: path.to_owned(), tensors, reader };
        for (name, (shape, dtype)) in &file.tensors {
            // Nothing here is compressed.
            let bytes = shape.iter().try_fold(dtype.size_in_bytes() as u64, |n, d| n.checked_mul(*d as u64));
            if bytes.is_none_or(|bytes| bytes > length) {
                return Err(fail(
                    path,
                    format!("{name} claims the shape {shape:?}, and the file has {length} bytes: damaged"),
                ));
            }
        }
        if file.tensors.is_empty() {
            let why = "no named tensors were found; save a dict, as in torch.save({\"layer.4\": states}, path)";
            return Err(fail(path, why));
        }
        Ok(file)
    }

    /// A tensor as f32, on the CPU.
    pub(super) fn load(&self, name: &str) -> Result<Tensor> {
        held(&self.path, || {
            let none = || candle_core::Error::Msg(format!("there is no tensor {name}"));
            let tensor = match &self.reader {
                Reader::Npy => Tensor::read_npy(&self.path)?,
                Reader::Npz(file) => file.get(name)?.ok_or_else(none)?,
                Reader::Pt(file) => file.get(name)?.ok_or_else(none)?,
                Reader::Safetensors(file) => file.load(name, &Device::Cpu)?,
            };
            tensor.to_dtype(DType::F32)
        })
    }

    /// A tensor of token ids.
    pub(super) fn ids(&self, name: &str) -> Result<Vec<u32>> {
        let ids: Vec<i64> = held(&self.path, || {
            let none = || candle_core::Error::Msg(format!("there is no tensor {name}"));
            let tensor = match &self.reader {
                Reader::Npy => Tensor::read_npy(&self.path)?,
                Reader::Npz(file) => file.get(name)?.ok_or_else(none)?,
                Reader::Pt(file) => file.get(name)?.ok_or_else(none)?,
                Reader::Safetensors(file) => file.load(name, &Device::Cpu)?,
            };
            tensor.to_dtype(DType::I64)?.flatten_all()?.to_vec1()
        })?;
        let id = |id: &i64| {
            u32::try_from(*id)
                .ok()
                .filter(|id| *id < POOLED)
                .ok_or_else(|| fail(&self.path, format!("{name} holds {id}, which is no token id")))
        };
        ids.iter().map(id).collect()
    }
}

/// Refuses a .npy whose head claims more numbers than the file has bytes: candle's reader makes room for them first, and a process
/// that asks for too much room is ended and not told.
fn claims(path: &Path, length: u64) -> std::result::Result<(), String> {
    let mut head = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut head));
    read.map_err(|e| e.to_string())?;
    let damaged = || "the head of the .npy file is damaged".to_owned();
    // Magic, version, and the length of the text that follows: two bytes in version 1, four since.
    let wide = head.get(6).is_some_and(|version| *version > 1);
    let told = head.get(8..if wide { 12 } else { 10 }).ok_or_else(damaged)?;
    let told = told.iter().rev().fold(0, |all, byte| all << 8 | usize::from(*byte));
    let text = head.get(10..).and_then(|text| text.get(..told)).ok_or_else(damaged)?;
    let text = String::from_utf8_lossy(text);
    // Of two shapes the reader would take the other one.
    if text.matches("shape").count() != 1 {
        return Err(damaged());
    }
    let shape =
        text.split_once("shape").and_then(|(_, rest)| rest.split_once('(')?.1.split_once(')')).ok_or_else(damaged)?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let numbers = sizes.map(|size| size.parse::<u64>().ok()).try_fold(1_u64, |all, size| all.checked_mul(size?));
    match numbers {
        Some(numbers) if numbers <= length => Ok(()),
        _ => Err(format!("it claims the shape ({shape}), and the file has {length} bytes: damaged")),
    }
}

/// candle's readers trust their files; a panic on a damaged one becomes an error here.
fn held<T>(path: &Path, work: impl FnOnce() -> candle_core::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| {
            let why = e.to_string();
            let hint = if why.contains("compression method") {
                "; save it with numpy.savez, not savez_compressed"
            } else {
                ""
            };
            fail(path, format!("the file cannot be read: {why}{hint}"))
        }),
        Err(_panic) => Err(fail(path, "the file is damaged; write it again")),
    }
}
