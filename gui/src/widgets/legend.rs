//! What a colour means, beside every coloured thing.

use egui::{Align2, Color32, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::{
    text::Line,
    theme::{self, Palette},
};

/// Height of a legend.
const HEIGHT: f32 = 20.0;
/// Width of the bar of a continuous map.
const BAR: f32 = 112.0;

/// A bar of a continuous map with its name and its ends beside it. One widget, so that it wraps as a whole.
pub fn bar(ui: &mut Ui, name: &str, low: &str, high: &str, colour: &dyn Fn(f32) -> Color32) {
    let colours = *Palette::current(ui);
    let text = |text: &str, ink: Color32| {
        let font = FontId::proportional(theme::SMALL);
        ui.painter().layout_no_wrap(text.to_owned(), font, ink)
    };
    let (name_text, low_text, high_text) =
        (text(name, colours.weak), text(low, colours.text), text(high, colours.text));
    let lead = if name.is_empty() { 0.0 } else { name_text.size().x + 8.0 };
    let width = lead + low_text.size().x + high_text.size().x + BAR + 12.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, format!("colours of {name}: {low} to {high}")));
    let painter = ui.painter();
    let mut left = rect.left();
    let mut write = |galley: std::sync::Arc<egui::Galley>, ink: Color32, space: f32| {
        let size = galley.size();
        painter.galley(pos2(left, rect.center().y - 0.5 * size.y), galley, ink);
        left += size.x + space;
        left
    };
    if lead > 0.0 {
        write(name_text, colours.weak, 8.0);
    }
    let start = write(low_text, colours.text, 6.0);
    let bar = Rect::from_min_size(pos2(start, rect.center().y - 5.0), vec2(BAR, 10.0));
    let steps = 56;
    let step_width = BAR / steps as f32;
    for step in 0..steps {
        let part =
            Rect::from_min_size(pos2(bar.left() + step as f32 * step_width, bar.top()), vec2(step_width + 0.5, 10.0));
        painter.rect_filled(part.intersect(bar), 0.0, colour((step as f32 + 0.5) / steps as f32));
    }
    painter.rect_stroke(bar, 2.0, Stroke::new(1.0, colours.line), StrokeKind::Outside);
    painter.galley(pos2(bar.right() + 6.0, rect.center().y - 0.5 * high_text.size().y), high_text, colours.text);
}

/// A square of one colour with its meaning. One widget, so that it wraps as a whole.
pub fn chip(ui: &mut Ui, colour: Color32, text: &str) {
    let line = Line::new(text).size(theme::SMALL);
    let width = 16.0 + line.layout(ui.painter()).galley.size().x;
    let (rect, response) = ui.allocate_exact_size(vec2(width, HEIGHT), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    let square = Rect::from_center_size(pos2(rect.left() + 5.5, rect.center().y), vec2(11.0, 11.0));
    ui.painter().rect_filled(square, 2.5, colour);
    line.color(Palette::current(ui).text).paint(
        ui.painter(),
        pos2(rect.left() + 16.0, rect.center().y),
        Align2::LEFT_CENTER,
    );
}
