//! How much of the variance is language, over the layers, and how it is spread over components at one layer.

use babelscope_probes::measure::Row;
use egui::Ui;

use crate::{
    command::Action,
    data::Loaded,
    state::Selection,
    views::frames::Frames,
    widgets::{
        curve::{Curve, Curves},
        layers::layer_slider,
        pane::{self, Help},
    },
};

const SHARE_HELP: Help = Help {
    what: "The variance of all states at a layer has two parts: between the means of the languages, and within the languages. The \
           curve is the first over both. Denoised: what the means differ by only because they come from few sentences is \
           subtracted. Band: 95 % bootstrap over sentences.",
    formula: "share = B / (B + W)\nB = mean_k |m_k − g|²   between languages\nW = mean_k tr S_k   within languages\n\
              denoised: B − tr Cov / n",
    traps: &[
        "A low share does not mean that language is gone: a direction of little variance can carry it all (see Linear probes).",
        "Few very large directions can dominate B and W alike.",
        "A denoised share a little below 0 is an estimate of 0.",
    ],
};

const SCREE_HELP: Help = Help {
    what: "How much of the variance between languages lies along each principal component of their means, at one layer, and how much \
           along the components so far.",
    formula: "share of component c = s_c² / Σ s²   (s: singular values of the means around their mean)",
    traps: &[
        "K languages have at most K − 1 components, so few languages always have few components.",
        "A component is an axis of variance, not a property of languages; look at the scatter before you name it.",
    ],
};

/// What is drawn, made anew only when its key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The run of the curves.
    stamp: Option<u64>,
    share: Vec<Curve>,
    layers: Vec<usize>,
    /// The run and layer of the scree.
    scree_of: Option<(u64, usize)>,
    scree: Vec<Curve>,
}

/// The layers of a metric of a probe, ascending.
pub(super) fn layers(loaded: &Loaded, probe: &str, metric: &str) -> Vec<usize> {
    let mut layers: Vec<usize> = loaded.catalogue.rows(probe, metric).filter_map(|row| row.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    layers
}

/// The chosen layer where it is among `layers`, else the deepest one.
pub(super) fn chosen(selection: &Selection, layers: &[usize]) -> Option<usize> {
    selection.layer.filter(|layer| layers.contains(layer)).or(layers.last().copied())
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, selection: &Selection) {
        let at = |row: &Row| row.layer.unwrap_or_default() as f64;
        if self.stamp != Some(loaded.stamp) {
            let of = |variant: &'static str, colour| {
                let rows = loaded.catalogue.rows("structure", "language_variance").filter(|row| row.variant == variant);
                Curve::of_rows(variant, colour, rows.map(|row| (at(row), row)))
            };
            self.share = vec![of("raw", 1), of("denoised", 0)];
            self.layers = layers(loaded, "structure", "language_variance");
            self.stamp = Some(loaded.stamp);
        }
        let Some(layer) = chosen(selection, &self.layers) else { return };
        if self.scree_of != Some((loaded.stamp, layer)) {
            let rows = loaded.catalogue.rows("structure", "variance_explained").filter(|row| row.layer == Some(layer));
            let each = Curve::of_rows("each", 0, rows.filter_map(|row| Some((row.item.parse().ok()?, row))));
            let mut so_far = each.clone();
            "so far".clone_into(&mut so_far.name);
            so_far.colour = 2;
            so_far.band = (Vec::new(), Vec::new());
            let mut sum = 0.0;
            for value in &mut so_far.y {
                sum += *value;
                *value = sum;
            }
            self.scree = vec![so_far, each];
            self.scree_of = Some((loaded.stamp, layer));
        }
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
    state.refresh(loaded, selection);
    let title = ("Language share of variance", "How much of what varies is the language, at each layer?");
    frames.pane(ui, actions, title, &SHARE_HELP, |ui| {
        let missing = loaded.catalogue.rows("structure", "language_variance").find(|row| row.value.is_none());
        if let Some(row) = missing {
            pane::note(ui, format!("layer {}: {}", row.layer.unwrap_or_default(), row.status));
        }
        let marked = chosen(selection, &state.layers);
        let plot = Curves {
            name: "language share of variance over layers",
            across: "layer",
            axis: "share",
            range: (0.0, 1.0),
            curves: &state.share,
            null: None,
            chance: None,
            marked: marked.map(|layer| layer as f64),
            height: 230.0,
        };
        if let Some(layer) = plot.show(ui) {
            selection.layer = state.layers.iter().copied().find(|l| *l as f64 == layer);
        }
    });
    let title = ("Scree", "Over how many directions are the languages spread?");
    frames.pane(ui, actions, title, &SCREE_HELP, |ui| {
        if let Some(mut layer) = chosen(selection, &state.layers)
            && layer_slider(ui, "layer of the scree", &mut layer, &state.layers)
        {
            selection.layer = Some(layer);
        }
        let components = state.scree.first().map_or(0, |curve| curve.x.len());
        if components == 0 {
            let why = loaded.catalogue.rows("structure", "variance_explained").find(|row| row.value.is_none());
            pane::note(ui, why.map_or("the run has no components", |row| &row.status));
            return;
        }
        let plot = Curves {
            name: "share of each component",
            across: "component",
            axis: "share",
            range: (0.0, 1.0),
            curves: &state.scree,
            null: None,
            chance: None,
            marked: None,
            height: 200.0,
        };
        plot.show(ui);
    });
}
