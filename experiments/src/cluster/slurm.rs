//! Slurm through four of its commands: `sbatch`, `squeue`, `scontrol`, `scancel`. Nothing else of it is needed, no accounting either.

use std::{
    io,
    process::{Command, Output},
};

use anyhow::Result;

use super::quoted;
use crate::fault::{Fault, Kind};

/// Slurm's own default, where the cluster does not say.
const MAX_ARRAY: usize = 1001;

fn call(name: &str, arguments: &[String]) -> Result<Output> {
    Command::new(name).args(arguments).output().map_err(|e| {
        let why = if e.kind() == io::ErrorKind::NotFound { "it is not on the PATH".to_owned() } else { e.to_string() };
        let help = "say this on a login node of the cluster, or do the sweep here with `babelscope run` or `resume`";
        Fault::new(Kind::Missing, format!("cannot start Slurm's `{name}`: {why}; {help}")).into()
    })
}

/// What a command of Slurm said against it, in its own words.
fn refusal(name: &str, said: &Output) -> String {
    let words = String::from_utf8_lossy(&said.stderr);
    let words = if words.trim().is_empty() { format!("nothing, {}", said.status) } else { words.trim().to_owned() };
    format!("`{name}` refused; it says:\n{words}")
}

/// Submits, and gives the job's number.
pub(super) fn sbatch(arguments: &[String]) -> Result<String> {
    let said = call("sbatch", arguments)?;
    if !said.status.success() {
        let command = command("sbatch", arguments);
        return Err(Fault::spec(format!("{}\n{command}", refusal("sbatch", &said))).into());
    }
    let text = String::from_utf8_lossy(&said.stdout);
    // With --parsable `NUMBER` or `NUMBER;CLUSTER`; sites put greetings before it.
    let number = text.lines().rev().find_map(|line| {
        let number = line.trim().split(';').next()?;
        (!number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())).then(|| number.to_owned())
    });
    Ok(number.ok_or_else(|| {
        Fault::new(Kind::Io, format!("`sbatch --parsable` gave no job number; it says:\n{}", text.trim()))
    })?)
}

/// The lines of `squeue` for jobs of these names: number, state, reason, name, with `|` between them.
pub(super) fn squeue(names: &[String]) -> Result<String> {
    let arguments =
        ["--noheader", "--array", "--format=%i|%T|%r|%j", &format!("--name={}", names.join(","))].map(str::to_owned);
    let said = call("squeue", &arguments)?;
    if !said.status.success() {
        return Err(Fault::new(Kind::Io, refusal("squeue", &said)).into());
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

/// One more than the largest number of an array's task.
pub(super) fn max_array() -> Result<usize> {
    let said = call("scontrol", &["show".to_owned(), "config".to_owned()])?;
    if !said.status.success() {
        return Err(Fault::new(Kind::Io, refusal("scontrol", &said)).into());
    }
    let text = String::from_utf8_lossy(&said.stdout);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("MaxArraySize")?.trim().strip_prefix('='));
    let size = line.and_then(|value| value.trim().parse().ok()).unwrap_or(MAX_ARRAY);
    if size < 2 {
        return Err(Fault::spec("this cluster takes no job arrays: its MaxArraySize is below 2").into());
    }
    Ok(size)
}

/// Takes a job out of the queue.
pub(super) fn scancel(job: &str) -> Result<()> {
    let said = call("scancel", &[job.to_owned()])?;
    if said.status.success() { Ok(()) } else { Err(Fault::new(Kind::Io, refusal("scancel", &said)).into()) }
}

/// The command as a person would type it.
pub(super) fn command(name: &str, arguments: &[String]) -> String {
    let words: Vec<String> = std::iter::once(name.to_owned()).chain(arguments.iter().map(|a| quoted(a))).collect();
    words.join(" ")
}
