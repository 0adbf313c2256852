//! Alignment: is the meaning of a sentence in the same place, whatever the language?
//!
//! Every measure of languages by layers that the run has: above the heat map, below the curves with what shuffling gives, and the
//! square of all pairs where there are several pivots. A click on a cell lists the sentences that fail there.

mod controls;
mod curves;
mod fewer;
mod heat;
mod pairs;
mod shown;

use egui::{Panel, RichText, ScrollArea, Ui};

use crate::{
    command::Action,
    data::{self, Loaded, Measure, said},
    state::{AlignmentSettings, Selection},
    theme::{GAP, Palette},
    widgets::{
        pane::{self, Help, Pane},
        sentences::{self, Sentences},
        square::Square,
    },
};
use shown::Shown;

const HELP: Help = Help {
    what: "Each cell compares the sentences of a language with their translations in the pivot, at one layer, by the measure that is \
           chosen. For MEXA a sentence counts when its true translation is strictly closer than every wrong one, both ways. A dot \
           marks a value that is not above what shuffled sentences give (adjusted p above .05); grey is a value that does not exist.",
    formula: "MEXA = 1/n Σ_i [ c_ii > max_j≠i c_ij  and  c_ii > max_j≠i c_ji ]\n\
              c_ij = cosine(pivot sentence i, language sentence j)\n\
              centred: the mean vector of each language is subtracted first\n\
              layer 0 = embeddings, layer k = after block k, before the final norm",
    traps: &[
        "Geometric closeness is not understanding, and has nothing to do with safety alignment.",
        "Raw cosines suffer from a few very large directions; compare raw and centred before you conclude.",
        "Chance falls with n: compare only runs with the same number of sentences.",
        "Languages with a shared script score at layer 0 by shared tokens alone.",
        "Shares have the colours of 0 to 1 in every run; measures without a fixed range are coloured from their own data.",
    ],
};

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    /// Whether the sentences of the chosen cell are open.
    open: bool,
    sentences: sentences::State,
    shown: Option<Shown>,
    pairs: Square,
    fewer: fewer::State,
}

impl View {
    /// Forgets what belongs to another run.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut AlignmentSettings,
    selection: &mut Selection,
    loaded: Option<&Loaded>,
    replacing: bool,
    actions: &mut Vec<Action>,
) {
    let Some(loaded) = loaded.filter(|loaded| loaded.catalogue.maps().next().is_some()) else {
        pane::empty(
            ui,
            "No alignment here yet",
            "Open a run with a measure of languages by layers, as align or retrieval, or start one on the screen Runs.",
        );
        return;
    };
    if !Shown::refresh(&mut view.shown, loaded, settings, selection) {
        pane::empty(ui, "This alignment has no cells", "The run compared no language with a pivot.");
        return;
    }
    if view.open {
        Panel::right("sentences of the cell")
            .resizable(true)
            .default_size(400.0)
            .min_size(280.0)
            .frame(egui::Frame::new())
            .show_separator_line(false)
            .show(ui, |ui| {
                ui.horizontal_top(|ui| {
                    ui.add_space(GAP);
                    ui.vertical(|ui| side(ui, view, settings, selection, loaded, actions));
                });
            });
    }
    let Some(shown) = &mut view.shown else { return };
    let tag = loaded.tag();
    let toml = || data::toml(&loaded.run.spec);
    let pane = |title, question, help| Pane { title, question, help, run: Some(&tag), toml: Some(&toml), replacing };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let height = ui.available_height();
        let heat = pane(
            "Alignment",
            "At which layers is a sentence closest to its own translation, and in which languages?",
            &HELP,
        );
        heat.show(ui, actions, |ui, _| {
            controls::show(ui, settings, selection, loaded, shown);
            if heat::show(ui, shown, selection, loaded, height * 0.38) {
                view.open = true;
            }
        });
        ui.add_space(GAP);
        let over =
            pane("Over the layers", "Where does alignment rise, peak and fall, and is it above chance?", &curves::HELP);
        over.show(ui, actions, |ui, _| curves::show(ui, shown, settings, selection, loaded));
        if view.fewer.refresh(shown, selection, loaded) {
            ui.add_space(GAP);
            let fewer = pane("Over n", "How much of a score is the number of sentences?", &fewer::HELP);
            fewer.show(ui, actions, |ui, _| view.fewer.show(ui, selection));
        }
        if shown.series(loaded).is_some_and(|series| series.pivots.len() > 1) {
            ui.add_space(GAP);
            let square = pane(
                "Language by language",
                "Which pairs are aligned at this layer, and do relatives stand together?",
                &pairs::HELP,
            );
            square.show(ui, actions, |ui, _| {
                if pairs::show(ui, &mut view.pairs, shown, settings, selection, loaded) {
                    view.open = true;
                }
            });
        }
    });
}

/// The sentences of the chosen cell, or how to get them.
fn side(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut AlignmentSettings,
    selection: &mut Selection,
    loaded: &Loaded,
    actions: &mut Vec<Action>,
) {
    let Some(shown) = &view.shown else { return };
    let (Some(language), Some(layer)) = (selection.language.clone(), selection.layer) else {
        view.open = false;
        return;
    };
    let report = loaded.run.align.as_ref();
    let cell = report.and_then(|r| loaded.index.nearest(r, &shown.pivot, &language, layer, &shown.variant));
    if let Some(cell) = cell {
        let panel = Sentences {
            loaded,
            cell,
            measure: Measure::of_metric(&shown.choice.metric),
            exact: shown.choice.probe == "align" && cell.centring.name() == shown.variant,
            hits: &mut settings.hits,
            chosen: selection.sentence,
        };
        if panel.show(ui, &mut view.sentences, actions) {
            view.open = false;
        }
        return;
    }
    let colours = *Palette::current(ui);
    colours.card_frame().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.set_min_height(ui.available_height());
        ui.horizontal(|ui| {
            ui.label(RichText::new(format!("{}, layer {layer}", said(&language))).heading().strong());
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("×").accessible_name("Close the sentences").on_hover_text("Close").clicked() {
                    view.open = false;
                }
            });
        });
        let pivot = if shown.pivot.is_empty() { "eng_Latn" } else { &shown.pivot };
        ui.add(
            egui::Label::new(format!("This run has no outcomes of sentences for {language} at layer {layer}.")).wrap(),
        );
        ui.add(egui::Label::new("To see the sentences and their nearest wrong neighbours, add to the spec:").wrap());
        ui.add(egui::Label::new(
            RichText::new(format!("[[probe]]\nkind = \"align\"\npivots = [\"{pivot}\"]")).monospace(),
        ));
    });
}
