//! Pieces that several views share.

pub mod bars;
pub mod choose;
pub mod curve;
pub mod dots;
pub mod heatmap;
pub mod layers;
pub mod legend;
pub mod lens_detail;
pub mod matrix;
pub mod nearest;
pub mod pane;
pub mod reading;
pub mod scatter;
pub mod sentences;
pub mod spans;
pub mod square;
pub mod stack;
pub mod tokens;
