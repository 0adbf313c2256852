//! Curves over layers with bands, a line for chance, the band of a null, and names at their ends.

use babelscope_probes::measure::Row;
use egui::{Align2, Color32, Rangef, Role, Ui, WidgetInfo};
use egui_plot::{
    AxisHints, FilledArea, HLine, HoverPosition, Line, LineStyle, Plot, PlotPoint, PlotPoints, PlotUi, Text, VLine,
    log_grid_spacer, uniform_grid_spacer,
};

use crate::{
    measures::number,
    theme::{self, Palette},
};

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The mark at its end, and its name on hover.
    pub name: String,
    /// Which language colour and line pattern.
    pub colour: usize,
    /// A script and no language: drawn in grey, told apart by its pattern.
    pub script: bool,
    /// Layers.
    pub x: Vec<f64>,
    /// Values; the same length.
    pub y: Vec<f64>,
    /// Lower and upper end of the band; empty where there is none.
    pub band: (Vec<f64>, Vec<f64>),
    /// Drawn stronger than the others.
    pub strong: bool,
}

/// What shuffled sentences give, over the same layers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Null {
    /// Layers.
    pub x: Vec<f64>,
    /// Mean of the draws; the lower edge of the band.
    pub mean: Vec<f64>,
    /// 95 % quantile of the draws; the upper edge, with a line.
    pub q95: Vec<f64>,
    /// Layers and 95 % quantiles among sentences of like length and tokens; a dashed line.
    pub matched: Vec<[f64; 2]>,
}

/// A plot of curves over layers.
pub struct Curves<'a> {
    /// What a screen reader calls it.
    pub name: &'a str,
    /// What stands at the horizontal axis: "layer".
    pub across: &'a str,
    /// What stands at the vertical axis.
    pub axis: &'a str,
    /// Fixed range of the vertical axis.
    pub range: (f64, f64),
    /// The curves.
    pub curves: &'a [Curve],
    /// The band of the null, where it is wished for.
    pub null: Option<&'a Null>,
    /// Value of the line for chance, where there is one.
    pub chance: Option<f64>,
    /// The layer that is marked.
    pub marked: Option<f64>,
    /// Height in points.
    pub height: f32,
}

impl Curve {
    /// A curve of rows, each at its place on the axis; those without a value are left out.
    pub fn of_rows<'r>(name: &str, colour: usize, rows: impl Iterator<Item = (f64, &'r Row)>) -> Self {
        let mut rows: Vec<(f64, &Row)> = rows.filter(|(_, row)| row.value.is_some()).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut curve = Self {
            name: name.to_owned(),
            colour,
            script: false,
            x: Vec::with_capacity(rows.len()),
            y: Vec::with_capacity(rows.len()),
            band: (Vec::new(), Vec::new()),
            strong: true,
        };
        for (x, row) in rows {
            curve.x.push(x);
            curve.y.push(row.value.unwrap_or_default());
            if let (Some(low), Some(high)) = (row.low, row.high) {
                curve.band.0.push(low);
                curve.band.1.push(high);
            }
        }
        curve
    }

    fn look(&self, colours: &Palette) -> (Color32, LineStyle) {
        if !self.script {
            return (colours.language(self.colour), theme::line_pattern(self.colour));
        }
        let faint = 1.0 - 0.12 * (self.colour / 3 % 5) as f32;
        let pattern = [LineStyle::Solid, LineStyle::dashed_loose(), LineStyle::dotted_loose()];
        (colours.text.gamma_multiply(faint), pattern[self.colour % pattern.len()])
    }
}

impl Null {
    fn paint(&self, plot: &mut PlotUi<'_>, colours: &Palette) {
        let grey = colours.weak;
        let fill = grey.gamma_multiply(0.22);
        plot.add(FilledArea::new("", &self.x, &self.mean, &self.q95).fill_color(fill).allow_hover(false));
        let points = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(&x, &y)| [x, y]).collect::<Vec<_>>();
        let upper = points(&self.x, &self.q95);
        plot.line(Line::new("95 % of shuffled sentences", PlotPoints::from(upper)).color(grey).width(1.4));
        if !self.matched.is_empty() {
            let line = Line::new("95 % of matched sentences", PlotPoints::from(self.matched.clone()));
            plot.line(line.color(colours.text).width(1.4).style(LineStyle::dashed_loose()));
        }
    }
}

/// A number at the axis: no more digits than it needs.
fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Of more curves only the stronger ones have bands.
const MANY: usize = 24;
/// Height of a name at the end of a curve, points.
const NAME: f32 = 16.0;

impl Curves<'_> {
    /// Draws the plot; gives the layer that was clicked.
    pub fn show(&self, ui: &mut Ui) -> Option<f64> {
        let colours = *Palette::current(ui);
        let first = self.curves.iter().flat_map(|c| c.x.first()).copied().fold(f64::INFINITY, f64::min);
        let last = self.curves.iter().flat_map(|c| c.x.last()).copied().fold(f64::NEG_INFINITY, f64::max);
        if !first.is_finite() || !last.is_finite() {
            return None;
        }
        let span = (last - first).max(1.0);
        let margin = 0.04 * (self.range.1 - self.range.0);
        let small = (0.5..=2.0).contains(&(self.range.1 - self.range.0));
        let names = self.end_names();
        let any_strong = self.curves.iter().any(|c| c.strong);
        let layers = AxisHints::new_x()
            .label(self.across)
            .label_spacing(Rangef::new(14.0, 22.0))
            .formatter(|mark, _| format!("{}", mark.value));
        // egui_plot keeps its bounds by id: another range of layers must be another plot.
        let bounds = [first, last, self.range.0, self.range.1].map(f64::to_bits);
        let shown = still(ui.scope_id().with((self.name, bounds)), self.height, &colours)
            .default_x_bounds(first - 0.02 * span, last + 0.10 * span)
            .default_y_bounds(self.range.0 - margin, self.range.1 + margin)
            .custom_x_axes(vec![layers])
            .y_axis_label(self.axis)
            .y_grid_spacer(if small { uniform_grid_spacer(|_| [1.0, 0.5, 0.25]) } else { log_grid_spacer(10) })
            // Without it a mark at 0.25 is written with one decimal, so wrong.
            .y_axis_formatter(move |mark, _| if small { format!("{:.2}", mark.value) } else { plain(mark.value) })
            .x_grid_spacer(|input| layer_marks(input.bounds))
            .label_formatter(|place| match place {
                HoverPosition::NearDataPoint { plot_name, position, .. } if !plot_name.is_empty() => {
                    Some(format!("{plot_name}\n{} {}: {}", self.across, position.x, number(position.y)))
                }
                _ => None,
            })
            .show(ui, |plot| {
                if let Some(null) = self.null {
                    null.paint(plot, &colours);
                }
                for curve in self.curves.iter().filter(|c| self.curves.len() <= MANY || c.strong) {
                    let (colour, _) = curve.look(&colours);
                    let (low, high) = &curve.band;
                    if low.len() == curve.x.len() && high.len() == curve.x.len() && !low.is_empty() {
                        let fill = colour.gamma_multiply(if curve.strong {
                            0.30
                        } else if any_strong {
                            0.05
                        } else {
                            0.12
                        });
                        plot.add(FilledArea::new("", &curve.x, low, high).fill_color(fill).allow_hover(false));
                    }
                }
                if let Some(chance) = self.chance {
                    plot.hline(HLine::new("chance", chance).color(colours.weak).style(LineStyle::dashed_dense()));
                }
                if let Some(layer) = self.marked {
                    plot.vline(VLine::new("", layer).color(colours.text.gamma_multiply(0.5)).allow_hover(false));
                }
                for (curve, at) in self.curves.iter().zip(&names) {
                    let points: Vec<[f64; 2]> = curve.x.iter().zip(&curve.y).map(|(&x, &y)| [x, y]).collect();
                    let (colour, pattern) = curve.look(&colours);
                    plot.line(
                        Line::new(curve.name.clone(), PlotPoints::from(points))
                            .color(colour)
                            .width(if curve.strong { 3.2 } else { 1.8 })
                            .style(pattern),
                    );
                    if let Some(at) = at {
                        let place = PlotPoint::new(last + 0.012 * span, *at);
                        let mark = egui::RichText::new(&curve.name).color(colour).size(theme::SMALL);
                        plot.text(Text::new("", place, mark).anchor(Align2::LEFT_CENTER).allow_hover(false));
                    }
                }
                let at = plot.pointer_coordinate().map(|p| p.x);
                at.filter(|_| plot.response().clicked())
            });
        shown.response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, self.name));
        shown.inner.map(|x| x.round().clamp(first, last))
    }

    /// Heights of the names at the ends of the curves, pushed apart so that none covers another. Where they do not all fit,
    /// the stronger and the highest curves have one.
    fn end_names(&self) -> Vec<Option<f64>> {
        let fit = ((self.height / NAME) as usize).saturating_sub(3).max(1);
        let space = 1.25 * f64::from(NAME - 3.0) / f64::from(self.height.max(1.0)) * (self.range.1 - self.range.0);
        let last = |curve: &Curve| curve.y.last().copied().unwrap_or(0.0);
        let mut order: Vec<(usize, f64)> = self.curves.iter().map(last).enumerate().collect();
        let strong = |curve: usize| self.curves.get(curve).is_some_and(|c| c.strong);
        order.sort_by(|a, b| strong(b.0).cmp(&strong(a.0)).then(b.1.total_cmp(&a.1)));
        order.truncate(fit);
        apart(order, self.curves.len(), space, self.range)
    }
}

/// A plot that stays as it is: nothing in it is dragged or zoomed.
pub(super) fn still<'a>(id: egui::Id, height: f32, colours: &Palette) -> Plot<'a> {
    Plot::new(id)
        .height(height)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_drag(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .show_background(false)
        .grid_color(colours.line)
        .show_crosshair(false)
}

/// Heights of names that want to be at these ones, at least `space` apart: one a curve of `count`, where it has a name.
pub(super) fn apart(mut wanted: Vec<(usize, f64)>, count: usize, space: f64, range: (f64, f64)) -> Vec<Option<f64>> {
    wanted.sort_by(|a, b| a.1.total_cmp(&b.1));
    spread(&mut wanted, space, range);
    let mut heights = vec![None; count];
    for (curve, height) in wanted {
        if let Some(slot) = heights.get_mut(curve) {
            *slot = Some(height);
        }
    }
    heights
}

/// Moves ascending heights apart to at least `space`, and back inside the range where they fit.
fn spread(heights: &mut [(usize, f64)], space: f64, range: (f64, f64)) {
    for at in 1..heights.len() {
        let floor = heights[at - 1].1 + space;
        heights[at].1 = heights[at].1.max(floor);
    }
    let mut ceiling = range.1;
    for entry in heights.iter_mut().rev() {
        entry.1 = entry.1.min(ceiling);
        ceiling = entry.1 - space;
    }
}

/// Whole layers only; at most some twenty of them.
fn layer_marks((from, to): (f64, f64)) -> Vec<egui_plot::GridMark> {
    let step = (((to - from) / 20.0).ceil().max(1.0)) as i64;
    let first = (from.ceil().max(0.0)) as i64;
    (first..=to.floor() as i64)
        .filter(|layer| layer % step == 0)
        .map(|layer| egui_plot::GridMark { value: layer as f64, step_size: step as f64 })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_at_the_ends_keep_their_distance_and_their_order() {
        let mut heights: Vec<(usize, f64)> = [0.90, 0.91, 0.92, 0.99].into_iter().enumerate().collect();
        spread(&mut heights, 0.05, (0.0, 1.0));
        assert!(heights.windows(2).all(|w| w[1].1 - w[0].1 >= 0.05 - 1e-12), "{heights:?}");
        assert!(heights.iter().all(|h| h.1 <= 1.0));
    }

    #[test]
    fn marks_of_an_axis_have_no_needless_digits() {
        assert_eq!([0.25, 10.0, -3.5].map(plain), ["0.25", "10", "-3.5"]);
    }

    #[test]
    fn marks_are_whole_layers() {
        let marks: Vec<f64> = layer_marks((-0.2, 6.7)).iter().map(|m| m.value).collect();
        assert_eq!(marks, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert!(layer_marks((-1.0, 96.0)).len() <= 21);
    }
}
