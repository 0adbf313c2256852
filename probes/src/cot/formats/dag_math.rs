//! DAG-MATH: a list of `{step_id, edge, direct_dependent_steps, node}` (Zhang et al., ICLR 2026, arXiv 2510.19842; `thinking` and
//! `text` are other names of `edge` and `node`).
//!
//! `direct_dependent_steps` is null for a fact of the statement, else the steps that the node follows from. The last step is the
//! answer. Ours have `anchor` beside: the node with all its fields; where it is there, it holds.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{Parsed, Record, checked, ordered, written};
use crate::{
    Error, Result,
    cot::{
        graph::{Graph, Node, Role},
        shown::{json, shown},
    },
};

const FORMAT: &str = "DAG-MATH";

#[derive(Serialize, Deserialize)]
struct Line {
    step_id: Json,
    #[serde(default, alias = "thinking")]
    edge: String,
    #[serde(default)]
    direct_dependent_steps: Option<Vec<Json>>,
    #[serde(alias = "text")]
    node: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    anchor: Option<Node>,
}

/// The graph as JSON.
///
/// # Errors
/// A graph that breaks its promises ([`Graph::problem`]).
pub fn export(graph: &Graph) -> Result<String> {
    checked(FORMAT, graph)?;
    let parents = graph.parents();
    let lines: Vec<Line> = (graph.nodes.iter().zip(&parents).enumerate())
        .map(|(at, (node, parents))| {
            let steps: Vec<usize> = parents.iter().map(|parent| parent + 1).collect();
            let cited: Vec<String> = steps.iter().map(|step| format!("Step {step}")).collect();
            Line {
                step_id: (at + 1).into(),
                edge: match node.role {
                    Role::Given => "Given in the problem.".to_owned(),
                    _ if cited.is_empty() => "From no earlier step.".to_owned(),
                    _ => format!("From {}.", cited.join(", ")),
                },
                direct_dependent_steps: (node.role != Role::Given).then(|| steps.into_iter().map(Json::from).collect()),
                node: node.text.clone(),
                anchor: Some(node.clone()),
            }
        })
        .collect();
    serde_json::to_string_pretty(&lines).map_err(|e| Error::Input { measure: FORMAT, why: e.to_string() })
}

/// A graph from JSON.
///
/// # Errors
/// What is no such list; a step that comes twice, depends on one that is not there, or on itself by whatever way.
///
/// ```
/// use babelscope_probes::cot::formats::{dag_math::import, unparsed};
/// let steps = br#"[
///     {"step_id": 1, "edge": "Given.", "direct_dependent_steps": null, "node": "There are 12 apples."},
///     {"step_id": 2, "edge": "Twice Step 1.", "direct_dependent_steps": [1], "node": "\\boxed{24}"}]"#;
/// let graph = import(steps, &unparsed)?;
/// assert_eq!((graph.edges, graph.nodes[1].text.as_str()), (vec![(0, 1)], "\\boxed{24}"));
/// let round = import(br#"[{"step_id": 7, "direct_dependent_steps": [7], "node": "x"}]"#, &unparsed);
/// assert_eq!(round.unwrap_err().to_string(), "DAG-MATH: step 7 depends on itself");
/// # Ok::<(), babelscope_probes::Error>(())
/// ```
pub fn import(text: &[u8], parse: &dyn Fn(&str) -> Parsed) -> Result<Graph> {
    let refuse = |why| Error::Input { measure: FORMAT, why };
    let lines: Vec<Line> = serde_json::from_slice(text).map_err(|e| {
        refuse(format!("expected a list of {{step_id, edge, direct_dependent_steps, node}}: {}", json(&e)))
    })?;
    let step = |id: &Json| match id {
        Json::Number(n) => Ok(format!("step {n}")),
        // "3" is the step that another line calls 3.
        Json::String(s) if s.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) => {
            Ok(format!("step {s}"))
        }
        Json::String(s) => Ok(format!("step {s:?}")),
        other => Err(refuse(format!("expected a number as the id of a step, got {}", shown(&other.to_string())))),
    };
    let last = lines.len().saturating_sub(1);
    let foreign = lines.iter().all(|line| line.anchor.is_none());
    let records = lines.into_iter().enumerate().map(|(at, line)| {
        let role = match &line.direct_dependent_steps {
            _ if foreign && at == last && at > 0 => Role::Answer,
            None => Role::Given,
            Some(_) => Role::Derived,
        };
        let parents = line.direct_dependent_steps.unwrap_or_default();
        Ok(Record {
            id: step(&line.step_id)?,
            node: line.anchor.unwrap_or_else(|| written(&line.node, role, at, parse)),
            parents: parents.iter().map(step).collect::<Result<_>>()?,
        })
    });
    ordered(FORMAT, records.collect::<Result<_>>()?)
}
