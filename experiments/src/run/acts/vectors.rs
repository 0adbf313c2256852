//! Executes `vector`: from parallel sentences, from contrast pairs, from two lists of texts.

use std::path::Path;

use anyhow::Result;
use babelscope_core::{
    engine::Engine,
    monitor::{Monitor, Tick},
};
use babelscope_probes::{
    bootstrap::Draws,
    measure::{Measured, Row},
    source::StateSource,
    steer::{
        Application, Card, Contrast, Names, Pair, SteeringVector, Trained, propensity, read_pairs, train_languages,
        train_pairs, train_texts,
    },
};

use super::{super::probes::Said, detailed};
use crate::{
    details::Details,
    fault::Fault,
    spec::{RunSpec, VectorSpec},
};

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
pub(in crate::run) fn language_vectors(
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
pub(in crate::run) fn contrast_vectors(
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
            let pairs = read_pairs(&text(&params.pairs)?)?;
            let mut trained = train_pairs(engine, &pairs, names, &training, seed, monitor)?;
            let rows = propensities(params, engine, &pairs, &trained.vector, seed, monitor)?;
            trained.measured.rows.extend(rows);
            trained
        });
    }
    Ok(gathered(seed, trained))
}

/// What held-out prompts lean to at each layer and strength; nothing where pairs are texts without a prompt.
fn propensities(
    params: &VectorSpec,
    engine: &Engine,
    pairs: &[Pair],
    vector: &SteeringVector,
    seed: u64,
    monitor: &Monitor,
) -> Result<Vec<Row>> {
    let every = params.test_every;
    let held_out = pairs.iter().enumerate().filter(|(at, _)| every > 0 && at % every == every - 1);
    let items: Vec<Contrast> = held_out
        .filter(|(_, pair)| !pair.prompt.trim().is_empty())
        .map(|(_, pair)| Contrast {
            prompt: pair.prompt.trim_end().to_owned(),
            positive: pair.positive.clone(),
            negative: pair.negative.clone(),
        })
        .collect();
    if items.is_empty() || params.strengths.is_empty() {
        return Ok(Vec::new());
    }
    let draws = Draws::new(items.len(), params.bootstrap, seed)?;
    let mut rows = Vec::new();
    for (done, layer) in vector.layers.keys().enumerate() {
        let total = vector.layers.len();
        monitor.tick(Tick { what: "asking what prompts lean to", done, total, unit: "layers" })?;
        let how = Application { layers: vec![*layer], ..Application::default() };
        let found = match propensity(engine, &items, vector, &how, &params.strengths, &monitor.quiet()) {
            Ok(found) => found.rows(&draws),
            // Answers that begin alike have no difference, which is a reason and no mistake.
            Err(babelscope_probes::Error::Input { why, .. }) => vec![Row::missing("propensity", why, items.len())],
            Err(other) => return Err(other.into()),
        };
        let card = &vector.card;
        let placed = |row: Row| row.of(&card.positive).against(&card.negative).at(*layer).variant(&card.estimator);
        rows.extend(found.into_iter().map(placed));
    }
    Ok(rows)
}
