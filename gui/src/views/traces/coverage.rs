//! What became of each critical anchor in each language of a problem, and the coverage of all problems in all languages.

use babelscope_probes::cot::table::{AnchorTable, Counts};
use egui::{Align2, Color32, Id, Painter, Rect, Ui, pos2};

use super::{held::Held, index::Index};
use crate::{
    data::{mark, said},
    measures::{Scale, number},
    text::{Line, isolate},
    theme::{Palette, SMALL, ink_on},
    widgets::{cells::Cells, verdict::Verdict},
};

/// Width of the names, and height of a row.
const NAMES: f32 = 190.0;
const ROW: f32 = 26.0;

/// The coverage of every problem in every language, made anew only when the run or a reference changes.
#[derive(Debug, Default)]
pub(super) struct State {
    stamp: Option<u64>,
    rows: Vec<String>,
    columns: Vec<String>,
    /// `[problem][language]`.
    coverage: Vec<Vec<Option<f64>>>,
}

/// Something by languages.
struct Table<'a> {
    name: &'a str,
    rows: &'a [String],
    languages: &'a [String],
    colour: &'a dyn Fn(usize, usize) -> Color32,
    overlay: &'a dyn Fn(&Painter, Rect, usize, usize),
    /// Changes whenever the colours change.
    stamp: Id,
    /// What a person would say of a row, and of a cell of it.
    describe: &'a dyn Fn(usize, usize) -> [String; 2],
    /// The row and the language in focus.
    chosen: (Option<usize>, &'a str),
}

impl Table<'_> {
    /// Draws it; gives the row and the language that were clicked.
    fn show(&self, ui: &mut Ui) -> Option<(usize, String)> {
        let marks: Vec<String> = self.languages.iter().map(|code| mark(code, self.languages).to_owned()).collect();
        let column = self.languages.iter().position(|code| code == self.chosen.1);
        let describe = |row: usize, column: usize| {
            let [row, said_of_it] = (self.describe)(row, column);
            let language = self.languages.get(column).map_or_else(String::new, |code| said(code));
            format!("{row}, {language}: {said_of_it}")
        };
        let cells = Cells {
            id: ui.scope_id().with(self.name),
            name: self.name,
            rows: self.rows,
            columns: &marks,
            names: NAMES,
            width: (46.0, 110.0),
            height: ROW,
            colour: self.colour,
            overlay: self.overlay,
            stamp: self.stamp.with(Palette::current(ui).dark).value(),
            describe: &describe,
            selected: self.chosen.0.zip(column),
            column,
        };
        let (row, column) = cells.show(ui)?;
        Some((row, self.languages.get(column)?.clone()))
    }
}

impl State {
    /// Finds the numbers again when the stamp is another one.
    pub(super) fn refresh(&mut self, stamp: u64, held: Held<'_>, index: &Index) {
        if self.stamp == Some(stamp) {
            return;
        }
        let mean = |problem: usize, language: &String| {
            let found = index.traces(problem, language).filter_map(|trace| held.trace(trace));
            let all: Vec<f64> = found.filter_map(|traced| Some(traced.comparison.as_ref()?.coverage)).collect();
            (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
        };
        self.rows = (0..index.len()).filter_map(|at| index.problem(at)).map(str::to_owned).collect();
        self.columns = index.languages.clone();
        self.coverage =
            (0..index.len()).map(|at| self.columns.iter().map(|language| mean(at, language)).collect()).collect();
        self.stamp = Some(stamp);
    }

    /// Whether any trace was compared.
    pub(super) fn any(&self) -> bool {
        self.coverage.iter().flatten().any(Option::is_some)
    }

    /// Draws problems by languages; gives the problem and the language that were clicked.
    pub(super) fn show(&self, ui: &mut Ui, chosen: (usize, &str)) -> Option<(usize, String)> {
        let colours = *Palette::current(ui);
        let scale = Scale { low: 0.0, high: 1.0, diverging: false };
        scale.legend(ui, "coverage of the critical anchors");
        let value = |row: usize, column: usize| self.coverage.get(row)?.get(column).copied()?;
        let colour = |row: usize, column: usize| scale.colour(&colours, value(row, column));
        let overlay = |painter: &Painter, cell: Rect, row: usize, column: usize| {
            let text = value(row, column).map_or_else(|| "none".to_owned(), |value| format!("{value:.2}"));
            let line = Line::new(text).size(SMALL - 1.0).color(ink_on(colour(row, column)));
            line.paint(painter, cell.center(), Align2::CENTER_CENTER);
        };
        let describe = |row: usize, column: usize| {
            let value = value(row, column).map_or_else(|| "no trace was compared".to_owned(), number);
            [isolate(self.rows.get(row).map_or("", String::as_str)).into_owned(), format!("coverage {value}")]
        };
        let table = Table {
            name: "coverage, problems by languages",
            rows: &self.rows,
            languages: &self.columns,
            colour: &colour,
            overlay: &overlay,
            stamp: Id::unique(self.stamp),
            describe: &describe,
            chosen: (Some(chosen.0), chosen.1),
        };
        table.show(ui)
    }
}

/// What most of the traces make of an anchor.
fn most(counts: &Counts) -> Option<(Verdict, usize)> {
    let all =
        [(Verdict::Correct, counts.correct), (Verdict::Wrong, counts.wrong_value), (Verdict::Missing, counts.missing)];
    // Of equally many, the worse one: the later in this order.
    all.into_iter().filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count)
}

/// Draws critical anchors by languages of a problem; gives the anchor and the language that were clicked.
pub(super) fn anchors(
    ui: &mut Ui,
    table: &AnchorTable,
    stamp: u64,
    chosen: (Option<usize>, &str),
) -> Option<(usize, String)> {
    let colours = *Palette::current(ui);
    ui.horizontal_wrapped(|ui| {
        [Verdict::Correct, Verdict::Wrong, Verdict::Missing].into_iter().for_each(|verdict| verdict.legend(ui));
    });
    let counts = |row: usize, column: usize| table.counts.get(row)?.get(column);
    let colour = |row: usize, column: usize| match counts(row, column).and_then(most) {
        Some((Verdict::Missing, _)) | None => colours.well,
        Some((verdict, _)) => colours.card.lerp_to_gamma(verdict.colour(&colours), 0.16),
    };
    let overlay = |painter: &Painter, cell: Rect, row: usize, column: usize| {
        let Some(counts) = counts(row, column) else { return };
        let Some((verdict, count)) = most(counts) else { return };
        let several = counts.traces() > 1;
        let shift = if several { 14.0 } else { 0.0 };
        verdict.paint(painter, pos2(cell.center().x - shift, cell.center().y), 10.0, &colours);
        if several {
            let text = format!("{count}/{}", counts.traces());
            let line = Line::new(text).size(SMALL - 1.0).color(colours.text);
            line.paint(painter, pos2(cell.center().x - shift + 10.0, cell.center().y), Align2::LEFT_CENTER);
        }
    };
    let describe = |row: usize, column: usize| {
        let form = table.anchors.get(row).map_or("", String::as_str);
        let counts = counts(row, column).copied().unwrap_or_default();
        let said = format!("{} correct, {} wrong, {} missing", counts.correct, counts.wrong_value, counts.missing);
        [format!("anchor {}, {}", row + 1, isolate(form)), said]
    };
    let rows: Vec<String> = table.anchors.iter().enumerate().map(|(at, form)| format!("{}: {form}", at + 1)).collect();
    let table = Table {
        name: "critical anchors by languages",
        rows: &rows,
        languages: &table.languages,
        colour: &colour,
        overlay: &overlay,
        stamp: Id::unique((stamp, &table.problem)),
        describe: &describe,
        chosen,
    };
    table.show(ui)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equally_many_the_worse_stands_in_the_cell() {
        let counts = |correct, wrong_value, missing| Counts { correct, wrong_value, missing };
        assert_eq!(most(&counts(2, 1, 0)), Some((Verdict::Correct, 2)));
        assert_eq!(most(&counts(1, 1, 0)), Some((Verdict::Wrong, 1)));
        assert_eq!(most(&counts(1, 0, 1)), Some((Verdict::Missing, 1)));
        assert_eq!(most(&counts(0, 0, 0)), None);
    }
}
