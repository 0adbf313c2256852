//! Adam (Kingma and Ba 2015) in f64, its rate falling to 0 in a straight line.

const MEAN: f64 = 0.9;
const SQUARE: f64 = 0.999;
const EPSILON: f64 = 1e-8;

pub(super) struct Adam {
    at: Vec<f64>,
    mean: Vec<f64>,
    square: Vec<f64>,
    rate: f64,
    step: usize,
    steps: usize,
}

impl Adam {
    pub(super) fn new(at: Vec<f64>, rate: f64, steps: usize) -> Self {
        let zeros = vec![0.0; at.len()];
        Self { at, mean: zeros.clone(), square: zeros, rate, step: 0, steps }
    }

    pub(super) fn at(&self) -> &[f64] {
        &self.at
    }

    pub(super) fn step(&mut self, gradient: &[f64]) {
        let rate = self.rate * (1.0 - self.step as f64 / self.steps as f64);
        self.step += 1;
        let unbias = |keep: f64| 1.0 - keep.powf(self.step as f64);
        let (mean_share, square_share) = (unbias(MEAN), unbias(SQUARE));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        for ((x, g), (mean, square)) in self.at.iter_mut().zip(gradient).zip(moments) {
            *mean = MEAN * *mean + (1.0 - MEAN) * g;
            *square = SQUARE * *square + (1.0 - SQUARE) * g * g;
            *x -= rate * (*mean / mean_share) / ((*square / square_share).sqrt() + EPSILON);
        }
    }

    /// The nearest vector that is not longer than `longest`, by the distance in which Adam steps: `argmin_x sum_i d_i (x_i - y_i)^2` over
    /// `|x| <= longest`, `d` the roots of the mean squares. Merely shortening y would come to rest where every coordinate is
    /// as large as the others, as Adam's steps are, and not where the loss is least: here at rest the gradient lies along x.
    pub(super) fn cut(&mut self, longest: Option<f64>) {
        let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let Some(longest) = longest.filter(|longest| length(&self.at) > *longest) else { return };
        let share = 1.0 - SQUARE.powf(self.step as f64);
        let weights: Vec<f64> = match self.step {
            0 => vec![1.0; self.at.len()],
            _ => self.square.iter().map(|square| (square / share).sqrt() + EPSILON).collect(),
        };
        // x = d y / (d + lambda), which is the shorter the larger lambda.
        let shorter =
            |lambda: f64| -> Vec<f64> { self.at.iter().zip(&weights).map(|(y, d)| d * y / (d + lambda)).collect() };
        let heaviest = weights.iter().copied().fold(0.0, f64::max);
        let (mut low, mut high) = (0.0, heaviest * length(&self.at) / longest);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if length(&shorter(middle)) > longest { low = middle } else { high = middle }
        }
        self.at = shorter(high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sum_i a_i (x_i - b_i)^2`, whose least value in the ball lies where `a_i (x_i - b_i) + mu x_i = 0`.
    const CURVES: [f64; 4] = [1.0, 30.0, 0.2, 4.0];
    const AIMS: [f64; 4] = [3.0, 0.5, -8.0, 0.01];

    fn descended(longest: Option<f64>) -> Vec<f64> {
        let mut adam = Adam::new(vec![0.0; 4], 0.05, 20_000);
        for _ in 0..20_000 {
            let slope: Vec<f64> = (0..4).map(|i| 2.0 * CURVES[i] * (adam.at()[i] - AIMS[i])).collect();
            adam.step(&slope);
            adam.cut(longest);
        }
        adam.at().to_vec()
    }

    #[test]
    fn without_a_limit_it_reaches_the_least_value() {
        for (x, aim) in descended(None).into_iter().zip(AIMS) {
            assert!((x - aim).abs() < 1e-6, "{x} {aim}");
        }
    }

    #[test]
    fn within_a_limit_it_reaches_the_least_value_of_the_ball() {
        let x = descended(Some(1.0));
        assert!((x.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-9, "{x:?}");
        // Bisection for mu, which no line above shares.
        let at = |mu: f64| -> Vec<f64> { (0..4).map(|i| CURVES[i] * AIMS[i] / (CURVES[i] + mu)).collect() };
        let (mut low, mut high) = (0.0, 1e3);
        for _ in 0..200 {
            let middle = f64::midpoint(low, high);
            if at(middle).iter().map(|x| x * x).sum::<f64>() > 1.0 { low = middle } else { high = middle }
        }
        for (x, want) in x.iter().zip(at(high)) {
            assert!((x - want).abs() < 1e-3, "{x} {want}");
        }
    }
}
