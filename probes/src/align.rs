//! MEXA and retrieval: for what share of the sentences is the true pair mutually the closest?
//!
//! For pivot P, language X and layer l, with the states `p_i` and `x_j` of the parallel sentences `i, j = 1..n`:
//!
//! - `S[i, j] = cos(p_i, x_j)`;
//! - **MEXA** = share of the `i` with `S[i, i] > S[i, j]` **and** `S[i, i] > S[j, i]` for every `j != i` (both strict);
//! - **recall from the pivot** = share of the `i` that satisfy the first half, **recall to the pivot** = the second half;
//! - **centred** = the same after the mean of its own language was subtracted from every state; other corrections are those of
//!   [`crate::correct`], then as raw.
//!
//! Every share stands against shuffled sentences ([`crate::null`]), over the layers as mean and maximum, and for the first 25, 50, 100 ...
//! sentences ([`AlignReport::measured`]).
//!
//! Kargaran et al. 2025, *MEXA: Multilingual Evaluation of English-Centric LLMs via Cross-Lingual Alignment* (arXiv
//! 2410.05873, repository cisnlp/Mexa, `compute_mexa.py`). Range 0..1; chance is `1 / (2n - 1)` for MEXA and `1 / n` for recall.
//!
//! Decided here, where the original leaves it to floating point:
//! - A cosine is computed in f64 and rounded to f32; cosines that are equal then are a tie, and a tie never counts, unless
//!   [`AlignParams::ties`] says otherwise.
//! - States that are not finite are refused. A state without a direction (norm zero, or nothing left of it after centring)
//!   has cosine 0 with everything, so it ties and never counts; the report's notes say how many there are.
//! - One sentence has no rival: at least two are needed.
//! - Languages of unequal length are refused, where the original cuts the longer one silently.

mod analyse;
mod cell;
mod closest;
mod nearest;
mod notes;
mod nulls;
mod over;
mod pairs;
mod params;
mod prepare;
mod report;
mod rows;
mod screen;
mod search;
mod states;
mod unit;
mod walk;

use std::ops::RangeInclusive;

use babelscope_core::monitor::Monitor;

pub use analyse::{Extraction, analyse};
pub use nearest::{outcomes_of_similarities, pair_outcomes};
pub use params::{AlignParams, Ties};
pub use report::{AlignCell, AlignReport, Centring, Outcome, OverLayers};
pub use states::LanguageStates;

use crate::{Error, Result, source::StateSource};
pub use crate::{bootstrap::Draws, measure::Estimate};
use walk::{enough, walk};

/// Measures every language against every pivot at every layer.
///
/// Cells come ordered by pivot (as asked for), language (as in `states`), layer, centring (as asked for). The interval of an
/// estimate is the bootstrap percentile interval (2.5 %, 97.5 %) over sentences, with the same draws for every cell.
///
/// # Errors
/// An unknown or repeated pivot, no centring, a bootstrap of 1 to 99 draws, 1 to 18 shuffles; a correction that cannot be learned;
/// [`babelscope_core::Error::Cancelled`].
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
    walk(states, &languages, params, monitor)
}

/// [`align`] for states that need not fit into memory, layer by layer: the pivots of a layer are held (with all pairs, its
/// languages), every other language is read, measured and dropped.
///
/// # Errors
/// As [`align`]; fewer than two languages or four sentences; states that cannot be read, are not finite, or whose shape is not that of
/// the others.
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::{align::{AlignParams, LanguageStates, align_source}, source::StateSource};
/// use ndarray::Array2;
///
/// let state = |shift: f32| vec![Array2::from_shape_fn((5, 5), |(i, k)| f32::from(i == k) + shift * k as f32)];
/// let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
/// let source: &dyn StateSource = &LanguageStates::new(languages, vec![3], vec![state(0.0), state(0.1)])?;
/// let report = align_source(source, &AlignParams::default(), &Monitor::silent())?;
/// let row = report.measured.metric("mexa").next().ok_or("no such row")?;
/// assert_eq!((row.value, row.layer, row.chance), (Some(1.0), Some(3), Some(1.0 / 9.0)));
/// assert!(row.shuffled.is_some_and(|null| null.p < 0.1 && null.mean < 0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn align_source(source: &dyn StateSource, params: &AlignParams, monitor: &Monitor) -> Result<AlignReport> {
    let languages = source.languages().len();
    if languages < 2 {
        return Err(Error::Input {
            measure: "align",
            why: format!("at least 2 languages are needed, got {languages}"),
        });
    }
    if source.layers().is_empty() {
        return Err(Error::Input { measure: "align", why: "the source has no layer".into() });
    }
    enough(source.sentences(), "every language")?;
    walk(source, &(0..=languages - 1), params, monitor)
}

#[cfg(test)]
mod tests;
