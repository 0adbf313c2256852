//! Executes the probes that steer and patch: vectors, answers side by side, experiments on causes.

use std::path::Path;

use anyhow::Result;
use babelscope_core::{corpus::Corpus, engine::Engine, generate::Generate, monitor::Monitor};
use babelscope_probes::{
    align::LanguageStates,
    capture::{Extraction, capture},
    measure::{Measured, Row},
    patch::{PatchParams, patch},
    source::StateSource,
    steer::{
        Card, Comparing, Names, SteeringVector, TrainParams, Trained, apply_to, card, compare, random_vector,
        read_pairs, train_languages, train_pairs, train_texts,
    },
};

use super::{probes::Said, workbench::reduce};
use crate::{
    details::Details,
    fault::Fault,
    spec::{CompareSpec, RunSpec, VectorSpec},
    tables::measures::Probed,
    vectors,
};

fn detailed(kind: &str, seed: u64, measured: Measured, details: Details) -> Said {
    let details = Details { probe: kind.to_owned(), ..details };
    Said::Detailed(Probed { probe: kind.to_owned(), seed, measured }, details)
}

fn gathered(seed: u64, trained: impl IntoIterator<Item = Trained>) -> Said {
    let mut measured = Measured::default();
    let mut vectors = Vec::new();
    for one in trained {
        let name = format!("{} ({})", one.vector.card.name, one.vector.card.estimator);
        measured.notes.extend(one.measured.notes.iter().map(|note| format!("{name}: {note}")));
        measured.rows.extend(one.measured.rows);
        vectors.push(one.vector);
    }
    detailed("vector", seed, measured, Details { vectors, ..Details::default() })
}

/// Language vectors, from states that are there. Which model they are of is written onto their cards where the run is.
pub(super) fn language_vectors(
    params: &VectorSpec,
    spec: &RunSpec,
    source: &dyn StateSource,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let card = Card { position: spec.extract.pooling.name().to_owned(), ..Card::default() };
    let mut trained = Vec::new();
    for pair in params.language_pairs(source.languages()) {
        for estimator in &params.estimators {
            let training = params.training(*estimator, &[]);
            trained.push(train_languages(source, card.clone(), pair, &training, seed, monitor)?);
        }
    }
    Ok(gathered(seed, trained))
}

/// Vectors from contrast pairs or from two lists of texts.
pub(super) fn contrast_vectors(
    params: &VectorSpec,
    spec: &RunSpec,
    engine: &Engine,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let names = Names { positive: &params.positive, negative: &params.negative };
    let text = |path: &str| {
        let path = Path::new(path);
        std::fs::read_to_string(path).map_err(|e| Fault::read("the texts of a vector", path, &e))
    };
    let lines = |path: &str| Ok::<Vec<String>, Fault>(text(path)?.lines().map(str::to_owned).collect());
    let mut trained = Vec::new();
    for estimator in &params.estimators {
        let training = params.training(*estimator, &spec.extract.layers);
        trained.push(if params.pairs.is_empty() {
            let sides = (lines(&params.positive_texts)?, lines(&params.negative_texts)?);
            train_texts(engine, (&sides.0, &sides.1), names, &training, seed, monitor)?
        } else {
            train_pairs(engine, &read_pairs(&text(&params.pairs)?)?, names, &training, seed, monitor)?
        });
    }
    Ok(gathered(seed, trained))
}

/// Answers side by side.
pub(super) fn compared(
    params: &CompareSpec,
    spec: &RunSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let mut notes = Vec::new();
    let vector = if params.vector.is_empty() {
        let trained = language_vector(params, spec, engine, corpus, seed, monitor)?;
        notes.extend(trained.measured.notes);
        trained.vector
    } else {
        vectors::read(Path::new(&params.vector))?
    };
    let application = params.application();
    let applied = apply_to(engine.info(), params.elsewhere, &[(&vector, &application)])?;
    let random = random_vector(&vector, seed, 0);
    let placebo = apply_to(engine.info(), params.elsewhere, &[(&random, &application)])?;
    notes.extend(applied.strengths.iter().map(|strength| strength.sentence()));
    let generate = Generate {
        max_new_tokens: params.max_new_tokens,
        temperature: params.temperature,
        seed,
        ..Generate::default()
    };
    let asked = Comparing { generate, top_k: params.top_k };
    let compared = compare(engine, &params.texts, &applied.edits, &placebo.edits, &asked, monitor)?;
    let mut rows = Vec::new();
    for (at, one) in compared.iter().enumerate() {
        let row = |metric: &str, value: Option<f64>, n: usize| {
            let row = match value {
                Some(value) => Row::new(metric, value, n),
                None => Row::missing(metric, "the answer is empty or its probability is 0", n),
            };
            row.of(&vector.card.positive).against(&vector.card.negative).at(params.layer).item((at + 1).to_string())
        };
        for answer in &one.answers {
            rows.push(row("perplexity", answer.perplexity, answer.ids.len()).variant(&answer.arm));
        }
        let mean = one.steps.iter().map(|step| step.kl).sum::<f64>() / one.steps.len() as f64;
        rows.push(row("kl", mean.is_finite().then_some(mean), one.steps.len()).variant("steered"));
    }
    Ok(detailed("compare", seed, Measured { rows, notes }, Details { compared, ..Details::default() }))
}

/// The vector from one language to another at one layer, from the corpus of the run.
fn language_vector(
    params: &CompareSpec,
    spec: &RunSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Trained> {
    let pair = corpus.select(&[params.source.clone(), params.target.clone()], 0)?;
    let extraction = Extraction { layers: vec![params.layer], reduce: reduce(&spec.extract) };
    let mut captured = Vec::new();
    capture(engine, &pair, &extraction, monitor, |language| {
        captured.push((language.code, language.captured));
        Ok(())
    })?;
    let states = LanguageStates::from_captured(&captured)?;
    let training = TrainParams { estimator: params.estimator, bootstrap: 0, ..TrainParams::default() };
    let position = spec.extract.pooling.name().to_owned();
    let card = Card { position, data_sha256: pair.sha256.clone(), ..card(engine.info()) };
    Ok(train_languages(&states, card, (&params.source, &params.target), &training, seed, monitor)?)
}

/// An experiment on causes.
pub(super) fn patched(params: &PatchParams, engine: &Engine, seed: u64, monitor: &Monitor) -> Result<Said> {
    let report = patch(engine, params, seed, monitor)?;
    Ok(detailed("patch", seed, report.measured, Details { patched: report.runs, ..Details::default() }))
}

/// Writes onto the cards what only the whole run knows.
pub(super) fn complete(vectors: &mut [SteeringVector], model: &babelscope_core::engine::ModelInfo, corpus: &Corpus) {
    for card in vectors.iter_mut().map(|vector| &mut vector.card).filter(|card| card.weights_sha256.is_empty()) {
        let known = babelscope_probes::steer::card(model);
        (card.model, card.revision) = (known.model, known.revision);
        (card.weights_sha256, card.model_layers) = (known.weights_sha256, known.model_layers);
        card.data_sha256.clone_from(&corpus.sha256);
    }
}
