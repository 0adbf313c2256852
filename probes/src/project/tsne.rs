//! t-SNE: a plane in which close points are those that are close in all dimensions.
//!
//! With squared distances `d_ij` of the states: `p_(j|i) = exp(-b_i d_ij) / sum_k exp(-b_i d_ik)`, b_i such that the entropy of the row is the
//! logarithm of the perplexity; `p_ij = (p_(j|i) + p_(i|j)) / 2n`. In the plane `q_ij` is proportional to `1 / (1 + |y_i - y_j|^2)`.
//! Minimised is `KL(p || q)` (van der Maaten and Hinton 2008), exactly, with gradient
//! `4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2)`.
//!
//! As in scikit-learn: p times 12 and momentum 0.5 for the first 250 steps (a quarter of fewer than 1000), then 0.8; learning rate
//! `max(n / 48, 50)`; gains of +0.2 and x 0.8. The start is the PCA map at a deviation of 1e-4 (Kobak and Berens 2019: it keeps the large
//! shape, and a random one does not), with noise of a hundredth of that, drawn from the seed, so that equal points can part.
//!
//! Why not `linfa_tsne`: it takes no start, it draws its noise from a generator of another version of `rand`, and its Barnes-Hut search
//! for b_i (bhtsne 0.4.1) steps to a negative b where the distances ask for one below 1/2, as wide states do. At the few thousand
//! points of a map the exact sums are as fast. It is the second implementation of `probes/tests/linfa.rs`.

use babelscope_core::monitor::Monitor;
use faer::MatRef;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::plane::{Point, unit};
use crate::Result;

/// Numbers that are added side by side.
const LANES: usize = 8;

/// Where the points are that fill up the last lanes: so far away that they pull and push by nothing.
const NOWHERE: f32 = 1e15;

/// How much p is exaggerated at first.
const EXAGGERATION: f32 = 12.0;

/// The map of points with these squared distances. `start` is the PCA map.
///
/// # Errors
/// Cancelled.
pub(crate) fn tsne(
    distances: MatRef<'_, f64>,
    start: &[Point],
    perplexity: f64,
    iterations: usize,
    seed: u64,
    monitor: &Monitor,
) -> Result<Vec<Point>> {
    let n = start.len();
    let (p, stride) = affinities(distances, perplexity);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut points = unit(start.to_vec()).unwrap_or_else(|| vec![[0.0; 2]; n]);
    for point in &mut points {
        *point = point.map(|x| 1e-4 * x + 1e-6 * (2.0 * rng.random::<f64>() - 1.0));
    }
    let rate = (n as f64 / 48.0).max(50.0);
    let early = 250.min(iterations / 4);
    let mut speed = vec![[0f64; 2]; n];
    let mut gains = vec![[1f64; 2]; n];
    for step in 0..iterations {
        monitor.check()?;
        let (exaggeration, momentum) = if step < early { (EXAGGERATION, 0.5) } else { (1.0, 0.8) };
        let slope = gradient(&points, &p, stride, exaggeration);
        for i in 0..n {
            for axis in 0..2 {
                let (slope, speed, gain) = (slope[i][axis], &mut speed[i][axis], &mut gains[i][axis]);
                *gain = if slope * *speed < 0.0 { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
                *speed = momentum * *speed - rate * *gain * slope;
                points[i][axis] += *speed;
            }
        }
    }
    Ok(points)
}

/// `p_ij`, row by row, each row filled up with zeros to whole lanes; and the length of a row.
fn affinities(distances: MatRef<'_, f64>, perplexity: f64) -> (Vec<f32>, usize) {
    let n = distances.nrows();
    let stride = n.next_multiple_of(LANES);
    let mut given = vec![0f32; n * stride];
    given.par_chunks_mut(stride).enumerate().for_each(|(i, row)| {
        let of: Vec<f64> = (0..n).map(|j| distances[(i, j)]).collect();
        row.iter_mut().zip(neighbourhood(&of, i, perplexity)).for_each(|(out, p)| *out = p as f32);
    });
    let total = 2.0 * n as f32;
    for i in 0..n {
        for j in 0..i {
            let both = (given[i * stride + j] + given[j * stride + i]) / total;
            (given[i * stride + j], given[j * stride + i]) = (both, both);
        }
    }
    (given, stride)
}

/// `p_(j|i)` of one i: bisection over the width of its Gaussian, until the entropy is right to 1e-5 nats.
fn neighbourhood(distances: &[f64], own: usize, perplexity: f64) -> Vec<f64> {
    let others = || distances.iter().enumerate().filter(|(j, _)| *j != own).map(|(_, d)| *d);
    let nearest = others().fold(f64::INFINITY, f64::min);
    let mean = others().map(|d| d - nearest).sum::<f64>() / (distances.len() - 1) as f64;
    let weights = |b: f64| -> Vec<f64> {
        let each = distances.iter().enumerate();
        each.map(|(j, d)| if j == own { 0.0 } else { (-b * (d - nearest)).exp() }).collect()
    };
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut b = if mean > 0.0 { mean.recip() } else { 1.0 };
    let mut found = weights(b);
    for _ in 0..200 {
        let sum: f64 = found.iter().sum();
        let entropy = sum.ln() + b * found.iter().zip(distances).map(|(w, d)| w * (d - nearest)).sum::<f64>() / sum;
        let off = entropy - perplexity.ln();
        if off.abs() < 1e-5 {
            break;
        }
        if off > 0.0 {
            low = b
        } else {
            high = b
        }
        b = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * b };
        found = weights(b);
    }
    let sum: f64 = found.iter().sum();
    found.iter_mut().for_each(|w| *w /= sum);
    found
}

/// The gradient at each point. Each row is summed by one core in a fixed order, and rows are added in theirs.
fn gradient(points: &[Point], p: &[f32], stride: usize, exaggeration: f32) -> Vec<Point> {
    let axis = |axis: usize| {
        let mut out = vec![NOWHERE; stride];
        out.iter_mut().zip(points).for_each(|(x, point)| *x = point[axis] as f32);
        out
    };
    let (xs, ys) = (axis(0), axis(1));
    let forces: Vec<Forces> = (0..points.len())
        .into_par_iter()
        .with_min_len(32)
        .map(|i| Forces::on(xs[i], ys[i], &xs, &ys, &p[i * stride..(i + 1) * stride]))
        .collect();
    let total: f64 = forces.iter().map(|f| f.sum).sum();
    let slope = |pull: f64, push: f64| 4.0 * (f64::from(exaggeration) * pull - push / total);
    forces.iter().map(|f| [slope(f.pull[0], f.push[0]), slope(f.pull[1], f.push[1])]).collect()
}

/// What acts on a point, before q is normalised.
struct Forces {
    pull: Point,
    push: Point,
    /// Of `1 / (1 + |y_i - y_j|^2)` over the others.
    sum: f64,
}

impl Forces {
    fn on(x: f32, y: f32, xs: &[f32], ys: &[f32], p: &[f32]) -> Self {
        let [mut pull_x, mut pull_y, mut push_x, mut push_y, mut sum] = [[0f32; LANES]; 5];
        for ((xs, ys), p) in xs.chunks_exact(LANES).zip(ys.chunks_exact(LANES)).zip(p.chunks_exact(LANES)) {
            for lane in 0..LANES {
                let (dx, dy) = (x - xs[lane], y - ys[lane]);
                let q = 1.0 / (1.0 + dx * dx + dy * dy);
                let (pull, push) = (p[lane] * q, q * q);
                pull_x[lane] += pull * dx;
                pull_y[lane] += pull * dy;
                push_x[lane] += push * dx;
                push_y[lane] += push * dy;
                sum[lane] += q;
            }
        }
        let add = |lanes: [f32; LANES]| lanes.iter().map(|x| f64::from(*x)).sum::<f64>();
        // The point itself is one of the others, at distance 0.
        Self { pull: [add(pull_x), add(pull_y)], push: [add(push_x), add(push_y)], sum: add(sum) - 1.0 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use faer::Mat;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::{Point, affinities, gradient, neighbourhood};

    /// Three clouds in five dimensions, ten apart.
    pub(crate) fn clouds(each: usize) -> Mat<f64> {
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let noise = Mat::from_fn(3 * each, 5, |_, _| (0..4).map(|_| rng.random::<f64>()).sum::<f64>() - 2.0);
        Mat::from_fn(3 * each, 5, |i, j| noise[(i, j)] + if i / each == j { 10.0 } else { 0.0 })
    }

    pub(crate) fn distances(rows: &Mat<f64>) -> Mat<f64> {
        let between = |i, j| rows.row(i).iter().zip(rows.row(j).iter()).map(|(a, b)| (a - b).powi(2)).sum();
        Mat::from_fn(rows.nrows(), rows.nrows(), between)
    }

    /// `KL(p || q)`, from the definition.
    pub(crate) fn divergence(rows: &Mat<f64>, points: &[Point], perplexity: f64) -> f64 {
        let (p, stride) = affinities(distances(rows).as_ref(), perplexity);
        let n = points.len();
        let weight = |i: usize, j: usize| {
            let (a, b) = (points[i], points[j]);
            if i == j { 0.0 } else { 1.0 / (1.0 + (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)) }
        };
        let pairs: Vec<(usize, usize)> = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).collect();
        let total: f64 = pairs.iter().map(|(i, j)| weight(*i, *j)).sum();
        let each = pairs.iter().filter(|(i, j)| i != j).map(|(i, j)| {
            let p = f64::from(p[i * stride + j]);
            if p > 0.0 { p * (p * total / weight(*i, *j)).ln() } else { 0.0 }
        });
        each.sum()
    }

    pub(crate) fn start(rows: &Mat<f64>) -> Vec<Point> {
        (0..rows.nrows()).map(|i| [rows[(i, 0)] - rows[(i, 1)], rows[(i, 2)] - rows[(i, 1)]]).collect()
    }

    #[test]
    fn the_gradient_is_that_of_the_divergence() {
        let rows = clouds(5);
        let points: Vec<Point> = start(&rows).into_iter().map(|p| p.map(|x| x / 8.0)).collect();
        let (p, stride) = affinities(distances(&rows).as_ref(), 4.0);
        let found = gradient(&points, &p, stride, 1.0);
        for i in [0, 7, 14] {
            for axis in 0..2 {
                let moved = |by: f64| {
                    let mut points = points.clone();
                    points[i][axis] += by;
                    divergence(&rows, &points, 4.0)
                };
                let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                assert!((slope - found[i][axis]).abs() < 1e-5, "{slope} {:?}", found[i]);
            }
        }
    }

    #[test]
    fn every_neighbourhood_has_the_perplexity_also_where_distances_are_large() {
        for scale in [1e-6, 1.0, 1e6] {
            let all = distances(&clouds(20)) * faer::Scale(scale);
            for i in [0, 33] {
                let of: Vec<f64> = (0..60).map(|j| all[(i, j)]).collect();
                let p = neighbourhood(&of, i, 10.0);
                let entropy: f64 = -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
                assert!((entropy.exp() - 10.0).abs() < 1e-3 && p[i] == 0.0, "{scale} {i}: {}", entropy.exp());
            }
        }
    }
}
