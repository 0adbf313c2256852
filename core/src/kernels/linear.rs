//! `y = x W^T + b`: the matrix product, nearly all of the work.

use gemm::Parallelism;
use rayon::prelude::*;

use super::ROWS;

/// Weights `[outputs, inputs]`, row-major, and a bias.
pub(crate) struct Linear {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Option<Vec<f32>>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Linear {
    /// # Shapes
    /// `x` `[rows, inputs]` to `y` `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32]) {
        product(x, &self.weight, self.inputs, self.outputs, y);
        if let Some(bias) = &self.bias {
            y.par_chunks_mut(self.outputs * ROWS).for_each(|rows| {
                for row in rows.chunks_exact_mut(self.outputs) {
                    for (y, b) in row.iter_mut().zip(bias) {
                        *y += b;
                    }
                }
            });
        }
    }
}

/// `y = x W^T`.
///
/// # Shapes
/// `x` `[rows, inputs]`, `weight` `[outputs, inputs]`, `y` `[rows, outputs]`, all row-major.
pub(crate) fn product(x: &[f32], weight: &[f32], inputs: usize, outputs: usize, y: &mut [f32]) {
    let rows = y.len() / outputs;
    assert!(x.len() == rows * inputs && weight.len() == outputs * inputs && y.len() == rows * outputs);
    #[expect(unsafe_code, reason = "gemm takes pointers and strides")]
    // SAFETY: the lengths were checked just now, and with these strides the product reads and writes exactly those elements.
    unsafe {
        gemm::gemm(
            rows,
            outputs,
            inputs,
            y.as_mut_ptr(),
            1,
            outputs as isize,
            false,
            x.as_ptr(),
            1,
            inputs as isize,
            weight.as_ptr(),
            inputs as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slow(x: &[f32], linear: &Linear) -> Vec<f32> {
        let mut y = Vec::new();
        for row in x.chunks(linear.inputs) {
            for (o, weight) in linear.weight.chunks(linear.inputs).enumerate() {
                let sum: f64 = row.iter().zip(weight).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                y.push((sum + linear.bias.as_ref().map_or(0.0, |b| f64::from(b[o]))) as f32);
            }
        }
        y
    }

    proptest! {
        #[test]
        fn equals_the_slow_product(
            rows in 1usize..20, inputs in 1usize..40, outputs in 1usize..40, bias: bool, seed in 0u32..1000,
        ) {
            let value = |i: usize| ((i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed) >> 8) as f32 / 8e6 - 1.0;
            let x: Vec<f32> = (0..rows * inputs).map(value).collect();
            let weight = (0..outputs * inputs).map(|i| value(i + 7919)).collect();
            let bias = bias.then(|| (0..outputs).map(|i| value(i + 104_729)).collect());
            let linear = Linear { weight, bias, inputs, outputs };
            let mut y = vec![f32::NAN; rows * outputs];
            linear.forward(&x, &mut y);
            for (got, want) in y.iter().zip(slow(&x, &linear)) {
                prop_assert!((got - want).abs() < 1e-5, "{got} {want}");
            }
        }
    }
}
