//! The engine of Babelscope: it loads a Hugging Face checkpoint and executes a [`plan::Plan`] on parallel sentences.
//!
//! Conventions that everything above relies on:
//! - **Layer 0 is the embedding output, layer l is the output of block l (1..=L), before the final norm.**
//! - Sentences are packed, never padded: a sentence gives the same numbers alone and in any batch.
//! - Nothing is computed that no [`plan::Capture`] asked for.

pub mod alarm;
pub mod applied;
mod capture;
pub mod chat;
mod checkpoint;
pub mod corpus;
pub mod device;
pub mod dtype;
mod edit;
pub mod engine;
pub mod error;
mod forks;
pub mod generate;
pub mod gguf;
pub mod gradient;
pub mod guard;
pub mod hash;
pub mod hub;
pub mod inspect;
mod kernels;
pub mod known;
pub mod lang;
pub mod model;
pub mod monitor;
mod notes;
pub mod plan;
pub mod store;
mod tensor;
pub mod tokens;

/// What a loop over many numbers needs to become vector code, for the measures of other crates.
pub mod vector {
    pub use crate::kernels::{dispatch, exp};
}

pub use error::{Error, Result};
