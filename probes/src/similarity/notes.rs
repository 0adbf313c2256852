//! What a person should know before believing the numbers.

use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use ndarray::ArrayView2;

use super::{
    params::{Index, SimilarityParams},
    task::Prepared,
};
use crate::source::StateSource;

/// A side at a layer: what every task made of it, or why it could not.
pub(super) struct Side {
    pub(super) prepared: Vec<Result<Prepared, String>>,
    state: u64,
    width: usize,
}

/// What two sides at a layer have that a note may tell.
pub(super) struct Facts {
    identical: bool,
    /// The most directions that CCA kept on a side.
    kept: usize,
    width: usize,
}

impl Side {
    pub(super) fn new(prepared: Vec<Result<Prepared, String>>, state: ArrayView2<'_, f32>) -> Self {
        let mut hash = DefaultHasher::new();
        state.iter().for_each(|v| v.to_bits().hash(&mut hash));
        Self { prepared, state: hash.finish(), width: state.ncols() }
    }

    pub(super) fn facts(&self, pivot: &Self) -> Facts {
        let kept = self.prepared.iter().chain(&pivot.prepared).flatten().filter_map(Prepared::kept).max();
        Facts { identical: self.state == pivot.state, kept: kept.unwrap_or(0), width: self.width }
    }
}

/// How many sentences have the same tokens as an earlier one.
fn copies(sentences: &[Vec<u32>]) -> usize {
    let mut seen = BTreeSet::new();
    sentences.iter().filter(|tokens| !seen.insert(*tokens)).count()
}

/// Notes in the making.
pub(super) struct Notes {
    n: usize,
    /// Of the run, whatever its numbers.
    first: Vec<String>,
    /// `(languages, layers)` with the same states.
    identical: Vec<(String, Vec<usize>)>,
    /// Pairs whose matched draws mostly stay where they are, each once, with the share that stays.
    fixed: Vec<(String, f64)>,
    kept: usize,
    width: usize,
    procrustes: bool,
}

impl Notes {
    pub(super) fn new(source: &dyn StateSource, params: &SimilarityParams) -> Self {
        let mut first = Vec::new();
        let known = (0..source.languages().len()).all(|language| source.tokens(language).is_some());
        if params.matched && params.shuffles > 0 && !known {
            first.push("no matched null: the tokens of the sentences are not known, so like length and shared tokens are not either".to_owned());
        }
        if params.biased {
            let why = "biased CKA goes to 1 for any states that are wider than there are sentences: compare it with its own null alone";
            first.push(why.to_owned());
        }
        for (at, language) in source.languages().iter().enumerate() {
            let copies = source.tokens(at).map_or(0, copies);
            if copies > 0 {
                first.push(format!(
                    "{language}: {copies} sentences are copies of another one; copies are alike on both sides whatever the model does, and one in a \
                     hundred can raise debiased CKA from .25 to .38: take them out"
                ));
            }
        }
        let procrustes = params.indices.contains(&Index::Procrustes);
        let (identical, fixed) = (Vec::new(), Vec::new());
        Self { n: source.sentences(), first, identical, fixed, kept: 0, width: 0, procrustes }
    }

    /// `fixed`: the share of sentences that matched draws leave in place.
    pub(super) fn read(&mut self, pair: &str, layer: usize, facts: &Facts, fixed: Option<f64>) {
        if facts.identical {
            match self.identical.iter_mut().find(|(of, _)| of == pair) {
                Some((_, layers)) => layers.push(layer),
                None => self.identical.push((pair.to_owned(), vec![layer])),
            }
        }
        if let Some(fixed) = fixed.filter(|f| *f > 0.5 && self.fixed.iter().all(|(of, _)| of != pair)) {
            self.fixed.push((pair.to_owned(), fixed));
        }
        self.kept = self.kept.max(facts.kept);
        self.width = self.width.max(facts.width);
    }

    pub(super) fn sentences(self) -> Vec<String> {
        let Self { n, mut first, identical, fixed, kept, width, procrustes } = self;
        if kept > 0 && n < 10 * kept {
            let certain = (2 * kept).saturating_sub(n - 1);
            first.push(format!(
                "canonical correlations of up to {kept} directions on {n} sentences are high by themselves ({certain} of them are 1 whatever \
                 the sentences say): take {} sentences or more, or read them against their null",
                10 * kept
            ));
        }
        let fitted = n.div_ceil(2);
        if procrustes && fitted <= width {
            first.push(format!(
                "the rotation of Procrustes is fitted on {fitted} sentences in {width} dimensions: it holds for what they span, and the distance \
                 in sample is near 0 for any states"
            ));
        }
        for (pair, layers) in identical {
            first.push(format!("{pair}: identical inputs, the states are the same at layers {layers:?}"));
        }
        for (pair, share) in fixed {
            let percent = (100.0 * share).round();
            first.push(format!(
                "{pair}: matched draws leave {percent} % of the sentences in place, so their null says little"
            ));
        }
        first
    }
}
