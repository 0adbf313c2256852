use proptest::prelude::*;

use super::Reference;
use crate::cot::{
    Graph, Role, Trajectory,
    toy::{anchor, chain, givens, random_graph},
};

fn normals(reference: &Reference) -> Vec<&str> {
    reference.graph().nodes.iter().map(|node| node.normal.as_str()).collect()
}

#[test]
fn critical_are_the_ancestors_of_the_answer_without_givens() {
    let reference = Reference::new(chain(&["A", "D", "B", "C"]).graph).unwrap();
    assert_eq!(normals(&reference)[2..], ["12 + 5 = 17", "12 - 5 = 7", "2 * 17 = 34", "34 - 5 = 29"]);
    assert_eq!((reference.critical(), reference.weights()), (&[2, 4, 5][..], &[3.0, 2.0, 1.0][..]));
}

#[test]
fn a_constant_that_is_said_is_not_critical() {
    let said = [
        anchor("quantity", Some(0), "7", 7, &[]),
        anchor("equation", Some(1), "7 * 12 = 84", 84, &[7, 12]),
        anchor("answer", Some(2), "84", 84, &[]),
    ];
    let reference = Reference::new(Graph::of(&givens(), &said)).unwrap();
    assert_eq!(reference.critical(), [3]);
}

#[test]
fn what_half_of_the_traces_say_is_kept() {
    let graphs: Vec<Graph> = [&["A", "B", "C"][..], &["A", "D", "B", "C"], &["C from A, Q"], &["A", "B", "C"]]
        .map(|c| chain(c).graph)
        .into();
    let reference = Reference::agreed(&graphs, 0.5).unwrap();
    assert_eq!(normals(&reference), ["12", "5", "12 + 5 = 17", "2 * 17 = 34", "34 - 5 = 29"]);
    // C is in all: its other derivation has the same value.
    assert_eq!(reference.support(), [1.0, 1.0, 0.75, 0.75, 1.0]);
    assert_eq!(reference.graph().edges, chain(&["A", "B", "C"]).graph.edges);
    assert_eq!(normals(&Reference::agreed(&graphs, 0.25).unwrap()).len(), 6);
    assert_eq!(normals(&Reference::agreed(&graphs, 1.0).unwrap()), ["12", "5", "34 - 5 = 29"]);
}

#[test]
fn edges_that_go_round_lose_the_weaker_one() {
    // x from y in two traces, y from x in one; all say both.
    let trace = |first: i64, second: i64| {
        let anchors = [
            anchor("assignment", Some(0), &format!("v{first} = 1 + {first} = {first}0"), 10 * first, &[1]),
            anchor("equation", Some(1), &format!("{second} * {first}0 = {second}0"), 10 * second, &[10 * first]),
            anchor("answer", Some(2), "20", 20, &[]),
        ];
        Graph::of(&[], &anchors)
    };
    let graphs = [trace(1, 2), trace(2, 1), trace(1, 2)];
    let reference = Reference::agreed(&graphs, 0.3).unwrap();
    assert_eq!(reference.graph().edges, [(0, 1)]);
    let values: Vec<String> = reference.graph().nodes.iter().map(|n| n.value.clone().unwrap().to_string()).collect();
    assert_eq!(values, ["10", "20"]);
}

#[test]
fn refusals_say_what_is_wrong() {
    let why = |result: crate::Result<Reference>| result.unwrap_err().to_string();
    assert!(why(Reference::agreed(&[], 0.5)).contains("no trace"));
    assert!(why(Reference::agreed(&[Graph::default()], 0.0)).contains("tau"));
    assert!(why(Reference::agreed(&[Graph::default()], 0.5)).contains("no trace gives an answer"));
    let loose = Graph { edges: vec![(0, 0)], ..Graph::default() };
    assert!(why(Reference::agreed(&[Graph::default(), loose], 0.5)).contains("trace 2: edge 0 -> 0"));
    let differ = [chain(&["A"]).graph, chain(&["A", "B"]).graph, chain(&["A", "B", "C"]).graph];
    assert!(why(Reference::agreed(&differ, 1.0)).contains("fewer than tau"), "{differ:?}");
    assert!(why(Reference::new(Trajectory::of(&givens(), &[]).graph)).contains("no node is the answer"));
}

proptest! {
    #[test]
    fn traces_that_are_the_same_agree_on_themselves(seed: u64, n in 2usize..60, times in 1usize..5) {
        let graph = random_graph(seed, n);
        let reference = Reference::agreed(&vec![graph.clone(); times], 0.5).unwrap();
        // The order of the nodes is one of several; what is said and built from what is the same.
        let edges = |graph: &Graph| {
            let normal = |at: usize| graph.nodes[at].normal.clone();
            let mut edges: Vec<_> = graph.edges.iter().map(|(a, b)| (normal(*a), normal(*b))).collect();
            edges.sort();
            edges
        };
        prop_assert_eq!(edges(reference.graph()), edges(&graph));
        prop_assert_eq!(reference.graph().nodes.len(), graph.nodes.len());
        prop_assert!(reference.critical().iter().all(|at| reference.graph().nodes[*at].role != Role::Given));
    }

    #[test]
    fn the_order_of_the_traces_does_not_count(seeds in proptest::collection::vec(0u64..6, 2..6), tau in 0.1f64..1.0) {
        let graphs: Vec<Graph> = seeds.iter().map(|seed| random_graph(*seed, 12)).collect();
        let back: Vec<Graph> = graphs.iter().rev().cloned().collect();
        match (Reference::agreed(&graphs, tau), Reference::agreed(&back, tau)) {
            (Ok(a), Ok(b)) => {
                prop_assert_eq!(normals(&a), normals(&b));
                prop_assert_eq!(&a.graph().edges, &b.graph().edges);
            }
            (Err(_), Err(_)) => (),
            (a, b) => prop_assert!(false, "{a:?} {b:?}"),
        }
    }
}
