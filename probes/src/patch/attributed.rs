//! Attribution patching of pairs as a spec writes them: [`attribution`] of each, with its grids.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::Encoded,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AttributionPair, AttributionParams, AttributionPoint, attribution,
    metric::{Metric, Sides},
    pair::PairSpec,
    refuse,
    report::{Panel, PatchReport, PatchedRun, Side},
};
use crate::{Result, measure::Measured};

/// What attribution patching asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttributedParams {
    /// The pairs of prompts.
    pub pairs: Vec<PairSpec>,
    /// Kinds of places: resid_post, attn_out_post, mlp_out_post, z.
    pub points: Vec<AttributionPoint>,
    /// Canonical layers, ascending; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// Positions, counted from 0 with BOS, ascending; empty means all.
    pub positions: Vec<usize>,
    /// Places that are patched in truth, drawn by the seed; all where there are fewer.
    pub sample: usize,
}

impl Default for AttributedParams {
    fn default() -> Self {
        let AttributionParams { points, layers, positions, sample } = AttributionParams::default();
        Self { pairs: Vec::new(), points, layers, positions, sample }
    }
}

impl AttributedParams {
    fn places(&self) -> AttributionParams {
        let Self { points, layers, positions, sample, .. } = self.clone();
        AttributionParams { points, layers, positions, sample }
    }

    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.pairs.is_empty() {
            return Some("`pairs` is empty; attribution patching needs a clean and a corrupt prompt".to_owned());
        }
        self.places().problem()
    }
}

/// [`attribution`] of every pair; rows have the name of the pair behind a colon where there are several.
///
/// # Errors
/// As [`attribution`] and [`PairSpec::prepare`]; a model that cannot be loaded a second time for its gradients.
pub fn attributed(engine: &Engine, params: &AttributedParams, seed: u64, monitor: &Monitor) -> Result<PatchReport> {
    let twin = if engine.is_differentiable() { None } else { Some(engine.differentiable(monitor)?) };
    let mut report = PatchReport::default();
    for (number, spec) in params.pairs.iter().enumerate() {
        let pair = spec.prepare(engine.tokenizer(), Metric::LogitDifference, number)?;
        let corrupt_language = if spec.corrupt_language.is_empty() { &spec.language } else { &spec.corrupt_language };
        let asked = AttributionPair {
            clean: (&pair.clean, &spec.language),
            corrupt: (&pair.corrupt, corrupt_language),
            plus: &pair.sides.answer,
            minus: &pair.sides.wrong,
        };
        let mut found = attribution(engine, twin.as_ref().unwrap_or(engine), &asked, &params.places(), seed, monitor)?;
        let logits = last_logits(engine, &[pair.clean.clone(), pair.corrupt.clone()], monitor)?;
        let side = |at: usize, text: &str, encoded: &Encoded| {
            let logits = logits.get(at).map_or(&[][..], Vec::as_slice);
            Side::new(text, encoded, logits, difference(logits, &pair.sides), engine.tokenizer())
        };
        let clean = side(0, &spec.clean, &pair.clean);
        let corrupt = side(1, &spec.corrupt, &pair.corrupt);
        let mut run = PatchedRun::new(&pair.name, &spec.language, clean, Metric::LogitDifference, pair.sides.clone());
        run.corrupt = Some(corrupt);
        run.panels = params.points.iter().filter_map(|point| panel(*point, &found)).collect();
        report.runs.push(run);
        if params.pairs.len() > 1 {
            found.rows.iter_mut().for_each(|row| row.variant = format!("{}: {}", row.variant, pair.name));
            found.notes.iter_mut().for_each(|note| *note = format!("{}: {note}", pair.name));
        }
        report.measured.rows.extend(found.rows);
        report.measured.notes.extend(found.notes);
    }
    Ok(report)
}

/// Mean of the answer's logits minus that of the wrong one's, which is what [`attribution`] differentiates.
fn difference(logits: &[f32], sides: &Sides) -> f64 {
    let mean = |ids: &[u32]| {
        let sum: f64 = ids.iter().filter_map(|id| logits.get(*id as usize)).map(|x| f64::from(*x)).sum();
        sum / ids.len().max(1) as f64
    };
    mean(&sides.answer) - mean(&sides.wrong)
}

fn last_logits(engine: &Engine, prompts: &[Encoded], monitor: &Monitor) -> Result<Vec<Vec<f32>>> {
    let capture = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
    let plan = Plan { captures: vec![capture], ..Plan::default() };
    match engine.run(prompts, &plan, &monitor.quiet())?.into_iter().next().map(|captured| captured.values) {
        Some(Values::Pooled(logits)) => Ok(logits.to_vec2().map_err(babelscope_core::Error::from)?),
        _ => refuse("the engine kept whole what was to be the last token".to_owned()),
    }
}

/// The attributions of one kind of place as a grid; heads have no grid of positions.
fn panel(point: AttributionPoint, found: &Measured) -> Option<Panel> {
    let own: Vec<_> = found.metric("attribution").filter(|row| row.variant == point.name()).collect();
    let mut layers: Vec<usize> = own.iter().filter_map(|row| row.layer).collect();
    layers.dedup();
    let mut items: Vec<String> = Vec::new();
    for row in &own {
        if !items.contains(&row.item) {
            items.push(row.item.clone());
        }
    }
    let value = |layer: usize, item: &String| {
        let row = own.iter().find(|row| row.layer == Some(layer) && row.item == *item);
        row.and_then(|row| row.value).unwrap_or_default()
    };
    let effect: Vec<Vec<f64>> = layers.iter().map(|l| items.iter().map(|item| value(*l, item)).collect()).collect();
    (!own.is_empty()).then(|| Panel {
        site: point.name().to_owned(),
        variant: "attribution".to_owned(),
        layers,
        items,
        patched: effect.clone(),
        effect,
    })
}
