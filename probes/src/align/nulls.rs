//! The shuffles of an analysis: one set for everything, and one for each pair among sentences of like length and shared tokens.

use std::sync::OnceLock;

use super::{AlignParams, pairs::Pair};
use crate::{
    Error, Result,
    null::{Permutations, strata},
    source::StateSource,
};

/// The shuffles of so many numbers are kept from layer to layer; of more pairs they are drawn again at each.
const KEPT: usize = 64 << 20;

/// Matched shuffles that leave more than this share of the sentences in place are named.
const FIXED: f64 = 0.2;

pub(super) struct Nulls<'a> {
    source: &'a dyn StateSource,
    seed: u64,
    shuffled: Permutations,
    matched: bool,
    /// Of each pair.
    kept: Vec<OnceLock<Permutations>>,
}

impl<'a> Nulls<'a> {
    pub(super) fn new(source: &'a dyn StateSource, params: &AlignParams, pairs: &[Pair]) -> Result<Self> {
        let n = source.sentences();
        for (language, name) in source.languages().iter().enumerate() {
            if let Some(found) = source.tokens(language).map(<[_]>::len).filter(|found| *found != n) {
                let why = format!("{name} has the tokens of {found} sentences, expected those of {n}");
                return Err(Error::Input { measure: "align", why });
            }
        }
        let small = pairs.len().saturating_mul(params.shuffles * n) <= KEPT;
        Ok(Self {
            source,
            seed: params.seed,
            shuffled: Permutations::new(n, params.shuffles, params.seed)?,
            matched: params.matched && params.shuffles > 0,
            kept: if small { pairs.iter().map(|_| OnceLock::new()).collect() } else { Vec::new() },
        })
    }

    pub(super) fn shuffled(&self) -> &Permutations {
        &self.shuffled
    }

    /// Does something with the matched shuffles of a pair; `None` where they are not asked for or the tokens are not known.
    ///
    /// # Errors
    /// Too few draws, which [`Nulls::new`] has refused before.
    pub(super) fn matched<R>(&self, at: usize, pair: Pair, with: impl FnOnce(&Permutations) -> R) -> Result<Option<R>> {
        if !self.matched {
            return Ok(None);
        }
        let (Some(pivot), Some(language)) = (self.source.tokens(pair.pivot), self.source.tokens(pair.language)) else {
            return Ok(None);
        };
        if let Some(kept) = self.kept.get(at).and_then(OnceLock::get) {
            return Ok(Some(with(kept)));
        }
        let drawn = Permutations::within(&strata(pivot, language), self.shuffled.draws(), self.seed)?;
        Ok(Some(match self.kept.get(at) {
            Some(place) => with(place.get_or_init(|| drawn)),
            None => with(&drawn),
        }))
    }

    /// What a person should know of the matched shuffles: those that move few sentences can say little.
    pub(super) fn note(&self, pairs: &[Pair]) -> Option<String> {
        let fixed = self.kept.iter().zip(pairs).filter_map(|(kept, pair)| Some((kept.get()?.fixed(), pair)));
        let (most, pair) = fixed.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(most, _)| *most > FIXED)?;
        let names = self.source.languages();
        Some(format!(
            "the shuffles within like lengths and counts of shared tokens leave {:.0} % of the sentences of {} and {} in place (no pair \
             has more), so the matched null says little there",
            100.0 * most,
            names[pair.language],
            names[pair.pivot],
        ))
    }
}
