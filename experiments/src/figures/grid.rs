//! A square of cells with layers upwards and anything across: positions of a text, heads, strengths.

use babelscope_probes::measure::Row;

use super::{
    axis, colour,
    colour::Rgb,
    svg::{Anchor, GREY, HAIR, INK, Svg},
    typeset::{Line, Reading, fit, line},
};

const LEFT: f64 = 16.0;
const TOP: f64 = 44.0;
/// Columns of a figure: of more, the first are drawn and the caption says so.
const MOST: usize = 64;

/// What is drawn.
pub(super) struct Grid<'a> {
    pub(super) title: String,
    /// Items of the rows in their order, each with what stands below its column.
    pub(super) columns: Vec<(&'a str, String)>,
    /// What the columns are: `position`, `strength`.
    pub(super) across: &'a str,
    /// The language of the columns' words; empty where they are none.
    pub(super) language: &'a str,
    pub(super) rows: &'a [&'a Row],
    /// A scale around 0 is drawn in two colours, any other in one.
    pub(super) range: (f64, f64),
    pub(super) caption: String,
}

impl Grid<'_> {
    fn colour(&self, value: f64) -> Rgb {
        let (low, high) = self.range;
        if low < 0.0 {
            return colour::signed(value / high.abs().max(low.abs()));
        }
        colour::quantity(if high > low { (value - low) / (high - low) } else { 0.5 })
    }

    pub(super) fn svg(&self) -> String {
        let mut layers: Vec<usize> = self.rows.iter().filter_map(|row| row.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        let columns = self.columns.get(..MOST).unwrap_or(&self.columns);
        let wide = if columns.len() <= 14 { 34.0 } else { (500.0 / columns.len() as f64).max(11.0) };
        let tall = if layers.len() <= 16 { 24.0 } else { (400.0 / layers.len() as f64).max(7.0) };
        let x = LEFT + 40.0;
        let mut svg = Svg::default();
        svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &self.title);
        for (at, layer) in layers.iter().rev().enumerate() {
            let y = TOP + at as f64 * tall;
            if tall >= 10.0 || layer % 5 == 0 {
                svg.say(x - 6.0, y + tall / 2.0 + 3.0, Anchor::End, axis::SMALL, INK, &layer.to_string());
            }
            for (column, (item, label)) in columns.iter().enumerate() {
                self.cell(&mut svg, (x + column as f64 * wide, y), (wide, tall), (*layer, item), label);
            }
        }
        let bottom = TOP + tall * layers.len() as f64;
        let right = x + wide * columns.len() as f64;
        svg.frame(x, TOP, right - x, bottom - TOP, HAIR, 0.0);
        svg.say(LEFT, TOP - 6.0, Anchor::Start, axis::SMALL, GREY, "layer");
        let end = self.labels(&mut svg, columns, (x, bottom), wide);
        let scale = if self.range.0 < 0.0 { |share: f64| colour::signed(2.0 * share - 1.0) } else { colour::quantity };
        axis::coloured_bar(&mut svg, right + 20.0, TOP, (bottom - TOP).clamp(60.0, 150.0), self.range, scale);
        let width = (right + 76.0).max(LEFT + 440.0);
        let cut = self.columns.len() - columns.len();
        let more = if cut > 0 { format!(" {cut} columns more are in the table.") } else { String::new() };
        let caption = format!("{}{more}", self.caption);
        let end = axis::caption(&mut svg, &caption, LEFT, end.max(TOP + 80.0) + 18.0, width - LEFT);
        svg.finish(width + LEFT, end + 4.0, &self.title)
    }

    fn cell(
        &self,
        svg: &mut Svg,
        (x, y): (f64, f64),
        (wide, tall): (f64, f64),
        (layer, item): (usize, &str),
        label: &str,
    ) {
        let found = self.rows.iter().find(|row| row.layer == Some(layer) && row.item == item);
        let place = format!("layer {layer}, {} {label}", self.across);
        let Some((row, value)) = found.and_then(|row| Some((row, row.value?))) else {
            let why = found.map_or("not measured", |row| row.status.as_str());
            return svg.cell(x, y, wide, tall, HAIR, &format!("{place}: {why}"));
        };
        let fill = self.colour(value);
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!(" [{low:.3}, {high:.3}]"),
            _ => String::new(),
        };
        svg.cell(x, y, wide, tall, fill, &format!("{place}: {value:.4}{interval}, n = {}", row.n));
        if wide >= 26.0 && tall >= 14.0 {
            // A cell that rounds to nothing has no sign.
            let shown = if value.abs() < 0.005 { 0.0 } else { value };
            let text = if value.abs() >= 100.0 { format!("{shown:.0}") } else { format!("{shown:.2}") };
            svg.say(x + wide / 2.0, y + tall / 2.0 + 3.2, Anchor::Middle, 8.5, colour::ink_on(fill), &text);
        }
    }

    /// Words below the columns: numbers level, words one below the other where they would touch. Returns where they end.
    fn labels(&self, svg: &mut Svg, columns: &[(&str, String)], (x, y): (f64, f64), wide: f64) -> f64 {
        let reading = if self.language.is_empty() { Reading::default() } else { Reading::of_language(self.language) };
        let lines: Vec<Line> = columns.iter().map(|(_, label)| line(label, axis::SMALL, reading)).collect();
        let widest = lines.iter().map(|line| line.width).fold(0.0, f64::max);
        let steps = ((widest + 6.0) / wide).ceil().clamp(1.0, 4.0) as usize;
        for (column, (_, label)) in columns.iter().enumerate() {
            let middle = x + (column as f64 + 0.5) * wide;
            let below = y + 12.0 + (column % steps) as f64 * 12.0;
            if column % steps > 0 {
                svg.line((middle, y + 2.0), (middle, below - 9.0), HAIR, 0.6, "");
            }
            let text = fit(label, axis::SMALL, reading, wide * steps as f64 - 3.0);
            svg.text(middle, below, Anchor::Middle, &text, INK, self.language);
        }
        let end = y + 12.0 + steps as f64 * 12.0;
        svg.say(x, end + 2.0, Anchor::Start, 10.0, INK, self.across);
        end + 4.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_says_every_number_and_colours_the_two_sides_apart() {
        let row = |layer: usize, item: &str, value: f64| Row::new("effect", value, 3).at(layer).item(item);
        let rows = [row(0, "0", -1.0), row(0, "1", 1.0), row(1, "0", 0.0)];
        let rows: Vec<&Row> = rows.iter().collect();
        let grid = Grid {
            title: "Patching".to_owned(),
            columns: vec![("0", "गेंद".to_owned()), ("1", "سوق".to_owned())],
            across: "token",
            language: "",
            rows: &rows,
            range: (-1.0, 1.0),
            caption: "n = 3.".to_owned(),
        };
        let svg = grid.svg();
        for text in
            ["layer 0, token गेंद: -1.0000, n = 3", "layer 1, token سوق: not measured", "#542788", "#b35806", "#f7f7f7"]
        {
            assert!(svg.contains(text), "{text}\n{svg}");
        }
    }
}
