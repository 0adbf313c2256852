//! What a step says in the language that all languages share: numbers, equations, names.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::value::Value;

/// What kind of anchor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `3 + 4 = 7`: operands on one side, a value on the other.
    Equation,
    /// `x = 7`: a name gets a value.
    Assignment,
    /// A number that stands alone, perhaps with a unit.
    Quantity,
    /// What the trace gives as its answer.
    Answer,
}

/// What an anchor is built from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// A number on the right-hand side.
    Value(Value),
    /// A name on the right-hand side.
    Name(String),
    /// "From step 3": the step as it counts itself, beginning with 1.
    Step(usize),
}

/// One assertion of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Its step; `None`: it stands in the problem's statement (a given).
    pub step: Option<usize>,
    /// Its bytes in the text of the trace, or of the statement for a given.
    pub span: Range<usize>,
    /// What it is.
    pub kind: Kind,
    /// Its canonical form, the same in every language: `3 + 4 = 7`, digits ASCII, operands of `+` and `*` sorted.
    pub normal: String,
    /// What it says, exactly; none for a name without a value.
    pub value: Option<Value>,
    /// The name that it introduces.
    pub name: Option<String>,
    /// Unit of its value, as written.
    pub unit: Option<String>,
    /// What it is built from, in the order of writing.
    pub uses: Vec<Use>,
}

/// A number that is no anchor, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Its bytes.
    pub span: Range<usize>,
    /// Why it is left out.
    pub why: String,
}
