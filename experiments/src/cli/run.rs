//! `babelscope run spec.toml`.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::RunSpec;
use clap::Args;

#[derive(Args)]
pub(super) struct Arguments {
    /// The spec
    spec: PathBuf,
    /// Replace a value of the spec: data.limit=8, probe.0.bootstrap=100, extract.layers=[0,4]
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run folder (default: NAME-HASH below --runs)
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
}

pub(super) fn main(arguments: &Arguments, runs: PathBuf) -> Result<()> {
    let mut spec = RunSpec::open(&arguments.spec)?;
    for assignment in &arguments.set {
        spec = spec.with(assignment)?;
    }
    super::execute(&spec, runs, arguments.out.as_deref())
}
