//! results.parquet (one row a metric of a cell) and sentences.parquet (one row a sentence of a cell), and the report back.

use std::path::Path;

use anyhow::Result;
use babelscope_probes::{
    align::{AlignCell, AlignReport, Centring, Estimate, Outcome},
    measure::Measured,
};

use super::{Table, bools, f32s, f64s, small, strings, u32s, u64s};
use crate::manifest::AlignInfo;

/// The columns of results.parquet that are the same in every row.
#[derive(Clone, Copy, Debug)]
pub struct Labels<'a> {
    /// Short name of the model.
    pub model: &'a str,
    /// Its revision: the one asked for, else empty.
    pub revision: &'a str,
    /// Place in the network.
    pub site: &'a str,
    /// Pooling of a sentence.
    pub pooling: &'a str,
    /// Seed of the bootstrap.
    pub seed: u64,
    /// Whether there are intervals.
    pub intervals: bool,
}

/// The metrics of a cell, in the order of the rows.
const METRICS: [&str; 5] = ["mexa", "recall_from_pivot", "recall_to_pivot", "cosine_gap", "cosine_wrong"];

fn values(cell: &AlignCell) -> [(f64, Option<Estimate>); 5] {
    [
        (cell.mexa.value, Some(cell.mexa)),
        (cell.recall_from_pivot.value, Some(cell.recall_from_pivot)),
        (cell.recall_to_pivot.value, Some(cell.recall_to_pivot)),
        (cell.cosine_gap, None),
        (cell.cosine_wrong, None),
    ]
}

/// What chance alone gives.
fn chance(report: &AlignReport, metric: &str) -> Option<f64> {
    match metric {
        "mexa" => Some(report.chance_mexa),
        "recall_from_pivot" | "recall_to_pivot" => Some(report.chance_recall),
        _ => None,
    }
}

fn centring_from(name: &str) -> Option<Centring> {
    Centring::ALL.into_iter().find(|c| c.name() == name)
}

/// Writes the metrics: `model, revision, language, pivot, layer, site, pooling, centring, metric, value, n, chance,
/// ci_low, ci_high, seed, status`.
///
/// # Errors
/// The file cannot be written.
pub fn write_results(path: &Path, report: &AlignReport, labels: Labels<'_>) -> Result<()> {
    let rows: Vec<_> = report
        .cells
        .iter()
        .flat_map(|cell| {
            METRICS
                .into_iter()
                .zip(values(cell))
                .map(move |(metric, (value, estimate))| (cell, metric, value, estimate))
        })
        .collect();
    let interval = |pick: fn(Estimate) -> f64| f64s(rows.iter().map(|r| r.3.filter(|_| labels.intervals).map(pick)));
    let constant = |text: &str| strings(rows.iter().map(|_| text));
    super::write(
        path,
        vec![
            ("model", constant(labels.model)),
            ("revision", constant(labels.revision)),
            ("language", strings(rows.iter().map(|r| &r.0.language))),
            ("pivot", strings(rows.iter().map(|r| &r.0.pivot))),
            ("layer", u32s(rows.iter().map(|r| small(r.0.layer)))),
            ("site", constant(labels.site)),
            ("pooling", constant(labels.pooling)),
            ("centring", strings(rows.iter().map(|r| r.0.centring.name()))),
            ("metric", strings(rows.iter().map(|r| r.1))),
            ("value", f64s(rows.iter().map(|r| Some(r.2)))),
            ("n", u32s(rows.iter().map(|r| small(r.0.n)))),
            ("chance", f64s(rows.iter().map(|r| chance(report, r.1)))),
            ("ci_low", interval(|e| e.low)),
            ("ci_high", interval(|e| e.high)),
            ("seed", u64s(rows.iter().map(|_| labels.seed))),
            ("status", strings(rows.iter().map(|r| if r.2.is_finite() { "ok" } else { "undefined" }))),
        ],
    )
}

/// Writes what happened to each sentence: `language, pivot, layer, centring, line, hit, cosine, rival, rival_cosine, rival_back,
/// rival_back_cosine`; lines count from 0.
///
/// # Errors
/// The file cannot be written.
pub fn write_sentences(path: &Path, report: &AlignReport) -> Result<()> {
    let rows =
        || report.cells.iter().flat_map(|cell| cell.outcomes.iter().enumerate().map(move |(line, o)| (cell, line, o)));
    super::write(
        path,
        vec![
            ("language", strings(rows().map(|r| &r.0.language))),
            ("pivot", strings(rows().map(|r| &r.0.pivot))),
            ("layer", u32s(rows().map(|r| small(r.0.layer)))),
            ("centring", strings(rows().map(|r| r.0.centring.name()))),
            ("line", u32s(rows().map(|r| small(r.1)))),
            ("hit", bools(rows().map(|r| r.2.hit()))),
            ("cosine", f32s(rows().map(|r| r.2.cosine))),
            ("rival", u32s(rows().map(|r| r.2.rival))),
            ("rival_cosine", f32s(rows().map(|r| r.2.rival_cosine))),
            ("rival_back", u32s(rows().map(|r| r.2.rival_back))),
            ("rival_back_cosine", f32s(rows().map(|r| r.2.rival_back_cosine))),
        ],
    )
}

/// Reads both tables back.
///
/// # Errors
/// A table is missing, damaged, or contradicts the other.
pub fn read(results: &Path, sentences: &Path, info: &AlignInfo, tokens: usize) -> Result<AlignReport> {
    let table = Table::read(results)?;
    let mut outcomes = Outcomes::read(sentences)?;
    let (languages, pivots, layers) = (table.strings("language")?, table.strings("pivot")?, table.u32s("layer")?);
    let (centrings, metrics, n) = (table.strings("centring")?, table.strings("metric")?, table.u32s("n")?);
    let (value, low, high) = (table.f64s("value")?, table.f64s("ci_low")?, table.f64s("ci_high")?);
    if table.rows() % METRICS.len() != 0 || !metrics.iter().zip(METRICS.iter().cycle()).all(|(a, b)| a == b) {
        return Err(table.wrong(0, &format!("expected the metrics {} of each cell in this order", METRICS.join(", "))));
    }
    let chance = table.f64s("chance")?;
    let estimate = |row: usize| {
        let value = value.get(row).copied().flatten().unwrap_or(f64::NAN);
        let end = |ends: &[Option<f64>]| ends.get(row).copied().flatten().unwrap_or(value);
        Estimate { value, low: end(&low), high: end(&high) }
    };
    let mut cells = Vec::with_capacity(table.rows() / METRICS.len());
    let rows = languages.into_iter().zip(pivots).zip(layers).zip(centrings).zip(n).enumerate().step_by(METRICS.len());
    for (row, ((((language, pivot), layer), centring), n)) in rows {
        let key = (language, pivot, layer, centring);
        let outcomes = outcomes.take(&key, n as usize)?;
        let (language, pivot, layer, centring) = key;
        cells.push(AlignCell {
            language,
            pivot,
            layer: layer as usize,
            centring: centring_from(&centring)
                .ok_or_else(|| table.wrong(row, &format!("unknown centring {centring:?}")))?,
            mexa: estimate(row),
            recall_from_pivot: estimate(row + 1),
            recall_to_pivot: estimate(row + 2),
            cosine_gap: estimate(row + 3).value,
            cosine_wrong: estimate(row + 4).value,
            n: n as usize,
            outcomes,
        });
    }
    outcomes.finish()?;
    Ok(AlignReport {
        cells,
        // From the table: JSON is read to within the last digit only.
        chance_mexa: chance.first().copied().flatten().unwrap_or(info.chance_mexa),
        chance_recall: chance.get(1).copied().flatten().unwrap_or(info.chance_recall),
        tokens,
        measured: Measured::default(),
        notes: info.notes.clone(),
    })
}

/// sentences.parquet, consumed cell by cell.
struct Outcomes {
    table: Table,
    keys: Vec<(String, String, u32, String)>,
    outcomes: Vec<Outcome>,
    next: usize,
}

impl Outcomes {
    fn read(path: &Path) -> Result<Self> {
        let table = Table::read(path)?;
        let keys = table.strings("language")?.into_iter().zip(table.strings("pivot")?);
        let keys = keys
            .zip(table.u32s("layer")?)
            .zip(table.strings("centring")?)
            .map(|(((l, p), y), c)| (l, p, y, c))
            .collect();
        let true_pair = table.f32s("cosine")?.into_iter();
        let there = table.u32s("rival")?.into_iter().zip(table.f32s("rival_cosine")?);
        let back = table.u32s("rival_back")?.into_iter().zip(table.f32s("rival_back_cosine")?);
        let outcomes = true_pair
            .zip(there)
            .zip(back)
            .map(|((cosine, (rival, rival_cosine)), (rival_back, rival_back_cosine))| Outcome {
                cosine,
                rival,
                rival_cosine,
                rival_back,
                rival_back_cosine,
            })
            .collect();
        Ok(Self { table, keys, outcomes, next: 0 })
    }

    fn take(&mut self, key: &(String, String, u32, String), n: usize) -> Result<Vec<Outcome>> {
        let range = self.next..self.next + n;
        let found =
            self.keys.get(range.clone()).filter(|keys| keys.iter().all(|k| k == key)).and(self.outcomes.get(range));
        let found = found.ok_or_else(|| {
            self.table.wrong(
                self.next,
                &format!("expected {n} sentences of {} at layer {} here, as results.parquet says", key.0, key.2),
            )
        })?;
        self.next += n;
        Ok(found.to_vec())
    }

    fn finish(self) -> Result<()> {
        if self.next == self.outcomes.len() {
            Ok(())
        } else {
            Err(self.table.wrong(self.next, "results.parquet has no such cell"))
        }
    }
}
