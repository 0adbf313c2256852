//! Which pairs are reported, and which of them are computed: each unordered pair once.

use super::{algebra::refuse, params::SimilarityParams};
use crate::{
    Result,
    source::{StateSource, pivots},
};

pub(super) struct Pairs {
    /// `(first, second)`: the first is a pivot.
    pub(super) unordered: Vec<(usize, usize)>,
    /// `(pivot, language, place in unordered, whether the two are swapped there)`.
    pub(super) ordered: Vec<(usize, usize, usize, bool)>,
}

impl Pairs {
    /// # Errors
    /// A pivot that is not there; a single language.
    pub(super) fn new(source: &dyn StateSource, params: &SimilarityParams) -> Result<Self> {
        let languages = source.languages().len();
        if languages < 2 {
            return refuse("similarity", format!("at least 2 languages are needed, got {languages}"));
        }
        let mut pairs = Self { unordered: Vec::new(), ordered: Vec::new() };
        for pivot in pivots(source, &params.pivots, "similarity")? {
            for language in (0..languages).filter(|l| *l != pivot) {
                let swapped = pairs.unordered.iter().position(|p| *p == (language, pivot));
                let place = swapped.unwrap_or_else(|| {
                    pairs.unordered.push((pivot, language));
                    pairs.unordered.len() - 1
                });
                pairs.ordered.push((pivot, language, place, swapped.is_some()));
            }
        }
        Ok(pairs)
    }

    /// The places of the pairs of each first language, so that it is prepared once.
    pub(super) fn groups(&self) -> Vec<(usize, Vec<usize>)> {
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        for (place, (first, _)) in self.unordered.iter().enumerate() {
            match groups.last_mut() {
                Some((of, places)) if of == first => places.push(place),
                _ => groups.push((*first, vec![place])),
            }
        }
        groups
    }
}
