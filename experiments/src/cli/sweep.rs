//! Sweeps on the command line: planned, done in this process or by others, put together.

use std::path::{Path, PathBuf};

use anyhow::Result;
use babelscope::{
    cluster::{self, Queue},
    fault::{Fault, Kind},
    run::{Run, Workbench},
    spec::{EnginePlace, RunSpec},
    sweep::{Merged, Phase, Plan, Reused, Selection, Stage, Status, Summary, Sweep},
};
use babelscope_core::{
    hub::{free_space, human},
    monitor::Monitor,
};
use clap::Args;
use serde::Serialize;

use super::submit;

use crate::terminal::{self, report, table::Table};

/// A spec with some of its values replaced.
#[derive(Args)]
pub(super) struct SpecArguments {
    /// The spec
    spec: PathBuf,
    /// Replace a value of the spec: data.limit=8, probe.0.bootstrap=100, store.dtype=f16
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

impl SpecArguments {
    pub(super) fn read(&self) -> Result<RunSpec> {
        RunSpec::open(&self.spec)?.with_all(&self.set)
    }
}

#[derive(Args)]
pub(super) struct PlanArguments {
    #[command(flatten)]
    spec: SpecArguments,
    /// Write the sweep's folder too, and start nothing
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    /// Write the folder and print how another scheduler does it: k8s (indexed Jobs of Kubernetes, as YAML)
    #[arg(long, value_name = "SCHEDULER", value_parser = ["k8s"])]
    emit: Option<String>,
}

/// `babelscope plan spec.toml`.
pub(super) fn plan(arguments: &PlanArguments, runs: &Path) -> Result<()> {
    let spec = arguments.spec.read()?;
    let mut bench = Workbench::new(runs);
    let progress = terminal::Progress::new();
    let planned = Plan::of(&mut bench, &spec, &progress.monitor()?);
    progress.finish();
    let plan = planned?;
    if arguments.emit.is_some() {
        terminal::note(&describe(&plan));
        let (sweep, reused) = Sweep::create(&plan, runs, arguments.out.as_deref())?;
        say_reused(reused);
        terminal::note(&format!("written to {}", sweep.folder.display()));
        terminal::print(cluster::manifests(&sweep)?.trim_end());
        return Ok(());
    }
    terminal::print(&describe(&plan));
    if let Some(out) = &arguments.out {
        let (sweep, reused) = Sweep::create(&plan, runs, Some(out))?;
        say_reused(reused);
        terminal::note(&format!("written to {}; `babelscope resume` does it", sweep.folder.display()));
    }
    Ok(())
}

#[derive(Args)]
pub(super) struct FolderArguments {
    /// The folder of a sweep
    run: PathBuf,
}

#[derive(Args)]
pub(super) struct ResumeArguments {
    /// The folder of a sweep
    run: PathBuf,
    /// Who does it: local (this process), slurm (as `submit`)
    #[arg(long, default_value = "local", value_parser = ["local", "slurm"])]
    engine: String,
    #[command(flatten)]
    how: submit::HowArguments,
}

/// `babelscope resume RUN`.
pub(super) fn resume(arguments: &ResumeArguments, runs: PathBuf) -> Result<()> {
    let sweep = Sweep::open(&arguments.run)?;
    if arguments.engine == "slurm" {
        return submit::sweep(&sweep, &arguments.how);
    }
    let progress = terminal::Progress::new();
    let monitor = progress.monitor()?;
    finish(&sweep, &mut Workbench::new(runs), &progress, &monitor)
}

/// `babelscope merge RUN`.
pub(super) fn merge(arguments: &FolderArguments) -> Result<()> {
    let sweep = Sweep::open(&arguments.run)?;
    let progress = terminal::Progress::new();
    let merged = sweep.merge(&progress.monitor()?);
    progress.finish();
    say_merged(&sweep, &merged?);
    Ok(())
}

#[derive(Args)]
pub(super) struct ShardArguments {
    /// The folder of a sweep
    run: PathBuf,
    /// extract (everything that runs a model) or probe (everything that reads stored states)
    #[arg(long)]
    stage: Phase,
    /// The bundle; SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX where it is left out
    #[arg(long)]
    bundle: Option<usize>,
}

/// `babelscope shard RUN --stage extract --bundle 3`: what a task of a cluster runs.
pub(super) fn shard(arguments: &ShardArguments, runs: PathBuf) -> Result<()> {
    let sweep = Sweep::open(&arguments.run)?;
    let bundle = arguments.bundle.map_or_else(bundle_of_environment, Ok)?;
    let progress = terminal::Progress::new();
    let selection = Selection { phase: Some(arguments.stage), bundle: Some(bundle) };
    let done = sweep.work(&mut Workbench::new(runs), selection, &progress.monitor()?);
    progress.finish();
    say_summary(&done?)
}

fn bundle_of_environment() -> Result<usize> {
    let names = ["SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"];
    let found = names.iter().find_map(|name| std::env::var(name).ok().map(|value| (name, value)));
    let (name, value) = found.ok_or_else(|| {
        Fault::spec(format!("no bundle: expected --bundle N, or one of {} in the environment", names.join(", ")))
    })?;
    Ok(value.parse().map_err(|e| Fault::spec(format!("{name} is {value:?}, expected the number of a bundle: {e}")))?)
}

#[derive(Args)]
pub(super) struct StatusArguments {
    /// The folder of a sweep
    run: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// `babelscope status RUN`.
pub(super) fn status(arguments: &StatusArguments) -> Result<()> {
    let sweep = Sweep::open(&arguments.run)?;
    let status = sweep.status()?;
    let queue = Queue::was_used(&sweep).then(|| Queue::of(&sweep));
    if arguments.json {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            status: &'a Status,
            /// Absent where nothing was submitted, and where the queue does not answer.
            #[serde(skip_serializing_if = "Option::is_none")]
            queue: Option<&'a Queue>,
        }
        let queue = queue.as_ref().and_then(|queue| queue.as_ref().ok());
        terminal::print(&serde_json::to_string_pretty(&Whole { status: &status, queue })?);
        return Ok(());
    }
    say_status(&sweep, &status);
    match queue {
        None => {}
        Some(Ok(queue)) => submit::say_queue(&sweep, &queue),
        Some(Err(error)) => terminal::note(&format!("{error:#}\nwhat stands above is what the folder says")),
    }
    Ok(())
}

/// `babelscope show RUN` of a sweep: how far it is, and its runs.
pub(super) fn show(sweep: &Sweep) -> Result<()> {
    say_status(sweep, &sweep.status()?);
    for model in &sweep.info.models {
        let folder = sweep.run_folder(model);
        if folder.is_dir() {
            report::run(&Run::open(&folder)?);
        }
    }
    Ok(())
}

/// `babelscope verify RUN`.
pub(super) fn verify(arguments: &FolderArguments) -> Result<()> {
    if !Sweep::is_at(&arguments.run) {
        Run::open(&arguments.run)?;
        terminal::print("every file is what the manifest says");
        return Ok(());
    }
    let sweep = Sweep::open(&arguments.run)?;
    let progress = terminal::Progress::new();
    let verified = sweep.verify(&progress.monitor()?);
    progress.finish();
    let damaged = verified?;
    if damaged.is_empty() {
        terminal::print("every shard that is done is what its record says");
        return Ok(());
    }
    let why = format!(
        "{} shards are damaged and were moved to quarantine/; `babelscope resume {}` computes them again. The first: {}",
        damaged.len(),
        sweep.folder.display(),
        damaged.first().map_or("", String::as_str)
    );
    Err(Fault::data(why).into())
}

/// Executes a sweep from its spec.
pub(super) fn run(spec: &RunSpec, runs: PathBuf, out: Option<&Path>) -> Result<()> {
    if spec.engine.kind == EnginePlace::Slurm {
        let why = "the spec hands this sweep to Slurm ([engine] kind = \"slurm\"): `babelscope submit` does; \
                   `--set engine.kind=local` runs it here";
        return Err(Fault::spec(why).into());
    }
    let mut bench = Workbench::new(runs.clone());
    let progress = terminal::Progress::new();
    let monitor = progress.monitor()?;
    let planned = Plan::of(&mut bench, spec, &monitor);
    progress.finish();
    let plan = planned?;
    room(&plan, out.unwrap_or(&runs))?;
    let (sweep, reused) = Sweep::create(&plan, &runs, out)?;
    terminal::note(&describe(&plan));
    say_reused(reused);
    finish(&sweep, &mut bench, &progress, &monitor)
}

/// Does what is missing, then merges.
fn finish(sweep: &Sweep, bench: &mut Workbench, progress: &terminal::Progress, monitor: &Monitor) -> Result<()> {
    let done = sweep.work(bench, Selection::ALL, monitor);
    progress.finish();
    let summary = done.map_err(|error| say_how_to_resume(sweep, error))?;
    say_summary(&summary)?;
    let merged = sweep.merge(monitor);
    progress.finish();
    say_merged(sweep, &merged.map_err(|error| say_how_to_resume(sweep, error))?);
    Ok(())
}

fn say_how_to_resume(sweep: &Sweep, error: anyhow::Error) -> anyhow::Error {
    let kind = babelscope::fault::kind(&error);
    let left = sweep.status().map_or_else(
        |_| String::new(),
        |status| format!("{} of {} shards are done; ", status.total.done, sweep.shards.len()),
    );
    let what = if kind == Kind::Cancelled { "stopped".to_owned() } else { format!("{error:#}") };
    Fault::new(kind, format!("{what}\n{left}go on with: babelscope resume {}", sweep.folder.display())).into()
}

pub(super) fn say_reused(Reused(count): Reused) {
    if count > 0 {
        terminal::note(&format!("{count} shards are those of another sweep here, and were linked"));
    }
}

/// The shards of a plan, what they will take, and whether there is room.
pub(super) fn describe(plan: &Plan) -> String {
    let mut table = Table::new(["model", "stage", "shards", "bundles", "tokens", "size", "time"])
        .right(2)
        .right(3)
        .right(4)
        .right(5)
        .right(6);
    for model in &plan.models {
        for stage in Stage::ALL {
            let mine: Vec<_> = plan.shards.iter().filter(|s| s.model == model.label() && s.stage == stage).collect();
            if mine.is_empty() {
                continue;
            }
            let mut bundles: Vec<usize> = mine.iter().map(|shard| shard.bundle).collect();
            bundles.dedup();
            table.row([
                model.label().to_owned(),
                stage.name().to_owned(),
                mine.len().to_string(),
                bundles.len().to_string(),
                mine.iter().map(|shard| shard.tokens).sum::<usize>().to_string(),
                human(mine.iter().map(|shard| shard.bytes).sum()),
                time(mine.iter().map(|shard| shard.seconds).sum()),
            ]);
        }
    }
    let bytes = human(plan.bytes());
    format!("{table}\nabout {bytes} on disk and {} on this machine (estimated)", time(plan.seconds()))
}

/// Refuses a plan that the disk cannot hold, before days are spent on it.
fn room(plan: &Plan, place: &Path) -> Result<()> {
    let there = place.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match free_space(there) {
        Some(free) if free < plan.bytes() => {
            let (needed, free) = (human(plan.bytes()), human(free));
            let why = format!(
                "the sweep will take about {needed}, and {free} are free; make room, write elsewhere (--out, --runs), or store less \
                 (`store.dtype`, `extract.layers`)\n{}",
                there.display()
            );
            Err(Fault::new(Kind::Io, why).into())
        }
        _ => Ok(()),
    }
}

/// Seconds as a person says them.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn say_summary(summary: &Summary) -> Result<()> {
    let Summary { computed, twins, skipped, repaired, failed } = summary;
    let mut said = format!("{computed} shards computed, {skipped} done before");
    for (count, what) in
        [(*twins, "done by another process at the same time"), (*repaired, "found damaged and computed again")]
    {
        if count > 0 {
            said += &format!(", {count} {what}");
        }
    }
    terminal::note(&said);
    let Some((_, first)) = failed.first() else { return Ok(()) };
    let why =
        format!("{} shards failed, the others are done; the first: {first}\nsee the folder failed/", failed.len());
    Err(Fault::new(Kind::Partly, why).into())
}

fn say_merged(sweep: &Sweep, merged: &Merged) {
    if let [one] = merged.runs.as_slice() {
        report::run(one);
    }
    for run in &merged.runs {
        terminal::print(&format!("{}", run.folder.display()));
    }
    if let Some(index) = &merged.index {
        terminal::print(&format!("stored states: {}", index.display()));
    }
    if merged.already == merged.runs.len() && merged.already > 0 {
        terminal::note("already merged: nothing was written");
    }
    terminal::print(&format!("whole: {}", sweep.folder.display()));
}

fn say_status(sweep: &Sweep, status: &Status) {
    let mut table = Table::new(["model", "stage", "done", "missing", "failed", "damaged", "left"])
        .right(2)
        .right(3)
        .right(4)
        .right(5)
        .right(6);
    for tally in &status.tallies {
        let count = tally.count;
        table.row([
            tally.model.clone(),
            tally.stage.name().to_owned(),
            count.done.to_string(),
            count.missing.to_string(),
            count.failed.to_string(),
            count.damaged.to_string(),
            time(tally.seconds_left),
        ]);
    }
    terminal::print(&table.to_string());
    for (phase, list) in &status.bundles_left {
        terminal::print(&format!("bundles of {phase} with work left: {list}"));
    }
    let models = sweep.info.models.len();
    terminal::print(&format!("{} of {models} runs merged; {}", status.merged, sweep.folder.display()));
}
