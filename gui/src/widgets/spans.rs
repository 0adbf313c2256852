//! Bars with intervals on a common axis, as premiums of many languages: sorted by whoever calls it.

use egui::{Align2, Color32, FontId, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::{
    measures::{Scale, number},
    text::Line,
    theme::{Palette, SMALL},
};

/// Height of a row.
const ROW: f32 = 21.0;
/// Room for the number behind a bar.
const NUMBER: f32 = 58.0;

/// One row.
pub struct Span<'a> {
    /// What stands left of it.
    pub label: &'a str,
    /// Its number; `None` where there is none.
    pub value: Option<f64>,
    /// Its interval.
    pub interval: Option<(f64, f64)>,
    /// Colour of the bar.
    pub colour: Color32,
    /// Drawn as chosen.
    pub strong: bool,
    /// What a person would say of it.
    pub said: String,
}

/// Draws the rows from `from`, which has a line where it is inside the scale. Gives the row that was clicked.
pub fn spans(ui: &mut Ui, label_width: f32, scale: Scale, from: f64, rows: &[Span<'_>]) -> Option<usize> {
    let colours = *Palette::current(ui);
    let mut clicked = None;
    ui.spacing_mut().item_spacing.y = 2.0;
    for (at, row) in rows.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, row.said.as_str()));
        if response.clicked() {
            clicked = Some(at);
        }
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let painter = ui.painter_at(rect);
        let ink = if row.strong { colours.accent } else { colours.text };
        let line = Line::new(row.label).size(SMALL).color(ink).width(label_width - 8.0);
        line.paint(&painter, pos2(rect.left(), rect.center().y), Align2::LEFT_CENTER);
        let room = Rect::from_min_max(
            pos2(rect.left() + label_width, rect.top() + 3.0),
            pos2(rect.right() - NUMBER, rect.bottom() - 3.0),
        );
        painter.rect_filled(room, 2.0, colours.well);
        let x = |value: f64| room.left() + room.width() * scale.share(value).clamp(0.0, 1.0);
        let end = pos2(rect.right(), rect.center().y);
        match row.value {
            Some(value) => {
                let bar = Rect::from_x_y_ranges(x(from.min(value))..=x(from.max(value)), room.y_range());
                painter.rect_filled(bar, 2.0, row.colour);
                if let Some((low, high)) = row.interval {
                    let stroke = Stroke::new(1.5, colours.text);
                    painter.line_segment([pos2(x(low), room.center().y), pos2(x(high), room.center().y)], stroke);
                    for edge in [low, high] {
                        painter.vline(x(edge), (room.center().y - 3.5)..=(room.center().y + 3.5), stroke);
                    }
                }
                painter.text(end, Align2::RIGHT_CENTER, number(value), FontId::proportional(SMALL), colours.text);
            }
            None => drop(painter.text(end, Align2::RIGHT_CENTER, "none", FontId::proportional(SMALL), colours.warn)),
        }
        if from > scale.low && from < scale.high {
            painter.vline(x(from), rect.y_range(), Stroke::new(1.0, colours.weak));
        }
        response.on_hover_text(row.said.as_str());
    }
    clicked
}
