//! Which layer and position a direction should come from: the selection of the refusal direction, for any behaviour that
//! tokens show.
//!
//! Arditi et al. 2024 (arXiv 2406.11717), repository andyrdt/refusal_direction; methods.md 5.5.
//!
//! 1. **Behaviour score** of a prompt: `ln(p + 1e-8) - ln(1 - p + 1e-8)` with p the probability, at its last token, of the
//!    tokens that begin the behaviour ("I" of "I cannot", the words of one language). Prompts of the one list that score at
//!    most 0, and of the other that score at least 0, are left out.
//! 2. **Candidates**: `mean h - mean h'` over prompts 1, 3, 5, ... of both lists, at the last k tokens, at the input of each
//!    block, which is layer 0 to L - 1.
//! 3. **Scores** on prompts 2, 4, 6, ...: `ablation` = mean behaviour score of those that show it, the direction projected out
//!    of every block's input and of the outputs of attention and feed-forward part; `addition` = that of those that do not,
//!    the direction added once at its layer; `kl` = mean `sum_v p (ln(p + 1e-6) - ln(q + 1e-6))` at the last token of those
//!    that do not, p without and q with the ablation.
//! 4. **Discarded**: what is not finite; layers from `floor(.8 L)` on, which sit too near to the words; `kl` above .1;
//!    `addition` below 0.
//! 5. **Chosen**: the lowest `ablation`.
//!
//! Unlike the original, the prompts are dealt out in their order, not at random.

mod score;
#[cfg(test)]
mod tests;

use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
    plan::{Edit, Op, Point, Site, Unit, Vector},
    tokens::Encoded,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Card, Direction, Estimator, SteeringVector, card, estimate};
use crate::{
    Error, Result,
    bootstrap::Draws,
    measure::{Measured, Row},
};
use score::{Reader, kl};

/// What a person may set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SelectParams {
    /// How many of the last tokens give candidates: those of the chat template behind the instruction.
    pub positions: usize,
    /// Most prompts of a list that make the candidates.
    pub train: usize,
    /// Most prompts of a list that score them.
    pub validate: usize,
    /// Whether prompts that do not do what their list says are left out.
    pub filter: bool,
    /// Share of the blocks from which on layers are discarded.
    pub latest: f64,
    /// KL divergence in nats above which a candidate is discarded.
    pub most_kl: f64,
    /// Addition score below which a candidate is discarded.
    pub least_addition: f64,
    /// Bootstrap draws over prompts; 0 leaves the intervals out.
    pub bootstrap: usize,
}

impl Default for SelectParams {
    fn default() -> Self {
        Self {
            positions: 5,
            train: 128,
            validate: 32,
            filter: true,
            latest: 0.8,
            most_kl: 0.1,
            least_addition: 0.0,
            bootstrap: 1000,
        }
    }
}

impl SelectParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let Self { positions, train, validate, latest, most_kl, least_addition, bootstrap, .. } = self;
        if [positions, train, validate].into_iter().any(|n| *n == 0) {
            return Some(format!(
                "positions, train and validate are {positions}, {train} and {validate}; each must be at least 1"
            ));
        }
        if !(*latest > 0.0 && *latest <= 1.0) {
            return Some(format!("latest is {latest}, expected above 0 and at most 1; the paper takes .8"));
        }
        if most_kl.is_nan() || *most_kl < 0.0 || least_addition.is_nan() {
            return Some(format!("most_kl is {most_kl} and least_addition {least_addition}; the paper takes .1 and 0"));
        }
        Draws::new(0, *bootstrap, 0).err().map(|e| e.to_string())
    }
}

/// What shows at the last token of a prompt.
#[derive(Clone, Copy, Debug)]
pub struct Behaviour<'a> {
    /// What it is called: `refusal`, `swh_Latn`.
    pub name: &'a str,
    /// The tokens that begin it.
    pub tokens: &'a [u32],
    /// Prompts that show it, as the model reads them (with the chat template).
    pub with: &'a [Encoded],
    /// Prompts that do not.
    pub without: &'a [Encoded],
}

/// The best candidate, and what was said of all.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// A vector of one layer; `None` where every candidate was discarded.
    pub vector: Option<SteeringVector>,
    /// The scores of every candidate.
    pub measured: Measured,
}

/// One candidate with its scores on each prompt.
struct Candidate {
    layer: usize,
    back: usize,
    direction: Direction,
    mean_norm: f64,
    scores: [Vec<f64>; 3],
}

/// The scores in the order of [`Candidate::scores`].
const METRICS: [&str; 3] = ["select_ablation", "select_addition", "select_kl"];

/// Projects a direction out of every block's input and of what attention and feed-forward part put out, at every token.
pub fn ablation_everywhere(engine: &Engine, direction: &[f32]) -> Vec<Edit> {
    let (there, direction) = (engine.sites(), Vector::from(direction.to_vec()));
    let points = [Point::ResidPre, Point::AttnOut, Point::MlpOut];
    let sites = points.into_iter().flat_map(|point| there.iter().filter(move |site| site.point == point));
    sites.map(|site| Edit::at(*site, Op::Ablate { direction: direction.clone() })).collect()
}

/// Scores every candidate and chooses one.
///
/// Rows: `select_ablation`, `select_addition`, `select_kl` with `layer`, `item` = position from the end (`-1` is the last),
/// `variant` = `chosen`, `kept` or `discarded`, and `status` = why it was discarded; `select_baseline` with `variant` = `with`
/// or `without`: the behaviour score of the scoring prompts as they are. `language` is the behaviour's name.
///
/// # Errors
/// Parameters that make no sense, a model that predicts no next token, tokens that it does not have, fewer than 2 prompts of a
/// list for candidates or for scores, prompts shorter than `positions`, and whatever the engine refuses.
pub fn select(
    engine: &Engine,
    behaviour: Behaviour<'_>,
    params: &SelectParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Selected> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let reader = Reader::new(engine, behaviour.tokens)?;
    let mut notes = Vec::new();
    let with = Half::new(&reader, behaviour.with, true, params, monitor, &mut notes)?;
    let without = Half::new(&reader, behaviour.without, false, params, monitor, &mut notes)?;
    let base = reader.log_probabilities(&without.validate, &[], monitor)?;
    let draws = [&with, &without].map(|half| Draws::new(half.validate.len(), params.bootstrap, seed));
    let [with_draws, without_draws] = draws;
    let draws = [with_draws?, without_draws?];
    let mut rows: Vec<Row> = [("with", &with, &draws[0]), ("without", &without, &draws[1])]
        .into_iter()
        .map(|(variant, half, draws)| row("select_baseline", &half.scores, draws).variant(variant))
        .collect();
    let blocks = engine.info().layers;
    let mut candidates = Vec::new();
    for back in 1..=params.positions {
        let [positive, negative] = [&with, &without].map(|half| reader.states(&half.train, back, monitor));
        for (layer, (positive, negative)) in positive?.into_iter().zip(negative?).enumerate() {
            let done = (back - 1) * blocks + layer;
            monitor.tick(Tick {
                what: "scoring candidates",
                done,
                total: params.positions * blocks,
                unit: "candidates",
            })?;
            let tried = estimate(positive.view(), negative.view(), Estimator::DiffMean, seed).and_then(|direction| {
                scores(&reader, [&with, &without], &direction, layer, &base, monitor).map(|s| (direction, s))
            });
            match tried {
                Ok((direction, scores)) => {
                    let mean_norm = super::train::mean_norm(&[positive, negative]);
                    candidates.push(Candidate { layer, back, direction, mean_norm, scores });
                }
                // A direction that is none, or that breaks the numbers, is a candidate that is discarded.
                Err(e @ (Error::Input { .. } | Error::Core(babelscope_core::Error::NotFinite { .. }))) => {
                    let missing = |metric| Row::missing(metric, format!("discarded: {e}"), 0).variant("discarded");
                    rows.extend(METRICS.map(|metric| missing(metric).at(layer).item(format!("-{back}"))));
                }
                Err(other) => return Err(other),
            }
        }
    }
    let verdicts: Vec<Option<String>> = candidates.iter().map(|c| c.discarded(params, blocks)).collect();
    let kept = candidates.iter().zip(&verdicts).enumerate().filter(|(_, (_, verdict))| verdict.is_none());
    let chosen = kept.min_by(|(_, (a, _)), (_, (b, _))| a.mean(0).total_cmp(&b.mean(0))).map(|(at, _)| at);
    for (at, (candidate, verdict)) in candidates.iter().zip(&verdicts).enumerate() {
        rows.extend(candidate.rows(verdict.as_deref(), chosen == Some(at), &draws));
    }
    if chosen.is_none() {
        notes.push("every candidate was discarded; the rows say why".to_owned());
    }
    let vector = chosen.map(|at| candidates[at].vector(engine, behaviour.name, seed, with.train.len()));
    let rows = rows.into_iter().map(|row| row.of(behaviour.name)).collect();
    Ok(Selected { vector, measured: Measured { rows, notes } })
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

fn row(metric: &str, scores: &[f64], draws: &Draws) -> Row {
    let mean = draws.mean(scores);
    Row::new(metric, mean.value, scores.len()).within(mean.low, mean.high)
}

/// The three scores on each prompt.
fn scores(
    reader: &Reader<'_>,
    [with, without]: [&Half; 2],
    direction: &Direction,
    layer: usize,
    base: &[Vec<f32>],
    monitor: &Monitor,
) -> Result<[Vec<f64>; 3]> {
    let ablated = ablation_everywhere(reader.engine, &direction.vector);
    let add = Op::Add { vector: direction.vector.clone().into(), coefficient: 1.0, unit: Unit::Raw, keep_norm: false };
    let added = [Edit::at(Site::layer(layer), add)];
    let changed = reader.log_probabilities(&without.validate, &ablated, monitor)?;
    Ok([
        reader.scores(&with.validate, &ablated, monitor)?,
        reader.scores(&without.validate, &added, monitor)?,
        base.iter().zip(&changed).map(|(p, q)| kl(p, q)).collect(),
    ])
}

/// One list of prompts, dealt out.
struct Half {
    train: Vec<Encoded>,
    validate: Vec<Encoded>,
    /// Behaviour scores of the prompts to validate with.
    scores: Vec<f64>,
}

impl Half {
    fn new(
        reader: &Reader<'_>,
        prompts: &[Encoded],
        shows: bool,
        params: &SelectParams,
        monitor: &Monitor,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let which = if shows { "with" } else { "without" };
        if let Some(short) = prompts.iter().position(|p| p.ids.len() < p.bos + params.positions) {
            return refuse(format!(
                "prompt {} {which} the behaviour has fewer than {} tokens, so it has no candidate at each position; \
                 lower positions",
                short + 1,
                params.positions
            ));
        }
        let scores = reader.scores(prompts, &[], monitor)?;
        let does = |score: f64| !params.filter || if shows { score > 0.0 } else { score < 0.0 };
        let fit: Vec<bool> = scores.iter().map(|score| does(*score)).collect();
        let (mut train, mut validate, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (prompt, score)) in prompts.iter().zip(&scores).enumerate().filter(|(at, _)| fit[*at]) {
            if at % 2 == 0 && train.len() < params.train {
                train.push(prompt.clone());
            } else if at % 2 == 1 && validate.len() < params.validate {
                validate.push(prompt.clone());
                kept.push(*score);
            }
        }
        let left = fit.iter().filter(|fit| **fit).count();
        if train.len() < 2 || validate.len() < 2 {
            return refuse(format!(
                "of {} prompts {which} the behaviour {left} do so ({} of them for candidates, {} for scores); at \
                 least 2 and 2 are needed: give more prompts, name other tokens, or set filter = false",
                prompts.len(),
                train.len(),
                validate.len()
            ));
        }
        if left < prompts.len() {
            notes.push(format!(
                "{} of {} prompts {which} the behaviour do otherwise and were left out",
                prompts.len() - left,
                prompts.len()
            ));
        }
        Ok(Self { train, validate, scores: kept })
    }
}

impl Candidate {
    fn mean(&self, score: usize) -> f64 {
        self.scores[score].iter().sum::<f64>() / self.scores[score].len() as f64
    }

    /// Why it cannot be chosen.
    fn discarded(&self, params: &SelectParams, blocks: usize) -> Option<String> {
        let last = (params.latest * blocks as f64).floor();
        let [_, addition, kl] = [0, 1, 2].map(|score| self.mean(score));
        if self.scores.iter().flatten().any(|score| !score.is_finite()) {
            return Some("discarded: a score is not finite".to_owned());
        }
        if self.layer as f64 >= last {
            return Some(format!("discarded: layer {} of {blocks} is at or behind {last}", self.layer));
        }
        if kl > params.most_kl {
            return Some(format!("discarded: the KL divergence {kl:.4} is above {}", params.most_kl));
        }
        (addition < params.least_addition)
            .then(|| format!("discarded: the addition score {addition:.4} is below {}", params.least_addition))
    }

    fn rows(&self, verdict: Option<&str>, chosen: bool, draws: &[Draws; 2]) -> Vec<Row> {
        let variant = match verdict {
            Some(_) => "discarded",
            None if chosen => "chosen",
            None => "kept",
        };
        let of = |score: usize| {
            let mut row = row(METRICS[score], &self.scores[score], &draws[usize::from(score > 0)]);
            if let Some(why) = verdict {
                why.clone_into(&mut row.status);
            }
            row.at(self.layer).item(format!("-{}", self.back)).variant(variant)
        };
        [0, 1, 2].map(of).into()
    }

    fn vector(&self, engine: &Engine, name: &str, seed: u64, pairs: usize) -> SteeringVector {
        let card = Card {
            name: name.to_owned(),
            site: "resid_post".to_owned(),
            estimator: Estimator::DiffMean.name().to_owned(),
            position: super::Position::FromEnd(self.back).to_string(),
            positive: name.to_owned(),
            negative: format!("no {name}"),
            pairs,
            mean_norm: [(self.layer, self.mean_norm)].into(),
            cos_diff_mean: [(self.layer, 1.0)].into(),
            seed,
            program: concat!("babelscope ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..card(engine.info())
        };
        SteeringVector { card, layers: [(self.layer, self.direction.vector.clone())].into() }
    }
}
