//! The desktop app of Babelscope.

pub mod text;
pub mod widgets;
