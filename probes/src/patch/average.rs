//! Means over pairs or prompts with their bootstrap intervals, in the order in which the cells first came.

use std::collections::{BTreeMap, btree_map::Entry};

use crate::{Result, bootstrap::Draws, measure::Row};

/// Numbers of several pairs for each row of a table to be.
#[derive(Default)]
pub(super) struct Means {
    /// A row without its value, and the value of each pair.
    rows: Vec<(Row, Vec<f64>)>,
    place: BTreeMap<String, usize>,
}

impl Means {
    /// One pair's number for the row of these names.
    pub(super) fn add(&mut self, row: Row, value: f64) {
        let key =
            format!("{}\t{}\t{}\t{:?}\t{}\t{}", row.metric, row.language, row.pivot, row.layer, row.variant, row.item);
        let place = *self.place.entry(key).or_insert(self.rows.len());
        match self.rows.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => self.rows.push((row, vec![value])),
        }
    }

    /// The means. One pair has no interval; the same draws serve all rows of as many pairs.
    ///
    /// # Errors
    /// Those of [`Draws::new`].
    pub(super) fn rows(self, bootstrap: usize, seed: u64) -> Result<Vec<Row>> {
        let mut draws: BTreeMap<usize, Draws> = BTreeMap::new();
        let mut rows = Vec::with_capacity(self.rows.len());
        for (row, values) in self.rows {
            let n = values.len();
            let mean = values.iter().sum::<f64>() / n as f64;
            let found = Row { n, ..value(row, mean) };
            if n < 2 || bootstrap == 0 || found.value.is_none() {
                rows.push(found);
                continue;
            }
            let own = match draws.entry(n) {
                Entry::Occupied(own) => own.into_mut(),
                Entry::Vacant(free) => free.insert(Draws::new(n, bootstrap, seed)?),
            };
            let estimate = own.mean(&values);
            rows.push(found.within(estimate.low, estimate.high));
        }
        Ok(rows)
    }
}

/// A row of these names: metric only.
pub(super) fn name(metric: &str) -> Row {
    Row::missing(metric, "no value", 0)
}

fn value(row: Row, value: f64) -> Row {
    let Row { value, status, .. } = Row::new(&row.metric, value, 0);
    Row { value, status, ..row }
}

/// Why a number of bootstrap draws makes no sense.
pub(super) fn bootstrap_problem(draws: usize) -> Option<String> {
    (1..100)
        .contains(&draws)
        .then(|| format!("`bootstrap` is {draws}; a 2.5 % percentile needs at least 100 draws (0 for no interval)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_and_their_n() {
        let mut means = Means::default();
        for (item, value) in [("10", 1.0), ("2", 5.0), ("10", 2.0)] {
            means.add(name("effect").item(item), value);
        }
        let rows = means.rows(200, 1).unwrap();
        let of = |at: usize| (rows[at].item.as_str(), rows[at].value, rows[at].n, rows[at].low.is_some());
        assert_eq!((of(0), of(1)), (("10", Some(1.5), 2, true), ("2", Some(5.0), 1, false)));
        assert_eq!(rows[0].status, "ok");
    }
}
