//! Two runs side by side: what differs in what determines them, in their circumstances, and in every number.

mod numbers;
mod settings;

use serde::Serialize;

pub use numbers::Change;
use numbers::compare;
pub use settings::Setting;

use crate::run::Run;

/// What differs between two runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    /// Settings that determine results and differ: keys of the spec, hashes, number formats. Paths and names are none.
    pub settings: Vec<Setting>,
    /// What differs and should not matter: names, paths, device, versions, machine.
    pub circumstances: Vec<Setting>,
    /// Every metric that either run has.
    pub metrics: Vec<Change>,
    /// The tolerance that numbers were compared with.
    pub tolerance: f64,
}

impl Diff {
    /// Compares two runs; numbers that lie no further apart than `tolerance` are equal.
    pub fn of(a: &Run, b: &Run, tolerance: f64) -> Self {
        let (settings, circumstances) = settings::compare(a, b);
        let mut metrics = compare(&numbers::of(a), &numbers::of(b), tolerance);
        metrics.extend(numbers::sentences(a, b, tolerance));
        Self { settings, circumstances, metrics, tolerance }
    }

    /// Whether the runs have the same settings and the same numbers; circumstances do not count.
    pub fn is_equal(&self) -> bool {
        self.settings.is_empty() && self.metrics.iter().all(Change::is_equal)
    }
}
