//! The card of a vector: what it is, how long it is at each layer, what it is like, and where it lies.

use babelscope_probes::steer::SteeringVector;
use egui::{RichText, Ui};

use super::form;
use crate::{
    command::Action,
    data::Loaded,
    measures::{Scale, number},
    state::Selection,
    text::Line,
    theme::Palette,
    views::frames::Frames,
    widgets::{
        layers::layer_slider,
        pane::{self, Help},
        spans::{Span, spans},
    },
};

const HELP: Help = Help {
    what: "What a vector is, as its file says it. Its length at a layer stands beside the mean norm of the states there: that is what a \
           strength of 1 in unit norm adds. The bars are cosines with the other vectors of the run at the same layer.",
    formula: "share = |v| / n      cosine = a·b / (|a| |b|)",
    traps: &[
        "Vectors between languages share their way out of the source: a cosine of 0.5 between two targets is what chance gives there.",
        "A vector is of one model: the same numbers mean nothing in another one.",
    ],
};

/// The cosines at a layer, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String, usize)>,
    cosines: Vec<(String, f64)>,
}

/// Cosine of two directions; `None` where one has no length, or they are of other widths.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let length = (dot(a, a) * dot(b, b)).sqrt();
    (a.len() == b.len() && length > 0.0).then(|| dot(a, b) / length)
}

impl State {
    fn refresh(&mut self, stamp: u64, focus: &Focus<'_>, layer: usize) {
        let Focus { all, name, vector: own } = *focus;
        let key = (stamp, name.to_owned(), layer);
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let others = all.iter().filter(|(other, _)| other != name);
        let found = others.filter_map(|(_, vector)| {
            let title = format!("{} ({})", vector.card.name, vector.card.estimator);
            Some((title, cosine(own.layers.get(&layer)?, vector.layers.get(&layer)?)?))
        });
        self.cosines = found.collect();
        self.cosines.sort_by(|a, b| b.1.total_cmp(&a.1));
        self.key = Some(key);
    }
}

/// A vector among those of its run, each with the name of its file.
pub(super) struct Focus<'a> {
    pub(super) all: &'a [(String, &'a SteeringVector)],
    pub(super) name: &'a str,
    pub(super) vector: &'a SteeringVector,
}

/// Draws the card; gives the name of the vector when it shall steer.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    selection: &mut Selection,
    loaded: &Loaded,
    focus: &Focus<'_>,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) -> Option<String> {
    let Focus { name, vector, .. } = *focus;
    let mut chosen = None;
    let mut copied = None;
    let title = ("Card of the vector", "What is it, how long is it, and what is it like?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let colours = *Palette::current(ui);
        let card = &vector.card;
        let layers: Vec<usize> = vector.layers.keys().copied().collect();
        let mut layer =
            selection.layer.filter(|layer| layers.contains(layer)).or(layers.last().copied()).unwrap_or_default();
        ui.horizontal_wrapped(|ui| {
            Line::new(card.name.as_str()).size(crate::theme::TITLE).show(ui);
            if ui.button("Steer with it").on_hover_text("Takes it into the tab Answers").clicked() {
                chosen = Some(name.to_owned());
            }
        });
        let path = form::path(loaded, name);
        ui.horizontal(|ui| {
            if ui.button("Copy the path").on_hover_text("Of the file of this vector").clicked() {
                copied = Some(path.clone());
            }
            Line::new(path.as_str()).color(colours.weak).width(ui.available_width()).copyable().show(ui);
        });
        if layer_slider(ui, "layer of the card", &mut layer, &layers) {
            selection.layer = Some(layer);
        }
        let norm = vector.norm(layer);
        let mean = card.mean_norm.get(&layer).copied();
        let said = |value: Option<f64>| value.map_or("unknown".to_owned(), number);
        let facts = [
            ("leads from", card.negative.clone()),
            ("leads to", card.positive.clone()),
            ("estimator", card.estimator.clone()),
            ("estimated on", format!("{} pairs, token: {}", card.pairs, card.position)),
            ("length here", said(norm)),
            ("mean norm of the states", said(mean)),
            (
                "share of the mean norm",
                said(norm.zip(mean).filter(|(_, mean)| *mean > 0.0).map(|(norm, mean)| norm / mean)),
            ),
            ("cosine with difference of means", said(card.cos_diff_mean.get(&layer).copied())),
            ("model", format!("{} ({} layers)", card.model, card.model_layers)),
            ("seed", card.seed.to_string()),
            ("written by", card.program.clone()),
        ];
        egui::Grid::new("card of the vector").num_columns(2).spacing([14.0, 3.0]).show(ui, |ui| {
            for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
                ui.label(RichText::new(*name).color(colours.weak));
                Line::new(value.as_str()).show(ui);
                ui.end_row();
            }
        });
        for note in &card.notes {
            pane::note(ui, note.as_str());
        }
        state.refresh(loaded.stamp, focus, layer);
        if !state.cosines.is_empty() {
            ui.add_space(6.0);
            ui.strong(format!("Cosine with the other vectors at layer {layer}"));
            let rows: Vec<Span<'_>> = (state.cosines.iter())
                .map(|(label, cosine)| Span {
                    label,
                    value: Some(*cosine),
                    interval: None,
                    colour: colours.accent,
                    strong: false,
                    said: format!("cosine with {label}: {}", number(*cosine)),
                })
                .collect();
            spans(ui, 260.0, Scale { low: -1.0, high: 1.0, diverging: true }, 0.0, &rows);
        }
    });
    if let Some(text) = copied {
        actions.push(Action::Copy { what: "path of the vector".to_owned(), text });
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_need_two_directions_of_one_width() {
        assert_eq!(cosine(&[3.0, 4.0], &[4.0, 3.0]), Some(24.0 / 25.0));
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), Some(-1.0));
        assert_eq!((cosine(&[0.0], &[1.0]), cosine(&[1.0], &[1.0, 0.0])), (None, None));
    }
}
