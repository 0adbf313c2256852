//! Figures for papers, drawn from the reports alone: SVG whose text stays text, and the same SVG as PNG.
//!
//! Every figure says what was measured, on how many sentences, with which model, and what chance would give. The colour map of
//! a share is always 0..=1, so that two figures can be compared. The same report gives the same bytes.

mod axis;
mod bars;
mod colour;
mod curves;
mod dose;
mod grid;
mod heatmap;
mod hints;
mod lens;
mod lines;
mod map;
mod matrix;
mod panel;
mod patched;
mod pieces;
mod png;
mod steered;
mod svg;
mod table;
mod traces;
mod typeset;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result};
use babelscope_probes::{align::AlignReport, lens::LensReport, measure::Row, project::MapReport};

pub(crate) use colour::{ink_on, quantity};
pub use curves::curves;
pub use heatmap::heatmap;
pub(crate) use hints::names as hint_names;
pub use lens::{Colouring, lens};
pub(crate) use patched::names as patched_names;
pub(crate) use steered::names as steered_names;
pub(crate) use svg::bcp47;
pub(crate) use traces::names as trace_names;

use crate::{
    headlines::{Headline, Shape},
    run::Run,
    spec::ProbeSpec,
    tables::measures::Probed,
};

/// Where the numbers of a figure come from, for its caption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The model as people call it.
    pub model: String,
    /// The corpus as people call it.
    pub corpus: String,
}

/// Draws every figure of a run into a folder that is there: `alignment-PIVOT`, `curves-PIVOT`, `lens-N` and
/// `lens-N-languages`, `PROBE-METRIC-VARIANT-PIVOT`, `map-METHOD-CENTRING`, `steer-dose-SOURCE-TARGET`, `steer-layers-SOURCE-TARGET`, `patch-N-SITE-VARIANT`, `cot-anchors-N-PROBLEM`, `cot-commitment` and `hints-LANGUAGE`, each as `.svg` and `.png`.
///
/// # Errors
/// The folder cannot be written.
pub fn write(run: &Run, folder: &Path) -> Result<()> {
    let name = |path: &str| Path::new(path).file_name().map_or(path.to_owned(), |n| n.to_string_lossy().into_owned());
    let model = run.spec.model.first().map_or_else(String::new, |model| name(model.label()));
    let source = Source { model, corpus: name(&run.manifest.corpus.name) };
    let measured = run.measured.iter().flat_map(groups).map(|group| measures(&group, &source));
    let map = run.map.iter().flat_map(|report| map::maps(report, &source));
    let steered = run.probed("steer").into_iter().flat_map(|measured| steered::steered(measured, &source));
    let params = run.spec.probe.iter().find_map(|probe| match probe {
        ProbeSpec::Patch(params) => Some(params),
        _ => None,
    });
    let cot = run.details.iter();
    let cot = cot.flat_map(|details| traces::traces(&details.problems, &details.traces, &details.watched, &source));
    let grids = run.details.iter().flat_map(|details| patched::patched(&details.patched, params, &source));
    for (file, svg) in all(run.align.as_ref(), &run.lens, &source)
        .into_iter()
        .chain(measured)
        .chain(map)
        .chain(steered)
        .chain(grids)
        .chain(cot)
        .chain(run.details.iter().flat_map(|details| hints::figures(&details.asked, &source)))
    {
        let path = folder.join(format!("{file}.svg"));
        std::fs::write(&path, &svg).with_context(|| format!("cannot write a figure\n{}", path.display()))?;
        let path = path.with_extension("png");
        let png = png::render(&svg).with_context(|| format!("figure {file}"))?;
        std::fs::write(&path, png).with_context(|| format!("cannot write a figure\n{}", path.display()))?;
    }
    Ok(())
}

/// Pivots and variants of a metric that are drawn: all of them are in the table.
const FIGURES: usize = 6;

/// What one figure of a probe shows.
pub(crate) struct Group<'a> {
    /// Its file, without an ending.
    pub(crate) name: String,
    /// What is drawn.
    pub(crate) headline: &'static Headline,
    /// Of which variant; empty where they stand together.
    pub(crate) variant: &'a str,
    /// The numbers.
    pub(crate) rows: Vec<&'a Row>,
}

/// The figures of a probe: of what is shown first, one for each variant and pivot.
pub(crate) fn groups(probed: &Probed) -> Vec<Group<'_>> {
    let mut all = Vec::new();
    // The curves of alignment have their own figure.
    for headline in Headline::of(&probed.probe).filter(|headline| headline.probe != "align") {
        let layer =
            if headline.shape == Shape::Matrix && repeats(headline, probed) { telling(headline, probed) } else { None };
        let mut groups: Vec<((&str, &str), Vec<&Row>)> = Vec::new();
        for row in headline.rows(&probed.measured).filter(|row| layer.is_none() || row.layer == layer) {
            let pivot = if headline.shape == Shape::Matrix { "" } else { row.pivot.as_str() };
            // Lines that are not of languages are told apart by their variants, so those stand together.
            let variant = if row.language.is_empty() { "" } else { row.variant.as_str() };
            // "discarded: why": the whys stand together.
            let variant = variant.split_once(": ").map_or(variant, |(kind, _)| kind);
            match groups.iter_mut().find(|group| group.0 == (pivot, variant)) {
                Some(group) => group.1.push(row),
                None => groups.push(((pivot, variant), vec![row])),
            }
        }
        for ((pivot, variant), rows) in groups.into_iter().take(FIGURES) {
            let parts = [headline.probe, headline.metric, variant, pivot];
            let parts: Vec<String> =
                parts.iter().filter(|p| !p.is_empty()).map(|p| p.replace(['/', ' '], "_")).collect();
            all.push(Group { name: parts.join("-"), headline, variant, rows });
        }
    }
    all
}

/// Name and content of a figure of a probe.
fn measures(group: &Group<'_>, source: &Source) -> (String, String) {
    let Group { headline, rows, .. } = group;
    let svg = match headline.shape {
        Shape::Curves => lines::lines(headline, rows, source),
        Shape::Matrix => matrix::matrix(headline, rows, source),
        Shape::Bars => bars::bars(headline, rows, source),
    };
    (group.name.clone(), svg)
}

/// The names of the figures of the maps.
pub(crate) fn map_names(report: &MapReport) -> Vec<String> {
    map::kinds(report).into_iter().map(|(method, centring)| map::name(method, centring)).collect()
}

/// Whether some pair of a matrix has numbers at several layers, so that one must be chosen.
fn repeats(headline: &Headline, probed: &Probed) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    headline.rows(&probed.measured).any(|row| !seen.insert((&row.language, &row.pivot, &row.variant, &row.item)))
}

/// The layer of a matrix that says most: with the largest mean. `None` where it has no layers.
fn telling(headline: &Headline, probed: &Probed) -> Option<usize> {
    let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for row in headline.rows(&probed.measured) {
        if let (Some(layer), Some(value)) = (row.layer, row.value) {
            let (sum, count) = sums.entry(layer).or_default();
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
    }
    let mean = |(sum, count): &(f64, f64)| sum / count;
    sums.iter().max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)).then(b.0.cmp(a.0))).map(|(layer, _)| *layer)
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
