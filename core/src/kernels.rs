//! The hot operations on the CPU, on plain slices of packed rows. Each is compared with a slow, obvious twin in its tests.

pub(crate) mod activation;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
pub(crate) mod attention;
pub(crate) mod buffer;
pub(crate) mod linear;
pub(crate) mod norm;
pub(crate) mod rope;
mod simd;
pub(crate) mod table;

pub(crate) use simd::dot_with;
pub use simd::{dispatch, exp};

/// Rows that one task takes: small enough to share the work between cores, large enough to be worth a task.
const ROWS: usize = 16;
