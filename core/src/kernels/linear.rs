//! `y = x W^T + b`: the matrix product, nearly all of the work.

//!
//! On processors with tile units the weights are cut into tiles when they are loaded ([`super::amx`]); elsewhere the `gemm`
//! crate multiplies them as they are. Both compute in f32; they differ by its rounding.

use gemm::Parallelism;
use rayon::prelude::*;

use super::ROWS;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;

/// Weights `[outputs, inputs]` and a bias.
pub(crate) struct Linear {
    weight: Weight,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
}

enum Weight {
    /// Row-major.
    Rows(Vec<f32>),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Tiles(amx::Tiles),
}

/// What a product needs besides its operands, kept between products.
#[derive(Default)]
pub(crate) struct Workspace {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    cut: Vec<amx::Line>,
}

impl Linear {
    /// `weight` row-major.
    pub(crate) fn new(weight: Vec<f32>, bias: Option<Vec<f32>>, inputs: usize, outputs: usize) -> Self {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if amx::available() {
            let weight = Weight::Tiles(amx::Tiles::new(&weight, inputs, outputs));
            return Self { weight, bias, inputs, outputs };
        }
        Self { weight: Weight::Rows(weight), bias, inputs, outputs }
    }

    /// # Shapes
    /// `x` `[rows, inputs]` to `y` `[rows, outputs]`.
    #[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), expect(unused_variables, reason = "for tiles"))]
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32], workspace: &mut Workspace) {
        match &self.weight {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Weight::Tiles(tiles) => tiles.product(x, self.bias.as_deref(), y, &mut workspace.cut),
            Weight::Rows(weight) => {
                product(x, weight, self.inputs, self.outputs, y);
                if let Some(bias) = &self.bias {
                    add_to_rows(y, bias);
                }
            }
        }
    }
}

fn add_to_rows(y: &mut [f32], bias: &[f32]) {
    y.par_chunks_mut(bias.len() * ROWS).for_each(|rows| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (y, b) in row.iter_mut().zip(bias) {
                *y += b;
            }
        }
    });
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

    fn slow(x: &[f32], weight: &[f32], bias: Option<&[f32]>, inputs: usize) -> Vec<f64> {
        let mut y = Vec::new();
        for row in x.chunks(inputs) {
            for (o, weight) in weight.chunks(inputs).enumerate() {
                let sum: f64 = row.iter().zip(weight).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                y.push(sum + bias.map_or(0.0, |bias| f64::from(bias[o])));
            }
        }
        y
    }

    /// Spread over magnitudes, as the parts of a split number are.
    fn value(i: usize, seed: u32) -> f32 {
        let hash = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) ^ 0x9e37;
        let hash = (hash ^ hash >> 15).wrapping_mul(0x85eb_ca6b);
        ((hash >> 8) as f32 / 8_388_608.0 - 1.0) * [1.0, 1e-3, 1.0, 30.0][hash as usize % 4]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_the_slow_product(
            rows in 1usize..150, inputs in 1usize..100, outputs in 1usize..100, biased: bool, coarse: bool, seed: u32,
        ) {
            let x: Vec<f32> = (0..rows * inputs).map(|i| value(i, seed)).collect();
            let round = |w: f32| if coarse { half::bf16::from_f32(w).to_f32() } else { w };
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| round(value(i + 7919, seed))).collect();
            let bias: Option<Vec<f32>> = biased.then(|| (0..outputs).map(|i| value(i + 104_729, seed)).collect());
            let want = slow(&x, &weight, bias.as_deref(), inputs);
            let sizes = |values: &[f32]| values.iter().map(|x| x.abs()).collect::<Vec<f32>>();
            let bound = slow(&sizes(&x), &sizes(&weight), None, inputs);
            let plain = Linear { weight: Weight::Rows(weight.clone()), bias: bias.clone(), inputs, outputs };
            let mut workspace = Workspace::default();
            for linear in [plain, Linear::new(weight, bias, inputs, outputs)] {
                let mut y = vec![f32::NAN; rows * outputs];
                linear.forward(&x, &mut y, &mut workspace);
                for ((got, want), bound) in y.iter().zip(&want).zip(&bound) {
                    prop_assert!((f64::from(*got) - want).abs() <= 2e-6 * (bound + want.abs()), "{got} {want} {bound}");
                }
            }
        }

        /// More inputs than are summed in one go, and a row alone and among others.
        #[test]
        fn a_row_alone_equals_the_row_among_others(seed: u32) {
            let (rows, inputs, outputs) = (40, 2100, 33);
            let x: Vec<f32> = (0..rows * inputs).map(|i| value(i, seed)).collect();
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| value(i + 7919, seed)).collect();
            let want = slow(&x, &weight, None, inputs);
            let sizes = |values: &[f32]| values.iter().map(|x| x.abs()).collect::<Vec<f32>>();
            let bound = slow(&sizes(&x), &sizes(&weight), None, inputs);
            let linear = Linear::new(weight, None, inputs, outputs);
            let mut workspace = Workspace::default();
            let mut y = vec![f32::NAN; rows * outputs];
            linear.forward(&x, &mut y, &mut workspace);
            let mut alone = vec![f32::NAN; outputs];
            linear.forward(&x[inputs..2 * inputs], &mut alone, &mut workspace);
            for (got, (want, bound)) in y.iter().zip(want.iter().zip(&bound)) {
                prop_assert!((f64::from(*got) - want).abs() <= 2e-6 * bound, "{got} {want} {bound}");
            }
            for (alone, (got, bound)) in alone.iter().zip(y[outputs..].iter().zip(&bound[outputs..])) {
                prop_assert!(f64::from((alone - got).abs()) <= 2e-6 * bound, "{alone} {got} {bound}");
                #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
                if matches!(linear.weight, Weight::Tiles(_)) {
                    prop_assert_eq!(alone, got);
                }
            }
        }
    }
}
