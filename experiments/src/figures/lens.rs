//! Lens grid: what each layer would say next after each token. Layers upward, tokens in reading direction.

use std::collections::{BTreeMap, BTreeSet};

use babelscope_core::lang;
use babelscope_probes::lens::{Candidate, LensReport};
use unicode_bidi::{BidiInfo, Level};

use super::{
    Source,
    axis::{self, SMALL},
    colour::{self, Rgb},
    pieces::{self, Shown},
    svg::{Anchor, GREY, HAIR, INK, Svg, WHITE},
    table,
    typeset::{Reading, fit, line},
};

/// What the colour of a cell means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colouring {
    /// Probability of the token that is shown.
    Probability,
    /// The language whose token set holds the token that is shown.
    Language,
}

const LEFT: f64 = 16.0;
/// Room for the numbers of the layers.
const AXIS: f64 = 34.0;
/// A band of the grid is not wider than this; longer texts continue in the next band.
const BAND: f64 = 800.0;

/// The grid of one text, as SVG.
pub fn lens(report: &LensReport, colouring: Colouring, source: &Source) -> String {
    let grid = Grid::new(report, colouring);
    let mut svg = Svg::default();
    let title = match colouring {
        Colouring::Probability => "Logit lens: the next token at each layer",
        Colouring::Language => "Logit lens: the language of the next token at each layer",
    };
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, title);
    let bands: Vec<&[usize]> = grid.tokens.chunks(grid.columns).collect();
    let widest = bands.iter().map(|band| band.len()).max().unwrap_or(0);
    let right = LEFT + AXIS + widest as f64 * grid.column;
    let width = (right + 70.0).max(480.0);
    let text = fit(&report.text, 12.0, Reading::default(), width - 2.0 * LEFT);
    let (anchor, x) = if text.rtl {
        (Anchor::End, if text.width <= right - LEFT { right } else { width - LEFT })
    } else {
        (Anchor::Start, LEFT)
    };
    svg.text(x, 48.0, anchor, &text, INK, "");

    let mut y = 66.0;
    for band in &bands {
        y = grid.band(&mut svg, band, y) + 26.0;
    }
    match colouring {
        Colouring::Probability => axis::colour_bar(&mut svg, right + 16.0, 78.0, 110.0, "probability"),
        Colouring::Language => y = grid.key(&mut svg, y, width - 2.0 * LEFT) + 12.0,
    }
    let y = y.max(if colouring == Colouring::Probability { 214.0 } else { 0.0 });
    let end = axis::caption(&mut svg, &grid.caption(source), LEFT, y, width - 2.0 * LEFT);
    svg.finish(width, end + 4.0, title)
}

struct Grid<'a> {
    report: &'a LensReport,
    colouring: Colouring,
    /// Whether the text as a whole runs right to left.
    rtl: bool,
    tokens: Vec<usize>,
    columns: usize,
    column: f64,
    row: f64,
    /// Short names of the languages, for cells.
    codes: Vec<String>,
    /// Which colour each language has: its place among all codes, as in the other figures of a run.
    colours: Vec<usize>,
}

impl<'a> Grid<'a> {
    fn new(report: &'a LensReport, colouring: Colouring) -> Self {
        let paragraphs = BidiInfo::new(&report.text, None).paragraphs;
        let rtl = paragraphs.first().is_some_and(|p| p.level == Level::rtl());
        let row = match (report.layers.len() > 40, colouring) {
            (true, Colouring::Probability) => 15.0,
            (false, Colouring::Probability) => 20.0,
            (_, Colouring::Language) => 27.0,
        };
        let tops = report.cells.iter().flatten().filter_map(|cell| cell.top.first());
        let widths = report.tokens.iter().chain(tops).map(|c| pieces::shown(&c.piece, 10.0, 66.0, rtl).width());
        let column = (widths.fold(0.0, f64::max) + 8.0).clamp(36.0, 74.0).ceil();
        let columns = ((BAND / column) as usize).max(1);
        let brief = |code: &String| code.split('_').next().unwrap_or(code).to_owned();
        let mut codes: Vec<String> = report.languages.iter().map(brief).collect();
        let mut count: BTreeMap<String, usize> = BTreeMap::new();
        codes.iter().for_each(|code| *count.entry(code.clone()).or_default() += 1);
        for (code, full) in codes.iter_mut().zip(&report.languages) {
            // Two scripts of one language need their whole codes.
            if count.get(code).is_some_and(|n| *n > 1) {
                code.clone_from(full);
            }
        }
        let mut ordered: Vec<&String> = report.languages.iter().collect();
        ordered.sort_unstable();
        let colours = report.languages.iter().map(|code| ordered.partition_point(|other| *other < code)).collect();
        Self {
            report,
            colouring,
            rtl,
            tokens: (0..report.tokens.len()).collect(),
            columns,
            column,
            row,
            codes,
            colours,
        }
    }

    /// Some tokens at all layers; returns where the band ends.
    fn band(&self, svg: &mut Svg, tokens: &[usize], y: f64) -> f64 {
        let x = |at: usize| {
            let place = if self.rtl { tokens.len() - 1 - at } else { at };
            LEFT + AXIS + place as f64 * self.column
        };
        let layers = &self.report.layers;
        let bottom = y + layers.len() as f64 * self.row;
        let place = |layer: usize| layers.iter().position(|l| *l == layer).map_or(0.0, |at| at as f64 * self.row);
        let labelled = axis::labelled(layers, place, 11.0);
        for (at, &layer) in layers.iter().enumerate() {
            let top = bottom - (at + 1) as f64 * self.row;
            if labelled.contains(&layer) {
                let middle = top + self.row / 2.0 + 3.2;
                svg.say(LEFT + AXIS - 5.0, middle, Anchor::End, SMALL, INK, &layer.to_string());
            }
            for (i, &token) in tokens.iter().enumerate() {
                self.cell(svg, at, layer, token, (x(i), top));
            }
        }
        let wide = tokens.len() as f64 * self.column;
        svg.frame(LEFT + AXIS, y, wide, bottom - y, HAIR, 0.0);
        svg.say(LEFT - 4.0, y + 8.0, Anchor::Start, SMALL, GREY, "layer");
        svg.say(LEFT - 4.0, bottom + 17.0, Anchor::Start, SMALL, GREY, "input");
        for (i, &token) in tokens.iter().enumerate() {
            let Some(input) = self.report.tokens.get(token) else { continue };
            svg.frame(x(i) + 1.0, bottom + 5.0, self.column - 2.0, 18.0, HAIR, 2.0);
            let shown = self.shown(input);
            shown.draw(svg, x(i) + self.column / 2.0, bottom + 17.5, INK, GREY);
        }
        bottom + 24.0
    }

    fn shown(&self, candidate: &Candidate) -> Shown {
        pieces::shown(&candidate.piece, if self.row < 18.0 { 8.5 } else { 10.0 }, self.column - 6.0, self.rtl)
    }

    fn cell(&self, svg: &mut Svg, at: usize, layer: usize, token: usize, (x, y): (f64, f64)) {
        let cell = self.report.cells.get(at).and_then(|row| row.get(token));
        let Some(top) = cell.and_then(|cell| cell.top.first()) else {
            svg.cell(x, y, self.column, self.row, HAIR, &format!("layer {layer}, token {token}: nothing"));
            return;
        };
        let language = top.language.map(usize::from);
        let fill = match self.colouring {
            Colouring::Probability => colour::quantity(f64::from(top.probability)),
            Colouring::Language => language.map_or(WHITE, |l| self.tint(l)),
        };
        let code = language.and_then(|l| self.report.languages.get(l)).map_or("unsure", String::as_str);
        let signs = pieces::signs(&top.piece);
        let says = format!("layer {layer}, token {token}: {signs}, probability {:.4}, {code}", top.probability);
        svg.cell(x, y, self.column, self.row, fill, &says);
        let ink = colour::ink_on(fill);
        let middle = x + self.column / 2.0;
        match self.colouring {
            Colouring::Probability => {
                self.shown(top).draw(svg, middle, y + self.row / 2.0 + 3.5, ink, colour::faded(ink, fill));
            }
            Colouring::Language => {
                self.shown(top).draw(svg, middle, y + 13.0, ink, GREY);
                let code = language.and_then(|l| self.codes.get(l)).map_or("–", String::as_str);
                svg.text(
                    middle,
                    y + 24.0,
                    Anchor::Middle,
                    &fit(code, 7.5, Reading::default(), self.column - 4.0),
                    INK,
                    "",
                );
                svg.frame(x, y, self.column, self.row, WHITE, 0.0);
            }
        }
    }

    /// The languages that occur, each with its colour; returns where the key ends.
    fn key(&self, svg: &mut Svg, y: f64, width: f64) -> f64 {
        let tops = || self.report.cells.iter().flatten().filter_map(|cell| cell.top.first());
        let said: BTreeSet<usize> = tops().filter_map(|top| top.language.map(usize::from)).collect();
        let mut entries: Vec<(Rgb, String)> = (self.report.languages.iter().enumerate())
            .filter(|(at, _)| said.contains(at))
            .map(|(at, code)| (self.tint(at), format!("{} {}", self.codes[at], known_name(code))))
            .collect();
        if tops().any(|top| top.language.is_none()) {
            entries.push((WHITE, "– in no language's set, or in several".to_owned()));
        }
        let (mut x, mut y) = (LEFT, y);
        for (fill, words) in entries {
            let words = line(words.trim(), SMALL, Reading::default());
            if x > LEFT && x + 18.0 + words.width > LEFT + width {
                (x, y) = (LEFT, y + 16.0);
            }
            svg.rect(x, y - 8.0, 12.0, 10.0, fill);
            svg.frame(x, y - 8.0, 12.0, 10.0, HAIR, 0.0);
            svg.text(x + 17.0, y, Anchor::Start, &words, INK, "");
            x += 17.0 + words.width + 16.0;
        }
        y + 8.0
    }

    fn tint(&self, language: usize) -> Rgb {
        colour::tint(colour::language(self.colours.get(language).copied().unwrap_or(language)), 0.42)
    }

    fn caption(&self, source: &Source) -> String {
        let shown = "Each cell: the most probable next token when the final norm and the unembedding are applied to that layer \
                     at that token. A dot stands for a space before a word.";
        let rule = match self.colouring {
            Colouring::Probability => "Colour: its probability.".to_owned(),
            Colouring::Language => format!("Language: {}.", self.report.language_rule.trim_end_matches('.')),
        };
        let direction = if self.rtl { " Tokens run from right to left, as the text does." } else { "" };
        format!(
            "{shown} {rule}{direction} Layer 0 = embeddings, layer k = after block k. Model {}, corpus {}.",
            source.model, source.corpus
        )
    }
}

fn known_name(code: &str) -> &str {
    if lang::find(code).is_some() { table::name(code) } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{png, samples};

    fn texts(svg: &str) -> Vec<(String, f64)> {
        let document = resvg::usvg::roxmltree::Document::parse(svg).unwrap();
        let nodes = document.descendants().filter(|n| n.has_tag_name("text"));
        nodes.map(|n| (n.text().unwrap().to_owned(), n.attribute("x").unwrap().parse().unwrap())).collect()
    }

    #[test]
    fn tokens_of_a_right_to_left_text_run_from_right_to_left() {
        let report = samples::lens(&["القطة", "تنام", "هنا"], 3);
        let svg = lens(&report, Colouring::Probability, &samples::source());
        let at = |word: &str| texts(&svg).into_iter().rfind(|(text, _)| text == word).unwrap().1;
        assert!(at("القطة") > at("تنام") && at("تنام") > at("هنا"));
        let english = samples::lens(&["the", "cat"], 3);
        let svg = lens(&english, Colouring::Probability, &samples::source());
        let at = |word: &str| texts(&svg).into_iter().rfind(|(text, _)| text == word).unwrap().1;
        assert!(at("the") < at("cat"));
    }

    #[test]
    fn every_cell_says_its_layer_token_and_probability() {
        let report = samples::lens(&["a", "b", "c"], 4);
        for colouring in [Colouring::Probability, Colouring::Language] {
            let svg = lens(&report, colouring, &samples::source());
            for (row, layer) in report.cells.iter().zip(&report.layers) {
                for (token, cell) in row.iter().enumerate() {
                    let says = format!("layer {layer}, token {token}: ");
                    let number = format!("probability {:.4}", cell.top[0].probability);
                    assert!(svg.lines().any(|l| l.contains(&says) && l.contains(&number)), "{says}");
                }
            }
        }
    }

    #[test]
    fn every_script_and_every_kind_of_piece_has_glyphs() {
        let report = samples::every_script();
        for colouring in [Colouring::Probability, Colouring::Language] {
            let svg = lens(&report, colouring, &samples::source());
            assert_eq!(png::missing_glyphs(&svg), Vec::<String>::new());
            assert!(!svg.contains("no face has"));
        }
    }

    #[test]
    fn a_cell_without_a_language_is_white_and_says_unsure() {
        let mut report = samples::lens(&["a"], 1);
        for cell in report.cells.iter_mut().flatten() {
            cell.top[0].language = None;
        }
        let svg = lens(&report, Colouring::Language, &samples::source());
        assert!(svg.contains("unsure") && svg.contains("in no language"));
    }
}
