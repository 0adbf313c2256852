//! `x W^T` from cut rows and tiles, block by block of 32 rows and 32 columns, shared between threads.

use std::{arch::x86_64::_mm_sfence, cell::RefCell, ops::Range};

use rayon::prelude::*;

use super::{
    BLOCK, Cut, Line, PART, STEP, Tiles,
    out::{Hidden, Matrix, Out},
    unit::{FEW, Registers, Sums, fetched},
};
use crate::model::config::Activation;

/// Lines of weights that a task holds in the second-level cache while all rows pass by.
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
        assert!(y.len() == x.rows() * self.outputs());
        self.walk(x, &Out::Matrix(Matrix::new(y, x.rows(), self.outputs(), bias)));
    }

    /// `hidden = f(h)`, or `f(gate) * up` with the gate's columns first, cut for the next product; `h = x W^T + bias`.
    ///
    /// # Shapes
    /// `x` `[rows, inputs]`, `hidden` `[rows, outputs]`, or `[rows, outputs / 2]` when gated, and then a multiple of 32.
    pub(crate) fn activated(
        &self,
        x: &Cut,
        bias: Option<&[f32]>,
        activation: Activation,
        gated: bool,
        hidden: &mut Cut,
    ) {
        self.walk(x, &Out::Hidden(Hidden::new(hidden, x, self.outputs(), bias, activation, gated)));
    }

    fn walk(&self, x: &Cut, out: &Out<'_>) {
        assert!(x.width() == self.inputs() && out.bias().is_none_or(|bias| bias.len() == self.outputs()));
        let rows = x.rows().div_ceil(BLOCK);
        // A unit is a block of columns, or a block of the gate and its twin.
        let twin = out.twin();
        let (units, most) = match twin {
            Some(distance) => (distance, COLUMNS / 2),
            None => (self.outputs().div_ceil(BLOCK), COLUMNS),
        };
        let threads = rayon::current_num_threads();
        // Panels of one width, a multiple of the threads where there are enough columns.
        let panels = units.div_ceil(most).next_multiple_of(threads).min(units);
        let width = units.div_ceil(panels);
        let panels = units.div_ceil(width);
        let groups = rows.div_ceil(ROWS).max(threads.div_ceil(panels)).min(rows);
        let height = rows.div_ceil(groups);
        (0..panels * rows.div_ceil(height)).into_par_iter().for_each(|task| {
            let (unit, row) = (task % panels * width, task / panels * height);
            let (rows, units) = (row..rows.min(row + height), unit..units.min(unit + width));
            KEPT.with_borrow_mut(|kept| {
                if x.rows() <= FEW { self.few(x, units, out, kept) } else { self.task(x, rows, units, out, kept) }
            });
            // What was written past the caches is visible before this task is known to be over.
            #[expect(unsafe_code, reason = "a fence")]
            // SAFETY: orders stores, nothing else.
            unsafe {
                _mm_sfence();
            }
        });
    }

    /// Few rows: reading the weights is all the time that it takes, so they are multiplied as they come, block by block.
    fn few(&self, x: &Cut, units: Range<usize>, out: &Out<'_>, kept: &mut Kept) {
        let steps = self.inputs().div_ceil(STEP);
        let step = self.parts() * PART;
        let chunk = if self.is_cut() { steps } else { NEAR.min(steps) };
        let Kept { panel, sums } = kept;
        panel.resize(panel.len().max(chunk * step), Line([0; STEP]));
        sums.resize(sums.len().max(2), Sums::ZERO);
        let registers = Registers::take(x.rows());
        for unit in units {
            let mut count_blocks = 0;
            for (column, sums) in std::iter::once(unit).chain(out.twin().map(|twin| unit + twin)).zip(&mut *sums) {
                for first in (0..steps).step_by(chunk) {
                    let count = chunk.min(steps - first);
                    let weights = self.steps(column, first, count, &mut panel[..count * step]);
                    let ahead = [x.steps(0, 0, 1).as_ptr(), self.place(column, first).wrapping_add(AHEAD)];
                    let parts = (x.parts(), self.parts());
                    registers.multiply(x.steps(0, first, count), weights, parts, sums, first > 0, ahead);
                }
                count_blocks += 1;
            }
            out.store(0, unit, &mut sums[..count_blocks]);
        }
    }

    fn task(&self, x: &Cut, rows: Range<usize>, units: Range<usize>, out: &Out<'_>, kept: &mut Kept) {
        let mut columns = [0; COLUMNS];
        let twins = out.twin().into_iter().flat_map(|twin| units.clone().map(move |unit| unit + twin));
        let mut width = 0;
        for (column, unit) in columns.iter_mut().zip(units.clone().chain(twins)) {
            *column = unit;
            width += 1;
        }
        let columns = &columns[..width];
        let steps = self.inputs().div_ceil(STEP);
        let step = self.parts() * PART;
        let chunk = (PANEL / (width * step)).clamp(1, steps);
        let Kept { panel, sums } = kept;
        panel.resize(panel.len().max(width * chunk * step), Line([0; STEP]));
        sums.resize(sums.len().max(width * if chunk < steps { rows.len() } else { 1 }), Sums::ZERO);
        let registers = Registers::take(BLOCK);
        for first in (0..steps).step_by(chunk) {
            let count = chunk.min(steps - first);
            let (go_on, last) = (first > 0, first + count == steps);
            let mut weights = [[].as_slice(); COLUMNS];
            for ((column, panel), weights) in columns.iter().zip(panel.chunks_exact_mut(count * step)).zip(&mut weights)
            {
                *weights = self.steps(*column, first, count, panel);
            }
            for row in rows.clone() {
                let x_steps = x.steps(row, first, count);
                let next = x.steps((row + 1).min(rows.end - 1), first, count).as_ptr();
                let [x_lines, w_lines] = fetched(x.parts()).map(|lines| lines * count);
                let at = if chunk < steps { (row - rows.start) * width } else { 0 };
                let sums = &mut sums[at..][..width];
                for (index, ((sums, weights), column)) in sums.iter_mut().zip(weights).zip(columns).enumerate() {
                    let behind =
                        if last { self.place(column + units.len(), 0) } else { self.place(*column, first + count) };
                    let ahead = [next.wrapping_add(index * x_lines), behind.wrapping_add((row - rows.start) * w_lines)];
                    registers.multiply(x_steps, weights, (x.parts(), self.parts()), sums, go_on, ahead);
                }
                if last {
                    out.store(row, units.start, sums);
                }
            }
        }
    }
}
