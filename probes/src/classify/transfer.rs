//! Is a property in the same place in two languages? A probe trained on one language is tested on another, on sentences that it has seen
//! in neither.
//!
//! Two forms: **raw**, where the states of the tested language are standardised as those of the trained one were, so that an offset between
//! the two languages is in the way; and **centred**, where they are standardised with the moments of their own training sentences, so that
//! only directions have to agree.

use rayon::prelude::*;

use super::{
    deal::Split,
    scale::{Moments, Place, Scaler},
    validate::{Bench, hits},
};
use crate::Result;

/// Hits of one pair.
pub(crate) struct Transfer {
    /// Places among the task's languages.
    pub(crate) trained: usize,
    pub(crate) tested: usize,
    /// Of each sentence.
    pub(crate) raw: Vec<bool>,
    pub(crate) centred: Vec<bool>,
}

/// Every pair of languages, the language with itself included: what a probe reaches at home.
///
/// # Errors
/// Cancelled; principal components that are not found.
pub(crate) fn transfer(bench: &Bench<'_>, folds: &[Split]) -> Result<Vec<Transfer>> {
    let languages = &bench.task.languages;
    let rows = (0..languages.len()).into_par_iter().map(|trained| {
        let mut found: Vec<Transfer> = (0..languages.len())
            .map(|tested| {
                let none = vec![false; bench.task.sentences];
                Transfer { trained, tested, raw: none.clone(), centred: none }
            })
            .collect();
        for split in folds {
            let of = |language: usize, sentences: &[usize]| -> Vec<Place> {
                sentences.iter().map(|i| (languages[language], *i)).collect()
            };
            let here = of(trained, &split.train);
            let scaler = Scaler::fit(bench.layer, &here, bench.params.components)?;
            let inputs = scaler.apply(bench.layer, &here);
            let probe = bench.choose(inputs.as_ref(), &bench.truth(&split.train), &split.inner)?.probe;
            let truth = bench.truth(&split.test);
            for pair in &mut found {
                let there = of(pair.tested, &split.test);
                let own = Moments::of(bench.layer, &of(pair.tested, &split.train));
                let raw = scaler.apply(bench.layer, &there);
                let centred = scaler.apply_with(&own, bench.layer, &there);
                let both = [raw, centred].map(|rows| hits(&probe.probabilities(rows.as_ref()), &truth));
                for (at, i) in split.test.iter().enumerate() {
                    (pair.raw[*i], pair.centred[*i]) = (both[0][at], both[1][at]);
                }
            }
        }
        Ok(found)
    });
    Ok(rows.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}
