//! The two runs of a pair side by side: tokens, most probable next words, metric; and what a cell makes of them.

use babelscope_core::tokens::Piece;
use babelscope_probes::{
    lens::Candidate,
    patch::{Panel, PatchedRun, Side},
};
use egui::{Color32, RichText, Ui};

use super::grid::{describe, position};
use crate::{
    measures::number,
    text::Line,
    theme::{BODY, Palette},
    widgets::{
        bars::{Bar, Label, bars},
        pane,
        said::Said,
        tokens::{TokenStrip, piece_name},
    },
};

/// The prompts as running text, made anew only when the pair changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, usize)>,
    said: Vec<Said>,
}

/// Draws the runs.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    key: (u64, usize),
    run: &PatchedRun,
    cell: Option<(&Panel, (usize, usize))>,
) {
    let all: Vec<(&str, &Side)> = [("clean", Some(&run.clean)), ("corrupt", run.corrupt.as_ref())]
        .into_iter()
        .filter_map(|(n, s)| Some((n, s?)))
        .collect();
    if state.key != Some(key) {
        let pieces = |side: &Side| -> Vec<Piece> { side.tokens.iter().map(|token| token.piece.clone()).collect() };
        state.said = all.iter().map(|(_, side)| Said::new(pieces(side))).collect();
        state.key = Some(key);
    }
    let chosen = cell.and_then(|(panel, (_, column))| position(run, panel, column));
    ui.columns(all.len().max(1), |columns| {
        for ((ui, (name, side)), said) in columns.iter_mut().zip(&all).zip(&state.said) {
            let other = all.iter().find(|(other, _)| other != name).map(|(_, other)| *other);
            one(ui, run, (name, side, said), other, chosen);
        }
    });
    ui.add_space(4.0);
    match cell {
        Some((panel, (layer, column))) => {
            let colours = *Palette::current(ui);
            let text =
                format!("{}, {}: {}", panel.site, panel.variant.replace('_', " "), describe(run, panel, layer, column));
            Line::new(text).color(colours.accent).width(ui.available_width()).show(ui);
            between(ui, run, panel, layer, column);
        }
        None => pane::note(ui, "Click a cell of the grid to see what it changes."),
    }
}

/// Where the patched metric lies between both runs.
fn between(ui: &mut Ui, run: &PatchedRun, panel: &Panel, layer: usize, column: usize) {
    let patched = panel.patched.get(layer).and_then(|row| row.get(column)).copied().filter(|v| v.is_finite());
    let (Some(patched), Some(corrupt)) = (patched, run.corrupt.as_ref()) else { return };
    let metric = run.metric.replace('_', " ");
    pane::note(
        ui,
        format!(
            "{metric}: corrupt {}, patched {}, clean {}",
            number(corrupt.value),
            number(patched),
            number(run.clean.value)
        ),
    );
}

fn one(
    ui: &mut Ui,
    run: &PatchedRun,
    (name, side, said): (&str, &Side, &Said),
    other: Option<&Side>,
    chosen: Option<usize>,
) {
    let colours = *Palette::current(ui);
    colours.well_frame().show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            ui.strong(name);
            ui.label(
                RichText::new(format!("{} {}", run.metric.replace('_', " "), number(side.value))).color(colours.weak),
            );
        });
        let differs: Vec<bool> = (side.tokens.iter().enumerate())
            .map(|(at, token)| {
                other.is_some_and(|other| other.tokens.get(at).is_none_or(|theirs| theirs.id != token.id))
            })
            .collect();
        let fills: Vec<Color32> =
            differs.iter().map(|differs| if *differs { colours.accent_soft } else { Color32::TRANSPARENT }).collect();
        let strip = TokenStrip {
            text: &said.text,
            spans: &said.spans,
            pieces: &said.pieces,
            fills: &fills,
            selected: chosen,
            direction: Some(said.direction(&side.text)),
            size: BODY + 2.0,
        };
        strip.show_as(ui, name, &differs);
        if side.top.is_empty() {
            pane::note(ui, "this run is a mean of several, so it says no next word of its own");
            return;
        }
        ui.add_space(4.0);
        pane::note(ui, "most probable next tokens; dot: the answer");
        let rows: Vec<Bar<'_>> = side.top.iter().map(|candidate| bar(candidate, run, &colours)).collect();
        bars(ui, &format!("{name} next"), 110.0, &rows);
        for (what, ids) in [("answer", &run.sides.answer), ("wrong answer", &run.sides.wrong)] {
            let found = side.top.iter().filter(|candidate| ids.contains(&candidate.id));
            for candidate in found {
                let text = format!("{what}: {} {:.3}", piece_name(&candidate.piece), candidate.probability);
                Line::new(text).size(crate::theme::SMALL).color(colours.weak).show(ui);
            }
        }
    });
}

fn bar<'a>(candidate: &'a Candidate, run: &PatchedRun, colours: &Palette) -> Bar<'a> {
    let answer = run.sides.answer.contains(&candidate.id);
    let wrong = run.sides.wrong.contains(&candidate.id);
    Bar {
        label: Label::Piece(&candidate.piece),
        value: candidate.probability,
        colour: match (answer, wrong) {
            (true, _) => colours.effect(-1.0),
            (_, true) => colours.effect(1.0),
            _ => colours.weak,
        },
        marked: answer,
    }
}
