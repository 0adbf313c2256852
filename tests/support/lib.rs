//! Shared helpers of the tests.

pub mod acts;
pub mod golden;
pub mod hub_server;
pub mod measured;
pub mod samples;
pub mod shared;
pub mod synthetic;
pub mod traces;
pub mod window;
