//! Language by language at one layer.

use babelscope_probes::measure::Row;
use egui::{Id, Ui};

use super::shown::Shown;
use crate::{
    data::Loaded,
    measures::{Scale, number},
    order::ordered,
    state::{AlignmentSettings, Selection},
    theme::Palette,
    widgets::{
        matrix::Matrix,
        pane::{self, Help},
        reading,
    },
};

pub(super) const HELP: Help = Help {
    what: "The measure above for every pair at one layer: down the language, across the pivot that it is compared with. The languages \
           stand in the order that is chosen above. A click chooses the pair everywhere.",
    formula: "row = language X, column = pivot P: the value of (X, P) at the layer",
    traps: &[
        "The two halves differ where a measure asks from one side only, as recall from the pivot.",
        "The diagonal is empty: a language is not compared with itself.",
        "Blocks of relatives may be blocks of shared tokens; look at the dots, and at the null of alike sentences.",
    ],
};

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<Id>,
    rows: Vec<String>,
    columns: Vec<String>,
    /// Numbers of rows in the catalogue, `[language][pivot]`.
    cells: Vec<Option<u32>>,
    scale: Option<Scale>,
}

impl State {
    fn refresh(&mut self, shown: &Shown, layer: usize, settings: &AlignmentSettings, loaded: &Loaded) {
        let key = shown.key.with((layer, "pairs"));
        let Some(series) = shown.series(loaded).filter(|_| self.key != Some(key)) else { return };
        // Pivots stand as the languages do; one that is no language of this pivot's map, as the pivot itself, has its place too.
        let mut all = series.languages.clone();
        all.extend(series.pivots.iter().filter(|p| !series.languages.contains(p)).cloned());
        let profile = |language: &str| -> Vec<f64> {
            let value = |pivot: &String| {
                let number = series.find(pivot, language, Some(layer)).or_else(|| series.find(language, pivot, Some(layer)));
                number.and_then(|number| loaded.catalogue.row(number)).and_then(|row| row.value)
            };
            series.pivots.iter().map(|pivot| value(pivot).unwrap_or(f64::NAN)).collect()
        };
        let score = |language: &str| {
            let values: Vec<f64> = profile(language).into_iter().filter(|v| v.is_finite()).collect();
            if values.is_empty() { f64::NEG_INFINITY } else { values.iter().sum::<f64>() / values.len() as f64 }
        };
        let found = crate::order::of_probe(loaded.catalogue.rows("structure", "cluster_order"));
        let all = ordered(all, settings.order, &score, &profile, found.as_deref());
        self.rows = all.iter().filter(|l| series.languages.contains(l)).cloned().collect();
        self.columns = all.into_iter().filter(|l| series.pivots.contains(l)).collect();
        self.cells = (self.rows.iter())
            .flat_map(|language| self.columns.iter().map(|pivot| series.find(pivot, language, Some(layer))))
            .collect();
        let rows = self.cells.iter().flatten().filter_map(|number| loaded.catalogue.row(*number));
        self.scale = Some(Scale::new(shown.info.colours, rows.filter_map(|row| row.value)));
        self.key = Some(key);
    }

    fn row<'l>(&self, loaded: &'l Loaded, row: usize, column: usize) -> Option<&'l Row> {
        loaded.catalogue.row(self.cells.get(row * self.columns.len() + column).copied().flatten()?)
    }
}

/// Draws the square; gives whether a pair was clicked.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    shown: &Shown,
    settings: &AlignmentSettings,
    selection: &mut Selection,
    loaded: &Loaded,
) -> bool {
    let colours = *Palette::current(ui);
    let Some(&deepest) = shown.layers.last() else { return false };
    let mut layer = selection.layer.filter(|layer| shown.layers.contains(layer)).unwrap_or(deepest);
    if layer_slider(ui, "layer of the square", &mut layer, &shown.layers) {
        selection.layer = Some(layer);
    }
    state.refresh(shown, layer, settings, loaded);
    let Some(scale) = state.scale else { return false };
    scale.legend(ui, &shown.choice.name());
    let selected = (state.rows.iter().position(|l| Some(l) == selection.language.as_ref()))
        .zip(state.columns.iter().position(|p| *p == shown.pivot));
    let value = |row: usize, column: usize| state.row(loaded, row, column).and_then(|row| row.value);
    let matrix = Matrix {
        id: ui.scope_id().with("pairs"),
        name: "alignment, languages by pivots",
        rows: &state.rows,
        columns: &state.columns,
        down: "language",
        across: "pivot",
        colour: &|row, column| scale.colour(&colours, value(row, column)),
        number: &|row, column| value(row, column).map(|v| number(v).chars().take(4).collect()),
        stamp: shown.key.with((layer, colours.dark)).value(),
        marked: &|row, column| state.row(loaded, row, column).is_some_and(reading::weak),
        describe: &|row, column| {
            let none = || "no value: a language is not compared with itself".to_owned();
            state.row(loaded, row, column).map_or_else(none, |row| reading::describe(row, true))
        },
        selected,
    };
    let output = matrix.show(ui);
    if let Some(row) = output.hovered.and_then(|(row, column)| state.row(loaded, row, column)) {
        let premium = loaded.catalogue.premium(&row.language, &row.pivot);
        output.response.on_hover_ui_at_pointer(|ui| reading::tooltip(ui, row, premium, "click to choose the pair"));
    }
    let Some((row, column)) = output.chosen else { return false };
    let (Some(language), Some(pivot)) = (state.rows.get(row), state.columns.get(column)) else { return false };
    if state.row(loaded, row, column).is_none() {
        return false;
    }
    (selection.language, selection.pivot, selection.layer) = (Some(language.clone()), Some(pivot.clone()), Some(layer));
    true
}

/// A slider over the layers that there are; gives whether it was moved.
pub(in crate::views) fn layer_slider(ui: &mut Ui, name: &str, layer: &mut usize, layers: &[usize]) -> bool {
    let mut at = layers.iter().position(|l| l == layer).unwrap_or(0);
    let before = at;
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 220.0).clamp(80.0, 420.0);
        let last = layers.len().saturating_sub(1);
        let slider = egui::Slider::new(&mut at, 0..=last).show_value(false);
        ui.add(slider).accessible_name(name);
        let number = layers.get(at).copied().unwrap_or_default();
        pane::note(ui, format!("layer {number} of {}", layers.last().copied().unwrap_or_default()));
    });
    if let Some(found) = layers.get(at) {
        *layer = *found;
    }
    at != before
}
