//! What became of an assertion, as a colour, a word, and a sign that is drawn, so that it needs neither colour nor a font.

use egui::{Color32, Painter, Pos2, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};

use crate::{
    text::Line,
    theme::{Palette, SMALL},
};

/// What became of an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Stands in the problem.
    Given,
    /// Says what the reference says.
    Correct,
    /// Says something else in its place.
    Wrong,
    /// Stands for nothing in the reference.
    Redundant,
    /// Is in the reference, and is not said.
    Missing,
    /// There is no reference.
    Open,
}

impl Verdict {
    /// All, in the order of legends.
    pub const ALL: [Self; 6] = [Self::Given, Self::Correct, Self::Wrong, Self::Redundant, Self::Missing, Self::Open];

    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Correct => "correct",
            Self::Wrong => "wrong",
            Self::Redundant => "redundant",
            Self::Missing => "missing",
            Self::Open => "not compared",
        }
    }

    /// Its colour.
    pub fn colour(self, colours: &Palette) -> Color32 {
        match self {
            Self::Given => colours.accent,
            Self::Correct => colours.good,
            Self::Wrong => colours.bad,
            Self::Redundant => colours.warn,
            Self::Missing | Self::Open => colours.weak,
        }
    }

    /// Draws its sign around `middle`: a hook, a cross, an empty set, a dashed ring, a square, a dot.
    pub fn paint(self, painter: &Painter, middle: Pos2, size: f32, colours: &Palette) {
        let r = 0.5 * size;
        let stroke = Stroke::new((0.2 * size).max(1.2), self.colour(colours));
        let at = |x: f32, y: f32| middle + r * vec2(x, y);
        match self {
            Self::Given => drop(painter.rect_filled(
                egui::Rect::from_center_size(middle, Vec2::splat(0.8 * size)),
                1.0,
                stroke.color,
            )),
            Self::Correct => drop(painter.line(vec![at(-0.9, 0.1), at(-0.25, 0.75), at(0.95, -0.75)], stroke)),
            Self::Wrong => {
                painter.line_segment([at(-0.75, -0.75), at(0.75, 0.75)], stroke);
                painter.line_segment([at(-0.75, 0.75), at(0.75, -0.75)], stroke);
            }
            Self::Redundant => {
                painter.circle_stroke(middle, 0.75 * r, stroke);
                painter.line_segment([at(-0.9, 0.9), at(0.9, -0.9)], stroke);
            }
            Self::Missing => {
                let ring: Vec<Pos2> = (0..=16)
                    .map(|n| {
                        let (sin, cos) = (n as f32 / 16.0 * std::f32::consts::TAU).sin_cos();
                        at(0.9 * cos, 0.9 * sin)
                    })
                    .collect();
                painter.extend(Shape::dashed_line(&ring, stroke, 0.35 * size, 0.25 * size));
            }
            Self::Open => drop(painter.circle_filled(middle, 0.35 * r, stroke.color)),
        }
    }

    /// Its sign and its word, for legends. One widget, so that it wraps as a whole.
    pub fn legend(self, ui: &mut Ui) {
        let colours = *Palette::current(ui);
        let line = Line::new(self.name()).size(SMALL).color(colours.text);
        let width = 16.0 + line.layout(ui.painter()).galley.size().x;
        let (rect, response) = ui.allocate_exact_size(vec2(width, 20.0), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, self.name()));
        self.paint(ui.painter(), pos2(rect.left() + 5.5, rect.center().y), 9.0, &colours);
        line.paint(ui.painter(), pos2(rect.left() + 16.0, rect.center().y), egui::Align2::LEFT_CENTER);
    }
}
