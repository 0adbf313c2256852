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
    /// Whether it is computed from the side of the language. Shuffles move one side, so the side must not depend on which pivots an
    /// analysis has: the first by name stays in place.
    pub(super) exchanged: bool,
}

/// A pair that is reported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reported {
    pub(super) pivot: usize,
    pub(super) language: usize,
    /// Place among the pairs that are computed.
    pub(super) at: usize,
    /// Whether it is seen from the other side there.
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
        let names = source.languages();
        let mut pairs =
            Self { computed: Vec::new(), reported: Vec::new(), held: vec![false; source.languages().len()] };
        let mut places: HashMap<(usize, usize), usize> = HashMap::new();
        for pivot in pivots {
            pairs.held[pivot] = true;
            for language in languages.clone().filter(|&l| params.with_self || l != pivot) {
                let swapped = places.get(&(language, pivot)).copied().filter(|_| language != pivot);
                let at = swapped.unwrap_or_else(|| {
                    let exchanged = names[language] < names[pivot];
                    pairs.computed.push(Pair { pivot, language, exchanged });
                    places.insert((pivot, language), pairs.computed.len() - 1);
                    pairs.computed.len() - 1
                });
                let mirrored = swapped.is_some() != pairs.computed[at].exchanged;
                pairs.reported.push(Reported { pivot, language, at, mirrored });
            }
        }
        Ok(pairs)
    }
}
