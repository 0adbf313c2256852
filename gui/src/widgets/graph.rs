//! A layered graph: boxes with a line of text and a sign, edges around them, pan by dragging, zoom by buttons or Ctrl and the wheel.
//!
//! Places are found once for each stamp; a frame draws only what is in sight. Every box has a name, wherever it stands.

mod shapes;

use egui::{
    Color32, Id, Painter, Pos2, Rect, Role, ScrollArea, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo,
    epaint::CubicBezierShape, scroll_area::ScrollSource, vec2,
};

pub use self::shapes::number_badge;
use self::shapes::{arrow, curve, paint_box};
use super::{
    layered::{Layered, Spacing, layered},
    verdict::Verdict,
};
use crate::{text::tip, theme::Palette};

/// Sizes at a zoom of 1, points.
const SPACING: Spacing = Spacing { node: Vec2::new(156.0, 46.0), gap: Vec2::new(18.0, 40.0) };
/// Least and most zoom.
const ZOOM: (f32, f32) = (0.01, 2.0);
/// Below this zoom a box is a block of its colour, and edges have no tips.
const LEGIBLE: f32 = 0.3;
/// Least zoom that is taken without being asked for.
const READABLE: f32 = 0.75;
/// Below this zoom a box has no second line, and its text is cut less.
const SMALLEST: f32 = 0.6;

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Vertex {
    /// What stands in it.
    pub text: String,
    /// What stands below that.
    pub note: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The number that it shares with its partners elsewhere, and their colour.
    pub partner: Option<(usize, usize)>,
    /// Drawn with a double frame.
    pub goal: bool,
    /// What a person would say of it.
    pub said: String,
}

/// An edge of another kind than the layered ones: from, to, strength from 0 to 1.
pub type Influence = (usize, usize, f32);

/// Nodes and edges with their places, made once.
#[derive(Clone, Debug, Default)]
pub struct Drawn {
    vertices: Vec<Vertex>,
    /// From, to, and whether it is there: others are dashed.
    edges: Vec<(usize, usize, bool)>,
    places: Layered,
}

impl Drawn {
    /// Finds the places.
    pub fn new(vertices: Vec<Vertex>, edges: Vec<(usize, usize, bool)>) -> Self {
        let plain: Vec<(usize, usize)> = edges.iter().map(|(from, to, _)| (*from, *to)).collect();
        Self { places: layered(vertices.len(), &plain, SPACING), vertices, edges }
    }

    /// The nodes.
    pub fn vertices(&self) -> &[Vertex] {
        &self.vertices
    }
}

/// What the picture remembers.
#[derive(Clone, Copy, Debug, Default)]
pub struct View {
    /// What a person has chosen; without that a graph that is a little too wide is made to fit.
    zoom: Option<f32>,
    /// The graph that was shown last, and the node of it that was brought into sight.
    seen: Option<(Id, Option<usize>)>,
}

/// How the picture is called and drawn.
pub struct Graph<'a> {
    /// Distinguishes this picture from all others.
    pub id: Id,
    /// Another one for another graph.
    pub key: Id,
    /// What a screen reader calls it.
    pub name: &'a str,
    /// What is drawn.
    pub drawn: &'a Drawn,
    /// Nodes that are chosen; the first is brought into sight.
    pub chosen: &'a [usize],
    /// More edges.
    pub influence: &'a [Influence],
    /// Height in points.
    pub height: f32,
}

impl Graph<'_> {
    /// Draws the picture; gives the node that was clicked.
    pub fn show(&self, ui: &mut Ui, view: &mut View) -> Option<usize> {
        let zoom = self.zooming(ui, view);
        let area = ScrollArea::both().id_salt(self.id).auto_shrink([false, true]).max_height(self.height);
        area.scroll_source(ScrollSource::ALL).show(ui, |ui| self.inside(ui, view, zoom)).inner
    }

    /// The zoom, with its buttons.
    fn zooming(&self, ui: &mut Ui, view: &mut View) -> f32 {
        let whole = self.drawn.places.size.max(Vec2::splat(1.0));
        let room = vec2(ui.max_rect().width() - 16.0, self.height - 16.0) / whole;
        let zoom = view.zoom.unwrap_or_else(|| room.x.clamp(READABLE, 1.0));
        ui.horizontal(|ui| {
            for (label, name, factor) in [("−", "smaller", 0.8), ("+", "larger", 1.25)] {
                if ui.button(label).accessible_name(format!("{name} graph")).clicked() {
                    view.zoom = Some((zoom * factor).clamp(ZOOM.0, ZOOM.1));
                }
            }
            if ui.button("Fit").accessible_name("fit the graph").clicked() {
                view.zoom = Some(room.min_elem().clamp(ZOOM.0, 1.0));
            }
            super::pane::note(ui, format!("{:.0} %", 100.0 * zoom));
        });
        zoom
    }

    fn inside(&self, ui: &mut Ui, view: &mut View, zoom: f32) -> Option<usize> {
        let size = self.drawn.places.size * zoom;
        let (rect, response) = ui.allocate_exact_size(size.max(vec2(ui.available_width(), 0.0)), Sense::hover());
        if response.contains_pointer() {
            let by = ui.input(egui::InputState::zoom_delta);
            view.zoom = if by == 1.0 { view.zoom } else { Some((zoom * by).clamp(ZOOM.0, ZOOM.1)) };
        }
        let said = format!("{} nodes, {} edges", self.drawn.vertices.len(), self.drawn.edges.len());
        response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Figure, true, self.name);
            info.current_text_value = Some(said.clone());
            info
        });
        let start = rect.min + vec2(0.5 * (rect.width() - size.x).max(0.0), 0.0);
        let place = |at: Pos2| start + at.to_vec2() * zoom;
        let boxes: Vec<Rect> = (self.drawn.places.places.iter())
            .map(|middle| Rect::from_center_size(place(*middle), SPACING.node * zoom))
            .collect();
        let mut clicked = None;
        let mut hovered = None;
        for (at, (vertex, spot)) in self.drawn.vertices.iter().zip(&boxes).enumerate() {
            let node = ui.interact(*spot, response.id.with(at), Sense::click());
            node.widget_info(|| WidgetInfo::selected(Role::Button, true, self.chosen.contains(&at), &vertex.said));
            clicked = if node.clicked() { Some(at) } else { clicked };
            if node.hovered() {
                hovered = Some(at);
                node.on_hover_ui(|ui| tip(ui, &vertex.said));
            }
        }
        self.follow(ui, view, &boxes);
        let colours = *Palette::current(ui);
        let seen = ui.clip_rect();
        let strong: Vec<usize> =
            if self.chosen.is_empty() { hovered.into_iter().collect() } else { self.chosen.to_vec() };
        let near = self.near(&strong);
        self.edges(ui.painter(), &boxes, &place, zoom, (&strong, seen), &colours);
        for (at, (vertex, spot)) in self.drawn.vertices.iter().zip(&boxes).enumerate() {
            if seen.intersects(*spot) {
                let faded = !strong.is_empty() && !near[at];
                paint_box(ui.painter(), vertex, *spot, zoom, (self.chosen.contains(&at), faded), &colours);
            }
        }
        self.influences(ui.painter(), &boxes, seen, &colours);
        clicked
    }

    /// Brings the chosen node into sight, and the top of a graph that is shown for the first time.
    fn follow(&self, ui: &Ui, view: &mut View, boxes: &[Rect]) {
        let now = (self.key, self.chosen.first().copied());
        if view.seen == Some(now) {
            return;
        }
        let new = view.seen.is_none_or(|(key, _)| key != self.key);
        view.seen = Some(now);
        let top = || self.drawn.places.layers.iter().position(|layer| *layer == 0).filter(|_| new);
        let Some(at) = now.1.or_else(top) else { return };
        if let Some(spot) = boxes.get(at).filter(|spot| !ui.clip_rect().contains_rect(**spot)) {
            ui.scroll_to_rect(*spot, Some(egui::Align::Center));
        }
    }

    /// The strong nodes with their parents and children.
    fn near(&self, strong: &[usize]) -> Vec<bool> {
        let mut near = vec![false; self.drawn.vertices.len()];
        let mut mark = |at: usize| {
            if let Some(own) = near.get_mut(at) {
                *own = true;
            }
        };
        strong.iter().for_each(|at| mark(*at));
        for (from, to, _) in &self.drawn.edges {
            if strong.contains(from) {
                mark(*to);
            }
            if strong.contains(to) {
                mark(*from);
            }
        }
        near
    }

    fn edges(
        &self,
        painter: &Painter,
        boxes: &[Rect],
        place: &dyn Fn(Pos2) -> Pos2,
        zoom: f32,
        (strong, seen): (&[usize], Rect),
        colours: &Palette,
    ) {
        for ((from, to, there), bends) in self.drawn.edges.iter().zip(&self.drawn.places.bends) {
            let (Some(a), Some(b)) = (boxes.get(*from), boxes.get(*to)) else { continue };
            let mut way = vec![a.center_bottom()];
            way.extend(bends.iter().map(|bend| place(*bend)));
            way.push(b.center_top());
            if !seen.intersects(Rect::from_points(&way).expand(4.0)) {
                continue;
            }
            let touched = strong.contains(from) || strong.contains(to);
            let ink = match (touched, strong.is_empty()) {
                (true, _) => colours.accent,
                (false, true) => colours.weak.gamma_multiply(0.8),
                (false, false) => colours.weak.gamma_multiply(0.3),
            };
            let thin = if zoom < LEGIBLE { LEGIBLE } else { zoom.max(SMALLEST) };
            let stroke = Stroke::new(if touched { 2.2 } else { 1.3 } * thin, ink);
            let line: Vec<Pos2> = way.windows(2).flat_map(|ends| curve(ends[0], ends[1])).collect();
            if *there {
                painter.line(line, stroke);
            } else {
                painter.extend(Shape::dashed_line(&line, stroke, 5.0, 4.0));
            }
            if zoom >= LEGIBLE {
                arrow(painter, b.center_top(), stroke, zoom);
            }
        }
    }

    fn influences(&self, painter: &Painter, boxes: &[Rect], seen: Rect, colours: &Palette) {
        let ink = colours.effect(1.0);
        for (from, to, strength) in self.influence {
            let (Some(a), Some(b)) = (boxes.get(*from), boxes.get(*to)) else { continue };
            if !seen.intersects(a.union(*b).expand(60.0)) {
                continue;
            }
            // Beside the boxes, so that it is not taken for a dependency.
            let (start, end) = (a.right_center(), b.right_center());
            let out = vec2(40.0 + 0.1 * (end.y - start.y).abs().min(400.0), 0.0);
            let stroke = Stroke::new(0.8 + 3.0 * strength, ink.gamma_multiply(0.35 + 0.65 * strength));
            let points = [start, start + out, end + out, end];
            let curve = CubicBezierShape::from_points_stroke(points, false, Color32::TRANSPARENT, stroke);
            painter.extend(Shape::dashed_line(&curve.flatten(Some(0.5)), stroke, 3.0, 3.0));
            painter.circle_filled(end, 2.0 + 1.5 * strength, ink);
        }
    }
}
