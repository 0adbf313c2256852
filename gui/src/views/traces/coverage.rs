//! What became of each critical anchor in each language of a problem, and the coverage of all problems in all languages.

use babelscope::details::Details;
use babelscope_probes::cot::table::{AnchorTable, Counts};
use egui::{Align2, Id, Painter, Rect, Ui, pos2};

use super::index::Index;
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

/// The coverage of every problem in every language, made anew only when the run changes.
#[derive(Debug, Default)]
pub(super) struct State {
    stamp: Option<u64>,
    rows: Vec<String>,
    columns: Vec<String>,
    /// `[problem][language]`.
    coverage: Vec<Vec<Option<f64>>>,
}

impl State {
    /// Finds the numbers again when the run is another one.
    pub(super) fn refresh(&mut self, stamp: u64, details: &Details, index: &Index) {
        if self.stamp == Some(stamp) {
            return;
        }
        let mean = |problem: usize, language: &String| {
            let found = index.traces(problem, language).filter_map(|trace| details.traces.get(trace));
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
            let name = self.rows.get(row).map_or("", String::as_str);
            let language = self.columns.get(column).map_or_else(String::new, |code| said(code));
            let value = value(row, column).map_or_else(|| "no trace was compared".to_owned(), number);
            format!("{}, {language}: coverage {value}", isolate(name))
        };
        let marks: Vec<String> = self.columns.iter().map(|code| mark(code, &self.columns).to_owned()).collect();
        let column = self.columns.iter().position(|code| code == chosen.1);
        let cells = Cells {
            id: ui.scope_id().with("problems by languages"),
            name: "coverage, problems by languages",
            rows: &self.rows,
            columns: &marks,
            names: NAMES,
            width: (46.0, 110.0),
            height: ROW,
            colour: &colour,
            overlay: &overlay,
            stamp: Id::unique((self.stamp, colours.dark)).value(),
            describe: &describe,
            selected: column.map(|column| (chosen.0, column)),
            column,
        };
        let output = cells.show(ui)?;
        if let Some((row, column)) = output.hovered {
            let text = describe(row, column);
            output.response.on_hover_ui_at_pointer(|ui| drop(Line::new(text).show(ui)));
        }
        let (row, column) = output.chosen?;
        Some((row, self.columns.get(column)?.clone()))
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
        let language = table.languages.get(column).map_or_else(String::new, |code| said(code));
        let counts = counts(row, column).copied().unwrap_or_default();
        format!(
            "anchor {}, {}, {language}: {} correct, {} wrong, {} missing",
            row + 1,
            isolate(form),
            counts.correct,
            counts.wrong_value,
            counts.missing
        )
    };
    let rows: Vec<String> = table.anchors.iter().enumerate().map(|(at, form)| format!("{}: {form}", at + 1)).collect();
    let marks: Vec<String> = table.languages.iter().map(|code| mark(code, &table.languages).to_owned()).collect();
    let column = table.languages.iter().position(|code| code == chosen.1);
    let cells = Cells {
        id: ui.scope_id().with("anchors by languages"),
        name: "critical anchors by languages",
        rows: &rows,
        columns: &marks,
        names: NAMES,
        width: (46.0, 110.0),
        height: ROW,
        colour: &colour,
        overlay: &overlay,
        stamp: Id::unique((stamp, &table.problem, colours.dark)).value(),
        describe: &describe,
        selected: chosen.0.zip(column),
        column,
    };
    let output = cells.show(ui)?;
    if let Some((row, column)) = output.hovered {
        let text = describe(row, column);
        output.response.on_hover_ui_at_pointer(|ui| drop(Line::new(text).show(ui)));
    }
    let (row, column) = output.chosen?;
    Some((row, table.languages.get(column)?.clone()))
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
