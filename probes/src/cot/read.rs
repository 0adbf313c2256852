//! Reading traces that others wrote.
//!
//! | format | where the trace stands |
//! | --- | --- |
//! | [`Format::Jsonl`] | lines `{problem, language, text}`, perhaps `answer`, `statement`, `statement_language`, `sample`, `seed`, `model` |
//! | [`Format::PolyMath`] | lines `{id, question, answer}` with the reasoning and the reply (`thinking`, `response`) |
//! | [`Format::Mgsm`] | tab-separated `question, answer, output, output ...`: one line a problem, one output a sample |
//! | [`Format::ThoughtAnchors`] | folders `problem_N` with `base_solution.json`, or else `chunks_labeled.json` |
//! | [`Format::Inspect`] | a JSON log: `samples[].output`, or the last assistant of `samples[].messages` |
//! | [`Format::LmEval`] | `samples_*.jsonl`: `resps`, one sample each |
//!
//! Lines are read one at a time, so memory stays flat. What is broken is reported with its file, its line and what was expected, and reading
//! goes on behind it. The language comes from the row, else from the names of the file and its folders (`mgsm_de.tsv`, `de.jsonl`),
//! else from the caller; codes of ISO 639 become full ones (`de` is `deu_Latn`).

mod folders;
mod inspect;
mod mgsm;
mod rows;

use std::{
    fmt,
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use super::{locale::full, shown::shown, trace::Trace};
use crate::{Error, Result};

/// How traces are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Our own lines.
    Jsonl,
    /// PolyMath (Wang et al. 2025).
    PolyMath,
    /// MGSM (Shi et al. 2022).
    Mgsm,
    /// Thought Anchors (Bogdan et al. 2025).
    ThoughtAnchors,
    /// Inspect (UK AI Security Institute), its JSON logs.
    Inspect,
    /// The sample logs of lm-evaluation-harness.
    LmEval,
}

/// A part of a file that is no trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The file.
    pub path: PathBuf,
    /// Its line, beginning with 1; none where the whole file is meant.
    pub line: Option<usize>,
    /// What was expected and what came.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}\n{}", self.why, self.path.display()),
            None => write!(f, "{}\n{}", self.why, self.path.display()),
        }
    }
}

/// The traces of a file or folder, one at a time.
///
/// ```
/// use babelscope_probes::cot::{Format, Traces};
/// let folder = std::env::temp_dir().join("babelscope_doc_traces");
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("own.jsonl");
/// std::fs::write(&path, "{\"problem\": 1, \"language\": \"de\", \"text\": \"2 + 3 = 5\"}\n{\"problem\": 2}\n")?;
/// let read: Vec<_> = Traces::open(&path, Format::guess(&path)?, None)?.collect();
/// assert_eq!(read[0].as_ref().unwrap().language, "deu_Latn");
/// assert!(read[1].as_ref().unwrap_err().to_string().starts_with("line 2: expected a text under \"text\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Traces {
    rest: Box<dyn Iterator<Item = std::result::Result<Trace, Broken>> + Send>,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

impl Iterator for Traces {
    type Item = std::result::Result<Trace, Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.next()
    }
}

fn refuse<T>(path: &Path, why: impl fmt::Display) -> Result<T> {
    Err(Error::Input { measure: "traces", why: format!("{why}\n{}", path.display()) })
}

impl Format {
    /// The format of a file or folder: by its name, else by the first thing in it.
    ///
    /// # Errors
    /// A file that cannot be read; one that is none of the formats, with what was looked for.
    pub fn guess(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return match folders::problems(path)?.is_empty() {
                false => Ok(Self::ThoughtAnchors),
                true => refuse(
                    path,
                    "expected folders problem_N with base_solution.json or chunks_labeled.json, found none",
                ),
            };
        }
        let extension = path.extension().map(|end| end.to_string_lossy().to_lowercase()).unwrap_or_default();
        match extension.as_str() {
            "tsv" => return Ok(Self::Mgsm),
            "eval" => {
                return refuse(
                    path,
                    "an .eval log is an archive; write it as JSON first: inspect log convert --to json",
                );
            }
            "json" | "jsonl" => {}
            _ => {
                return refuse(
                    path,
                    format!("expected a .jsonl, .json or .tsv file or a folder, got \".{extension}\""),
                );
            }
        }
        let mut file = match File::open(path) {
            Ok(file) => BufReader::with_capacity(1 << 16, file),
            Err(why) => return refuse(path, why),
        };
        // A log may be one line of gigabytes; keys of its head tell it.
        let head = match file.fill_buf() {
            Ok(head) => String::from_utf8_lossy(head).into_owned(),
            Err(why) => return refuse(path, why),
        };
        let has = |keys: &[&str]| keys.iter().any(|key| head.contains(&format!("\"{key}\"")));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if extension == "json" && has(&["eval"]) && (has(&["samples", "plan", "dataset"])) {
            Ok(Self::Inspect)
        } else if has(&["resps", "filtered_resps"]) || name.starts_with("samples_") {
            Ok(Self::LmEval)
        } else if has(&["problem"]) && has(&["text", "language"]) {
            Ok(Self::Jsonl)
        } else if has(&["question"]) {
            Ok(Self::PolyMath)
        } else {
            refuse(
                path,
                "expected keys such as problem and text, question and answer, resps, or eval and samples; found none of them",
            )
        }
    }
}

impl Traces {
    /// Opens a file or folder; `language` is that of traces which do not name theirs.
    ///
    /// # Errors
    /// A file or folder that cannot be read at all.
    pub fn open(path: &Path, format: Format, language: Option<&str>) -> Result<Self> {
        let context = Context::new(path, language);
        let rest: Box<dyn Iterator<Item = _> + Send> = match format {
            Format::Jsonl => rows::open(context, rows::own)?,
            Format::PolyMath => rows::open(context, rows::polymath)?,
            Format::LmEval => rows::open(context, rows::lm_eval)?,
            Format::Mgsm => mgsm::open(context)?,
            Format::ThoughtAnchors => folders::open(context)?,
            Format::Inspect => inspect::open(&context)?,
        };
        Ok(Self { rest })
    }

    /// All traces, and all that is broken.
    ///
    /// # Errors
    /// As [`Traces::open`].
    pub fn read(path: &Path, format: Format, language: Option<&str>) -> Result<(Vec<Trace>, Vec<Broken>)> {
        let (mut traces, mut broken) = (Vec::new(), Vec::new());
        for read in Self::open(path, format, language)? {
            match read {
                Ok(trace) => traces.push(trace),
                Err(part) => broken.push(part),
            }
        }
        Ok((traces, broken))
    }
}

/// What all formats need to know of a file.
#[derive(Clone)]
struct Context {
    path: PathBuf,
    /// From the names of the file and its folders, else the caller's.
    language: Option<String>,
}

impl Context {
    fn new(path: &Path, language: Option<&str>) -> Self {
        let names = path.iter().rev().take(3).map(|name| name.to_string_lossy().into_owned());
        let named = names.into_iter().find_map(|name| {
            let stem = name.split('.').next().unwrap_or_default().to_owned();
            full_name(&stem).or_else(|| {
                let parts: Vec<&str> = stem.split(['_', '-']).collect();
                parts.iter().rev().find_map(|part| language_part(part))
            })
        });
        let given = language.map(|language| full(language).unwrap_or_else(|| language.to_owned()));
        Self { path: path.to_owned(), language: named.or(given) }
    }

    fn broken(&self, line: Option<usize>, why: impl Into<String>) -> Broken {
        Broken { path: self.path.clone(), line, why: why.into() }
    }

    /// The language of a row, or why there is none.
    fn language(&self, row: &Json) -> std::result::Result<String, String> {
        let own = ["language", "lang"].iter().find_map(|key| row.get(key)?.as_str());
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            return Ok(full(own).unwrap_or_else(|| own.to_owned()));
        }
        self.language
            .clone()
            .ok_or_else(|| "expected a language under \"language\" or in the file's name; give it yourself".into())
    }
}

/// A file's name that is a language's full code.
fn full_name(stem: &str) -> Option<String> {
    let (code, script) = stem.split_once('_')?;
    let letters = |text: &str| text.chars().all(|c| c.is_ascii_alphabetic());
    (code.len() == 3
        && script.len() == 4
        && letters(code)
        && letters(script)
        && script.starts_with(|c: char| c.is_ascii_uppercase()))
    .then(|| stem.to_owned())
}

/// A part of a name that is a language's code.
fn language_part(part: &str) -> Option<String> {
    (matches!(part.len(), 2 | 3) && part.chars().all(|c| c.is_ascii_lowercase())).then(|| full(part)).flatten()
}

/// A text or a number as text.
fn written(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The first of some keys that holds a text or a number.
fn under(row: &Json, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| row.get(key).and_then(written))
}

fn needed(row: &Json, keys: &[&str]) -> std::result::Result<String, String> {
    under(row, keys).ok_or_else(|| {
        let got = keys.iter().find_map(|key| row.get(key)).map_or("nothing".to_owned(), shortened);
        format!("expected a text under \"{}\", got {got}", keys.join("\" or \""))
    })
}

/// A value as it is shown in a message.
fn shortened(value: &Json) -> String {
    shown(&value.to_string())
}

#[cfg(test)]
mod tests;
