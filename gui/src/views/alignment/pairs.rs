//! Language by language at one layer.

use egui::Ui;

use super::shown::Shown;
use crate::{
    data::Loaded,
    state::{AlignmentSettings, Selection},
    widgets::{
        layers::layer_slider,
        pane::Help,
        square::{Look, Names, Square},
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

/// Draws the square; gives whether a pair was clicked.
pub(super) fn show(
    ui: &mut Ui,
    square: &mut Square,
    shown: &Shown,
    settings: &AlignmentSettings,
    selection: &mut Selection,
    loaded: &Loaded,
) -> bool {
    let (Some(&deepest), Some(series)) = (shown.layers.last(), shown.series(loaded)) else { return false };
    let mut layer = selection.layer.filter(|layer| shown.layers.contains(layer)).unwrap_or(deepest);
    if layer_slider(ui, "layer of the square", &mut layer, &shown.layers) {
        selection.layer = Some(layer);
    }
    let look = Look { layer: Some(layer), order: settings.order, mirrored: false, scale: None };
    square.refresh(loaded, series, look);
    let names = Names { name: "alignment, languages by pivots", down: "language", across: "pivot" };
    let pivot = Some(shown.pivot.clone());
    let here = Selection { pivot, ..selection.clone() };
    let Some((language, pivot)) = square.show(ui, &names, &here, loaded) else { return false };
    (selection.language, selection.pivot, selection.layer) = (Some(language), Some(pivot), Some(layer));
    true
}
