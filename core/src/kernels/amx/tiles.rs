//! Weights in the order in which the tile units read them, at the size in which they are stored: two bytes for bf16 and f16,
//! four for f32. Only bf16 can be multiplied as it is; the others are cut into parts again and again, a panel at a time.

use memmap2::MmapMut;
use rayon::prelude::*;

use super::{
    BLOCK, Line, PART, STEP,
    cut::{parts, split},
};
use crate::{
    dtype::Dtype,
    kernels::simd::dispatch,
    model::stored::{Rows, Stored, f16_value},
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

    pub(super) fn parts(&self) -> usize {
        parts(self.dtype)
    }

    /// The parts of some consecutive steps of a block: the lines themselves, or cut into `panel`.
    pub(super) fn steps<'a>(&'a self, block: usize, first: usize, count: usize, panel: &'a mut [Line]) -> &'a [Line] {
        let step = self.step_len();
        let stored = &self.lines.as_ref()[block * self.block_len() + first * step..][..count * step];
        match self.dtype {
            Dtype::Bf16 => return stored,
            Dtype::F16 => dispatch(
                #[inline(always)]
                || {
                    for (lines, stored) in panel.chunks_exact_mut(2 * PART).zip(stored.chunks_exact(PART)) {
                        for (at, line) in stored.iter().enumerate() {
                            let [first, second] = split::<2>(line.0.map(f16_value));
                            (lines[at], lines[PART + at]) = (first, second);
                        }
                    }
                },
            ),
            Dtype::F32 => dispatch(
                #[inline(always)]
                || {
                    for (lines, stored) in panel.chunks_exact_mut(3 * PART).zip(wide(stored).chunks_exact(PART)) {
                        for (at, line) in stored.iter().enumerate() {
                            let [first, second, third] = split::<3>(*line);
                            (lines[at], lines[PART + at], lines[2 * PART + at]) = (first, second, third);
                        }
                    }
                },
            ),
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

/// Memory straight from the system: zero without being written, and in huge pages where the system gives them, which a
/// walk through gigabytes of weights is 10 % faster for.
struct Pages {
    map: MmapMut,
    len: usize,
}

impl Pages {
    fn zeroed(len: usize) -> Self {
        let bytes = (len * size_of::<Line>()).max(1);
        let Ok(map) = MmapMut::map_anon(bytes) else {
            // As `Vec` does when the system has no memory left.
            std::alloc::handle_alloc_error(std::alloc::Layout::new::<Line>())
        };
        // Advice that is not taken costs speed, nothing else.
        map.advise(memmap2::Advice::HugePage).ok();
        Self { map, len }
    }
}

impl AsRef<[Line]> for Pages {
    fn as_ref(&self) -> &[Line] {
        #[expect(unsafe_code, reason = "the same memory as lines")]
        // SAFETY: every bit pattern is a line; pages are aligned beyond it.
        let (_, lines, _) = unsafe { self.map.align_to() };
        &lines[..self.len]
    }
}

impl AsMut<[Line]> for Pages {
    fn as_mut(&mut self) -> &mut [Line] {
        #[expect(unsafe_code, reason = "the same memory as lines")]
        // SAFETY: every bit pattern is a line and bytes; pages are aligned beyond it.
        let (_, lines, _) = unsafe { self.map.align_to_mut() };
        &mut lines[..self.len]
    }
}
