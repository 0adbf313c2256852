//! Any measure over the layers: a line a series with its band, what chance gives, and what shuffled sentences reach.

use babelscope_probes::measure::Row;

use super::{
    Source, axis, colour,
    panel::{Panel, Point, Style, marker, range},
    svg::{Anchor, GREY, INK, Svg},
    table,
    typeset::{Line, Reading, fit},
};
use crate::headlines::{Headline, Shape, series};

/// Up to this many lines share a panel; more get a panel each.
const TOGETHER: usize = 12;
/// Lines of a figure: of more, these are drawn and the caption says so.
const MOST: usize = 102;
const LEFT: f64 = 16.0;
const TOP: f64 = 62.0;

/// One line.
struct Series<'a> {
    name: String,
    rows: Vec<&'a Row>,
}

impl Series<'_> {
    fn points(&self) -> Vec<Point> {
        let point = |row: &&Row| {
            let value = row.value?;
            Some(Point { layer: row.layer?, value, low: row.low.unwrap_or(value), high: row.high.unwrap_or(value) })
        };
        self.rows.iter().filter_map(point).collect()
    }

    fn best(&self) -> f64 {
        self.rows.iter().filter_map(|row| row.value).fold(f64::NEG_INFINITY, f64::max)
    }

    fn null(&self) -> Vec<Point> {
        let point = |row: &&Row| {
            let value = row.shuffled?.q95;
            Some(Point { layer: row.layer?, value, low: value, high: value })
        };
        self.rows.iter().filter_map(point).collect()
    }
}

/// The rows of a headline over the layers, as SVG; `rows` are those of one pivot and one variant.
pub(super) fn lines(headline: &Headline, rows: &[&Row], source: &Source) -> String {
    let mut all: Vec<Series<'_>> = Vec::new();
    for row in rows {
        let name = series(row);
        match all.iter_mut().find(|series| series.name == name) {
            Some(series) => series.rows.push(row),
            None => all.push(Series { name, rows: vec![row] }),
        }
    }
    all.iter_mut().for_each(|series| series.rows.sort_by_key(|row| row.layer));
    // A language has the same colour in every figure of a run: its place in the order of the codes.
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*b].best().total_cmp(&all[*a].best()));
    let count = order.len();
    order.truncate(MOST);
    let mut layers: Vec<usize> = rows.iter().filter_map(|row| row.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let values = || all.iter().flat_map(Series::points).flat_map(|p| [p.value, p.low, p.high]);
    let scale = match headline.range {
        Some((low, high)) => {
            let found = range(values());
            (if found.0 < low { found.0 } else { low }, high)
        }
        None => range(values().chain(rows.iter().filter_map(|row| row.chance))),
    };
    let mut svg = Svg::default();
    let first = rows.first();
    let pivot = first.filter(|row| !row.pivot.is_empty() && !row.language.is_empty());
    let with = pivot.map_or_else(String::new, |row| format!(", with {}", table::name(&row.pivot)));
    let title = format!(
        "{}{}{with}",
        headline.title.get(..1).unwrap_or_default().to_uppercase(),
        headline.title.get(1..).unwrap_or_default()
    );
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &title);
    let chance = first.and_then(|row| row.chance);
    let drawn = Drawn { all: &all, order: &order, layers: &layers, scale, chance };
    let (right, bottom) = if order.len() <= TOGETHER { drawn.together(&mut svg) } else { drawn.apart(&mut svg) };
    let caption = caption(headline, rows, source, (order.len(), count));
    let end = axis::caption(&mut svg, &caption, LEFT, bottom + 44.0, (right - LEFT).max(420.0));
    svg.finish(right.max(LEFT + 420.0) + LEFT, end + 4.0, &title)
}

struct Drawn<'a> {
    all: &'a [Series<'a>],
    order: &'a [usize],
    layers: &'a [usize],
    scale: (f64, f64),
    chance: Option<f64>,
}

impl Drawn<'_> {
    fn label(&self, at: usize, width: f64) -> Line {
        let name = &self.all[at].name;
        fit(table::name(name), 10.0, Reading::default(), width)
    }

    fn together(&self, svg: &mut Svg) -> (f64, f64) {
        let (width, height) = (360.0, 250.0);
        let x = LEFT + 34.0;
        let panel = Panel { x, y: TOP, width, height, layers: self.layers, range: self.scale };
        panel.grid(svg, self.chance, true);
        axis::layers(svg, self.layers, |layer| panel.across(layer), TOP + height, true);
        let ends: Vec<f64> = (self.order.iter())
            .map(|&at| {
                let style = Style { colour: colour::language(at), dash: "", mark: Some(at) };
                let null = Style { colour: colour::language(at), dash: "4 3", mark: None };
                panel.curve(svg, &self.all[at].null(), &null);
                panel.curve(svg, &self.all[at].points(), &style).unwrap_or(TOP)
            })
            .collect();
        let names: Vec<Line> = self.order.iter().map(|&at| self.label(at, 190.0)).collect();
        let room = names.iter().map(|n| n.width).fold(40.0, f64::max) + 26.0;
        for (i, place) in axis::spread(&ends, 13.0, TOP, TOP + height).into_iter().enumerate() {
            let (start, colour) = (x + width, colour::language(self.order[i]));
            svg.path(&[(start + 2.0, ends[i]), (start + 9.0, place), (start + 13.0, place)], colour, 0.7, "");
            marker(svg, (start + 15.0, place), self.order[i], colour);
            svg.text(start + 21.0, place + 3.4, Anchor::Start, &names[i], INK, "");
        }
        (x + width + room, TOP + height)
    }

    fn apart(&self, svg: &mut Svg) -> (f64, f64) {
        let (columns, width, height) = (6, 112.0, 62.0);
        let (step, rise) = (width + 14.0, height + 32.0);
        for (at, &series) in self.order.iter().enumerate() {
            let (column, row) = (at % columns, at / columns);
            let (x, y) = (LEFT + 26.0 + column as f64 * step, TOP + 14.0 + row as f64 * rise);
            let panel = Panel { x, y, width, height, layers: self.layers, range: self.scale };
            svg.text(x, y - 4.0, Anchor::Start, &self.label(series, width), INK, "");
            panel.grid(svg, self.chance, column == 0);
            panel.curve(svg, &self.all[series].null(), &Style { colour: GREY, dash: "4 3", mark: None });
            let style = Style { colour: colour::language(0), dash: "", mark: None };
            panel.curve(svg, &self.all[series].points(), &style);
            // The last panel of each column carries the numbers of the layers.
            if at + columns >= self.order.len() {
                axis::layers(svg, self.layers, |layer| panel.across(layer), y + height, false);
            }
        }
        let rows = self.order.len().div_ceil(columns);
        (LEFT + 26.0 + columns as f64 * step - 14.0, TOP + 14.0 + rows as f64 * rise - 48.0)
    }
}

/// What the numbers are, in words.
pub(super) fn caption(headline: &Headline, rows: &[&Row], source: &Source, (drawn, count): (usize, usize)) -> String {
    let over_layers = headline.shape == Shape::Curves;
    let n = rows.iter().map(|row| row.n).max().unwrap_or(0);
    let variant = rows.first().map_or("", |row| row.variant.as_str());
    let mut parts = vec![format!("{} of the probe {}, n = {n}.", headline.metric, headline.probe)];
    if !variant.is_empty() && rows.iter().all(|row| row.variant == variant) {
        parts.push(format!("Variant {variant}."));
    }
    if over_layers && rows.iter().any(|row| row.low.is_some() && row.low != row.high) {
        parts.push(format!("Bands: 95 % bootstrap interval over {}.", headline.drawn()));
    }
    if let Some(chance) = rows.iter().find_map(|row| row.chance) {
        parts.push(if over_layers {
            format!("Dotted: chance, {chance:.3}.")
        } else {
            format!("Chance is {chance:.3}.")
        });
    }
    if over_layers && rows.iter().any(|row| row.shuffled.is_some()) {
        parts.push(format!("Dashed: what 95 % of the draws of shuffled {} stay below.", headline.shuffled()));
    }
    let missing = rows.iter().filter(|row| row.value.is_none()).count();
    if missing > 0 {
        parts.push(format!("{missing} of {} numbers could not be computed; the table says why.", rows.len()));
    }
    if drawn < count {
        parts.push(format!("Drawn are {drawn} of {count}; all are in tables/measures.parquet."));
    }
    parts.push(format!("Model {}, corpus {}.", source.model, source.corpus));
    if rows.iter().any(|row| row.layer.is_some()) {
        parts.push("Layer 0 = embeddings, layer l = after block l.".to_owned());
    }
    parts.join(" ")
}
