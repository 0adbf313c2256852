//! Puts finished shards together: an ordinary run folder of each model, one table of all of them, an index of the stored states.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Instant};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    monitor::{Monitor, Tick},
    store::{self, State},
};
use babelscope_probes::{
    align::{AlignCell, AlignParams, AlignReport},
    lens::LensReport,
};

use super::{
    analyse::{MEASURES, RESULTS, SENTENCES},
    folder::Sweep,
    plan::{Model, Shard, Stage},
    record,
};
use crate::{
    details::{self, Details},
    fault::{Fault, Kind},
    html::{self, REPORT},
    manifest::{AlignInfo, Seconds, now},
    run::{
        self, Run,
        folder::Draft,
        probes::{self, Said},
        workbench::{corpus_notes, taken},
        write::{Found, Parts, align_seed},
    },
    spec::{ProbeSpec, Reads},
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
        let (found, tokens, alarms) = self.found(model, &corpus, &mut seconds)?;
        notes.extend(alarms);
        notes.extend(found.notes(&corpus));
        seconds.total = seconds.capture + seconds.align + seconds.lens + seconds.probes;
        let draft = Draft::begin(folder)?;
        let parts = Parts {
            spec: model.spec.clone(),
            identity: model.identity.clone(),
            started,
            clock,
            seconds,
            model: model.info.clone(),
            corpus,
            found,
            tokens,
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

    /// Everything that the shards of a model say.
    fn found(&self, model: &Model, corpus: &Corpus, seconds: &mut Seconds) -> Result<(Found, usize, Vec<String>)> {
        let (mut tokens, mut alarms, mut products) = (0, Vec::new(), BTreeSet::new());
        for shard in self.of_model(model, Stage::Extract) {
            let stored = self.stored(shard)?;
            products.insert(format!("{} ({})", stored.record().made.kernel, stored.record().made.device));
            seconds.capture += stored.record().made.seconds;
            alarms.extend(stored.record().made.alarms.iter().cloned());
            tokens += shard.tokens;
        }
        if products.len() > 1 {
            let which = products.into_iter().collect::<Vec<_>>().join("; ");
            alarms.push(format!(
                "the states were computed by different matrix products, whose last digits differ: {which}; machines of one kind give \
                 equal ones"
            ));
        }
        let mut found = Found::default();
        // In the order of a run that was never cut: what reads states, what reads the model, what reads probes.
        for reads in [Reads::States, Reads::Model] {
            for probe in model.spec.probe.iter().filter(|probe| probe.reads() == reads) {
                match probe {
                    ProbeSpec::Align(params) => found.take(Some(self.aligned(model, params, seconds)?)),
                    ProbeSpec::Lens(_) => found.lens = self.lenses(model, seconds)?,
                    _ => found.take(Some(self.whole(model, probe.kind(), seconds)?)),
                }
            }
        }
        for probe in &model.spec.probe {
            if let ProbeSpec::Tasks(params) = probe {
                let inspection = self.inspection(model)?;
                let quiet = Monitor::silent();
                let said =
                    probes::of_probes(params, &model.spec, &found.measured, inspection.tokenizer(), corpus, &quiet)?;
                found.measured.push(said);
            }
        }
        Ok((found, tokens, alarms))
    }

    /// Where the files of an analysis lie, and its record.
    fn analysed(&self, shard: &Shard) -> Result<(record::Record, impl Fn(&str) -> PathBuf + use<>)> {
        let record = self.record(shard)?;
        let folder = store::shard_folder(&self.stage(shard.stage), &shard.key);
        let key = shard.key.clone();
        Ok((record, move |name: &str| folder.join(format!("{key}.{name}"))))
    }

    /// A probe that is one shard.
    fn whole(&self, model: &Model, kind: &str, seconds: &mut Seconds) -> Result<Said> {
        let mine = |shard: &&Shard| shard.probe == kind && shard.model == model.label();
        let shard = self.shards.iter().find(mine);
        let shard = shard.ok_or_else(|| Fault::data(format!("the plan has no shard for the probe {kind}")))?;
        let (record, at) = self.analysed(shard)?;
        seconds.probes += record.made.seconds;
        if let Some(info) = record.map {
            return Ok(Said::Map(tables::map::read(at, &info)?));
        }
        let info = record.measured.ok_or_else(|| Fault::data(format!("the record of {} has no rows", shard.key)))?;
        let probed = tables::measures::read(&at(MEASURES), &[info])?.into_iter().next();
        let probed = probed.unwrap_or_default();
        let details = at(&details::name(kind));
        if details.is_file() {
            return Ok(Said::Detailed(probed, Details::read(&details)?));
        }
        Ok(Said::Rows(probed))
    }

    fn aligned(&self, model: &Model, params: &AlignParams, seconds: &mut Seconds) -> Result<Said> {
        let mut whole = AlignReport::default();
        for shard in self.of_model(model, Stage::Align) {
            let (record, at) = self.analysed(shard)?;
            let (chance_mexa, chance_recall) = record
                .chance
                .ok_or_else(|| Fault::data(format!("the record of the shard {} has no chance level", shard.key)))?;
            let info = AlignInfo { chance_mexa, chance_recall, seed: align_seed(&model.spec), notes: record.notes };
            let part = tables::align::read(&at(RESULTS), &at(SENTENCES), &info, 0)?;
            for probed in tables::measures::read(&at(MEASURES), record.measured.as_slice())? {
                whole.measured.rows.extend(probed.measured.rows);
            }
            seconds.align += record.made.seconds;
            whole.cells.extend(part.cells);
            // Every shard of a pivot knows the same of the languages.
            for note in part.notes {
                if !whole.notes.contains(&note) {
                    whole.notes.push(note);
                }
            }
            (whole.chance_mexa, whole.chance_recall) = (part.chance_mexa, part.chance_recall);
        }
        // The order of a run that was never cut.
        let languages = &self.info.corpus.languages;
        let place = |cell: &AlignCell| {
            let pivot = params.pivots.iter().position(|pivot| *pivot == cell.pivot);
            (pivot, languages.iter().position(|language| *language == cell.language), cell.layer)
        };
        whole.cells.sort_by_key(place);
        Ok(probes::aligned(whole, &model.spec))
    }

    fn lenses(&self, model: &Model, seconds: &mut Seconds) -> Result<Vec<LensReport>> {
        let mut reports = Vec::new();
        for shard in self.of_model(model, Stage::Lens) {
            let (record, named) = self.analysed(shard)?;
            let info = record.lens.ok_or_else(|| Fault::data(format!("the record of {} has no text", shard.key)))?;
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
