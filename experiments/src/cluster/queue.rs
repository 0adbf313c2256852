//! What the queue shows of a sweep. Jobs are known by their names alone: numbers are given out again by a controller that was killed.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::Write as _,
    path::PathBuf,
};

use anyhow::Result;
use babelscope_core::store::State;
use serde::{Deserialize, Serialize};

use super::{Part, base, job_name, slurm};
use crate::{
    fault::Fault,
    sweep::{Phase, Shard, Sweep},
};

/// A line of engine/slurm/jobs.jsonl: what was submitted. Nothing is decided by it but which names to ask for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Submitted {
    pub(super) when: String,
    pub(super) part: String,
    pub(super) name: String,
    pub(super) job: String,
    pub(super) bundles: String,
    pub(super) command: String,
}

/// The jobs of a sweep that the queue still shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Queue {
    /// Tasks that run or end.
    pub running: usize,
    /// Tasks that wait.
    pub pending: usize,
    /// Of those that wait, tasks that will never start, as what they wait for has failed.
    pub dead: usize,
    /// Shards that are not done and that no task of the queue will do.
    pub lost: usize,
    /// The bundles that the queue will do; of the merge bundle 0.
    #[serde(skip)]
    held: BTreeSet<(Part, usize)>,
    /// The numbers of the jobs, without those of the tasks.
    #[serde(skip)]
    jobs: BTreeSet<(Part, String)>,
}

pub(super) fn folder(sweep: &Sweep) -> PathBuf {
    sweep.folder.join("engine").join("slurm")
}

fn list(sweep: &Sweep) -> PathBuf {
    folder(sweep).join("jobs.jsonl")
}

/// Adds a line, whole or not at all: one write to the end of the file.
pub(super) fn note(sweep: &Sweep, submitted: &Submitted) -> Result<()> {
    let path = list(sweep);
    let failed = |e| Fault::write("the list of jobs", &path, &e);
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    let line = serde_json::to_string(submitted)? + "\n";
    Ok(file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?)
}

impl Queue {
    /// Whether anything of `sweep` was ever submitted.
    pub fn was_used(sweep: &Sweep) -> bool {
        list(sweep).is_file()
    }

    /// Asks the queue.
    ///
    /// # Errors
    /// `squeue` is not there or says no; then nothing is known of the queue.
    pub fn of(sweep: &Sweep) -> Result<Self> {
        let mut names: BTreeSet<String> = Part::ALL.iter().map(|part| job_name(sweep, *part, 0)).collect();
        // A line that is damaged names nothing.
        let noted = fs::read_to_string(list(sweep)).unwrap_or_default();
        let noted = noted.lines().filter_map(|line| serde_json::from_str::<Submitted>(line).ok());
        names.extend(noted.map(|submitted| submitted.name));
        let said = slurm::squeue(&names.into_iter().collect::<Vec<_>>())?;
        let mut queue = Self::parse(&base(sweep), &said);
        let done = |shard: &Shard| sweep.state(shard) == State::Done;
        let held = |shard: &Shard| queue.holds(Part::of(Phase::of(shard.stage)), shard.bundle);
        queue.lost = sweep.shards.iter().filter(|shard| !held(shard) && !done(shard)).count();
        Ok(queue)
    }

    fn parse(base: &str, said: &str) -> Self {
        let mut queue = Self::default();
        for line in said.lines() {
            let mut fields = line.trim().splitn(4, '|');
            let (Some(id), Some(state), Some(reason), Some(name)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            let Some((part, offset)) = name.strip_prefix(base).and_then(|rest| rest.strip_prefix('.')?.split_once('.'))
            else {
                continue;
            };
            let part = Part::ALL.into_iter().find(|known| known.to_string() == part);
            let (Some(part), Ok(offset)) = (part, offset.parse::<usize>()) else { continue };
            if state == "PENDING" {
                queue.pending += 1;
                if reason == "DependencyNeverSatisfied" {
                    queue.dead += 1;
                    continue;
                }
            } else {
                queue.running += 1;
            }
            let (job, task) = id.split_once('_').unwrap_or((id, "0"));
            let bundle = if part == Part::Merge { Some(0) } else { task.parse::<usize>().ok().map(|t| t + offset) };
            if let Some(bundle) = bundle {
                queue.held.insert((part, bundle));
                queue.jobs.insert((part, job.to_owned()));
            }
        }
        queue
    }

    /// Whether the queue will do a bundle; of the merge bundle 0.
    pub(super) fn holds(&self, part: Part, bundle: usize) -> bool {
        self.held.contains(&(part, bundle))
    }

    /// The numbers of the jobs of a part.
    pub(super) fn jobs(&self, part: Part) -> Vec<String> {
        self.jobs.iter().filter(|(of, _)| *of == part).map(|(_, number)| number.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Queue};

    #[test]
    fn only_jobs_of_this_sweep_count_and_dead_ones_hold_nothing() {
        let said = "12_3|RUNNING|None|a.b-12345678.extract.1001\n12_4|COMPLETING|None|a.b-12345678.extract.1001\n\
                    13_[0-2]|PENDING|Dependency|a.b-12345678.nothing.0\n14_0|PENDING|DependencyNeverSatisfied|a.b-12345678.probe.0\n\
                    15|PENDING|Dependency|a.b-12345678.merge.0\n16_1|RUNNING|None|a.b-123456789.probe.0\n";
        let queue = Queue::parse("a.b-12345678", said);
        assert_eq!((queue.running, queue.pending, queue.dead), (2, 2, 1));
        assert!(queue.holds(Part::Extract, 1004) && queue.holds(Part::Extract, 1005) && queue.holds(Part::Merge, 0));
        assert!(!queue.holds(Part::Extract, 3) && !queue.holds(Part::Probe, 0) && !queue.holds(Part::Probe, 1));
        assert_eq!(queue.jobs(Part::Extract), ["12"]);
    }
}
