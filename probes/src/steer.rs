//! Steering vectors: trained on states that are there, applied as edits of a plan, evaluated beside their controls.

mod apply;
mod controls;
mod evaluate;
mod identify;
mod params;
mod score;
mod vector;

pub use apply::{Application, Applied, Operator, Strength, StrengthUnit, apply, apply_to};
pub use controls::random_vector;
pub use evaluate::{Material, Sample, SteerReport, evaluate, evaluate_on};
pub use identify::{External, Identification, Identifier, IdentifyParams, Passes, Verdict, passes};
pub use params::{Control, Read, SteerParams, Where};
pub use score::{
    harmonic,
    propensity::{Contrast, Propensity, propensity},
    relevance,
};
pub use vector::{Card, SteeringVector};
