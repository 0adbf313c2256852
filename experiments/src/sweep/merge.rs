//! Puts finished shards together: an ordinary run folder of each model, one table of all of them, an index of the stored states.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Instant};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    monitor::{Monitor, Tick},
    store::{self, State},
};
use babelscope_probes::{
    align::{AlignCell, AlignReport},
    lens::LensReport,
};

use super::{
    analyse::{RESULTS, SENTENCES},
    folder::Sweep,
    plan::{Model, Shard, Stage},
    record,
};
use crate::{
    fault::{Fault, Kind},
    html::{self, REPORT},
    manifest::{AlignInfo, Seconds, now},
    run::{
        self, Run,
        folder::Draft,
        workbench::{corpus_notes, lens_note, taken},
        write::{Parts, align_seed},
    },
    spec::ProbeSpec,
    tables,
};

/// What was merged.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The run of each model, in the order of the spec; none of a spec without probes.
    pub runs: Vec<Run>,
    /// How many of them were there already.
    pub already: usize,
    /// The index of the stored states.
    pub index: Option<PathBuf>,
}

impl Sweep {
    /// Makes the run of each model from its shards, whose files are all hashed while they are read.
    ///
    /// # Errors
    /// [`Kind::Missing`] with the list of missing bundles where shards are not done; [`Kind::Data`] where one is damaged: it is moved
    /// to quarantine, so that `resume` computes it again.
    pub fn merge(&self, monitor: &Monitor) -> Result<Merged> {
        self.complete()?;
        let corpus = self.corpus()?;
        let mut merged = Merged { runs: Vec::new(), already: 0, index: None };
        let total = self.info.models.len();
        for (done, model) in self.info.models.iter().enumerate() {
            monitor.tick(Tick { what: "merging", done, total, unit: "models" })?;
            if model.spec.probe.is_empty() {
                continue;
            }
            let folder = self.run_folder(model);
            if folder.exists() {
                let found = run::manifest(&folder)?;
                if found.identity != model.identity {
                    return Err(taken(&folder, "it holds another run"));
                }
                merged.runs.push(Run::open(&folder)?);
                merged.already += 1;
                continue;
            }
            merged.runs.push(self.merge_model(model, corpus.clone(), &folder, &monitor.quiet())?);
        }
        monitor.tick(Tick { what: "merging", done: total, total, unit: "models" })?;
        merged.index = self.write_index()?;
        self.write_results(&merged.runs)?;
        self.sweep_up();
        if !merged.runs.is_empty() {
            html::write(&self.folder.join(REPORT), &html::sweep(&self.folder, &merged.runs))?;
        }
        Ok(merged)
    }

    /// Removes what killed processes left beside the shards more than a day ago.
    fn sweep_up(&self) {
        let folder = |shard: &Shard| store::shard_folder(&self.stage(shard.stage), &shard.key);
        let folders: BTreeSet<PathBuf> = self.shards.iter().map(folder).collect();
        for folder in folders {
            store::sweep(&folder);
        }
    }

    /// Refuses a sweep with shards that are not done, and says which bundles to start again.
    fn complete(&self) -> Result<()> {
        let missing: Vec<&Shard> = self.shards.iter().filter(|shard| self.state(shard) != State::Done).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = super::status::missing(&missing);
        let why = format!(
            "{} of {} shards are not done ({list}); `babelscope resume {}` does them",
            missing.len(),
            self.shards.len(),
            self.folder.display()
        );
        Err(Fault::new(Kind::Incomplete, why).into())
    }

    fn merge_model(&self, model: &Model, corpus: Corpus, folder: &std::path::Path, monitor: &Monitor) -> Result<Run> {
        let clock = Instant::now();
        let started = now();
        let mut seconds = Seconds::default();
        let mut notes = corpus_notes(&self.spec, &corpus);
        let (align, lens) = {
            let align = self.aligned(model, &mut seconds)?;
            (align, self.lenses(model, &mut seconds)?)
        };
        notes.extend(align.iter().flat_map(|report| report.notes.iter().cloned()));
        if !lens.is_empty() {
            notes.extend(lens_note(&corpus));
        }
        seconds.total = seconds.align + seconds.lens;
        let draft = Draft::begin(folder)?;
        let parts = Parts {
            spec: model.spec.clone(),
            identity: model.identity.clone(),
            started,
            clock,
            seconds,
            model: model.info.clone(),
            corpus,
            align,
            lens,
            notes,
        };
        let run = parts.write(&draft, folder, monitor)?;
        monitor.check()?;
        // Of two that merge at once one is first, and both runs are the same.
        if draft.publish()? { Ok(run) } else { Run::open(folder) }
    }

    fn of_model(&self, model: &Model, stage: Stage) -> impl Iterator<Item = &Shard> {
        let label = model.label().to_owned();
        self.shards.iter().filter(move |shard| shard.stage == stage && shard.model == label)
    }

    /// The record of an analysis, or its damage found and moved away.
    fn record(&self, shard: &Shard) -> Result<record::Record> {
        record::read(&self.stage(shard.stage), &shard.key).map_err(|error| self.put_away(shard, error))
    }

    fn aligned(&self, model: &Model, seconds: &mut Seconds) -> Result<Option<AlignReport>> {
        let Some(ProbeSpec::Align { pivots, .. }) =
            model.spec.probe.iter().find(|probe| matches!(probe, ProbeSpec::Align { .. }))
        else {
            return Ok(None);
        };
        let mut whole = AlignReport::default();
        let mut alarms = Vec::new();
        let mut products = BTreeSet::new();
        for shard in self.of_model(model, Stage::Extract) {
            let stored = self.stored(shard)?;
            products.insert(format!("{} ({})", stored.record().made.kernel, stored.record().made.device));
            seconds.align += stored.record().made.seconds;
            alarms.extend(stored.record().made.alarms.iter().cloned());
            whole.tokens += shard.tokens;
        }
        for shard in self.of_model(model, Stage::Align) {
            let record = self.record(shard)?;
            let folder = store::shard_folder(&self.stage(Stage::Align), &shard.key);
            let at = |name: &str| folder.join(format!("{}.{name}", shard.key));
            let (chance_mexa, chance_recall) = record
                .chance
                .ok_or_else(|| Fault::data(format!("the record of the shard {} has no chance level", shard.key)))?;
            let info = AlignInfo { chance_mexa, chance_recall, seed: align_seed(&model.spec), notes: record.notes };
            let part = tables::align::read(&at(RESULTS), &at(SENTENCES), &info, 0)?;
            seconds.align += record.made.seconds;
            whole.cells.extend(part.cells);
            whole.notes.extend(part.notes);
            (whole.chance_mexa, whole.chance_recall) = (part.chance_mexa, part.chance_recall);
        }
        whole.notes.extend(alarms);
        if products.len() > 1 {
            let which = products.into_iter().collect::<Vec<_>>().join("; ");
            whole.notes.push(format!(
                "the states were computed by different matrix products, whose last digits differ: {which}; machines of one kind give \
                 equal ones"
            ));
        }
        // The order of a run that was never cut.
        let languages = &self.info.corpus.languages;
        let place = |cell: &AlignCell| {
            let pivot = pivots.iter().position(|pivot| *pivot == cell.pivot);
            (pivot, languages.iter().position(|language| *language == cell.language), cell.layer)
        };
        whole.cells.sort_by_key(place);
        Ok(Some(whole))
    }

    fn lenses(&self, model: &Model, seconds: &mut Seconds) -> Result<Vec<LensReport>> {
        let mut reports = Vec::new();
        for shard in self.of_model(model, Stage::Lens) {
            let record = self.record(shard)?;
            let info = record.lens.ok_or_else(|| Fault::data(format!("the record of {} has no text", shard.key)))?;
            let folder = store::shard_folder(&self.stage(Stage::Lens), &shard.key);
            let named = |file: &str| folder.join(format!("{}.{file}", shard.key));
            reports.extend(tables::lens::read_named(named, &[info])?);
            seconds.lens += record.made.seconds;
        }
        Ok(reports)
    }

    /// index.json over the stored states.
    fn write_index(&self) -> Result<Option<PathBuf>> {
        if self.spec.store.is_none() {
            return Ok(None);
        }
        let mut index = store::Index::scan(&self.folder, "shards/extract")?;
        if self.stage(Stage::Tokens).is_dir() {
            let tokens = store::Index::scan(&self.folder, "shards/tokens")?;
            for name in ["total_size", "total_rows"] {
                *index.metadata.entry(name.to_owned()).or_default() += tokens.metadata.get(name).copied().unwrap_or(0);
            }
            index.shards.extend(tokens.shards);
        }
        index.write(&self.folder)?;
        Ok(Some(self.folder.join("index.json")))
    }

    /// One table of the metrics of every model.
    fn write_results(&self, runs: &[Run]) -> Result<()> {
        let found: Vec<PathBuf> =
            runs.iter().map(|run| run.folder.join(run::RESULTS)).filter(|path| path.is_file()).collect();
        let place = self.folder.join("results.parquet");
        if found.is_empty() || place.exists() {
            return Ok(());
        }
        let draft = tempfile::Builder::new().prefix(".results-").tempdir_in(&self.folder);
        let draft = draft.map_err(|e| Fault::write("a table", &self.folder, &e))?;
        let written = draft.path().join("results.parquet");
        tables::concatenate(&found, &written)?;
        let bytes = fs::read(&written).map_err(|e| Fault::read("a table", &written, &e))?;
        store::publish::bytes(&place, &bytes)?;
        Ok(())
    }
}
