//! Scores of tasks, from a CSV file that a person wrote.

use std::collections::BTreeSet;

use babelscope_core::lang;

use super::refuse;
use crate::Result;

/// Scores of languages in tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// FLORES codes, in the order of the file.
    pub languages: Vec<String>,
    /// Names of the tasks, in the order of the columns.
    pub tasks: Vec<String>,
    /// `values[task][language]`; `None` where the cell is empty.
    pub values: Vec<Vec<Option<f64>>>,
}

impl Scores {
    /// The languages that have a score in a task, with it.
    pub(super) fn of(&self, task: usize) -> std::collections::BTreeMap<String, f64> {
        let values = self.languages.iter().zip(&self.values[task]);
        values.filter_map(|(language, value)| Some((language.clone(), (*value)?))).collect()
    }
}

/// Reads a CSV table of scores: a header (`language`, then the names of the tasks), then one line for each language. Labels are read
/// by [`babelscope_core::lang::resolve`]; an empty cell is a score that is not there.
///
/// # Errors
/// No header, no task, no language; a task without a name or named twice; an unknown language, or one that stands there twice; a
/// score that is no finite number; a line with more or fewer cells than the header. The message names the line.
///
/// ```
/// use babelscope_probes::relate::read_scores;
/// let scores = read_scores("language,belebele,sib200\nde,80.5,\nzho_Hans,77,0.9\n")?;
/// assert_eq!(scores.languages, ["deu_Latn", "zho_Hans"]);
/// assert_eq!(scores.values[1], [None, Some(0.9)]);
/// assert!(read_scores("language,belebele\nde,good\n").is_err());
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn read_scores(text: &str) -> Result<Scores> {
    let text = text.trim_start_matches('\u{FEFF}');
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let mut records = reader.records();
    let mut next = || match records.next() {
        None => Ok(None),
        Some(Ok(record)) => {
            let line = record.position().map_or(0, csv::Position::line);
            Ok(Some((line, record.iter().map(str::to_owned).collect::<Vec<_>>())))
        }
        Some(Err(e)) => Err(refuse(format!("the scores are no CSV: {e}"))),
    };
    let Some((_, header)) = next()? else {
        return Err(refuse(
            "the scores are empty; expected a header `language,TASK,...` and a line for each language".into(),
        ));
    };
    let mut scores = Scores { tasks: tasks(&header)?, ..Scores::default() };
    scores.values = vec![Vec::new(); scores.tasks.len()];
    while let Some((line, cells)) = next()? {
        let place = format!("line {line} of the scores");
        let [label, values @ ..] = cells.as_slice() else { continue };
        if values.len() != scores.tasks.len() {
            let (found, expected) = (cells.len(), header.len());
            return Err(refuse(format!("{place} has {found} cells, the header has {expected}")));
        }
        let code = code(label).map_err(|why| refuse(format!("{place}: {why}")))?;
        if scores.languages.contains(&code) {
            return Err(refuse(format!("{place}: {code} stands there twice; leave one line for each language")));
        }
        for ((column, task), cell) in scores.values.iter_mut().zip(&scores.tasks).zip(values) {
            column.push(
                number(cell).map_err(|()| {
                    refuse(format!("{place}, column {task}: expected a number or nothing, got {cell:?}"))
                })?,
            );
        }
        scores.languages.push(code);
    }
    if scores.languages.is_empty() {
        return Err(refuse("the scores have a header but no language".into()));
    }
    Ok(scores)
}

fn tasks(header: &[String]) -> Result<Vec<String>> {
    let [first, tasks @ ..] = header else { return Err(refuse("the header of the scores is empty".into())) };
    if tasks.is_empty() {
        let other = if first.contains([';', '\t']) { "; cells are separated by commas" } else { "" };
        return Err(refuse(format!(
            "the header of the scores has one column, expected `language,TASK,...`, got {first:?}{other}"
        )));
    }
    if code(first).is_ok() && tasks.iter().all(|task| number(task).is_ok()) {
        return Err(refuse(format!(
            "the scores have no header: the first line is of {first}; begin with `language,TASK,...`"
        )));
    }
    let mut seen = BTreeSet::new();
    for (at, task) in tasks.iter().enumerate() {
        if task.is_empty() {
            return Err(refuse(format!("column {} of the scores has no name in the header", at + 2)));
        }
        if !seen.insert(task) {
            return Err(refuse(format!("task {task} stands twice in the header of the scores")));
        }
    }
    Ok(tasks.to_vec())
}

/// The code of a label; private codes mean themselves.
fn code(label: &str) -> babelscope_core::Result<String> {
    if lang::is_valid(label) { Ok(label.to_owned()) } else { lang::resolve(label).map(|known| known.code.to_owned()) }
}

fn number(cell: &str) -> std::result::Result<Option<f64>, ()> {
    if cell.is_empty() {
        return Ok(None);
    }
    let value = cell.parse::<f64>().ok().filter(|value| value.is_finite());
    value.map(Some).ok_or(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read_scores;

    #[test]
    fn labels_empty_cells_and_spaces_are_understood() {
        let scores = read_scores("\u{FEFF}language, a b ,c\r\n en ,1, 2.5\r\nqaa_Latn,,-3e-1\n\nzh-TW,0,\n").unwrap();
        assert_eq!(scores.languages, ["eng_Latn", "qaa_Latn", "zho_Hant"]);
        assert_eq!(scores.tasks, ["a b", "c"]);
        assert_eq!(scores.values, [[Some(1.0), None, Some(0.0)], [Some(2.5), Some(-0.3), None]]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, says) in [
            ("", "the scores are empty"),
            ("language\nde\n", "has one column"),
            ("language;belebele\nde;1\n", "separated by commas"),
            ("de,80\nfr,70\n", "no header: the first line is of de"),
            ("language,a,a\nde,1,2\n", "task a stands twice"),
            ("language,a,\nde,1,2\n", "column 3 of the scores has no name"),
            ("language,a\n", "a header but no language"),
            ("language,a\nde,1\nxyzzy,2\n", "line 3 of the scores"),
            ("language,a\nkas,2\n", "kas_Arab or kas_Deva"),
            ("language,a\nde,1\ndeu,2\n", "line 3 of the scores: deu_Latn stands there twice"),
            ("language,a\nde,good\n", "line 2 of the scores, column a: expected a number or nothing, got \"good\""),
            ("language,a\nde,NaN\n", "got \"NaN\""),
            ("language,a\nde,inf\n", "got \"inf\""),
            ("language,a\nde,\"1,5\"\n", "got \"1,5\""),
            ("language,a\nde,1,2\n", "line 2 of the scores has 3 cells, the header has 2"),
        ] {
            let message = read_scores(text).unwrap_err().to_string();
            assert!(message.contains(says), "{text:?}: {message}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z,;\n\"0-9\\PC]{0,60}") {
            read_scores(&text).ok();
        }
    }
}
