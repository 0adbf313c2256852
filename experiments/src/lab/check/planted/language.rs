//! Measures of language itself: how much of the variance it is, whether a linear probe reads it, and which neurons are its own.

use anyhow::{Context as _, Result};
use babelscope_core::monitor::Monitor;
use babelscope_probes::{
    align::LanguageStates,
    classify::{ClassifyParams, classify},
    neurons::{Rule, lape},
    subspace::{StructureParams, structure},
};
use rayon::prelude::*;

use super::{
    Case, SEEDS, Verdict,
    measures::{OTHER, PIVOT},
};
use crate::lab::planted::Planter;

/// One number on one case, and what it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// What was measured.
    pub measure: &'static str,
    /// What was planted.
    pub case: &'static str,
    /// What it should be.
    pub truth: f64,
    /// What it is, a mean of five seeds.
    pub value: f64,
    /// Whether they agree.
    pub verdict: Verdict,
}

/// Share of the variance and accuracy: how far from the truth is still right.
const TOLERANCE: f64 = 0.1;

pub(super) fn findings(monitor: &Monitor) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    // Between: the two constants are 10 (a - b) / 2 from their mean, 50 a coordinate; within: meaning and noise, 2 a coordinate.
    for (case, share, accuracy) in [
        (Case::Duplicate, 0.0, 0.5),
        (Case::Noise, 0.0, 0.5),
        (Case::Offset, 50.0 / 52.0, 1.0),
        (Case::Rotation, 0.0, 0.5),
    ] {
        let seeds = (0..SEEDS).into_par_iter().map(|seed| of_states(case, seed, monitor));
        let seeds = seeds.collect::<Result<Vec<_>>>()?;
        let mean = |of: fn(&(f64, f64)) -> f64| seeds.iter().map(of).sum::<f64>() / seeds.len() as f64;
        let finding = |measure, truth: f64, value: f64| {
            let right = (value - truth).abs() <= TOLERANCE;
            let verdict = if right { Verdict::Right } else { Verdict::Fooled("is not what was planted") };
            Finding { measure, case: case.name(), truth, value, verdict }
        };
        findings.push(finding("share of language in the variance", share, mean(|both| both.0)));
        findings.push(finding("accuracy of a linear probe for language", accuracy, mean(|both| both.1)));
    }
    for (case, rate) in RATES {
        let found = recall(rate)?;
        // The same tolerance as above: nine of ten neurons.
        let right = found >= 1.0 - TOLERANCE;
        let verdict = if right { Verdict::Right } else { Verdict::Fooled("sees only what is active above its bar") };
        findings.push(Finding {
            measure: "LAPE, recall of 200 planted neurons",
            case,
            truth: 1.0,
            value: found,
            verdict,
        });
    }
    let chosen = chosen_of_none()?;
    let verdict = if chosen == 0.0 { Verdict::Right } else { Verdict::Fooled("the number chosen is a setting") };
    let (measure, case) = ("LAPE, neurons chosen of 5000", "none planted");
    findings.push(Finding { measure, case, truth: 0.0, value: chosen, verdict });
    Ok(findings)
}

/// Denoised share of the variance that is language, and held-out accuracy of the language probe.
fn of_states(case: Case, seed: u64, monitor: &Monitor) -> Result<(f64, f64)> {
    let (x, y) = case.states(seed);
    let languages = [PIVOT, OTHER].map(str::to_owned).to_vec();
    let states = LanguageStates::new(languages, vec![0], vec![vec![x], vec![y]])?;
    let params = StructureParams { bootstrap: 0, effect: false, ..StructureParams::default() };
    let found = structure(&states, &params, 0, monitor)?;
    let share = found.value("language_variance", "", "", Some(0), "denoised").context("no share of the variance")?;
    let params = ClassifyParams {
        controls: false,
        online_code: false,
        transfer: false,
        shuffles: 0,
        bootstrap: 0,
        penalties: vec![1e-3, 1e-1],
        ..ClassifyParams::default()
    };
    let found = classify(&states, None, &params, 0, monitor)?;
    let accuracy = found.value("accuracy", "", "", Some(0), "language").context("no accuracy")?;
    Ok((share, accuracy))
}

/// Planted rates of methods.md 9.4 (d).
pub(super) const RATES: [(&str, f64); 6] = [
    ("active at .60", 0.60),
    ("active at .40", 0.40),
    ("active at .35", 0.35),
    ("active at .30", 0.30),
    ("active at .25", 0.25),
    ("active at .20", 0.20),
];

const LANGUAGES: usize = 4;
const NEURONS: usize = 5000;
const OF_LANGUAGE: usize = 50;
const TOKENS: usize = 20_000;
/// As many as are planted.
const RULE: Rule = Rule { top_rate: 0.04, bar: 0.95, per_layer: None };

/// The share of the planted neurons that LAPE gives to their language.
fn recall(rate: f64) -> Result<f64> {
    let mut found = 0;
    for seed in 0..SEEDS {
        let rates = Planter::new(seed).firing(LANGUAGES, NEURONS, OF_LANGUAGE, rate, TOKENS);
        let rows: Vec<Vec<f64>> = rates.outer_iter().map(|row| row.to_vec()).collect();
        for (language, own) in lape(&rows, &RULE)?.of_language.iter().enumerate() {
            found += own.iter().filter(|neuron| *neuron / OF_LANGUAGE == language).count();
        }
    }
    Ok(found as f64 / (SEEDS as usize * LANGUAGES * OF_LANGUAGE) as f64)
}

/// How many neurons LAPE chooses where every neuron has the same rate in all languages.
fn chosen_of_none() -> Result<f64> {
    let mut chosen = 0;
    for seed in 0..SEEDS {
        let rates = Planter::new(seed).firing(LANGUAGES, NEURONS, 0, 0.0, TOKENS);
        let rows: Vec<Vec<f64>> = rates.outer_iter().map(|row| row.to_vec()).collect();
        chosen += lape(&rows, &RULE)?.selected.len();
    }
    Ok(chosen as f64 / SEEDS as f64)
}
