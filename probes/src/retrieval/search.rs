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
