//! What a spec says beyond one run: what is kept on disk, and where the work is done.

use babelscope_core::dtype::Dtype;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Activations that are kept on disk. Without this table nothing is kept but what the probes say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSpec {
    /// Number format of the stored rows, which is also what the probes then read: `f32` (exact), `bf16`, `f16` (a number beyond
    /// 65504 is refused).
    pub dtype: Dtype,
    /// Sentences of a shard: what is lost at most when a machine dies.
    pub block: usize,
    /// Whether every token's row is kept beside the pooled rows (25 to 40 times the size).
    pub tokens: bool,
}

impl Default for StoreSpec {
    fn default() -> Self {
        Self { dtype: Dtype::F32, block: 2048, tokens: false }
    }
}

impl StoreSpec {
    pub(super) fn problem(&self) -> Option<String> {
        let block = self.block;
        (!(1..=10_000_000).contains(&block))
            .then(|| format!("`store.block` is {block}; expected 1 to 10000000 sentences"))
    }
}

/// Where the shards of a sweep are computed. Never part of a run's identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineSpec {
    /// Who starts the work.
    pub kind: EnginePlace,
    /// Bundles are cut to about this long, by the estimate of the plan.
    pub minutes_per_task: f64,
    /// Tasks at once.
    pub max_parallel: usize,
    /// How often a task that was killed or stopped is started again.
    pub retries: u32,
    /// What a Slurm cluster is told.
    pub slurm: SlurmSpec,
}

impl Default for EngineSpec {
    fn default() -> Self {
        Self {
            kind: EnginePlace::Local,
            minutes_per_task: 30.0,
            max_parallel: 64,
            retries: 3,
            slurm: SlurmSpec::default(),
        }
    }
}

impl EngineSpec {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn problem(&self) -> Option<String> {
        if !(self.minutes_per_task > 0.0 && self.minutes_per_task.is_finite()) {
            return Some(format!("`engine.minutes_per_task` is {}; expected more than 0", self.minutes_per_task));
        }
        (self.max_parallel == 0).then(|| "`engine.max_parallel` is 0; expected at least 1".to_owned())
    }
}

/// Who starts the shards of a sweep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnginePlace {
    /// This process.
    #[default]
    Local,
    /// Job arrays of Slurm.
    Slurm,
}

/// What a Slurm cluster is told, word for word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlurmSpec {
    /// Options of `sbatch`: `["--partition=gpu", "--gpus=1"]`.
    pub sbatch: Vec<String>,
    /// Shell lines before the program: `module load cuda`.
    pub prologue: String,
}
