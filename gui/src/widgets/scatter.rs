//! A scatter: one mesh for all points, made anew only when they move; what is near the pointer is found by buckets.
//!
//! To a screen reader it is one region whose value is the chosen point; the arrow keys go from point to point.

use std::sync::Arc;

use egui::{
    Align2, Color32, EventFilter, FontId, Id, Key, Mesh, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui,
    WidgetInfo, pos2, vec2,
};

use super::{
    dots::{self, Dot},
    nearest::Buckets,
};
use crate::{
    measures::number,
    text::Line,
    theme::{Palette, RADIUS, SMALL},
};

/// How far from the pointer a point may be, points of the screen.
const REACH: f32 = 9.0;
/// Room for the numbers of an axis.
const AXIS: f32 = 46.0;

/// The part of the plane that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// From left to right.
    pub x: (f32, f32),
    /// From bottom to top.
    pub y: (f32, f32),
}

impl Bounds {
    /// The smallest part that holds all points, and a little more.
    pub fn around(points: impl Iterator<Item = (f32, f32)>) -> Self {
        let mut found = (f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, f32::NEG_INFINITY);
        for (x, y) in points.filter(|(x, y)| x.is_finite() && y.is_finite()) {
            found = (found.0.min(x), found.1.max(x), found.2.min(y), found.3.max(y));
        }
        let wide = |low: f32, high: f32| {
            if low > high {
                return (0.0, 1.0);
            }
            let margin = (0.05 * (high - low)).max(1e-6 + 0.01 * high.abs());
            (low - margin, high + margin)
        };
        Self { x: wide(found.0, found.1), y: wide(found.2, found.3) }
    }

    fn unit(&self, dot: &Dot) -> (f32, f32) {
        ((dot.x - self.x.0) / (self.x.1 - self.x.0), (dot.y - self.y.0) / (self.y.1 - self.y.0))
    }
}

/// What is shown.
pub struct Scatter<'a> {
    /// Distinguishes this scatter from all others.
    pub id: Id,
    /// What a screen reader calls it.
    pub name: &'a str,
    /// Height in points.
    pub height: f32,
    /// The points, the last one on top.
    pub dots: &'a [Dot],
    /// Width of a mark in points.
    pub size: f32,
    /// The part of the plane.
    pub bounds: Bounds,
    /// What stands at both axes; without it there are no numbers, for planes whose axes mean nothing.
    pub axes: Option<(&'a str, &'a str)>,
    /// Lines between points, one colour each; they belong to `stamp`.
    pub lines: &'a [(usize, usize, Color32)],
    /// A few more, drawn strong; they may change every frame.
    pub bright: &'a [(usize, usize, Color32)],
    /// A straight line: its height at the left edge and at the right edge.
    pub fit: Option<(f32, f32)>,
    /// What is written beside a point.
    pub label: &'a dyn Fn(usize) -> Option<String>,
    /// Points with a ring.
    pub chosen: &'a [usize],
    /// Changes whenever the points change.
    pub stamp: u64,
    /// What a person would say of a point.
    pub describe: &'a dyn Fn(usize) -> String,
}

/// What happened.
pub struct ScatterOutput {
    /// The whole scatter.
    pub response: Response,
    /// The point under the pointer.
    pub hovered: Option<usize>,
    /// The point that was clicked, or reached by an arrow key.
    pub clicked: Option<usize>,
}

impl Scatter<'_> {
    /// Draws the scatter as wide as there is room.
    pub fn show(&self, ui: &mut Ui) -> ScatterOutput {
        let colours = *Palette::current(ui);
        let (outer, _) = ui.allocate_exact_size(vec2(ui.available_width(), self.height), Sense::hover());
        let rect = match self.axes {
            Some(_) => Rect::from_min_max(outer.min + vec2(AXIS, 4.0), outer.max - vec2(8.0, AXIS - 10.0)),
            None => outer.shrink(2.0),
        };
        let response = ui.interact(rect, self.id, Sense::click());
        let hovered = response.hover_pos().and_then(|pos| self.at(ui, rect, pos));
        let mut clicked = None;
        if response.clicked() {
            response.request_focus();
            clicked = response.interact_pointer_pos().and_then(|pos| self.at(ui, rect, pos));
        }
        if response.has_focus() {
            clicked = clicked.or_else(|| self.step(ui));
        }
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Figure, ui.is_enabled(), self.name);
            info.current_text_value = Some(match self.chosen.first() {
                Some(&point) if point < self.dots.len() => (self.describe)(point),
                _ => format!("{} points, none chosen", self.dots.len()),
            });
            info
        });
        if ui.is_rect_visible(outer) {
            ui.painter().rect_filled(rect, f32::from(RADIUS), colours.well);
            let painter = ui.painter_at(rect.expand(1.0));
            if let Some(axes) = self.axes {
                self.paint_axes(ui.painter(), &colours, rect, axes);
            }
            self.paint(ui, &painter, &colours, rect, hovered);
        }
        ScatterOutput { response, hovered, clicked }
    }

    fn place(&self, rect: Rect, dot: &Dot) -> Pos2 {
        let (x, y) = self.bounds.unit(dot);
        pos2(rect.left() + x * rect.width(), rect.bottom() - y * rect.height())
    }

    fn at(&self, ui: &Ui, rect: Rect, pos: Pos2) -> Option<usize> {
        if !rect.contains(pos) {
            return None;
        }
        let key = self.id.with("buckets");
        let stamp = Id::unique((self.stamp, self.bounds_bits())).value();
        let kept = ui.data(|data| data.get_temp::<(u64, Arc<Buckets>)>(key)).filter(|(of, _)| *of == stamp);
        let buckets = kept.map_or_else(
            || {
                let made = Arc::new(Buckets::new(self.dots.iter().map(|dot| self.bounds.unit(dot))));
                ui.data_mut(|data| data.insert_temp(key, (stamp, Arc::clone(&made))));
                made
            },
            |(_, buckets)| buckets,
        );
        let unit = ((pos.x - rect.left()) / rect.width(), (rect.bottom() - pos.y) / rect.height());
        let reach = (REACH / rect.width(), REACH / rect.height());
        buckets.nearest(unit, reach, |point| {
            let distance = self.dots.get(point).map(|dot| self.place(rect, dot).distance(pos))?;
            (distance <= REACH).then_some(distance)
        })
    }

    fn bounds_bits(&self) -> [u32; 4] {
        [self.bounds.x.0, self.bounds.x.1, self.bounds.y.0, self.bounds.y.1].map(f32::to_bits)
    }

    fn step(&self, ui: &Ui) -> Option<usize> {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(self.id, filter));
        let now = self.chosen.first().copied();
        let (back, on) = ui.input(|input| {
            let any = |keys: [Key; 2]| keys.into_iter().any(|key| input.key_pressed(key));
            (any([Key::ArrowLeft, Key::ArrowUp]), any([Key::ArrowRight, Key::ArrowDown]))
        });
        let last = self.dots.len().checked_sub(1)?;
        match (back, on) {
            (true, false) => Some(now.map_or(last, |at| at.saturating_sub(1))),
            (false, true) => Some(now.map_or(0, |at| (at + 1).min(last))),
            _ => None,
        }
    }

    fn mesh(&self, ui: &Ui, rect: Rect) -> Arc<Mesh> {
        let key = self.id.with("mesh");
        let corners = [rect.min.x, rect.min.y, rect.max.x, rect.max.y, self.size].map(f32::to_bits);
        let stamp = Id::unique((self.stamp, self.bounds_bits(), corners)).value();
        let kept = ui.data(|data| data.get_temp::<(u64, Arc<Mesh>)>(key)).filter(|(of, _)| *of == stamp);
        if let Some((_, mesh)) = kept {
            return mesh;
        }
        let mut mesh = Mesh::default();
        for (from, to, colour) in self.lines {
            if let (Some(from), Some(to)) = (self.dots.get(*from), self.dots.get(*to)) {
                dots::line(&mut mesh, self.place(rect, from), self.place(rect, to), *colour);
            }
        }
        dots::marks(&mut mesh, self.dots, self.size, |dot| self.place(rect, dot));
        let mesh = Arc::new(mesh);
        ui.data_mut(|data| data.insert_temp(key, (stamp, Arc::clone(&mesh))));
        mesh
    }

    fn paint(&self, ui: &Ui, painter: &Painter, colours: &Palette, rect: Rect, hovered: Option<usize>) {
        let spot = |point: usize| self.dots.get(point).map(|dot| self.place(rect, dot));
        if let Some((left, right)) = self.fit {
            let height = |y: f32| {
                let (_, unit) = self.bounds.unit(&Dot { x: 0.0, y, colour: Color32::TRANSPARENT, mark: 0 });
                rect.bottom() - unit * rect.height()
            };
            let ends = [pos2(rect.left(), height(left)), pos2(rect.right(), height(right))];
            painter.line_segment(ends, Stroke::new(1.5, colours.weak));
        }
        painter.add(Shape::mesh(self.mesh(ui, rect)));
        for (from, to, colour) in self.bright {
            if let (Some(from), Some(to)) = (spot(*from), spot(*to)) {
                painter.line_segment([from, to], Stroke::new(1.6, *colour));
            }
        }
        for (point, dot) in self.dots.iter().enumerate() {
            // Names are asked for only where there are few points.
            if let Some(text) = (self.dots.len() <= 400).then(|| (self.label)(point)).flatten() {
                let at = self.place(rect, dot) + vec2(0.5 * self.size + 3.0, 0.0);
                Line::new(text).size(SMALL - 1.0).color(colours.text).paint(painter, at, Align2::LEFT_CENTER);
            }
        }
        for (point, ink) in
            self.chosen.iter().map(|point| (*point, colours.text)).chain(hovered.map(|point| (point, colours.accent)))
        {
            if let Some(at) = spot(point) {
                painter.circle_stroke(at, 0.5 * self.size + 4.0, Stroke::new(2.0, ink));
            }
        }
    }

    fn paint_axes(&self, painter: &Painter, colours: &Palette, rect: Rect, (across, upwards): (&str, &str)) {
        let font = FontId::proportional(SMALL);
        let line = Stroke::new(1.0, colours.line);
        for mark in marks(self.bounds.x) {
            let x = rect.left() + (mark - self.bounds.x.0) / (self.bounds.x.1 - self.bounds.x.0) * rect.width();
            painter.vline(x, rect.y_range(), line);
            let text = number(f64::from(mark));
            painter.text(pos2(x, rect.bottom() + 3.0), Align2::CENTER_TOP, short(&text), font.clone(), colours.weak);
        }
        for mark in marks(self.bounds.y) {
            let y = rect.bottom() - (mark - self.bounds.y.0) / (self.bounds.y.1 - self.bounds.y.0) * rect.height();
            painter.hline(rect.x_range(), y, line);
            let text = number(f64::from(mark));
            painter.text(pos2(rect.left() - 5.0, y), Align2::RIGHT_CENTER, short(&text), font.clone(), colours.weak);
        }
        let below = pos2(rect.center().x, rect.bottom() + 18.0);
        painter.text(below, Align2::CENTER_TOP, across, font.clone(), colours.text);
        let above = pos2(rect.left() + 6.0, rect.top() + 4.0);
        painter.text(above, Align2::LEFT_TOP, format!("{upwards} ↑"), font, colours.text);
    }
}

fn short(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// Some five round numbers of a range.
fn marks((low, high): (f32, f32)) -> Vec<f32> {
    let raw = (high - low) / 5.0;
    if raw.is_nan() || raw <= 0.0 {
        return Vec::new();
    }
    let power = 10f32.powf(raw.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|s| s * power >= raw).unwrap_or(10.0);
    let first = (low / step).ceil() as i64;
    let last = (high / step).floor() as i64;
    (first..=last.min(first + 20)).map(|at| at as f32 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_all_points_and_are_never_empty() {
        let bounds = Bounds::around([(0.0, 1.0), (2.0, f32::NAN), (4.0, 1.0)].into_iter());
        assert!(bounds.x.0 < 0.0 && bounds.x.1 > 4.0);
        assert!(bounds.y.0 < 1.0 && bounds.y.1 > 1.0);
        assert_eq!(Bounds::around(std::iter::empty()).x, (0.0, 1.0));
    }

    #[test]
    fn marks_are_round_numbers_inside() {
        assert_eq!(marks((0.0, 1.0)), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        assert_eq!(marks((-3.0, 7.0)), [-2.0, 0.0, 2.0, 4.0, 6.0]);
        assert!(marks((1.0, 1.0)).is_empty());
        assert_eq!(["0.200", "1.000", "40", "0.250"].map(short), ["0.2", "1", "40", "0.25"]);
    }
}
