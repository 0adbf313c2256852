//! A square of languages by languages: a heat map with names at the left and codes below.

use egui::{Align2, Color32, FontId, Id, Painter, Rect, Sense, Shape, Ui, epaint::TextShape, pos2, vec2};

use super::{
    heatmap::{Grid, GridOutput},
    named,
};
use crate::{
    data::{language_name, mark},
    theme::{self, Palette, SMALL},
};

/// Smallest and largest side of a cell, points.
const CELL: (f32, f32) = (5.0, 36.0);
/// Width of the names left of the square.
const NAMES: f32 = 170.0;
/// Height of the codes below it.
const CODES: f32 = 62.0;
/// Narrowest column that has its code below.
const NAMED: f32 = 13.0;
/// A cell at least this wide has its number in it.
const NUMBER: f32 = 30.0;

/// What is shown.
pub struct Matrix<'a> {
    /// Distinguishes this square from all others.
    pub id: Id,
    /// What a screen reader calls it.
    pub name: &'a str,
    /// Languages from top to bottom.
    pub rows: &'a [String],
    /// Languages from left to right.
    pub columns: &'a [String],
    /// What the rows are: "language".
    pub down: &'a str,
    /// What the columns are: "pivot".
    pub across: &'a str,
    /// Colour of a cell.
    pub colour: &'a dyn Fn(usize, usize) -> Color32,
    /// Number in a cell that is wide enough.
    pub number: &'a dyn Fn(usize, usize) -> Option<String>,
    /// Changes whenever the colours change.
    pub stamp: u64,
    /// Whether a cell has the dot.
    pub marked: &'a dyn Fn(usize, usize) -> bool,
    /// What a person would say of a cell.
    pub describe: &'a dyn Fn(usize, usize) -> String,
    /// The cell in focus.
    pub selected: Option<(usize, usize)>,
}

impl Matrix<'_> {
    /// Draws the square as wide as there is room.
    pub fn show(&self, ui: &mut Ui) -> GridOutput {
        let room = (ui.available_width() - NAMES) / self.columns.len().max(1) as f32;
        let side = room.clamp(CELL.0, CELL.1);
        let square = vec2(side * self.columns.len() as f32, side * self.rows.len() as f32);
        let (outer, _) = ui.allocate_exact_size(square + vec2(NAMES, CODES), Sense::hover());
        let rect = Rect::from_min_size(pos2(outer.left() + NAMES, outer.top()), square);
        let overlay = |painter: &Painter, cell: Rect, row: usize, column: usize| {
            if let Some(text) = (self.number)(row, column) {
                let ink = theme::ink_on((self.colour)(row, column));
                painter.text(cell.center(), Align2::CENTER_CENTER, text, FontId::proportional(SMALL - 1.0), ink);
            }
        };
        let grid = Grid {
            id: self.id,
            rows: self.rows.len(),
            columns: self.columns.len(),
            name: self.name,
            colour: self.colour,
            stamp: self.stamp,
            overlay: &overlay,
            overlay_from: NUMBER,
            marked: self.marked,
            describe: self.describe,
            selected: self.selected,
        };
        let output = grid.show(ui, rect);
        let strong = output.hovered.or(self.selected);
        let left = Rect::from_min_max(outer.min, pos2(rect.left(), rect.bottom()));
        let name = |row: usize| language_name(&self.rows[row]);
        named::rows(ui, left, side, self.rows.len(), &name, strong.map(|(row, _)| row));
        let note = pos2(outer.left(), rect.bottom() + 10.0);
        let text = format!("down: {}\nacross: {}", self.down, self.across);
        ui.painter_at(outer).text(note, Align2::LEFT_TOP, text, FontId::proportional(SMALL), Palette::current(ui).weak);
        self.column_names(ui, rect, side, strong.map(|(_, column)| column));
        output
    }

    fn column_names(&self, ui: &Ui, rect: Rect, side: f32, strong: Option<usize>) {
        let colours = *Palette::current(ui);
        for (column, language) in named::some(self.columns.len(), side, NAMED, strong).map(|at| (at, &self.columns[at]))
        {
            let ink = if strong == Some(column) { colours.accent } else { colours.text };
            // Codes are Latin letters, so the line needs no order of its own and may be turned.
            let galley =
                ui.painter().layout_no_wrap(mark(language, self.columns).to_owned(), FontId::proportional(SMALL), ink);
            let x = rect.left() + (column as f32 + 0.5) * side;
            if galley.size().x + 4.0 <= side {
                let at = pos2(x - 0.5 * galley.size().x, rect.bottom() + 4.0);
                ui.painter().galley(at, galley, ink);
            } else {
                let at = pos2(x + 0.5 * galley.size().y, rect.bottom() + 5.0);
                ui.painter().add(Shape::Text(TextShape::new(at, galley, ink).with_angle(std::f32::consts::FRAC_PI_2)));
            }
        }
    }
}
