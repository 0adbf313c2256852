//! Executes `compare`: the plain, the steered and the random answer side by side, by a vector or by the neurons of two languages.

use std::path::Path;

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    generate::Generate,
    monitor::Monitor,
    plan::{Edit, Point},
};
use babelscope_probes::{
    align::LanguageStates,
    capture::{Extraction, capture},
    measure::{Measured, Row},
    neurons::{NeuronParams, neurons},
    steer::{
        Arithmetic, Card, Comparing, Means, NeuronSet, TrainParams, Trained, apply_to, arithmetic, card, compare,
        mean_activations, neuron_sets, random_vector, train_languages,
    },
};
use rand::{SeedableRng as _, seq::index};
use rand_chacha::ChaCha8Rng;

use super::{
    super::{probes::Said, workbench::reduce},
    detailed, lines,
};
use crate::{
    details::Details,
    fault::Fault,
    spec::{CompareSpec, RunSpec},
    vectors,
};

/// Answers side by side.
pub(in crate::run) fn compared(
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
        means.push((language, mean_activations(engine, lines(corpus, language)?, &blocks, &monitor.quiet())?));
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
