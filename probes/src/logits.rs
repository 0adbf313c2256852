//! Rows of logits as distributions.

use babelscope_core::vector::{dispatch, exp};

/// Sums that run side by side.
const LANES: usize = 16;

/// The normaliser of one row of logits.
pub(crate) struct Total {
    max: f32,
    ln: f64,
}

impl Total {
    pub(crate) fn of(logits: &[f32]) -> Self {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total = dispatch(
            #[inline(always)]
            || {
                let mut sums = [0f64; LANES];
                for part in logits.chunks(LANES) {
                    sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += f64::from(exp(x - max)));
                }
                sums.iter().sum::<f64>()
            },
        );
        Self { max, ln: total.ln() }
    }

    /// Whether every logit was a number, none of them plus infinity.
    pub(crate) fn is_finite(&self) -> bool {
        self.max.is_finite() && self.ln.is_finite()
    }

    /// `-ln p` of a token.
    pub(crate) fn nats(&self, logits: &[f32], at: usize) -> f64 {
        self.ln - f64::from(logits[at] - self.max)
    }
}

/// `sum_v p_v ((a_v - A) - (b_v - B))` with the log-normalisers A and B; rounding below 0 becomes 0.
pub(crate) fn kl([a, b]: [&[f32]; 2], [of_a, of_b]: [&Total; 2]) -> f64 {
    let sum = dispatch(
        #[inline(always)]
        || {
            let mut sums = [0f64; LANES];
            for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                    let p = f64::from(exp(a - of_a.max));
                    *sum += if p > 0.0 { p * (f64::from(a - of_a.max) - f64::from(b - of_b.max)) } else { 0.0 };
                }
            }
            sums.iter().sum::<f64>()
        },
    );
    (sum / of_a.ln.exp() - of_a.ln + of_b.ln).max(0.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn softmax(x: &[f32]) -> Vec<f64> {
        let total: f64 = x.iter().map(|x| f64::from(*x).exp()).sum();
        x.iter().map(|x| f64::from(*x).exp() / total).collect()
    }

    proptest! {
        #[test]
        fn divergence_and_surprise_are_those_of_the_softmax(
            a in prop::collection::vec(-20f32..20.0, 40), b in prop::collection::vec(-20f32..20.0, 40), next in 0usize..40,
        ) {
            let (p, q) = (softmax(&a), softmax(&b));
            let want: f64 = p.iter().zip(&q).map(|(p, q)| p * (p / q).ln()).sum();
            let totals = [Total::of(&a), Total::of(&b)];
            prop_assert!((kl([&a, &b], totals.each_ref()) - want).abs() < 1e-4 * (1.0 + want));
            prop_assert!((totals[0].nats(&a, next) + p[next].ln()).abs() < 1e-4 * (1.0 - p[next].ln()));
            prop_assert!(kl([&a, &a], [&totals[0], &totals[0]]) < 1e-6);
        }
    }
}
