//! Which measure is fooled by what: measures of likeness on states whose true relation was planted (methods.md 9.4 and 9.7).
//!
//! The question is always the same: do two languages share meaning **on the same axes**, where a model could use it? A measure is read
//! as it is printed. It is right where it says what was planted:
//!
//! - [`Demand::Top`], both sides equal: its largest value;
//! - [`Demand::Beyond`], the same meaning under noise: above the 95 % quantile of shuffled sentences;
//! - [`Demand::Kept`], the same meaning behind something that changes no meaning: its value without it, within a third;
//! - [`Demand::Chance`], nothing shared on the same axes: what chance gives by formula, within .1 (z: .5).
//!
//! Values and quantiles are means of five seeds, so that a verdict does not hang on one draw.
//!
//! Decided here: both bounds were set before the values were seen, but for the upper side of [`Demand::Kept`], which was added when one
//! line that comes twice raised CKA by half. An index of shape is called fooled under a rotation: it answers its own question
//! rightly, and whoever takes it for shared axes is misled.

mod cases;
mod language;
mod measures;
mod ranges;
mod sheets;

use anyhow::Result;
use babelscope_core::monitor::{Monitor, Tick};
use rayon::prelude::*;

pub use cases::Case;
pub use language::Finding;
pub use measures::Measure;
pub(super) use ranges::ranges;
pub use sheets::{Sheet, sheets};

/// Seeds whose mean is taken.
const SEEDS: u64 = 5;
/// By what share of its undisturbed value a measure may move.
const MOVED: f64 = 1.0 / 3.0;

/// What the truth demands of a measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Demand {
    /// Its largest value; of a measure without one, a value beyond its null.
    Top,
    /// More than shuffled sentences reach in 95 % of the draws.
    Beyond,
    /// This, its value without the disturbance, within a third.
    Kept(f64),
    /// This value, which chance gives by formula, within a tolerance.
    Chance(f64),
}

/// Whether a measure says what is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Right,
    /// It does not, and why.
    Fooled(&'static str),
}

impl Verdict {
    /// `right` or `fooled`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Fooled(_) => "fooled",
        }
    }
}

/// One measure on one case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// What was planted.
    pub case: Case,
    /// What was measured.
    pub measure: Measure,
    /// What the truth demands.
    pub demand: Demand,
    /// The mean of five seeds.
    pub value: f64,
    /// The mean of the 95 % quantiles of shuffled sentences; `None` for a measure without a null.
    pub null: Option<f64>,
    /// Whether they agree.
    pub verdict: Verdict,
}

/// All that was planted and measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Planted {
    /// Likeness: by case, and within it by measure.
    pub cells: Vec<Cell>,
    /// What measures of language and of its neurons say.
    pub findings: Vec<Finding>,
}

impl Planted {
    /// The cell of a case and a measure.
    pub fn cell(&self, case: Case, measure: Measure) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.case == case && cell.measure == measure)
    }
}

/// Plants, measures and judges.
///
/// # Errors
/// A probe refused the states; [`babelscope_core::Error::Cancelled`].
pub fn planted(monitor: &Monitor) -> Result<Planted> {
    let quiet = monitor.quiet();
    let total = Case::ALL.len() + 1;
    let mut all: Vec<(Case, Vec<measures::Reading>)> = Vec::with_capacity(total);
    for (done, case) in Case::ALL.into_iter().enumerate() {
        monitor.tick(Tick { what: "measuring planted states", done, total, unit: "cases" })?;
        let found = (0..SEEDS).into_par_iter().map(|seed| measures::measure(case.states(seed), &quiet));
        all.push((case, measures::mean(&found.collect::<Result<Vec<_>>>()?)));
    }
    let clean = all.iter().find(|(case, _)| *case == Case::Noise).map(|(_, readings)| readings.clone());
    let clean = clean.unwrap_or_default();
    let cells = all.iter().flat_map(|(case, readings)| {
        readings.iter().enumerate().map(|(at, reading)| judge(*case, reading, clean.get(at).map_or(0.0, |r| r.value)))
    });
    let cells = cells.collect();
    monitor.tick(Tick { what: "measuring planted states", done: total - 1, total, unit: "cases" })?;
    let findings = language::findings(&quiet)?;
    monitor.tick(Tick { what: "measuring planted states", done: total, total, unit: "cases" })?;
    Ok(Planted { cells, findings })
}

fn judge(case: Case, reading: &measures::Reading, clean: f64) -> Cell {
    let measures::Reading { measure, value, null, chance } = *reading;
    // z has no null: half a standard deviation of the wrong pairs.
    let beyond = value > null.unwrap_or(measure.tolerance());
    let demand = match case {
        Case::Duplicate => Demand::Top,
        Case::Noise | Case::Faint | Case::Drowned => Demand::Beyond,
        Case::Offset | Case::Repeated => Demand::Kept(clean),
        Case::Rotation | Case::Independent | Case::Wide | Case::Template | Case::Cone | Case::Copies => {
            Demand::Chance(chance)
        }
    };
    let right = match demand {
        Demand::Top => measure.top().map_or(beyond, |top| value >= 0.99 * top),
        Demand::Beyond => beyond,
        Demand::Kept(clean) => (value - clean).abs() <= MOVED * clean,
        Demand::Chance(chance) => (value - chance).abs() <= measure.tolerance(),
    };
    let verdict = if right { Verdict::Right } else { Verdict::Fooled(case.reason(beyond, value > clean)) };
    Cell { case, measure, demand, value, null, verdict }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/methods/truths.md");

    /// The lines of the tables without what may change in the last digit on another machine.
    fn plain(text: &str) -> Vec<String> {
        let tables = text.lines().filter(|line| line.starts_with('|'));
        tables.map(|line| line.chars().filter(|c| !c.is_ascii_digit() && !".-".contains(*c)).collect()).collect()
    }

    /// The values of methods.md 9.4 and 9.7 as words: who must be fooled, and who must not.
    #[test]
    fn who_is_known_to_be_fooled_is_and_the_page_says_so() {
        use Case::*;
        use Measure::*;
        let found = planted(&Monitor::silent()).unwrap();
        let word = |case, measure| found.cell(case, measure).unwrap().verdict.word();
        for (case, measure) in [
            (Offset, MexaRaw),
            (Offset, Recall),
            (Offset, PairGap),
            (Rotation, Cka),
            (Rotation, Rsa),
            (Rotation, Procrustes),
            (Rotation, MutualKnn),
            (Template, Cka),
            (Template, PairGap),
            (Wide, CkaBiased),
            (Wide, Svcca),
            (Cone, PairCosine),
            (Faint, MutualKnn),
            (Copies, MexaCentred),
            (Repeated, Cka),
        ] {
            assert_eq!(word(case, measure), "fooled", "{case:?} {measure:?}");
        }
        for (case, measure) in [
            (Offset, MexaCentred),
            (Offset, Cka),
            (Offset, Anc),
            (Offset, Procrustes),
            (Rotation, MexaRaw),
            (Rotation, MexaCentred),
            (Rotation, Anc),
            (Template, MexaCentred),
            (Template, Procrustes),
            (Wide, Cka),
            (Cone, MexaRaw),
            (Drowned, MexaRaw),
            (Repeated, MexaCentred),
        ] {
            assert_eq!(word(case, measure), "right", "{case:?} {measure:?}");
        }
        assert!(Measure::ALL.iter().all(|m| word(Duplicate, *m) == "right"));
        let marked = PAGE.split("<!-- babelscope lab check --table --markdown -->").nth(1);
        let printed = marked.and_then(|rest| rest.split("<!-- end -->").next()).unwrap();
        let made: String = sheets(&found).iter().map(Sheet::markdown).collect();
        assert_eq!(plain(printed), plain(&made), "docs/methods/truths.md is stale; the tables are now:\n{made}");
    }
}
