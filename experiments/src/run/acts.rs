//! Executes the probes that steer and patch.

mod compared;
mod cot;
mod hints;
mod judged;
mod prompt;
mod vectors;

use std::path::Path;

use anyhow::Result;
use babelscope_core::{
    chat::{ChatOptions, Message},
    corpus::Corpus,
    engine::{Engine, ModelInfo},
    monitor::Monitor,
    tokens::Encoded,
};
use babelscope_probes::{
    measure::Measured,
    patch::{PatchParams, patch},
    steer::{Behaviour, LearnData, Learned, SteerParams, SteerReport, SteeringVector, card, evaluate, learn, select},
};

pub(super) use self::{
    compared::compared,
    cot::traced,
    hints::hinted,
    vectors::{contrast_vectors, language_vectors},
};
use super::probes::Said;
use crate::{
    details::Details,
    fault::Fault,
    spec::{LearnSpec, SelectSpec},
    tables::measures::Probed,
};

fn detailed(kind: &str, seed: u64, measured: Measured, details: Details) -> Said {
    let details = Details { probe: kind.to_owned(), ..details };
    Said::Detailed(Probed { probe: kind.to_owned(), seed, measured }, details)
}

/// The sentences of a language.
fn lines<'c>(corpus: &'c Corpus, language: &str) -> Result<&'c [String], Fault> {
    let why = || Fault::spec(format!("the corpus has no language {language}; it has {}", corpus.languages.join(", ")));
    corpus.lines(language).ok_or_else(why)
}

/// A vector that is learned, on a second copy of the model where the first one keeps no tape.
pub(super) fn learned(
    params: &LearnSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let tokenizer = engine.tokenizer();
    let inputs = tokenizer.encode_all(lines(corpus, &params.language)?)?;
    let pivots = tokenizer.encode_all(lines(corpus, &params.pivot)?)?;
    let mut answers = Vec::new();
    if !params.answers.is_empty() {
        let path = Path::new(&params.answers);
        let text = std::fs::read_to_string(path).map_err(|e| Fault::read("the answers", path, &e))?;
        for line in text.lines() {
            answers.push(tokenizer.encode_plain(line)?);
        }
        if answers.len() != inputs.len() {
            let why = format!(
                "{} answers for {} lines; expected one a line\n{}",
                answers.len(),
                inputs.len(),
                params.answers
            );
            return Err(Fault::data(why).into());
        }
    }
    let twin = if engine.is_differentiable() { None } else { Some(engine.differentiable(monitor)?) };
    let data = LearnData {
        language: &params.language,
        pivot: &params.pivot,
        inputs: &inputs,
        pivots: &pivots,
        answers: &answers,
    };
    let Learned { vector, measured } = learn(twin.as_ref().unwrap_or(engine), &data, &params.learning, seed, monitor)?;
    Ok(detailed("learn", seed, measured, Details { vectors: vec![vector], ..Details::default() }))
}

/// What language vectors do.
pub(super) fn steered(
    params: &SteerParams,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let SteerReport { measured, vectors, samples, strengths } = evaluate(engine, corpus, params, seed, monitor)?;
    Ok(detailed("steer", seed, measured, Details { vectors, samples, strengths, ..Details::default() }))
}

/// A direction for a behaviour.
pub(super) fn selected(params: &SelectSpec, engine: &Engine, seed: u64, monitor: &Monitor) -> Result<Said> {
    let prompts = |path: &str| -> Result<Vec<Encoded>> {
        let path = Path::new(path);
        let text = std::fs::read_to_string(path).map_err(|e| Fault::read("the prompts of a behaviour", path, &e))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let read = |line: &str| {
            if params.chat {
                Ok(engine.chat(&[Message::new("user", line)], &ChatOptions::default())?.encoded)
            } else {
                Ok(engine.tokenizer().encode(line)?)
            }
        };
        lines.map(read).collect()
    };
    let (with, without) = (prompts(&params.with)?, prompts(&params.without)?);
    let mut tokens = Vec::new();
    for word in &params.words {
        tokens.extend(engine.tokenizer().encode_plain(word)?.first());
    }
    tokens.sort_unstable();
    tokens.dedup();
    let behaviour = Behaviour { name: &params.name, tokens: &tokens, with: &with, without: &without };
    let mut found = select(engine, behaviour, &params.search, seed, monitor)?;
    // A table has a reason only where there is no number, so why a candidate is out stands in its variant.
    for row in found.measured.rows.iter_mut().filter(|row| row.value.is_some() && row.status != "ok") {
        row.variant = format!("{}: {}", row.variant, std::mem::replace(&mut row.status, "ok".to_owned()));
    }
    let details = Details { vectors: found.vector.into_iter().collect(), ..Details::default() };
    Ok(detailed("select", seed, found.measured, details))
}

/// An experiment on causes.
pub(super) fn patched(params: &PatchParams, engine: &Engine, seed: u64, monitor: &Monitor) -> Result<Said> {
    let report = patch(engine, params, seed, monitor)?;
    Ok(detailed("patch", seed, report.measured, Details { patched: report.runs, ..Details::default() }))
}

/// Writes onto the cards what only the whole run knows.
pub(super) fn complete(vectors: &mut [SteeringVector], model: &ModelInfo, corpus: &Corpus) {
    for own in vectors.iter_mut().map(|vector| &mut vector.card).filter(|card| card.weights_sha256.is_empty()) {
        let known = card(model);
        (own.model, own.revision) = (known.model, known.revision);
        (own.weights_sha256, own.model_layers) = (known.weights_sha256, known.model_layers);
        own.data_sha256.clone_from(&corpus.sha256);
    }
}
