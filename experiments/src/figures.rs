//! Figures for papers, drawn from the reports alone: SVG whose text stays text, and the same SVG as PNG.
//!
//! Every figure says what was measured, on how many sentences, with which model, and what chance would give. The colour map of
//! a share is always 0..=1, so that two figures can be compared. The same report gives the same bytes.

mod axis;
mod colour;
mod curves;
mod heatmap;
mod lens;
mod pieces;
mod png;
mod svg;
mod table;
mod typeset;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::path::Path;

use anyhow::{Context as _, Result};
use babelscope_probes::{align::AlignReport, lens::LensReport};

pub(crate) use colour::{ink_on, quantity};
pub use curves::curves;
pub use heatmap::heatmap;
pub use lens::{Colouring, lens};
pub(crate) use svg::bcp47;

use crate::run::Run;

/// Where the numbers of a figure come from, for its caption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The model as people call it.
    pub model: String,
    /// The corpus as people call it.
    pub corpus: String,
}

/// Draws every figure of a run into a folder that is there: `alignment-PIVOT`, `curves-PIVOT`, `lens-N` and
/// `lens-N-languages`, each as `.svg` and `.png`.
///
/// # Errors
/// The folder cannot be written.
pub fn write(run: &Run, folder: &Path) -> Result<()> {
    let name = |path: &str| Path::new(path).file_name().map_or(path.to_owned(), |n| n.to_string_lossy().into_owned());
    let model = run.spec.model.first().map_or_else(String::new, |model| name(model.label()));
    let source = Source { model, corpus: name(&run.manifest.corpus.name) };
    for (file, svg) in all(run.align.as_ref(), &run.lens, &source) {
        let path = folder.join(format!("{file}.svg"));
        std::fs::write(&path, &svg).with_context(|| format!("cannot write a figure\n{}", path.display()))?;
        let path = path.with_extension("png");
        let png = png::render(&svg).with_context(|| format!("figure {file}"))?;
        std::fs::write(&path, png).with_context(|| format!("cannot write a figure\n{}", path.display()))?;
    }
    Ok(())
}

/// Names and contents of the figures of some reports.
fn all(align: Option<&AlignReport>, texts: &[LensReport], source: &Source) -> Vec<(String, String)> {
    let mut figures = Vec::new();
    if let Some(report) = align {
        let mut pivots: Vec<&str> = report.cells.iter().map(|cell| cell.pivot.as_str()).collect();
        pivots.dedup();
        for pivot in pivots {
            figures.push((format!("alignment-{pivot}"), heatmap(report, pivot, source)));
            figures.push((format!("curves-{pivot}"), curves(report, pivot, source)));
        }
    }
    for (at, report) in texts.iter().enumerate() {
        figures.push((format!("lens-{}", at + 1), lens(report, Colouring::Probability, source)));
        figures.push((format!("lens-{}-languages", at + 1), lens(report, Colouring::Language, source)));
    }
    figures
}
