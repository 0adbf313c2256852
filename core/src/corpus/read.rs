//! Files to columns of lines, nothing dropped without a note.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::prove::listed;
use crate::{Error, Result, lang};

/// What the files held: for each language its lines.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) columns: Vec<(String, Vec<String>)>,
    pub(super) notes: Vec<String>,
}

pub(super) fn read(path: &Path) -> Result<Read> {
    if path.is_dir() {
        return folder(path);
    }
    let bytes = load(path)?;
    match path.extension().and_then(|e| e.to_str()).map(str::to_lowercase).as_deref() {
        Some("tsv") => delimited(path, &bytes, b'\t'),
        Some("csv") => delimited(path, &bytes, b','),
        Some("jsonl" | "ndjson") => json_lines(path, &bytes),
        other => Err(fail(
            path,
            format!(
                "expected a folder of eng_Latn.txt files, or a .tsv, .csv or .jsonl file with a column per language; came {}",
                other.map_or_else(|| "a file without extension".to_owned(), |e| format!("a .{e} file"))
            ),
        )),
    }
}

fn load(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Read { what: "the corpus", path: path.to_owned(), source })
}

fn fail(path: &Path, why: String) -> Error {
    Error::Corpus { why, path: path.to_owned() }
}

/// The FLORES code of a file's or column's name.
fn code(label: &str, notes: &mut Vec<String>) -> Result<String> {
    if lang::is_valid(label) {
        return Ok(label.to_owned());
    }
    let code = lang::resolve(label)?.code.to_owned();
    notes.push(format!("{label} is read as {code}"));
    Ok(code)
}

fn folder(path: &Path) -> Result<Read> {
    let unreadable = |source| Error::Read { what: "the corpus folder", path: path.to_owned(), source };
    let entries: std::io::Result<Vec<_>> = fs::read_dir(path).map_err(unreadable)?.map(|e| Ok(e?.path())).collect();
    let mut entries: Vec<PathBuf> = entries.map_err(unreadable)?;
    entries.sort();
    let mut found = Read::default();
    let mut others = Vec::new();
    for file in entries {
        let name = file.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with('.') {
            continue;
        }
        match name.strip_suffix(".txt") {
            Some(label) if file.is_file() => {
                let language = code(label, &mut found.notes).map_err(|e| named(e, &file))?;
                let lines = lines(&language, &load(&file)?, &file, &mut found.notes)?;
                found.columns.push((language, lines));
            }
            _ => others.push(name),
        }
    }
    if found.columns.is_empty() {
        return Err(fail(
            path,
            "the folder holds no .txt file; expected one per language, such as eng_Latn.txt".to_owned(),
        ));
    }
    if !others.is_empty() {
        found.notes.push(format!("not read, as they are no .txt files: {}", others.join(", ")));
    }
    Ok(found)
}

/// An unknown language, with the file that claims it.
fn named(error: Error, file: &Path) -> Error {
    match error {
        Error::Language { text, why } => fail(
            file,
            format!("the file name {text:?} is no language: {why}; rename the file, or move it out of the folder"),
        ),
        other => other,
    }
}

/// UTF-8 text to lines. The last line may end with or without a break; breaks are LF or CRLF.
pub(super) fn lines(language: &str, bytes: &[u8], path: &Path, notes: &mut Vec<String>) -> Result<Vec<String>> {
    let text = utf8(bytes, path)?;
    let text = without_bom(text, language, notes);
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let mut windows = 0;
    let lines = text.split('\n').map(|line| match line.strip_suffix('\r') {
        Some(line) => {
            windows += 1;
            line.to_owned()
        }
        None => line.to_owned(),
    });
    let lines: Vec<_> = lines.collect();
    if windows > 0 {
        notes.push(format!("{language}: Windows line ends (CRLF) read as line ends, {windows} of {}", lines.len()));
    }
    whole(language, &lines, path)?;
    Ok(lines)
}

/// A carriage return or line separator inside a line would be a line break to some programs and none to others.
fn whole(language: &str, lines: &[String], path: &Path) -> Result<()> {
    let broken = |l: &String| l.contains(['\n', '\r', '\u{B}', '\u{C}', '\u{85}', '\u{2028}', '\u{2029}']);
    let numbers: Vec<_> = (1..).zip(lines).filter(|(_, l)| broken(l)).map(|(n, _)| n).collect();
    if numbers.is_empty() {
        return Ok(());
    }
    let why = format!("{language} has a line break inside of {}; a sentence must stand on one line", listed(&numbers));
    Err(fail(path, why))
}

fn utf8<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|e| {
        let at = e.valid_up_to();
        let line = bytes.iter().take(at).filter(|b| **b == b'\n').count() + 1;
        let byte = bytes.get(at).copied().unwrap_or_default();
        fail(path, format!("byte {at} (0x{byte:02X}, in line {line}) is not UTF-8; save the file as UTF-8"))
    })
}

fn without_bom<'a>(text: &'a str, what: &str, notes: &mut Vec<String>) -> &'a str {
    text.strip_prefix('\u{FEFF}').map_or(text, |rest| {
        notes.push(format!("{what}: a byte order mark at the start was removed"));
        rest
    })
}

/// TSV (without quoting: quotation marks are text) and CSV (RFC 4180), the first row naming the columns.
fn delimited(path: &Path, bytes: &[u8], delimiter: u8) -> Result<Read> {
    let mut found = Read::default();
    let text = without_bom(utf8(bytes, path)?, "the table", &mut found.notes);
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(delimiter).quoting(delimiter != b'\t').from_reader(text.as_bytes());
    let names = reader.headers().map_err(|e| fail(path, format!("the first row cannot be read: {e}")))?.clone();
    let mut cells: Vec<Vec<String>> = names.iter().map(|_| Vec::new()).collect();
    for row in reader.records() {
        let row = row.map_err(|e| fail(path, format!("every row needs {} cells: {e}", names.len())))?;
        for (column, cell) in cells.iter_mut().zip(&row) {
            column.push(cell.to_owned());
        }
    }
    table(path, names.iter().map(str::to_owned).zip(cells).collect(), found)
}

/// One JSON object a line, language to sentence; Hugging Face's `{"translation": {...}}` too.
fn json_lines(path: &Path, bytes: &[u8]) -> Result<Read> {
    let mut found = Read::default();
    let text = without_bom(utf8(bytes, path)?, "the table", &mut found.notes);
    let mut columns: Vec<(String, Vec<String>)> = Vec::new();
    let mut names = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        let row: Map<String, Value> = serde_json::from_str(line)
            .map_err(|e| fail(path, format!("line {number} is no JSON object of language to sentence: {e}")))?;
        let row = match row.get("translation") {
            Some(Value::Object(inner)) => inner.clone(),
            _ => row,
        };
        if number == 1 {
            columns = row.keys().map(|k| (k.clone(), Vec::new())).collect();
            names = row.keys().cloned().collect();
        }
        if let Some(new) = row.keys().find(|k| !names.contains(*k)) {
            return Err(fail(path, format!("line {number} has {new:?}, which the first line has not")));
        }
        for (name, cells) in &mut columns {
            cells.push(match row.get(name) {
                Some(Value::String(sentence)) => sentence.clone(),
                Some(Value::Null) => String::new(),
                Some(other) => other.to_string(),
                None => return Err(fail(path, format!("line {number} has no {name:?}, which the first line has"))),
            });
        }
    }
    table(path, columns, found)
}

/// The first of many names, each no longer than a person reads.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let short = |name: &String| match name.char_indices().nth(40) {
        Some((at, _)) => name[..at].to_owned() + "...",
        None => name.clone(),
    };
    let more = names.len().saturating_sub(SHOWN);
    let first = names.iter().take(SHOWN).map(short).collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// The columns of a table that are languages; what is left out is said.
fn table(path: &Path, columns: Vec<(String, Vec<String>)>, mut found: Read) -> Result<Read> {
    let mut others = Vec::new();
    for (label, cells) in columns {
        // `id` is Indonesian in ISO 639-1 and a key in nearly every table: sentences have spaces, keys have none.
        let key = label.eq_ignore_ascii_case("id") && cells.iter().all(|c| !c.trim().contains(char::is_whitespace));
        if key {
            others.push(label);
            continue;
        }
        match code(&label, &mut found.notes) {
            Ok(language) => {
                whole(&language, &cells, path)?;
                found.columns.push((language, cells));
            }
            // A near miss is a typing error; anything else is a column about the sentences.
            Err(_) if lang::nearest(&label).is_none() => others.push(label),
            Err(Error::Language { text, why }) => {
                return Err(fail(path, format!("the column {text:?} is no language: {why}")));
            }
            Err(other) => return Err(other),
        }
    }
    if found.columns.is_empty() {
        return Err(fail(path, format!("no column is a language; there are {}", few(&others))));
    }
    if !others.is_empty() {
        found.notes.push(format!("columns that are no languages were left out: {}", few(&others)));
    }
    Ok(found)
}
