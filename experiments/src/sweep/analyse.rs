//! Analysis shards: alignment and other probes from stored states, and probes that run the model.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context as _, Result};
use babelscope_core::{
    corpus::Corpus,
    engine::{Captured, Engine},
    inspect::Inspection,
    monitor::Monitor,
    store,
};
use babelscope_probes::{
    align::{AlignParams, AlignReport, LanguageStates, align_some, align_source, beside},
    lens::{self, LensParams, TokenSets},
};

use super::{
    folder::Sweep,
    plan::{Model, Shard, Stage},
    record::{self, Said},
    source::{Stored, tokens},
};
use crate::{
    details,
    fault::Fault,
    manifest::{LensInfo, MapInfo, MeasuredInfo},
    run::probes::{self, seeded},
    spec::ProbeSpec,
    tables::{self, align::Labels, measures::Probed},
};

/// The metrics of an alignment shard, behind its key.
pub(super) const RESULTS: &str = "results.parquet";
/// The outcomes of its sentences.
pub(super) const SENTENCES: &str = "sentences.parquet";
/// The rows of a probe.
pub(super) const MEASURES: &str = "measures.parquet";

/// What several shards of a bundle read.
#[derive(Default)]
pub(super) struct Held {
    /// `[model][language]`, pivots only.
    pivots: BTreeMap<(String, String), Vec<Captured>>,
    /// The tokenizer of the model that was last at work.
    inspection: Option<(String, Inspection)>,
}

impl Held {
    fn inspection(&mut self, sweep: &Sweep, model: &Model) -> Result<&Inspection> {
        let found = match self.inspection.take() {
            Some((label, found)) if label == model.label() => found,
            _ => sweep.inspection(model)?,
        };
        Ok(&self.inspection.insert((model.label().to_owned(), found)).1)
    }
}

// Names of models are those of a spec, and a shard may serve several: merging writes them.
fn labels(seed: u64, intervals: bool) -> Labels<'static> {
    Labels { model: "", revision: "", site: "", pooling: "", seed, intervals }
}

/// Measures an alignment shard and publishes it; `false`: a twin was first.
pub(super) fn align(
    sweep: &Sweep,
    model: &Model,
    corpus: &Corpus,
    shard: &Shard,
    held: &mut Held,
    monitor: &Monitor,
) -> Result<bool> {
    let begun = Instant::now();
    let params = model.spec.align().ok_or_else(|| Fault::data("the plan asks for alignment, the spec does not"))?;
    let params = seeded(params, &model.spec);
    let mut report = if params.pivots.len() == sweep.info.corpus.languages.len() {
        let source = Stored::new(sweep, model, corpus, held.inspection(sweep, model)?.tokenizer())?;
        let one = AlignParams { pivots: vec![shard.language.clone()], ..params.clone() };
        let mut report = align_source(&source, &one, &monitor.quiet())?;
        report.measured.rows.extend(beside(&source, &one.pivots, 0..=sweep.info.corpus.languages.len() - 1));
        report
    } else {
        with_pivots(sweep, model, corpus, shard, &params, held, monitor)?
    };
    let folder = store::shard_folder(&sweep.stage(Stage::Align), &shard.key);
    let draft = sweep.draft(&folder)?;
    let labels = labels(params.seed, params.bootstrap > 0);
    let rows = Probed { probe: "align".to_owned(), seed: params.seed, measured: std::mem::take(&mut report.measured) };
    tables::align::write_results(&draft.path().join(RESULTS), &report, labels)?;
    tables::align::write_sentences(&draft.path().join(SENTENCES), &report)?;
    let measured = Some(MeasuredInfo::of(&rows));
    tables::measures::write(&draft.path().join(MEASURES), &[rows], labels)?;
    let chance = Some((report.chance_mexa, report.chance_recall));
    let said = Said { notes: report.notes, chance, measured, ..Said::default() };
    record::publish(&folder, &shard.key, &draft, said, begun.elapsed().as_secs_f64())
}

/// One language with the pivots, whose states stay in memory from shard to shard.
fn with_pivots(
    sweep: &Sweep,
    model: &Model,
    corpus: &Corpus,
    shard: &Shard,
    params: &AlignParams,
    held: &mut Held,
    monitor: &Monitor,
) -> Result<AlignReport> {
    let pivots = &params.pivots;
    let mut states = Vec::new();
    for pivot in pivots {
        let name = (model.label().to_owned(), pivot.clone());
        if !held.pivots.contains_key(&name) {
            // One model at a time: its pivots are all that a bundle keeps.
            held.pivots.retain(|(label, _), _| label == model.label());
            held.pivots.insert(name.clone(), sweep.states(model, pivot, None)?);
        }
        states.push((pivot.clone(), held.pivots.get(&name).cloned().unwrap_or_default()));
    }
    states.push((shard.language.clone(), sweep.states(model, &shard.language, None)?));
    let tokenizer = held.inspection(sweep, model)?.tokenizer();
    let ids = states.iter().map(|(language, _)| tokens(corpus, tokenizer, language)).collect::<Result<_>>()?;
    let first = sweep.shards.iter().find(|s| s.stage == Stage::Align && s.model == shard.model);
    let from = if first.is_some_and(|first| first.key == shard.key) { 0 } else { pivots.len() };
    let states = LanguageStates::from_captured(&states)?.with_tokens(ids)?;
    let mut report = align_some(&states, from..=pivots.len(), params, &monitor.quiet())?;
    report.measured.rows.extend(beside(&states, pivots, from..=pivots.len()));
    Ok(report)
}

/// The probe that a shard is about.
fn probe<'a>(model: &'a Model, shard: &Shard) -> Result<&'a ProbeSpec> {
    let found = model.spec.probe.iter().find(|probe| probe.kind() == shard.probe);
    Ok(found.ok_or_else(|| Fault::data(format!("the plan asks for {}, the spec does not", shard.probe)))?)
}

/// Executes a probe that reads stored states and publishes it; `false`: a twin was first.
pub(super) fn of_states(
    sweep: &Sweep,
    model: &Model,
    corpus: &Corpus,
    shard: &Shard,
    held: &mut Held,
    monitor: &Monitor,
) -> Result<bool> {
    let begun = Instant::now();
    let source = Stored::new(sweep, model, corpus, held.inspection(sweep, model)?.tokenizer())?;
    let said = probes::of_states(probe(model, shard)?, &model.spec, &source, &monitor.quiet())?;
    publish(sweep, shard, said, begun)
}

/// Executes a probe that runs the model and publishes it; `false`: a twin was first.
pub(super) fn of_model(
    sweep: &Sweep,
    model: &Model,
    engine: &Engine,
    corpus: &Corpus,
    shard: &Shard,
    monitor: &Monitor,
) -> Result<bool> {
    let begun = Instant::now();
    let said = probes::of_model(probe(model, shard)?, &model.spec, engine, corpus, &monitor.quiet())?;
    publish(sweep, shard, said, begun)
}

fn publish(sweep: &Sweep, shard: &Shard, said: Option<probes::Said>, begun: Instant) -> Result<bool> {
    let folder = store::shard_folder(&sweep.stage(shard.stage), &shard.key);
    let draft = sweep.draft(&folder)?;
    let said = match said {
        Some(probes::Said::Rows(probed)) => {
            let measured = Some(MeasuredInfo::of(&probed));
            let seed = probed.seed;
            tables::measures::write(&draft.path().join(MEASURES), &[probed], labels(seed, true))?;
            Said { measured, ..Said::default() }
        }
        Some(probes::Said::Detailed(probed, details)) => {
            let measured = Some(MeasuredInfo::of(&probed));
            let seed = probed.seed;
            tables::measures::write(&draft.path().join(MEASURES), &[probed], labels(seed, true))?;
            details.write(&draft.path().join(details::name(&details.probe)))?;
            Said { measured, ..Said::default() }
        }
        Some(probes::Said::Map(report)) => {
            tables::map::write(|name| draft.path().join(name), &report)?;
            Said { map: Some(MapInfo::of(&report)), ..Said::default() }
        }
        _ => return Err(Fault::data(format!("the plan asks for {} in the wrong stage", shard.probe)).into()),
    };
    record::publish(&folder, &shard.key, &draft, said, begun.elapsed().as_secs_f64())
}

/// Reads a text through the lens and publishes it; `false`: a twin was first.
pub(super) fn lens(
    sweep: &Sweep,
    model: &Model,
    engine: &Engine,
    sets: &TokenSets,
    shard: &Shard,
    monitor: &Monitor,
) -> Result<bool> {
    let begun = Instant::now();
    let text = model.spec.lens().and_then(|lens| Some((lens.texts.get(shard.text?)?, lens.top_k)));
    let (text, top_k) = text.ok_or_else(|| Fault::data("the plan asks for a text of the lens that the spec lacks"))?;
    let params = LensParams { layers: model.spec.extract.layers.clone(), top_k, ..LensParams::default() };
    let report = lens::analyse(engine, text, sets, &params, &monitor.quiet())
        .with_context(|| format!("text {} of the lens", shard.text.unwrap_or_default() + 1))?;
    let folder = store::shard_folder(&sweep.stage(Stage::Lens), &shard.key);
    let draft = sweep.draft(&folder)?;
    let reports = [report];
    tables::lens::write(draft.path(), &reports)?;
    let lens = reports.first().map(LensInfo::of);
    record::publish(&folder, &shard.key, &draft, Said { lens, ..Said::default() }, begun.elapsed().as_secs_f64())
}

impl Sweep {
    /// A folder for files that are not yet a shard.
    fn draft(&self, folder: &std::path::Path) -> Result<tempfile::TempDir> {
        std::fs::create_dir_all(folder).map_err(|e| Fault::write("a folder of shards", folder, &e))?;
        let draft = tempfile::Builder::new().prefix(".draft-").tempdir_in(folder);
        Ok(draft.map_err(|e| Fault::write("a draft", folder, &e))?)
    }
}
