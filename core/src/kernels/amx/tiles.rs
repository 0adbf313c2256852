//! Weights in the order in which the tile units read them, at the size in which they are stored: two bytes for bf16 and f16,
//! four for f32. Only bf16 can be multiplied as it is; the others are cut into parts again and again, a panel at a time.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use rayon::prelude::*;

use super::{
    BLOCK, Line, PART, STEP,
    cut::{cut_halves, cut_step, parts},
    pages::Pages,
};
use crate::{
    dtype::Dtype,
    model::stored::{Rows, Stored},
};

/// Blocks of 32 outputs, in them steps of 32 inputs, in them two tiles of 16 outputs, whose 16 lines hold a pair of inputs of
/// each output. A line of f32 is two lines long.
pub(crate) struct Tiles {
    lines: Pages,
    dtype: Dtype,
    inputs: usize,
    outputs: usize,
}

impl Tiles {
    /// Lays out `weight` `[outputs, inputs]` for products in `compute`; a file's pages are given back to the system.
    pub(crate) fn new(weight: &Rows, compute: Dtype) -> Self {
        let (inputs, outputs) = (weight.width(), weight.len());
        // f32 weights that are bf16 in truth, as in checkpoints that were widened, take half the room and the time.
        let dtype = if compute == Dtype::F32 { weight.narrowest() } else { compute };
        let mut tiles = Self { lines: Pages::zeroed(0), dtype, inputs, outputs };
        tiles.lines = Pages::zeroed(outputs.div_ceil(BLOCK) * tiles.block_len());
        // Blocks that are laid out before the pages of the file behind them are forgotten.
        let group = (FORGET / (inputs * BLOCK)).max(1);
        let block = tiles.block_len();
        for (index, lines) in tiles.lines.as_mut().chunks_mut(group * block).enumerate() {
            let first = index * group * BLOCK;
            lines.par_chunks_mut(block).enumerate().for_each(|(index, lines)| {
                let first = first + index * BLOCK;
                for row in first..outputs.min(first + BLOCK) {
                    let (stored, from) = weight.row(row);
                    lay(lines, row - first, stored, from..from + inputs, dtype);
                }
            });
            weight.forget(first..outputs.min(first + group * BLOCK));
        }
        tiles
    }

    fn block_len(&self) -> usize {
        self.inputs.div_ceil(STEP) * self.step_len()
    }

    fn step_len(&self) -> usize {
        PART * self.dtype.size() / size_of::<u16>()
    }

    pub(super) fn inputs(&self) -> usize {
        self.inputs
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether the lines can be multiplied as they are.
    pub(super) fn is_cut(&self) -> bool {
        self.dtype == Dtype::Bf16
    }

    /// Whether the weights lie as f32, which the tile units cannot take as they are.
    pub(crate) fn is_wide(&self) -> bool {
        self.dtype == Dtype::F32
    }

    pub(super) fn parts(&self) -> usize {
        parts(self.dtype)
    }

    /// All lines of a block of f32 weights.
    pub(super) fn block(&self, block: usize) -> &[[f32; STEP]] {
        assert!(self.is_wide());
        wide(&self.lines.as_ref()[block * self.block_len()..][..self.block_len()])
    }

    /// Where steps lie, for fetching them early; nowhere in particular behind the end.
    pub(super) fn place(&self, block: usize, first: usize) -> *const Line {
        let (block, first) = if first < self.inputs.div_ceil(STEP) { (block, first) } else { (block + 1, 0) };
        self.lines.as_ref().as_ptr().wrapping_add(block * self.block_len() + first * self.step_len())
    }

    /// The parts of some consecutive steps of a block: the lines themselves, or cut into `panel`.
    pub(super) fn steps<'a>(&'a self, block: usize, first: usize, count: usize, panel: &'a mut [Line]) -> &'a [Line] {
        let step = self.step_len();
        let stored = &self.lines.as_ref()[block * self.block_len() + first * step..][..count * step];
        let lines = panel.chunks_exact_mut(self.parts() * PART);
        match self.dtype {
            Dtype::Bf16 => return stored,
            Dtype::F16 => lines.zip(stored.chunks_exact(PART)).for_each(|(lines, stored)| cut_halves(stored, lines)),
            Dtype::F32 => lines.zip(wide(stored).chunks_exact(PART)).for_each(|(lines, stored)| {
                stored.iter().for_each(fetch);
                cut_step(stored, Dtype::F32, lines);
            }),
        }
        panel
    }
}

/// Numbers whose pages are touched before those of the file behind them are given back.
const FORGET: usize = 1 << 22;

/// Puts output `row` of a block in its place.
fn lay(lines: &mut [Line], row: usize, stored: &Stored, range: std::ops::Range<usize>, dtype: Dtype) {
    let start = row / 16 * 16;
    let pair = row % 16 * 2;
    let mut at = range.start;
    if dtype == Dtype::F32 {
        for lines in wide_mut(lines).chunks_exact_mut(PART) {
            let mut values = [0f32; STEP];
            let count = STEP.min(range.end - at);
            stored.widen(at, &mut values[..count]);
            at += count;
            for (line, values) in lines[start..start + 16].iter_mut().zip(values.as_chunks::<2>().0) {
                line[pair..pair + 2].copy_from_slice(values);
            }
        }
    } else {
        for lines in lines.chunks_exact_mut(PART) {
            let mut values = [0u16; STEP];
            let count = STEP.min(range.end - at);
            stored.halves(at, dtype, &mut values[..count]);
            at += count;
            for (line, values) in lines[start..start + 16].iter_mut().zip(values.as_chunks::<2>().0) {
                line.0[pair..pair + 2].copy_from_slice(values);
            }
        }
    }
}

/// Asks for what is cut two steps after `line`: cutting leaves the memory idle otherwise.
#[inline(always)]
fn fetch(line: &[f32; STEP]) {
    let ahead = std::ptr::from_ref(line).wrapping_add(2 * PART).cast::<i8>();
    #[expect(unsafe_code, reason = "a prefetch takes a pointer")]
    // SAFETY: a prefetch never faults.
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(ahead);
        _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(64));
    }
}

fn wide(lines: &[Line]) -> &[[f32; STEP]] {
    #[expect(unsafe_code, reason = "the same memory as f32")]
    // SAFETY: every bit pattern is an f32, and lines are aligned beyond it.
    let (before, wide, after) = unsafe { lines.align_to() };
    debug_assert!(before.is_empty() && after.is_empty());
    wide
}

fn wide_mut(lines: &mut [Line]) -> &mut [[f32; STEP]] {
    #[expect(unsafe_code, reason = "the same memory as f32")]
    // SAFETY: every bit pattern is an f32 and a line, and lines are aligned beyond it.
    let (before, wide, after) = unsafe { lines.align_to_mut() };
    debug_assert!(before.is_empty() && after.is_empty());
    wide
}
