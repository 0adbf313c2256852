//! Where templates lean on Python: how values print, `tojson`, and a block that only transformers knows.

use std::fmt::Write as _;

use minijinja::{
    Error, ErrorKind, Output, State, Value,
    value::{Kwargs, ValueKind},
};
use serde_json::Value as Json;

/// Prints as Python's Jinja does: `None`, `True`, `False`. Lists and mappings, which Python prints as its own source, are refused.
pub(super) fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = match value.kind() {
        ValueKind::Undefined => "",
        ValueKind::None => "None",
        ValueKind::Bool => {
            if value.is_true() {
                "True"
            } else {
                "False"
            }
        }
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable => {
            let why = "the template prints a list or a mapping as it is, which only Python can; use `| tojson`";
            return Err(Error::new(ErrorKind::InvalidOperation, why));
        }
        _ => return minijinja::escape_formatter(out, state, value),
    };
    out.write_str(text).map_err(Error::from)
}

/// The widest indentation: a template that asks for a terabyte of blanks shall not get it.
const WIDEST: usize = 64;

/// `json.dumps` with the defaults of transformers: characters as they are, `, ` and `: ` between items.
pub(super) fn tojson(value: Value, indent: Option<Value>, options: Kwargs) -> Result<String, Error> {
    let fail = |why: String| Error::new(ErrorKind::InvalidOperation, format!("tojson: {why}"));
    let indent = indent
        .filter(|indent| !indent.is_none())
        .map_or_else(|| options.get::<Option<usize>>("indent"), |indent| usize::try_from(indent).map(Some))?;
    if let Some(wide) = indent.filter(|indent| *indent > WIDEST) {
        return Err(fail(format!("`indent` is {wide}; expected at most {WIDEST}")));
    }
    let separators = match options.get::<Option<Vec<String>>>("separators")?.as_deref() {
        None if indent.is_some() => (",".to_owned(), ": ".to_owned()),
        None => (", ".to_owned(), ": ".to_owned()),
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(fail("`separators` should be two texts".to_owned())),
    };
    let ascii = options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    let sort = options.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    options.assert_all_used()?;
    let json = serde_json::to_value(&value).map_err(|e| fail(e.to_string()))?;
    let mut text = String::new();
    Style { separators, indent, ascii, sort }.write(&json, 0, &mut text);
    Ok(text)
}

struct Style {
    /// Between items, and between key and value.
    separators: (String, String),
    indent: Option<usize>,
    ascii: bool,
    sort: bool,
}

impl Style {
    fn write(&self, value: &Json, depth: usize, out: &mut String) {
        match value {
            Json::Array(items) if !items.is_empty() => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.next(index, depth, out);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push(']');
            }
            Json::Object(map) if !map.is_empty() => {
                let mut entries: Vec<_> = map.iter().collect();
                if self.sort {
                    entries.sort_by_key(|(key, _)| key.as_str());
                }
                out.push('{');
                for (index, (key, item)) in entries.into_iter().enumerate() {
                    self.next(index, depth, out);
                    self.scalar(&Json::String(key.clone()), out);
                    out.push_str(&self.separators.1);
                    self.write(item, depth + 1, out);
                }
                self.line(depth, out);
                out.push('}');
            }
            other => self.scalar(other, out),
        }
    }

    fn next(&self, index: usize, depth: usize, out: &mut String) {
        if index > 0 {
            out.push_str(&self.separators.0);
        }
        self.line(depth + 1, out);
    }

    fn line(&self, depth: usize, out: &mut String) {
        if let Some(indent) = self.indent {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent * depth));
        }
    }

    fn scalar(&self, value: &Json, out: &mut String) {
        let text = value.to_string();
        if !self.ascii {
            out.push_str(&text);
            return;
        }
        for c in text.chars() {
            if c.is_ascii() {
                out.push(c);
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a text never fails.
                write!(out, "\\u{unit:04x}").ok();
            }
        }
    }
}

/// The source with `{% generation %}`, by which transformers marks what the assistant said and which prints nothing itself, as a
/// condition that always holds.
pub(super) fn plain_blocks(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, block) = rest.split_at(at + 2);
        out.push_str(before);
        let name = block.trim_start_matches(['-', '+']).trim_start();
        let lead = block.len() - name.len();
        let word = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
        let other = match &name[..word] {
            "generation" => Some("if true"),
            "endgeneration" => Some("endif"),
            _ => None,
        };
        let ends = name[word..].trim_start().trim_start_matches(['-', '+']).starts_with("%}");
        match other.filter(|_| ends) {
            Some(other) => {
                out.push_str(&block[..lead]);
                out.push_str(other);
                rest = &name[word..];
            }
            None => rest = block,
        }
    }
    out + rest
}
