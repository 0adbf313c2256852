//! The laboratory: a small world told in known languages, a model trained on it, and the truths that must be measurable in it.
//!
//! What is known by construction: how much each language was mixed with English during training (its *dose*), that the clone
//! is English with its token ids moved, and that nothing ever tied the island to anything.

pub mod check;
pub mod corrupt;
pub mod documents;
pub mod facts;
mod folder;
pub mod hints;
pub mod kernels;
pub mod languages;
pub mod make;
pub mod model;
pub mod optimizer;
pub mod planted;
pub mod problems;
pub mod recipe;
pub mod tokenizer;
pub mod train;
pub mod world;
