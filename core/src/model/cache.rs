//! Keys and values of the tokens that a model has seen, so that the next token costs one row.

use crate::{capture::Layout, kernels::attention::Memory};

/// What each block remembers of each sequence.
pub(crate) struct Cache {
    /// Keys after norm and rotary embedding, and values: `[tokens, kv_heads * head_dim]`, for each block and sequence.
    blocks: Vec<Vec<(Vec<f32>, Vec<f32>)>>,
    /// Tokens of each sequence that are in every block.
    tokens: Vec<usize>,
}

impl Cache {
    pub(crate) fn new(blocks: usize, sequences: usize) -> Self {
        Self { blocks: vec![vec![Default::default(); sequences]; blocks], tokens: vec![0; sequences] }
    }

    /// Tokens of each sequence.
    pub(crate) fn tokens(&self) -> &[usize] {
        &self.tokens
    }

    /// Adds the keys and values of a packed batch, one sentence a sequence.
    ///
    /// # Shapes
    /// `qkv` `[rows, q + 2 * kv]`.
    pub(crate) fn add(&mut self, block: usize, layout: &Layout, qkv: &[f32], q: usize, kv: usize) {
        for (pair, (keys, values)) in layout.starts.windows(2).zip(&mut self.blocks[block]) {
            for row in qkv.chunks_exact(q + 2 * kv).take(pair[1]).skip(pair[0]) {
                keys.extend_from_slice(&row[q..q + kv]);
                values.extend_from_slice(&row[q + kv..]);
            }
        }
    }

    pub(crate) fn memory(&self, block: usize) -> Vec<Memory<'_>> {
        self.blocks[block].iter().map(|(keys, values)| Memory { keys, values }).collect()
    }

    /// Counts the rows of `layout` as seen, once every block has them.
    pub(crate) fn seen(&mut self, layout: &Layout) {
        for (pair, tokens) in layout.starts.windows(2).zip(&mut self.tokens) {
            *tokens += pair[1] - pair[0];
        }
    }
}
