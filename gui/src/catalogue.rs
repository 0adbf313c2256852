//! Every number of a run, found by what it measures: the series that a view can choose from, and the row behind each cell.
//!
//! A series is one metric of one probe in one variant. The cells of an alignment report are series like all others; where the probe
//! has a row with nulls for a cell, the cell gets them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use babelscope::run::Run;
use babelscope_probes::{
    align::{AlignCell, Estimate},
    measure::Row,
};
use serde::{Deserialize, Serialize};

use crate::{
    measures,
    views::{patching, steering},
};

/// What a person chooses in a picker: a metric of a probe, and which of its items.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Choice {
    /// Kind of the probe.
    pub probe: String,
    /// The metric.
    pub metric: String,
    /// Its item: the k of a recall, a direction; mostly empty.
    pub item: String,
}

impl Choice {
    /// MEXA of the exact cells.
    pub fn mexa() -> Self {
        Self { probe: "align".to_owned(), metric: "mexa".to_owned(), item: String::new() }
    }

    /// What a person calls it.
    pub fn name(&self) -> String {
        measures::name(&self.metric, &self.item)
    }
}

/// One metric of one probe in one variant, over languages, pivots and layers.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it measures.
    pub choice: Choice,
    /// In which variant.
    pub variant: String,
    /// Pivots, sorted; one empty name where nothing is compared.
    pub pivots: Vec<String>,
    /// Languages, sorted.
    pub languages: Vec<String>,
    /// Layers, ascending; empty where no row has one.
    pub layers: Vec<usize>,
    /// Place of a row by its key, ascending.
    place: Vec<(u64, u32)>,
}

impl Series {
    fn key(&self, pivot: &str, language: &str, layer: Option<usize>) -> Option<u64> {
        let pivot = self.pivots.binary_search_by(|p| p.as_str().cmp(pivot)).ok()?;
        let language = self.languages.binary_search_by(|l| l.as_str().cmp(language)).ok()?;
        // Rows without a layer stand before all others.
        let layer = layer.map_or(Some(0), |layer| self.layers.binary_search(&layer).ok().map(|at| at + 1))?;
        Some(((pivot * self.languages.len() + language) * (self.layers.len() + 1) + layer) as u64)
    }

    /// The number of the row in the catalogue.
    pub fn find(&self, pivot: &str, language: &str, layer: Option<usize>) -> Option<u32> {
        let key = self.key(pivot, language, layer)?;
        let at = self.place.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.place.get(at).map(|(_, row)| *row)
    }
}

/// All series of a run.
#[derive(Clone, Debug)]
pub struct Catalogue {
    run: Arc<Run>,
    /// The cells of the alignment report as rows; they are numbered before the rows of the probes.
    cells: Vec<Row>,
    /// Number of the first row of each probe.
    first: Vec<usize>,
    series: Vec<Series>,
    /// Tokens of a language over those of a pivot.
    premium: BTreeMap<(String, String), f64>,
}

impl Catalogue {
    /// The series of a run.
    pub fn new(run: Arc<Run>) -> Self {
        let mut cells: Vec<Row> = run.align.iter().flat_map(|report| &report.cells).flat_map(rows_of).collect();
        if let Some(report) = &run.align {
            for row in &mut cells {
                row.chance = Some(match row.metric.as_str() {
                    "mexa" => report.chance_mexa,
                    "cosine_gap" => 0.0,
                    _ => report.chance_recall,
                });
            }
        }
        let given = with_nulls(&mut cells, run.probed("align").map_or(&[][..], |measured| &measured.rows));
        let mut first = Vec::with_capacity(run.measured.len());
        let mut next = cells.len();
        for probed in &run.measured {
            first.push(next);
            next += probed.measured.rows.len();
        }
        let mut groups = Groups::default();
        for (at, row) in cells.iter().enumerate() {
            groups.add("align", row, at);
        }
        for (probed, first) in run.measured.iter().zip(&first) {
            for (at, row) in probed.measured.rows.iter().enumerate() {
                let in_cell = probed.probe == "align" && given.get(at).copied().unwrap_or(false);
                if !in_cell {
                    groups.add(&probed.probe, row, first + at);
                }
            }
        }
        let series = groups.series();
        let premium = premium(&run);
        Self { cells, first, series, premium, run }
    }

    /// All series.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// The row of this number.
    pub fn row(&self, number: u32) -> Option<&Row> {
        let number = number as usize;
        if let Some(row) = self.cells.get(number) {
            return Some(row);
        }
        let probe = self.first.partition_point(|first| *first <= number).checked_sub(1)?;
        self.run.measured.get(probe)?.measured.rows.get(number - self.first.get(probe)?)
    }

    /// The row of a cell.
    pub fn cell(&self, series: &Series, pivot: &str, language: &str, layer: Option<usize>) -> Option<&Row> {
        self.row(series.find(pivot, language, layer)?)
    }

    /// The series that make a map of languages by layers, in the order of the run. Steering and patching have screens of their own.
    pub fn maps(&self) -> impl Iterator<Item = &Series> {
        let acts = |probe: &str| probe == patching::KIND || steering::KINDS.contains(&probe);
        self.series.iter().filter(move |series| !acts(&series.choice.probe)).filter(|series| {
            let compared = series.pivots.iter().any(|pivot| !pivot.is_empty());
            // MEXA of fewer sentences is a curve over n.
            series.choice.metric != "mexa_at_n"
                && !series.layers.is_empty()
                && series.languages.iter().any(|language| !language.is_empty())
                && (compared || measures::is_known(&series.choice.metric))
        })
    }

    /// The one series of this metric and variant.
    pub fn find(&self, choice: &Choice, variant: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.choice == *choice && series.variant == variant)
    }

    /// The rows of one metric of a probe.
    pub fn rows<'a>(&'a self, probe: &str, metric: &'a str) -> impl Iterator<Item = &'a Row> {
        self.run.probed(probe).into_iter().flat_map(move |measured| measured.metric(metric))
    }

    /// Tokens of the language over those of the pivot, for the same sentences.
    pub fn premium(&self, language: &str, pivot: &str) -> Option<f64> {
        self.premium.get(&(language.to_owned(), pivot.to_owned())).copied()
    }
}

/// The numbers of a cell, one a row.
fn rows_of(cell: &AlignCell) -> [Row; 4] {
    let row = |metric: &str, item: &str, estimate: Option<Estimate>| {
        let value = estimate.map_or(cell.cosine_gap, |estimate| estimate.value);
        let row = Row::new(metric, value, cell.n).of(&cell.language).against(&cell.pivot).at(cell.layer);
        let row = row.variant(cell.centring.name()).item(item);
        match estimate {
            Some(estimate) => row.within(estimate.low, estimate.high),
            None => row,
        }
    };
    [
        row("mexa", "", Some(cell.mexa)),
        row("recall_from_pivot", "1", Some(cell.recall_from_pivot)),
        row("recall_to_pivot", "1", Some(cell.recall_to_pivot)),
        row("cosine_gap", "", None),
    ]
}

/// Gives each cell the nulls of the row that says the same; for each row, whether there is such a cell.
fn with_nulls(cells: &mut [Row], rows: &[Row]) -> Vec<bool> {
    type Key = (String, String, String, String, Option<usize>);
    let key = |row: &Row| -> Key {
        (row.metric.clone(), row.variant.clone(), row.language.clone(), row.pivot.clone(), row.layer)
    };
    let place: HashMap<Key, usize> = cells.iter().enumerate().map(|(at, row)| (key(row), at)).collect();
    let mut give = |row: &Row| {
        let cell = matches!(row.item.as_str(), "" | "1").then(|| place.get(&key(row))).flatten();
        let Some(cell) = cell.and_then(|at| cells.get_mut(*at)) else { return false };
        (cell.shuffled, cell.matched) = (row.shuffled, row.matched);
        true
    };
    rows.iter().map(&mut give).collect()
}

fn premium(run: &Run) -> BTreeMap<(String, String), f64> {
    let mut found = BTreeMap::new();
    // The tokenizer's own rows last: they win. Of two tokenizers the first one is the model's.
    for probe in ["align", "tokenizer"] {
        let rows: Vec<&Row> = run.probed(probe).into_iter().flat_map(|measured| measured.metric("premium")).collect();
        for row in rows.into_iter().rev() {
            if let Some(value) = row.value {
                found.insert((row.language.clone(), row.pivot.clone()), value);
            }
        }
    }
    found
}

/// Rows by what they measure, in the order in which it first occurs.
#[derive(Default)]
struct Groups<'r> {
    place: HashMap<(String, &'r str, &'r str, &'r str), usize>,
    groups: Vec<Group<'r>>,
}

/// What is measured, in which variant, and its rows with their numbers.
type Group<'r> = (Choice, String, Vec<(&'r Row, usize)>);

impl<'r> Groups<'r> {
    fn add(&mut self, probe: &str, row: &'r Row, number: usize) {
        // One layer against another is no cell of languages by layers.
        if row.pivot_layer.is_some() {
            return;
        }
        let key = (probe.to_owned(), row.metric.as_str(), row.item.as_str(), row.variant.as_str());
        let at = *self.place.entry(key).or_insert_with(|| {
            let choice = Choice { probe: probe.to_owned(), metric: row.metric.clone(), item: row.item.clone() };
            self.groups.push((choice, row.variant.clone(), Vec::new()));
            self.groups.len() - 1
        });
        if let Some((_, _, rows)) = self.groups.get_mut(at) {
            rows.push((row, number));
        }
    }

    fn series(self) -> Vec<Series> {
        self.groups.into_iter().map(|(choice, variant, rows)| series(choice, variant, &rows)).collect()
    }
}

fn series(choice: Choice, variant: String, rows: &[(&Row, usize)]) -> Series {
    let names = |of: fn(&Row) -> &String| {
        let mut all: Vec<&String> = rows.iter().map(|(row, _)| of(row)).collect();
        all.sort_unstable();
        all.dedup();
        all.into_iter().cloned().collect::<Vec<String>>()
    };
    let mut layers: Vec<usize> = rows.iter().filter_map(|(row, _)| row.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let (pivots, languages) = (names(|row| &row.pivot), names(|row| &row.language));
    let mut series = Series { choice, variant, pivots, languages, layers, place: Vec::new() };
    let number = |(row, number): &(&Row, usize)| {
        let key = series.key(&row.pivot, &row.language, row.layer)?;
        Some((key, u32::try_from(*number).ok()?))
    };
    let mut place: Vec<(u64, u32)> = rows.iter().filter_map(number).collect();
    place.sort_unstable();
    // Of two rows that say the same, the first.
    place.dedup_by_key(|(key, _)| *key);
    series.place = place;
    series
}
