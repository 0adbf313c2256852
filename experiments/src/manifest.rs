//! manifest.json: what was computed, from what, by what, and at what cost.

use std::time::{SystemTime, UNIX_EPOCH};

use babelscope_core::engine::ModelInfo;
use babelscope_probes::{lens::LensReport, project::MapReport};
use serde::{Deserialize, Serialize};

use crate::tables::measures::Probed;

/// The version of the layout that this program writes and reads.
pub const SCHEMA: u32 = 1;

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
    /// What the probes say beside their rows, in the order of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measured: Vec<MeasuredInfo>,
    /// What the maps say beside their points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapInfo>,
    /// What a person should know before believing the numbers.
    pub notes: Vec<String>,
    /// Every other file of the folder.
    pub files: Vec<FileInfo>,
}

impl Manifest {
    /// Reads the text of a manifest.
    ///
    /// # Errors
    /// A sentence: no JSON, another layout, or something that is not there or of the wrong kind.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|e| format!("the manifest is no JSON: {e}"))?;
        match value.get("schema").and_then(serde_json::Value::as_u64) {
            Some(schema) if schema == u64::from(SCHEMA) => {
                serde_json::from_value(value).map_err(|e| format!("the manifest is damaged: {e}"))
            }
            Some(schema) => Err(format!("the run has layout {schema}, this program reads {SCHEMA}")),
            None => Err("the manifest has no `schema`, so it is not one of ours".to_owned()),
        }
    }
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

impl Program {
    /// The program that is running.
    pub(crate) fn this() -> Self {
        Self {
            name: "babelscope".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: option_env!("BABELSCOPE_REVISION").map(str::to_owned),
        }
    }
}

impl Machine {
    /// The machine on which the program runs.
    pub(crate) fn this() -> Self {
        let system = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        Self { system, threads: candle_core::utils::get_num_threads() }
    }
}

/// Wall time of the parts, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Loading and hashing the model.
    pub load: f64,
    /// The alignment analysis: tokenizing, running the model, measuring.
    pub align: f64,
    /// The lens.
    pub lens: f64,
    /// The pass over the sentences, where several probes read its states.
    #[serde(default)]
    pub capture: f64,
    /// All other probes.
    #[serde(default)]
    pub probes: f64,
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

/// What a probe says beside its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredInfo {
    /// Kind of the probe, as in the spec.
    pub probe: String,
    /// Its seed.
    pub seed: u64,
    /// Its notes.
    pub notes: Vec<String>,
}

impl MeasuredInfo {
    /// What of a probe is not in the table.
    pub(crate) fn of(probed: &Probed) -> Self {
        Self { probe: probed.probe.clone(), seed: probed.seed, notes: probed.measured.notes.clone() }
    }
}

/// What the maps say beside their points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapInfo {
    /// The languages that are drawn.
    pub languages: Vec<String>,
    /// The lines that are drawn, from 0.
    pub sentences: Vec<usize>,
    /// The layers, ascending.
    pub layers: Vec<usize>,
    /// By how many neighbours the maps are judged.
    pub neighbours: usize,
    /// Notes of the measure.
    pub notes: Vec<String>,
}

impl MapInfo {
    /// What of a report is not in its tables.
    pub(crate) fn of(report: &MapReport) -> Self {
        Self {
            languages: report.languages.clone(),
            sentences: report.sentences.clone(),
            layers: report.layers.clone(),
            neighbours: report.neighbours,
            notes: report.notes.clone(),
        }
    }
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

impl LensInfo {
    /// What of a report is not in the tables.
    pub(crate) fn of(report: &LensReport) -> Self {
        Self {
            text: report.text.clone(),
            layers: report.layers.clone(),
            languages: report.languages.clone(),
            language_rule: report.language_rule.clone(),
            scripts: report.scripts.clone(),
        }
    }
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

/// Largest resident memory of this process so far, in bytes; `None` where the system does not say.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Resident memory of this process now, in bytes; `None` where the system does not say.
pub(crate) fn memory_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// A size that the system states of this process.
pub(crate) fn status_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The time now, UTC, as RFC 3339 to the second.
pub(crate) fn now() -> String {
    ago(0)
}

/// The time so many seconds ago.
pub(crate) fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    rfc3339(now.saturating_sub(seconds))
}

/// Seconds since 1970 as a date, by the era arithmetic of Howard Hinnant's `civil_from_days`.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Manifest, rfc3339};

    /// A manifest of nothing, for tests of what reads manifests.
    pub(crate) fn example() -> Manifest {
        let json = r#"{"schema":1,"identity":"00","name":"a","started":"2026-11-20T15:42:07Z","program":{"name":"babelscope","version":"0","revision":null},
            "machine":{"system":"linux","threads":1},"seconds":{"load":0,"align":0,"lens":0,"write":0,"total":1},"peak_memory_bytes":null,
            "model":{"reference":"lab","family":"llama","layers":2,"width":4,"heads":1,"kv_heads":1,"vocabulary":9,"context":8,"parameters":100,"tied":true,
            "stored_dtype":"f32","compute_dtype":"f32","device":"cpu","weights_sha256":"w","tokenizer_sha256":"t","config_sha256":"c","revision":null},
            "corpus":{"name":"lab","sha256":"s","lines":2,"languages":["eng_Latn"],"tokens":3,"notes":[]},
            "capture":{"layers":[0],"layer_convention":"","post_final_norm":false,"site":"resid_post","pooling":"mean","include_bos":false,"skip_first":0},
            "align":null,"lens":[],"notes":[],"files":[]}"#;
        Manifest::parse(json).unwrap()
    }

    /// Values of `date -u -d @N +%FT%TZ`.
    #[test]
    fn dates_agree_with_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_189_327), "2026-11-20T15:42:07Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
