//! The graph of a trace, with what it leaves out of the reference; or the reference itself, with what the trace makes of it.

use std::collections::BTreeSet;

use babelscope_probes::cot::{
    Graph, Node, Role,
    compare::Status,
    inside::Influence as Measured,
    report::{Posed, Traced},
};

use super::{effects::Effect, held::Held, told::Told};
use crate::{
    text::isolate,
    widgets::{
        graph::{Drawn, Influence, Vertex},
        verdict::Verdict,
    },
};

/// Edges of influence that are drawn, at most.
const STRONGEST: usize = 60;

/// Which graph is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Which {
    /// Of the left trace.
    #[default]
    Left,
    /// Of the right trace.
    Right,
    /// What both are held against.
    Reference,
}

/// A graph ready to be drawn.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) drawn: Drawn,
    /// The critical anchor that each node stands for.
    pub(super) anchors: Vec<Option<usize>>,
    /// How many nodes are of the trace itself; those behind them are missing ones.
    pub(super) own: usize,
    /// How strongly steps act on later ones, in each of the two ways.
    pub(super) influence: [Vec<Influence>; 2],
}

fn place(node: &Node) -> String {
    let step = node.step.map(|step| format!("step {}", step + 1));
    let role = match node.role {
        Role::Given => Some("given".to_owned()),
        Role::Derived => None,
        Role::Answer => Some("answer".to_owned()),
    };
    let name = node.name.as_ref().map(|name| format!("called {}", isolate(name)));
    [role, step, name].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

fn vertex(node: &Node, verdict: Verdict, anchor: Option<usize>) -> Vertex {
    let note = place(node);
    let mut said = format!("node {}: {}", isolate(&node.normal), verdict.name());
    for part in [note.replace(" · ", ", "), anchor.map_or(String::new(), |at| format!("anchor {}", at + 1))] {
        if !part.is_empty() && part != verdict.name() {
            said = format!("{said}, {part}");
        }
    }
    Vertex {
        text: node.normal.clone(),
        note,
        verdict,
        partner: anchor.map(|at| (at + 1, at)),
        goal: node.role == Role::Answer,
        said,
    }
}

/// Whether a way leads from one node to another.
fn reaches(edges: &[(usize, usize, bool)], from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if node == to {
            return true;
        }
        if seen.insert(node) {
            open.extend(edges.iter().filter(|(start, ..)| *start == node).map(|(_, end, _)| *end));
        }
    }
    false
}

impl Picture {
    /// The graph of a trace.
    pub(super) fn of_trace(held: Held<'_>, told: &Told, posed: Option<&Posed>) -> Self {
        let Some(traced) = held.trace(told.trace) else { return Self::default() };
        let graph = &traced.trajectory.graph;
        let mut picture = Self { own: graph.nodes.len(), anchors: told.anchors.clone(), ..Self::default() };
        let own = graph.nodes.iter().zip(&told.verdicts).zip(&told.anchors);
        let mut vertices: Vec<Vertex> = own.map(|((node, verdict), anchor)| vertex(node, *verdict, *anchor)).collect();
        let mut edges: Vec<(usize, usize, bool)> = graph.edges.iter().map(|(from, to)| (*from, *to, true)).collect();
        if let Some(reference) = posed.and_then(|posed| posed.reference.as_ref()) {
            picture.missing(traced, reference, &mut vertices, &mut edges);
        }
        if let Some(watched) = held.watched(told.trace) {
            let of = |effect: Effect| effect.of(watched).map_or_else(Vec::new, |measured| strongest(measured, graph));
            picture.influence = Effect::ALL.map(of);
        }
        picture.drawn = Drawn::new(vertices, edges);
        picture
    }

    /// Adds what the reference has and the trace has not, and on what it would have been built.
    fn missing(
        &mut self,
        traced: &Traced,
        reference: &Graph,
        vertices: &mut Vec<Vertex>,
        edges: &mut Vec<(usize, usize, bool)>,
    ) {
        let Some(found) = &traced.comparison else { return };
        // Which node stands for each of the reference: of the trace, or added here.
        let mut stands: Vec<Option<usize>> = vec![None; reference.nodes.len()];
        for (node, stand) in found.stands.iter().enumerate().rev() {
            if let Some(own) = stand.and_then(|stand| stands.get_mut(stand.anchor)) {
                *own = Some(node);
            }
        }
        let mut added = Vec::new();
        for (at, aligned) in found.anchors.iter().enumerate() {
            let node = reference.nodes.get(aligned.anchor);
            if let (Status::Missing, Some(node)) = (aligned.status, node) {
                stands[aligned.anchor] = Some(vertices.len());
                added.push(vertices.len());
                let said = Node { step: None, ..node.clone() };
                vertices.push(vertex(&said, Verdict::Missing, Some(at)));
                self.anchors.push(Some(at));
            }
        }
        for (used, user) in &reference.edges {
            let ends = stands.get(*used).copied().flatten().zip(stands.get(*user).copied().flatten());
            let Some((from, to)) = ends else { continue };
            let new = added.contains(&from) || added.contains(&to);
            // A trace may have said things in another order than the reference.
            if new && !reaches(edges, to, from) {
                edges.push((from, to, false));
            }
        }
    }

    /// The reference, coloured by what a trace makes of it.
    pub(super) fn of_reference(posed: &Posed, traced: Option<&Traced>) -> Self {
        let Some(graph) = &posed.reference else { return Self::default() };
        let found = traced.and_then(|traced| traced.comparison.as_ref());
        let place = |node: usize| posed.critical.iter().position(|critical| *critical == node);
        let verdict = |at: usize, node: &Node| match (node.role, place(at)) {
            (Role::Given, _) => Verdict::Given,
            (_, Some(place)) => match found.and_then(|found| found.anchors.get(place)).map(|aligned| aligned.status) {
                Some(Status::Correct) => Verdict::Correct,
                Some(Status::WrongValue) => Verdict::Wrong,
                Some(Status::Missing) => Verdict::Missing,
                None => Verdict::Open,
            },
            (_, None) => Verdict::Open,
        };
        let vertices = graph.nodes.iter().enumerate().map(|(at, node)| {
            let mut own = vertex(&Node { step: None, ..node.clone() }, verdict(at, node), place(at));
            if let Some(support) = posed.support.get(at).filter(|support| **support < 1.0) {
                own.note = format!("{} in {:.0} %", own.note, 100.0 * support);
            }
            own
        });
        Self {
            drawn: Drawn::new(vertices.collect(), graph.edges.iter().map(|(from, to)| (*from, *to, true)).collect()),
            anchors: (0..graph.nodes.len()).map(place).collect(),
            own: 0,
            influence: Default::default(),
        }
    }
}

/// The strongest influences between steps, each between the last nodes that the steps say first.
fn strongest(measured: &Measured, graph: &Graph) -> Vec<Influence> {
    let last = |step: usize| graph.nodes.iter().rposition(|node| node.step == Some(step));
    let mut pairs: Vec<(f64, usize, usize)> = (measured.kl.iter().enumerate())
        .flat_map(|(later, row)| row.iter().enumerate().map(move |(earlier, kl)| (*kl, earlier, later)))
        .filter(|(kl, ..)| kl.is_finite() && *kl > 0.0)
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let most = pairs.first().map_or(1.0, |pair| pair.0);
    let drawn = pairs.iter().filter(|(kl, ..)| *kl >= 0.05 * most);
    let drawn = drawn.filter_map(|(kl, from, to)| Some((last(*from)?, last(*to)?, (kl / most) as f32)));
    drawn.take(STRONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(role: Role, normal: &str, step: Option<usize>) -> Node {
        Node { role, normal: normal.into(), value: None, name: None, text: normal.into(), step, span: 0..0 }
    }

    #[test]
    fn influence_goes_from_step_to_step_and_the_weak_is_left_out() {
        let graph = Graph {
            nodes: vec![
                node(Role::Given, "3", None),
                node(Role::Derived, "a", Some(0)),
                node(Role::Derived, "b", Some(1)),
                node(Role::Answer, "c", Some(1)),
            ],
            edges: Vec::new(),
        };
        let measured = Measured {
            change: "suppressed".to_owned(),
            temperature: 1.0,
            kl: vec![vec![], vec![2.0], vec![0.5, 0.01]],
            log_kl: Vec::new(),
            cost: Default::default(),
            notes: Vec::new(),
        };
        // Step 2 has no node; the last node of step 1 is 3.
        assert_eq!(strongest(&measured, &graph), [(1, 3, 1.0)]);
    }

    #[test]
    fn a_way_is_found_and_none_backwards() {
        let edges = [(0, 1, true), (1, 2, false)];
        assert!(reaches(&edges, 0, 2) && !reaches(&edges, 2, 0) && reaches(&edges, 1, 1));
    }

    #[test]
    fn a_vertex_says_what_it_is() {
        let answer = vertex(&node(Role::Answer, "3 + 4 = 7", Some(1)), Verdict::Correct, Some(0));
        assert_eq!(answer.said, "node 3 + 4 = 7: correct, answer, step 2, anchor 1");
        let given = vertex(&node(Role::Given, "3", None), Verdict::Given, None);
        assert_eq!((given.said.as_str(), given.goal), ("node 3: given", false));
    }
}
