//! `babelscope diff RUN_A RUN_B`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use babelscope::{
    diff::{Diff, Setting},
    fault::Fault,
    run::Run,
};
use clap::Args;

use crate::terminal::{
    self, columns,
    table::{Table, fit},
};

#[derive(Args)]
pub(super) struct Arguments {
    /// A run folder
    a: PathBuf,
    /// The run folder that it is compared with
    b: PathBuf,
    /// Numbers that lie no further apart count as equal
    #[arg(long, default_value_t = 0.0)]
    tolerance: f64,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// Like diff(1): 0 where the runs are equal, 1 where they differ.
pub(super) fn main(arguments: &Arguments) -> Result<ExitCode> {
    if !(arguments.tolerance.is_finite() && arguments.tolerance >= 0.0) {
        return Err(Fault::spec(format!("--tolerance is {}; expected zero or more", arguments.tolerance)).into());
    }
    let (a, b) = (Run::open(&arguments.a)?, Run::open(&arguments.b)?);
    let diff = Diff::of(&a, &b, arguments.tolerance);
    if arguments.json {
        terminal::print(&serde_json::to_string_pretty(&diff)?);
    } else {
        show(&diff);
    }
    Ok(if diff.is_equal() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn show(diff: &Diff) {
    settings("Settings that differ", &diff.settings);
    settings("Circumstances that differ (they do not count)", &diff.circumstances);
    let mut table =
        Table::new(["metric", "equal", "different", "only A", "only B", "apart", "largest difference", "where"]);
    for column in 1..7 {
        table = table.right(column);
    }
    for change in &diff.metrics {
        table.row([
            change.metric.clone(),
            change.equal.to_string(),
            change.different.to_string(),
            change.only_a.to_string(),
            change.only_b.to_string(),
            change.intervals_apart.map_or_else(|| "-".to_owned(), |n| n.to_string()),
            change.largest.map_or_else(
                || "0".to_owned(),
                |l| if l.is_finite() { format!("{l:.3e}") } else { "undefined".to_owned() },
            ),
            change.place.clone(),
        ]);
    }
    if !diff.metrics.is_empty() {
        terminal::print(&table.to_string());
        terminal::print("\napart: of the different ones, how many have 95 % intervals that do not overlap.");
    }
    let numbers = diff.metrics.iter().filter(|c| !c.is_equal()).count();
    let within = if diff.tolerance > 0.0 { format!(" within {}", diff.tolerance) } else { String::new() };
    terminal::print(&match (diff.settings.len(), numbers) {
        (0, 0) => format!("The runs are equal{within}."),
        (settings, numbers) => format!("The runs differ{within}: {settings} settings, {numbers} metrics."),
    });
}

fn settings(title: &str, list: &[Setting]) {
    if list.is_empty() {
        return;
    }
    let room = (columns().saturating_sub(30) / 2).max(20);
    let mut table = Table::new([title, "A", "B"]);
    for setting in list {
        table.row([setting.key.clone(), fit(&setting.a, room), fit(&setting.b, room)]);
    }
    terminal::print(&format!("{table}\n"));
}
