//! Strips: rows of cells with one column a boundary of a trace (the problem alone, then behind each step), drawn as one grid.

use egui::{Align2, Color32, Id, Painter, Rect, Stroke, Ui, emath::remap_clamp, pos2};

use crate::{
    data::{mark, said},
    measures::number,
    text::Line,
    theme::{Palette, SMALL, ink_on},
    widgets::cells::Cells,
};

/// Width of the names of the strips.
const NAMES: f32 = 190.0;
/// Height of a number above its bar.
const NUMBER: f32 = 16.0;

/// What a cell holds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Empty,
    Yes(bool),
    Share(f64),
    Signed { value: f64, share: f32 },
    Language(String),
    Text(String),
    Bar(Bar),
}

/// A number as a bar from zero.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    pub(super) value: f64,
    /// The ends of its interval.
    pub(super) ends: Option<(f64, f64)>,
    /// Bottom and top of the cell.
    pub(super) range: (f64, f64),
    /// The exact numbers, as a person would say them.
    pub(super) said: String,
}

/// One strip.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Strip {
    pub(super) name: String,
    /// One a boundary.
    pub(super) cells: Vec<Cell>,
}

impl Strip {
    /// A value a step, with nothing before the first.
    pub(super) fn by_step(name: impl Into<String>, steps: usize, cell: impl Fn(usize) -> Option<Cell>) -> Self {
        let cells = (0..steps).map(|step| cell(step).unwrap_or(Cell::Empty));
        Self { name: name.into(), cells: std::iter::once(Cell::Empty).chain(cells).collect() }
    }

    /// Whether no cell says anything.
    pub(super) fn is_empty(&self) -> bool {
        self.cells.iter().all(|cell| *cell == Cell::Empty)
    }
}

/// The strips of one trace, made anew only when the key changes.
#[derive(Debug, Default)]
pub(super) struct Strips {
    key: Option<Id>,
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
    columns: Vec<String>,
    /// The strip in focus.
    row: usize,
}

/// How strips are called and drawn.
pub(super) struct Look<'a> {
    /// What a screen reader calls them.
    pub(super) name: &'a str,
    /// Height of a strip.
    pub(super) height: f32,
    /// The part that is chosen: 0 is the problem.
    pub(super) part: Option<usize>,
    /// Languages that there can be in cells, and the colour of one.
    pub(super) languages: &'a [String],
    pub(super) tint: &'a dyn Fn(&str) -> Color32,
}

impl Bar {
    fn paint(&self, painter: &Painter, spot: Rect, colours: &Palette) {
        let text = match self.range {
            (low, _) if low < 0.0 => format!("{:+.2}", self.value),
            // Attention on a step of a long trace is a small number.
            (_, high) if high < 0.001 => format!("{:.0e}", self.value),
            (_, high) if high < 0.01 => format!("{:.4}", self.value),
            (_, high) if high < 0.1 => format!("{:.3}", self.value),
            _ => format!("{:.2}", self.value),
        };
        let line = Line::new(text).size(SMALL - 1.0).color(colours.text).width(spot.width() - 2.0);
        line.paint(painter, pos2(spot.center().x, spot.top() + 0.5 * NUMBER), Align2::CENTER_CENTER);
        let field = Rect::from_min_max(pos2(spot.left() + 6.0, spot.top() + NUMBER), spot.max - egui::vec2(6.0, 3.0));
        let range = self.range.0..=self.range.1.max(self.range.0 + f64::EPSILON);
        let y =
            |value: f64| remap_clamp(value, range.clone(), f64::from(field.bottom())..=f64::from(field.top())) as f32;
        let (zero, end) = (y(0.0), y(self.value));
        let ink = colours.effect(if self.value < 0.0 { -0.85 } else { 0.85 });
        painter.rect_filled(Rect::from_x_y_ranges(field.x_range(), zero.min(end)..=zero.max(end)), 0.0, ink);
        painter.hline(field.x_range(), zero, Stroke::new(1.0, colours.weak));
        if let Some((low, high)) = self.ends {
            // Beside its ground, so that it is seen on the bar and off it.
            let x = field.center().x;
            for (width, ink) in [(3.5, colours.card), (1.5, colours.text)] {
                painter.vline(x, y(high)..=y(low), Stroke::new(width, ink));
            }
            for at in [y(low), y(high)] {
                painter.hline(x - 3.0..=x + 3.0, at, Stroke::new(1.5, colours.text));
            }
        }
    }
}

impl Cell {
    fn colour(&self, look: &Look<'_>, colours: &Palette) -> Color32 {
        match self {
            Self::Empty | Self::Bar(_) => colours.card,
            Self::Yes(yes) => colours.quantity(f32::from(u8::from(*yes))),
            Self::Share(share) => colours.quantity(*share as f32),
            Self::Signed { share, .. } => colours.effect(*share),
            Self::Language(code) => (look.tint)(code),
            Self::Text(_) => colours.well,
        }
    }

    fn short(&self, languages: &[String]) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Yes(yes) => if *yes { "yes" } else { "no" }.to_owned(),
            Self::Share(share) => format!("{share:.2}"),
            Self::Signed { value, .. } => format!("{value:+.2}"),
            Self::Language(code) => mark(code, languages).to_owned(),
            Self::Text(text) => text.clone(),
            Self::Bar(bar) => bar.said.clone(),
        }
    }

    fn said(&self) -> String {
        match self {
            Self::Empty => "nothing".to_owned(),
            Self::Share(value) | Self::Signed { value, .. } => number(*value),
            Self::Language(code) => said(code),
            other => other.short(&[]),
        }
    }

    fn paint(&self, painter: &Painter, spot: Rect, look: &Look<'_>, colours: &Palette) {
        match self {
            Self::Empty => (),
            Self::Bar(bar) => bar.paint(painter, spot, colours),
            other => {
                let ink = ink_on(other.colour(look, colours));
                let line =
                    Line::new(other.short(look.languages)).size(SMALL - 1.0).color(ink).width(spot.width() - 2.0);
                line.paint(painter, spot.center(), Align2::CENTER_CENTER);
            }
        }
    }
}

impl Strips {
    /// Makes the strips of so many steps again when the key is another one; gives whether they were made.
    pub(super) fn refresh(&mut self, key: Id, steps: usize, make: impl FnOnce() -> Vec<Strip>) -> bool {
        if self.key == Some(key) {
            return false;
        }
        (self.names, self.rows) = make().into_iter().map(|strip| (strip.name, strip.cells)).unzip();
        self.columns = std::iter::once("problem".to_owned()).chain((1..=steps).map(|n| n.to_string())).collect();
        self.key = Some(key);
        true
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Draws the strips; gives the part that was clicked.
    pub(super) fn show(&mut self, ui: &mut Ui, look: &Look<'_>) -> Option<usize> {
        let colours = *Palette::current(ui);
        let cell = |row: usize, column: usize| self.rows.get(row).and_then(|cells| cells.get(column));
        let colour =
            |row: usize, column: usize| cell(row, column).map_or(colours.card, |cell| cell.colour(look, &colours));
        let describe = |row: usize, column: usize| {
            let place = if column == 0 { "the problem alone".to_owned() } else { format!("step {column}") };
            let name = self.names.get(row).map_or("", String::as_str);
            format!("{name}, {place}: {}", cell(row, column).map_or_else(|| "nothing".to_owned(), Cell::said))
        };
        let overlay = |painter: &Painter, spot: Rect, row: usize, column: usize| {
            if let Some(cell) = cell(row, column) {
                cell.paint(painter, spot, look, &colours);
            }
        };
        let cells = Cells {
            id: ui.scope_id().with(look.name),
            name: look.name,
            rows: &self.names,
            columns: &self.columns,
            names: NAMES,
            width: (40.0, 84.0),
            height: look.height,
            colour: &colour,
            overlay: &overlay,
            stamp: Id::unique((self.key, colours.dark)).value(),
            describe: &describe,
            selected: look.part.map(|part| (self.row, part)),
            column: look.part,
        };
        let (row, part) = cells.show(ui)?;
        self.row = row;
        Some(part)
    }
}
