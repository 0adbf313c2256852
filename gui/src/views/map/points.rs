//! The points of one method and one centring at all layers, and which point is which sentence.

use babelscope_probes::{
    align::Centring,
    project::{LayerMap, MapMethod, MapReport},
};
use egui::{Color32, Id};

use crate::{
    data::Loaded,
    state::{MapSettings, Selection},
    widgets::{dots::Dot, layers::mixed, scatter::Bounds},
};

/// What does not change from frame to frame.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) key: Id,
    pub(super) layers: Vec<usize>,
    /// The same at every layer.
    pub(super) bounds: Bounds,
    /// Place of the map of each layer in the report.
    maps: Vec<usize>,
    languages: usize,
    sentences: usize,
    /// Place of the language that lines begin at.
    centre: usize,
}

/// The methods of a report, in its order.
pub(super) fn methods(report: &MapReport) -> Vec<MapMethod> {
    distinct(report.maps.iter().map(|map| map.method))
}

/// The centrings of a report, in its order.
pub(super) fn centrings(report: &MapReport) -> Vec<Centring> {
    distinct(report.maps.iter().map(|map| map.centring))
}

fn distinct<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for one in all {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found
}

/// The method that is chosen, or the first one.
pub(super) fn method(report: &MapReport, settings: &MapSettings) -> Option<MapMethod> {
    let all = methods(report);
    all.iter().copied().find(|m| method_key(*m) == settings.method).or_else(|| all.first().copied())
}

/// The centring that is chosen, or the first one.
pub(super) fn centring(report: &MapReport, settings: &MapSettings) -> Option<Centring> {
    let all = centrings(report);
    all.iter().copied().find(|c| c.name() == settings.centring).or_else(|| all.first().copied())
}

/// The word for a method in the settings.
pub(super) fn method_key(method: MapMethod) -> &'static str {
    match method {
        MapMethod::Pca => "pca",
        MapMethod::Tsne => "tsne",
    }
}

/// What a person calls a method.
pub(super) fn method_name(method: MapMethod) -> &'static str {
    match method {
        MapMethod::Pca => "PCA",
        MapMethod::Tsne => "t-SNE",
    }
}

impl Points {
    /// Finds the points again when the run or the settings have changed.
    pub(super) fn refresh(slot: &mut Option<Self>, loaded: &Loaded, report: &MapReport, settings: &MapSettings) {
        let (Some(method), Some(centring)) = (method(report, settings), centring(report, settings)) else {
            *slot = None;
            return;
        };
        let key = Id::unique((loaded.stamp, method_key(method), centring.name()));
        if slot.as_ref().is_some_and(|points| points.key == key) {
            return;
        }
        let fits = |(_, map): &(usize, &LayerMap)| map.method == method && map.centring == centring;
        let mut found: Vec<(usize, &LayerMap)> = report.maps.iter().enumerate().filter(fits).collect();
        found.sort_by_key(|(_, map)| map.layer);
        let all = found.iter().flat_map(|(_, map)| map.points.iter().flatten().copied());
        *slot = Some(Self {
            key,
            bounds: Bounds::around(all),
            layers: found.iter().map(|(_, map)| map.layer).collect(),
            maps: found.iter().map(|(at, _)| *at).collect(),
            languages: report.languages.len(),
            sentences: report.sentences.len(),
            centre: report.languages.iter().position(|l| l.starts_with("eng_")).unwrap_or(0),
        });
    }

    /// The chosen layer where there is a map of it, else the deepest one.
    pub(super) fn layer(&self, selection: &Selection) -> usize {
        let chosen = selection.layer.filter(|layer| self.layers.contains(layer));
        chosen.or(self.layers.last().copied()).unwrap_or_default()
    }

    /// The map of the layer of this index.
    pub(super) fn map<'r>(&self, report: &'r MapReport, at: usize) -> Option<&'r LayerMap> {
        report.maps.get(*self.maps.get(at)?)
    }

    /// The points between two layers, language by language; `looks` has colour and mark of each language.
    pub(super) fn dots(
        &self,
        report: &MapReport,
        (from, to, part): (usize, usize, f32),
        looks: &[(Color32, u8)],
    ) -> Vec<Dot> {
        const NOWHERE: (f32, f32) = (f32::NAN, f32::NAN);
        let (from, to) = (self.map(report, from), self.map(report, to));
        let mut dots = Vec::with_capacity(self.languages * self.sentences);
        for (language, &(colour, mark)) in looks.iter().enumerate().take(self.languages) {
            let of = |map: Option<&'_ LayerMap>| -> Vec<(f32, f32)> {
                map.and_then(|map| map.points.get(language)).cloned().unwrap_or_default()
            };
            let (from, to) = (of(from), of(to));
            dots.extend((0..self.sentences).map(|sentence| {
                let to = to.get(sentence).copied().unwrap_or(NOWHERE);
                // A layer without a map is no place to come from.
                let from = from.get(sentence).copied().unwrap_or(to);
                let (x, y) = if part == 0.0 { from } else { mixed(from, to, part) };
                Dot { x, y, colour, mark }
            }));
        }
        dots
    }

    /// The language of a point and its line in the corpus.
    pub(super) fn place<'r>(&self, report: &'r MapReport, point: usize) -> Option<(&'r str, usize)> {
        let language = report.languages.get(point / self.sentences.max(1))?;
        Some((language.as_str(), *report.sentences.get(point % self.sentences.max(1))?))
    }

    /// All points of the sentence of a point, the one that lines begin at first.
    pub(super) fn translations(&self, point: usize) -> Vec<usize> {
        self.of_sentence(point % self.sentences.max(1), self.centre)
    }

    fn of_sentence(&self, place: usize, first: usize) -> Vec<usize> {
        let others = (0..self.languages).filter(|language| *language != first);
        std::iter::once(first).chain(others).map(|language| language * self.sentences + place).collect()
    }

    /// The points of the chosen sentence, that of the chosen language first.
    pub(super) fn chosen(&self, report: &MapReport, selection: &Selection) -> Vec<usize> {
        let place = selection.sentence.and_then(|line| report.sentences.iter().position(|s| *s == line));
        let language = report.languages.iter().position(|l| Some(l) == selection.language.as_ref());
        place.map_or_else(Vec::new, |place| self.of_sentence(place, language.unwrap_or(self.centre)))
    }

    /// Lines from the first language to all others, of every sentence.
    pub(super) fn all_lines(&self, colour: Color32) -> Vec<(usize, usize, Color32)> {
        let of = |place: usize| super::lines_of(&self.of_sentence(place, self.centre), colour);
        (0..self.sentences).flat_map(of).collect()
    }
}
