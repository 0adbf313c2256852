//! Shared helpers of the tests.

pub mod golden;
pub mod samples;
pub mod synthetic;
