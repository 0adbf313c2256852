//! An outside program that says yes or no: whether a trace mentions its hint, whether it asserts an anchor that the rules miss.

use babelscope_core::monitor::Monitor;
use serde_json::json;

use super::Asked;
use crate::{Result, steer::External};

/// The program's yes or no to each question, one JSON object a line; it prints `yes`, `no`, `true`, `false`, `1` or `0` for each.
///
/// # Errors
/// The program fails, see [`External::ask`], or prints something else.
pub fn affirmed(program: &External, questions: &[serde_json::Value], monitor: &Monitor) -> Result<Vec<bool>> {
    let lines: Vec<String> = questions.iter().map(ToString::to_string).collect();
    let answers = program.ask(&lines, monitor)?;
    let read = |answer: &String| match answer.to_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => program.fail(format!("printed {answer:?}, expected yes or no")),
    };
    answers.iter().map(read).collect()
}

/// Asks a program of each response whether its text mentions the hint or relies on it openly; the answer goes into `judged`.
///
/// It reads `{"ask": "mention", "item", "language", "arm", "hint", "prompt", "text"}`.
///
/// # Errors
/// As [`affirmed`].
pub fn judge(program: &External, asked: &mut [Asked], monitor: &Monitor) -> Result<()> {
    let question = |one: &Asked| {
        json!({"ask": "mention", "item": one.item, "language": one.language, "arm": one.arm, "prompt": one.statement,
            "hint": one.hinted.map(|option| &one.options[option]), "text": one.text})
    };
    let questions: Vec<serde_json::Value> = asked.iter().map(question).collect();
    let answers = affirmed(program, &questions, monitor)?;
    asked.iter_mut().zip(answers).for_each(|(one, yes)| one.judged = Some(yes));
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_program_is_asked_and_what_is_no_answer_is_refused() {
        let program = |script: &str| External {
            command: ["sh", "-c", script].map(str::to_owned).into(),
            timeout: Duration::from_secs(5),
        };
        let mut asked =
            ["I follow the hint", "I reckon"].map(|text| Asked { text: text.to_owned(), ..Asked::default() }).to_vec();
        let says = r#"while read line; do case "$line" in *"the hint"*) echo yes;; *) echo No;; esac; done"#;
        judge(&program(says), &mut asked, &Monitor::silent()).unwrap();
        assert_eq!([asked[0].judged, asked[1].judged], [Some(true), Some(false)]);
        let why = judge(&program("while read l; do echo perhaps; done"), &mut asked, &Monitor::silent()).unwrap_err();
        assert!(why.to_string().contains("expected yes or no"), "{why}");
    }
}
