//! The derivation graph of a trace: what was said, and what each assertion was built from.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::value::Value;

/// The part that a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Stands in the problem.
    Given,
    /// Was derived.
    Derived,
    /// Is the answer.
    Answer,
}

/// One assertion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The part that it plays.
    pub role: Role,
    /// Its canonical form, the same in every language.
    pub normal: String,
    /// Its value, exactly.
    pub value: Option<Value>,
    /// The name that it introduces.
    pub name: Option<String>,
    /// As it was written.
    pub text: String,
    /// Its step; none for a given.
    pub step: Option<usize>,
    /// Its bytes in the trace (in the statement for a given).
    pub span: Range<usize>,
}

/// Nodes in the order of time (givens first), and edges from what is used to what uses it: always from an earlier node to a later one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The assertions.
    pub nodes: Vec<Node>,
    /// `(used, user)` with `used < user`, sorted, each once.
    pub edges: Vec<(usize, usize)>,
}
