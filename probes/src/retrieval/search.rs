//! Who is the closest, and how many are at least as close as the true one.

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::neighbours::Neighbours;

/// How a score comes from a similarity s and the means to the nearest, r of the row and r of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Margin {
    /// `s`.
    Absolute,
    /// `2 s - (r_x + r_y)`.
    Csls,
    /// `s / ((r_x + r_y) / 2)`.
    Ratio,
    /// `s - (r_x + r_y) / 2`.
    Distance,
}

/// The scores of all pairs, never held: similarities and the means to the nearest.
pub(super) struct Scores<'a> {
    pub(super) similarities: ArrayView2<'a, f32>,
    pub(super) margin: Margin,
    /// `r` of each row and of each column; empty for [`Margin::Absolute`].
    pub(super) means: [&'a [f64]; 2],
}

impl Scores<'_> {
    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        let s = f64::from(self.similarities[[i, j]]);
        // The sum of both means first: exchanging the sides then gives the same bits.
        let both = || self.means[0][i] + self.means[1][j];
        match self.margin {
            Margin::Absolute => s,
            Margin::Csls => 2.0 * s - both(),
            Margin::Ratio => s / (both() / 2.0),
            Margin::Distance => s - both() / 2.0,
        }
    }

    /// The same seen from the columns.
    pub(super) fn turned(&self) -> Scores<'_> {
        Scores { similarities: self.similarities.t(), margin: self.margin, means: [self.means[1], self.means[0]] }
    }

    /// Whether the ratio margin means something for every pair.
    pub(super) fn defined(&self) -> bool {
        let least = |means: &[f64]| means.iter().copied().fold(f64::INFINITY, f64::min);
        self.margin != Margin::Ratio || least(self.means[0]) + least(self.means[1]) > 0.0
    }
}

/// What the sentences of one side find on the other.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Side {
    /// `1 +` how many wrong sentences score at least as much as the true one; n where a side has no direction. `[n]`.
    pub(super) ranks: Vec<u32>,
    /// The one sentence with the largest score; `None` where several have it, or one side has no direction. `[n]`.
    pub(super) nearest: Vec<Option<u32>>,
    /// The answer: the closest, where several are equal a wrong one, the first of them. `[n]`.
    pub(super) answers: Vec<u32>,
}

impl Side {
    /// `lost`: which sentences of the rows and of the columns have no direction, where that matters.
    ///
    /// # Shapes
    /// Scores `[n, n]`, n >= 2.
    pub(super) fn new(scores: &Scores<'_>, lost: [&[bool]; 2]) -> Self {
        let n = scores.similarities.nrows();
        let found: Vec<(u32, Option<u32>, u32)> = (0..n)
            .into_par_iter()
            .map(|i| {
                let truth = scores.at(i, i);
                let (mut rank, mut rival, mut tied) = (1, (f64::NEG_INFINITY, 0), false);
                for j in (0..n).filter(|j| *j != i) {
                    let score = scores.at(i, j);
                    rank += u32::from(score >= truth);
                    tied = score == rival.0 || (tied && score < rival.0);
                    if score > rival.0 {
                        rival = (score, j);
                    }
                }
                let (answer, tied) = if truth > rival.0 { (i, false) } else { (rival.1, tied || truth == rival.0) };
                let none = tied || lost[0][i] || lost[1][answer];
                let rank = if lost[0][i] || lost[1][i] { n as u32 } else { rank };
                (rank, (!none).then_some(answer as u32), answer as u32)
            })
            .collect();
        Self {
            ranks: found.iter().map(|f| f.0).collect(),
            nearest: found.iter().map(|f| f.1).collect(),
            answers: found.iter().map(|f| f.2).collect(),
        }
    }

    /// The F1 of each sentence id as a class of its own: `2 / (2 + wrong answers i)` where i is found, 0 elsewhere. `[n]`.
    pub(super) fn f1(&self) -> Vec<f64> {
        let mut wrong = vec![0u32; self.answers.len()];
        let mistakes = self.answers.iter().enumerate().filter(|(i, answer)| *i != **answer as usize);
        mistakes.for_each(|(_, answer)| wrong[*answer as usize] += 1);
        let f1 = |i: usize| {
            let found = self.answers[i] as usize == i;
            if found { 2.0 / (2.0 + f64::from(wrong[i])) } else { 0.0 }
        };
        (0..self.answers.len()).map(f1).collect()
    }
}

/// xSIM: for which sentences the true one is not the best by margin among the k nearest by cosine. `[n]`.
pub(super) fn xsim_errors(scores: &Scores<'_>, nearest: &Neighbours, k: usize, lost: [&[bool]; 2]) -> Vec<bool> {
    (0..lost[0].len())
        .map(|i| {
            let truth = scores.similarities[[i, i]];
            let as_close = scores.similarities.row(i).iter().filter(|s| **s >= truth).count(); // itself among them
            let rivals = nearest.of(i, k).iter().map(|(_, j)| *j as usize).filter(|j| *j != i);
            let beaten = rivals.map(|j| scores.at(i, j)).any(|rival| rival >= scores.at(i, i));
            lost[0][i] || lost[1][i] || as_close > k || beaten
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::{Margin, Scores, Side, xsim_errors};
    use crate::retrieval::neighbours::Neighbours;

    const MARGINS: [Margin; 4] = [Margin::Absolute, Margin::Csls, Margin::Ratio, Margin::Distance];

    /// The slow twin: a score from its definition, with means over a full sort.
    fn plain(all: &Array2<f32>, margin: Margin, k: usize) -> Array2<f64> {
        let mean = |mut row: Vec<f32>| {
            row.sort_by(|a, b| b.total_cmp(a));
            row[..k].iter().map(|s| f64::from(*s)).sum::<f64>() / k as f64
        };
        Array2::from_shape_fn(all.dim(), |(i, j)| {
            let (s, x, y) = (f64::from(all[[i, j]]), mean(all.row(i).to_vec()), mean(all.column(j).to_vec()));
            match margin {
                Margin::Absolute => s,
                Margin::Csls => 2.0 * s - (x + y),
                Margin::Ratio => s / ((x + y) / 2.0),
                Margin::Distance => s - (x + y) / 2.0,
            }
        })
    }

    /// Tenths, so that ties are common.
    fn similarities(n: usize) -> impl Strategy<Value = Array2<f32>> {
        let tenths = prop::collection::vec((1u8..10).prop_map(|t| f32::from(t) / 10.0), n * n);
        tenths.prop_map(move |values| Array2::from_shape_vec((n, n), values).unwrap())
    }

    proptest! {
        #[test]
        fn a_side_is_the_plain_definition(
            all in (2usize..9).prop_flat_map(similarities),
            margin in prop::sample::select(&MARGINS[..]),
            turned in any::<bool>(),
        ) {
            let n = all.nrows();
            let k = (n / 2).max(1);
            let near = [Neighbours::new(all.view(), k), Neighbours::new(all.t(), k)];
            let means = [near[0].means(k), near[1].means(k)];
            let scores = Scores { similarities: all.view(), margin, means: [&means[0], &means[1]] };
            let never = vec![false; n];
            let (found, expected) = if turned {
                (Side::new(&scores.turned(), [&never; 2]), plain(&all, margin, k).reversed_axes())
            } else {
                (Side::new(&scores, [&never; 2]), plain(&all, margin, k))
            };
            for i in 0..n {
                let row = expected.row(i);
                let rank = row.iter().filter(|s| **s >= row[i]).count();
                let best = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let winners: Vec<u32> = (0..n as u32).filter(|j| row[*j as usize] == best).collect();
                let wrong = winners.iter().copied().find(|j| *j as usize != i);
                prop_assert_eq!(found.ranks[i] as usize, rank);
                prop_assert_eq!(found.nearest[i], (winners.len() == 1).then(|| winners[0]));
                prop_assert_eq!(found.answers[i], wrong.unwrap_or(i as u32));
                prop_assert_eq!(found.ranks[i] == 1, found.nearest[i] == Some(i as u32));
            }
        }

        /// LASER's steps: the k nearest by cosine, then the best of them by margin; the true one comes last among equals in both.
        #[test]
        fn xsim_is_the_best_of_the_nearest(
            all in (3usize..9).prop_flat_map(similarities),
            margin in prop::sample::select(&MARGINS[..]),
        ) {
            let n = all.nrows();
            let k = 2;
            let near = [Neighbours::new(all.view(), n - 1), Neighbours::new(all.t(), n - 1)];
            let means = [near[0].means(k), near[1].means(k)];
            let scores = Scores { similarities: all.view(), margin, means: [&means[0], &means[1]] };
            let never = vec![false; n];
            let found = xsim_errors(&scores, &near[0], k, [&never; 2]);
            let plain = plain(&all, margin, k);
            for i in 0..n {
                let mut order: Vec<usize> = (0..n).collect();
                order.sort_by(|a, b| all[[i, *b]].total_cmp(&all[[i, *a]]).then((*a == i).cmp(&(*b == i))));
                order.truncate(k);
                let best = order.iter().copied().reduce(|best, j| {
                    let ahead = plain[[i, j]] > plain[[i, best]] || (plain[[i, j]] == plain[[i, best]] && best == i);
                    if ahead { j } else { best }
                });
                prop_assert_eq!(found[i], best != Some(i));
            }
        }
    }

    #[test]
    fn what_has_no_direction_is_never_found() {
        let all = ndarray::array![[0f32, 0., 0.], [-0.5, 0.8, 0.1], [-0.1, 0.2, 0.7]];
        let scores = Scores { similarities: all.view(), margin: Margin::Absolute, means: [&[], &[]] };
        let (first, never) = ([true, false, false], [false; 3]);
        // Column 1 has its largest value on the diagonal: 0 is above the two negative ones.
        let found = Side::new(&scores.turned(), [&never, &first]);
        assert_eq!((&found.ranks[..], found.nearest[0]), (&[3, 1, 1][..], None));
    }
}
