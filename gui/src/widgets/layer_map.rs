//! A map of layers (upwards) by something else (across): tokens, heads, strengths. Columns may run from right to left.

use babelscope_core::{lang::Direction, tokens::Piece};
use egui::{Align2, Color32, FontId, Id, Painter, Rect, Response, ScrollArea, Sense, Ui, pos2, vec2};

use super::{heatmap::Grid, layers::layer_numbers, tokens::paint_piece_in};
use crate::{
    text::Line,
    theme::{self, Palette, SMALL},
};

/// Narrowest and widest cell, points.
const CELL: (f32, f32) = (38.0, 96.0);
/// Lowest and highest row.
const ROW: (f32, f32) = (15.0, 34.0);
/// Height that all rows have together where they fit, points.
const ROOM: f32 = 380.0;
/// Width of the layer numbers.
const NUMBERS: f32 = 74.0;
/// Height of a line of labels.
const LABEL: f32 = 26.0;
/// A cell at least this wide has its number in it.
const WRITTEN: f32 = 36.0;

/// What stands below a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Label {
    /// A token.
    Piece(Piece),
    /// A word of ours.
    Text(String),
}

/// A line of labels with what it is.
pub struct Labels<'a> {
    /// What they are: "clean".
    pub name: &'a str,
    /// One a column.
    pub labels: &'a [Label],
}

/// What is shown. A cell is called by the index of its layer, ascending, and the index of its column.
pub struct LayerMap<'a> {
    /// Distinguishes this map from all others.
    pub id: Id,
    /// What a screen reader calls it.
    pub name: &'a str,
    /// The layers, ascending.
    pub layers: &'a [usize],
    /// The output layer of the model.
    pub deepest: usize,
    /// How many columns.
    pub columns: usize,
    /// What stands below them.
    pub labels: &'a [Labels<'a>],
    /// Direction of the columns.
    pub direction: Direction,
    /// Colour of a cell.
    pub colour: &'a dyn Fn(usize, usize) -> Color32,
    /// Number in a cell that is wide enough.
    pub number: &'a dyn Fn(usize, usize) -> Option<String>,
    /// Changes whenever the colours change.
    pub stamp: u64,
    /// What a person would say of a cell.
    pub describe: &'a dyn Fn(usize, usize) -> String,
    /// The cell in focus.
    pub selected: Option<(usize, usize)>,
}

/// What happened.
pub struct MapOutput {
    /// The cells as a whole.
    pub response: Response,
    /// The cell under the pointer.
    pub hovered: Option<(usize, usize)>,
    /// The cell that was clicked, or reached by an arrow key.
    pub chosen: Option<(usize, usize)>,
}

impl LayerMap<'_> {
    /// Draws the map; `None` where there is no cell.
    pub fn show(&self, ui: &mut Ui) -> Option<MapOutput> {
        let (rows, columns) = (self.layers.len(), self.columns);
        if rows == 0 || columns == 0 {
            return None;
        }
        let width = ((ui.available_width() - NUMBERS) / columns as f32).clamp(CELL.0, CELL.1);
        let height = (ROOM / rows as f32).clamp(ROW.0, ROW.1);
        let size = vec2(width * columns as f32, height * rows as f32);
        let below = LABEL * self.labels.len() as f32;
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let (numbers, _) = ui.allocate_exact_size(vec2(NUMBERS, size.y + below), Sense::hover());
            layer_numbers(ui, self.layers, self.deepest, numbers, height);
            let colours = *Palette::current(ui);
            for (line, labels) in self.labels.iter().enumerate() {
                let middle = numbers.top() + size.y + (line as f32 + 0.5) * LABEL;
                let name = Line::new(labels.name).size(SMALL).color(colours.weak).width(NUMBERS - 12.0);
                name.paint(ui.painter(), pos2(numbers.right() - 8.0, middle), Align2::RIGHT_CENTER);
            }
            // An area that scrolls sideways swallows the wish to be scrolled to, so there is one only where it is needed.
            let wide = size.x > ui.available_width();
            let draw = |ui: &mut Ui| {
                let (outer, _) = ui.allocate_exact_size(size + vec2(0.0, below), Sense::hover());
                let rect = Rect::from_min_size(outer.min, size);
                let output = self.cells(ui, rect);
                self.below(ui, rect, width, output.hovered.or(self.selected).map(|(_, column)| column));
                output
            };
            let area = ScrollArea::horizontal().id_salt(self.id).auto_shrink([false, true]);
            let area = area.stick_to_right(self.direction == Direction::Rtl);
            Some(if wide { area.show(ui, draw).inner } else { draw(ui) })
        })
        .inner
    }

    fn at(&self, row: usize, column: usize) -> (usize, usize) {
        let column = if self.direction == Direction::Rtl { self.columns - 1 - column } else { column };
        (self.layers.len() - 1 - row, column)
    }

    fn cells(&self, ui: &mut Ui, rect: Rect) -> MapOutput {
        let of = |row: usize, column: usize| self.at(row, column);
        let number = |painter: &Painter, cell: Rect, row: usize, column: usize| {
            let (layer, column) = of(row, column);
            if let Some(text) = (self.number)(layer, column) {
                let ink = theme::ink_on((self.colour)(layer, column));
                painter.text(cell.center(), Align2::CENTER_CENTER, text, FontId::proportional(SMALL - 1.0), ink);
            }
        };
        let grid = Grid {
            id: self.id,
            rows: self.layers.len(),
            columns: self.columns,
            name: self.name,
            colour: &|row, column| {
                let (layer, column) = of(row, column);
                (self.colour)(layer, column)
            },
            stamp: self.stamp,
            overlay: &number,
            overlay_from: WRITTEN,
            marked: &|_, _| false,
            describe: &|row, column| {
                let (layer, column) = of(row, column);
                (self.describe)(layer, column)
            },
            // The way there and the way back are the same.
            selected: self.selected.filter(|(l, c)| *l < self.layers.len() && *c < self.columns).map(|(l, c)| of(l, c)),
        };
        let output = grid.show(ui, rect);
        let there = |cell: Option<(usize, usize)>| cell.map(|(row, column)| of(row, column));
        MapOutput { hovered: there(output.hovered), chosen: there(output.chosen), response: output.response }
    }

    fn below(&self, ui: &Ui, rect: Rect, width: f32, strong: Option<usize>) {
        let colours = *Palette::current(ui);
        for (line, labels) in self.labels.iter().enumerate() {
            let top = rect.bottom() + line as f32 * LABEL;
            for place in 0..self.columns {
                let (_, column) = self.at(0, place);
                let cell = Rect::from_min_size(pos2(rect.left() + place as f32 * width, top), vec2(width, LABEL));
                let cell = cell.shrink2(vec2(1.0, 2.0));
                if !ui.is_rect_visible(cell) {
                    continue;
                }
                let fill = if strong == Some(column) { colours.accent_soft } else { colours.well };
                ui.painter().rect_filled(cell, 4.0, fill);
                match labels.labels.get(column) {
                    Some(Label::Piece(piece)) => {
                        paint_piece_in(ui.painter(), cell.shrink(2.0), piece, SMALL, colours.text, self.direction);
                    }
                    Some(Label::Text(text)) => {
                        let text = Line::new(text.as_str()).size(SMALL).color(colours.text).width(width - 6.0);
                        text.paint(ui.painter(), cell.center(), Align2::CENTER_CENTER);
                    }
                    None => (),
                }
            }
        }
    }
}
