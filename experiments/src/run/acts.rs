//! Executes the probes that steer and patch: vectors, answers side by side, experiments on causes.

use std::path::Path;

use anyhow::Result;
use babelscope_core::{
    chat::{ChatOptions, Message},
    corpus::Corpus,
    engine::{Engine, ModelInfo},
    generate::Generate,
    monitor::{Monitor, Tick},
    plan::{Edit, Point},
    tokens::Encoded,
};
use babelscope_probes::{
    align::LanguageStates,
    bootstrap::Draws,
    capture::{Extraction, capture},
    measure::{Measured, Row},
    neurons::{NeuronParams, neurons},
    patch::{PatchParams, patch},
    source::StateSource,
    steer::{
        Application, Arithmetic, Behaviour, Card, Comparing, Contrast, LearnData, Learned, Means, Names, NeuronSet,
        Pair, SteerParams, SteerReport, SteeringVector, TrainParams, Trained, apply_to, arithmetic, card, compare,
        evaluate, learn, mean_activations, neuron_sets, propensity, random_vector, read_pairs, select, train_languages,
        train_pairs, train_texts,
    },
};
use rand::{SeedableRng as _, seq::index};
use rand_chacha::ChaCha8Rng;

use super::{probes::Said, workbench::reduce};
use crate::{
    details::Details,
    fault::Fault,
    spec::{CompareSpec, LearnSpec, RunSpec, SelectSpec, VectorSpec},
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
    let acts = match params.neurons {
        Some(kind) => neuron_edits(kind, params, engine, corpus, seed, monitor)?,
        None => vector_edits(params, spec, engine, corpus, seed, monitor)?,
    };
    notes.extend(acts.notes);
    let generate = Generate {
        max_new_tokens: params.max_new_tokens,
        temperature: params.temperature,
        seed,
        ..Generate::default()
    };
    let asked = Comparing { generate, top_k: params.top_k };
    let compared = compare(engine, &params.texts, &acts.steered, &acts.placebo, &asked, monitor)?;
    let mut rows = Vec::new();
    for (at, one) in compared.iter().enumerate() {
        let row = |metric: &str, value: Option<f64>, n: usize| {
            let row = match value {
                Some(value) => Row::new(metric, value, n),
                None => Row::missing(metric, "the answer is empty or its probability is 0", n),
            };
            row.of(&acts.positive).against(&acts.negative).at(params.layer).item((at + 1).to_string())
        };
        for answer in &one.answers {
            rows.push(row("perplexity", answer.perplexity, answer.ids.len()).variant(&answer.arm));
        }
        let mean = one.steps.iter().map(|step| step.kl).sum::<f64>() / one.steps.len() as f64;
        rows.push(row("kl", mean.is_finite().then_some(mean), one.steps.len()).variant("steered"));
    }
    Ok(detailed("compare", seed, Measured { rows, notes }, Details { compared, ..Details::default() }))
}

/// What a comparison does to the model.
struct Acts {
    steered: Vec<Edit>,
    placebo: Vec<Edit>,
    positive: String,
    negative: String,
    notes: Vec<String>,
}

fn vector_edits(
    params: &CompareSpec,
    spec: &RunSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Acts> {
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
    let Card { positive, negative, .. } = vector.card;
    Ok(Acts { steered: applied.edits, placebo: placebo.edits, positive, negative, notes })
}

/// The arithmetic of two languages' neurons, and the same with as many random neurons in every layer.
fn neuron_edits(
    kind: Arithmetic,
    params: &CompareSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Acts> {
    let asked = NeuronParams { effect: false, ..NeuronParams::default() };
    let found = neurons(engine, corpus, &asked, seed, monitor)?;
    let sets = neuron_sets(&found)?;
    let of = |language: &str| {
        let why = || Fault::data(format!("no neuron belongs to {language}, so there is nothing to switch or to raise"));
        sets.get(language).ok_or_else(why)
    };
    let (source, target) = (of(&params.source)?, of(&params.target)?);
    let blocks: Vec<usize> = (1..=engine.info().layers).collect();
    let mut means = Vec::new();
    for language in &corpus.languages {
        let lines = corpus.lines(language).unwrap_or_default();
        means.push((language, mean_activations(engine, lines, &blocks, &monitor.quiet())?));
    }
    let own = means.iter().find(|(language, _)| **language == params.target).map(|(_, means)| means);
    let own = own.ok_or_else(|| Fault::data(format!("the corpus has no language {}", params.target)))?;
    let others: Vec<&Means> = means.iter().filter(|(l, _)| **l != params.target).map(|(_, means)| means).collect();
    let width = engine.width(Point::MlpAct);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut random = |set: &NeuronSet| -> NeuronSet {
        let any = |(block, neurons): (&usize, &Vec<usize>)| {
            let mut drawn = index::sample(&mut rng, width, neurons.len().min(width)).into_vec();
            drawn.sort_unstable();
            (*block, drawn)
        };
        set.iter().map(any).collect()
    };
    let (other_source, other_target) = (random(source), random(target));
    let edits = |source, target| arithmetic(Some(source), target, own, &others, kind, params.strength as f32);
    let count = |set: &NeuronSet| set.values().map(Vec::len).sum::<usize>();
    let mut notes = found.notes.clone();
    notes.push(format!(
        "{} neurons of {} are off, {} of {} are raised; `random` is as many random ones in every layer",
        count(source),
        params.source,
        count(target),
        params.target
    ));
    Ok(Acts {
        steered: edits(source, target)?,
        placebo: edits(&other_source, &other_target)?,
        positive: params.target.clone(),
        negative: params.source.clone(),
        notes,
    })
}

/// A vector that is learned, on a second copy of the model where the first one keeps no tape.
pub(super) fn learned(
    params: &LearnSpec,
    engine: &Engine,
    corpus: &Corpus,
    seed: u64,
    monitor: &Monitor,
) -> Result<Said> {
    let lines = |language: &str| {
        let why =
            || Fault::spec(format!("the corpus has no language {language}; it has {}", corpus.languages.join(", ")));
        corpus.lines(language).ok_or_else(why)
    };
    let tokenizer = engine.tokenizer();
    let inputs = tokenizer.encode_all(lines(&params.language)?)?;
    let pivots = tokenizer.encode_all(lines(&params.pivot)?)?;
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
pub(super) fn complete(vectors: &mut [SteeringVector], model: &ModelInfo, corpus: &Corpus) {
    for own in vectors.iter_mut().map(|vector| &mut vector.card).filter(|card| card.weights_sha256.is_empty()) {
        let known = card(model);
        (own.model, own.revision) = (known.model, known.revision);
        (own.weights_sha256, own.model_layers) = (known.weights_sha256, known.model_layers);
        own.data_sha256.clone_from(&corpus.sha256);
    }
}
