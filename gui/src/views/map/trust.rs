//! How far a map can be believed, and what it says in numbers: neighbours by language and by meaning, over the layers.

use babelscope_probes::project::{LayerMap, MapReport};
use egui::Ui;

use super::points;
use crate::{
    command::Action,
    data::Loaded,
    state::{MapSettings, Selection},
    views::frames::Frames,
    widgets::{
        curve::{Curve, Curves},
        pane::{self, Help},
    },
};

const HELP: Help = Help {
    what: "Trust: whether neighbours in the map are neighbours in the full space (1 is the best). Same language, same meaning: which \
           share of the neighbours of a point in the map is of its language, and which is a translation of its sentence.",
    formula: "trustworthiness = 1 − penalty by rank of false neighbours (Venna & Kaski 2001)\n\
              same language, same meaning: mean share among the nearest in the map",
    traps: &[
        "A sentence has only as many translations as there are other languages, so the share of meaning has a ceiling.",
        "Trust says nothing of distances between clouds.",
    ],
};

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String, String)>,
    curves: Vec<Curve>,
}

impl State {
    fn refresh(&mut self, settings: &MapSettings, loaded: &Loaded, report: &MapReport) {
        let key = (loaded.stamp, settings.method.clone(), settings.centring.clone());
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let (method, centring) = (points::method(report, settings), points::centring(report, settings));
        let mine = || report.maps.iter().filter(|map| Some(map.method) == method && Some(map.centring) == centring);
        let curve = |name: &str, colour: usize, of: fn(&LayerMap) -> Option<f64>| {
            let mut found: Vec<(usize, f64)> = mine().filter_map(|map| Some((map.layer, of(map)?))).collect();
            found.sort_by_key(|(layer, _)| *layer);
            Curve {
                name: name.to_owned(),
                colour,
                script: false,
                x: found.iter().map(|(layer, _)| *layer as f64).collect(),
                y: found.iter().map(|(_, value)| *value).collect(),
                band: (Vec::new(), Vec::new()),
                strong: true,
            }
        };
        self.curves = vec![
            curve("trust", 11, |map| map.trustworthiness),
            curve("same language", 1, |map| map.language_neighbours),
            curve("same meaning", 0, |map| map.meaning_neighbours),
        ];
        self.curves.retain(|curve| !curve.x.is_empty());
        self.key = Some(key);
    }
}

/// Of which maps.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) loaded: &'a Loaded,
    pub(super) report: &'a MapReport,
    pub(super) settings: &'a MapSettings,
}

/// Draws the pane.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    of: Of<'_>,
    selection: &mut Selection,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    let Of { loaded, report, settings } = of;
    state.refresh(settings, loaded, report);
    let title =
        ("How far to believe it", "Are neighbours in the map neighbours in truth, and by language or by meaning?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        if state.curves.is_empty() {
            pane::note(ui, "the run has no map of this kind");
            return;
        }
        let plot = Curves {
            name: "trust of the map over layers",
            across: "layer",
            axis: "share",
            range: (0.0, 1.0),
            curves: &state.curves,
            null: None,
            chance: None,
            marked: selection.layer.map(|layer| layer as f64),
            height: 200.0,
        };
        if let Some(layer) = plot.show(ui) {
            selection.layer = report.layers.iter().copied().find(|l| *l as f64 == layer);
        }
        pane::note(ui, format!("{} neighbours; {}", report.neighbours, report.notes.join("; ")));
    });
}
