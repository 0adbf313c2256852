//! The science of Babelscope: one file per measure. Numbers in, numbers out; nothing here knows files or screens.

pub mod align;
pub mod bootstrap;
pub mod error;
pub mod lens;
pub mod measure;
pub mod null;
mod product;
pub mod similarity;
pub mod source;

pub use error::{Error, Result};
