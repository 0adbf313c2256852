//! What of a sweep is to be submitted, in which arrays, waiting for what.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use babelscope_core::store::publish;

use super::{
    Needs, Part, Queue, is_merged, job_name,
    queue::{self, Submitted},
    script, slurm,
};
use crate::{
    fault::{Fault, Kind},
    manifest::now,
    sweep::{Sweep, ranges},
};

/// Options of `sbatch` that hold the whole together, and so are not a spec's to change.
const OURS: [&str; 9] =
    ["--array", "-a", "--job-name", "-J", "--dependency", "-d", "--parsable", "--wrap", "--kill-on-invalid-dep"];

/// How to submit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Submission {
    /// Also what the queue still shows: a second copy of a task is no error, the first to publish a shard wins.
    pub force: bool,
    /// Write the scripts, submit nothing.
    pub dry_run: bool,
}

/// A job that was submitted, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What it does.
    pub part: Part,
    /// Its bundles, as an array list; empty of the merge.
    pub bundles: String,
    /// What it asks for.
    pub needs: Needs,
    /// The command.
    pub command: String,
    /// Its number; `None` where nothing was submitted.
    pub number: Option<String>,
}

/// Submits what of `sweep` is neither done nor in the queue: an array for each phase, the second waiting for the first, and the
/// merge waiting for both. `program` is what the tasks run; every machine of the cluster must see it and the folder.
///
/// # Errors
/// [`Kind::Missing`] where Slurm's commands are not there; [`Kind::Spec`] with its words where `sbatch` refuses, and for options in
/// `[engine.slurm] sbatch` that this sets itself; [`Kind::Io`] where the queue does not answer.
pub fn submit(sweep: &Sweep, program: &Path, how: Submission) -> Result<Vec<Job>> {
    check(&sweep.spec.engine.slurm.sbatch)?;
    let mut work = Work::find(sweep, how)?;
    if work.is_empty() {
        return Ok(Vec::new());
    }
    let place = std::path::absolute(&sweep.folder).map_err(|e| Fault::read("a sweep", &sweep.folder, &e))?;
    for part in Part::ALL {
        let path = queue::folder(sweep).join(format!("{part}.sh"));
        std::fs::create_dir_all(queue::folder(sweep)).map_err(|e| Fault::write("a folder of scripts", &path, &e))?;
        publish::replace(&path, script::of(sweep, &place, part, program).as_bytes())?;
    }
    let logs = place.join("logs");
    std::fs::create_dir_all(&logs).map_err(|e| Fault::write("the folder of logs", &logs, &e))?;
    let mut jobs = Vec::new();
    for part in Part::ALL {
        if let Err(error) = work.part(sweep, &place, part, how, &mut jobs) {
            return Err(after(&jobs, error));
        }
    }
    Ok(jobs)
}

/// Says what is in the queue already when a later job was refused.
fn after(jobs: &[Job], error: anyhow::Error) -> anyhow::Error {
    let numbers: Vec<&str> = jobs.iter().filter_map(|job| job.number.as_deref()).collect();
    if numbers.is_empty() {
        return error;
    }
    let kind = crate::fault::kind(&error);
    let said = format!(
        "{error:#}\nsubmitted before that, and kept: {}; submitting again adds what is missing",
        numbers.join(", ")
    );
    Fault::new(kind, said).into()
}

fn check(options: &[String]) -> Result<()> {
    let ours = |option: &&String| {
        // Long options may be shortened, short ones stand before their value.
        let name = option.split('=').next().unwrap_or_default();
        OURS.iter().any(|ours| match ours.strip_prefix("--") {
            Some(_) => name.len() > 4 && ours.starts_with(name),
            None => option.starts_with(ours),
        })
    };
    match options.iter().find(ours) {
        Some(option) => Err(Fault::spec(format!(
            "`engine.slurm.sbatch` has {option:?}, which babelscope sets itself; `engine.max_parallel` and the spec's `name` are \
             what a spec can say"
        ))
        .into()),
        None => Ok(()),
    }
}

/// What is to be done.
struct Work {
    bundles: BTreeMap<Part, Vec<usize>>,
    merge: bool,
    queue: Queue,
    max_array: usize,
    /// Numbers of the new jobs of each part.
    submitted: BTreeMap<Part, Vec<String>>,
}

impl Work {
    fn find(sweep: &Sweep, how: Submission) -> Result<Self> {
        let asked = Queue::of(sweep).and_then(|queue| Ok((queue, slurm::max_array()?)));
        let (queue, max_array) = match asked {
            // Scripts and commands may be looked at where there is no cluster.
            Err(error) if how.dry_run && crate::fault::kind(&error) == Kind::Missing => (Queue::default(), 1001),
            asked => asked?,
        };
        let mut bundles = BTreeMap::new();
        for part in Part::ALL {
            let Some(phase) = part.phase() else { continue };
            let mut left = sweep.bundles_left(phase);
            left.retain(|bundle| how.force || !queue.holds(part, *bundle));
            bundles.insert(part, left);
        }
        let nothing = bundles.values().all(Vec::is_empty);
        let merge = !nothing || (!is_merged(sweep) && (how.force || !queue.holds(Part::Merge, 0)));
        Ok(Self { bundles, merge, queue, max_array, submitted: BTreeMap::new() })
    }

    fn is_empty(&self) -> bool {
        !self.merge
    }

    /// Submits one part, in as many arrays as it takes.
    fn part(&mut self, sweep: &Sweep, place: &Path, part: Part, how: Submission, jobs: &mut Vec<Job>) -> Result<()> {
        let bundles = self.bundles.get(&part).cloned().unwrap_or_default();
        let mut arrays: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for bundle in &bundles {
            arrays.entry(bundle / self.max_array * self.max_array).or_default().push(*bundle);
        }
        if part == Part::Merge {
            arrays.insert(0, Vec::new());
            // A merge of before waits for less than is missing now.
            for old in self.queue.jobs(Part::Merge).iter().filter(|_| !how.dry_run) {
                slurm::scancel(old)?;
            }
        }
        if arrays.is_empty() {
            return Ok(());
        }
        let needs = Needs::of(sweep, part, &bundles)?;
        let at_once = (sweep.spec.engine.max_parallel / arrays.len()).max(1);
        for (offset, bundles) in arrays {
            let tasks: Vec<usize> = bundles.iter().map(|bundle| bundle - offset).collect();
            let name = job_name(sweep, part, offset);
            let mut arguments = vec![
                "--parsable".to_owned(),
                format!("--job-name={name}"),
                format!("--time={}", needs.minutes),
                format!("--mem={}M", needs.mebibytes),
                "--requeue".to_owned(),
                "--open-mode=append".to_owned(),
                "--signal=B:USR1@120".to_owned(),
                format!("--output={}", log(place, part)),
            ];
            if part != Part::Merge {
                arguments.push(format!("--array={}%{at_once}", ranges(&tasks)));
            }
            arguments.extend(self.waits(part));
            arguments.extend(sweep.spec.engine.slurm.sbatch.iter().cloned());
            arguments.push(place.join(format!("engine/slurm/{part}.sh")).to_string_lossy().into_owned());
            if part != Part::Merge {
                arguments.push(offset.to_string());
            }
            let command = slurm::command("sbatch", &arguments);
            let list = ranges(&bundles);
            let number = if how.dry_run { None } else { Some(slurm::sbatch(&arguments)?) };
            let told = number.clone().unwrap_or_else(|| format!("NUMBER-OF-{name}"));
            self.submitted.entry(part).or_default().push(told);
            let job = Job { part, bundles: list.clone(), needs, command: command.clone(), number: number.clone() };
            jobs.push(job);
            if let Some(number) = number {
                let part = part.to_string();
                queue::note(sweep, &Submitted { when: now(), part, name, job: number, bundles: list, command })?;
            }
        }
        Ok(())
    }

    /// What a part waits for: the new jobs of the earlier parts must end well; those that are in the queue from before must end,
    /// as a task of theirs may have failed that is now done again.
    fn waits(&self, part: Part) -> Vec<String> {
        let mut waits = Vec::new();
        let earlier = Part::ALL.into_iter().filter(|other| *other < part);
        for other in earlier {
            for (kind, numbers) in [
                ("afterok", self.submitted.get(&other).cloned().unwrap_or_default()),
                ("afterany", self.queue.jobs(other)),
            ] {
                if !numbers.is_empty() {
                    waits.push(format!("{kind}:{}", numbers.join(":")));
                }
            }
        }
        if waits.is_empty() {
            return Vec::new();
        }
        vec![format!("--dependency={}", waits.join(",")), "--kill-on-invalid-dep=yes".to_owned()]
    }
}

/// Where the tasks write; `%` begins what Slurm fills in.
fn log(place: &Path, part: Part) -> String {
    let number = if part == Part::Merge { "%j" } else { "%A_%a" };
    format!("{}/{part}.{number}.out", place.join("logs").to_string_lossy().replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn options_that_hold_the_whole_together_are_refused() {
        for option in ["--array=1-3", "-a1-3", "-J", "--job-name", "--depend=afterok:1", "-dafterok:1", "--wrap=ls"] {
            let said = check(&["--gpus=1".to_owned(), option.to_owned()]).unwrap_err().to_string();
            assert!(said.contains(option), "{said}");
        }
        for option in ["--partition=gpu", "-A", "account", "--gpus=1", "--time=10"] {
            check(&[option.to_owned()]).unwrap();
        }
    }
}
