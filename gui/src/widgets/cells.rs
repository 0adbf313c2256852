//! A grid with names at the left and above: strips over steps, steps by steps, problems by languages. Columns that do not fit are scrolled to.

use egui::{Align2, Color32, Id, Painter, Rect, ScrollArea, Sense, Ui, pos2, vec2};

use super::{
    heatmap::{Grid, GridOutput},
    named,
};
use crate::{
    text::{Line, tip},
    theme::{Palette, SMALL},
};

/// Height of the names above.
const ABOVE: f32 = 22.0;
/// Narrowest column that has its name above.
const NAMED: f32 = 28.0;

/// What is shown.
pub struct Cells<'a> {
    /// Distinguishes this grid from all others.
    pub id: Id,
    /// What a screen reader calls it.
    pub name: &'a str,
    /// Names from top to bottom.
    pub rows: &'a [String],
    /// Names from left to right.
    pub columns: &'a [String],
    /// Width of the names at the left.
    pub names: f32,
    /// Narrowest and widest cell.
    pub width: (f32, f32),
    /// Height of a row.
    pub height: f32,
    /// Colour of a cell.
    pub colour: &'a dyn Fn(usize, usize) -> Color32,
    /// Draws into a cell that is in sight.
    pub overlay: &'a dyn Fn(&Painter, Rect, usize, usize),
    /// Changes whenever the colours change.
    pub stamp: u64,
    /// What a person would say of a cell.
    pub describe: &'a dyn Fn(usize, usize) -> String,
    /// The cell in focus.
    pub selected: Option<(usize, usize)>,
    /// A column that is marked as a whole.
    pub column: Option<usize>,
}

impl Cells<'_> {
    /// Draws the grid, and says of a cell under the pointer what it is; gives the cell that was chosen.
    pub fn show(&self, ui: &mut Ui) -> Option<(usize, usize)> {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if rows == 0 || columns == 0 {
            return None;
        }
        let width = ((ui.available_width() - self.names - 16.0) / columns as f32).clamp(self.width.0, self.width.1);
        let size = vec2(width * columns as f32, self.height * rows as f32);
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let (left, _) = ui.allocate_exact_size(vec2(self.names, size.y + ABOVE), Sense::hover());
            let below = Rect::from_min_max(left.min + vec2(0.0, ABOVE), left.max);
            let chosen = self.selected.map(|(row, _)| row);
            named::rows(ui, below, self.height, rows, &|row| self.rows[row].as_str(), chosen);
            // An area that scrolls sideways swallows the wish to be scrolled to, so there is one only where it is needed.
            let wide = size.x > ui.available_width();
            let draw = |ui: &mut Ui| {
                let (outer, _) = ui.allocate_exact_size(size + vec2(0.0, ABOVE), Sense::hover());
                let rect = Rect::from_min_size(outer.min + vec2(0.0, ABOVE), size);
                let output = self.grid(ui, rect);
                let strong = output.hovered.map(|(_, column)| column).or(self.column);
                self.column_names(ui, rect, width, strong);
                if wide {
                    self.follow(ui, rect, width);
                }
                output
            };
            let area = ScrollArea::horizontal().id_salt(self.id).auto_shrink([false, true]);
            let output = if wide { area.show(ui, draw).inner } else { draw(ui) };
            if let Some((row, column)) = output.hovered {
                let text = (self.describe)(row, column);
                output.response.on_hover_ui_at_pointer(|ui| tip(ui, &text));
            }
            output.chosen
        })
        .inner
    }

    fn grid(&self, ui: &mut Ui, rect: Rect) -> GridOutput {
        let grid = Grid {
            id: self.id,
            rows: self.rows.len(),
            columns: self.columns.len(),
            name: self.name,
            colour: self.colour,
            stamp: self.stamp,
            overlay: self.overlay,
            overlay_from: 0.0,
            marked: &|_, _| false,
            describe: self.describe,
            selected: self.selected,
        };
        grid.show(ui, rect)
    }

    fn column_names(&self, ui: &Ui, rect: Rect, width: f32, strong: Option<usize>) {
        let colours = *Palette::current(ui);
        for (column, name) in named::some(self.columns.len(), width, NAMED, strong).map(|at| (at, &self.columns[at])) {
            let middle = pos2(rect.left() + (column as f32 + 0.5) * width, rect.top() - 0.5 * ABOVE);
            let room = width.max(NAMED);
            let cell = Rect::from_center_size(middle, vec2(room - 1.0, ABOVE - 3.0));
            if !ui.is_rect_visible(cell) {
                continue;
            }
            if strong == Some(column) {
                ui.painter().rect_filled(cell, 4.0, colours.accent_soft);
            }
            let line = Line::new(name.as_str()).size(SMALL).color(colours.text).width(room - 2.0);
            line.paint(ui.painter(), middle, Align2::CENTER_CENTER);
        }
    }

    /// Brings a column into sight when it has just been marked.
    fn follow(&self, ui: &Ui, rect: Rect, width: f32) {
        let key = self.id.with("followed");
        let before: Option<usize> = ui.data(|data| data.get_temp(key)).flatten();
        if before == self.column {
            return;
        }
        ui.data_mut(|data| data.insert_temp(key, self.column));
        if let Some(column) = self.column {
            let left = rect.left() + column as f32 * width;
            // Sideways alone: what stands above and below stays where it is.
            let seen = ui.clip_rect();
            let cell = Rect::from_x_y_ranges(left..=left + width, seen.y_range());
            if !seen.x_range().contains(left) || !seen.x_range().contains(left + width) {
                ui.scroll_to_rect(cell, None);
            }
        }
    }
}
