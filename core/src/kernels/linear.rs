//! `y = x W^T + b`: the matrix product, nearly all of the work.
//!
//! On processors with tile units the weights are laid out for them when they are loaded ([`super::amx`]); elsewhere the `gemm`
//! crate multiplies the rows where they lie, or a panel of them that is widened to f32. Both add up in f32 and round the operands
//! in the same way; they differ by the order of the sum. Weights stay at the size in which they are stored.

use gemm::Parallelism;
use rayon::prelude::*;

use super::ROWS;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::amx;
use super::simd::{dispatch, to_bf16, to_f16};
use crate::{
    dtype::Dtype,
    model::{config::Activation, stored::Rows},
};

/// Weights `[outputs, inputs]` and a bias.
pub(crate) struct Linear {
    weight: Weight,
    bias: Option<Vec<f32>>,
    inputs: usize,
    outputs: usize,
    compute: Dtype,
}

enum Weight {
    Rows(Rows),
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    Tiles(amx::Tiles),
}

/// What a product needs besides its operands, kept between products.
#[derive(Default)]
pub(crate) struct Workspace {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    cut: amx::Cut,
    /// Activations between two products.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    hidden: amx::Cut,
    /// `x` rounded to the dtype of the product.
    rounded: Vec<f32>,
    /// Rows of weights as f32.
    panel: Vec<f32>,
    /// Whether the rows are the newest tokens of sequences that a cache knows.
    #[cfg_attr(
        not(all(target_arch = "x86_64", target_os = "linux")),
        expect(dead_code, reason = "only tile units have another way for a step")
    )]
    step: bool,
}

/// Rows of `x` up to which each output is a sum of its own: reading the weights once is all the time that it takes.
const FEW: usize = 4;
/// Weights that are widened at once.
const PANEL: usize = 1 << 20;

/// Whether this machine has the tile units.
fn tiles() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    {
        amx::available()
    }
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    false
}

/// Which product runs for a compute dtype on this machine: numbers of two kinds of product differ by rounding.
pub(crate) fn kernel(compute: Dtype) -> &'static str {
    match (tiles(), compute) {
        (true, Dtype::F32) => "amx, f32 in bf16 parts",
        (true, Dtype::Bf16) => "amx, bf16",
        (true, Dtype::F16) => "amx, f16 in bf16 parts",
        (false, Dtype::F32) => "gemm, f32",
        (false, Dtype::Bf16) => "gemm, operands rounded to bf16",
        (false, Dtype::F16) => "gemm, operands rounded to f16",
    }
}

impl Workspace {
    /// Says whether the products to come are a step of generation, which may take a way that is faster for few rows and gives other
    /// last bits. Whatever is captured otherwise must not depend on how it was batched, and does not ask for it.
    pub(crate) fn step(&mut self, step: bool) {
        self.step = step;
    }

    /// Bytes into which a product puts a row of its operand.
    pub(crate) fn row_bytes(inputs: usize, compute: Dtype) -> usize {
        match (tiles(), compute) {
            // The tile units read bf16 parts of each number.
            (true, Dtype::F32) => 6 * inputs.next_multiple_of(32),
            (true, Dtype::F16) => 4 * inputs.next_multiple_of(32),
            (true, Dtype::Bf16) => 2 * inputs.next_multiple_of(32),
            // Elsewhere the row is read where it lies, or rounded.
            (false, Dtype::F32) => 0,
            (false, _) => 4 * inputs,
        }
    }

    /// Bytes of a token's row between the two products of a feed-forward part.
    pub(crate) fn hidden_bytes(inside: usize, gated: bool, compute: Dtype) -> usize {
        // On tile units `feed` leaves only what the second product reads.
        let rows = if gated { 3 } else { 2 };
        if tiles() { Self::row_bytes(inside, compute) } else { rows * inside * size_of::<f32>() }
    }
}

impl Linear {
    /// The rows of `weight` are the outputs; they are rounded to `compute` where it is narrower than what is stored.
    pub(crate) fn from_stored(weight: Rows, bias: Option<Vec<f32>>, compute: Dtype) -> Self {
        Self::with(weight, bias, compute, tiles())
    }

    fn with(weight: Rows, bias: Option<Vec<f32>>, compute: Dtype, tiles: bool) -> Self {
        let (inputs, outputs) = (weight.width(), weight.len());
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        if tiles {
            return Self { weight: Weight::Tiles(amx::Tiles::new(&weight, compute)), bias, inputs, outputs, compute };
        }
        debug_assert!(!tiles);
        let weight = if compute == Dtype::F32 { weight } else { weight.rounded(compute) };
        Self { weight: Weight::Rows(weight), bias, inputs, outputs, compute }
    }

    /// `[outputs]`
    pub(crate) fn bias(&self) -> Option<&[f32]> {
        self.bias.as_deref()
    }

    /// Inputs and outputs.
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// # Shapes
    /// `x` `[rows, inputs]` to `y` `[rows, outputs]`.
    pub(crate) fn forward(&self, x: &[f32], y: &mut [f32], workspace: &mut Workspace) {
        assert!(x.len().is_multiple_of(self.inputs) && y.len() == x.len() / self.inputs * self.outputs);
        match &self.weight {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Weight::Tiles(tiles) => {
                let Workspace { cut, rounded, step, .. } = workspace;
                if *step && tiles.is_wide() {
                    return tiles.straight(x, rounded, self.bias.as_deref(), y);
                }
                cut.fill(x, self.inputs, self.compute);
                tiles.product(cut, self.bias.as_deref(), y);
            }
            Weight::Rows(weight) => {
                let Workspace { rounded, panel, .. } = workspace;
                let x = round(x, self.compute, rounded);
                if x.len() <= FEW * self.inputs {
                    few(x, weight, y);
                } else {
                    many(x, weight, y, panel);
                }
                if let Some(bias) = &self.bias {
                    add_to_rows(y, bias);
                }
            }
        }
    }
}

/// `y = down(f(up x))`, or `down(f(gate x) * up x)` with the gate's rows first in `up`, without ever writing what stands between the
/// two as f32: on tile units it is cut for `down` while it is still at hand. The bits are those of the three steps one after the
/// other. False, and nothing done, where there is no such way.
#[cfg_attr(
    not(all(target_arch = "x86_64", target_os = "linux")),
    expect(unused_variables, reason = "only tile units have this way")
)]
pub(crate) fn feed(
    up: &Linear,
    down: &Linear,
    activation: Activation,
    gated: bool,
    x: &[f32],
    y: &mut [f32],
    workspace: &mut Workspace,
) -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if let (Weight::Tiles(first), Weight::Tiles(second)) = (&up.weight, &down.weight)
        && (!gated || amx::whole_blocks(down.inputs))
        && !(workspace.step && (first.is_wide() || second.is_wide()))
    {
        let Workspace { cut, hidden, .. } = workspace;
        cut.fill(x, up.inputs, up.compute);
        first.activated(cut, up.bias.as_deref(), activation, gated, hidden);
        second.product(hidden, down.bias.as_deref(), y);
        return true;
    }
    false
}

/// `x` rounded to `compute`, in `rounded` where that changes something.
fn round<'a>(x: &'a [f32], compute: Dtype, rounded: &'a mut Vec<f32>) -> &'a [f32] {
    let nearest: fn(&[f32], &mut [f32]) = match compute {
        Dtype::F32 => return x,
        Dtype::Bf16 => |x, out| out.iter_mut().zip(x).for_each(|(out, x)| *out = to_bf16(*x)),
        Dtype::F16 => |x, out| out.iter_mut().zip(x).for_each(|(out, x)| *out = to_f16(*x)),
    };
    rounded.resize(x.len().max(rounded.len()), 0.0);
    let rounded = &mut rounded[..x.len()];
    rounded.par_chunks_mut(PANEL).zip(x.par_chunks(PANEL)).for_each(|(rounded, x)| nearest(x, rounded));
    rounded
}

/// Each output of each row as a sum of its own, the weights widened in registers.
fn few(x: &[f32], weight: &Rows, y: &mut [f32]) {
    let (inputs, outputs) = (weight.width(), weight.len());
    let sums = |output: usize| -> [f32; FEW] {
        let (stored, from) = weight.row(output);
        dispatch(
            #[inline(always)]
            || {
                let mut sums = [0.0; FEW];
                for (sum, x) in sums.iter_mut().zip(x.chunks_exact(inputs)) {
                    *sum = stored.dot(from, x);
                }
                sums
            },
        )
    };
    let columns: Vec<[f32; FEW]> = (0..outputs).into_par_iter().with_min_len(ROWS).map(sums).collect();
    for (row, y) in y.chunks_exact_mut(outputs).enumerate() {
        for (y, column) in y.iter_mut().zip(&columns) {
            *y = column[row];
        }
    }
}

/// A panel of weights after the other, widened unless it is f32 where it lies.
fn many(x: &[f32], weight: &Rows, y: &mut [f32], panel: &mut Vec<f32>) {
    let (inputs, outputs) = (weight.width(), weight.len());
    let mut column = 0;
    for part in weight.parts() {
        let all = part.len() / inputs;
        if let Some(rows) = part.as_f32() {
            columns(x, rows, inputs, y, outputs, column);
            column += all;
            continue;
        }
        let step = (PANEL / inputs).max(1);
        for first in (0..all).step_by(step) {
            let count = step.min(all - first);
            panel.resize(panel.len().max(count * inputs), 0.0);
            let panel = &mut panel[..count * inputs];
            panel.par_chunks_mut(inputs * ROWS).enumerate().for_each(|(index, rows)| {
                dispatch(
                    #[inline(always)]
                    || part.widen((first + index * ROWS) * inputs, rows),
                );
            });
            columns(x, panel, inputs, y, outputs, column + first);
        }
        column += all;
    }
}

fn add_to_rows(y: &mut [f32], bias: &[f32]) {
    y.par_chunks_mut(bias.len() * ROWS).for_each(|rows| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (y, b) in row.iter_mut().zip(bias) {
                *y += b;
            }
        }
    });
}

/// Columns `column ..` of `y = x W^T`.
///
/// # Shapes
/// `x` `[rows, inputs]`, `weight` `[some outputs, inputs]`, `y` `[rows, outputs]`, all row-major.
fn columns(x: &[f32], weight: &[f32], inputs: usize, y: &mut [f32], outputs: usize, column: usize) {
    let (rows, some) = (y.len() / outputs, weight.len() / inputs);
    assert!(x.len() == rows * inputs && weight.len() == some * inputs && y.len() == rows * outputs);
    assert!(column + some <= outputs);
    #[expect(unsafe_code, reason = "gemm takes pointers and strides")]
    // SAFETY: the lengths were checked just now, and with these strides the product reads and writes exactly those elements.
    unsafe {
        gemm::gemm(
            rows,
            some,
            inputs,
            y.as_mut_ptr().add(column),
            1,
            outputs as isize,
            false,
            x.as_ptr(),
            1,
            inputs as isize,
            weight.as_ptr(),
            inputs as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

#[cfg(test)]
mod tests;
