//! Horizontal bars with a label and a number: the most probable tokens, the mass of each language.

use babelscope_core::tokens::Piece;
use egui::{Align2, Color32, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::tokens::{paint_piece, piece_name};
use crate::{
    text::Line,
    theme::{self, Palette},
};

/// What stands left of a bar.
pub enum Label<'a> {
    /// A token.
    Piece(&'a Piece),
    /// A name in any script.
    Text(&'a str),
}

/// One bar: its label, its value between 0 and 1, its colour.
pub struct Bar<'a> {
    /// Left of the bar.
    pub label: Label<'a>,
    /// Length, between 0 and 1.
    pub value: f32,
    /// Colour.
    pub colour: Color32,
    /// Drawn with a mark, as the one that another layer chose.
    pub marked: bool,
}

const ROW: f32 = 24.0;

/// Draws the bars, each with its number; `name` begins the accessible name of each.
pub fn bars(ui: &mut Ui, name: &str, label_width: f32, bars: &[Bar<'_>]) {
    let colours = *Palette::current(ui);
    ui.spacing_mut().item_spacing.y = 3.0;
    for (rank, bar) in bars.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
        let said = match &bar.label {
            Label::Piece(piece) => piece_name(piece),
            Label::Text(text) => (*text).to_owned(),
        };
        response.widget_info(|| {
            WidgetInfo::labeled(Role::ListItem, true, format!("{name} {}: {said}, {:.3}", rank + 1, bar.value))
        });
        let painter = ui.painter_at(rect);
        let label = Rect::from_min_size(rect.min, vec2(label_width, ROW));
        match &bar.label {
            Label::Piece(piece) => {
                painter.rect_filled(label.shrink2(vec2(0.0, 1.0)), 4.0, colours.well);
                paint_piece(&painter, label.shrink(2.0), piece, theme::BODY, colours.text);
            }
            Label::Text(text) => {
                let line = Line::new(*text).size(theme::SMALL).color(colours.text).width(label_width - 8.0);
                line.paint(&painter, pos2(label.left(), label.center().y), Align2::LEFT_CENTER);
            }
        }
        let number_width = 46.0;
        let room = Rect::from_min_max(
            pos2(label.right() + 8.0, rect.top() + 4.0),
            pos2(rect.right() - number_width, rect.bottom() - 4.0),
        );
        painter.rect_filled(room, 3.0, colours.well);
        let length = room.width() * bar.value.clamp(0.0, 1.0);
        painter.rect_filled(Rect::from_min_size(room.min, vec2(length, room.height())), 3.0, bar.colour);
        if bar.marked {
            painter.circle_filled(pos2(room.right() - 6.0, room.center().y), 3.0, colours.warn);
        }
        Line::new(format!("{:.3}", bar.value)).size(theme::SMALL).color(colours.text).paint(
            &painter,
            pos2(rect.right(), rect.center().y),
            Align2::RIGHT_CENTER,
        );
    }
}
