//! The rows of one layer.

use ndarray::Array2;

use super::{
    order::leaf_order,
    span::{Subspace, matched, principal_angles},
    spread::{Drawn, Spread},
};
use crate::{Result, bootstrap::interval, measure::Row, source::StateSource};

/// A layer: its place in the source, and its number.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) place: usize,
    pub(super) layer: usize,
}

/// Why a language has no spread.
const STILL: &str = "every sentence has the same state at this layer, so there is no spread to measure by";
/// Why there is no subspace.
const EQUAL: &str = "the means of all languages are equal at this layer, so they span nothing";

/// The share of the variance that lies between languages.
pub(super) fn variance(spread: &Spread, drawn: &Drawn, layer: usize) -> Vec<Row> {
    let n = spread.n;
    let row = |value, variant| Row::new("language_variance", value, n).at(layer).variant(variant);
    let (between, within, noise) = (spread.between(), spread.within(), spread.noise());
    if !spread.counts(between + within) {
        let why = "all sentences of all languages have the same state at this layer, so there is no variance";
        let missing = |variant| Row::missing("language_variance", why, n).at(layer).variant(variant);
        return vec![missing("raw"), missing("denoised")];
    }
    let biased = (n - 1) as f64 / n as f64;
    let share = |between: f64, within: f64| between / (between + within);
    // A draw of the bootstrap has the noise and the bias of the sample and once more its own.
    let draws = |less: f64, scale: f64| {
        drawn.between.iter().zip(&drawn.within).map(|(b, w)| share(b - less, w * scale)).collect::<Vec<_>>()
    };
    let mut rows = Vec::new();
    for (variant, value, drawn) in [
        ("raw", share(between, within * biased), draws(noise, biased.recip())),
        ("denoised", share(between - noise, within), draws(2.0 * noise, biased.powi(-2))),
    ] {
        let mut row = row(value, variant);
        if !drawn.is_empty() {
            let found = interval(value, drawn);
            row = row.within(found.low, found.high);
        }
        let chance = if variant == "raw" { share(noise, within * biased) } else { 0.0 };
        rows.push(row.chance(chance));
    }
    rows
}

/// The scree of the means, and where each language lies, turned to fit `before`, the coordinates of the layer before.
pub(super) fn components(
    source: &dyn StateSource,
    found: &Subspace,
    before: Option<&Array2<f64>>,
    components: usize,
    layer: usize,
) -> Result<(Vec<Row>, Array2<f64>)> {
    let n = source.sentences();
    let languages = source.languages();
    let total: f64 = found.singular_values.iter().map(|s| s * s).sum();
    let mut rows = Vec::new();
    for (number, value) in (1..).zip(&found.singular_values) {
        let item = format!("{number}");
        rows.push(Row::new("singular_value", *value, n).at(layer).item(item.clone()));
        let share = if found.rank() == 0 {
            Row::missing("variance_explained", EQUAL, n)
        } else {
            Row::new("variance_explained", value * value / total, n)
        };
        rows.push(share.at(layer).item(item));
    }
    let shown = components.min(languages.len() - 1);
    let mut at = Array2::zeros((languages.len(), shown));
    for (mut to, from) in at.columns_mut().into_iter().zip(found.coordinates.columns()) {
        to.assign(&from);
    }
    if let Some(before) = before {
        at = matched(&at, before)?;
    }
    for (language, of) in languages.iter().zip(at.outer_iter()) {
        for (number, value) in (1..).zip(of) {
            let row = if found.rank() == 0 {
                Row::missing("language_coordinate", EQUAL, n)
            } else {
                Row::new("language_coordinate", *value, n)
            };
            rows.push(row.of(language).at(layer).item(format!("{number}")));
        }
    }
    Ok((rows, at))
}

/// Distances between the means of all languages, and the order of the leaves of their dendrogram.
pub(super) fn distances(source: &dyn StateSource, spread: &Spread, layer: usize) -> Vec<Row> {
    let (languages, n) = (source.languages(), spread.n);
    let within = spread.within();
    let unit = within.sqrt();
    let mut rows = Vec::new();
    let mut all = Array2::zeros((languages.len(), languages.len()));
    for a in 0..languages.len() {
        for b in a + 1..languages.len() {
            let (squared, noise) = spread.apart(a, b);
            (all[[a, b]], all[[b, a]]) = (squared.sqrt(), squared.sqrt());
            let clean = (squared - noise).max(0.0);
            for (variant, squared, chance) in [("raw", squared, noise.sqrt()), ("denoised", clean, 0.0)] {
                let row = if spread.counts(within) {
                    Row::new("language_distance", squared.sqrt() / unit, n).chance(chance / unit)
                } else {
                    Row::missing("language_distance", STILL, n)
                };
                rows.push(row.of(&languages[b]).against(&languages[a]).at(layer).variant(variant));
            }
        }
    }
    for (place, language) in leaf_order(all.view()).into_iter().enumerate() {
        rows.push(Row::new("cluster_order", (place + 1) as f64, n).of(&languages[language]).at(layer));
    }
    rows
}

/// How far the mean of each language is from that of each pivot, in units of the spread of the two.
pub(super) fn offsets(
    source: &dyn StateSource,
    spread: &Spread,
    drawn: &Drawn,
    pivots: &[usize],
    layer: usize,
) -> Vec<Row> {
    let (languages, n) = (source.languages(), spread.n);
    let mut rows = Vec::new();
    for (place, &pivot) in pivots.iter().enumerate() {
        for language in (0..languages.len()).filter(|l| *l != pivot) {
            let (squared, noise) = spread.apart(language, pivot);
            let within = (spread.cross[[language, language]] + spread.cross[[pivot, pivot]]) / 2.0;
            let mut row = Row::missing("offset_ratio", STILL, n);
            if spread.counts(within) {
                let value = (squared / within).sqrt();
                row = Row::new("offset_ratio", value, n).chance((noise / within).sqrt());
                if let Some(draws) = drawn.pairs.get(place).map(|of| &of[language]) {
                    // Biased by the sample and once more by the draw.
                    let unbiased = (n as f64 / (n - 1) as f64).powi(2);
                    let ratio = |(d, w): &(f64, f64)| ((d - noise).max(0.0) / (w * unbiased)).sqrt();
                    let found = interval(value, draws.iter().map(ratio).collect());
                    row = row.within(found.low, found.high);
                }
            }
            rows.push(row.of(&languages[language]).against(&languages[pivot]).at(layer));
        }
    }
    rows
}

/// The angles between the subspaces of two layers.
pub(super) fn angles(here: &Subspace, there: &Subspace, (layer, next): (usize, usize), n: usize) -> Result<Vec<Row>> {
    let row = |row: Row| Row { pivot_layer: Some(next), ..row.at(layer) };
    let why = if here.mean.len() != there.mean.len() {
        format!("the layers have different widths, {} and {}", here.mean.len(), there.mean.len())
    } else if here.rank().min(there.rank()) == 0 {
        "the means of all languages are equal at one of the two layers, so they span nothing".to_owned()
    } else {
        let angles = principal_angles(here.basis.view(), there.basis.view())?;
        let rows = (1..)
            .zip(angles)
            .map(|(i, angle): (u32, f64)| row(Row::new("principal_angle", angle, n)).item(i.to_string()));
        return Ok(rows.collect());
    };
    Ok(vec![row(Row::missing("principal_angle", why, n))])
}
