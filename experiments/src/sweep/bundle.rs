//! Bundles: shards of one model and one phase that a task of a cluster does one after the other, the model loaded once.

use std::{fmt, str::FromStr};

use super::plan::{Shard, Stage};

/// Shards that may run at the same time; the second phase reads what the first has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Everything that runs a model.
    Extract,
    /// Everything that reads stored states.
    Probe,
}

impl Phase {
    /// Both, in their order.
    pub const ALL: [Self; 2] = [Self::Extract, Self::Probe];

    /// Where a stage belongs.
    pub fn of(stage: Stage) -> Self {
        if matches!(stage, Stage::Align | Stage::States) { Self::Probe } else { Self::Extract }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extract => "extract",
            Self::Probe => "probe",
        })
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.to_string() == text)
            .ok_or_else(|| format!("expected `extract` or `probe`, got {text:?}"))
    }
}

/// Numbers the bundles of each phase from 0: shards in their order, a new bundle where the model changes or `seconds` are full.
pub(super) fn assign(shards: &mut [Shard], seconds: f64) {
    for phase in Phase::ALL {
        let (mut bundle, mut filled) = (0, 0.0);
        let mut model: Option<String> = None;
        for shard in shards.iter_mut().filter(|shard| Phase::of(shard.stage) == phase) {
            let other = model.as_ref().is_some_and(|model| *model != shard.model);
            if other || (filled > 0.0 && filled + shard.seconds > seconds) {
                bundle += 1;
                filled = 0.0;
            }
            filled += shard.seconds;
            model = Some(shard.model.clone());
            shard.bundle = bundle;
        }
    }
}
