//! Shared helpers of the tests.

pub mod samples;
pub mod synthetic;
