//! Means over the pairs of a run, as its rows say them: layers upwards, places across, with intervals on hover.

use babelscope_core::lang::Direction;
use babelscope_probes::measure::Row;
use egui::{Id, Ui};

use super::{KIND, grid::scale};
use crate::{
    command::Action,
    data::{Loaded, mark},
    measures::{self, number},
    theme::Palette,
    views::frames::Frames,
    widgets::{
        choose::combo,
        layer_map::{Label, Labels, LayerMap},
        legend,
        pane::{self, Help},
        reading,
    },
};

const HELP: Help = Help {
    what: "The mean over the pairs of two languages, of one number of the run. Columns are positions where all prompts have as many tokens, \
           else the role of the token: before the subject, its first, middle and last token, behind it, the last token of the prompt.",
    formula: "mean over pairs; interval: 95 % bootstrap over pairs",
    traps: &[
        "One pair has no interval, and is an example.",
        "Means of shares are moved far by pairs that the model hardly tells apart.",
    ],
};

/// The grids that the rows make, found once a run.
#[derive(Debug, Default)]
pub(super) struct State {
    stamp: Option<u64>,
    all: Vec<Means>,
    chosen: String,
    cell: Option<(usize, usize)>,
}

#[derive(Debug)]
struct Means {
    name: String,
    layers: Vec<usize>,
    items: Vec<String>,
    /// `[layer][item]`
    cells: Vec<Vec<Option<Row>>>,
}

/// Metrics whose items are words and no places.
const WORDS: [&str; 1] = ["probability"];

impl State {
    fn refresh(&mut self, loaded: &Loaded) {
        if self.stamp == Some(loaded.stamp) {
            return;
        }
        let rows = loaded.run.probed(KIND).map_or(&[][..], |measured| &measured.rows);
        let mut groups: Vec<(String, Vec<&Row>)> = Vec::new();
        for row in rows {
            if row.layer.is_none() || row.item.is_empty() || WORDS.contains(&row.metric.as_str()) {
                continue;
            }
            let name = title(row, &loaded.run.corpus.languages);
            match groups.iter_mut().find(|(known, _)| *known == name) {
                Some((_, own)) => own.push(row),
                None => groups.push((name, vec![row])),
            }
        }
        self.all = groups.into_iter().map(|(name, rows)| means(name, &rows)).collect();
        (self.stamp, self.cell) = (Some(loaded.stamp), None);
    }
}

fn title(row: &Row, languages: &[String]) -> String {
    let mut name = measures::info(&row.metric).name.into_owned();
    if !row.variant.is_empty() {
        name += &format!(", {}", row.variant.replace('_', " "));
    }
    match (row.language.is_empty(), row.pivot.is_empty()) {
        (true, _) => name,
        (false, true) => format!("{name}, {}", mark(&row.language, languages)),
        (false, false) => format!("{name}, {} from {}", mark(&row.language, languages), mark(&row.pivot, languages)),
    }
}

fn means(name: String, rows: &[&Row]) -> Means {
    let mut layers: Vec<usize> = rows.iter().filter_map(|row| row.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let mut items: Vec<String> = Vec::new();
    for row in rows {
        if !items.contains(&row.item) {
            items.push(row.item.clone());
        }
    }
    let find = |layer: usize, item: &String| rows.iter().find(|r| r.layer == Some(layer) && r.item == *item);
    let cells = (layers.iter())
        .map(|layer| items.iter().map(|item| find(*layer, item).map(|row| (*row).clone())).collect())
        .collect();
    Means { name, layers, items, cells }
}

impl Means {
    fn row(&self, layer: usize, item: usize) -> Option<&Row> {
        self.cells.get(layer)?.get(item)?.as_ref()
    }

    fn describe(&self, layer: usize, item: usize) -> String {
        match self.row(layer, item) {
            Some(row) => reading::describe(row, true).trim_start_matches(", ").to_owned(),
            None => "not measured".to_owned(),
        }
    }
}

/// Draws the pane, where the run has such rows.
pub(super) fn show(ui: &mut Ui, state: &mut State, loaded: &Loaded, frames: &Frames<'_>, actions: &mut Vec<Action>) {
    state.refresh(loaded);
    if state.all.is_empty() {
        return;
    }
    if !state.all.iter().any(|means| means.name == state.chosen) {
        state.chosen = state.all.first().map(|means| means.name.clone()).unwrap_or_default();
    }
    let title = ("Means over the pairs", "What holds over all prompts of the run?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        let options: Vec<(String, String)> =
            state.all.iter().map(|means| (means.name.clone(), means.name.clone())).collect();
        if combo(ui, "mean of", &mut state.chosen, &options, 330.0) {
            state.cell = None;
        }
        let Some((at, means)) = state.all.iter().enumerate().find(|(_, means)| means.name == state.chosen) else {
            return;
        };
        let n = means.cells.iter().flatten().flatten().map(|row| row.n).max().unwrap_or_default();
        pane::note(ui, format!("{n} pairs"));
        let colours = *Palette::current(ui);
        let value = |layer: usize, item: usize| means.row(layer, item).and_then(|row| row.value);
        let scale = scale(means.cells.iter().flatten().flatten().filter_map(|row| row.value));
        let end = number(scale.high);
        legend::bar(ui, &means.name, &format!("−{end}"), &end, &|share| colours.effect(2.0 * share - 1.0));
        let labels: Vec<Label> = means.items.iter().map(|item| Label::Text(item.replace('_', " "))).collect();
        let share = |layer, item| value(layer, item).map_or(f32::NAN, |v| (v / scale.high) as f32);
        let map = LayerMap {
            id: ui.scope_id().with("means over pairs"),
            name: "means over the pairs, layers by places",
            layers: &means.layers,
            deepest: loaded.run.manifest.model.layers,
            columns: means.items.len(),
            labels: &[Labels { name: "", labels: &labels }],
            direction: Direction::Ltr,
            colour: &|layer, item| colours.effect(share(layer, item)),
            number: &|layer, item| value(layer, item).map(|v| format!("{v:.2}")),
            stamp: Id::unique((loaded.stamp, at, colours.dark)).value(),
            describe: &|layer, item| means.describe(layer, item),
            selected: state.cell,
        };
        let Some(output) = map.show(ui) else { return };
        if let Some((layer, item)) = output.hovered {
            output.response.on_hover_text_at_pointer(means.describe(layer, item));
        }
        state.cell = output.chosen.or(state.cell);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_a_grid_with_holes() {
        let row = |layer: usize, item: &str, value: f64| Row::new("effect_resid", value, 3).at(layer).item(item);
        let rows = [row(2, "last", 0.5), row(0, "bos", 0.25), row(2, "bos", 0.75)];
        let means = means("x".to_owned(), &rows.iter().collect::<Vec<_>>());
        assert_eq!(
            (means.layers.as_slice(), means.items.as_slice()),
            (&[0, 2][..], &["last".to_owned(), "bos".to_owned()][..])
        );
        let value = |layer, item| means.row(layer, item).and_then(|row| row.value);
        assert_eq!([value(0, 0), value(0, 1), value(1, 0), value(1, 1)], [None, Some(0.25), Some(0.5), Some(0.75)]);
        assert_eq!(means.describe(0, 0), "not measured");
    }
}
