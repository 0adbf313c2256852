//! What makes the answers of traces doubtful, the known ones and those that they give: said as notes, as nobody sees it in a mean.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Trace, Value, reads_answers,
    report::{answer_value, gold},
};

/// The language whose marks an answer without any of its own is written in, as often as not.
const USUAL: &str = "eng_Latn";

/// A sentence for each kind of doubt about the answers, with its first case.
///
/// ```
/// use babelscope_probes::cot::{Trace, doubts};
/// let of = |language: &str, answer: &str| Trace {
///     problem: "p".into(), language: language.into(), answer: Some(answer.into()), ..Trace::default()
/// };
/// assert!(doubts(&[of("eng_Latn", "1,234"), of("fra_Latn", "1234")]).is_empty());
/// // 1,234 is a bit more than one in German.
/// assert!(doubts(&[of("deu_Latn", "1,234")])[0].contains("1,234"));
/// ```
pub fn doubts<'t>(traces: impl IntoIterator<Item = &'t Trace>) -> Vec<String> {
    let (mut unread, mut marks): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut answers: BTreeMap<&str, BTreeMap<Value, &str>> = BTreeMap::new();
    let (mut seen, mut wordless) = (BTreeSet::new(), BTreeSet::new());
    for trace in traces {
        if !reads_answers(&trace.language) {
            wordless.insert(trace.language.as_str());
        }
        let Some(text) = trace.answer.as_deref() else { continue };
        let posed_in = trace.statement_language.as_deref().unwrap_or(&trace.language);
        let right = gold(trace);
        if let Some(right) = &right {
            answers.entry(&trace.problem).or_default().entry(right.clone()).or_insert(&trace.language);
        }
        if !seen.insert((trace.problem.as_str(), posed_in, text)) {
            continue;
        }
        let usual = answer_value(text, USUAL);
        match (right, usual) {
            (None, _) => unread.push(format!("{text:?} of {} in {posed_in}", trace.problem)),
            (Some(own), Some(usual)) if own != usual => {
                marks.push(format!("{text:?} of {} is {own} in {posed_in} and {usual} in {USUAL}", trace.problem));
            }
            _ => {}
        }
    }
    let mut notes = Vec::new();
    if let Some(first) = unread.first() {
        notes.push(format!(
            "{} known answers hold no number that can be read in their language, {first} among them: whether their traces are right is not known; \
             write them without marks for thousands, or give `statement_language`",
            unread.len()
        ));
    }
    if let Some(first) = marks.first() {
        notes.push(format!(
            "the marks of {} known answers mean one number in the language of the problem and another in English; {first}; the first is taken: \
             give `statement_language` where that is wrong",
            marks.len()
        ));
    }
    if !wordless.is_empty() {
        let languages: Vec<&str> = wordless.into_iter().collect();
        notes.push(format!(
            "the word for answer is not known in {}: there an answer is seen in \\boxed{{}}, behind #### and behind the English word alone, and a trace without them is not solved",
            languages.join(", ")
        ));
    }
    let differ: Vec<_> = answers.iter().filter(|(_, values)| values.len() > 1).collect();
    if let Some((problem, values)) = differ.first() {
        let values: Vec<String> = values.iter().map(|(value, language)| format!("{value} in {language}")).collect();
        notes.push(format!(
            "{} problems have another known answer in another language, {problem} among them ({}); all their traces are held against one \
             reference: give different problems different names",
            differ.len(),
            values.join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(problem: &str, language: &str, posed_in: Option<&str>, answer: &str) -> Trace {
        Trace {
            problem: problem.to_owned(),
            language: language.to_owned(),
            statement_language: posed_in.map(str::to_owned),
            answer: Some(answer.to_owned()),
            ..Trace::default()
        }
    }

    #[test]
    fn marks_are_doubted_where_languages_write_them_otherwise() {
        let note = &doubts(&[of("a", "deu_Latn", None, "1,234"), of("a", "deu_Latn", None, "1,234")])[0];
        assert!(note.starts_with("the marks of 1 known answers") && note.contains("617/500 in deu_Latn"), "{note}");
        assert!(doubts(&[of("a", "deu_Latn", Some("eng_Latn"), "1,234")]).is_empty());
        assert!(doubts(&[of("a", "arb_Arab", None, "٢٩"), of("b", "hin_Deva", None, "1/2")]).is_empty());
    }

    #[test]
    fn an_answer_that_cannot_be_read_is_said() {
        let note = &doubts(&[of("a", "spa_Latn", None, "1,234"), of("b", "spa_Latn", None, "7")])[0];
        assert!(note.starts_with("1 known answers hold no number") && note.contains("of a in spa_Latn"), "{note}");
    }

    #[test]
    fn a_language_whose_answers_are_not_read_is_said() {
        let note = &doubts(&[of("a", "zul_Latn", None, "7"), of("a", "ita_Latn", None, "7")])[0];
        assert!(note.contains("not known in zul_Latn: there") && note.contains("\\boxed{}"), "{note}");
    }

    #[test]
    fn one_problem_with_two_answers_is_said() {
        let note =
            &doubts(&[of("a", "eng_Latn", None, "3"), of("a", "deu_Latn", None, "2"), of("b", "deu_Latn", None, "2")])
                [0];
        assert!(note.contains("a among them (2 in deu_Latn, 3 in eng_Latn)"), "{note}");
    }
}
