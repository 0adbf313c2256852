//! Curves over layers: one line a language with its bootstrap band, and the line of chance.

use babelscope_probes::align::{AlignCell, AlignReport, Centring};

use super::{
    Source, axis, colour,
    panel::{Panel, Point, Style, marker},
    svg::{Anchor, GREY, INK, Svg},
    table::{self, Table},
    typeset::{Reading, fit, line},
};

/// Up to this many languages share a panel; more get a panel each.
const TOGETHER: usize = 12;
const LEFT: f64 = 16.0;
const TOP: f64 = 62.0;

/// MEXA of every language with `pivot` over the layers, as SVG: up to twelve languages in two panels (centred and raw) with
/// the names at the ends of the lines, more as a panel for each language.
pub fn curves(report: &AlignReport, pivot: &str, source: &Source) -> String {
    let table = Table::new(report, pivot);
    let mut svg = Svg::default();
    let title = format!("Alignment with {} over layers", table::name(pivot));
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &title);
    let (right, bottom) =
        if table.languages.len() <= TOGETHER { together(&mut svg, &table) } else { apart(&mut svg, &table) };
    let bands = "Bands: 95 % bootstrap interval over sentences. Dotted: chance.";
    let text = format!("{} {bands}", table.caption(source));
    let end = axis::caption(&mut svg, &text, LEFT, bottom + 44.0, right - LEFT);
    svg.finish(right + LEFT, end + 4.0, &title)
}

impl Panel<'_> {
    /// One language: its band, its line, its marks. Returns where the line ends.
    fn language(
        &self,
        svg: &mut Svg,
        table: &Table<'_>,
        language: &str,
        centring: Centring,
        style: &Style,
    ) -> Option<f64> {
        let cells = table.layers.iter().filter_map(|&layer| table.cell(language, layer, centring));
        let point = |c: &AlignCell| Point { layer: c.layer, value: c.mexa.value, low: c.mexa.low, high: c.mexa.high };
        self.curve(svg, &cells.map(point).collect::<Vec<_>>(), style)
    }
}

fn together(svg: &mut Svg, table: &Table<'_>) -> (f64, f64) {
    let (width, height) = (250.0, 250.0);
    let names: Vec<_> = table.languages.iter().map(|l| fit(table::name(l), 10.0, Reading::default(), 150.0)).collect();
    let room = names.iter().map(|n| n.width).fold(40.0, f64::max) + 26.0;
    let mut right = LEFT;
    for (at, &centring) in table.centrings.iter().enumerate() {
        let x = LEFT + 30.0 + at as f64 * (width + room + 34.0);
        let panel = Panel { x, y: TOP, width, height, layers: &table.layers, range: (0.0, 1.0) };
        svg.say(x + width / 2.0, TOP - 8.0, Anchor::Middle, 10.0, INK, table::panel_title(centring));
        panel.grid(svg, Some(table.chance()), true);
        axis::layers(svg, &table.layers, |layer| panel.across(layer), TOP + height, true);
        let style = |i: usize| Style { colour: colour::language(i), dash: "", mark: Some(i) };
        let ends: Vec<f64> = (table.languages.iter())
            .map(|language| {
                let style = style(table.colour(language));
                panel.language(svg, table, language, centring, &style).unwrap_or(TOP)
            })
            .collect();
        for (i, place) in axis::spread(&ends, 13.0, TOP, TOP + height).into_iter().enumerate() {
            let mark = table.colour(table.languages[i]);
            let (start, colour) = (x + width, colour::language(mark));
            svg.path(&[(start + 2.0, ends[i]), (start + 9.0, place), (start + 13.0, place)], colour, 0.7, "");
            marker(svg, (start + 15.0, place), mark, colour);
            svg.text(start + 21.0, place + 3.4, Anchor::Start, &names[i], INK, "");
        }
        right = x + width + room;
    }
    svg.say(LEFT, TOP - 8.0, Anchor::Start, axis::SMALL, INK, "MEXA");
    (right, TOP + height)
}

fn apart(svg: &mut Svg, table: &Table<'_>) -> (f64, f64) {
    let (columns, width, height) = (6, 112.0, 62.0);
    let (step, rise) = (width + 14.0, height + 32.0);
    let styles = [
        (Centring::Language, "centred", Style { colour: colour::language(0), dash: "", mark: None }),
        (Centring::Raw, "raw", Style { colour: colour::language(1), dash: "4 2", mark: None }),
    ];
    let mut key = LEFT + 30.0;
    for (centring, word, style) in &styles {
        if table.centrings.contains(centring) {
            svg.line((key, 42.0), (key + 22.0, 42.0), style.colour, 1.6, style.dash);
            let word = line(word, 10.0, Reading::default());
            svg.text(key + 27.0, 45.5, Anchor::Start, &word, INK, "");
            key += 27.0 + word.width + 18.0;
        }
    }
    svg.say(key, 45.5, Anchor::Start, 10.0, GREY, "MEXA, 0 to 1, over layers (0 = embeddings)");
    let count = table.languages.len();
    for (at, language) in table.languages.iter().enumerate() {
        let (column, row) = (at % columns, at / columns);
        let (x, y) = (LEFT + 22.0 + column as f64 * step, TOP + 14.0 + row as f64 * rise);
        let panel = Panel { x, y, width, height, layers: &table.layers, range: (0.0, 1.0) };
        let code = line(language, 7.5, Reading::default());
        if table::name(language) != *language {
            let name = fit(table::name(language), 9.5, Reading::default(), width - code.width - 6.0);
            svg.text(x, y - 4.0, Anchor::Start, &name, INK, "");
        }
        svg.text(x + width, y - 4.0, Anchor::End, &code, GREY, "");
        panel.grid(svg, Some(table.chance()), column == 0);
        for (centring, _, style) in &styles {
            panel.language(svg, table, language, *centring, style);
        }
        // The last panel of each column carries the numbers of the layers.
        if at + columns >= count {
            axis::layers(svg, &table.layers, |layer| panel.across(layer), y + height, false);
        }
    }
    let rows = count.div_ceil(columns);
    (LEFT + 22.0 + columns as f64 * step - 14.0, TOP + 14.0 + rows as f64 * rise - 48.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{png, samples};

    #[test]
    fn every_language_has_a_line_a_band_and_a_name_in_each_panel() {
        let languages = ["arb_Arab", "hin_Deva", "tha_Thai"];
        let svg = curves(&samples::alignment(&languages, 6, 50), "eng_Latn", &samples::source());
        for language in languages {
            assert_eq!(svg.matches(&format!(">{}</text>", table::name(language))).count(), 2, "{language}");
        }
        assert_eq!(svg.matches(r#"fill-opacity="0.13""#).count(), 6);
        assert_eq!(svg.matches(r#"stroke-dasharray="1.5 2.5""#).count(), 2, "the line of chance");
        assert_eq!(png::missing_glyphs(&svg), Vec::<String>::new());
    }

    #[test]
    fn many_languages_get_a_panel_each() {
        let codes = samples::codes(60);
        let languages: Vec<&str> = codes.iter().map(String::as_str).collect();
        let svg = curves(&samples::alignment(&languages, 80, 50), "eng_Latn", &samples::source());
        for language in languages {
            assert_eq!(svg.matches(&format!(">{language}</text>")).count(), 1);
        }
    }
}
