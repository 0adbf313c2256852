use proptest::prelude::*;

use super::{Comparison, Status, compare};
use crate::cot::{
    Graph, HarmKind, Reference, Role, Trajectory,
    statistics::statistics,
    toy::{anchor, assertion, chain, givens, random_graph},
};

fn reference() -> Reference {
    Reference::new(chain(&["A", "B", "C"]).graph).unwrap()
}

fn against(what: &[&str]) -> Comparison {
    compare(&reference(), &chain(what)).unwrap()
}

/// Coverage as correct of three, edges kept / into correct ones / all, harmful kinds, actions.
fn row(found: &Comparison) -> (usize, [usize; 3], Vec<HarmKind>, usize) {
    assert_eq!(found.coverage, found.with_status(Status::Correct) as f64 / 3.0);
    let kinds = found.harms.iter().map(|harm| harm.kind).collect();
    let edges = [found.edges_kept, found.edges_matched, found.edges_all];
    (found.with_status(Status::Correct), edges, kinds, found.actions)
}

#[test]
fn table_of_9_5() {
    use HarmKind::{Contradiction, Loop, WrongValue};
    assert_eq!(row(&against(&["A", "B", "C"])), (3, [5, 5, 5], vec![], 3));
    assert_eq!(row(&against(&["A", "C from A, Q"])), (2, [3, 4, 5], vec![], 2));
    assert_eq!(row(&against(&["A", "B=36", "C=31"])), (1, [2, 2, 5], vec![WrongValue, WrongValue], 3));
    let corrected = against(&["A", "B=36", "B", "C"]);
    assert_eq!(row(&corrected), (3, [5, 5, 5], vec![WrongValue], 4));
    assert_eq!((corrected.recovered, corrected.recovery()), (1, Some(1.0)));
    assert_eq!(row(&against(&["A", "B", "B=36", "C=31"])), (2, [3, 3, 5], vec![Contradiction, WrongValue], 4));
    assert_eq!(row(&against(&["A", "A", "A", "B", "C"])), (3, [5, 5, 5], vec![Loop, Loop], 5));
    assert_eq!(row(&against(&["A", "B", "C citing B"])), (3, [4, 5, 5], vec![], 3));
}

#[test]
fn the_rest_of_the_table_s_traces() {
    let skipped = against(&["A", "C from A, Q"]);
    let status: Vec<Status> = skipped.anchors.iter().map(|a| a.status).collect();
    assert_eq!(status, [Status::Correct, Status::Missing, Status::Correct]);
    assert_eq!(skipped.weighted_coverage, (3.0 + 1.0) / 6.0);
    let wrong = against(&["A", "B=36", "C=31"]);
    let first = wrong.first_wrong.unwrap();
    assert_eq!((first.action, first.anchor, first.depth), (1, 3, 2));
    assert_eq!((wrong.answer, wrong.recovery(), wrong.harmful_rate()), (Some(false), Some(0.0), Some(2.0 / 3.0)));
    assert_eq!(wrong.anchors[2].status, Status::WrongValue);
    let denied = against(&["A", "B", "B=36", "C=31"]);
    assert_eq!((denied.went_wrong, denied.recovered, denied.dead_ends), (2, 0, vec![3]));
    let aside = against(&["A", "D", "B", "C"]);
    assert_eq!((aside.redundant, aside.dead_ends, aside.answer), (vec![3], vec![3], Some(true)));
}

#[test]
fn order_and_missing_answers() {
    let swapped = against(&["A", "C", "B"]);
    assert_eq!(swapped.order_violations, [(3, 4)]);
    assert_eq!((swapped.edges_kept, swapped.answer), (4, Some(false)));
    let silent = compare(&reference(), &Trajectory::default()).unwrap();
    assert_eq!((silent.coverage, silent.harmful_rate(), silent.edge_fidelity()), (0.0, None, None));
    assert_eq!((silent.edge_fidelity_all(), silent.answer), (Some(0.0), None));
}

#[test]
fn numbers_alone_stand_for_what_they_say() {
    // "That makes 17, twice this is 34, less 5: 29", without an equation.
    let said = [17, 34, 29].iter().enumerate().map(|(i, v)| anchor("quantity", Some(i), &v.to_string(), *v, &[]));
    let mut said: Vec<_> = said.collect();
    said.push(anchor("answer", Some(3), "29", 29, &[]));
    let found = compare(&reference(), &Trajectory::of(&givens(), &said)).unwrap();
    assert_eq!(row(&found), (3, [0, 5, 5], vec![], 3));
}

#[test]
fn another_way_to_a_value_stands_for_it_and_names_do_not_matter() {
    // 17 again by another way; B is built from that one. Assignments in place of equations.
    let again = anchor("equation", Some(1), "5 + 12 + 0 = 17", 17, &[5, 12, 0]);
    let b = anchor("assignment", Some(2), "b = 2 * 17 = 34", 34, &[2, 17]);
    let found = Trajectory::of(
        &givens(),
        &[assertion(0, "A"), again, b, assertion(3, "C"), anchor("answer", None, "29", 29, &[])],
    );
    assert_eq!(row(&compare(&reference(), &found).unwrap()), (3, [5, 5, 5], vec![], 4));
}

#[test]
fn a_wrong_chain_and_a_wrong_negative_are_wrong_values_and_no_gaps() {
    // A chain whose link is wrong shows all its members.
    let chained = anchor("equation", Some(1), "2 * 17 = 17 + 18 = 35", 35, &[2, 17]);
    let found = compare(&reference(), &Trajectory::of(&givens(), &[assertion(0, "A"), chained])).unwrap();
    assert_eq!((found.anchors[1].status, found.harms[0].kind), (Status::WrongValue, HarmKind::WrongValue));
    // 5 - 12 = -7, then 34 + -7, written 34 - 7.
    let below = |value| anchor("equation", Some(0), &format!("5 - 12 = {value}"), value, &[5, 12]);
    let last = |of: i64, value| anchor("equation", Some(1), &format!("34 - {of} = {value}"), value, &[34, -of]);
    let answer = |value: i64| anchor("answer", Some(2), &value.to_string(), value, &[]);
    let right = Reference::new(Graph::of(&givens(), &[below(-7), last(7, 27), answer(27)])).unwrap();
    let found = compare(&right, &Trajectory::of(&givens(), &[below(-8), last(8, 26)])).unwrap();
    assert_eq!(found.with_status(Status::WrongValue), 2);
}

#[test]
fn a_value_that_comes_from_elsewhere_is_not_the_anchor() {
    let accident = anchor("equation", Some(0), "10 + 7 = 17", 17, &[10, 7]);
    let found = compare(&reference(), &Trajectory::of(&givens(), &[accident])).unwrap();
    assert_eq!((found.coverage, found.redundant), (0.0, vec![2]));
}

#[test]
fn closeness_of_the_table() {
    let found = statistics(&chain(&["A", "D", "B", "C"]).graph).unwrap();
    assert_eq!((found.closeness, found.closeness_with_givens, found.closed), (Some(2.0 / 3.0), Some(0.8), false));
}

#[test]
fn a_trace_that_is_no_graph_is_refused() {
    let mut broken = chain(&["A", "B", "C"]);
    broken.graph.edges.push((9, 10));
    assert!(compare(&reference(), &broken).unwrap_err().to_string().contains("edge 9 -> 10"));
    let mut broken = chain(&["A"]);
    broken.actions[0].node = 7;
    assert!(compare(&reference(), &broken).unwrap_err().to_string().contains("an action says node 7"));
}

/// The graph without this node, which must not be a given.
fn without(graph: &Graph, gone: usize) -> Graph {
    let to = |at: usize| at - usize::from(at > gone);
    let mut nodes = graph.nodes.clone();
    nodes.remove(gone);
    let edges = graph.edges.iter().filter(|(a, b)| *a != gone && *b != gone);
    Graph { nodes, edges: edges.map(|(a, b)| (to(*a), to(*b))).collect() }
}

proptest! {
    #[test]
    fn the_reference_against_itself_is_perfect(seed: u64, n in 2usize..80) {
        let graph = random_graph(seed, n);
        let reference = Reference::new(graph.clone()).unwrap();
        let found = compare(&reference, &graph.into()).unwrap();
        prop_assert_eq!((found.coverage, found.weighted_coverage, found.edge_fidelity(), found.edge_fidelity_all(), found.harmful_rate()),
            (1.0, 1.0, Some(1.0), Some(1.0), Some(0.0)));
        prop_assert!(found.redundant.is_empty() && found.order_violations.is_empty() && found.answer == Some(true));
    }

    #[test]
    fn a_deleted_anchor_costs_its_share_and_its_edges(seed: u64, n in 3usize..80, which: proptest::sample::Index) {
        let graph = random_graph(seed, n);
        let reference = Reference::new(graph.clone()).unwrap();
        let critical = reference.critical();
        let gone = critical[which.index(critical.len())];
        let found = compare(&reference, &without(&graph, gone).into()).unwrap();
        prop_assert_eq!(found.with_status(Status::Correct), critical.len() - 1);
        let lost = |(used, user): &&(usize, usize)| (*used == gone || *user == gone) && critical.contains(user);
        prop_assert_eq!(found.edges_all - found.edges_kept, graph.edges.iter().filter(lost).count());
        prop_assert_eq!(found.harms.len(), 0);
    }

    #[test]
    fn whatever_two_traces_say_the_shares_are_shares(a in 0u64..50, b in 0u64..50, n in 2usize..40) {
        let (one, other) = (random_graph(a, n), random_graph(b, n + 3));
        let found = compare(&Reference::new(one).unwrap(), &other.into()).unwrap();
        let shares = [Some(found.coverage), Some(found.weighted_coverage), found.edge_fidelity(), found.harmful_rate(), found.recovery()];
        prop_assert!(shares.iter().flatten().all(|share| (0.0..=1.0).contains(share)));
        // One-to-one: no node of the trace matches two anchors.
        let mut matched: Vec<usize> = found.anchors.iter().filter(|a| a.status == Status::Correct).filter_map(|a| a.node).collect();
        let before = matched.len();
        matched.sort_unstable();
        matched.dedup();
        prop_assert_eq!(matched.len(), before);
        prop_assert!(found.redundant.iter().all(|at| *at < n + 3));
    }
}

#[test]
fn roles_of_the_random_graphs_hold() {
    let graph = random_graph(3, 2);
    assert_eq!(graph.nodes.iter().map(|n| n.role).collect::<Vec<_>>(), [Role::Given, Role::Answer]);
}
