//! Multinomial logistic regression with an L2 penalty: the linear probe itself.
//!
//! With rows `x_i`, classes `y_i`, weights `w_i` (1 unless classes are balanced), W `[width, classes]` and b `[classes]`, the minimum of
//! `sum_i w_i (-ln softmax(x_i W + b)[y_i]) + alpha / 2 |W|^2`; the intercept b is not penalised. scikit-learn's C is `1 / alpha`; its form
//! for two classes has one vector v instead of two that sum to zero, and `|v|^2 = 2 |W|^2`, so `alpha = 2 / C` gives the same there.
//!
//! Why not `linfa_logistic`, which minimises the same sum (its `alpha` is this one, and it leaves the intercept alone too): it has no
//! weights of classes, and its logarithm of a sum of exponentials subtracts the largest logit of *all* rows, so that a row whose logits
//! lie more than 35 below another row's has a wrong loss without a word. It is the second implementation of `tests/linfa.rs`.
//!
//! L-BFGS (Nocedal and Wright 2006, algorithms 7.4 and 7.5; ten pairs) with a backtracking line search (Armijo, c = 1e-4), from the
//! curvature where all classes are equally probable. It stops where half the gradient's square over that curvature, which is what a
//! Newton step would gain, is below the tolerance: unlike the size of the gradient this does not depend on the axes. One core, fixed
//! order.

use std::collections::VecDeque;

use faer::{Accum, ColRef, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};
use ndarray::Array2;

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 10;

/// What is fitted.
#[derive(Clone, Copy)]
pub(crate) struct Problem<'a> {
    /// `[n, width]`.
    pub(crate) rows: MatRef<'a, f64>,
    /// Class of each row. `[n]`.
    pub(crate) classes: &'a [u32],
    /// How many classes there are, those without a row included.
    pub(crate) count: usize,
    /// Weight of each class. `[count]`.
    pub(crate) weights: &'a [f64],
    /// scikit-learn's inverse penalty.
    pub(crate) c: f64,
    /// How much the mean loss may still be above its minimum, as far as gradient and curvature tell. Nats.
    pub(crate) tolerance: f64,
    /// Most steps.
    pub(crate) steps: usize,
}

/// A fitted probe.
#[derive(Clone)]
pub(crate) struct Softmax {
    /// W column by column, then b. `[(width + 1) * count]`.
    parameters: Vec<f64>,
    count: usize,
    /// Whether the tolerance was reached.
    pub(crate) converged: bool,
}

impl Softmax {
    /// The minimum, sought from `start` (from zero without one).
    pub(crate) fn fit(problem: &Problem<'_>, start: Option<&Self>) -> Self {
        let (width, count) = (problem.rows.ncols(), problem.count);
        let mut at = start.map_or_else(|| vec![0.0; (width + 1) * count], |s| s.parameters.clone());
        let mut logits = vec![0.0; problem.rows.nrows() * count];
        let mut gradient = vec![0.0; at.len()];
        let mut value = problem.value(&at, &mut gradient, &mut logits);
        let inverse = problem.inverse_curvature();
        let mut pairs: VecDeque<Pair> = VecDeque::with_capacity(MEMORY);
        let (mut next, mut next_gradient) = (at.clone(), gradient.clone());
        let mut converged = false;
        for _ in 0..problem.steps {
            converged = 0.5 * gradient.iter().zip(&inverse).map(|(g, h)| h * g * g).sum::<f64>() <= problem.tolerance;
            if converged {
                break;
            }
            let mut direction = two_loops(&gradient, &pairs, &inverse);
            let mut slope = dot(&direction, &gradient);
            if slope >= 0.0 {
                pairs.clear();
                direction = two_loops(&gradient, &pairs, &inverse);
                slope = dot(&direction, &gradient);
            }
            let mut step = 1.0;
            let mut found = None;
            for _ in 0..40 {
                (next.iter_mut().zip(&at).zip(&direction)).for_each(|((n, a), d)| *n = a + step * d);
                let there = problem.value(&next, &mut next_gradient, &mut logits);
                // Near the minimum the value no longer changes in f64, and then a step that does not raise it is good enough.
                if there <= value + 1e-4 * step * slope || (there - value).abs() <= 4.0 * f64::EPSILON * value.abs() {
                    found = Some(there);
                    break;
                }
                let parabola = -0.5 * slope * step * step / (there - value - slope * step);
                step = if parabola.is_finite() { parabola.clamp(0.1 * step, 0.5 * step) } else { 0.1 * step };
            }
            let Some(there) = found else { break };
            let pair = Pair::new(&next, &at, &next_gradient, &gradient);
            if pair.curvature > f64::EPSILON * dot(&pair.change, &pair.change) {
                if pairs.len() == MEMORY {
                    pairs.pop_front();
                }
                pairs.push_back(pair);
            }
            std::mem::swap(&mut at, &mut next);
            std::mem::swap(&mut gradient, &mut next_gradient);
            value = there;
        }
        Self { parameters: at, count, converged }
    }

    /// The probability of each class. `[n, count]`.
    pub(crate) fn probabilities(&self, rows: MatRef<'_, f64>) -> Array2<f64> {
        let mut logits = vec![0.0; rows.nrows() * self.count];
        products(&self.parameters, rows, self.count, &mut logits);
        for row in logits.chunks_exact_mut(self.count) {
            normalise(row);
        }
        Array2::from_shape_fn((rows.nrows(), self.count), |(i, k)| logits[i * self.count + k])
    }

    /// W `[width, count]` and b `[count]`.
    pub(crate) fn weights(&self) -> (MatRef<'_, f64>, &[f64]) {
        let width = self.parameters.len() / self.count - 1;
        let (weights, intercept) = self.parameters.split_at(width * self.count);
        (MatRef::from_column_major_slice(weights, width, self.count), intercept)
    }

    /// The length of W: what the penalty keeps small.
    #[cfg(test)]
    pub(crate) fn norm(&self) -> f64 {
        self.parameters[..self.parameters.len() - self.count].iter().map(|w| w * w).sum::<f64>().sqrt()
    }
}

impl Problem<'_> {
    /// One over the curvature of the mean loss along each parameter where all classes are equally probable: a first guess that is nearly
    /// right where the columns are uncorrelated, as principal components are, and saves most of the steps.
    fn inverse_curvature(&self) -> Vec<f64> {
        let (n, count) = (self.rows.nrows() as f64, self.count as f64);
        let spread = (count - 1.0) / (count * count);
        let column = |of: ColRef<'_, f64>| spread * of.iter().map(|x| x * x).sum::<f64>() / n + self.alpha() / n;
        let columns: Vec<f64> = self.rows.col_iter().map(|of| column(of).recip()).collect();
        let mut out = columns.repeat(self.count);
        out.extend(std::iter::repeat_n(spread.recip(), self.count));
        out
    }

    /// The weight of the penalty.
    fn alpha(&self) -> f64 {
        if self.count == 2 { 2.0 / self.c } else { 1.0 / self.c }
    }

    /// The mean loss with its penalty, and its gradient.
    fn value(&self, parameters: &[f64], gradient: &mut [f64], logits: &mut [f64]) -> f64 {
        let (width, count) = (self.rows.ncols(), self.count);
        let alpha = self.alpha();
        products(parameters, self.rows, count, logits);
        let mut loss = 0.0;
        let mut total = 0.0;
        let (slope, intercept) = gradient.split_at_mut(width * count);
        intercept.fill(0.0);
        for (row, class) in logits.chunks_exact_mut(count).zip(self.classes) {
            let weight = self.weights[*class as usize];
            let logit = row[*class as usize];
            loss += weight * (normalise(row) - logit);
            total += weight;
            row[*class as usize] -= 1.0;
            for (difference, sum) in row.iter_mut().zip(intercept.iter_mut()) {
                *difference *= weight;
                *sum += *difference;
            }
        }
        let differences = MatRef::from_row_major_slice(logits, self.rows.nrows(), count);
        let out = MatMut::from_column_major_slice_mut(slope, width, count);
        matmul(out, Accum::Replace, self.rows.transpose(), differences, 1.0, Par::Seq);
        let weights = &parameters[..width * count];
        slope.iter_mut().zip(weights).for_each(|(g, w)| *g += alpha * w);
        gradient.iter_mut().for_each(|g| *g /= total);
        (loss + 0.5 * alpha * dot(weights, weights)) / total
    }
}

/// `rows W + b`, row by row into `logits`.
fn products(parameters: &[f64], rows: MatRef<'_, f64>, count: usize, logits: &mut [f64]) {
    let (weights, intercept) = parameters.split_at(rows.ncols() * count);
    logits.chunks_exact_mut(count).for_each(|row| row.copy_from_slice(intercept));
    let weights = MatRef::from_column_major_slice(weights, rows.ncols(), count);
    let out = MatMut::from_row_major_slice_mut(logits, rows.nrows(), count);
    matmul(out, Accum::Add, rows, weights, 1.0, Par::Seq);
}

/// Logits become probabilities; the logarithm of the sum of their exponentials.
fn normalise(row: &mut [f64]) -> f64 {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
    most + sum.ln()
}

/// A step, the change of the gradient over it, and their product.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

impl Pair {
    fn new(to: &[f64], from: &[f64], gradient_to: &[f64], gradient_from: &[f64]) -> Self {
        let step: Vec<f64> = to.iter().zip(from).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = gradient_to.iter().zip(gradient_from).map(|(a, b)| a - b).collect();
        let curvature = dot(&step, &change);
        Self { step, change, curvature }
    }
}

/// Minus the inverse curvature, `inverse` as far as the pairs do not know better, times the gradient.
fn two_loops(gradient: &[f64], pairs: &VecDeque<Pair>, inverse: &[f64]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        let share = dot(&pair.step, &direction) / pair.curvature;
        direction.iter_mut().zip(&pair.change).for_each(|(d, y)| *d -= share * y);
        shares.push(share);
    }
    let scale = pairs
        .back()
        .map_or(1.0, |last| last.curvature / last.change.iter().zip(inverse).map(|(y, h)| h * y * y).sum::<f64>());
    direction.iter_mut().zip(inverse).for_each(|(d, h)| *d *= scale * h);
    for (pair, share) in pairs.iter().zip(shares.iter().rev()) {
        let back = share - dot(&pair.change, &direction) / pair.curvature;
        direction.iter_mut().zip(&pair.step).for_each(|(d, s)| *d += back * s);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// The rows at these places. `[places, width]`.
pub(crate) fn gather(rows: MatRef<'_, f64>, places: &[usize]) -> Mat<f64> {
    Mat::from_fn(places.len(), rows.ncols(), |i, j| rows[(places[i], j)])
}
