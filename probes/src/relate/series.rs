//! What is related: measures by language out of rows, and the covariates.

use std::collections::{BTreeMap, BTreeSet};

use babelscope_core::lang;

use super::{TaskParams, refuse};
use crate::{Result, measure::Row};

/// Ratios, of which the log is taken.
const RATIOS: [&str; 4] = ["premium", "premium_joined", "premium_sentences", "byte_premium"];

/// One measure at one layer, or over all, by language.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Series {
    /// `mexa/language`, or `mexa_mean/language` over layers.
    pub(super) name: String,
    pub(super) pivot: String,
    pub(super) layer: Option<usize>,
    pub(super) values: BTreeMap<String, f64>,
}

/// A measure as it is named: `metric`, `metric/variant` or `metric/variant/item`.
struct Name<'a> {
    metric: &'a str,
    /// What follows the metric, its stroke included.
    rest: &'a str,
}

impl<'a> Name<'a> {
    fn new(name: &'a str) -> Self {
        let (metric, rest) = name.split_at(name.find('/').unwrap_or(name.len()));
        Self { metric, rest }
    }

    fn fits(&self, row: &Row, metric: &str) -> bool {
        let mut parts = self.rest.splitn(3, '/').skip(1);
        row.metric == metric
            && row.variant == parts.next().unwrap_or_default()
            && row.item == parts.next().unwrap_or_default()
    }
}

/// The series of the measures that were asked for, by measure, pivot and layer; aggregates over layers come last.
pub(super) fn collect(rows: &[Row], params: &TaskParams, notes: &mut Vec<String>) -> Result<Vec<Series>> {
    let wanted = |pivot: &str| params.pivots.is_empty() || params.pivots.iter().any(|p| p == pivot);
    let mut all = Vec::new();
    for measure in &params.measures {
        let name = Name::new(measure);
        let fits = |row: &&Row, metric: &str| name.fits(row, metric) && wanted(&row.pivot) && !row.language.is_empty();
        let mine: Vec<&Row> = rows.iter().filter(|row| fits(row, name.metric)).collect();
        if mine.is_empty() {
            notes.push(format!("there is no {measure} among the measures, so it is related with nothing"));
        }
        let pivots: BTreeSet<&str> = mine.iter().map(|row| row.pivot.as_str()).collect();
        for pivot in pivots {
            let mine: Vec<&Row> = mine.iter().copied().filter(|row| row.pivot == pivot).collect();
            let by_layer = by_layer(&mine, measure, pivot);
            let layers: Vec<&Series> = by_layer.iter().filter(|series| series.layer.is_some()).collect();
            let mut over = Vec::new();
            if layers.len() > 1 {
                for (suffix, of) in [("mean", mean as fn(&[f64]) -> f64), ("max", max)] {
                    let metric = format!("{}_{suffix}", name.metric);
                    let known =
                        rows.iter().filter(|row| fits(row, &metric) && row.pivot == pivot && row.layer.is_none());
                    let known: BTreeMap<String, f64> = known.filter_map(value).collect();
                    let values = if known.is_empty() { aggregate(&layers, of) } else { known };
                    let name = format!("{metric}{}", name.rest);
                    over.push(Series { name, pivot: pivot.to_owned(), layer: None, values });
                }
            }
            all.extend(by_layer);
            all.extend(over);
        }
    }
    if all.is_empty() {
        let there: BTreeSet<String> = rows.iter().map(full_name).collect();
        let there = there.into_iter().take(12).collect::<Vec<_>>().join(", ");
        let pivots =
            if params.pivots.is_empty() { String::new() } else { format!(" of pivot {}", params.pivots.join(", ")) };
        let asked = params.measures.join(", ");
        return Err(refuse(format!("none of the measures {asked}{pivots} is there; there are {there}")));
    }
    Ok(all)
}

fn by_layer(rows: &[&Row], measure: &str, pivot: &str) -> Vec<Series> {
    let mut layers: BTreeMap<Option<usize>, BTreeMap<String, f64>> = BTreeMap::new();
    for row in rows {
        layers.entry(row.layer).or_default().extend(value(row));
    }
    let series = |(layer, values)| Series { name: measure.to_owned(), pivot: pivot.to_owned(), layer, values };
    layers.into_iter().map(series).collect()
}

/// Over the languages that have a value at every layer: a mean over fewer would be another measure.
fn aggregate(layers: &[&Series], of: fn(&[f64]) -> f64) -> BTreeMap<String, f64> {
    let languages: BTreeSet<&String> = layers.iter().flat_map(|series| series.values.keys()).collect();
    let at_all = |language: &String| -> Option<(String, f64)> {
        let values: Option<Vec<f64>> = layers.iter().map(|series| series.values.get(language).copied()).collect();
        Some((language.clone(), of(&values?)))
    };
    languages.into_iter().filter_map(at_all).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn max(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn value(row: &Row) -> Option<(String, f64)> {
    Some((row.language.clone(), row.value?))
}

fn full_name(row: &Row) -> String {
    let parts = [row.metric.as_str(), &row.variant, &row.item];
    let last = parts.iter().rposition(|part| !part.is_empty()).unwrap_or_default();
    parts[..=last].join("/")
}

/// Values of a covariate by language, or why there are none.
pub(super) type Values = std::result::Result<BTreeMap<String, f64>, String>;

/// The covariates of the languages, for one pivot.
pub(super) struct Covariates {
    by_name: BTreeMap<String, Values>,
}

impl Covariates {
    pub(super) fn new(named: &BTreeSet<&str>, tokenizer: &[Row], pivot: &str, languages: &BTreeSet<&str>) -> Self {
        let values =
            |name: &str| if name == "resource" { resources(languages) } else { of_tokenizer(name, tokenizer, pivot) };
        Self { by_name: named.iter().map(|name| ((*name).to_owned(), values(name))).collect() }
    }

    pub(super) fn get(&self, name: &str) -> Values {
        self.by_name.get(name).cloned().unwrap_or_else(|| Err(format!("there is no covariate {name}")))
    }
}

/// Resource classes of the registry.
fn resources(languages: &BTreeSet<&str>) -> Values {
    let class = |code: &&str| Some(((*code).to_owned(), f64::from(lang::find(code)?.resource?)));
    Ok(languages.iter().filter_map(class).collect())
}

/// A metric of the tokenizer, against this pivot or of a language alone; of several tokenizers the first unless one is named.
fn of_tokenizer(name: &str, rows: &[Row], pivot: &str) -> Values {
    let (metric, variant) = name.split_once('/').map_or((name, None), |(metric, variant)| (metric, Some(variant)));
    let fits = |row: &&Row| {
        row.metric == metric
            && (row.pivot == pivot || row.pivot.is_empty())
            && row.item.is_empty()
            && !row.language.is_empty()
    };
    let first = rows.iter().find(fits).map(|row| row.variant.as_str());
    let variant = variant.or(first).unwrap_or_default();
    let found: BTreeMap<String, f64> =
        rows.iter().filter(fits).filter(|row| row.variant == variant).filter_map(value).collect();
    if found.is_empty() {
        return Err(format!(
            "the tokenizer's measures hold no {name} beside {pivot}; measure the tokenizer with this pivot"
        ));
    }
    let logs = RATIOS.contains(&metric);
    let of = |(language, value): (String, f64)| {
        (!logs || value > 0.0).then(|| (language, if logs { value.ln() } else { value }))
    };
    Ok(found.into_iter().filter_map(of).collect())
}
