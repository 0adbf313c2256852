//! Steering vectors: trained on states that are there, applied as edits of a plan, evaluated beside their controls.

mod apply;
mod arithmetic;
mod compare;
mod controls;
mod estimate;
mod evaluate;
pub mod formats;
mod identify;
mod learn;
mod pairs;
mod params;
mod score;
mod select;
mod train;
mod vector;

pub use apply::{Application, Applied, Operator, Strength, StrengthUnit, apply, apply_to};
pub use arithmetic::{Arithmetic, Means, NeuronSet, arithmetic, mean_activations, neuron_sets};
pub use compare::{Answer, Compared, Comparing, Moved, Step, compare};
pub use controls::random_vector;
pub use estimate::{Direction, Estimator, estimate};
pub use evaluate::{Material, Sample, SteerReport, evaluate, evaluate_on};
pub use identify::{External, Identification, Identifier, IdentifyParams, Passes, Verdict, passes};
pub use learn::{LearnData, LearnLoss, LearnParams, LearnPool, LearnStart, Learned, learn};
pub use pairs::{Pair, read_pairs};
pub use params::{Control, Read, SteerParams, Where};
pub use score::{
    harmonic,
    propensity::{Contrast, Propensity, propensity},
    relevance,
};
pub use select::{Behaviour, SelectParams, Selected, ablation_everywhere, select};
pub use train::{Names, Position, TrainParams, Trained, card, train_languages, train_pairs, train_texts};
pub use vector::{Card, SteeringVector};
