//! `y = x W^T + bias` from cut rows and tiles, block by block of 32 rows and 32 columns, shared between threads.

use std::{
    arch::{asm, x86_64::_mm_sfence},
    cell::RefCell,
};

use rayon::prelude::*;

use super::{
    BLOCK, Cut, Line, PART, STEP, Tiles,
    unit::{FEW, Registers, Sums, fetched},
};
use crate::kernels::simd::dispatch;

/// Lines of weights that a task holds in the second-level cache while all rows pass by, and steps and blocks of columns of it.
const PANEL: usize = 12 << 10;
/// Blocks of columns of a panel.
const COLUMNS: usize = 8;
/// Blocks of rows of a task: their sums wait in memory while the steps of the next panel are cut.
const ROWS: usize = 32;

/// Steps that are cut at once when there are few rows: their parts stay in the first-level cache.
const NEAR: usize = 4;
/// Lines between the weights that few rows are multiplied by and those that are fetched.
const AHEAD: usize = 256;

/// What a thread keeps between tasks.
#[derive(Default)]
struct Kept {
    panel: Vec<Line>,
    sums: Vec<Sums>,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Tiles {
    /// `y = x W^T + bias`.
    ///
    /// # Shapes
    /// `x` `[rows, inputs]`, `y` `[rows, outputs]`, `bias` `[outputs]`.
    pub(crate) fn product(&self, x: &Cut, bias: Option<&[f32]>, y: &mut [f32]) {
        let outputs = self.outputs();
        assert!(x.width() == self.inputs() && y.len() == x.rows() * outputs);
        assert!(bias.is_none_or(|bias| bias.len() == outputs));
        let target = Target { y: y.as_mut_ptr(), rows: x.rows(), outputs, bias };
        let (rows, columns) = (x.rows().div_ceil(BLOCK), outputs.div_ceil(BLOCK));
        let threads = rayon::current_num_threads();
        // Panels of one width, a multiple of the threads where there are enough columns.
        let panels = columns.div_ceil(COLUMNS).next_multiple_of(threads).min(columns);
        let width = columns.div_ceil(panels);
        let panels = columns.div_ceil(width);
        let groups = rows.div_ceil(ROWS).max(threads.div_ceil(panels)).min(rows);
        let height = rows.div_ceil(groups);
        (0..panels * rows.div_ceil(height)).into_par_iter().for_each(|task| {
            let (column, row) = (task % panels * width, task / panels * height);
            KEPT.with_borrow_mut(|kept| {
                let (row, column) = (row..rows.min(row + height), column..columns.min(column + width));
                if x.rows() <= FEW {
                    self.few(x, column, &target, kept);
                } else {
                    self.task(x, row, column, &target, kept);
                }
            });
            settle();
        });
    }

    /// Few rows: reading the weights is all the time that it takes, so they are multiplied as they come, block by block.
    fn few(&self, x: &Cut, columns: std::ops::Range<usize>, target: &Target<'_>, kept: &mut Kept) {
        let steps = self.inputs().div_ceil(STEP);
        let step = self.parts() * PART;
        let chunk = if self.is_cut() { steps } else { NEAR.min(steps) };
        let Kept { panel, .. } = kept;
        panel.resize(panel.len().max(chunk * step), Line([0; STEP]));
        let registers = Registers::take(x.rows());
        let mut sums = Sums::ZERO;
        for column in columns {
            for first in (0..steps).step_by(chunk) {
                let count = chunk.min(steps - first);
                let weights = self.steps(column, first, count, &mut panel[..count * step]);
                let ahead = [x.steps(0, 0, 1).as_ptr(), self.place(column, first).wrapping_add(AHEAD)];
                registers.multiply(
                    x.steps(0, first, count),
                    weights,
                    (x.parts(), self.parts()),
                    &mut sums,
                    first > 0,
                    ahead,
                );
            }
            dispatch(
                #[inline(always)]
                || target.store(0, column, std::slice::from_ref(&sums)),
            );
        }
    }

    fn task(
        &self,
        x: &Cut,
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        target: &Target<'_>,
        kept: &mut Kept,
    ) {
        let steps = self.inputs().div_ceil(STEP);
        let step = self.parts() * PART;
        let chunk = (PANEL / (columns.len() * step)).clamp(1, steps);
        let Kept { panel, sums } = kept;
        panel.resize(panel.len().max(columns.len() * chunk * step), Line([0; STEP]));
        sums.resize(sums.len().max(columns.len() * if chunk < steps { rows.len() } else { 1 }), Sums::ZERO);
        let registers = Registers::take(BLOCK);
        for first in (0..steps).step_by(chunk) {
            let count = chunk.min(steps - first);
            let (go_on, last) = (first > 0, first + count == steps);
            let mut weights = [[].as_slice(); COLUMNS];
            let parts = columns.clone().zip(panel.chunks_exact_mut(count * step)).zip(&mut weights);
            for ((column, panel), weights) in parts {
                *weights = self.steps(column, first, count, panel);
            }
            for row in rows.clone() {
                let x_steps = x.steps(row, first, count);
                let next = x.steps((row + 1).min(rows.end - 1), first, count).as_ptr();
                let [x_lines, w_lines] = fetched(x.parts()).map(|lines| lines * count);
                let at = if chunk < steps { (row - rows.start) * columns.len() } else { 0 };
                let sums = &mut sums[at..][..columns.len()];
                for (index, (sums, weights)) in sums.iter_mut().zip(weights).enumerate() {
                    let column = columns.start + index;
                    let behind =
                        if last { self.place(column + columns.len(), 0) } else { self.place(column, first + count) };
                    let ahead = [next.wrapping_add(index * x_lines), behind.wrapping_add((row - rows.start) * w_lines)];
                    registers.multiply(x_steps, weights, (x.parts(), self.parts()), sums, go_on, ahead);
                }
                if last {
                    dispatch(
                        #[inline(always)]
                        || target.store(row, columns.start, sums),
                    );
                }
            }
        }
    }
}

/// Writes past the caches where whole lines are written: nobody reads `y` before all of it is there, and reading lines only to
/// overwrite them takes a fifth of the time of a product.
#[inline(always)]
fn write(y: &mut [f32; BLOCK], sums: &[f32; BLOCK]) {
    if !y.as_ptr().addr().is_multiple_of(size_of::<Line>()) {
        *y = *sums;
        return;
    }
    for (y, sums) in y.as_chunks_mut::<16>().0.iter_mut().zip(sums.as_chunks::<16>().0) {
        #[expect(unsafe_code, reason = "tile units imply this instruction; it takes pointers")]
        // SAFETY: both are 64 bytes, aligned as was asked.
        unsafe {
            asm!("vmovaps zmm16, [{}]", "vmovntps [{}], zmm16", in(reg) sums.as_ptr(), in(reg) y.as_mut_ptr(),
                out("xmm16") _, options(nostack, preserves_flags));
        }
    }
}

/// Makes what [`write`] wrote visible before this task is known to be over.
fn settle() {
    #[expect(unsafe_code, reason = "a fence")]
    // SAFETY: orders stores, nothing else.
    unsafe {
        _mm_sfence();
    }
}

/// `y`, written by tasks block by block.
struct Target<'a> {
    y: *mut f32,
    rows: usize,
    outputs: usize,
    bias: Option<&'a [f32]>,
}

#[expect(unsafe_code, reason = "tasks write disjoint blocks of one matrix")]
// SAFETY: every (row block, column block) belongs to exactly one task, and tasks touch `y` through `segment` only.
unsafe impl Sync for Target<'_> {}

impl Target<'_> {
    /// Row `row` of some neighbouring blocks, cut off where `y` ends.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "one task alone touches a block")]
    fn segment(&self, row_block: usize, column_block: usize, blocks: usize, row: usize) -> Option<&mut [f32]> {
        let (row, column) = (row_block * BLOCK + row, column_block * BLOCK);
        if row >= self.rows {
            return None;
        }
        #[expect(unsafe_code, reason = "tasks write disjoint blocks of one matrix")]
        // SAFETY: row and columns lie inside of the matrix, and these blocks belong to the calling task.
        Some(unsafe {
            let len = (blocks * BLOCK).min(self.outputs - column);
            std::slice::from_raw_parts_mut(self.y.add(row * self.outputs + column), len)
        })
    }

    /// Neighbouring blocks at once, as whole rows are faster to write than pieces of them.
    #[inline(always)]
    fn store(&self, row_block: usize, column_block: usize, sums: &[Sums]) {
        for row in 0..BLOCK {
            let Some(y) = self.segment(row_block, column_block, sums.len(), row) else { return };
            let bias = self.bias.map(|bias| &bias[column_block * BLOCK..]);
            for (index, (y, sums)) in y.chunks_mut(BLOCK).zip(sums).enumerate() {
                // A length known to the compiler is a few registers, not a call.
                match (y.as_mut_array::<BLOCK>(), bias) {
                    (Some(y), None) => write(y, &sums.0[row]),
                    (Some(y), Some(bias)) => {
                        for ((y, sum), bias) in y.iter_mut().zip(&sums.0[row]).zip(&bias[index * BLOCK..]) {
                            *y = sum + bias;
                        }
                    }
                    (None, None) => y.copy_from_slice(&sums.0[row][..y.len()]),
                    (None, Some(bias)) => {
                        for ((y, sum), bias) in y.iter_mut().zip(&sums.0[row]).zip(&bias[index * BLOCK..]) {
                            *y = sum + bias;
                        }
                    }
                }
            }
        }
    }
}
