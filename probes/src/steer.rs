//! Steering vectors: trained on states that are there, applied as edits of a plan, evaluated beside their controls.

mod arithmetic;
mod compare;
mod estimate;
pub mod formats;
mod learn;
mod pairs;
mod select;
mod train;
mod vector;

pub use arithmetic::{Arithmetic, Means, NeuronSet, arithmetic, mean_activations, neuron_sets};
pub use compare::{Answer, Compared, Comparing, Moved, Step, compare};
pub use estimate::{Direction, Estimator, estimate};
pub use learn::{LearnData, LearnLoss, LearnParams, LearnPool, LearnStart, Learned, learn};
pub use pairs::{Pair, read_pairs};
pub use select::{Behaviour, SelectParams, Selected, ablation_everywhere, select};
pub use train::{Names, Position, TrainParams, Trained, card, train_languages, train_pairs, train_texts};
pub use vector::{Card, SteeringVector};
