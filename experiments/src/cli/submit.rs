//! `babelscope submit SPEC|RUN`: a sweep handed to a cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use babelscope::{
    cluster::{self, Part, Queue, Submission},
    run::Workbench,
    spec::RunSpec,
    sweep::{Plan, Sweep},
};
use clap::Args;

use super::sweep::{describe, say_reused};
use crate::terminal;

#[derive(Args)]
pub(super) struct Arguments {
    /// A spec, or the folder of a sweep: then what is neither done nor in the queue
    what: PathBuf,
    /// Replace a value of the spec: engine.max_parallel=8, store.dtype=f16
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The sweep's folder, for a spec (default: NAME-HASH below --runs); every machine of the cluster must see it
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Whose cluster it is
    #[arg(long, default_value = "slurm", value_parser = ["slurm"])]
    engine: String,
    #[command(flatten)]
    how: HowArguments,
}

/// How to submit.
#[derive(Args)]
pub(super) struct HowArguments {
    /// Submit also what the queue still shows
    #[arg(long)]
    force: bool,
    /// Write the scripts, print the commands, submit nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn main(arguments: &Arguments, runs: &Path) -> Result<()> {
    if arguments.what.is_dir() {
        if !arguments.set.is_empty() || arguments.out.is_some() {
            let why = "--set and --out are for a spec; a sweep that is planned stays as it is";
            return Err(babelscope::fault::Fault::spec(why).into());
        }
        return sweep(&Sweep::open(&arguments.what)?, &arguments.how);
    }
    let spec = RunSpec::open(&arguments.what)?.with_all(&arguments.set)?;
    let mut bench = Workbench::new(runs);
    let progress = terminal::Progress::new();
    let planned = Plan::of(&mut bench, &spec, &progress.monitor()?);
    progress.finish();
    let plan = planned?;
    let (made, reused) = Sweep::create(&plan, runs, arguments.out.as_deref())?;
    terminal::note(&describe(&plan));
    say_reused(reused);
    sweep(&made, &arguments.how)
}

/// Submits what is missing of a sweep.
pub(super) fn sweep(sweep: &Sweep, how: &HowArguments) -> Result<()> {
    let program = std::env::current_exe().context("the program does not know where it lies")?;
    let how = Submission { force: how.force, dry_run: how.dry_run };
    let jobs = cluster::submit(sweep, &program, how)?;
    for job in &jobs {
        let what = match job.part {
            Part::Merge => "merge".to_owned(),
            part => format!("bundles of {part}: {}", job.bundles),
        };
        let asks = format!("{} min, {} MiB each", job.needs.minutes, job.needs.mebibytes);
        match &job.number {
            Some(number) => terminal::print(&format!("job {number}: {what} ({asks})")),
            None => terminal::print(&job.command),
        }
    }
    let folder = sweep.folder.display();
    terminal::note(&match (jobs.is_empty(), how.dry_run) {
        (true, _) => format!("nothing to submit: all is done or in the queue\n{folder}"),
        (false, true) => format!("nothing was submitted; the scripts are in {folder}/engine/slurm"),
        (false, false) => format!("how far it is: babelscope status {folder}"),
    });
    Ok(())
}

/// What the queue shows of a sweep.
pub(super) fn say_queue(sweep: &Sweep, queue: &Queue) {
    let mut said = format!("in the queue: {} running, {} waiting", queue.running, queue.pending);
    if queue.dead > 0 {
        said += &format!(" ({} of them for what has failed)", queue.dead);
    }
    terminal::print(&said);
    if queue.lost > 0 {
        let folder = sweep.folder.display();
        terminal::print(&format!(
            "{} shards neither done nor queued; `babelscope submit {folder}` starts them",
            queue.lost
        ));
    }
}
