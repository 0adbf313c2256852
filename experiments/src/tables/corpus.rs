//! corpus.parquet: the sentences that were used, so that a run folder explains itself.

use std::path::Path;

use anyhow::Result;
use babelscope_core::corpus::Corpus;

use super::{Table, small, strings, u32s};
use crate::manifest::CorpusInfo;

/// Writes the sentences: `language, line, text`; lines count from 0.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, corpus: &Corpus) -> Result<()> {
    let rows = || {
        let columns = corpus.languages.iter().zip(&corpus.sentences);
        columns.flat_map(|(language, lines)| lines.iter().enumerate().map(move |(line, text)| (language, line, text)))
    };
    super::write(
        path,
        vec![
            ("language", strings(rows().map(|r| r.0))),
            ("line", u32s(rows().map(|r| small(r.1)))),
            ("text", strings(rows().map(|r| r.2))),
        ],
    )
}

/// Reads the sentences back.
///
/// # Errors
/// The table is missing, damaged, or contradicts the manifest.
pub fn read(path: &Path, info: &CorpusInfo) -> Result<Corpus> {
    let table = Table::read(path)?;
    let (languages, texts) = (table.strings("language")?, table.strings("text")?);
    let expected = info.languages.iter().flat_map(|l| std::iter::repeat_n(l, info.lines));
    if table.rows() != info.languages.len() * info.lines || !expected.eq(languages.iter()) {
        let (wide, long) = (info.languages.len(), info.lines);
        return Err(table.wrong(0, &format!("expected {long} lines of each of the {wide} languages of the manifest")));
    }
    let mut texts = texts.into_iter();
    Ok(Corpus {
        name: info.name.clone(),
        languages: info.languages.clone(),
        sentences: info.languages.iter().map(|_| texts.by_ref().take(info.lines).collect()).collect(),
        sha256: info.sha256.clone(),
        notes: info.notes.clone(),
    })
}
