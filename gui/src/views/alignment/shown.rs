//! What of a run is drawn: the series that fits the settings best, its languages in their order, its rows by cell. Made anew only
//! when something of that changes.

use babelscope_probes::measure::Row;
use egui::Id;

use crate::{
    catalogue::{Choice, Series},
    data::{Loaded, colour_index, mark},
    measures::{self, Better, Info, Scale},
    order::{of_probe, ordered},
    state::{AlignmentSettings, Selection},
    widgets::{
        curve::{Curve, Null},
        reading,
    },
};

/// What is drawn.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) key: Id,
    /// The measure that is drawn, and its variant.
    pub(super) choice: Choice,
    pub(super) variant: String,
    /// Empty where nothing is compared.
    pub(super) pivot: String,
    pub(super) info: Info,
    /// Languages from top to bottom.
    pub(super) rows: Vec<String>,
    pub(super) layers: Vec<usize>,
    /// Numbers of rows in the catalogue, `[language][layer]`.
    cells: Vec<Option<u32>>,
    pub(super) weak: Vec<bool>,
    pub(super) scale: Scale,
    pub(super) curves: Vec<Curve>,
    /// The null of each language.
    pub(super) nulls: Vec<Null>,
    /// Whether any row has a null.
    pub(super) has_nulls: bool,
    pub(super) chance: Option<f64>,
}

impl Shown {
    /// Makes what is shown, unless it is there; `false` where there is nothing to show.
    pub(super) fn refresh(
        slot: &mut Option<Self>,
        loaded: &Loaded,
        settings: &AlignmentSettings,
        selection: &Selection,
    ) -> bool {
        let Some(series) = series(loaded, settings) else { return false };
        let Some(pivot) = pivot(series, selection) else { return false };
        let key = Id::unique((loaded.stamp, &series.choice, &series.variant, &pivot, settings.order));
        if slot.as_ref().is_none_or(|shown| shown.key != key) {
            *slot = Some(Self::new(key, loaded, series, pivot, settings));
        }
        slot.as_ref().is_some_and(|shown| !shown.rows.is_empty())
    }

    fn new(key: Id, loaded: &Loaded, series: &Series, pivot: String, settings: &AlignmentSettings) -> Self {
        let catalogue = &loaded.catalogue;
        let info = measures::info(&series.choice.metric);
        let row = |language: &str, layer: usize| catalogue.cell(series, &pivot, language, Some(layer));
        let value = |language: &str, layer: usize| row(language, layer).and_then(|row| row.value);
        let present = |language: &&String| series.layers.iter().any(|layer| row(language, *layer).is_some());
        let languages: Vec<String> = series.languages.iter().filter(present).cloned().collect();
        let score = |language: &str| {
            let values = series.layers.iter().filter_map(|layer| value(language, *layer));
            match info.better {
                Better::Low => -values.fold(f64::INFINITY, f64::min),
                Better::High | Better::None => values.fold(f64::NEG_INFINITY, f64::max),
            }
        };
        let profile = |language: &str| -> Vec<f64> {
            series.layers.iter().map(|layer| value(language, *layer).unwrap_or(f64::NAN)).collect()
        };
        let known = of_probe(catalogue.rows("structure", "cluster_order"));
        let rows = ordered(languages, settings.order, &score, &profile, known.as_deref());
        let cells: Vec<Option<u32>> = (rows.iter())
            .flat_map(|language| series.layers.iter().map(|layer| series.find(&pivot, language, Some(*layer))))
            .collect();
        let found = || cells.iter().map(|number| number.and_then(|number| catalogue.row(number)));
        let weak = found().map(|row| row.is_some_and(reading::weak)).collect();
        let scale = Scale::new(info.colours, found().flatten().filter_map(|row| row.value));
        let of = |language: &String| series.layers.iter().filter_map(|layer| row(language, *layer)).collect::<Vec<_>>();
        let curves = rows.iter().map(|language| curve(loaded, language, &rows, &of(language))).collect();
        let nulls: Vec<Null> = rows.iter().map(|language| null(&of(language))).collect();
        let has_nulls = nulls.iter().any(|null| !null.x.is_empty() || !null.matched.is_empty());
        let chance = found().flatten().find_map(|row| row.chance);
        let layers = series.layers.clone();
        let (choice, variant) = (series.choice.clone(), series.variant.clone());
        Self { key, choice, variant, pivot, info, rows, layers, cells, weak, scale, curves, nulls, has_nulls, chance }
    }

    /// The series that is drawn.
    pub(super) fn series<'l>(&self, loaded: &'l Loaded) -> Option<&'l Series> {
        loaded.catalogue.find(&self.choice, &self.variant)
    }

    /// The row of a cell.
    pub(super) fn row<'l>(&self, loaded: &'l Loaded, row: usize, column: usize) -> Option<&'l Row> {
        let at = row * self.layers.len() + column;
        loaded.catalogue.row(self.cells.get(at).copied().flatten()?)
    }

    /// The cell that is chosen.
    pub(super) fn selected(&self, selection: &Selection) -> Option<(usize, usize)> {
        let row = self.rows.iter().position(|l| Some(l) == selection.language.as_ref())?;
        let column = self.layers.iter().position(|l| Some(*l) == selection.layer)?;
        Some((row, column))
    }
}

/// The series that fits the settings best: the measure itself, else the first one; in it the nearest variant.
fn series<'l>(loaded: &'l Loaded, settings: &AlignmentSettings) -> Option<&'l Series> {
    let maps: Vec<&Series> = loaded.catalogue.maps().collect();
    let choice = (maps.iter().find(|series| series.choice == settings.choice)).or_else(|| maps.first())?;
    let parts = |variant: &str| variant.split('/').map(str::to_owned).collect::<Vec<_>>();
    let wanted = parts(&settings.variant);
    let agree = |series: &&&Series| parts(&series.variant).iter().zip(&wanted).filter(|(a, b)| a == b).count();
    let same = maps.iter().filter(|series| series.choice == choice.choice);
    // Of equally near ones the first of the run.
    same.rev().max_by_key(agree).copied()
}

/// The chosen pivot where the series has it, else English, else the first.
fn pivot(series: &Series, selection: &Selection) -> Option<String> {
    let chosen = selection.pivot.as_ref().filter(|pivot| series.pivots.contains(pivot));
    let english = || series.pivots.iter().find(|pivot| pivot.starts_with("eng_"));
    chosen.or_else(english).or_else(|| series.pivots.first()).cloned()
}

fn curve(loaded: &Loaded, language: &str, among: &[String], rows: &[&Row]) -> Curve {
    let colour = colour_index(&loaded.run.corpus, language);
    let places = rows.iter().map(|row| (row.layer.unwrap_or_default() as f64, *row));
    Curve { strong: false, ..Curve::of_rows(mark(language, among), colour, places) }
}

fn null(rows: &[&Row]) -> Null {
    let mut null = Null::default();
    for row in rows {
        let Some(layer) = row.layer else { continue };
        if let Some(fit) = row.shuffled {
            null.x.push(layer as f64);
            null.mean.push(fit.mean);
            null.q95.push(fit.q95);
        }
        if let Some(fit) = row.matched {
            null.matched.push([layer as f64, fit.q95]);
        }
    }
    null
}
