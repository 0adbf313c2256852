//! Pieces that several views share.

pub mod tokens;
