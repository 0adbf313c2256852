//! Where things lie in a shard's file: the header as it is written, and as it is believed only after a look.

use std::ops::Range;

use safetensors::{SafeTensors, tensor::Metadata};
use serde_json::{Map, Value, json};

use super::{
    Checked,
    meta::{Row, ShardMeta},
};
use crate::dtype::Dtype;

/// Data begin on a multiple of this.
const ALIGN: usize = 64;

/// The columns of the rows, in the order of the file.
pub(super) const COLUMNS: [&str; 5] = ["rows.line", "rows.position", "rows.token", "rows.start", "rows.end"];

/// The key of `__metadata__` that holds the [`ShardMeta`].
const META: &str = "babelscope";

/// One tensor of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) name: String,
    /// Bytes of the file.
    pub(super) range: Range<u64>,
    /// `None` for a column of the rows.
    pub(super) layer: Option<usize>,
}

/// A shard's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The first bytes of the file, up to where data begin.
    pub(super) header: Vec<u8>,
    /// Columns, then layers.
    pub(super) parts: Vec<Part>,
    /// Length of the file.
    pub(super) bytes: u64,
}

/// The name of a layer's tensor.
pub(super) fn layer_name(layer: usize) -> String {
    format!("layer.{layer:03}")
}

fn dtype_name(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "F32",
        Dtype::Bf16 => "BF16",
        Dtype::F16 => "F16",
    }
}

impl Layout {
    /// The file of `rows` rows.
    pub(super) fn new(meta: &ShardMeta, rows: usize) -> Checked<Self> {
        let large =
            || format!("{rows} rows of {} numbers at {} layers are too many for a file", meta.width, meta.layers.len());
        let column = (rows as u64).checked_mul(4).ok_or_else(large)?;
        let layer = (rows as u64).checked_mul(meta.width as u64).and_then(|n| n.checked_mul(meta.dtype.size() as u64));
        let layer = layer.ok_or_else(large)?;
        // Far from the end of a file's offsets, so that sums below cannot leave them.
        let data = layer.checked_mul(meta.layers.len() as u64).and_then(|n| n.checked_add(column.checked_mul(5)?));
        data.filter(|bytes| *bytes < 1 << 62).ok_or_else(large)?;
        let mut parts = Vec::new();
        let mut at = 0u64;
        let mut part = |name: String, bytes: u64, layer: Option<usize>| {
            parts.push(Part { name, range: at..at + bytes, layer });
            at += bytes;
        };
        for name in COLUMNS {
            part(name.to_owned(), column, None);
        }
        for number in &meta.layers {
            part(layer_name(*number), layer, Some(*number));
        }
        let text = serde_json::to_string(meta).map_err(|e| e.to_string())?;
        let mut table = Map::new();
        table.insert("__metadata__".to_owned(), json!({ META: text }));
        for Part { name, range, layer } in &parts {
            let (dtype, shape) = match layer {
                None => ("U32", vec![rows]),
                Some(_) => (dtype_name(meta.dtype), vec![rows, meta.width]),
            };
            table.insert(
                name.clone(),
                json!({ "dtype": dtype, "shape": shape, "data_offsets": [range.start, range.end] }),
            );
        }
        let mut header = serde_json::to_vec(&Value::Object(table)).map_err(|e| e.to_string())?;
        header.resize((8 + header.len()).next_multiple_of(ALIGN) - 8, b' ');
        let mut whole = (header.len() as u64).to_le_bytes().to_vec();
        whole.extend(header);
        let start = whole.len() as u64;
        for part in &mut parts {
            part.range = part.range.start + start..part.range.end + start;
        }
        Ok(Self { bytes: start + at, header: whole, parts })
    }

    /// Bytes of the file before its data, as its first eight say; `length` bytes are there.
    pub(super) fn header_bytes(first: &[u8], length: u64) -> Checked<usize> {
        let first: [u8; 8] = first.get(..8).and_then(|b| b.try_into().ok()).ok_or("the file has no header")?;
        let header = u64::from_le_bytes(first);
        match header.checked_add(8) {
            Some(bytes) if bytes <= length => usize::try_from(bytes).map_err(|e| e.to_string()),
            _ => Err(format!("the header claims {header} bytes, the file has {length}")),
        }
    }

    /// Refuses a file whose header says anything else than what a shard of `meta` and `rows` has.
    pub(super) fn check(&self, file: &[u8]) -> Checked<()> {
        let (size, found) = SafeTensors::read_metadata(file).map_err(|e| format!("the header is damaged: {e}"))?;
        let start = size as u64 + 8;
        if start != self.header.len() as u64 {
            return Err(format!("data begin at byte {start}, expected {}", self.header.len()));
        }
        let tensors = Metadata::tensors(&found);
        for Part { name, range, .. } in &self.parts {
            let info = tensors.get(name).ok_or_else(|| format!("the header has no tensor {name}"))?;
            let there = info.data_offsets.0 as u64 + start..info.data_offsets.1 as u64 + start;
            if there != *range {
                return Err(format!("the header says that {name} lies at bytes {there:?}, expected {range:?}"));
            }
        }
        if tensors.len() != self.parts.len() {
            return Err(format!("the header has {} tensors, expected {}", tensors.len(), self.parts.len()));
        }
        if file.get(..self.header.len()) != Some(self.header.as_slice()) {
            return Err("the header says something else than the record".to_owned());
        }
        Ok(())
    }
}

/// The five columns of `rows`, little-endian, in the order of the file.
pub(super) fn columns(rows: &[Row]) -> [Vec<u8>; 5] {
    let column = |of: fn(&Row) -> u32| rows.iter().flat_map(|row| of(row).to_le_bytes()).collect();
    [column(|r| r.line), column(|r| r.position), column(|r| r.token), column(|r| r.start), column(|r| r.end)]
}
