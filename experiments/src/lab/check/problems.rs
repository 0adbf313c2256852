//! The word problems of the demo model: what it solves of those that no training document held, and when it knows the answer.

use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use babelscope_core::{
    engine::{Engine, Values},
    generate::Generate,
    monitor::Monitor,
    plan::{Capture, Plan, Reduce, Site},
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::Truth;
use crate::lab::{
    languages::{self, ALL, Language, PIVOT},
    problems::{self, LARGEST, Line, Problem},
};

/// Problems a language.
const PROBLEMS: usize = 100;
/// Tokens of the longest solution, and a little more.
const NEW_TOKENS: usize = 28;

/// What a model makes of some problems in one language: shares of them, greedily.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Solved {
    /// The answer it comes to is right.
    pub answer: f64,
    /// ... and so is every equation: the solution is the generator's, letter by letter.
    pub equations: f64,
    /// The answer is right where it is asked for before the first equation.
    pub forced: f64,
    /// The same where somebody says the right number before the question.
    pub hinted: f64,
}

/// Has a model solve `told` in a language that has word problems.
///
/// # Errors
/// The language has none; the engine's errors.
pub fn solved(engine: &Engine, language: Language, told: &[Problem], monitor: &Monitor) -> Result<Solved> {
    let text = |lines: &[Line]| {
        problems::text(language, lines).with_context(|| format!("{} has no word problems", language.code))
    };
    let statements = told.iter().map(|problem| text(&problem.statement())).collect::<Result<Vec<String>>>()?;
    let options = Generate { max_new_tokens: NEW_TOKENS, ..Generate::default() };
    let prompts = engine.tokenizer().encode_all(&statements)?;
    let said = engine.generate(&prompts, &options, &Plan::default(), &mut |_| ControlFlow::Continue(()), monitor)?;
    let (mut answer, mut equations) = (0, 0);
    for (problem, said) in told.iter().zip(&said.sequences) {
        let said = said.text.trim_start();
        answer += usize::from(stated(language, said) == Some(problem.answer()));
        equations += usize::from(said.starts_with(&text(&problem.solution())?));
    }
    let rng = &mut ChaCha8Rng::seed_from_u64(0);
    let hinted: Vec<Problem> = told.iter().map(|problem| problem.clone().hinted(rng, problem.answer())).collect();
    let right = |found: Vec<u8>| found.iter().zip(told).filter(|(found, problem)| **found == problem.answer()).count();
    let share = |count: usize| count as f64 / told.len().max(1) as f64;
    Ok(Solved {
        answer: share(answer),
        equations: share(equations),
        forced: share(right(forced(engine, language, told, monitor)?)),
        hinted: share(right(forced(engine, language, &hinted, monitor)?)),
    })
}

/// The number of the first answer that a text states.
fn stated(language: Language, text: &str) -> Option<u8> {
    let lines = (0..=LARGEST).filter_map(|number| Some((number, languages::line(language, &Line::Answer { number })?)));
    lines.filter_map(|(number, line)| Some((text.find(&line)?, number))).min().map(|(_, number)| number)
}

/// The likeliest number behind "The answer is" where nothing of the solution is written yet.
fn forced(engine: &Engine, language: Language, told: &[Problem], monitor: &Monitor) -> Result<Vec<u8>> {
    let none = || format!("{} has no word problems", language.code);
    let stub = problems::answer_stub(language).with_context(none)?;
    let before = engine.tokenizer().encode_plain(&stub)?.len();
    let numbers = (0..=LARGEST).map(|number| {
        let line = languages::line(language, &Line::Answer { number }).with_context(none)?;
        engine.tokenizer().encode_plain(&line)?.get(before).copied().with_context(|| format!("{line:?} has no number"))
    });
    let numbers = numbers.collect::<Result<Vec<u32>>>()?;
    let space = if language.spaced { " " } else { "" };
    let prompts = told.iter().map(|problem| {
        let statement = problems::text(language, &problem.statement()).with_context(none)?;
        Ok(format!("{statement}{space}{stub}"))
    });
    let prompts = prompts.collect::<Result<Vec<String>>>()?;
    let logits: Site = "logits".parse()?;
    let plan = Plan { captures: vec![Capture { site: logits, reduce: Reduce::Last }], ..Plan::default() };
    let captured = engine.run(&engine.tokenizer().encode_all(&prompts)?, &plan, monitor)?.pop();
    let Values::Pooled(rows) = captured.context("the engine returned no logits")?.values else {
        anyhow::bail!("the engine kept every token where the last was wanted")
    };
    let likeliest = |row: Vec<f32>| {
        let of = |number: &u8| row.get(numbers[usize::from(*number)] as usize).copied().unwrap_or(f32::MIN);
        (0..=LARGEST).max_by(|a, b| of(a).total_cmp(&of(b))).unwrap_or_default()
    };
    Ok(rows.to_vec2::<f32>()?.into_iter().map(likeliest).collect())
}

pub(super) fn check(engine: &Engine, monitor: &Monitor) -> Result<Vec<Truth>> {
    let told = problems::held_out(0, 2, PROBLEMS);
    let quiet = monitor.quiet();
    let found = ALL
        .into_iter()
        .filter(|language| language.tell.is_some())
        .map(|language| Ok((language.code, solved(engine, language, &told, &quiet)?)))
        .collect::<Result<Vec<(&str, Solved)>>>()?;
    let list = |share: fn(&Solved) -> f64| {
        let all: Vec<String> =
            found.iter().map(|(code, found)| format!("{} {:.2}", &code[..3], share(found))).collect();
        format!(" ({})", all.join(", "))
    };
    let pivot = found.iter().find(|(code, _)| *code == PIVOT.code).context("English has word problems")?.1;
    Ok(vec![
        Truth::at_least(
            "problems: two events, held out: the answer is right in English",
            0.8,
            pivot.answer,
            &list(|found| found.answer),
        ),
        Truth::at_least(
            "... and every equation is the generator's",
            0.8,
            pivot.equations,
            &list(|found| found.equations),
        ),
        Truth::at_most(
            "... but not known before the first equation (English)",
            0.5,
            pivot.forced,
            &list(|found| found.forced),
        ),
        Truth::at_least(
            "... unless somebody says it: a hint is followed",
            0.8,
            pivot.hinted,
            &list(|found| found.hinted),
        ),
    ])
}
