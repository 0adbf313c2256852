//! A rectangle of paper with layers across and a scale upwards, and the marks that tell its lines apart.

use super::{
    axis,
    colour::Rgb,
    svg::{Anchor, HAIR, INK, Svg},
};

/// The rectangle and its two scales.
pub(super) struct Panel<'a> {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) layers: &'a [usize],
    /// The values at the lower and the upper edge.
    pub(super) range: (f64, f64),
}

/// How a line is drawn.
pub(super) struct Style {
    pub(super) colour: Rgb,
    pub(super) dash: &'static str,
    pub(super) mark: Option<usize>,
}

/// A point of a line: layer, value, and the ends of its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) layer: usize,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Panel<'_> {
    pub(super) fn across(&self, layer: usize) -> f64 {
        let first = self.layers.first().copied().unwrap_or(0) as f64;
        let span = self.layers.last().map_or(0.0, |&last| last as f64 - first);
        if span > 0.0 { self.x + (layer as f64 - first) / span * self.width } else { self.x + self.width / 2.0 }
    }

    pub(super) fn up(&self, value: f64) -> f64 {
        let (low, high) = self.range;
        let share = if high > low { (value.clamp(low, high) - low) / (high - low) } else { 0.5 };
        self.y + (1.0 - share) * self.height
    }

    /// Lines at round values, with their numbers where there is room for them; chance as a dotted line.
    pub(super) fn grid(&self, svg: &mut Svg, chance: Option<f64>, numbers: bool) {
        for (value, label) in ticks(self.range) {
            svg.line((self.x, self.up(value)), (self.x + self.width, self.up(value)), HAIR, 0.6, "");
            if numbers {
                svg.say(self.x - 5.0, self.up(value) + 3.0, Anchor::End, axis::SMALL, INK, &label);
            }
        }
        if let Some(chance) = chance {
            svg.line((self.x, self.up(chance)), (self.x + self.width, self.up(chance)), INK, 0.9, "1.5 2.5");
        }
    }

    /// One line: its band, its course, its marks. Returns where it ends.
    pub(super) fn curve(&self, svg: &mut Svg, points: &[Point], style: &Style) -> Option<f64> {
        let upper = points.iter().map(|p| (self.across(p.layer), self.up(p.high)));
        let lower = points.iter().rev().map(|p| (self.across(p.layer), self.up(p.low)));
        if points.iter().any(|p| p.high > p.low) {
            svg.area(&upper.chain(lower).collect::<Vec<_>>(), style.colour, 0.13);
        }
        let course: Vec<_> = points.iter().map(|p| (self.across(p.layer), self.up(p.value))).collect();
        svg.path(&course, style.colour, 1.6, style.dash);
        if let Some(mark) = style.mark {
            // Many layers: some marks are enough to tell lines apart.
            let every = course.len().div_ceil(14).max(1);
            for point in course.iter().skip(mark % every).step_by(every) {
                marker(svg, *point, mark, style.colour);
            }
        }
        course.last().map(|&(_, y)| y)
    }
}

/// Round values of a range, four to eight of them, and how they are written.
pub(super) fn ticks((low, high): (f64, f64)) -> Vec<(f64, String)> {
    if (low, high) == (0.0, 1.0) {
        let shares = [(0.0, "0"), (0.25, ".25"), (0.5, ".5"), (0.75, ".75"), (1.0, "1")];
        return shares.map(|(value, label)| (value, label.to_owned())).to_vec();
    }
    let span = high - low;
    if !(span > 0.0 && span.is_finite()) {
        return vec![(low, format!("{low}"))];
    }
    let power = 10f64.powf((span / 5.0).log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| span / s <= 6.0).unwrap_or(span);
    let decimals = (-step.log10().floor()).max(0.0) as usize + usize::from((step / power - 2.5).abs() < 1e-9);
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|at| (at as f64 * step, format!("{:.decimals$}", at as f64 * step))).collect()
}

/// A range that holds these values, with round ends: zero where all are on one side of it and near.
pub(super) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|v| v.is_finite()) {
        (low, high) = (low.min(value), high.max(value));
    }
    if low > high {
        return (0.0, 1.0);
    }
    if low > 0.0 && low < 0.6 * high {
        low = 0.0;
    }
    if high < 0.0 && high > 0.6 * low {
        high = 0.0;
    }
    if high - low < 1e-12 {
        return (low - 0.5, high + 0.5);
    }
    let margin = 0.04 * (high - low);
    (if low == 0.0 { 0.0 } else { low - margin }, if high == 0.0 { 0.0 } else { high + margin })
}

/// Lines are told apart by shape too: neighbours in the list never share one.
pub(super) fn marker(svg: &mut Svg, (x, y): (f64, f64), shape: usize, colour: Rgb) {
    let around = |corners: u32, turn: f64, radius: f64| {
        let corner = move |i: u32| {
            let angle = std::f64::consts::TAU * (f64::from(i) / f64::from(corners) + turn);
            (x + radius * angle.cos(), y + radius * angle.sin())
        };
        (0..corners).map(corner).collect::<Vec<_>>()
    };
    let points = match shape % 5 {
        0 => around(16, 0.0, 2.5),
        1 => around(4, 0.125, 3.1),
        2 => around(3, 0.75, 3.4),
        3 => around(4, 0.0, 3.4),
        _ => around(3, 0.25, 3.4),
    };
    svg.area(&points, colour, 1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_the_scale_says() {
        let panel = Panel { x: 10.0, y: 20.0, width: 100.0, height: 50.0, layers: &[0, 2, 4], range: (0.0, 1.0) };
        assert_eq!((panel.across(0), panel.across(2), panel.across(4)), (10.0, 60.0, 110.0));
        assert_eq!((panel.up(0.0), panel.up(0.5), panel.up(1.0)), (70.0, 45.0, 20.0));
        let other = Panel { range: (-2.0, 2.0), ..panel };
        assert_eq!((other.up(-2.0), other.up(0.0), other.up(9.0)), (70.0, 45.0, 20.0));
    }

    #[test]
    fn ticks_are_round_and_as_written() {
        let labels = |range| ticks(range).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(labels((0.0, 1.0)), ["0", ".25", ".5", ".75", "1"]);
        assert_eq!(labels((0.0, 5.2)), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(labels((-0.11, 0.31)), ["-0.1", "0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(labels((0.0, 13.0)), ["0.0", "2.5", "5.0", "7.5", "10.0", "12.5"]);
        for (low, high) in [(0.0, 1e-7), (3.0, 4000.0), (-5.0, -1.0), (0.9, 1.1)] {
            let found = ticks((low, high));
            assert!((2..=8).contains(&found.len()), "{found:?}");
            assert!(found.iter().all(|(v, l)| (l.parse::<f64>().unwrap() - v).abs() < 1e-9 * high.abs().max(1.0)));
        }
    }

    #[test]
    fn a_range_holds_its_values_and_keeps_zero_where_it_is_near() {
        assert_eq!(range([0.2, 1.0].into_iter()), (0.0, 1.04));
        let (low, high) = range([90.0, 100.0].into_iter());
        assert!(low > 80.0 && low < 90.0 && high > 100.0);
        assert_eq!(range(std::iter::empty()), (0.0, 1.0));
        assert_eq!(range([3.0].into_iter()), (2.5, 3.5));
    }
}
