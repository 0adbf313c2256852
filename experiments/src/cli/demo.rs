//! `babelscope`: the main job on the embedded model.

use std::path::PathBuf;

use anyhow::Result;
use babelscope::spec::RunSpec;

pub(super) fn main(runs: PathBuf) -> Result<()> {
    super::execute(&RunSpec::demo()?, runs, None)
}
