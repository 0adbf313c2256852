//! Keys and values of the tokens that a model has seen, so that the next token costs one row.

use std::sync::Arc;

use super::Config;
use crate::{capture::Layout, kernels::attention::Memory};

/// Keys after norm and rotary embedding, and values: `[tokens, kv_heads * head_dim]`.
#[derive(Default)]
struct Pair {
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Pair {
    fn with_room(numbers: usize) -> Self {
        Self { keys: Vec::with_capacity(numbers), values: Vec::with_capacity(numbers) }
    }
}

/// What a block remembers of a sequence.
struct Kept {
    /// Of its first tokens, where other sequences begin in the same way.
    shared: Option<Shared>,
    /// Of the tokens behind those.
    own: Pair,
}

/// The beginning of a pair, which several sequences remember.
#[derive(Clone)]
struct Shared {
    pair: Arc<Pair>,
    /// How many of the keys' numbers count, and of the values'.
    numbers: usize,
}

impl Kept {
    fn memory(&self) -> Memory<'_> {
        let Self { shared, own } = self;
        let (keys, values): (&[f32], &[f32]) = shared
            .as_ref()
            .map_or((&[], &[]), |Shared { pair, numbers }| (&pair.keys[..*numbers], &pair.values[..*numbers]));
        Memory { keys: [keys, &own.keys], values: [values, &own.values] }
    }

    /// Lets other sequences begin with all that is remembered here, unless they can already.
    fn share(&mut self) {
        if self.shared.is_none() {
            let numbers = self.own.keys.len();
            self.shared = Some(Shared { pair: Arc::new(std::mem::take(&mut self.own)), numbers });
        }
    }

    /// The first `numbers` numbers, with room for so many in all.
    fn cut(&self, numbers: usize, room: usize) -> Self {
        let there = self.shared.as_ref().map_or(0, |shared| shared.numbers);
        let shared = self.shared.clone().map(|shared| Shared { numbers: there.min(numbers), ..shared });
        let mut own = Pair::with_room(room.saturating_sub(there.min(numbers)));
        let more = numbers.saturating_sub(there);
        own.keys.extend_from_slice(&self.own.keys[..more]);
        own.values.extend_from_slice(&self.own.values[..more]);
        Self { shared, own }
    }
}

/// What each block remembers of each sequence.
pub(crate) struct Cache {
    /// For each block and sequence.
    blocks: Vec<Vec<Kept>>,
    /// Tokens of each sequence that are in every block.
    tokens: Vec<usize>,
}

impl Cache {
    /// Room for a sequence of each of `lengths` tokens.
    pub(crate) fn new(config: &Config, lengths: &[usize]) -> Self {
        let kept = |tokens: &usize| Kept { shared: None, own: Pair::with_room(tokens * row(config)) };
        let block = |_| lengths.iter().map(kept).collect();
        Self { blocks: (0..config.layers).map(block).collect(), tokens: vec![0; lengths.len()] }
    }

    /// Bytes that a token takes in one block.
    pub(crate) fn bytes_a_block(config: &Config) -> usize {
        2 * row(config) * size_of::<f32>()
    }

    /// Tokens of each sequence.
    pub(crate) fn tokens(&self) -> &[usize] {
        &self.tokens
    }

    /// Sequences that begin as those here, all of these again and again, one for each of `lengths` tokens: the first `blocks` blocks
    /// remember what these do, the others nothing yet.
    pub(crate) fn branch(&mut self, config: &Config, blocks: usize, lengths: &[usize]) -> Self {
        let mut branched = Self::new(config, &[]);
        for (number, (old, new)) in self.blocks.iter_mut().zip(&mut branched.blocks).enumerate() {
            if number < blocks {
                old.iter_mut().for_each(Kept::share);
            }
            let beginnings = old.iter().map(|kept| kept.shared.clone().filter(|_| number < blocks)).cycle();
            new.extend(lengths.iter().zip(beginnings).map(|(length, shared)| {
                let there = shared.as_ref().map_or(0, |shared| shared.numbers);
                Kept { shared, own: Pair::with_room((length * row(config)).saturating_sub(there)) }
            }));
        }
        branched.tokens.extend(self.tokens.iter().copied().cycle().take(lengths.len()));
        branched
    }

    /// Has every block keep what it remembers so that [`Cache::cut`] copies nothing of it.
    pub(crate) fn share(&mut self) {
        self.blocks.iter_mut().flatten().for_each(Kept::share);
    }

    /// Sequences that begin as some here do: of each the number of its sequence, how many of its tokens it begins with, and how many it may
    /// have.
    pub(crate) fn cut(&self, config: &Config, beginnings: &[(usize, usize, usize)]) -> Self {
        let row = row(config);
        let cut = |block: &Vec<Kept>| {
            beginnings.iter().map(|(sequence, tokens, room)| block[*sequence].cut(tokens * row, room * row)).collect()
        };
        let tokens = beginnings.iter().map(|(_, tokens, _)| *tokens).collect();
        Self { blocks: self.blocks.iter().map(cut).collect(), tokens }
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
        for (pair, kept) in layout.starts.windows(2).zip(&mut self.blocks[block]) {
            for row in qkv.chunks_exact(q + 2 * kv).take(pair[1]).skip(pair[0]) {
                kept.own.keys.extend_from_slice(&row[q..q + kv]);
                kept.own.values.extend_from_slice(&row[q + kv..]);
            }
        }
    }

    pub(crate) fn memory(&self, block: usize) -> Vec<Memory<'_>> {
        self.blocks[block].iter().map(Kept::memory).collect()
    }

    /// Counts the rows of `layout` as seen, once every block has them.
    pub(crate) fn seen(&mut self, layout: &Layout) {
        for (pair, tokens) in layout.starts.windows(2).zip(&mut self.tokens) {
            *tokens += pair[1] - pair[0];
        }
    }
}

/// Numbers of a token's keys in a block.
fn row(config: &Config) -> usize {
    config.kv_heads * config.head_dim
}
