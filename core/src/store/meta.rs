//! What a shard says of itself, and what its record says of it.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use super::Checked;
use crate::{
    Error, Result,
    dtype::Dtype,
    plan::{Point, Reduce, Site, Window},
};

/// The layout that this program writes. A higher number was written by a newer one.
pub const SCHEMA: u32 = 1;

/// Position and token of a row that stands for a whole sentence.
pub const POOLED: u32 = u32::MAX;

/// A record is a few kilobytes; nothing near this size is one.
const RECORD_BYTES: u64 = 64 << 20;

/// Nor is there a model with so many layers.
const LAYERS: usize = 100_000;

/// What determines the numbers of a shard. Stored in its header and in its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMeta {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Name of the shard, and of its files: letters, digits, `-` and `_`, at least 4.
    pub key: String,
    /// The model as it was asked for.
    pub model: String,
    /// SHA-256 of its weights (hex).
    pub weights_sha256: String,
    /// SHA-256 of its config.json (hex).
    pub config_sha256: String,
    /// SHA-256 of its tokenizer.json (hex).
    pub tokenizer_sha256: String,
    /// SHA-256 of the corpus (hex).
    pub corpus_sha256: String,
    /// Language of the lines.
    pub language: String,
    /// First line of the corpus, counted from 0.
    pub first_line: usize,
    /// Number of lines.
    pub lines: usize,
    /// The point that was read, without a block: `resid_post` (layer 0 is then `embeddings`), `mlp_out`, `final_norm`.
    pub site: String,
    /// Blocks that were read, ascending; for `resid_post` layers, 0 = embeddings. A point outside of the blocks has `[0]`.
    pub layers: Vec<usize>,
    /// `mean`, `weighted`, `last`, or `tokens` (a row for each token).
    pub pooling: String,
    /// Whether BOS counts.
    pub include_bos: bool,
    /// Content tokens left out at the start.
    pub skip_first: usize,
    /// Number format of the states.
    pub dtype: Dtype,
    /// Numbers in a row.
    pub width: usize,
}

impl ShardMeta {
    /// BLAKE3 (hex) of everything here but `key`: equal for equal numbers. What decides nothing (device, date, batch) is not here.
    pub fn content_key(&self) -> String {
        let meta = Self { key: String::new(), ..self.clone() };
        let mut hasher = blake3::Hasher::new_derive_key("babelscope store 2026-11 shard");
        // Strings, whole numbers and lists of them always have a JSON text.
        hasher.update(serde_json::to_string(&meta).unwrap_or_default().as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// Whether a row stands for a sentence.
    pub fn is_pooled(&self) -> bool {
        self.pooling != "tokens"
    }

    /// The reduction that made the rows.
    ///
    /// # Errors
    /// A pooling of another name.
    pub fn reduce(&self) -> std::result::Result<Reduce, String> {
        let window = Window { include_bos: self.include_bos, skip_first: self.skip_first };
        match self.pooling.as_str() {
            "mean" => Ok(Reduce::Mean(window)),
            "weighted" => Ok(Reduce::Weighted(window)),
            "active" => Ok(Reduce::Active(window)),
            "last" => Ok(Reduce::Last),
            "tokens" => Ok(Reduce::All),
            other => Err(format!("the pooling is {other:?}; expected mean, weighted, active, last or tokens")),
        }
    }

    /// The place in the network of a layer of this shard.
    ///
    /// # Errors
    /// A site of another name.
    pub fn site_of(&self, layer: usize) -> std::result::Result<Site, String> {
        if self.site == "resid_post" {
            return Ok(Site::layer(layer));
        }
        let point = Point::NAMES.iter().find(|(_, name)| *name == self.site).map(|(point, _)| *point);
        let point = point.ok_or_else(|| {
            format!("the site is {:?}; expected the name of a point, as `resid_post` or `mlp_out`", self.site)
        })?;
        if point.in_block() != (layer > 0) {
            let expected = if point.in_block() { "blocks from 1 on" } else { "no block, written as layer 0" };
            return Err(format!("the site {} is given at layer {layer}; it has {expected}", self.site));
        }
        Ok(Site::new(point, layer))
    }

    /// Why this describes no shard.
    pub(super) fn check(&self) -> Checked<()> {
        if self.schema > SCHEMA {
            return Err(newer(self.schema));
        }
        check_key(&self.key)?;
        if self.layers.is_empty() || !self.layers.is_sorted_by(|a, b| a < b) {
            return Err(format!("expected layers in ascending order, each once, got {:?}", self.layers));
        }
        if self.layers.len() > LAYERS {
            return Err(format!("{} layers were given; no model has as many", self.layers.len()));
        }
        if self.width == 0 {
            return Err("the rows have no numbers (width 0)".to_owned());
        }
        for layer in &self.layers {
            self.site_of(*layer)?;
        }
        self.reduce().map(|_| ())
    }
}

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line of the corpus, counted from 0.
    pub line: u32,
    /// Token of the sentence as the model saw it, counted from 0; [`POOLED`] for the whole sentence.
    pub position: u32,
    /// Its id; [`POOLED`] for the whole sentence.
    pub token: u32,
    /// First byte of the sentence that it stands for.
    pub start: u32,
    /// The byte behind the last.
    pub end: u32,
}

impl Row {
    /// The row of a whole sentence of so many bytes.
    pub fn pooled(line: u32, bytes: u32) -> Self {
        Self { line, position: POOLED, token: POOLED, start: 0, end: bytes }
    }
}

/// What is recorded of the making and determines nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    /// `cpu`, `cuda:0`.
    pub device: String,
    /// Which matrix product ran.
    pub kernel: String,
    /// The machine.
    pub host: String,
    /// Which attempt it was, counted from 0.
    pub attempt: u32,
    /// Seconds it took.
    pub seconds: f64,
    /// Most memory that was held.
    pub peak_memory_bytes: Option<u64>,
    /// Name and version of the program.
    pub program: String,
    /// What a person should know of the numbers.
    pub alarms: Vec<String>,
}

/// What the record says of a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TensorRecord {
    /// BLAKE3 of its bytes (hex).
    pub blake3: String,
    /// NaN among its numbers: 0, as they are refused.
    pub n_nan: u64,
    /// Infinite numbers: 0, as they are refused.
    pub n_inf: u64,
    /// Smallest number as stored.
    pub min: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
}

/// `KEY.json`: the commit point of a shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The shard's key.
    pub key: String,
    /// What determines its numbers.
    pub meta: ShardMeta,
    /// Name of the data file, beside the record.
    pub file: String,
    /// Rows of each tensor.
    pub rows: usize,
    /// Length of the data file.
    pub bytes: u64,
    /// SHA-256 of the data file (hex).
    pub sha256: String,
    /// BLAKE3 (hex) of the first bytes of the data file, up to where the tensors begin.
    pub header_blake3: String,
    /// Its tensors.
    pub tensors: BTreeMap<String, TensorRecord>,
    /// How it was made.
    pub made: Made,
    /// When (RFC 3339, UTC).
    pub published: String,
}

impl Record {
    /// Reads the record of `key` in `folder`.
    ///
    /// # Errors
    /// [`Error::Read`] when there is none, [`Error::Store`] when it is no record, of a newer version, or of another key.
    pub fn read(folder: &Path, key: &str) -> Result<Self> {
        let path = folder.join(format!("{key}.json"));
        let fail = |why: String| Error::Store { why, path: path.clone() };
        check_key(key).map_err(fail)?;
        let read = |source| Error::Read { what: "the record of a shard", path: path.clone(), source };
        let bytes = fs::metadata(&path).map_err(read)?.len();
        if bytes > RECORD_BYTES {
            return Err(fail(format!("the record has {bytes} bytes; no record is as long")));
        }
        let text = fs::read(&path).map_err(read)?;
        Self::parse(&text, key).map_err(fail)
    }

    fn parse(text: &[u8], key: &str) -> Checked<Self> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let damaged = |e: serde_json::Error| format!("the record is damaged: {e}; expected the JSON of a shard");
        let head: Head = serde_json::from_slice(text).map_err(damaged)?;
        if head.schema > SCHEMA {
            return Err(newer(head.schema));
        }
        let record: Self = serde_json::from_slice(text).map_err(damaged)?;
        if record.key != key || record.meta.key != key {
            return Err(format!("the record is of the shard {}, expected {key}", record.key));
        }
        record.meta.check()?;
        if record.file != format!("{key}.safetensors") && !own_name(&record.file, key) {
            return Err(format!("the record names the data file {:?}, expected {key}.safetensors", record.file));
        }
        Ok(record)
    }
}

/// Whether this is the name of a data file of `key` beside an orphan: `KEY.HASH.safetensors`.
pub(super) fn own_name(name: &str, key: &str) -> bool {
    let between = name.strip_prefix(key).and_then(|rest| rest.strip_suffix(".safetensors"));
    let hash = between.and_then(|rest| rest.strip_prefix('.'));
    hash.is_some_and(|hash| !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn newer(schema: u32) -> String {
    format!(
        "was written by a newer version of Babelscope (layout {schema}, this one knows {SCHEMA}); update Babelscope"
    )
}

/// Keys become names of files, so they may hold nothing that leads elsewhere.
pub(super) fn check_key(key: &str) -> Checked<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if (4..=128).contains(&key.len()) && key.bytes().all(plain) {
        return Ok(());
    }
    Err(format!("the key {key:?} is none: expected 4 to 128 letters, digits, `-` or `_`"))
}
