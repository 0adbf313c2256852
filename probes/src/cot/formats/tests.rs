use proptest::prelude::*;

use super::{Parsed, attribution, dag_math, graphml, unparsed};
use crate::{
    Result,
    cot::{Graph, Role, Value, toy::chain, toy::random_graph},
};

type Import = fn(&[u8]) -> Result<Graph>;

fn round_trips(graph: &Graph) -> Vec<Result<Graph>> {
    let xml = graphml::export(graph).unwrap();
    let attribution = attribution::export(graph, "toy", "12 apples", "tiny").unwrap();
    vec![
        dag_math::import(dag_math::export(graph).unwrap().as_bytes(), &unparsed),
        attribution::import(attribution.as_bytes(), &unparsed),
        graphml::import(xml.as_bytes(), &unparsed),
    ]
}

#[test]
fn dag_math_has_the_keys_of_the_format() {
    let written: serde_json::Value =
        serde_json::from_str(&dag_math::export(&chain(&["A", "B", "C"]).graph).unwrap()).unwrap();
    let last = &written[4];
    assert_eq!((&last["step_id"], &last["direct_dependent_steps"]), (&5.into(), &serde_json::json!([2, 4])));
    assert_eq!((last["edge"].as_str(), last["node"].as_str()), (Some("From Step 2, Step 4."), Some("34 - 5 = 29")));
    assert!(written[0]["direct_dependent_steps"].is_null());
}

#[test]
fn dag_math_of_others_is_read_in_any_order_with_facts_first() {
    let text = br#"[
        {"step_id": 1, "thinking": "", "direct_dependent_steps": null, "text": "x = 3"},
        {"step_id": "3", "edge": "", "direct_dependent_steps": ["1", 4], "node": "y = 7"},
        {"step_id": 4, "edge": "", "direct_dependent_steps": null, "node": "4"},
        {"step_id": 9, "edge": "", "direct_dependent_steps": [3], "node": "boxed 7", "more": {"ignored": [1]}}]"#;
    let parse = |text: &str| Parsed {
        value: text.rsplit(' ').next().and_then(|number| number.parse::<Value>().ok()),
        ..Parsed::default()
    };
    let graph = dag_math::import(text, &parse).unwrap();
    assert_eq!(graph.nodes.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["x = 3", "4", "y = 7", "boxed 7"]);
    assert_eq!(graph.edges, [(0, 2), (1, 2), (2, 3)]);
    let roles: Vec<Role> = graph.nodes.iter().map(|n| n.role).collect();
    assert_eq!(roles, [Role::Given, Role::Given, Role::Derived, Role::Answer]);
    assert_eq!((graph.nodes[3].value.clone(), graph.problem()), (Some(Value::from(7)), None));
}

#[test]
fn refusals_name_the_step() {
    let why = |text: &str| dag_math::import(text.as_bytes(), &unparsed).unwrap_err().to_string();
    let line =
        |id: u32, on: &str| format!(r#"{{"step_id": {id}, "edge": "", "direct_dependent_steps": {on}, "node": "x"}}"#);
    let list = |lines: &[String]| format!("[{}]", lines.join(","));
    assert_eq!(
        why(&list(&[line(1, "null"), line(1, "[]")])),
        "DAG-MATH: step 1 comes twice; every id must be there once"
    );
    assert_eq!(why(&list(&[line(1, "[8]")])), "DAG-MATH: step 1 depends on step 8, which is not there");
    let round = [line(1, "null"), line(2, "[4]"), line(3, "[2]"), line(4, "[1, 3]"), line(5, "[2]")];
    assert_eq!(why(&list(&round)), "DAG-MATH: the dependencies go round: step 2 waits for a step that waits for it");
    // The one that is named lies on the circle, not behind it.
    let behind = [line(1, "[2]"), line(2, "[3]"), line(3, "[2]")];
    assert!(why(&list(&behind)).contains("step 2 waits"), "{}", why(&list(&behind)));
    assert!(why("{}").contains("expected a list") && why("[1]").contains("expected a list"));
    assert!(why(r#"[{"step_id": [], "node": ""}]"#).contains("expected a number"));
    let why = |text: &str| graphml::import(text.as_bytes(), &unparsed).unwrap_err().to_string();
    assert!(why("<graphml><graph edgedefault='undirected'/></graphml>").contains("undirected"));
    assert!(
        why("<graphml><graph><node id='a'/><edge source='a' target='b'/></graph></graphml>").contains("node \"b\"")
    );
    assert!(
        why("<graphml><graph><node id='a'/><edge source='b' target='a'/></graph></graphml>").contains("node \"b\"")
    );
    assert!(why("<graphml><graph><node/></graph></graphml>").contains("`id`"));
    assert!(why("<graphml><graph>").contains("ends inside <graph>") && why("").contains("expected one <graph>, got 0"));
    let why = |text: &str| attribution::import(text.as_bytes(), &unparsed).unwrap_err().to_string();
    assert!(why(r#"{"nodes": [], "links": [{"source": "a", "target": "b"}]}"#).contains("node \"b\""));
    assert!(why("[]").contains("`nodes`"));
}

#[test]
fn attribution_graph_of_others() {
    let text = br#"{"metadata": {}, "nodes": [
        {"node_id": "L", "layer": "9", "ctx_idx": 1, "feature_type": "logit", "clerp": "Austin"},
        {"node_id": "E", "layer": "E", "ctx_idx": 0, "feature_type": "embedding", "clerp": "Dallas"},
        {"node_id": "F", "layer": "4", "ctx_idx": 0, "feature_type": "cross layer transcoder", "feature": 7}],
        "links": [{"source": "E", "target": "F", "weight": 2.5}, {"source": "F", "target": "L", "weight": -1}]}"#;
    let graph = attribution::import(text, &unparsed).unwrap();
    assert_eq!(graph.nodes.iter().map(|n| n.text.as_str()).collect::<Vec<_>>(), ["Dallas", "F", "Austin"]);
    assert_eq!((graph.edges.clone(), graph.answer(), graph.problem()), (vec![(0, 1), (1, 2)], Some(2), None));
    assert_eq!(graph.nodes[0].role, Role::Given);
}

#[test]
fn a_graph_that_is_none_is_not_written() {
    let broken = Graph { edges: vec![(0, 1)], ..Graph::default() };
    assert!(dag_math::export(&broken).is_err() && graphml::export(&broken).is_err());
    assert!(attribution::export(&broken, "", "", "").is_err());
}

/// Text with everything that JSON and XML treat in their own way.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '<', '&', '"', '\'', ']', '>', '\r', '\n', '\t', '\0', '\u{1}', '\u{fffe}', '\u{ffff}', '\u{85}', ' ', '\\',
    ]);
    prop::collection::vec(prop_oneof![special, any::<char>()], 0..12).prop_map(String::from_iter)
}

/// Bytes near to what the importers read: pieces of the formats in any order.
fn near() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"step_id\"",
        "\"node\"",
        "\"direct_dependent_steps\"",
        "\"nodes\"",
        "\"links\"",
        "\"node_id\"",
        "\"source\"",
        "\"target\"",
        "\"anchor\"",
        "null",
        "1",
        "-1",
        "1e999",
        "\"a\"",
        "<graphml>",
        "<graph>",
        "</graph>",
        "</graphml>",
        "<node id='a'>",
        "</node>",
        "<data key='text'>",
        "</data>",
        "<edge source='a' target='a'/>",
        "&lt;",
        "&#0;",
        "&#x110000;",
        "&x;",
        "<![CDATA[",
        "]]>",
        "<!--",
        "\u{915}",
        "<?xml version='1.1'?>",
        "<node id='&#0;'/>",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "'",
        "\"",
        "<",
        ">",
    ]);
    prop::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn writing_then_reading_is_the_identity(
        seed: u64, n in 0usize..40, texts in prop::collection::vec((text(), text(), prop::option::of(text())), 40),
        spans in prop::collection::vec((0usize..99, 0usize..usize::MAX), 40)
    ) {
        let mut graph = if n < 2 { Graph::default() } else { random_graph(seed, n) };
        for ((node, (normal, text, name)), (start, end)) in graph.nodes.iter_mut().zip(texts).zip(spans) {
            (node.normal, node.text, node.name, node.span) = (normal, text, name, start..end);
            if start % 5 == 0 {
                (node.value, node.step) = (None, None);
            }
        }
        for back in round_trips(&graph) {
            prop_assert_eq!(&back.unwrap(), &graph);
        }
    }

    #[test]
    fn whatever_bytes_come_nothing_panics(bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..200), near()]) {
        let imports: [Import; 3] =
            [|b| dag_math::import(b, &unparsed), |b| attribution::import(b, &unparsed), |b| graphml::import(b, &unparsed)];
        for import in imports {
            if let Ok(graph) = import(&bytes) {
                prop_assert_eq!(graph.problem(), None);
            }
        }
    }

    #[test]
    fn random_references_are_refused_or_make_a_graph(steps in prop::collection::vec((0u8..9, prop::option::of(prop::collection::vec(0u8..9, 0..4))), 0..9)) {
        let lines: Vec<_> = steps.iter().map(|(id, on)| serde_json::json!({"step_id": id, "direct_dependent_steps": on, "node": id.to_string()})).collect();
        let read = dag_math::import(serde_json::to_string(&lines).unwrap().as_bytes(), &unparsed);
        match read {
            Ok(graph) => {
                prop_assert_eq!(graph.problem(), None);
                prop_assert_eq!(graph.nodes.len(), steps.len());
            }
            Err(error) => prop_assert!(error.to_string().contains("step "), "{}", error),
        }
    }
}
