//! What is suspicious about captured numbers, found while they are kept. Looked at is what is kept: the pooled row of a sentence,
//! or every token's row. A NaN or infinite token shows in the pooled row; a token whose number only f16 cannot hold may not.

use std::fmt;

use crate::{Error, Result, applied::Applied, engine::Captured, kernels::dispatch, plan::Site};

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// A number is NaN.
    NotANumber,
    /// A number is infinite.
    Infinite,
    /// A number is beyond 65504, the largest of f16: the same pass in f16, or the row stored in f16, would hold infinity.
    BeyondF16,
    /// Every number is 0.
    Zero,
    /// Every number is the same, and not 0.
    Constant,
}

impl Anomaly {
    const ALL: [Self; 5] = [Self::NotANumber, Self::Infinite, Self::BeyondF16, Self::Zero, Self::Constant];

    /// Whether no measure of the row can mean anything.
    pub fn is_broken(self) -> bool {
        matches!(self, Self::NotANumber | Self::Infinite)
    }

    fn words(self) -> &'static str {
        match self {
            Self::NotANumber => "hold a NaN",
            Self::Infinite => "hold an infinite number",
            Self::BeyondF16 => "hold a number beyond 65504, the largest of f16",
            Self::Zero => "are zero throughout",
            Self::Constant => "hold one number throughout",
        }
    }
}

/// Rows of a capture that are suspicious in one way.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Alarm {
    /// What was captured.
    pub site: Site,
    /// The first sentence with such a row, counted from 0 in the order given.
    pub sentence: usize,
    /// In which way.
    pub what: Anomaly,
    /// Number of such rows over all sentences.
    pub count: usize,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { site, sentence, what, count } = self;
        write!(f, "{site}: {count} of the captured rows {}, the first in sentence {sentence}", what.words())
    }
}

/// What a run yields.
#[derive(Clone, Debug)]
pub struct Run {
    /// The captures in the order of the plan.
    pub captured: Vec<Captured>,
    /// What is suspicious about them, in the order of the plan.
    pub alarms: Vec<Alarm>,
    /// What the plan's edits did, by edit, sentence and block.
    pub applied: Vec<Applied>,
}

impl Run {
    /// The same run, or its first NaN or infinite number as an error.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn finite(self) -> Result<Self> {
        match self.alarms.iter().find(|alarm| alarm.what.is_broken()) {
            None => Ok(self),
            Some(Alarm { site, sentence, what, count }) => Err(Error::NotFinite {
                site: site.to_string(),
                sentence: *sentence,
                why: format!("expected finite numbers, and {count} of the captured rows {}.", what.words()),
            }),
        }
    }
}

/// The alarms of one capture, as its rows come.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    /// For each anomaly the first sentence and the number of rows.
    seen: [Option<(usize, usize)>; Anomaly::ALL.len()],
}

impl Watch {
    /// Looks at a sentence's rows.
    pub(crate) fn rows(&mut self, sentence: usize, values: &[f32], width: usize) {
        for row in values.chunks_exact(width) {
            self.note(sentence, look(row));
        }
    }

    /// Looks at attention scores or probabilities, where minus infinity, zeros and constants belong.
    pub(crate) fn square(&mut self, sentence: usize, values: &[f32], keys: usize) {
        for row in values.chunks_exact(keys) {
            self.note(sentence, look(row).filter(|what| *what == Anomaly::NotANumber));
        }
    }

    fn note(&mut self, sentence: usize, what: Option<Anomaly>) {
        if let Some(what) = what {
            let (first, count) = self.seen[what as usize].unwrap_or((sentence, 0));
            self.seen[what as usize] = Some((first.min(sentence), count + 1));
        }
    }

    pub(crate) fn alarms(&self, site: Site) -> impl Iterator<Item = Alarm> {
        let seen = Anomaly::ALL.into_iter().zip(self.seen);
        seen.filter_map(move |(what, seen)| seen.map(|(sentence, count)| Alarm { site, sentence, what, count }))
    }
}

/// The worst that can be said of a row, by the bits of its numbers: without their sign they are in order, NaN behind infinity.
fn look(row: &[f32]) -> Option<Anomaly> {
    const INFINITE: u32 = f32::INFINITY.to_bits();
    const LARGEST_F16: u32 = 65504f32.to_bits();
    let first = row.first()?.to_bits();
    let (top, unlike) = dispatch(
        #[inline(always)]
        || {
            row.iter().fold((0, 0), |(top, unlike), x| {
                let bits = x.to_bits();
                (top.max(bits & 0x7fff_ffff), unlike | (bits ^ first))
            })
        },
    );
    match top {
        0 => Some(Anomaly::Zero),
        _ if top > INFINITE => Some(Anomaly::NotANumber),
        INFINITE => Some(Anomaly::Infinite),
        _ if top > LARGEST_F16 => Some(Anomaly::BeyondF16),
        _ => (unlike == 0 && row.len() > 1).then_some(Anomaly::Constant),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By the definitions.
    fn slow(row: &[f32]) -> Option<Anomaly> {
        let largest = row.iter().fold(0f64, |a, x| a.max(f64::from(*x).abs()));
        if row.iter().any(|x| x.is_nan()) {
            Some(Anomaly::NotANumber)
        } else if largest.is_infinite() {
            Some(Anomaly::Infinite)
        } else if largest > 65504.0 {
            Some(Anomaly::BeyondF16)
        } else if row.iter().all(|x| *x == 0.0) {
            Some(Anomaly::Zero)
        } else {
            (row.len() > 1 && row.iter().all(|x| *x == row[0])).then_some(Anomaly::Constant)
        }
    }

    fn number() -> impl Strategy<Value = f32> {
        prop_oneof![
            20 => -9f32..9.0,
            1 => Just(0.0), 1 => Just(-0.0), 1 => Just(f32::NAN), 1 => Just(-f32::NAN), 1 => Just(f32::INFINITY),
            1 => Just(f32::NEG_INFINITY), 1 => Just(65504.0), 1 => Just(-65505.0), 1 => Just(f32::MIN_POSITIVE / 4.0),
        ]
    }

    proptest! {
        #[test]
        fn a_row_is_seen_for_what_it_is(mut row in prop::collection::vec(number(), 1..70), same: bool) {
            if same {
                let first = row[0];
                row.fill(first);
            }
            prop_assert_eq!(look(&row), slow(&row));
        }
    }

    #[test]
    fn rows_are_counted_and_the_first_sentence_is_named() {
        let mut watch = Watch::default();
        watch.rows(7, &[1.0, 2.0, 0.0, 0.0, 3.0, 3.0], 2);
        watch.rows(4, &[0.0, 0.0, f32::NAN, 1.0], 2);
        watch.square(1, &[0.0, 0.0, f32::NEG_INFINITY, 1.0], 2);
        let alarms: Vec<_> = watch.alarms(Site::layer(3)).map(|a| (a.what, a.sentence, a.count)).collect();
        assert_eq!(alarms, [(Anomaly::NotANumber, 4, 1), (Anomaly::Zero, 4, 2), (Anomaly::Constant, 7, 1)]);
    }
}
