//! What a step says in the language that all languages share: numbers, equations, names.
//!
//! - An **equation** `3 + 4 = 7` has value 7 and uses 3 and 4. A chain `2 * 3 + 4 = 6 + 4 = 10` is one anchor, `2 * 3 + 4 = 10`, as long as
//!   its links hold; with a wrong link the normal form shows the whole chain and `holds` is false.
//! - An **assignment** `A = P + Q = 12 + 5 = 17` has the name A, uses P and Q (and 12 and 5, by which it spells them out) and value 17.
//!   A name of one letter stands in the normal form. A word (`total`, `ผลรวม`) differs between languages: it does not stand there, and
//!   where it is used its value stands instead.
//! - A **quantity** is a number outside equations; the **answer** is the last `\boxed{...}`, else what the last "answer is" or `####` says.
//!
//! The value is that which is written, right or wrong. A number that is none of these is listed with the reason (methods.md 7.1).

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{
    extract::{Extracted, extract},
    trace::Step,
    value::Value,
};

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
    /// Whether its arithmetic holds; none where names or roundings leave it open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

/// A number that is no anchor, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ignored {
    /// Its bytes.
    pub span: Range<usize>,
    /// Why it is left out.
    pub why: String,
}

/// The anchors of a trace, in order, and its numbers that are none.
///
/// ```
/// use babelscope_probes::cot::{Kind, anchors, steps};
/// let text = "เขามี 12 + ๕ = ๑๗ ลูก ดังนั้นคำตอบคือ 17";
/// let (found, ignored) = anchors(text, &steps(text), "tha_Thai");
/// assert_eq!((found[0].normal.as_str(), found[0].holds), ("12 + 5 = 17", Some(true)));
/// assert_eq!((found[1].kind, found[1].value.clone()), (Kind::Answer, Some(17.into())));
/// assert!(ignored.is_empty());
/// ```
pub fn anchors(text: &str, steps: &[Step], language: &str) -> (Vec<Anchor>, Vec<Ignored>) {
    let Extracted { anchors, ignored, .. } = extract(text, Some(steps), language);
    (anchors, ignored)
}

/// The anchors that a trace boxes or tells as its answer, in order. The last one is its answer; the others were given up.
pub(super) fn stated(text: &str, steps: &[Step], language: &str) -> Vec<Anchor> {
    let Extracted { mut anchors, stated, .. } = extract(text, Some(steps), language);
    let mut at = 0..anchors.len();
    anchors.retain(|_| at.next().is_some_and(|at| stated.contains(&at)));
    anchors
}

/// The anchors of a problem's statement, none of them in a step; it has no answer.
///
/// ```
/// use babelscope_probes::cot::givens;
/// let (found, _) = givens("Ana has three books and buys 1,200 more.", "eng_Latn");
/// assert_eq!(found.iter().map(|given| given.normal.as_str()).collect::<Vec<_>>(), ["3", "1200"]);
/// ```
pub fn givens(statement: &str, language: &str) -> (Vec<Anchor>, Vec<Ignored>) {
    let Extracted { anchors, ignored, .. } = extract(statement, None, language);
    (anchors, ignored)
}

#[cfg(test)]
mod tests;
