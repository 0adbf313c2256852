//! `babelscope doctor`: what this machine lacks, and what to do about it.

use std::path::Path;

use anyhow::Result;
use babelscope::doctor;
use babelscope_core::hub::Hub;
use clap::Args;

use crate::terminal::{self, table::Table};

#[derive(Args)]
pub(super) struct Arguments {
    /// As JSON, for a script
    #[arg(long)]
    json: bool,
}

pub(super) fn main(arguments: &Arguments, runs: &Path) -> Result<()> {
    let findings = doctor::examine(runs, &Hub::from_env());
    if arguments.json {
        terminal::print(&serde_json::to_string_pretty(&serde_json::json!({ "schema": 1, "checks": findings }))?);
    } else {
        let mut table = Table::new(["check", "state", "found"]);
        for finding in &findings {
            table.row([finding.check, finding.state.word(), &finding.found]);
        }
        terminal::print(&table.to_string());
        for finding in &findings {
            if let Some(advice) = &finding.advice {
                terminal::print(&format!("\n{} ({}): {advice}.", finding.check, finding.state.word()));
            }
        }
    }
    doctor::fault(&findings).map_or(Ok(()), |fault| Err(fault.into()))
}
