//! Attribution-graph JSON, as the viewers of such graphs read it: `metadata`, `qParams`, `nodes`, `links`.
//!
//! A node's `layer` is its depth in the derivation (`E` for a given), its `ctx_idx` the place of its step among the steps that say
//! something, `clerp` (the label) its text, `feature_type` `embedding` for a given, `logit` for the answer, else `cross layer
//! transcoder`. Links weigh 1. Ours have `anchor` beside: the node with all its fields; where it is there, it holds.
//!
//! Of a graph that others wrote, the answer is the node with `is_target_logit`, else the `logit` node that comes first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{Parsed, Record, checked, ordered, written};
use crate::{
    Error, Result,
    cot::{
        graph::{Graph, Node, Role},
        shown::{json as json_error, shown},
    },
};

const FORMAT: &str = "attribution graph";

#[derive(Deserialize)]
struct File {
    nodes: Vec<Point>,
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Point {
    node_id: String,
    #[serde(default)]
    feature_type: Option<String>,
    #[serde(default)]
    clerp: Option<String>,
    #[serde(default)]
    is_target_logit: Option<bool>,
    #[serde(default)]
    anchor: Option<Node>,
}

#[derive(Serialize, Deserialize)]
struct Link {
    source: String,
    target: String,
    #[serde(default)]
    weight: f64,
}

/// The graph as JSON; `slug` is the name by which a viewer lists it, `prompt` the problem, `model` who wrote the trace.
///
/// # Errors
/// A graph that breaks its promises ([`Graph::problem`]).
pub fn export(graph: &Graph, slug: &str, prompt: &str, model: &str) -> Result<String> {
    checked(FORMAT, graph)?;
    let depths = graph.depths();
    let deepest = depths.iter().max().copied().unwrap_or_default();
    // Columns: the statement, then each step that says something; none of them twice.
    let mut columns: BTreeMap<Option<usize>, usize> = graph.nodes.iter().map(|node| (node.step, 0)).collect();
    columns.values_mut().enumerate().for_each(|(at, column)| *column = at);
    let labels: Vec<String> = columns
        .keys()
        .map(|step| step.map_or_else(|| "problem".to_owned(), |step| format!("step {}", step.saturating_add(1))))
        .collect();
    let column = |node: &Node| columns.get(&node.step).copied().unwrap_or_default();
    let id = |at: usize| {
        let node = &graph.nodes[at];
        let layer = if node.role == Role::Given { "E".to_owned() } else { depths[at].to_string() };
        format!("{layer}_{at}_{}", column(node))
    };
    let nodes: Vec<Json> = (graph.nodes.iter().enumerate())
        .map(|(at, node)| {
            let (layer, kind) = match node.role {
                Role::Given => ("E".to_owned(), "embedding"),
                Role::Derived => (depths[at].to_string(), "cross layer transcoder"),
                Role::Answer => ((deepest.max(depths[at])).to_string(), "logit"),
            };
            let back = labels.len() - 1 - column(node);
            json!({
                "node_id": id(at), "feature": at, "layer": layer, "ctx_idx": column(node), "feature_type": kind,
                "token_prob": 0.0, "is_target_logit": node.role == Role::Answer, "run_idx": 0, "reverse_ctx_idx": back,
                "jsNodeId": format!("{}-{back}", id(at)), "clerp": node.text, "influence": 1.0, "activation": 1.0,
                "anchor": node,
            })
        })
        .collect();
    let link = |(used, user): &(usize, usize)| Link { source: id(*used), target: id(*user), weight: 1.0 };
    let file = json!({
        "metadata": {"slug": slug, "scan": model, "prompt": prompt, "prompt_tokens": labels, "schema_version": 1},
        "qParams": {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""},
        "nodes": nodes,
        "links": graph.edges.iter().map(link).collect::<Vec<_>>(),
    });
    serde_json::to_string_pretty(&file).map_err(|e| Error::Input { measure: FORMAT, why: e.to_string() })
}

/// A graph from JSON.
///
/// # Errors
/// What has no such `nodes` and `links`; a node that comes twice, a link to one that is not there, links that go round.
pub fn import(json: &[u8], parse: &dyn Fn(&str) -> Parsed) -> Result<Graph> {
    let file: File = serde_json::from_slice(json).map_err(|e| Error::Input {
        measure: FORMAT,
        why: format!(
            "expected an object with `nodes` (each with `node_id`) and `links` (`source`, `target`): {}",
            json_error(&e)
        ),
    })?;
    let target = file.nodes.iter().position(|point| point.is_target_logit == Some(true));
    let logit = || file.nodes.iter().position(|point| point.feature_type.as_deref() == Some("logit"));
    let answer = target.or_else(logit);
    let mut parents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for link in file.links {
        parents.entry(link.target).or_default().push(named(&link.source));
    }
    let records: Vec<Record> = (file.nodes.into_iter().enumerate())
        .map(|(at, point)| {
            let role = match point.feature_type.as_deref() {
                _ if answer == Some(at) => Role::Answer,
                Some("embedding") => Role::Given,
                _ => Role::Derived,
            };
            let text = point.clerp.filter(|label| !label.is_empty()).unwrap_or_else(|| point.node_id.clone());
            Record {
                id: named(&point.node_id),
                node: point.anchor.unwrap_or_else(|| written(&text, role, at, parse)),
                parents: parents.remove(&point.node_id).unwrap_or_default(),
            }
        })
        .collect();
    // What is left belongs to no node: a target that is not there, or one whose node came before.
    if let Some(id) = parents.keys().find(|id| !records.iter().any(|record| record.id == named(id))) {
        return Err(Error::Input {
            measure: FORMAT,
            why: format!("a link leads to {}, which is not there", shown(&named(id))),
        });
    }
    ordered(FORMAT, records)
}

fn named(id: &str) -> String {
    format!("node {id:?}")
}
