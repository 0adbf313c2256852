//! Language structure: where the languages lie in the space of the states, how much of the variance that is, and what is left without it.
//!
//! At each layer, with the mean `m_k` of each of the K languages over n parallel sentences, their mean `g`, and the covariance `S_k` of the
//! sentences of language k:
//!
//! - **language subspace**: the span of the `m_k - g`, by [`language_subspace`] (LSAR, Lens); its singular values are the scree;
//! - **language variance** = `B / (B + W)` with `B = mean_k |m_k - g|^2` and `W = mean_k tr S_k`;
//! - **distance** of two languages = `|m_a - m_b| / sqrt(W)`; **offset ratio** = the same over the spread of the two alone;
//! - **denoised**: n sentences give a mean only up to noise, which adds `tr Cov / n` to a squared length. It is subtracted;
//! - **removal**: MEXA and recall (see [`crate::align`]) on states as they are, centred by language, and without the subspace.
//!
//! Decided here:
//! - The covariance of the noise is that of the *differences* between languages. Sentences are parallel: what all translations of a
//!   sentence share moves all means alike. With independent sentences it is `tr S / n` as in methods.md 4.1.
//! - A denoised share may fall a little below 0, as an unbiased estimate of 0 must.
//! - Principal axes have no sign and may change places between layers, so the first coordinates of each layer are turned onto those of the
//!   layer before (orthogonal Procrustes). Distances stay; from the second layer on a coordinate is not a principal axis by itself.
//! - No shuffled null: sentences that are shuffled within a language leave its mean where it is. Chance is given by formula.

mod effect;
mod order;
mod rows;
mod span;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use babelscope_core::monitor::{Monitor, Tick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use order::leaf_order;
pub(crate) use span::of_states;
pub use span::{Subspace, language_subspace, principal_angles};

use crate::{
    Error, Result,
    bootstrap::Draws,
    measure::Measured,
    source::{StateSource, pivots},
};
use rows::Place;
use spread::{Drawn, Spread, TILE};

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StructureParams {
    /// Languages whose offsets and alignment the others are measured against; empty: every language.
    pub pivots: Vec<String>,
    /// Dimensions of the language subspace; 0: all that the means span, one less than there are languages.
    pub rank: usize,
    /// How many coordinates of each language are reported, at least 1.
    pub components: usize,
    /// Bootstrap draws for the intervals; 0 switches them off, otherwise at least 100.
    pub bootstrap: usize,
    /// Whether alignment is measured before and after the removal of the subspace.
    pub effect: bool,
}

impl Default for StructureParams {
    fn default() -> Self {
        Self { pivots: vec!["eng_Latn".to_owned()], rank: 0, components: 3, bootstrap: 1000, effect: true }
    }
}

impl StructureParams {
    /// Why these make no sense, as a sentence.
    ///
    /// ```
    /// use babelscope_probes::subspace::StructureParams;
    /// assert_eq!(StructureParams::default().problem(), None);
    /// assert!(StructureParams { components: 0, ..StructureParams::default() }.problem().is_some());
    /// ```
    pub fn problem(&self) -> Option<String> {
        if self.components == 0 {
            return Some("`components` is 0, so no coordinate would be reported; use 2 or 3".to_owned());
        }
        if (1..100).contains(&self.bootstrap) {
            let draws = self.bootstrap;
            return Some(format!(
                "`bootstrap` is {draws}, too few for a 2.5 % percentile; use 1000, at least 100, or 0 for none"
            ));
        }
        let twice = self.pivots.iter().enumerate().find(|(at, p)| self.pivots[..*at].contains(p));
        twice.map(|(_, pivot)| format!("pivot {pivot} is named twice"))
    }
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "structure", why })
}

/// Measures the language structure of every layer.
///
/// Rows, by metric: `language_variance` (variant `raw`, `denoised`), `singular_value` and `variance_explained` (item: number of the
/// component), `language_coordinate` (language, item), `language_distance` (language, pivot: each pair once, the pivot is the earlier in
/// the order of the source; variant), `cluster_order` (language: place in [`leaf_order`], from 1), `offset_ratio` (language, pivot),
/// `principal_angle` (layer, pivot_layer: the next one measured; item; degrees), and with `effect` `mexa`, `recall_from_pivot`,
/// `recall_to_pivot` (language, pivot; variant `raw`, `language`, `subspace`) and `removal_gain`, MEXA of `subspace` minus `raw`.
///
/// # Errors
/// Parameters that make no sense; an unknown pivot; fewer than 2 languages or 4 sentences; states of uneven shape or not finite;
/// [`babelscope_core::Error::Cancelled`].
///
/// ```
/// use babelscope_core::monitor::Monitor;
/// use babelscope_probes::{align::LanguageStates, subspace::{StructureParams, structure}};
/// use ndarray::array;
///
/// // German is English, moved by 9 along the third axis.
/// let english = array![[1f32, 0., 0.], [3., 1., 0.], [-1., 0., 0.], [-3., -1., 0.]];
/// let german = &english + &array![0f32, 0., 9.];
/// let languages = vec!["eng_Latn".into(), "deu_Latn".into()];
/// let states = LanguageStates::new(languages, vec![5], vec![vec![english], vec![german]])?;
/// let found = structure(&states, &StructureParams::default(), 0, &Monitor::silent())?;
/// // Between: 4.5^2 = 20.25; within: 22 / 3; the difference has no noise.
/// let share = found.value("language_variance", "", "", Some(5), "denoised").ok_or("no value")?;
/// assert!((share - 20.25 / (20.25 + 22.0 / 3.0)).abs() < 1e-9);
/// let mexa = |variant| found.value("mexa", "deu_Latn", "eng_Latn", Some(5), variant);
/// assert_eq!((mexa("raw"), mexa("subspace")), (Some(0.5), Some(1.0)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn structure(source: &dyn StateSource, params: &StructureParams, seed: u64, monitor: &Monitor) -> Result<Measured> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let (k, n) = (source.languages().len(), source.sentences());
    if k < 2 {
        return refuse(format!("at least 2 languages are needed, got {k}: one alone differs from nothing"));
    }
    if n < 4 {
        return refuse(format!(
            "at least 4 sentences are needed, got {n}: fewer say nothing of a mean; take 100 or more"
        ));
    }
    let pivots = pivots(source, &params.pivots, "structure")?;
    let draws = Draws::new(n, params.bootstrap, seed)?;
    let check = || monitor.check().map_err(Error::from);
    let mut measured = Measured::default();
    let mut still: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut before: Option<(Place, Subspace, ndarray::Array2<f64>)> = None;
    let total = source.layers().len();
    for (place, &layer) in source.layers().iter().enumerate() {
        monitor.tick(Tick { what: "measuring structure", done: place, total, unit: "layers" })?;
        let at = Place { place, layer };
        let spread = Spread::new(source, place, &check)?;
        (0..k).filter(|l| !spread.counts(spread.cross[[*l, *l]])).for_each(|l| still.entry(l).or_default().push(layer));
        let subspace = of_states(spread.means.view(), params.rank, spread.size())?;
        let rows = &mut measured.rows;
        let turned = before.as_ref().map(|(_, _, coordinates)| coordinates);
        let (found, coordinates) = rows::components(source, &subspace, turned, params.components, layer)?;
        rows.extend(found);
        rows.extend(rows::distances(source, &spread, layer));
        for (at, some) in pivots.chunks(TILE).enumerate() {
            let drawn = Drawn::new(source, place, &spread.centre(), some, &draws, &check)?;
            if at == 0 {
                rows.extend(rows::variance(&spread, &drawn, layer));
            }
            rows.extend(rows::offsets(source, &spread, &drawn, some, layer));
        }
        if let Some((last, there, _)) = &before {
            rows.extend(rows::angles(there, &subspace, (last.layer, layer), n)?);
        }
        if params.effect {
            rows.extend(effect::effect(source, at, &pivots, params, &draws, &check)?);
        }
        before = Some((at, subspace, coordinates));
    }
    monitor.tick(Tick { what: "measuring structure", done: total, total, unit: "layers" })?;
    for (language, layers) in still {
        let shown: Vec<String> = layers.iter().take(4).map(ToString::to_string).collect();
        let more = if layers.len() > 4 { format!(" and {} more", layers.len() - 4) } else { String::new() };
        measured.notes.push(format!(
            "{}: every sentence has the same state at layer {}{more}, so it has no spread there",
            source.languages()[language],
            shown.join(", "),
        ));
    }
    Ok(measured)
}
