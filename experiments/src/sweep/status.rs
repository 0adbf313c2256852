//! How far a sweep is, by its folder alone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use babelscope_core::store::State;
use serde::Serialize;

use super::{
    bundle::Phase,
    folder::Sweep,
    plan::{Shard, Stage},
};

/// How many shards are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Done.
    pub done: usize,
    /// Not done, or being done.
    pub missing: usize,
    /// Found damaged.
    pub damaged: usize,
    /// Not done, with a failure on record.
    pub failed: usize,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tally {
    /// Model.
    pub model: String,
    /// Stage.
    pub stage: Stage,
    /// Its shards.
    pub count: Count,
    /// Seconds of the shards that are not done, as the plan has them.
    pub seconds_left: f64,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// By model and stage, in the order of the work.
    pub tallies: Vec<Tally>,
    /// All together.
    pub total: Count,
    /// Bundles with work left, by phase, as an array list (`3,7-9`).
    pub bundles_left: BTreeMap<String, String>,
    /// Models whose run folder is there.
    pub merged: usize,
}

impl Status {
    /// Whether every shard is done.
    pub fn is_complete(&self) -> bool {
        self.total.missing + self.total.damaged + self.total.failed == 0
    }
}

impl Sweep {
    /// Looks at every record.
    ///
    /// # Errors
    /// The folder of failures cannot be read.
    pub fn status(&self) -> Result<Status> {
        let failures = self.failures();
        let mut tallies: Vec<Tally> = Vec::new();
        let mut left = Vec::new();
        for shard in &self.shards {
            let at =
                tallies.iter().position(|t| t.model == shard.model && t.stage == shard.stage).unwrap_or_else(|| {
                    let count = Count::default();
                    tallies.push(Tally { model: shard.model.clone(), stage: shard.stage, count, seconds_left: 0.0 });
                    tallies.len() - 1
                });
            let Some(tally) = tallies.get_mut(at) else { continue };
            let state = self.state(shard);
            match &state {
                State::Done => tally.count.done += 1,
                State::Damaged(_) => tally.count.damaged += 1,
                State::Missing if failures.contains(&shard.key) => tally.count.failed += 1,
                State::Missing => tally.count.missing += 1,
            }
            if state != State::Done {
                tally.seconds_left += shard.seconds;
                left.push(shard);
            }
        }
        let total = tallies.iter().fold(Count::default(), |sum, t| Count {
            done: sum.done + t.count.done,
            missing: sum.missing + t.count.missing,
            damaged: sum.damaged + t.count.damaged,
            failed: sum.failed + t.count.failed,
        });
        let merged = self.info.models.iter().filter(|model| self.run_folder(model).is_dir()).count();
        Ok(Status { tallies, total, bundles_left: bundles(&left), merged })
    }

    /// The bundles of a phase that are not done, ascending.
    pub fn bundles_left(&self, phase: Phase) -> Vec<usize> {
        let left = self.shards.iter().filter(|s| Phase::of(s.stage) == phase && self.state(s) != State::Done);
        left.map(|shard| shard.bundle).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Keys with a failure on record.
    fn failures(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.folder.join("failed")).into_iter().flatten().flatten();
        entries.filter_map(|e| e.file_name().to_str()?.split('.').next().map(str::to_owned)).collect()
    }
}

fn bundles(shards: &[&Shard]) -> BTreeMap<String, String> {
    let mut left = BTreeMap::new();
    for phase in Phase::ALL {
        let numbers: BTreeSet<usize> =
            shards.iter().filter(|s| Phase::of(s.stage) == phase).map(|shard| shard.bundle).collect();
        if !numbers.is_empty() {
            left.insert(phase.to_string(), ranges(&numbers.into_iter().collect::<Vec<_>>()));
        }
    }
    left
}

/// The bundles of shards that are not done: `extract 0,3-4; probe 2`.
pub(super) fn missing(shards: &[&Shard]) -> String {
    bundles(shards).iter().map(|(phase, list)| format!("bundles of {phase}: {list}")).collect::<Vec<_>>().join("; ")
}

/// Ascending numbers as an array list of Slurm.
///
/// ```
/// assert_eq!(babelscope::sweep::ranges(&[3, 7, 8, 9, 12]), "3,7-9,12");
/// ```
pub fn ranges(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => runs.push((number, number)),
        }
    }
    let parts: Vec<String> =
        runs.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") }).collect();
    parts.join(",")
}
