//! Traces that tests share: the reference graph of methods.md 9.5 and its variants, random graphs.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Anchor, Graph, Node, Role, Trajectory, Use, Value};

/// An anchor, whatever fields the type has besides these.
pub(crate) fn anchor(kind: &str, step: Option<usize>, normal: &str, value: i64, uses: &[i64]) -> Anchor {
    let uses: Vec<Use> = uses.iter().map(|v| Use::Value((*v).into())).collect();
    let at = step.map_or(0, |step| 10 * step);
    let name = if kind == "assignment" { normal.split_once(" =").map(|(name, _)| name) } else { None };
    serde_json::from_value(json!({
        "step": step, "span": {"start": at, "end": at + 1}, "kind": kind, "normal": normal, "value": Value::from(value),
        "name": name, "unit": null, "holds": null, "uses": uses,
    }))
    .unwrap()
}

pub(crate) fn givens() -> Vec<Anchor> {
    vec![anchor("quantity", None, "12", 12, &[]), anchor("quantity", None, "5", 5, &[])]
}

/// The assertions of the toy problem: P = 12, Q = 5, A = P + Q, B = 2 A, C = B - Q; and what may go wrong with them.
pub(crate) fn assertion(step: usize, what: &str) -> Anchor {
    let (normal, value, uses): (&str, i64, &[i64]) = match what {
        "A" => ("12 + 5 = 17", 17, &[12, 5]),
        "B" => ("2 * 17 = 34", 34, &[2, 17]),
        "C" => ("34 - 5 = 29", 29, &[34, 5]),
        "D" => ("12 - 5 = 7", 7, &[12, 5]),
        "B=36" => ("2 * 17 = 36", 36, &[2, 17]),
        "C=31" => ("36 - 5 = 31", 31, &[36, 5]),
        "C from A, Q" => ("2 * 17 - 5 = 29", 29, &[2, 17, 5]),
        "C citing B" => ("34 - 5 = 29", 29, &[34]),
        other => unreachable!("no assertion {other}"),
    };
    anchor("equation", Some(step), normal, value, uses)
}

/// A trace of these assertions, and its last value as the answer.
pub(crate) fn chain(what: &[&str]) -> Trajectory {
    let mut anchors: Vec<Anchor> = what.iter().enumerate().map(|(step, what)| assertion(step, what)).collect();
    if let Some(last) = anchors.last().and_then(|last| last.value.clone()) {
        let mut answer = anchor("answer", Some(what.len()), &last.to_string(), 0, &[]);
        answer.value = Some(last);
        anchors.push(answer);
    }
    Trajectory::of(&givens(), &anchors)
}

/// `n` nodes at least 2: a quarter givens, then sums of one to three earlier nodes, values all different; the last is the answer.
pub(crate) fn random_graph(seed: u64, n: usize) -> Graph {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let n = n.max(2);
    let givens = (n / 4).max(1);
    let mut graph = Graph::default();
    for at in 0..n {
        let value = 1000 * at as i64 + rng.random_range(0..1000);
        let mut parents: Vec<usize> = Vec::new();
        if at >= givens {
            parents = (0..rng.random_range(1..4)).map(|_| rng.random_range(0..at)).collect();
            parents.sort_unstable();
            parents.dedup();
        }
        let operands: Vec<String> =
            parents.iter().map(|p| graph.nodes[*p].value.clone().unwrap().to_string()).collect();
        let normal = if at < givens { value.to_string() } else { format!("{} + {at} = {value}", operands.join(" + ")) };
        graph.edges.extend(parents.iter().map(|parent| (*parent, at)));
        graph.nodes.push(Node {
            role: match at {
                _ if at < givens => Role::Given,
                _ if at + 1 == n => Role::Answer,
                _ => Role::Derived,
            },
            text: normal.clone(),
            normal,
            value: Some(Value::from(value)),
            name: None,
            step: (at >= givens).then_some(at),
            span: at..at + 1,
        });
    }
    graph.edges.sort_unstable();
    graph
}
