//! A sweep on a cluster: a real Slurm on loopback whose tasks and nodes die, and stand-ins for what a real one will not do.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a test may, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::Duration,
};

use babelscope::{run::Run, sweep::Sweep};
use tempfile::TempDir;

#[path = "support/slurm.rs"]
mod slurm;

use slurm::{Cluster, signal};

/// Eight languages in two blocks each: sixteen shards, each a task of its own.
const SPEC: &str = r#"
schema = 1
name = "small"
[[model]]
path = "lab"
[data]
languages = ["eng_Latn", "spa_Latn", "rus_Cyrl", "arb_Arab", "hin_Deva", "zho_Hans", "tha_Thai", "swh_Latn"]
[store]
block = 120
[engine]
kind = "slurm"
minutes_per_task = 1e-9
max_parallel = 12
[[probe]]
kind = "align"
pivots = ["eng_Latn"]
bootstrap = 100
[[probe]]
kind = "lens"
texts = ["The cat sees two red birds."]
"#;

/// In place of the program while a file is there: the program, which stops itself somewhere in its work and goes on when that file
/// is gone. Nothing of the results depends on it.
const STOPPED: &str = r#"#!/bin/bash
if [ -e "%HERE%/hold" ]; then
  (
    sleep "0.0$((RANDOM % 10))"
    kill -STOP $$ && echo "$$ $SLURMD_NODENAME $SLURM_ARRAY_JOB_ID $SLURM_ARRAY_TASK_ID" > "%HERE%/stopped/.$$" &&
      mv "%HERE%/stopped/.$$" "%HERE%/stopped/$$"
    while [ -e "%HERE%/hold" ]; do sleep 0.1; done
    kill -CONT $$
  ) &
fi
exec "%PROGRAM%" "$@"
"#;

/// A folder to work in.
struct Desk(TempDir);

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self
    }

    #[track_caller]
    fn says(&self, words: &[&str]) -> &Self {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word:?} is not in\n{}{}", self.out, self.err);
        }
        self
    }

    #[track_caller]
    fn refuses(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.says(words);
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        fs::write(desk.path("spec.toml"), SPEC).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_babelscope"));
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.command(arguments).output().unwrap().into()
    }

    fn on(&self, cluster: &Cluster, arguments: &[&str]) -> Said {
        self.command(arguments).env("SLURM_CONF", cluster.conf()).output().unwrap().into()
    }

    /// A command in a folder of its own.
    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, executable).unwrap();
    }

    /// Lets the tasks of a spec stop in their work.
    fn hold(&self) -> String {
        let here = self.0.path().to_str().unwrap();
        self.script("program", &STOPPED.replace("%PROGRAM%", env!("CARGO_BIN_EXE_babelscope")).replace("%HERE%", here));
        fs::create_dir(self.path("stopped")).unwrap();
        fs::write(self.path("hold"), "").unwrap();
        format!("engine.slurm.prologue=\"export BABELSCOPE={here}/program\"")
    }

    fn go_on(&self) {
        fs::remove_file(self.path("hold")).unwrap();
    }

    /// The programs that stand still: process, node, job, task.
    fn stopped(&self) -> Vec<(u32, String, String)> {
        let files = fs::read_dir(self.path("stopped")).unwrap().map(|entry| entry.unwrap().path());
        let lines = files.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
        let parsed = lines.map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let [pid, node, job, task] = text.split_whitespace().collect::<Vec<_>>().try_into().unwrap();
            (pid.parse().unwrap(), node.to_owned(), format!("{job}_{task}"))
        });
        parsed.collect()
    }

    /// The sweep of the spec on this machine alone, elsewhere.
    fn alone(&self) -> PathBuf {
        let here = ["--set", "engine.kind=local", "--out", "other/alone"];
        self.run(&[&["--runs", "other", "run", "spec.toml"][..], &here].concat()).fine();
        self.path("other/alone")
    }
}

/// The tables of a merged sweep.
fn tables(sweep: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tables = BTreeMap::new();
    for folder in [sweep.to_owned(), sweep.join("models/lab/tables")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "parquet") {
                let name = path.strip_prefix(sweep).unwrap().to_str().unwrap().to_owned();
                tables.insert(name, fs::read(path).unwrap());
            }
        }
    }
    tables
}

#[track_caller]
fn same_tables(one: &Path, other: &Path) {
    let (one, other) = (tables(one), tables(other));
    assert!(one.len() >= 5, "{:?}", one.keys());
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{name} differs");
    }
}

#[test]
fn a_task_and_a_node_die_and_the_tables_are_those_of_one_machine() {
    let Some(cluster) = Cluster::up() else { return };
    let desk = Desk::new();
    let prologue = desk.hold();
    let run = desk.path("run");
    let logs = run.join("logs");
    desk.on(&cluster, &["submit", "spec.toml", "--engine", "slurm", "--out", "run", "--set", &prologue])
        .fine()
        .says(&["bundles of extract: 0-16", "bundles of probe: 0-6", "merge"]);

    // Two nodes with stopped tasks: one loses a task, the other itself.
    let mut victims = None;
    cluster.wait("two nodes with tasks in the middle", &logs, || {
        let stopped = desk.stopped();
        victims = stopped.first().zip(stopped.iter().find(|(_, node, _)| *node != stopped[0].1)).map(
            |(killed, (_, lost, _))| {
                let there: Vec<_> = stopped.iter().filter(|(_, node, _)| node == lost).cloned().collect();
                (killed.clone(), lost.clone(), there)
            },
        );
        victims.is_some()
    });
    let (killed, lost, there) = victims.unwrap();
    signal("KILL", killed.0);
    cluster.lose(&lost, &there.iter().map(|(pid, ..)| *pid).collect::<Vec<_>>());
    desk.go_on();

    cluster
        .wait("merged", &logs, || run.join("models/lab").is_dir() && cluster.ask("squeue", &["--noheader"]).is_empty());
    for (_, node, task) in there.iter().chain([&killed]) {
        let job = cluster.ask("scontrol", &["show", "job", task]);
        assert!(job.contains("Restarts=1"), "{task} of {node} was not started again\n{job}");
    }
    let sweep = Sweep::open(&run).unwrap();
    assert!(sweep.status().unwrap().is_complete());
    assert_eq!(fs::read_dir(run.join("failed")).unwrap().count(), 0);
    Run::open(&run.join("models/lab")).unwrap();
    same_tables(&run, &desk.alone());
    desk.on(&cluster, &["submit", "run"]).fine().says(&["nothing to submit"]);
    desk.on(&cluster, &["status", "run"]).fine().says(&["0 running, 0 waiting"]);
}

#[test]
fn what_was_cancelled_is_neither_done_nor_queued_and_submitting_again_finishes() {
    let Some(cluster) = Cluster::up() else { return };
    let desk = Desk::new();
    let prologue = desk.hold();
    let run = desk.path("run");
    let logs = run.join("logs");
    desk.on(&cluster, &["submit", "spec.toml", "--out", "run", "--set", &prologue]).fine();
    cluster.wait("tasks in the middle", &logs, || desk.stopped().len() > 1);
    // All is in the queue: twice is harmless, and nothing is lost.
    desk.on(&cluster, &["submit", "run"]).fine().says(&["nothing to submit"]);
    let status = desk.on(&cluster, &["status", "run"]).fine();
    assert!(status.out.contains("in the queue") && !status.out.contains("neither done"), "{}", status.out);

    let queued = cluster.ask("squeue", &["--noheader", "--format=%A"]);
    cluster.ask("scancel", &queued.split_whitespace().collect::<Vec<_>>());
    cluster.wait("an empty queue", &logs, || cluster.ask("squeue", &["--noheader"]).is_empty());
    desk.go_on();
    let left = Sweep::open(&run).unwrap().status().unwrap().total.missing;
    assert!(left > 0);
    let status = desk.on(&cluster, &["status", "run"]).fine();
    status.says(&[&format!("{left} shards neither done nor queued; `babelscope submit run` starts them")]);
    assert!(cluster.ask("squeue", &["--noheader"]).is_empty(), "a cancelled task came back");

    desk.on(&cluster, &["resume", "run", "--engine", "slurm"]).fine().says(&["job "]);
    cluster
        .wait("merged", &logs, || run.join("models/lab").is_dir() && cluster.ask("squeue", &["--noheader"]).is_empty());
    same_tables(&run, &desk.alone());
}

impl Desk {
    /// Stand-ins for Slurm: numbers are counted, arguments noted in `said`, and the queue is the file `queue`.
    fn pretend(&self, max_array: usize) {
        fs::write(self.path("queue"), "").unwrap();
        let here = self.0.path().to_str().unwrap();
        let sbatch = "#!/bin/sh\necho \"$*\" >> @/said\necho \"$(wc -l < @/said);here\"\n";
        self.script("bin/sbatch", &sbatch.replace('@', here));
        self.script("bin/squeue", &format!("#!/bin/sh\nexec cat {here}/queue\n"));
        self.script("bin/scontrol", &format!("#!/bin/sh\necho 'MaxArraySize            = {max_array}'\n"));
        self.script("bin/scancel", &format!("#!/bin/sh\necho \"scancel $*\" >> {here}/said\n"));
    }

    fn pretending(&self, arguments: &[&str]) -> Said {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        self.command(arguments).env("PATH", path).output().unwrap().into()
    }

    /// What was submitted since the last look.
    fn submitted(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("said")).unwrap_or_default();
        fs::write(self.path("said"), "").unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn bundles_are_cut_into_arrays_that_the_cluster_takes_and_the_queue_holds_its_own() {
    let desk = Desk::new();
    desk.pretend(10);
    let options = r#"engine.slurm.sbatch=["--gpus=1", "--time=77"]"#;
    desk.pretending(&["submit", "spec.toml", "--out", "run", "--set", options]).fine();
    let said = desk.submitted();
    let [first, second, probe, merge] = said.as_slice() else { panic!("{said:#?}") };
    let name = Sweep::open(&desk.path("run")).unwrap().info.identity[..8].to_owned();
    for (line, words) in [
        (first, vec!["--array=0-9%6 ", &format!("--job-name=small-{name}.extract.0 "), "extract.sh 0"]),
        (second, vec!["--array=0-6%6 ", &format!("--job-name=small-{name}.extract.10 "), "extract.sh 10"]),
        (probe, vec!["--array=0-6%12 ", "--dependency=afterok:1:2 ", "--kill-on-invalid-dep=yes"]),
        (merge, vec!["--dependency=afterok:1:2,afterok:3 ", "--kill-on-invalid-dep=yes"]),
    ] {
        for word in words.into_iter().chain(["--parsable", "--requeue", "--signal=B:USR1@120", "--open-mode=append"]) {
            assert!(line.contains(word), "{word} is not in {line}");
        }
        // The last word of an option counts, and it is the spec's.
        let (ours, theirs) = (line.find("--time=").unwrap(), line.find("--gpus=1 --time=77 ").unwrap());
        assert!(ours < theirs, "{line}");
    }

    // Task 3 of the second array runs, so does the merge; probes wait for what has failed.
    let queue = format!(
        "2_3|RUNNING|None|small-{name}.extract.10\n3_0|PENDING|DependencyNeverSatisfied|small-{name}.probe.0\n\
         4|PENDING|Dependency|small-{name}.merge.0\n"
    );
    fs::write(desk.path("queue"), queue).unwrap();
    let status = desk.pretending(&["status", "run"]).fine();
    status.says(&["1 running, 2 waiting (1 of them for what has failed)", "23 shards neither done nor queued"]);
    desk.pretending(&["submit", "run"]).fine();
    let said = desk.submitted();
    let [first, second, probe, cancelled, merge] = said.as_slice() else { panic!("{said:#?}") };
    assert!(first.contains("--array=0-9%6 ") && second.contains("--array=0-2,4-6%6 "), "{said:#?}");
    // Of the old array only the end is waited for: the task that it lost is in a new one.
    assert!(probe.contains("--array=0-6%12 --dependency=afterok:1:2,afterany:2 "), "{probe}");
    assert_eq!(cancelled, "scancel 4");
    assert!(merge.contains("--dependency=afterok:1:2,afterany:2,afterok:3 "), "{merge}");

    desk.pretending(&["submit", "run", "--force", "--dry-run"])
        .fine()
        .says(&["--array=0-6%6 ", "nothing was submitted"]);
    assert!(desk.submitted().is_empty());
    desk.pretending(&["submit", "run", "--force"]).fine();
    assert!(desk.submitted()[1].contains("--array=0-6%6 "));
}

#[test]
fn a_cluster_that_is_not_there_or_refuses_is_said_in_words() {
    let desk = Desk::new();
    fs::create_dir(desk.path("bin")).unwrap();
    let nowhere =
        |arguments: &[&str]| Said::from(desk.command(arguments).env("PATH", desk.path("bin")).output().unwrap());
    nowhere(&["submit", "spec.toml", "--out", "run"]).refuses(66, &["`squeue`", "not on the PATH", "login node"]);
    // The scripts can be looked at without a cluster.
    nowhere(&["submit", "run", "--dry-run"]).fine().says(&["sbatch --parsable", "nothing was submitted"]);
    assert!(desk.path("run/engine/slurm/extract.sh").is_file() && !desk.path("run/engine/slurm/jobs.jsonl").exists());

    desk.pretend(1001);
    desk.script("bin/sbatch", "#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpus' >&2\nexit 1\n");
    desk.pretending(&["submit", "run"])
        .refuses(78, &["sbatch", "invalid partition specified: gpus", "--array=0-16%12"]);
    desk.script("bin/squeue", "#!/bin/sh\necho 'squeue: error: Unable to contact slurm controller' >&2\nexit 1\n");
    desk.pretending(&["submit", "run"]).refuses(74, &["squeue", "Unable to contact slurm controller"]);
    fs::write(desk.path("run/engine/slurm/jobs.jsonl"), "").unwrap();
    let status = desk.pretending(&["status", "run"]).fine();
    status.says(&["bundles of extract with work left: 0-16", "Unable to contact", "what the folder says"]);

    let array = r#"engine.slurm.sbatch=["--array=0-3"]"#;
    desk.pretending(&["submit", "spec.toml", "--out", "second", "--set", array])
        .refuses(78, &["--array=0-3", "sets itself"]);
}

#[test]
fn a_task_that_is_told_to_stop_leaves_whole_shards_and_says_75() {
    let desk = Desk::new();
    let settings = ["--set", "store.block=4", "--set", "store.tokens=true", "--set", "engine.minutes_per_task=30"];
    desk.run(&[&["plan", "spec.toml", "--out", "run"], &settings[..]].concat()).fine();
    let sweep = Sweep::open(&desk.path("run")).unwrap();
    let work = ["shard", "run", "--stage", "extract", "--bundle", "0"];
    let task = desk.command(&work).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while sweep.status().unwrap().total.done == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    signal("TERM", task.id());
    Said::from(task.wait_with_output().unwrap()).refuses(75, &["stopped"]);
    let status = sweep.status().unwrap();
    assert!(status.total.done > 0 && status.total.missing > 0 && status.total.damaged == 0, "{status:?}");
    // Nothing half-written is left, and the same again finishes.
    let mut folders = vec![desk.path("run/shards")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            assert!(!path.file_name().unwrap().to_str().unwrap().starts_with('.'), "{}", path.display());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    desk.run(&work).fine();
    assert!(sweep.bundles_left(babelscope::sweep::Phase::Extract).is_empty());
}

#[test]
fn a_run_is_fetched_whole_or_not_at_all() {
    let desk = Desk::new();
    desk.alone();
    // In place of scp: the host is this machine, and a file may be damaged on its way.
    desk.script(
        "bin/scp",
        "#!/bin/bash\nfrom=${@: -2:1} to=${@: -1}\ncp -r -p \"${from#host:}\" \"$to\" || exit\n\
         [ -z \"$DAMAGE\" ] || [ ! -e \"$to/$DAMAGE\" ] || echo x >> \"$to/$DAMAGE\"\n",
    );
    for tool in ["bash", "cp"] {
        let found = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(tool)).into_iter().find(|p| p.is_file());
        std::os::unix::fs::symlink(found.unwrap(), desk.path("bin").join(tool)).unwrap();
    }
    let fetch = |arguments: &[&str], damage: &str| {
        let mut command = desk.command(&[&["fetch"], arguments].concat());
        Said::from(command.env("PATH", desk.path("bin")).env("DAMAGE", damage).output().unwrap())
    };
    let from = format!("host:{}", desk.path("other/alone").display());
    let results = "models/lab/tables/results.parquet";
    fetch(&[&from, "--into", "here"], results).refuses(65, &["damaged", "tables/results.parquet"]);
    assert_eq!(fs::read_dir(desk.path("here")).unwrap().count(), 0);
    fetch(&[&from, "--into", "here"], "").fine().says(&["verified", "here/alone/models/lab"]);
    same_tables(&desk.path("other/alone"), &desk.path("here/alone"));
    assert!(!desk.path("here/alone/shards").exists());
    fetch(&[&from, "--into", "here"], "").refuses(73, &["here already"]);

    fetch(&[&from, "--into", "all", "--all"], "").fine().says(&["shards with it"]);
    assert!(Sweep::open(&desk.path("all/alone")).unwrap().status().unwrap().is_complete());
    let shard = fs::read_dir(desk.path("all/alone/shards/extract")).unwrap().next().unwrap().unwrap().path();
    let data =
        fs::read_dir(shard).unwrap().map(|e| e.unwrap().path()).find(|p| p.extension().unwrap() == "safetensors");
    let data = data.unwrap().strip_prefix(desk.path("all/alone")).unwrap().to_str().unwrap().to_owned();
    fetch(&[&from, "--into", "again", "--all"], &data).refuses(65, &["nothing was kept"]);

    // One run, by a path on this machine.
    let one = desk.path("other/alone/models/lab");
    fetch(&[one.to_str().unwrap(), "--into", "one"], "").fine().says(&["one/lab"]);
    Run::open(&desk.path("one/lab")).unwrap();
    fetch(&["host:/nowhere/at/all"], "")
        .refuses(74, &["/nowhere/at/all/models", "neither a finished run nor a merged sweep"]);
    for wrong in ["host:", "host:/", "--=x", "."] {
        assert_ne!(fetch(&["--into", "one", "--", wrong], "").code, Some(0), "{wrong}");
    }
}

#[test]
fn jobs_of_kubernetes_count_the_bundles_and_know_the_exit_codes() {
    let desk = Desk::new();
    let said = desk.run(&["plan", "spec.toml", "--emit", "k8s", "--out", "run"]).fine();
    assert!(desk.path("run/plan.jsonl").is_file());
    assert_eq!(said.out.matches("kind: Job").count(), 3);
    let final_codes = "values: [2, 3, 4, 65, 66, 70, 73, 74, 78]";
    said.says(&["completions: 17\n", "completions: 7\n", "completions: 1\n", final_codes, "DisruptionTarget"]);
    said.says(&[r#""--stage", "extract"]"#, r#""--stage", "probe"]"#, "-merge\n"]);
    // The shards' numbers come from the variable that such a Job sets.
    desk.run(&["shard", "run", "--stage", "extract"]).refuses(78, &["JOB_COMPLETION_INDEX"]);
    let mut task = desk.command(&["shard", "run", "--stage", "extract"]);
    Said::from(task.env("JOB_COMPLETION_INDEX", "3").output().unwrap()).fine();
    let left = Sweep::open(&desk.path("run")).unwrap().bundles_left(babelscope::sweep::Phase::Extract);
    assert!(left.len() == 16 && !left.contains(&3));
}
