//! Comparisons of many traces as rows, and what became of each critical anchor in each language.
//!
//! One row for each trace and metric (`item` = problem, `variant` = sample), and one for each language and metric (`variant` = `mean`):
//! the mean over problems of the mean over the samples of a problem, with the bootstrap interval over problems (the same draws for every
//! language and metric; a problem that a language lacks is left out of its draws). A metric that a trace does not have is a missing
//! row with the reason, and no part of the mean.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    compare::{Comparison, Status},
    harm::HarmKind,
    loops::LoopRule,
    reference::Reference,
    statistics::Statistics,
};
use crate::{
    Error, Result,
    bootstrap::{Draws, interval},
    measure::{Measured, Row},
};

/// How graphs are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GraphParams {
    /// Share of the reference traces that must have a node or an edge, above 0, at most 1.
    pub tau: f64,
    /// Draws of the interval over problems; 0 = none, else at least 100.
    pub bootstrap: usize,
    /// Tokens of a repeated n-gram that make a loop, at least.
    pub loop_ngram: usize,
    /// How often an n-gram or an anchor must come to make a loop, at least 2.
    pub loop_times: usize,
    /// For how many steps nothing new must have been asserted, to make a loop of anchors.
    pub loop_steps: usize,
}

impl Default for GraphParams {
    fn default() -> Self {
        let rule = LoopRule::default();
        Self { tau: 0.5, bootstrap: 1000, loop_ngram: rule.ngram, loop_times: rule.times, loop_steps: rule.steps }
    }
}

impl GraphParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if !(self.tau > 0.0 && self.tau <= 1.0) {
            return Some(format!("`tau` is a share of the traces above 0, at most 1; got {}", self.tau));
        }
        if (1..100).contains(&self.bootstrap) {
            return Some(format!("`bootstrap` needs at least 100 draws, or 0 for no interval; got {}", self.bootstrap));
        }
        if self.loop_ngram == 0 || self.loop_times < 2 {
            return Some("a loop needs `loop_ngram` of at least 1 and `loop_times` of at least 2".to_owned());
        }
        None
    }

    /// What counts as a loop.
    pub fn rule(&self) -> LoopRule {
        LoopRule { ngram: self.loop_ngram, times: self.loop_times, steps: self.loop_steps }
    }
}

/// A trace that was compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The problem.
    pub problem: String,
    /// Language of the reasoning.
    pub language: String,
    /// Which of several tries.
    pub sample: u32,
    /// Against the reference; none where the problem has none.
    pub comparison: Option<Comparison>,
    /// Of its graph.
    pub statistics: Statistics,
    /// Share of its text that goes round, where it was measured.
    pub loop_score: Option<f64>,
}

/// A value, on how many it rests, and why there is none.
struct Cell {
    metric: &'static str,
    value: Option<f64>,
    n: usize,
    none: &'static str,
}

impl Compared {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = self.comparison.as_ref().map_or_else(Vec::new, |found| self.against(found));
        cells.extend(self.alone());
        cells
    }

    /// What is said against a reference.
    fn against(&self, found: &Comparison) -> Vec<Cell> {
        let graph = &self.statistics;
        let (anchors, derived) = (found.anchors.len(), graph.nodes - graph.givens);
        let of = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        let flag = |yes: bool| Some(f64::from(u8::from(yes)));
        let right = found.answer == Some(true);
        let said = "the trace has no action";
        let mut cells = vec![
            cell("coverage", Some(found.coverage), anchors, ""),
            cell("weighted_coverage", Some(found.weighted_coverage), anchors, ""),
            cell("edge_fidelity", found.edge_fidelity(), found.edges_matched, "no anchor with parents is correct"),
            cell("edge_fidelity_all", found.edge_fidelity_all(), found.edges_all, "the reference has no edge"),
            cell("harmful_rate", found.harmful_rate(), found.actions, said),
        ];
        cells.extend(HarmKind::ALL.map(|kind| {
            let metric = match kind {
                HarmKind::WrongValue => "harm_wrong_value",
                HarmKind::Contradiction => "harm_contradiction",
                HarmKind::ChangingRederivation => "harm_changing_rederivation",
                HarmKind::Loop => "harm_loop",
            };
            cell(metric, of(found.harms_of(kind), found.actions), found.actions, said)
        }));
        let depth = found.first_wrong.map(|first| first.depth as f64);
        let closeness = graph.closeness.unwrap_or(1.0);
        cells.extend([
            cell(
                "order_violations",
                of(found.order_violations.len(), found.edges_all),
                found.edges_all,
                "the reference has no edge",
            ),
            cell("redundant", of(found.redundant.len(), derived), derived, "nothing is derived"),
            cell("dead_ends", of(found.dead_ends.len(), derived), derived, "nothing is derived"),
            cell("first_wrong_depth", depth, found.went_wrong, "nothing went wrong"),
            cell("recovery", found.recovery(), found.went_wrong, "nothing went wrong"),
            cell("answer", flag(right), 1, ""),
            cell("prr", flag(right && graph.closed), 1, ""),
            cell("auc", Some(if right { closeness } else { 0.0 }), 1, ""),
        ]);
        cells
    }

    /// What its own graph and text say.
    fn alone(&self) -> Vec<Cell> {
        let graph = &self.statistics;
        let derived = graph.nodes - graph.givens;
        let open = "the graph has no derived node besides the answer";
        vec![
            cell("closeness", graph.closeness, derived, open),
            cell("closeness_with_givens", graph.closeness_with_givens, graph.nodes, open),
            cell("nodes", Some(graph.nodes as f64), graph.nodes, ""),
            cell("edges", Some(graph.edges as f64), graph.nodes, ""),
            cell("density", graph.density, graph.nodes, "the graph has fewer than two nodes"),
            cell("depth", Some(graph.depth as f64), graph.nodes, ""),
            cell("width", Some(graph.width as f64), graph.nodes, ""),
            cell("branching", graph.branching, graph.nodes, "the graph has no edge"),
            cell("loop_score", self.loop_score, 1, "the text was not looked at"),
        ]
    }
}

fn cell(metric: &'static str, value: Option<f64>, n: usize, none: &'static str) -> Cell {
    Cell { metric, value, n, none }
}

/// The rows of these traces, `pivot` being the language of the references.
///
/// # Errors
/// Parameters that make no sense; no trace; the same problem, language and sample twice.
pub fn measured(compared: &[Compared], pivot: &str, params: &GraphParams, seed: u64) -> Result<Measured> {
    let refuse = |why| Err(Error::Input { measure: "trace graphs", why });
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = compared.iter().find(|c| !seen.insert((&c.language, &c.problem, c.sample))) {
        return refuse(format!("problem {}, {}, sample {} comes twice", twice.problem, twice.language, twice.sample));
    }
    let problems: BTreeMap<&str, usize> = {
        let names: BTreeSet<&str> = compared.iter().map(|c| c.problem.as_str()).collect();
        names.into_iter().zip(0..).collect()
    };
    if problems.is_empty() {
        return refuse("there is no trace to compare".to_owned());
    }
    let draws = Draws::new(problems.len(), params.bootstrap, seed)?;
    let mut rows = Vec::new();
    // Sum and count over the samples of each problem, for each language and metric in the order in which they come.
    let mut metrics: Vec<&'static str> = Vec::new();
    let mut sums: BTreeMap<(&str, &'static str), Vec<(f64, usize)>> = BTreeMap::new();
    for one in compared {
        for cell in one.cells() {
            if !metrics.contains(&cell.metric) {
                metrics.push(cell.metric);
            }
            let row = match cell.value {
                Some(value) => Row::new(cell.metric, value, cell.n),
                None => Row::missing(cell.metric, cell.none, cell.n),
            };
            let row = row.of(&one.language).against(pivot).variant(&one.sample.to_string()).item(&one.problem);
            rows.push(row);
            let of = sums.entry((&one.language, cell.metric)).or_insert_with(|| vec![(0.0, 0); problems.len()]);
            if let (Some(value), Some(at)) = (cell.value, problems.get(one.problem.as_str())) {
                of[*at].0 += value;
                of[*at].1 += 1;
            }
        }
    }
    let languages: BTreeSet<&str> = compared.iter().map(|c| c.language.as_str()).collect();
    for metric in metrics {
        for language in &languages {
            let Some(of) = sums.get(&(*language, metric)) else { continue };
            rows.push(mean(metric, of, &draws).of(language).against(pivot).variant("mean"));
        }
    }
    Ok(Measured { rows, notes: Vec::new() })
}

/// The mean over problems of the mean over samples, by language, with the interval over problems (0 draws: none). Each number comes with
/// its language and its problem.
///
/// # Errors
/// Fewer than 100 draws that are not 0.
pub fn means<'t>(
    metric: &str,
    values: impl Iterator<Item = (&'t str, &'t str, f64)>,
    (bootstrap, seed): (usize, u64),
) -> Result<Vec<Row>> {
    let values: Vec<(&str, &str, f64)> = values.collect();
    let names: BTreeSet<&str> = values.iter().map(|(_, problem, _)| *problem).collect();
    let places: BTreeMap<&str, usize> = names.into_iter().zip(0..).collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let mut sums: BTreeMap<&str, Vec<(f64, usize)>> = BTreeMap::new();
    for (language, problem, value) in values {
        let of = &mut sums.entry(language).or_insert_with(|| vec![(0.0, 0); places.len()])[places[problem]];
        *of = (of.0 + value, of.1 + 1);
    }
    let draws = Draws::new(places.len(), bootstrap, seed)?;
    Ok(sums.iter().map(|(language, of)| mean(metric, of, &draws).of(language).variant("mean")).collect())
}

fn mean(metric: &str, of: &[(f64, usize)], draws: &Draws) -> Row {
    let there: Vec<f64> = of.iter().map(|(_, count)| if *count > 0 { 1.0 } else { 0.0 }).collect();
    let values: Vec<f64> = of.iter().map(|(sum, count)| sum / (*count).max(1) as f64).collect();
    let n = of.iter().filter(|(_, count)| *count > 0).count();
    if n == 0 {
        return Row::missing(metric, "no trace of this language has this number", 0);
    }
    let value = values.iter().sum::<f64>() / n as f64;
    let row = Row::new(metric, value, n);
    // One problem says nothing of how problems differ.
    if draws.draws() == 0 || n < 2 {
        return row;
    }
    let drawn = draws.sums(&values).into_iter().zip(draws.sums(&there)).map(|(sum, count)| sum / count).collect();
    let found = interval(value, drawn);
    row.within(found.low, found.high)
}

/// How often a critical anchor had each status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Said.
    pub correct: usize,
    /// Said with another value.
    pub wrong_value: usize,
    /// Not said.
    pub missing: usize,
}

impl Counts {
    /// Traces.
    pub fn traces(&self) -> usize {
        self.correct + self.wrong_value + self.missing
    }
}

/// Critical anchor by language, of one problem: the central plot of trace graphs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorTable {
    /// The problem.
    pub problem: String,
    /// Canonical forms of the critical anchors, in the order of the reference.
    pub anchors: Vec<String>,
    /// Languages, sorted.
    pub languages: Vec<String>,
    /// `[anchors][languages]`.
    pub counts: Vec<Vec<Counts>>,
}

impl AnchorTable {
    /// The table of a problem; traces of other problems are passed over.
    ///
    /// # Errors
    /// A trace that was compared with another reference.
    pub fn of(problem: &str, reference: &Reference, compared: &[Compared]) -> Result<Self> {
        let of_problem = || {
            let own = compared.iter().filter(|one| one.problem == problem);
            own.filter_map(|one| Some((one, one.comparison.as_ref()?)))
        };
        let languages: BTreeSet<&str> = of_problem().map(|(one, _)| one.language.as_str()).collect();
        let languages: Vec<&str> = languages.into_iter().collect();
        let critical = reference.critical();
        let mut counts = vec![vec![Counts::default(); languages.len()]; critical.len()];
        for (one, comparison) in of_problem() {
            let anchors = comparison.anchors.iter().map(|aligned| aligned.anchor);
            if !anchors.eq(critical.iter().copied()) {
                let why = format!("problem {problem}, {}: compared with another reference", one.language);
                return Err(Error::Input { measure: "trace graphs", why });
            }
            let Ok(column) = languages.binary_search(&one.language.as_str()) else { continue };
            for (row, aligned) in counts.iter_mut().zip(&comparison.anchors) {
                match aligned.status {
                    Status::Correct => row[column].correct += 1,
                    Status::WrongValue => row[column].wrong_value += 1,
                    Status::Missing => row[column].missing += 1,
                }
            }
        }
        Ok(Self {
            problem: problem.to_owned(),
            anchors: critical.iter().map(|at| reference.graph().nodes[*at].normal.clone()).collect(),
            languages: languages.into_iter().map(str::to_owned).collect(),
            counts,
        })
    }

    /// The table as rows: shares of the traces, `anchor_correct` and `anchor_wrong`; the item is the problem and the place and form of
    /// the anchor.
    pub fn rows(&self, pivot: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        for (at, (anchor, counts)) in self.anchors.iter().zip(&self.counts).enumerate() {
            for (language, counts) in self.languages.iter().zip(counts) {
                let item = format!("{} / {} / {anchor}", self.problem, at + 1);
                for (metric, count) in [("anchor_correct", counts.correct), ("anchor_wrong", counts.wrong_value)] {
                    let share = count as f64 / counts.traces() as f64;
                    let row = Row::new(metric, share, counts.traces());
                    rows.push(row.of(language).against(pivot).item(item.as_str()));
                }
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::{AnchorTable, Compared, Counts, GraphParams, measured};
    use crate::cot::{Reference, compare, statistics::statistics, toy::chain};

    fn reference() -> Reference {
        Reference::new(chain(&["A", "B", "C"]).graph).unwrap()
    }

    fn one(problem: &str, language: &str, sample: u32, what: &[&str]) -> Compared {
        let trace = chain(what);
        Compared {
            problem: problem.into(),
            language: language.into(),
            sample,
            comparison: Some(compare(&reference(), &trace).unwrap()),
            statistics: statistics(&trace.graph).unwrap(),
            loop_score: None,
        }
    }

    fn three() -> Vec<Compared> {
        vec![
            one("p", "eng_Latn", 0, &["A", "B", "C"]),
            one("p", "tha_Thai", 0, &["A", "B=36", "C=31"]),
            one("p", "tha_Thai", 1, &["A", "B", "C"]),
            one("q", "tha_Thai", 0, &["A", "C from A, Q"]),
        ]
    }

    #[test]
    fn means_are_over_problems_and_within_over_samples() {
        let found = measured(&three(), "eng_Latn", &GraphParams::default(), 5).unwrap();
        let mean = |metric, language| found.value(metric, language, "eng_Latn", None, "mean");
        // p: (1/3 + 1) / 2 = 2/3; q: 2/3.
        assert!((mean("coverage", "tha_Thai").unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(
            (mean("coverage", "eng_Latn"), mean("harmful_rate", "tha_Thai")),
            (Some(1.0), Some((1.0 / 3.0) / 2.0))
        );
        assert_eq!((mean("answer", "tha_Thai"), mean("prr", "tha_Thai")), (Some(0.75), Some(0.75)));
        let row = found.metric("coverage").find(|r| r.variant == "mean" && r.language == "tha_Thai").unwrap();
        assert_eq!((row.n, row.low.is_some()), (2, true));
        // A problem that English lacks is in none of its draws.
        let row = found.metric("coverage").find(|r| r.variant == "mean" && r.language == "eng_Latn").unwrap();
        assert_eq!((row.n, row.low, row.high), (1, None, None));
        let trace = found.metric("coverage").find(|r| r.item == "q").unwrap();
        assert_eq!((trace.variant.as_str(), trace.n, trace.value), ("0", 3, Some(2.0 / 3.0)));
        let missing = found.metric("recovery").find(|r| r.item == "q").unwrap();
        assert_eq!((missing.value, missing.status.as_str()), (None, "nothing went wrong"));
        assert_eq!(found.value("loop_score", "tha_Thai", "eng_Latn", None, "mean"), None);
    }

    #[test]
    fn without_a_reference_the_graph_has_its_numbers_and_the_comparison_has_none() {
        let alone: Vec<Compared> = three().into_iter().map(|one| Compared { comparison: None, ..one }).collect();
        let found = measured(&alone, "eng_Latn", &GraphParams::default(), 5).unwrap();
        assert_eq!(found.value("nodes", "eng_Latn", "eng_Latn", None, "mean").map(f64::fract), Some(0.0));
        assert!(found.metric("closeness").next().is_some() && found.metric("coverage").next().is_none());
        // Where some have one, a mean is over those.
        let mixed = [vec![three().remove(0)], alone[1..].to_vec()].concat();
        let found = measured(&mixed, "eng_Latn", &GraphParams::default(), 5).unwrap();
        assert_eq!(found.value("coverage", "eng_Latn", "eng_Latn", None, "mean"), Some(1.0));
        assert_eq!(found.value("coverage", "tha_Thai", "eng_Latn", None, "mean"), None);
        let none = AnchorTable::of("p", &reference(), &alone).unwrap();
        assert!(none.languages.is_empty() && none.rows("eng_Latn").is_empty());
    }

    #[test]
    fn same_seed_same_rows() {
        let rows = |seed| measured(&three(), "eng_Latn", &GraphParams::default(), seed).unwrap();
        assert_eq!(rows(3), rows(3));
    }

    #[test]
    fn the_central_table() {
        let table = AnchorTable::of("p", &reference(), &three()).unwrap();
        assert_eq!(table.anchors, ["12 + 5 = 17", "2 * 17 = 34", "34 - 5 = 29"]);
        assert_eq!(table.languages, ["eng_Latn", "tha_Thai"]);
        assert_eq!(table.counts[1][1], Counts { correct: 1, wrong_value: 1, missing: 0 });
        let rows = table.rows("eng_Latn");
        let thai = rows.iter().find(|r| r.language == "tha_Thai" && r.item == "p / 2 / 2 * 17 = 34").unwrap();
        assert_eq!((thai.metric.as_str(), thai.value, thai.n), ("anchor_correct", Some(0.5), 2));
        let other = Reference::new(chain(&["A", "B"]).graph).unwrap();
        assert!(AnchorTable::of("p", &other, &three()).unwrap_err().to_string().contains("another reference"));
    }

    #[test]
    fn refusals() {
        let of =
            |compared: &[Compared], params: &GraphParams| measured(compared, "", params, 0).unwrap_err().to_string();
        assert!(of(&[], &GraphParams::default()).contains("no trace"));
        let twice = [three(), three()].concat();
        assert!(of(&twice, &GraphParams::default()).contains("problem p, eng_Latn, sample 0 comes twice"));
        for (params, says) in [
            (GraphParams { tau: 0.0, ..GraphParams::default() }, "tau"),
            (GraphParams { bootstrap: 50, ..GraphParams::default() }, "bootstrap"),
            (GraphParams { loop_times: 1, ..GraphParams::default() }, "loop_times"),
        ] {
            assert!(of(&three(), &params).contains(says));
        }
    }
}
