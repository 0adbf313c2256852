//! From analyses that are done to the files of a run folder.

use std::{path::Path, time::Instant};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::ModelInfo,
    monitor::{Monitor, Tick},
};
use babelscope_probes::{align::AlignReport, lens::LensReport, project::MapReport};

use super::{
    CORPUS, MANIFEST, MEASURES, RESULTS, Run, SENTENCES, SPEC,
    acts::complete,
    folder::Draft,
    identity::{SITE, derived_seed},
    probes::Said,
};
use crate::{
    details::Details,
    fault::{Fault, Kind},
    figures,
    html::{self, REPORT},
    manifest::{
        AlignInfo, CaptureInfo, CorpusInfo, LensInfo, Machine, Manifest, MapInfo, MeasuredInfo, Program, SCHEMA,
        Seconds, peak_memory_bytes,
    },
    spec::RunSpec,
    tables::{self, align::Labels, measures::Probed},
};

/// A run whose numbers are there and whose folder is not.
pub(crate) struct Parts {
    /// Resolved: layers, languages and pivots written out.
    pub(crate) spec: RunSpec,
    pub(crate) identity: String,
    pub(crate) started: String,
    pub(crate) clock: Instant,
    pub(crate) seconds: Seconds,
    pub(crate) model: ModelInfo,
    pub(crate) corpus: Corpus,
    pub(crate) found: Found,
    /// Tokens that the model read of the corpus.
    pub(crate) tokens: usize,
    pub(crate) notes: Vec<String>,
}

/// What the probes of a run said.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) align: Option<AlignReport>,
    pub(crate) lens: Vec<LensReport>,
    pub(crate) map: Option<MapReport>,
    /// In the order of the work.
    pub(crate) measured: Vec<Probed>,
    pub(crate) details: Vec<Details>,
}

impl Found {
    /// Takes in what a probe said.
    pub(crate) fn take(&mut self, said: Option<Said>) {
        match said {
            None => (),
            Some(Said::Align(report, probed)) => {
                self.align = Some(report);
                self.measured.push(probed);
            }
            Some(Said::Lens(reports)) => self.lens = reports,
            Some(Said::Map(report)) => self.map = Some(report),
            Some(Said::Rows(probed)) => self.measured.push(probed),
            Some(Said::Detailed(probed, details)) => {
                self.measured.push(probed);
                self.details.push(details);
            }
        }
    }

    /// What a person should know before believing the numbers.
    pub(crate) fn notes(&self, corpus: &Corpus) -> Vec<String> {
        let lens = "the corpus has one language, so the lens tells scripts apart, but no languages";
        let lens = (!self.lens.is_empty() && corpus.languages.len() < 2).then(|| lens.to_owned());
        let align = self.align.iter().flat_map(|report| report.notes.iter().cloned());
        let rows = (self.measured.iter())
            .flat_map(|probed| probed.measured.notes.iter().map(|note| format!("{}: {note}", probed.probe)));
        let map = self.map.iter().flat_map(|report| report.notes.iter().map(|note| format!("map: {note}")));
        align.chain(lens).chain(rows).chain(map).collect()
    }
}

/// The seed of the bootstrap of the alignment analysis.
pub(crate) fn align_seed(spec: &RunSpec) -> u64 {
    derived_seed(spec.seed, "align/bootstrap")
}

impl Parts {
    /// Writes every file of the run into `draft`, which will lie at `folder`.
    pub(crate) fn write(self, draft: &Draft, folder: &Path, monitor: &Monitor) -> Result<Run> {
        let begun = Instant::now();
        let mut manifest = self.manifest();
        let clock = self.clock;
        let mut found = self.found;
        for details in &mut found.details {
            complete(&mut details.vectors, &self.model, &self.corpus);
        }
        if let Some(report) = &mut found.align {
            report.tokens = self.tokens;
        }
        let mut run = Run {
            folder: folder.to_owned(),
            spec: self.spec,
            manifest: manifest.clone(),
            corpus: self.corpus,
            align: found.align,
            lens: found.lens,
            measured: found.measured,
            map: found.map,
            details: found.details,
        };
        write_tables(draft, &run)?;
        monitor.tick(Tick { what: "drawing figures", done: 0, total: 1, unit: "run" })?;
        figures::write(&run, &draft.subfolder("figures")?)?;
        monitor.tick(Tick { what: "drawing figures", done: 1, total: 1, unit: "run" })?;
        draft.text(SPEC, &run.spec.to_toml()?)?;
        manifest.seconds.write = begun.elapsed().as_secs_f64();
        manifest.seconds.total += clock.elapsed().as_secs_f64();
        manifest.peak_memory_bytes = peak_memory_bytes();
        draft.text("log.txt", &log(&manifest))?;
        manifest.files = draft.files()?;
        run.manifest = manifest.clone();
        draft.text(REPORT, &html::run(&run, &draft.path().join("figures")))?;
        manifest.files.push(draft.file(REPORT)?);
        manifest.files.sort_by(|a, b| a.path.cmp(&b.path));
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        draft.text(MANIFEST, &text)?;
        // What lies on the disk, so that a run that was made and a run that was opened are equal to the last digit.
        run.manifest = Manifest::parse(&text).map_err(|why| Fault::new(Kind::Bug, why))?;
        Ok(run)
    }

    fn manifest(&self) -> Manifest {
        let extract = &self.spec.extract;
        Manifest {
            schema: SCHEMA,
            identity: self.identity.clone(),
            name: self.spec.name.clone(),
            started: self.started.clone(),
            program: Program::this(),
            machine: Machine::this(),
            seconds: self.seconds,
            peak_memory_bytes: None,
            model: self.model.clone(),
            corpus: CorpusInfo {
                name: self.corpus.name.clone(),
                sha256: self.corpus.sha256.clone(),
                lines: self.corpus.len(),
                languages: self.corpus.languages.clone(),
                tokens: self.tokens,
                notes: self.corpus.notes.clone(),
            },
            capture: CaptureInfo {
                layers: extract.layers.clone(),
                layer_convention: "0 = embedding output; l = output of block l, counted from 1, before the final norm"
                    .to_owned(),
                post_final_norm: false,
                site: SITE.to_owned(),
                pooling: extract.pooling.name().to_owned(),
                include_bos: extract.include_bos,
                skip_first: extract.skip_first,
            },
            align: self.found.align.as_ref().map(|report| AlignInfo {
                chance_mexa: report.chance_mexa,
                chance_recall: report.chance_recall,
                seed: align_seed(&self.spec),
                notes: report.notes.clone(),
            }),
            lens: self.found.lens.iter().map(LensInfo::of).collect(),
            measured: self.found.measured.iter().map(MeasuredInfo::of).collect(),
            map: self.found.map.as_ref().map(MapInfo::of),
            notes: self.notes.clone(),
            files: Vec::new(),
        }
    }
}

fn write_tables(draft: &Draft, run: &Run) -> Result<()> {
    let folder = draft.subfolder("tables")?;
    tables::corpus::write(&draft.path().join(CORPUS), &run.corpus)?;
    let model = run.spec.model.first();
    let asked = model.and_then(|m| m.load.revision.as_deref());
    let labels = Labels {
        model: model.map_or("", |m| m.id.as_str()),
        revision: run.manifest.model.revision.as_deref().or(asked).unwrap_or_default(),
        site: &run.manifest.capture.site,
        pooling: &run.manifest.capture.pooling,
        seed: run.manifest.align.as_ref().map_or(0, |info| info.seed),
        intervals: run.spec.align().is_some_and(|params| params.bootstrap > 0),
    };
    if let Some(report) = &run.align {
        tables::align::write_results(&draft.path().join(RESULTS), report, labels)?;
        tables::align::write_sentences(&draft.path().join(SENTENCES), report)?;
    }
    if !run.measured.is_empty() {
        tables::measures::write(&draft.path().join(MEASURES), &run.measured, labels)?;
    }
    for details in &run.details {
        details.write_run(draft.path())?;
    }
    if let Some(report) = &run.map {
        tables::map::write(|name| folder.join(name), report)?;
    }
    if !run.lens.is_empty() {
        tables::lens::write(&folder, &run.lens)?;
    }
    Ok(())
}

fn log(manifest: &Manifest) -> String {
    let s = &manifest.seconds;
    let mut lines = vec![
        format!("{} run {} begun", manifest.started, manifest.name),
        format!("identity {}", manifest.identity),
        format!("{:9.3} s loading the model", s.load),
        format!("{:9.3} s reading the sentences", s.capture),
        format!("{:9.3} s alignment", s.align),
        format!("{:9.3} s lens", s.lens),
        format!("{:9.3} s other probes", s.probes),
        format!("{:9.3} s tables and figures", s.write),
        format!("{:9.3} s in all", s.total),
    ];
    lines.extend(manifest.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n") + "\n"
}
