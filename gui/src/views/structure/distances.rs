//! How far the means of two languages are apart, for every pair at one layer.

use egui::Ui;

use super::subspace::chosen;
use crate::{
    catalogue::Choice,
    command::Action,
    data::Loaded,
    order::Order,
    state::Selection,
    views::frames::Frames,
    widgets::{
        layers::layer_slider,
        pane::{self, Help, segmented},
        square::{Look, Names, Square},
    },
};

const HELP: Help = Help {
    what: "The distance of two means in units of the spread of the sentences: 1 means that two languages are as far apart as two \
           sentences of one language are. The languages stand in the order of the leaves of average linkage.",
    formula: "d(a, b) = |m_a − m_b| / √W,   W = mean_k tr S_k\ndenoised: the part that few sentences alone would give is subtracted",
    traps: &[
        "A cluster of languages can be one of scripts or of corpora; compare with the map after centring.",
        "An order of leaves is not a family tree: neighbours need not be close, only closer than the others.",
    ],
};

/// What the pane knows between frames.
#[derive(Debug, Default)]
pub(super) struct State {
    raw: bool,
    square: Square,
}

/// Draws the pane.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    selection: &mut Selection,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    let title = ("Distances", "Which languages are close, and do relatives form blocks?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let options = [
            (false, "denoised", "The part that few sentences alone would give is subtracted"),
            (true, "raw", "As it is"),
        ];
        segmented(ui, "distances", &mut state.raw, &options);
        let metric = "language_distance".to_owned();
        let choice = Choice { probe: "structure".to_owned(), metric, item: String::new() };
        let variant = if state.raw { "raw" } else { "denoised" };
        let Some(series) = loaded.catalogue.find(&choice, variant) else {
            pane::note(ui, "the run has no distances of languages");
            return;
        };
        let Some(mut layer) = chosen(selection, &series.layers) else { return };
        if layer_slider(ui, "layer of the distances", &mut layer, &series.layers) {
            selection.layer = Some(layer);
        }
        let look = Look { layer: Some(layer), order: Order::Cluster, mirrored: true, scale: None };
        state.square.refresh(loaded, series, look);
        let names = Names { name: "distances of languages", down: "language", across: "language" };
        if let Some((language, pivot)) = state.square.show(ui, &names, selection, loaded) {
            (selection.language, selection.pivot) = (Some(language), Some(pivot));
        }
    });
}
