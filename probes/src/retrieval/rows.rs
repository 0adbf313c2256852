//! The rows of one pair, with intervals, chance and nulls.

use super::{
    RetrievalParams, Similarity,
    neighbours::skewness,
    over_layers::{Counted, Hits, METRICS},
    pair::{Both, Found, Pair},
    pair_cosines::PairCosines,
    prepared::Prepared,
    search::Side,
};
use crate::{
    Result,
    align::Centring,
    bootstrap::Draws,
    measure::{Estimate, NullFit, Row},
    null::{Permutations, fit, strata},
    source::StateSource,
};

/// From the pivot, to the pivot: names of the two sides.
const SIDES: [&str; 2] = ["from_pivot", "to_pivot"];

/// What is the same for every pair.
pub(super) struct Context<'a> {
    pub(super) source: &'a dyn StateSource,
    pub(super) params: &'a RetrievalParams,
    pub(super) seed: u64,
    pub(super) draws: Draws,
    pub(super) shuffled: Permutations,
}

/// Where a number belongs.
pub(super) struct Place {
    pub(super) pivot: usize,
    pub(super) language: usize,
    pub(super) layer: usize,
    pub(super) centring: Centring,
}

impl Context<'_> {
    fn n(&self) -> usize {
        self.source.sentences()
    }

    /// A row with its interval, unless there are no draws.
    pub(super) fn row(&self, metric: &str, estimate: Estimate) -> Row {
        let row = Row::new(metric, estimate.value, self.n());
        if self.draws.draws() > 0 { row.within(estimate.low, estimate.high) } else { row }
    }

    /// Permutations among sentences of like length and shared tokens; `None` where they were not asked for or nobody knows the tokens.
    pub(super) fn matched(&self, pair: &Pair) -> Result<Option<Permutations>> {
        let tokens = self.source.tokens(pair.left).zip(self.source.tokens(pair.right));
        let wanted = self.params.matched && self.params.shuffles > 0;
        let strata = tokens.filter(|_| wanted).map(|(left, right)| strata(left, right));
        strata.map(|strata| Permutations::within(&strata, self.params.shuffles, self.seed)).transpose()
    }

    /// What a person should know of the matched nulls.
    pub(super) fn matched_notes(&self, pairs: &[Pair]) -> Result<Vec<String>> {
        if !self.params.matched || self.params.shuffles == 0 {
            return Ok(Vec::new());
        }
        let mut notes = Vec::new();
        let mut unknown = false;
        for pair in pairs {
            let Some(matched) = self.matched(pair)? else {
                unknown = true;
                continue;
            };
            if matched.fixed() > 0.2 {
                let [pivot, language] = [pair.left, pair.right].map(|at| &self.source.languages()[at]);
                notes.push(format!(
                    "the matched null of {language} with {pivot} leaves {:.0} % of the sentences where they are, so it is stricter than \
                     it looks; more sentences make it looser",
                    100.0 * matched.fixed()
                ));
            }
        }
        if unknown {
            notes.push("the token ids of the sentences are not known, so there is no matched null".into());
        }
        Ok(notes)
    }

    pub(super) fn anisotropy(&self, language: usize, layer: usize, centring: Centring, prepared: &Prepared) -> Row {
        (self.row("anisotropy", self.draws.mean(&prepared.cosines_within())))
            .of(&self.source.languages()[language])
            .at(self.source.layers()[layer])
            .variant(centring.name())
    }

    /// Everything of a pair, and what the numbers over layers need of it.
    pub(super) fn rows(&self, place: &Place, found: &Found, matched: Option<&Permutations>) -> (Vec<Row>, Vec<Hits>) {
        let centring = place.centring.name();
        let variant = |similarity: Similarity| format!("{centring}/{}", similarity.name());
        let (mut rows, mut hits) = (Vec::new(), Vec::new());
        for (similarity, sides) in &found.retrieved {
            let variant = variant(*similarity);
            let counted = sides.as_ref().map_err(|why| *why).map(|sides| {
                METRICS.map(|metric| Counted::new(metric, sides, &self.shuffled, matched)) // [mexa, from, to]
            });
            let first = match &counted {
                Ok(counted) => self.counted(counted),
                Err(why) => {
                    let missing = METRICS.iter().map(|m| Row::missing(m.name(), *why, self.n()).item(m.item()));
                    missing.collect()
                }
            };
            rows.extend(first.into_iter().map(|row| row.variant(&variant)));
            rows.extend(self.ranked(sides).into_iter().map(|row| row.variant(&variant)));
            hits.push(Hits { pivot: place.pivot, language: place.language, variant, counted });
        }
        for (similarity, sides) in &found.errors {
            for (side, name) in SIDES.iter().enumerate() {
                let row = match sides {
                    Ok(errors) => self
                        .row("xsim_error", self.draws.share(errors[side].iter().copied()))
                        .chance(1.0 - 1.0 / self.n() as f64),
                    Err(why) => Row::missing("xsim_error", *why, self.n()),
                };
                rows.push(row.item(*name).variant(&variant(*similarity)));
            }
        }
        for (f1, name) in found.f1.iter().zip(SIDES) {
            let row = self.row("bitext_f1", self.draws.mean(f1)).chance(f1_of_chance(self.n()));
            rows.push(row.item(name).variant(&variant(Similarity::Euclid)));
        }
        rows.extend(self.cosines(found, matched).into_iter().map(|row| row.variant(centring)));
        for (side, name) in SIDES.iter().enumerate() {
            rows.extend(self.hubs(found, side).map(|row| row.item(*name).variant(centring)));
        }
        let labelled = rows.into_iter().map(|row| {
            row.of(&self.source.languages()[place.language])
                .against(&self.source.languages()[place.pivot])
                .at(self.source.layers()[place.layer])
        });
        (labelled.collect(), hits)
    }

    /// MEXA and recall@1, the numbers with nulls.
    fn counted(&self, counted: &[Counted; 3]) -> Vec<Row> {
        let n = self.n() as f64;
        let row = |counted: &Counted| {
            let mut row = self.row(counted.metric.name(), self.draws.share(counted.hits.iter().copied()));
            let value = row.value.unwrap_or_default();
            let null = |drawn: &[u32]| fit(value, &drawn.iter().map(|d| f64::from(*d) / n).collect::<Vec<_>>(), true);
            (row.shuffled, row.matched) = (null(&counted.drawn[0]), null(&counted.drawn[1]));
            row.chance(counted.metric.chance(self.n()))
        };
        counted.iter().map(|c| row(c).item(c.metric.item())).collect()
    }

    /// Recall at the other k, MRR, mean rank.
    fn ranked(&self, sides: &Both<Side>) -> Vec<Row> {
        let n = self.n() as f64;
        let harmonic: f64 = (1..=self.n()).map(|i| 1.0 / i as f64).sum();
        let mut rows = Vec::new();
        for (side, name) in SIDES.iter().enumerate() {
            let mut add = |metric: &str, chance: f64, item: &str, of: &dyn Fn(u32) -> f64| {
                let metric = format!("{metric}_{name}");
                rows.push(match sides {
                    Ok(sides) => {
                        let values: Vec<f64> = sides[side].ranks.iter().map(|rank| of(*rank)).collect();
                        self.row(&metric, self.draws.mean(&values)).chance(chance).item(item)
                    }
                    Err(why) => Row::missing(&metric, *why, self.n()).item(item),
                });
            };
            for k in self.params.ks.iter().filter(|k| **k > 1) {
                add("recall", *k as f64 / n, &k.to_string(), &|rank| f64::from(u8::from(rank as usize <= *k)));
            }
            add("mrr", harmonic / n, "", &|rank| 1.0 / f64::from(rank));
            add("mean_rank", (n + 1.0) / 2.0, "", &f64::from);
        }
        rows
    }

    fn cosines(&self, found: &Found, matched: Option<&Permutations>) -> [Row; 3] {
        let cosines = PairCosines::new(found.cosines());
        let gap = self.draws.mean(&cosines.gap);
        let mut rows = [
            self.row("pair_cosine", self.draws.mean(&cosines.truth)),
            self.row("pair_cosine_gap", gap).chance(0.0),
            if cosines.spread > 0.0 {
                let [value, low, high] = [gap.value, gap.low, gap.high].map(|g| g / cosines.spread);
                self.row("pair_cosine_z", Estimate { value, low, high }).chance(0.0)
            } else {
                let why = "the wrong pairs all have the same cosine, so the gap has no scale; read the gap itself";
                Row::missing("pair_cosine_z", why, self.n())
            },
        ];
        let (value, gap) = cosines.values();
        let mut null = |permutations: &Permutations, place: fn(&mut Row) -> &mut Option<NullFit>| {
            let (drawn, gaps) = cosines.drawn(found.cosines(), permutations);
            *place(&mut rows[0]) = fit(value, &drawn, true);
            *place(&mut rows[1]) = fit(gap, &gaps, false);
        };
        null(&self.shuffled, |row| &mut row.shuffled);
        if let Some(matched) = matched {
            null(matched, |row| &mut row.matched);
        }
        rows
    }

    /// Hubs among the sentences that are searched from `side`. Chance: each that asks names k of the n at random.
    fn hubs(&self, found: &Found, side: usize) -> [Row; 3] {
        let (counts, asked) = (&found.occurrences[side], found.asked[side] as f64);
        let share = self.params.neighbours as f64 / self.n() as f64;
        let skew = skewness(counts, &self.draws).map_or_else(
            || {
                Row::missing(
                    "hubness_skew",
                    "every sentence is a neighbour equally often, so nothing is skewed",
                    self.n(),
                )
            },
            |skew| self.row("hubness_skew", skew),
        );
        let skew =
            if asked > 0.0 { skew.chance((1.0 - 2.0 * share) / (asked * share * (1.0 - share)).sqrt()) } else { skew };
        [
            skew,
            self.row("anti_hubs", self.draws.share(counts.iter().map(|c| *c == 0))).chance((1.0 - share).powf(asked)),
            Row::new("hub_max", f64::from(counts.iter().copied().max().unwrap_or_default()), self.n()),
        ]
    }
}

/// The F1 of n answers drawn at random among n: found with 1 / n, and `E[2 / (2 + F)]` for F wrong answers, binomial with n - 1 and 1 / n:
/// `E[1 / (F + 2)]` is the integral of `t (1 - p + p t)^(n - 1)` over 0 to 1.
fn f1_of_chance(n: usize) -> f64 {
    let n = n as f64;
    let (p, q) = (1.0 / n, 1.0 - 1.0 / n);
    let integral = ((1.0 - q.powf(n + 1.0)) / (n + 1.0) - q * (1.0 - q.powf(n)) / n) / (p * p);
    2.0 * integral / n
}

#[cfg(test)]
mod tests {
    use super::f1_of_chance;

    /// n = 2: an answer is right with 1/2; the other sentence then answers the same, wrongly, with 1/2: (1/2)(1/2 + 1/2 2/3) = 5/12.
    #[test]
    fn chance_of_f1_by_hand() {
        assert!((f1_of_chance(2) - 5.0 / 12.0).abs() < 1e-12);
    }
}
