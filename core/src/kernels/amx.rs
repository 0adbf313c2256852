//! Matrix products on the tile units of newer Intel processors (AMX), which multiply bf16 and add up in f32.
//!
//! A number is cut into bf16 parts without loss: `x = x1 + x2 + x3` for an f32 (8 of its 24 significant bits each), two parts for
//! an f16, one for a bf16. The product of two f32 is `x1 w1 + x1 w2 + x2 w1 + x2 w2 + x1 w3 + x3 w1` up to 2^-26 of its size,
//! less than the rounding of one f32 product; with weights of one part it is exact, and so is the product of two f16.
//!
//! A sum's order depends on nothing but the number of inputs: a row gives the same bits alone and in any batch.
//!
//! Steps of generation, and nothing else, take another way with weights of f32 ([`few`]): one row is too little work to pay for cutting
//! all weights. There a row gives the same bits alone and in any batch of steps, but not those of a pass over the whole text. The
//! permission is the workspace's, which every pass of a decoder sets anew.

mod cut;
mod few;
mod out;
mod pages;
mod product;
mod tiles;
mod unit;

pub(crate) use cut::Cut;
pub(crate) use tiles::Tiles;
pub(crate) use unit::available;

/// 64 bytes, aligned so that a tile's row is one cache line (unaligned tiles cost a third of the speed).
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u16; STEP]);

/// Inputs that one tile instruction takes.
const STEP: usize = 32;
/// Rows and columns of the block of `y` that stays in four tiles.
const BLOCK: usize = 32;
/// Lines of one part of one step of a block: two tiles of 16.
const PART: usize = 32;

/// Whether so many columns fill their blocks.
pub(crate) fn whole_blocks(columns: usize) -> bool {
    columns.is_multiple_of(BLOCK)
}
