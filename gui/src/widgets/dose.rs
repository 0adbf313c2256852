//! What a strength does: a line for each arm over strengths, with bands, 0 marked. Arms differ in colour, dash and mark.

use babelscope_probes::measure::Row;
use egui::{Align2, Rangef, Role, Ui, WidgetInfo};
use egui_plot::{
    AxisHints, FilledArea, HLine, HoverPosition, Line, LineStyle, MarkerShape, PlotPoint, PlotPoints, Points, Text,
    VLine, log_grid_spacer,
};

use super::curve::{apart, still};
use crate::{
    measures::number,
    theme::{Palette, SMALL},
};

/// The marks of the arms, in their order.
const MARKS: [MarkerShape; 6] = [
    MarkerShape::Circle,
    MarkerShape::Square,
    MarkerShape::Diamond,
    MarkerShape::Up,
    MarkerShape::Down,
    MarkerShape::Cross,
];

/// An arm: a number at each strength, with the ends of its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Which look it has: its place among all arms that there can be.
    pub look: usize,
    /// Strength and value, ascending.
    pub points: Vec<[f64; 2]>,
    /// Strength, lower and upper end.
    pub band: Vec<[f64; 3]>,
}

impl Arm {
    /// The arm of rows, each at its strength; those without a value are left out.
    pub fn of_rows<'r>(name: &str, look: usize, rows: impl Iterator<Item = (f64, &'r Row)>) -> Self {
        let mut rows: Vec<(f64, &Row)> = rows.collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let points = rows.iter().filter_map(|(x, row)| Some([*x, row.value?])).collect();
        let band = rows.iter().filter_map(|(x, row)| Some([*x, row.low?, row.high?])).collect();
        Self { name: name.to_owned(), look, points, band }
    }

    /// Takes the decimal logarithm of all that is positive; the rest has none and is left out.
    pub fn to_log10(&mut self) {
        self.points.retain(|point| point[1] > 0.0);
        self.band.retain(|band| band[1] > 0.0);
        self.points.iter_mut().for_each(|point| point[1] = point[1].log10());
        self.band.iter_mut().for_each(|band| (band[1], band[2]) = (band[1].log10(), band[2].log10()));
    }

    fn style(&self) -> LineStyle {
        match self.look % 4 {
            0 => LineStyle::Solid,
            1 => LineStyle::dashed_loose(),
            2 => LineStyle::dotted_loose(),
            _ => LineStyle::dashed_dense(),
        }
    }
}

/// A plot of arms over strengths.
pub struct Doses<'a> {
    /// What a screen reader calls it.
    pub name: &'a str,
    /// What stands at the vertical axis.
    pub axis: &'a str,
    /// What a strength counts.
    pub across: &'a str,
    /// Range of the vertical axis.
    pub range: (f64, f64),
    /// The arms.
    pub arms: &'a [Arm],
    /// Value of the line for chance, where there is one.
    pub chance: Option<f64>,
    /// The strength that is marked.
    pub marked: Option<f64>,
    /// Height in points.
    pub height: f32,
}

impl Doses<'_> {
    /// Draws the plot; gives the strength that was clicked.
    pub fn show(&self, ui: &mut Ui) -> Option<f64> {
        let colours = *Palette::current(ui);
        let strengths = || self.arms.iter().flat_map(|arm| &arm.points).map(|point| point[0]);
        let (first, last) = (strengths().fold(0.0, f64::min), strengths().fold(0.0, f64::max));
        strengths().next()?;
        let span = if last > first { last - first } else { 1.0 };
        let margin = 0.05 * (self.range.1 - self.range.0).max(1e-9);
        let names = self.names();
        let across = AxisHints::new_x().label(self.across).label_spacing(Rangef::new(18.0, 40.0));
        let bounds = [first, last, self.range.0, self.range.1].map(f64::to_bits);
        let shown = still(ui.scope_id().with((self.name, bounds)), self.height, &colours)
            .default_x_bounds(first - 0.04 * span, last + 0.36 * span)
            .default_y_bounds(self.range.0 - margin, self.range.1 + margin)
            .custom_x_axes(vec![across])
            .y_axis_label(self.axis)
            .y_grid_spacer(log_grid_spacer(10))
            .label_formatter(|place| match place {
                HoverPosition::NearDataPoint { plot_name, position, .. } if !plot_name.is_empty() => {
                    Some(format!("{plot_name}\nstrength {}: {}", position.x, number(position.y)))
                }
                _ => None,
            })
            .show(ui, |plot| {
                plot.vline(VLine::new("", 0.0).color(colours.weak).style(LineStyle::dotted_dense()).allow_hover(false));
                if let Some(chance) = self.chance {
                    plot.hline(HLine::new("chance", chance).color(colours.weak).style(LineStyle::dashed_dense()));
                }
                if let Some(strength) = self.marked {
                    plot.vline(VLine::new("", strength).color(colours.text.gamma_multiply(0.5)).allow_hover(false));
                }
                for (arm, at) in self.arms.iter().zip(names) {
                    let colour = colours.language(arm.look);
                    let of = |end: usize| arm.band.iter().map(|band| band[end]).collect::<Vec<f64>>();
                    if arm.band.len() > 1 {
                        let area = FilledArea::new("", &of(0), &of(1), &of(2)).fill_color(colour.gamma_multiply(0.15));
                        plot.add(area.allow_hover(false));
                    }
                    if let [only] = arm.points.as_slice() {
                        // Not over the whole width: it would strike the names through.
                        let ends = PlotPoints::from(vec![[first, only[1]], [last, only[1]]]);
                        let line = Line::new(arm.name.clone(), ends).color(colour).style(arm.style());
                        plot.line(line.allow_hover(false));
                    }
                    let line = Line::new(arm.name.clone(), PlotPoints::from(arm.points.clone())).color(colour);
                    plot.line(line.width(if arm.look == 0 { 3.0 } else { 1.8 }).style(arm.style()));
                    let mark = MARKS[arm.look % MARKS.len()];
                    let points = Points::new(arm.name.clone(), PlotPoints::from(arm.points.clone()));
                    plot.points(points.color(colour).shape(mark).radius(4.5).allow_hover(false));
                    if let Some(at) = at {
                        let name = egui::RichText::new(&arm.name).color(colour).size(SMALL);
                        let place = PlotPoint::new(last + 0.03 * span, at);
                        plot.text(Text::new("", place, name).anchor(Align2::LEFT_CENTER).allow_hover(false));
                    }
                }
                plot.response().clicked().then(|| plot.pointer_coordinate()).flatten()
            });
        let said = self.arms.iter().map(|arm| format!("{} {} points", arm.name, arm.points.len()));
        let said = format!("strengths {first} to {last}; {}", said.collect::<Vec<_>>().join(", "));
        shown.response.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::Figure, true, self.name);
            info.current_text_value = Some(said.clone());
            info
        });
        let x = shown.inner?.x;
        strengths().filter(|strength| *strength != 0.0).min_by(|a, b| (a - x).abs().total_cmp(&(b - x).abs()))
    }

    /// Heights of the names behind the ends of the arms, apart from each other.
    fn names(&self) -> Vec<Option<f64>> {
        let space = (self.range.1 - self.range.0) * f64::from(17.0 / self.height.max(1.0));
        let end = |(at, arm): (usize, &Arm)| Some((at, arm.points.last()?[1].clamp(self.range.0, self.range.1)));
        apart(self.arms.iter().enumerate().filter_map(end).collect(), self.arms.len(), space, self.range)
    }
}
