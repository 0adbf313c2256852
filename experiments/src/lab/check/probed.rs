//! The truths of the demo model as the probes find them, each at one layer in the middle: retrieval, similarity, structure, linear probes.
//!
//! What training mixed fixes the order clone > mixed languages > island; that the island is tied to nothing fixes its chance. How far the
//! values lie apart nobody knows beforehand: bounds were set after seeing them, about half way to what would be wrong.

mod parts;

use anyhow::{Context as _, Result};
use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    monitor::Monitor,
    plan::{Reduce, Window},
};
use babelscope_probes::{
    align::{Centring, LanguageStates},
    capture::{Extraction, capture},
    classify::{ClassifyParams, Labels, Target, classify},
    measure::{Measured, Row},
    null::{Permutations, fit},
    retrieval::{RetrievalParams, Similarity, retrieval},
    similarity::{Index, SimilarityParams, cka, similarity},
    source::StateSource as _,
    subspace::{StructureParams, structure},
};
use ndarray::Axis;

use super::Truth;
use crate::lab::{
    languages::{CLONE, ISLAND, PIVOT},
    make::labels,
};

/// After the second of four blocks.
const LAYER: usize = 2;
/// Draws of each null.
const SHUFFLES: usize = 50;

pub(super) fn check(engine: &Engine, monitor: &Monitor) -> Result<Vec<Truth>> {
    let corpus = Corpus::open("lab".as_ref())?;
    let (mut held, mut ids) = (Vec::new(), Vec::new());
    let extraction = Extraction { layers: vec![LAYER], reduce: Reduce::Mean(Window::default()) };
    capture(engine, &corpus, &extraction, monitor, |language| {
        ids.push(language.tokens);
        held.push((language.code, language.captured));
        Ok(())
    })?;
    let states = LanguageStates::from_captured(&held)?.with_tokens(ids)?;
    let quiet = monitor.quiet();
    let mut truths = nearest(&states, &quiet)?;
    truths.extend(alike(&states, &quiet)?);
    truths.extend(between(&states, &quiet)?);
    truths.extend(read(&states, &quiet)?);
    truths.extend(parts::tokens(engine, &corpus, &quiet)?);
    truths.extend(parts::neurons(engine, &corpus, &quiet)?);
    Ok(truths)
}

/// The row of a language against English, or one of all languages where both names are empty.
fn row<'a>(found: &'a Measured, metric: &'a str, variant: &str, (language, pivot): (&str, &str)) -> Result<&'a Row> {
    let fits = |row: &&Row| row.language == language && row.pivot == pivot && row.variant == variant;
    found.metric(metric).find(fits).with_context(|| format!("no {metric} {variant} of {language:?} and {pivot:?}"))
}

fn value(found: &Measured, metric: &str, variant: &str, names: (&str, &str)) -> Result<f64> {
    let row = row(found, metric, variant, names)?;
    row.value.with_context(|| format!("{metric} {variant}: {}", row.status))
}

/// One number of the clone, of the mixed languages (smallest, largest) and of the island.
struct Groups {
    clone: f64,
    mixed: (f64, f64),
    island: f64,
}

impl Groups {
    fn new(found: &Measured, metric: &str, variant: &str, languages: &[String]) -> Result<Self> {
        let of = |language: &str| value(found, metric, variant, (language, PIVOT.code));
        let apart = [PIVOT.code, CLONE.code, ISLAND.code];
        let mixed = languages.iter().filter(|l| !apart.contains(&l.as_str()));
        let mixed = mixed.map(|l| of(l)).collect::<Result<Vec<f64>>>()?;
        let ends = mixed.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        Ok(Self { clone: of(CLONE.code)?, mixed: ends, island: of(ISLAND.code)? })
    }

    fn ordered(&self, measure: &str) -> Truth {
        let Self { clone, mixed: (low, high), island } = self;
        Truth::new(
            format!("{measure}: clone > every mixed language > island"),
            "in this order",
            format!("{clone:.2} > {low:.2} .. {high:.2} > {island:.2}"),
            clone > high && low > island,
        )
    }
}

/// Above what shuffled sentences reach in 95 % of the draws.
fn beyond(known: &str, row: &Row) -> Result<Truth> {
    let (value, null) = (row.value.context("no value")?, row.shuffled.context("no null")?.q95);
    Ok(Truth::new(known, "> its null", format!("{value:.3} against {null:.3}"), value > null))
}

fn nearest(states: &LanguageStates, monitor: &Monitor) -> Result<Vec<Truth>> {
    let params = RetrievalParams {
        centrings: vec![Centring::Raw, Centring::Language],
        similarities: vec![Similarity::Cosine, Similarity::Csls],
        ks: vec![1],
        bootstrap: 0,
        shuffles: 0,
        ..RetrievalParams::default()
    };
    let found = retrieval(states, &params, 0, monitor)?;
    let of = |variant: &str| Groups::new(&found, "mexa", variant, states.languages());
    let (raw, cosine, centred) = (of("raw/csls")?, of("raw/cosine")?, of("language/csls")?);
    Ok(vec![
        raw.ordered("MEXA by CSLS, raw"),
        Truth::at_least(
            "CSLS undoes hubs: more than by cosine in the mixed (least)",
            cosine.mixed.0 + 0.1,
            raw.mixed.0,
            "",
        ),
        Truth::at_least("MEXA by CSLS, centred: the clone", 0.9, centred.clone, ""),
        Truth::at_most("MEXA by CSLS, centred: the island", 0.05, centred.island, ""),
    ])
}

fn alike(states: &LanguageStates, monitor: &Monitor) -> Result<Vec<Truth>> {
    let params = SimilarityParams {
        indices: vec![Index::Cka, Index::Anc, Index::Procrustes, Index::MutualKnn],
        bootstrap: 0,
        shuffles: SHUFFLES,
        matched: false,
        ..SimilarityParams::default()
    };
    let found = similarity(states, &params, 0, monitor)?;
    let of = |metric: &str| Groups::new(&found, metric, "language", states.languages());
    let (before, rotated) = (of("recall_held_out")?, of("procrustes_recall")?);
    let shape = Groups::new(&found, "cka", "debiased", states.languages())?;
    let island = |metric, variant| row(&found, metric, variant, (ISLAND.code, PIVOT.code));
    let (low, high) = shape.mixed;
    Ok(vec![
        before.ordered("held-out recall, centred"),
        of("anc")?.ordered("ANC"),
        of("mutual_knn")?.ordered("mutual kNN, centred"),
        Truth::at_most("Procrustes: the clone needs no rotation (gap)", 0.1, rotated.clone - before.clone, ""),
        Truth::at_most("held-out recall of the island on English axes", 0.05, before.island, ""),
        beyond(
            "Procrustes is fooled: a rotation finds the island's sentences, which English was never tied to",
            island("procrustes_recall", "language")?,
        )?,
        beyond(
            &format!("CKA is fooled: the island is far beyond its null (mixed: {low:.2} .. {high:.2})"),
            island("cka", "debiased")?,
        )?,
        templates(states)?,
    ])
}

/// CKA of the island where sentences are shuffled only among those of the same template: what the template alone explains.
fn templates(states: &LanguageStates) -> Result<Truth> {
    let events = Labels::new("event", labels("event").context("the laboratory has no events")?);
    let at = |code: &str| states.languages().iter().position(|l| l == code).with_context(|| format!("no {code}"));
    let (english, island) = (states.state(at(PIVOT.code)?, 0)?, states.state(at(ISLAND.code)?, 0)?);
    let value = cka(english.view(), island.view())?.debiased;
    let draws = Permutations::within(&events.of_sentence, SHUFFLES, 0)?;
    let drawn = (0..SHUFFLES).map(|b| {
        let order: Vec<usize> = draws.draw(b).iter().map(|i| *i as usize).collect();
        Ok(cka(english.view(), island.select(Axis(0), &order).view())?.debiased)
    });
    let null = fit(value, &drawn.collect::<Result<Vec<f64>>>()?, true).context("no draws")?;
    let known = "... and sentences shuffled within the four templates keep most of it";
    Ok(Truth::at_least(known, value / 2.0, null.mean, &format!(" of {value:.3}, 95 % quantile {:.3}", null.q95)))
}

fn between(states: &LanguageStates, monitor: &Monitor) -> Result<Vec<Truth>> {
    let found = structure(states, &StructureParams { bootstrap: 0, ..StructureParams::default() }, 0, monitor)?;
    let share = value(&found, "language_variance", "denoised", ("", ""))?;
    let gain = Groups::new(&found, "removal_gain", "subspace", states.languages())?;
    let left = Groups::new(&found, "mexa", "subspace", states.languages())?;
    Ok(vec![
        Truth::within("structure: language is about half of the variance", 0.4, 0.75, share),
        Truth::at_least(
            "structure: without language the clone's alignment comes out (gain of MEXA)",
            0.15,
            gain.clone,
            "",
        ),
        Truth::at_most("structure: in the island there is none to come out (MEXA)", 0.05, left.island, ""),
    ])
}

fn read(states: &LanguageStates, monitor: &Monitor) -> Result<Vec<Truth>> {
    let params = ClassifyParams {
        online_code: false,
        shuffles: 0,
        bootstrap: 0,
        // One penalty: with several, the smallest loss may be that of a probe that has learnt nothing.
        penalties: vec![1.0],
        ..ClassifyParams::default()
    };
    let found = classify(states, None, &params, 0, monitor)?;
    let of = |metric| value(&found, metric, "language", ("", ""));
    let (accuracy, selectivity) = (of("accuracy")?, of("selectivity")?);
    let colours = Labels::new("colour", labels("colour").context("the laboratory has no colours")?);
    let params = ClassifyParams { targets: vec![Target::Label], controls: false, ..params };
    let found = classify(states, Some(&colours), &params, 0, monitor)?;
    let transfer = Groups::new(&found, "transfer_accuracy", "colour_centred", states.languages())?;
    let home = value(&found, "transfer_accuracy", "colour_centred", (ISLAND.code, ISLAND.code))?;
    // The largest class, and two standard deviations of 240 sentences.
    let chance = row(&found, "transfer_accuracy", "colour_centred", (CLONE.code, PIVOT.code))?.chance.unwrap_or(0.2);
    let bound = chance + 2.0 * (chance * (1.0 - chance) / states.sentences() as f64).sqrt();
    let place = format!(" (chance {chance:.2})");
    Ok(vec![
        Truth::at_least("a linear probe reads the language", 0.99, accuracy, ""),
        Truth::at_least("... and not by memory (selectivity)", 0.4, selectivity, ""),
        Truth::at_least("a probe for colours of English reads the clone (centred)", 0.4, transfer.clone, &place),
        Truth::at_least("... and the mixed languages (best of them)", bound, transfer.mixed.1, &place),
        Truth::at_most("... and not the island", bound, transfer.island, &place),
        Truth::at_least("... whose own probe reads them", 0.4, home, &place),
    ])
}
