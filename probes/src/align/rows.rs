//! The numbers of alignment as rows: with their nulls, over the layers, and for fewer sentences.

use super::{
    cell::{Cell, SHARES, ladder, order},
    over::Over,
};
use crate::{
    bootstrap::interval,
    measure::{NullFit, Row},
    null::{adjust_rows, fit},
};

/// Which pair with which centring, and how many sentences.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) language: &'a str,
    pub(super) pivot: &'a str,
    pub(super) centring: &'static str,
    pub(super) n: usize,
    /// Whether there is a bootstrap.
    pub(super) intervals: bool,
    pub(super) mirrored: bool,
}

impl Of<'_> {
    fn row(&self, metric: &str, value: f64) -> Row {
        Row::new(metric, value, self.n).of(self.language).against(self.pivot).variant(self.centring)
    }

    fn nulls(row: Row, shuffled: Option<NullFit>, matched: Option<NullFit>) -> Row {
        Row { shuffled, matched, ..row }
    }

    /// MEXA and recalls at a layer, and MEXA of fewer sentences.
    pub(super) fn at_layer(&self, layer: usize, cell: &Cell, rows: &mut Vec<Row>) {
        let by_chance = [chance(self.n), 1.0 / self.n as f64, 1.0 / self.n as f64];
        let shares = order(cell.shares, self.mirrored);
        let (shuffled, matched) = (order(cell.shuffled, self.mirrored), order(cell.matched, self.mirrored));
        for (metric, name) in ["mexa", "recall_from_pivot", "recall_to_pivot"].into_iter().enumerate().take(SHARES) {
            let share = shares[metric];
            let row = self.row(name, share.value).at(layer).chance(by_chance[metric]);
            let row = if self.intervals { row.within(share.low, share.high) } else { row };
            rows.push(Self::nulls(row, shuffled[metric], matched[metric]));
        }
        for (m, value) in ladder(self.n).into_iter().zip(&cell.curve) {
            let row = self.row("mexa_at_n", *value).at(layer).item(m.to_string()).chance(chance(m));
            rows.push(Row { n: m, ..row });
        }
    }

    /// MEXA over the layers.
    pub(super) fn over_layers(&self, over: &Over, rows: &mut Vec<Row>) {
        let (mean, means) = over.mean();
        let mut push = |row: Row, value: f64, [bootstrap, shuffled, matched]: [Vec<f64>; 3]| {
            let found = interval(value, bootstrap);
            let row = if self.intervals { row.within(found.low, found.high) } else { row };
            rows.push(Self::nulls(row, fit(value, &shuffled, true), fit(value, &matched, true)));
        };
        push(self.row("mexa_mean", mean).chance(chance(self.n)), mean, means);
        let max = self.row("mexa_max", over.max).item(over.layer.to_string());
        push(max, over.max, over.maxima());
    }
}

/// Mean cosine of different sentences of one language.
pub(super) fn anisotropy(language: &str, layer: usize, centring: &str, value: Option<f64>, n: usize) -> Row {
    let row = match value {
        Some(value) => Row::new("anisotropy", value, n),
        None => Row::missing("anisotropy", "fewer than two states have a direction", n),
    };
    row.of(language).at(layer).variant(centring)
}

/// The diagonal of exchangeable similarities is the largest of 2n - 1 values.
fn chance(n: usize) -> f64 {
    1.0 / (2 * n - 1) as f64
}

/// Adjusts the p values within their families. The maxima over the layers are one family, whichever their layer.
pub(super) fn adjust(rows: &mut [Row]) {
    let mut items = Vec::new();
    for row in rows.iter_mut().filter(|row| row.metric == "mexa_max") {
        items.push(std::mem::take(&mut row.item));
    }
    adjust_rows(rows);
    for (row, item) in rows.iter_mut().filter(|row| row.metric == "mexa_max").zip(items) {
        row.item = item;
    }
}
