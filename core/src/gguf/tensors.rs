//! The tensors of a GGUF file under the names and in the form of a Hugging Face checkpoint.

use std::{fmt, ops::Range};

use candle_core::{
    Device,
    quantized::{GgmlDType, QStorage, QTensor},
};
use rayon::prelude::*;

use super::{Entry, Gguf};

/// How a tensor's numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format(GgmlDType);

impl Format {
    /// The formats that weights are stored in, of those that can be read.
    pub(super) fn known(number: u32) -> Option<Self> {
        let format = match number {
            0 => GgmlDType::F32,
            1 => GgmlDType::F16,
            2 => GgmlDType::Q4_0,
            3 => GgmlDType::Q4_1,
            6 => GgmlDType::Q5_0,
            7 => GgmlDType::Q5_1,
            8 => GgmlDType::Q8_0,
            10 => GgmlDType::Q2K,
            11 => GgmlDType::Q3K,
            12 => GgmlDType::Q4K,
            13 => GgmlDType::Q5K,
            14 => GgmlDType::Q6K,
            30 => GgmlDType::BF16,
            _ => return None,
        };
        Some(Self(format))
    }

    /// Bytes of so many numbers, `None` when they do not fill whole blocks.
    pub(super) fn bytes(self, numbers: usize) -> Option<usize> {
        let blocks = numbers.is_multiple_of(self.0.block_size()).then(|| numbers / self.0.block_size())?;
        blocks.checked_mul(self.0.type_size())
    }

    /// `out` filled with the numbers that `bytes` hold, which are as many.
    pub(crate) fn dequantise(self, bytes: &[u8], out: &mut [f32]) -> candle_core::Result<()> {
        const BLOCKS: usize = 1 << 10;
        let (numbers, size) = (BLOCKS * self.0.block_size(), BLOCKS * self.0.type_size());
        out.par_chunks_mut(numbers).zip(bytes.par_chunks(size)).try_for_each(|(out, bytes)| {
            // A copy, as blocks of the file may begin where no number of this machine may.
            let storage = QStorage::from_data(bytes.to_vec().into(), &Device::Cpu, self.0)?;
            let values = QTensor::new(storage, out.len())?.dequantize(&Device::Cpu)?;
            out.copy_from_slice(&values.to_vec1::<f32>()?);
            Ok(())
        })
    }
}

impl fmt::Display for Format {
    /// As llama.cpp writes it: `Q4_K`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = format!("{:?}", self.0);
        match name.strip_suffix('K') {
            Some(bits) => write!(f, "{bits}_K"),
            None => f.write_str(&name),
        }
    }
}

/// What llama.cpp's converter did to a tensor, to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repair {
    None,
    /// Rows of each of so many heads: halves interleaved.
    Heads(usize),
    /// Gemma's norms hold the gain, checkpoints hold the gain less 1.
    LessOne,
}

impl Repair {
    /// Undoes it on numbers of rows of `width`.
    pub(crate) fn apply(self, numbers: Vec<f32>, width: usize) -> Vec<f32> {
        match self {
            Self::None => numbers,
            Self::LessOne => numbers.into_iter().map(|x| x - 1.0).collect(),
            Self::Heads(heads) => {
                let rows = numbers.len() / width;
                let (dim, half) = (rows / heads, rows / heads / 2);
                let from = |row: usize| row / dim * dim + row % dim % half * 2 + row % dim / half;
                (0..rows).flat_map(|row| numbers[from(row) * width..][..width].iter().copied()).collect()
            }
        }
    }
}

/// Where a tensor of the checkpoint comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    /// As the checkpoint calls it.
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) format: Format,
    pub(crate) range: Range<usize>,
    pub(crate) repair: Repair,
}

/// All tensors that carry weights, by the checkpoint's names; the name of a tensor that has no place.
pub(crate) fn sources(gguf: &Gguf) -> Result<Vec<Source>, String> {
    let family = gguf.text("general.architecture").unwrap_or_default();
    let heads = |key: &str| gguf.whole(&format!("{family}.attention.{key}"));
    let queries = heads("head_count").unwrap_or(0);
    let keys = heads("head_count_kv").unwrap_or(queries);
    let mut sources = Vec::with_capacity(gguf.tensors.len());
    for Entry { name, shape, format, range } in &gguf.tensors {
        // Scaling of the rotary embedding; part of the config, see config.rs.
        if name.starts_with("rope_f") && name.ends_with(".weight") {
            continue;
        }
        let own = name_of(family, name)
            .ok_or_else(|| format!("tensor {name} has no place in the architecture {family:?}"))?;
        let repair = match name.rsplit_once('.').map(|(stem, _)| stem) {
            Some(stem) if family == "llama" && stem.ends_with(".attn_q") => Repair::Heads(queries),
            Some(stem) if family == "llama" && stem.ends_with(".attn_k") => Repair::Heads(keys),
            Some(stem) if family.starts_with("gemma") && stem.ends_with("norm") => Repair::LessOne,
            _ => Repair::None,
        };
        if let Repair::Heads(heads) = repair {
            let rows = shape.first().copied().unwrap_or(0);
            if heads == 0 || rows == 0 || !rows.is_multiple_of(2 * heads) {
                return Err(format!("the {rows} rows of tensor {name} do not divide into {heads} heads of two halves"));
            }
        }
        let (shape, range) = (shape.clone(), range.clone());
        sources.push(Source { name: own, shape, format: *format, range, repair });
    }
    Ok(sources)
}

/// llama.cpp's name to that of transformers.
fn name_of(family: &str, name: &str) -> Option<String> {
    match name {
        "token_embd.weight" => return Some("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => return Some("model.norm.weight".to_owned()),
        "output.weight" => return Some("lm_head.weight".to_owned()),
        _ => {}
    }
    let (block, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (part, kind) = rest.rsplit_once('.')?;
    let sandwich = matches!(family, "gemma2" | "gemma3");
    let own = match part {
        "attn_norm" => "input_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_qkv" if family == "phi3" => "self_attn.qkv_proj",
        "attn_output" => "self_attn.o_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "post_attention_norm" if sandwich => "post_attention_layernorm",
        "ffn_norm" if sandwich => "pre_feedforward_layernorm",
        "post_ffw_norm" if sandwich => "post_feedforward_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" if family == "phi3" => "mlp.gate_up_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        _ => return None,
    };
    Some(format!("model.layers.{block}.{own}.{kind}"))
}
