//! Analysis shards: alignment from stored states, and texts through the lens.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context as _, Result};
use babelscope_core::{
    Error,
    engine::{Captured, Engine, Values},
    monitor::Monitor,
    plan::{Capture, Site},
    store,
};
use babelscope_probes::{
    align::{AlignParams, LanguageStates, align_some},
    lens::{self, LensParams, TokenSets},
};
use candle_core::Tensor;

use super::{
    folder::Sweep,
    plan::{Model, Shard, Stage},
    record::{self, Said},
};
use crate::{
    fault::{Fault, Kind},
    manifest::LensInfo,
    run::{workbench::reduce, write::align_seed},
    spec::ProbeSpec,
    tables::{self, align::Labels},
};

/// The metrics of an alignment shard, behind its key.
pub(super) const RESULTS: &str = "results.parquet";
/// The outcomes of its sentences.
pub(super) const SENTENCES: &str = "sentences.parquet";

/// States that several shards of a bundle read.
#[derive(Default)]
pub(super) struct Held {
    /// `[model][language]`, pivots only.
    pivots: BTreeMap<(String, String), Vec<Captured>>,
}

/// Measures an alignment shard and publishes it; `false`: a twin was first.
pub(super) fn align(sweep: &Sweep, model: &Model, shard: &Shard, held: &mut Held, monitor: &Monitor) -> Result<bool> {
    let begun = Instant::now();
    let spec = model.spec.probe.iter().find_map(|probe| match probe {
        ProbeSpec::Align { pivots, bootstrap } => Some((pivots, *bootstrap)),
        ProbeSpec::Lens { .. } => None,
    });
    let (pivots, bootstrap) = spec.ok_or_else(|| Fault::data("the plan asks for alignment, the spec does not"))?;
    let params =
        AlignParams { pivots: pivots.clone(), bootstrap, seed: align_seed(&model.spec), ..AlignParams::default() };
    let report = if let Some(layer) = shard.layer {
        let languages = &sweep.info.corpus.languages;
        let states = languages
            .iter()
            .map(|l| Ok((l.clone(), sweep.states(model, l, Some(layer))?)))
            .collect::<Result<Vec<_>>>()?;
        let states = LanguageStates::from_captured(&states)?;
        align_some(&states, 0..=languages.len() - 1, &params, &monitor.quiet())?
    } else {
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
        let first = sweep.shards.iter().find(|s| s.stage == Stage::Align && s.model == shard.model);
        let from = if first.is_some_and(|first| first.key == shard.key) { 0 } else { pivots.len() };
        align_some(&LanguageStates::from_captured(&states)?, from..=pivots.len(), &params, &monitor.quiet())?
    };
    let folder = store::shard_folder(&sweep.stage(Stage::Align), &shard.key);
    let draft = sweep.draft(&folder)?;
    // Names of models are those of a spec, and a shard may serve several: merging writes them.
    let labels = Labels { model: "", revision: "", site: "", pooling: "", seed: params.seed, intervals: bootstrap > 0 };
    tables::align::write_results(&draft.path().join(RESULTS), &report, labels)?;
    tables::align::write_sentences(&draft.path().join(SENTENCES), &report)?;
    let chance = Some((report.chance_mexa, report.chance_recall));
    let said = Said { notes: report.notes, chance, lens: None };
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
    let text = model.spec.probe.iter().find_map(|probe| match probe {
        ProbeSpec::Lens { texts, top_k } => Some((texts.get(shard.text?)?, *top_k)),
        ProbeSpec::Align { .. } => None,
    });
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
    /// The stored states of a language, blocks joined: every layer, or one.
    fn states(&self, model: &Model, language: &str, layer: Option<usize>) -> Result<Vec<Captured>> {
        let reduce = reduce(&model.spec.extract);
        let layers = layer.map_or_else(|| model.spec.extract.layers.clone(), |layer| vec![layer]);
        let mut parts: Vec<Vec<Tensor>> = vec![Vec::new(); layers.len()];
        let mine = |s: &&Shard| s.stage == Stage::Extract && s.model == model.label() && s.language == language;
        for planned in self.shards.iter().filter(mine) {
            let shard = self.stored(planned)?;
            for (part, layer) in parts.iter_mut().zip(&layers) {
                part.push(shard.layer(*layer).map_err(|e| self.put_away(planned, e.into()))?);
            }
        }
        (layers.iter().zip(parts))
            .map(|(layer, parts)| {
                if parts.is_empty() {
                    return Err(Fault::new(Kind::Bug, format!("the plan has no states of {language}")).into());
                }
                let rows = if let [whole] = parts.as_slice() {
                    whole.clone()
                } else {
                    Tensor::cat(&parts, 0).map_err(Error::from)?
                };
                let capture = Capture { site: Site::layer(*layer), reduce };
                Ok(Captured { capture, values: Values::Pooled(rows) })
            })
            .collect()
    }

    /// Opens the stored states of a shard.
    pub(super) fn stored(&self, shard: &Shard) -> Result<store::Shard> {
        let folder = store::shard_folder(&self.stage(shard.stage), &shard.key);
        store::Shard::open(&folder, &shard.key).map_err(|e| self.put_away(shard, e.into()))
    }

    /// A folder for files that are not yet a shard.
    fn draft(&self, folder: &std::path::Path) -> Result<tempfile::TempDir> {
        std::fs::create_dir_all(folder).map_err(|e| Fault::write("a folder of shards", folder, &e))?;
        let draft = tempfile::Builder::new().prefix(".draft-").tempdir_in(folder);
        Ok(draft.map_err(|e| Fault::write("a draft", folder, &e))?)
    }
}
