//! What a vocabulary is made of, and which languages share its tokens.

use babelscope_core::lang;
use babelscope_probes::measure::Row;
use egui::{Color32, RichText, Ui};

use crate::{
    catalogue::{Choice, Series},
    command::Action,
    data::{Loaded, language_name},
    measures,
    order::Order,
    state::Selection,
    theme::Palette,
    views::frames::Frames,
    widgets::{
        legend,
        pane::{self, Help, segmented},
        square::{Look, Names, Square},
        stack::{Stack, stacks},
    },
};

const HELP: Help = Help {
    what: "The first bar is the whole vocabulary by the script of its tokens; the others are the tokens that each language makes use of. \
           A language whose own script is a thin part of the vocabulary, and whose bar is full of bytes, is spelt letter by letter.",
    formula: "share of a script = tokens of the script / all tokens (vocabulary: each token once; language: as often as it occurs)",
    traps: &[
        "Digits, punctuation and spaces have no script of their own.",
        "Byte tokens belong to no script: a token of one byte may be part of any letter.",
        "The vocabulary counts types and the languages count tokens: compare rows of one kind.",
    ],
};

const OVERLAP_HELP: Help = Help {
    what: "Overlap of vocabularies: which share of the tokens in use two languages have in common. Shared tokens: which share of the \
           tokens of a sentence occur in its translation too; what early layers can align by alone.",
    formula: "Jaccard = |V_X ∩ V_P| / |V_X ∪ V_P|\nJSD = H((p + q) / 2) − (H(p) + H(q)) / 2, base 2",
    traps: &["Digits and punctuation are shared by all.", "A shared token need not mean the same."],
};

/// The metrics of the square.
const PAIRS: [&str; 3] = ["vocabulary_overlap", "shared_tokens", "jsd"];

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<(u64, bool)>,
    scripts: Vec<String>,
    /// Name and bars of each tokenizer.
    stacks: Vec<(String, Vec<Stack>)>,
    metric: usize,
    square: Square,
}

fn script_name(item: &str) -> String {
    match item {
        "Zyyy" => "no script".to_owned(),
        // Chinese characters of any tradition; the registry knows the two of them by their own codes.
        "Hani" => "Han".to_owned(),
        other => lang::script_name(other).unwrap_or(other).to_owned(),
    }
}

fn colour(colours: &Palette, at: usize, item: &str) -> Color32 {
    match item {
        "Zyyy" => colours.weak,
        "bytes" => colours.warn,
        "special" => colours.missing,
        _ => colours.language(at),
    }
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, colours: &Palette) {
        let key = (loaded.stamp, colours.dark);
        if self.key == Some(key) {
            return;
        }
        let whole = || loaded.catalogue.rows("tokenizer", "vocabulary_of_script");
        let of_language = || loaded.catalogue.rows("tokenizer", "tokens_of_script");
        self.scripts.clear();
        for row in whole().chain(of_language()) {
            if !self.scripts.contains(&row.item) {
                self.scripts.push(row.item.clone());
            }
        }
        let mut tokenizers: Vec<&String> = Vec::new();
        for row in whole() {
            if !tokenizers.contains(&&row.variant) {
                tokenizers.push(&row.variant);
            }
        }
        let parts = |rows: &[&Row]| -> Vec<(String, f64, Color32)> {
            let part = |(at, item): (usize, &String)| {
                let row = rows.iter().find(|row| row.item == *item)?;
                Some((script_name(item), row.value?, colour(colours, at, item)))
            };
            self.scripts.iter().enumerate().filter_map(part).collect()
        };
        let bars = |variant: &String| {
            let vocabulary: Vec<&Row> = whole().filter(|row| row.variant == *variant).collect();
            let mut bars = vec![Stack { label: "whole vocabulary".to_owned(), parts: parts(&vocabulary) }];
            let rows: Vec<&Row> = of_language().filter(|row| row.variant == *variant).collect();
            let mut languages: Vec<&String> = rows.iter().map(|row| &row.language).collect();
            languages.sort_unstable();
            languages.dedup();
            for language in languages {
                let mine: Vec<&Row> = rows.iter().copied().filter(|row| row.language == *language).collect();
                bars.push(Stack { label: language_name(language).to_owned(), parts: parts(&mine) });
            }
            (variant.clone(), bars)
        };
        self.stacks = tokenizers.into_iter().map(bars).collect();
        self.key = Some(key);
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
    let colours = *Palette::current(ui);
    state.refresh(loaded, &colours);
    let title = ("Vocabulary", "For which scripts was the vocabulary made?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        ui.horizontal_wrapped(|ui| {
            for (at, item) in state.scripts.iter().enumerate() {
                legend::chip(ui, colour(&colours, at, item), &script_name(item));
            }
        });
        if state.stacks.is_empty() {
            pane::note(ui, "the run has no composition of the vocabulary");
        }
        for (name, rows) in &state.stacks {
            if !name.is_empty() {
                ui.label(RichText::new(name).strong());
            }
            stacks(ui, "scripts", 164.0, 1.0, rows);
            ui.add_space(6.0);
        }
    });
    let title = ("Shared tokens", "Which languages use the same tokens?");
    frames.pane(ui, actions, title, &OVERLAP_HELP, |ui| overlap(ui, state, selection, loaded));
}

fn overlap(ui: &mut Ui, state: &mut State, selection: &mut Selection, loaded: &Loaded) {
    let find = |metric: &str| -> Option<&Series> {
        let choice = Choice { probe: "tokenizer".to_owned(), metric: metric.to_owned(), item: String::new() };
        loaded.catalogue.series().iter().find(|series| series.choice == choice)
    };
    let names: Vec<(usize, String)> = (PAIRS.iter().enumerate())
        .filter(|(_, metric)| find(metric).is_some())
        .map(|(at, metric)| (at, measures::info(metric).name.into_owned()))
        .collect();
    let options: Vec<(usize, &str, &str)> = names.iter().map(|(at, name)| (*at, name.as_str(), "")).collect();
    segmented(ui, "shared", &mut state.metric, &options);
    let Some(series) = PAIRS.get(state.metric).and_then(|metric| find(metric)) else {
        pane::note(ui, "the run has no such number of a pair");
        return;
    };
    if series.pivots.len() < 2 {
        pane::note(ui, "One pivot; leave `pivots` of the probe empty to measure all pairs.");
    }
    state.square.refresh(loaded, series, Look { layer: None, order: Order::Cluster, mirrored: false, scale: None });
    let names = Names { name: "shared tokens of languages", down: "language", across: "pivot" };
    if let Some((language, pivot)) = state.square.show(ui, &names, selection, loaded) {
        (selection.language, selection.pivot) = (Some(language), Some(pivot));
    }
}
