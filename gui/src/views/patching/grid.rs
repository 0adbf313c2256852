//! The grid of a pair: layers upwards, and across tokens, heads, or groups of neurons.

use babelscope_core::lang::Direction;
use babelscope_probes::patch::{Panel, PatchParams, PatchedRun};
use egui::{Id, RichText, Ui};

use super::{HELP, experiment, runs, sides};
use crate::{
    command::Action,
    data::Loaded,
    measures::{Scale, number},
    state::PatchingSettings,
    text::{self, isolate},
    theme::Palette,
    views::frames::Frames,
    widgets::{
        choose::combo,
        layer_map::{Label, Labels, LayerMap},
        legend, pane,
        tokens::piece_name,
    },
};

/// What is chosen.
#[derive(Debug, Default)]
pub(super) struct State {
    pair: usize,
    panel: usize,
    /// Index of the layer, and of the column.
    cell: Option<(usize, usize)>,
    sides: sides::State,
}

/// The range of an effect: the same for all grids of shares, so that two can be compared; around 0 always.
pub(super) fn scale(values: impl Iterator<Item = f64>) -> Scale {
    let far = values.filter(|v| v.is_finite()).fold(0.0, |far: f64, v| far.max(v.abs()));
    let far = if far <= 1.5 { 1.0 } else { far };
    Scale { low: -far, high: far, diverging: true }
}

/// The position that a column stands for, where columns are tokens.
pub(super) fn position(run: &PatchedRun, panel: &Panel, column: usize) -> Option<usize> {
    let tokens = run.clean.tokens.len();
    let at = |item: &String| item.parse::<usize>().ok().filter(|at| *at < tokens);
    if panel.items.iter().all(|item| at(item).is_some()) { panel.items.get(column).and_then(at) } else { None }
}

/// What a person would say of a cell.
pub(super) fn describe(run: &PatchedRun, panel: &Panel, layer: usize, column: usize) -> String {
    let number_of = panel.layers.get(layer).copied().unwrap_or_default();
    let item = panel.items.get(column).map_or("", String::as_str);
    let place = match position(run, panel, column).and_then(|at| Some((at, run.clean.tokens.get(at)?))) {
        Some((at, token)) => format!("token {} {}", at + 1, isolate(&piece_name(&token.piece))),
        None => item.to_owned(),
    };
    let of = |values: &[Vec<f64>]| values.get(layer).and_then(|row| row.get(column)).copied();
    let said = |value: Option<f64>| value.filter(|v| v.is_finite()).map_or("not there".to_owned(), number);
    format!(
        "layer {number_of}, {place}: effect {}, patched {} {}",
        said(of(&panel.effect)),
        run.metric.replace('_', " "),
        said(of(&panel.patched))
    )
}

/// Draws the choosers, the grid, and the two runs.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    settings: &mut PatchingSettings,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    let all = runs(&loaded.run);
    state.pair = state.pair.min(all.len().saturating_sub(1));
    let Some(run) = all.get(state.pair) else { return };
    state.panel = state.panel.min(run.panels.len().saturating_sub(1));
    let panel = run.panels.get(state.panel);
    let title = ("Patched cells", "Where does the answer come from?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        choosers(ui, state, settings, all, run);
        if !run.skipped.is_empty() {
            let text = format!("left out: {}", run.skipped);
            ui.add(egui::Label::new(RichText::new(text).color(Palette::current(ui).warn)).wrap());
        }
        match panel {
            Some(panel) => cells(ui, state, *settings, loaded, run, panel),
            None => pane::note(ui, "this pair has no grid"),
        }
        pane::note(ui, experiment(&loaded.run).map_or("effect", PatchParams::effect));
    });
    let title = ("The two runs", "What do both prompts say, and what does the chosen cell change?");
    let cell = panel.zip(state.cell);
    frames
        .pane(ui, actions, title, &HELP, |ui| sides::show(ui, &mut state.sides, (loaded.stamp, state.pair), run, cell));
}

fn choosers(ui: &mut Ui, state: &mut State, settings: &mut PatchingSettings, all: &[PatchedRun], run: &PatchedRun) {
    ui.horizontal_wrapped(|ui| {
        if all.len() > 1 {
            let options: Vec<(String, String)> = (all.iter().enumerate())
                .map(|(at, run)| (at.to_string(), format!("{}. {}", at + 1, run.name)))
                .collect();
            let mut chosen = state.pair.to_string();
            if combo(ui, "pair", &mut chosen, &options, 260.0) {
                state.pair = chosen.parse().unwrap_or(0);
                state.cell = None;
            }
        }
        let options: Vec<(String, String)> = (run.panels.iter().enumerate())
            .map(|(at, panel)| (at.to_string(), format!("{}, {}", panel.site, panel.variant.replace('_', " "))))
            .collect();
        let mut chosen = state.panel.to_string();
        if combo(ui, "what is patched", &mut chosen, &options, 220.0) {
            state.panel = chosen.parse().unwrap_or(0);
            state.cell = None;
        }
        if text::base_direction(&run.clean.text) == Direction::Rtl {
            ui.checkbox(&mut settings.follow_direction, "right to left");
        }
    });
}

fn cells(ui: &mut Ui, state: &mut State, settings: PatchingSettings, loaded: &Loaded, run: &PatchedRun, panel: &Panel) {
    let colours = *Palette::current(ui);
    let scale = scale(panel.effect.iter().flatten().copied());
    let ends = (format!("−{}", number(scale.high)), number(scale.high));
    legend::bar(ui, "effect", &ends.0, &ends.1, &|share| colours.effect(2.0 * share - 1.0));
    let positional = position(run, panel, 0).is_some();
    let turned = positional && settings.follow_direction && text::base_direction(&run.clean.text) == Direction::Rtl;
    let side = |tokens: &[babelscope_probes::lens::Candidate]| -> Vec<Label> {
        let of = |item: &String| item.parse::<usize>().ok().and_then(|at| tokens.get(at));
        panel.items.iter().filter_map(|item| Some(Label::Piece(of(item)?.piece.clone()))).collect()
    };
    let clean =
        if positional { side(&run.clean.tokens) } else { panel.items.iter().cloned().map(Label::Text).collect() };
    let corrupt = run.corrupt.as_ref().filter(|_| positional).map(|corrupt| side(&corrupt.tokens)).unwrap_or_default();
    let mut labels = vec![Labels { name: if positional { "clean" } else { "" }, labels: &clean }];
    if corrupt.len() == panel.items.len() && corrupt != clean {
        labels.push(Labels { name: "corrupt", labels: &corrupt });
    }
    let value = |layer: usize, column: usize| panel.effect.get(layer).and_then(|row| row.get(column)).copied();
    let share = |layer: usize, column: usize| value(layer, column).map_or(f32::NAN, |v| (v / scale.high) as f32);
    let map = LayerMap {
        id: ui.scope_id().with("patched cells"),
        name: "patched cells, layers by places",
        layers: &panel.layers,
        deepest: loaded.run.manifest.model.layers,
        columns: panel.items.len(),
        labels: &labels,
        direction: if turned { Direction::Rtl } else { Direction::Ltr },
        colour: &|layer, column| colours.effect(share(layer, column)),
        number: &|layer, column| value(layer, column).map(|v| format!("{v:.2}")),
        stamp: Id::unique((loaded.stamp, state.pair, state.panel, turned, colours.dark)).value(),
        describe: &|layer, column| describe(run, panel, layer, column),
        selected: state.cell,
    };
    let Some(output) = map.show(ui) else { return };
    if let Some((layer, column)) = output.hovered {
        output.response.on_hover_text_at_pointer(describe(run, panel, layer, column));
    }
    state.cell = output.chosen.or(state.cell);
}

#[cfg(test)]
mod tests {
    use babelscope_core::tokens::Piece;
    use babelscope_probes::{lens::Candidate, patch::Side};

    use super::*;

    #[test]
    fn a_scale_of_shares_is_fixed_and_has_zero_in_the_middle() {
        let of = |values: &[f64]| scale(values.iter().copied());
        assert_eq!((of(&[0.2, -0.1]).low, of(&[0.2]).high, of(&[]).high), (-1.0, 1.0, 1.0));
        assert_eq!((of(&[3.0, f64::NAN]).low, of(&[3.0]).share(0.0)), (-3.0, 0.5));
    }

    #[test]
    fn columns_are_tokens_only_where_all_of_them_are() {
        let token =
            |text: &str| Candidate { id: 1, piece: Piece::Text(text.to_owned()), probability: 1.0, language: None };
        let clean = Side { tokens: vec![token("a"), token("b")], ..Side::default() };
        let run = PatchedRun { clean, ..PatchedRun::default() };
        let panel =
            |items: &[&str]| Panel { items: items.iter().map(|item| (*item).to_owned()).collect(), ..Panel::default() };
        assert_eq!(position(&run, &panel(&["0", "1"]), 1), Some(1));
        assert_eq!(position(&run, &panel(&["h0", "h1"]), 1), None);
        assert_eq!(position(&run, &panel(&["1", "2"]), 0), None);
    }
}
