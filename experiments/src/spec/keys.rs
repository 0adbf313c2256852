//! Which keys a spec may have, and the message for one that it may not: its line and the nearest known key.
//!
//! The known keys are read off a spec in which everything is set, so they cannot fall behind the structs.

use anyhow::Result;
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{DataSpec, ExtractSpec, ModelSpec, ProbeSpec, RunSpec, SCHEMA};
use crate::fault::Fault;

/// A spec in which every key is present.
fn complete() -> Table {
    let spec = RunSpec {
        schema: SCHEMA,
        name: "x".to_owned(),
        seed: 0,
        model: vec![ModelSpec {
            id: "x".to_owned(),
            path: "x".to_owned(),
            revision: Some("x".to_owned()),
            device: Some("x".to_owned()),
        }],
        data: DataSpec::default(),
        extract: ExtractSpec::default(),
        probe: vec![ProbeSpec::align("x"), ProbeSpec::lens(vec!["x".to_owned()])],
    };
    Table::try_from(&spec).unwrap_or_default()
}

/// The tables of `complete` that a table at `path` may look like; for probes those of its kind, or all when it has none.
fn candidates(complete: &Table, path: &[&str], kind: Option<&str>) -> Vec<Table> {
    let [section, ..] = path else { return vec![complete.clone()] };
    match complete.get(*section) {
        Some(Value::Table(table)) => vec![table.clone()],
        Some(Value::Array(tables)) => {
            let all: Vec<Table> = tables.iter().filter_map(|t| t.as_table().cloned()).collect();
            let of_kind: Vec<Table> = all
                .iter()
                .filter(|t| kind.is_some() && t.get("kind").and_then(Value::as_str) == kind)
                .cloned()
                .collect();
            if of_kind.is_empty() { all } else { of_kind }
        }
        _ => Vec::new(),
    }
}

/// Refuses a text with a key that no spec has.
pub(super) fn check(text: &str) -> Result<()> {
    let root = DeTable::parse(text).map_err(|e| Fault::spec(e.to_string().trim_end().to_owned()))?;
    let complete = complete();
    walk(text, root.get_ref(), &[], &complete)
}

fn walk(text: &str, table: &DeTable<'_>, path: &[&str], complete: &Table) -> Result<()> {
    let kind = table.iter().find(|(k, _)| k.get_ref() == "kind").and_then(|(_, v)| v.get_ref().as_str());
    let known = candidates(complete, path, kind);
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !known.iter().any(|t| t.contains_key(name)) {
            return Err(unknown(line(text, key), &spelled(path, name), name, &known).into());
        }
        let deeper: Vec<&str> = path.iter().copied().chain([name]).collect();
        match value.get_ref() {
            DeValue::Table(inner) => walk(text, inner, &deeper, complete)?,
            DeValue::Array(values) => {
                for inner in values.iter().filter_map(|v| v.get_ref().as_table()) {
                    walk(text, inner, &deeper, complete)?;
                }
            }
            _ => (),
        }
    }
    Ok(())
}

fn line<T>(text: &str, at: &Spanned<T>) -> Option<usize> {
    Some(text.get(..at.span().start)?.matches('\n').count() + 1)
}

fn spelled(path: &[&str], name: &str) -> String {
    path.iter().copied().chain([name]).collect::<Vec<_>>().join(".")
}

fn unknown(line: Option<usize>, full: &str, name: &str, known: &[Table]) -> Fault {
    let mut keys: Vec<&str> = known.iter().flat_map(|t| t.keys().map(String::as_str)).collect();
    keys.sort_unstable();
    keys.dedup();
    let at = line.map_or_else(String::new, |l| format!("line {l}: "));
    let hint = nearest(name, keys.iter().copied()).map_or_else(
        || format!("known here are {}", keys.join(", ")),
        |near| format!("did you mean `{near}`? Known here are {}", keys.join(", ")),
    );
    Fault::spec(format!("{at}unknown key `{full}`; {hint}"))
}

/// The candidate that a person most likely meant, if one is near enough to say so.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&folded, &c.to_lowercase()), c))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// `spec` with one `key.path=value` replaced.
pub(super) fn assign(spec: &RunSpec, assignment: &str) -> Result<RunSpec> {
    let Some((path, value)) = assignment.split_once('=') else {
        return Err(Fault::spec(format!("{assignment:?}: expected KEY=VALUE, as in `data.limit=8`")).into());
    };
    let path: Vec<&str> = path.trim().split('.').collect();
    let value = value.trim();
    let value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut tree = Value::Table(Table::try_from(spec)?);
    place(&mut tree, &path, value, assignment)?;
    let text = toml::to_string(&tree)?;
    check(&text).and_then(|()| RunSpec::parse(&text)).map_err(|e| {
        let why = format!("{e}");
        // Lines of a text that the person never saw would mislead.
        let why = why.split_once(": ").filter(|(at, _)| at.starts_with("line ")).map_or(why.as_str(), |(_, rest)| rest);
        Fault::spec(format!("`{assignment}`: {why}")).into()
    })
}

fn place(tree: &mut Value, path: &[&str], value: Value, assignment: &str) -> Result<()> {
    let Some((first, rest)) = path.split_first() else {
        *tree = value;
        return Ok(());
    };
    match tree {
        Value::Table(table) => {
            if rest.is_empty() {
                table.insert((*first).to_owned(), value);
                return Ok(());
            }
            let keys: Vec<String> = table.keys().cloned().collect();
            let inner = table.get_mut(*first).ok_or_else(|| {
                let near = nearest(first, keys.iter().map(String::as_str));
                let hint = near.map_or_else(|| keys.join(", "), |n| format!("did you mean `{n}`?"));
                Fault::spec(format!("`{assignment}`: there is no `{first}` in the spec; {hint}"))
            })?;
            place(inner, rest, value, assignment)
        }
        Value::Array(values) => {
            let count = values.len();
            let inner = first.parse::<usize>().ok().and_then(|at| values.get_mut(at)).ok_or_else(|| {
                Fault::spec(format!("`{assignment}`: `{first}` is no place in a list of {count}; places count from 0"))
            })?;
            place(inner, rest, value, assignment)
        }
        _ => Err(Fault::spec(format!("`{assignment}`: `{first}` lies below a value that is no table")).into()),
    }
}
