//! What is known to be true of the laboratory's models, beside what the engine and the probes measure.

mod facts;
mod patched;
pub mod planted;
mod probed;
pub mod problems;
mod small;
mod steered;

use anyhow::Result;
use babelscope_core::{
    engine::{Engine, LoadOptions},
    monitor::Monitor,
};

/// A known truth and what was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// What is known.
    pub known: String,
    /// What it says of the measurement: `>= 0.90`.
    pub expected: String,
    /// What was measured, and where.
    pub measured: String,
    /// Whether they agree.
    pub holds: bool,
}

impl Truth {
    fn new(known: impl Into<String>, expected: impl Into<String>, measured: impl Into<String>, holds: bool) -> Self {
        Self { known: known.into(), expected: expected.into(), measured: measured.into(), holds }
    }

    fn at_least(known: impl Into<String>, bound: f64, value: f64, place: &str) -> Self {
        Self::new(known, format!(">= {bound:.2}"), format!("{value:.3}{place}"), value >= bound)
    }

    fn within(known: impl Into<String>, low: f64, high: f64, value: f64) -> Self {
        // A share of 200 neurons or 100 sentences is a sum in floating point.
        let holds = (low - 1e-9..=high + 1e-9).contains(&value);
        Self::new(known, format!("{low:.2} to {high:.2}"), format!("{value:.3}"), holds)
    }

    fn at_most(known: impl Into<String>, bound: f64, value: f64, place: &str) -> Self {
        Self::new(known, format!("<= {bound:.2}"), format!("{value:.3}{place}"), value <= bound)
    }
}

/// Checks the demo model `model` (`lab`, or the model folder of a training), the two embedded fixtures of the facts world, and what the
/// measures say of planted states.
///
/// # Errors
/// A model or the corpus could not be loaded; [`babelscope_core::Error::Cancelled`].
pub fn check(model: &str, monitor: &Monitor) -> Result<Vec<Truth>> {
    let engine = Engine::load(model, &LoadOptions::default(), monitor)?;
    let mut truths = small::check(&engine, monitor)?;
    truths.extend(probed::check(&engine, monitor)?);
    truths.extend(steered::check(&engine, monitor)?);
    truths.extend(patched::check(&engine, monitor)?);
    truths.extend(problems::check(&engine, monitor)?);
    truths.extend(facts::check(monitor)?);
    truths.extend(planted::ranges(&planted::planted(monitor)?)?);
    Ok(truths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_truth_is_found_in_the_models_that_ship() {
        let failed: Vec<Truth> = check("lab", &Monitor::silent()).unwrap().into_iter().filter(|t| !t.holds).collect();
        assert_eq!(failed, []);
    }
}
