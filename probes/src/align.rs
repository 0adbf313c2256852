//! MEXA and retrieval: for what share of the sentences is the true pair mutually the closest?
//!
//! For pivot P, language X and layer l, with the states `p_i` and `x_j` of the parallel sentences `i, j = 1..n`:
//!
//! - `S[i, j] = cos(p_i, x_j)`;
//! - **MEXA** = share of the `i` with `S[i, i] > S[i, j]` **and** `S[i, i] > S[j, i]` for every `j != i` (both strict);
//! - **recall from the pivot** = share of the `i` that satisfy the first half, **recall to the pivot** = the second half;
//! - **centred** = the same after the mean of its own language was subtracted from every state.
//!
//! Kargaran et al. 2025, *MEXA: Multilingual Evaluation of English-Centric LLMs via Cross-Lingual Alignment* (arXiv
//! 2410.05873, repository cisnlp/Mexa, `compute_mexa.py`). Range 0..1; chance is `1 / (2n - 1)` for MEXA and `1 / n` for recall.
//!
//! Decided here, where the original leaves it to floating point:
//! - A cosine is computed in f64 and rounded to f32; cosines that are equal then are a tie, and a tie never counts.
//! - States that are not finite are refused. A state without a direction (norm zero, or nothing left of it after centring)
//!   has cosine 0 with everything, so it ties and never counts; the report's notes say how many there are.
//! - One sentence has no rival: at least two are needed.
//! - Languages of unequal length are refused, where the original cuts the longer one silently.

mod analyse;
mod nearest;
mod report;
mod states;
mod unit;

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Mutex};

use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;

pub use analyse::{Extraction, analyse};
pub use nearest::{outcomes_of_similarities, pair_outcomes};
pub use report::{AlignCell, AlignReport, Centring, Outcome, OverLayers};
pub use states::LanguageStates;

use crate::{Error, Result};
pub use crate::{bootstrap::Draws, measure::Estimate};
use unit::Unit;

/// What is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct AlignParams {
    /// Pivots, as named in the states; empty means every language, so all pairs.
    pub pivots: Vec<String>,
    /// Raw, centred, or both.
    pub centrings: Vec<Centring>,
    /// Bootstrap draws for the intervals; 0 switches them off, otherwise at least 100.
    pub bootstrap: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Whether the outcome of each sentence is kept (20 bytes for a sentence in a cell).
    pub outcomes: bool,
    /// Whether a pivot is also measured against itself, as the original does: 1 unless sentences share a state.
    pub with_self: bool,
}

impl Default for AlignParams {
    fn default() -> Self {
        Self {
            pivots: Vec::new(),
            centrings: vec![Centring::Raw, Centring::Language],
            bootstrap: 1000,
            seed: 0,
            outcomes: true,
            with_self: false,
        }
    }
}

/// Measures every language against every pivot at every layer.
///
/// Cells come ordered by pivot (as asked for), language (as in `states`), layer, centring (as asked for). The interval of an
/// estimate is the bootstrap percentile interval (2.5 %, 97.5 %) over sentences, with the same draws for every cell.
///
/// # Errors
/// An unknown or repeated pivot, no centring, a bootstrap of 1 to 99 draws; [`babelscope_core::Error::Cancelled`].
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::align::{AlignParams, Centring, LanguageStates, align};
/// use ndarray::array;
///
/// let english = array![[1., 0., 0.], [0., 1., 0.], [0., 0., 1.], [1., 1., 0.]];
/// let german = array![[2., 0.1, 0.], [0.2, 1., 0.1], [0., 0.3, 0.9], [0.5, 0.4, 0.6]];
/// let states = LanguageStates::new(
///     vec!["eng_Latn".into(), "deu_Latn".into()],
///     vec![0],
///     vec![vec![english], vec![german]],
/// )?;
/// let params = AlignParams { pivots: vec!["eng_Latn".into()], ..AlignParams::default() };
/// let report = align(&states, &params, &Monitor::silent())?;
/// let cell = report.cell("deu_Latn", "eng_Latn", 0, Centring::Raw).ok_or("no such cell")?;
/// assert_eq!(cell.mexa.value, 0.75);
/// assert_eq!(cell.recall_from_pivot.value, 0.75);
/// assert_eq!(cell.recall_to_pivot.value, 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn align(states: &LanguageStates, params: &AlignParams, monitor: &Monitor) -> Result<AlignReport> {
    align_some(states, 0..=states.languages().len() - 1, params, monitor)
}

/// [`align`] for the languages at these indices (pivots are named in `params` as ever), and notes on them alone: a part of a
/// work that is done language by language.
///
/// # Errors
/// As [`align`].
pub fn align_some(
    states: &LanguageStates,
    languages: RangeInclusive<usize>,
    params: &AlignParams,
    monitor: &Monitor,
) -> Result<AlignReport> {
    let pairs = Pairs::new(states, &languages, params)?;
    let n = states.sentences();
    let draws = Draws::new(n, params.bootstrap, params.seed)?;
    let centrings = params.centrings.len();
    let total = pairs.unordered.len() * states.layers().len() * centrings;
    let done = Mutex::new(0);
    let per_layer = pairs.unordered.len() * centrings;
    let mut measured: Vec<Measured> = Vec::with_capacity(total); // [layer][pair][centring]
    let mut notes = Notes::default();
    // Unit vectors are held for as many layers as it takes to keep the cores busy, no more.
    let together = rayon::current_num_threads().div_ceil(per_layer.max(1));
    let layers: Vec<usize> = (0..states.layers().len()).collect();
    for some in layers.chunks(together) {
        let held: Vec<_> = some.iter().map(|&at| units(states, at, &params.centrings)).collect();
        for (&at, units) in some.iter().zip(&held) {
            notes.read(states, at, units, &languages);
        }
        let work: Vec<(&Unit<'_>, &Unit<'_>)> = (held.iter())
            .flat_map(|units| pairs.unordered.iter().map(move |&(pivot, language)| (&units[pivot], &units[language])))
            .flat_map(|(pivot, language)| pivot.iter().zip(language))
            .collect();
        let found = work.into_par_iter().map(|(pivot, language)| {
            monitor.check()?;
            let found = measure(pivot, language);
            // The lock is held over the tick so that progress never runs backwards.
            let mut done = done.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *done += 1;
            monitor.tick(Tick { what: "measuring alignment", done: *done, total, unit: "cells" })?;
            Ok(found)
        });
        measured.extend(found.collect::<Result<Vec<_>>>()?);
    }
    let mut cells = Vec::with_capacity(pairs.ordered.len() * states.layers().len() * centrings);
    for &(pivot, language, unordered, mirrored) in &pairs.ordered {
        for (at, &layer) in states.layers().iter().enumerate() {
            for (c, &centring) in params.centrings.iter().enumerate() {
                let found = &measured[at * per_layer + unordered * centrings + c];
                let names = (&states.languages()[language], &states.languages()[pivot]);
                cells.push(cell(found, mirrored, names, layer, centring, &draws, params.outcomes));
            }
        }
    }
    Ok(AlignReport {
        cells,
        chance_mexa: 1.0 / (2 * n - 1) as f64,
        chance_recall: 1.0 / n as f64,
        notes: notes.sentences(states),
        tokens: 0,
    })
}

/// Which pairs are reported, and which of them are computed: S of (X, P) is S of (P, X) transposed, so each pair once.
struct Pairs {
    /// `(pivot, language)`.
    unordered: Vec<(usize, usize)>,
    /// `(pivot, language, index into unordered, whether the two are swapped there)`.
    ordered: Vec<(usize, usize, usize, bool)>,
}

impl Pairs {
    fn new(states: &LanguageStates, languages: &RangeInclusive<usize>, params: &AlignParams) -> Result<Self> {
        let fail = |why: String| Err(Error::Input { measure: "align", why });
        if params.centrings.is_empty() {
            return fail("no centring asked for; name `raw`, `language` or both".into());
        }
        if params.centrings.iter().collect::<BTreeSet<_>>().len() < params.centrings.len() {
            return fail("the same centring is asked for twice".into());
        }
        let known = states.languages();
        let mut pivots = Vec::new();
        for pivot in &params.pivots {
            match known.iter().position(|l| l == pivot) {
                Some(at) if pivots.contains(&at) => return fail(format!("pivot {pivot} is named twice")),
                Some(at) => pivots.push(at),
                None => return fail(format!("pivot {pivot} is not among the languages: {}", known.join(", "))),
            }
        }
        if pivots.is_empty() {
            pivots = (0..known.len()).collect();
        }
        let mut pairs = Self { unordered: Vec::new(), ordered: Vec::new() };
        for &pivot in &pivots {
            for language in languages.clone().filter(|&l| params.with_self || l != pivot) {
                let swapped = pairs.unordered.iter().position(|&p| language != pivot && p == (language, pivot));
                let unordered = swapped.unwrap_or_else(|| {
                    pairs.unordered.push((pivot, language));
                    pairs.unordered.len() - 1
                });
                pairs.ordered.push((pivot, language, unordered, swapped.is_some()));
            }
        }
        Ok(pairs)
    }
}

/// The unit vectors of each language at one layer, one for each centring.
fn units<'a>(states: &'a LanguageStates, at: usize, centrings: &[Centring]) -> Vec<Vec<Unit<'a>>> {
    (0..states.languages().len())
        .into_par_iter()
        .map(|language| centrings.iter().map(|&c| Unit::new(states.at(language, at), c)).collect())
        .collect()
}

struct Measured {
    outcomes: Vec<Outcome>,
    cosine_true: f64,
    cosine_wrong: f64,
}

fn measure(pivot: &Unit<'_>, language: &Unit<'_>) -> Measured {
    let outcomes = nearest::outcomes(pivot, language);
    let n = outcomes.len() as f64;
    let diagonal: f64 = outcomes.iter().map(|o| f64::from(o.cosine)).sum();
    // The sum over all pairs of u_i . v_j is (sum u_i) . (sum v_j): no need to add up n x n numbers.
    let all: f64 = pivot.sum().iter().zip(language.sum()).map(|(a, b)| a * b).sum();
    Measured { outcomes, cosine_true: diagonal / n, cosine_wrong: (all - diagonal) / (n * (n - 1.0)) }
}

fn cell(
    found: &Measured,
    mirrored: bool,
    (language, pivot): (&String, &String),
    layer: usize,
    centring: Centring,
    draws: &Draws,
    keep: bool,
) -> AlignCell {
    let outcomes: Vec<Outcome> =
        if mirrored { found.outcomes.iter().map(|o| o.mirrored()).collect() } else { found.outcomes.clone() };
    let share = |hit: fn(&Outcome) -> bool| draws.share(outcomes.iter().map(hit));
    AlignCell {
        language: language.clone(),
        pivot: pivot.clone(),
        layer,
        centring,
        mexa: share(Outcome::hit),
        recall_from_pivot: share(Outcome::found_from_pivot),
        recall_to_pivot: share(Outcome::found_to_pivot),
        cosine_gap: found.cosine_true - found.cosine_wrong,
        cosine_wrong: found.cosine_wrong,
        n: outcomes.len(),
        outcomes: if keep { outcomes } else { Vec::new() },
    }
}

/// What a person should know before believing a low score: states that cannot win.
#[derive(Default)]
struct Notes {
    /// `(language, what, layer, how many)`.
    found: Vec<(usize, &'static str, usize, usize)>,
}

impl Notes {
    fn read(&mut self, states: &LanguageStates, at: usize, units: &[Vec<Unit<'_>>], languages: &RangeInclusive<usize>) {
        let layer = states.layers()[at];
        for (language, unit) in units.iter().enumerate().filter(|(l, _)| languages.contains(l)) {
            let shared = unit::shared(states.at(language, at));
            if shared > 0 {
                self.found.push((
                    language,
                    "share their state with another sentence, and a tie never counts",
                    layer,
                    shared,
                ));
            }
            let lost = unit.iter().map(Unit::without_direction).max().unwrap_or(0);
            if lost > 0 {
                self.found.push((
                    language,
                    "have no direction (zero, or equal to the mean of their language) and never count",
                    layer,
                    lost,
                ));
            }
        }
    }

    fn sentences(self, states: &LanguageStates) -> Vec<String> {
        let n = states.sentences();
        let mut kinds: Vec<(usize, &'static str)> = self.found.iter().map(|f| (f.0, f.1)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        (kinds.into_iter())
            .map(|(language, what)| {
                let mine: Vec<_> = self.found.iter().filter(|f| (f.0, f.1) == (language, what)).collect();
                let at: Vec<_> = mine.iter().map(|f| format!("{} at layer {}", f.3, f.2)).collect();
                let shown = at.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
                let more = if at.len() > 4 { format!(", and at {} more layers", at.len() - 4) } else { String::new() };
                format!("{}: of {n} sentences some {what}: {shown}{more}", states.languages()[language])
            })
            .collect()
    }
}
