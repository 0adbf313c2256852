//! Attribution patching: what patching every site would do, to first order, from one forward and one backward pass.
//!
//! With the logit difference `m = mean logits(plus) - mean logits(minus)` behind the last token, the values `a` of a site at a position, and the
//! gradient taken at the corrupt run:
//!
//! - **attribution** `(a_clean - a_corrupt) dm/da / (m_clean - m_corrupt)`, the dot product over the columns of the site, at `z` over those
//!   of one head;
//! - **attribution_true** `(m_patched - m_corrupt) / (m_clean - m_corrupt)`, where the corrupt run's values at the place are replaced by the
//!   clean run's: 0 changes nothing, 1 restores the clean answer. Computed for a random sample of places;
//! - **attribution_correlation** Pearson's and Spearman's of the two over the sample: how far the first may be believed here.
//!
//! Nanda 2023, *Attribution patching*; Syed, Rager and Conmy 2023 (arXiv 2310.10348); methods.md 6.3. First order is wrong where the
//! network bends between the two values: at large states (early `resid_post`), behind norms, and where a softmax is saturated.

mod params;
mod runs;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use babelscope_core::{
    engine::Engine,
    gradient::{Contrast, Objective},
    monitor::{Monitor, Tick},
    tokens::Encoded,
};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

pub use params::{AttributionParams, AttributionPoint};

use crate::{
    Error, Result,
    measure::{Measured, Row},
    relate::{pearson, spearman},
};
use runs::{Place, Runs, flat, patched, places, range, run};

/// Two prompts that differ in what is asked about, and the answers that tell them apart.
#[derive(Clone, Copy, Debug)]
pub struct AttributionPair<'a> {
    /// The prompt whose values are given, and its language (for the rows; may be empty).
    pub clean: (&'a Encoded, &'a str),
    /// The prompt that is changed, of as many tokens, and its language.
    pub corrupt: (&'a Encoded, &'a str),
    /// Token ids of the clean prompt's answer.
    pub plus: &'a [u32],
    /// Token ids of the corrupt prompt's answer; may be empty.
    pub minus: &'a [u32],
}

/// Below this the two runs give the same answer, and effects in shares of their difference mean nothing. Logits.
const SAME: f64 = 1e-4;
/// Below this a note is due. Logits.
const SMALL: f64 = 0.5;
/// Attributions of every place, and the truth of a sample of them.
///
/// Rows: metrics `attribution`, `attribution_true` (layer; item = position, or `h3@5` for head 3 at position 5; variant = site;
/// language = that of the corrupt prompt, pivot = that of the clean one) and `attribution_correlation` (items `pearson` and `spearman`;
/// variant = site, or `all`; n = places). `engine` runs, `differentiable` is the same model on candle and may be the same engine.
///
/// # Errors
/// Prompts of unequal length; prompts that differ and whose logit differences do not; tokens, layers or positions that are not there; two
/// engines of different weights; what the engine refuses, among it encoders.
pub fn attribution(
    engine: &Engine,
    differentiable: &Engine,
    pair: &AttributionPair<'_>,
    params: &AttributionParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Measured> {
    check(engine, differentiable, pair, params)?;
    let (clean, corrupt) = (pair.clean.0, pair.corrupt.0);
    let (sites, places) = places(engine, corrupt.ids.len(), params);
    let tick = |done| Tick { what: "attribution patching", done, total: 3, unit: "steps" };
    let quiet = monitor.quiet();
    monitor.tick(tick(0))?;
    let runs = run(engine, pair, &sites, &quiet)?;
    let apart = runs.m_clean - runs.m_corrupt;
    let equal = clean.ids == corrupt.ids;
    if apart.abs() < SAME && !equal {
        return refuse(format!(
            "the clean prompt has a logit difference of {}, the corrupt one of {}: nothing could be restored. Choose answers that tell \
             the prompts apart",
            runs.m_clean, runs.m_corrupt
        ));
    }
    monitor.tick(tick(1))?;
    let position = corrupt.ids.len() - 1;
    let contrast = Contrast { plus: pair.plus.to_vec(), minus: pair.minus.to_vec(), position };
    let objective = Objective::LogitDifference(vec![contrast]);
    let found = differentiable.gradients(std::slice::from_ref(corrupt), &sites, &[], &objective, &quiet)?;
    let slopes = found.of_site.iter().flatten().map(flat).collect::<Result<Vec<_>>>()?;
    // Equal prompts have no effects at all, whatever they are divided by.
    let unit = if equal { 1.0 } else { apart };
    let first_order = |place: &Place| -> f64 {
        let at = range(place, &runs.corrupt[place.site], corrupt.ids.len());
        let (clean, corrupt) = (&runs.clean[place.site][at.clone()], &runs.corrupt[place.site][at.clone()]);
        let pairs = clean.iter().zip(corrupt).zip(&slopes[place.site][at]);
        pairs.map(|((a, b), slope)| (f64::from(*a) - f64::from(*b)) * f64::from(*slope)).sum::<f64>() / unit
    };
    let attributions: Vec<f64> = places.iter().map(first_order).collect();
    monitor.tick(tick(2))?;
    let mut sample: Vec<usize> = (0..places.len()).collect();
    sample.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    sample.truncate(params.sample);
    sample.sort_unstable();
    let effects = patched(engine, pair, &sites, &places, &sample, &runs, &quiet)?;
    let effects: Vec<f64> = effects.into_iter().map(|m| (m - runs.m_corrupt) / unit).collect();
    let label = |row: Row, place: &Place| {
        let row = row.at(place.layer).variant(place.point.name()).item(place.item());
        row.of(pair.corrupt.1).against(pair.clean.1)
    };
    let mut rows: Vec<Row> = (places.iter().zip(&attributions))
        .map(|(place, value)| label(Row::new("attribution", *value, 1), place))
        .collect();
    rows.extend(
        sample.iter().zip(&effects).map(|(at, effect)| label(Row::new("attribution_true", *effect, 1), &places[*at])),
    );
    rows.extend(
        correlations(params, &places, &sample, &attributions, &effects)
            .into_iter()
            .map(|row| row.of(pair.corrupt.1).against(pair.clean.1)),
    );
    monitor.tick(tick(3))?;
    Ok(Measured { rows, notes: notes(&runs, equal, places.len(), sample.len()) })
}

fn notes(runs: &Runs, equal: bool, places: usize, sample: usize) -> Vec<String> {
    let Runs { m_clean, m_corrupt, .. } = runs;
    let mut notes = vec![format!(
        "Logit difference {m_clean:.3} of the clean prompt, {m_corrupt:.3} of the corrupt one; {sample} of {places} places were patched in \
         truth."
    )];
    if equal {
        notes.push("The two prompts are the same, so nothing has an effect; values are in logits.".to_owned());
    } else if (m_clean - m_corrupt).abs() < SMALL {
        notes.push(format!(
            "The two prompts are only {:.3} logits apart, so shares of that are large and unsure.",
            (m_clean - m_corrupt).abs()
        ));
    }
    notes
}

fn correlations(
    params: &AttributionParams,
    places: &[Place],
    sample: &[usize],
    attributions: &[f64],
    effects: &[f64],
) -> Vec<Row> {
    let arms = std::iter::once(None).chain(params.points.iter().copied().map(Some));
    arms.flat_map(|arm| {
        let own = sample.iter().zip(effects).filter(|(at, _)| arm.is_none_or(|point| places[**at].point == point));
        let (x, y): (Vec<f64>, Vec<f64>) = own.map(|(at, effect)| (attributions[*at], *effect)).unzip();
        let variant = arm.map_or("all", AttributionPoint::name);
        [("pearson", pearson(&x, &y)), ("spearman", spearman(&x, &y))].map(|(item, value)| {
            let row = match value.filter(|_| x.len() > 2) {
                Some(value) => Row::new("attribution_correlation", value, x.len()),
                None if x.len() < 3 => {
                    Row::missing("attribution_correlation", "fewer than 3 places of this kind were patched", x.len())
                }
                None => Row::missing(
                    "attribution_correlation",
                    "all attributions or all true effects of the sample are equal, so nothing can be correlated",
                    x.len(),
                ),
            };
            row.variant(variant).item(item)
        })
    })
    .collect()
}

fn check(engine: &Engine, twin: &Engine, pair: &AttributionPair<'_>, params: &AttributionParams) -> Result<()> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let info = engine.info();
    if info.weights_sha256 != twin.info().weights_sha256 {
        return refuse(format!(
            "{} and {}, which the gradients are asked of, have different weights",
            info.reference,
            twin.info().reference
        ));
    }
    let (clean, corrupt) = (pair.clean.0.ids.len(), pair.corrupt.0.ids.len());
    if clean != corrupt {
        return refuse(format!(
            "the clean prompt has {clean} tokens, the corrupt one {corrupt}; patching goes position by position, so give prompts of \
             equally many tokens"
        ));
    }
    if corrupt == 0 {
        return refuse("the prompts have no tokens".to_owned());
    }
    if let Some(layer) = params.layers.iter().find(|layer| **layer > info.layers) {
        return refuse(format!("layer {layer} is asked for, the model has layers 0 (embeddings) to {}", info.layers));
    }
    if let Some(position) = params.positions.iter().find(|position| **position >= corrupt) {
        return refuse(format!("position {position} is asked for, the prompts have positions 0 to {}", corrupt - 1));
    }
    if pair.plus.is_empty() {
        return refuse("no token stands for the clean answer; name at least one in `plus`".to_owned());
    }
    let all: BTreeSet<u32> = pair.plus.iter().chain(pair.minus).copied().collect();
    if let Some(id) = all.iter().find(|id| **id as usize >= info.vocabulary) {
        return refuse(format!("token id {id} is named, the model's logits end at {}", info.vocabulary - 1));
    }
    if let Some(id) = pair.plus.iter().find(|id| pair.minus.contains(id)) {
        return refuse(format!("token id {id} stands for both answers"));
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "attribution", why })
}
