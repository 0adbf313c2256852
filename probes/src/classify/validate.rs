//! A task at a layer: every sentence is tested once, by a probe that has seen no translation of it.

use babelscope_core::monitor::Monitor;
use faer::{Mat, MatRef};
use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;

use super::{
    ClassifyParams,
    deal::{Deal, Split},
    quality::{Held, largest},
    scale::{Layer, Place, Scaler},
    softmax::{Problem, Softmax, gather},
    task::Task,
};
use crate::Result;

/// Nats of the mean loss, for what is reported.
const TOLERANCE: f64 = 1e-7;

/// For probes that only choose a penalty or stand in a null.
const COARSE: f64 = 1e-5;

/// Most steps of one fit.
const STEPS: usize = 300;

/// What a fit of one task at one layer needs.
#[derive(Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub(crate) layer: &'a Layer<'a>,
    pub(crate) task: &'a Task,
    pub(crate) params: &'a ClassifyParams,
    pub(crate) monitor: &'a Monitor,
}

/// The held-out predictions of a task at a layer, and of its controls.
pub(crate) struct Validated {
    pub(crate) held: Held,
    /// Whether the most frequent class of the training part is that of the row.
    pub(crate) majority: Vec<bool>,
    /// V-information of each row in bits: what the states add to the class frequencies of the training part.
    pub(crate) information: Vec<f64>,
    /// Whether the control probe gave the row its random label; empty without controls.
    pub(crate) control: Vec<bool>,
    /// Accuracy of each shuffle.
    pub(crate) shuffled: Vec<f64>,
    /// Fits that stopped before the tolerance, of how many.
    pub(crate) unfinished: (usize, usize),
}

/// What one fold says: of its rows, named by their place in the task.
struct Fold {
    rows: Vec<usize>,
    probabilities: Array2<f64>,
    majority: Vec<bool>,
    information: Vec<f64>,
    control_rows: Vec<usize>,
    control: Vec<bool>,
    /// Hits of each shuffle.
    shuffled: Vec<usize>,
    unfinished: usize,
}

/// The probes that a grid of penalties gave.
pub(crate) struct Chosen {
    /// The penalty of `probe`.
    pub(crate) c: f64,
    /// Right most often.
    pub(crate) probe: Softmax,
    /// With the smallest loss, where that is another one.
    calm: Option<Softmax>,
}

impl Chosen {
    /// The probe with the smallest loss: what code length and information are measured with.
    pub(crate) fn calm(&self) -> &Softmax {
        self.calm.as_ref().unwrap_or(&self.probe)
    }
}

impl<'a> Bench<'a> {
    /// Rows of the task whose sentence is one of these.
    pub(crate) fn rows_of(&self, sentences: &[usize]) -> Vec<usize> {
        let n = self.task.sentences;
        (0..self.task.languages.len()).flat_map(|l| sentences.iter().map(move |i| l * n + i)).collect()
    }

    fn places(&self, rows: &[usize]) -> Vec<Place> {
        let n = self.task.sentences;
        rows.iter().map(|row| (self.task.languages[row / n], row % n)).collect()
    }

    /// Rows to train and rows to test as the probe sees them; what they look like is learnt from the former alone.
    pub(crate) fn inputs(&self, train: &[usize], test: &[usize]) -> Result<(Mat<f64>, Mat<f64>)> {
        self.monitor.check()?;
        let (train, test) = (self.places(train), self.places(test));
        let scaler = Scaler::fit(self.layer, &train, self.params.components)?;
        Ok((scaler.apply(self.layer, &train), scaler.apply(self.layer, &test)))
    }

    /// Classes of these rows.
    pub(crate) fn truth(&self, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|row| self.task.truth[*row]).collect()
    }

    /// A probe of these classes.
    pub(crate) fn fit(
        &self,
        rows: MatRef<'_, f64>,
        classes: &[u32],
        c: f64,
        tolerance: f64,
        start: Option<&Softmax>,
    ) -> Result<Softmax> {
        self.monitor.check()?;
        let count = self.task.classes.len();
        let weights = if self.params.balanced { balanced(classes, count) } else { vec![1.0; count] };
        Ok(Softmax::fit(&Problem { rows, classes, count, weights: &weights, c, tolerance, steps: STEPS }, start))
    }

    /// Walks the grid of penalties from the strongest on, each probe starting from the last, and judges each by the held-out inner folds:
    /// by how many rows it gets right, the smaller loss where two are equal, and by the loss alone. The two differ: with many columns and
    /// few rows the probe that is right most often is too sure of itself, and its loss lies above that of a probe that has learnt nothing.
    pub(crate) fn choose(&self, rows: MatRef<'_, f64>, classes: &[u32], inner: &[u32]) -> Result<Chosen> {
        let mut grid = self.params.penalties.clone();
        grid.sort_by(f64::total_cmp);
        let parts: Vec<_> = (0..=inner.iter().copied().max().unwrap_or(0))
            .map(|fold| {
                let (out, within): (Vec<usize>, Vec<usize>) = (0..inner.len()).partition(|row| inner[*row] == fold);
                let of = |rows: &[usize]| -> Vec<u32> { rows.iter().map(|row| classes[*row]).collect() };
                (gather(rows, &within), of(&within), gather(rows, &out), of(&out))
            })
            .collect();
        let splits = parts.iter().all(|(within, _, out, _)| within.nrows() > 0 && out.nrows() > 0);
        let mut starts: Vec<Option<Softmax>> = vec![None; parts.len()];
        // `(right, loss, c, start)` of the best by each.
        let mut right_most: Option<(usize, f64, f64, Option<Softmax>)> = None;
        let mut least_loss: Option<(usize, f64, f64, Option<Softmax>)> = None;
        for c in grid.iter().copied().take(if splits { grid.len() } else { 1 }) {
            let (mut right, mut loss) = (0, 0.0);
            for ((within, own, out, other), start) in parts.iter().zip(&mut starts) {
                if !splits {
                    continue;
                }
                let probe = self.fit(within.as_ref(), own, c, COARSE, start.as_ref())?;
                let probabilities = probe.probabilities(out.as_ref());
                right += hits(&probabilities, other).into_iter().filter(|hit| *hit).count();
                loss -= other
                    .iter()
                    .zip(probabilities.outer_iter())
                    .map(|(class, p)| bits(p[*class as usize], own.len(), p.len()))
                    .sum::<f64>();
                *start = Some(probe);
            }
            let found = || Some((right, loss, c, starts.first().cloned().flatten()));
            if right_most.as_ref().is_none_or(|best| right > best.0 || (right == best.0 && loss < best.1)) {
                right_most = found();
            }
            if least_loss.as_ref().is_none_or(|best| loss < best.1) {
                least_loss = found();
            }
        }
        let fit = |best: Option<(usize, f64, f64, Option<Softmax>)>| {
            let (_, _, c, start) = best.unwrap_or((0, 0.0, 1.0, None));
            Ok::<_, crate::Error>((c, self.fit(rows, classes, c, TOLERANCE, start.as_ref())?))
        };
        let same = right_most.as_ref().map(|best| best.2) == least_loss.as_ref().map(|best| best.2);
        let calm = if same { None } else { Some(fit(least_loss)?.1) };
        let (c, probe) = fit(right_most)?;
        Ok(Chosen { c, probe, calm })
    }

    /// Tests every sentence once.
    pub(crate) fn validate(&self, deal: &Deal) -> Result<Validated> {
        let folds: Vec<Fold> = ((0..).zip(&deal.folds).collect::<Vec<_>>().into_par_iter())
            .map(|(number, split)| self.fold(number, split, deal))
            .collect::<Result<_>>()?;
        let rows = self.task.truth.len();
        let mut probabilities = Array2::zeros((rows, self.task.classes.len()));
        let (mut majority, mut information) = (vec![false; rows], vec![0.0; rows]);
        let mut control = vec![false; if self.params.controls { rows } else { 0 }];
        let mut shuffled = vec![0usize; deal.shuffled.len()];
        for fold in &folds {
            for (at, row) in fold.rows.iter().enumerate() {
                probabilities.row_mut(*row).assign(&fold.probabilities.row(at));
                (majority[*row], information[*row]) = (fold.majority[at], fold.information[at]);
            }
            fold.control_rows.iter().zip(&fold.control).for_each(|(row, hit)| control[*row] = *hit);
            shuffled.iter_mut().zip(&fold.shuffled).for_each(|(sum, hits)| *sum += hits);
        }
        let sentence = (0..rows).map(|row| self.task.sentence(row)).collect();
        Ok(Validated {
            held: Held::new(self.task.truth.clone(), sentence, probabilities),
            majority,
            information,
            control,
            shuffled: shuffled.into_iter().map(|hits| hits as f64 / rows as f64).collect(),
            unfinished: (folds.iter().map(|f| f.unfinished).sum(), folds.len()),
        })
    }

    fn fold(&self, number: u32, split: &Split, deal: &Deal) -> Result<Fold> {
        let (train, rows) = (self.rows_of(&split.train), self.rows_of(&split.test));
        let (inputs, tests) = self.inputs(&train, &rows)?;
        let classes = self.truth(&train);
        let inner: Vec<u32> = split.inner.repeat(self.task.languages.len());
        let chosen = self.choose(inputs.as_ref(), &classes, &inner)?;
        let Chosen { c, probe, .. } = &chosen;
        let mut counts = vec![0.0; self.task.classes.len()];
        classes.iter().for_each(|class| counts[*class as usize] += 1.0);
        let most = largest(counts.iter().copied());
        let truth = self.truth(&rows);
        let probabilities = probe.probabilities(tests.as_ref());
        let calm = chosen.calm().probabilities(tests.as_ref());
        let information = |(class, p): (&u32, ArrayView1<'_, f64>)| {
            let bits = |probability: f64| bits(probability, classes.len(), counts.len());
            bits(p[*class as usize]) - bits(counts[*class as usize] / classes.len() as f64)
        };
        let mut shuffled = Vec::with_capacity(deal.shuffled.len());
        for labels in &deal.shuffled {
            let of = |rows: &[usize]| -> Vec<u32> { rows.iter().map(|row| labels[*row]).collect() };
            let probe = self.fit(inputs.as_ref(), &of(&train), *c, COARSE, None)?;
            shuffled.push(hits(&probe.probabilities(tests.as_ref()), &of(&rows)).iter().filter(|hit| **hit).count());
        }
        let (mut control_rows, mut control) = (Vec::new(), Vec::new());
        if self.params.controls {
            let (test, train): (Vec<usize>, Vec<usize>) =
                (0..deal.control.len()).partition(|row| deal.control_fold[*row] == number);
            if !test.is_empty() && !train.is_empty() {
                let of = |rows: &[usize]| -> Vec<u32> { rows.iter().map(|row| deal.control[*row]).collect() };
                let (inputs, tests) = self.inputs(&train, &test)?;
                let probe = self.fit(inputs.as_ref(), &of(&train), *c, TOLERANCE, None)?;
                control = hits(&probe.probabilities(tests.as_ref()), &of(&test));
            }
            control_rows = test;
        }
        Ok(Fold {
            majority: truth.iter().map(|class| *class == most).collect(),
            information: truth.iter().zip(calm.outer_iter()).map(information).collect(),
            probabilities,
            rows,
            control_rows,
            control,
            shuffled,
            unfinished: usize::from(!probe.converged),
        })
    }
}

/// Whether the most probable class of each row is its own.
pub(crate) fn hits(probabilities: &Array2<f64>, classes: &[u32]) -> Vec<bool> {
    probabilities.outer_iter().zip(classes).map(|(row, class)| largest(row.iter().copied()) == *class).collect()
}

/// `log2` of a probability learnt from `seen` rows, mixed with a uniform row: `(seen p + 1 / classes) / (seen + 1)`. A class that training
/// has never shown then costs `log2(classes (seen + 1))` bits and not infinitely many.
pub(crate) fn bits(probability: f64, seen: usize, classes: usize) -> f64 {
    ((seen as f64 * probability + 1.0 / classes as f64) / (seen as f64 + 1.0)).log2()
}

/// `n / (classes n_c)`, as scikit-learn's `class_weight="balanced"`; a class without a row weighs nothing.
fn balanced(classes: &[u32], count: usize) -> Vec<f64> {
    let mut rows = vec![0.0; count];
    classes.iter().for_each(|class| rows[*class as usize] += 1.0);
    rows.iter().map(|own| if *own > 0.0 { classes.len() as f64 / (count as f64 * own) } else { 0.0 }).collect()
}
