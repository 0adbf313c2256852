//! Pieces that several views share.

pub mod bars;
pub mod curve;
pub mod heatmap;
pub mod legend;
pub mod lens_detail;
pub mod pane;
pub mod sentences;
pub mod tokens;
