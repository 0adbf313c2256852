//! Executes specs: model and corpus in, analyses, run folder out.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::Engine,
    monitor::Monitor,
    plan::{Reduce, Window},
};
use babelscope_probes::{capture::Extraction, lens::TokenSets};

use super::{
    Run,
    folder::Draft,
    identity::identity,
    manifest, probes,
    states::States,
    write::{Found, Parts},
};
use crate::{
    fault::{Fault, Kind},
    manifest::{Seconds, now},
    spec::{ExtractSpec, ModelSpec, Pooling, ProbeSpec, Reads, RunSpec, nearest},
};

/// What [`Workbench::execute`] did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run.
    pub run: Run,
    /// Whether it was there already, and so was only opened.
    pub already_done: bool,
}

/// Executes specs and keeps the last model loaded, so that the second click is fast.
pub struct Workbench {
    root: PathBuf,
    engine: Option<(ModelSpec, Arc<Engine>)>,
}

impl Workbench {
    /// Runs are written below `root`, which is made when the first run is written.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), engine: None }
    }

    /// Where the runs lie.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The engine of `model`: the one that is loaded, or loaded now.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn engine(&mut self, model: &ModelSpec, monitor: &Monitor) -> Result<Arc<Engine>> {
        if let Some((loaded, engine)) = &self.engine
            && loaded.path == model.path
            && loaded.load == model.load
        {
            return Ok(Arc::clone(engine));
        }
        // The old model goes first: two at once may not fit.
        self.engine = None;
        let engine = Arc::new(Engine::load(&model.path, &model.load, monitor)?);
        self.engine = Some((model.clone(), Arc::clone(&engine)));
        Ok(engine)
    }

    /// Executes `spec` into `ROOT/NAME-HASH`; a run of the same identity that is there already is opened, not repeated.
    ///
    /// # Errors
    /// Anything that keeps the run from being whole; then no run folder is left. [`crate::fault::kind`] tells the kinds apart.
    pub fn execute(&mut self, spec: &RunSpec, monitor: &Monitor) -> Result<Outcome> {
        let job = Job::prepare(self, spec, monitor)?;
        let folder = self.root.join(format!("{}-{}", spec.name, job.identity.get(..8).unwrap_or_default()));
        job.finish(&folder, monitor)
    }

    /// Executes `spec` into `folder`.
    ///
    /// # Errors
    /// As [`Workbench::execute`]; [`Kind::Exists`] where `folder` exists and is not this very run.
    pub fn execute_to(&mut self, spec: &RunSpec, folder: &Path, monitor: &Monitor) -> Result<Outcome> {
        spec.check()?;
        if folder.exists() && manifest(folder).is_err() {
            // Known before minutes are spent on the model.
            return Err(taken(folder, "it is there already and is no run"));
        }
        Job::prepare(self, spec, monitor)?.finish(folder, monitor)
    }
}

pub(crate) fn taken(folder: &Path, why: &str) -> anyhow::Error {
    let text = format!("will not write here: {why}; choose another folder or move it away\n{}", folder.display());
    Fault::new(Kind::Exists, text).into()
}

/// A spec with everything that it names loaded and checked against each other.
struct Job {
    spec: RunSpec,
    engine: Arc<Engine>,
    corpus: Corpus,
    identity: String,
    notes: Vec<String>,
    started: String,
    clock: Instant,
    seconds: Seconds,
}

impl Job {
    fn prepare(bench: &mut Workbench, spec: &RunSpec, monitor: &Monitor) -> Result<Self> {
        let (started, clock) = (now(), Instant::now());
        spec.check()?;
        if spec.is_sweep() {
            let why = "this spec is a sweep (several [[model]], a [store], or a cluster); expected a single run here. `babelscope run` \
                       executes sweeps, and each of its models becomes a run of its own";
            return Err(Fault::spec(why).into());
        }
        let model = spec.model.first().ok_or_else(|| Fault::spec("the spec has no [[model]]"))?;
        // The corpus first: it is cheap, and most mistakes are there.
        let corpus = sentences(spec)?;
        let begun = Instant::now();
        let engine = bench.engine(model, monitor)?;
        let load = begun.elapsed().as_secs_f64();
        let spec = resolved(spec, &engine, &corpus)?;
        let identity = identity(&spec, engine.info(), &corpus)?;
        let notes = corpus_notes(&spec, &corpus);
        let seconds = Seconds { load, ..Seconds::default() };
        Ok(Self { spec, engine, corpus, identity, notes, started, clock, seconds })
    }

    /// Opens the run when `folder` is this very run, refuses any other folder, and computes otherwise.
    fn finish(self, folder: &Path, monitor: &Monitor) -> Result<Outcome> {
        if let Some(run) = self.already(folder)? {
            return Ok(Outcome { run, already_done: true });
        }
        let identity = self.identity.clone();
        let (draft, run) = self.compute(folder, monitor)?;
        monitor.check()?;
        if draft.publish()? {
            return Ok(Outcome { run, already_done: false });
        }
        // Someone else finished a run here in the meantime.
        let found = Run::open(folder)?;
        if found.manifest.identity != identity {
            return Err(taken(folder, "another run came to be here in the meantime"));
        }
        Ok(Outcome { run: found, already_done: true })
    }

    fn already(&self, folder: &Path) -> Result<Option<Run>> {
        if !folder.exists() {
            return Ok(None);
        }
        let found = manifest(folder).map_err(|e| taken(folder, &format!("it is there already ({e})")))?;
        if found.identity != self.identity {
            return Err(taken(folder, "it holds another run"));
        }
        Run::open(folder).map(Some)
    }

    fn compute(self, folder: &Path, monitor: &Monitor) -> Result<(Draft, Run)> {
        // Before the work: a place that cannot be written to is found now.
        let draft = Draft::begin(folder)?;
        let Self { spec, engine, corpus, identity, mut notes, started, clock, mut seconds } = self;
        let mut found = Found::default();
        let mut tokens = 0;
        if spec.reads_states() {
            let begun = Instant::now();
            let extraction = Extraction { layers: spec.extract.layers.clone(), reduce: reduce(&spec.extract) };
            let states = States::capture(&engine, &corpus, &extraction, draft.path(), monitor)?;
            seconds.capture = begun.elapsed().as_secs_f64();
            tokens = states.read;
            for probe in spec.probe.iter().filter(|probe| probe.reads() == Reads::States) {
                let begun = Instant::now();
                found.take(probes::of_states(probe, &spec, states.source(), monitor)?);
                let spent = begun.elapsed().as_secs_f64();
                *(if probe.kind() == "align" { &mut seconds.align } else { &mut seconds.probes }) += spent;
            }
            notes.extend(states.alarms);
        }
        for probe in spec.probe.iter().filter(|probe| probe.reads() == Reads::Model) {
            let begun = Instant::now();
            found.take(probes::of_model(probe, &spec, &engine, &corpus, monitor)?);
            let spent = begun.elapsed().as_secs_f64();
            *(if probe.kind() == "lens" { &mut seconds.lens } else { &mut seconds.probes }) += spent;
        }
        for probe in &spec.probe {
            if let ProbeSpec::Tasks(params) = probe {
                let begun = Instant::now();
                let said = probes::of_probes(params, &spec, &found.measured, engine.tokenizer(), &corpus, monitor)?;
                found.measured.push(said);
                seconds.probes += begun.elapsed().as_secs_f64();
            }
        }
        notes.extend(found.notes(&corpus));
        let model = engine.info().clone();
        let parts = Parts { spec, identity, started, clock, seconds, model, corpus, found, tokens, notes };
        let run = parts.write(&draft, folder, monitor)?;
        Ok((draft, run))
    }
}

/// A measure of fewer has neither an interval nor a null.
const SENTENCES: usize = 4;

/// The sentences that a spec asks for, with every pivot among their languages.
pub(crate) fn sentences(spec: &RunSpec) -> Result<Corpus> {
    let corpus = Corpus::open(Path::new(&spec.data.path))?;
    let corpus = corpus
        .select(&spec.data.languages, spec.data.limit)
        .map_err(|e| Fault::spec(format!("the [data] of the spec does not fit the corpus: {e}")))?;
    // Before the model runs, as it would be refused after.
    if spec.reads_states() && corpus.len() < SENTENCES {
        let why = format!(
            "the corpus has {} sentences; at least {SENTENCES} are needed for intervals and nulls, and 200 or more for a score that says \
             much",
            corpus.len()
        );
        return Err(Fault::data(why).into());
    }
    if let Some(probe) = spec.probe.iter().find(|probe| corpus.languages.len() < probe.languages()) {
        let why = format!("the corpus has one language; `{}` compares at least two", probe.kind());
        return Err(Fault::spec(why).into());
    }
    let pivots = spec.probe.iter().flat_map(ProbeSpec::pivots);
    for pivot in pivots {
        if !corpus.languages.contains(pivot) {
            let near = nearest(pivot, corpus.languages.iter().map(String::as_str));
            let hint = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
            let there = corpus.languages.join(", ");
            let why = format!("the corpus has no language {pivot}, the pivot{hint} It has {there}");
            return Err(Fault::spec(why).into());
        }
    }
    probes::check_files(spec, &corpus)?;
    Ok(corpus)
}

/// What a person should know of the sentences before believing the numbers.
pub(crate) fn corpus_notes(spec: &RunSpec, corpus: &Corpus) -> Vec<String> {
    let limited = format!("only the first {} lines of the corpus were used (data.limit)", corpus.len());
    corpus.notes.iter().cloned().chain((spec.data.limit > 0).then_some(limited)).collect()
}

/// The token sets of the lens.
pub(crate) fn token_sets(engine: &Engine, corpus: &Corpus) -> Result<TokenSets> {
    let tokenizer = engine.tokenizer();
    let one = corpus.languages.len() < 2;
    Ok(if one { TokenSets::scripts_only(tokenizer) } else { TokenSets::from_corpus(tokenizer, corpus)? })
}

pub(crate) fn reduce(extract: &ExtractSpec) -> Reduce {
    let window = Window { include_bos: extract.include_bos, skip_first: extract.skip_first };
    match extract.pooling {
        Pooling::Mean => Reduce::Mean(window),
        Pooling::Weighted => Reduce::Weighted(window),
        Pooling::Last => Reduce::Last,
    }
}

/// The spec with the model's layers and name and the corpus's languages written out, and paths that do not depend on where
/// the program was started.
pub(crate) fn resolved(spec: &RunSpec, engine: &Engine, corpus: &Corpus) -> Result<RunSpec> {
    let mut spec = spec.clone();
    let deepest = engine.info().layers;
    if let Some(layer) = spec.extract.layers.iter().find(|l| **l > deepest) {
        let text = format!("`extract.layers` names layer {layer}; the model has layers 0 (embeddings) to {deepest}");
        return Err(Fault::spec(text).into());
    }
    if spec.extract.layers.is_empty() {
        spec.extract.layers = (0..=deepest).collect();
    }
    spec.extract.layers.sort_unstable();
    spec.data.languages.clone_from(&corpus.languages);
    spec.data.path = absolute(&spec.data.path);
    for model in &mut spec.model {
        model.id = model.label().to_owned();
        model.path = absolute(&model.path);
    }
    for probe in &mut spec.probe {
        if let Some(pivots) = probe.pivots_mut().filter(|pivots| pivots.is_empty()) {
            pivots.clone_from(&corpus.languages);
        }
        for (_, path) in probe.files_mut() {
            *path = absolute(path);
        }
    }
    Ok(spec)
}

/// Where a file or folder lies, seen from anywhere; names that are no path (`lab`, Hub ids) stay.
fn absolute(path: &str) -> String {
    if path == "lab" || !Path::new(path).exists() {
        return path.to_owned();
    }
    std::path::absolute(path).ok().and_then(|p| p.to_str().map(str::to_owned)).unwrap_or_else(|| path.to_owned())
}
