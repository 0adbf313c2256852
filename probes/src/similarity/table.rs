//! Rows of the numbers of pairs at layers, and the maximum over layers with its own null.

use super::task::{Found, Kind, View};
use crate::{
    measure::Row,
    null::{adjust_rows, fit},
};

/// The numbers of one pair at one layer: as many as the kinds, or why there are none.
pub(super) type Cell = Vec<(Kind, Result<Found, String>)>;

/// Everything of one unordered pair, without the names of its sides.
#[derive(Default)]
pub(super) struct PairRows {
    rows: Vec<(View, Row)>,
    peaks: Vec<Peak>,
}

/// The largest of a number so far over the layers, and the largest of each draw.
struct Peak {
    kind: Kind,
    value: f64,
    layer: usize,
    n: usize,
    shuffled: Vec<f64>,
    matched: Vec<f64>,
}

impl PairRows {
    /// Takes a cell; the draws themselves are let go.
    pub(super) fn add(&mut self, layer: usize, n: usize, cell: Cell) {
        for (kind, found) in cell {
            let row = match found {
                Err(why) => Row::missing(kind.metric, why, n),
                Ok(found) => {
                    let mut row = Row::new(kind.metric, found.value, found.n);
                    if let Some((low, high)) = found.interval {
                        row = row.within(low, high);
                    }
                    row.chance = found.chance;
                    row.shuffled = fit(found.value, &found.shuffled, kind.bounded);
                    row.matched = fit(found.value, &found.matched, kind.bounded);
                    if kind.rises {
                        self.peak(kind, layer, found);
                    }
                    row
                }
            };
            self.rows.push((kind.view, row.at(layer).variant(kind.variant)));
        }
    }

    fn peak(&mut self, kind: Kind, layer: usize, found: Found) {
        let Found { value, n, shuffled, matched, .. } = found;
        let Some(peak) = self.peaks.iter_mut().find(|p| p.kind == kind) else {
            self.peaks.push(Peak { kind, value, layer, n, shuffled, matched });
            return;
        };
        if value > peak.value {
            (peak.value, peak.layer) = (value, layer);
        }
        // Draw by draw; as many as every layer has, where a budget gave one of them fewer.
        let largest = |all: &mut Vec<f64>, more: &[f64]| {
            all.truncate(more.len());
            all.iter_mut().zip(more).for_each(|(a, b)| *a = a.max(*b));
        };
        largest(&mut peak.shuffled, &shuffled);
        largest(&mut peak.matched, &matched);
    }

    /// The rows by kind and then by layer, for a language against a pivot; `mirrored` where the pair was computed the other way round.
    pub(super) fn rows(&self, language: &str, pivot: &str, mirrored: bool) -> Vec<Row> {
        // The weights of PWCCA are those of the language, which is the second side of a pair.
        let other = if mirrored { View::Second } else { View::First };
        let mut kinds: Vec<(&str, &str)> = Vec::new();
        let mine: Vec<&Row> = self.rows.iter().filter(|(view, _)| *view != other).map(|(_, row)| row).collect();
        for row in &mine {
            if !kinds.contains(&(row.metric.as_str(), row.variant.as_str())) {
                kinds.push((&row.metric, &row.variant));
            }
        }
        let of = |(metric, variant): &(&str, &str)| {
            let fits = |row: &&&Row| row.metric == *metric && row.variant == *variant;
            mine.iter().filter(fits).map(|row| (*row).clone().of(language).against(pivot)).collect::<Vec<_>>()
        };
        kinds.iter().flat_map(of).collect()
    }

    /// `X_max` rows: the maximum over layers, against the maxima of the same draws. The item, which is the layer, is set by
    /// [`adjusted`], as the languages of one metric are one family whatever layer each has its maximum at.
    pub(super) fn maxima(&self, language: &str, pivot: &str, mirrored: bool) -> Vec<(usize, Row)> {
        let other = if mirrored { View::Second } else { View::First };
        let mine = self.peaks.iter().filter(|peak| peak.kind.view != other);
        mine.map(|peak| {
            let Peak { kind, value, layer, n, shuffled, matched } = peak;
            let row = Row::new(&format!("{}_max", kind.metric), *value, *n).of(language).against(pivot);
            let (shuffled, matched) = (fit(*value, shuffled, kind.bounded), fit(*value, matched, kind.bounded));
            (*layer, Row { shuffled, matched, ..row.variant(kind.variant) })
        })
        .collect()
    }
}

/// The rows of the layers, adjusted, and after them the maxima, adjusted among themselves.
pub(super) fn adjusted(mut rows: Vec<Row>, maxima: Vec<(usize, Row)>) -> Vec<Row> {
    adjust_rows(&mut rows);
    let (layers, mut maxima): (Vec<usize>, Vec<Row>) = maxima.into_iter().unzip();
    adjust_rows(&mut maxima);
    rows.extend(maxima.into_iter().zip(layers).map(|(row, layer)| row.item(layer.to_string())));
    rows
}
