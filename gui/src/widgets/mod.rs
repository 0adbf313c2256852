//! Pieces that several views share.

pub mod bars;
pub mod choose;
pub mod curve;
pub mod dose;
pub mod dots;
pub mod heatmap;
pub mod layer_map;
pub mod layers;
pub mod legend;
pub mod lens_detail;
pub mod matrix;
pub mod moved;
pub mod nearest;
pub mod pane;
pub mod prompt;
pub mod reading;
pub mod said;
pub mod scatter;
pub mod sentences;
pub mod spans;
pub mod square;
pub mod stack;
pub mod tokens;
