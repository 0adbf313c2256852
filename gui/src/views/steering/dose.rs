//! Dose and response: what a strength does to the effect, and what it costs in fluency, for every arm.

use babelscope_probes::measure::Row;
use egui::Ui;

use crate::{
    data::Loaded,
    measures::{self, Colours},
    widgets::dose::{Arm, Doses},
};

/// The arms in the order of their looks.
pub(super) const ARMS: [(&str, &str); 6] = [
    ("steered", "steered"),
    ("none", "plain"),
    ("random", "random"),
    ("shuffled", "shuffled"),
    ("other", "other language"),
    ("prompt", "asked for"),
];

/// What a strength costs; drawn by its decimal logarithm, as it grows a thousandfold where the model breaks down.
const PRICE: &str = "perplexity";

/// Which cells are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) source: String,
    pub(super) target: String,
    pub(super) layer: Option<usize>,
}

/// What is drawn, made anew only when its key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String, Place)>,
    /// Effect, then fluency.
    sides: Vec<Side>,
}

#[derive(Debug)]
struct Side {
    metric: String,
    range: (f64, f64),
    chance: Option<f64>,
    arms: Vec<Arm>,
}

fn side(loaded: &Loaded, metric: &str, place: &Place) -> Side {
    let fits = |row: &&Row| {
        row.language == place.target && row.pivot == place.source && (row.layer == place.layer || row.layer.is_none())
    };
    let rows: Vec<&Row> = loaded.catalogue.rows("steer", metric).filter(fits).collect();
    let arm = |look: usize, (variant, name): (&str, &str)| {
        let own = rows.iter().filter(|row| row.variant == variant);
        Arm::of_rows(name, look, own.filter_map(|row| Some((row.item.parse::<f64>().ok()?, *row))))
    };
    let arms: Vec<Arm> = ARMS.iter().enumerate().map(|(look, names)| arm(look, *names)).collect();
    let mut arms: Vec<Arm> = arms.into_iter().filter(|arm| !arm.points.is_empty()).collect();
    if metric == PRICE {
        arms.iter_mut().for_each(Arm::to_log10);
    }
    let ends = arms.iter().flat_map(|arm| {
        arm.points.iter().map(|point| point[1]).chain(arm.band.iter().flat_map(|band| [band[1], band[2]]))
    });
    let (low, high) =
        ends.filter(|v| v.is_finite()).fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let range = match measures::info(metric).colours {
        Colours::Share => (0.0, 1.0),
        Colours::Signed => (-1.0, 1.0),
        Colours::Data if low <= high => (low.min(0.0), if high > low.min(0.0) { high } else { high + 1.0 }),
        Colours::Data => (0.0, 1.0),
    };
    Side { metric: metric.to_owned(), range, chance: rows.iter().find_map(|row| row.chance), arms }
}

impl State {
    /// Finds the arms again when something has changed.
    pub(super) fn refresh(&mut self, loaded: &Loaded, metric: &str, place: &Place) {
        let key = (loaded.stamp, metric.to_owned(), place.clone());
        if self.key.as_ref() != Some(&key) {
            self.sides = [metric, PRICE].into_iter().map(|metric| side(loaded, metric, place)).collect();
            self.key = Some(key);
        }
    }

    /// The strengths of the steered answers, ascending.
    pub(super) fn strengths(&self) -> Vec<f64> {
        let steered = self.sides.first().and_then(|side| side.arms.iter().find(|arm| arm.look == 0));
        steered.map_or_else(Vec::new, |arm| arm.points.iter().map(|point| point[0]).collect())
    }

    /// Draws both plots; gives the strength that was clicked.
    pub(super) fn show(&self, ui: &mut Ui, unit: &str, marked: Option<f64>) -> Option<f64> {
        let mut clicked = None;
        ui.columns(2, |columns| {
            for (ui, side) in columns.iter_mut().zip(&self.sides) {
                let info = measures::info(&side.metric);
                let axis = if side.metric == PRICE { format!("{}, log10", info.name) } else { info.name.to_string() };
                ui.strong(&axis);
                if side.arms.is_empty() {
                    crate::widgets::pane::note(ui, "the run has no such number here");
                    continue;
                }
                let plot = Doses {
                    name: &format!("{} over strengths", info.name),
                    axis: &axis,
                    across: unit,
                    range: side.range,
                    arms: &side.arms,
                    chance: side.chance,
                    marked,
                    height: 250.0,
                };
                clicked = plot.show(ui).or(clicked);
            }
        });
        clicked
    }
}
