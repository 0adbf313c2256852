//! Heat map language x layer: how well each language is aligned with the pivot, centred and raw side by side.

use babelscope_core::lang;
use babelscope_probes::align::{AlignReport, Centring};

use super::{
    Source,
    axis::{self, SMALL},
    colour::{self, Rgb},
    svg::{Anchor, GREY, HAIR, INK, Svg},
    table::{self, Table},
    typeset::{Line, Reading, fit, line},
};

/// Ground of a cell that was not measured.
const NOT_MEASURED: Rgb = Rgb(0xe8, 0xe8, 0xe8);
/// Room between the panels.
const BETWEEN: f64 = 18.0;
/// Room where languages are left out.
const GAP: f64 = 7.0;
const TOP: f64 = 62.0;

/// MEXA of every language with `pivot`, as SVG.
pub fn heatmap(report: &AlignReport, pivot: &str, source: &Source) -> String {
    let table = Table::new(report, pivot);
    let rows = table.languages.len();
    let columns = table.layers.len();
    let row = if rows <= 24 { 19.0 } else { 13.0 };
    let labels = Labels::new(&table, if rows <= 24 { 11.0 } else { 9.5 });
    let panels = table.centrings.len().max(1);
    // Few languages and many layers: panels one below the other, or the figure is a ribbon.
    let stacked = columns > 18 && rows <= 24;
    let abreast = if stacked { 1 } else { panels };
    let column = (560.0 / (columns * abreast).max(1) as f64).clamp(4.0, 30.0);
    let (wide, tall) = (column * columns as f64, down(&table, rows, row));

    let mut svg = Svg::default();
    let left = 16.0;
    let title = format!("Alignment with {} by layer", table::name(pivot));
    svg.say(left, 26.0, Anchor::Start, 15.0, INK, &title);
    let mut bottom = TOP;
    let mut right = left;
    for (at, &centring) in table.centrings.iter().enumerate() {
        let fresh = stacked || at == 0;
        let y = if stacked { TOP + at as f64 * (tall + 66.0) } else { TOP };
        let x = left + labels.width + if stacked { 0.0 } else { at as f64 * (wide + BETWEEN) };
        if fresh {
            labels.draw(&mut svg, &table, left, y, row);
        }
        panel(&mut svg, &table, centring, (x, y), (column, row));
        bottom = y + tall;
        right = x + wide;
    }
    axis::colour_bar(&mut svg, right + 22.0, TOP, (tall).clamp(60.0, 150.0), "MEXA");
    let bottom = bottom.max(TOP + 60.0) + 46.0;
    let width = (right + 70.0).max(460.0);
    let end = axis::caption(&mut svg, &table.caption(source), left, bottom, width - 2.0 * left);
    svg.finish(width, end + 4.0, &title)
}

/// Where a row begins below the first one.
fn down(table: &Table<'_>, at: usize, row: f64) -> f64 {
    let gaps = table.gaps.iter().filter(|gap| **gap <= at).count();
    row * at as f64 + GAP * gaps as f64
}

fn panel(svg: &mut Svg, table: &Table<'_>, centring: Centring, (x, y): (f64, f64), (column, row): (f64, f64)) {
    let wide = column * table.layers.len() as f64;
    let title = fit(table::panel_title(centring), 10.0, Reading::default(), wide.max(60.0));
    svg.text(x + wide / 2.0, y - 8.0, Anchor::Middle, &title, INK, "");
    for (r, language) in table.languages.iter().enumerate() {
        for (c, &layer) in table.layers.iter().enumerate() {
            let (cx, cy) = (x + c as f64 * column, y + down(table, r, row));
            let Some(cell) = table.cell(language, layer, centring) else {
                svg.cell(cx, cy, column, row, NOT_MEASURED, &format!("{language}, layer {layer}: not measured"));
                continue;
            };
            let (value, fill) = (cell.mexa.value, colour::quantity(cell.mexa.value));
            let (low, high) = (cell.mexa.low, cell.mexa.high);
            let says = format!("{language}, layer {layer}: {value:.4} [{low:.4}, {high:.4}], n = {}", cell.n);
            svg.cell(cx, cy, column, row, fill, &says);
            if column >= 17.0 {
                let size = if column >= 22.0 { SMALL } else { 7.5 };
                let ink = colour::ink_on(fill);
                svg.say(cx + column / 2.0, cy + row / 2.0 + 3.2, Anchor::Middle, size, ink, &short(value));
            }
        }
    }
    let rows = table.languages.len();
    let bottom = y + down(table, rows, row);
    let mut start = 0;
    for end in table.gaps.iter().copied().chain([rows]) {
        svg.frame(x, y + down(table, start, row), wide, row * (end - start) as f64, HAIR, 0.0);
        start = end;
    }
    let first = |layer| table.layers.iter().position(|l| *l == layer).unwrap_or(0);
    axis::layers(svg, &table.layers, |layer| x + (first(layer) as f64 + 0.5) * column, bottom, true);
}

/// Two decimals without the zero before the point: `.42`, `1.0`.
fn short(value: f64) -> String {
    if value >= 0.995 { format!("{value:.1}") } else { format!("{value:.2}").trim_start_matches('0').to_owned() }
}

/// Names, own names and codes of the languages, in three columns.
struct Labels {
    rows: Vec<[Line; 3]>,
    columns: [f64; 3],
    width: f64,
}

impl Labels {
    fn new(table: &Table<'_>, size: f64) -> Self {
        let label = |code: &&str| {
            let code: &str = code;
            let own = lang::find(code).map_or("", |l| if l.autonym == l.name { "" } else { l.autonym });
            let name = if table::name(code) == code { "" } else { table::name(code) };
            [
                fit(name, size, Reading::default(), 150.0),
                fit(own, size, Reading::of_language(code), 90.0),
                line(code, size - 2.0, Reading::default()),
            ]
        };
        let rows: Vec<[Line; 3]> = table.languages.iter().map(label).collect();
        let widest = |at: usize| rows.iter().map(|row| row[at].width).fold(0.0, f64::max);
        let columns = [widest(0), widest(1), widest(2)];
        let width = columns.iter().map(|w| if *w > 0.0 { w + 8.0 } else { 0.0 }).sum();
        Self { rows, columns, width }
    }

    fn draw(&self, svg: &mut Svg, table: &Table<'_>, x: f64, y: f64, height: f64) {
        let own = x + self.columns[0] + if self.columns[0] > 0.0 { 8.0 } else { 0.0 };
        for (at, ([name, autonym, code], language)) in self.rows.iter().zip(&table.languages).enumerate() {
            let base = y + down(table, at, height) + 0.5 * height + name.size.max(9.0) * 0.35;
            svg.text(x, base, Anchor::Start, name, INK, "");
            svg.text(own, base, Anchor::Start, autonym, GREY, language);
            svg.text(x + self.width - 8.0, base, Anchor::End, code, GREY, "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{png, samples};

    #[test]
    fn every_language_and_value_is_in_the_figure() {
        let report = samples::alignment(&["arb_Arab", "hin_Deva", "tha_Thai"], 4, 50);
        let svg = heatmap(&report, "eng_Latn", &samples::source());
        let document = resvg::usvg::roxmltree::Document::parse(&svg).unwrap();
        let texts: Vec<_> = document.descendants().filter_map(|n| n.text()).collect();
        for cell in &report.cells {
            assert!(texts.contains(&cell.language.as_str()));
            assert!(texts.contains(&short(cell.mexa.value).as_str()), "{}", cell.mexa.value);
            let says = format!("{}, layer {}: {:.4}", cell.language, cell.layer, cell.mexa.value);
            assert!(texts.iter().any(|t| t.starts_with(&says)), "{says}");
        }
        for word in ["n = 50", "0.0101", "tiny", "UDHR", "layer (0 = embeddings)"] {
            assert!(svg.contains(word), "{word}");
        }
        assert_eq!(png::missing_glyphs(&svg), Vec::<String>::new());
    }

    #[test]
    fn a_cell_that_was_not_measured_is_grey_and_never_a_number() {
        let mut report = samples::alignment(&["arb_Arab"], 2, 50);
        report.cells.retain(|cell| cell.layer != 1 || cell.centring == Centring::Raw);
        let svg = heatmap(&report, "eng_Latn", &samples::source());
        assert_eq!(svg.matches("not measured").count(), 1);
    }

    #[test]
    fn shares_are_written_with_two_decimals_and_full_marks_as_one() {
        assert_eq!([0.0, 0.004, 0.05, 0.994, 0.995, 1.0].map(short), [".00", ".00", ".05", ".99", "1.0", "1.0"]);
    }
}
