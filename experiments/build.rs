//! Tells the program from which revision it is built, so that every manifest can say it. Without git it says nothing.

use std::process::Command;

/// What decides the numbers of a run.
const SOURCES: [&str; 5] = ["Cargo.lock", "Cargo.toml", "core", "probes", "experiments"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Any change of the sources may make them differ from the commit; a commit or checkout writes the log of HEAD.
    for source in SOURCES.iter().map(|s| if s.contains('.') { format!("../{s}") } else { format!("../{s}/src") }) {
        println!("cargo::rerun-if-changed={source}");
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    let Some(changes) = git(&[&["-C", "..", "status", "--porcelain", "--"], SOURCES.as_slice()].concat()) else {
        return;
    };
    let dirty = if changes.is_empty() { "" } else { "-dirty" };
    println!("cargo::rustc-env=BABELSCOPE_REVISION={commit}{dirty}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|o| o.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
