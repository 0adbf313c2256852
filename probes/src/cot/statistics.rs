//! Statistics of a derivation graph, and of many (methods.md 7.2, after Zhang et al., *DAG-MATH*, ICLR 2026, arXiv 2510.19842).
//!
//! With n nodes and m edges:
//! - **density** = m / (n (n - 1) / 2), the share of the edges that an acyclic graph can have;
//! - **depth** = edges of the longest path; **width** = nodes of the largest layer, a layer being the nodes of equal depth;
//! - **branching** = m / nodes that are used: by how many a node is used, where it is used at all;
//! - **closeness** = of the derived nodes that are not the answer, the share that is used; **with givens** = the same with the givens
//!   counted. Without an answer every derived node counts, so the last one is open;
//! - **logically closed**: every derived node but the answer is used.
//!
//! Over a set of traces: **PASS@1** = share that is correct; **PRR** (perfect reasoning rate) = share that is closed and correct;
//! accuracy at a threshold t = share that is correct with a closeness of at least t; **AUC** = its area as t runs from 0 to 1, which is
//! the mean of (closeness of the correct ones, 0 for the others), exactly. A trace with nothing that could be used is closed, closeness 1.

use serde::{Deserialize, Serialize};

use super::graph::{Graph, Role};
use crate::{Error, Result};

/// Statistics of one graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Nodes, givens included.
    pub nodes: usize,
    /// Of these, givens.
    pub givens: usize,
    /// Edges.
    pub edges: usize,
    /// Edges over possible edges; none with fewer than two nodes.
    pub density: Option<f64>,
    /// The most that a node is built from.
    pub max_in_degree: usize,
    /// The most often that a node is used.
    pub max_out_degree: usize,
    /// Edges of the longest path.
    pub depth: usize,
    /// Edges over nodes that are used; none where none is.
    pub branching: Option<f64>,
    /// Nodes of the largest layer.
    pub width: usize,
    /// Nodes that nothing uses, the answer included.
    pub sinks: usize,
    /// Share of the derived nodes other than the answer that are used; none where there are none.
    pub closeness: Option<f64>,
    /// The same with the givens.
    pub closeness_with_givens: Option<f64>,
    /// Whether every derived node other than the answer is used.
    pub closed: bool,
}

/// Statistics of a graph.
///
/// # Errors
/// A graph that breaks its promises ([`Graph::problem`]).
///
/// ```
/// use babelscope_probes::cot::{Graph, statistics};
/// let empty = statistics(&Graph::default())?;
/// assert_eq!((empty.nodes, empty.density, empty.closed), (0, None, true));
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn statistics(graph: &Graph) -> Result<Statistics> {
    if let Some(why) = graph.problem() {
        return Err(Error::Input { measure: "graph statistics", why });
    }
    let (n, m) = (graph.nodes.len(), graph.edges.len());
    let used: Vec<usize> = graph.users().iter().map(Vec::len).collect();
    let depths = graph.depths();
    let depth = depths.iter().copied().max().unwrap_or_default();
    let mut layers = vec![0; depth + 1];
    depths.iter().for_each(|depth| layers[*depth] += 1);
    let share = |roles: &[Role]| {
        let of: Vec<usize> = (0..n).filter(|at| roles.contains(&graph.nodes[*at].role)).collect();
        let part = of.iter().filter(|at| used[**at] > 0).count();
        (!of.is_empty()).then(|| part as f64 / of.len() as f64)
    };
    let sinks = used.iter().filter(|count| **count == 0).count();
    let closeness = share(&[Role::Derived]);
    Ok(Statistics {
        nodes: n,
        givens: graph.nodes.iter().filter(|node| node.role == Role::Given).count(),
        edges: m,
        density: (n > 1).then(|| m as f64 / (n as f64 * (n - 1) as f64 / 2.0)),
        max_in_degree: graph.parents().iter().map(Vec::len).max().unwrap_or_default(),
        max_out_degree: used.iter().copied().max().unwrap_or_default(),
        depth,
        branching: (m > 0).then(|| m as f64 / (n - sinks) as f64),
        width: layers.into_iter().max().unwrap_or_default(),
        sinks,
        closeness,
        closeness_with_givens: share(&[Role::Given, Role::Derived]),
        closed: closeness.is_none_or(|share| share >= 1.0),
    })
}

/// How often traces are right, and how often they are right with every conclusion used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Share that is correct.
    pub pass: f64,
    /// Share that is closed and correct.
    pub prr: f64,
    /// Area under `curve`, exactly.
    pub auc: f64,
    /// Share that is correct with a closeness of at least 0 %, 1 %, ... 100 %. `[101]`.
    pub curve: Vec<f64>,
}

/// PASS@1, PRR and AUC of traces that were each found right or wrong; none without a trace.
///
/// ```
/// use babelscope_probes::cot::statistics::rates;
/// // Closed and right; three of four conclusions used and right; wrong.
/// let found = rates(&[(Some(1.0), true), (Some(0.75), true), (Some(1.0), false)]).ok_or("no trace")?;
/// assert!((found.pass - 2.0 / 3.0).abs() < 1e-12 && (found.prr - 1.0 / 3.0).abs() < 1e-12);
/// assert!((found.auc - 1.75 / 3.0).abs() < 1e-12 && found.curve[75] == found.pass && found.curve[76] == found.prr);
/// # Ok::<(), &str>(())
/// ```
pub fn rates(traces: &[(Option<f64>, bool)]) -> Option<Rates> {
    if traces.is_empty() {
        return None;
    }
    let n = traces.len() as f64;
    let right: Vec<f64> =
        traces.iter().filter(|(_, right)| *right).map(|(closeness, _)| closeness.unwrap_or(1.0)).collect();
    let at_least = |threshold: f64| right.iter().filter(|closeness| **closeness >= threshold).count() as f64 / n;
    let curve: Vec<f64> = (0..=100).map(|percent| at_least(f64::from(percent) / 100.0)).collect();
    Some(Rates { pass: right.len() as f64 / n, prr: at_least(1.0), auc: right.iter().sum::<f64>() / n, curve })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{rates, statistics};
    use crate::cot::{
        Graph,
        toy::{chain, random_graph},
    };

    #[test]
    fn toy_graph_by_hand() {
        // P, Q -> A -> B -> C <- Q.
        let found = statistics(&chain(&["A", "B", "C"]).graph).unwrap();
        assert_eq!((found.nodes, found.givens, found.edges, found.sinks), (5, 2, 5, 1));
        assert_eq!((found.density, found.branching), (Some(0.5), Some(1.25)));
        assert_eq!((found.max_in_degree, found.max_out_degree, found.depth, found.width), (2, 2, 3, 2));
        assert_eq!((found.closeness, found.closeness_with_givens, found.closed), (Some(1.0), Some(1.0), true));
    }

    #[test]
    fn without_an_answer_the_last_node_is_open() {
        let mut graph = chain(&["A", "B", "C"]).graph;
        graph.nodes[4].role = crate::cot::Role::Derived;
        let found = statistics(&graph).unwrap();
        assert_eq!((found.closeness, found.closed), (Some(2.0 / 3.0), false));
        assert!(statistics(&Graph { edges: vec![(0, 1)], ..Graph::default() }).is_err());
    }

    #[test]
    fn no_trace_has_no_rate() {
        assert_eq!(rates(&[]), None);
    }

    proptest! {
        #[test]
        fn area_is_what_the_curve_covers(seeds in proptest::collection::vec((0u64..99, any::<bool>()), 1..30)) {
            let traces: Vec<(Option<f64>, bool)> =
                seeds.iter().map(|(seed, right)| (statistics(&random_graph(*seed, 12)).unwrap().closeness, *right)).collect();
            let found = rates(&traces).unwrap();
            let covered: f64 = found.curve.windows(2).map(|pair| (pair[0] + pair[1]) / 200.0).sum();
            prop_assert!((found.auc - covered).abs() < 0.01, "{} {covered}", found.auc);
            prop_assert!(found.curve.is_sorted_by(|a, b| a >= b) && found.prr <= found.auc && found.auc <= found.pass);
        }
    }
}
