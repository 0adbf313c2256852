//! The f32 matrix product on the tile units of newer Intel processors (AMX), which multiply bf16 only.
//!
//! Each f32 is split without loss into three bf16, `x = x1 + x2 + x3` (8 of its 24 significant bits each), and
//! `x w = x1 w1 + x1 w2 + x2 w1 + x2 w2 + x1 w3 + x3 w1` up to 2^-26 of its size: less than the rounding of one f32 product,
//! and the sums are f32 as everywhere. Weights that are bf16 already (most checkpoints) are one part, not three, and then
//! `x w` is exact. Measured on a Xeon (2 cores): 530 GFLOP/s, with bf16 weights 970; the vector units reach 300.
//!
//! A sum's order depends on nothing but the number of inputs: a row gives the same bits alone and in any batch.

use std::{
    arch::{asm, x86_64::__cpuid_count},
    sync::LazyLock,
};

use rayon::prelude::*;

use super::simd::dispatch;

/// 64 bytes, aligned so that a tile's row is one cache line (unaligned tiles cost a third of the speed).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line([u16; STEP]);

/// Inputs that one tile instruction takes.
const STEP: usize = 32;
/// Rows and columns of the block of `y` that stays in four tiles.
const BLOCK: usize = 32;
/// Lines of one part of one step of a block: two tiles of 16.
const PART: usize = 32;
/// Parts that an f32 is split into.
const PARTS: usize = 3;
/// Blocks of rows of one task: with [`CHUNK`] steps their share of `x` stays in the second-level cache.
const ROW_BLOCKS: usize = 4;
/// Blocks of columns of one task.
const COLUMN_BLOCKS: usize = 8;
/// Steps whose share of `x` and `w` is walked before the next.
const CHUNK: usize = 32;

/// Whether the processor has the units and the system lets us use them.
pub(crate) fn available() -> bool {
    static AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
        const BF16_AND_TILE: u32 = 1 << 22 | 1 << 24;
        __cpuid_count(7, 0).edx & BF16_AND_TILE == BF16_AND_TILE && permitted()
    });
    *AVAILABLE
}

/// Asks Linux for the tile registers, once for the process; kernels that do not know them refuse.
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let refused: i64;
    #[expect(unsafe_code, reason = "the system call has no safe wrapper in std")]
    // SAFETY: arch_prctl with this request reads its two arguments only; a system call destroys rcx and r11.
    unsafe {
        asm!("syscall", inlateout("rax") ARCH_PRCTL => refused, in("rdi") REQUEST_PERMISSION, in("rsi") TILE_DATA,
            out("rcx") _, out("r11") _, options(nostack));
    }
    refused == 0
}

/// Weights cut into tiles: blocks of 32 outputs, in them steps of 32 inputs, in them one or three parts, in them two tiles
/// of 16 outputs whose lines hold pairs of inputs.
pub(crate) struct Tiles {
    lines: Vec<Line>,
    parts: usize,
    inputs: usize,
    outputs: usize,
}

/// The nearest bf16, and its value.
#[inline(always)]
fn nearest(x: f32) -> (u16, f32) {
    let bits = x.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    ((rounded >> 16) as u16, f32::from_bits(rounded))
}

#[inline(always)]
fn split(x: f32) -> [u16; PARTS] {
    let (first, value) = nearest(x);
    let rest = x - value;
    let (second, value) = nearest(rest);
    [first, second, nearest(rest - value).0]
}

impl Tiles {
    /// Cuts `weight` `[outputs, inputs]`.
    pub(crate) fn new(weight: &[f32], inputs: usize, outputs: usize) -> Self {
        let exact =
            weight.par_chunks(1 << 16).all(|chunk| chunk.iter().fold(0, |bits, w| bits | w.to_bits()) & 0xffff == 0);
        let parts = if exact { 1 } else { PARTS };
        let steps = inputs.div_ceil(STEP);
        let block = steps * parts * PART;
        let mut lines = vec![Line([0; STEP]); outputs.div_ceil(BLOCK) * block];
        let cut = |lines: &mut [Line], weight: &[f32]| {
            for (row, weight) in weight.chunks_exact(inputs).enumerate() {
                for (k, w) in weight.iter().enumerate() {
                    for (part, value) in split(*w).into_iter().take(parts).enumerate() {
                        let line = (k / STEP * parts + part) * PART + row / 16 * 16 + k % STEP / 2;
                        lines[line].0[row % 16 * 2 + k % 2] = value;
                    }
                }
            }
        };
        lines.par_chunks_mut(block).zip(weight.par_chunks(inputs * BLOCK)).for_each(|(lines, w)| cut(lines, w));
        Self { lines, parts, inputs, outputs }
    }

    /// `y = x W^T + bias`.
    ///
    /// # Shapes
    /// `x` `[rows, inputs]`, `y` `[rows, outputs]`, `bias` `[outputs]`; `cut` is a buffer.
    pub(crate) fn product(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32], cut: &mut Vec<Line>) {
        let (steps, rows) = (self.inputs.div_ceil(STEP), y.len() / self.outputs);
        assert!(available() && x.len() == rows * self.inputs && y.len() == rows * self.outputs);
        assert!(bias.is_none_or(|bias| bias.len() == self.outputs));
        let (row_blocks, column_blocks) = (rows.div_ceil(BLOCK), self.outputs.div_ceil(BLOCK));
        let block = steps * PARTS * PART;
        if cut.len() < row_blocks * block {
            cut.resize(row_blocks * block, Line([0; STEP]));
        }
        cut.par_chunks_mut(block).zip(x.par_chunks(self.inputs * BLOCK)).for_each(|(cut, x)| {
            dispatch(
                #[inline(always)]
                || cut_rows(cut, x, self.inputs),
            );
        });
        let cut = cut.as_slice();
        let target = Target { y: y.as_mut_ptr(), rows, outputs: self.outputs, bias };
        let down = row_blocks.div_ceil(ROW_BLOCKS);
        // Neighbouring tasks share their columns, that is, their weights, which are the larger part.
        (0..down * column_blocks.div_ceil(COLUMN_BLOCKS)).into_par_iter().for_each(|task| {
            let (first_row, first_column) = (task % down * ROW_BLOCKS, task / down * COLUMN_BLOCKS);
            configure();
            let mut sums = Sums([[0.0; BLOCK]; BLOCK]);
            for chunk in (0..steps).step_by(CHUNK) {
                let count = CHUNK.min(steps - chunk);
                for column in first_column..column_blocks.min(first_column + COLUMN_BLOCKS) {
                    let w = &self.lines[(column * steps + chunk) * self.parts * PART..][..count * self.parts * PART];
                    for row in first_row..row_blocks.min(first_row + ROW_BLOCKS) {
                        let x = &cut[(row * steps + chunk) * PARTS * PART..][..count * PARTS * PART];
                        if chunk > 0 {
                            dispatch(
                                #[inline(always)]
                                || target.load(row, column, &mut sums),
                            );
                        }
                        if self.parts == 1 {
                            multiply_exact(x, w, &mut sums, count, chunk > 0);
                        } else {
                            multiply(x, w, &mut sums, count, chunk > 0);
                        }
                        dispatch(
                            #[inline(always)]
                            || target.store(row, column, &sums, chunk + count == steps),
                        );
                    }
                }
            }
            release();
        });
    }
}

#[inline(always)]
fn cut_rows(cut: &mut [Line], x: &[f32], inputs: usize) {
    for row in 0..BLOCK {
        // The block at the end may have fewer rows; what an earlier product left in the others is overwritten.
        let values = x.get(row * inputs..(row + 1) * inputs).unwrap_or_default();
        let (whole, end) = values.as_chunks::<STEP>();
        let mut last = [0f32; STEP];
        last[..end.len()].copy_from_slice(end);
        let mut steps = whole.iter().chain(std::iter::once(&last));
        for lines in cut.chunks_exact_mut(PARTS * PART) {
            let mut rest = *steps.next().unwrap_or(&[0.0; STEP]);
            for part in 0..PARTS {
                let mut line = [0u16; STEP];
                for (bf16, rest) in line.iter_mut().zip(&mut rest) {
                    let (bits, value) = nearest(*rest);
                    *bf16 = bits;
                    *rest -= value;
                }
                lines[part * PART + row].0 = line;
            }
        }
    }
}

/// A block of `y` while it is summed.
#[repr(C, align(64))]
struct Sums([[f32; BLOCK]; BLOCK]);

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
    fn load(&self, row_block: usize, column_block: usize, sums: &mut Sums) {
        for (row, sums) in sums.0.iter_mut().enumerate() {
            let Some(y) = self.segment(row_block, column_block, row) else { return };
            // A length known to the compiler is a few registers, not a call.
            match y.as_array::<BLOCK>() {
                Some(y) => *sums = *y,
                None => sums[..y.len()].copy_from_slice(y),
            }
        }
    }

    #[inline(always)]
    fn store(&self, row_block: usize, column_block: usize, sums: &Sums, last: bool) {
        let bias = self.bias.filter(|_| last).map(|bias| &bias[column_block * BLOCK..]);
        for (row, sums) in sums.0.iter().enumerate() {
            let Some(y) = self.segment(row_block, column_block, row) else { return };
            match y.as_mut_array::<BLOCK>() {
                Some(y) => *y = *sums,
                None => y.copy_from_slice(&sums[..y.len()]),
            }
            if let Some(bias) = bias {
                for (y, b) in y.iter_mut().zip(bias) {
                    *y += b;
                }
            }
        }
    }
}

/// Eight tiles of 16 rows of 64 bytes, for this thread.
fn configure() {
    #[repr(C, align(64))]
    struct Shape {
        palette: u8,
        start: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    let mut shape = Shape { palette: 1, start: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    shape.row_bytes[..8].fill(64);
    shape.rows[..8].fill(16);
    #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
    // SAFETY: `available` was checked by the caller; the instruction reads the 64 bytes of `shape`.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const shape, options(nostack, readonly));
    }
}

fn release() {
    #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
    // SAFETY: frees the registers that `configure` took.
    unsafe {
        asm!("tilerelease", options(nostack, nomem));
    }
}

/// The loop over steps around `$body`, which multiplies the tiles of one step into the sums in tmm0 to tmm3.
macro_rules! steps {
    ($x:expr, $w:expr, $sums:expr, $count:expr, $go_on:expr, $parts:literal, $($body:literal),+) => {{
        assert!($x.len() == $count * PARTS * PART && $w.len() == $count * $parts * PART && $count > 0);
        #[expect(unsafe_code, reason = "tile instructions have no stable intrinsics")]
        // SAFETY: the lengths were checked just now; the loop reads `count` steps of both and the four tiles of `sums`.
        unsafe {
            asm!(
                "test {go_on:e}, {go_on:e}",
                "jne 3f",
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "jmp 2f",
                "3:",
                "tileloadd tmm0, [{y} + {wide} * 1]", "tileloadd tmm1, [{y} + {wide} * 1 + 64]",
                "tileloadd tmm2, [{y} + {wide} * 1 + 2048]", "tileloadd tmm3, [{y} + {wide} * 1 + 2112]",
                "2:",
                $($body,)+
                "add {x}, 6144",
                concat!("add {w}, 2048 * ", $parts),
                "dec {count}",
                "jnz 2b",
                "tilestored [{y} + {wide} * 1], tmm0", "tilestored [{y} + {wide} * 1 + 64], tmm1",
                "tilestored [{y} + {wide} * 1 + 2048], tmm2", "tilestored [{y} + {wide} * 1 + 2112], tmm3",
                x = inout(reg) $x.as_ptr() => _,
                w = inout(reg) $w.as_ptr() => _,
                y = in(reg) $sums.0.as_mut_ptr(),
                s = in(reg) 64usize,
                wide = in(reg) 128usize,
                count = inout(reg) $count => _,
                go_on = in(reg) u32::from($go_on),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack)
            );
        }
    }};
}

/// `sums += x w^T` for weights in three parts: x1 w3, x1 w2, x2 w2, x2 w1, x3 w1, x1 w1, each step changing one side only.
fn multiply(x: &[Line], w: &[Line], sums: &mut Sums, count: usize, go_on: bool) {
    steps!(
        x,
        w,
        sums,
        count,
        go_on,
        3,
        "tileloadd tmm4, [{x} + {s} * 1]",
        "tileloadd tmm6, [{w} + {s} * 1 + 4096]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{w} + {s} * 1 + 5120]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 1024]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm6, [{w} + {s} * 1 + 2048]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{w} + {s} * 1 + 3072]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{x} + {s} * 1 + 2048]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 3072]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm6, [{w} + {s} * 1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{w} + {s} * 1 + 1024]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{x} + {s} * 1 + 4096]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 5120]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{x} + {s} * 1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 1024]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7"
    );
}

/// `sums += x w^T` for weights that are bf16: x3 w, x2 w, x1 w.
fn multiply_exact(x: &[Line], w: &[Line], sums: &mut Sums, count: usize, go_on: bool) {
    steps!(
        x,
        w,
        sums,
        count,
        go_on,
        1,
        "tileloadd tmm6, [{w} + {s} * 1]",
        "tileloadd tmm7, [{w} + {s} * 1 + 1024]",
        "tileloadd tmm4, [{x} + {s} * 1 + 4096]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 5120]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{x} + {s} * 1 + 2048]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 3072]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{x} + {s} * 1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{x} + {s} * 1 + 1024]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7"
    );
}
