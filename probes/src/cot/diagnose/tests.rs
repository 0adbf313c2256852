use std::collections::BTreeSet;

use rand::{Rng as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use super::diagnose;
use crate::cot::{
    Anchor, Reference, Trajectory,
    toy::{anchor, chain},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Corruption {
    Value,
    Dropped,
    Swapped,
    Looped,
}

/// One line of arithmetic: what it is built from (places of earlier values), by which operator, and a constant.
#[derive(Clone, Debug)]
struct Line {
    operator: char,
    operands: [Operand; 2],
}

#[derive(Clone, Copy, Debug)]
enum Operand {
    Earlier(usize),
    Constant(i64),
}

/// A problem of arithmetic: values of the givens, then lines that each use what came before; the last is the answer.
struct Problem {
    givens: Vec<i64>,
    lines: Vec<Line>,
}

impl Problem {
    fn random(rng: &mut ChaCha8Rng) -> Self {
        loop {
            let givens: Vec<i64> = (0..rng.random_range(2..5)).map(|_| rng.random_range(10..60)).collect();
            let count = rng.random_range(3..8);
            let mut unused: Vec<usize> = (0..givens.len()).collect();
            let mut lines = Vec::new();
            for at in 0..count {
                let there = givens.len() + at;
                // Mostly from what is not used yet, so that most lines lead to the answer.
                let mut pick = |rng: &mut ChaCha8Rng| match unused.pop() {
                    Some(open) if rng.random_bool(0.8) => open,
                    _ => rng.random_range(0..there),
                };
                let first = Operand::Earlier(pick(rng));
                let second = if rng.random_bool(0.25) {
                    Operand::Constant(rng.random_range(2..9))
                } else {
                    Operand::Earlier(pick(rng))
                };
                lines.push(Line { operator: *['+', '-', '*'].choose(rng).unwrap(), operands: [first, second] });
                unused.push(there);
            }
            let problem = Self { givens, lines };
            if problem.values(&[]).is_some() {
                return problem;
            }
        }
    }

    /// All values, where line k is off by the change, and everything behind it with it; `None` unless all differ and stay small.
    fn values(&self, changes: &[(usize, i64)]) -> Option<Vec<i64>> {
        let mut values = self.givens.clone();
        for (at, line) in self.lines.iter().enumerate() {
            let [a, b] = line.operands.map(|operand| match operand {
                Operand::Earlier(place) => values[place],
                Operand::Constant(value) => value,
            });
            let right: i64 = match line.operator {
                '+' => a.checked_add(b),
                '-' => a.checked_sub(b),
                _ => a.checked_mul(b),
            }?;
            let change: i64 = changes.iter().filter(|(line, _)| *line == at).map(|(_, by)| by).sum();
            values.push(right.checked_add(change)?);
        }
        // All different, and none of them a constant.
        let different = values.iter().collect::<BTreeSet<_>>().len() == values.len();
        (different && values.iter().all(|v| (10..100_000).contains(&v.abs()))).then_some(values)
    }

    fn givens(&self) -> Vec<Anchor> {
        self.givens.iter().map(|value| anchor("quantity", None, &value.to_string(), *value, &[])).collect()
    }

    /// Line k said at this step, with these values.
    fn say(&self, step: usize, line: usize, values: &[i64]) -> Anchor {
        let Line { operator, operands } = &self.lines[line];
        let numbers = operands.map(|operand| match operand {
            Operand::Earlier(place) => values[place],
            Operand::Constant(value) => value,
        });
        let mut written = numbers;
        if *operator != '-' {
            written.sort_unstable();
        }
        let value = values[self.givens.len() + line];
        let normal = format!("{} {operator} {} = {value}", written[0], written[1]);
        anchor("equation", Some(step), &normal, value, &numbers)
    }

    fn trace(&self, order: &[usize], values: &[i64]) -> Trajectory {
        let mut anchors: Vec<Anchor> =
            order.iter().enumerate().map(|(step, line)| self.say(step, *line, values)).collect();
        let last = values[values.len() - 1];
        anchors.push(anchor("answer", Some(order.len()), &last.to_string(), last, &[]));
        Trajectory::of(&self.givens(), &anchors)
    }
}

fn corrupted(problem: &Problem, reference: &Reference, how: Corruption, rng: &mut ChaCha8Rng) -> Option<Trajectory> {
    let order: Vec<usize> = (0..problem.lines.len()).collect();
    let values = problem.values(&[])?;
    // In this trace every line is a node, behind the givens, in order.
    let lines: Vec<usize> = reference.critical().iter().map(|node| node - problem.givens.len()).collect();
    let line = *lines.choose(rng)?;
    match how {
        Corruption::Value => {
            let wrong = problem.values(&[(line, *[-11, -7, -1, 1, 2, 10].choose(rng)?)])?;
            let fresh = wrong.iter().zip(&values).all(|(wrong, right)| wrong == right || !values.contains(wrong));
            fresh.then(|| problem.trace(&order, &wrong))
        }
        Corruption::Dropped => {
            let order: Vec<usize> = order.into_iter().filter(|at| *at != line).collect();
            Some(problem.trace(&order, &values))
        }
        Corruption::Swapped => {
            let later: Vec<usize> = (reference.graph().edges.iter())
                .filter(|(used, user)| *used == line + problem.givens.len() && reference.critical().contains(user))
                .map(|(_, user)| user - problem.givens.len())
                .collect();
            let later = *later.choose(rng)?;
            let mut order = order;
            order.swap(line, later);
            Some(problem.trace(&order, &values))
        }
        Corruption::Looped => {
            let from = line.saturating_sub(rng.random_range(0..3));
            let block: Vec<usize> = (from..=line).collect();
            let times = rng.random_range(2..4);
            let order = order[..from].iter().copied().chain(block.repeat(times)).chain(line + 1..problem.lines.len());
            Some(problem.trace(&order.collect::<Vec<_>>(), &values))
        }
    }
}

#[test]
fn two_hundred_corruptions_of_each_kind_are_told_apart() {
    use Corruption::{Dropped, Looped, Swapped, Value};
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let kinds = [Value, Dropped, Swapped, Looped];
    // True positives, false positives, false negatives of each kind; the fifth row is of right traces.
    let mut counts = [[0u32; 3]; 4];
    for truth in [Some(Value), Some(Dropped), Some(Swapped), Some(Looped), None] {
        let mut made = 0;
        while made < 200 {
            let problem = Problem::random(&mut rng);
            let order: Vec<usize> = (0..problem.lines.len()).collect();
            let right = problem.trace(&order, &problem.values(&[]).unwrap());
            assert_eq!(right.graph.nodes.len(), problem.givens.len() + problem.lines.len());
            let reference = Reference::new(right.graph.clone()).unwrap();
            let trace = match truth {
                Some(how) => corrupted(&problem, &reference, how, &mut rng),
                None => Some(right),
            };
            let Some(trace) = trace else { continue };
            made += 1;
            let found = diagnose(&reference, &trace).unwrap();
            let says = [
                !found.value_changed.is_empty(),
                !found.step_dropped.is_empty(),
                !found.order_swapped.is_empty(),
                !found.loop_inserted.is_empty(),
            ];
            for ((kind, says), counts) in kinds.into_iter().zip(says).zip(&mut counts) {
                match (truth == Some(kind), says) {
                    (true, true) => counts[0] += 1,
                    (false, true) => counts[1] += 1,
                    (true, false) => counts[2] += 1,
                    (false, false) => (),
                }
            }
        }
    }
    for (kind, [hits, alarms, misses]) in kinds.into_iter().zip(counts) {
        let (precision, recall) =
            (f64::from(hits) / f64::from(hits + alarms), f64::from(hits) / f64::from(hits + misses));
        assert!(precision >= 0.95 && recall >= 0.95, "{kind:?}: precision {precision}, recall {recall}");
    }
}

#[test]
fn the_toy_table_is_diagnosed() {
    let reference = Reference::new(chain(&["A", "B", "C"]).graph).unwrap();
    let of = |what: &[&str]| diagnose(&reference, &chain(what)).unwrap();
    assert_eq!(of(&["A", "B", "C"]), super::Diagnosis::default());
    // The mistake is made at B and arrives at C.
    assert_eq!(of(&["A", "B=36", "C=31"]).value_changed, [3]);
    assert_eq!(of(&["A", "C from A, Q"]).step_dropped, [3]);
    assert_eq!(of(&["A", "C", "B"]).order_swapped, [(3, 4)]);
    assert_eq!(of(&["A", "A", "A", "B", "C"]).loop_inserted, [1, 2]);
    assert_eq!(of(&["A", "B", "A", "B", "C"]).loop_inserted, [2, 3]);
    // A check after the answer.
    assert_eq!(of(&["A", "B", "C", "A", "B", "C"]).loop_inserted, [0usize; 0]);
}

#[test]
fn an_answer_that_is_stated_and_not_derived_is_a_dropped_step() {
    let reference = Reference::new(chain(&["A", "B", "C"]).graph).unwrap();
    let mut anchors: Vec<Anchor> = vec![crate::cot::toy::assertion(0, "A"), crate::cot::toy::assertion(1, "B")];
    anchors.push(anchor("answer", Some(2), "29", 29, &[]));
    let found = diagnose(&reference, &Trajectory::of(&crate::cot::toy::givens(), &anchors)).unwrap();
    assert_eq!((found.step_dropped, found.value_changed), (vec![4], vec![]));
}

#[test]
fn an_answer_that_repeats_a_given_or_an_earlier_result_is_a_changed_value() {
    let reference = Reference::new(chain(&["A", "B", "C"]).graph).unwrap();
    let found = |said: &[&str], answer: i64| {
        let mut anchors: Vec<Anchor> =
            said.iter().enumerate().map(|(step, what)| crate::cot::toy::assertion(step, what)).collect();
        anchors.push(anchor("answer", Some(said.len()), &answer.to_string(), answer, &[answer]));
        let found = diagnose(&reference, &Trajectory::of(&crate::cot::toy::givens(), &anchors)).unwrap();
        (found.value_changed, found.step_dropped)
    };
    assert_eq!(found(&["A", "B", "C"], 12), (vec![4], vec![]));
    assert_eq!(found(&["A", "B"], 12), (vec![4], vec![]));
    assert_eq!(found(&["A", "B"], 34), (vec![4], vec![4]));
    assert_eq!(found(&["A", "B", "C"], 34), (vec![4], vec![]));
}
