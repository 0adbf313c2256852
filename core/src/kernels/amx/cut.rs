//! Numbers cut into bf16 parts, in the order in which the tile units read them.

use rayon::prelude::*;

use super::{BLOCK, Line, PART, STEP};
use crate::{
    dtype::Dtype,
    kernels::simd::{dispatch, to_bf16, to_f16},
};

/// Rows of activations in parts: blocks of 32 rows, in them steps of 32 columns, in them the parts, in them 32 lines of one row each.
#[derive(Default)]
pub(crate) struct Cut {
    lines: Vec<Line>,
    dtype: Dtype,
    rows: usize,
    width: usize,
}

/// How many parts hold a number of this format without loss.
pub(super) fn parts(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F32 => 3,
        Dtype::F16 => 2,
        Dtype::Bf16 => 1,
    }
}

impl Cut {
    /// Cuts `x` `[rows, width]`, rounded to `dtype`.
    pub(crate) fn fill(&mut self, x: &[f32], width: usize, dtype: Dtype) {
        self.shape(x.len() / width, width, dtype);
        let block = self.block_len();
        self.lines.par_chunks_mut(block).zip(x.par_chunks(width * BLOCK)).for_each(|(lines, x)| {
            dispatch(
                #[inline(always)]
                || {
                    for row in 0..BLOCK {
                        // The block at the end may have fewer rows; what an earlier product left in the others is overwritten.
                        cut_row(lines, row, x.get(row * width..(row + 1) * width).unwrap_or_default(), dtype);
                    }
                },
            );
        });
    }

    /// Makes room for `[rows, width]`; what the lines hold is left over from before.
    fn shape(&mut self, rows: usize, width: usize, dtype: Dtype) {
        (self.rows, self.width, self.dtype) = (rows, width, dtype);
        let len = rows.div_ceil(BLOCK) * self.block_len();
        if self.lines.len() < len {
            self.lines.resize(len, Line([0; STEP]));
        }
    }

    fn block_len(&self) -> usize {
        self.width.div_ceil(STEP) * self.parts() * PART
    }

    pub(super) fn parts(&self) -> usize {
        parts(self.dtype)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Some consecutive steps of a block of rows.
    pub(super) fn steps(&self, block: usize, first: usize, count: usize) -> &[Line] {
        let step = self.parts() * PART;
        &self.lines[block * self.block_len() + first * step..][..count * step]
    }
}

/// Row `row` of a block of rows; columns behind `values` are zero.
#[inline(always)]
fn cut_row(lines: &mut [Line], row: usize, values: &[f32], dtype: Dtype) {
    match dtype {
        Dtype::F32 => cut_row_in::<3>(lines, row, values, |x| x),
        Dtype::F16 => cut_row_in::<2>(lines, row, values, to_f16),
        Dtype::Bf16 => cut_row_in::<1>(lines, row, values, |x| x),
    }
}

#[inline(always)]
fn cut_row_in<const PARTS: usize>(lines: &mut [Line], row: usize, values: &[f32], round: impl Fn(f32) -> f32) {
    let (whole, end) = values.as_chunks::<STEP>();
    let mut last = [0f32; STEP];
    last[..end.len()].copy_from_slice(end);
    let mut steps = whole.iter().chain(std::iter::once(&last));
    for lines in lines.chunks_exact_mut(PARTS * PART) {
        let values = steps.next().unwrap_or(&[0.0; STEP]).map(&round);
        for (part, line) in split::<PARTS>(values).into_iter().enumerate() {
            lines[part * PART + row] = line;
        }
    }
}

/// The parts of 32 numbers, the largest first.
#[inline(always)]
pub(super) fn split<const PARTS: usize>(mut rest: [f32; STEP]) -> [Line; PARTS] {
    let mut parts = [Line([0; STEP]); PARTS];
    for part in &mut parts {
        for (bf16, rest) in part.0.iter_mut().zip(&mut rest) {
            let value = to_bf16(*rest);
            *bf16 = (value.to_bits() >> 16) as u16;
            *rest -= value;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_add_up_to_the_number(x in prop::collection::vec(-1e30f32..1e30, STEP), scale in -100i32..1) {
            let values: [f32; STEP] = std::array::from_fn(|i| x[i] * 2f32.powi(scale));
            let sum = |parts: &[Line], i: usize| -> f64 {
                parts.iter().map(|part| half::bf16::from_bits(part.0[i]).to_f64()).sum()
            };
            let (three, two) = (split::<3>(values), split::<2>(values.map(to_f16)));
            for (i, x) in values.into_iter().enumerate() {
                prop_assert_eq!(sum(&three, i), f64::from(x));
                if to_f16(x).is_finite() {
                    prop_assert_eq!(sum(&two, i), f64::from(to_f16(x)));
                }
            }
        }
    }
}
