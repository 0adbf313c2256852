//! What a strength does: the effect beside its price, a line for each arm, over strengths of which 0 is marked.

use super::{
    axis, colour,
    panel::{marker, ticks},
    svg::{Anchor, GREY, HAIR, INK, Svg},
    typeset::{Reading, fit},
};

const LEFT: f64 = 16.0;
const TOP: f64 = 62.0;
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 200.0;

/// A number at a strength, with the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dose {
    pub(super) strength: f64,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A line; arms that are no steering are dashed.
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) dashed: bool,
    pub(super) doses: Vec<Dose>,
}

/// One side of the figure.
pub(super) struct Side {
    pub(super) title: String,
    pub(super) range: (f64, f64),
    pub(super) arms: Vec<Arm>,
}

struct Place {
    x: f64,
    strengths: (f64, f64),
    range: (f64, f64),
}

impl Place {
    fn across(&self, strength: f64) -> f64 {
        let (low, high) = self.strengths;
        self.x + if high > low { (strength - low) / (high - low) * WIDTH } else { WIDTH / 2.0 }
    }

    fn up(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let share = if high > low { (value.clamp(low, high) - low) / (high - low) } else { 0.5 };
        TOP + (1.0 - share) * HEIGHT
    }
}

/// The sides next to one another, as SVG. `unit` says what a strength counts.
pub(super) fn dose(title: &str, sides: &[Side], unit: &str, caption: &str) -> String {
    let all = || sides.iter().flat_map(|side| &side.arms).flat_map(|arm| &arm.doses).map(|dose| dose.strength);
    let strengths = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let mut svg = Svg::default();
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, title);
    let mut x = LEFT + 34.0;
    for side in sides {
        x = draw(&mut svg, side, &Place { x, strengths, range: side.range }, unit) + 34.0;
    }
    let right = (x - 34.0).max(LEFT + 420.0);
    let end = axis::caption(&mut svg, caption, LEFT, TOP + HEIGHT + 52.0, right - LEFT);
    svg.finish(right + LEFT, end + 4.0, title)
}

/// Draws a side and returns where it ends.
fn draw(svg: &mut Svg, side: &Side, place: &Place, unit: &str) -> f64 {
    let (x, bottom) = (place.x, TOP + HEIGHT);
    svg.say(x, TOP - 10.0, Anchor::Start, 11.0, INK, &side.title);
    for (value, label) in ticks(side.range) {
        svg.line((x, place.up(value)), (x + WIDTH, place.up(value)), HAIR, 0.6, "");
        svg.say(x - 5.0, place.up(value) + 3.0, Anchor::End, axis::SMALL, INK, &label);
    }
    for (strength, label) in ticks(place.strengths) {
        svg.say(place.across(strength), bottom + 12.0, Anchor::Middle, axis::SMALL, INK, &label);
    }
    let zero = place.across(0.0);
    svg.line((zero, TOP), (zero, bottom), GREY, 0.8, "1.5 2.5");
    svg.say(x + WIDTH / 2.0, bottom + 27.0, Anchor::Middle, 10.0, INK, unit);
    let ends: Vec<f64> = side.arms.iter().enumerate().map(|(at, arm)| line(svg, arm, at, place)).collect();
    let spread = axis::spread(&ends, 13.0, TOP, bottom);
    let mut widest: f64 = 0.0;
    for ((at, arm), (end, beside)) in side.arms.iter().enumerate().zip(ends.iter().zip(spread)) {
        let (start, colour) = (x + WIDTH, colour::language(at));
        svg.path(&[(start + 2.0, *end), (start + 9.0, beside), (start + 13.0, beside)], colour, 0.7, "");
        marker(svg, (start + 15.0, beside), at, colour);
        let name = fit(&arm.name, 10.0, Reading::default(), 130.0);
        widest = widest.max(name.width);
        svg.text(start + 21.0, beside + 3.4, Anchor::Start, &name, INK, "");
    }
    x + WIDTH + 26.0 + widest
}

/// Draws an arm and returns where it ends.
fn line(svg: &mut Svg, arm: &Arm, at: usize, place: &Place) -> f64 {
    let colour = colour::language(at);
    let point = |strength: f64, value: f64| (place.across(strength), place.up(value));
    if arm.doses.iter().any(|dose| dose.high > dose.low) {
        let upper = arm.doses.iter().map(|dose| point(dose.strength, dose.high));
        let lower = arm.doses.iter().rev().map(|dose| point(dose.strength, dose.low));
        svg.area(&upper.chain(lower).collect::<Vec<_>>(), colour, 0.13);
    }
    let course: Vec<_> = arm.doses.iter().map(|dose| point(dose.strength, dose.value)).collect();
    svg.path(&course, colour, 1.6, if arm.dashed { "4 3" } else { "" });
    course.iter().for_each(|point| marker(svg, *point, at, colour));
    course.last().map_or(TOP + HEIGHT, |(_, y)| *y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_every_arm_are_marked() {
        let doses = |values: [f64; 3]| {
            let dose = |(strength, value): (f64, f64)| Dose { strength, value, low: value - 0.1, high: value + 0.1 };
            [-1.0, 0.0, 2.0].into_iter().zip(values).map(dose).collect()
        };
        let arm = |name: &str, dashed, values| Arm { name: name.to_owned(), dashed, doses: doses(values) };
        let arms = vec![arm("steered", false, [0.0, 0.1, 0.9]), arm("random", true, [0.0, 0.0, 0.1])];
        let side = Side { title: "Forced".to_owned(), range: (0.0, 1.0), arms };
        let svg = dose("Spanish", &[side], "mean norms", "n = 9.");
        for text in ["steered", "random", "Forced", "mean norms", "n = 9."] {
            assert!(svg.contains(text), "{text}");
        }
        let place = Place { x: 10.0, strengths: (-1.0, 2.0), range: (0.0, 1.0) };
        assert!((place.across(0.0) - (10.0 + WIDTH / 3.0)).abs() < 1e-9);
        assert_eq!((place.up(0.0), place.up(1.0), place.up(7.0)), (TOP + HEIGHT, TOP, TOP));
    }
}
