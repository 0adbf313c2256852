//! What was done to a trace, compared with a right one: the questions of the laboratory, whose corrupted traces are known.
//!
//! - **value changed**: anchors that get a wrong value ([`super::HarmKind`], all kinds but loops) from parents that are right: where a
//!   mistake is made, not where it arrives;
//! - **step dropped**: critical anchors that are missing; and the answer, if it is stated and derived from nothing while the reference
//!   derives it, or if the trace answers with an earlier result (a wrong value too: what leads on from there is not said);
//! - **order swapped**: edges of the reference whose user comes before what it uses. A changed order of steps that do not depend on
//!   one another is no corruption;
//! - **loop inserted**: actions that only repeat ([`super::HarmKind::Loop`]), and the second of two equal blocks of actions in a row.
//!   The whole chain, from the first action to the answer, gone through once more is a check and no loop.

use serde::{Deserialize, Serialize};

use super::{
    align::By,
    compare::{Comparison, Status, compare},
    harm::HarmKind,
    link::Trajectory,
    reference::Reference,
};
use crate::Result;

/// What was found, by kind; all empty for a right trace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Anchors of the reference that got a wrong value from right parents.
    pub value_changed: Vec<usize>,
    /// Anchors of the reference that are not derived.
    pub step_dropped: Vec<usize>,
    /// Edges of the reference that run backwards.
    pub order_swapped: Vec<(usize, usize)>,
    /// Actions that repeat what was just said.
    pub loop_inserted: Vec<usize>,
}

/// Diagnoses a trace.
///
/// # Errors
/// As [`compare`].
pub fn diagnose(reference: &Reference, trajectory: &Trajectory) -> Result<Diagnosis> {
    let comparison = compare(reference, trajectory)?;
    Ok(Diagnosis {
        value_changed: value_changed(trajectory, &comparison),
        step_dropped: step_dropped(reference, trajectory, &comparison),
        loop_inserted: loop_inserted(trajectory, &comparison),
        order_swapped: comparison.order_violations,
    })
}

fn value_changed(trajectory: &Trajectory, comparison: &Comparison) -> Vec<usize> {
    let parents = trajectory.graph.parents();
    let wrong = |node: usize| comparison.stands[node].is_some_and(|stand| !stand.correct);
    let harms = comparison.harms.iter().filter(|harm| harm.kind != HarmKind::Loop);
    let roots = harms.filter(|harm| !parents[trajectory.actions[harm.action].node].iter().any(|p| wrong(*p)));
    let mut anchors: Vec<usize> = roots.filter_map(|harm| harm.anchor).collect();
    anchors.sort_unstable();
    anchors.dedup();
    anchors
}

fn step_dropped(reference: &Reference, trajectory: &Trajectory, comparison: &Comparison) -> Vec<usize> {
    let (wanted, parents) = (reference.graph().parents(), trajectory.graph.parents());
    let answer = trajectory.graph.answer();
    let stated = |anchor: usize, node: usize| {
        let by_value = comparison.stands[node].is_some_and(|stand| stand.by == By::Value);
        Some(node) == answer && by_value && parents[node].is_empty() && !wanted[anchor].is_empty()
    };
    let dropped = comparison.anchors.iter().filter(|aligned| match (aligned.status, aligned.node) {
        (Status::Missing, _) => true,
        (Status::Correct, Some(node)) => stated(aligned.anchor, node),
        (Status::WrongValue, Some(node)) => comparison.stands[node].is_some_and(|stand| stand.correct),
        _ => false,
    });
    dropped.map(|aligned| aligned.anchor).collect()
}

fn loop_inserted(trajectory: &Trajectory, comparison: &Comparison) -> Vec<usize> {
    let said: Vec<usize> = trajectory.actions.iter().map(|action| action.node).collect();
    let answer = trajectory.graph.answer();
    let mut found: Vec<usize> =
        comparison.harms.iter().filter(|harm| harm.kind == HarmKind::Loop).map(|harm| harm.action).collect();
    // Where the second of two equal blocks begins: its first node was said exactly one block ago.
    let mut last: Vec<Option<usize>> = vec![None; trajectory.graph.nodes.len()];
    for (at, node) in said.iter().enumerate() {
        let Some(past) = last[*node].replace(at) else { continue };
        let (block, next) = (&said[past..at], said.get(at..2 * at - past));
        let check = past == 0 && block.iter().any(|node| Some(*node) == answer);
        if next == Some(block) && !check {
            found.extend(at..2 * at - past);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
