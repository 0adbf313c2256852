//! Writes a shard while the model runs: rows come batch by batch for all layers, a thread of its own rounds them and puts them in
//! their place in the file. What waits for it is bounded, so memory stays flat however slow the disk is.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
};

use rayon::prelude::*;
use tempfile::NamedTempFile;

use super::{
    layout::{Layout, Part, columns},
    meta::{Made, Record, Row, SCHEMA, ShardMeta, TensorRecord},
    numbers::{self, Bad, Sums},
    publish,
    state::{State, state},
};
use crate::{Error, Result, dtype::Dtype, hash::sha256_file};

/// Numbers of one message to the writing thread, and how many messages may wait: at most 32 MiB.
const PIECE: usize = 1 << 20;
const WAITING: usize = 8;

/// Bytes that are read at once when a file is hashed.
const BLOCK: usize = 1 << 18;

/// How a shard came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publication {
    /// It was not there before.
    New,
    /// Another writer of the same key was first. Its shard stays, this one is gone.
    Twin,
}

/// A shard that is being written. Dropped before [`ShardWriter::publish`], it leaves nothing.
///
/// ```
/// use babelscope_core::{dtype::Dtype, store::{Made, Row, Shard, ShardMeta, ShardWriter, shard_folder}};
/// let root = tempfile::tempdir()?;
/// let mut meta = ShardMeta {
///     schema: 1, key: String::new(), model: "lab".into(), weights_sha256: String::new(), config_sha256: String::new(),
///     tokenizer_sha256: String::new(), corpus_sha256: String::new(), language: "eng_Latn".into(), first_line: 0, lines: 2,
///     site: "resid_post".into(), layers: vec![0, 4], pooling: "mean".into(), include_bos: false, skip_first: 0,
///     dtype: Dtype::F32, width: 3,
/// };
/// meta.key = meta.content_key();
/// let folder = shard_folder(root.path(), &meta.key);
/// let key = meta.key.clone();
/// let mut writer = ShardWriter::create(&folder, meta, &[Row::pooled(0, 12), Row::pooled(1, 7)])?;
/// writer.put(0, 0, &[1., 2., 3., 4., 5., 6.])?; // both rows of layer 0
/// writer.put(4, 1, &[7., 8., 9.])?; // row 1 of layer 4
/// writer.put(4, 0, &[0., 0., 1.])?;
/// writer.publish(Made::default())?;
/// assert_eq!(Shard::open(&folder, &key)?.layer_rows(4, 1..2)?, [7., 8., 9.]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ShardWriter {
    folder: PathBuf,
    meta: ShardMeta,
    rows: usize,
    /// For each layer the rows that came, a bit each.
    seen: Vec<Vec<u64>>,
    to_thread: Option<SyncSender<Piece>>,
    thread: Option<JoinHandle<Result<Temporary>>>,
}

/// Rows on their way to the file.
struct Piece {
    layer: usize,
    first_row: usize,
    values: Vec<f32>,
}

/// The file before it has its name.
struct Temporary {
    file: NamedTempFile,
    layout: Layout,
}

impl ShardWriter {
    /// Begins the shard `meta.key` in `folder` ([`super::shard_folder`] of the store's root), with what each row stands for.
    ///
    /// # Errors
    /// [`Error::Store`] for a description that contradicts itself, [`Error::Write`] when the folder cannot be written to.
    pub fn create(folder: &Path, meta: ShardMeta, rows: &[Row]) -> Result<Self> {
        let fail = |why: String| Error::Store { why, path: folder.to_owned() };
        meta.check().map_err(fail)?;
        if rows.is_empty() {
            return Err(fail(
                "a shard without rows was asked for; give it the rows of at least one sentence".to_owned(),
            ));
        }
        if meta.is_pooled() && rows.len() != meta.lines {
            return Err(fail(format!(
                "{} rows are given for {} lines; a pooled shard has one a line",
                rows.len(),
                meta.lines
            )));
        }
        let layout = Layout::new(&meta, rows.len()).map_err(fail)?;
        let mut file = publish::temporary(folder, &meta.key)?;
        let head =
            file.write_all(&layout.header).and_then(|()| columns(rows).iter().try_for_each(|c| file.write_all(c)));
        let place = folder.join(format!("{}.safetensors", meta.key));
        head.and_then(|()| file.as_file().set_len(layout.bytes))
            .map_err(|e| publish::failed("a shard", &place, layout.bytes, e))?;
        let (to_thread, pieces) = sync_channel(WAITING);
        let lines = rows.iter().map(|row| row.line).collect();
        let task = Task { temporary: Temporary { file, layout }, place, lines, width: meta.width, dtype: meta.dtype };
        let thread = Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || task.run(&pieces))
            .map_err(|e| publish::failed("a thread for the store", folder, 0, e))?;
        let seen = vec![vec![0; rows.len().div_ceil(64)]; meta.layers.len()];
        let (rows, folder) = (rows.len(), folder.to_owned());
        Ok(Self { folder, meta, rows, seen, to_thread: Some(to_thread), thread: Some(thread) })
    }

    /// Takes rows of a layer, in any order, each once. Waits while too much is on its way to the disk.
    ///
    /// # Shapes
    /// `values` `[number of rows, width]`, for the rows from `first_row` on.
    ///
    /// # Errors
    /// [`Error::Store`] for rows that the shard does not have or has already, and for a number that is NaN, infinite or too large
    /// for the number format; [`Error::Write`] when the disk refuses. What goes wrong on the disk may show at a later call.
    pub fn put(&mut self, layer: usize, first_row: usize, values: &[f32]) -> Result<()> {
        let width = self.meta.width;
        let Some(at) = self.meta.layers.iter().position(|l| *l == layer) else {
            return Err(self.fail(format!("layer {layer} was given; the shard has the layers {:?}", self.meta.layers)));
        };
        let given = values.len() / width;
        if !values.len().is_multiple_of(width) || first_row.checked_add(given).is_none_or(|end| end > self.rows) {
            let why = format!(
                "{} numbers from row {first_row} on were given at layer {layer}; the shard has {} rows of {width}",
                values.len(),
                self.rows
            );
            return Err(self.fail(why));
        }
        for row in first_row..first_row + given {
            let word = &mut self.seen[at][row / 64];
            if *word & 1 << (row % 64) != 0 {
                return Err(self.fail(format!("row {row} of layer {layer} was given twice")));
            }
            *word |= 1 << (row % 64);
        }
        let rows = (PIECE / width).max(1);
        for (index, piece) in values.chunks(rows * width).enumerate() {
            let piece = Piece { layer, first_row: first_row + index * rows, values: piece.to_vec() };
            let sent = self.to_thread.as_ref().is_some_and(|channel| channel.send(piece).is_ok());
            if !sent {
                // The thread is gone, and it never goes without a reason.
                return Err(self
                    .join()
                    .err()
                    .unwrap_or_else(|| self.fail("the writing thread ended early".to_owned())));
            }
        }
        Ok(())
    }

    /// Forces the data to the disk, names it, and writes the record, which makes the shard exist.
    ///
    /// # Errors
    /// [`Error::Store`] when rows are missing, or when what lies there under this key is damaged; [`Error::Write`].
    pub fn publish(mut self, made: Made) -> Result<Publication> {
        let temporary = self.join()?;
        for (layer, seen) in self.meta.layers.iter().zip(&self.seen) {
            let there: usize = seen.iter().map(|word| word.count_ones() as usize).sum();
            if there < self.rows {
                let missing = (0..self.rows).find(|row| seen[row / 64] & 1 << (row % 64) == 0).unwrap_or_default();
                let why = format!(
                    "layer {layer} lacks {} of {} rows, the first is row {missing}",
                    self.rows - there,
                    self.rows
                );
                return Err(self.fail(why));
            }
        }
        let place = self.folder.join(format!("{}.safetensors", self.meta.key));
        let Temporary { file, layout } = temporary;
        let read =
            |source| Error::Read { what: "the shard that was just written", path: file.path().to_owned(), source };
        let (synced, hashed) = rayon::join(
            || file.as_file().sync_all(),
            || rayon::join(|| sha256_file(file.path()), || tensors(file.path(), &layout, self.meta.dtype)),
        );
        synced.map_err(|e| publish::failed("a shard", &place, layout.bytes, e))?;
        let (sha256, tensors) = (hashed.0.map_err(read)?, hashed.1.map_err(read)?);
        match state(&self.folder, &self.meta.key) {
            State::Done => return Ok(Publication::Twin),
            State::Damaged(why) => return Err(self.taken(&why)),
            State::Missing => (),
        }
        let name = name_data(file, &place, &sha256)?;
        let record = Record {
            schema: SCHEMA,
            key: self.meta.key.clone(),
            meta: self.meta.clone(),
            file: name,
            rows: self.rows,
            bytes: layout.bytes,
            sha256,
            header_blake3: blake3::hash(&layout.header).to_hex().to_string(),
            tensors,
            made,
            published: jiff::Timestamp::now().to_string(),
        };
        let text = serde_json::to_string_pretty(&record).map_err(|e| self.fail(e.to_string()))? + "\n";
        if publish::bytes(&self.folder.join(format!("{}.json", self.meta.key)), text.as_bytes())? {
            return Ok(Publication::New);
        }
        // A twin's record came first. Where it names other data, ours have no record.
        let twin = Record::read(&self.folder, &self.meta.key).map_err(|e| self.taken(&e.to_string()))?;
        if twin.file != record.file {
            // Another twin may have removed it; and what stays is swept some day.
            fs::remove_file(self.folder.join(&record.file)).ok();
        }
        Ok(Publication::Twin)
    }

    fn join(&mut self) -> Result<Temporary> {
        // Without a sender the thread writes what it has and ends.
        drop(self.to_thread.take());
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(result)) => result,
            _ => Err(self.fail("the writing thread is gone; an earlier call said why".to_owned())),
        }
    }

    fn fail(&self, why: String) -> Error {
        Error::Store { why, path: self.folder.join(format!("{}.safetensors", self.meta.key)) }
    }

    fn taken(&self, why: &str) -> Error {
        self.fail(format!(
            "a damaged shard lies under this key ({why}); move it away (`babelscope resume` does) and run again"
        ))
    }
}

impl std::fmt::Debug for ShardWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardWriter").field("meta", &self.meta).field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Gives the data a name and returns it. A data file without a record may lie at the first choice: of a writer that was killed, or
/// that is about to write its record. It is never touched; the same bytes serve, for others a second name is taken, and the
/// record decides which file is the shard.
fn name_data(mut file: NamedTempFile, place: &Path, sha: &str) -> Result<String> {
    let second = place.with_extension(format!("{}.safetensors", sha.get(..16).unwrap_or(sha)));
    for place in [place, &second] {
        let Some(back) = publish::place_synced(file, place)? else { return Ok(name(place)) };
        let there = sha256_file(place);
        if there.map_err(|source| Error::Read { what: "a shard without a record", path: place.to_owned(), source })?
            == sha
        {
            return Ok(name(place));
        }
        file = back;
    }
    let why = "other data lie under the name that the hash of this shard gives; remove that file".to_owned();
    Err(Error::Store { why, path: second })
}

fn name(place: &Path) -> String {
    place.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the writing thread needs.
struct Task {
    temporary: Temporary,
    place: PathBuf,
    /// Of each row, for messages.
    lines: Vec<u32>,
    width: usize,
    dtype: Dtype,
}

impl Task {
    fn run(mut self, pieces: &Receiver<Piece>) -> Result<Temporary> {
        let mut bytes = Vec::new();
        while let Ok(piece) = pieces.recv() {
            bytes.clear();
            numbers::encode(&piece.values, self.dtype, &mut bytes).map_err(|bad| self.refuse(&piece, bad))?;
            let Temporary { file, layout } = &mut self.temporary;
            let start = layout.parts.iter().find(|part| part.layer == Some(piece.layer)).map_or(0, |p| p.range.start);
            let offset = start + (piece.first_row * self.width * self.dtype.size()) as u64;
            let file = file.as_file_mut();
            file.seek(SeekFrom::Start(offset))
                .and_then(|_| file.write_all(&bytes))
                .map_err(|e| publish::failed("a shard", &self.place, layout.bytes, e))?;
        }
        Ok(self.temporary)
    }

    fn refuse(&self, piece: &Piece, bad: Bad) -> Error {
        let Bad { at, value, overflow, count } = bad;
        let (row, dimension, layer) = (piece.first_row + at / self.width, at % self.width, piece.layer);
        let line = self.lines.get(row).copied().unwrap_or_default();
        let why = if overflow {
            let other = if self.dtype == Dtype::F16 { "bf16 or f32" } else { "f32" };
            format!(
                "layer {layer}, line {line} (from 0), dimension {dimension}: {value} is too large for {}, as are {count} of the \
                 numbers that came with it; store {other}",
                self.dtype
            )
        } else {
            format!(
                "layer {layer}, line {line} (from 0), dimension {dimension}: {value} is no finite number, as are {count} of those \
                 that came with it; look for a damaged weight, an edit that is too strong, or numbers beyond f32"
            )
        };
        Error::Store { why, path: self.place.clone() }
    }
}

impl Drop for ShardWriter {
    fn drop(&mut self) {
        // Waited for, so that nothing is left once the writer is gone.
        self.join().ok();
    }
}

/// Hashes and sums of the tensors, from the file as it was written.
fn tensors(path: &Path, layout: &Layout, dtype: Dtype) -> io::Result<BTreeMap<String, TensorRecord>> {
    let record = |part: &Part| {
        let (mut hasher, mut sums, mut values) = (blake3::Hasher::new(), Sums::default(), Vec::new());
        blocks(&mut File::open(path)?, &part.range, |block| {
            hasher.update(block);
            values.clear();
            match part.layer {
                Some(_) => numbers::decode(block, dtype, &mut values),
                None => values.extend(block.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b) as f32)),
            }
            sums.add(&values);
        })?;
        let Sums { min, max, n_nan, n_inf, .. } = sums;
        let blake3 = hasher.finalize().to_hex().to_string();
        let (min, max, mean) = (f64::from(min), f64::from(max), sums.mean());
        Ok((part.name.clone(), TensorRecord { blake3, n_nan, n_inf, min, max, mean }))
    };
    layout.parts.par_iter().map(record).collect()
}

/// Reads a range block by block: mapped, a shard of a gigabyte would count as memory of ours.
fn blocks(file: &mut File, range: &Range<u64>, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    file.seek(SeekFrom::Start(range.start))?;
    let mut buffer = vec![0; BLOCK];
    let mut left = range.end - range.start;
    while left > 0 {
        let block = &mut buffer[..left.min(BLOCK as u64) as usize];
        file.read_exact(block)?;
        take(block);
        left -= block.len() as u64;
    }
    Ok(())
}
