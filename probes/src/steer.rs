//! Steering vectors: trained on states that are there, applied as edits of a plan, evaluated beside their controls.

mod vector;

pub use vector::{Card, SteeringVector};
