//! Numbers cut into bf16 parts, in the order in which the tile units read them.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_castsi512_si256, _mm512_cvtepu16_epi32, _mm512_cvtne2ps_pbh,
    _mm512_cvtph_ps, _mm512_cvtps_ph, _mm512_extracti64x4_epi64, _mm512_load_si512, _mm512_loadu_ps, _mm512_slli_epi32,
    _mm512_store_si512, _mm512_sub_ps,
};

use rayon::prelude::*;

use super::{BLOCK, Line, PART, STEP, available, pages::Pages};
use crate::dtype::Dtype;

/// Rows of activations in parts: blocks of 32 rows, in them steps of 32 columns, in them the parts, in them 32 lines of one row each.
#[derive(Default)]
pub(crate) struct Cut {
    lines: Pages,
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
        let block = width.div_ceil(STEP) * parts(dtype) * PART;
        self.shape(x.len() / width, width, dtype).par_chunks_mut(block).zip(x.par_chunks(width * BLOCK)).for_each(
            |(lines, x)| {
                for row in 0..BLOCK {
                    // The block at the end may have fewer rows; what an earlier product left in the others is overwritten.
                    cut_row(lines, row, x.get(row * width..(row + 1) * width).unwrap_or_default(), dtype);
                }
            },
        );
    }

    /// Room for `[rows, width]`; what the lines hold is left over from before.
    pub(super) fn shape(&mut self, rows: usize, width: usize, dtype: Dtype) -> &mut [Line] {
        (self.rows, self.width, self.dtype) = (rows, width, dtype);
        let len = self.len();
        if self.lines.as_ref().len() < len {
            self.lines = Pages::zeroed(len);
        }
        &mut self.lines.as_mut()[..len]
    }

    fn len(&self) -> usize {
        self.rows.div_ceil(BLOCK) * self.block_len()
    }

    fn block_len(&self) -> usize {
        self.width.div_ceil(STEP) * self.parts() * PART
    }

    pub(super) fn parts(&self) -> usize {
        parts(self.dtype)
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.dtype
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
        &self.lines.as_ref()[block * self.block_len() + first * step..][..count * step]
    }
}

/// Row `row` of a block of rows; columns behind `values` are zero.
fn cut_row(lines: &mut [Line], row: usize, values: &[f32], dtype: Dtype) {
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn steps(lines: &mut [Line], row: usize, values: &[f32], dtype: Dtype) {
        let (whole, end) = values.as_chunks::<STEP>();
        let mut last = [0f32; STEP];
        last[..end.len()].copy_from_slice(end);
        let rest = std::iter::once(&last).chain(std::iter::repeat(&[0.0; STEP]));
        for (lines, values) in lines.chunks_exact_mut(parts(dtype) * PART).zip(whole.iter().chain(rest)) {
            cut_line(values, dtype, lines, row);
        }
    }
    assert!(available() && row < PART);
    #[expect(unsafe_code, reason = "instructions of the processors that have tile units")]
    // SAFETY: `available` makes sure of the instructions.
    unsafe {
        steps(lines, row, values, dtype);
    }
}

/// Up to 32 rows of one step.
pub(super) fn cut_step(rows: &[[f32; STEP]], dtype: Dtype, lines: &mut [Line]) {
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn each(rows: &[[f32; STEP]], dtype: Dtype, lines: &mut [Line]) {
        for (at, row) in rows.iter().enumerate() {
            cut_line(row, dtype, lines, at);
        }
    }
    assert!(available() && rows.len() <= PART);
    #[expect(unsafe_code, reason = "instructions of the processors that have tile units")]
    // SAFETY: `available` makes sure of the instructions.
    unsafe {
        each(rows, dtype, lines);
    }
}

/// The two parts of up to 32 lines of f16.
pub(super) fn cut_halves(halves: &[Line], lines: &mut [Line]) {
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn each(halves: &[Line], lines: &mut [Line]) {
        for (at, halves) in halves.iter().enumerate() {
            split::<2>(widen(halves), lines, at);
        }
    }
    assert!(available() && halves.len() <= PART);
    #[expect(unsafe_code, reason = "instructions of the processors that have tile units")]
    // SAFETY: `available` makes sure of the instructions.
    unsafe {
        each(halves, lines);
    }
}

/// The parts of 32 numbers, rounded to `dtype`: part p in line `PART * p + at`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn cut_line(values: &[f32; STEP], dtype: Dtype, lines: &mut [Line], at: usize) {
    match dtype {
        Dtype::F32 => split::<3>(load(values), lines, at),
        Dtype::F16 => split::<2>(to_f16(load(values)), lines, at),
        Dtype::Bf16 => split::<1>(load(values), lines, at),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn widen(halves: &Line) -> [__m512; 2] {
    #[expect(unsafe_code, reason = "loads take pointers")]
    // SAFETY: a line is one register.
    let bits = unsafe { _mm512_load_si512(halves.0.as_ptr().cast()) };
    [_mm512_cvtph_ps(_mm512_castsi512_si256(bits)), _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(bits))]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn load(values: &[f32; STEP]) -> [__m512; 2] {
    #[expect(unsafe_code, reason = "loads take pointers")]
    // SAFETY: 32 numbers are two registers.
    unsafe {
        [_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(STEP / 2))]
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn to_f16(values: [__m512; 2]) -> [__m512; 2] {
    const NEAREST: i32 = 0;
    values.map(
        #[inline(always)]
        |x| _mm512_cvtph_ps(_mm512_cvtps_ph::<NEAREST>(x)),
    )
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn split<const PARTS: usize>(values: [__m512; 2], lines: &mut [Line], at: usize) {
    let [mut low, mut high] = values;
    for part in 0..PARTS {
        #[expect(unsafe_code, reason = "a bf16 vector has no safe cast")]
        // SAFETY: both are 64 bytes, of which every bit pattern is valid.
        let bits = unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) };
        let line: &mut Line = &mut lines[part * PART + at];
        #[expect(unsafe_code, reason = "stores take pointers")]
        // SAFETY: a line is one register, and aligned.
        unsafe {
            _mm512_store_si512(line.0.as_mut_ptr().cast(), bits);
        }
        if part + 1 < PARTS {
            let value = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
            low = _mm512_sub_ps(low, value(_mm512_castsi512_si256(bits)));
            high = _mm512_sub_ps(high, value(_mm512_extracti64x4_epi64::<1>(bits)));
        }
    }
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_parts_are_rounded_and_add_up(x in prop::collection::vec(-1e30f32..1e30, STEP), scale in -100i32..1) {
            if !available() {
                return Ok(());
            }
            let values: [f32; STEP] = std::array::from_fn(|i| x[i] * 2f32.powi(scale));
            for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
                let mut lines = [Line([0; STEP]); 3 * PART];
                let mut rows = [[0.0; STEP]; 6];
                rows[5] = values;
                cut_step(&rows, dtype, &mut lines);
                for (i, x) in values.into_iter().enumerate() {
                    let part = |p: usize| bf16::from_bits(lines[p * PART + 5].0[i]);
                    prop_assert_eq!(part(0), if dtype == Dtype::F16 { bf16::from_f32(f16::from_f32(x).to_f32()) } else { bf16::from_f32(x) });
                    let sum: f64 = (0..parts(dtype)).map(|p| part(p).to_f64()).sum();
                    match dtype {
                        // The units take numbers below 2^-126 for zero.
                        Dtype::F32 => prop_assert!((sum - f64::from(x)).abs() < 2f64.powi(-126)),
                        Dtype::F16 if f16::from_f32(x).is_finite() => prop_assert_eq!(sum, f16::from_f32(x).to_f64()),
                        _ => {}
                    }
                }
            }
        }
    }
}
