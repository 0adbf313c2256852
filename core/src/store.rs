//! Activations on disk: shards that are whole or not there, whose every byte has a checksum, and that any reader of safetensors reads.
//!
//! # A shard
//! `ab/KEY.safetensors` holds what one pass gave: a model, a language, a block of lines, all wanted layers. `ab/KEY.json`, its
//! [`Record`], is written last: **a shard exists when its record does**. `ab` are the first two characters of the key.
//!
//! | tensor | shape | dtype | is |
//! | --- | --- | --- | --- |
//! | `rows.line` | `[rows]` | u32 | line of the corpus, counted from 0 |
//! | `rows.position` | `[rows]` | u32 | token of the sentence as the model saw it, counted from 0; [`POOLED`] for a pooled row |
//! | `rows.token` | `[rows]` | u32 | token id; [`POOLED`] for a pooled row |
//! | `rows.start`, `rows.end` | `[rows]` | u32 | bytes of the sentence that the row stands for; 0 to 0 where an import did not know them |
//! | `layer.000`, `layer.001`, ... | `[rows, width]` | f32, bf16 or f16 | the states; 0 = embeddings, l = output of block l |
//!
//! The file is little-endian safetensors: eight bytes of header length, a JSON header, then the tensors in the order above without
//! gaps. The header is filled up with spaces so that data begin on a multiple of 64 bytes. Its `__metadata__` has one key,
//! `babelscope`, whose text is the [`ShardMeta`] as JSON.
//!
//! # What holds
//! - Nothing is written in place: a temporary name beside the final one, forced to the disk, then a name that nobody had
//!   ([`publish::place`]). Of two writers of one key one is first, the other is its [`Publication::Twin`] and leaves nothing.
//! - A number that is NaN, infinite, or beyond the shard's number format is refused with layer, line and dimension.
//! - The record holds SHA-256 of the file (what `sha256sum` and the Hub say of it) and BLAKE3 of the header and of each tensor.
//!   [`Shard::open`] checks length and header; each tensor is checked when it is first read; [`Shard::verify`] checks all.
//!
//! A mapped file that somebody cuts while it is read ends the process (SIGBUS, exit code 135); the length is asked for before every
//! read, so only a cut within that read can do it. Babelscope itself never changes a file that has its final name.

mod capture;
pub mod import;
mod index;
mod layout;
mod meta;
mod numbers;
pub mod publish;
mod reader;
mod state;
#[cfg(test)]
mod tests;
mod writer;

pub use capture::{Captures, Capturing, capture};
pub use index::{Entry, Index, Store, keys};
pub use meta::{Made, POOLED, Record, Row, SCHEMA, ShardMeta, TensorRecord};
pub use reader::Shard;
pub use state::{State, quarantine, shard_folder, state, sweep};
pub use writer::{Publication, ShardWriter};

/// What a look found wrong, as a sentence; whoever knows the file makes an error of it.
type Checked<T> = std::result::Result<T, String>;
