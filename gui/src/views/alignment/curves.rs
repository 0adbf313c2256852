//! The rows of the heat map as curves, with the null.

use egui::{RichText, Ui};

use super::shown::Shown;
use crate::{
    data::{Loaded, said},
    measures::{Colours, number},
    state::{AlignmentSettings, Selection},
    theme::Palette,
    widgets::{
        curve::{Curves, Null},
        pane::{self, Help},
    },
};

pub(super) const HELP: Help = Help {
    what: "The rows of the heat map as curves. The coloured band is the 95 % bootstrap interval over sentences, the dashed line what \
           chance alone gives by a formula. The grey band is what shuffled sentences give, from the mean of the draws to their 95 % \
           quantile; the dashed line in it that of sentences shuffled only among those of like length and like tokens.",
    formula: "chance of MEXA = 1 / (2n − 1)\nchance of recall@k = k / n\nband: 2.5 % and 97.5 % percentile of the bootstrap\n\
              null: one permutation of the sentences a draw, the same for all layers",
    traps: &[
        "Bands that do not overlap at one layer say nothing of another layer.",
        "The grey band is that of the chosen language; of the highest one where none is chosen.",
        "Above the grey band and below the dashed line means: no better than sentences of like length and like tokens.",
        "Measures on different ranges have axes of their own; never compare two of them by height.",
    ],
};

/// Draws the curves.
pub(super) fn show(
    ui: &mut Ui,
    shown: &mut Shown,
    settings: &AlignmentSettings,
    selection: &mut Selection,
    loaded: &Loaded,
) {
    for (curve, language) in shown.curves.iter_mut().zip(&shown.rows) {
        curve.strong = selection.language.as_ref() == Some(language);
    }
    let chosen = shown.rows.iter().position(|l| Some(l) == selection.language.as_ref());
    let highest = || shown.nulls.iter().enumerate().max_by(|a, b| top(a.1).total_cmp(&top(b.1))).map(|(at, _)| at);
    let of = chosen.or_else(highest).filter(|_| settings.nulls && shown.has_nulls);
    if let Some(language) = of.and_then(|at| shown.rows.get(at)) {
        pane::note(ui, format!("Grey: shuffled sentences of {}.", said(language)));
    }
    let range = match shown.info.colours {
        Colours::Share | Colours::Signed => (shown.scale.low, shown.scale.high),
        Colours::Data => whole(shown),
    };
    let axis = if shown.info.unit.is_empty() {
        shown.choice.name()
    } else {
        format!("{}, {}", shown.choice.name(), shown.info.unit)
    };
    let plot = Curves {
        name: "alignment curves over layers",
        across: "layer",
        axis: &axis,
        range,
        curves: &shown.curves,
        null: of.and_then(|at| shown.nulls.get(at)),
        chance: shown.chance,
        marked: selection.layer.filter(|layer| shown.layers.contains(layer)).map(|layer| layer as f64),
        height: (ui.available_height() - 8.0).max(230.0),
    };
    if let Some(layer) = plot.show(ui)
        && let Some(layer) = shown.layers.iter().find(|l| **l as f64 == layer)
    {
        selection.layer = Some(*layer);
        if chosen.is_none() {
            selection.language = shown.rows.first().cloned();
        }
    }
    over_layers(ui, shown, selection, loaded);
}

/// Where the 95 % quantile of a null reaches highest.
fn top(null: &Null) -> f64 {
    null.q95.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// A range that holds values, nulls and chance.
fn whole(shown: &Shown) -> (f64, f64) {
    let bands = shown.curves.iter().flat_map(|c| c.y.iter().chain(&c.band.0).chain(&c.band.1)).copied();
    let nulls = shown.nulls.iter().flat_map(|null| null.q95.iter().chain(&null.mean)).copied();
    let all = bands.chain(nulls).chain(shown.chance).filter(|v| v.is_finite());
    let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low < high { (low, high) } else { (shown.scale.low, shown.scale.high) }
}

/// What the run says of the chosen language over all layers.
fn over_layers(ui: &mut Ui, shown: &Shown, selection: &Selection, loaded: &Loaded) {
    let Some(language) = &selection.language else { return };
    let fits = |metric: &str| {
        let mut rows = loaded.catalogue.rows(&shown.choice.probe, metric).filter(|row| {
            row.language == *language && row.pivot == shown.pivot && row.variant == shown.variant && row.layer.is_none()
        });
        rows.find_map(|row| Some((row.value?, row.item.clone())))
    };
    let mean = fits(&format!("{}_mean", shown.choice.metric));
    let max = fits(&format!("{}_max", shown.choice.metric));
    if mean.is_none() && max.is_none() {
        return;
    }
    let mean = mean.map_or_else(String::new, |(value, _)| format!("mean over layers {}", number(value)));
    let max = max.map_or_else(String::new, |(value, item)| {
        let at = if item.is_empty() { String::new() } else { format!(" at layer {item}") };
        format!("largest {}{at}", number(value))
    });
    let text = [format!("{}:", said(language)), mean, max].join(" ");
    ui.label(RichText::new(text).color(Palette::current(ui).weak));
}
