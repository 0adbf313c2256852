//! What the traces of a run are held against: the references of the run, or what a person has made of them here. Nothing of the run changes.

use std::collections::BTreeMap;

use babelscope::details::Details;
use babelscope_probes::cot::{
    Graph, Reference, compare, diagnose,
    report::{Posed, Traced},
    table::{AnchorTable, Compared},
    watched::Watched,
};

use super::edit::{Change, changed};

/// A problem whose reference was edited.
#[derive(Debug)]
struct Edited {
    /// The graphs before each edit; the first one is the run's.
    before: Vec<Graph>,
    /// The problem as it is now.
    posed: Posed,
    /// Its traces by their numbers, compared with that.
    traces: BTreeMap<usize, Traced>,
    /// Why they cannot be compared.
    wrong: Option<String>,
}

/// The edited problems of a run.
#[derive(Debug, Default)]
pub(super) struct Edits {
    problems: BTreeMap<String, Edited>,
    /// Another one after each edit; goes into cache keys.
    pub(super) version: u64,
}

/// A run with its edits.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub(super) details: &'a Details,
    pub(super) edits: &'a Edits,
}

impl<'a> Held<'a> {
    /// A trace as it is compared now.
    pub(super) fn trace(self, at: usize) -> Option<&'a Traced> {
        let own = self.details.traces.get(at)?;
        let edited = self.edits.problems.get(&own.trace.problem);
        edited.and_then(|edited| edited.traces.get(&at)).or(Some(own))
    }

    /// A problem with its reference as it is now.
    pub(super) fn posed(self, problem: &str) -> Option<&'a Posed> {
        let edited = self.edits.problems.get(problem).map(|edited| &edited.posed);
        edited.or_else(|| self.details.problems.iter().find(|posed| posed.problem == problem))
    }

    /// What was known along a trace.
    pub(super) fn watched(self, trace: usize) -> Option<&'a Watched> {
        self.details.watched.iter().find(|watched| watched.trace == trace)
    }

    /// How many edits of a problem can be taken back.
    pub(super) fn edited(self, problem: &str) -> usize {
        self.edits.problems.get(problem).map_or(0, |edited| edited.before.len())
    }

    /// Why the traces of a problem cannot be compared with what a person has made of its reference.
    pub(super) fn wrong(self, problem: &str) -> Option<&'a str> {
        self.edits.problems.get(problem)?.wrong.as_deref()
    }
}

/// Compares the traces of a problem with a graph.
fn compared(details: &Details, posed: &mut Posed, graph: Graph) -> babelscope_probes::Result<BTreeMap<usize, Traced>> {
    let reference = Reference::new(graph)?;
    let mut traces = of_problem(details, &posed.problem);
    let mut all = Vec::new();
    for traced in traces.values_mut() {
        let comparison = compare(&reference, &traced.trajectory)?;
        all.push(Compared {
            problem: posed.problem.clone(),
            language: traced.trace.language.clone(),
            sample: traced.trace.sample,
            comparison: Some(comparison.clone()),
            statistics: traced.statistics.clone(),
            loop_score: Some(traced.loop_score),
        });
        traced.comparison = Some(comparison);
        traced.diagnosis = Some(diagnose(&reference, &traced.trajectory)?);
    }
    posed.critical = reference.critical().to_vec();
    posed.table = Some(AnchorTable::of(&posed.problem, &reference, &all)?);
    Ok(traces)
}

/// The traces of a problem, compared with nothing.
fn of_problem(details: &Details, problem: &str) -> BTreeMap<usize, Traced> {
    let own = details.traces.iter().enumerate().filter(|(_, traced)| traced.trace.problem == problem);
    own.map(|(at, traced)| (at, Traced { comparison: None, diagnosis: None, ..traced.clone() })).collect()
}

impl Edited {
    fn new(details: &Details, problem: &str, graph: Graph, before: Vec<Graph>) -> Self {
        let mut posed = Posed { problem: problem.to_owned(), reference: Some(graph.clone()), ..Posed::default() };
        let (traces, wrong) = match compared(details, &mut posed, graph) {
            Ok(traces) => (traces, None),
            Err(why) => (of_problem(details, problem), Some(why.to_string())),
        };
        Self { before, posed, traces, wrong }
    }
}

impl Edits {
    /// Changes the reference of a problem and compares its traces anew; texts are read in `language`.
    ///
    /// # Errors
    /// A sentence that says why it cannot be; then nothing has changed.
    pub(super) fn change(
        &mut self,
        details: &Details,
        problem: &str,
        change: Change,
        language: &str,
    ) -> Result<(), String> {
        let now = Held { details, edits: &*self }.posed(problem).and_then(|posed| posed.reference.clone());
        let now = now.unwrap_or_default();
        let next = changed(&now, change, language)?;
        if next == now {
            return Ok(());
        }
        let mut before = self.problems.remove(problem).map(|edited| edited.before).unwrap_or_default();
        before.push(now);
        self.problems.insert(problem.to_owned(), Edited::new(details, problem, next, before));
        self.version += 1;
        Ok(())
    }

    /// Takes the last edit of a problem back. Without any the problem is as the run has it.
    pub(super) fn undo(&mut self, details: &Details, problem: &str) {
        let Some(mut edited) = self.problems.remove(problem) else { return };
        let last = edited.before.pop();
        if let Some(graph) = last.filter(|_| !edited.before.is_empty()) {
            self.problems.insert(problem.to_owned(), Edited::new(details, problem, graph, edited.before));
        }
        self.version += 1;
    }
}

#[cfg(test)]
mod tests {
    use babelscope_core::monitor::Monitor;
    use babelscope_probes::cot::{Role, Trace, report::report, table::GraphParams};

    use super::*;

    fn details() -> Details {
        let of = |problem: &str, language: &str, text: &str| Trace {
            problem: problem.to_owned(),
            language: language.to_owned(),
            statement: "Anna has 3 cups and buys 4 cups. She loses 2 cups.".to_owned(),
            text: text.to_owned(),
            answer: Some("5".to_owned()),
            ..Trace::default()
        };
        let traces = vec![
            of("p", "eng_Latn", "3 + 4 = 7. 7 - 2 = 5. The answer is 5."),
            of("p", "arb_Arab", "٣ + ٤ = ٧. الجواب هو ٥."),
            of("q", "eng_Latn", "3 + 4 = 7. The answer is 6."),
        ];
        let params = GraphParams { bootstrap: 0, ..GraphParams::default() };
        let found = report(traces, &BTreeMap::new(), "eng_Latn", &params, 0, &Monitor::silent()).unwrap();
        Details { traces: found.traces, problems: found.problems, ..Details::default() }
    }

    #[test]
    fn an_edit_compares_the_traces_of_its_problem_anew_and_is_taken_back() {
        let details = details();
        let mut edits = Edits::default();
        let coverage = |edits: &Edits, at: usize| {
            Held { details: &details, edits }.trace(at).and_then(|traced| Some(traced.comparison.as_ref()?.coverage))
        };
        let before = [coverage(&edits, 0), coverage(&edits, 1), coverage(&edits, 2)];
        assert_eq!((before[0], before[2]), (Some(1.0), None));
        let node = details.problems[0].reference.as_ref().unwrap().answer().unwrap();
        let rewrite = Change::Rewrite { node, text: "7 - 1 = 6".to_owned() };
        edits.change(&details, "p", rewrite, "eng_Latn").unwrap();
        assert_eq!((coverage(&edits, 0), coverage(&edits, 2)), (Some(0.5), None));
        let held = Held { details: &details, edits: &edits };
        assert_eq!((held.edited("p"), held.wrong("p"), held.edited("q")), (1, None, 0));
        assert_eq!(held.posed("p").unwrap().table.as_ref().unwrap().anchors.last().unwrap(), "7 - 1 = 6");
        // Without an answer nothing can be compared, and the edit can go on.
        edits.change(&details, "p", Change::Recast { node, role: Role::Derived }, "eng_Latn").unwrap();
        let held = Held { details: &details, edits: &edits };
        assert!(held.wrong("p").unwrap().contains("no node is the answer"));
        assert_eq!(coverage(&edits, 0), None);
        edits.undo(&details, "p");
        assert_eq!(coverage(&edits, 0), Some(0.5));
        edits.undo(&details, "p");
        assert_eq!([coverage(&edits, 0), coverage(&edits, 1), coverage(&edits, 2)], before);
        assert_eq!((edits.problems.len(), edits.version), (0, 4));
    }

    #[test]
    fn a_problem_without_a_reference_gets_one() {
        let details = details();
        let mut edits = Edits::default();
        let graph = details.traces[2].trajectory.graph.clone();
        edits.change(&details, "q", Change::Replace(graph), "eng_Latn").unwrap();
        let held = Held { details: &details, edits: &edits };
        assert_eq!(held.trace(2).unwrap().comparison.as_ref().unwrap().coverage, 1.0);
        assert!(edits.change(&details, "q", Change::Remove(40), "eng_Latn").is_err());
        assert_eq!(Held { details: &details, edits: &edits }.edited("q"), 1);
    }
}
