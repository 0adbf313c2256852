//! Steering vectors from states: parallel sentences that were captured, two lists of texts, or contrast pairs.
//!
//! - **From parallel sentences** ([`train_languages`]): `v_{X to Y}[l] = mean h_Y[l] - mean h_X[l]` over the same sentences,
//!   so that meaning is held constant; straight from a [`StateSource`], without a pass (methods.md 4.5).
//! - **From two lists of texts** ([`train_texts`]): the same over texts that are no translations; whatever else the lists
//!   differ in goes into the vector (CLaS-Bench's DiffMean).
//! - **From pairs** ([`train_pairs`]): any [`Estimator`] on `h_positive - h_negative` (methods.md 5.2 to 5.4).
//!
//! **Nothing is tested on what it was trained on**: item 1, 2, ... of every [`TrainParams::test_every`] trains, the last of
//! them tests, and the quality of each layer is that of the others' vector on those: [`quality`]. The vector that is kept is
//! the tested one.
//!
//! **Which token** ([`Position`]): in a model that sees only what came before, a sentence that ends at token t has at t the
//! state of the whole one, so the sentences are cut behind the token and their last state is read; no other token is kept.

mod quality;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use babelscope_core::{
    engine::{Engine, ModelInfo},
    hash::sha256,
    monitor::{Monitor, Tick},
};
use ndarray::{Array2, ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use read::Position;
pub(super) use read::{pooled, until};

use super::{Card, Direction, Estimator, Pair, SteeringVector, estimate};
use crate::{
    Error, Result,
    bootstrap::Draws,
    measure::Measured,
    source::{self, StateSource},
};
use quality::Held;

/// Pairs below which a difference of means is mostly noise (methods.md 12).
const FEW_PAIRS: usize = 50;
/// Bytes of the states that are held at once; more layers are read in further passes.
const STATE_BYTES: usize = 1 << 30;

/// What a person may choose.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainParams {
    /// How the direction is estimated.
    pub estimator: Estimator,
    /// Which token is read; states that are there already have their own pooling.
    pub position: Position,
    /// Canonical layers; empty means all, 0 (embeddings) included.
    pub layers: Vec<usize>,
    /// Every so-manyth item is held out for testing: 2 is one half, 5 a fifth; 0 holds out none and says nothing of the quality.
    pub test_every: usize,
    /// Whether questions go through the model's chat template; pairs without a question are refused then.
    pub chat: bool,
    /// Bootstrap draws over held-out items; 0 leaves the intervals out.
    pub bootstrap: usize,
}

impl Default for TrainParams {
    fn default() -> Self {
        Self {
            estimator: Estimator::DiffMean,
            position: Position::Last,
            layers: Vec::new(),
            test_every: 2,
            chat: false,
            bootstrap: 1000,
        }
    }
}

impl TrainParams {
    /// Why these make no sense, as a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.test_every == 1 {
            return Some(
                "test_every is 1, which holds everything out; take 2 for one half, or 0 to hold out nothing".to_owned(),
            );
        }
        if self.position == Position::FromEnd(0) {
            return Some("position is from_end 0; 1 is the last token, 2 the one before it".to_owned());
        }
        if !self.layers.is_sorted_by(|a, b| a < b) {
            return Some(format!("layers are {:?}, expected ascending, each once", self.layers));
        }
        Draws::new(0, self.bootstrap, 0).err().map(|e| e.to_string())
    }
}

/// What the two sides are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// What adding the vector leads to: `spa_Latn`, `polite`.
    pub positive: &'a str,
    /// What it leads away from.
    pub negative: &'a str,
}

/// A vector and how good it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Trained {
    /// The vector with its card.
    pub vector: SteeringVector,
    /// Its quality at each layer: the rows that [`train_languages`] names.
    pub measured: Measured,
}

/// A card that says which model it is of, and nothing else.
pub fn card(model: &ModelInfo) -> Card {
    Card {
        model: model.reference.clone(),
        revision: model.revision.clone().unwrap_or_default(),
        weights_sha256: model.weights_sha256.clone(),
        model_layers: model.layers,
        ..Card::default()
    }
}

/// A language vector from parallel sentences that were captured.
///
/// `card` brings what the states do not say: the model ([`card`]), the pooling as `position`, the SHA-256 of the corpus. Rows,
/// with `language` = `to`, `pivot` = `from`, `layer`, and `variant` = the estimator: on held-out items `vector_pair_order`
/// (share with `v p > v n`), `vector_auc` (share of all combinations), `vector_d_prime` (difference of the means of `v h` over
/// the root mean variance), `vector_agreement` (mean cosine between differences); on training items `vector_norm_share`
/// (`|v| / mean |h|`) and `vector_cos_diff_mean`; of both `vector_split_half` (cosine with the held-out items' own vector).
///
/// # Errors
/// Parameters that make no sense, a language or a layer that is not there, too few sentences, and what [`estimate`] refuses,
/// with the layer.
pub fn train_languages(
    source: &dyn StateSource,
    card: Card,
    (from, to): (&str, &str),
    params: &TrainParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Trained> {
    let places = [source::place(source, to, "steer")?, source::place(source, from, "steer")?];
    if places[0] == places[1] {
        return refuse(format!("a vector from {from} to itself leads nowhere; name two languages"));
    }
    let n = source.sentences();
    let mut work = Work::new(Names { positive: to, negative: from }, [n, n], true, card, params, seed)?;
    let layers = chosen(source.layers(), params)?;
    for (done, layer) in layers.iter().enumerate() {
        monitor.tick(Tick { what: "training vectors", done, total: layers.len(), unit: "layers" })?;
        let at = source.layers().iter().position(|l| l == layer).unwrap_or_default();
        let [positive, negative] = places.map(|place| source::finite(source, place, at, "steer"));
        work.layer(*layer, positive?.view(), negative?.view())?;
    }
    work.done()
}

/// A vector from contrast pairs.
///
/// Rows as [`train_languages`] has.
///
/// # Errors
/// As there; with the line of the pair: sides that become the same tokens, a side that is too long or too short for the
/// position, an answer without a letter; a position inside of the sentence where the model sees what comes behind it.
pub fn train_pairs(
    engine: &Engine,
    pairs: &[Pair],
    names: Names<'_>,
    params: &TrainParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Trained> {
    let mut card = card(engine.info());
    card.position = params.position.to_string();
    card.data_sha256 = fingerprint(pairs.iter().flat_map(|p| [&p.prompt, &p.positive, &p.negative]));
    let mut work = Work::new(names, [pairs.len(); 2], true, card, params, seed)?;
    let sides = read::pairs(engine, pairs, params)?;
    passes(engine, &sides, &mut work, params, monitor)?;
    work.done()
}

/// A vector from two lists of texts that are no pairs; `diff_mean` and `lda` only.
///
/// Rows as [`train_languages`] has, without those of pairs.
///
/// # Errors
/// As [`train_pairs`], with the place of the text in its list; an estimator that needs pairs; texts that come twice.
pub fn train_texts(
    engine: &Engine,
    (positive, negative): (&[String], &[String]),
    names: Names<'_>,
    params: &TrainParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<Trained> {
    let mut card = card(engine.info());
    card.position = params.position.to_string();
    card.data_sha256 = fingerprint(positive.iter().chain(negative));
    let mut work = Work::new(names, [positive.len(), negative.len()], false, card, params, seed)?;
    let sides = read::texts(engine, [positive, negative], names, params)?;
    passes(engine, &sides, &mut work, params, monitor)?;
    work.done()
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

/// SHA-256 over texts, each with a zero byte behind it.
fn fingerprint<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let bytes: Vec<u8> = texts.flat_map(|text| text.bytes().chain([0])).collect();
    sha256(&bytes)
}

/// The layers that were asked for, of those that are there.
fn chosen(there: &[usize], params: &TrainParams) -> Result<Vec<usize>> {
    if params.layers.is_empty() {
        return Ok(there.to_vec());
    }
    if let Some(missing) = params.layers.iter().find(|layer| !there.contains(layer)) {
        return refuse(format!("layer {missing} was asked for; there are {there:?}"));
    }
    Ok(params.layers.clone())
}

/// Runs the sentences of both sides once for as many layers as fit, and trains each.
fn passes(
    engine: &Engine,
    sides: &read::Sides,
    work: &mut Work<'_>,
    params: &TrainParams,
    monitor: &Monitor,
) -> Result<()> {
    let all: Vec<usize> = (0..=engine.info().layers).collect();
    let layers = chosen(&all, params)?;
    let layer_bytes = sides.sentences.len() * engine.info().width * size_of::<f32>();
    let step = (STATE_BYTES / layer_bytes.max(1)).max(1);
    let (n, groups) = (sides.sentences.len(), layers.len().div_ceil(step));
    for (at, group) in layers.chunks(step).enumerate() {
        let within = monitor.within("training vectors", at * n, groups * n);
        let states = read::states(engine, sides, group, &within)?;
        for (layer, state) in group.iter().zip(states) {
            monitor.check()?;
            let (positive, negative) = state.view().split_at(Axis(0), sides.positive);
            work.layer(*layer, positive, negative)?;
        }
    }
    Ok(())
}

/// A vector in the making.
struct Work<'a> {
    names: Names<'a>,
    paired: bool,
    params: &'a TrainParams,
    seed: u64,
    /// Places of the items that train and that test, of each side.
    train: [Vec<usize>; 2],
    test: [Vec<usize>; 2],
    draws: [Draws; 2],
    trained: Trained,
}

impl<'a> Work<'a> {
    fn new(
        names: Names<'a>,
        counts: [usize; 2],
        paired: bool,
        card: Card,
        params: &'a TrainParams,
        seed: u64,
    ) -> Result<Self> {
        if let Some(why) = params.problem() {
            return refuse(why);
        }
        let estimator = params.estimator;
        if estimator.needs_pairs() && !paired {
            return refuse(format!(
                "{} needs pairs, and these are two lists of texts; take diff_mean or lda",
                estimator.name()
            ));
        }
        let tests = |i: usize| params.test_every > 0 && i % params.test_every == params.test_every - 1;
        let split = counts.map(|n| (0..n).partition::<Vec<usize>, _>(|i| !tests(*i)));
        let least = params.test_every.max(1);
        if let Some(n) = counts.into_iter().find(|n| *n < least) {
            return refuse(format!(
                "{n} {} are too few with test_every = {}; give at least {least} (50 or more make a vector)",
                if paired { "pairs" } else { "texts of a side" },
                params.test_every
            ));
        }
        let [(train, test), (other_train, other_test)] = split;
        let (train, test) = ([train, other_train], [test, other_test]);
        // Pairs are drawn as pairs, texts of the two sides each for themselves.
        let draws = [
            Draws::new(test[0].len(), params.bootstrap, seed)?,
            Draws::new(test[1].len(), params.bootstrap, if paired { seed } else { seed.wrapping_add(1) })?,
        ];
        let pairs = if paired { train[0].len() } else { train[0].len() + train[1].len() };
        let mut notes = Vec::new();
        if train[0].len().min(train[1].len()) < FEW_PAIRS {
            let fewest = train[0].len().min(train[1].len());
            notes.push(format!("the vector rests on {fewest} training items a side; take {FEW_PAIRS} or more"));
        }
        if params.test_every == 0 {
            notes.push("nothing was held out (test_every = 0), so nothing is known of the vector's quality".to_owned());
        }
        let mut card = Card {
            name: format!("{} to {}", names.negative, names.positive),
            site: "resid_post".to_owned(),
            estimator: estimator.name().to_owned(),
            positive: names.positive.to_owned(),
            negative: names.negative.to_owned(),
            pairs,
            seed,
            program: concat!("babelscope ", env!("CARGO_PKG_VERSION")).to_owned(),
            ..card
        };
        if card.position == "mean" || card.position == "weighted" {
            card.notes.push(format!(
                "mean_norm is that of the {} over a sentence's tokens, which is shorter than a token's own state",
                card.position
            ));
        }
        card.notes.extend(notes.iter().cloned());
        let trained = Trained {
            vector: SteeringVector { card, layers: BTreeMap::new() },
            measured: Measured { rows: Vec::new(), notes },
        };
        Ok(Self { names, paired, params, seed, train, test, draws, trained })
    }

    /// What was trained.
    fn done(self) -> Result<Trained> {
        if self.trained.vector.layers.is_empty() {
            return refuse(
                "both sides have the same state at every layer, so no direction leads from one to the other".to_owned(),
            );
        }
        Ok(self.trained)
    }

    /// Trains and tests a layer.
    ///
    /// # Shapes
    /// `positive` `[n, width]`, `negative` `[m, width]`.
    fn layer(&mut self, layer: usize, positive: ArrayView2<'_, f32>, negative: ArrayView2<'_, f32>) -> Result<()> {
        let part = |places: &[Vec<usize>; 2]| -> [Array2<f32>; 2] {
            [positive.select(Axis(0), &places[0]), negative.select(Axis(0), &places[1])]
        };
        let estimated = |[p, n]: &[Array2<f32>; 2]| estimate(p.view(), n.view(), self.params.estimator, self.seed);
        let (train, test) = (part(&self.train), part(&self.test));
        if self.params.layers.is_empty() && alike(&train) {
            let why =
                format!("layer {layer} has no vector: all training items have the same state there (the same token)");
            self.trained.measured.notes.push(why);
            return Ok(());
        }
        let Direction { vector, cos_diff_mean, notes } = estimated(&train).map_err(|e| match e {
            Error::Input { why, .. } => Error::Input { measure: "steer", why: format!("layer {layer}: {why}") },
            other => other,
        })?;
        let mean_norm = mean_norm(&train);
        let again = if self.params.test_every > 0 {
            estimated(&test).map_err(|e| e.to_string())
        } else {
            Err(NOT_HELD_OUT.to_owned())
        };
        let held = Held {
            vector: &vector,
            states: &test,
            paired: self.paired,
            draws: [&self.draws[0], &self.draws[1]],
            again: again.map(|direction| direction.vector),
            training: self.train[0].len().min(self.train[1].len()),
            mean_norm,
            cos_diff_mean,
        };
        let rows = held.rows().into_iter().map(|row| {
            row.of(self.names.positive).against(self.names.negative).at(layer).variant(self.params.estimator.name())
        });
        let Trained { vector: kept, measured } = &mut self.trained;
        measured.rows.extend(rows);
        measured.notes.extend(notes.into_iter().map(|note| format!("layer {layer}: {note}")));
        kept.card.mean_norm.insert(layer, mean_norm);
        kept.card.cos_diff_mean.insert(layer, cos_diff_mean);
        kept.layers.insert(layer, vector);
        Ok(())
    }
}

/// Whether all items of both sides have one state: the embedding of a token that all sentences end in.
fn alike([positive, negative]: &[Array2<f32>; 2]) -> bool {
    let first = positive.row(0);
    positive.outer_iter().chain(negative.outer_iter()).all(|row| row == first)
}

/// Why there are no numbers of held-out items.
const NOT_HELD_OUT: &str = "nothing was held out";

/// The mean norm of the states of both sides.
pub(super) fn mean_norm(sides: &[Array2<f32>; 2]) -> f64 {
    let norm = |row: ndarray::ArrayView1<'_, f32>| row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let sum: f64 = sides.iter().flat_map(|side| side.outer_iter().map(norm)).sum();
    sum / sides.iter().map(Array2::nrows).sum::<usize>() as f64
}
