//! What a tokenizer makes of the sentences of one language, counted sentence by sentence.

use std::collections::BTreeMap;

use babelscope_core::{monitor::Monitor, tokens::Tokenizer};
use rayon::prelude::*;
use unicode_segmentation::UnicodeSegmentation as _;

use super::{kinds::Kinds, words};
use crate::{Result, bootstrap::Draws};

/// What is counted in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Tokens,
    Words,
    Continued,
    Characters,
    Bytes,
    Unknown,
    ByteTokens,
    Single,
    Mixed,
}

const COLUMNS: usize = Column::Mixed as usize + 1;

/// A joined text of more bytes is not encoded: some tokenizers take a whole text as one word.
const JOINED_MOST: usize = 4 << 20;

/// One language as one tokenizer reads it.
pub(super) struct Reading {
    /// The tokens of each sentence, special tokens left out.
    pub(super) ids: Vec<Vec<u32>>,
    /// How often each token occurs.
    pub(super) types: BTreeMap<u32, u64>,
    /// Tokens of all sentences joined by spaces; `None` where they are too long to be joined.
    pub(super) joined: Option<usize>,
    totals: [f64; COLUMNS],
    /// The totals of each column in each draw of sentences.
    drawn: Vec<Vec<f64>>,
}

impl Reading {
    /// `back` is how many special tokens the tokenizer puts behind a text.
    pub(super) fn new(
        tokenizer: &Tokenizer,
        kinds: &Kinds,
        back: usize,
        lines: &[String],
        draws: &Draws,
        monitor: &Monitor,
    ) -> Result<Self> {
        let read = |line: &String| {
            monitor.check()?;
            sentence(tokenizer, kinds, back, line)
        };
        let (ids, columns): (Vec<_>, Vec<_>) =
            lines.par_iter().map(read).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let mut types = BTreeMap::new();
        ids.iter().flatten().for_each(|id| *types.entry(*id).or_default() += 1);
        let length: usize = lines.iter().map(|line| line.len() + 1).sum();
        let joined = if length <= JOINED_MOST { Some(tokenizer.encode_plain(&lines.join(" "))?.len()) } else { None };
        let total = |column: usize| columns.iter().map(|row: &[u32; COLUMNS]| f64::from(row[column])).sum();
        let drawn = |column: usize| {
            monitor.check()?;
            Ok(draws.sums(&columns.iter().map(|row| f64::from(row[column])).collect::<Vec<_>>()))
        };
        let totals = std::array::from_fn(total);
        let drawn = (0..COLUMNS).into_par_iter().map(drawn).collect::<Result<_>>()?;
        Ok(Self { ids, types, joined, totals, drawn })
    }

    /// The sum over all sentences.
    pub(super) fn total(&self, column: Column) -> f64 {
        self.totals[column as usize]
    }

    /// The sum in each draw.
    pub(super) fn drawn(&self, column: Column) -> &[f64] {
        &self.drawn[column as usize]
    }

    /// How often each type occurs, in the order of the ids.
    pub(super) fn counts(&self) -> Vec<u64> {
        self.types.values().copied().collect()
    }
}

fn sentence(tokenizer: &Tokenizer, kinds: &Kinds, back: usize, line: &str) -> Result<(Vec<u32>, [u32; COLUMNS])> {
    let encoded = tokenizer.encode(line)?;
    let end = encoded.ids.len().saturating_sub(back).max(encoded.bos);
    let ids = encoded.ids.get(encoded.bos..end).unwrap_or_default().to_vec();
    let spans = encoded.spans.get(encoded.bos..end).unwrap_or_default();
    let words = words::words(line);
    let mut counts = [0u32; COLUMNS];
    let mut set = |column: Column, count: usize| counts[column as usize] = count as u32;
    let number = |is: fn(&super::kinds::Kind) -> bool| ids.iter().filter(|id| is(&kinds.of(**id))).count();
    set(Column::Tokens, ids.len());
    set(Column::Words, words.len());
    set(Column::Continued, words::continued(&words, spans));
    set(Column::Characters, line.graphemes(true).count());
    set(Column::Bytes, line.len());
    set(Column::Unknown, number(|kind| kind.unknown));
    set(Column::ByteTokens, number(|kind| kind.bytes));
    set(Column::Single, number(|kind| kind.single));
    set(Column::Mixed, number(|kind| kind.mixed));
    Ok((ids, counts))
}
