//! Two bars a word: its probability before and after, the one hollow and the other full.

use babelscope_core::tokens::Piece;
use egui::{Align2, CornerRadius, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::tokens::{paint_piece, piece_name};
use crate::{
    text::Line,
    theme::{self, Palette, SMALL},
};

/// A word whose probability moved.
pub struct Moved<'a> {
    /// The word.
    pub piece: &'a Piece,
    /// Its probability before.
    pub before: f32,
    /// Its probability after.
    pub after: f32,
    /// Change of its logit.
    pub logit: f32,
    /// Whether it is the one that was chosen.
    pub chosen: bool,
}

/// Height of a row.
const ROW: f32 = 30.0;
/// Width of the word.
const WORD: f32 = 110.0;
/// Width of the numbers.
const NUMBERS: f32 = 168.0;

/// Draws the rows; `name` begins the accessible name of each.
pub fn moved(ui: &mut Ui, name: &str, rows: &[Moved<'_>]) {
    let colours = *Palette::current(ui);
    ui.spacing_mut().item_spacing.y = 3.0;
    for (rank, row) in rows.iter().enumerate() {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
        let chosen = if row.chosen { ", chosen" } else { "" };
        let said = format!(
            "{name} {}: {}, before {:.3}, after {:.3}, logit {:+.2}{chosen}",
            rank + 1,
            piece_name(row.piece),
            row.before,
            row.after,
            row.logit
        );
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, said.as_str()));
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let painter = ui.painter_at(rect);
        let word = Rect::from_min_size(rect.min, vec2(WORD, ROW));
        painter.rect_filled(word.shrink2(vec2(0.0, 1.0)), 4.0, colours.well);
        if row.chosen {
            let frame = word.shrink2(vec2(1.0, 2.0));
            painter.rect_stroke(frame, CornerRadius::same(4), Stroke::new(2.0, colours.accent), StrokeKind::Inside);
        }
        paint_piece(&painter, word.shrink(3.0), row.piece, theme::BODY, colours.text);
        let room = Rect::from_min_max(
            pos2(word.right() + 8.0, rect.top() + 2.0),
            pos2(rect.right() - NUMBERS, rect.bottom() - 2.0),
        );
        painter.rect_filled(room, 3.0, colours.well);
        let bar = |share: f32, top: f32| {
            let length = room.width() * share.clamp(0.0, 1.0);
            Rect::from_min_size(pos2(room.left(), top), vec2(length, 0.5 * room.height() - 2.0))
        };
        let hollow = Stroke::new(1.5, colours.text);
        painter.rect_stroke(bar(row.before, room.top() + 1.0), 2.0, hollow, StrokeKind::Inside);
        painter.rect_filled(bar(row.after, room.center().y + 1.0), 2.0, colours.accent);
        let numbers = format!("{:.3} → {:.3}  ({:+.2})", row.before, row.after, row.logit);
        let numbers = Line::new(numbers).size(SMALL).color(colours.text);
        numbers.paint(&painter, pos2(rect.right(), rect.center().y), Align2::RIGHT_CENTER);
    }
}
