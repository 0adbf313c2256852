//! A steering vector that is learned: one vector v, added to the states of one language at one layer of the frozen model, so that
//! they come nearer to the pivot's.
//!
//! `v* = argmin_v mean_i L_i(v)`, after methods.md 4.4 (Mahmoud et al. 2025, arXiv 2505.12584, whose loss, layer and start could not be read:
//! these losses are ours), with one of
//!
//! - **mse**: `L_i = |pool(f_{l -> l'}(h_X,i + v)) - pool(h_E,i[l'])|^2`, with l' >= l. At l' = l and with v at every pooled token this is least
//!   squares, and `v* = mean_i (h_E,i - h_X,i)`, the difference of means (a test holds it); learning is for l' > l;
//! - **kl**: `L_i = KL(p_E,i || p_X,i(v))`, the next-token distributions behind the pivot's prompt and behind the language's;
//! - **task**: `L_i = -sum_t ln p(answer_t | prompt_X,i, answers before; v) / tokens of the answer`.
//!
//! Added to all of them: `penalty (|v| / n)^2`, where n is the mean norm of the pooled states at l over both sides of the training
//! sentences; `max_norm` cuts |v| to that many n. Adam (Kingma and Ba 2015, arXiv 1412.6980) with 0.9, 0.999, 1e-8 on minibatches, its
//! rate falling to 0 in a straight line. One sentence in five is held out by the seed; what is kept is the vector with the least
//! held-out loss, the start included, and learning stops when that has not fallen for `patience` epochs.
//!
//! **An offset cannot fix a rotation.** The notes give the gain in recall of a Procrustes rotation at l (2.5 in methods.md): where it is
//! large, the sides differ by more than a vector.

mod adam;
mod loss;
mod params;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
    tokens::Encoded,
};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

pub use params::{LearnLoss, LearnParams, LearnPool, LearnStart};

use super::vector::{Card, SteeringVector};
use crate::{Error, Result, measure::Measured};
use adam::Adam;
use loss::Task;

/// What a vector is learned from.
#[derive(Clone, Copy, Debug)]
pub struct LearnData<'a> {
    /// The language whose states are moved: `spa_Latn`.
    pub language: &'a str,
    /// The language that they are moved towards: `eng_Latn`.
    pub pivot: &'a str,
    /// Sentences or prompts of the language.
    pub inputs: &'a [Encoded],
    /// The same of the pivot, in the same order. Not read by the task loss, except for the difference of means.
    pub pivots: &'a [Encoded],
    /// Token ids of each answer, behind the language's prompt; read by the task loss alone.
    pub answers: &'a [Vec<u32>],
}

/// A vector with how it was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// One layer; its card's estimator is `learned_mse`, `learned_kl` or `learned_task`.
    pub vector: SteeringVector,
    /// - `learn_loss` on held-out sentences: variants `none` (nothing is added), `diff_mean`, `learned`, with bootstrap intervals;
    /// - `learn_curve`: the loss at each epoch (item; 0 is the start), variants `train` and `validation`;
    /// - `learn_norm`: |v| in mean norms, and `learn_cos_diff_mean`: its cosine with the difference of means;
    /// - `learn_procrustes`: recall at 1 `before` and `after` a rotation, and their `gap`, at the layer.
    pub measured: Measured,
}

/// Which sentences are learned from and which are held out.
struct Split {
    train: Vec<usize>,
    validation: Vec<usize>,
}

impl Split {
    fn new(n: usize, share: f64, rng: &mut ChaCha8Rng) -> Self {
        let mut train: Vec<usize> = (0..n).collect();
        train.shuffle(rng);
        let held = ((n as f64 * share).round() as usize).clamp(2, n - 2);
        let mut validation = train.split_off(n - held);
        train.sort_unstable();
        validation.sort_unstable();
        Self { train, validation }
    }
}

/// What the epochs gave.
struct History {
    best: Vec<f64>,
    /// The epoch of the best.
    epoch: usize,
    /// Mean loss of each epoch from the start on: of the training sentences as they were met, and of the held-out ones.
    curve: Vec<(Option<f64>, f64)>,
    stopped: bool,
}

/// Learns a vector, on an engine that is differentiable ([`Engine::differentiable`]).
///
/// # Errors
/// Parameters that make no sense or a layer that the model does not have; fewer than 8 sentences; sides of unequal length; answers that are
/// missing or empty; an engine without gradients; what the engine refuses.
pub fn learn(
    engine: &Engine,
    data: &LearnData<'_>,
    params: &LearnParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Learned> {
    check(engine, data, params)?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let split = Split::new(data.inputs.len(), params.validation, &mut rng);
    let task = Task::new(engine, data, params, &split.train, monitor)?;
    let start = match params.start {
        LearnStart::DiffMean => task.diff_mean.clone(),
        LearnStart::Zero => vec![0.0; engine.info().width],
    };
    let history = descend(&task, params, &split, start, &mut rng, monitor)?;
    let measured = report::report(&task, params, &split, &history, seed, monitor)?;
    let info = engine.info();
    let cosine = report::cosine(&history.best, &task.diff_mean);
    let card = Card {
        name: format!("{} to {}, {}", data.language, data.pivot, params.loss.estimator()),
        model: info.reference.clone(),
        revision: info.revision.clone().unwrap_or_default(),
        weights_sha256: info.weights_sha256.clone(),
        model_layers: info.layers,
        site: "resid_post".to_owned(),
        estimator: params.loss.estimator().to_owned(),
        position: params.pool.name().to_owned(),
        positive: data.pivot.to_owned(),
        negative: data.language.to_owned(),
        pairs: split.train.len(),
        mean_norm: [(params.layer, task.mean_norm)].into(),
        cos_diff_mean: cosine.map(|cosine| BTreeMap::from([(params.layer, cosine)])).unwrap_or_default(),
        seed,
        program: concat!("babelscope ", env!("CARGO_PKG_VERSION")).to_owned(),
        notes: measured.notes.clone(),
        ..Card::default()
    };
    let numbers = history.best.iter().map(|x| *x as f32).collect();
    let vector = SteeringVector { card, layers: [(params.layer, numbers)].into() };
    Ok(Learned { vector, measured })
}

fn descend(
    task: &Task<'_>,
    params: &LearnParams,
    split: &Split,
    start: Vec<f64>,
    rng: &mut ChaCha8Rng,
    monitor: &Monitor,
) -> Result<History> {
    let quiet = monitor.quiet();
    let batch = params.batch.min(split.train.len());
    let steps = params.epochs * split.train.len().div_ceil(batch);
    let longest = params.max_norm.map(|norms| norms * task.mean_norm);
    let mut adam = Adam::new(start, params.rate * task.mean_norm / (task.width() as f64).sqrt(), steps);
    adam.cut(longest);
    let first = task.mean(adam.at(), &split.validation, &quiet)?;
    let mut history = History { best: adam.at().to_vec(), epoch: 0, curve: vec![(None, first)], stopped: false };
    let mut order = split.train.clone();
    for epoch in 1..=params.epochs {
        monitor.tick(Tick { what: "learning a vector", done: epoch - 1, total: params.epochs, unit: "epochs" })?;
        order.shuffle(rng);
        let mut sum = 0.0;
        for which in order.chunks(batch) {
            let (losses, gradient) = task.slope(adam.at(), which, &quiet)?;
            sum += losses.iter().sum::<f64>();
            adam.step(&gradient);
            adam.cut(longest);
        }
        let validation = task.mean(adam.at(), &split.validation, &quiet)?;
        if history.curve.iter().all(|(_, before)| validation < *before) {
            (history.best, history.epoch) = (adam.at().to_vec(), epoch);
        }
        history.curve.push((Some(sum / order.len() as f64), validation));
        if epoch - history.epoch >= params.patience {
            history.stopped = true;
            break;
        }
    }
    monitor.tick(Tick { what: "learning a vector", done: params.epochs, total: params.epochs, unit: "epochs" })?;
    Ok(history)
}

fn check(engine: &Engine, data: &LearnData<'_>, params: &LearnParams) -> Result<()> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let layers = engine.info().layers;
    if let Some(layer) = [params.layer, params.target()].into_iter().find(|layer| *layer > layers) {
        return refuse(format!("layer {layer} is asked for, the model has layers 0 (embeddings) to {layers}"));
    }
    if !engine.is_differentiable() {
        let why = "a vector is learned by gradients, and this engine has none; load the model a second time with \
                   Engine::differentiable";
        return refuse(why.to_owned());
    }
    let n = data.inputs.len();
    if n < 8 {
        return refuse(format!("{n} sentences are too few to learn from some and hold out others; give at least 8"));
    }
    if data.pivots.len() != n {
        return refuse(format!("{n} sentences of {} and {} of {}", data.language, data.pivots.len(), data.pivot));
    }
    if params.loss == LearnLoss::Task {
        if data.answers.len() != n {
            return refuse(format!("{} answers for {n} prompts; the task loss needs one each", data.answers.len()));
        }
        if let Some(at) = data.answers.iter().position(Vec::is_empty) {
            return refuse(format!("answer {at} (counted from 0) is empty; expected token ids"));
        }
    }
    Ok(())
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "learn", why })
}
