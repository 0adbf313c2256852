//! MGSM: question, right answer and the model's outputs, separated by tabs.

use std::fs::File;

use super::{Broken, Context, refuse};
use crate::{
    Result,
    cot::{shown::shown, trace::Trace},
};

type Read = std::result::Result<Trace, Broken>;

/// Opens a table; problems are named by their place, which is the same in every language. Fields may be quoted.
pub(super) fn open(context: Context) -> Result<Box<dyn Iterator<Item = Read> + Send>> {
    let file = match File::open(&context.path) {
        Ok(file) => file,
        Err(why) => return refuse(&context.path, why),
    };
    let Some(language) = context.language.clone() else {
        return refuse(&context.path, "expected a language in the file's name, such as mgsm_de.tsv; give it yourself");
    };
    let table = csv::ReaderBuilder::new().delimiter(b'\t').has_headers(false).flexible(true).from_reader(file);
    let mut problem = 0;
    Ok(Box::new(table.into_byte_records().flat_map(move |record| {
        let record = match record {
            Ok(record) => record,
            Err(why) => return vec![Err(context.broken(None, shown(&why.to_string())))],
        };
        let line = record.position().map(|position| usize::try_from(position.line()).unwrap_or(usize::MAX));
        let first = line == Some(1);
        let fields: std::result::Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let Ok(fields) = fields else {
            problem += 1;
            return vec![Err(context.broken(line, "expected UTF-8, got other bytes"))];
        };
        if first && fields[0].trim_start_matches('\u{feff}').eq_ignore_ascii_case("question") {
            return Vec::new();
        }
        problem += 1;
        let [question, answer, outputs @ ..] = fields.as_slice() else {
            let why = format!("expected question, answer and outputs between tabs, got {} field", fields.len());
            return vec![Err(context.broken(line, why))];
        };
        if outputs.iter().all(|output| output.trim().is_empty()) {
            return vec![Err(context.broken(line, "expected an output of a model in the third field, got none"))];
        }
        let trace = |(sample, output): (u32, &&str)| Trace {
            problem: problem.to_string(),
            language: language.clone(),
            statement: question.trim_start_matches('\u{feff}').to_owned(),
            text: (*output).to_owned(),
            answer: Some((*answer).to_owned()).filter(|answer| !answer.is_empty()),
            sample,
            ..Trace::default()
        };
        (0..).zip(outputs).filter(|(_, output)| !output.trim().is_empty()).map(|found| Ok(trace(found))).collect()
    })))
}
