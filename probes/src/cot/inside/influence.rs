//! How much later steps change when an earlier one is taken from them: `KL(base || changed)` at each later token.
//!
//! At every token t of a later step i, with `p` of the trace as it is and `q` of the changed one, both of logits divided by the
//! temperature: `KL_t = sum_v p_v (ln p_v - ln q_v)` over the whole vocabulary, in nats. Of step j on step i: the mean over the tokens of i,
//! and the mean of `ln max(KL_t, 1e-6)`, which a few tokens do not rule. Below 1e-6 nats there is rounding alone.
//!
//! Bogdan et al. 2025 (arXiv 2506.19143) take temperature 0.6 and the stored top 100 logits; here nothing is cut off. What is read at
//! token t is what the model says behind it, as there.

use babelscope_core::{engine::Engine, monitor::Monitor};
use candle_core::Tensor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Cost, Told, rows};
use crate::{Result, logits::kl};

/// Nats below which a divergence is rounding.
const LEAST: f64 = 1e-6;

/// A lower triangle: what step j does to step i, j before i.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Influence {
    /// What was done to a step: `suppressed`, `left_out`.
    pub change: String,
    /// By which logits were divided.
    pub temperature: f64,
    /// `[i][j]`, j below i: mean KL in nats over the tokens of step i.
    pub kl: Vec<Vec<f64>>,
    /// The same of `ln max(KL, 1e-6)`.
    pub log_kl: Vec<Vec<f64>>,
    /// Tokens that were run, and without shared beginnings.
    pub cost: Cost,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Influence {
    /// `log_kl` less the mean of its row, the nearest `hidden` steps left out of both: what Bogdan et al. draw. Rows that have nothing left
    /// are empty.
    pub fn centred(&self, hidden: usize) -> Vec<Vec<f64>> {
        let row = |(i, row): (usize, &Vec<f64>)| {
            let seen = &row[..i.saturating_sub(hidden).min(row.len())];
            let mean = seen.iter().sum::<f64>() / seen.len().max(1) as f64;
            seen.iter().map(|x| x - mean).collect()
        };
        self.log_kl.iter().enumerate().map(row).collect()
    }

    /// How much each step does to all later ones: the mean of its column of `kl`, `None` for the last.
    pub fn of_each(&self) -> Vec<Option<f64>> {
        let column = |j: usize| {
            let later: Vec<f64> = self.kl.iter().filter_map(|row| row.get(j).copied()).collect();
            (!later.is_empty()).then(|| later.iter().sum::<f64>() / later.len() as f64)
        };
        (0..self.kl.len()).map(column).collect()
    }
}

/// What a change of step `step` left of the tokens behind it.
pub(super) struct Changed {
    pub(super) step: usize,
    /// The last layer, `[tokens behind the step, width]`.
    pub(super) states: Tensor,
}

/// Fills the columns of `changed` in `[i][j]`.
///
/// # Shapes
/// `base` `[tokens, width]`: the last layer of the trace as it is.
pub(super) fn compare(
    engine: &Engine,
    told: &Told<'_>,
    base: &Tensor,
    changed: &[Changed],
    temperature: f64,
    [mean, log]: [&mut [Vec<f64>]; 2],
    monitor: &Monitor,
) -> Result<()> {
    let (vocabulary, block, temperature) = (engine.info().vocabulary, rows::block(engine), temperature as f32);
    let Some(first) = changed.iter().map(|changed| told.step(changed.step).end).min() else { return Ok(()) };
    let mut of_each: Vec<Vec<f64>> = vec![Vec::new(); changed.len()];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for from in (first..told.tokens()).step_by(block) {
        let until = (from + block).min(told.tokens());
        monitor.check()?;
        let totals = rows::logits(engine, base, (from, until - from), temperature, &mut ours)?;
        for (changed, kls) in changed.iter().zip(&mut of_each) {
            let end = told.step(changed.step).end;
            let own = from.max(end);
            if own >= until {
                continue;
            }
            let others = rows::logits(engine, &changed.states, (own - end, until - own), temperature, &mut theirs)?;
            let base = ours.par_chunks_exact(vocabulary).zip(&totals).skip(own - from);
            let pairs = base.zip(theirs.par_chunks_exact(vocabulary).zip(&others));
            kls.par_extend(pairs.map(|((a, of_a), (b, of_b))| kl([a, b], [of_a, of_b])));
        }
    }
    for (changed, kls) in changed.iter().zip(&of_each) {
        let end = told.step(changed.step).end;
        for i in changed.step + 1..told.steps() {
            let step = told.step(i);
            let own = &kls[step.start - end..step.end - end];
            mean[i][changed.step] = own.iter().sum::<f64>() / own.len() as f64;
            log[i][changed.step] = own.iter().map(|kl| kl.max(LEAST).ln()).sum::<f64>() / own.len() as f64;
        }
    }
    Ok(())
}
