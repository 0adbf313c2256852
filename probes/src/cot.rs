//! Chains of thought as graphs: traces are cut into steps, steps hold anchors (numbers, equations, names), anchors depend on one
//! another, and the graphs of one problem are compared across languages.

pub mod align;
pub mod anchor;
pub mod commitment;
pub mod compare;
pub mod diagnose;
mod form;
pub mod formats;
pub mod graph;
pub mod harm;
pub mod hints;
pub mod link;
pub mod loops;
pub mod mixing;
pub mod reference;
pub mod statistics;
pub mod table;
#[cfg(test)]
mod toy;
pub mod trace;
pub mod value;

pub use align::{By, Stand};
pub use anchor::{Anchor, Ignored, Kind, Use};
pub use compare::{Aligned, Comparison, FirstWrong, Status, compare};
pub use diagnose::{Diagnosis, diagnose};
pub use graph::{Graph, Node, Role};
pub use harm::{Harm, HarmKind};
pub use link::{Action, Trajectory};
pub use reference::Reference;
pub use statistics::{Statistics, statistics};
pub use trace::{Step, Tokens, Trace};
pub use value::Value;
