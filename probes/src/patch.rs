//! Causes: what changes the answer when it is patched.

mod attribution;

pub use attribution::{AttributionPair, AttributionParams, AttributionPoint, attribution};
