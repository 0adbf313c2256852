//! How the parts of a graph are drawn: boxes with sign and number, curves, tips of arrows.

use egui::{Align2, Color32, Painter, Pos2, Rect, Shape, Stroke, StrokeKind, pos2, vec2};

use super::{LEGIBLE, SMALLEST, Vertex};
use crate::{
    text::Line,
    theme::{BODY, Palette, SMALL, ink_on},
    widgets::verdict::Verdict,
};

/// An S from one point down to another.
pub(super) fn curve(from: Pos2, to: Pos2) -> Vec<Pos2> {
    if (from.x - to.x).abs() < 1.0 {
        return vec![from, to];
    }
    const PARTS: usize = 10;
    (0..=PARTS)
        .map(|part| {
            let t = part as f32 / PARTS as f32;
            let eased = t * t * (3.0 - 2.0 * t);
            pos2(from.x + eased * (to.x - from.x), from.y + t * (to.y - from.y))
        })
        .collect()
}

pub(super) fn arrow(painter: &Painter, tip: Pos2, stroke: Stroke, zoom: f32) {
    let side = 4.5 * zoom.max(SMALLEST);
    let points = vec![tip, tip + vec2(-0.7 * side, -1.4 * side), tip + vec2(0.7 * side, -1.4 * side)];
    painter.add(Shape::convex_polygon(points, stroke.color, Stroke::NONE));
}

pub(super) fn paint_box(
    painter: &Painter,
    vertex: &Vertex,
    spot: Rect,
    zoom: f32,
    (chosen, faded): (bool, bool),
    colours: &Palette,
) {
    let ink = vertex.verdict.colour(colours);
    let fade = |colour: Color32| if faded { colour.gamma_multiply(0.45) } else { colour };
    if zoom < LEGIBLE {
        painter.rect_filled(spot, 6.0 * zoom, if chosen { colours.accent } else { fade(ink) });
        return;
    }
    let fill = if chosen { colours.accent_soft } else { colours.well };
    let radius = 6.0 * zoom;
    painter.rect_filled(spot, radius, fill);
    let frame = if chosen { Stroke::new(2.4, colours.accent) } else { Stroke::new(1.4, fade(ink)) };
    if vertex.verdict == Verdict::Missing && !chosen {
        let corners = [spot.left_top(), spot.right_top(), spot.right_bottom(), spot.left_bottom(), spot.left_top()];
        painter.extend(Shape::dashed_line(&corners, frame, 5.0, 4.0));
    } else {
        painter.rect_stroke(spot, radius, frame, StrokeKind::Inside);
    }
    if vertex.goal {
        painter.rect_stroke(spot.expand(3.0), radius + 3.0, Stroke::new(1.2, fade(ink)), StrokeKind::Inside);
    }
    let tall = zoom >= SMALLEST;
    let left = spot.left() + 16.0 * zoom;
    let first = if tall { spot.top() + 0.34 * spot.height() } else { spot.center().y };
    vertex.verdict.paint(painter, pos2(spot.left() + 10.0 * zoom, first), 9.0 * zoom, colours);
    let room = spot.right() - left - 8.0 * zoom;
    let badge = vertex.partner.map_or(0.0, |_| 16.0 * zoom);
    let text = Line::new(vertex.text.as_str()).size(BODY * zoom).color(fade(colours.text)).width(room - badge);
    text.paint(painter, pos2(left + 4.0 * zoom, first), Align2::LEFT_CENTER);
    if let Some((number, colour)) = vertex.partner {
        number_badge(painter, pos2(spot.right() - 12.0 * zoom, first), number, zoom, colours.language(colour));
    }
    if tall {
        let note = Line::new(vertex.note.as_str()).size(SMALL * zoom).color(fade(colours.weak)).width(room);
        note.paint(painter, pos2(left + 4.0 * zoom, spot.top() + 0.73 * spot.height()), Align2::LEFT_CENTER);
    }
}

/// A number in a disc of a colour: what is the same has the same number and colour.
pub fn number_badge(painter: &Painter, middle: Pos2, number: usize, zoom: f32, colour: Color32) {
    painter.circle_filled(middle, 8.0 * zoom, colour);
    let ink = ink_on(colour);
    Line::new(number.to_string()).size(SMALL * 0.85 * zoom).color(ink).paint(painter, middle, Align2::CENTER_CENTER);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_begins_and_ends_where_it_should() {
        for (from, to) in [(pos2(0.0, 0.0), pos2(40.0, 30.0)), (pos2(5.0, 0.0), pos2(5.0, 30.0))] {
            let line = curve(from, to);
            assert_eq!((line.first(), line.last()), (Some(&from), Some(&to)));
            assert!(line.windows(2).all(|pair| pair[0].y < pair[1].y));
        }
    }
}
