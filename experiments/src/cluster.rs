//! Clusters: the bundles of a sweep as tasks of a scheduler.
//!
//! What a task runs is always `babelscope shard RUN --stage PHASE --bundle N`, which any process may run at any time, twice or
//! not at all; what it did is in the folder. A scheduler's numbers are hints: a controller that dies forgets jobs and gives their
//! numbers to others. So what is submitted is what the folder lacks, less what the queue still shows under the name of the sweep.

mod fetch;
mod kubernetes;
mod needs;
mod queue;
mod script;
mod slurm;
mod submit;

use std::fmt;

pub use fetch::{Fetch, Fetched};
pub use kubernetes::manifests;
pub use needs::Needs;
pub use queue::Queue;
pub use submit::{Job, Submission, submit};

use crate::sweep::{Phase, Sweep};

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The bundles of the first phase.
    Extract,
    /// The bundles of the second.
    Probe,
    /// Putting all together.
    Merge,
}

impl Part {
    /// Every part, in the order of the work.
    pub const ALL: [Self; 3] = [Self::Extract, Self::Probe, Self::Merge];

    /// The part that does the bundles of a phase.
    pub fn of(phase: Phase) -> Self {
        match phase {
            Phase::Extract => Self::Extract,
            Phase::Probe => Self::Probe,
        }
    }

    /// The phase whose bundles it does; `None` of the merge.
    pub fn phase(self) -> Option<Phase> {
        match self {
            Self::Extract => Some(Phase::Extract),
            Self::Probe => Some(Phase::Probe),
            Self::Merge => None,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extract => "extract",
            Self::Probe => "probe",
            Self::Merge => "merge",
        })
    }
}

/// What every job of a sweep is called, before the part: the name and the first 8 of the identity, like its folder.
fn base(sweep: &Sweep) -> String {
    format!("{}-{}", sweep.info.name, sweep.info.identity.get(..8).unwrap_or_default())
}

/// The name of a job whose task 0 is bundle `offset`.
fn job_name(sweep: &Sweep, part: Part, offset: usize) -> String {
    format!("{}.{part}.{offset}", base(sweep))
}

/// Whether the runs of all models, and the index of what is stored, are there.
fn is_merged(sweep: &Sweep) -> bool {
    let runs = sweep.info.models.iter().all(|m| m.spec.probe.is_empty() || sweep.run_folder(m).is_dir());
    runs && (sweep.spec.store.is_none() || sweep.folder.join("index.json").is_file())
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%+@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_words_back() {
        for word in ["plain", "", "with space", "it's", "$HOME `x` \"y\"", "ধাঁধা", "a\nb"] {
            let line = format!("printf %s {}", quoted(word));
            let said = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(said.stdout).unwrap(), word);
        }
    }
}
