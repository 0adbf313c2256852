//! Maps as small multiples: the same sentences at each layer, axes matched, a colour and a mark for each language.

use std::collections::BTreeMap;

use babelscope_probes::{
    align::Centring,
    project::{LayerMap, MapMethod, MapReport},
};

use super::{
    Source, axis, colour,
    panel::marker,
    svg::{Anchor, GREY, HAIR, INK, Svg},
    table,
    typeset::{Reading, fit},
};
use crate::tables::map::method_name;

const LEFT: f64 = 16.0;
const TOP: f64 = 58.0;
const SIDE: f64 = 168.0;
const BETWEEN: f64 = 14.0;
const COLUMNS: usize = 4;
/// Layers of a figure, evenly spaced, first and last among them.
const LAYERS: usize = 12;

/// The name of a figure: `map-pca-raw`.
pub(super) fn name(method: MapMethod, centring: Centring) -> String {
    format!("map-{}-{}", method_name(method), centring.name())
}

/// The kinds of maps of a report, in its order.
pub(super) fn kinds(report: &MapReport) -> Vec<(MapMethod, Centring)> {
    let mut all: Vec<(MapMethod, Centring)> = Vec::new();
    for map in &report.maps {
        if !all.contains(&(map.method, map.centring)) {
            all.push((map.method, map.centring));
        }
    }
    all
}

/// A figure for each kind of map: its name and its content.
pub(super) fn maps(report: &MapReport, source: &Source) -> Vec<(String, String)> {
    let draw = |(method, centring)| (name(method, centring), map(report, method, centring, source));
    kinds(report).into_iter().map(draw).collect()
}

fn map(report: &MapReport, method: MapMethod, centring: Centring, source: &Source) -> String {
    let all: Vec<&LayerMap> =
        report.maps.iter().filter(|map| (map.method, map.centring) == (method, centring)).collect();
    let count = all.len();
    let step = (count.max(2) - 1) as f64 / (LAYERS.min(count).max(2) - 1) as f64;
    let shown: Vec<&LayerMap> =
        (0..LAYERS.min(count)).filter_map(|at| all.get((at as f64 * step).round() as usize).copied()).collect();
    let mut svg = Svg::default();
    let word = if method == MapMethod::Pca { "principal components" } else { "t-SNE" };
    let title = format!("Sentences in the plane: {word}, {}", table::panel_title(centring));
    svg.say(LEFT, 26.0, Anchor::Start, 15.0, INK, &title);
    // The same scale in every panel, as every map has the same spread.
    let reach = shown
        .iter()
        .flat_map(|map| map.points.iter().flatten())
        .flat_map(|(x, y)| [x.abs(), y.abs()])
        .fold(0.5f32, f32::max);
    // A language has the same colour and mark in every figure of a run: its place in the order of the codes.
    let mut codes: Vec<&String> = report.languages.iter().collect();
    codes.sort_unstable();
    let places: BTreeMap<&String, usize> = codes.into_iter().enumerate().map(|(at, code)| (code, at)).collect();
    for (at, map) in shown.iter().enumerate() {
        let (x, y) =
            (LEFT + (at % COLUMNS) as f64 * (SIDE + BETWEEN), TOP + (at / COLUMNS) as f64 * (SIDE + BETWEEN + 12.0));
        let explained = map.explained.filter(|_| method == MapMethod::Pca);
        let explained =
            explained.map_or_else(String::new, |(a, b)| format!(", {:.0} % + {:.0} %", 100.0 * a, 100.0 * b));
        svg.say(x, y - 5.0, Anchor::Start, axis::SMALL, INK, &format!("layer {}{explained}", map.layer));
        svg.frame(x, y, SIDE, SIDE, HAIR, 0.0);
        if map.points.is_empty() {
            let why = fit(&map.status, 8.5, Reading::default(), SIDE - 12.0);
            svg.text(x + 6.0, y + SIDE / 2.0, Anchor::Start, &why, GREY, "");
        }
        for (language, points) in report.languages.iter().zip(&map.points) {
            let place = places.get(language).copied().unwrap_or(0);
            for (px, py) in points {
                let to = |value: f32| f64::from(value / reach) * (SIDE / 2.0 - 6.0);
                marker(&mut svg, (x + SIDE / 2.0 + to(*px), y + SIDE / 2.0 - to(*py)), place, colour::language(place));
            }
        }
    }
    let rows = shown.len().div_ceil(COLUMNS);
    let mut y = TOP + rows as f64 * (SIDE + BETWEEN + 12.0) + 2.0;
    let right = LEFT + COLUMNS.min(shown.len().max(3)) as f64 * (SIDE + BETWEEN);
    let mut x = LEFT;
    for (code, place) in &places {
        let label = fit(table::name(code), 10.0, Reading::default(), 150.0);
        if x + label.width + 16.0 > right {
            (x, y) = (LEFT, y + 15.0);
        }
        marker(&mut svg, (x + 4.0, y - 3.4), *place, colour::language(*place));
        svg.text(x + 11.0, y, Anchor::Start, &label, INK, "");
        x += label.width + 26.0;
    }
    let neighbours =
        "Axes are turned onto those of the layer before; every map has the same spread, so sizes cannot be compared.";
    let warning =
        if method == MapMethod::Tsne { " Distances between groups and their sizes mean nothing in t-SNE." } else { "" };
    let drawn =
        if shown.len() < count { format!(" Drawn are {} of {count} layers.", shown.len()) } else { String::new() };
    let text = format!(
        "{} sentences in each of {} languages. {neighbours}{warning}{drawn} Model {}, corpus {}. Layer 0 = embeddings, layer l = after block l.",
        report.sentences.len(),
        report.languages.len(),
        source.model,
        source.corpus
    );
    let end = axis::caption(&mut svg, &text, LEFT, y + 22.0, right - LEFT);
    svg.finish(right + LEFT, end + 4.0, &title)
}
