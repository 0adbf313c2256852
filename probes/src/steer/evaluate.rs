//! Does a vector lead the model into a language, with the meaning kept, and at what price?
//!
//! For every source and target, at every layer and strength, prompts in the source language are continued while the vector is applied;
//! the outputs are judged ([`super::score`](self)): forcing, relevance, score, fluency. Layer and strength are **chosen on the prompts at
//! even places** (the largest score; of equal ones the weakest) **and everything is reported on the others**: the best of many cells,
//! reported where it was chosen, is better than it is (AxBench does the same). At the chosen layer every strength stands beside the
//! controls: nothing, random vectors, shuffled labels, the vector to another language, a prompt that asks.
//!
//! Vectors, identifier and centres never see a line that is a prompt.
//!
//! A pair *fails*, and a note says so, where fewer than half of the reported outputs are in the target, where the interval of the
//! relevance reaches down to chance, or where a random vector does as much.

mod cell;
mod effects;
mod means;
mod pair;
mod session;
mod speak;

use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    monitor::{Monitor, Tick},
};
use serde::{Deserialize, Serialize};

use self::{
    cell::Place,
    session::{Judged, Session},
};
use super::{Identification, SteerParams, SteeringVector, Strength, score::likelihood};
use crate::{Error, Result, measure::Measured};

/// Share of outputs in the target below which a pair fails.
const FORCED: f64 = 0.5;

/// One output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Language of the prompt.
    pub source: String,
    /// Language that was to come out.
    pub target: String,
    /// Where the vector was applied; empty where none was.
    pub layers: Vec<usize>,
    /// How strongly, in the unit of the parameters.
    pub strength: f64,
    /// `steered`, `none`, `random`, `shuffled`, `other`, `prompt`.
    pub arm: String,
    /// Which of several vectors of one arm, from 1.
    pub nth: Option<usize>,
    /// Which prompt, from 0; even ones choose, odd ones report.
    pub line: usize,
    /// The prompt, without what asks for the language.
    pub prompt: String,
    /// What came.
    pub text: String,
    /// Its language; `None` is unsure.
    pub language: Option<String>,
    /// Posterior of the likeliest language.
    pub posterior: f64,
    /// Cosine with the prompt's line.
    pub cosine: Option<f64>,
    /// Share of the other lines that the prompt's beats; chance is 1/2.
    pub relevance: Option<f64>,
    /// The judge's mark, 0 to 2.
    pub mark: Option<f64>,
    /// Under the unsteered model, behind the prompt.
    pub perplexity: Option<f64>,
    /// Whether it was cut off.
    pub unfinished: bool,
    /// Whether it is of the layer and strength that were chosen.
    pub chosen: bool,
}

impl Sample {
    fn new(session: &Session<'_>, place: &Place<'_>, nth: Option<usize>, judged: &Judged, chosen: bool) -> Self {
        let tokens = judged.ids.len() as f64;
        Self {
            source: place.source.to_owned(),
            target: place.target.to_owned(),
            layers: place.layers.to_vec(),
            strength: place.strength,
            arm: place.arm.to_owned(),
            nth,
            line: judged.line,
            prompt: session.of(place.source).get(judged.line).map_or_else(String::new, |(_, text)| text.clone()),
            text: judged.text.clone(),
            language: judged.verdict.language.clone(),
            posterior: judged.verdict.posterior,
            cosine: judged.cosine,
            relevance: judged.rank,
            mark: judged.mark,
            perplexity: (tokens > 0.0).then(|| (judged.nats / tokens).exp()),
            unfinished: judged.unfinished,
            chosen,
        }
    }
}

/// What an evaluation gives.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SteerReport {
    /// Rows of every cell, of the chosen ones (`best_*`), of side effects (`side_*`), and of the identifier (`identifier_*`).
    pub measured: Measured,
    /// The vectors, one a pair, every layer that was evaluated.
    pub vectors: Vec<SteeringVector>,
    /// Every output.
    pub samples: Vec<Sample>,
    /// Every strength that was applied, in all units.
    pub strengths: Vec<Strength>,
}

/// Lines and vectors of an evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// Lines that vectors, identifier and means are made of.
    pub train: &'a Corpus,
    /// Lines that prompts are made of, in the same languages; none of them may be among `train`.
    pub prompts: &'a Corpus,
    /// What each prompt's output should mean: what relevance and propensity compare with. Mostly the prompts themselves; the answers
    /// where the prompts are questions.
    pub references: &'a Corpus,
    /// Vectors that are there already (`negative` of the card is the source, `positive` the target); pairs that have none get the
    /// difference of means.
    pub vectors: &'a [SteeringVector],
}

/// Layers of the grid.
fn layers(engine: &Engine, params: &SteerParams) -> Vec<usize> {
    if params.layers.is_empty() { (0..=engine.info().layers).collect() } else { params.layers.clone() }
}

/// Evaluates the differences of means between the languages of `corpus`: its last [`SteerParams::prompts`] lines are the prompts, the
/// others make the vectors.
///
/// # Errors
/// Parameters that make no sense, an unknown language or layer, a corpus without enough lines, a model that says nothing; a program that
/// fails; [`babelscope_core::Error::Cancelled`].
pub fn evaluate(
    engine: &Engine,
    corpus: &Corpus,
    params: &SteerParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<SteerReport> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    let first = corpus.len().saturating_sub(params.prompts);
    if first < 4 {
        return refuse(format!(
            "the corpus {} has {} lines: {} are to be prompts, and at least 4 others must make the vectors",
            corpus.name,
            corpus.len(),
            params.prompts
        ));
    }
    let lines = |range: std::ops::Range<usize>| {
        let columns = corpus.languages.iter().zip(&corpus.sentences);
        let columns = columns.map(|(language, lines)| (language.clone(), lines[range.clone()].to_vec()));
        Corpus::from_lines(&corpus.name, columns.collect())
    };
    let (train, prompts) = (lines(0..first)?, lines(first..corpus.len())?);
    evaluate_on(
        engine,
        Material { train: &train, prompts: &prompts, references: &prompts, vectors: &[] },
        params,
        seed,
        monitor,
    )
}

/// [`evaluate`] on lines and vectors at hand; [`SteerParams::prompts`] is not read.
///
/// # Errors
/// As [`evaluate`]; prompts in other languages than the lines of the vectors; a vector of another model.
pub fn evaluate_on(
    engine: &Engine,
    material: Material<'_>,
    params: &SteerParams,
    seed: u64,
    monitor: &Monitor,
) -> Result<SteerReport> {
    if let Some(why) = params.problem() {
        return refuse(why);
    }
    likelihood::check(engine)?;
    let Material { train, prompts, references, vectors } = material;
    let deepest = engine.info().layers;
    let all = params.layers.iter().chain(&params.relevance_layer);
    if let Some(layer) = all.into_iter().find(|layer| **layer > deepest) {
        return refuse(format!("layer {layer} is not there; this model has 0 (embeddings) to {deepest}"));
    }
    if prompts.len() < 4 {
        return refuse(format!("{} prompts are too few, at least 4 are needed", prompts.len()));
    }
    if prompts.languages != train.languages {
        return refuse(format!(
            "the prompts are in {}, the vectors' lines in {}; both must be in the same languages",
            prompts.languages.join(", "),
            train.languages.join(", ")
        ));
    }
    if references.languages != prompts.languages || references.len() != prompts.len() {
        return refuse(format!(
            "there are {} references in {}, expected one for each of the {} prompts in each of their languages",
            references.len(),
            references.languages.join(", "),
            prompts.len()
        ));
    }
    let chosen = |named: &[String]| -> Result<Vec<String>> {
        let missing = named.iter().find(|language| !prompts.languages.contains(language));
        match missing {
            Some(language) => {
                refuse(format!("{language} is not among the languages: {}", prompts.languages.join(", ")))
            }
            None if named.is_empty() => Ok(prompts.languages.clone()),
            None => Ok(named.to_vec()),
        }
    };
    let (sources, targets) = (chosen(&params.sources)?, chosen(&params.targets)?);
    let session = Session::new(engine, material, params, seed, monitor)?;
    let mut report = SteerReport::default();
    if let Identification::Own(identifier) = &session.identifier {
        report.measured = identifier.assess(train);
    }
    report.measured.notes.extend(session.means.note());
    let pairs: Vec<(&String, &String)> =
        sources.iter().flat_map(|s| targets.iter().filter(move |t| *t != s).map(move |t| (s, t))).collect();
    if pairs.is_empty() {
        return refuse("the only source is the only target, so there is nothing to steer to".to_owned());
    }
    let layers = layers(engine, params);
    let tick = |done| Tick { what: "steering", done, total: pairs.len(), unit: "pairs" };
    for (at, (source, target)) in pairs.iter().enumerate() {
        monitor.tick(tick(at))?;
        let given = vectors.iter().find(|v| v.card.negative == **source && v.card.positive == **target);
        let vector = match given {
            Some(given) => {
                given.check(engine.info(), false)?;
                given.clone()
            }
            None => session.means.vector(source, target, &layers)?,
        };
        // The next language in the list that is neither.
        let behind = prompts.languages.iter().position(|l| l == *target).unwrap_or_default() + 1;
        let ring = prompts.languages.iter().cycle().skip(behind).take(prompts.languages.len());
        let third = ring.into_iter().find(|l| l != source && l != target);
        let other = third.map(|third| session.means.vector(source, third, &layers)).transpose()?;
        let found = pair::pair(&session, (source, target), &vector, other.as_ref(), monitor)?;
        report.measured.rows.extend(found.rows);
        report.measured.notes.extend(found.notes);
        report.samples.extend(found.samples);
        report.strengths.extend(found.strengths);
        report.vectors.push(vector);
    }
    monitor.tick(tick(pairs.len()))?;
    Ok(report)
}

fn refuse<T>(why: String) -> Result<T> {
    Err(Error::Input { measure: "steer", why })
}

#[cfg(test)]
mod tests;
