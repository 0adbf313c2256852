//! The models: config.json to one struct, a checkpoint's tensors to one kind of block, one forward pass for every family.
//! A family is a short file in `families/`; what it yields is in `parts.rs`.

pub mod attribute;
mod cache;
pub mod config;
pub(crate) mod decoder;
pub mod families;
pub(crate) mod feed;
mod fields;
mod head;
pub(crate) mod load;
pub(crate) mod parts;
mod pass;
pub mod rope;
pub(crate) mod stored;
pub(crate) mod weights;

pub(crate) use cache::Cache;
pub use config::Config;
pub(crate) use decoder::{Batch, Decoder, Scratch};
pub(crate) use fields::MOST_BLOCKS;
pub(crate) use pass::LOGIT_ROWS;
pub(crate) use weights::Weights;
