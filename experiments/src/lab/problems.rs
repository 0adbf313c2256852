//! Word problems of the small world, with worked-out solutions and the derivation that they stand for.
//!
//! Somebody has some things and buys, finds, gives away or loses some, once or several times; how many are left? The solution
//! says one equation an event and then the answer, so what a right solution says, and what each of its lines was built from, is
//! known before anybody reads it.
//!
//! Givens are never 1 or 2, which Arabic says by the form of the noun alone: no number would stand there to be found.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use super::{
    languages::{self, Language},
    world::{Noun, Person},
};

/// Numbers that a problem gives.
pub const GIVEN: std::ops::RangeInclusive<u8> = 3..=9;
/// Largest number that may come up on the way.
pub const LARGEST: u8 = 20;

/// What happens to the things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    /// There are more.
    Buy,
    /// There are more.
    Find,
    /// There are fewer, and somebody has them now.
    Give {
        /// Who.
        whom: Person,
    },
    /// There are fewer.
    Lose,
}

impl Event {
    /// Whether there are more things afterwards.
    pub fn adds(self) -> bool {
        matches!(self, Self::Buy | Self::Find)
    }
}

/// Something happens to so many of the things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Change {
    /// What.
    pub event: Event,
    /// How many.
    pub amount: u8,
}

impl Change {
    /// How many there are afterwards; `None` below zero or beyond `largest`.
    pub fn apply(self, before: u8, largest: u8) -> Option<u8> {
        let after = if self.event.adds() { before.checked_add(self.amount) } else { before.checked_sub(self.amount) };
        after.filter(|after| *after <= largest)
    }
}

/// A line of a problem or of its solution, apart from any language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Line {
    /// Anna has 3 cups.
    Has { who: Person, number: u8, noun: Noun },
    /// Anna gives 4 cups to Peter.
    Happens { who: Person, change: Change, noun: Noun },
    /// Peter says 5. (A hint.)
    Says { who: Person, number: u8 },
    /// How many cups does Anna have?
    HowMany { who: Person, noun: Noun },
    /// 3 + 4 = 7.
    Equation { left: u8, adds: bool, right: u8, result: u8 },
    /// The answer is 5.
    Answer { number: u8 },
}

/// A hint: before the question somebody says a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hint {
    /// Who.
    pub who: Person,
    /// The number; the right answer in all documents of the training.
    pub number: u8,
}

/// A word problem.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem {
    /// Who has the things.
    pub who: Person,
    /// The things.
    pub noun: Noun,
    /// How many there are first.
    pub start: u8,
    /// What happens, in order.
    pub changes: Vec<Change>,
    /// What somebody says before the question.
    pub hint: Option<Hint>,
}

/// What an assertion of a derivation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Stands in the problem.
    Given,
    /// An equation of the solution.
    Derived,
    /// The answer.
    Answer,
}

/// An assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// What it is.
    pub part: Part,
    /// `3 + 4 = 7` with the smaller summand first, or the number alone; ASCII digits.
    pub normal: String,
    /// What it says.
    pub value: u8,
    /// Its line in the problem (given) or in the solution, from 0.
    pub line: usize,
}

/// What depends on what: assertions in the order of time, givens first, and edges from what is used to what uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// Assertions.
    pub nodes: Vec<Assertion>,
    /// `(used, user)`, sorted.
    pub edges: Vec<(usize, usize)>,
}

impl Problem {
    /// A problem of so many events whose numbers stay within [`GIVEN`] and [`LARGEST`], held out or not, without a hint.
    pub fn draw(rng: &mut ChaCha8Rng, steps: usize, held_out: bool) -> Self {
        loop {
            let problem = Self::any(rng, steps, GIVEN, LARGEST);
            if problem.held_out() == held_out {
                return problem;
            }
        }
    }

    /// A problem of so many events, its givens in `given` and every number on the way at most `largest`.
    pub(super) fn any(rng: &mut ChaCha8Rng, steps: usize, given: std::ops::RangeInclusive<u8>, largest: u8) -> Self {
        let who = Person(rng.random_range(0..Person::COUNT));
        let noun = *Noun::ALL.choose(rng).unwrap_or(&Noun::Cup);
        loop {
            let start = rng.random_range(given.clone());
            let mut changes = Vec::with_capacity(steps);
            let mut now = Some(start);
            for _ in 0..steps {
                let event = match rng.random_range(0..4) {
                    0 => Event::Buy,
                    1 => Event::Find,
                    2 => Event::Give { whom: other(rng, who) },
                    _ => Event::Lose,
                };
                let change = Change { event, amount: rng.random_range(given.clone()) };
                now = now.and_then(|now| change.apply(now, largest));
                changes.push(change);
            }
            if now.is_some() {
                return Self { who, noun, start, changes, hint: None };
            }
        }
    }

    /// The same problem where somebody else says `number` before the question.
    #[must_use]
    pub fn hinted(self, rng: &mut ChaCha8Rng, number: u8) -> Self {
        let hint = Some(Hint { who: other(rng, self.who), number });
        Self { hint, ..self }
    }

    /// Whether no training document of any language may hold this arithmetic: one eighth of all rows of numbers and signs, by their hash,
    /// whoever has the things and whatever they are. A single event is never held out, as its equation belongs to the longer ones.
    pub fn held_out(&self) -> bool {
        let signs: Vec<(bool, u8)> = self.changes.iter().map(|change| (change.event.adds(), change.amount)).collect();
        let key = format!("{} {signs:?}", self.start);
        signs.len() > 1 && blake3::hash(key.as_bytes()).as_bytes()[0].is_multiple_of(8)
    }

    /// How many there are first and after each event.
    pub fn totals(&self) -> Vec<u8> {
        let mut totals = vec![self.start];
        for change in &self.changes {
            let before = totals.last().copied().unwrap_or(self.start);
            totals.push(change.apply(before, u8::MAX).unwrap_or(before));
        }
        totals
    }

    /// The right answer.
    pub fn answer(&self) -> u8 {
        self.totals().last().copied().unwrap_or(self.start)
    }

    /// Whether no number comes up twice, so that a number says where it is from.
    pub fn clear(&self) -> bool {
        let numbers: Vec<u8> = self.totals().into_iter().chain(self.changes.iter().map(|c| c.amount)).collect();
        numbers.iter().collect::<BTreeSet<_>>().len() == numbers.len()
    }

    /// What is told, the question last.
    pub fn statement(&self) -> Vec<Line> {
        let Self { who, noun, start, .. } = *self;
        let mut lines = vec![Line::Has { who, number: start, noun }];
        lines.extend(self.changes.iter().map(|change| Line::Happens { who, change: *change, noun }));
        lines.extend(self.hint.map(|Hint { who, number }| Line::Says { who, number }));
        lines.push(Line::HowMany { who, noun });
        lines
    }

    /// One equation an event, then the answer.
    pub fn solution(&self) -> Vec<Line> {
        let totals = self.totals();
        let equation = |(at, change): (usize, &Change)| Line::Equation {
            left: totals[at],
            adds: change.event.adds(),
            right: change.amount,
            result: totals[at + 1],
        };
        let mut lines: Vec<Line> = self.changes.iter().enumerate().map(equation).collect();
        lines.push(Line::Answer { number: self.answer() });
        lines
    }

    /// The answer, and then the equations that lead to it.
    pub fn answer_first(&self) -> Vec<Line> {
        let mut lines = self.solution();
        lines.rotate_right(1);
        lines
    }

    /// What the solution of [`Problem::solution`] derives from what.
    pub fn derivation(&self) -> Derivation {
        let given =
            |(line, value): (usize, u8)| Assertion { part: Part::Given, normal: value.to_string(), value, line };
        let numbers = std::iter::once(self.start).chain(self.changes.iter().map(|change| change.amount));
        let mut nodes: Vec<Assertion> = numbers.enumerate().map(given).collect();
        let mut edges = Vec::new();
        let mut before = 0;
        for (line, said) in self.solution().into_iter().enumerate() {
            let now = nodes.len();
            edges.push((before, now));
            match said {
                Line::Answer { number } => {
                    nodes.push(Assertion { part: Part::Answer, normal: number.to_string(), value: number, line });
                }
                said => {
                    edges.push((line + 1, now));
                    nodes.push(Assertion { part: Part::Derived, normal: normal(&said), value: result(&said), line });
                }
            }
            before = now;
        }
        edges.sort_unstable();
        Derivation { nodes, edges }
    }
}

fn other(rng: &mut ChaCha8Rng, than: Person) -> Person {
    Person((than.0 + rng.random_range(1..Person::COUNT)) % Person::COUNT)
}

/// The canonical form of an equation; empty for another line.
pub fn normal(line: &Line) -> String {
    match *line {
        Line::Equation { left, adds: true, right, result } => {
            format!("{} + {} = {result}", left.min(right), left.max(right))
        }
        Line::Equation { left, adds: false, right, result } => format!("{left} - {right} = {result}"),
        _ => String::new(),
    }
}

fn result(line: &Line) -> u8 {
    match *line {
        Line::Equation { result, .. } => result,
        Line::Answer { number } | Line::Says { number, .. } | Line::Has { number, .. } => number,
        Line::Happens { change, .. } => change.amount,
        Line::HowMany { .. } => 0,
    }
}

/// Lines as one text of a language; `None` for the island, which has no word problems.
pub fn text(language: Language, lines: &[Line]) -> Option<String> {
    let lines = lines.iter().map(|line| languages::line(language, line)).collect::<Option<Vec<String>>>()?;
    Some(lines.join(if language.spaced { " " } else { "" }))
}

/// What stands before the number of [`Line::Answer`]: where it is forced, the model can only go on with a number.
pub fn answer_stub(language: Language) -> Option<String> {
    let written = |number: u8| language.tell.map(|tell| tell(&Line::Answer { number }).words);
    let (some, other) = (written(0)?, written(1)?);
    let words: Vec<&str> = some.iter().zip(other).take_while(|(a, b)| *a == b).map(|(a, _)| a.as_str()).collect();
    Some(languages::capital(&words.join(if language.spaced { " " } else { "" })))
}

/// Adds the stub of every language that has word problems and none yet.
pub fn add_stubs(stubs: &mut BTreeMap<String, String>) {
    for language in languages::ALL {
        if let Some(stub) = answer_stub(language) {
            stubs.entry(language.code.to_owned()).or_insert(stub);
        }
    }
}

/// A number as the language writes it in [`Line::Answer`]; `None` for the island.
pub fn numeral(language: Language, number: u8) -> Option<String> {
    let tell = language.tell?;
    let [own, other] = [number, u8::from(number == 0)].map(|number| tell(&Line::Answer { number }).words);
    own.into_iter().zip(other).find(|(own, other)| own != other).map(|(own, _)| own)
}

/// `count` different held-out problems of so many events in which no number comes up twice.
pub fn held_out(seed: u64, steps: usize, count: usize) -> Vec<Problem> {
    some(seed, steps, count, true)
}

/// `count` different problems of so many events in which no number comes up twice, held out or not.
pub fn some(seed: u64, steps: usize, count: usize, held_out: bool) -> Vec<Problem> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let problem = Problem::draw(rng, steps, held_out);
        if problem.clear() && !chosen.contains(&problem) {
            chosen.push(problem);
        }
    }
    chosen
}

/// Lines that together use every word and number of problems.
pub fn covering() -> Vec<Line> {
    let mut all = Vec::new();
    for who in Person::all() {
        all.extend((0..=LARGEST).map(|number| Line::Says { who, number }));
        for (&noun, number) in Noun::ALL.iter().zip(GIVEN.cycle()) {
            all.extend([Line::Has { who, number, noun }, Line::HowMany { who, noun }]);
            let whom = Person((who.0 + 1) % Person::COUNT);
            for event in [Event::Buy, Event::Find, Event::Give { whom }, Event::Lose] {
                all.extend(GIVEN.map(|amount| Line::Happens { who, change: Change { event, amount }, noun }));
            }
        }
    }
    for (left, right) in (0..=LARGEST).flat_map(|left| GIVEN.map(move |right| (left, right))) {
        let sum = (true, left + right, left + right <= LARGEST);
        let difference = (false, left.saturating_sub(right), right <= left);
        let fits = [sum, difference].into_iter().filter(|(.., fits)| *fits);
        all.extend(fits.map(|(adds, result, _)| Line::Equation { left, adds, right, result }));
    }
    all.extend((0..=LARGEST).map(|number| Line::Answer { number }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        let change = |event, amount| Change { event, amount };
        Problem {
            who: Person(0),
            noun: Noun::Cup,
            start: 4,
            changes: vec![change(Event::Buy, 3), change(Event::Lose, 5)],
            hint: None,
        }
    }

    #[test]
    fn the_derivation_says_what_the_solution_is_built_from() {
        let Derivation { nodes, edges } = problem().derivation();
        let said: Vec<(Part, &str, u8, usize)> =
            nodes.iter().map(|n| (n.part, n.normal.as_str(), n.value, n.line)).collect();
        let expected = [
            (Part::Given, "4", 4, 0),
            (Part::Given, "3", 3, 1),
            (Part::Given, "5", 5, 2),
            (Part::Derived, "3 + 4 = 7", 7, 0),
            (Part::Derived, "7 - 5 = 2", 2, 1),
            (Part::Answer, "2", 2, 2),
        ];
        assert_eq!(said, expected);
        assert_eq!(edges, [(0, 3), (1, 3), (2, 4), (3, 4), (4, 5)]);
    }

    #[test]
    fn numbers_stay_within_their_bounds_and_are_worked_out_rightly() {
        let rng = &mut ChaCha8Rng::seed_from_u64(1);
        for steps in [1, 2, 3].into_iter().cycle().take(3000) {
            let problem = Problem::draw(rng, steps, false);
            let totals = problem.totals();
            assert!(totals.iter().all(|total| *total <= LARGEST) && GIVEN.contains(&problem.start));
            for (at, change) in problem.changes.iter().enumerate() {
                assert!(GIVEN.contains(&change.amount));
                let (before, after) = (i16::from(totals[at]), i16::from(totals[at + 1]));
                let amount = i16::from(change.amount);
                assert_eq!(after, if change.event.adds() { before + amount } else { before - amount });
                assert!(!matches!(change.event, Event::Give { whom } if whom == problem.who));
            }
            assert_eq!(problem.solution().len(), steps + 1);
            assert_eq!(problem.answer_first()[0], Line::Answer { number: problem.answer() });
        }
    }

    #[test]
    fn one_eighth_is_held_out_by_its_numbers_alone() {
        let rng = &mut ChaCha8Rng::seed_from_u64(2);
        type Numbers = (u8, Vec<(bool, u8)>, bool);
        let all: BTreeSet<Numbers> = (0..20_000)
            .map(|_| {
                let problem = Problem::any(rng, 2, GIVEN, LARGEST);
                let signs = problem.changes.iter().map(|change| (change.event.adds(), change.amount)).collect();
                (problem.start, signs, problem.held_out())
            })
            .collect();
        let numbers: BTreeSet<_> = all.iter().map(|(start, signs, _)| (start, signs)).collect();
        assert_eq!(numbers.len(), all.len(), "names and things make no difference");
        let share = all.iter().filter(|(.., held_out)| *held_out).count() as f64 / all.len() as f64;
        assert!((share - 0.125).abs() < 0.04, "{share} of {}", all.len());
        let kept = held_out(0, 2, 100);
        assert!(kept.iter().all(|problem| problem.held_out() && problem.clear()));
        assert_eq!(kept.iter().collect::<BTreeSet<_>>().len(), 100);
    }
}
