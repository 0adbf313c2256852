//! Alignment and scores of the same languages, found in the rows of a run.

use std::collections::BTreeMap;

use babelscope_core::lang;
use babelscope_probes::measure::Row;
use egui::Id;

use crate::{
    catalogue::Choice,
    data::Loaded,
    measures,
    state::Selection,
    widgets::curve::{Curve, Null},
};

/// Laid against alignment even where the run has no probe `tasks`.
const OWN: [&str; 2] = ["premium", "resource"];

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) key: Option<Id>,
    pub(super) measures: Vec<(String, String)>,
    pub(super) targets: Vec<(String, String)>,
    pub(super) measure: String,
    pub(super) target: String,
    pub(super) layers: Vec<usize>,
    /// Language, alignment, score.
    pub(super) points: Vec<(String, f64, f64)>,
    pub(super) curves: Vec<Curve>,
    pub(super) null: Null,
}

impl State {
    /// The chosen layer; none for a measure over all layers.
    pub(super) fn layer(&self, selection: &Selection) -> Option<usize> {
        selection.layer.filter(|layer| self.layers.contains(layer)).or(self.layers.last().copied())
    }

    fn lists(&mut self, loaded: &Loaded) {
        let rows = || loaded.catalogue.rows("tasks", "pearson");
        let add = |list: &mut Vec<(String, String)>, key: &str, name: String| {
            if !list.iter().any(|(known, _)| known == key) {
                list.push((key.to_owned(), name));
            }
        };
        let (mut all, mut targets) = (Vec::new(), Vec::new());
        for row in rows() {
            add(&mut all, &row.variant, name(&row.variant));
            add(&mut targets, &row.item, measures::info(&row.item).name.into_owned());
        }
        if all.is_empty() {
            for series in loaded.catalogue.maps().filter(|s| ["align", "retrieval"].contains(&s.choice.probe.as_str()))
            {
                let key = key_of(&series.choice.metric, &series.variant, &series.choice.item);
                add(&mut all, &key, name(&key));
            }
            for target in OWN {
                add(&mut targets, target, measures::info(target).name.into_owned());
            }
        }
        (self.measures, self.targets) = (all, targets);
        let first = |list: &[(String, String)], now: &mut String| {
            if !list.iter().any(|(key, _)| key == now) {
                *now = list.first().map(|(key, _)| key.clone()).unwrap_or_default();
            }
        };
        first(&self.measures, &mut self.measure);
        first(&self.targets, &mut self.target);
    }

    pub(super) fn refresh(&mut self, loaded: &Loaded, selection: &Selection) {
        let key = Id::unique((loaded.stamp, &self.measure, &self.target, selection.layer));
        if self.key == Some(key) {
            return;
        }
        self.lists(loaded);
        let values = alignment(loaded, &self.measure);
        self.layers = values.keys().flatten().copied().collect();
        let layer = self.layer(selection);
        let scores = scores(loaded, &self.target);
        let none = BTreeMap::new();
        let found = values.get(&layer).unwrap_or(&none);
        self.points = (found.iter())
            .filter_map(|(language, value)| Some((language.clone(), *value, *scores.get(language)?)))
            .collect();
        let fits = |row: &&Row| row.variant == self.measure && row.item == self.target;
        let over = |metric: &'static str, name: &str, colour| {
            let rows = loaded.catalogue.rows("tasks", metric).filter(fits);
            let rows = rows.filter_map(|row| Some((row.layer? as f64, row)));
            Curve::of_rows(name, colour, rows)
        };
        self.curves = vec![over("pearson", "r", 0), over("spearman", "ρ", 2), over("partial_pearson", "partial r", 1)];
        // Three bands in one picture are none; the rank correlation has its interval in words.
        for curve in self.curves.iter_mut().filter(|curve| curve.name == "ρ") {
            curve.band = (Vec::new(), Vec::new());
        }
        self.curves.retain(|curve| !curve.x.is_empty());
        self.null = Null::default();
        for row in loaded.catalogue.rows("tasks", "pearson").filter(fits) {
            if let (Some(layer), Some(fit)) = (row.layer, row.shuffled) {
                self.null.x.push(layer as f64);
                self.null.mean.push(-fit.q95);
                self.null.q95.push(fit.q95);
            }
        }
        self.key = Some(Id::unique((loaded.stamp, &self.measure, &self.target, selection.layer)));
    }
}

fn key_of(metric: &str, variant: &str, item: &str) -> String {
    let parts = [metric, variant, item];
    let last = parts.iter().rposition(|part| !part.is_empty()).unwrap_or_default();
    parts[..=last].join("/")
}

/// What a person calls `mexa/language`, or `mexa_mean/language` over all layers.
pub(super) fn name(key: &str) -> String {
    let (metric, rest) = key.split_once('/').unwrap_or((key, ""));
    let (metric, over) = match (metric.strip_suffix("_mean"), metric.strip_suffix("_max")) {
        (Some(metric), _) => (metric, ", mean over layers"),
        (_, Some(metric)) => (metric, ", largest over layers"),
        _ => (metric, ""),
    };
    let variant = if rest.is_empty() { String::new() } else { format!(", {}", measures::variant(rest)) };
    format!("{}{variant}{over}", measures::info(metric).name)
}

/// The measure of this key by layer and language; over all layers it has no layer.
fn alignment(loaded: &Loaded, key: &str) -> BTreeMap<Option<usize>, BTreeMap<String, f64>> {
    let mut found: BTreeMap<Option<usize>, BTreeMap<String, f64>> = BTreeMap::new();
    let catalogue = &loaded.catalogue;
    let series = |wanted: &str| {
        catalogue.maps().find(|series| {
            let Choice { metric, item, .. } = &series.choice;
            key_of(metric, &series.variant, item) == wanted || format!("{metric}/{}", series.variant) == wanted
        })
    };
    let (metric, rest) =
        key.split_once('/').map_or((key, String::new()), |(metric, rest)| (metric, format!("/{rest}")));
    let over = [("_mean", false), ("_max", true)];
    let aggregate = over.into_iter().find_map(|(end, largest)| Some((metric.strip_suffix(end)?, largest)));
    let base = aggregate.map_or_else(|| key.to_owned(), |(metric, _)| format!("{metric}{rest}"));
    let Some(series) = series(&base) else { return found };
    let pivot = series.pivots.iter().find(|pivot| pivot.starts_with("eng_")).or_else(|| series.pivots.first());
    let pivot = pivot.cloned().unwrap_or_default();
    for language in &series.languages {
        let value = |layer: &usize| catalogue.cell(series, &pivot, language, Some(*layer)).and_then(|row| row.value);
        let all: Vec<(usize, f64)> = series.layers.iter().filter_map(|layer| Some((*layer, value(layer)?))).collect();
        match aggregate {
            None => {
                for (layer, value) in all {
                    found.entry(Some(layer)).or_default().insert(language.clone(), value);
                }
            }
            // A mean over fewer layers would be another measure.
            Some((_, largest)) if all.len() == series.layers.len() && !all.is_empty() => {
                let values = all.iter().map(|(_, value)| *value);
                let value = if largest {
                    values.fold(f64::NEG_INFINITY, f64::max)
                } else {
                    values.sum::<f64>() / all.len() as f64
                };
                found.entry(None).or_default().insert(language.clone(), value);
            }
            Some(_) => {}
        }
    }
    found
}

/// The score of each language: of a task, or what is known of it.
fn scores(loaded: &Loaded, target: &str) -> BTreeMap<String, f64> {
    if target == "resource" {
        let class = |code: &String| Some((code.clone(), f64::from(lang::find(code)?.resource?)));
        return loaded.run.corpus.languages.iter().filter_map(class).collect();
    }
    let tasks = loaded.catalogue.rows("tasks", "task_score").filter(|row| row.item == target);
    let own = loaded.catalogue.rows("tokenizer", target.split('/').next().unwrap_or(target));
    // Of two tokenizers the first is the model's.
    own.collect::<Vec<_>>()
        .into_iter()
        .rev()
        .chain(tasks)
        .filter_map(|row| Some((row.language.clone(), row.value?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_probe() {
        assert_eq!(key_of("mexa", "language", ""), "mexa/language");
        assert_eq!(key_of("recall_from_pivot", "raw/csls", "5"), "recall_from_pivot/raw/csls/5");
        assert_eq!(name("mexa/language"), "MEXA, centred");
        assert_eq!(name("mexa_mean/language"), "MEXA, centred, mean over layers");
    }
}
