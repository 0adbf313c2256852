//! The derivation graph of a trace: what was said, and what each assertion was built from.
//!
//! How anchors become nodes and edges: [`crate::cot::link`].

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{anchor::Anchor, link::Trajectory, value::Value};

/// The part that a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Stands in the problem.
    Given,
    /// Was derived.
    Derived,
    /// Is the answer.
    Answer,
}

/// One assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The part that it plays.
    pub role: Role,
    /// Its canonical form, the same in every language.
    pub normal: String,
    /// Its value, exactly.
    pub value: Option<Value>,
    /// The name that it introduces.
    pub name: Option<String>,
    /// As it was written.
    pub text: String,
    /// Its step; none for a given.
    pub step: Option<usize>,
    /// Its bytes in the trace (in the statement for a given).
    pub span: Range<usize>,
}

/// Nodes in the order of time (givens first), and edges from what is used to what uses it: always from an earlier node to a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The assertions.
    pub nodes: Vec<Node>,
    /// `(used, user)` with `used < user`, sorted, each once.
    pub edges: Vec<(usize, usize)>,
}

impl Graph {
    /// The graph of a trace's anchors (methods.md 7.1): what [`Trajectory::of`] builds, without what was said twice.
    pub fn of(givens: &[Anchor], anchors: &[Anchor]) -> Self {
        Trajectory::of(givens, anchors).graph
    }

    /// Why this is no graph, as a sentence: the promises of the fields that it breaks.
    ///
    /// ```
    /// use babelscope_probes::cot::Graph;
    /// let graph = Graph { nodes: Vec::new(), edges: vec![(0, 1)] };
    /// assert_eq!(graph.problem().unwrap(), "edge 0 -> 1 names a node that is not there (0 nodes, counted from 0)");
    /// ```
    pub fn problem(&self) -> Option<String> {
        let n = self.nodes.len();
        for (used, user) in &self.edges {
            if *used >= n || *user >= n {
                return Some(format!(
                    "edge {used} -> {user} names a node that is not there ({n} nodes, counted from 0)"
                ));
            }
            if used >= user {
                return Some(format!("edge {used} -> {user} does not go forward in time"));
            }
            if self.nodes[*user].role == Role::Given {
                return Some(format!("node {user} is a given, yet edge {used} -> {user} derives it"));
            }
        }
        if let Some(pair) = self.edges.windows(2).find(|pair| pair[0] >= pair[1]) {
            let (used, user) = pair[1];
            return Some(format!("edge {used} -> {user} comes twice, or the edges are not sorted"));
        }
        if let Some(at) = self.nodes.windows(2).position(|p| p[0].role != Role::Given && p[1].role == Role::Given) {
            return Some(format!("node {} is a given behind a node that is none; givens come first", at + 1));
        }
        let mut answers = (0..n).filter(|at| self.nodes[*at].role == Role::Answer);
        match (answers.next(), answers.next()) {
            (Some(a), Some(b)) => Some(format!("nodes {a} and {b} are both the answer; one can be")),
            _ => None,
        }
    }

    /// The node that is the answer.
    pub fn answer(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.role == Role::Answer)
    }

    /// What each node uses, ascending.
    pub fn parents(&self) -> Vec<Vec<usize>> {
        let mut parents = vec![Vec::new(); self.nodes.len()];
        for (used, user) in &self.edges {
            if let Some(of) = parents.get_mut(*user) {
                of.push(*used);
            }
        }
        parents
    }

    /// What uses each node, ascending.
    pub fn users(&self) -> Vec<Vec<usize>> {
        let mut users = vec![Vec::new(); self.nodes.len()];
        for (used, user) in &self.edges {
            if let Some(of) = users.get_mut(*used) {
                of.push(*user);
            }
        }
        users
    }

    /// Length of the longest path that ends in each node, in edges; 0 for what uses nothing.
    pub fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.nodes.len()];
        for (user, parents) in self.parents().iter().enumerate() {
            depths[user] = parents.iter().map(|used| depths[*used] + 1).max().unwrap_or_default();
        }
        depths
    }

    /// Which nodes lead to this one, itself included.
    pub fn ancestors(&self, of: usize) -> Vec<bool> {
        let parents = self.parents();
        let mut there = vec![false; self.nodes.len()];
        if let Some(itself) = there.get_mut(of) {
            *itself = true;
        }
        for user in (0..self.nodes.len()).rev().filter(|user| *user <= of) {
            if there[user] {
                parents[user].iter().for_each(|used| there[*used] = true);
            }
        }
        there
    }

    /// How many nodes each node leads to, itself not counted. Sixty-four at a time, so memory stays in proportion to the nodes.
    pub fn descendants(&self) -> Vec<usize> {
        let n = self.nodes.len();
        let users = self.users();
        let mut counts = vec![0; n];
        for block in (0..n).step_by(64) {
            let mut reached = vec![0u64; n];
            for used in (0..n).rev() {
                let own = if (block..block + 64).contains(&used) { 1u64 << (used - block) } else { 0 };
                let later = users[used].iter().fold(0, |all, user| all | reached[*user]);
                counts[used] += later.count_ones() as usize;
                reached[used] = later | own;
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::cot::{
        Graph, Role,
        toy::{chain, random_graph},
    };

    #[test]
    fn toy_reference_has_the_edges_of_the_table() {
        let graph = chain(&["A", "B", "C"]).graph;
        let said: Vec<&str> = graph.nodes.iter().map(|node| node.normal.as_str()).collect();
        assert_eq!(said, ["12", "5", "12 + 5 = 17", "2 * 17 = 34", "34 - 5 = 29"]);
        assert_eq!(graph.edges, [(0, 2), (1, 2), (1, 4), (2, 3), (3, 4)]);
        assert_eq!((graph.answer(), graph.problem()), (Some(4), None));
        assert_eq!(graph.depths(), [0, 0, 1, 2, 3]);
        assert_eq!(graph.descendants(), [3, 3, 2, 1, 0]);
    }

    #[test]
    fn broken_promises_are_named() {
        let good = chain(&["A", "B", "C"]).graph;
        let broken = |change: fn(&mut Graph)| {
            let mut graph = good.clone();
            change(&mut graph);
            graph.problem().unwrap()
        };
        assert_eq!(broken(|g| g.edges.push((4, 4))), "edge 4 -> 4 does not go forward in time");
        assert_eq!(broken(|g| g.edges.push((3, 4))), "edge 3 -> 4 comes twice, or the edges are not sorted");
        assert_eq!(broken(|g| g.nodes[2].role = Role::Given), "node 2 is a given, yet edge 0 -> 2 derives it");
        assert_eq!(
            broken(|g| g.nodes[0].role = Role::Derived),
            "node 1 is a given behind a node that is none; givens come first"
        );
        assert_eq!(broken(|g| g.nodes[3].role = Role::Answer), "nodes 3 and 4 are both the answer; one can be");
    }

    proptest! {
        #[test]
        fn descendants_are_what_a_walk_from_each_node_finds(seed: u64, n in 1usize..150) {
            let graph = random_graph(seed, n);
            prop_assert_eq!(graph.problem(), None);
            let slow: Vec<usize> = (0..graph.nodes.len())
                .map(|from| (0..graph.nodes.len()).filter(|to| *to != from && graph.ancestors(*to)[from]).count())
                .collect();
            prop_assert_eq!(graph.descendants(), slow);
        }
    }
}
