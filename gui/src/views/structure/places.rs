//! Where the means of the languages lie, along two components, with the same axes at every layer.

use egui::{Id, Ui};

use super::subspace::chosen;
use crate::{
    command::Action,
    data::{Loaded, colour_index, mark, said},
    measures::number,
    state::Selection,
    theme::Palette,
    views::frames::Frames,
    widgets::{
        choose::combo,
        dots::Dot,
        layers::{between, layer_slider, mixed},
        pane::{self, Help},
        scatter::{Bounds, Scatter},
    },
};

const HELP: Help = Help {
    what: "The mean of each language along two components of the language subspace. The axes have the same range at every layer, and \
           each layer is turned onto the one before, so movement is movement and not a flip of an axis.",
    formula: "z_k = (m_k − g) · v_c   (v_c: right singular vector of the means around g)\nturned by orthogonal Procrustes, without scale",
    traps: &[
        "Lengths grow with the norm of the states: deep layers look more spread because they are longer.",
        "From the second layer on a coordinate is turned, so it is no principal axis by itself.",
        "Two components may hide what a third one shows; see the scree.",
    ],
};

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<Id>,
    /// Items of the axes.
    axes: Option<(String, String)>,
    items: Vec<String>,
    languages: Vec<String>,
    layers: Vec<usize>,
    /// `[layer][language]`; not a number where there is none.
    places: Vec<Vec<(f32, f32)>>,
    bounds: Option<Bounds>,
}

impl State {
    fn refresh(&mut self, loaded: &Loaded) {
        let key = Id::unique((loaded.stamp, &self.axes));
        if self.key == Some(key) {
            return;
        }
        let rows = || loaded.catalogue.rows("structure", "language_coordinate");
        let number = |item: &String| item.parse::<usize>().unwrap_or(usize::MAX);
        self.items = rows().map(|row| row.item.clone()).collect();
        self.items.sort_by_key(number);
        self.items.dedup();
        self.layers = super::subspace::layers(loaded, "structure", "language_coordinate");
        self.languages = rows().map(|row| row.language.clone()).collect();
        self.languages.sort_unstable();
        self.languages.dedup();
        let nth = |at: usize| self.items.get(at.min(self.items.len().saturating_sub(1))).cloned();
        if self.axes.is_none() {
            self.axes = nth(0).zip(nth(1));
        }
        let Some((across, upwards)) = self.axes.clone() else { return };
        self.places = vec![vec![(f32::NAN, f32::NAN); self.languages.len()]; self.layers.len()];
        for row in rows() {
            let layer = row.layer.and_then(|layer| self.layers.binary_search(&layer).ok());
            let language = self.languages.binary_search(&row.language).ok();
            let place = layer.and_then(|layer| self.places.get_mut(layer)).zip(language);
            let (Some(place), Some(value)) = (place.and_then(|(all, at)| all.get_mut(at)), row.value) else { continue };
            if row.item == across {
                place.0 = value as f32;
            }
            if row.item == upwards {
                place.1 = value as f32;
            }
        }
        self.bounds = Some(Bounds::around(self.places.iter().flatten().copied()));
        self.key = Some(Id::unique((loaded.stamp, &self.axes)));
    }
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
    state.refresh(loaded);
    let title = ("Places of the languages", "Which languages lie together, and how does that change with depth?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let (Some(mut layer), Some(bounds)) = (chosen(selection, &state.layers), state.bounds) else {
            pane::note(ui, "the run has no coordinates of languages");
            return;
        };
        let options: Vec<(String, String)> =
            state.items.iter().map(|item| (item.clone(), format!("component {item}"))).collect();
        ui.horizontal_wrapped(|ui| {
            if let Some((across, upwards)) = &mut state.axes {
                pane::note(ui, "across");
                combo(ui, "component across", across, &options, 120.0);
                pane::note(ui, "upwards");
                combo(ui, "component upwards", upwards, &options, 120.0);
            }
            if layer_slider(ui, "layer of the places", &mut layer, &state.layers) {
                selection.layer = Some(layer);
            }
        });
        let at = state.layers.iter().position(|l| *l == layer).unwrap_or(0);
        let (from, to, part) = between(ui, ui.scope_id().with("places"), at);
        let colours = *Palette::current(ui);
        let place = |layer: usize, language: usize| {
            state.places.get(layer).and_then(|all| all.get(language)).copied().unwrap_or((f32::NAN, f32::NAN))
        };
        let dots: Vec<Dot> = (state.languages.iter().enumerate())
            .map(|(language, code)| {
                let (x, y) = mixed(place(from, language), place(to, language), part);
                let index = colour_index(&loaded.run.corpus, code);
                Dot { x, y, colour: colours.language(index), mark: (index / 12) as u8 }
            })
            .collect();
        let chosen: Vec<usize> =
            state.languages.iter().position(|l| Some(l) == selection.language.as_ref()).into_iter().collect();
        let label = |point: usize| state.languages.get(point).map(|l| mark(l, &state.languages).to_owned());
        let (across, upwards) = state.axes.clone().unwrap_or_default();
        let axes = (format!("component {across}"), format!("component {upwards}"));
        let scatter = Scatter {
            id: ui.scope_id().with("places of languages"),
            name: "languages along two components",
            height: 380.0,
            dots: &dots,
            size: 9.0,
            bounds,
            axes: Some((axes.0.as_str(), axes.1.as_str())),
            lines: &[],
            bright: &[],
            fit: None,
            label: &label,
            chosen: &chosen,
            stamp: Id::unique((state.key, from, to, part.to_bits(), colours.dark)).value(),
            describe: &|point| {
                let (x, y) = place(at, point);
                let name = state.languages.get(point).map_or_else(String::new, |l| said(l));
                format!("{name}, layer {layer}, {} and {}", number(f64::from(x)), number(f64::from(y)))
            },
        };
        let output = scatter.show(ui);
        if let Some(language) = output.hovered.and_then(|point| state.languages.get(point)) {
            output.response.on_hover_text_at_pointer(said(language));
        }
        if let Some(language) = output.clicked.and_then(|point| state.languages.get(point)) {
            selection.language = Some(language.clone());
        }
    });
}
