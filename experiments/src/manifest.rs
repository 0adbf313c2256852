//! manifest.json: what was computed, from what, by what, and at what cost.

use babelscope_core::engine::ModelInfo;
use serde::{Deserialize, Serialize};

/// The whole manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub schema: u32,
    /// BLAKE3 (hex) of the canonical JSON of everything that determines the result.
    pub identity: String,
    /// Name of the run.
    pub name: String,
    /// When it began, UTC, `2026-11-20T15:42:07Z`.
    pub started: String,
    /// The program.
    pub program: Program,
    /// The machine.
    pub machine: Machine,
    /// Where the time went.
    pub seconds: Seconds,
    /// Largest resident memory of the process until the tables were written, in bytes; `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
    /// The model as it was loaded.
    pub model: ModelInfo,
    /// The corpus as it was used.
    pub corpus: CorpusInfo,
    /// What was captured.
    pub capture: CaptureInfo,
    /// What the alignment analysis says beside its cells.
    pub align: Option<AlignInfo>,
    /// What the lens says beside its cells, one entry a text.
    pub lens: Vec<LensInfo>,
    /// What a person should know before believing the numbers.
    pub notes: Vec<String>,
    /// Every other file of the folder.
    pub files: Vec<FileInfo>,
}

/// Which program computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// `babelscope`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Git revision of the source, where it was known when the program was built; `-dirty` behind it where files were changed.
    pub revision: Option<String>,
}

/// On what was computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// `linux-x86_64`.
    pub system: String,
    /// Threads of the matrix products.
    pub threads: usize,
}

/// Wall time of the parts, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Loading and hashing the model.
    pub load: f64,
    /// Tokenizing, running the model, pooling.
    pub capture: f64,
    /// The alignment analysis.
    pub align: f64,
    /// The lens.
    pub lens: f64,
    /// Tables and figures.
    pub write: f64,
    /// Everything.
    pub total: f64,
}

/// The corpus as it was used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorpusInfo {
    /// `lab`, or the path as it was asked for.
    pub name: String,
    /// SHA-256 (hex) of what was used, see `Corpus::sha256`.
    pub sha256: String,
    /// Sentences in each language.
    pub lines: usize,
    /// FLORES codes, in order.
    pub languages: Vec<String>,
    /// Tokens that the model saw, over all languages; 0 where no probe read the sentences.
    pub tokens: usize,
    /// What was found when it was read.
    pub notes: Vec<String>,
}

/// What was captured, in words that need no source code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaptureInfo {
    /// The layers, ascending.
    pub layers: Vec<usize>,
    /// What a layer number means.
    pub layer_convention: String,
    /// Whether the final norm was applied to the last layer: no.
    pub post_final_norm: bool,
    /// The place in the network.
    pub site: String,
    /// Pooling of a sentence.
    pub pooling: String,
    /// Whether BOS counted.
    pub include_bos: bool,
    /// Content tokens left out at the start.
    pub skip_first: usize,
}

/// What the alignment analysis says beside its cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlignInfo {
    /// Chance of MEXA, 1 / (2n - 1).
    pub chance_mexa: f64,
    /// Chance of recall@1, 1 / n.
    pub chance_recall: f64,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Notes of the measure.
    pub notes: Vec<String>,
}

/// What the lens says beside its cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LensInfo {
    /// The text.
    pub text: String,
    /// The layers, ascending.
    pub layers: Vec<usize>,
    /// Languages with a token set.
    pub languages: Vec<String>,
    /// How the token sets were made.
    pub language_rule: String,
    /// Scripts.
    pub scripts: Vec<String>,
}

/// A file of the run folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileInfo {
    /// Path inside the folder, with `/`.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// BLAKE3 (hex).
    pub blake3: String,
}
