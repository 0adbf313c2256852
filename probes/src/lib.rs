//! The science of Babelscope: one file per measure. Numbers in, numbers out; nothing here knows files or screens.

pub mod align;
pub mod bootstrap;
pub mod capture;
pub mod classify;
pub mod correct;
pub mod cot;
pub mod error;
pub mod lens;
mod logits;
pub mod measure;
pub mod neurons;
pub mod null;
#[cfg(test)]
mod oracle;
pub mod patch;
mod pca;
mod product;
pub mod project;
pub mod relate;
pub mod retrieval;
pub mod similarity;
pub mod source;
mod spectrum;
pub mod steer;
pub mod subspace;
pub mod tokenizer;

pub use error::{Error, Result};
