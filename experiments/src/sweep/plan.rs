//! Cuts a spec into shards. Needs the models (their hashes determine the shards) and the sentences, and runs nothing.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    dtype::Dtype,
    engine::{Engine, EngineKind, LoadOptions, ModelInfo},
    inspect::{Inspection, Speed},
    monitor::{Monitor, Tick},
};
use serde::{Deserialize, Serialize};

use super::bundle;
use crate::{
    run::{
        Workbench,
        identity::{COMPUTE_VERSION, SITE, by_content, canonical_hash, files, identity},
        probes,
        workbench::{resolved, sentences},
        write::align_seed,
    },
    spec::{ExtractSpec, ModelSpec, Pooling, ProbeSpec, Reads, RunSpec, StoreSpec},
};

/// How long the speed of the machine is measured, for the time that the plan states.
const CALIBRATION: Duration = Duration::from_millis(500);

/// What a shard computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Pooled states of a block of sentences of one language, at every layer.
    Extract,
    /// The states of every token of the same.
    Tokens,
    /// One text through the logit lens.
    Lens,
    /// A probe that runs the model itself.
    Model,
    /// Alignment of one language with the pivots, or of one pivot with all languages.
    Align,
    /// Another probe that reads stored states.
    States,
}

impl Stage {
    /// Every stage, in the order of the work.
    pub const ALL: [Self; 6] = [Self::Extract, Self::Tokens, Self::Lens, Self::Model, Self::Align, Self::States];

    /// The name of its folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Tokens => "tokens",
            Self::Lens => "lens",
            Self::Model => "model",
            Self::Align => "align",
            Self::States => "states",
        }
    }
}

/// A piece of work that is done whole or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// BLAKE3 (hex) of what determines the result.
    pub key: String,
    /// What it computes.
    pub stage: Stage,
    /// The model's short name.
    pub model: String,
    /// The language; empty where it is about several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// First line of the block, from 0.
    #[serde(default)]
    pub first: usize,
    /// Lines of the block.
    #[serde(default)]
    pub lines: usize,
    /// Which text of the lens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<usize>,
    /// Kind of the probe, where the stage does not say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub probe: String,
    /// Keys of the shards that it reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    /// Tokens that the model sees.
    #[serde(default)]
    pub tokens: usize,
    /// Bytes of the result, estimated.
    pub bytes: u64,
    /// Seconds on the machine that planned, estimated.
    pub seconds: f64,
    /// Which bundle of its phase it is in.
    pub bundle: usize,
}

/// A model of a sweep, as it was when the sweep was planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its run: one model, everything written out.
    pub spec: RunSpec,
    /// The identity of that run.
    pub identity: String,
    /// The model as it was loaded.
    pub info: ModelInfo,
    /// The files that its probes read, with the hash of their content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Model {
    /// The short name.
    pub fn label(&self) -> &str {
        self.spec.model.first().map_or("", ModelSpec::label)
    }

    pub(super) fn load(&self) -> LoadOptions {
        self.spec.model.first().map(|model| model.load.clone()).unwrap_or_default()
    }
}

/// A sweep before anything is written.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Resolved: languages, paths and names written out.
    pub spec: RunSpec,
    /// BLAKE3 (hex) of everything that determines the results.
    pub identity: String,
    /// The models, in the order of the spec.
    pub models: Vec<Model>,
    /// The sentences.
    pub corpus: Corpus,
    /// The shards, in the order of the work.
    pub shards: Vec<Shard>,
}

impl Plan {
    /// Plans `spec`: loads each model once (its hashes are needed), and counts the tokens.
    ///
    /// # Errors
    /// A spec that does not fit its models or sentences, and whatever keeps those from being read.
    pub fn of(bench: &mut Workbench, spec: &RunSpec, monitor: &Monitor) -> Result<Self> {
        spec.check()?;
        let corpus = sentences(spec)?;
        let mut models = Vec::new();
        let mut shards = Vec::new();
        let total = spec.model.len();
        for (done, model) in spec.model.iter().enumerate() {
            monitor.tick(Tick { what: "planning", done, total, unit: "models" })?;
            let engine = bench.engine(model, &monitor.quiet())?;
            let one = resolved(&spec.of_model(model), &engine, &corpus)?;
            let identity = identity(&one, engine.info(), &corpus)?;
            let files = files(&one.probe)?;
            let planned = Model { spec: one, identity, info: engine.info().clone(), files };
            let inspection = Inspection::of(&model.path, &model.load)?;
            let speed = inspection.calibrate(CALIBRATION);
            let cutter = Cutter { model: &planned, corpus: &corpus, store: &store(spec), inspection, speed };
            shards.extend(cutter.cut(&engine, monitor)?);
            models.push(planned);
        }
        monitor.tick(Tick { what: "planning", done: total, total, unit: "models" })?;
        // Bundles hold one model, and analyses wait for every extraction; so phases lie together, models within them.
        shards.sort_by_key(|shard| bundle::Phase::of(shard.stage) == bundle::Phase::Probe);
        bundle::assign(&mut shards, spec.engine.minutes_per_task * 60.0);
        let whole = RunSpec {
            model: models.iter().flat_map(|model| model.spec.model.clone()).collect(),
            data: models.first().map_or_else(|| spec.data.clone(), |model| model.spec.data.clone()),
            probe: models.first().map_or_else(|| spec.probe.clone(), |model| model.spec.probe.clone()),
            ..spec.clone()
        };
        let runs: Vec<&str> = models.iter().map(|model| model.identity.as_str()).collect();
        let kept = spec.store.as_ref().map(|store| (store.dtype, store.block, store.tokens));
        let identity = canonical_hash(&(runs, kept))?;
        Ok(Self { spec: whole, identity, models, corpus, shards })
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes).sum()
    }

    /// Seconds of all shards.
    pub fn seconds(&self) -> f64 {
        self.shards.iter().map(|shard| shard.seconds).sum()
    }
}

/// How rows are kept when the spec does not say: exactly, as the probes read them.
fn store(spec: &RunSpec) -> StoreSpec {
    spec.store.clone().unwrap_or_default()
}

/// What determines the rows of a block.
#[derive(Serialize)]
struct ExtractKey<'a> {
    stage: Stage,
    compute_version: u32,
    weights_sha256: &'a str,
    config_sha256: &'a str,
    tokenizer_sha256: &'a str,
    compute_dtype: &'a str,
    engine: EngineKind,
    load: LoadOptions,
    language: &'a str,
    texts: &'a str,
    first: usize,
    site: &'a str,
    layers: &'a [usize],
    pooling: Pooling,
    include_bos: bool,
    skip_first: usize,
    stored: Dtype,
}

struct Cutter<'a> {
    model: &'a Model,
    corpus: &'a Corpus,
    store: &'a StoreSpec,
    inspection: Inspection,
    speed: Speed,
}

impl Cutter<'_> {
    fn cut(&self, engine: &Engine, monitor: &Monitor) -> Result<Vec<Shard>> {
        let spec = &self.model.spec;
        let mut shards = Vec::new();
        // `blocks[language]`: the keys of its blocks.
        let mut blocks: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let reads = spec.reads_states();
        for language in &self.corpus.languages {
            if !reads && self.store_is_unused(spec) {
                break;
            }
            let lines = self.corpus.lines(language).unwrap_or_default();
            for (index, block) in lines.chunks(self.store.block).enumerate() {
                monitor.check()?;
                let lengths: Vec<usize> = engine.tokenizer().encode_all(block)?.iter().map(|e| e.ids.len()).collect();
                let first = index * self.store.block;
                let pooled = self.extract(Stage::Extract, language, first, block, &lengths)?;
                blocks.entry(language).or_default().push(pooled.key.clone());
                shards.push(pooled);
                if self.store.tokens {
                    shards.push(self.extract(Stage::Tokens, language, first, block, &lengths)?);
                }
            }
        }
        for probe in &spec.probe {
            match (probe, probe.reads()) {
                (ProbeSpec::Lens(lens), _) => {
                    for (at, text) in lens.texts.iter().enumerate() {
                        shards.push(self.lens(at, text, lens.top_k, engine)?);
                    }
                }
                (ProbeSpec::Align(params), _) => shards.extend(self.align(probe, &params.pivots, &blocks)?),
                (_, Reads::States) => shards.push(self.whole(Stage::States, probe, &blocks)?),
                (_, Reads::Model) => shards.push(self.whole(Stage::Model, probe, &BTreeMap::new())?),
                // Merging does it, from what the others found.
                (_, Reads::Probes) => (),
            }
        }
        Ok(shards)
    }

    /// A sweep over several models that only looks through the lens stores nothing.
    fn store_is_unused(&self, spec: &RunSpec) -> bool {
        !spec.probe.is_empty() && spec.store.is_none() && !self.store.tokens
    }

    fn extract(
        &self,
        stage: Stage,
        language: &str,
        first: usize,
        block: &[String],
        lengths: &[usize],
    ) -> Result<Shard> {
        let info = &self.model.info;
        let ExtractSpec { layers, pooling, include_bos, skip_first } = &self.model.spec.extract;
        let mut hasher = blake3::Hasher::new();
        for line in block {
            hasher.update(&(line.len() as u64).to_le_bytes()).update(line.as_bytes());
        }
        let key = canonical_hash(&ExtractKey {
            stage,
            compute_version: COMPUTE_VERSION,
            weights_sha256: &info.weights_sha256,
            config_sha256: &info.config_sha256,
            tokenizer_sha256: &info.tokenizer_sha256,
            compute_dtype: &info.compute_dtype,
            engine: info.engine,
            load: LoadOptions { revision: None, device: None, engine: None, dtype: None, ..self.model.load() },
            language,
            texts: hasher.finalize().to_hex().as_str(),
            first,
            site: SITE,
            layers,
            pooling: *pooling,
            include_bos: *include_bos,
            skip_first: *skip_first,
            stored: self.store.dtype,
        })?;
        let tokens: usize = lengths.iter().sum();
        let rows = if stage == Stage::Tokens { tokens } else { block.len() };
        let row = layers.len() * info.width * self.store.dtype.size() + 5 * size_of::<u32>();
        Ok(Shard {
            key,
            stage,
            model: self.model.label().to_owned(),
            language: language.to_owned(),
            first,
            lines: block.len(),
            text: None,
            probe: String::new(),
            needs: Vec::new(),
            tokens,
            bytes: (rows * row) as u64,
            seconds: self.inspection.seconds(&self.speed, lengths.iter().copied()),
            bundle: 0,
        })
    }

    fn lens(&self, at: usize, text: &str, top_k: usize, engine: &Engine) -> Result<Shard> {
        // The token sets of the languages are made from all sentences, so the run's identity stands for them.
        let run = &self.model.identity;
        let key = canonical_hash(&(Stage::Lens, COMPUTE_VERSION, run, at, text, top_k))?;
        let tokens = engine.tokenizer().encode(text)?.ids.len();
        let seconds = self.inspection.seconds(&self.speed, [tokens]);
        let layers = self.model.spec.extract.layers.len();
        let bytes = (tokens * layers * (top_k * 24 + 64)) as u64;
        Ok(Shard { text: Some(at), tokens, ..self.analysis(Stage::Lens, key, Vec::new(), bytes, seconds) })
    }

    /// A probe that is one shard, however many languages it reads.
    fn whole(&self, stage: Stage, probe: &ProbeSpec, blocks: &BTreeMap<&str, Vec<String>>) -> Result<Shard> {
        let needs: Vec<String> = blocks.values().flatten().cloned().collect();
        // States are named by their keys; what runs the model is named by the run.
        let run = if stage == Stage::Model { self.model.identity.as_str() } else { "" };
        let by_content = by_content(std::slice::from_ref(probe))?;
        let seed = probes::seed(&self.model.spec, probe.kind());
        let key = canonical_hash(&(stage, COMPUTE_VERSION, by_content, seed, &needs, run))?;
        let (languages, layers) = (self.corpus.languages.len(), self.model.spec.extract.layers.len());
        let (n, width) = (self.corpus.len() as f64, self.model.info.width as f64);
        // A few products of all pairs with each pivot at every layer, at about 20 GFLOP/s.
        let pairs = (probe.pivots().len().max(1) * languages * layers) as f64;
        let seconds = pairs * (20.0 * n * n * width / 2e10 + n / 1e3);
        let shard = self.analysis(stage, key, needs, pairs as u64 * 4096, seconds);
        Ok(Shard { probe: probe.kind().to_owned(), ..shard })
    }

    /// With pivots that are fewer than the languages, a shard for each other language; else one for each pivot.
    fn align(&self, probe: &ProbeSpec, pivots: &[String], blocks: &BTreeMap<&str, Vec<String>>) -> Result<Vec<Shard>> {
        let spec = &self.model.spec;
        let needs = |languages: &[&String]| -> Vec<String> {
            languages.iter().flat_map(|language| blocks.get(language.as_str()).cloned().unwrap_or_default()).collect()
        };
        let parameters = (Stage::Align, COMPUTE_VERSION, probe, align_seed(spec));
        let (n, width) = (self.corpus.len() as f64, self.model.info.width as f64);
        // Cosines of every pair in both centrings, at about 20 GFLOP/s; 60 bytes a sentence and cell.
        let seconds = |pairs: usize, layers: usize| (pairs * layers) as f64 * (4.0 * n * n * width / 2e10 + n / 1e4);
        let bytes = |pairs: usize, layers: usize| (pairs * layers * self.corpus.len() * 2 * 30) as u64;
        let others: Vec<&String> = self.corpus.languages.iter().filter(|l| !pivots.contains(l)).collect();
        let layers = &spec.extract.layers;
        if others.is_empty() {
            let all: Vec<&String> = self.corpus.languages.iter().collect();
            let needs = needs(&all);
            let pairs = all.len().saturating_sub(1);
            let (bytes, seconds) = (bytes(pairs, layers.len()), seconds(pairs, layers.len()));
            return (pivots.iter())
                .map(|pivot| {
                    let key = canonical_hash(&(&parameters, &needs, layers, pivot))?;
                    let shard = self.analysis(Stage::Align, key, needs.clone(), bytes, seconds);
                    Ok(Shard { language: pivot.clone(), ..shard })
                })
                .collect();
        }
        let pivots: Vec<&String> = pivots.iter().collect();
        (others.iter().enumerate())
            .map(|(at, language)| {
                let among: Vec<&String> = pivots.iter().copied().chain([*language]).collect();
                let needs = needs(&among);
                // The first also measures the pivots among themselves.
                let key = canonical_hash(&(&parameters, &needs, at == 0, layers))?;
                let pairs = pivots.len();
                let shard =
                    self.analysis(Stage::Align, key, needs, bytes(pairs, layers.len()), seconds(pairs, layers.len()));
                Ok(Shard { language: (*language).clone(), ..shard })
            })
            .collect()
    }

    fn analysis(&self, stage: Stage, key: String, needs: Vec<String>, bytes: u64, seconds: f64) -> Shard {
        Shard {
            key,
            stage,
            model: self.model.label().to_owned(),
            language: String::new(),
            first: 0,
            lines: 0,
            text: None,
            probe: String::new(),
            needs,
            tokens: 0,
            bytes,
            seconds,
            bundle: 0,
        }
    }
}
