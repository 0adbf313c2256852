//! Rows by tiles of f32 with ordinary vector instructions, for steps of generation: reading the weights is all the time that a
//! product of few rows takes, and cutting them into parts for the tile units takes longer than that.
//!
//! The sums differ from those of the tile units in the last bits, so that only a step may come here
//! ([`Workspace::step`](crate::kernels::linear::Workspace::step)), and then with any number of rows.

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm512_add_ps, _mm512_castsi512_ps, _mm512_fmadd_ps, _mm512_load_ps,
    _mm512_set1_epi64, _mm512_setzero_ps, _mm512_store_ps,
};

use rayon::prelude::*;

use super::{
    BLOCK, PART, STEP, Tiles, available,
    out::{Matrix, Out},
    unit::Sums,
};

/// Rows that are summed at once: their sums and the weights of a pair of inputs stay in registers.
const ROWS: usize = 4;
/// Steps whose products are added up on their own before they join the others: short sums lose less, and the weights of so many
/// stay in the first-level cache while all rows pass by.
const STEPS: usize = 4;
/// Lines between the weights that are multiplied and those that are fetched: a page, beyond two of which a fifth of the speed is lost.
const AHEAD: usize = PART;
/// Tasks a thread: enough for one that is held up to leave some to the others.
const TASKS: usize = 4;

/// Sums of a block for one row, those of even and of odd inputs side by side, as in a line of weights.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Totals([[f32; 16]; 4]);

impl Totals {
    const ZERO: Self = Self([[0.0; 16]; 4]);
}

impl Tiles {
    /// `y = x W^T + bias` with weights of f32. Each output is summed in an order that depends on nothing but the number of
    /// inputs; no chain of additions is longer than 64 products and the number of such chains.
    ///
    /// # Shapes
    /// `x` `[rows, inputs]`, `y` `[rows, outputs]`, `bias` `[outputs]`. `room` takes `x` where it ends within a step.
    pub(crate) fn straight(&self, x: &[f32], room: &mut Vec<f32>, bias: Option<&[f32]>, y: &mut [f32]) {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let rows = x.len() / inputs;
        assert!(self.is_wide() && x.len() == rows * inputs && bias.is_none_or(|bias| bias.len() == outputs));
        let width = inputs.next_multiple_of(STEP);
        let x = padded(x, inputs, width, room).as_chunks::<2>().0;
        let out = Out::Matrix(Matrix::new(y, rows, outputs, bias));
        let blocks = outputs.div_ceil(BLOCK);
        let share = blocks.div_ceil(rayon::current_num_threads() * TASKS);
        (0..blocks.div_ceil(share)).into_par_iter().for_each(|task| {
            let mut totals = vec![Totals::ZERO; rows];
            let mut sums = Sums::ZERO;
            for block in task * share..blocks.min((task + 1) * share) {
                totals.fill(Totals::ZERO);
                self.sum(block, x, width / 2, &mut totals);
                for (row_block, totals) in totals.chunks(BLOCK).enumerate() {
                    for (sums, totals) in sums.0.iter_mut().zip(totals) {
                        for (sum, [even, odd]) in sums.iter_mut().zip(totals.0.as_flattened().as_chunks::<2>().0) {
                            *sum = even + odd;
                        }
                    }
                    out.store(row_block, block, std::slice::from_mut(&mut sums));
                }
            }
        });
    }

    /// Adds the products of all rows of `x`, of so many pairs each, with a block to `totals`.
    fn sum(&self, block: usize, x: &[[f32; 2]], pairs: usize, totals: &mut [Totals]) {
        for (chunk, weights) in self.block(block).chunks(STEPS * PART).enumerate() {
            let from = chunk * STEPS * PAIRS;
            let row = |row: usize| &x[row * pairs + from..][..weights.len() / 2];
            for (group, totals) in totals.chunks_mut(ROWS).enumerate() {
                let first = group * ROWS;
                match totals.len() {
                    1 => add([row(first)], weights, totals),
                    2 => add([row(first), row(first + 1)], weights, totals),
                    3 => add([row(first), row(first + 1), row(first + 2)], weights, totals),
                    _ => add([row(first), row(first + 1), row(first + 2), row(first + 3)], weights, totals),
                }
            }
        }
    }
}

/// Pairs of inputs of a step.
const PAIRS: usize = STEP / 2;

/// `x` with zeros behind each row up to `width`.
fn padded<'a>(x: &'a [f32], inputs: usize, width: usize, room: &'a mut Vec<f32>) -> &'a [f32] {
    if inputs == width {
        return x;
    }
    room.clear();
    for row in x.chunks_exact(inputs) {
        room.extend_from_slice(row);
        room.resize(room.len().next_multiple_of(width), 0.0);
    }
    room
}

/// Adds the products of `N` rows with some steps of a block, summed on their own first, to `totals`.
fn add<const N: usize>(x: [&[[f32; 2]]; N], weights: &[[f32; STEP]], totals: &mut [Totals]) {
    #[target_feature(enable = "avx512f")]
    fn steps<const N: usize>(x: [&[[f32; 2]]; N], weights: &[[f32; STEP]], totals: &mut [Totals]) {
        let mut sums = [[_mm512_setzero_ps(); 4]; N];
        for (step, weights) in weights.as_chunks::<PART>().0.iter().enumerate() {
            let x = x.map(
                #[inline(always)]
                |x| &x.as_chunks::<PAIRS>().0[step],
            );
            for pair in 0..PAIRS {
                // The two tiles of the step.
                let [w0, w1] = line(&weights[pair]);
                let [w2, w3] = line(&weights[PAIRS + pair]);
                for (sums, x) in sums.iter_mut().zip(x) {
                    let x = both(x[pair]);
                    sums[0] = _mm512_fmadd_ps(w0, x, sums[0]);
                    sums[1] = _mm512_fmadd_ps(w1, x, sums[1]);
                    sums[2] = _mm512_fmadd_ps(w2, x, sums[2]);
                    sums[3] = _mm512_fmadd_ps(w3, x, sums[3]);
                }
            }
        }
        for (totals, sums) in totals.iter_mut().zip(sums) {
            for (total, sum) in totals.0.iter_mut().zip(sums) {
                #[expect(unsafe_code, reason = "loads and stores take pointers")]
                // SAFETY: a quarter of the totals is one register, and aligned.
                unsafe {
                    _mm512_store_ps(total.as_mut_ptr(), _mm512_add_ps(_mm512_load_ps(total.as_ptr()), sum));
                }
            }
        }
    }
    assert!(available());
    #[expect(unsafe_code, reason = "instructions of the processors that have tile units")]
    // SAFETY: `available` makes sure of the instructions.
    unsafe {
        steps(x, weights, totals);
    }
}

/// The weights of a pair of inputs for 16 outputs; asks for a later line on the way.
#[inline]
#[target_feature(enable = "avx512f")]
fn line(line: &[f32; STEP]) -> [__m512; 2] {
    let ahead = std::ptr::from_ref(line).wrapping_add(AHEAD).cast::<i8>();
    #[expect(unsafe_code, reason = "loads take pointers")]
    // SAFETY: a line of f32 is two registers, and as aligned as the lines that it is made of; a prefetch never faults.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(ahead);
        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
        [_mm512_load_ps(line.as_ptr()), _mm512_load_ps(line.as_ptr().add(STEP / 2))]
    }
}

/// A pair of inputs, beside the weights of each output.
#[inline]
#[target_feature(enable = "avx512f")]
fn both(pair: [f32; 2]) -> __m512 {
    let [even, odd] = pair.map(|x| u64::from(x.to_bits()));
    _mm512_castsi512_ps(_mm512_set1_epi64((odd << 32 | even).cast_signed()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        dtype::Dtype,
        model::stored::{Rows, Stored},
    };

    /// The bits of the fast way, one output after the other.
    fn slow(x: &[f32], weight: &[f32], bias: Option<f32>) -> f32 {
        let mut totals = [0f32; 2];
        for (x, weight) in x.chunks(STEPS * STEP).zip(weight.chunks(STEPS * STEP)) {
            let mut sums = [0f32; 2];
            for (i, (x, weight)) in x.iter().zip(weight).enumerate() {
                sums[i % 2] = weight.mul_add(*x, sums[i % 2]);
            }
            totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
        let sum = totals[0] + totals[1];
        bias.map_or(sum, |bias| sum + bias)
    }

    fn tiles(weight: &[f32], inputs: usize) -> Tiles {
        Tiles::new(&Rows::new(vec![Stored::from(weight.to_vec())], inputs), Dtype::F32)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_bits_are_those_of_the_slow_way(
            rows in 1usize..40, inputs in 1usize..700, outputs in 1usize..100, biased: bool,
            numbers in prop::collection::vec(-1f32..1.0, 997),
        ) {
            if !available() {
                return Ok(());
            }
            let number = |i: usize| numbers[i % 997] * [1.0, 1e-3, 30.0][i % 3];
            let x: Vec<f32> = (0..rows * inputs).map(number).collect();
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| number(i * 7 + 5)).collect();
            let bias: Option<Vec<f32>> = biased.then(|| (0..outputs).map(|i| number(i + 11)).collect());
            let tiles = tiles(&weight, inputs);
            prop_assume!(tiles.is_wide());
            // A buffer that an earlier product has used.
            let (mut y, mut room) = (vec![f32::NAN; rows * outputs], vec![f32::NAN; 3000]);
            tiles.straight(&x, &mut room, bias.as_deref(), &mut y);
            for (x, y) in x.chunks(inputs).zip(y.chunks(outputs)) {
                for (o, (y, weight)) in y.iter().zip(weight.chunks(inputs)).enumerate() {
                    prop_assert_eq!(*y, slow(x, weight, bias.as_ref().map(|bias| bias[o])), "{}", o);
                }
            }
        }

        /// Both against sums in f64, over all outputs together; and each within the bound of its longest chain.
        #[test]
        fn the_error_is_below_that_of_an_ordinary_product(
            inputs in 128usize..3000, numbers in prop::collection::vec(-1f32..1.0, 4099),
        ) {
            if !available() {
                return Ok(());
            }
            let outputs = 70;
            let x = &numbers[..inputs];
            let weight: Vec<f32> = (0..outputs * inputs).map(|i| numbers[i * 13 % 4099]).collect();
            let mut y = vec![f32::NAN; outputs];
            tiles(&weight, inputs).straight(x, &mut Vec::new(), None, &mut y);
            let chain = (STEPS * STEP / 2 + inputs.div_ceil(STEPS * STEP) + 1) as f64 * 2f64.powi(-24);
            let (mut ours, mut ordinary) = (0.0, 0.0);
            for (y, weight) in y.iter().zip(weight.chunks(inputs)) {
                let products = || x.iter().zip(weight).map(|(x, w)| f64::from(*x) * f64::from(*w));
                let (want, size) = (products().sum::<f64>(), products().map(f64::abs).sum::<f64>());
                let plain: f32 = x.iter().zip(weight).map(|(x, w)| x * w).sum();
                let error = (f64::from(*y) - want).abs();
                prop_assert!(error <= chain * size, "{} {} {}", y, want, size);
                ours += error.powi(2);
                ordinary += (f64::from(plain) - want).powi(2);
            }
            prop_assert!(ours <= ordinary, "{:e} {:e}", ours, ordinary);
        }
    }
}
