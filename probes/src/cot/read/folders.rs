//! Folders of Thought Anchors: `problem_N/base_solution.json`, `chunks_labeled.json`, `problem.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use super::{Broken, Context, refuse, under};
use crate::{
    Result,
    cot::{shown, trace::Trace},
};

const SOLUTION: &str = "base_solution.json";
const CHUNKS: &str = "chunks_labeled.json";

/// The folders of problems in a folder, by number; the folder itself where it is one.
pub(super) fn problems(path: &Path) -> Result<Vec<(String, PathBuf)>> {
    let holds = |folder: &Path| folder.join(SOLUTION).exists() || folder.join(CHUNKS).exists();
    let number =
        |folder: &Path| folder.file_name().and_then(|name| name.to_str()?.strip_prefix("problem_").map(str::to_owned));
    if holds(path) {
        return Ok(vec![(number(path).unwrap_or_else(|| "0".into()), path.to_owned())]);
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(why) => return refuse(path, why),
    };
    let folders = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut found: Vec<_> =
        folders.filter(|folder| holds(folder)).filter_map(|folder| Some((number(&folder)?, folder))).collect();
    found.sort_by_key(|(number, _)| (number.parse::<u64>().unwrap_or(u64::MAX), number.clone()));
    Ok(found)
}

/// Opens a folder of problems.
pub(super) fn open(context: Context) -> Result<Box<dyn Iterator<Item = std::result::Result<Trace, Broken>> + Send>> {
    let problems = problems(&context.path)?;
    if problems.is_empty() {
        return refuse(&context.path, format!("expected folders problem_N with {SOLUTION} or {CHUNKS}, found none"));
    }
    Ok(Box::new(problems.into_iter().map(move |(problem, folder)| read(&context, problem, &folder))))
}

fn json(path: PathBuf) -> std::result::Result<Json, Broken> {
    let broken = |why: String| Broken { path: path.clone(), line: None, why };
    let bytes = fs::read(&path).map_err(|why| broken(why.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|why| broken(format!("expected JSON: {}", shown::json(&why))))
}

fn read(context: &Context, problem: String, folder: &Path) -> std::result::Result<Trace, Broken> {
    let optional = |name: &str| if folder.join(name).exists() { json(folder.join(name)) } else { Ok(Json::Null) };
    let (about, solution) = (optional("problem.json")?, optional(SOLUTION)?);
    let language = context.language(&about).map_err(|why| Broken { path: folder.to_owned(), line: None, why })?;
    let text = match under(&solution, &["solution", "full_cot", "text"]) {
        Some(text) => text,
        None => chunks(&json(folder.join(CHUNKS))?).ok_or_else(|| Broken {
            path: folder.join(CHUNKS),
            line: None,
            why: "expected a list of objects with a text under \"chunk\"".into(),
        })?,
    };
    Ok(Trace {
        problem,
        language,
        statement: under(&about, &["problem", "question"]).unwrap_or_default(),
        text,
        answer: under(&about, &["gt_answer", "answer"]),
        model: under(&solution, &["model"]),
        ..Trace::default()
    })
}

/// The chunks, one behind the other.
fn chunks(list: &Json) -> Option<String> {
    let chunks: Option<Vec<&str>> = list.as_array()?.iter().map(|chunk| chunk.get("chunk")?.as_str()).collect();
    chunks.filter(|chunks| !chunks.is_empty()).map(|chunks| chunks.join(" "))
}
