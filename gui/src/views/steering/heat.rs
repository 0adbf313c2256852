//! Layers by strengths: where a vector works, and where the model can no longer speak.

use babelscope_core::lang::Direction;
use babelscope_probes::measure::Row;
use egui::{Id, Ui};

use super::dose::Place;
use crate::{
    data::Loaded,
    measures::{self, Scale, number},
    theme::Palette,
    widgets::{
        layer_map::{Label, Labels, LayerMap},
        pane, reading,
    },
};

/// The steered cells of a pair of languages, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, String, String, String)>,
    pub(super) layers: Vec<usize>,
    pub(super) strengths: Vec<f64>,
    /// `[layer][strength]`.
    cells: Vec<Vec<Option<Row>>>,
    scale: Option<Scale>,
}

impl State {
    /// Finds the cells again when something has changed.
    pub(super) fn refresh(&mut self, loaded: &Loaded, metric: &str, place: &Place) {
        let key = (loaded.stamp, metric.to_owned(), place.source.clone(), place.target.clone());
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let fits = |row: &&Row| row.language == place.target && row.pivot == place.source && row.variant == "steered";
        let rows: Vec<(usize, f64, &Row)> = (loaded.catalogue.rows("steer", metric).filter(fits))
            .filter_map(|row| Some((row.layer?, row.item.parse::<f64>().ok()?, row)))
            .collect();
        self.layers = rows.iter().map(|(layer, ..)| *layer).collect();
        self.layers.sort_unstable();
        self.layers.dedup();
        self.strengths = rows.iter().map(|(_, strength, _)| *strength).collect();
        self.strengths.sort_by(f64::total_cmp);
        self.strengths.dedup();
        let find = |layer: usize, strength: f64| {
            rows.iter().find(|(l, s, _)| *l == layer && *s == strength).map(|(.., row)| (*row).clone())
        };
        self.cells = (self.layers.iter())
            .map(|layer| self.strengths.iter().map(|strength| find(*layer, *strength)).collect())
            .collect();
        let values = rows.iter().filter_map(|(.., row)| row.value);
        self.scale = Some(Scale::new(measures::info(metric).colours, values));
        self.key = Some(key);
    }

    fn row(&self, layer: usize, strength: usize) -> Option<&Row> {
        self.cells.get(layer)?.get(strength)?.as_ref()
    }

    /// Draws the map; gives the layer and the strength that were clicked.
    pub(super) fn show(
        &self,
        ui: &mut Ui,
        loaded: &Loaded,
        unit: &str,
        (layer, strength): (Option<usize>, Option<f64>),
    ) -> Option<(usize, f64)> {
        let colours = *Palette::current(ui);
        let (scale, (stamp, metric, ..)) = (self.scale?, self.key.as_ref()?);
        scale.legend(ui, &measures::info(metric).name);
        let labels: Vec<Label> = self.strengths.iter().map(|strength| Label::Text(strength.to_string())).collect();
        let selected = self.layers.iter().position(|l| Some(*l) == layer);
        let selected = selected.zip(self.strengths.iter().position(|s| Some(*s) == strength));
        let value = |layer: usize, strength: usize| self.row(layer, strength).and_then(|row| row.value);
        let describe = |layer: usize, strength: usize| {
            let of = self.strengths.get(strength).copied().unwrap_or_default();
            let layer_number = self.layers.get(layer).copied().unwrap_or_default();
            match self.row(layer, strength) {
                Some(row) => {
                    let row = Row { item: String::new(), ..row.clone() };
                    format!("strength {of}, {}", reading::describe(&row, true))
                }
                None => format!("strength {of}, layer {layer_number}: not measured"),
            }
        };
        let map = LayerMap {
            id: ui.scope_id().with("layers by strengths"),
            name: "layers by strengths",
            layers: &self.layers,
            deepest: loaded.run.manifest.model.layers,
            columns: self.strengths.len(),
            labels: &[Labels { name: unit, labels: &labels }],
            direction: Direction::Ltr,
            colour: &|layer, strength| scale.colour(&colours, value(layer, strength)),
            number: &|layer, strength| value(layer, strength).map(|v| number(v).chars().take(5).collect()),
            stamp: Id::unique((stamp, &self.key, colours.dark)).value(),
            describe: &describe,
            selected,
        };
        let output = map.show(ui)?;
        if let Some((layer, strength)) = output.hovered {
            output.response.on_hover_ui_at_pointer(|ui| match self.row(layer, strength) {
                Some(row) => reading::tooltip(ui, row, None, "click to see the doses at this layer"),
                None => pane::note(ui, describe(layer, strength)),
            });
        }
        let (layer, strength) = output.chosen?;
        Some((*self.layers.get(layer)?, *self.strengths.get(strength)?))
    }
}
