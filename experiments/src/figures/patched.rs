//! The grids of patching: layers upwards, and across the tokens of the prompt, heads, or groups of neurons.

use babelscope_probes::{
    measure::Row,
    patch::{Panel, PatchParams, PatchedRun},
};

use super::{Source, grid::Grid, panel::range, pieces::signs};

/// Grids that are drawn of a run: all are in its file of details.
const MOST: usize = 24;

/// Name and content of each figure.
pub(super) fn patched(runs: &[PatchedRun], params: Option<&PatchParams>, source: &Source) -> Vec<(String, String)> {
    let panels = runs.iter().enumerate().flat_map(|(at, run)| run.panels.iter().map(move |panel| (at, run, panel)));
    panels.take(MOST).map(|(at, run, panel)| (name(at, panel), draw(run, panel, params, source))).collect()
}

/// The names of the figures of a run's grids with what stands below them.
pub(crate) fn names(runs: &[PatchedRun]) -> Vec<(String, String)> {
    let panels = runs.iter().enumerate().flat_map(|(at, run)| run.panels.iter().map(move |panel| (at, run, panel)));
    panels.take(MOST).map(|(at, run, panel)| (name(at, panel), title(run, panel))).collect()
}

fn name(at: usize, panel: &Panel) -> String {
    format!("patch-{}-{}-{}", at + 1, panel.site, panel.variant).replace(['/', ' '], "_")
}

fn title(run: &PatchedRun, panel: &Panel) -> String {
    let Panel { site, variant, .. } = panel;
    if run.name.is_empty() { format!("{site}, {variant}") } else { format!("{}: {site}, {variant}", run.name) }
}

fn draw(run: &PatchedRun, panel: &Panel, params: Option<&PatchParams>, source: &Source) -> String {
    let cells = panel.layers.iter().zip(&panel.effect).flat_map(|(layer, row)| {
        row.iter().zip(&panel.items).map(|(effect, item)| Row::new("effect", *effect, 1).at(*layer).item(item.as_str()))
    });
    let rows: Vec<Row> = cells.collect();
    let found = range(rows.iter().filter_map(|row| row.value));
    // The same scale for every grid of shares, so that two can be compared; around 0 where something is turned round.
    let far = found.0.abs().max(found.1.abs());
    let range = if far <= 1.5 { (-1.0, 1.0) } else { (-far, far) };
    let token = |item: &str| run.clean.tokens.get(item.parse::<usize>().ok()?).map(|token| signs(&token.piece));
    let positional = panel.items.iter().all(|item| token(item).is_some());
    let columns = panel.items.iter().map(|item| (item.as_str(), token(item).unwrap_or_else(|| item.clone())));
    let what = params.map_or("effect", PatchParams::effect);
    let metric = run.metric.replace('_', " ");
    let mut caption = format!("{}, {}; {what}. Metric: {metric}. ", panel.site, panel.variant);
    if let Some(corrupt) = &run.corrupt {
        caption.push_str(&format!("Clean {:.3}, corrupt {:.3}. ", run.clean.value, corrupt.value));
    }
    caption.push_str(&format!("Model {}. Layer 0 = embeddings, layer l = after block l.", source.model));
    let rows: Vec<&Row> = rows.iter().collect();
    Grid {
        title: title(run, panel),
        columns: columns.collect(),
        across: if positional { "token" } else { "" },
        language: if positional { &run.language } else { "" },
        rows: &rows,
        range,
        caption,
    }
    .svg()
}
