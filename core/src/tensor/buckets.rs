//! Sentences of one length lie side by side in a batch sorted by length; such a run is a tensor `[sentences, tokens, ...]`
//! without padding.

use std::ops::Range;

use crate::capture::Layout;

/// A run of sentences of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Sentences, counted in the layout.
    pub(super) sentences: Range<usize>,
    /// Their rows in the packed matrix.
    pub(super) rows: Range<usize>,
    /// Tokens of each.
    pub(super) tokens: usize,
}

impl Bucket {
    /// The runs of `layout`, in its order.
    pub(super) fn all(layout: &Layout) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for (sentence, pair) in layout.starts.windows(2).enumerate() {
            let (rows, tokens) = (pair[0]..pair[1], pair[1] - pair[0]);
            match all.last_mut() {
                Some(bucket) if bucket.tokens == tokens => {
                    bucket.sentences.end = sentence + 1;
                    bucket.rows.end = rows.end;
                }
                _ => all.push(Self { sentences: sentence..sentence + 1, rows, tokens }),
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_length_become_one_bucket() {
        let layout = Layout { starts: vec![0, 3, 6, 8, 9, 10], past: vec![0; 5], first: 7 };
        let bucket = |sentences, rows, tokens| Bucket { sentences, rows, tokens };
        assert_eq!(Bucket::all(&layout), [bucket(0..2, 0..6, 3), bucket(2..3, 6..8, 2), bucket(3..5, 8..10, 1)]);
    }
}
