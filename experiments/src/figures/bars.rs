//! Any measure of languages as bars, the largest first, with their intervals.

use babelscope_probes::measure::Row;

use super::{
    Source, axis, colour,
    lines::caption,
    panel::{range, ticks},
    svg::{Anchor, GREY, HAIR, INK, Svg},
    table,
    typeset::{Reading, fit, line},
};
use crate::headlines::Headline;

const LEFT: f64 = 16.0;
const TOP: f64 = 60.0;
const WIDE: f64 = 330.0;
/// Bars of a figure: of more, both ends are drawn.
const MOST: usize = 100;

/// The rows of a headline as SVG; `rows` are those of one pivot. Bars of one script have one colour.
pub(super) fn bars(headline: &Headline, rows: &[&Row], source: &Source) -> String {
    let mut sorted: Vec<&Row> = rows.to_vec();
    sorted.sort_by(|a, b| {
        let value = |row: &Row| row.value.unwrap_or(f64::NEG_INFINITY);
        value(b).total_cmp(&value(a)).then_with(|| a.language.cmp(&b.language))
    });
    let count = sorted.len();
    if count > MOST {
        sorted.drain(MOST / 2..count - MOST / 2);
    }
    let script = |row: &Row| row.language.split_once('_').map_or("", |(_, script)| script).to_owned();
    let mut scripts: Vec<String> = rows.iter().map(|row| script(row)).collect();
    scripts.sort_unstable();
    scripts.dedup();
    let ends = sorted.iter().flat_map(|row| [row.value, row.high, row.low, row.chance]).flatten();
    let scale = headline.range.unwrap_or_else(|| range(ends.chain([0.0])));
    let height = if sorted.len() <= 40 { 16.0 } else { 10.0 };
    let name = |row: &Row| {
        let variant = if row.variant.is_empty() { String::new() } else { format!(" ({})", row.variant) };
        format!("{}{variant}", table::name(&row.language))
    };
    let names: Vec<_> = sorted.iter().map(|row| fit(&name(row), 9.5, Reading::default(), 180.0)).collect();
    let x = LEFT + names.iter().map(|n| n.width).fold(30.0, f64::max) + 44.0;
    let along = |value: f64| x + (value.clamp(scale.0, scale.1) - scale.0) / (scale.1 - scale.0) * WIDE;
    let mut svg = Svg::default();
    let pivot = rows.first().filter(|row| !row.pivot.is_empty());
    let with = pivot.map_or_else(String::new, |row| format!(", with {}", table::name(&row.pivot)));
    let title = format!(
        "{}{}{with}",
        headline.title.get(..1).unwrap_or_default().to_uppercase(),
        headline.title.get(1..).unwrap_or_default()
    );
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &title);
    let bottom = TOP + height * sorted.len() as f64;
    for (value, label) in ticks(scale) {
        svg.line((along(value), TOP), (along(value), bottom), HAIR, 0.6, "");
        svg.say(along(value), TOP - 5.0, Anchor::Middle, axis::SMALL, INK, &label);
    }
    for (at, (row, label)) in sorted.iter().zip(&names).enumerate() {
        let (y, code) = (TOP + at as f64 * height, script(row));
        let base = y + height / 2.0 + 3.2;
        svg.text(x - 36.0, base, Anchor::End, label, INK, "");
        svg.text(x - 4.0, base, Anchor::End, &line(&code, 7.5, Reading::default()), GREY, "");
        let Some(value) = row.value else {
            svg.text(x + 4.0, base, Anchor::Start, &fit(&row.status, 8.0, Reading::default(), WIDE), GREY, "");
            continue;
        };
        let fill = colour::language(scripts.binary_search(&code).unwrap_or(0));
        let (from, to) = (along(scale.0.max(0.0)), along(value));
        let says = format!("{}: {value:.4}, n = {}", row.language, row.n);
        svg.cell(from.min(to), y + 2.0, (to - from).abs().max(0.5), height - 4.0, colour::tint(fill, 0.75), &says);
        if let (Some(low), Some(high)) = (row.low, row.high) {
            svg.line((along(low), y + height / 2.0), (along(high), y + height / 2.0), INK, 1.0, "");
        }
    }
    if let Some(chance) = rows.first().and_then(|row| row.chance) {
        svg.line((along(chance), TOP), (along(chance), bottom), INK, 0.9, "1.5 2.5");
    }
    let right = x + WIDE + 16.0;
    let text = caption(headline, rows, source, (sorted.len(), count)) + " Colours: scripts. Lines: 95 % intervals.";
    let end = axis::caption(&mut svg, &text, LEFT, bottom + 20.0, right - LEFT);
    svg.finish(right + LEFT, end + 4.0, &title)
}
