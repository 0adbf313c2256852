//! What steering does over many prompts: over strengths, over layers, and between all languages; always beside fluency.

use babelscope::spec::{ModelSpec, ProbeSpec, RunSpec};
use egui::Ui;

use super::{Source, dose, form::Form, heat};
use crate::{
    command::Action,
    data::{Loaded, said},
    measures,
    order::Order,
    state::{Selection, SteeringSettings},
    views::frames::Frames,
    widgets::{
        choose::combo,
        pane::{self, Help},
        square::{Look, Names, Square},
    },
    worker::Slot,
};

const DOSE_HELP: Help = Help {
    what: "The effect over the strength, and beside it what it costs: the perplexity of the answers under the unsteered model. Arms: steered; \
           plain (nothing is done); random vectors of the same length; a vector of shuffled labels; the vector to another language; the plain \
           model, asked for the language. They differ in colour, dash and mark. Band: 95 % bootstrap over prompts.",
    formula: "forcing = share of answers in the target language\nrelevance = rank of the own reference among others, 0.5 by chance",
    traps: &[
        "Strengths are compared in mean norms; other papers use other units.",
        "An effect that comes with a perplexity many times the plain one is an effect on noise.",
        "A random vector that forces as well says that length does it, and not direction.",
    ],
};

const HEAT_HELP: Help = Help {
    what: "Steered answers only: one number for each layer and strength. Look at it once by effect and once by perplexity.",
    formula: "rows: canonical layers (0 = embeddings); columns: strengths",
    traps: &["The best cell of many is the best by luck too: the run reports it on prompts that did not choose it."],
};

const PAIRS_HELP: Help = Help {
    what: "The same number for every pair of languages at one layer and strength: down the language that is led to, across the language of \
           the prompt.",
    formula: "cell = mean over the prompts of the source",
    traps: &["Languages of one script are told apart less surely: look at `unsure` too."],
};

/// Effects in the order of the chooser; others that the run has follow.
const EFFECTS: [&str; 6] = ["forcing", "harmonic", "score", "relevance", "perplexity", "repetition"];
/// What a run that is started here tries.
const STRENGTHS: [f64; 3] = [0.25, 0.5, 1.0];
const PROMPTS: usize = 20;
const TOKENS: usize = 32;

/// What the tab knows between frames.
#[derive(Debug, Default)]
pub(super) struct State {
    place: dose::Place,
    strength: Option<f64>,
    /// The run whose choosers these are.
    stamp: Option<u64>,
    effects: Vec<(String, String)>,
    pairs: Vec<(String, String)>,
    dose: dose::State,
    heat: heat::State,
    square: Square,
}

impl State {
    /// Where the vector of the doses goes.
    fn at(&self) -> String {
        self.place.layer.map_or_else(|| "several layers together".to_owned(), |layer| format!("layer {layer}"))
    }

    fn refresh(&mut self, loaded: &Loaded, settings: &mut SteeringSettings, selection: &Selection) {
        if self.stamp != Some(loaded.stamp) {
            let rows = || loaded.run.probed("steer").into_iter().flat_map(|measured| &measured.rows);
            let rows = || rows().filter(|row| row.variant == "steered" && row.item.parse::<f64>().is_ok());
            let mut metrics: Vec<&str> = Vec::new();
            self.pairs.clear();
            for row in rows() {
                if !metrics.contains(&row.metric.as_str()) {
                    metrics.push(&row.metric);
                }
                let pair = (row.pivot.clone(), row.language.clone());
                if !self.pairs.contains(&pair) {
                    self.pairs.push(pair);
                }
            }
            let rank = |metric: &str| EFFECTS.iter().position(|known| *known == metric).unwrap_or(EFFECTS.len());
            metrics.sort_by_key(|metric| rank(metric));
            self.effects =
                metrics.iter().map(|metric| ((*metric).to_owned(), measures::info(metric).name.into_owned())).collect();
            self.stamp = Some(loaded.stamp);
        }
        if !self.effects.iter().any(|(metric, _)| *metric == settings.effect)
            && let Some((metric, _)) = self.effects.first()
        {
            settings.effect.clone_from(metric);
        }
        let now = (self.place.source.clone(), self.place.target.clone());
        let wanted = selection.pivot.clone().zip(selection.language.clone()).unwrap_or(now);
        let pair = self.pairs.iter().find(|pair| **pair == wanted).or(self.pairs.first());
        if let Some((source, target)) = pair {
            (self.place.source, self.place.target) = (source.clone(), target.clone());
        }
        self.heat.refresh(loaded, &settings.effect, &self.place);
        let layers = &self.heat.layers;
        let middle = layers.get(layers.len() / 2).copied();
        self.place.layer = selection.layer.filter(|layer| layers.contains(layer)).or(middle);
        self.dose.refresh(loaded, &settings.effect, &self.place);
        // Where a vector goes to several layers together there is no map, but there are doses.
        let strengths =
            if self.heat.strengths.is_empty() { self.dose.strengths() } else { self.heat.strengths.clone() };
        self.strength = self.strength.filter(|strength| strengths.contains(strength)).or(strengths.last().copied());
    }
}

/// Draws the tab.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    settings: &mut SteeringSettings,
    selection: &mut Selection,
    form: &Form,
    source: &Source<'_>,
    actions: &mut Vec<Action>,
) {
    let Some(loaded) = source.main.filter(|loaded| loaded.run.probed("steer").is_some()) else {
        return start(ui, form, source, actions);
    };
    state.refresh(loaded, settings, selection);
    let frames = Frames::new(loaded, source.running);
    let unit = "strength";
    let title = ("Dose and response", "What does a strength do, and what does it cost?");
    frames.pane(ui, actions, title, &DOSE_HELP, |ui| {
        ui.horizontal_wrapped(|ui| {
            combo(ui, "effect", &mut settings.effect, &state.effects, 210.0);
            let mut pair = format!("{}>{}", state.place.source, state.place.target);
            let all: Vec<(String, String)> = (state.pairs.iter())
                .map(|(from, to)| (format!("{from}>{to}"), format!("{} to {}", said(from), said(to))))
                .collect();
            if combo(ui, "languages of the doses", &mut pair, &all, 360.0)
                && let Some((from, to)) = pair.split_once('>')
            {
                (selection.pivot, selection.language) = (Some(from.to_owned()), Some(to.to_owned()));
            }
            pane::note(ui, format!("steered at {}", state.at()));
        });
        if let Some(strength) = state.dose.show(ui, unit, state.strength) {
            state.strength = Some(strength);
        }
    });
    if !state.heat.layers.is_empty() {
        let title = ("Layers by strengths", "Where does the vector work?");
        frames.pane(ui, actions, title, &HEAT_HELP, |ui| {
            let now = (state.place.layer, state.strength);
            if let Some((layer, strength)) = state.heat.show(ui, loaded, unit, now) {
                selection.layer = Some(layer);
                state.strength = Some(strength);
            }
        });
    }
    if state.pairs.len() > 1 {
        let title = ("Languages by languages", "Which language can be led to which?");
        frames.pane(ui, actions, title, &PAIRS_HELP, |ui| matrix(ui, state, settings, selection, loaded));
    }
}

fn matrix(ui: &mut Ui, state: &mut State, settings: &SteeringSettings, selection: &mut Selection, loaded: &Loaded) {
    let strength = state.strength.map(|strength| strength.to_string()).unwrap_or_default();
    let series = loaded.catalogue.series().iter().find(|series| {
        let choice = &series.choice;
        choice.probe == "steer"
            && choice.metric == settings.effect
            && choice.item == strength
            && series.variant == "steered"
    });
    let Some(series) = series else {
        pane::note(ui, "the run has no such number at this strength");
        return;
    };
    pane::note(ui, format!("{}, strength {strength}", state.at()));
    let look = Look { layer: state.place.layer, order: Order::Script, mirrored: false, scale: None };
    state.square.refresh(loaded, series, look);
    let names = Names { name: "steering between languages", down: "led to", across: "language of the prompt" };
    if let Some((language, pivot)) = state.square.show(ui, &names, selection, loaded) {
        (selection.language, selection.pivot) = (Some(language), Some(pivot));
    }
}

/// The layers that a run that is started here tries: a quarter, a half, three quarters of the way.
fn tried(deepest: usize) -> Vec<usize> {
    let mut layers: Vec<usize> = (1..4).map(|quarter| (deepest * quarter).div_ceil(4).max(1)).collect();
    layers.dedup();
    layers
}

/// The spec of an evaluation of the pair of the form, or why there is none.
fn evaluation(form: &Form, base: &Loaded) -> Result<RunSpec, String> {
    let probe = ProbeSpec::of_kind("steer").ok_or("this program has no probe of kind steer")?;
    let known = &base.run.spec;
    let model = known.model.first().cloned().unwrap_or_else(|| ModelSpec::new("lab"));
    let mut spec = RunSpec::new("evaluation", model, vec![probe]);
    (spec.data, spec.seed) = (known.data.clone(), known.seed);
    let keys = [
        format!("probe.0.sources=[{:?}]", form.compare.source),
        format!("probe.0.targets=[{:?}]", form.compare.target),
        format!("probe.0.layers={:?}", tried(base.run.manifest.model.layers)),
        format!("probe.0.strengths={STRENGTHS:?}"),
        format!("probe.0.prompts={PROMPTS}"),
        format!("probe.0.max_new_tokens={TOKENS}"),
    ];
    spec.with_all(keys).map_err(|why| format!("{why:#}"))
}

/// What to do where the run has no evaluation.
fn start(ui: &mut Ui, form: &Form, source: &Source<'_>, actions: &mut Vec<Action>) {
    let text =
        "Add a probe to the spec, [[probe]] kind = \"steer\", or evaluate the pair of languages of the tab Answers.";
    pane::empty(ui, "Steering is not evaluated in this run", text);
    let Some(base) = source.base() else {
        return pane::note(ui, "Open a run first: its model and its corpus are used.");
    };
    let layers = tried(base.run.manifest.model.layers);
    let outputs = layers.len() * STRENGTHS.len() * PROMPTS;
    ui.vertical_centered(|ui| {
        pane::note(
            ui,
            format!(
                "{} to {}: layers {layers:?} × strengths {STRENGTHS:?} × {PROMPTS} prompts = {outputs} answers of up to {TOKENS} tokens, then the \
                 controls at the best layer; and one pass over the corpus for the vectors",
                form.compare.source, form.compare.target
            ),
        );
        let button = egui::Button::new("Evaluate this pair");
        if ui.add_enabled(!source.running, button).clicked() {
            match evaluation(form, base) {
                Ok(spec) => actions.push(Action::Execute(Slot::Run, Box::new(spec))),
                Err(why) => actions.push(Action::Fail(format!("the evaluation cannot be started: {why}"))),
            }
        }
        if ui.button("Copy as TOML").accessible_name("Copy the evaluation as TOML").clicked() {
            match evaluation(form, base) {
                Ok(spec) => {
                    let text = crate::data::toml(&spec);
                    actions.push(Action::Copy { what: "spec as TOML".to_owned(), text });
                }
                Err(why) => actions.push(Action::Fail(format!("there is no such spec: {why}"))),
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_spread_over_the_depth() {
        assert_eq!(tried(32), [8, 16, 24]);
        assert_eq!(tried(6), [2, 3, 5]);
        assert_eq!(tried(1), [1]);
    }
}
