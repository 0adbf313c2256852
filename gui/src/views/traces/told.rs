//! A trace made ready for the screen: its parts (the problem, then each step), what is marked in them, and what became of it.

use std::ops::Range;

use babelscope_core::lang::{self, Direction};
use babelscope_probes::cot::{Role, report::Traced};

use super::held::Held;
use crate::{
    text::{base_direction_or, isolate},
    widgets::verdict::Verdict,
};

/// Something that is marked in a part.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// Bytes of the part's text.
    pub(super) range: Range<usize>,
    /// The node that it says; none for a number that leads nowhere.
    pub(super) node: Option<usize>,
    /// Whether it is the answer.
    pub(super) answer: bool,
    /// What a person would say of it.
    pub(super) said: String,
}

/// A part of a trace: the problem, or a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) direction: Direction,
    /// In the order of the text, apart from each other.
    pub(super) marks: Vec<Mark>,
}

/// A trace made ready.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Its number in the run.
    pub(super) trace: usize,
    /// Its language as it is called here.
    pub(super) who: String,
    /// The problem, then the steps: part k stands before boundary k.
    pub(super) parts: Vec<Part>,
    /// What became of each node.
    pub(super) verdicts: Vec<Verdict>,
    /// Which critical anchor each node stands for.
    pub(super) anchors: Vec<Option<usize>>,
    /// The part in which each node is said first.
    pub(super) places: Vec<usize>,
    /// The node that stands for each critical anchor.
    pub(super) nodes: Vec<Option<usize>>,
}

/// What became of each node.
fn verdicts(traced: &Traced) -> Vec<Verdict> {
    let of = |(at, role): (usize, Role)| match (&traced.comparison, role) {
        (_, Role::Given) => Verdict::Given,
        (None, _) => Verdict::Open,
        // The answer may say the value of another node, even of a given, and be wrong as the answer.
        (Some(found), Role::Answer) if found.answer == Some(false) => Verdict::Wrong,
        (Some(found), _) => match found.stands.get(at).copied().flatten() {
            None => Verdict::Redundant,
            Some(stand) if stand.correct => Verdict::Correct,
            Some(_) => Verdict::Wrong,
        },
    };
    traced.trajectory.graph.nodes.iter().map(|node| node.role).enumerate().map(of).collect()
}

/// The text of a range without white space at its ends, and where it begins.
fn trimmed(text: &str, range: Range<usize>) -> (usize, &str) {
    let whole = text.get(range.clone()).unwrap_or_default();
    let inside = whole.trim_start();
    (range.start + whole.len() - inside.len(), inside.trim_end())
}

/// Those that lie in a part, moved to its beginning, without any that overlaps one before it.
fn inside(start: usize, text: &str, all: impl Iterator<Item = Mark>) -> Vec<Mark> {
    let end = start + text.len();
    let mut found: Vec<Mark> = all
        .filter(|mark| start <= mark.range.start && mark.range.end <= end && !mark.range.is_empty())
        .map(|mark| Mark { range: mark.range.start - start..mark.range.end - start, ..mark })
        .filter(|mark| text.get(mark.range.clone()).is_some())
        .collect();
    found.sort_by_key(|mark| (mark.range.start, std::cmp::Reverse(mark.range.end)));
    let mut last = 0;
    found.retain(|mark| {
        let free = mark.range.start >= last;
        last = if free { mark.range.end } else { last };
        free
    });
    found
}

impl Told {
    /// Makes trace number `trace` ready; `who` is what its language is called in names.
    pub(super) fn new(held: Held<'_>, trace: usize, who: &str) -> Option<Self> {
        let traced = held.trace(trace)?;
        let graph = &traced.trajectory.graph;
        let critical: &[_] = traced.comparison.as_ref().map_or(&[], |found| &found.anchors);
        let mut told = Self {
            trace,
            who: who.to_owned(),
            parts: Vec::with_capacity(traced.steps.len() + 1),
            verdicts: verdicts(traced),
            anchors: vec![None; graph.nodes.len()],
            places: graph.nodes.iter().map(|node| node.step.map_or(0, |step| step + 1)).collect(),
            nodes: critical.iter().map(|aligned| aligned.node).collect(),
        };
        if let Some(found) = &traced.comparison {
            for (own, stand) in told.anchors.iter_mut().zip(&found.stands) {
                *own = stand.and_then(|stand| critical.iter().position(|aligned| aligned.anchor == stand.anchor));
            }
        }
        told.parts = told.cut(traced);
        Some(told)
    }

    fn cut(&self, traced: &Traced) -> Vec<Part> {
        let language = traced.trace.language.as_str();
        let posed_in = traced.trace.statement_language.as_deref().unwrap_or(language);
        let statement = traced.trace.statement.trim();
        let before = traced.trace.statement.len() - traced.trace.statement.trim_start().len();
        let graph = &traced.trajectory.graph;
        let given = |(at, written): (usize, &Range<usize>)| Mark {
            range: written.clone(),
            node: Some(at),
            answer: false,
            said: self.said(traced.trace.statement.get(written.clone()), Some(at), 0),
        };
        let givens = graph.nodes.iter().enumerate().filter(|(_, node)| node.role == Role::Given);
        let givens = givens.map(|(at, node)| given((at, &node.span)));
        let mut parts = vec![Part {
            marks: inside(before, statement, givens),
            text: statement.to_owned(),
            direction: base_direction_or(statement, lang::direction(posed_in)),
        }];
        let answer = graph.answer();
        let text = traced.trace.text.as_str();
        for (number, step) in traced.steps.iter().enumerate() {
            let (start, own) = trimmed(text, step.span.clone());
            let said = traced.anchors.iter().enumerate().filter(|(_, anchor)| anchor.step == Some(number));
            let said = said.map(|(at, anchor)| {
                let node = traced.trajectory.said.get(at).copied().flatten();
                let answer = node.is_some() && node == answer;
                let name = self.said(text.get(anchor.span.clone()), node, number + 1);
                Mark {
                    range: anchor.span.clone(),
                    node,
                    answer,
                    said: if answer { format!("{name}, answer") } else { name },
                }
            });
            let ignored = traced.ignored.iter().map(|ignored| Mark {
                range: ignored.span.clone(),
                node: None,
                answer: false,
                said: format!(
                    "{} step {}: {}, no anchor: {}",
                    self.who,
                    number + 1,
                    isolate(text.get(ignored.span.clone()).unwrap_or_default()),
                    ignored.why
                ),
            });
            parts.push(Part {
                marks: inside(start, own, said.chain(ignored)),
                direction: base_direction_or(own, lang::direction(language)),
                text: own.to_owned(),
            });
        }
        parts
    }

    /// What a person would say of something that is written in a part.
    fn said(&self, written: Option<&str>, node: Option<usize>, part: usize) -> String {
        let place = if part == 0 { "problem".to_owned() } else { format!("step {part}") };
        let verdict = node.and_then(|node| self.verdicts.get(node)).map_or("only mentioned", |verdict| verdict.name());
        let anchor = node.and_then(|node| self.anchors.get(node).copied().flatten());
        let anchor = anchor.map_or(String::new(), |at| format!(", anchor {}", at + 1));
        format!("{} {place}: {}, {verdict}{anchor}", self.who, isolate(written.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use babelscope::details::Details;
    use babelscope_core::monitor::Monitor;
    use babelscope_probes::cot::{Trace, report::report, table::GraphParams};

    use super::{super::held::Edits, *};

    fn made(details: &Details, trace: usize) -> Told {
        Told::new(Held { details, edits: &Edits::default() }, trace, "it").unwrap()
    }

    fn told(language: &str, statement: &str, text: &str) -> Told {
        let trace = Trace {
            language: language.to_owned(),
            statement: statement.to_owned(),
            text: text.to_owned(),
            ..Trace::default()
        };
        let details = Details { traces: vec![Traced::of(trace).unwrap()], ..Details::default() };
        made(&details, 0)
    }

    fn marked(part: &Part) -> Vec<&str> {
        part.marks.iter().map(|mark| &part.text[mark.range.clone()]).collect()
    }

    #[test]
    fn parts_are_the_problem_and_the_steps_with_what_they_assert() {
        let found = told("arb_Arab", "عند آنا ٣ أكواب وتشتري ٤ أكواب.", " ٣ + ٤ = ٧. الجواب هو ٧.");
        assert_eq!(found.parts.len(), 3);
        assert_eq!(marked(&found.parts[0]), ["٣ أكواب", "٤ أكواب"]);
    }

    #[test]
    fn a_step_of_signs_alone_runs_as_its_language_does() {
        let found = told("arb_Arab", "", "٣ + ٤ = ٧.");
        assert_eq!((found.parts[0].text.as_str(), found.parts[1].direction), ("", Direction::Rtl));
        assert_eq!(told("tha_Thai", "", "๓ + ๔ = ๗").parts[1].direction, Direction::Ltr);
    }

    #[test]
    fn an_answer_that_only_repeats_a_given_is_wrong() {
        let of = |sample: u32, text: &str| Trace {
            problem: "p".to_owned(),
            language: "eng_Latn".to_owned(),
            statement: "Anna has 3 cups and buys 4 cups.".to_owned(),
            text: text.to_owned(),
            answer: Some("7".to_owned()),
            sample,
            ..Trace::default()
        };
        let traces = vec![of(0, "3 + 4 = 7. The answer is 7."), of(1, "The answer is 4.")];
        let params = GraphParams { bootstrap: 0, ..GraphParams::default() };
        let found = report(traces, &BTreeMap::new(), "eng_Latn", &params, 0, &Monitor::silent()).unwrap();
        let details = Details { traces: found.traces, ..Details::default() };
        let verdict = |trace: usize| made(&details, trace).verdicts.last().copied();
        assert_eq!((verdict(0), verdict(1)), (Some(Verdict::Correct), Some(Verdict::Wrong)));
    }

    #[test]
    fn marks_that_overlap_give_way_to_the_longer_one() {
        let mark = |range: Range<usize>| Mark { range, node: None, answer: false, said: String::new() };
        let all = [mark(4..5), mark(2..5), mark(6..9), mark(0..1), mark(5..6)];
        let found = inside(2, "345678", all.into_iter());
        assert_eq!(found.iter().map(|mark| mark.range.clone()).collect::<Vec<_>>(), [0..3, 3..4]);
    }
}
