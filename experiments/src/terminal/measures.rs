//! The numbers of a probe as text: of each metric that is shown first a table, languages by layers or by one another.

use std::collections::BTreeMap;

use babelscope::{
    headlines::{Headline, Shape, series},
    run::Run,
    tables::measures::Probed,
};
use babelscope_probes::measure::Row;

use super::{
    columns, print,
    report::{language, shown_layers},
    table::{Table, fit},
};

/// Rows of a table on the terminal.
const MOST: usize = 24;
/// Tables of a probe on the terminal: the rest is in the run folder.
const TABLES: usize = 4;

/// Shows what every probe but alignment and lens says in short.
pub(crate) fn run(run: &Run) {
    for probed in run.measured.iter().filter(|probed| probed.probe != "align") {
        let mut shown = 0;
        for headline in Headline::of(&probed.probe) {
            if shown < TABLES && table(run, probed, headline) {
                shown += 1;
            }
        }
    }
    if let Some(map) = &run.map {
        let (layers, languages) = (map.layers.len(), map.languages.len());
        print(&format!(
            "Map: sentences of {languages} languages at {layers} layers, in figures/ and tables/map_points.parquet.\n"
        ));
    }
}

/// The table of one metric; `false` where the run has no such row.
fn table(run: &Run, probed: &Probed, headline: &Headline) -> bool {
    let rows: Vec<&Row> = headline.rows(&probed.measured).collect();
    let Some(first) = rows.first() else { return false };
    let pivot = if headline.shape == Shape::Matrix || first.pivot.is_empty() {
        String::new()
    } else {
        format!(", with {}", language(&first.pivot))
    };
    print(&format!("{}: {}{pivot}. n = {}{}", probed.probe, headline.title, first.n, read(headline, &rows)));
    let first_pivot = first.pivot.clone();
    let table = match headline.shape {
        Shape::Curves => over_layers(run, rows.iter().filter(|row| row.pivot == first_pivot).copied()),
        Shape::Matrix => matrix(&rows),
        Shape::Bars => bars(rows.iter().filter(|row| row.pivot == first_pivot).copied()),
    };
    print(&table.to_string());
    print("");
    true
}

/// Chance, and what the marks mean.
fn read(headline: &Headline, rows: &[&Row]) -> String {
    let chance = rows.iter().find_map(|row| row.chance).map_or_else(String::new, |c| format!(", chance {c:.3}"));
    let tested = rows.iter().any(|row| row.shuffled.is_some());
    let what = headline.shuffled();
    let mark = if tested {
        format!("; `.` marks what shuffled {what} reach as well (p above .05, adjusted)")
    } else {
        String::new()
    };
    format!("{chance}{mark}")
}

/// A number as it stands in a table: with a mark where shuffling reaches it as well.
fn cell(row: &Row) -> String {
    let Some(value) = row.value else { return "-".to_owned() };
    let beyond = row.shuffled.is_none_or(|null| null.p_adjusted.unwrap_or(null.p) <= 0.05);
    let text = if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    if beyond { text } else { format!("{text}.") }
}

fn name(code: &str) -> String {
    fit(&language(code), 30)
}

fn over_layers<'a>(run: &Run, rows: impl Iterator<Item = &'a Row>) -> Table {
    let layers = shown_layers(&run.manifest.capture.layers, columns().saturating_sub(40) / 7);
    let mut lines: Vec<(String, BTreeMap<usize, String>)> = Vec::new();
    let rows: Vec<&Row> = rows.collect();
    let several = rows.iter().any(|row| row.variant != rows[0].variant);
    for row in rows {
        let Some(layer) = row.layer else { continue };
        // Rows of a language alone are told apart by their variant where there is more than one.
        let apart = several && !row.language.is_empty();
        let series = if apart { format!("{} {}", series(row), row.variant) } else { series(row) };
        match lines.iter_mut().find(|line| line.0 == series) {
            Some(line) => line.1.insert(layer, cell(row)),
            None => {
                lines.push((series, BTreeMap::from([(layer, cell(row))])));
                None
            }
        };
    }
    let header = std::iter::once(String::new()).chain(layers.iter().map(|layer| format!("L{layer}")));
    let mut table = (1..=layers.len()).fold(Table::new(header), Table::right);
    let count = lines.len();
    for (series, cells) in lines.into_iter().take(MOST) {
        let of = |layer: &usize| cells.get(layer).cloned().unwrap_or_default();
        let named = match series.split_once(' ') {
            Some((code, rest)) if several => fit(&format!("{} {rest}", language(code)), 36),
            _ => name(&series),
        };
        table.row(std::iter::once(named).chain(layers.iter().map(of)));
    }
    if count > MOST {
        table.row([format!("… {} more in the run folder", count - MOST)]);
    }
    table
}

fn matrix(rows: &[&Row]) -> Table {
    let mut across: Vec<&str> = rows.iter().map(|row| row.pivot.as_str()).collect();
    across.sort_unstable();
    across.dedup();
    across.truncate(columns().saturating_sub(34) / 10);
    let mut down: Vec<&str> = rows.iter().map(|row| row.language.as_str()).collect();
    down.dedup();
    let mut seen = std::collections::BTreeSet::new();
    down.retain(|language| seen.insert(*language));
    let mut table =
        (1..=across.len()).fold(Table::new(std::iter::once("").chain(across.iter().copied())), Table::right);
    for language in down.into_iter().take(MOST) {
        let of = |pivot: &&str| {
            let fits = |row: &&&Row| row.language == language && row.pivot == **pivot;
            rows.iter().find(fits).map_or_else(String::new, |row| cell(row))
        };
        table.row(std::iter::once(name(language)).chain(across.iter().map(of)));
    }
    table
}

fn bars<'a>(rows: impl Iterator<Item = &'a Row>) -> Table {
    let mut rows: Vec<&Row> = rows.collect();
    rows.sort_by(|a, b| b.value.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.value.unwrap_or(f64::NEG_INFINITY)));
    let mut table = Table::new(["", "value", "95 %"]).right(1);
    let count = rows.len();
    for row in rows.into_iter().take(MOST) {
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!("{low:.2} to {high:.2}"),
            _ => String::new(),
        };
        let value = if row.value.is_some() { cell(row) } else { "-".to_owned() };
        let interval = if row.value.is_some() { interval } else { fit(&row.status, columns().saturating_sub(46)) };
        let variant = if row.variant.is_empty() { String::new() } else { format!(" ({})", row.variant) };
        table.row([format!("{}{variant}", name(&row.language)), value, interval]);
    }
    if count > MOST {
        table.row([format!("… {} more in the run folder", count - MOST)]);
    }
    table
}
