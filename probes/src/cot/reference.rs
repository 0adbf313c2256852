//! The reference graph of a problem: what a solution must say, and what it must be built from.
//!
//! From several correct traces of the pivot language, or from whoever made the problem ([`Reference::new`]).
//!
//! From traces (methods.md 7.1): nodes of different traces are one if their canonical form is the same; forms of the same value are
//! merged, the better supported first, if no trace has both. A node is kept if at least `tau` of the traces have it, an edge
//! likewise. Order: topological; of several free nodes the one that comes first on the average (its place in the trace, 0 to 1), then
//! by form. Should the edges of different traces go round, they are added by support (then forward in the average order, then by
//! place) and one that would close a circle is left out. The answer is the node that most traces answer with.
//!
//! **Critical** anchors are the ancestors of the answer and the answer itself, without the givens, and without numbers that a trace
//! says but does not derive (a node without parents that is not the answer, such as "7 days"): whether such a constant is said or
//! only used is a matter of wording, not of reasoning.
//!
//! **Weight** of an anchor: the number of its descendants, itself counted, so that the answer has one too.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use serde::Serialize;

use super::{
    form::Form,
    graph::{Graph, Role},
    value::Value,
};
use crate::{Error, Result};

/// A reference graph, with what the comparison asks of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reference {
    graph: Graph,
    critical: Vec<usize>,
    weights: Vec<f64>,
    support: Vec<f64>,
    traces: usize,
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::Input { measure: "reference", why: why.into() })
}

impl Reference {
    /// A graph that is known to be right.
    ///
    /// # Errors
    /// A graph that breaks its promises ([`Graph::problem`]); one without an answer.
    pub fn new(graph: Graph) -> Result<Self> {
        let support = vec![1.0; graph.nodes.len()];
        Self::supported(graph, support, 1)
    }

    /// The graph on which at least `tau` (0.5 is usual) of these traces agree; give correct traces only.
    ///
    /// # Errors
    /// No trace, `tau` not in (0, 1], a graph that breaks its promises, fewer than `tau` with one and the same answer.
    pub fn agreed(graphs: &[Graph], tau: f64) -> Result<Self> {
        if !(tau > 0.0 && tau <= 1.0) {
            return refuse(format!("tau is a share of the traces above 0, at most 1; got {tau}"));
        }
        if graphs.is_empty() {
            return refuse("there is no trace to make a reference from; give at least one correct one");
        }
        if let Some((at, why)) = graphs.iter().enumerate().find_map(|(at, graph)| Some((at, graph.problem()?))) {
            return refuse(format!("trace {}: {why}", at + 1));
        }
        Agreement::of(graphs, tau).reference()
    }

    fn supported(graph: Graph, support: Vec<f64>, traces: usize) -> Result<Self> {
        if let Some(why) = graph.problem() {
            return refuse(why);
        }
        let Some(answer) = graph.answer() else {
            return refuse("no node is the answer, so nothing is known to lead to it; mark one");
        };
        let (leads, parents, descendants) = (graph.ancestors(answer), graph.parents(), graph.descendants());
        let critical = (0..graph.nodes.len())
            .filter(|at| leads[*at] && graph.nodes[*at].role != Role::Given)
            .filter(|at| *at == answer || !parents[*at].is_empty());
        let critical: Vec<usize> = critical.collect();
        let weights = critical.iter().map(|at| (1 + descendants[*at]) as f64).collect();
        Ok(Self { graph, critical, weights, support, traces })
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The anchors that lead to the answer, and the answer, in the order of time; givens apart.
    pub fn critical(&self) -> &[usize] {
        &self.critical
    }

    /// The weight of each critical anchor: how many nodes depend on it, itself counted.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The share of the traces that have each node; 1 where the graph was given.
    pub fn support(&self) -> &[f64] {
        &self.support
    }

    /// From how many traces it was made; 1 where the graph was given.
    pub fn traces(&self) -> usize {
        self.traces
    }
}

type Key = (bool, String, Option<Value>);

/// A node as several traces say it.
#[derive(Default)]
struct Group {
    /// The best supported form.
    key: Key,
    /// In which traces, and where: its first place in each.
    members: BTreeMap<usize, usize>,
    answers: usize,
}

struct Agreement<'a> {
    graphs: &'a [Graph],
    enough: f64,
    groups: Vec<Group>,
    /// The traces that have each edge between groups.
    edges: BTreeMap<(usize, usize), usize>,
    kept: Vec<bool>,
    places: Vec<f64>,
}

impl<'a> Agreement<'a> {
    fn of(graphs: &'a [Graph], tau: f64) -> Self {
        let groups = merged(graphs);
        let mut of = graphs.iter().map(|graph| vec![None; graph.nodes.len()]).collect::<Vec<_>>();
        for (group, at) in groups.iter().zip(0usize..) {
            group.members.iter().for_each(|(trace, node)| of[*trace][*node] = Some(at));
        }
        let mut edges = BTreeMap::new();
        for (graph, of) in graphs.iter().zip(&of) {
            let between = graph.edges.iter().filter_map(|(used, user)| Some((of[*used]?, of[*user]?)));
            for edge in between.filter(|(used, user)| used != user).collect::<BTreeSet<_>>() {
                *edges.entry(edge).or_insert(0) += 1;
            }
        }
        // A share such as 0.5 of 3 must not fail by its last bit.
        let enough = tau * graphs.len() as f64 - 1e-9;
        let kept = groups.iter().map(|group| group.members.len() as f64 >= enough).collect();
        let place = |trace: usize, node: usize| node as f64 / graphs[trace].nodes.len() as f64;
        let mean = |group: &Group| {
            group.members.iter().map(|(trace, node)| place(*trace, *node)).sum::<f64>() / group.members.len() as f64
        };
        // Rounded, so that the order of the traces does not show in the last bit of a sum.
        let places = groups.iter().map(|group| (mean(group) * 1e9).round()).collect();
        Self { graphs, enough, groups, edges, kept, places }
    }

    fn reference(self) -> Result<Reference> {
        let votes = |at: &usize| self.groups[*at].answers;
        let answer = (0..self.groups.len()).rev().max_by_key(votes).filter(|at| votes(at) > 0);
        let Some(answer) = answer else { return refuse("no trace gives an answer") };
        if (self.groups[answer].answers as f64) < self.enough {
            let group = &self.groups[answer];
            return refuse(format!(
                "only {} of {} traces give the answer {:?}, fewer than tau; give correct traces of one problem",
                group.answers,
                self.graphs.len(),
                group.key.2.as_ref().map_or_else(|| group.key.1.clone(), Value::to_string),
            ));
        }
        let order = self.order();
        let mut new_place = vec![None; self.groups.len()];
        order.0.iter().enumerate().for_each(|(to, group)| new_place[*group] = Some(to));
        let mut graph = Graph::default();
        for at in &order.0 {
            let group = &self.groups[*at];
            let Some((trace, node)) =
                group.members.iter().find(|(trace, node)| key(&self.graphs[**trace], **node) == group.key)
            else {
                continue;
            };
            let mut node = self.graphs[*trace].nodes[*node].clone();
            node.role = match node.role {
                Role::Given => Role::Given,
                _ if *at == answer => Role::Answer,
                _ => Role::Derived,
            };
            graph.nodes.push(node);
        }
        let edges = order.1.iter().filter_map(|(used, user)| Some((new_place[*used]?, new_place[*user]?)));
        graph.edges = edges.collect();
        graph.edges.sort_unstable();
        let support = order.0.iter().map(|at| self.groups[*at].members.len() as f64 / self.graphs.len() as f64);
        Reference::supported(graph, support.collect(), self.graphs.len())
    }

    /// The kept groups in an order of time, and the kept edges that respect it.
    fn order(&self) -> (Vec<usize>, Vec<(usize, usize)>) {
        let kept = |(used, user): &(usize, usize)| self.kept[*used] && self.kept[*user];
        let mut edges: Vec<((usize, usize), usize)> = (self.edges.iter())
            .filter(|(edge, count)| kept(edge) && **count as f64 >= self.enough)
            .map(|(edge, count)| (*edge, *count))
            .collect();
        let all: Vec<(usize, usize)> = edges.iter().map(|(edge, _)| *edge).collect();
        let order = self.sorted(&all);
        if order.len() == self.kept.iter().filter(|kept| **kept).count() {
            return (order, all);
        }
        let backward = |(used, user): (usize, usize)| self.places[used] > self.places[user];
        edges.sort_by_key(|(edge, count)| (std::cmp::Reverse(*count), backward(*edge), *edge));
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); self.groups.len()];
        let mut taken = Vec::new();
        for (edge, _) in edges {
            if !leads(&users, edge.1, edge.0) {
                users[edge.0].push(edge.1);
                taken.push(edge);
            }
        }
        (self.sorted(&taken), taken)
    }

    /// Kahn's order; shorter than the kept groups where the edges go round.
    fn sorted(&self, edges: &[(usize, usize)]) -> Vec<usize> {
        let n = self.groups.len();
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); n];
        let mut waits = vec![0usize; n];
        for (used, user) in edges {
            users[*used].push(*user);
            waits[*user] += 1;
        }
        let mut by_place: Vec<usize> = (0..n).collect();
        by_place.sort_by(|a, b| {
            let given = |at: usize| !self.groups[at].key.0;
            (given(*a).cmp(&given(*b)))
                .then(self.places[*a].total_cmp(&self.places[*b]))
                .then_with(|| self.groups[*a].key.cmp(&self.groups[*b].key))
        });
        let mut rank = vec![0; n];
        by_place.iter().enumerate().for_each(|(to, at)| rank[*at] = to);
        let free = |at: usize| std::cmp::Reverse((rank[at], at));
        let mut heap: BinaryHeap<_> = (0..n).filter(|at| self.kept[*at] && waits[*at] == 0).map(free).collect();
        let mut order = Vec::new();
        while let Some(std::cmp::Reverse((_, at))) = heap.pop() {
            order.push(at);
            for user in &users[at] {
                waits[*user] -= 1;
                if waits[*user] == 0 {
                    heap.push(free(*user));
                }
            }
        }
        order
    }
}

fn leads(users: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if at == to {
            return true;
        }
        open.extend(users[at].iter().filter(|user| seen.insert(**user)));
    }
    false
}

fn key(graph: &Graph, at: usize) -> Key {
    let node = &graph.nodes[at];
    let (body, value) = Form::of_node(node).key(&node.normal, node.value.as_ref());
    (node.role == Role::Given, body, value)
}

/// Groups of equal form, then of equal value where no trace has both.
fn merged(graphs: &[Graph]) -> Vec<Group> {
    let mut forms: BTreeMap<Key, Group> = BTreeMap::new();
    for (trace, graph) in graphs.iter().enumerate() {
        for (at, node) in graph.nodes.iter().enumerate() {
            let key = key(graph, at);
            let group = forms.entry(key.clone()).or_insert_with(|| Group { key, ..Group::default() });
            group.members.entry(trace).or_insert(at);
            group.answers += usize::from(node.role == Role::Answer);
        }
    }
    let mut all: Vec<Group> = forms.into_values().collect();
    all.sort_by(|a, b| b.members.len().cmp(&a.members.len()).then_with(|| a.key.cmp(&b.key)));
    let mut groups: Vec<Group> = Vec::new();
    let mut of_value: BTreeMap<(bool, Value), Vec<usize>> = BTreeMap::new();
    for group in all {
        let Some(value) = group.key.2.clone() else {
            groups.push(group);
            continue;
        };
        let same = of_value.entry((group.key.0, value)).or_default();
        let apart = |at: &&usize| !group.members.keys().any(|trace| groups[**at].members.contains_key(trace));
        match same.iter().find(apart) {
            Some(at) => {
                groups[*at].members.extend(group.members);
                groups[*at].answers += group.answers;
            }
            None => {
                same.push(groups.len());
                groups.push(group);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests;
