//! The same SVG as PNG, drawn with our own faces only.

use std::sync::{Arc, LazyLock};

use anyhow::{Context as _, Result};
use resvg::{
    tiny_skia::{Color, Pixmap, Transform},
    usvg::{FontResolver, Options, Tree, fontdb},
};

use crate::fonts::FACES;

/// Pixels for one unit of the SVG: a figure as wide as a column of text has about 300 dpi.
const SCALE: f32 = 2.0;
/// No side gets longer than this; larger figures get a smaller scale.
const LONGEST: f32 = 8000.0;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut database = fontdb::Database::new();
    for face in FACES {
        database.load_font_source(fontdb::Source::Binary(Arc::new(face.bytes)));
    }
    database.set_sans_serif_family(FACES[0].family);
    Arc::new(database)
});

/// Every text names the one face that has all its characters; a fallback would hide that it does not.
fn options() -> Options<'static> {
    let font_resolver =
        FontResolver { select_font: FontResolver::default_font_selector(), select_fallback: Box::new(|_, _, _| None) };
    Options { fontdb: Arc::clone(&FONTS), font_resolver, ..Options::default() }
}

/// Draws an SVG of ours.
pub(super) fn render(svg: &str) -> Result<Vec<u8>> {
    let tree = Tree::from_str(svg, &options()).context("the figure is no valid SVG")?;
    let size = tree.size();
    let scale = SCALE.min(LONGEST / size.width().max(size.height()));
    let size = size.to_int_size().scale_by(scale).context("the figure has no size")?;
    let mut pixmap = Pixmap::new(size.width(), size.height()).context("the figure is too large for a picture")?;
    pixmap.fill(Color::WHITE);
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());
    pixmap.encode_png().context("the picture cannot be written as PNG")
}

#[cfg(test)]
pub(super) use inspect::{missing_glyphs, size, text_boxes};

/// What a renderer sees of an SVG, for tests.
#[cfg(test)]
mod inspect {
    use super::*;
    use resvg::{
        tiny_skia::Rect,
        usvg::{Group, Node, Text},
    };

    fn walk(group: &Group, visit: &mut impl FnMut(&Text)) {
        for node in group.children() {
            match node {
                Node::Group(inner) => walk(inner, visit),
                Node::Text(text) => visit(text),
                Node::Path(_) | Node::Image(_) => {}
            }
        }
    }

    fn tree(svg: &str) -> Tree {
        Tree::from_str(svg, &options()).unwrap()
    }

    /// Clusters that the renderer draws as an empty box.
    pub(crate) fn missing_glyphs(svg: &str) -> Vec<String> {
        let mut missing = Vec::new();
        walk(tree(svg).root(), &mut |text| {
            let glyphs = text.layouted().iter().flat_map(|span| &span.positioned_glyphs);
            missing.extend(glyphs.filter(|glyph| glyph.id.0 == 0).map(|glyph| glyph.text.clone()));
        });
        missing
    }

    /// Every text with the box of its ink.
    pub(crate) fn text_boxes(svg: &str) -> Vec<(String, Rect)> {
        let mut boxes = Vec::new();
        walk(tree(svg).root(), &mut |text| {
            let said = text.chunks().iter().map(|chunk| chunk.text()).collect();
            boxes.push((said, text.abs_stroke_bounding_box()));
        });
        boxes
    }

    pub(crate) fn size(svg: &str) -> (f32, f32) {
        let size = tree(svg).size();
        (size.width(), size.height())
    }
}
