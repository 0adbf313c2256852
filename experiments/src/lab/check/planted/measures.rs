//! The measures of likeness, each as its probe gives it.

use anyhow::{Context as _, Result};
use babelscope_core::monitor::Monitor;
use babelscope_probes::{
    align::{Centring, LanguageStates},
    measure::{Measured, Row},
    retrieval::{RetrievalParams, Similarity, retrieval},
    similarity::{Index, SimilarityParams, similarity},
};

use crate::lab::planted::Pair;

/// Draws of each null.
const SHUFFLES: usize = 50;

/// A measure of how much two languages share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Mean cosine of the true pairs.
    PairCosine,
    /// That minus the mean cosine of the wrong pairs.
    PairGap,
    /// That over the standard deviation of the wrong pairs.
    PairZ,
    /// MEXA of the states as they are.
    MexaRaw,
    /// Recall@1 of the states as they are, mean of both ways.
    Recall,
    /// MEXA by CSLS of the states as they are.
    MexaCsls,
    /// MEXA after the mean of its own language was subtracted.
    MexaCentred,
    /// Average neuron-wise correlation.
    Anc,
    /// Held-out recall after a rotation.
    Procrustes,
    /// Mutual 10 nearest neighbours.
    MutualKnn,
    /// Linear CKA, debiased.
    Cka,
    /// Linear CKA as it was first published.
    CkaBiased,
    /// Spearman correlation of cosines.
    Rsa,
    /// SVCCA, 99 % of the variance.
    Svcca,
}

impl Measure {
    /// Those that need shared axes, then those that see the shape alone.
    pub const ALL: [Self; 14] = [
        Self::PairCosine,
        Self::PairGap,
        Self::PairZ,
        Self::MexaRaw,
        Self::Recall,
        Self::MexaCsls,
        Self::MexaCentred,
        Self::Anc,
        Self::Procrustes,
        Self::MutualKnn,
        Self::Cka,
        Self::CkaBiased,
        Self::Rsa,
        Self::Svcca,
    ];

    /// As the tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PairCosine => "pair cosine",
            Self::PairGap => "pair cosine, gap",
            Self::PairZ => "pair cosine, z",
            Self::MexaRaw => "MEXA, raw",
            Self::Recall => "recall@1, raw",
            Self::MexaCsls => "MEXA, raw, CSLS",
            Self::MexaCentred => "MEXA, centred",
            Self::Anc => "ANC",
            Self::Procrustes => "Procrustes, recall",
            Self::MutualKnn => "mutual kNN",
            Self::Cka => "CKA, debiased",
            Self::CkaBiased => "CKA, biased",
            Self::Rsa => "RSA",
            Self::Svcca => "SVCCA",
        }
    }

    /// Metric and variant of its row.
    fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::PairCosine => ("pair_cosine", "raw"),
            Self::PairGap => ("pair_cosine_gap", "raw"),
            Self::PairZ => ("pair_cosine_z", "raw"),
            Self::MexaRaw => ("mexa", "raw/cosine"),
            Self::Recall => ("recall_from_pivot", "raw/cosine"),
            Self::MexaCsls => ("mexa", "raw/csls"),
            Self::MexaCentred => ("mexa", "language/cosine"),
            Self::Anc => ("anc", "language"),
            Self::Procrustes => ("procrustes_recall", "language"),
            Self::MutualKnn => ("mutual_knn", "raw"),
            Self::Cka => ("cka", "debiased"),
            Self::CkaBiased => ("cka", "biased"),
            Self::Rsa => ("rsa", "cosine"),
            Self::Svcca => ("svcca", "reduced"),
        }
    }

    /// The value of two equal sides; `None` where it depends on the states.
    pub(super) fn top(self) -> Option<f64> {
        match self {
            Self::PairGap | Self::PairZ => None,
            _ => Some(1.0),
        }
    }

    /// How far from chance is still chance: z counts in standard deviations, everything else runs to 1.
    pub(super) fn tolerance(self) -> f64 {
        if self == Self::PairZ { 0.5 } else { 0.1 }
    }
}

/// What a measure says of two sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) measure: Measure,
    pub(super) value: f64,
    /// 95 % quantile of shuffled sentences.
    pub(super) null: Option<f64>,
    /// What chance gives by formula; 0 where a measure promises nothing else.
    pub(super) chance: f64,
}

/// All measures of two sides, in the order of [`Measure::ALL`].
pub(super) fn measure((x, y): Pair, monitor: &Monitor) -> Result<Vec<Reading>> {
    let languages = [PIVOT, OTHER].map(str::to_owned).to_vec();
    let states = LanguageStates::new(languages, vec![0], vec![vec![x], vec![y]])?;
    let found = retrieval(
        &states,
        &RetrievalParams {
            centrings: vec![Centring::Raw, Centring::Language],
            similarities: vec![Similarity::Cosine, Similarity::Csls],
            ks: vec![1],
            bootstrap: 0,
            shuffles: SHUFFLES,
            ..RetrievalParams::default()
        },
        0,
        monitor,
    )?;
    let alike = similarity(
        &states,
        &SimilarityParams {
            indices: vec![Index::Cka, Index::Anc, Index::Rsa, Index::Procrustes, Index::MutualKnn, Index::Svcca],
            biased: true,
            bootstrap: 0,
            shuffles: SHUFFLES,
            ..SimilarityParams::default()
        },
        0,
        monitor,
    )?;
    let read = |measure: Measure| {
        let (metric, variant) = measure.row();
        let rows = [row(&found, metric, variant), row(&alike, metric, variant)];
        let row = rows.into_iter().flatten().next().with_context(|| format!("no row {metric} {variant}"))?;
        let value = row.value.with_context(|| format!("{metric} {variant}: {}", row.status))?;
        let null = row.shuffled.map(|fit| fit.q95);
        Ok(Reading { measure, value, null, chance: row.chance.unwrap_or(0.0) })
    };
    let mut readings = Measure::ALL.into_iter().map(read).collect::<Result<Vec<Reading>>>()?;
    let back = row(&found, "recall_to_pivot", "raw/cosine").and_then(|row| row.value);
    for reading in readings.iter_mut().filter(|reading| reading.measure == Measure::Recall) {
        reading.value = f64::midpoint(reading.value, back.context("no recall to the pivot")?);
    }
    Ok(readings)
}

/// The languages of planted states.
pub(super) const PIVOT: &str = "eng_Latn";
pub(super) const OTHER: &str = "deu_Latn";

fn row<'a>(found: &'a Measured, metric: &'a str, variant: &str) -> Option<&'a Row> {
    found.metric(metric).find(|row| row.variant == variant && row.layer.is_some())
}

/// Means over the seeds, measure by measure.
pub(super) fn mean(seeds: &[Vec<Reading>]) -> Vec<Reading> {
    let mean = |of: &dyn Fn(&[Reading]) -> f64| seeds.iter().map(|all| of(all)).sum::<f64>() / seeds.len() as f64;
    let first = seeds.first().map_or(&[][..], Vec::as_slice);
    let over = |(at, one): (usize, &Reading)| Reading {
        value: mean(&|all| all[at].value),
        null: one.null.map(|_| mean(&|all| all[at].null.unwrap_or(0.0))),
        ..*one
    };
    first.iter().enumerate().map(over).collect()
}
