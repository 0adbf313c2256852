//! What can go wrong, each with a sentence that says what was expected, what came, where, and what to do.

use std::path::PathBuf;

/// The errors of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {what}: {source}\n{}", path.display())]
    Read { what: &'static str, path: PathBuf, source: std::io::Error },
    /// The person cancelled the work.
    #[error("cancelled")]
    Cancelled,
    /// A tensor operation failed inside candle.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A text form of a site that does not parse, or a site that this model does not have.
    #[error("site {text:?}: {why}")]
    Site { text: String, why: String },
}

/// The result of the engine's functions.
pub type Result<T> = std::result::Result<T, Error>;
