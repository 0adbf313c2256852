use proptest::prelude::*;

use super::Trajectory;
use crate::cot::{
    Anchor, Graph, Role, Use,
    toy::{anchor, assertion, chain, givens},
};

fn said(trajectory: &Trajectory) -> Vec<&str> {
    trajectory.actions.iter().map(|a| trajectory.graph.nodes[a.node].normal.as_str()).collect()
}

#[test]
fn a_repeated_assertion_is_an_action_and_no_node() {
    let looped = chain(&["A", "A", "A", "B", "C"]);
    assert_eq!(looped.graph.edges, chain(&["A", "B", "C"]).graph.edges);
    assert_eq!(looped.actions.iter().map(|a| a.node).collect::<Vec<_>>(), [2, 2, 2, 3, 4]);
}

#[test]
fn the_latest_anchor_of_a_value_is_used() {
    // 17 comes twice, by two ways; B is built from the second.
    let other = anchor("equation", Some(1), "20 - 3 = 17", 17, &[20, 3]);
    let graph = Graph::of(&givens(), &[assertion(0, "A"), other, assertion(2, "B")]);
    assert_eq!(graph.edges, [(0, 2), (1, 2), (3, 4)]);
}

#[test]
fn mentions_are_no_nodes_and_new_numbers_are() {
    let mention = |step, value: i64| anchor("quantity", Some(step), &value.to_string(), value, &[]);
    // 12 and 17 are said elsewhere, 17 only later; 60 is new.
    let anchors = [mention(0, 12), mention(0, 17), assertion(1, "A"), mention(2, 17), mention(2, 60)];
    let found = Trajectory::of(&givens(), &anchors);
    assert_eq!(said(&found), ["12 + 5 = 17", "60"]);
    assert_eq!(found.said, [Some(0), Some(2), Some(2), Some(2), Some(3)]);
}

#[test]
fn a_name_given_to_a_value_belongs_to_its_node() {
    let named = anchor("assignment", Some(1), "x = 17", 17, &[]);
    let mut double = anchor("assignment", Some(2), "y = 2 * x = 34", 34, &[]);
    double.uses = vec![Use::Value(2.into()), Use::Name("x".into())];
    let found = Trajectory::of(&givens(), &[assertion(0, "A"), named.clone(), double]);
    assert_eq!(said(&found), ["12 + 5 = 17", "y = 2 * x = 34"]);
    assert_eq!(found.graph.edges, [(0, 2), (1, 2), (2, 3)]);
    assert_eq!(found.graph.nodes[2].name.as_deref(), Some("x"));
    // The same assertion with its name is no other one; another value of the name is.
    let again = anchor("assignment", Some(2), "x = 12 + 5 = 17", 17, &[12, 5]);
    let changed = anchor("assignment", Some(3), "x = 12", 12, &[]);
    let found = Trajectory::of(&givens(), &[assertion(0, "A"), named, again, changed]);
    assert_eq!(said(&found), ["12 + 5 = 17", "12 + 5 = 17", "x = 12"]);
}

#[test]
fn a_word_that_gets_another_value_is_an_assertion_though_its_form_is_a_mere_number() {
    let word = |step, value: i64| {
        let mut anchor = anchor("assignment", Some(step), &value.to_string(), value, &[]);
        anchor.name = Some("total".into());
        anchor
    };
    // 36, then 12, which is given, then 36 again.
    let found = Trajectory::of(&givens(), &[word(0, 36), word(1, 12), word(2, 36)]);
    assert_eq!(said(&found), ["36", "12", "36"]);
    assert!(found.actions.iter().all(|action| found.graph.nodes[action.node].role != Role::Given));
}

#[test]
fn the_answer_is_the_node_that_derived_it() {
    let answer = |step, value: i64| anchor("answer", Some(step), &value.to_string(), value, &[]);
    let roles = |anchors: &[Anchor]| {
        let graph = Graph::of(&givens(), anchors);
        graph.answer().map(|at| graph.nodes[at].normal.clone())
    };
    let all = ["A", "B", "C"].iter().enumerate().map(|(step, what)| assertion(step + 1, what));
    let mut anchors: Vec<Anchor> = all.collect();
    assert_eq!(roles(&anchors), None);
    // First or last, once or twice; the last counts.
    let mut first = vec![answer(0, 29)];
    first.extend(anchors.clone());
    assert_eq!(roles(&first).as_deref(), Some("34 - 5 = 29"));
    anchors.extend([answer(4, 34), answer(5, 29)]);
    assert_eq!(roles(&anchors).as_deref(), Some("34 - 5 = 29"));
    // Derived by nothing, or given.
    let graph = Graph::of(&givens(), &[assertion(0, "A"), answer(1, 99), answer(2, 5)]);
    assert_eq!(graph.nodes.iter().map(|n| n.role).filter(|r| *r == Role::Answer).count(), 1);
    assert_eq!(graph.nodes[4].normal, "5");
    assert_eq!(graph.edges, [(0, 2), (1, 2), (1, 4)]);
}

#[test]
fn steps_are_cited_by_number_never_their_own_or_a_later_one() {
    let mut cites = anchor("equation", Some(1), "7 + 7 = 14", 14, &[7]);
    cites.uses.extend([Use::Step(1), Use::Step(2), Use::Step(3), Use::Step(0), Use::Step(usize::MAX)]);
    let anchors = [assertion(0, "A"), cites, assertion(2, "B")];
    assert_eq!(Graph::of(&givens(), &anchors).edges, [(0, 2), (1, 2), (2, 3), (2, 4)]);
    // Where "step 3" is the first one.
    let numbered = Trajectory::numbered(&givens(), &anchors[..2], &|number| (number == 3).then_some(0));
    assert_eq!(numbered.graph.edges, [(0, 2), (1, 2), (2, 3)]);
}

#[test]
fn text_is_cut_where_the_spans_allow_it() {
    let mut anchors = [assertion(0, "A")];
    anchors[0].span = 3..9;
    let found = Trajectory::of(&givens(), &anchors).with_text("\u{967}\u{968}", "so 12+5=17");
    // The bytes 0..1 of the statement are half a letter: the canonical form stays.
    assert_eq!(found.graph.nodes.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["12", "5", "12+5=1"]);
}

#[test]
fn ten_thousand_anchors_take_no_quadratic_time() {
    let started = std::time::Instant::now();
    let anchors: Vec<Anchor> = (0..10_000i64)
        .map(|i| anchor("equation", Some(i as usize), &format!("{i} + 1 = {}", i + 1), i + 1, &[i, 1, i / 2]))
        .collect();
    let graph = Graph::of(&[], &anchors);
    assert_eq!(graph.nodes.len(), 10_000);
    assert!(started.elapsed().as_secs_f64() < 3.0, "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn whatever_comes_the_graph_keeps_its_promises(
        all in proptest::collection::vec((0usize..4, 0usize..6, -3i64..6, proptest::collection::vec(-3i64..6, 0..4)), 0..60)
    ) {
        let anchors: Vec<Anchor> = all.into_iter().map(|(kind, step, value, uses)| {
            let kind = ["equation", "assignment", "quantity", "answer"][kind];
            let operands: Vec<String> = uses.iter().map(i64::to_string).collect();
            let normal = match kind {
                "equation" => format!("{} = {value}", operands.join(" + ")),
                "assignment" if value % 2 == 0 => format!("x = {value}"),
                _ => value.to_string(),
            };
            let mut anchor = anchor(kind, Some(step), &normal, value, &uses);
            anchor.name = (kind == "assignment").then(|| "x".to_owned());
            anchor.uses.push(Use::Step(usize::try_from(value).unwrap_or(9)));
            anchor
        }).collect();
        let found = Trajectory::of(&anchors[..anchors.len() / 3], &anchors[anchors.len() / 3..]);
        prop_assert_eq!(found.graph.problem(), None);
        prop_assert!(found.actions.iter().all(|a| found.graph.nodes[a.node].role != Role::Given));
        prop_assert!(found.said.iter().flatten().all(|node| *node < found.graph.nodes.len()));
        // Every node that is no given was said at least once, first in the order of the nodes.
        let mut first: Vec<usize> = Vec::new();
        found.actions.iter().for_each(|a| if !first.contains(&a.node) { first.push(a.node) });
        let derived: Vec<usize> = (0..found.graph.nodes.len()).filter(|at| found.graph.nodes[*at].role != Role::Given).collect();
        prop_assert_eq!(first, derived);
        let value = |at: usize| found.graph.nodes[at].value.clone();
        let mut said = found.said.iter().zip(&anchors[anchors.len() / 3..]);
        prop_assert!(said.all(|(node, a)| node.is_none_or(|node| value(node) == a.value)));
    }
}
