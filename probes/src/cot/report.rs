//! Traces from text to comparison: cut into steps, anchored, linked, and held against the reference of their problem.
//!
//! Decided here: the reference of a problem is the graph that is given (a generator's, or one edited by hand), else what the correct
//! traces in the pivot language agree on. A trace is *correct* where its answer equals the known one. Where no answer is known, nothing
//! is called correct, and a problem without a correct trace has no reference: a note says so, and its traces have no comparison.

use std::collections::{BTreeMap, BTreeSet};

use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Anchor, Comparison, Diagnosis, Graph, Ignored, Kind, Reference, Statistics, Step, Trace, Trajectory, Value,
    anchors,
    compare::compare,
    diagnose, doubts, givens,
    loops::{LoopRule, loop_score, words},
    number, statistics, steps,
    table::{AnchorTable, Compared, GraphParams, means, measured},
};
use crate::{
    Error, Result,
    measure::{Measured, Row},
};

/// Traces that are read between two looks at whether the work was cancelled.
const BLOCK: usize = 64;

/// A trace with all that its text says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traced {
    /// As it was written.
    pub trace: Trace,
    /// Its steps.
    pub steps: Vec<Step>,
    /// What its steps assert, in order.
    pub anchors: Vec<Anchor>,
    /// Its graph and its course.
    pub trajectory: Trajectory,
    /// Numbers that are no anchors, with reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<Ignored>,
    /// Of its graph.
    pub statistics: Statistics,
    /// Share of its text that goes round.
    pub loop_score: f64,
    /// What it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// Whether that is right; none where the right answer is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<bool>,
    /// Against the reference of its problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// What went wrong, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Diagnosis>,
}

/// A problem: what its traces are held against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Posed {
    /// Its name.
    pub problem: String,
    /// The reference graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Graph>,
    /// Its critical nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub critical: Vec<usize>,
    /// Share of the reference traces that have each node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub support: Vec<f64>,
    /// Critical anchor by language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<AnchorTable>,
}

/// Traces and problems, and the numbers of both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceReport {
    /// Every number as a row.
    pub measured: Measured,
    /// The problems by name.
    pub problems: Vec<Posed>,
    /// The traces in the order in which they came.
    pub traces: Vec<Traced>,
}

/// The number that an answer gives: the value of the whole text (10^3), unless that may be a range, a score or a ratio (10-20, 3:1); else
/// the last number in it.
pub fn answer_value(text: &str, language: &str) -> Option<Value> {
    let whole = number(text, language).ok().filter(|_| !text.contains(['-', '–', '−', ':']));
    if whole.is_some() {
        return whole;
    }
    let (found, _) = givens(text, language);
    found.into_iter().filter_map(|anchor| anchor.value).next_back()
}

/// The right answer of a trace, read in the language of its problem; none where it is not known or cannot be read.
pub fn gold(trace: &Trace) -> Option<Value> {
    answer_value(trace.answer.as_deref()?, trace.statement_language.as_deref().unwrap_or(&trace.language))
}

impl Traced {
    /// Cuts, anchors and links a trace.
    ///
    /// # Errors
    /// Never on text; a graph that breaks its promises would be a mistake of this program.
    ///
    /// ```
    /// use babelscope_probes::cot::{Trace, report::Traced};
    /// let trace = Trace {
    ///     language: "eng_Latn".into(),
    ///     statement: "Anna has 3 cups. Anna buys 4 cups.".into(),
    ///     text: "3 + 4 = 7. The answer is 7.".into(),
    ///     answer: Some("7".into()),
    ///     ..Trace::default()
    /// };
    /// let traced = Traced::of(trace)?;
    /// assert_eq!((traced.steps.len(), traced.right), (2, Some(true)));
    /// assert_eq!(traced.trajectory.graph.edges.len(), 2);
    /// # Ok::<(), babelscope_probes::Error>(())
    /// ```
    pub fn of(trace: Trace) -> Result<Self> {
        Self::with(trace, &LoopRule::default())
    }

    /// The same, with what counts as a loop.
    ///
    /// # Errors
    /// As [`Traced::of`].
    pub fn with(trace: Trace, rule: &LoopRule) -> Result<Self> {
        let cut = steps(&trace.text);
        let (said, ignored) = anchors(&trace.text, &cut, &trace.language);
        let posed_in = trace.statement_language.as_deref().unwrap_or(&trace.language);
        let (given, _) = givens(&trace.statement, posed_in);
        let trajectory = Trajectory::of(&given, &said).with_text(&trace.statement, &trace.text);
        let stated =
            said.iter().rev().find(|anchor| anchor.kind == Kind::Answer).and_then(|anchor| anchor.value.clone());
        let in_graph = || trajectory.graph.answer().and_then(|node| trajectory.graph.nodes[node].value.clone());
        let answer = stated.or_else(in_graph);
        let right = gold(&trace).map(|gold| answer.as_ref() == Some(&gold));
        Ok(Self {
            statistics: statistics(&trajectory.graph)?,
            loop_score: loop_score(&words(&trace.text), rule),
            steps: cut,
            anchors: said,
            trajectory,
            ignored,
            answer,
            right,
            comparison: None,
            diagnosis: None,
            trace,
        })
    }

    /// The step of an anchor.
    pub fn said_step(&self, anchor: usize) -> Option<usize> {
        self.anchors.get(anchor).and_then(|anchor| anchor.step)
    }

    /// The text before the step that first did harm; all of it where none did.
    pub fn last_right(&self) -> &str {
        let harm = self.comparison.as_ref().and_then(|found| found.harms.first());
        let step = harm.and_then(|harm| self.trajectory.actions.get(harm.action)?.step);
        let end = step.and_then(|step| self.steps.get(step)).map(|step| step.span.start);
        end.and_then(|end| self.trace.text.get(..end)).unwrap_or(&self.trace.text)
    }

    /// What the table of comparisons takes.
    fn compared(&self) -> Compared {
        Compared {
            problem: self.trace.problem.clone(),
            language: self.trace.language.clone(),
            sample: self.trace.sample,
            comparison: self.comparison.clone(),
            statistics: self.statistics.clone(),
            loop_score: Some(self.loop_score),
        }
    }
}

/// Reads traces and compares them. `known` are reference graphs by problem; the others are made from the correct traces in `pivot`.
///
/// Rows: those of [`measured`] and [`AnchorTable::rows`], and `solved` of each language, over the problems whose answer is known. Notes
/// say which problems have no reference, and which answers are doubtful ([`doubts`]).
///
/// # Errors
/// Parameters that make no sense, no trace, the same problem, language and sample twice, a known graph without an answer.
pub fn report(
    traces: Vec<Trace>,
    known: &BTreeMap<String, Graph>,
    pivot: &str,
    params: &GraphParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<TraceReport> {
    let refuse = |why: String| Err(Error::Input { measure: "traces", why });
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    if traces.is_empty() {
        return refuse("there is no trace".to_owned());
    }
    let (total, rule) = (traces.len(), params.rule());
    let mut read: Vec<Traced> = Vec::with_capacity(total);
    let mut rest = traces.into_iter();
    loop {
        monitor.tick(Tick { what: "reading traces", done: read.len(), total, unit: "traces" })?;
        let block: Vec<Trace> = rest.by_ref().take(BLOCK).collect();
        if block.is_empty() {
            break;
        }
        let of: Result<Vec<Traced>> = block.into_par_iter().map(|trace| Traced::with(trace, &rule)).collect();
        read.extend(of?);
    }
    let mut measured_ = Measured { notes: doubts(read.iter().map(|traced| &traced.trace)), rows: Vec::new() };
    let mut references: BTreeMap<String, Reference> = BTreeMap::new();
    let names: BTreeSet<String> = read.iter().map(|traced| traced.trace.problem.clone()).collect();
    let mut problems = Vec::new();
    let mut without = Vec::new();
    for name in names {
        let found = match known.get(&name) {
            Some(graph) => Some(Reference::new(graph.clone())?),
            None => agreed(&read, &name, pivot, params.tau)?,
        };
        if found.is_none() {
            without.push(name.clone());
        }
        let mut posed = Posed { problem: name.clone(), ..Posed::default() };
        if let Some(reference) = found {
            posed.reference = Some(reference.graph().clone());
            posed.critical = reference.critical().to_vec();
            posed.support = reference.support().to_vec();
            references.insert(name, reference);
        }
        problems.push(posed);
    }
    if let Some(first) = without.first() {
        let spoken: BTreeSet<&str> = read.iter().map(|traced| traced.trace.language.as_str()).collect();
        let why = if spoken.contains(pivot) {
            format!("no trace in {pivot} has the known answer")
        } else {
            let spoken: Vec<&str> = spoken.into_iter().collect();
            format!("no trace is in the pivot language {pivot}, they are in {}", spoken.join(", "))
        };
        measured_.notes.push(format!(
            "{} of {} problems have no reference, {first} among them: no graph was given, and {why}",
            without.len(),
            problems.len()
        ));
    }
    let held: Result<Vec<()>> = read
        .par_iter_mut()
        .map(|traced| {
            if let Some(reference) = references.get(&traced.trace.problem) {
                traced.comparison = Some(compare(reference, &traced.trajectory)?);
                traced.diagnosis = Some(diagnose(reference, &traced.trajectory)?);
            }
            Ok(())
        })
        .collect();
    held?;
    let compared: Vec<Compared> = read.iter().map(Traced::compared).collect();
    let found = measured(&compared, pivot, params, seed)?;
    measured_.rows.extend(found.rows);
    measured_.notes.extend(found.notes);
    for posed in &mut problems {
        if let Some(reference) = references.get(&posed.problem) {
            let table = AnchorTable::of(&posed.problem, reference, &compared)?;
            measured_.rows.extend(table.rows(pivot));
            posed.table = Some(table);
        }
    }
    measured_.rows.extend(solved(&read, params, seed)?);
    let ignored: usize = read.iter().map(|traced| traced.ignored.len()).sum();
    if ignored > 0 {
        measured_
            .notes
            .push(format!("{ignored} numbers of the traces are no anchors; each trace lists its own with reasons"));
    }
    Ok(TraceReport { measured: measured_, problems, traces: read })
}

/// What the correct traces of a problem in the pivot language agree on.
fn agreed(read: &[Traced], problem: &str, pivot: &str, tau: f64) -> Result<Option<Reference>> {
    let right = read.iter().filter(|traced| {
        let answers = traced.trajectory.graph.answer().is_some();
        traced.trace.problem == problem && traced.trace.language == pivot && traced.right == Some(true) && answers
    });
    let graphs: Vec<Graph> = right.map(|traced| traced.trajectory.graph.clone()).collect();
    if graphs.is_empty() { Ok(None) } else { Reference::agreed(&graphs, tau).map(Some) }
}

/// Share of the traces of each language whose answer is right: the mean over problems of the mean over samples.
fn solved(read: &[Traced], params: &GraphParams, seed: u64) -> Result<Vec<Row>> {
    let known = read.iter().filter_map(|traced| {
        let right = f64::from(u8::from(traced.right?));
        Some((traced.trace.language.as_str(), traced.trace.problem.as_str(), right))
    });
    means("solved", known, (params.bootstrap, seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cot::Status;

    fn trace(problem: &str, language: &str, text: &str) -> Trace {
        Trace {
            problem: problem.to_owned(),
            language: language.to_owned(),
            statement: "Anna has 3 cups and buys 4 cups. She loses 2 cups.".to_owned(),
            statement_language: Some("eng_Latn".to_owned()),
            text: text.to_owned(),
            answer: Some("5".to_owned()),
            ..Trace::default()
        }
    }

    fn of(traces: Vec<Trace>) -> TraceReport {
        let params = GraphParams { bootstrap: 0, ..GraphParams::default() };
        report(traces, &BTreeMap::new(), "eng_Latn", &params, 0, &Monitor::silent()).unwrap()
    }

    #[test]
    fn a_right_trace_in_other_digits_is_as_good_as_the_reference() {
        let found = of(vec![
            trace("p", "eng_Latn", "3 + 4 = 7. 7 - 2 = 5. The answer is 5."),
            trace("p", "arb_Arab", "٣ + ٤ = ٧. ٧ - ٢ = ٥. الجواب هو ٥."),
        ]);
        for traced in &found.traces {
            let comparison = traced.comparison.as_ref().unwrap();
            assert_eq!(
                (comparison.coverage, comparison.edge_fidelity_all()),
                (1.0, Some(1.0)),
                "{}",
                traced.trace.language
            );
            assert_eq!((comparison.harms.len(), traced.right), (0, Some(true)));
        }
        assert_eq!(found.problems[0].table.as_ref().unwrap().languages, ["arb_Arab", "eng_Latn"]);
    }

    #[test]
    fn a_problem_without_a_correct_pivot_trace_has_no_reference_and_a_note() {
        let found =
            of(vec![trace("p", "eng_Latn", "3 + 4 = 8. The answer is 8."), trace("p", "tha_Thai", "3 + 4 = 7")]);
        assert!(found.traces.iter().all(|traced| traced.comparison.is_none()));
        assert!(found.measured.notes[0].contains("1 of 1 problems have no reference"), "{:?}", found.measured.notes);
        let solved: Vec<Option<f64>> = found.measured.metric("solved").map(|row| row.value).collect();
        assert_eq!(solved, [Some(0.0), Some(0.0)]);
    }

    #[test]
    fn a_pivot_in_which_there_is_no_trace_is_said() {
        let traces = vec![trace("p", "tha_Thai", "3 + 4 = 7. 7 - 2 = 5. คำตอบคือ 5")];
        let found = report(traces, &BTreeMap::new(), "xx", &GraphParams::default(), 0, &Monitor::silent()).unwrap();
        assert!(found.measured.notes[0].contains("no trace is in the pivot language xx, they are in tha_Thai"));
        // Its own graph needs no reference.
        assert!(found.measured.metric("closeness").next().is_some());
    }

    #[test]
    fn solved_is_a_mean_over_problems_as_all_other_means_are() {
        let right = "3 + 4 = 7. 7 - 2 = 5. The answer is 5.";
        let mut traces: Vec<Trace> = (0..3).map(|sample| Trace { sample, ..trace("a", "eng_Latn", right) }).collect();
        traces.push(trace("b", "eng_Latn", "3 + 4 = 8. The answer is 8."));
        let found =
            report(traces, &BTreeMap::new(), "eng_Latn", &GraphParams::default(), 0, &Monitor::silent()).unwrap();
        let row = found.measured.metric("solved").next().unwrap();
        assert_eq!((row.value, row.n, row.low, row.high), (Some(0.5), 2, Some(0.0), Some(1.0)));
    }

    /// Statuses of the critical anchors and the number of harms, of a text against a right one.
    fn against(statement: &str, right: &str, text: &str) -> (Vec<Status>, usize) {
        let answer = right.rsplit(' ').next().map(|word| word.trim_end_matches('.').to_owned());
        let one = |language: &str, text: &str| Trace {
            statement: statement.to_owned(),
            answer: answer.clone(),
            ..trace("p", language, text)
        };
        let found = of(vec![one("eng_Latn", right), one("spa_Latn", text)]);
        let comparison = found.traces[1].comparison.as_ref().unwrap();
        (comparison.anchors.iter().map(|aligned| aligned.status).collect(), comparison.harms.len())
    }

    #[test]
    fn a_wrong_result_that_equals_a_given_is_wrong_and_so_is_what_follows() {
        let statement = "Ann has 9 nuts, eats 4 and finds 7. Bob has twice as many.";
        let right = "9 - 4 = 5. 5 + 7 = 12. 12 * 2 = 24. The answer is 24.";
        let (wrong, correct) = (Status::WrongValue, Status::Correct);
        for (text, expected) in [
            ("9 - 4 = 6. 6 + 7 = 13. 13 * 2 = 26. La respuesta es 26.", (vec![wrong; 3], 3)),
            ("9 - 4 = 4. 4 + 7 = 11. 11 * 2 = 22. La respuesta es 22.", (vec![wrong; 3], 3)),
            ("9 - 4 = 4. 5 + 7 = 12. 12 * 2 = 24. La respuesta es 24.", (vec![wrong, correct, correct], 1)),
            // What is said and not derived may well be the given.
            ("4 y 9. 9 - 4 = 5. 5 + 7 = 12. 12 * 2 = 24. La respuesta es 24.", (vec![correct; 3], 0)),
        ] {
            assert_eq!(against(statement, right, text), expected, "{text}");
        }
    }

    #[test]
    fn a_slip_that_comes_to_the_number_of_another_anchor_is_no_such_anchor() {
        let statement = "There are 39 red, 56 blue and 61 green ones.";
        let right = "39 + 56 = 95. 39 + 61 = 100. 95 + 100 = 195. The answer is 195.";
        let (statuses, _) = against(statement, right, "39 + 56 = 100. La respuesta es 100.");
        assert_eq!(statuses[..2], [Status::WrongValue, Status::Missing]);
    }

    #[test]
    fn nothing_to_read_is_refused() {
        let params = GraphParams::default();
        let why = report(Vec::new(), &BTreeMap::new(), "eng_Latn", &params, 0, &Monitor::silent()).unwrap_err();
        assert!(why.to_string().contains("no trace"));
    }
}
