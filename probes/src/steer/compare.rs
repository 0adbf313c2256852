//! One prompt, three answers: as the model is, steered, and with a random vector of the same length; and what the vector did to the
//! next-token distribution at each step of the steered answer.
//!
//! All three begin from the same seed. The steered answer is read a second time without the vector, token by token, so that the two
//! distributions at a step are of the same text and differ by the vector alone.

use std::ops::ControlFlow;

use babelscope_core::{
    engine::{Captured, Engine, Values},
    generate::{Generate, Generated, Generation, Stop},
    monitor::{Monitor, Tick},
    plan::{Capture, Edit, Plan, Reduce, Site},
    tokens::{Cell, Encoded, Piece},
};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the answers are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparing {
    /// Tokens, temperature, seed.
    pub generate: Generate,
    /// Tokens a step whose change is kept.
    pub top_k: usize,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// `none`, `steered` or `random`.
    pub arm: String,
    /// Its tokens.
    pub ids: Vec<u32>,
    /// The tokens as they are shown.
    pub pieces: Vec<Cell>,
    /// Its text.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// Perplexity of the answer given the prompt, under the model as it is.
    pub perplexity: Option<f64>,
}

/// A token whose place in the distribution moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moved {
    /// Token id.
    pub id: u32,
    /// The token as it is shown.
    pub piece: Piece,
    /// Its probability in the model as it is.
    pub before: f32,
    /// Its probability in the steered model.
    pub after: f32,
    /// Steered minus plain logit; their zero is arbitrary in each, so only differences between tokens mean something.
    pub logit: f32,
}

/// What the vector did where one token of the steered answer was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// KL(steered || plain) in nats.
    pub kl: f64,
    /// Probability of the chosen token in the model as it is.
    pub before: f32,
    /// Its probability in the steered model.
    pub after: f32,
    /// The likeliest tokens of either distribution, by their probability in the steered one.
    pub moved: Vec<Moved>,
}

/// The answers to one prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The prompt.
    pub prompt: String,
    /// Plain, steered, random.
    pub answers: Vec<Answer>,
    /// One a token of the steered answer.
    pub steps: Vec<Step>,
}

/// Answers each of `prompts` as the model is, with `steered` and with `placebo`.
///
/// # Errors
/// What the engine refuses; a prompt that is empty.
pub fn compare(
    engine: &Engine,
    prompts: &[String],
    steered: &[Edit],
    placebo: &[Edit],
    params: &Comparing,
    monitor: &Monitor,
) -> Result<Vec<Compared>> {
    let arms: [(&str, &[Edit]); 3] = [("none", &[]), ("steered", steered), ("random", placebo)];
    let encoded = engine.tokenizer().encode_all(prompts)?;
    let deepest = Site::layer(engine.info().layers);
    let mut all: Vec<Compared> =
        prompts.iter().map(|p| Compared { prompt: p.clone(), answers: Vec::new(), steps: Vec::new() }).collect();
    for (at, (arm, edits)) in arms.into_iter().enumerate() {
        let capture = Capture { site: deepest, reduce: Reduce::All };
        let captures = if arm == "steered" { vec![capture] } else { Vec::new() };
        let plan = Plan { captures, edits: edits.to_vec(), ..Plan::default() };
        monitor.tick(Tick { what: "comparing answers", done: at, total: arms.len(), unit: "arms" })?;
        let mut go_on = |_: babelscope_core::generate::Step<'_>| ControlFlow::Continue(());
        let generation = engine.generate(&encoded, &params.generate, &plan, &mut go_on, &monitor.quiet())?;
        let plain = plain_states(engine, &encoded, &generation, &monitor.quiet())?;
        let steered = tokens(generation.captured);
        for (at, (compared, answer)) in all.iter_mut().zip(&generation.sequences).enumerate() {
            let prompt = encoded[at].ids.len();
            let before = probabilities(engine, plain.get(at), prompt, answer.ids.len())?;
            if let Some(states) = steered.get(at) {
                let after = probabilities(engine, Some(states), prompt, answer.ids.len())?;
                compared.steps = steps(engine, answer, &before, &after, params.top_k);
            }
            compared.answers.push(Answer {
                arm: arm.to_owned(),
                ids: answer.ids.clone(),
                pieces: engine.tokenizer().pieces(&answer.ids),
                text: answer.text.clone(),
                stop: answer.stop.clone(),
                perplexity: perplexity(&before, &answer.ids),
            });
        }
    }
    monitor.tick(Tick { what: "comparing answers", done: arms.len(), total: arms.len(), unit: "arms" })?;
    Ok(all)
}

fn tokens(captured: Vec<Captured>) -> Vec<Tensor> {
    match captured.into_iter().next().map(|captured| captured.values) {
        Some(Values::Tokens(states)) => states,
        _ => Vec::new(),
    }
}

/// The last layer of each prompt with its answer behind it, in the model as it is.
fn plain_states(
    engine: &Engine,
    prompts: &[Encoded],
    generation: &Generation,
    monitor: &Monitor,
) -> Result<Vec<Tensor>> {
    let whole = |(prompt, answer): (&Encoded, &Generated)| {
        let ids: Vec<u32> = prompt.ids.iter().chain(&answer.ids).copied().collect();
        Encoded { spans: vec![0..0; ids.len()], ids, bos: prompt.bos }
    };
    let texts: Vec<Encoded> = prompts.iter().zip(&generation.sequences).map(whole).collect();
    let capture = Capture { site: Site::layer(engine.info().layers), reduce: Reduce::All };
    let plan = Plan { captures: vec![capture], ..Plan::default() };
    Ok(tokens(engine.run(&texts, &plan, monitor)?))
}

/// Logits in front of each token of an answer, with what makes them log-probabilities.
struct Before {
    logits: Vec<f32>,
    vocabulary: usize,
    /// `ln sum exp` of each row.
    total: Vec<f64>,
}

impl Before {
    fn row(&self, step: usize) -> &[f32] {
        &self.logits[step * self.vocabulary..][..self.vocabulary]
    }

    fn log_probability(&self, step: usize, id: usize) -> f64 {
        f64::from(self.row(step)[id]) - self.total[step]
    }
}

fn probabilities(engine: &Engine, states: Option<&Tensor>, prompt: usize, answer: usize) -> Result<Before> {
    let vocabulary = engine.info().vocabulary;
    let mut logits = Vec::new();
    let Some(states) = states else {
        return Err(Error::Input { measure: "steer", why: "the engine kept no states of an answer".to_owned() });
    };
    let rows = states.narrow(0, prompt - 1, answer).map_err(babelscope_core::Error::from)?;
    engine.unembed_into(&rows, &mut logits)?;
    let total = logits.chunks_exact(vocabulary).map(log_total).collect();
    Ok(Before { logits, vocabulary, total })
}

/// `ln sum_v exp(x_v)`
fn log_total(x: &[f32]) -> f64 {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    f64::from(max) + x.iter().map(|x| f64::from(x - max).exp()).sum::<f64>().ln()
}

/// `exp(-mean ln p)` of an answer; `None` of an empty one or where it is beyond f64.
fn perplexity(before: &Before, ids: &[u32]) -> Option<f64> {
    let sum: f64 = ids.iter().enumerate().map(|(step, id)| before.log_probability(step, *id as usize)).sum();
    let value = (-sum / ids.len() as f64).exp();
    value.is_finite().then_some(value)
}

fn steps(engine: &Engine, answer: &Generated, before: &Before, after: &Before, top_k: usize) -> Vec<Step> {
    let step = |(step, chosen): (usize, &u32)| {
        let p = |of: &Before, id: usize| of.log_probability(step, id).exp();
        let divergence = |id: usize| {
            let (after, before) = (after.log_probability(step, id), before.log_probability(step, id));
            // 0 ln 0 = 0
            let p = after.exp();
            if p > 0.0 { p * (after - before) } else { 0.0 }
        };
        let mut ids: Vec<usize> = likeliest(before.row(step), top_k);
        ids.extend(likeliest(after.row(step), top_k));
        ids.sort_by(|a, b| after.row(step)[*b].total_cmp(&after.row(step)[*a]).then(a.cmp(b)));
        ids.dedup();
        let moved = ids.into_iter().map(|id| Moved {
            id: id as u32,
            piece: engine.tokenizer().piece(id as u32),
            before: p(before, id) as f32,
            after: p(after, id) as f32,
            logit: after.row(step)[id] - before.row(step)[id],
        });
        Step {
            kl: (0..before.vocabulary).map(divergence).sum::<f64>().max(0.0),
            before: p(before, *chosen as usize) as f32,
            after: p(after, *chosen as usize) as f32,
            moved: moved.collect(),
        }
    };
    answer.ids.iter().enumerate().map(step).collect()
}

/// The `k` largest, of equal ones the smallest id.
fn likeliest(logits: &[f32], k: usize) -> Vec<usize> {
    let mut ids: Vec<usize> = (0..logits.len()).collect();
    let by = |a: &usize, b: &usize| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b));
    if k < ids.len() {
        ids.select_nth_unstable_by(k, by);
        ids.truncate(k);
    }
    ids.sort_by(by);
    ids
}

#[cfg(test)]
mod tests {
    use babelscope_core::{
        engine::LoadOptions,
        plan::{Op, Positions, Unit},
    };

    use super::*;

    fn lab() -> Engine {
        Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap()
    }

    fn add(engine: &Engine, coefficient: f32) -> Vec<Edit> {
        let vector: Vec<f32> = (0..engine.info().width).map(|at| ((at * 7 % 13) as f32 - 6.0) / 6.0).collect();
        let op = Op::Add { vector: vector.into(), coefficient, unit: Unit::Raw, keep_norm: false };
        vec![Edit { positions: Positions::Generated, ..Edit::at(Site::layer(2), op) }]
    }

    fn asked() -> Comparing {
        Comparing { generate: Generate { max_new_tokens: 6, ..Generate::default() }, top_k: 3 }
    }

    #[test]
    fn strength_zero_is_the_plain_answer_and_moves_nothing() {
        let engine = lab();
        let prompts = ["The cat".to_owned(), "Anna lives in".to_owned()];
        let zero = add(&engine, 0.0);
        let all = compare(&engine, &prompts, &zero, &zero, &asked(), &Monitor::silent()).unwrap();
        for compared in all {
            let [plain, steered, random] = compared.answers.as_slice() else { panic!("three arms") };
            assert_eq!(plain.ids, steered.ids);
            assert_eq!(plain.ids, random.ids);
            assert_eq!(compared.steps.len(), steered.ids.len());
            for step in compared.steps {
                assert!(step.kl < 1e-6 && (step.before - step.after).abs() < 1e-4, "{step:?}");
            }
        }
    }

    #[test]
    fn the_first_token_is_beyond_the_reach_of_generated_positions_and_the_next_is_not() {
        let engine = lab();
        let edits = add(&engine, 8.0);
        let all = compare(&engine, &["Anna lives in".to_owned()], &edits, &[], &asked(), &Monitor::silent()).unwrap();
        let steps = &all[0].steps;
        assert!(steps[0].kl < 1e-6, "{}", steps[0].kl);
        assert!(steps[1].kl > 1e-3, "{}", steps[1].kl);
        // The chosen token is the likeliest of the steered distribution, which comes first.
        assert_eq!(steps[1].moved[0].after, steps[1].after);
    }

    #[test]
    fn the_likeliest_are_sorted_and_ties_go_to_the_smaller_id() {
        assert_eq!(likeliest(&[1.0, 3.0, 3.0, 2.0], 2), [1, 2]);
        assert_eq!(likeliest(&[1.0, 3.0], 9), [1, 0]);
    }
}
