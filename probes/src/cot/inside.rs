//! What a model knew along a chain of thought: after each step its forced answer, what its layers would say, which steps it leaned on.
//!
//! A trace is told up to a boundary: boundary 0 is the prompt alone, boundary i stands behind step i. The trace is read once; whatever is
//! asked at a boundary begins with the keys and values that are there already ([`babelscope_core::known`]). Each measure says how many
//! tokens it ran and how many it would have run without that ([`Cost`]).
//!
//! Decided here: everything is in tokens. Who cuts a trace into steps gives the token boundaries, and a token that two steps share belongs
//! to the step that it ends.

mod curves;
mod decodable;
mod forced;
mod influence;
mod latent;
mod projection;
mod receiver;
mod resample;
mod rollouts;
mod rows;
mod stub;
mod suppress;
#[cfg(test)]
mod tests;

use std::ops::Range;

use babelscope_core::{
    engine::{Captured, Engine, Values},
    known::Known,
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce},
    tokens::Encoded,
};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

pub use curves::{Curves, same};
pub use decodable::{Decodable, decodable};
pub use forced::{Candidate, Forced, ForcedPoint, cost, forced, forced_whole};
pub use influence::Influence;
pub use latent::{Latent, LatentCell, latent};
pub use projection::{Projection, project};
pub use receiver::{HeadScore, ReceiverParams, Receivers, receivers, top_heads};
pub use resample::{Importance, Shift, importance, newcombe, wilson};
pub use rollouts::{Judges, ResampleParams, Resampled, Rollout, Similar, resample};
pub use stub::{RAW_STUB, answers_behind, stub, stub_or_raw};
pub use suppress::{InfluenceParams, left_out, suppressed};

use crate::{Error, Result};

/// A trace as the model sees it.
///
/// ```
/// use babelscope_probes::cot::inside::Told;
/// // Two steps of three and two tokens behind a prompt of two.
/// let told = Told { prompt: &[5, 6], trace: &[10, 11, 12, 13, 14], bounds: &[0, 3, 5] };
/// assert_eq!((told.steps(), told.step(1)), (2, 5..7));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// What the model was given, BOS included.
    pub prompt: &'a [u32],
    /// What it wrote.
    pub trace: &'a [u32],
    /// `bounds[i]`: how many tokens of the trace there are up to the end of step i, counted from 1; `bounds[0]` is 0. Ascending.
    pub bounds: &'a [usize],
}

/// Tokens that went through the model, or would have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// As they were run: with beginnings that are shared, where the engine shares them.
    pub shared: usize,
    /// With each beginning run again.
    pub naive: usize,
}

impl Cost {
    /// How many times fewer tokens are run.
    pub fn ratio(&self) -> f64 {
        self.naive as f64 / self.shared.max(1) as f64
    }

    /// What was run behind `known`, which may share nothing.
    fn behind(self, known: &Known) -> Self {
        if known.shares() { self } else { Self { shared: self.naive, ..self } }
    }
}

impl Told<'_> {
    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.bounds.len().saturating_sub(1)
    }

    /// Tokens before boundary i, the prompt's included.
    pub fn until(&self, boundary: usize) -> usize {
        self.prompt.len() + self.bounds.get(boundary).copied().unwrap_or_default()
    }

    /// Positions of a step's tokens, counted from the prompt's first token; steps count from 0.
    pub fn step(&self, step: usize) -> Range<usize> {
        self.until(step)..self.until(step + 1)
    }

    /// Tokens of prompt and steps.
    pub fn tokens(&self) -> usize {
        self.until(self.steps())
    }

    /// Why this is no trace that `engine` could have written.
    ///
    /// # Errors
    /// An engine that predicts no next token; an empty prompt; bounds that do not begin at 0, do not ascend, or leave the trace; more tokens
    /// than the context, with `room` more of them.
    pub fn check(&self, engine: &Engine, room: usize) -> Result<()> {
        if !engine.is_causal() || !engine.sites().iter().any(|site| site.point == Point::Logits) {
            let family = &engine.info().family;
            return refuse(format!("this {family} predicts no next token, so it writes no trace; load a decoder"));
        }
        if self.prompt.is_empty() {
            return refuse("the prompt has no token, so nothing stands at boundary 0".to_owned());
        }
        if self.bounds.first() != Some(&0) || !self.bounds.is_sorted_by(|a, b| a < b) {
            let why = "expected the number of tokens up to each boundary, from 0 on, each larger than the one before";
            return refuse(format!("the bounds are {}: {why}", short(self.bounds)));
        }
        if let Some(last) = self.bounds.last().filter(|last| **last > self.trace.len()) {
            return refuse(format!("the last step ends at token {last}, the trace has {}", self.trace.len()));
        }
        let (tokens, context) = (self.tokens() + room, engine.info().context);
        if tokens > context {
            return refuse(format!(
                "prompt, trace and what is put behind them have {tokens} tokens, the model's context is {context}; cut the trace"
            ));
        }
        Ok(())
    }

    /// Its steps, or the sentence that it has none.
    fn some_steps(&self) -> Result<usize> {
        match self.steps() {
            0 => refuse("the trace has no steps; cut it first".to_owned()),
            steps => Ok(steps),
        }
    }

    /// Prompt and steps.
    fn ids(&self) -> Vec<u32> {
        self.prompt.iter().chain(self.trace).take(self.tokens()).copied().collect()
    }

    fn text(&self, engine: &Engine) -> Encoded {
        encoded(self.ids(), engine)
    }

    /// Reads prompt and steps once, with the states of every token at `layers`, `[tokens, width]` each.
    fn read(&self, engine: &Engine, room: usize, layers: &[usize], monitor: &Monitor) -> Result<(Known, Vec<Tensor>)> {
        let captures: Vec<Capture> = Plan::layers(layers.iter().copied(), Reduce::All).captures;
        let (known, captured) = engine.know(&[self.text(engine)], room, &captures, &monitor.quiet())?;
        let states = captured.into_iter().map(|captured| Ok(tokens(captured)?.remove(0))).collect::<Result<_>>()?;
        Ok((known, states))
    }
}

/// Ids without their text.
fn encoded(ids: Vec<u32>, engine: &Engine) -> Encoded {
    let bos = usize::from(ids.first().is_some_and(|first| engine.tokenizer().bos() == Some(*first)));
    Encoded { spans: vec![0..0; ids.len()], ids, bos }
}

/// What was kept of each token, one tensor a text, at least one.
fn tokens(captured: Captured) -> Result<Vec<Tensor>> {
    match captured.values {
        Values::Tokens(tensors) if !tensors.is_empty() => Ok(tensors),
        _ => refuse("the engine pooled what was to be kept whole".to_owned()),
    }
}

/// The layers that are meant: these, or all of them, 0 (embeddings) included.
fn chosen(layers: &[usize], engine: &Engine) -> Result<Vec<usize>> {
    let deepest = engine.info().layers;
    let layers = if layers.is_empty() { (0..=deepest).collect() } else { layers.to_vec() };
    if !layers.is_sorted_by(|a, b| a < b) || layers.last().is_none_or(|layer| *layer > deepest) {
        let got = short(&layers);
        return refuse(format!("expected layers of 0..={deepest} in ascending order, each once, got {got}"));
    }
    Ok(layers)
}

/// What is said where an engine shares no beginnings.
fn unshared(known: &Known, engine: &Engine) -> Vec<String> {
    let note = || format!("the engine {} keeps no keys, so each beginning was run again", engine.info().engine);
    (!known.shares()).then(note).into_iter().collect()
}

/// A list as a message shows it.
fn short(numbers: &[usize]) -> String {
    match numbers {
        [a, b, c, d, .., last] if numbers.len() > 8 => format!("[{a}, {b}, {c}, {d}, ... {last}]"),
        _ => format!("{numbers:?}"),
    }
}

fn tensor(e: candle_core::Error) -> Error {
    babelscope_core::Error::from(e).into()
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "trace", why })
}
