//! A number of the tokenizer for each language, as bars with intervals; two tokenizers side by side.

use babelscope_probes::measure::Row;
use egui::{Id, RichText, Ui};

use crate::{
    catalogue::Series,
    command::Action,
    data::{Loaded, colour_index, language_name, said},
    measures::{self, Better, Info, Scale},
    order::{Order, ordered},
    state::{Selection, TokenizerSettings},
    theme::Palette,
    views::frames::Frames,
    widgets::{
        choose::combo,
        pane::{self, Help},
        reading,
        spans::{Span, spans},
    },
};

const HELP: Help = Help {
    what: "A number of the tokenizer for each language. Premium: how many tokens the same sentences take, over the pivot's; 2 means \
           twice the price and half the context. Bars begin at 1 for ratios and at 0 for all others; the whisker is the 95 % interval \
           over sentences.",
    formula: "premium = tokens(X) / tokens(P) on parallel sentences (a ratio of totals)\nfertility = tokens / words\n\
              Rényi efficiency = H_α(p) / log₂ |V|,  V the tokens in use",
    traps: &[
        "Premium mixes two things: how a language is written and how well the vocabulary fits it; see byte premium.",
        "Scripts without spaces between words have no fertility: it is missing, not zero.",
        "Few sentences make every ratio rough; look at n.",
    ],
};

/// What is drawn, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct State {
    key: Option<Id>,
    metrics: Vec<(String, String)>,
    pivots: Vec<String>,
    /// Names of the tokenizers; one empty name where there is only one.
    tokenizers: Vec<String>,
    languages: Vec<String>,
    /// Numbers of rows in the catalogue, `[tokenizer][language]`.
    rows: Vec<Vec<Option<u32>>>,
    scale: Option<Scale>,
    info: Option<Info>,
}

fn of_language(series: &Series) -> bool {
    let named = series.languages.iter().any(|language| !language.is_empty());
    series.choice.probe == "tokenizer" && series.choice.item.is_empty() && series.layers.is_empty() && named
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, settings: &mut TokenizerSettings, selection: &Selection) {
        let key = Id::unique((loaded.stamp, &settings.metric, settings.order, &selection.pivot));
        if self.key == Some(key) {
            return;
        }
        let all: Vec<&Series> = loaded.catalogue.series().iter().filter(|series| of_language(series)).collect();
        self.metrics.clear();
        for series in &all {
            let metric = &series.choice.metric;
            if !self.metrics.iter().any(|(known, _)| known == metric) {
                self.metrics.push((metric.clone(), measures::info(metric).name.into_owned()));
            }
        }
        if !self.metrics.iter().any(|(metric, _)| *metric == settings.metric) {
            settings.metric = self.metrics.first().map(|(metric, _)| metric.clone()).unwrap_or_default();
        }
        let mine: Vec<&Series> = all.into_iter().filter(|series| series.choice.metric == settings.metric).collect();
        let Some(first) = mine.first() else { return };
        self.pivots = first.pivots.clone();
        let pivot = pivot(&self.pivots, selection);
        self.tokenizers = mine.iter().map(|series| series.variant.clone()).collect();
        let info = measures::info(&settings.metric);
        let value = |language: &str| loaded.catalogue.cell(first, &pivot, language, None).and_then(|row| row.value);
        // What costs more stands first.
        let score = |language: &str| match (value(language), info.better) {
            (None, _) => f64::NEG_INFINITY,
            (Some(value), Better::Low | Better::None) => value,
            (Some(value), Better::High) => -value,
        };
        let present = |language: &&String| first.find(&pivot, language, None).is_some();
        let languages = first.languages.iter().filter(present).cloned().collect();
        let order = if settings.order == Order::Cluster { Order::Family } else { settings.order };
        self.languages = ordered(languages, order, &score, &|_| Vec::new(), None);
        self.rows = (mine.iter())
            .map(|series| self.languages.iter().map(|language| series.find(&pivot, language, None)).collect())
            .collect();
        let found = self.rows.iter().flatten().filter_map(|number| loaded.catalogue.row((*number)?));
        let from = begin(&info);
        let (low, high) = found
            .flat_map(|row| [row.value, row.low, row.high])
            .flatten()
            .fold((from, from + 1e-9), |(low, high), value| (low.min(value), high.max(value)));
        // Bars of a length begin at 0; those of a ratio at 1, and need no room down to 0.
        let low = if from == 0.0 { low.min(0.0) } else { low - 0.05 * (high - low) };
        self.scale = Some(Scale { low, high, diverging: false });
        self.info = Some(info);
        self.key = Some(Id::unique((loaded.stamp, &settings.metric, settings.order, &selection.pivot)));
    }
}

/// Where bars begin: at "no change" for a ratio.
fn begin(info: &Info) -> f64 {
    if info.unit == "times" { 1.0 } else { 0.0 }
}

fn pivot(pivots: &[String], selection: &Selection) -> String {
    let chosen = selection.pivot.as_ref().filter(|pivot| pivots.contains(pivot));
    let english = || pivots.iter().find(|pivot| pivot.starts_with("eng_"));
    chosen.or_else(english).or_else(|| pivots.first()).cloned().unwrap_or_default()
}

/// Draws the pane.
pub(super) fn show(
    ui: &mut Ui,
    state: &mut State,
    settings: &mut TokenizerSettings,
    selection: &mut Selection,
    loaded: &Loaded,
    frames: &Frames<'_>,
    actions: &mut Vec<Action>,
) {
    state.refresh(loaded, settings, selection);
    let title = ("Languages", "What does the same text cost in each language?");
    frames.pane(ui, actions, title, &HELP, |ui| {
        ui.horizontal_wrapped(|ui| {
            combo(ui, "metric of the tokenizer", &mut settings.metric, &state.metrics, 180.0);
            let combo_order =
                egui::ComboBox::from_id_salt("order of the bars").selected_text(settings.order.name()).width(110.0);
            let shown = combo_order.show_ui(ui, |ui| {
                for order in [Order::Score, Order::Code, Order::Script, Order::Family] {
                    ui.selectable_value(&mut settings.order, order, order.name());
                }
            });
            shown.response.accessible_name("order of the bars");
            let now = pivot(&state.pivots, selection);
            if state.pivots.len() > 1 {
                let options: Vec<(String, String)> =
                    state.pivots.iter().map(|code| (code.clone(), said(code))).collect();
                let mut chosen = now;
                if combo(ui, "pivot of the tokenizer", &mut chosen, &options, 150.0) {
                    selection.pivot = Some(chosen);
                }
            } else if !now.is_empty() {
                pane::note(ui, format!("pivot {}", said(&now)));
            }
        });
        let (Some(scale), Some(info)) = (state.scale, state.info.clone()) else {
            pane::note(ui, "the run has no number of a language");
            return;
        };
        if !info.says.is_empty() {
            pane::note(ui, format!("{}: {}.", info.name, info.says));
        }
        let mut clicked = None;
        if let [_, _, ..] = state.tokenizers.as_slice() {
            ui.columns(state.tokenizers.len(), |columns| {
                for (at, ui) in columns.iter_mut().enumerate() {
                    ui.label(RichText::new(state.tokenizers.get(at).map_or("", String::as_str)).strong());
                    clicked =
                        bars(ui, state, at, settings, selection, loaded, (scale, begin(&info))).or(clicked.take());
                }
            });
        } else {
            clicked = bars(ui, state, 0, settings, selection, loaded, (scale, begin(&info)));
        }
        if let Some(language) = clicked {
            selection.language = Some(language);
        }
    });
}

/// The bars of one tokenizer; with a heading for each script or family in those orders.
fn bars(
    ui: &mut Ui,
    state: &State,
    tokenizer: usize,
    settings: &TokenizerSettings,
    selection: &Selection,
    loaded: &Loaded,
    (scale, from): (Scale, f64),
) -> Option<String> {
    let colours = *Palette::current(ui);
    let none = Vec::new();
    let rows = state.rows.get(tokenizer).unwrap_or(&none);
    let mut clicked = None;
    let mut at = 0;
    while let Some(first) = state.languages.get(at) {
        let group = settings.order.group(first);
        let end = state.languages[at..].iter().position(|l| settings.order.group(l) != group);
        let end = end.map_or(state.languages.len(), |length| at + length);
        if !group.is_empty() {
            let name = babelscope_core::lang::script_name(group).unwrap_or(group);
            ui.label(RichText::new(name).small().color(colours.weak));
        }
        let part: Vec<Span<'_>> = (at..end)
            .filter_map(|place| {
                let language = state.languages.get(place)?;
                let row = rows.get(place).copied().flatten().and_then(|number| loaded.catalogue.row(number));
                Some(span(language, row, loaded, &colours, selection))
            })
            .collect();
        if let Some(place) = spans(ui, 164.0, scale, from, &part) {
            clicked = state.languages.get(at + place).cloned();
        }
        at = end;
    }
    clicked
}

fn span<'l>(
    language: &'l str,
    row: Option<&Row>,
    loaded: &Loaded,
    colours: &Palette,
    selection: &Selection,
) -> Span<'l> {
    let none = || format!("{}: the run has no such number", said(language));
    Span {
        label: language_name(language),
        value: row.and_then(|row| row.value),
        interval: row.and_then(|row| row.low.zip(row.high)),
        colour: colours.language(colour_index(&loaded.run.corpus, language)),
        strong: selection.language.as_deref() == Some(language),
        said: row.map_or_else(none, |row| reading::describe(row, false)),
    }
}
