//! Which pairs are reported, and which of them are computed: S of (X, P) is S of (P, X) transposed, so each pair once.

use std::{collections::HashMap, ops::RangeInclusive};

use super::AlignParams;
use crate::{
    Error, Result,
    source::{self, StateSource},
};

/// A pair that is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) pivot: usize,
    pub(super) language: usize,
}

/// A pair that is reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    pub(super) pivot: usize,
    pub(super) language: usize,
    /// Place among the pairs that are computed.
    pub(super) at: usize,
    /// Whether the two are exchanged there.
    pub(super) mirrored: bool,
}

pub(super) struct Pairs {
    pub(super) computed: Vec<Pair>,
    pub(super) reported: Vec<Reported>,
    /// Whether a language is a pivot, so that its states are held for a whole layer. `[languages]`.
    pub(super) held: Vec<bool>,
}

impl Pairs {
    pub(super) fn new(
        source: &dyn StateSource,
        languages: &RangeInclusive<usize>,
        params: &AlignParams,
    ) -> Result<Self> {
        if let Some(why) = params.problem() {
            return Err(Error::Input { measure: "align", why });
        }
        let pivots = source::pivots(source, &params.pivots, "align")?;
        let mut pairs =
            Self { computed: Vec::new(), reported: Vec::new(), held: vec![false; source.languages().len()] };
        let mut places: HashMap<(usize, usize), usize> = HashMap::new();
        for pivot in pivots {
            pairs.held[pivot] = true;
            for language in languages.clone().filter(|&l| params.with_self || l != pivot) {
                let swapped = places.get(&(language, pivot)).copied().filter(|_| language != pivot);
                let at = swapped.unwrap_or_else(|| {
                    pairs.computed.push(Pair { pivot, language });
                    places.insert((pivot, language), pairs.computed.len() - 1);
                    pairs.computed.len() - 1
                });
                pairs.reported.push(Reported { pivot, language, at, mirrored: swapped.is_some() });
            }
        }
        Ok(pairs)
    }
}
