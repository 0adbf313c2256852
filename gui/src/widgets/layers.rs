//! A slider over the layers that there are, and the way from one layer to the next.

use egui::{Id, Ui};

use super::pane;

/// How long the points take from one layer to the next, seconds.
const MOVE: f32 = 0.15;

/// A slider over the layers; gives whether it was moved.
pub fn layer_slider(ui: &mut Ui, name: &str, layer: &mut usize, layers: &[usize]) -> bool {
    let mut at = layers.iter().position(|l| l == layer).unwrap_or(0);
    let before = at;
    ui.horizontal(|ui| {
        ui.spacing_mut().slider_width = (ui.available_width() - 220.0).clamp(80.0, 420.0);
        let last = layers.len().saturating_sub(1);
        let slider = egui::Slider::new(&mut at, 0..=last).show_value(false);
        ui.add(slider).accessible_name(name);
        let number = layers.get(at).copied().unwrap_or_default();
        pane::note(ui, format!("layer {number} of {}", layers.last().copied().unwrap_or_default()));
    });
    if let Some(found) = layers.get(at) {
        *layer = *found;
    }
    at != before
}

/// Where the points are on their way to the layer of index `at`: the two layers between which they are, and how far.
pub fn between(ui: &Ui, id: Id, at: usize) -> (usize, usize, f32) {
    let place = ui.ctx().animate_value_with_time(id, at as f32, MOVE).max(0.0);
    let below = place.floor();
    (below as usize, place.ceil() as usize, place - below)
}

/// A point on its way.
pub fn mixed(from: (f32, f32), to: (f32, f32), part: f32) -> (f32, f32) {
    (from.0 + part * (to.0 - from.0), from.1 + part * (to.1 - from.1))
}
