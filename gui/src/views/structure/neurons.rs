//! Neurons of one language: where they are, and which languages share them.

use egui::Ui;

use super::subspace::layers;
use crate::{
    catalogue::Choice,
    command::Action,
    data::{Loaded, colour_index, language_name},
    measures::number,
    order::Order,
    state::Selection,
    theme::Palette,
    views::frames::Frames,
    widgets::{
        legend,
        pane::{self, Help},
        square::{Look, Names, Square},
        stack::{Stack, stacks},
    },
};

const HELP: Help = Help {
    what: "A neuron is one entry of the inside of a feed-forward part; it is active at a token where its gate is above 0. Those whose \
           activity is spread over the fewest languages (lowest LAPE) are chosen, and each belongs to the languages in which it is active \
           often. A bar counts them in each layer, one colour a language.",
    formula: "q_k = p_k / Σ p   (p_k: share of the tokens of language k at which the neuron is active)\n\
              LAPE = −Σ q_k ln q_k   (nats)\nchosen: the lowest top_rate of all; language k owns it where p_k is above the bar",
    traps: &[
        "Specific is not necessary: a rare neuron may do nothing (see the perplexities below).",
        "A neuron may belong to several languages, so the bars count some neurons more than once.",
        "A close relative in the list of languages takes neurons away from both.",
        "Few tokens give probabilities by luck; see how far both halves of the text choose the same.",
    ],
};

const OVERLAP_HELP: Help = Help {
    what: "Which share of the neurons of two languages is common to both.",
    formula: "Jaccard index |A ∩ B| / |A ∪ B|",
    traps: &["Sets of different size cannot overlap wholly.", "Shared script and shared words make shared neurons."],
};

/// What is drawn, made anew only when the run changes.
#[derive(Debug, Default)]
pub(super) struct State {
    stamp: Option<(u64, bool)>,
    languages: Vec<String>,
    rows: Vec<Stack>,
    most: f64,
    agreement: String,
    square: Square,
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, colours: &Palette) {
        if self.stamp == Some((loaded.stamp, colours.dark)) {
            return;
        }
        let rows = || loaded.catalogue.rows("neurons", "neurons_of_language");
        self.languages = rows().filter(|row| row.layer.is_none()).map(|row| row.language.clone()).collect();
        let count = |language: &str, layer: usize| {
            rows().find(|row| row.language == language && row.layer == Some(layer)).and_then(|row| row.value)
        };
        let part = |language: &String, layer: usize| {
            let colour = colours.language(colour_index(&loaded.run.corpus, language));
            (language_name(language).to_owned(), count(language, layer).unwrap_or_default(), colour)
        };
        let row = |layer: usize| Stack {
            label: format!("layer {layer}"),
            parts: self.languages.iter().map(|language| part(language, layer)).collect(),
        };
        self.rows = layers(loaded, "neurons", "neurons_of_language").into_iter().rev().map(row).collect();
        self.most = self.rows.iter().map(Stack::total).fold(0.0, f64::max);
        let agreement = loaded.catalogue.rows("neurons", "selection_overlap").find(|row| row.language.is_empty());
        self.agreement = agreement.map_or_else(String::new, |row| match (row.value, row.chance) {
            (Some(value), Some(chance)) => {
                format!("Both halves of the text choose the same to {} (chance {}).", number(value), number(chance))
            }
            (Some(value), None) => format!("Both halves of the text choose the same to {}.", number(value)),
            (None, _) => row.status.clone(),
        });
        self.stamp = Some((loaded.stamp, colours.dark));
    }
}

/// Draws both panes.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    selection: &mut Selection,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    let colours = *Palette::current(ui);
    state.refresh(loaded, &colours);
    let title = ("Neurons of a language", "In which layers are the neurons that fire for few languages?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        ui.horizontal_wrapped(|ui| {
            for language in &state.languages {
                let colour = colours.language(colour_index(&loaded.run.corpus, language));
                legend::chip(ui, colour, language_name(language));
            }
        });
        if stacks(ui, "neurons", 90.0, state.most, &state.rows).is_some() {
            pane::note(ui, "the deepest layer is at the top");
        }
        if !state.agreement.is_empty() {
            pane::note(ui, state.agreement.as_str());
        }
    });
    let title = ("Shared neurons", "Which languages have the same specific neurons?");
    frames.pane(ui, actions, title, &OVERLAP_HELP, |ui| {
        let metric = "neuron_overlap".to_owned();
        let choice = Choice { probe: "neurons".to_owned(), metric, item: String::new() };
        let Some(series) = loaded.catalogue.find(&choice, "") else {
            pane::note(ui, "the run has no overlap of neurons");
            return;
        };
        state.square.refresh(loaded, series, Look { layer: None, order: Order::Cluster, mirrored: false, scale: None });
        let names = Names { name: "overlap of neurons", down: "language", across: "language" };
        if let Some((language, pivot)) = state.square.show(ui, &names, selection, loaded) {
            (selection.language, selection.pivot) = (Some(language), Some(pivot));
        }
    });
}
