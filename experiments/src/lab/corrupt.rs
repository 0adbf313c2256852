//! Worked-out solutions with a fault of a known kind at a known place, in any language that has word problems.
//!
//! The problems are longer than those of the demo model (three events or more, givens of 3 to 60, totals up to 99), and no number
//! comes up twice in them or in the faulty solution: a number says where it is from.

use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    languages::Language,
    problems::{self, Line, Problem},
};

/// Numbers that a problem gives.
const GIVEN: std::ops::RangeInclusive<u8> = 3..=60;
/// Largest number on the way.
const LARGEST: u8 = 99;
/// How often a loop says its step again: the same three times over, and once more.
pub const AGAIN: usize = 3;

/// What was done to a solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The result of a step is another number, and everything after it is computed from that.
    Value,
    /// A step is left out; those after it use its result as if it had been said.
    Dropped,
    /// A step and the next one change places.
    Swapped,
    /// A step is said [`AGAIN`] times more.
    Loop,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Value, Self::Dropped, Self::Swapped, Self::Loop];
}

/// A faulty solution and the truth about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupted {
    /// The problem.
    pub problem: Problem,
    /// What was done.
    pub fault: Fault,
    /// The step that was changed, left out, said too late, or said again; counted in the right solution, from 0.
    pub step: usize,
    /// Steps of the right solution whose result is another one here: from the changed step to the last. The answer is wrong as well
    /// where there are any.
    pub wrong: Vec<usize>,
    /// The faulty solution, the answer last.
    pub solution: Vec<Line>,
}

impl Corrupted {
    /// The problem in a language; `None` for the island.
    pub fn statement(&self, language: Language) -> Option<String> {
        problems::text(language, &self.problem.statement())
    }

    /// The faulty solution in a language; `None` for the island.
    pub fn text(&self, language: Language) -> Option<String> {
        problems::text(language, &self.solution)
    }
}

/// A problem of so many events whose numbers are all different.
///
/// # Errors
/// `steps` is 0 or above 8: longer ones run out of numbers.
pub fn long(rng: &mut ChaCha8Rng, steps: usize) -> anyhow::Result<Problem> {
    anyhow::ensure!((1..=8).contains(&steps), "a problem has 1 to 8 events, not {steps}");
    loop {
        let problem = Problem::any(rng, steps, GIVEN, LARGEST);
        if problem.clear() {
            return Ok(problem);
        }
    }
}

/// `count` faulty solutions of 3 to 6 steps; the same seed gives the same ones.
///
/// # Errors
/// Never for these lengths; see [`long`].
pub fn corrupted(fault: Fault, seed: u64, count: usize) -> anyhow::Result<Vec<Corrupted>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(fault as u64);
    (0..count)
        .map(|_| {
            loop {
                let steps = rng.random_range(3..=6);
                let problem = long(rng, steps)?;
                if let Some(corrupted) = corrupt(rng, problem, fault) {
                    return Ok(corrupted);
                }
            }
        })
        .collect()
}

/// `None` where the numbers leave no room for the fault.
fn corrupt(rng: &mut ChaCha8Rng, problem: Problem, fault: Fault) -> Option<Corrupted> {
    let steps = problem.changes.len();
    let mut solution = problem.solution();
    let step = match fault {
        Fault::Swapped => rng.random_range(0..steps - 1),
        _ => rng.random_range(0..steps),
    };
    let mut wrong = Vec::new();
    match fault {
        Fault::Value => {
            solution = changed(rng, &problem, step)?;
            wrong = (step..steps).collect();
        }
        Fault::Dropped => drop(solution.remove(step)),
        Fault::Swapped => solution.swap(step, step + 1),
        Fault::Loop => {
            let again = solution[step];
            solution.splice(step..step, std::iter::repeat_n(again, AGAIN));
        }
    }
    Some(Corrupted { problem, fault, step, wrong, solution })
}

/// The solution with another result at `step`, and everything after it computed from that.
fn changed(rng: &mut ChaCha8Rng, problem: &Problem, step: usize) -> Option<Vec<Line>> {
    let mut seen: BTreeSet<u8> = problem.totals().into_iter().collect();
    seen.extend(problem.changes.iter().map(|change| change.amount));
    let mut solution = problem.solution();
    let mut now = rng.random_range(1..=LARGEST);
    for (at, (line, change)) in solution.iter_mut().zip(&problem.changes).enumerate().skip(step) {
        let Line::Equation { left, result, .. } = line else { return None };
        if at > step {
            *left = now;
            now = change.apply(now, LARGEST)?;
        }
        *result = now;
        if !seen.insert(now) {
            return None;
        }
    }
    *solution.last_mut()? = Line::Answer { number: now };
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::languages::{ALL, ISLAND, PIVOT, find};

    fn holds(line: &Line) -> bool {
        match *line {
            Line::Equation { left, adds: true, right, result } => left + right == result,
            Line::Equation { left, adds: false, right, result } => left == right + result,
            _ => true,
        }
    }

    #[test]
    fn faults_are_where_they_are_said_to_be() {
        for fault in Fault::ALL {
            let all = corrupted(fault, 1, 200).unwrap();
            assert_eq!(all, corrupted(fault, 1, 200).unwrap());
            for Corrupted { problem, step, wrong, solution, .. } in all {
                let right = problem.solution();
                let steps = problem.changes.len();
                assert!(problem.clear() && steps >= 3);
                match fault {
                    Fault::Value => {
                        assert_eq!(wrong, (step..steps).collect::<Vec<_>>());
                        let differ = (0..=steps).filter(|at| right[*at] != solution[*at]);
                        assert_eq!(differ.collect::<Vec<_>>(), (step..=steps).collect::<Vec<_>>());
                        // Only the changed step is computed wrongly.
                        let false_ones = (0..steps).filter(|at| !holds(&solution[*at]));
                        assert_eq!(false_ones.collect::<Vec<_>>(), [step]);
                    }
                    Fault::Dropped => {
                        assert_eq!(solution.len(), steps);
                        assert!(!solution.contains(&right[step]) && solution.iter().all(|line| right.contains(line)));
                    }
                    Fault::Swapped => {
                        assert_eq!((solution[step], solution[step + 1]), (right[step + 1], right[step]));
                        assert_eq!(solution.len(), right.len());
                    }
                    Fault::Loop => {
                        assert_eq!(solution.len(), right.len() + AGAIN);
                        assert!(solution[step..=step + AGAIN].iter().all(|line| *line == right[step]));
                    }
                }
                assert!(fault == Fault::Value || (wrong.is_empty() && solution.iter().all(holds)));
            }
        }
    }

    #[test]
    fn a_faulty_solution_can_be_said_in_every_language_but_the_islands() {
        for corrupted in corrupted(Fault::Value, 2, 20).unwrap() {
            for language in ALL {
                assert_eq!(corrupted.text(language).is_some(), language.code != ISLAND.code);
                assert_eq!(corrupted.statement(language).is_some(), language.code != ISLAND.code);
            }
        }
    }

    #[test]
    fn nouns_agree_with_large_numbers() {
        use crate::lab::world::{Noun, Person};
        let said = |code: &str, number: u8| {
            let line = Line::Has { who: Person(0), number, noun: Noun::Book };
            crate::lab::languages::line(find(code).unwrap(), &line).unwrap()
        };
        assert_eq!(said("rus_Cyrl", 21), "У Анны есть 21 книга.");
        assert_eq!(said("rus_Cyrl", 12), "У Анны есть 12 книг.");
        assert_eq!(said("rus_Cyrl", 33), "У Анны есть 33 книги.");
        assert_eq!(said("arb_Arab", 10), "لدى مريم ١٠ كتب.");
        assert_eq!(said("arb_Arab", 11), "لدى مريم ١١ كتابا.");
        assert_eq!(said("zho_Hans", 43), "小红有四十三本书。");
        assert_eq!(said(PIVOT.code, 60), "Anna has 60 books.");
    }
}
