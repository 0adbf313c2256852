//! `y = x W^T + bias` from cut rows and tiles, block by block of 32 rows and 32 columns, shared between threads.

use std::cell::RefCell;

use rayon::prelude::*;

use super::{
    BLOCK, Cut, Line, PART, STEP, Tiles,
    unit::{Registers, Sums},
};
use crate::kernels::simd::dispatch;

/// Lines of weights that a task holds in the second-level cache while all rows pass by, and steps and blocks of columns of it.
const PANEL: usize = 12 << 10;
/// Blocks of columns of a panel.
const COLUMNS: usize = 8;
/// Blocks of rows of a task: their sums wait in memory while the steps of the next panel are cut.
const ROWS: usize = 32;

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
                let part = (row..rows.min(row + height), column..columns.min(column + width));
                self.task(x, part.0, part.1, &target, kept);
            });
        });
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
        sums.resize(sums.len().max(if chunk < steps { rows.len() * columns.len() } else { 1 }), Sums::ZERO);
        let registers = Registers::take();
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
                for (column, weights) in columns.clone().zip(weights) {
                    let at =
                        if chunk < steps { (row - rows.start) * columns.len() + column - columns.start } else { 0 };
                    let sums = &mut sums[at];
                    registers.multiply(x_steps, weights, (x.parts(), self.parts()), sums, go_on);
                    if last {
                        dispatch(
                            #[inline(always)]
                            || target.store(row, column, sums),
                        );
                    }
                }
            }
        }
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
    /// Row `row` of a block, cut off where `y` ends.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "one task alone touches a block")]
    fn segment(&self, row_block: usize, column_block: usize, row: usize) -> Option<&mut [f32]> {
        let (row, column) = (row_block * BLOCK + row, column_block * BLOCK);
        if row >= self.rows {
            return None;
        }
        #[expect(unsafe_code, reason = "tasks write disjoint blocks of one matrix")]
        // SAFETY: row and columns lie inside of the matrix, and this block belongs to the calling task.
        Some(unsafe {
            let len = BLOCK.min(self.outputs - column);
            std::slice::from_raw_parts_mut(self.y.add(row * self.outputs + column), len)
        })
    }

    #[inline(always)]
    fn store(&self, row_block: usize, column_block: usize, sums: &Sums) {
        let mut bias = [0f32; BLOCK];
        if let Some(all) = self.bias {
            let own = &all[column_block * BLOCK..];
            let len = BLOCK.min(own.len());
            bias[..len].copy_from_slice(&own[..len]);
        }
        for (row, sums) in sums.0.iter().enumerate() {
            let Some(y) = self.segment(row_block, column_block, row) else { return };
            // A length known to the compiler is a few registers, not a call.
            match y.as_mut_array::<BLOCK>() {
                Some(y) => {
                    for ((y, sum), bias) in y.iter_mut().zip(sums).zip(&bias) {
                        *y = sum + bias;
                    }
                }
                None => {
                    for ((y, sum), bias) in y.iter_mut().zip(sums).zip(&bias) {
                        *y = sum + bias;
                    }
                }
            }
        }
    }
}
