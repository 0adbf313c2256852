//! Reads a shard: mapped, so that it opens without reading its data, and checked, so that no damaged number is ever given out.

use std::{
    fs::{self, File},
    ops::Range,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use candle_core::{Device, Tensor};
use memmap2::{Mmap, UncheckedAdvice};
use sha2::{Digest as _, Sha256};

use super::{
    layout::{COLUMNS, Layout, Part, layer_name},
    meta::{Record, Row, ShardMeta},
    numbers,
    state::length,
};
use crate::{
    Error, Result,
    engine::{Captured, Values},
    hash::hex,
    plan::Capture,
};

/// Bytes that are hashed before the system may drop them from memory again.
const BLOCK: usize = 16 << 20;

/// A shard that is open. `Send + Sync`: threads may read different layers of it.
pub struct Shard {
    path: PathBuf,
    record: Record,
    layout: Layout,
    map: Mmap,
    /// What the first look at each part of the layout found: nothing, or what is wrong.
    checked: Vec<OnceLock<Option<String>>>,
}

impl Shard {
    /// Opens the shard `key` in `folder`. Length and header are checked, data are not read.
    ///
    /// # Errors
    /// [`Error::Read`] when there is no record or no data file; [`Error::Store`] for a record that is damaged, of a newer version or
    /// of another key, and for a file of another length or header than it says.
    pub fn open(folder: &Path, key: &str) -> Result<Self> {
        let record = Record::read(folder, key)?;
        let path = folder.join(&record.file);
        let fail = |why: String| Error::Store { why, path: path.clone() };
        let read = |source| Error::Read { what: "the data of a shard", path: path.clone(), source };
        let file = File::open(&path).map_err(read)?;
        // Of the open file: what is mapped below is what was measured here.
        let found = file.metadata().map_err(read)?.len();
        if found != record.bytes {
            return Err(fail(damaged(&format!("has {found} bytes, its record says {}", record.bytes))));
        }
        let layout = Layout::new(&record.meta, record.rows).map_err(fail)?;
        if layout.bytes != record.bytes {
            let why = format!(
                "its record says {} bytes, {} rows of its layers take {}",
                record.bytes, record.rows, layout.bytes
            );
            return Err(fail(damaged(&why)));
        }
        #[expect(unsafe_code, reason = "a memory map of a file")]
        // SAFETY: undefined only when the file is cut or written to while it is mapped. Files with a final name are never changed
        // by this program, and `part` asks for the length before every read.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        let header = Layout::header_bytes(&map, record.bytes).map_err(|why| fail(damaged(&why)))?;
        if blake3::hash(&map[..header]).to_hex().as_str() != record.header_blake3 {
            return Err(fail(damaged("the header is not the one that was written (BLAKE3 differs)")));
        }
        layout.check(&map).map_err(|why| fail(damaged(&why)))?;
        let checked = layout.parts.iter().map(|_| OnceLock::new()).collect();
        Ok(Self { path, record, layout, map, checked })
    }

    /// What determines its numbers.
    pub fn meta(&self) -> &ShardMeta {
        &self.record.meta
    }

    /// What is recorded of it.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What each row stands for.
    ///
    /// # Errors
    /// [`Error::Store`] when that part of the file is damaged.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let column = |name: &str| -> Result<Vec<u32>> {
            let bytes = self.part(name)?.as_chunks::<4>().0;
            Ok(bytes.iter().map(|b| u32::from_le_bytes(*b)).collect())
        };
        let [line, position, token, start, end] = COLUMNS.map(column);
        let (line, position, token, start, end) = (line?, position?, token?, start?, end?);
        let row =
            |i: usize| Row { line: line[i], position: position[i], token: token[i], start: start[i], end: end[i] };
        Ok((0..line.len()).map(row).collect())
    }

    /// The states at a layer. `[rows, width]`, f32, on the CPU.
    ///
    /// # Errors
    /// [`Error::Store`] for a layer that the shard does not have, and when that part of the file is damaged.
    pub fn layer(&self, layer: usize) -> Result<Tensor> {
        let values = self.layer_rows(layer, 0..self.record.rows)?;
        Ok(Tensor::from_vec(values, (self.record.rows, self.record.meta.width), &Device::Cpu)?)
    }

    /// Some rows of a layer. `[number of rows, width]`, f32.
    ///
    /// # Errors
    /// As [`Shard::layer`]; rows that the shard does not have.
    pub fn layer_rows(&self, layer: usize, rows: Range<usize>) -> Result<Vec<f32>> {
        let ShardMeta { width, dtype, layers, .. } = &self.record.meta;
        if !layers.contains(&layer) {
            return Err(self.fail(format!("there is no layer {layer}; the shard has the layers {layers:?}")));
        }
        if rows.start > rows.end || rows.end > self.record.rows {
            return Err(self.fail(format!("rows {rows:?} were asked for, the shard has {}", self.record.rows)));
        }
        let bytes = self.part(&layer_name(layer))?;
        let row = width * dtype.size();
        let mut values = Vec::with_capacity((rows.end - rows.start) * width);
        numbers::decode(&bytes[rows.start * row..rows.end * row], *dtype, &mut values);
        Ok(values)
    }

    /// The layers as the engine would have given them, for the probes.
    ///
    /// # Errors
    /// As [`Shard::layer`]; a shard of single tokens.
    pub fn captured(&self) -> Result<Vec<Captured>> {
        let meta = self.meta();
        if !meta.is_pooled() {
            let why =
                "holds single tokens; a measure of sentences needs a shard that is pooled (mean, weighted or last)";
            return Err(self.fail(why.to_owned()));
        }
        let reduce = meta.reduce().map_err(|why| self.fail(why))?;
        let of = |layer: &usize| {
            let site = meta.site_of(*layer).map_err(|why| self.fail(why))?;
            Ok(Captured { capture: Capture { site, reduce }, values: Values::Pooled(self.layer(*layer)?) })
        };
        meta.layers.iter().map(of).collect()
    }

    /// Checks every byte: BLAKE3 of each tensor, then SHA-256 of the file.
    ///
    /// # Errors
    /// [`Error::Store`] with what is damaged.
    pub fn verify(&self) -> Result<()> {
        for Part { name, .. } in &self.layout.parts {
            self.part(name)?;
        }
        let mut hasher = Sha256::new();
        self.walk(0..self.map.len(), |block| hasher.update(block));
        let found = hex(&hasher.finalize());
        if found == self.record.sha256 {
            return Ok(());
        }
        Err(self.fail(damaged(&format!("SHA-256 is {found}, its record says {}", self.record.sha256))))
    }

    /// The bytes of a tensor, checked when they are asked for the first time.
    fn part(&self, name: &str) -> Result<&[u8]> {
        // A map of a file that was cut ends the process when it is read; so the length goes first, each time.
        let there = fs::metadata(&self.path).map(|m| m.len());
        if there.as_ref().ok() != Some(&self.record.bytes) {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            let why = length(folder, &self.record).err().unwrap_or_else(|| "it changed while it was read".to_owned());
            return Err(self.fail(damaged(&why)));
        }
        let at = self.layout.parts.iter().position(|part| part.name == name);
        let Some(at) = at else { return Err(self.fail(format!("there is no tensor {name}"))) };
        let range = &self.layout.parts[at].range;
        let range = range.start as usize..range.end as usize;
        let found = self.checked[at].get_or_init(|| {
            let expected = self.record.tensors.get(name);
            let mut hasher = blake3::Hasher::new();
            self.walk(range.clone(), |block| {
                hasher.update(block);
            });
            let found = hasher.finalize();
            let same = expected.is_some_and(|record| record.blake3 == found.to_hex().as_str());
            (!same).then(|| format!("{name} is not what was written (BLAKE3 differs)"))
        });
        match found {
            None => Ok(&self.map[range]),
            Some(why) => Err(self.fail(damaged(why))),
        }
    }

    /// Reads a range block by block, and lets the system drop each from our memory afterwards.
    fn walk(&self, range: Range<usize>, mut take: impl FnMut(&[u8])) {
        let mut at = range.start;
        while at < range.end {
            let block = at..range.end.min(at + BLOCK);
            take(&self.map[block.clone()]);
            #[expect(unsafe_code, reason = "advice to the system on mapped pages")]
            // SAFETY: the map is read-only and of a file, so dropped pages come back with the same content.
            unsafe {
                // Advice that is not taken costs memory, nothing else.
                self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, block.start, block.len()).ok();
            }
            at = block.end;
        }
    }

    fn fail(&self, why: String) -> Error {
        Error::Store { why, path: self.path.clone() }
    }
}

fn damaged(why: &str) -> String {
    format!("the shard is damaged: {why}; move it away and make it again (`babelscope resume` does)")
}

impl std::fmt::Debug for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shard").field("path", &self.path).field("meta", &self.record.meta).finish_non_exhaustive()
    }
}
