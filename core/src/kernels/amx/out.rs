//! Where the sums of a product go: into a matrix, or through an activation and cut for the next product.

use std::{arch::asm, marker::PhantomData};

use super::{
    BLOCK, Cut, Line, PART,
    cut::{cut_step, parts},
    unit::Sums,
};
use crate::{
    dtype::Dtype,
    kernels::{activation, simd::dispatch},
    model::config::Activation,
};

pub(super) enum Out<'a> {
    Matrix(Matrix<'a>),
    Hidden(Hidden<'a>),
}

impl Out<'_> {
    pub(super) fn bias(&self) -> Option<&[f32]> {
        match self {
            Self::Matrix(matrix) => matrix.bias,
            Self::Hidden(hidden) => hidden.bias,
        }
    }

    /// Blocks between a gate's and the one that it gates.
    pub(super) fn twin(&self) -> Option<usize> {
        match self {
            Self::Hidden(hidden) if hidden.gated => Some(hidden.units),
            _ => None,
        }
    }

    /// Takes the finished sums of neighbouring blocks from `unit` on (then those of their twins) for a block of rows.
    pub(super) fn store(&self, row_block: usize, unit: usize, sums: &mut [Sums]) {
        match self {
            Self::Matrix(matrix) => dispatch(
                #[inline(always)]
                || matrix.store(row_block, unit, sums),
            ),
            Self::Hidden(hidden) => hidden.store(row_block, unit, sums),
        }
    }
}

/// `y` `[rows, outputs]`.
pub(super) struct Matrix<'a> {
    y: *mut f32,
    rows: usize,
    outputs: usize,
    bias: Option<&'a [f32]>,
    lent: PhantomData<&'a mut [f32]>,
}

#[expect(unsafe_code, reason = "tasks write disjoint blocks of one matrix")]
// SAFETY: every (row block, column block) belongs to exactly one task, and tasks touch `y` through `segment` only.
unsafe impl Sync for Matrix<'_> {}

impl<'a> Matrix<'a> {
    pub(super) fn new(y: &'a mut [f32], rows: usize, outputs: usize, bias: Option<&'a [f32]>) -> Self {
        assert!(y.len() == rows * outputs);
        Self { y: y.as_mut_ptr(), rows, outputs, bias, lent: PhantomData }
    }

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
                let sums = &sums.0[row];
                match bias {
                    None => match y.as_mut_array::<BLOCK>() {
                        // A length known to the compiler is a few registers, not a call.
                        Some(y) => write(y, sums),
                        None => y.copy_from_slice(&sums[..y.len()]),
                    },
                    Some(bias) => {
                        for ((y, sum), bias) in y.iter_mut().zip(sums).zip(&bias[index * BLOCK..]) {
                            *y = sum + bias;
                        }
                    }
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
            asm!("vmovups zmm16, [{}]", "vmovntps [{}], zmm16", in(reg) sums.as_ptr(), in(reg) y.as_mut_ptr(),
                out("xmm16") _, options(nostack, preserves_flags));
        }
    }
}

/// Activations `[rows, units * 32]`, cut for the next product: a unit of columns is one of its steps.
pub(super) struct Hidden<'a> {
    lines: *mut Line,
    rows: usize,
    units: usize,
    dtype: Dtype,
    bias: Option<&'a [f32]>,
    activation: Activation,
    gated: bool,
    lent: PhantomData<&'a mut Cut>,
}

#[expect(unsafe_code, reason = "tasks write disjoint steps of one cut matrix")]
// SAFETY: every (row block, step) belongs to exactly one task, and tasks touch `lines` through `step` only.
unsafe impl Sync for Hidden<'_> {}

impl<'a> Hidden<'a> {
    /// Room in `hidden` for what becomes of `x`, rounded to the same dtype.
    pub(super) fn new(
        hidden: &'a mut Cut,
        x: &Cut,
        outputs: usize,
        bias: Option<&'a [f32]>,
        activation: Activation,
        gated: bool,
    ) -> Self {
        let width = if gated { outputs / 2 } else { outputs };
        assert!(!gated || width.is_multiple_of(BLOCK) && outputs == 2 * width);
        let lines = hidden.shape(x.rows(), width, x.dtype()).as_mut_ptr();
        let (rows, units, dtype) = (x.rows(), width.div_ceil(BLOCK), x.dtype());
        Self { lines, rows, units, dtype, bias, activation, gated, lent: PhantomData }
    }

    #[expect(clippy::mut_from_ref, reason = "one task alone touches a step")]
    fn step(&self, row_block: usize, unit: usize) -> &mut [Line] {
        assert!(row_block * BLOCK < self.rows && unit < self.units);
        let len = parts(self.dtype) * PART;
        #[expect(unsafe_code, reason = "tasks write disjoint steps of one cut matrix")]
        // SAFETY: the matrix has this step of this block of rows, and it belongs to the calling task.
        unsafe {
            std::slice::from_raw_parts_mut(self.lines.add((row_block * self.units + unit) * len), len)
        }
    }

    fn store(&self, row_block: usize, unit: usize, sums: &mut [Sums]) {
        let rows = BLOCK.min(self.rows - row_block * BLOCK);
        let half = if self.gated { sums.len() / 2 } else { sums.len() };
        let (gates, ups) = sums.split_at_mut(half);
        for (index, gate) in gates.iter_mut().enumerate() {
            let unit = unit + index;
            self.add_bias(gate, unit, rows);
            let up = ups.get_mut(index).map(|up| {
                self.add_bias(up, self.units + unit, rows);
                &up.0.as_flattened()[..rows * BLOCK]
            });
            activation::in_place(self.activation, &mut gate.0.as_flattened_mut()[..rows * BLOCK], up);
            cut_step(&gate.0[..rows], self.dtype, self.step(row_block, unit));
        }
    }

    fn add_bias(&self, sums: &mut Sums, block: usize, rows: usize) {
        let Some(bias) = self.bias else { return };
        for row in &mut sums.0[..rows] {
            for (x, bias) in row.iter_mut().zip(&bias[block * BLOCK..]) {
                *x += bias;
            }
        }
    }
}
