//! Every form of weights in every compute dtype, on the tile units and without them, against a sum in f64.

use proptest::prelude::*;

use super::*;
use crate::model::stored::Stored;

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

fn rounded(numbers: &[f32], dtype: Dtype) -> Vec<f32> {
    let nearest = |x: &f32| match dtype {
        Dtype::F32 => *x,
        Dtype::Bf16 => half::bf16::from_f32(*x).to_f32(),
        Dtype::F16 => half::f16::from_f32(*x).to_f32(),
    };
    numbers.iter().map(nearest).collect()
}

const DTYPES: [Dtype; 3] = [Dtype::F32, Dtype::Bf16, Dtype::F16];

/// The machine's own way, and the way of machines without tile units.
fn ways() -> Vec<bool> {
    if tiles() { vec![false, true] } else { vec![false] }
}

fn sizes(values: &[f32]) -> Vec<f32> {
    values.iter().map(|x| x.abs()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn equals_the_slow_product_of_the_rounded_operands(
        rows in 1usize..150, inputs in 1usize..100, outputs in 1usize..100, biased: bool, seed: u32,
        stored in 0usize..3, compute in 0usize..3, cut in 0usize..100,
    ) {
        let (stored, compute) = (DTYPES[stored], DTYPES[compute]);
        let x: Vec<f32> = (0..rows * inputs).map(|i| value(i, seed)).collect();
        let weight: Vec<f32> = (0..outputs * inputs).map(|i| value(i + 7919, seed)).collect();
        let weight = rounded(&weight, stored);
        let bias: Option<Vec<f32>> = biased.then(|| (0..outputs).map(|i| value(i + 104_729, seed)).collect());
        let (x_used, w_used) = (rounded(&x, compute), rounded(&weight, compute));
        let want = slow(&x_used, &w_used, bias.as_deref(), inputs);
        let bound = slow(&sizes(&x_used), &sizes(&w_used), None, inputs);
        let halves = [&weight[..cut % outputs * inputs], &weight[cut % outputs * inputs..]];
        let part = |numbers: &[f32]| {
            let all = Stored::from(numbers.to_vec());
            if stored == Dtype::F32 { all } else { all.rounded(stored) }
        };
        let weight = Rows::new(halves.into_iter().map(part).collect(), inputs);
        let mut workspace = Workspace::default();
        for (tiles, step) in ways().into_iter().flat_map(|tiles| [(tiles, false), (tiles, true)]) {
            let linear = Linear::with(weight.clone(), bias.clone(), compute, tiles);
            let mut y = vec![f32::NAN; rows * outputs];
            workspace.step(step);
            linear.forward(&x, &mut y, &mut workspace);
            for ((got, want), bound) in y.iter().zip(&want).zip(&bound) {
                let error = (f64::from(*got) - want).abs();
                prop_assert!(error <= 2e-6 * (bound + want.abs()), "{stored} {compute} {tiles} {step}: {got} {want} {bound}");
            }
        }
    }

    /// What a narrower compute dtype costs: half a unit in the last place of each operand.
    #[test]
    fn a_narrow_product_is_within_its_stated_error_of_the_wide_one(rows in 1usize..40, seed: u32) {
        let (inputs, outputs) = (70, 35);
        let x: Vec<f32> = (0..rows * inputs).map(|i| value(i, seed)).collect();
        let weight: Vec<f32> = (0..outputs * inputs).map(|i| value(i + 7919, seed)).collect();
        let want = slow(&x, &weight, None, inputs);
        let bound = slow(&sizes(&x), &sizes(&weight), None, inputs);
        for (compute, unit) in [(Dtype::Bf16, 2f64.powi(-8)), (Dtype::F16, 2f64.powi(-11))] {
            for tiles in ways() {
                let rows = Rows::new(vec![Stored::from(weight.clone())], inputs);
                let mut y = vec![f32::NAN; want.len()];
                Linear::with(rows, None, compute, tiles).forward(&x, &mut y, &mut Workspace::default());
                for ((got, want), bound) in y.iter().zip(&want).zip(&bound) {
                    let error = (f64::from(*got) - want).abs();
                    // Subnormal f16 are coarser than their size says.
                    prop_assert!(error <= 2.01 * unit * bound + 1e-6, "{compute} {tiles}: {got} {want} {bound}");
                }
            }
        }
    }

    /// More inputs than are summed in one go, and a row alone and among others.
    #[test]
    fn a_row_alone_equals_the_row_among_others(seed: u32, stored in 0usize..3, compute in 0usize..3) {
        let (rows, inputs, outputs) = (40, 2100, 300);
        let (stored, compute) = (DTYPES[stored], DTYPES[compute]);
        let x: Vec<f32> = (0..rows * inputs).map(|i| value(i, seed)).collect();
        let weight: Vec<f32> = rounded(&(0..outputs * inputs).map(|i| value(i + 7919, seed)).collect::<Vec<_>>(), stored);
        let (x_used, w_used) = (rounded(&x, compute), rounded(&weight, compute));
        let want = slow(&x_used, &w_used, None, inputs);
        let bound = slow(&sizes(&x_used), &sizes(&w_used), None, inputs);
        for (tiles, step) in ways().into_iter().flat_map(|tiles| [(tiles, false), (tiles, true)]) {
            let weight = Stored::from(weight.clone());
            let weight = if stored == Dtype::F32 { weight } else { weight.rounded(stored) };
            let linear = Linear::with(Rows::new(vec![weight], inputs), None, compute, tiles);
            let mut workspace = Workspace::default();
            workspace.step(step);
            let mut y = vec![f32::NAN; rows * outputs];
            linear.forward(&x, &mut y, &mut workspace);
            let mut alone = vec![f32::NAN; outputs];
            linear.forward(&x[inputs..2 * inputs], &mut alone, &mut workspace);
            for (got, (want, bound)) in y.iter().zip(want.iter().zip(&bound)) {
                prop_assert!((f64::from(*got) - want).abs() <= 2e-6 * bound, "{tiles}: {got} {want} {bound}");
            }
            for (alone, (got, bound)) in alone.iter().zip(y[outputs..].iter().zip(&bound[outputs..])) {
                prop_assert!(f64::from((alone - got).abs()) <= 2e-6 * bound, "{tiles}: {alone} {got} {bound}");
                if tiles {
                    prop_assert_eq!(alone, got);
                }
            }
        }
    }

    /// The short way through the feed-forward part gives the bits of the long one.
    #[test]
    fn two_products_at_once_equal_one_after_the_other(
        rows in 1usize..90, blocks in 1usize..12, gated: bool, biased: bool, stored in 0usize..3, compute in 0usize..3,
        which in 0usize..4, seed: u32,
    ) {
        let (stored, compute) = (DTYPES[stored], DTYPES[compute]);
        let activation = [Activation::Silu, Activation::Gelu, Activation::GeluTanh, Activation::Relu][which];
        // Without a gate, the blocks need not be whole.
        let (inputs, inside) = (70, if gated { 32 * blocks } else { 32 * blocks - 5 });
        let outputs = if gated { 2 * inside } else { inside };
        let x: Vec<f32> = (0..rows * inputs).map(|i| value(i, seed) / 1e3).collect();
        let linear = |inputs: usize, outputs: usize, seed: u32| {
            let weight = rounded(&(0..outputs * inputs).map(|i| value(i, seed)).collect::<Vec<_>>(), stored);
            let weight = Stored::from(weight);
            let weight = if stored == Dtype::F32 { weight } else { weight.rounded(stored) };
            let bias = biased.then(|| (0..outputs).map(|i| value(i + 99, seed)).collect());
            Linear::from_stored(Rows::new(vec![weight], inputs), bias, compute)
        };
        let (up, down) = (linear(inputs, outputs, seed), linear(inside, 37, seed ^ 5));
        let mut workspace = Workspace::default();
        let (mut h, mut act) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; rows * inside]);
        let (mut long, mut short) = (vec![f32::NAN; rows * 37], vec![f32::NAN; rows * 37]);
        up.forward(&x, &mut h, &mut workspace);
        crate::kernels::activation::activate(activation, gated, &h, inside, &mut act);
        down.forward(&act, &mut long, &mut workspace);
        let way = feed(&up, &down, activation, gated, &x, &mut short, &mut workspace);
        prop_assert_eq!(way, tiles());
        if way {
            prop_assert_eq!(long, short);
        }
    }
}
