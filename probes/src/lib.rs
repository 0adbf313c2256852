//! The science of Babelscope: one file per measure. Numbers in, numbers out; nothing here knows files or screens.

pub mod align;
pub mod error;
pub mod lens;

pub use error::{Error, Result};
