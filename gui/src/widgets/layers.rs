//! A slider over the layers that there are, and the way from one layer to the next.

use egui::{Align2, Id, Pos2, Rect, Ui, pos2};

use super::pane;
use crate::{
    text::Line,
    theme::{Palette, SMALL},
};

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

/// The numbers of the layers left of a grid whose rows go from the deepest layer down: right-aligned in `rect`, each `height` high. The
/// output layer has a bar, as it is no guess: it is what the model itself says.
pub fn layer_numbers(ui: &Ui, layers: &[usize], deepest: usize, rect: Rect, height: f32) {
    let colours = *Palette::current(ui);
    let every = (13.0 / height).ceil().max(1.0) as usize;
    for (at, layer) in layers.iter().rev().enumerate() {
        let middle = pos2(rect.right() - 8.0, rect.top() + (at as f32 + 0.5) * height);
        let (said, ink) = match layer {
            0 => ("0 embed".to_owned(), colours.text),
            l if *l == deepest => (format!("{l} output"), colours.accent),
            l => (l.to_string(), colours.text),
        };
        if at.is_multiple_of(every) {
            Line::new(said).size(SMALL).color(ink).paint(ui.painter(), middle, Align2::RIGHT_CENTER);
        }
        if *layer == deepest && *layer > 0 {
            let side = Rect::from_min_max(
                Pos2::new(rect.right() - 4.0, middle.y - height * 0.5 + 2.0),
                pos2(rect.right() - 1.0, middle.y + height * 0.5 - 2.0),
            );
            ui.painter().rect_filled(side, 1.5, colours.accent);
        }
    }
}
