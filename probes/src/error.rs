//! What a measure refuses, and why.

/// The errors of the probes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine failed.
    #[error(transparent)]
    Core(#[from] babelscope_core::Error),
    /// The input cannot be measured.
    #[error("{measure}: {why}")]
    Input { measure: &'static str, why: String },
}

/// The result of the probes' functions.
pub type Result<T> = std::result::Result<T, Error>;
