//! Keys and values of the tokens that a model has seen, so that the next token costs one row.

use super::Config;
use crate::{capture::Layout, kernels::attention::Memory};

/// What each block remembers of each sequence.
pub(crate) struct Cache {
    /// Keys after norm and rotary embedding, and values: `[tokens, kv_heads * head_dim]`, for each block and sequence.
    blocks: Vec<Vec<(Vec<f32>, Vec<f32>)>>,
    /// Tokens of each sequence that are in every block.
    tokens: Vec<usize>,
}

impl Cache {
    /// Room for a sequence of each of `lengths` tokens.
    pub(crate) fn new(config: &Config, lengths: &[usize]) -> Self {
        let room = |tokens: &usize| Vec::with_capacity(tokens * config.kv_heads * config.head_dim);
        let block = |_| lengths.iter().map(|tokens| (room(tokens), room(tokens))).collect();
        Self { blocks: (0..config.layers).map(block).collect(), tokens: vec![0; lengths.len()] }
    }

    /// Bytes that a token takes.
    pub(crate) fn bytes_a_token(config: &Config) -> usize {
        2 * config.layers * config.kv_heads * config.head_dim * size_of::<f32>()
    }

    /// Tokens of each sequence.
    pub(crate) fn tokens(&self) -> &[usize] {
        &self.tokens
    }

    /// Puts the sequences of `other` behind these.
    pub(crate) fn absorb(&mut self, other: Self) {
        for (block, other) in self.blocks.iter_mut().zip(other.blocks) {
            block.extend(other);
        }
        self.tokens.extend(other.tokens);
    }

    /// Forgets the sequences for which `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        for block in &mut self.blocks {
            let mut kept = keep.iter();
            block.retain(|_| kept.next() == Some(&true));
        }
        let mut kept = keep.iter();
        self.tokens.retain(|_| kept.next() == Some(&true));
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
