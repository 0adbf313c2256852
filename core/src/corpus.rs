//! Reads parallel corpora and proves that they are parallel.

use std::path::Path;

use crate::Result;

/// The same sentences in several languages. Line i means the same in every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Where it came from, as asked for: a path, or `lab`.
    pub name: String,
    /// FLORES codes, in the order of the columns.
    pub languages: Vec<String>,
    /// `sentences[language][line]`, NFC.
    pub sentences: Vec<Vec<String>>,
    /// SHA-256 (hex) over the languages and their normalised lines: equal hashes mean equal numbers.
    pub sha256: String,
    /// What was found that a person should know (duplicates, NFC changes): never silent, never fatal.
    pub notes: Vec<String>,
}

impl Corpus {
    /// Opens a folder of `eng_Latn.txt` files or a TSV, CSV or JSONL file with one column per language; `lab` is the embedded one.
    pub fn open(path: &Path) -> Result<Self> {
        let _ = path;
        todo!()
    }

    /// The first `limit` lines (0 = all) of `languages` (empty = all) in this order, proved and hashed anew.
    ///
    /// # Errors
    /// A language that is not there: the message names it, the nearest, and all that are there.
    pub fn select(&self, languages: &[String], limit: usize) -> Result<Self> {
        let _ = (languages, limit);
        todo!()
    }

    /// Lines in each language.
    pub fn len(&self) -> usize {
        self.sentences.first().map_or(0, Vec::len)
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The lines of a language.
    pub fn lines(&self, language: &str) -> Option<&[String]> {
        let at = self.languages.iter().position(|l| l == language)?;
        self.sentences.get(at).map(Vec::as_slice)
    }
}
