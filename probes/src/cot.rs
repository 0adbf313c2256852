//! Chains of thought as graphs: traces are cut into steps, steps hold anchors (numbers, equations, names), anchors depend on one
//! another, and the graphs of one problem are compared across languages.

pub mod anchor;
pub mod graph;
pub mod inside;
pub mod trace;
pub mod value;

pub use anchor::{Anchor, Ignored, Kind, Use};
pub use graph::{Graph, Node, Role};
pub use trace::{Step, Tokens, Trace};
pub use value::Value;
