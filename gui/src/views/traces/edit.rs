//! Changes of a reference graph, each giving a graph that keeps its promises: givens first, edges forward in time, one answer at most.

use babelscope::traces::parsed;
use babelscope_probes::cot::{Graph, Node, Role};

use crate::text::isolate;

/// A change that a person asks for. Nodes are counted from 0 here, and from 1 in sentences.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Another text, and what it asserts.
    Rewrite { node: usize, text: String },
    /// Another part to play.
    Recast { node: usize, role: Role },
    /// A new node: behind the givens, before the answer, or at the end, by its part.
    Add { text: String, role: Role },
    /// Takes a node and its edges away.
    Remove(usize),
    /// Changes places with the node before.
    Earlier(usize),
    /// Whether one node is built on another, the other way round than now.
    Turn { used: usize, user: usize },
    /// Another graph altogether.
    Replace(Graph),
}

/// The nodes that `order` names by their old places, in this order, with the edges between them.
fn reordered(graph: &Graph, order: &[usize]) -> Graph {
    let mut place = vec![None; graph.nodes.len()];
    order.iter().enumerate().for_each(|(new, old)| place[*old] = Some(new));
    let mut edges: Vec<(usize, usize)> =
        graph.edges.iter().filter_map(|(used, user)| place[*used].zip(place[*user])).collect();
    edges.sort_unstable();
    Graph { nodes: order.iter().map(|old| graph.nodes[*old].clone()).collect(), edges }
}

/// How many givens stand at the beginning.
fn givens(graph: &Graph) -> usize {
    graph.nodes.iter().take_while(|node| node.role == Role::Given).count()
}

/// Makes the answer, where there is one, an ordinary node.
fn unanswered(graph: &mut Graph) {
    graph.nodes.iter_mut().filter(|node| node.role == Role::Answer).for_each(|node| node.role = Role::Derived);
}

/// What a text asserts, as a node.
fn node(graph: &Graph, text: &str, role: Role, language: &str, own: Option<usize>) -> Result<Node, String> {
    let text = text.trim();
    let found = parsed(text, language);
    if found.normal.is_empty() {
        return Err(format!("{} asserts nothing; write a number or an equation, such as 3 + 4 = 7", isolate(text)));
    }
    // A given and what is derived may say the same; two of a kind could not be told apart.
    let same = |other: &Node| other.normal == found.normal && (other.role == Role::Given) == (role == Role::Given);
    if let Some(at) = graph.nodes.iter().enumerate().position(|(at, other)| Some(at) != own && same(other)) {
        return Err(format!("node {} says the same already: {}", at + 1, isolate(&found.normal)));
    }
    let step = (role != Role::Given).then(|| graph.nodes.len() - givens(graph));
    Ok(Node {
        role,
        normal: found.normal,
        value: found.value,
        name: found.name,
        text: text.to_owned(),
        step,
        span: 0..0,
    })
}

/// The graph with a change; texts are read in `language`.
///
/// # Errors
/// A sentence that says why it cannot be.
pub(super) fn changed(graph: &Graph, change: Change, language: &str) -> Result<Graph, String> {
    let mut next = graph.clone();
    let count = next.nodes.len();
    let known = |node: usize| if node < count { Ok(node) } else { Err(format!("there is no node {}", node + 1)) };
    match change {
        Change::Replace(other) => return other.problem().map_or(Ok(other.clone()), Err),
        Change::Rewrite { node: at, text } => {
            let at = known(at)?;
            let new = node(graph, &text, next.nodes[at].role, language, Some(at))?;
            next.nodes[at] = Node { step: next.nodes[at].step, ..new };
        }
        Change::Recast { node: at, role } => {
            let at = known(at)?;
            let (was, first) = (next.nodes[at].role, givens(graph));
            if role == Role::Answer {
                unanswered(&mut next);
            }
            next.nodes[at].role = role;
            let mut order: Vec<usize> = (0..count).collect();
            if (role == Role::Given) != (was == Role::Given) {
                // A given is built on nothing, and what becomes one stands with the others; a given that ceases to be one stands behind them.
                next.edges.retain(|(_, user)| role != Role::Given || *user != at);
                order.remove(at);
                order.insert(if role == Role::Given { first } else { first - 1 }, at);
            }
            next = reordered(&next, &order);
        }
        Change::Add { text, role } => {
            let new = node(graph, &text, role, language, None)?;
            if role == Role::Answer {
                unanswered(&mut next);
            }
            let place = match role {
                Role::Given => givens(graph),
                Role::Derived => next.answer().unwrap_or(count),
                Role::Answer => count,
            };
            next.nodes.push(new);
            let mut order: Vec<usize> = (0..count).collect();
            order.insert(place, count);
            next = reordered(&next, &order);
        }
        Change::Remove(at) => {
            let at = known(at)?;
            next = reordered(graph, &(0..count).filter(|other| *other != at).collect::<Vec<usize>>());
        }
        Change::Earlier(at) => {
            let Some(before) = known(at)?.checked_sub(1) else { return Err("node 1 is the first".to_owned()) };
            if graph.edges.contains(&(before, at)) {
                return Err(format!("node {} is built on node {}, so it stands behind it", at + 1, before + 1));
            }
            if (graph.nodes[before].role == Role::Given) != (graph.nodes[at].role == Role::Given) {
                return Err(format!("node {} is given, and what is given stands first", before + 1));
            }
            let mut order: Vec<usize> = (0..count).collect();
            order.swap(before, at);
            next = reordered(graph, &order);
        }
        Change::Turn { used, user } => {
            let (used, user) = (known(used)?, known(user)?);
            if used >= user {
                return Err(format!("node {} does not stand before node {}", used + 1, user + 1));
            }
            if graph.nodes[user].role == Role::Given {
                return Err(format!("node {} is given, so it is built on nothing", user + 1));
            }
            match next.edges.binary_search(&(used, user)) {
                Ok(at) => drop(next.edges.remove(at)),
                Err(at) => next.edges.insert(at, (used, user)),
            }
        }
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: &str = "eng_Latn";

    fn built() -> Graph {
        let add = |graph: Graph, text: &str, role: Role| {
            changed(&graph, Change::Add { text: text.to_owned(), role }, ENGLISH).unwrap()
        };
        let graph = add(Graph::default(), "7 - 2 = 5", Role::Answer);
        let graph = add(graph, "3", Role::Given);
        let graph = add(graph, "4", Role::Given);
        add(graph, "3 + 4 = 7", Role::Derived)
    }

    fn said(graph: &Graph) -> Vec<&str> {
        graph.nodes.iter().map(|node| node.text.as_str()).collect()
    }

    fn with(graph: &Graph, change: Change) -> Graph {
        let next = changed(graph, change, ENGLISH).unwrap();
        assert_eq!(next.problem(), None);
        next
    }

    #[test]
    fn nodes_come_where_they_can_be_used() {
        let graph = built();
        assert_eq!(said(&graph), ["3", "4", "3 + 4 = 7", "7 - 2 = 5"]);
        assert_eq!((graph.problem(), graph.answer()), (None, Some(3)));
        let graph = with(&graph, Change::Turn { used: 0, user: 2 });
        let graph = with(&graph, Change::Turn { used: 2, user: 3 });
        assert_eq!(graph.edges, [(0, 2), (2, 3)]);
        assert_eq!(with(&graph, Change::Turn { used: 0, user: 2 }).edges, [(2, 3)]);
        let removed = with(&graph, Change::Remove(1));
        assert_eq!(said(&removed), ["3", "3 + 4 = 7", "7 - 2 = 5"]);
        assert_eq!(removed.edges, [(0, 1), (1, 2)]);
    }

    #[test]
    fn a_text_says_its_form_and_value_in_any_digits() {
        let graph = with(&built(), Change::Rewrite { node: 2, text: " ٣ + ٥ = ٨ ".to_owned() });
        let node = &graph.nodes[2];
        assert_eq!((node.normal.as_str(), node.text.as_str(), node.role), ("3 + 5 = 8", "٣ + ٥ = ٨", Role::Derived));
        assert_eq!(node.value, Some(8.into()));
    }

    #[test]
    fn another_part_moves_a_node_and_frees_the_answer() {
        let graph = with(&built(), Change::Turn { used: 1, user: 2 });
        let given = with(&graph, Change::Recast { node: 2, role: Role::Given });
        assert_eq!((givens(&given), given.edges.len()), (3, 0));
        let derived = with(&graph, Change::Recast { node: 0, role: Role::Derived });
        assert_eq!(said(&derived), ["4", "3", "3 + 4 = 7", "7 - 2 = 5"]);
        assert_eq!(derived.edges, [(0, 2)]);
        let answer = with(&graph, Change::Recast { node: 2, role: Role::Answer });
        assert_eq!((answer.answer(), answer.nodes[3].role), (Some(2), Role::Derived));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_sentence() {
        let graph = with(&built(), Change::Turn { used: 2, user: 3 });
        let why = |change: Change| changed(&graph, change, ENGLISH).unwrap_err().replace(['\u{2068}', '\u{2069}'], "");
        let rewrite = |text: &str| Change::Rewrite { node: 2, text: text.to_owned() };
        assert_eq!(
            why(rewrite("so it is")),
            "so it is asserts nothing; write a number or an equation, such as 3 + 4 = 7"
        );
        assert_eq!(why(rewrite("7 - 2 = 5")), "node 4 says the same already: 7 - 2 = 5");
        assert_eq!(why(Change::Turn { used: 3, user: 2 }), "node 4 does not stand before node 3");
        assert_eq!(why(Change::Turn { used: 0, user: 1 }), "node 2 is given, so it is built on nothing");
        assert_eq!(why(Change::Earlier(3)), "node 4 is built on node 3, so it stands behind it");
        assert_eq!(why(Change::Earlier(2)), "node 2 is given, and what is given stands first");
        assert_eq!(why(Change::Earlier(0)), "node 1 is the first");
        assert_eq!(why(Change::Remove(9)), "there is no node 10");
        assert_eq!(said(&with(&graph, Change::Earlier(1))), ["4", "3", "3 + 4 = 7", "7 - 2 = 5"]);
    }
}
