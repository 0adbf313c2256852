//! A trace against the reference: what it says of what had to be said, on what it builds, and what harm it does on the way.
//!
//! Reference `G* = (A*, E*)` ([`crate::cot::Reference`]), critical anchors `K` (no givens), alignment as in [`crate::cot::align`]:
//!
//! - **status** of a critical anchor: correct (matched), wrong value (something stands wrongly for it, nothing matches; for the answer
//!   also: the trace answers otherwise), missing;
//! - **coverage** = correct critical anchors / |K|; **weighted**: each counts as often as nodes depend on it, itself included;
//! - **edge fidelity** = #{(u, v) in E*: u and v correct, first(u) <= first(v), and what v was built from includes u} /
//!   #{(u, v) in E*: v correct}; **over all edges** the same over |E*|. A trace that collapses after one step looks perfect in the
//!   first alone. Only edges into critical anchors count, from givens and critical anchors; givens are correct at time -1;
//! - **harmful-action rate** = harmful actions / all actions, by kind ([`crate::cot::Harm`]);
//! - **order violation**: an edge (u, v) with both correct and v first; **redundant**: a node that stands for nothing in A*;
//!   **dead end**: a derived node that nothing uses and that is not the answer; **first wrong**: the first harmful action that is no
//!   loop, with the depth of its anchor in the reference; **recovery**: of the anchors that ever went wrong, those whose last word is
//!   correct.
//!
//! methods.md 7.1 and 9.5, after Zhang et al. 2026 (arXiv 2605.27715), whose formulas were not readable: these are our own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    align::{Stand, align},
    graph::Role,
    harm::{Harm, HarmKind, harms},
    link::Trajectory,
    reference::Reference,
};
use crate::{Error, Result};

/// What became of a critical anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is said.
    Correct,
    /// Another value is said in its place.
    WrongValue,
    /// Nothing is said in its place.
    Missing,
}

/// A critical anchor and what the trace makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aligned {
    /// The node of the reference.
    pub anchor: usize,
    /// What became of it.
    pub status: Status,
    /// The node of the trace that matches it, or the first that stands wrongly for it.
    pub node: Option<usize>,
    /// The action that first says that node.
    pub action: Option<usize>,
}

/// The first action that says something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstWrong {
    /// Its index among the actions.
    pub action: usize,
    /// The node of the reference that it gets wrong.
    pub anchor: usize,
    /// How deep that node lies: edges of the longest path to it from what uses nothing.
    pub depth: usize,
}

/// A trace against a reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The critical anchors in the order of the reference.
    pub anchors: Vec<Aligned>,
    /// What each node of the trace stands for.
    pub stands: Vec<Option<Stand>>,
    /// Correct critical anchors over all of them.
    pub coverage: f64,
    /// The same weighted by how many nodes depend on each.
    pub weighted_coverage: f64,
    /// Edges that the trace keeps.
    pub edges_kept: usize,
    /// Edges of the reference into anchors that are correct.
    pub edges_matched: usize,
    /// Edges of the reference into critical anchors.
    pub edges_all: usize,
    /// How many actions there are.
    pub actions: usize,
    /// The harmful ones, in the order of time.
    pub harms: Vec<Harm>,
    /// Edges of the reference whose user comes before what it uses.
    pub order_violations: Vec<(usize, usize)>,
    /// Nodes of the trace that stand for nothing in the reference.
    pub redundant: Vec<usize>,
    /// Nodes of the trace that are derived and lead nowhere.
    pub dead_ends: Vec<usize>,
    /// The first wrong action.
    pub first_wrong: Option<FirstWrong>,
    /// How many anchors of the reference went wrong at any time.
    pub went_wrong: usize,
    /// How many of them were corrected.
    pub recovered: usize,
    /// Whether the trace's answer is the reference's; none where the trace gives none.
    pub answer: Option<bool>,
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Comparison {
    /// Edges kept over edges into correct anchors; none where there are none.
    pub fn edge_fidelity(&self) -> Option<f64> {
        ratio(self.edges_kept, self.edges_matched)
    }

    /// Edges kept over all edges into critical anchors; none where there are none.
    pub fn edge_fidelity_all(&self) -> Option<f64> {
        ratio(self.edges_kept, self.edges_all)
    }

    /// Harmful actions over all actions; none where nothing was said.
    pub fn harmful_rate(&self) -> Option<f64> {
        ratio(self.harms.len(), self.actions)
    }

    /// Actions that do harm of one kind.
    pub fn harms_of(&self, kind: HarmKind) -> usize {
        self.harms.iter().filter(|harm| harm.kind == kind).count()
    }

    /// Anchors corrected over anchors that went wrong; none where none did.
    pub fn recovery(&self) -> Option<f64> {
        ratio(self.recovered, self.went_wrong)
    }

    /// How many critical anchors have this status.
    pub fn with_status(&self, status: Status) -> usize {
        self.anchors.iter().filter(|aligned| aligned.status == status).count()
    }
}

/// Compares a trace with the reference of its problem.
///
/// # Errors
/// A trace whose graph breaks its promises ([`super::Graph::problem`]) or whose actions say a node that is not there.
///
/// ```
/// use babelscope_probes::cot::{Graph, Node, Reference, Role, compare};
///
/// let node = |role, normal: &str, value: i64| Node {
///     role, normal: normal.into(), value: Some(value.into()), name: None, text: normal.into(), step: None, span: 0..0,
/// };
/// let given = node(Role::Given, "12", 12);
/// let right = vec![given.clone(), node(Role::Derived, "12 + 5 = 17", 17), node(Role::Answer, "2 * 17 = 34", 34)];
/// let wrong = vec![given, node(Role::Derived, "12 + 5 = 18", 18), node(Role::Answer, "2 * 18 = 36", 36)];
/// let edges = vec![(0, 1), (1, 2)];
/// let reference = Reference::new(Graph { nodes: right.clone(), edges: edges.clone() })?;
/// let itself = compare(&reference, &Graph { nodes: right, edges: edges.clone() }.into())?;
/// assert_eq!((itself.coverage, itself.edge_fidelity(), itself.harmful_rate()), (1.0, Some(1.0), Some(0.0)));
/// let other = compare(&reference, &Graph { nodes: wrong, edges }.into())?;
/// assert_eq!((other.coverage, other.edge_fidelity(), other.harmful_rate()), (0.0, None, Some(1.0)));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn compare(reference: &Reference, trajectory: &Trajectory) -> Result<Comparison> {
    let (wanted, found) = (reference.graph(), &trajectory.graph);
    let refuse = |why| Err(Error::Input { measure: "compare", why });
    if let Some(why) = found.problem() {
        return refuse(format!("the graph of the trace: {why}"));
    }
    if let Some(action) = trajectory.actions.iter().find(|action| action.node >= found.nodes.len()) {
        return refuse(format!("an action says node {}, and there are {}", action.node, found.nodes.len()));
    }
    let alignment = align(wanted, found);
    let mut first = vec![None; found.nodes.len()];
    for (at, action) in trajectory.actions.iter().enumerate().rev() {
        first[action.node] = Some(at);
    }
    let mut wrong: BTreeMap<usize, usize> = BTreeMap::new();
    for (node, stand) in alignment.stands.iter().enumerate() {
        if let Some(stand) = stand.filter(|stand| !stand.correct) {
            wrong.entry(stand.anchor).or_insert(node);
        }
    }
    if let Some(denied) = alignment.denied {
        wrong.entry(denied.anchor).or_insert(denied.node);
    }
    let aligned = |anchor: &usize| {
        let (status, node) = match (alignment.matched[*anchor], wrong.get(anchor)) {
            (Some(node), _) => (Status::Correct, Some(node)),
            (None, Some(node)) => (Status::WrongValue, Some(*node)),
            (None, None) => (Status::Missing, None),
        };
        Aligned { anchor: *anchor, status, node, action: node.and_then(|node| first[node]) }
    };
    let anchors: Vec<Aligned> = reference.critical().iter().map(aligned).collect();
    let correct = |aligned: &Aligned| aligned.status == Status::Correct;
    let weights = anchors.iter().zip(reference.weights()).filter(|(a, _)| correct(a)).map(|(_, w)| w);
    // The sum of no numbers is -0.
    let weighed = weights.fold(0.0, |sum, weight| sum + weight);

    let mut critical = vec![false; wanted.nodes.len()];
    reference.critical().iter().for_each(|anchor| critical[*anchor] = true);
    let counts = |at: usize| critical[at] || wanted.nodes[at].role == Role::Given;
    let edges = wanted.edges.iter().copied().filter(|(used, user)| critical[*user] && counts(*used));
    let (mut kept, mut matched, mut all, mut order_violations) = (0, 0, 0, Vec::new());
    let parents = found.parents();
    let stands_correctly = |node: usize| alignment.stands[node].filter(|s| s.correct).map(|s| s.anchor);
    for (used, user) in edges {
        all += 1;
        let Some(node) = alignment.matched[user] else { continue };
        matched += 1;
        let Some(source) = alignment.matched[used] else { continue };
        if first[source] > first[node] {
            order_violations.push((used, user));
        } else {
            kept += usize::from(parents[node].iter().any(|parent| stands_correctly(*parent) == Some(used)));
        }
    }

    let derived = |at: &usize| found.nodes[*at].role != Role::Given;
    let users = found.users();
    let harms = harms(wanted, trajectory, &alignment);
    let depths = wanted.depths();
    let said_wrong = harms.iter().filter(|harm| harm.kind != HarmKind::Loop);
    let first_wrong = said_wrong
        .clone()
        .find_map(|harm| harm.anchor.map(|anchor| FirstWrong { action: harm.action, anchor, depth: depths[anchor] }));
    let mut last_word: BTreeMap<usize, (bool, bool)> = BTreeMap::new();
    for stand in trajectory.actions.iter().filter_map(|action| alignment.stands[action.node]) {
        let (ever, last) = last_word.entry(stand.anchor).or_default();
        *ever |= !stand.correct;
        *last = stand.correct;
    }
    if let Some(denied) = alignment.denied {
        last_word.insert(denied.anchor, (true, false));
    }
    let went_wrong = last_word.values().filter(|(ever, _)| *ever);
    Ok(Comparison {
        coverage: anchors.iter().filter(|a| correct(a)).count() as f64 / anchors.len() as f64,
        weighted_coverage: weighed / reference.weights().iter().sum::<f64>(),
        edges_kept: kept,
        edges_matched: matched,
        edges_all: all,
        actions: trajectory.actions.len(),
        order_violations,
        redundant: (0..found.nodes.len()).filter(derived).filter(|at| alignment.stands[*at].is_none()).collect(),
        dead_ends: (0..found.nodes.len())
            .filter(|at| found.nodes[*at].role == Role::Derived && users[*at].is_empty())
            .collect(),
        first_wrong,
        went_wrong: went_wrong.clone().count(),
        recovered: went_wrong.filter(|(_, last)| *last).count(),
        answer: found.answer().map(|_| alignment.denied.is_none()),
        anchors,
        harms,
        stands: alignment.stands,
    })
}

#[cfg(test)]
mod tests;
