//! The tokens that begin a word (Wendler et al. 2024, `llm-latent-language`): all its character prefixes, with and without the
//! word boundary in front, that are one token each; for a word that is not Latin also the token of its first byte.
//!
//! The sets are permissive: a prefix of one letter begins many words, and a language that the vocabulary favours has more
//! prefixes in it. Compare with the same sums for a shuffled word list before reading a level.

use std::collections::BTreeMap;

use babelscope_core::tokens::Tokenizer;
use unicode_script::{Script, UnicodeScript as _};

/// Finds tokens by their bytes. Build once for a tokenizer.
pub struct Words {
    by_bytes: BTreeMap<Vec<u8>, Vec<u32>>,
}

/// The token sets of a word in the latent language and of its translation in the target language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordPair {
    /// The latent language's word.
    pub latent_word: String,
    /// The target language's word.
    pub out_word: String,
    /// Tokens that begin the latent word, ascending.
    pub latent: Vec<u32>,
    /// Tokens that begin the target word, ascending.
    pub out: Vec<u32>,
}

/// Why a pair of words cannot be told apart by its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Discarded {
    /// No token begins the latent word.
    #[error("no token of the vocabulary begins the latent word")]
    LatentEmpty,
    /// No token begins the target word.
    #[error("no token of the vocabulary begins the target word")]
    OutEmpty,
    /// A token begins both words.
    #[error("a token begins both words, so its probability says nothing about the language")]
    Overlap,
    /// The latent word is a part of the target word.
    #[error("the latent word is contained in the target word")]
    Contained,
}

impl Words {
    /// Reads the vocabulary.
    pub fn new(tokenizer: &Tokenizer) -> Self {
        let mut by_bytes: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
        for id in 0..tokenizer.vocabulary() as u32 {
            if let Some(bytes) = tokenizer.bytes(id).filter(|b| !b.is_empty()) {
                by_bytes.entry(bytes).or_default().push(id);
            }
        }
        Self { by_bytes }
    }

    /// Ascending ids of the tokens that begin `word`. Characters are code points, as in the original.
    ///
    /// ```
    /// # use babelscope_core::tokens::Tokenizer;
    /// # use babelscope_probes::lens::Words;
    /// # let json = r#"{"model": {"type": "BPE", "merges": [], "byte_fallback": true,
    /// #   "vocab": {"▁": 0, "c": 1, "▁c": 2, "ca": 3, "t": 4, "<0xE7>": 5, "猫": 6}}}"#;
    /// # let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
    /// // The vocabulary is: ▁ c ▁c ca t <0xE7> 猫
    /// let words = Words::new(&tokenizer);
    /// assert_eq!(words.begin("cat"), [1, 2, 3]); // c, ▁c, ca
    /// assert_eq!(words.begin("猫"), [5, 6]); // its first byte, itself
    /// # Ok::<(), babelscope_core::Error>(())
    /// ```
    pub fn begin(&self, word: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut look = |bytes: &[u8]| ids.extend(self.by_bytes.get(bytes).into_iter().flatten());
        let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
        for end in ends {
            let prefix = &word.as_bytes()[..end];
            look(prefix);
            look(&[b" ", prefix].concat());
        }
        if let Some(first) = word.chars().next().filter(|c| !c.is_ascii() && c.script() != Script::Latin) {
            let byte = first.to_string().as_bytes()[..1].to_vec();
            look(&byte);
            look(&[b" ", byte.as_slice()].concat());
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The sets of a pair, or why it must be left out: a set is empty, the sets share a token, or the latent word is contained
    /// in the target word.
    ///
    /// # Errors
    /// The reason for leaving the pair out; a mean over pairs must say how many were left out.
    ///
    /// ```
    /// # use babelscope_core::tokens::Tokenizer;
    /// # use babelscope_probes::lens::{Discarded, TokenSets, Words};
    /// # let json = r#"{"model": {"type": "BPE", "merges": [], "vocab": {"c": 0, "▁k": 1, "ka": 2}}}"#;
    /// # let tokenizer = Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref())?;
    /// // The vocabulary is: c ▁k ka
    /// let words = Words::new(&tokenizer);
    /// let Ok(pair) = words.pair("cat", "kat") else { panic!("left out") };
    /// assert_eq!((&pair.latent[..], &pair.out[..]), (&[0][..], &[1, 2][..]));
    /// assert_eq!(words.pair("cat", "cane"), Err(Discarded::Overlap));
    /// let sets = TokenSets::from_words("eng_Latn", "nld_Latn", &pair, &tokenizer);
    /// assert_eq!(sets.members("nld_Latn"), Some(&[1, 2][..]));
    /// # Ok::<(), babelscope_core::Error>(())
    /// ```
    pub fn pair(&self, latent_word: &str, out_word: &str) -> Result<WordPair, Discarded> {
        let (latent, out) = (self.begin(latent_word), self.begin(out_word));
        if latent.is_empty() {
            return Err(Discarded::LatentEmpty);
        }
        if out.is_empty() {
            return Err(Discarded::OutEmpty);
        }
        if out_word.contains(latent_word) {
            return Err(Discarded::Contained);
        }
        if latent.iter().any(|id| out.binary_search(id).is_ok()) {
            return Err(Discarded::Overlap);
        }
        Ok(WordPair { latent_word: latent_word.to_owned(), out_word: out_word.to_owned(), latent, out })
    }
}

#[cfg(test)]
mod tests {
    use babelscope_core::tokens::Tokenizer;

    use super::{Discarded, Words};

    #[test]
    fn pairs_that_tokens_cannot_tell_apart_are_left_out() {
        let json = r#"{"model": {"type": "BPE", "merges": [], "vocab": {"c": 0, "▁k": 1, "ka": 2, "x": 3}}}"#;
        let words = Words::new(&Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref()).unwrap());
        let pair = words.pair("cat", "kat").unwrap();
        assert_eq!((pair.latent, pair.out), (vec![0], vec![1, 2]));
        assert_eq!(words.pair("dog", "kat"), Err(Discarded::LatentEmpty));
        assert_eq!(words.pair("cat", "dog"), Err(Discarded::OutEmpty));
        assert_eq!(words.pair("cat", "cane"), Err(Discarded::Overlap));
        assert_eq!(words.pair("cat", "cats"), Err(Discarded::Contained));
    }
}
