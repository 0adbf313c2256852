//! What a tie is worth, and what shuffled sentences give: all of it from where the largest value of each row and column of S stands.
//!
//! A shuffle pairs sentence i of the pivot with sentence `s(i)` of the language, which permutes the columns of S. So S is not computed again:
//! the pair (i, s(i)) wins its row where `s(i)` is the place of the row's largest value *with the diagonal included*, and its column likewise.
//! That is n comparisons a draw.

use babelscope_core::vector::dispatch;

use super::{Ties, search::Found};
use crate::null::Permutations;

/// No place: the row or column has no single largest value.
const NONE: u32 = u32::MAX;

/// Where the largest value of each row and column of S stands.
pub(super) struct Closest {
    /// From the pivot: column of the only largest value of row i.
    from: Vec<u32>,
    /// To the pivot: row of the only largest value of column j.
    to: Vec<u32>,
    /// Both: column of the value that is the only largest one of its row and of its column.
    both: Vec<u32>,
    /// Pairs that win with others, where ties count, and what each is worth: both, from, to.
    tied: [Vec<(u32, u32, f64)>; 3],
}

impl Closest {
    pub(super) fn new(found: &Found, ties: Ties) -> Self {
        let mut closest = if ties == Ties::Strict { Self::strict(found) } else { Self::tied(found, ties) };
        closest.both = (closest.from.iter().zip(0u32..))
            .map(|(&j, i)| if closest.to.get(j as usize) == Some(&i) { j } else { NONE })
            .collect();
        closest
    }

    fn strict(found: &Found) -> Self {
        let place = |i: u32, cosine: f32, rival: f32, at: u32, alone: bool| {
            if cosine > rival {
                i
            } else if cosine < rival && alone {
                at
            } else {
                NONE
            }
        };
        let all = || (0u32..).zip(&found.outcomes).zip(&found.alone);
        Self {
            from: all().map(|((i, o), alone)| place(i, o.cosine, o.rival_cosine, o.rival, alone[0])).collect(),
            to: all().map(|((i, o), alone)| place(i, o.cosine, o.rival_back_cosine, o.rival_back, alone[1])).collect(),
            both: Vec::new(),
            tied: Default::default(),
        }
    }

    fn tied(found: &Found, ties: Ties) -> Self {
        let n = found.outcomes.len();
        let true_pairs = (0u32..).zip(&found.outcomes).map(|(i, o)| (i, i, o.cosine));
        let mut seen: Vec<(u32, u32, f32)> = found.seen.iter().copied().chain(true_pairs).collect();
        seen.sort_unstable_by_key(|(i, j, _)| (*i, *j));
        seen.dedup_by_key(|(i, j, _)| (*i, *j));
        let row = |i: u32| found.outcomes[i as usize].cosine.max(found.outcomes[i as usize].rival_cosine);
        let column = |j: u32| found.outcomes[j as usize].cosine.max(found.outcomes[j as usize].rival_back_cosine);
        let (mut in_row, mut in_column) = (vec![0u32; n], vec![0u32; n]);
        for &(i, j, cosine) in &seen {
            in_row[i as usize] += u32::from(cosine == row(i));
            in_column[j as usize] += u32::from(cosine == column(j));
        }
        let worth = |equal: u32| if ties == Ties::Shared { f64::from(equal).recip() } else { 1.0 };
        let (mut from, mut to) = (vec![NONE; n], vec![NONE; n]);
        let mut tied: [Vec<(u32, u32, f64)>; 3] = Default::default();
        for &(i, j, cosine) in &seen {
            let (rows, columns) = (in_row[i as usize], in_column[j as usize]);
            let (wins_row, wins_column) = (cosine == row(i), cosine == column(j));
            if wins_row && rows == 1 {
                from[i as usize] = j;
            } else if wins_row {
                tied[1].push((i, j, worth(rows)));
            }
            if wins_column && columns == 1 {
                to[j as usize] = i;
            } else if wins_column {
                tied[2].push((i, j, worth(columns)));
            }
            if wins_row && wins_column && rows + columns > 2 {
                // Itself is in the row and in the column.
                tied[0].push((i, j, worth(rows + columns - 1)));
            }
        }
        Self { from, to, both: Vec::new(), tied }
    }

    /// What each sentence counts for MEXA, recall from the pivot and recall to it.
    pub(super) fn credits(&self) -> [Vec<f64>; 3] {
        let mut credits = [&self.both, &self.from, &self.to]
            .map(|places| (0u32..).zip(places).map(|(i, at)| f64::from(u8::from(*at == i))).collect::<Vec<f64>>());
        for (credits, tied) in credits.iter_mut().zip(&self.tied) {
            tied.iter().filter(|(i, j, _)| i == j).for_each(|(i, _, worth)| credits[*i as usize] = *worth);
        }
        credits
    }

    /// MEXA, recall from the pivot and recall to it in each draw.
    pub(super) fn shuffled(&self, draws: &Permutations) -> [Vec<f64>; 3] {
        let mut all = [(); 3].map(|()| Vec::with_capacity(draws.draws()));
        let n = self.from.len() as f64;
        for b in 0..draws.draws() {
            let draw = draws.draw(b);
            let (both, from) = dispatch(
                #[inline(always)]
                || {
                    let (mut both, mut from) = (0u32, 0u32);
                    for (j, (best, best_both)) in draw.iter().zip(self.from.iter().zip(&self.both)) {
                        both += u32::from(best_both == j);
                        from += u32::from(best == j);
                    }
                    (both, from)
                },
            );
            let to = (0u32..).zip(draw).filter(|(i, j)| self.to[**j as usize] == *i).count() as u32;
            for ((all, count), tied) in all.iter_mut().zip([both, from, to]).zip(&self.tied) {
                let shared = tied.iter().filter(|(i, j, _)| draw[*i as usize] == *j).map(|(.., worth)| worth);
                all.push((f64::from(count) + shared.sum::<f64>()) / n);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use proptest::prelude::*;

    use super::{Closest, Ties};
    use crate::{
        align::{search::search, unit::Unit},
        null::Permutations,
    };

    /// The plain definition on S: MEXA, recall from and to the pivot.
    fn plain(s: &Array2<f32>, ties: Ties) -> [f64; 3] {
        let n = s.nrows();
        let mut sums = [0f64; 3];
        for i in 0..n {
            let of = s[[i, i]];
            let row: Vec<f32> = (0..n).filter(|j| *j != i).map(|j| s[[i, j]]).collect();
            let column: Vec<f32> = (0..n).filter(|j| *j != i).map(|j| s[[j, i]]).collect();
            let both: Vec<f32> = row.iter().chain(&column).copied().collect();
            for (sum, rivals) in sums.iter_mut().zip([both, row, column]) {
                let equal = rivals.iter().filter(|r| **r == of).count();
                let most = rivals.iter().all(|r| *r <= of);
                *sum += match ties {
                    Ties::Strict => f64::from(u8::from(most && equal == 0)),
                    Ties::Counted => f64::from(u8::from(most)),
                    Ties::Shared => f64::from(u8::from(most)) / (1 + equal) as f64,
                };
            }
        }
        sums.map(|sum| sum / n as f64)
    }

    proptest! {
        /// Whole numbers in few dimensions: ties everywhere.
        #[test]
        fn every_rule_of_ties_and_every_shuffle_is_the_definition_on_permuted_columns(
            (a, b) in (2usize..14, 1usize..4).prop_flat_map(|(n, d)| {
                let states = move || prop::collection::vec((-2i8..=2).prop_map(f32::from), n * d);
                (states(), states()).prop_map(move |(a, b)| (
                    Array2::from_shape_vec((n, d), a).unwrap(),
                    Array2::from_shape_vec((n, d), b).unwrap(),
                ))
            }),
            ties in prop_oneof![Just(Ties::Strict), Just(Ties::Counted), Just(Ties::Shared)],
        ) {
            let (pivot, language) = (Unit::new(a.view().into()), Unit::new(b.view().into()));
            let n = a.nrows();
            let s = Array2::from_shape_fn((n, n), |(i, j)| pivot.cosine(false, i, &language, j));
            let found = search(&pivot, &language, &[false], ties);
            let closest = Closest::new(&found[0], ties);
            let close = |got: f64, expected: f64| (got - expected).abs() < 1e-12;
            for (credits, expected) in closest.credits().iter().zip(plain(&s, ties)) {
                prop_assert!(close(credits.iter().sum::<f64>() / n as f64, expected));
            }
            let draws = Permutations::new(n, 19, 1).unwrap();
            let shuffled = closest.shuffled(&draws);
            for b in 0..draws.draws() {
                let order: Vec<usize> = draws.draw(b).iter().map(|j| *j as usize).collect();
                for (got, expected) in shuffled.iter().zip(plain(&s.select(Axis(1), &order), ties)) {
                    prop_assert!(close(got[b], expected), "{} {expected}", got[b]);
                }
            }
        }
    }
}
