//! The vectors of a run: how well each holds on what was kept apart, over the layers; and the card of one of them.

use babelscope::spec::{ModelSpec, ProbeSpec, RunSpec, VectorSpec};
use egui::Ui;

use super::{Source, card, form, form::Form};
use crate::{
    command::Action,
    data::{self, Loaded},
    measures::{self, Colours},
    state::{Selection, SteeringSettings},
    theme::GAP,
    views::frames::Frames,
    widgets::{
        choose::combo,
        curve::{Curve, Curves},
        pane::{self, Help},
    },
    worker::Slot,
};

const HELP: Help = Help {
    what: "A vector is estimated on some of the pairs and tested on the others. Pair order: how often the positive side of a held-out pair \
           lies further along the vector than the negative one. AUC: the same over all pairs of sides. d′: the distance of both sides along \
           the vector in standard deviations. Split half: the cosine with the vector that the held-out half gives. Band: 95 % bootstrap over \
           held-out pairs.",
    formula: "pair order = mean [ v·h₊ > v·h₋ ]      chance 0.5\n\
              d′ = (mean v·h₊ − mean v·h₋) / √((var₊ + var₋) / 2)",
    traps: &[
        "A vector that tells two languages apart need not steer: the tab Evaluation says whether it does.",
        "Nearly every layer tells languages apart; the best layer to steer at is mostly another one.",
        "Few pairs make a good split half rare and a good pair order easy.",
    ],
};

/// The metrics that there may be, in the order of the chooser.
const METRICS: [&str; 7] = [
    "vector_pair_order",
    "vector_auc",
    "vector_d_prime",
    "vector_agreement",
    "vector_split_half",
    "vector_norm_share",
    "vector_cos_diff_mean",
];

/// What is drawn, made anew only when its key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String)>,
    curves: Vec<Curve>,
    range: (f64, f64),
    chance: Option<f64>,
    missing: Option<String>,
    /// File name of the chosen vector.
    chosen: String,
    card: card::State,
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, metric: &str) {
        if self.key.as_ref().is_some_and(|(stamp, known)| *stamp == loaded.stamp && known == metric) {
            return;
        }
        let vectors = form::of_run(Some(loaded));
        let rows = || loaded.catalogue.rows("vector", metric);
        self.curves.clear();
        for (at, (_, vector)) in vectors.iter().enumerate() {
            let card = &vector.card;
            let own = rows().filter(|row| {
                row.language == card.positive && row.pivot == card.negative && row.variant == card.estimator
            });
            let name = short(&card.name, &card.estimator);
            self.curves.push(Curve::of_rows(&name, at, own.filter_map(|row| Some((row.layer? as f64, row)))));
        }
        let ends = rows().flat_map(|row| [row.value, row.low, row.high]).flatten().filter(|value| value.is_finite());
        let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        self.range = match measures::info(metric).colours {
            Colours::Share => (0.0, 1.0),
            Colours::Signed => (-1.0, 1.0),
            Colours::Data if low < high => (low.min(0.0), high),
            Colours::Data => (0.0, 1.0),
        };
        self.chance = rows().find_map(|row| row.chance);
        self.missing = rows().find(|row| row.value.is_none()).map(|row| row.status.clone());
        self.key = Some((loaded.stamp, metric.to_owned()));
    }
}

/// "eng to spa, diff_mean".
fn short(name: &str, estimator: &str) -> String {
    let part = |word: &str| word.split_once('_').map_or(word, |(language, _)| language).to_owned();
    let words: Vec<String> = name.split(' ').map(part).collect();
    format!("{}, {estimator}", words.join(" "))
}

/// The spec that trains the vector of the form, on the lines of both languages.
fn training(form: &Form, base: Option<&Loaded>) -> RunSpec {
    let probe = VectorSpec {
        sources: vec![form.compare.source.clone()],
        targets: vec![form.compare.target.clone()],
        estimators: vec![form.compare.estimator],
        ..VectorSpec::default()
    };
    let base = base.map(|loaded| &loaded.run.spec);
    let model = base.and_then(|spec| spec.model.first().cloned()).unwrap_or_else(|| ModelSpec::new("lab"));
    let mut spec = RunSpec::new("vectors", model, vec![ProbeSpec::Vector(probe)]);
    if let Some(base) = base {
        spec.data = base.data.clone();
        spec.extract = base.extract.clone();
        spec.extract.layers.clear();
        spec.seed = base.seed;
    }
    spec.data.languages = vec![form.compare.source.clone(), form.compare.target.clone()];
    spec
}

/// Draws the tab; gives the file name of a vector that shall steer.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    settings: &mut SteeringSettings,
    selection: &mut Selection,
    form: &Form,
    source: &Source<'_>,
    actions: &mut Vec<Action>,
) -> Option<String> {
    let vectors = form::of_run(source.main);
    let Some(loaded) = source.main.filter(|_| !vectors.is_empty()) else {
        untrained(ui, form, source, actions);
        return None;
    };
    if !vectors.iter().any(|(name, _)| *name == state.chosen) {
        state.chosen = vectors.first().map(|(name, _)| name.clone()).unwrap_or_default();
    }
    let at = vectors.iter().position(|(name, _)| *name == state.chosen).unwrap_or(0);
    state.refresh(loaded, &settings.quality);
    let frames = Frames::new(loaded, source.running);
    let title = ("Quality of the vectors", "At which layers does the direction hold on pairs that it has not seen?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        ui.horizontal_wrapped(|ui| {
            let there = METRICS.iter().filter(|metric| loaded.catalogue.rows("vector", metric).next().is_some());
            let there: Vec<(String, String)> =
                there.map(|metric| ((*metric).to_owned(), measures::info(metric).name.into_owned())).collect();
            combo(ui, "quality", &mut settings.quality, &there, 230.0);
            let all: Vec<(String, String)> = (vectors.iter())
                .map(|(name, vector)| (name.clone(), format!("{} ({})", vector.card.name, vector.card.estimator)))
                .collect();
            combo(ui, "vector in focus", &mut state.chosen, &all, 330.0);
        });
        for (curve, strong) in state.curves.iter_mut().enumerate().map(|(i, curve)| (curve, i == at)) {
            curve.strong = strong;
        }
        let info = measures::info(&settings.quality);
        pane::note(ui, info.says);
        if let Some(why) = &state.missing {
            pane::note(ui, format!("not everywhere: {why}"));
        }
        let plot = Curves {
            name: "quality of the vectors over layers",
            across: "layer",
            axis: &info.name,
            range: state.range,
            curves: &state.curves,
            null: None,
            chance: state.chance,
            marked: selection.layer.map(|layer| layer as f64),
            height: 240.0,
        };
        if let Some(layer) = plot.show(ui) {
            selection.layer = Some(layer as usize);
        }
    });
    let (name, vector) = vectors.get(at)?;
    let focus = card::Focus { all: &vectors, name, vector };
    card::show(ui, &mut state.card, selection, loaded, &focus, &frames, actions)
}

/// What to do where the run has no vectors.
fn untrained(ui: &mut Ui, form: &Form, source: &Source<'_>, actions: &mut Vec<Action>) {
    let text = "Add a probe to the spec, [[probe]] kind = \"vector\", or train the vector of the tab Answers:";
    pane::empty(ui, "No vectors in this run", text);
    let spec = training(form, source.base());
    let wrong = spec.check().err();
    ui.vertical_centered(|ui| {
        let lines = source.base().map_or_else(|| "all".to_owned(), |loaded| loaded.run.corpus.len().to_string());
        pane::note(
            ui,
            format!(
                "{} to {} by {}: every layer, from {lines} lines of both languages, each read once; every second line is kept apart to test \
                 it",
                form.compare.source,
                form.compare.target,
                form.compare.estimator.name()
            ),
        );
        let button = ui.add_enabled(wrong.is_none() && !source.running, egui::Button::new("Train this vector"));
        if button.clicked() {
            actions.push(Action::Execute(Slot::Run, Box::new(spec.clone())));
        }
        if ui.button("Copy as TOML").accessible_name("Copy the training as TOML").clicked() {
            actions.push(Action::Copy { what: "spec as TOML".to_owned(), text: data::toml(&spec) });
        }
        if let Some(why) = wrong {
            pane::note(ui, format!("{why:#}"));
        }
    });
    ui.add_space(GAP);
}
