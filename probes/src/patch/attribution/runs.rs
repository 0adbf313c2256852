//! The clean and the corrupt run, and the corrupt one with places replaced.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Capture, Edit, Op, Plan, Point, Positions, Reduce, Site, Vector},
};

use super::{AttributionPair, AttributionParams, AttributionPoint};
use crate::Result;

/// Patched prompts that are run at once.
const AT_ONCE: usize = 256;

/// One place that can be patched.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) point: AttributionPoint,
    pub(super) layer: usize,
    /// Among the sites.
    pub(super) site: usize,
    pub(super) position: usize,
    /// Columns of the site, and the head that they belong to.
    pub(super) columns: (usize, usize),
    pub(super) head: Option<usize>,
}

impl Place {
    pub(super) fn item(&self) -> String {
        match self.head {
            Some(head) => format!("h{head}@{}", self.position),
            None => self.position.to_string(),
        }
    }
}

/// What the two runs hold. Site by site, `[tokens * width]`.
pub(super) struct Runs {
    pub(super) clean: Vec<Vec<f32>>,
    pub(super) corrupt: Vec<Vec<f32>>,
    pub(super) m_clean: f64,
    pub(super) m_corrupt: f64,
}

pub(super) fn flat(tensor: &candle_core::Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all().and_then(|all| all.to_vec1()).map_err(babelscope_core::Error::from)?)
}

/// Where a place lies in the values of its site.
pub(super) fn range(place: &Place, values: &[f32], tokens: usize) -> std::ops::Range<usize> {
    let row = place.position * (values.len() / tokens);
    row + place.columns.0..row + place.columns.1
}

pub(super) fn places(engine: &Engine, tokens: usize, params: &AttributionParams) -> (Vec<Site>, Vec<Place>) {
    let (deepest, heads) = (engine.info().layers, engine.info().heads);
    let layers: Vec<usize> = if params.layers.is_empty() { (0..=deepest).collect() } else { params.layers.clone() };
    let positions: Vec<usize> =
        if params.positions.is_empty() { (0..tokens).collect() } else { params.positions.clone() };
    let (mut sites, mut places) = (Vec::new(), Vec::new());
    for point in params.points.iter().copied() {
        for (layer, site) in layers.iter().filter_map(|layer| point.site(*layer).map(|site| (*layer, site))) {
            let width = engine.width(site.point);
            let parts = if point == AttributionPoint::Z { heads } else { 1 };
            for (position, part) in positions.iter().flat_map(|position| (0..parts).map(|part| (*position, part))) {
                let columns = (part * width / parts, (part + 1) * width / parts);
                let head = (parts > 1 || point == AttributionPoint::Z).then_some(part);
                places.push(Place { point, layer, site: sites.len(), position, columns, head });
            }
            sites.push(site);
        }
    }
    (sites, places)
}

fn difference(logits: &[f32], pair: &AttributionPair<'_>) -> f64 {
    let mean = |ids: &[u32]| match ids {
        [] => 0.0,
        ids => ids.iter().map(|id| f64::from(logits[*id as usize])).sum::<f64>() / ids.len() as f64,
    };
    mean(pair.plus) - mean(pair.minus)
}

pub(super) fn run(engine: &Engine, pair: &AttributionPair<'_>, sites: &[Site], monitor: &Monitor) -> Result<Runs> {
    let mut captures: Vec<Capture> = sites.iter().map(|site| Capture { site: *site, reduce: Reduce::All }).collect();
    captures.push(Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last });
    let plan = Plan { captures, ..Plan::default() };
    let captured = engine.run(&[pair.clean.0.clone(), pair.corrupt.0.clone()], &plan, monitor)?;
    let mut runs = Runs { clean: Vec::new(), corrupt: Vec::new(), m_clean: 0.0, m_corrupt: 0.0 };
    for one in &captured {
        match &one.values {
            Values::Tokens(sentences) => {
                runs.clean.push(flat(&sentences[0])?);
                runs.corrupt.push(flat(&sentences[1])?);
            }
            Values::Pooled(logits) => {
                let logits = flat(logits)?;
                let (clean, corrupt) = logits.split_at(logits.len() / 2);
                (runs.m_clean, runs.m_corrupt) = (difference(clean, pair), difference(corrupt, pair));
            }
        }
    }
    Ok(runs)
}

/// The logit difference of the corrupt prompt with each sampled place replaced.
pub(super) fn patched(
    engine: &Engine,
    pair: &AttributionPair<'_>,
    sites: &[Site],
    places: &[Place],
    sample: &[usize],
    runs: &Runs,
    monitor: &Monitor,
) -> Result<Vec<f64>> {
    let corrupt = pair.corrupt.0;
    let tokens = corrupt.ids.len();
    let logits = Capture { site: Site::new(Point::Logits, 0), reduce: Reduce::Last };
    let mut found = Vec::with_capacity(sample.len());
    for part in sample.chunks(AT_ONCE) {
        let edits = part.iter().enumerate().map(|(copy, at)| {
            let place = &places[*at];
            let (from, given) = (&runs.corrupt[place.site], &runs.clean[place.site]);
            let width = from.len() / tokens;
            // The other heads of the row keep what the corrupt run has there.
            let mut row = from[place.position * width..][..width].to_vec();
            row[place.columns.0..place.columns.1].copy_from_slice(&given[range(place, given, tokens)]);
            let op = Op::Replace { rows: vec![Vector::from(row)] };
            let (positions, sentences) = (Positions::List(vec![place.position]), Some(vec![copy]));
            Edit { positions, sentences, ..Edit::at(sites[place.site], op) }
        });
        let plan = Plan { captures: vec![logits], edits: edits.collect(), stop_after: None };
        let captured = engine.run(&vec![corrupt.clone(); part.len()], &plan, monitor)?;
        if let Values::Pooled(rows) = &captured[0].values {
            let rows = flat(rows)?;
            found.extend(rows.chunks_exact(engine.info().vocabulary).map(|row| difference(row, pair)));
        }
    }
    Ok(found)
}
