//! Structure.
mod order;
mod span;
pub use order::leaf_order;
pub(crate) use span::of_states;
pub use span::{Subspace, language_subspace, principal_angles};
