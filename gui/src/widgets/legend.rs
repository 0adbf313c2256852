//! What a colour means, beside every coloured thing.

use egui::{Color32, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::theme::{self, Palette};

/// A bar of a continuous map with its ends written beside it.
pub fn bar(ui: &mut Ui, name: &str, low: &str, high: &str, colour: &dyn Fn(f32) -> Color32) {
    let colours = *Palette::current(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.label(egui::RichText::new(name).small().color(colours.weak));
        ui.label(egui::RichText::new(low).small());
        let (rect, response) = ui.allocate_exact_size(vec2(132.0, 10.0), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, format!("colours of {name}: {low} to {high}")));
        let steps = 44;
        let width = rect.width() / steps as f32;
        for step in 0..steps {
            let left = rect.left() + step as f32 * width;
            let part = Rect::from_min_max(pos2(left, rect.top()), pos2(left + width + 0.5, rect.bottom()));
            ui.painter().rect_filled(part.intersect(rect), 0.0, colour((step as f32 + 0.5) / steps as f32));
        }
        ui.painter().rect_stroke(rect, 2.0, Stroke::new(1.0, colours.line), StrokeKind::Outside);
        ui.label(egui::RichText::new(high).small());
    });
}

/// A square of one colour with its meaning.
pub fn chip(ui: &mut Ui, colour: Color32, text: &str) {
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let (rect, _) = ui.allocate_exact_size(vec2(11.0, 11.0), Sense::hover());
        ui.painter().rect_filled(rect, 2.5, colour);
        crate::text::Line::new(text).size(theme::SMALL).show(ui);
    });
}
