//! Map: all sentences of all languages in one plane, layer by layer, with the same axes.
//!
//! Points move from layer to layer when the slider is moved; lines join translations; a click chooses the sentence on all screens.

mod paint;
mod points;
mod trust;

use babelscope_core::lang;
use babelscope_probes::project::{LayerMap, MapReport};
use egui::{Color32, Id, ScrollArea, Ui};
use serde::{Deserialize, Serialize};

use crate::{
    command::Action,
    data::{Loaded, colour_index, said},
    state::{MapSettings, Selection},
    text::{Line, Passage, isolate},
    theme::{Palette, SMALL},
    views::frames::Frames,
    widgets::{
        choose::combo,
        dots::Dot,
        layers::{between, layer_slider},
        legend,
        pane::{self, Help, segmented},
        scatter::Scatter,
    },
};
use paint::Looks;
pub use paint::Paint;
use points::Points;

const HELP: Help = Help {
    what: "Each point is a sentence in a language. PCA shows the two directions of the largest variance; t-SNE keeps neighbours. Each \
           map is turned onto that of the layer before, and all layers have the same axes, so movement is movement. A click chooses a \
           sentence: its translations get a ring, and lines lead to them.",
    formula: "PCA: x W,  W the first two principal components of all languages together\n\
              t-SNE: minimise KL(p ‖ q) of neighbourhoods, perplexity as in the spec, seed of the run\n\
              turned by orthogonal Procrustes; mean squared distance from the centre is 1 at every layer",
    traps: &[
        "Distances between clouds and sizes of clouds mean nothing in t-SNE.",
        "The unit is another one at every layer: clouds do not shrink because states do.",
        "Two axes show little of a space of hundreds; read the trust below, and the neighbours by language and by meaning.",
        "Clouds by language in raw states are mostly an offset of the mean: compare with the centred map.",
    ],
};

/// Which translations are joined by lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Links {
    /// None.
    None,
    /// Those of the sentence that is chosen or under the pointer.
    Chosen,
    /// Those of all sentences.
    All,
}

/// Seconds that a layer stays while the layers are played.
const STAY: f64 = 0.8;

/// What the view knows between frames.
#[derive(Debug, Default)]
pub struct View {
    points: Option<Points>,
    looks: Option<Looks>,
    drawn: Drawn,
    trust: trust::State,
    /// When the last step was made, while the layers are played.
    playing: Option<f64>,
    /// The point under the pointer in the frame before.
    under: Option<usize>,
}

/// Points and lines of a moment, made anew only when they move or change colour.
#[derive(Debug, Default)]
struct Drawn {
    stamp: Option<u64>,
    dots: Vec<Dot>,
    lines: Vec<(usize, usize, Color32)>,
}

impl View {
    /// Forgets what belongs to another run.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

/// What is drawn of which run.
#[derive(Clone, Copy)]
struct Scene<'a> {
    loaded: &'a Loaded,
    report: &'a MapReport,
    points: &'a Points,
    looks: &'a Looks,
    links: Links,
    layer: usize,
}

/// Draws the view.
pub fn show(
    ui: &mut Ui,
    view: &mut View,
    settings: &mut MapSettings,
    selection: &mut Selection,
    loaded: Option<&Loaded>,
    replacing: bool,
    actions: &mut Vec<Action>,
) {
    let Some((loaded, report)) = loaded.and_then(|loaded| Some((loaded, loaded.run.map.as_ref()?))) else {
        pane::empty(
            ui,
            "No map in this run",
            "Add a probe to the spec, [[probe]] kind = \"map\", or tick it in a new run on the screen Runs.",
        );
        return;
    };
    Points::refresh(&mut view.points, loaded, report, settings);
    Looks::refresh(&mut view.looks, settings.paint, loaded, report, Palette::current(ui));
    let (Some(points), Some(looks)) = (&view.points, &view.looks) else { return };
    let frames = Frames::new(loaded, replacing);
    let mut clicked = None;
    ScrollArea::vertical().id_salt("map").auto_shrink(false).show(ui, |ui| {
        let height = (ui.available_height() - 210.0).max(320.0);
        let title = ("Map", "Do sentences lie with their translations, or with their language?");
        frames.pane(ui, actions, title, &HELP, |ui| {
            controls(ui, settings, report);
            let mut layer = points.layer(selection);
            ui.horizontal(|ui| {
                play(ui, &mut view.playing, points, &mut layer, selection);
                if layer_slider(ui, "layer of the map", &mut layer, &points.layers) {
                    selection.layer = Some(layer);
                }
            });
            looks.legend(ui);
            let scene = Scene { loaded, report, points, looks, links: settings.links, layer };
            clicked = scene.show(ui, height, selection, &mut view.drawn, &mut view.under);
        });
        let of = trust::Of { loaded, report, settings };
        trust::show(ui, &mut view.trust, of, selection, &frames, actions);
    });
    if let Some((language, sentence)) = clicked {
        selection.language = Some(language);
        actions.push(Action::Sentence(sentence));
    }
}

fn controls(ui: &mut Ui, settings: &mut MapSettings, report: &MapReport) {
    let methods = points::methods(report);
    let centrings = points::centrings(report);
    ui.horizontal_wrapped(|ui| {
        let mut method = points::method(report, settings).map_or("", points::method_key);
        let options: Vec<(&str, &str, &str)> =
            methods.iter().map(|m| (points::method_key(*m), points::method_name(*m), "")).collect();
        segmented(ui, "method", &mut method, &options);
        method.clone_into(&mut settings.method);
        let options: Vec<(String, String)> =
            centrings.iter().map(|c| (c.name().to_owned(), crate::measures::variant(c.name()))).collect();
        let mut centring = points::centring(report, settings).map(|c| c.name().to_owned()).unwrap_or_default();
        combo(ui, "centring of the map", &mut centring, &options, 120.0);
        settings.centring = centring;
        let combo = egui::ComboBox::from_id_salt("paint").selected_text(settings.paint.name()).width(120.0);
        let combo = combo.show_ui(ui, |ui| {
            for paint in Paint::ALL {
                ui.selectable_value(&mut settings.paint, paint, paint.name());
            }
        });
        combo.response.accessible_name("colour of a point");
        let links = [
            (Links::None, "no lines", "No lines between translations"),
            (Links::Chosen, "lines of the chosen", "Between the translations of the chosen sentence"),
            (Links::All, "all lines", "Between the translations of every sentence"),
        ];
        segmented(ui, "lines", &mut settings.links, &links);
    });
}

/// The button that goes through the layers.
fn play(ui: &mut Ui, playing: &mut Option<f64>, points: &Points, layer: &mut usize, selection: &mut Selection) {
    let (label, name) = if playing.is_some() { ("■", "Stop playing") } else { ("▶", "Play the layers") };
    let now = ui.input(|input| input.time);
    if ui.button(label).on_hover_text(name).accessible_name(name).clicked() {
        *playing = if playing.is_some() { None } else { Some(now) };
    }
    let Some(since) = *playing else { return };
    if now - since >= STAY {
        let at = points.layers.iter().position(|l| l == layer).map_or(0, |at| (at + 1) % points.layers.len().max(1));
        if let Some(next) = points.layers.get(at) {
            *layer = *next;
            selection.layer = Some(*next);
        }
        *playing = Some(now);
    }
    ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(STAY));
}

impl Scene<'_> {
    /// The plane itself; gives the language and the line of a point that was clicked.
    fn show(
        &self,
        ui: &mut Ui,
        height: f32,
        selection: &Selection,
        drawn: &mut Drawn,
        under: &mut Option<usize>,
    ) -> Option<(String, usize)> {
        let Self { report, points, layer, .. } = *self;
        let colours = *Palette::current(ui);
        let at = points.layers.iter().position(|l| *l == layer)?;
        let map = points.map(report, at)?;
        if map.points.is_empty() {
            pane::note(ui, format!("layer {layer}: {}", map.status));
            return None;
        }
        let way = between(ui, ui.scope_id().with("map"), at);
        let stamp = Id::unique((points.key, self.looks.key, self.links, way.0, way.1, way.2.to_bits())).value();
        if drawn.stamp != Some(stamp) {
            drawn.dots = points.dots(report, way, &self.looks.of);
            drawn.lines = match self.links {
                Links::All => points.all_lines(colours.weak.gamma_multiply(0.35)),
                Links::Chosen | Links::None => Vec::new(),
            };
            drawn.stamp = Some(stamp);
        }
        let chosen = points.chosen(report, selection);
        let mut bright = Vec::new();
        if self.links != Links::None {
            bright.extend(lines_of(&chosen, colours.text));
            let hovered = under.filter(|point| *point < drawn.dots.len()).map(|point| points.translations(point));
            bright.extend(hovered.iter().flat_map(|all| lines_of(all, colours.accent)));
        }
        let scatter = Scatter {
            id: ui.scope_id().with("plane"),
            name: "map of sentences",
            height,
            dots: &drawn.dots,
            size: if drawn.dots.len() > 2000 { 4.0 } else { 6.0 },
            bounds: points.bounds,
            axes: None,
            lines: &drawn.lines,
            bright: &bright,
            fit: None,
            label: &|_| None,
            chosen: &chosen,
            stamp,
            describe: &|point| self.describe(point),
        };
        let output = scatter.show(ui);
        *under = output.hovered;
        if let Some(point) = output.hovered {
            output.response.on_hover_ui_at_pointer(|ui| self.tooltip(ui, point));
        }
        explained(ui, map);
        let (language, sentence) = points.place(report, output.clicked?)?;
        Some((language.to_owned(), sentence))
    }

    fn describe(&self, point: usize) -> String {
        let Some((language, sentence)) = self.points.place(self.report, point) else { return String::new() };
        let text = self.sentence(language, sentence).unwrap_or("this sentence is not in the run's corpus");
        format!("{}, line {}, layer {}: {}", said(language), sentence + 1, self.layer, isolate(text))
    }

    fn tooltip(&self, ui: &mut Ui, point: usize) {
        let Some((language, sentence)) = self.points.place(self.report, point) else { return };
        ui.set_max_width(400.0);
        let colours = *Palette::current(ui);
        let colour = colours.language(colour_index(&self.loaded.run.corpus, language));
        legend::chip(ui, colour, &format!("{} · line {}", said(language), sentence + 1));
        if let Some(text) = self.sentence(language, sentence) {
            Passage::new(text).direction(lang::direction(language)).width(380.0).show(ui);
        }
        Line::new("click to choose it on all screens").size(SMALL).color(colours.weak).show(ui);
    }

    fn sentence(&self, language: &str, sentence: usize) -> Option<&str> {
        self.loaded.run.corpus.lines(language)?.get(sentence).map(String::as_str)
    }
}

/// Lines from the first of some points to all others.
fn lines_of(points: &[usize], colour: Color32) -> Vec<(usize, usize, Color32)> {
    let Some((first, others)) = points.split_first() else { return Vec::new() };
    others.iter().map(|other| (*first, *other, colour)).collect()
}

fn explained(ui: &mut Ui, map: &LayerMap) {
    if let Some((first, second)) = map.explained {
        let text = format!(
            "The first two principal components of this layer account for {:.0} % and {:.0} % of the variance.",
            100.0 * first,
            100.0 * second
        );
        pane::note(ui, text);
    }
}
