//! Any measure of pairs of languages as a square of cells: the language down, what it is compared with across.

use babelscope_probes::measure::Row;

use super::{
    Source, axis, colour,
    lines::caption,
    panel::range,
    svg::{Anchor, GREY, HAIR, INK, Svg},
    table,
    typeset::{Reading, fit, line},
};
use crate::headlines::Headline;

const LEFT: f64 = 16.0;
const TOP: f64 = 76.0;
/// Languages of a side: of more, the first are drawn and the caption says so.
const MOST: usize = 60;

/// The rows of a headline as SVG; `rows` are those of one variant and one layer.
pub(super) fn matrix(headline: &Headline, rows: &[&Row], source: &Source) -> String {
    let codes = |of: fn(&Row) -> &str| {
        let mut all: Vec<&str> = rows.iter().map(|row| of(row)).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let (mut down, mut across) = (codes(|row| &row.language), codes(|row| &row.pivot));
    let count = down.len().max(across.len());
    down.truncate(MOST);
    across.truncate(MOST);
    let scale = headline.range.unwrap_or_else(|| range(rows.iter().filter_map(|row| row.value)));
    let cell = if count <= 16 { 34.0 } else { (560.0 / count.min(MOST) as f64).max(9.0) };
    let names: Vec<_> = down.iter().map(|code| fit(table::name(code), 10.0, Reading::default(), 150.0)).collect();
    let x = LEFT + names.iter().map(|n| n.width).fold(30.0, f64::max) + 10.0;
    let mut svg = Svg::default();
    let title = format!(
        "{}{}",
        headline.title.get(..1).unwrap_or_default().to_uppercase(),
        headline.title.get(1..).unwrap_or_default()
    );
    let layer = rows.first().and_then(|row| row.layer).map_or_else(String::new, |layer| format!(", layer {layer}"));
    let title = title + &layer;
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &title);
    for (at, code) in across.iter().enumerate() {
        let label =
            line(code.split('_').next().unwrap_or(code), if cell >= 20.0 { 9.0 } else { 6.0 }, Reading::default());
        svg.text(x + (at as f64 + 0.5) * cell, TOP - 6.0, Anchor::Middle, &label, GREY, "");
    }
    for (r, (language, name)) in down.iter().zip(&names).enumerate() {
        let y = TOP + r as f64 * cell;
        svg.text(x - 8.0, y + cell / 2.0 + 3.5, Anchor::End, name, INK, "");
        for (c, pivot) in across.iter().enumerate() {
            let found = rows.iter().find(|row| row.language == *language && row.pivot == *pivot);
            let left = x + c as f64 * cell;
            let Some((row, value)) = found.and_then(|row| Some((row, row.value?))) else {
                let why = found.map_or("not measured", |row| row.status.as_str());
                svg.cell(left, y, cell, cell, HAIR, &format!("{language}, {pivot}: {why}"));
                continue;
            };
            let share = if scale.1 > scale.0 { (value - scale.0) / (scale.1 - scale.0) } else { 0.5 };
            let fill = colour::quantity(share);
            let interval = match (row.low, row.high) {
                (Some(low), Some(high)) => format!(" [{low:.3}, {high:.3}]"),
                _ => String::new(),
            };
            svg.cell(left, y, cell, cell, fill, &format!("{language}, {pivot}: {value:.4}{interval}, n = {}", row.n));
            if cell >= 26.0 {
                let text = if value.abs() >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") };
                let at = (left + cell / 2.0, y + cell / 2.0 + 3.2);
                svg.say(at.0, at.1, Anchor::Middle, 9.0, colour::ink_on(fill), &text);
            }
        }
    }
    let (wide, tall) = (cell * across.len() as f64, cell * down.len() as f64);
    svg.frame(x, TOP, wide, tall, HAIR, 0.0);
    axis::scale_bar(&mut svg, x + wide + 22.0, TOP, tall.clamp(60.0, 150.0), scale);
    let right = (x + wide + 80.0).max(LEFT + 420.0);
    let bottom = TOP + tall.max(60.0) + 20.0;
    let text = caption(headline, rows, source, (down.len().max(across.len()), count))
        + " Down: the language that is measured. Across: the other side, whose neurons or whose training it is, or what it is compared with.";
    let end = axis::caption(&mut svg, &text, LEFT, bottom, right - LEFT);
    svg.finish(right + LEFT, end + 4.0, &title)
}
