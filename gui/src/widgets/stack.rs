//! Stacked bars: what a whole is made of, one row for each language or layer.

use egui::{Align2, Color32, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::{
    measures::number,
    text::Line,
    theme::{Palette, SMALL},
};

/// Height of a row.
const ROW: f32 = 20.0;
/// Room for the number behind a bar.
const NUMBER: f32 = 52.0;

/// One row: what stands left of it, and its parts from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Name of the row.
    pub label: String,
    /// Name, length and colour of each part.
    pub parts: Vec<(String, f64, Color32)>,
}

impl Stack {
    /// Length of the whole row.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|(_, length, _)| length).sum()
    }

    fn said(&self) -> String {
        let parts: Vec<String> = self
            .parts
            .iter()
            .filter(|(_, length, _)| *length > 0.0)
            .map(|(name, l, _)| format!("{name} {}", short(*l)))
            .collect();
        format!("{}: {}", self.label, parts.join(", "))
    }
}

fn short(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { number(value) }
}

/// Draws the rows on a common scale; `name` begins the accessible name of each. Gives the row that was clicked.
pub fn stacks(ui: &mut Ui, name: &str, label_width: f32, most: f64, rows: &[Stack]) -> Option<usize> {
    let colours = *Palette::current(ui);
    let mut clicked = None;
    ui.spacing_mut().item_spacing.y = 2.0;
    for (at, row) in rows.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, format!("{name}, {}", row.said())));
        if response.clicked() {
            clicked = Some(at);
        }
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let painter = ui.painter_at(rect);
        let line = Line::new(row.label.as_str()).size(SMALL).color(colours.text).width(label_width - 8.0);
        line.paint(&painter, pos2(rect.left(), rect.center().y), Align2::LEFT_CENTER);
        let room = Rect::from_min_max(
            pos2(rect.left() + label_width, rect.top() + 2.0),
            pos2(rect.right() - NUMBER, rect.bottom() - 2.0),
        );
        painter.rect_filled(room, 2.0, colours.well);
        let mut left = room.left();
        for (_, length, colour) in &row.parts {
            let width = room.width() * (length / most.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0) as f32;
            let part = Rect::from_min_size(pos2(left, room.top()), vec2(width, room.height())).intersect(room);
            painter.rect_filled(part, 0.0, *colour);
            left += width;
        }
        Line::new(short(row.total())).size(SMALL).color(colours.weak).paint(
            &painter,
            pos2(rect.right(), rect.center().y),
            Align2::RIGHT_CENTER,
        );
        response.on_hover_ui(|ui| {
            Line::new(row.label.as_str()).show(ui);
            for (name, length, colour) in row.parts.iter().filter(|(_, length, _)| *length > 0.0) {
                ui.horizontal(|ui| {
                    super::legend::chip(ui, *colour, &format!("{name} {}", short(*length)));
                });
            }
        });
    }
    clicked
}
