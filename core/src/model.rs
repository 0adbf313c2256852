//! The decoders: config.json to one struct, weights to one block, one forward pass for every family.

pub mod config;
pub(crate) mod decoder;
mod load;
mod rope;
pub(crate) mod stored;
pub(crate) mod weights;

pub use config::Config;
pub(crate) use decoder::{Batch, Decoder, Scratch};
pub(crate) use weights::Weights;
