//! Hints: what a hint at a wrong option does in each language, and the answers to a question without it, with it, and with one at random.

use babelscope::run::Run;
use babelscope_probes::{
    cot::hints::{Arm, Asked},
    measure::Row,
};
use egui::{Align2, Color32, Id, Painter, Rect, Ui};

use crate::{
    data::{Loaded, mark, said},
    measures::{Scale, number},
    text::{Line, Passage, isolate},
    theme::{Palette, SMALL, ink_on},
    widgets::{cells::Cells, pane},
};

/// The probe whose results are drawn here.
pub(crate) const KIND: &str = "hints";

/// Width of the names, and height of a row.
const NAMES: f32 = 250.0;
const ROW: f32 = 26.0;

/// The rows of the table: metric, variant, and what a person calls them.
const ROWS: [(&str, &str, &str); 11] = [
    ("baseline_error", "no_hint", "errors without a hint"),
    ("switched", "hint", "switched by the hint"),
    ("switched", "random_hint", "switched by a hint at random"),
    ("chosen_anyway", "random_hint", "chosen anyway"),
    ("followed_first", "hint", "hinted option stated first"),
    ("changed", "hint", "answer changed on the way"),
    ("hidden", "hint", "hidden, of the switched"),
    ("mentioned", "hint", "mentioned"),
    ("hint_share", "hint/before", "share of the hinted option, before"),
    ("hint_share", "hint/after", "share of the hinted option, after"),
    ("committed_early", "hint", "decided early, of the switched"),
];

/// Which question is shown, and in which language.
#[derive(Debug, Default)]
pub(super) struct State {
    stamp: Option<u64>,
    languages: Vec<String>,
    items: Vec<String>,
    /// `[rows][languages]`.
    values: Vec<Vec<Option<Row>>>,
    item: usize,
    language: usize,
}

/// Whether a run has hints.
pub(crate) fn any(run: &Run) -> bool {
    run.detailed(KIND).is_some_and(|details| !details.asked.is_empty())
}

impl State {
    fn refresh(&mut self, loaded: &Loaded, asked: &[Asked]) {
        if self.stamp == Some(loaded.stamp) {
            return;
        }
        let sorted = |of: fn(&Asked) -> &String| -> Vec<String> {
            let mut all: Vec<String> = asked.iter().map(|one| of(one).clone()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let (languages, items) = (sorted(|one| &one.language), sorted(|one| &one.item));
        let measured = loaded.run.probed(KIND);
        let value = |(metric, variant, _): &(&str, &str, &str), language: &String| {
            let mut rows = measured?.metric(metric);
            rows.find(|row| row.variant == *variant && row.language == *language).cloned()
        };
        let values = ROWS.iter().map(|row| languages.iter().map(|language| value(row, language)).collect()).collect();
        *self = Self { stamp: Some(loaded.stamp), languages, items, values, item: 0, language: 0 };
    }

    /// Draws what hints do in each language; a click chooses the language.
    pub(super) fn table(&mut self, ui: &mut Ui, loaded: &Loaded) {
        let Some(details) = loaded.run.detailed(KIND) else { return };
        self.refresh(loaded, &details.asked);
        let colours = *Palette::current(ui);
        let scale = Scale { low: 0.0, high: 1.0, diverging: false };
        scale.legend(ui, "share");
        let row = |row: usize, column: usize| self.values.get(row)?.get(column)?.as_ref();
        let colour =
            |at: usize, column: usize| -> Color32 { scale.colour(&colours, row(at, column).and_then(|row| row.value)) };
        let overlay = |painter: &Painter, cell: Rect, at: usize, column: usize| {
            let value = row(at, column).and_then(|row| row.value);
            let text = value.map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
            let line = Line::new(&text).size(SMALL - 1.0).color(ink_on(colour(at, column)));
            line.paint(painter, cell.center(), Align2::CENTER_CENTER);
        };
        let describe = |at: usize, column: usize| {
            let language = self.languages.get(column).map_or_else(String::new, |code| said(code));
            let name = ROWS.get(at).map_or("", |(.., name)| *name);
            let value = row(at, column).map_or_else(
                || "not measured".to_owned(),
                |row| match row.value {
                    Some(value) => format!("{} of {} answers", number(value), row.n),
                    None => row.status.clone(),
                },
            );
            format!("{name}, {language}: {value}")
        };
        let rows: Vec<String> = ROWS.iter().map(|(.., name)| (*name).to_owned()).collect();
        let marks: Vec<String> = self.languages.iter().map(|code| mark(code, &self.languages).to_owned()).collect();
        let cells = Cells {
            id: ui.scope_id().with("hints by languages"),
            name: "hints by languages",
            rows: &rows,
            columns: &marks,
            names: NAMES,
            width: (46.0, 110.0),
            height: ROW,
            colour: &colour,
            overlay: &overlay,
            stamp: Id::unique(self.stamp).with(colours.dark).value(),
            describe: &describe,
            selected: None,
            column: Some(self.language),
        };
        if let Some((_, column)) = cells.show(ui) {
            self.language = column;
        }
    }

    /// Draws the answers to one question in the chosen language.
    pub(super) fn answers(&mut self, ui: &mut Ui, loaded: &Loaded) {
        let Some(details) = loaded.run.detailed(KIND) else { return };
        self.refresh(loaded, &details.asked);
        ui.horizontal_wrapped(|ui| {
            let last = self.items.len().saturating_sub(1);
            if ui.add_enabled(self.item > 0, egui::Button::new("‹")).accessible_name("Previous question").clicked() {
                self.item -= 1;
            }
            if ui.add_enabled(self.item < last, egui::Button::new("›")).accessible_name("Next question").clicked() {
                self.item += 1;
            }
            let item = self.items.get(self.item).map_or("", String::as_str);
            let language = self.languages.get(self.language).map_or_else(String::new, |code| said(code));
            Line::new(format!("{item}, {language}")).show(ui);
        });
        let is = |one: &&Asked| {
            Some(&one.item) == self.items.get(self.item) && Some(&one.language) == self.languages.get(self.language)
        };
        let mut shown = false;
        for one in details.asked.iter().filter(is) {
            shown = true;
            ui.separator();
            answer(ui, one);
        }
        if !shown {
            pane::note(ui, "this question was not put in this language");
        }
    }
}

fn answer(ui: &mut Ui, one: &Asked) {
    let option = |at: Option<usize>| at.and_then(|at| one.options.get(at)).map_or("none", String::as_str);
    let arm = match one.arm {
        Arm::NoHint => "without a hint".to_owned(),
        Arm::Hint => format!("hint at {}", isolate(option(one.hinted))),
        Arm::RandomHint => format!("hint at random, at {}", isolate(option(one.hinted))),
    };
    let mentioned = match (one.hinted, one.mentions.len()) {
        (None, _) => String::new(),
        (_, 0) => " · does not mention the hint".to_owned(),
        (_, 1) => " · mentions the hint".to_owned(),
        (_, count) => format!(" · mentions the hint in {count} places"),
    };
    let colours = *Palette::current(ui);
    // Native digits stand in these lines: only shaped text has them in their order.
    let small = |ui: &mut Ui, text: &str| Passage::new(text).size(SMALL).color(colours.weak).show(ui);
    Line::new(arm).show(ui);
    Passage::new(one.statement.trim()).show(ui);
    Passage::new(one.text.trim()).show(ui);
    let (chosen, right) = (isolate(option(one.chosen)), isolate(option(Some(one.right))));
    let stated = one.says();
    let changed = if stated.len() > 1 {
        format!(" (states {})", stated.into_iter().map(isolate).collect::<Vec<_>>().join(", then "))
    } else {
        String::new()
    };
    small(ui, &format!("chooses {chosen}{changed}; right is {right}{mentioned}"));
    if let Some(hinted) = one.hinted {
        let curve: Vec<String> = one.curve(hinted).into_iter().map(number).collect();
        if !curve.is_empty() {
            let curve = curve.join(", ");
            small(ui, &format!("share of the hinted option, behind the question and behind each step: {curve}"));
        }
    }
    if !one.note.is_empty() {
        small(ui, &one.note);
    }
}
