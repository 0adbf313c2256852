//! Traces and corpora that people wrote: what the reader finds in them, against what is known without it.
//!
//! None of these texts may enter the repository. The worked-out exemplars of MGSM (8 problems in 11 languages) are read from the folder
//! that `BABELSCOPE_TRACES` names, the corpora from `BABELSCOPE_CORPORA`; by default both lie in `../shared` beside the repository.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{collections::BTreeMap, fs, ops::Range};

use babelscope_probes::cot::{Kind, Reference, Trace, Use, Value, anchors, compare, givens, report::Traced, steps};
use babelscope_tests::shared;

/// The codes of the exemplars, and ours.
const LANGUAGES: [(&str, &str); 11] = [
    ("bn", "ben_Beng"),
    ("de", "deu_Latn"),
    ("en", "eng_Latn"),
    ("es", "spa_Latn"),
    ("fr", "fra_Latn"),
    ("ja", "jpn_Jpan"),
    ("ru", "rus_Cyrl"),
    ("sw", "swh_Latn"),
    ("te", "tel_Telu"),
    ("th", "tha_Thai"),
    ("zh", "zho_Hans"),
];
/// Solutions that write another formula than the English one: ja 8 spells the sign of equality, sw 3 has "+" in its place.
const OTHER_FORMULAS: [&str; 2] = ["ja 8", "sw 3"];
/// Statements that name another number: es 4 says "two" of each parent, th 3 "both".
const OTHER_NUMBERS: [&str; 2] = ["es 4", "th 3"];

/// One exemplar in one language.
struct Exemplar {
    /// Such as `sw 3`.
    name: String,
    problem: String,
    language: &'static str,
    question: String,
    solution: String,
}

impl Exemplar {
    fn traced(&self, solution: &str) -> Traced {
        Traced::of(Trace {
            problem: self.problem.clone(),
            language: self.language.to_owned(),
            statement: self.question.clone(),
            text: solution.to_owned(),
            ..Trace::default()
        })
        .unwrap()
    }
}

/// All exemplars, problem by problem; none where there is nothing to read.
fn exemplars() -> Vec<Exemplar> {
    let Some(folder) = shared::folder("BABELSCOPE_TRACES", "traces") else { return Vec::new() };
    let bytes = fs::read(folder.join("mgsm_exemplars_ccby4/exemplars.json")).unwrap();
    let all: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> = serde_json::from_slice(&bytes).unwrap();
    let of = |problem: &String, (short, language): (&str, &'static str)| Exemplar {
        name: format!("{short} {problem}"),
        problem: problem.clone(),
        language,
        question: all[short][problem]["q"].clone(),
        solution: all[short][problem]["a"].clone(),
    };
    let found: Vec<Exemplar> =
        all["en"].keys().flat_map(|problem| LANGUAGES.map(|language| of(problem, language))).collect();
    assert_eq!(found.len(), 88);
    found
}

fn english<'a>(all: &'a [Exemplar], of: &Exemplar) -> &'a Exemplar {
    all.iter().find(|other| other.problem == of.problem && other.language == "eng_Latn").unwrap()
}

/// Runs of characters that are numbers in any script, for Unicode.
fn runs(text: &str) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| c.is_numeric()) {
        match runs.last_mut() {
            Some(last) if last.end == at => last.end += c.len_utf8(),
            _ => runs.push(at..at + c.len_utf8()),
        }
    }
    runs
}

/// The numbers of a text: its runs, those joined that marks of thousands join (1,234 and 1.234.567).
fn numbers(text: &str) -> Vec<Range<usize>> {
    let digits = |run: &Range<usize>| text[run.clone()].chars().count();
    let mut numbers: Vec<Range<usize>> = Vec::new();
    let mut joinable = false;
    for run in runs(text) {
        let last = numbers.last_mut().filter(|last| matches!(&text[last.end..run.start], "," | "." | "٬"));
        match last {
            Some(last) if joinable && digits(&run) == 3 => last.end = run.end,
            _ => {
                joinable = digits(&run) <= 3;
                numbers.push(run);
            }
        }
    }
    numbers
}

/// Every number lies in an anchor or is listed with a reason; steps tile the text.
fn nothing_is_lost(text: &str, language: &str) -> usize {
    let cut = steps(text);
    let ends: Vec<usize> = cut.iter().map(|step| step.span.end).collect();
    let starts: Vec<usize> = cut.iter().map(|step| step.span.start).collect();
    if !text.trim().is_empty() {
        assert_eq!((starts.first(), ends.last()), (Some(&0), Some(&text.len())), "{language}: {text}");
    }
    assert!(starts.iter().skip(1).eq(ends.iter().take(ends.len().saturating_sub(1))), "{language}: {text}");
    let numbers = numbers(text);
    for (found, ignored) in [anchors(text, &cut, language), givens(text, language)] {
        assert!(ignored.iter().all(|ignored| !ignored.why.is_empty()), "{language}: {text}");
        let spans: Vec<_> = found.iter().map(|anchor| &anchor.span).chain(ignored.iter().map(|i| &i.span)).collect();
        for number in &numbers {
            let within = spans.iter().any(|span| span.start <= number.start && number.end <= span.end);
            assert!(within, "{language}: {:?} of {text:?} is lost", &text[number.clone()]);
        }
    }
    numbers.len()
}

/// The equations of a text that need no grammar: runs of digits, `+`, `-`, `*` and `x` around one sign of equality, two operands before
/// it and a number behind it. Their place, operands and result.
fn equations(text: &str) -> Vec<(Range<usize>, [i64; 2], i64)> {
    let part = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '+' | '-' | '*' | 'x' | '=');
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = text[at..].find(|c| !part(c)).unwrap_or(text.len() - at);
        let run = &text[at..at + length];
        let trimmed = run.trim_matches(|c: char| !c.is_ascii_digit());
        let start = at + run.find(trimmed).unwrap();
        if let Some((left, right)) = trimmed.split_once('=') {
            let operands: Vec<i64> = left.split(['+', '-', '*', 'x']).filter_map(|n| n.trim().parse().ok()).collect();
            if let (Ok(operands), Ok(right)) = (<[i64; 2]>::try_from(operands), right.trim().parse()) {
                found.push((start..start + trimmed.len(), operands, right));
            }
        }
        at += length.max(text[at..].chars().next().map_or(1, char::len_utf8));
    }
    found
}

/// What is said, without its place: kind and canonical form.
fn said(traced: &Traced) -> Vec<(Kind, &str)> {
    traced.anchors.iter().map(|anchor| (anchor.kind, anchor.normal.as_str())).collect()
}

#[test]
fn answers_are_those_that_the_english_text_ends_with() {
    let all = exemplars();
    for exemplar in &all {
        let known = english(&all, exemplar).solution.split(|c: char| !c.is_ascii_digit()).rfind(|n| !n.is_empty());
        let answer = exemplar.traced(&exemplar.solution).answer.map(|value| value.to_string());
        assert_eq!(answer.as_deref(), known, "{}: {}", exemplar.name, exemplar.solution);
    }
}

#[test]
fn plain_equations_are_found_with_their_operands() {
    let mut count = 0;
    for exemplar in exemplars() {
        let traced = exemplar.traced(&exemplar.solution);
        for (place, operands, right) in equations(&exemplar.solution) {
            count += 1;
            let uses = operands.map(|operand| Use::Value(Value::from(operand)));
            let is = |anchor: &&babelscope_probes::cot::Anchor| {
                anchor.span.start <= place.start && place.end <= anchor.span.end && anchor.uses == uses
            };
            let anchor = traced.anchors.iter().find(is);
            let value = anchor.and_then(|anchor| anchor.value.clone());
            let written = &exemplar.solution[place.clone()];
            assert_eq!(value, Some(right.into()), "{}: {written} among {:?}", exemplar.name, traced.anchors);
        }
    }
    assert!(count == 0 || count > 110, "{count}");
}

#[test]
fn statements_give_the_same_numbers_in_every_language() {
    let all = exemplars();
    let given = |exemplar: &Exemplar| {
        let found = givens(&exemplar.question, exemplar.language).0.into_iter().filter_map(|given| given.value);
        // The word for one may be an article.
        let mut values: Vec<Value> = found.filter(|value| *value != Value::from(1)).collect();
        values.sort();
        values
    };
    let differ = all.iter().filter(|exemplar| given(exemplar) != given(english(&all, exemplar)));
    let mut differ: Vec<&str> = differ.map(|exemplar| exemplar.name.as_str()).collect();
    differ.sort_unstable();
    assert!(all.is_empty() || differ == OTHER_NUMBERS, "{differ:?}");
}

#[test]
fn the_reference_of_the_english_trace_is_covered_in_every_language() {
    let all = exemplars();
    let mut gaps = Vec::new();
    for exemplar in &all {
        let pivot = english(&all, exemplar);
        let reference = Reference::agreed(&[pivot.traced(&pivot.solution).trajectory.graph], 0.5).unwrap();
        let found = compare(&reference, &exemplar.traced(&exemplar.solution).trajectory).unwrap();
        let name = &exemplar.name;
        assert_eq!((found.coverage, found.harms.len(), found.answer), (1.0, 0, Some(true)), "{name}");
        assert!(found.redundant.is_empty() && found.order_violations.is_empty(), "{name}: {found:?}");
        if found.edge_fidelity_all() != Some(1.0) {
            gaps.push(name.as_str());
        }
    }
    gaps.sort_unstable();
    assert!(all.is_empty() || gaps == OTHER_FORMULAS, "{gaps:?}");
}

#[test]
fn digits_of_the_script_and_other_signs_change_nothing() {
    for exemplar in exemplars() {
        let zero = match exemplar.language {
            "ben_Beng" => '০',
            "tel_Telu" => '౦',
            "tha_Thai" => '๐',
            "jpn_Jpan" | "zho_Hans" => '０',
            _ => '0',
        };
        let native = |c: char| c.to_digit(10).and_then(|n| char::from_u32(u32::from(zero) + n)).unwrap_or(c);
        let digits: String = exemplar.solution.chars().map(native).collect();
        let mut wrapped = exemplar.solution.clone();
        for (place, ..) in equations(&exemplar.solution).into_iter().rev() {
            let formula = exemplar.solution[place.clone()].replace(['*', 'x'], "\\times");
            wrapped.replace_range(place, &format!("\\({formula}\\)"));
        }
        let signs = exemplar.solution.replace(" - ", " − ").replace(" * ", " × ").replace(" x ", " · ");
        let plain = exemplar.traced(&exemplar.solution);
        for text in [digits, wrapped, signs] {
            let traced = exemplar.traced(&text);
            assert_eq!(said(&traced), said(&plain), "{}: {text}", exemplar.name);
            assert_eq!(traced.trajectory.graph.edges, plain.trajectory.graph.edges, "{}: {text}", exemplar.name);
            assert_eq!(traced.steps.len(), plain.steps.len(), "{}: {text}", exemplar.name);
        }
    }
}

#[test]
fn no_number_of_real_texts_is_lost() {
    for exemplar in exemplars() {
        nothing_is_lost(&exemplar.question, exemplar.language);
        nothing_is_lost(&exemplar.solution, exemplar.language);
    }
    let Some(corpora) = shared::folder("BABELSCOPE_CORPORA", "corpora") else { return };
    let mut count = 0;
    for folder in fs::read_dir(&corpora).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            let Some(language) = file.file_name().and_then(|name| name.to_str()?.strip_suffix(".txt")) else {
                continue;
            };
            let text = fs::read_to_string(&file).unwrap();
            count += text.lines().map(|line| nothing_is_lost(line, language)).sum::<usize>();
            nothing_is_lost(&text, language);
        }
    }
    assert!(count > 3000, "{count} numbers in {}", corpora.display());
}
