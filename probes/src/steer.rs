//! Steering vectors: trained on states that are there, applied as edits of a plan, evaluated beside their controls.

mod learn;
mod vector;

pub use learn::{LearnData, LearnLoss, LearnParams, LearnPool, LearnStart, Learned, learn};
pub use vector::{Card, SteeringVector};
