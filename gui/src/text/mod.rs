//! Text in every script.
//!
//! egui shapes letters well but has no bidirectional order, so everything that may hold a language's words goes through here:
//! [`Line`] for labels, cells, buttons and tooltips (one line, egui's own atlas), [`Passage`] for sentences and generated text
//! (wrapped, tokens coloured and clickable). Both show the same fonts, [`install_fonts`]. Plain English interface words may use egui's labels.

mod bidi;
mod fonts;
mod label;
mod layout;
mod passage;
mod raster;
#[cfg(test)]
#[path = "../../../tests/support/samples.rs"]
#[expect(unreachable_pub, reason = "the tests of the workspace use the same list")]
mod samples;
mod shelf;

pub use bidi::{Stretch, base_direction, base_direction_or, isolate, visible, visual_order};
pub use fonts::{family, font_id, install_fonts, missing};
pub use label::{LaidLine, Line, line, tip};
pub use layout::line_height;
pub use passage::{Passage, PassageOutput, TokenSpan};
