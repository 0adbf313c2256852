//! MEXA and recall@1 over the layers: mean and maximum, with nulls whose draws are the same permutations at every layer, so the maximum
//! is compared with the maxima of shuffled sentences and not with one layer's chance.

use std::collections::BTreeMap;

use super::{rows::Context, search::Side};
use crate::{
    measure::Row,
    null::{Permutations, fit},
};

/// What is counted and shuffled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Metric {
    Mexa,
    RecallFrom,
    RecallTo,
}

pub(super) const METRICS: [Metric; 3] = [Metric::Mexa, Metric::RecallFrom, Metric::RecallTo];

impl Metric {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mexa => "mexa",
            Self::RecallFrom => "recall_from_pivot",
            Self::RecallTo => "recall_to_pivot",
        }
    }

    /// The k of a recall.
    pub(super) fn item(self) -> &'static str {
        match self {
            Self::Mexa => "",
            Self::RecallFrom | Self::RecallTo => "1",
        }
    }

    pub(super) fn chance(self, n: usize) -> f64 {
        match self {
            Self::Mexa => 1.0 / (2 * n - 1) as f64,
            Self::RecallFrom | Self::RecallTo => 1.0 / n as f64,
        }
    }

    /// Whether sentence i of the pivot and j of the language count as a pair.
    fn counts(self, sides: &[Side; 2], i: usize, j: usize) -> bool {
        let forth = || sides[0].nearest[i] == Some(j as u32);
        let back = || sides[1].nearest[j] == Some(i as u32);
        match self {
            Self::Mexa => forth() && back(),
            Self::RecallFrom => forth(),
            Self::RecallTo => back(),
        }
    }
}

/// The outcome of every sentence, and how many count in each draw.
pub(super) struct Counted {
    pub(super) metric: Metric,
    /// `[n]`.
    pub(super) hits: Vec<bool>,
    /// Shuffled, matched (empty where there is none): hits of each draw.
    pub(super) drawn: [Vec<u32>; 2],
}

impl Counted {
    pub(super) fn new(
        metric: Metric,
        sides: &[Side; 2],
        shuffled: &Permutations,
        matched: Option<&Permutations>,
    ) -> Self {
        let n = sides[0].nearest.len();
        let drawn = |permutations: &Permutations| -> Vec<u32> {
            let count = |b: usize| {
                let pairs = permutations.draw(b).iter().enumerate();
                pairs.filter(|(i, j)| metric.counts(sides, *i, **j as usize)).count() as u32
            };
            (0..permutations.draws()).map(count).collect()
        };
        Self {
            metric,
            hits: (0..n).map(|i| metric.counts(sides, i, i)).collect(),
            drawn: [drawn(shuffled), matched.map(drawn).unwrap_or_default()],
        }
    }
}

/// What one layer adds.
pub(super) struct Hits {
    pub(super) pivot: usize,
    pub(super) language: usize,
    pub(super) variant: String,
    pub(super) counted: Result<[Counted; 3], &'static str>,
}

/// What the layers so far say of one language, pivot, variant and metric.
#[derive(Default)]
struct Sum {
    layers: u32,
    /// In how many layers each sentence counts. `[n]`.
    hits: Vec<u32>,
    /// The most hits of a layer, and the first layer that has them.
    best: Option<(usize, usize)>,
    /// Of each draw: hits of all layers, the most hits of a layer. Shuffled, matched.
    drawn: [Vec<(u32, u32)>; 2],
    /// The layers without a value, and why.
    missing: Option<(usize, &'static str)>,
}

#[derive(Default)]
pub(super) struct OverLayers(BTreeMap<(usize, usize, String, Metric), Sum>);

impl OverLayers {
    pub(super) fn add(&mut self, hits: Hits, layer: usize) {
        let Hits { pivot, language, variant, counted } = hits;
        for (at, metric) in METRICS.into_iter().enumerate() {
            let sum = self.0.entry((pivot, language, variant.clone(), metric)).or_default();
            match &counted {
                Ok(counted) => sum.add(&counted[at], layer),
                Err(why) => sum.missing = Some((layer, why)),
            }
        }
    }

    /// Appends the rows; says at which layer each maximum is: `(place of the row, layer)`.
    pub(super) fn rows(self, context: &Context<'_>, rows: &mut Vec<Row>) -> Vec<(usize, usize)> {
        let n = context.source.sentences();
        let mut best = Vec::new();
        for ((pivot, language, variant, metric), sum) in self.0 {
            let names = context.source.languages();
            let label = |row: Row| row.of(&names[language]).against(&names[pivot]).variant(&variant);
            let (mean, max) = (format!("{}_mean", metric.name()), format!("{}_max", metric.name()));
            let item = metric.item();
            if let Some((layer, why)) = sum.missing {
                let why = format!("without a value at layer {}: {why}", context.source.layers()[layer]);
                rows.push(label(Row::missing(&mean, why.as_str(), n).item(item)));
                rows.push(label(Row::missing(&max, why, n)));
                continue;
            }
            let Some((most, layer)) = sum.best else { continue };
            let layers = f64::from(sum.layers);
            let shares: Vec<f64> = sum.hits.iter().map(|hits| f64::from(*hits) / layers).collect();
            let mut row = context.row(&mean, context.draws.mean(&shares)).chance(metric.chance(n)).item(item);
            // Counted as a draw is, so that equal ones are equal to the bit.
            let value = f64::from(sum.hits.iter().sum::<u32>()) / layers / n as f64;
            let null = |side: usize, of: &dyn Fn(&(u32, u32)) -> f64, value: f64| {
                fit(value, &sum.drawn[side].iter().map(of).collect::<Vec<_>>(), true)
            };
            let all = |drawn: &(u32, u32)| f64::from(drawn.0) / layers / n as f64;
            (row.shuffled, row.matched) = (null(0, &all, value), null(1, &all, value));
            rows.push(label(row));
            let value = most as f64 / n as f64;
            let mut row = Row::new(&max, value, n);
            let most = |drawn: &(u32, u32)| f64::from(drawn.1) / n as f64;
            (row.shuffled, row.matched) = (null(0, &most, value), null(1, &most, value));
            best.push((rows.len(), context.source.layers()[layer]));
            rows.push(label(row));
        }
        best
    }
}

impl Sum {
    fn add(&mut self, counted: &Counted, layer: usize) {
        let Counted { hits, drawn, .. } = counted;
        self.layers += 1;
        self.hits.resize(hits.len(), 0);
        self.hits.iter_mut().zip(hits).for_each(|(sum, hit)| *sum += u32::from(*hit));
        let count = hits.iter().filter(|hit| **hit).count();
        if self.best.is_none_or(|(most, _)| count > most) {
            self.best = Some((count, layer));
        }
        for (sums, drawn) in self.drawn.iter_mut().zip(drawn) {
            sums.resize(drawn.len(), (0, 0));
            sums.iter_mut().zip(drawn).for_each(|(sum, d)| *sum = (sum.0 + d, sum.1.max(*d)));
        }
    }
}
