//! Chains of thought as graphs: traces are cut into steps, steps hold anchors (numbers, equations, names), anchors depend on one
//! another, and the graphs of one problem are compared across languages.

pub mod anchor;
mod claim;
pub mod expression;
mod extract;
mod grammar;
pub mod graph;
pub mod inside;
mod letters;
mod lex;
mod locale;
pub mod numbers;
pub mod numerals;
mod phrases;
mod prepare;
pub mod read;
mod refer;
mod regions;
pub mod segment;
mod settle;
mod spelled;
pub mod trace;
mod unit;
pub mod value;
mod words;

pub use anchor::{Anchor, Ignored, Kind, Use, anchors, givens};
pub use expression::Expression;
pub use graph::{Graph, Node, Role};
pub use numbers::number;
pub use numerals::digit;
pub use read::{Format, Traces};
pub use segment::steps;
pub use trace::{Step, Tokens, Trace};
pub use value::Value;
