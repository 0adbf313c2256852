//! A pair of languages at a layer: outcomes, shares with their intervals and nulls, and the scores of fewer sentences.

use super::{
    AlignCell, Centring, Outcome, Ties,
    closest::Closest,
    search::{Found, search},
    unit::Unit,
};
use crate::{
    bootstrap::Draws,
    measure::{Estimate, NullFit},
    null::{Permutations, fit},
};

/// MEXA, recall from the pivot, recall to it.
pub(super) const SHARES: usize = 3;

/// What a pair gives at a layer with one centring.
pub(super) struct Cell {
    outcomes: Vec<Outcome>,
    pub(super) shares: [Estimate; SHARES],
    pub(super) shuffled: [Option<NullFit>; SHARES],
    pub(super) matched: [Option<NullFit>; SHARES],
    cosine_true: f64,
    cosine_wrong: f64,
    /// MEXA of the first so many sentences, as in [`ladder`].
    pub(super) curve: Vec<f64>,
}

/// MEXA in each draw of the bootstrap, of the shuffles and of the matched shuffles.
pub(super) type Drawn = [Vec<f64>; 3];

/// How cells are computed.
pub(super) struct Rules<'a> {
    pub(super) ties: Ties,
    pub(super) draws: &'a Draws,
    pub(super) shuffled: &'a Permutations,
    /// Whether the outcomes are kept.
    pub(super) outcomes: bool,
}

/// Numbers of sentences for which MEXA is given: 25, 50, 100 and so on, and all.
pub(super) fn ladder(n: usize) -> Vec<usize> {
    std::iter::successors(Some(25), |m| Some(2 * m)).take_while(|m| *m < n).chain([n]).collect()
}

/// One cell for each centring (`true`: centred).
pub(super) fn cells(
    pivot: &Unit<'_>,
    language: &Unit<'_>,
    centred: &[bool],
    rules: &Rules<'_>,
    matched: Option<&Permutations>,
) -> Vec<(Cell, Drawn)> {
    let found = search(pivot, language, centred, rules.ties);
    (found.into_iter().zip(centred))
        .map(|(found, centred)| {
            let closest = Closest::new(&found, rules.ties);
            let credits = closest.credits();
            let shares = credits.each_ref().map(|credits| match rules.ties {
                Ties::Shared => rules.draws.mean(credits),
                Ties::Strict | Ties::Counted => rules.draws.share(credits.iter().map(|credit| *credit > 0.0)),
            });
            let null = |draws: Option<&Permutations>| draws.map(|draws| closest.shuffled(draws)).unwrap_or_default();
            let (shuffled, matched) = (null(Some(rules.shuffled)), null(matched));
            let fits = |drawn: &[Vec<f64>; SHARES]| {
                std::array::from_fn(|metric| fit(shares[metric].value, &drawn[metric], true))
            };
            let n = found.outcomes.len() as f64;
            let diagonal: f64 = found.outcomes.iter().map(|o| f64::from(o.cosine)).sum();
            // The sum over all pairs of u_i . v_j is (sum u_i) . (sum v_j): no need to add up n x n numbers.
            let sums = pivot.side(*centred).sum.iter().zip(&language.side(*centred).sum);
            let all: f64 = sums.map(|(a, b)| a * b).sum();
            let cell = Cell {
                shares,
                shuffled: fits(&shuffled),
                matched: fits(&matched),
                cosine_true: diagonal / n,
                cosine_wrong: (all - diagonal) / (n * (n - 1.0)),
                curve: curve(&found),
                outcomes: if rules.outcomes { found.outcomes } else { Vec::new() },
            };
            let ([shuffled, ..], [matched, ..]) = (shuffled, matched);
            (cell, [rules.draws.means(&credits[0]), shuffled, matched])
        })
        .collect()
}

/// MEXA of the first m sentences among themselves, for every m of the ladder.
fn curve(found: &Found) -> Vec<f64> {
    let all: Vec<(u32, u32)> = (0u32..).zip(&found.beaten).map(|(i, by)| (i, *by)).collect();
    let mut worth = |m: usize| {
        let mut equal = vec![0u32; m];
        found
            .equal
            .iter()
            .filter(|(i, j)| (*i as usize) < m && (*j as usize) < m)
            .for_each(|(i, _)| equal[*i as usize] += 1);
        let counted = all[..m].iter().filter(|(_, by)| *by as usize >= m);
        counted.map(|(i, _)| f64::from(1 + equal[*i as usize]).recip()).sum::<f64>() / m as f64
    };
    ladder(found.outcomes.len()).into_iter().map(&mut worth).collect()
}

impl Cell {
    /// The cell as it is reported, seen from the other side where `mirrored`.
    pub(super) fn reported(
        &self,
        mirrored: bool,
        (language, pivot): (&str, &str),
        layer: usize,
        centring: Centring,
        n: usize,
    ) -> AlignCell {
        let outcomes =
            if mirrored { self.outcomes.iter().map(Outcome::mirrored).collect() } else { self.outcomes.clone() };
        let [mexa, from, to] = order(self.shares, mirrored);
        AlignCell {
            language: language.to_owned(),
            pivot: pivot.to_owned(),
            layer,
            centring,
            mexa,
            recall_from_pivot: from,
            recall_to_pivot: to,
            cosine_gap: self.cosine_true - self.cosine_wrong,
            cosine_wrong: self.cosine_wrong,
            n,
            outcomes,
        }
    }
}

/// From there is to from here.
pub(super) fn order<T>([mexa, from, to]: [T; SHARES], mirrored: bool) -> [T; SHARES] {
    if mirrored { [mexa, to, from] } else { [mexa, from, to] }
}
