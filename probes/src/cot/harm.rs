//! Which actions of a trace do harm, one kind for each (methods.md 7.1):
//!
//! - **loop**: the same as the action right before, or a repetition of what was repeated already since the last new node. So `A, A, A`
//!   loops twice, and one look back over the whole chain (`A, B, C, A, B, C`) does not: saying again what is so changes nothing;
//! - **contradiction**: a reference anchor that was said correctly gets another value, from the same operands or from none;
//! - **rederivation that changes it**: the same from other operands;
//! - **wrong value**: a reference anchor gets a wrong value before any correct one. A final answer that is not the reference's gives the
//!   answer a wrong value whatever its node stands for: where it repeats an earlier result, the action that last says that result does
//!   the harm, unless it does another.
//!
//! What stands for no reference anchor does no harm here: it is redundant.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{
    align::{Alignment, By},
    form::Form,
    graph::{Graph, Role},
    link::Trajectory,
};

/// What harm an action does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HarmKind {
    /// A wrong value.
    WrongValue,
    /// Denies what was said correctly.
    Contradiction,
    /// Derives anew, and differently, what was said correctly.
    ChangingRederivation,
    /// Says again what was just said.
    Loop,
}

impl HarmKind {
    /// All, in this order.
    pub const ALL: [Self; 4] = [Self::WrongValue, Self::Contradiction, Self::ChangingRederivation, Self::Loop];

    /// As in rows.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongValue => "wrong_value",
            Self::Contradiction => "contradiction",
            Self::ChangingRederivation => "changing_rederivation",
            Self::Loop => "loop",
        }
    }
}

/// A harmful action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harm {
    /// Its index among the actions.
    pub action: usize,
    /// What harm.
    pub kind: HarmKind,
    /// The node of the reference that it concerns; none for a loop over something else.
    pub anchor: Option<usize>,
}

/// Which actions only repeat what was said so short a time ago.
pub(crate) fn loop_actions(trajectory: &Trajectory) -> Vec<bool> {
    // The count of new nodes when each node was last repeated; a new node has not been repeated.
    let mut repeated: HashMap<usize, Option<usize>> = HashMap::new();
    let mut news = 0;
    let mut before = None;
    let mut loops = Vec::with_capacity(trajectory.actions.len());
    for action in &trajectory.actions {
        let past = repeated.get(&action.node).copied();
        loops.push(match past {
            None => {
                news += 1;
                repeated.insert(action.node, None);
                false
            }
            Some(last) => {
                repeated.insert(action.node, Some(news));
                before == Some(action.node) || last == Some(news)
            }
        });
        before = Some(action.node);
    }
    loops
}

pub(crate) fn harms(reference: &Graph, trajectory: &Trajectory, alignment: &Alignment) -> Vec<Harm> {
    let given = |anchor: usize| reference.nodes[anchor].role == Role::Given;
    let mut correct: Vec<bool> = (0..reference.nodes.len()).map(given).collect();
    let mut harms = Vec::new();
    for ((action, done), looped) in trajectory.actions.iter().enumerate().zip(loop_actions(trajectory)) {
        let stand = alignment.stands[done.node];
        let kind = match stand {
            _ if looped => Some(HarmKind::Loop),
            Some(stand) if !stand.correct => Some(if !correct[stand.anchor] {
                HarmKind::WrongValue
            } else if stand.by == By::Shape || Form::of_node(&trajectory.graph.nodes[done.node]).operands.is_empty() {
                HarmKind::Contradiction
            } else {
                HarmKind::ChangingRederivation
            }),
            _ => None,
        };
        harms.extend(kind.map(|kind| Harm { action, kind, anchor: stand.map(|stand| stand.anchor) }));
        if let Some(stand) = stand.filter(|stand| stand.correct) {
            correct[stand.anchor] = true;
        }
    }
    if let Some(denied) = alignment.denied
        && let Some(action) = trajectory.actions.iter().rposition(|done| done.node == denied.node)
    {
        let kind = if correct[denied.anchor] { HarmKind::Contradiction } else { HarmKind::WrongValue };
        let harm = Harm { action, kind, anchor: Some(denied.anchor) };
        match harms.binary_search_by_key(&action, |harm| harm.action) {
            Err(at) => harms.insert(at, harm),
            Ok(at) if harms[at].kind == HarmKind::Loop => harms[at] = harm,
            Ok(_) => {}
        }
    }
    harms
}

#[cfg(test)]
mod tests {
    use super::{HarmKind, loop_actions};
    use crate::cot::{
        Reference, Status, Trajectory, compare,
        toy::{anchor, assertion, chain, givens},
    };

    #[test]
    fn one_look_back_is_no_loop_and_going_round_is() {
        let loops = |what: &[&str]| -> Vec<usize> {
            let found = loop_actions(&chain(what));
            (0..found.len()).filter(|at| found[*at]).collect()
        };
        assert_eq!(loops(&["A", "A", "A", "B", "C"]), [1, 2]);
        assert_eq!(loops(&["A", "B", "C", "A", "B", "C"]), [0usize; 0]);
        assert_eq!(loops(&["A", "B", "A", "B", "A", "B", "C"]), [4, 5]);
        assert_eq!(loops(&["A", "B", "A", "C", "A"]), [0usize; 0]);
    }

    #[test]
    fn a_final_answer_that_is_not_the_reference_s_is_wrong_whatever_it_repeats() {
        use HarmKind::{Contradiction, Loop, WrongValue};
        let reference = Reference::new(chain(&["A", "B", "C"]).graph).unwrap();
        let found = |said: &[&str], answer: i64| {
            let mut anchors: Vec<_> = said.iter().enumerate().map(|(step, what)| assertion(step, what)).collect();
            anchors.push(anchor("answer", Some(said.len()), &answer.to_string(), answer, &[answer]));
            compare(&reference, &Trajectory::of(&givens(), &anchors)).unwrap()
        };
        for (said, answer, actions, harms, status) in [
            // A given, before and after the right result.
            (&["A", "B"][..], 12, 3, vec![(2, WrongValue)], Status::WrongValue),
            (&["A", "B", "C"], 12, 4, vec![(3, Contradiction)], Status::Correct),
            // A result on the way, which stays correct.
            (&["A", "B"], 34, 2, vec![(1, WrongValue)], Status::WrongValue),
            (&["A", "B", "B"], 34, 3, vec![(2, WrongValue)], Status::WrongValue),
            (&["A", "B", "C"], 17, 3, vec![(0, Contradiction)], Status::Correct),
            // What is wrong already is not counted twice.
            (&["A", "B=36"], 36, 2, vec![(1, WrongValue)], Status::WrongValue),
            (&["A", "A", "B", "C"], 29, 4, vec![(1, Loop)], Status::Correct),
        ] {
            let found = found(said, answer);
            let kinds: Vec<_> = found.harms.iter().map(|harm| (harm.action, harm.kind)).collect();
            assert_eq!((kinds, found.actions), (harms, actions), "{said:?}, answer {answer}");
            assert_eq!(
                (found.anchors[2].status, found.answer),
                (status, Some(answer == 29)),
                "{said:?}, answer {answer}"
            );
            assert_eq!(found.recovery(), (answer != 29).then_some(0.0));
        }
        let kept = found(&["A", "B"], 34);
        assert_eq!((kept.anchors[1].status, kept.coverage), (Status::Correct, 2.0 / 3.0));
    }

    #[test]
    fn a_correct_anchor_is_denied_or_derived_anew() {
        let reference = Reference::new(chain(&["A", "B", "C"]).graph).unwrap();
        let kinds = |last: crate::cot::Anchor| {
            let mut first = anchor("assignment", Some(1), "b = 2 * 17 = 34", 34, &[2, 17]);
            first.name = Some("b".into());
            let target = Trajectory::of(&givens(), &[assertion(0, "A"), first, last]);
            let harms = compare(&reference, &target).unwrap().harms;
            harms.iter().map(|harm| (harm.action, harm.kind, harm.anchor)).collect::<Vec<_>>()
        };
        assert_eq!(kinds(anchor("assignment", Some(2), "b = 36", 36, &[])), [(2, HarmKind::Contradiction, Some(3))]);
        assert_eq!(
            kinds(anchor("assignment", Some(2), "b = 3 * 17 = 51", 51, &[3, 17])),
            [(2, HarmKind::ChangingRederivation, Some(3))]
        );
        // An update of itself is no change of what was said.
        let mut update = anchor("assignment", Some(2), "b = b + 1 = 35", 35, &[]);
        update.uses = vec![crate::cot::Use::Name("b".into())];
        assert_eq!(kinds(update), []);
        // A given that gets another value is denied.
        let mut named = givens();
        named[1].name = Some("q".into());
        let denied = anchor("assignment", Some(0), "q = 6", 6, &[]);
        let target = Trajectory::of(&named, &[denied]);
        assert_eq!(compare(&reference, &target).unwrap().harms[0].kind, HarmKind::Contradiction);
    }
}
