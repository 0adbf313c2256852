//! What the removal of language does to alignment.

use rayon::prelude::*;

use super::{StructureParams, rows::Place};
use crate::{
    Result,
    align::{Centring, Outcome, pair_outcomes},
    bootstrap::Draws,
    correct::{Corrector, Options},
    measure::{Estimate, Row},
    source::StateSource,
};

/// Before, after the simpler correction, and after the removal of the subspace.
const VARIANTS: [Centring; 3] = [Centring::Raw, Centring::Language, Centring::Subspace];

/// MEXA and recall of every language against every pivot at one layer, and what is gained by the removal.
pub(super) fn effect(
    source: &dyn StateSource,
    at: Place,
    pivots: &[usize],
    params: &StructureParams,
    draws: &Draws,
    check: &(dyn Fn() -> Result<()> + Sync),
) -> Result<Vec<Row>> {
    let options = Options { rank: params.rank, ..Options::default() };
    let fitted: Vec<Corrector> =
        VARIANTS.iter().map(|c| Corrector::fit(source, at.place, *c, &options)).collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for &pivot in pivots {
        let raw = source.state(pivot, at.place)?;
        let mine: Vec<_> = fitted.iter().map(|c| c.apply(pivot, raw.view())).collect();
        let found = (0..source.languages().len()).into_par_iter().filter(|l| *l != pivot).map(|language| {
            let raw = source.state(language, at.place)?;
            let mut outcomes = Vec::with_capacity(VARIANTS.len());
            for (corrector, pivot) in fitted.iter().zip(&mine) {
                check()?;
                outcomes.push(pair_outcomes(
                    pivot.view(),
                    corrector.apply(language, raw.view()).view(),
                    Centring::Raw,
                )?);
            }
            Ok((language, outcomes))
        });
        for (language, outcomes) in found.collect::<Result<Vec<_>>>()? {
            let names = (source.languages()[language].as_str(), source.languages()[pivot].as_str());
            rows.extend(of_pair(&outcomes, names, at.layer, draws));
        }
    }
    Ok(rows)
}

/// The rows of one pair of languages, from the outcomes of each variant.
fn of_pair(outcomes: &[Vec<Outcome>], (language, pivot): (&str, &str), layer: usize, draws: &Draws) -> Vec<Row> {
    let n = outcomes.first().map_or(0, Vec::len);
    let row = |metric, found: Estimate, centring: Centring| {
        let row = Row::new(metric, found.value, n).within(found.low, found.high);
        row.of(language).against(pivot).at(layer).variant(centring.name())
    };
    let (mexa, recall) = (1.0 / (2 * n - 1) as f64, 1.0 / n as f64);
    let mut rows = Vec::new();
    for (of, centring) in outcomes.iter().zip(VARIANTS) {
        let share = |hit: fn(&Outcome) -> bool| draws.share(of.iter().map(hit));
        rows.push(row("mexa", share(Outcome::hit), centring).chance(mexa));
        rows.push(row("recall_from_pivot", share(Outcome::found_from_pivot), centring).chance(recall));
        rows.push(row("recall_to_pivot", share(Outcome::found_to_pivot), centring).chance(recall));
    }
    if let [raw, .., removed] = outcomes {
        let hit = |o: &Outcome| f64::from(u8::from(o.hit()));
        let gains: Vec<f64> = raw.iter().zip(removed).map(|(r, s)| hit(s) - hit(r)).collect();
        rows.push(row("removal_gain", draws.mean(&gains), Centring::Subspace).chance(0.0));
    }
    rows
}
