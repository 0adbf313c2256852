//! What can go wrong, each with a sentence that says what was expected, what came, where, and what to do.

use std::path::PathBuf;

/// The errors of the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {what}: {source}\n{}", path.display())]
    Read { what: &'static str, path: PathBuf, source: std::io::Error },
    /// A file could not be written: the disk is full, the folder is read-only.
    #[error("cannot write {what}: {source}\n{}", path.display())]
    Write { what: &'static str, path: PathBuf, source: std::io::Error },
    /// Stored activations that are damaged, of a newer version, or not what they should be; or numbers that cannot be stored.
    #[error("store: {why}\n{}", path.display())]
    Store { why: String, path: PathBuf },
    /// The person cancelled the work.
    #[error("cancelled")]
    Cancelled,
    /// A tensor operation failed inside candle.
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A tensor operation failed inside libtorch.
    #[error("tensor operation failed in libtorch: {0}")]
    Torch(String),
    /// A parallel corpus that is not parallel, or cannot be read.
    #[error("corpus: {why}\n{}", path.display())]
    Corpus { why: String, path: PathBuf },
    /// A language that the registry does not know.
    #[error("language {text:?}: {why}")]
    Language { text: String, why: String },
    /// A text form of a site that does not parse, or a site that this model does not have.
    #[error("site {text:?}: {why}")]
    Site { text: String, why: String },
    /// No such model, folder or cached snapshot.
    #[error("model {reference:?}: {why}")]
    NotFound { reference: String, why: String },
    /// A download that did not come to its end: the network, the disk, a wrong hash.
    #[error("download of {reference:?}: {why}")]
    Download { reference: String, why: String },
    /// The config asks for something that this engine does not compute, or contradicts itself.
    #[error("config.json: {why}\n{}", path.display())]
    Config { why: String, path: PathBuf },
    /// The weights are missing, damaged, of another shape than the config says, or not finite.
    #[error("weights: {why}\n{}", path.display())]
    Weights { why: String, path: PathBuf },
    /// The tokenizer does not load, does not fit the model, or cannot encode a text.
    #[error("tokenizer: {why}\n{}", path.display())]
    Tokenizer { why: String, path: PathBuf },
    /// A device that this machine or this build does not have.
    #[error("device {name:?}: {why}")]
    Device { name: String, why: String },
    /// A number format that does not parse, or that cannot hold the model's numbers.
    #[error("dtype {text:?}: {why}")]
    Dtype { text: String, why: String },
    /// A sentence that the model cannot take. `index` counts from 0 in the order given.
    #[error("sentence {index}: {why}")]
    Sentence { index: usize, why: String },
    /// A captured number that is NaN or infinite. `sentence` counts from 0 in the order given.
    #[error(
        "site {site:?}, sentence {sentence}: {why} Captures of the sites before it show where it begins: a damaged weight, an edit \
         that is too strong, or numbers beyond f32"
    )]
    NotFinite { site: String, sentence: usize, why: String },
    /// A chat template that is not there, does not parse, or refuses a conversation.
    #[error("chat template: {why}\n{}", path.display())]
    Chat { why: String, path: PathBuf },
    /// A plan that this model cannot execute.
    #[error("plan: {why}")]
    Plan { why: String },
}

/// The result of the engine's functions.
pub type Result<T> = std::result::Result<T, Error>;
