//! A program that judges relevance: one JSON object a line in, a mark from 0 to 2 a line out.

use babelscope_core::monitor::Monitor;

use crate::{Result, steer::External};

/// What the judge reads of one output; its language is to be ignored.
#[derive(Clone, Debug)]
pub(in crate::steer) struct Case<'a> {
    pub(in crate::steer) source: &'a str,
    pub(in crate::steer) target: &'a str,
    pub(in crate::steer) prompt: &'a str,
    pub(in crate::steer) text: &'a str,
    /// The prompt's line in the target language.
    pub(in crate::steer) reference: &'a str,
}

/// Marks from 0 (unrelated) to 2 (answers the prompt).
///
/// # Errors
/// The program failed, or a mark is no number from 0 to 2.
pub(in crate::steer) fn marks(judge: &External, cases: &[Case<'_>], monitor: &Monitor) -> Result<Vec<f64>> {
    let object = |case: &Case<'_>| {
        let text = |text: &str| quoted(text);
        let Case { source, target, prompt, text: output, reference } = case;
        format!(
            r#"{{"source":{},"target":{},"prompt":{},"text":{},"reference":{}}}"#,
            text(source),
            text(target),
            text(prompt),
            text(output),
            text(reference)
        )
    };
    let lines: Vec<String> = cases.iter().map(object).collect();
    let answers = judge.ask(&lines, monitor)?;
    let mark = |answer: &String| match answer.parse::<f64>() {
        Ok(mark) if (0.0..=2.0).contains(&mark) => Ok(mark),
        _ => judge.fail(format!("gave the mark {answer:?}, expected a number from 0 to 2")),
    };
    answers.iter().map(mark).collect()
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn strings_are_json() {
        for text in ["a \"b\" \\ \n\u{1}", "志强。", ""] {
            assert_eq!(serde_json::from_str::<String>(&quoted(text)).unwrap(), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn marks_are_read_and_others_refused() {
        let case =
            Case { source: "eng_Latn", target: "rus_Cyrl", prompt: "Who?", text: "\"A\"\nB", reference: "Кто?" };
        let judge = |script: &str| External {
            command: vec!["sh".into(), "-c".into(), script.into()],
            timeout: Duration::from_secs(5),
        };
        let monitor = Monitor::silent();
        let given = marks(&judge("while read line; do echo 1.5; done"), &[case.clone(), case.clone()], &monitor);
        assert_eq!(given.unwrap(), [1.5, 1.5]);
        let error = marks(&judge("while read line; do echo 3; done"), &[case], &monitor).unwrap_err().to_string();
        assert!(error.contains("expected a number from 0 to 2"), "{error}");
    }
}
