//! Rows of JSON: one a line, or a whole array.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use serde_json::Value as Json;

use super::{Broken, Context, full, language_part, needed, refuse, shortened, under, written};
use crate::{
    Result,
    cot::{
        shown::json,
        trace::{Tokens, Trace},
    },
};

type Read = std::result::Result<Trace, Broken>;
/// The traces of a row, or why there are none.
type Row = fn(&Context, &Json, usize) -> std::result::Result<Vec<Trace>, String>;

/// Opens a file of rows.
pub(super) fn open(context: Context, row: Row) -> Result<Box<dyn Iterator<Item = Read> + Send>> {
    let mut file = match File::open(&context.path) {
        Ok(file) => BufReader::new(file),
        Err(why) => return refuse(&context.path, why),
    };
    let array = match file.fill_buf() {
        Ok(head) => head.iter().find(|byte| !byte.is_ascii_whitespace() && **byte < 0x80) == Some(&b'['),
        Err(why) => return refuse(&context.path, why),
    };
    if !array {
        return Ok(Box::new(Lines { file, line: 0, context, row, waiting: Vec::new().into_iter(), ended: false }));
    }
    let mut bytes = Vec::new();
    if let Err(why) = file.read_to_end(&mut bytes) {
        return refuse(&context.path, why);
    }
    match serde_json::from_slice::<Vec<Json>>(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)) {
        Ok(rows) => {
            Ok(Box::new(rows.into_iter().enumerate().flat_map(move |(i, value)| match row(&context, &value, i) {
                Ok(traces) => traces.into_iter().map(Ok).collect::<Vec<_>>(),
                Err(why) => vec![Err(context.broken(None, format!("element {}: {why}", i + 1)))],
            })))
        }
        Err(why) => refuse(&context.path, format!("expected a JSON array of rows: {}", json(&why))),
    }
}

/// A file line by line.
struct Lines {
    file: BufReader<File>,
    line: usize,
    context: Context,
    row: Row,
    /// Further traces of the last line.
    waiting: std::vec::IntoIter<Trace>,
    ended: bool,
}

impl Iterator for Lines {
    type Item = Read;

    fn next(&mut self) -> Option<Read> {
        loop {
            if let Some(trace) = self.waiting.next() {
                return Some(Ok(trace));
            }
            if self.ended {
                return None;
            }
            let mut bytes = Vec::new();
            self.line += 1;
            match self.file.read_until(b'\n', &mut bytes) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(why) => {
                    self.ended = true;
                    return Some(Err(self.context.broken(Some(self.line), why.to_string())));
                }
            }
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.line == 1).unwrap_or(&bytes);
            match self.read(bytes) {
                Ok(traces) => self.waiting = traces.into_iter(),
                Err(why) => return Some(Err(self.context.broken(Some(self.line), why))),
            }
        }
    }
}

impl Lines {
    fn read(&self, bytes: &[u8]) -> std::result::Result<Vec<Trace>, String> {
        let text = std::str::from_utf8(bytes)
            .map_err(|why| format!("expected UTF-8, got another byte behind the first {} bytes", why.valid_up_to()))?;
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let row: Json =
            serde_json::from_str(text).map_err(|why| format!("expected an object of JSON: {}", json(&why)))?;
        if !row.is_object() {
            return Err(format!("expected an object of JSON, got {}", shortened(&row)));
        }
        (self.row)(&self.context, &row, self.line - 1)
    }
}

/// A row of our own lines.
pub(super) fn own(context: &Context, row: &Json, _: usize) -> std::result::Result<Vec<Trace>, String> {
    let (problem, text) = (needed(row, &["problem"])?, needed(row, &["text"])?);
    let seed = match row.get("seed") {
        None | Some(Json::Null) => None,
        Some(value) => Some(
            value
                .as_u64()
                .ok_or_else(|| format!("expected a whole number under \"seed\", got {}", shortened(value)))?,
        ),
    };
    let tokens = row.get("tokens").filter(|tokens| !tokens.is_null());
    let tokens = tokens.map(|tokens| fitting(tokens, &text)).transpose()?;
    let stated = under(row, &["statement_language"]);
    Ok(vec![Trace {
        problem,
        language: context.language(row)?,
        statement: under(row, &["statement"]).unwrap_or_default(),
        statement_language: stated.map(|stated| full(&stated).unwrap_or(stated)),
        text,
        answer: under(row, &["answer"]),
        sample: sample(row)?,
        seed,
        model: under(row, &["model"]),
        tokens,
    }])
}

/// Tokens of a text: a span for each, in the order of the text and within it.
fn fitting(tokens: &Json, text: &str) -> std::result::Result<Tokens, String> {
    let tokens: Tokens =
        serde_json::from_value(tokens.clone()).map_err(|why| format!("under \"tokens\": {}", json(&why)))?;
    let (ids, spans) = (tokens.ids.len(), tokens.spans.len());
    if ids != spans {
        return Err(format!("expected a span for each of {ids} ids under \"tokens\", got {spans} spans"));
    }
    let inside = |at: &usize| {
        let span = &tokens.spans[*at];
        let before = at.checked_sub(1).map_or(0, |before| tokens.spans[before].start);
        before <= span.start && span.start <= span.end && span.end <= text.len()
    };
    match (0..spans).find(|at| !inside(at)) {
        Some(at) => Err(format!(
            "expected spans under \"tokens\" in the order of the text and within its {} bytes, got {:?} for token {}",
            text.len(),
            tokens.spans[at],
            at + 1
        )),
        None => Ok(tokens),
    }
}

/// A number that tells tries apart.
fn sample(row: &Json) -> std::result::Result<u32, String> {
    match row.get("sample") {
        None | Some(Json::Null) => Ok(0),
        Some(value) => value
            .as_u64()
            .and_then(|sample| u32::try_from(sample).ok())
            .ok_or_else(|| format!("expected a whole number below 2^32 under \"sample\", got {}", shortened(value))),
    }
}

/// A row of PolyMath: reasoning and reply become one text. An id such as `low-en-12` names the language; the problem's name is what is left
/// of it, so that all languages share it. The folder of a level becomes part of the name.
pub(super) fn polymath(context: &Context, row: &Json, index: usize) -> std::result::Result<Vec<Trace>, String> {
    let id = under(row, &["id", "idx", "question_id"]).unwrap_or_else(|| index.to_string());
    let parts: Vec<&str> = id.split(['-', '_']).collect();
    let named = (parts.len() > 1).then(|| parts.iter().find_map(|part| language_part(part))).flatten();
    let rest: Vec<&str> =
        parts.iter().filter(|part| named.is_none() || language_part(part).is_none()).copied().collect();
    let level = context.path.parent().and_then(|folder| folder.file_name()?.to_str()).filter(|_| named.is_none());
    let level = level.filter(|level| matches!(*level, "low" | "medium" | "middle" | "high" | "top"));
    let problem = level.into_iter().chain(rest).collect::<Vec<_>>().join("-");
    let thinking = under(row, &["thinking", "thinking_pred", "reasoning", "reasoning_content"]);
    let reply = under(row, &["response", "answer_pred", "prediction", "output", "text"]);
    let text: Vec<String> = [thinking, reply].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    if text.is_empty() {
        return Err("expected a text under \"thinking\" or \"response\", got neither".into());
    }
    let statement = needed(row, &["question", "problem", "prompt"])?;
    let own = context.language(row);
    let language = match (row.get("language").or_else(|| row.get("lang")), named) {
        (None, Some(named)) => named,
        _ => own?,
    };
    let (answer, model) = (under(row, &["answer", "gold"]), under(row, &["model"]));
    Ok(vec![Trace {
        problem,
        language,
        statement,
        text: text.join("\n\n"),
        answer,
        model,
        sample: sample(row)?,
        ..Trace::default()
    }])
}

/// A line of lm-eval: every reply is a sample.
pub(super) fn lm_eval(context: &Context, row: &Json, index: usize) -> std::result::Result<Vec<Trace>, String> {
    let doc = row.get("doc").unwrap_or(&Json::Null);
    let statement = under(doc, &["question", "problem", "query", "input", "prompt"]);
    let language =
        context.language(if doc.get("language").or_else(|| doc.get("lang")).is_some() { doc } else { row })?;
    let problem = under(row, &["doc_id"]).unwrap_or_else(|| index.to_string());
    let answer = under(row, &["target"])
        .filter(|target| !target.is_empty())
        .or_else(|| under(doc, &["answer_number", "answer"]));
    let resps = row.get("resps").ok_or("expected the model's replies under \"resps\", got nothing")?;
    let mut replies = Vec::new();
    gather(resps, &mut replies);
    if replies.is_empty() {
        return Err(format!(
            "expected texts under \"resps\", got {}; a task of multiple choice has no trace",
            shortened(resps)
        ));
    }
    Ok((0..)
        .zip(replies)
        .map(|(sample, text)| Trace {
            problem: problem.clone(),
            language: language.clone(),
            statement: statement.clone().unwrap_or_default(),
            text,
            answer: answer.clone(),
            sample,
            ..Trace::default()
        })
        .collect())
}

/// The texts of nested lists.
fn gather(value: &Json, into: &mut Vec<String>) {
    match value {
        Json::Array(list) => list.iter().for_each(|value| gather(value, into)),
        Json::String(_) => into.extend(written(value)),
        _ => {}
    }
}
