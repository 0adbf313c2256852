//! One measure at one layer against one task or covariate: all correlations, with intervals, nulls, and what one language does.

use std::collections::BTreeMap;

use super::{
    FEWEST, TaskParams,
    correlation::{basis, constant, fisher, kendall, partial, pearson, ranks, residual, spearman},
    series::{Series, Values},
};
use crate::{
    Result,
    bootstrap::{Draws, interval},
    measure::{NullFit, Row},
    null::{Permutations, fit},
};

/// Draws and permutations, made from the seed for as many languages as a cell has: equal for cells of equal size.
pub(super) struct Random {
    bootstrap: usize,
    permutations: usize,
    seed: u64,
}

impl Random {
    pub(super) fn new(params: &TaskParams, seed: u64) -> Self {
        Self { bootstrap: params.bootstrap, permutations: params.permutations, seed }
    }

    /// For each draw the languages in it, by place.
    fn draws(&self, n: usize) -> Result<Vec<Vec<usize>>> {
        let draws = Draws::new(n, self.bootstrap, self.seed)?;
        let places = |b| {
            let times = draws.weights(b).into_iter().enumerate();
            times.flat_map(|(at, times)| std::iter::repeat_n(at, times as usize)).collect()
        };
        Ok((0..draws.draws()).map(places).collect())
    }

    fn permutations(&self, n: usize) -> Result<Permutations> {
        Permutations::new(n, self.permutations, self.seed)
    }
}

/// What a measure is related with.
pub(super) struct Target<'a> {
    pub(super) item: &'a str,
    pub(super) values: Values,
}

/// One cell.
pub(super) struct Cell<'a> {
    pub(super) series: &'a Series,
    pub(super) target: Target<'a>,
    /// Covariates to hold fixed; `None` where the target is one itself.
    pub(super) given: Option<Vec<(&'a str, Values)>>,
}

/// A correlation of two columns, others held fixed.
type Statistic = fn(&[f64], &[f64], &[Vec<f64>]) -> Option<f64>;

const PLAIN: [(&str, Statistic); 3] = [
    ("pearson", |x, y, _| pearson(x, y)),
    ("spearman", |x, y, _| spearman(x, y)),
    ("kendall", |x, y, _| kendall(x, y)),
];

impl Cell<'_> {
    pub(super) fn rows(&self, random: &Random) -> Result<Vec<Row>> {
        let mut rows = self.plain(random)?;
        if let Some(given) = self.given.as_ref().filter(|given| !given.is_empty()) {
            rows.extend(self.partial(given, random)?);
        }
        Ok(rows)
    }

    fn plain(&self, random: &Random) -> Result<Vec<Row>> {
        let columns = match self.columns(&[]) {
            Ok(columns) => columns,
            Err((why, n)) => {
                return Ok(PLAIN.iter().map(|(metric, _)| self.name(Row::missing(metric, &*why, n))).collect());
            }
        };
        let Columns { languages, x, y, .. } = &columns;
        let (n, permutations, draws) = (x.len(), random.permutations(x.len())?, random.draws(x.len())?);
        let mut rows = Vec::new();
        for (metric, statistic) in PLAIN {
            let shuffled = |value: f64| {
                null(value, &permutations, |draw| {
                    statistic(x, &draw.iter().map(|at| y[*at as usize]).collect::<Vec<_>>(), &[])
                })
            };
            rows.push(self.estimate(metric, statistic, &columns, &draws, shuffled));
        }
        if let Some((low, high, r)) = pearson(x, y).and_then(|r| fisher(r, n).map(|(low, high)| (low, high, r))) {
            rows.push(self.name(Row::new("pearson_fisher", r, n).within(low, high)));
        }
        let without = (0..n).filter_map(|out| Some((without_one(x, y, out)?, &languages[out])));
        let mut without: Vec<(f64, &String)> = without.collect();
        without.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (metric, at) in [("leave_one_out_low", without.first()), ("leave_one_out_high", without.last())] {
            rows.push(self.name(match at {
                Some((r, language)) => Row::new(metric, *r, n - 1).of(language),
                None => Row::missing(metric, "without any one language one side is constant", n - 1),
            }));
        }
        Ok(rows)
    }

    fn partial(&self, given: &[(&str, Values)], random: &Random) -> Result<Vec<Row>> {
        let columns = match self.columns(given) {
            Ok(columns) => columns,
            Err((why, n)) => {
                let row = |metric| self.name(Row::missing(metric, &*why, n));
                return Ok(["partial_pearson", "partial_spearman"].map(row).to_vec());
            }
        };
        let ranked = columns.ranked();
        let (permutations, draws) = (random.permutations(columns.x.len())?, random.draws(columns.x.len())?);
        let of_ranks: Statistic =
            |x, y, z| partial(&ranks(x), &ranks(y), &z.iter().map(|column| ranks(column)).collect::<Vec<_>>());
        let mut rows = Vec::new();
        for (metric, statistic, of) in
            [("partial_pearson", partial as Statistic, &columns), ("partial_spearman", of_ranks, &ranked)]
        {
            // What is exchangeable when the covariates stay where they are is what they leave.
            let left = basis(&of.given).and_then(|basis| Some((residual(&of.x, &basis)?, residual(&of.y, &basis)?)));
            let shuffled = |value: f64| {
                let (x, y) = left.as_ref()?;
                null(value, &permutations, |draw| {
                    pearson(x, &draw.iter().map(|at| y[*at as usize]).collect::<Vec<_>>())
                })
            };
            rows.push(self.estimate(metric, statistic, &columns, &draws, shuffled));
        }
        Ok(rows)
    }

    /// The statistic with its interval over drawn languages and its null.
    fn estimate(
        &self,
        metric: &str,
        statistic: Statistic,
        columns: &Columns,
        draws: &[Vec<usize>],
        shuffled: impl Fn(f64) -> Option<NullFit>,
    ) -> Row {
        let n = columns.x.len();
        let Some(value) = statistic(&columns.x, &columns.y, &columns.given) else {
            let why = "the covariates explain one side wholly, or one of them is a combination of the others";
            return self.name(Row::missing(metric, why, n));
        };
        let drawn = draws.iter().filter_map(|places| {
            let of = |column: &Vec<f64>| places.iter().map(|at| column[*at]).collect::<Vec<_>>();
            statistic(&of(&columns.x), &of(&columns.y), &columns.given.iter().map(of).collect::<Vec<_>>())
        });
        let found = interval(value, drawn.collect());
        let row = Row::new(metric, value, n);
        let row = if draws.is_empty() { row } else { row.within(found.low, found.high) };
        self.name(Row { shuffled: shuffled(value), ..row })
    }

    /// The languages that have everything, or why they cannot be related, and how many they are.
    fn columns(&self, given: &[(&str, Values)]) -> std::result::Result<Columns, (String, usize)> {
        let target = self.target.values.as_ref().map_err(|why| (why.clone(), 0))?;
        let mut others: Vec<(&str, &BTreeMap<String, f64>)> = Vec::with_capacity(given.len());
        for (name, values) in given {
            others.push((name, values.as_ref().map_err(|why| (why.clone(), 0))?));
        }
        let has = |language: &&String| {
            target.contains_key(*language) && others.iter().all(|(_, o)| o.contains_key(*language))
        };
        let languages: Vec<String> = self.series.values.keys().filter(has).cloned().collect();
        let column =
            |of: &BTreeMap<String, f64>| languages.iter().filter_map(|l| of.get(l).copied()).collect::<Vec<f64>>();
        let (n, needed) = (languages.len(), FEWEST + given.len());
        if n < needed {
            let with = if given.is_empty() { String::new() } else { ", and every covariate".to_owned() };
            let which = if n == 0 { "none".to_owned() } else { languages.join(", ") };
            let why = format!(
                "{n} languages have both {} and {}{with} ({which}), at least {needed} are needed",
                self.series.name, self.target.item
            );
            return Err((why, n));
        }
        let (x, y) = (column(&self.series.values), column(target));
        let given: Vec<Vec<f64>> = others.iter().map(|(_, values)| column(values)).collect();
        let names = others.iter().map(|(name, _)| *name);
        let sides = [self.series.name.as_str(), self.target.item]
            .into_iter()
            .chain(names)
            .zip([&x, &y].into_iter().chain(&given));
        if let Some((name, _)) = sides.into_iter().find(|(_, column)| constant(column)) {
            return Err((format!("{name} has the same value in all {n} languages, so nothing varies with it"), n));
        }
        Ok(Columns { languages, x, y, given })
    }

    fn name(&self, row: Row) -> Row {
        let row = row.against(&self.series.pivot).variant(&self.series.name).item(self.target.item);
        Row { layer: self.series.layer, ..row }
    }
}

/// What is correlated, over the same languages.
struct Columns {
    languages: Vec<String>,
    x: Vec<f64>,
    y: Vec<f64>,
    given: Vec<Vec<f64>>,
}

impl Columns {
    fn ranked(&self) -> Self {
        let given = self.given.iter().map(|column| ranks(column)).collect();
        Self { languages: self.languages.clone(), x: ranks(&self.x), y: ranks(&self.y), given }
    }
}

/// Two-sided: how the absolute value lies among those of permuted languages.
fn null(value: f64, permutations: &Permutations, of: impl Fn(&[u32]) -> Option<f64>) -> Option<NullFit> {
    let value = value.abs();
    // Ranks give few different values; added up in another order, equal ones differ by rounding, and a tie must count.
    let tied = |drawn: f64| if (drawn.abs() - value).abs() < 1e-12 { value } else { drawn.abs() };
    let drawn: Vec<f64> = (0..permutations.draws()).filter_map(|b| of(permutations.draw(b)).map(tied)).collect();
    fit(value, &drawn, true)
}

fn without_one(x: &[f64], y: &[f64], out: usize) -> Option<f64> {
    let but =
        |column: &[f64]| column.iter().enumerate().filter(|(at, _)| *at != out).map(|(_, v)| *v).collect::<Vec<_>>();
    pearson(&but(x), &but(y))
}
