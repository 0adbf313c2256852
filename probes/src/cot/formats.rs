//! Graphs in the formats of others: DAG-MATH JSON, attribution-graph JSON, GraphML.
//!
//! What we write carries every field of a [`Node`] beside those of the format, so that reading it again gives the same graph. What
//! others wrote has less: the text of a node is kept, and `parse` says what its canonical form and value are, where the caller knows.
//!
//! Refused, each with the step or node: what is no JSON or XML, an id that comes twice, an edge to a node that is not there, and
//! dependencies that go round. Nodes come in an order of time: givens first, then as in the file as far as the edges allow.

pub mod attribution;
pub mod dag_math;
pub mod graphml;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{
    graph::{Graph, Node, Role},
    shown::shown,
    value::Value,
};
use crate::{Error, Result};

/// What a caller makes of the text of a node that others wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// Canonical form; empty: the text as it is.
    pub normal: String,
    /// Value.
    pub value: Option<Value>,
    /// The name that it introduces.
    pub name: Option<String>,
}

/// A parser that makes nothing of a text.
pub fn unparsed(_: &str) -> Parsed {
    Parsed::default()
}

/// A node as it stands in a file, with the ids that it depends on.
struct Record {
    /// As messages call it: `step 3`, `node "a"`.
    id: String,
    node: Node,
    parents: Vec<String>,
}

fn written(text: &str, role: Role, at: usize, parse: &dyn Fn(&str) -> Parsed) -> Node {
    let parsed = parse(text);
    Node {
        role,
        normal: if parsed.normal.is_empty() { text.to_owned() } else { parsed.normal },
        value: parsed.value,
        name: parsed.name,
        text: text.to_owned(),
        step: (role != Role::Given).then_some(at),
        span: 0..0,
    }
}

/// Records in an order of time. `format` names the format in errors.
fn ordered(format: &'static str, records: Vec<Record>) -> Result<Graph> {
    let refuse = |why| Err(Error::Input { measure: format, why });
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (at, record) in records.iter().enumerate() {
        if places.insert(&record.id, at).is_some() {
            return refuse(format!("{} comes twice; every id must be there once", shown(&record.id)));
        }
    }
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); records.len()];
    let mut waits: Vec<usize> = vec![0; records.len()];
    for (at, record) in records.iter().enumerate() {
        for parent in &record.parents {
            match places.get(parent.as_str()) {
                Some(used) if *used == at => return refuse(format!("{} depends on itself", shown(&record.id))),
                Some(used) => {
                    users[*used].push(at);
                    waits[at] += 1;
                }
                None => {
                    let (record, parent) = (shown(&record.id), shown(parent));
                    return refuse(format!("{record} depends on {parent}, which is not there"));
                }
            }
        }
    }
    // What depends on something is no given, whatever the file calls it.
    let given = |at: usize| records[at].node.role == Role::Given && records[at].parents.is_empty();
    let free = |at: usize| Reverse((!given(at), at));
    let mut heap: BinaryHeap<_> = (0..records.len()).filter(|at| waits[*at] == 0).map(free).collect();
    let mut place: Vec<Option<usize>> = vec![None; records.len()];
    let mut graph = Graph::default();
    let mut answered = false;
    while let Some(Reverse((_, at))) = heap.pop() {
        let to = graph.nodes.len();
        place[at] = Some(to);
        let mut node = records[at].node.clone();
        node.role = match node.role {
            Role::Given if given(at) => Role::Given,
            Role::Answer if !std::mem::replace(&mut answered, true) => Role::Answer,
            _ => Role::Derived,
        };
        graph.nodes.push(node);
        for user in &users[at] {
            graph.edges.push((to, *user));
            waits[*user] -= 1;
            if waits[*user] == 0 {
                heap.push(free(*user));
            }
        }
    }
    if let Some(stuck) = (0..records.len()).find(|at| place[*at].is_none()) {
        return refuse(format!(
            "the dependencies go round: {} waits for a step that waits for it",
            shown(on_circle(&records, &places, &place, stuck))
        ));
    }
    for edge in &mut graph.edges {
        edge.1 = place[edge.1].unwrap_or_default();
    }
    graph.edges.sort_unstable();
    graph.edges.dedup();
    Ok(graph)
}

/// A record on the circle that `from` waits for: going back from parent to parent, the first that is met twice.
fn on_circle<'a>(
    records: &'a [Record],
    places: &HashMap<&str, usize>,
    place: &[Option<usize>],
    from: usize,
) -> &'a str {
    let mut seen = vec![false; records.len()];
    let mut at = from;
    while !std::mem::replace(&mut seen[at], true) {
        let stuck = |id: &String| places.get(id.as_str()).copied().filter(|parent| place[*parent].is_none());
        match records[at].parents.iter().find_map(stuck) {
            Some(parent) => at = parent,
            None => break,
        }
    }
    &records[at].id
}

fn checked(format: &'static str, graph: &Graph) -> Result<()> {
    graph.problem().map_or(Ok(()), |why| Err(Error::Input { measure: format, why }))
}

#[cfg(test)]
mod tests;
