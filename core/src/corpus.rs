//! Reads parallel corpora and proves that they are parallel.

mod lab;
mod prove;
mod read;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::{Error, Result, lang};

/// The same sentences in several languages. Line i means the same in every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corpus {
    /// Where it came from, as asked for: a path, or `lab`.
    pub name: String,
    /// FLORES codes, in the order of the columns.
    pub languages: Vec<String>,
    /// `sentences[language][line]`, NFC, without white space at the ends.
    pub sentences: Vec<Vec<String>>,
    /// SHA-256 (hex) over the languages and their normalised lines: equal hashes mean equal numbers.
    pub sha256: String,
    /// What was found that a person should know (duplicates, NFC changes): never silent, never fatal.
    pub notes: Vec<String>,
}

impl Corpus {
    /// Opens a folder of `eng_Latn.txt` files (sorted by name), or a TSV, CSV or JSONL file with one column per language;
    /// `lab` is the embedded one (`./lab` a folder of that name). Labels are read by [`lang::resolve`].
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Language`] for a file or column that names no known language; [`Error::Corpus`] when the
    /// bytes are not UTF-8, a line is empty, or the languages have different numbers of lines.
    pub fn open(path: &Path) -> Result<Self> {
        if path == Path::new("lab") {
            return lab::open();
        }
        let read = read::read(path)?;
        Self::prove(path, path.display().to_string(), read)
    }

    /// A corpus from lines that are in memory already, proved like one that is read: `sentences[language][line]`.
    ///
    /// ```
    /// use babelscope_core::corpus::Corpus;
    /// let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    /// let corpus = Corpus::from_lines("two lines", vec![
    ///     ("eng_Latn".to_owned(), lines("It rains.\nI sleep.")),
    ///     ("deu_Latn".to_owned(), lines("Es regnet.\nIch schlafe.")),
    /// ])?;
    /// assert_eq!((corpus.len(), corpus.notes.len()), (2, 0));
    /// # Ok::<(), babelscope_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Corpus::open`].
    pub fn from_lines(name: &str, columns: Vec<(String, Vec<String>)>) -> Result<Self> {
        Self::prove(Path::new(name), name.to_owned(), read::Read { columns, notes: Vec::new() })
    }

    /// The first `limit` lines (0 = all) of `languages` (empty = all) in this order, proved and hashed anew.
    ///
    /// # Errors
    /// A language that is not there: the message names it, the nearest, and all that are there. A limit beyond the last line.
    pub fn select(&self, languages: &[String], limit: usize) -> Result<Self> {
        let fail = |why: String| Error::Corpus { why, path: self.name.clone().into() };
        let wanted = if languages.is_empty() { &self.languages } else { languages };
        if limit > self.len() {
            return Err(fail(format!("{limit} lines are asked for, there are {}", self.len())));
        }
        let mut columns = Vec::with_capacity(wanted.len());
        for language in wanted {
            let known = lang::resolve(language).map_or(language.as_str(), |l| l.code);
            let lines = self.lines(known).ok_or_else(|| fail(self.missing(language)))?;
            let taken = if limit == 0 { lines.len() } else { limit };
            columns.push((known.to_owned(), lines.iter().take(taken).cloned().collect()));
        }
        // What was found while reading stays true; what was found among the lines is found again among those that are left.
        let found = prove::findings(&self.languages, &self.sentences);
        let mut notes: Vec<_> = self.notes.iter().filter(|n| !found.contains(n)).cloned().collect();
        if limit > 0 && limit < self.len() {
            notes.push(format!("the first {limit} of {} lines", self.len()));
        }
        Self::prove(Path::new(&self.name), self.name.clone(), read::Read { columns, notes })
    }

    fn missing(&self, language: &str) -> String {
        let near = self.languages.iter().min_by_key(|l| lang::edits(l, language));
        let near = near.map_or_else(String::new, |l| format!("; the nearest is {l}"));
        format!("there is no {language}{near}; there are {}", self.languages.join(", "))
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
