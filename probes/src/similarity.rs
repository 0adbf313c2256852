//! Representation similarity: how much alike are the states of parallel sentences in two languages at a layer?
//!
//! | index | file | what it is blind to |
//! | --- | --- | --- |
//! | CKA, linear and with a Gaussian kernel | `cka.rs`, `rbf.rs` | rotation, one scale, shift |
//! | CCA, SVCCA, PWCCA | `cca.rs` | linear maps (of what is kept) and shift |
//! | ANC | `anc.rs` | scale and shift of each coordinate |
//! | RSA | `rsa.rs` | rotation, scale |
//! | Procrustes, held out | `procrustes.rs` | rotation, one scale, shift; the retrieval before it: one scale, shift |
//! | mutual kNN, CKNNA | `neighbours.rs` | rotation, scale of each state |
//!
//! Every index is a pure function of two arrays. [`similarity`] takes them over languages and layers with intervals (bootstrap over
//! sentences) and two nulls: sentences shuffled, and shuffled only among those of like length and like count of shared tokens. One permutation
//! a draw serves every layer, language and index, so the maximum over layers has its own null (Groeger, Wen and Brbic 2026,
//! arXiv 2602.14486). Sources, formulas and where we differ from which program: the head of each file.

mod algebra;
mod anc;
mod cca;
mod cka;
mod grid;
mod neighbours;
mod notes;
mod pairs;
mod params;
mod procrustes;
mod rbf;
mod relation;
mod retrieval;
mod rsa;
mod table;
mod task;

use std::sync::Mutex;

use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;

pub use algebra::centred;
pub use anc::{Anc, anc};
pub use cca::{Cca, Keep, cca};
pub use cka::{Cka, MinibatchCka, cka};
pub use neighbours::{cknna, clamped, mutual_knn};
pub use params::{Index, SimilarityParams};
pub use procrustes::{Procrustes, halves, procrustes, procrustes_distance, rotated};
pub use rbf::rbf_cka;
pub use retrieval::Found;
pub use rsa::{Correlation, rsa};

use crate::{
    Error, Result,
    measure::{Measured, Row},
    null::{Permutations, strata},
    source::{StateSource, finite},
};
use algebra::refuse;
use grid::{Halves, Stack};
use notes::{Notes, Side};
use pairs::Pairs;
use table::{Cell, PairRows, adjusted};
use task::{Setup, Task};

/// How alike every language is to every pivot at every layer, by every index that is asked for.
///
/// Metrics and variants: `cka` (`debiased`, `biased`), `cka_rbf` (`debiased`), `cca` (`full`), `svcca` and `pwcca` (`reduced`; the weights of
/// PWCCA are those of the language), `anc` (`language`), `rsa` (`cosine`), `procrustes_distance` (`in_sample`), `recall_held_out` and
/// `mexa_held_out` (before the rotation), `procrustes_recall` and `procrustes_mexa` (after it), `procrustes_gap` (their recalls' difference;
/// all `language`: centred), `mutual_knn` and `cknna` (`raw`, `language`). Each that rises with likeness has both nulls and a
/// row `X_max` over layers, whose item is the layer. With `grid` also `cka` with `pivot_layer` and `cka_grid_max` (item: layer, pivot layer).
///
/// Memory: what the indices need of the pivot and of as many languages as there are threads, at one layer: for CKA and RSA `4 n^2` bytes
/// each, for ANC and kNN a copy of the states.
///
/// # Errors
/// Parameters that make no sense, fewer than 4 sentences, one language, an unknown pivot, a state that is not finite;
/// [`babelscope_core::Error::Cancelled`]. An index that cannot be computed for a pair is a row without a value that says why.
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::{align::LanguageStates, similarity::{Index, SimilarityParams, similarity}};
/// use ndarray::Array2;
///
/// let english = Array2::from_shape_fn((12, 2), |(i, j)| ((i * (5 + 3 * j) * (i + 2)) % 13) as f32 - 5.5);
/// let turned = english.dot(&ndarray::array![[0f32, 1.], [-1., 0.]]);
/// let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
/// let states = LanguageStates::new(languages, vec![0], vec![vec![english], vec![turned]])?;
/// let params = SimilarityParams { indices: vec![Index::Cka, Index::Anc], bootstrap: 0, shuffles: 19, ..Default::default() };
/// let found = similarity(&states, &params, 0, &Monitor::silent())?;
/// let value = |metric, variant| found.value(metric, "deu_Latn", "eng_Latn", Some(0), variant);
/// assert!(value("cka", "debiased") > Some(0.999)); // the same shape
/// assert!(value("anc", "language") < Some(0.9)); // on other axes
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn similarity(
    source: &dyn StateSource,
    params: &SimilarityParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Measured> {
    if let Some(why) = params.problem() {
        return refuse("similarity", why);
    }
    let n = source.sentences();
    if n < 4 {
        return refuse("similarity", format!("at least 4 sentences are needed, got {n}; use 100 or more"));
    }
    let pairs = Pairs::new(source, params)?;
    if params.grid {
        grid::check(source.layers().len(), n)?;
    }
    let tasks = Task::all(params);
    let setup = Setup::new(n, params, seed)?;
    let mut notes = Notes::new(source, params);
    let mut found: Vec<PairRows> = pairs.unordered.iter().map(|_| PairRows::default()).collect();
    let total = pairs.unordered.len() * source.layers().len();
    let done = Mutex::new(0);
    let prepare = |language: usize, layer: usize| -> Result<Side> {
        let state = finite(source, language, layer, "similarity")?;
        let all = tasks.par_iter().map(|task| {
            monitor.check()?;
            said(task.prepare(state.view(), &setup))
        });
        Ok(Side::new(all.collect::<Result<_>>()?, state.view()))
    };
    for (at, &layer) in source.layers().iter().enumerate() {
        for (first, places) in pairs.groups() {
            let pivot = prepare(first, at)?;
            for some in places.chunks(rayon::current_num_threads()) {
                let cells = some.par_iter().map(|&place| {
                    let language = prepare(pairs.unordered[place].1, at)?;
                    let matched = matched(source, pairs.unordered[place], params, seed)?;
                    let mut cell: Cell = Vec::new();
                    for (task, (a, b)) in tasks.iter().zip(pivot.prepared.iter().zip(&language.prepared)) {
                        let both = match (a, b) {
                            (Ok(a), Ok(b)) => said(task.compare((a, b), &setup, matched.as_ref(), monitor))?,
                            (Err(why), _) | (_, Err(why)) => Err(why.clone()),
                        };
                        match both {
                            Ok(all) => cell.extend(task.kinds().into_iter().zip(all)),
                            Err(why) => cell.extend(task.kinds().into_iter().map(|kind| (kind, Err(why.clone())))),
                        }
                    }
                    // The lock is held over the tick so that progress never runs backwards.
                    let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    *done += 1;
                    monitor.tick(Tick { what: "comparing states", done: *done, total, unit: "pairs at a layer" })?;
                    Ok((place, cell, language.facts(&pivot), matched.map(|m| m.fixed())))
                });
                for (place, cell, facts, fixed) in cells.collect::<Result<Vec<_>>>()? {
                    found[place].add(layer, n, cell);
                    let (pivot, language) = pairs.unordered[place];
                    let names = format!("{} and {}", source.languages()[pivot], source.languages()[language]);
                    notes.read(&names, layer, &facts, fixed);
                }
            }
        }
    }
    let (mut rows, mut maxima) = (Vec::new(), Vec::new());
    for &(pivot, language, place, mirrored) in &pairs.ordered {
        let (language, pivot) = (&source.languages()[language], &source.languages()[pivot]);
        rows.extend(found[place].rows(language, pivot, mirrored));
        maxima.extend(found[place].maxima(language, pivot, mirrored));
    }
    let mut rows = adjusted(rows, maxima);
    if params.grid {
        rows.extend(grids(source, &pairs, &setup, params, seed, monitor)?);
    }
    Ok(Measured { rows, notes: notes.sentences() })
}

/// The null of a pair that is matched by length and shared tokens: the same at every layer.
fn matched(
    source: &dyn StateSource,
    (first, second): (usize, usize),
    params: &SimilarityParams,
    seed: u64,
) -> Result<Option<Permutations>> {
    match (source.tokens(first), source.tokens(second)) {
        (Some(first), Some(second)) if params.matched && params.shuffles > 0 => {
            Permutations::within(&strata(first, second), params.shuffles, seed).map(Some)
        }
        _ => Ok(None),
    }
}

/// What an index refuses becomes a reason in the table; everything else ends the run.
fn said<T>(result: Result<T>) -> Result<std::result::Result<T, String>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Input { why, .. }) => Ok(Err(why)),
        Err(other) => Err(other),
    }
}

/// The grids of all pairs, one language beside its pivot at a time.
fn grids(
    source: &dyn StateSource,
    pairs: &Pairs,
    setup: &Setup,
    params: &SimilarityParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Vec<Row>> {
    let (mut rows, total) = (Vec::new(), pairs.ordered.len());
    let mut held: Option<(usize, Halves)> = None;
    for (done, &(pivot, language, ..)) in pairs.ordered.iter().enumerate() {
        monitor.tick(Tick { what: "comparing layers", done, total, unit: "pairs" })?;
        let halves = match held.take() {
            Some((of, halves)) if of == pivot => halves,
            _ => Halves::new(&Stack::new(source, pivot, monitor)?, source.sentences()),
        };
        let stack = Stack::new(source, language, monitor)?;
        let matched = matched(source, (pivot, language), params, seed)?;
        let found = grid::grid(source, &halves, &stack, &setup.shuffled, matched.as_ref(), monitor)?;
        let names = (&source.languages()[language], &source.languages()[pivot]);
        rows.extend(found.into_iter().map(|row| row.of(names.0).against(names.1)));
        held = Some((pivot, halves));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
