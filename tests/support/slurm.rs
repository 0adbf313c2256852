//! A private Slurm on loopback for the time of a test: `experiments/slurm/up.sh` and `down.sh`.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/slurm");
const NODES: u16 = 4;
/// Never a measure: after this long something hangs.
const PATIENCE: Duration = Duration::from_secs(240);

/// One cluster at a time: each has more tasks than a small machine has processors.
static ONE: Mutex<()> = Mutex::new(());

/// A cluster of four nodes with two processors each. Ends with its last process when it is dropped, in a panic too.
pub(crate) struct Cluster {
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Starts one; `None` where Slurm is not installed and `CI` is not set.
    pub(crate) fn up() -> Option<Self> {
        let needed = ["slurmctld", "slurmd", "munged", "sbatch", "squeue", "scontrol", "scancel"];
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let there = |name: &&str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
        if let Some(missing) = needed.iter().find(|name| !there(name)) {
            assert!(std::env::var_os("CI").is_none(), "{missing} is not installed: .ci/run installs Slurm");
            println!("Slurm is not installed ({missing} is missing): nothing was tested here");
            return None;
        }
        let turn = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::Builder::new().prefix("slurm-").tempdir().unwrap();
        let cluster = Self { folder, _turn: turn };
        let script = Command::new(format!("{SCRIPTS}/up.sh"))
            .arg(cluster.folder.path())
            .args([NODES.to_string(), free_ports().to_string()])
            .output()
            .unwrap();
        assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
        Some(cluster)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where its commands find it.
    pub(crate) fn conf(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap().join("slurm.conf")
    }

    /// What one of Slurm's commands says.
    #[track_caller]
    pub(crate) fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let said = Command::new(name).args(arguments).env("SLURM_CONF", self.conf()).output().unwrap();
        assert!(said.status.success(), "{name}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    }

    /// Kills a node with all that runs on it. `programs` are the tasks' programs there, each below a script below a slurmstepd.
    pub(crate) fn lose(&self, node: &str, programs: &[u32]) {
        let scripts: Vec<u32> = programs.iter().map(|pid| parent(*pid)).collect();
        let steps: Vec<u32> = scripts.iter().map(|pid| parent(*pid)).collect();
        // In this order: a slurmstepd that lives would report that its task has failed, which is another thing than a lost node.
        steps.iter().for_each(|pid| signal("STOP", *pid));
        let daemon = fs::read_to_string(self.path(&format!("slurmd.{node}.pid"))).unwrap();
        signal("KILL", daemon.trim().parse().unwrap());
        for pid in programs.iter().chain(&scripts).chain(&steps) {
            signal("KILL", *pid);
        }
        self.ask("scontrol", &["update", &format!("NodeName={node}"), "State=DOWN", "Reason=test"]);
    }

    /// The logs of the daemons and of the tasks in `logs`.
    pub(crate) fn logs(&self, logs: &Path) -> String {
        let mut text = String::new();
        for folder in [&self.path("log"), logs] {
            let mut files: Vec<_> =
                fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            for file in files {
                let said = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
                let lines: Vec<&str> = said.lines().collect();
                text += &format!("== {}\n{}\n", file.display(), lines[lines.len().saturating_sub(30)..].join("\n"));
            }
        }
        text
    }

    /// Waits until `done`; after a long time the test fails with all logs.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, logs: &Path, mut done: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !done() {
            if begun.elapsed() > PATIENCE {
                panic!("{what}: not so after {PATIENCE:?}\n{}\n{}", self.ask("squeue", &["--array"]), self.logs(logs));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let ended = Command::new(format!("{SCRIPTS}/down.sh")).arg(self.folder.path()).output();
        if !ended.is_ok_and(|said| said.status.success()) {
            eprintln!("the cluster in {} may still run", self.folder.path().display());
        }
    }
}

/// Sends a signal to a process, which may be gone.
pub(crate) fn signal(name: &str, pid: u32) {
    Command::new("kill").args([format!("-{name}"), pid.to_string()]).output().unwrap();
}

fn parent(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap();
    line.trim().parse().unwrap()
}

/// The first of a row of ports that nobody uses: one for the controller, one for each node.
fn free_ports() -> u16 {
    let mut port = 20_000 + (std::process::id() % 20_000) as u16;
    loop {
        let taken = (port..=port + NODES).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_err());
        match taken {
            None => return port,
            Some(taken) => port = taken + 1,
        }
    }
}
