//! Steering vectors: trained on states that are there, applied as edits of a plan, evaluated beside their controls.

mod compare;
mod vector;

pub use compare::{Answer, Compared, Comparing, Moved, Step, compare};
pub use vector::{Card, SteeringVector};
