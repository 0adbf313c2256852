//! MEXA over the layers: mean and maximum, with the mean and the maximum of the same draws.

use super::cell::Drawn;

/// The layers so far of a pair with one centring.
pub(super) struct Over {
    layers: usize,
    sum: f64,
    pub(super) max: f64,
    /// The first layer that has the maximum.
    pub(super) layer: usize,
    /// In each draw of the bootstrap, the shuffles, the matched shuffles: sum and maximum.
    drawn: [(Vec<f64>, Vec<f64>); 3],
}

impl Over {
    pub(super) fn new() -> Self {
        Self { layers: 0, sum: 0.0, max: f64::NEG_INFINITY, layer: 0, drawn: Default::default() }
    }

    /// Takes the next layer.
    pub(super) fn add(&mut self, layer: usize, value: f64, drawn: Drawn) {
        if value > self.max {
            (self.max, self.layer) = (value, layer);
        }
        self.sum += value;
        self.layers += 1;
        for ((sums, most), drawn) in self.drawn.iter_mut().zip(drawn) {
            if sums.is_empty() {
                *sums = vec![0.0; drawn.len()];
                *most = vec![f64::NEG_INFINITY; drawn.len()];
            }
            sums.iter_mut().zip(&drawn).for_each(|(sum, x)| *sum += x);
            most.iter_mut().zip(&drawn).for_each(|(most, x)| *most = most.max(*x));
        }
    }

    /// Mean over the layers, and the means in the draws.
    pub(super) fn mean(&self) -> (f64, Drawn) {
        let layers = self.layers as f64;
        (self.sum / layers, self.drawn.each_ref().map(|(sums, _)| sums.iter().map(|sum| sum / layers).collect()))
    }

    /// The maxima in the draws.
    pub(super) fn maxima(&self) -> Drawn {
        self.drawn.each_ref().map(|(_, most)| most.clone())
    }
}
