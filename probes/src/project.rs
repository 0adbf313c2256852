//! Maps: all sentences of all languages in one plane, at every layer.
//!
//! - **PCA**: the two directions of the largest variance of the states of all languages together, with the share of the variance that
//!   each explains;
//! - **t-SNE** (`tsne`): neighbours are kept, distances and sizes of clouds mean nothing;
//! - what was done to the states before: nothing (raw), or a correction of [`correct`](crate::correct), by default the mean of its language
//!   subtracted.
//!
//! So that a slider over the layers shows movement and not turning axes, each map is turned (and mirrored) onto the one of the layer
//! before by orthogonal Procrustes, without scale; and every map lies around its mean at mean squared distance 1, so its unit is another
//! one at every layer. How far a map can be believed is measured with it (`quality`).

#[cfg(test)]
mod laws;
mod plane;
mod quality;
mod report;
mod tsne;

use std::sync::Mutex;

use babelscope_core::monitor::{Monitor, Tick};
use faer::{Accum, Mat, Par, linalg::matmul::matmul};
use ndarray::s;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use report::{LayerMap, MapMethod, MapReport};

use crate::{
    Error, Result,
    align::Centring,
    correct::{Corrector, Options},
    pca::Pca,
    source::{StateSource, finite, pivots},
};
use plane::Point;

const MEASURE: &str = "map";

/// Most points of one map: their distances then take 200 MB.
const MOST: usize = 5000;

/// Neighbours by which a map is judged; fewer where there are fewer than 22 points.
const NEIGHBOURS: usize = 10;

/// The section `[map]` of a spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MapParams {
    /// `pca`, `tsne`, or both.
    pub methods: Vec<MapMethod>,
    /// What is done to the states before: `raw`, `language`, and the other corrections.
    pub centrings: Vec<Centring>,
    /// Of t-SNE: how many neighbours a point has, softly; at most a third of the points.
    pub perplexity: f64,
    /// Steps of t-SNE.
    pub iterations: usize,
    /// First sentences of each language that are drawn; 0 for all.
    pub max_sentences: usize,
    /// Languages that are drawn; none means all.
    pub languages: Vec<String>,
}

impl Default for MapParams {
    fn default() -> Self {
        Self {
            methods: vec![MapMethod::Pca, MapMethod::Tsne],
            centrings: vec![Centring::Raw, Centring::Language],
            perplexity: 30.0,
            iterations: 1000,
            max_sentences: 100,
            languages: Vec::new(),
        }
    }
}

impl MapParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.methods.is_empty() || self.centrings.is_empty() {
            return Some("a map needs a method (`pca`, `tsne`) and a centring (`raw`, `language` ...)".to_owned());
        }
        let methods = self.methods.iter().enumerate().any(|(at, method)| self.methods[..at].contains(method));
        if methods || self.centrings.iter().enumerate().any(|(at, centring)| self.centrings[..at].contains(centring)) {
            return Some("the same method or centring is named twice".to_owned());
        }
        if !self.perplexity.is_finite() || self.perplexity < 1.0 {
            return Some(format!("the perplexity is {}; it counts neighbours, so use 5 to 50", self.perplexity));
        }
        if self.iterations < 4 && self.methods.contains(&MapMethod::Tsne) {
            return Some(format!("{} steps do not move t-SNE from its start; use 1000", self.iterations));
        }
        None
    }
}

/// Draws the maps of every layer.
///
/// # Errors
/// Fewer than four points, or more than 5000; a perplexity above a third of the points; states that are all equal at every layer; a state
/// that is not finite; a language that is not there; parameters that make no sense; [`babelscope_core::Error::Cancelled`].
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::align::{Centring, LanguageStates};
/// use babelscope_probes::project::{MapMethod, MapParams, map};
/// use ndarray::array;
///
/// let english = array![[0., 0., 1.], [2., 0., 1.], [4., 1., 1.]];
/// let french = &english + &array![0., 0., 9.];
/// let languages = vec!["eng_Latn".into(), "fra_Latn".into()];
/// let states = LanguageStates::new(languages, vec![0], vec![vec![english], vec![french]])?;
/// let params = MapParams { methods: vec![MapMethod::Pca], ..MapParams::default() };
/// let report = map(&states, &params, 0, &Monitor::silent())?;
/// let raw = report.at(0, MapMethod::Pca, Centring::Raw).ok_or("no map")?;
/// // The languages are 9 apart, along the first axis.
/// assert!((raw.points[0][1].0 - raw.points[1][1].0).abs() > 1.5);
/// let centred = report.at(0, MapMethod::Pca, Centring::Language).ok_or("no map")?;
/// assert_eq!(centred.points[0], centred.points[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn map(source: &dyn StateSource, params: &MapParams, seed: u64, monitor: &Monitor) -> Result<MapReport> {
    let (chosen, sentences) = checked(source, params)?;
    let n = chosen.len() * sentences;
    let layers = source.layers();
    let places: Vec<usize> = (0..layers.len()).collect();
    let k = NEIGHBOURS.min((n - 1) / 2);
    let together = if source.in_memory() { rayon::current_num_threads() } else { 1 };
    let total = layers.len() * params.centrings.len();
    let done = Mutex::new(0);
    let mut maps = Vec::with_capacity(total * params.methods.len());
    for &centring in &params.centrings {
        let mut drawn: Vec<Drawn> = Vec::with_capacity(layers.len());
        for some in places.chunks(together) {
            let found = some.par_iter().map(|&at| {
                let rows = rows(source, &chosen, sentences, at, centring)?;
                let found = draw(&rows, params, (seed, sentences, k), monitor)?;
                // The lock is held over the tick so that progress never runs backwards.
                let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                *done += 1;
                monitor.tick(Tick { what: "drawing maps", done: *done, total, unit: "layers" })?;
                Ok(found)
            });
            drawn.extend(found.collect::<Result<Vec<_>>>()?);
        }
        for (at, &method) in params.methods.iter().enumerate() {
            let mut before: Option<Vec<Point>> = None;
            for (found, &layer) in drawn.iter().zip(layers) {
                let points = found.points.get(at).cloned().map(|points| match &before {
                    Some(before) => plane::matched(points, before),
                    None => points,
                });
                maps.push(found.named(points.as_deref(), at, (layer, method, centring), sentences));
                before = points.or(before);
            }
        }
    }
    if maps.iter().all(|map| map.points.is_empty()) {
        let why = format!("all {n} states are equal at every layer, so there is nothing to draw");
        return Err(Error::Input { measure: MEASURE, why });
    }
    let mut notes = vec![
        "each map is turned onto that of the layer before, and its mean squared distance from the centre is 1"
            .to_owned(),
    ];
    if sentences < source.sentences() {
        notes.push(format!("the first {sentences} of {} sentences of each language are drawn", source.sentences()));
    }
    Ok(MapReport {
        languages: chosen.iter().map(|l| source.languages()[*l].clone()).collect(),
        sentences: (0..sentences).collect(),
        layers: layers.to_vec(),
        maps,
        neighbours: k,
        notes,
    })
}

/// The languages and the number of sentences, where they can be drawn.
fn checked(source: &dyn StateSource, params: &MapParams) -> Result<(Vec<usize>, usize)> {
    let refuse = |why: String| Err(Error::Input { measure: MEASURE, why });
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let chosen = pivots(source, &params.languages, MEASURE)?;
    let all = source.sentences();
    let sentences = if params.max_sentences == 0 { all } else { all.min(params.max_sentences) };
    let n = chosen.len() * sentences;
    let counted = format!("{n} points ({} languages, {sentences} sentences each)", chosen.len());
    if n < 4 {
        return refuse(format!("{counted} are no map; at least 4 are needed"));
    }
    if n > MOST {
        return refuse(format!(
            "{counted} are more than {MOST}; draw fewer languages, or at most {} sentences of each (max_sentences)",
            MOST / chosen.len()
        ));
    }
    if params.methods.contains(&MapMethod::Tsne) && 3.0 * params.perplexity > (n - 1) as f64 {
        return refuse(format!(
            "a perplexity of {} needs at least {} points, and there are {counted}; use a perplexity of at most {}, or PCA",
            params.perplexity,
            (3.0 * params.perplexity).ceil() + 1.0,
            (n - 1) / 3
        ));
    }
    Ok((chosen, sentences))
}

/// The states that are drawn, language by language. `[languages * sentences, width]`.
fn rows(
    source: &dyn StateSource,
    chosen: &[usize],
    sentences: usize,
    at: usize,
    centring: Centring,
) -> Result<Mat<f64>> {
    // Learnt from all languages and sentences, also those that are not drawn.
    let corrector = Corrector::fit(source, at, centring, &Options::default())?;
    let mut out = Mat::<f64>::zeros(0, 0);
    for (place, &language) in chosen.iter().enumerate() {
        let state = finite(source, language, at, MEASURE)?;
        let left = corrector.apply(language, state.slice(s![..sentences, ..]));
        if place == 0 {
            out = Mat::zeros(chosen.len() * sentences, left.ncols());
        }
        for ((i, j), x) in left.indexed_iter() {
            out[(place * sentences + i, j)] = f64::from(*x);
        }
    }
    Ok(out)
}

/// The maps of one layer and centring, before they are turned.
struct Drawn {
    /// One for each method; none where the states are equal.
    points: Vec<Vec<Point>>,
    kept: Vec<quality::Kept>,
    explained: (f64, f64),
}

fn draw(
    rows: &Mat<f64>,
    params: &MapParams,
    (seed, sentences, k): (u64, usize, usize),
    monitor: &Monitor,
) -> Result<Drawn> {
    monitor.check()?;
    let pca = Pca::fit(rows.as_ref(), 2, MEASURE)?;
    // What rounding leaves of equal states is no direction.
    let size = rows.col_iter().flat_map(|column| column.iter().map(|x| x * x)).sum::<f64>() / rows.nrows() as f64;
    let share = |axis: usize| pca.variances.get(axis).map_or(0.0, |variance| variance / pca.total);
    let mut found = Drawn { points: Vec::new(), kept: Vec::new(), explained: (share(0), share(1)) };
    if pca.variances.is_empty() || pca.total <= 1e-12 * size {
        return Ok(found);
    }
    let projected = pca.project(rows.as_ref());
    let axis = |i: usize, k: usize| if k < projected.ncols() { projected[(i, k)] } else { 0.0 };
    let flat: Vec<Point> = (0..rows.nrows()).map(|i| [axis(i, 0), axis(i, 1)]).collect();
    let distances = distances(rows, &pca.mean);
    for method in &params.methods {
        let points = match method {
            MapMethod::Pca => flat.clone(),
            MapMethod::Tsne => {
                tsne::tsne(distances.as_ref(), &flat, params.perplexity, params.iterations, seed, monitor)?
            }
        };
        let Some(points) = plane::unit(points) else { continue };
        found.kept.push(quality::kept(&points, distances.as_ref(), sentences, k));
        found.points.push(points);
    }
    Ok(found)
}

/// Squared distances of all pairs, from the products of the centred rows.
fn distances(rows: &Mat<f64>, mean: &[f64]) -> Mat<f64> {
    let n = rows.nrows();
    let centred = Mat::from_fn(n, rows.ncols(), |i, j| rows[(i, j)] - mean[j]);
    let mut products = Mat::<f64>::zeros(n, n);
    matmul(products.as_mut(), Accum::Replace, centred.as_ref(), centred.transpose(), 1.0, Par::Seq);
    let squares: Vec<f64> = (0..n).map(|i| products[(i, i)]).collect();
    Mat::from_fn(n, n, |i, j| {
        let (a, b) = (i.min(j), i.max(j));
        (squares[a] + squares[b] - 2.0 * products[(a, b)]).max(0.0)
    })
}

impl Drawn {
    fn named(
        &self,
        points: Option<&[Point]>,
        at: usize,
        (layer, method, centring): (usize, MapMethod, Centring),
        sentences: usize,
    ) -> LayerMap {
        let kept = self.kept.get(at);
        let status = if points.is_some() { "ok" } else { "all states are equal, so there is nothing to draw" };
        let of = |points: &[Point]| points.iter().map(|p| (p[0] as f32, p[1] as f32)).collect();
        LayerMap {
            layer,
            method,
            centring,
            points: points.unwrap_or_default().chunks(sentences).map(of).collect(),
            explained: points.is_some().then_some(self.explained),
            trustworthiness: kept.map(|kept| kept.trustworthiness),
            language_neighbours: kept.map(|kept| kept.language),
            meaning_neighbours: kept.map(|kept| kept.meaning),
            status: status.to_owned(),
        }
    }
}
