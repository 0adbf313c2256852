//! Planted geometry: states without a model, whose true relation is known to the last number (methods.md 9.4 and 9.7).
//!
//! Sentences share a meaning `z_i` of independent Gaussians. A language adds noise, an offset that is the same for all of its
//! sentences, or a rotation of the whole space; or it shares nothing at all.

use ndarray::{Array1, Array2, Axis, concatenate, s};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Two languages: states of the pivot and of the other, row i of both of the same sentence.
pub type Pair = (Array2<f32>, Array2<f32>);

/// A source of planted states.
pub struct Planter {
    rng: ChaCha8Rng,
}

impl Planter {
    /// Everything that it plants follows from the seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// One number of the standard normal distribution (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (u, v): (f64, f64) = (self.rng.random(), self.rng.random());
        (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }

    /// Independent Gaussians of this deviation. `[n, width]`.
    pub fn gaussian(&mut self, n: usize, width: usize, deviation: f64) -> Array2<f32> {
        Array2::from_shape_simple_fn((n, width), || (deviation * self.normal()) as f32)
    }

    /// Nothing in common.
    pub fn independent(&mut self, n: usize, width: usize) -> Pair {
        (self.gaussian(n, width, 1.0), self.gaussian(n, width, 1.0))
    }

    /// The same meaning, noise of deviation `noise`, and in each language an offset of this size in every coordinate: `X = Z + s e + c u`.
    pub fn offset(&mut self, n: usize, width: usize, noise: f64, offset: f64) -> Pair {
        let meaning = self.gaussian(n, width, 1.0);
        let mut side = || {
            let moved = self.gaussian(1, width, offset);
            &meaning + &self.gaussian(n, width, noise) + moved.row(0)
        };
        let first = side();
        (first, side())
    }

    /// The same meaning, and noise, in axes that were turned by a random rotation: `Y = (Z + s e) Q`.
    pub fn rotation(&mut self, n: usize, width: usize, noise: f64) -> Pair {
        let meaning = self.gaussian(n, width, 1.0);
        let noisy = &meaning + &self.gaussian(n, width, noise);
        let turned = noisy.dot(&self.orthogonal(width));
        (meaning, turned)
    }

    /// A random orthogonal matrix: Gaussian columns made orthonormal one after the other.
    fn orthogonal(&mut self, width: usize) -> Array2<f32> {
        let mut columns: Vec<Array1<f64>> = Vec::with_capacity(width);
        while columns.len() < width {
            let mut column = Array1::from_shape_simple_fn(width, || self.normal());
            // Twice, as once leaves the rounding of long sums.
            for _ in 0..2 {
                for other in &columns {
                    column = &column - &(other * column.dot(other));
                }
            }
            let norm = column.dot(&column).sqrt();
            columns.push(column / norm);
        }
        Array2::from_shape_fn((width, width), |(i, j)| columns[j][i] as f32)
    }

    /// Different meanings told in the same few templates: sentence i of either language is one of `templates` states, the same in both,
    /// and a small part of its own that is not shared.
    pub fn template(&mut self, n: usize, width: usize, templates: usize, own: f64) -> Pair {
        let shapes = self.gaussian(templates, width, 1.0);
        let mut side = || {
            let rows: Vec<_> = (0..n).map(|i| shapes.slice(s![i % templates..=i % templates, ..])).collect();
            let all = concatenate(Axis(0), &rows).unwrap_or_else(|_| Array2::zeros((n, width)));
            all + self.gaussian(n, width, own)
        };
        let first = side();
        (first, side())
    }

    /// Firing rates of neurons in languages: `of_language` neurons of each language fire at rate `planted` there and .05 elsewhere, the
    /// rest at a rate of Beta(1, 9) that is the same in all; counted on `tokens` tokens. `[languages, neurons]`, the planted ones first.
    pub fn firing(
        &mut self,
        languages: usize,
        neurons: usize,
        of_language: usize,
        planted: f64,
        tokens: usize,
    ) -> Array2<f64> {
        let mut rates = Array2::zeros((languages, neurons));
        for neuron in 0..neurons {
            let common = 1.0 - (1.0 - self.rng.random::<f64>()).powf(1.0 / 9.0);
            for language in 0..languages {
                let rate = if neuron >= of_language * languages {
                    common
                } else if neuron / of_language == language {
                    planted
                } else {
                    0.05
                };
                // The count of many tokens is normal; what it is rounded to is a count again.
                let count =
                    (tokens as f64 * rate + (tokens as f64 * rate * (1.0 - rate)).sqrt() * self.normal()).round();
                rates[[language, neuron]] = count.clamp(0.0, tokens as f64) / tokens as f64;
            }
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_keeps_every_length_and_angle() {
        let (meaning, turned) = Planter::new(1).rotation(20, 16, 0.0);
        let gram = |x: &Array2<f32>| x.dot(&x.t());
        let (before, after) = (gram(&meaning), gram(&turned));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs().max(1.0)));
    }

    #[test]
    fn offset_and_noise_have_the_size_that_is_asked_for() {
        let (x, y) = Planter::new(2).offset(400, 64, 0.5, 3.0);
        let spread = |x: &Array2<f32>| x.std_axis(Axis(0), 1.0).mean().unwrap();
        let apart = (x.mean_axis(Axis(0)).unwrap() - y.mean_axis(Axis(0)).unwrap()).mapv(|d| d * d).mean().unwrap();
        // Meaning and noise: sqrt(1 + .25); two offsets of 3: 18 a coordinate.
        assert!((spread(&x) - 1.118).abs() < 0.03 && (apart - 18.0).abs() < 8.0, "{} {apart}", spread(&x));
    }

    #[test]
    fn neurons_fire_at_the_rates_that_are_asked_for() {
        let rates = Planter::new(3).firing(4, 2000, 50, 0.4, 20_000);
        assert!((0..50).all(|i| (rates[[0, i]] - 0.4).abs() < 0.02 && (rates[[1, i]] - 0.05).abs() < 0.02));
        // The mean of Beta(1, 9) is .1.
        let rest = rates.slice(s![.., 200..]).mean().unwrap();
        assert!((rest - 0.1).abs() < 0.01, "{rest}");
    }
}
