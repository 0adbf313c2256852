//! `babelscope schema`.

use anyhow::Result;
use babelscope::spec::RunSpec;

use crate::terminal;

pub(super) fn main() -> Result<()> {
    terminal::print(&serde_json::to_string_pretty(&RunSpec::schema())?);
    Ok(())
}
