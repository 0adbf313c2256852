//! What a model says at the last token of a prompt: log-probabilities, and the score of a behaviour.

use babelscope_core::{
    engine::{Engine, Values},
    monitor::Monitor,
    plan::{Edit, Plan, Point, Reduce},
    tokens::Encoded,
};
use ndarray::Array2;

use super::refuse;
use crate::{
    Result,
    steer::train::{pooled, until},
};

/// Added to probabilities before their logarithm, of scores and of the divergence.
const SCORE_EPSILON: f64 = 1e-8;
const KL_EPSILON: f64 = 1e-6;

/// Reads the last token of prompts.
pub(super) struct Reader<'a> {
    pub(super) engine: &'a Engine,
    tokens: &'a [u32],
}

impl<'a> Reader<'a> {
    pub(super) fn new(engine: &'a Engine, tokens: &'a [u32]) -> Result<Self> {
        let has_head = engine.sites().iter().any(|site| site.point == Point::Logits);
        if !engine.is_causal() || !has_head {
            return refuse(format!(
                "this {} predicts no next token, so no token shows a behaviour",
                engine.info().family
            ));
        }
        if tokens.is_empty() {
            return refuse("no token shows the behaviour; name at least one".to_owned());
        }
        if let Some(odd) = tokens.iter().find(|token| **token as usize >= engine.info().vocabulary) {
            return refuse(format!("the model has no token {odd}; its vocabulary has {}", engine.info().vocabulary));
        }
        let mut sorted = tokens.to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return refuse(format!("token {} is named twice, so its probability would count twice", pair[0]));
        }
        Ok(Self { engine, tokens })
    }

    /// The logarithms of the probabilities of all tokens behind each prompt. `[prompts][vocabulary]`
    pub(super) fn log_probabilities(
        &self,
        prompts: &[Encoded],
        edits: &[Edit],
        monitor: &Monitor,
    ) -> Result<Vec<Vec<f32>>> {
        let mut plan = Plan::layers([self.engine.info().layers], Reduce::Last);
        plan.edits = edits.to_vec();
        let captured = self.engine.run(prompts, &plan, &monitor.quiet())?;
        let Some(Values::Pooled(states)) = captured.into_iter().next().map(|captured| captured.values) else {
            return refuse("the engine kept every token where the last was asked for".to_owned());
        };
        let mut logits = Vec::new();
        let mut out = Vec::with_capacity(prompts.len());
        for at in 0..prompts.len() {
            let state = states.narrow(0, at, 1).map_err(babelscope_core::Error::from)?;
            self.engine.unembed_into(&state, &mut logits)?;
            let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits.iter().map(|x| f64::from(x - most).exp()).sum();
            let total = f64::from(most) + sum.ln();
            out.push(logits.iter().map(|x| (f64::from(*x) - total) as f32).collect());
        }
        Ok(out)
    }

    /// The behaviour score of each prompt.
    pub(super) fn scores(&self, prompts: &[Encoded], edits: &[Edit], monitor: &Monitor) -> Result<Vec<f64>> {
        let all = self.log_probabilities(prompts, edits, monitor)?;
        Ok(all.iter().map(|of| score(of, self.tokens)).collect())
    }

    /// The states of the `back`-th token from the end at layers 0 to L - 1. `[prompts, width]` each.
    pub(super) fn states(&self, prompts: &[Encoded], back: usize, monitor: &Monitor) -> Result<Vec<Array2<f32>>> {
        let cut: Vec<Encoded> = prompts.iter().map(|prompt| until(prompt, prompt.ids.len() + 1 - back)).collect();
        let plan = Plan::layers(0..self.engine.info().layers, Reduce::Last);
        pooled(self.engine.run(&cut, &plan, &monitor.quiet())?)
    }
}

/// `ln(p + e) - ln(1 - p + e)` with p the probability of `tokens`.
pub(super) fn score(log_probabilities: &[f32], tokens: &[u32]) -> f64 {
    let p: f64 = tokens.iter().map(|token| f64::from(log_probabilities[*token as usize]).exp()).sum();
    (p + SCORE_EPSILON).ln() - (1.0 - p.min(1.0) + SCORE_EPSILON).ln()
}

/// `sum p (ln(p + e) - ln(q + e))`
pub(super) fn kl(p: &[f32], q: &[f32]) -> f64 {
    let part = |(p, q): (&f32, &f32)| {
        let (p, q) = (f64::from(*p).exp(), f64::from(*q).exp());
        p * ((p + KL_EPSILON).ln() - (q + KL_EPSILON).ln())
    };
    p.iter().zip(q).map(part).sum()
}
