//! What a linear probe reads from the states of each layer, beside what it can learn by heart.

use babelscope_probes::measure::Row;
use egui::Ui;

use super::subspace::{chosen, layers};
use crate::{
    catalogue::Choice,
    command::Action,
    data::Loaded,
    measures,
    order::Order,
    state::{Selection, StructureSettings},
    views::frames::Frames,
    widgets::{
        choose::combo,
        curve::{Curve, Curves, Null},
        layers::layer_slider,
        pane::{self, Help, segmented},
        square::{Look, Names, Square},
    },
};

const HELP: Help = Help {
    what: "A linear probe is trained at each layer on some sentences and tested on others; a sentence and all its translations are on one \
           side. Accuracy alone says little: the control task has a random label for each sentence, so its accuracy is what the \
           probe learns by heart, and selectivity is the difference. The grey band is the accuracy with shuffled labels.",
    formula: "p(y | h) = softmax(W h + b), L2 penalty chosen by inner folds\nselectivity = accuracy − control accuracy\n\
              majority = accuracy of always naming the largest class",
    traps: &[
        "A probe finds what is there, not what the model uses.",
        "With more columns than sentences everything is separable in training; only held-out numbers are shown.",
        "Accuracy at layer 0 is often script: look at language_within_script.",
        "High accuracy and low selectivity means that the probe could have learnt anything.",
    ],
};

const CODE_HELP: Help = Help {
    what: "How many times shorter the labels become when they are sent with the probe's help, and how many bits a sentence the probe \
           can use. Both do not depend on where accuracy saturates.",
    formula: "compression = n log₂ C / online code\nV-information = H(Y) − H_V(Y | h), held out, in bits a row",
    traps: &["A probe that is sure and wrong makes the code longer than the uniform one: compression below 1."],
};

const PAIRS_HELP: Help = Help {
    what: "Transfer: a probe trained on the label in one language, tested in another. Confusion: which share of the sentences of a \
           language is taken for another one.",
    formula: "transfer: down the language that is tested, across the one that was trained on\n\
              confusion: down the language, across what it was taken for",
    traps: &[
        "Transfer that fails before centring and works after it fails for an offset only, not for the direction.",
        "The diagonal of transfer is held out as well.",
    ],
};

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String)>,
    tasks: Vec<String>,
    layers: Vec<usize>,
    accuracy: Vec<Curve>,
    null: Null,
    code: Vec<Curve>,
    square: Square,
    pairs: Option<(String, String)>,
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, settings: &mut StructureSettings) {
        let rows = |metric| loaded.catalogue.rows("classify", metric);
        if !self.tasks.contains(&settings.task) || self.key.as_ref().is_none_or(|(stamp, _)| *stamp != loaded.stamp) {
            self.tasks.clear();
            for row in rows("accuracy").filter(|row| row.value.is_some()) {
                if !self.tasks.contains(&row.variant) {
                    self.tasks.push(row.variant.clone());
                }
            }
            if !self.tasks.contains(&settings.task) {
                settings.task = self.tasks.first().cloned().unwrap_or_default();
            }
        }
        let key = (loaded.stamp, settings.task.clone());
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let of = |metric: &'static str| rows(metric).filter(|row| row.variant == settings.task);
        let at = |row: &Row| row.layer.map(|layer| layer as f64);
        let drawn = |metric: &'static str, colour| {
            // At the end of a curve there is room for one word.
            let name = if metric == "control_accuracy" { "control".into() } else { measures::info(metric).name };
            Curve::of_rows(&name, colour, of(metric).filter_map(|row| Some((at(row)?, row))))
        };
        self.layers = layers(loaded, "classify", "accuracy");
        self.accuracy =
            vec![drawn("accuracy", 0), drawn("control_accuracy", 1), drawn("selectivity", 2), drawn("majority", 11)];
        self.accuracy.retain(|curve| !curve.x.is_empty());
        self.null = Null::default();
        for row in of("accuracy") {
            if let (Some(layer), Some(fit)) = (at(row), row.shuffled) {
                self.null.x.push(layer);
                self.null.mean.push(fit.mean);
                self.null.q95.push(fit.q95);
            }
        }
        self.code = vec![drawn("compression", 0), drawn("v_information", 4)];
        self.code.retain(|curve| !curve.x.is_empty());
        self.key = Some(key);
    }
}

/// Draws all panes of the tab.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    settings: &mut StructureSettings,
    selection: &mut Selection,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    state.refresh(loaded, settings);
    let title = ("Linear probes", "What can be read from a layer, and is it more than a probe learns by heart?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let options: Vec<(String, String)> =
            state.tasks.iter().map(|task| (task.clone(), task.replace('_', " "))).collect();
        combo(ui, "task of the probe", &mut settings.task, &options, 200.0);
        for row in loaded.catalogue.rows("classify", "accuracy").filter(|row| row.value.is_none()) {
            pane::note(ui, format!("{}: {}", row.variant, row.status));
        }
        let low = state.accuracy.iter().flat_map(|c| &c.y).copied().fold(0.0, f64::min);
        over_layers(ui, (low, 1.0), state, selection);
    });
    if !state.code.is_empty() {
        let title = ("Description length", "How much do the labels cost with the probe's help?");
        frames.pane(ui, actions, title, &CODE_HELP, |ui| {
            let values = || state.code.iter().flat_map(|c| c.y.iter().chain(&c.band.0).chain(&c.band.1)).copied();
            let range = (values().fold(0.0, f64::min), values().fold(1.0, f64::max));
            code_plot(ui, range, state, selection);
        });
    }
    let title =
        ("Transfer and confusion", "Between which languages does a probe carry over, and which does it mix up?");
    frames.pane(ui, actions, title, &PAIRS_HELP, |ui| pairs(ui, state, selection, loaded));
}

fn over_layers(ui: &mut Ui, range: (f64, f64), state: &State, selection: &mut Selection) {
    let plot = Curves {
        name: "accuracy of linear probes over layers",
        across: "layer",
        axis: "share",
        range,
        curves: &state.accuracy,
        null: Some(&state.null).filter(|null| !null.x.is_empty()),
        chance: None,
        marked: chosen(selection, &state.layers).map(|layer| layer as f64),
        height: 270.0,
    };
    if let Some(layer) = plot.show(ui) {
        selection.layer = state.layers.iter().copied().find(|l| *l as f64 == layer);
    }
}

fn code_plot(ui: &mut Ui, range: (f64, f64), state: &State, selection: &mut Selection) {
    let plot = Curves {
        name: "description length over layers",
        across: "layer",
        axis: "times, bits",
        range,
        curves: &state.code,
        null: None,
        chance: None,
        marked: chosen(selection, &state.layers).map(|layer| layer as f64),
        height: 200.0,
    };
    if let Some(layer) = plot.show(ui) {
        selection.layer = state.layers.iter().copied().find(|l| *l as f64 == layer);
    }
}

/// The square of transfer, raw or centred, or of confusion.
fn pairs(ui: &mut Ui, state: &mut State, selection: &mut Selection, loaded: &Loaded) {
    let known = |metric: &str| {
        let series = loaded.catalogue.series().iter();
        series.filter(|s| s.choice.probe == "classify" && s.choice.metric == metric).collect::<Vec<_>>()
    };
    let all = [known("transfer_accuracy"), known("confusion")].concat();
    let Some(first) = all.first() else {
        pane::note(ui, "Neither was measured: transfer needs labels of the sentences, confusion the target language.");
        return;
    };
    let own = |metric: &str, variant: &str| (metric.to_owned(), variant.to_owned());
    let mut now = state.pairs.clone().unwrap_or_else(|| own(&first.choice.metric, &first.variant));
    let label = |metric: &str, variant: &str| format!("{}, {}", measures::info(metric).name, variant.replace('_', " "));
    if all.len() <= 3 {
        let labels: Vec<String> = all.iter().map(|s| label(&s.choice.metric, &s.variant)).collect();
        let mut at = all.iter().position(|s| s.choice.metric == now.0 && s.variant == now.1).unwrap_or(0);
        let options: Vec<(usize, &str, &str)> = labels.iter().enumerate().map(|(at, l)| (at, l.as_str(), "")).collect();
        segmented(ui, "pairs", &mut at, &options);
        if let Some(series) = all.get(at) {
            now = own(&series.choice.metric, &series.variant);
        }
    } else {
        let options: Vec<(String, String)> = (all.iter())
            .map(|s| (format!("{}/{}", s.choice.metric, s.variant), label(&s.choice.metric, &s.variant)))
            .collect();
        let mut chosen = format!("{}/{}", now.0, now.1);
        if combo(ui, "pairs", &mut chosen, &options, 260.0)
            && let Some((metric, variant)) = chosen.split_once('/')
        {
            now = own(metric, variant);
        }
    }
    let choice = Choice { probe: "classify".to_owned(), metric: now.0.clone(), item: String::new() };
    let series = loaded.catalogue.find(&choice, &now.1);
    state.pairs = Some(now);
    let Some((series, mut layer)) = series.and_then(|s| Some((s, chosen(selection, &s.layers)?))) else { return };
    if layer_slider(ui, "layer of the pairs", &mut layer, &series.layers) {
        selection.layer = Some(layer);
    }
    state.square.refresh(
        loaded,
        series,
        Look { layer: Some(layer), order: Order::Family, mirrored: false, scale: None },
    );
    let (name, across) = if series.choice.metric == "confusion" {
        ("confusion of languages", "taken for")
    } else {
        ("transfer between languages", "trained on")
    };
    let names = Names { name, down: "language", across };
    if let Some((language, pivot)) = state.square.show(ui, &names, selection, loaded) {
        (selection.language, selection.pivot) = (Some(language), Some(pivot));
    }
}
