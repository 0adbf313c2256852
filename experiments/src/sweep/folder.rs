//! The folder of a sweep: made whole from a plan, opened again by any process, never written over.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::ModelInfo,
    monitor::Monitor,
    store::{self, State},
};
use serde::{Deserialize, Serialize};

use super::{
    plan::{Model, Plan, Shard, Stage},
    record,
};
use crate::{
    fault::{Fault, Kind},
    manifest::{CorpusInfo, Program, now},
    run::{
        SPEC, Workbench,
        folder::Draft,
        identity::content,
        workbench::{corpus_notes, sentences, taken},
    },
    spec::RunSpec,
};

/// The version of the layout that this program writes and reads.
const SCHEMA: u32 = 1;
pub(crate) const SWEEP: &str = "sweep.json";
const PLAN: &str = "plan.jsonl";
const SHARDS: &str = "shards";

/// sweep.json: what the shards were cut from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepInfo {
    /// Version of this layout.
    pub schema: u32,
    /// BLAKE3 (hex) of everything that determines the results.
    pub identity: String,
    /// Name of the sweep.
    pub name: String,
    /// When it was planned, UTC.
    pub planned: String,
    /// The program that planned it.
    pub program: Program,
    /// The models.
    pub models: Vec<Model>,
    /// The sentences.
    pub corpus: CorpusInfo,
    /// How many shards there are.
    pub shards: usize,
}

/// A sweep on disk.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Where it lies.
    pub folder: PathBuf,
    /// The spec, resolved.
    pub spec: RunSpec,
    /// sweep.json.
    pub info: SweepInfo,
    /// plan.jsonl, in the order of the work.
    pub shards: Vec<Shard>,
}

/// How many shards of a new sweep another one in the same folder of runs had already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reused(pub usize);

impl Sweep {
    /// Writes the folder of `plan`: `out`, or `ROOT/NAME-HASH`. A folder that holds this very sweep is opened, with all that was
    /// done in it; shards that another sweep below the same root has done are linked in.
    ///
    /// # Errors
    /// [`Kind::Exists`] where the place holds anything else; [`Kind::Io`] where it cannot be written.
    pub fn create(plan: &Plan, root: &Path, out: Option<&Path>) -> Result<(Self, Reused)> {
        let hash = plan.identity.get(..8).unwrap_or_default();
        let folder = out.map_or_else(|| root.join(format!("{}-{hash}", plan.spec.name)), Path::to_owned);
        if !folder.exists() {
            let info = SweepInfo {
                schema: SCHEMA,
                identity: plan.identity.clone(),
                name: plan.spec.name.clone(),
                planned: now(),
                program: Program::this(),
                models: plan.models.clone(),
                corpus: CorpusInfo {
                    name: plan.corpus.name.clone(),
                    sha256: plan.corpus.sha256.clone(),
                    lines: plan.corpus.len(),
                    languages: plan.corpus.languages.clone(),
                    tokens: plan.shards.iter().filter(|s| s.stage == Stage::Extract).map(|s| s.tokens).sum(),
                    notes: corpus_notes(&plan.spec, &plan.corpus),
                },
                shards: plan.shards.len(),
            };
            let draft = Draft::begin(&folder)?;
            draft.text(SPEC, &plan.spec.to_toml()?)?;
            draft.text(SWEEP, &(serde_json::to_string_pretty(&info)? + "\n"))?;
            let lines = plan.shards.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
            draft.text(PLAN, &(lines.join("\n") + "\n"))?;
            for name in ["logs", "failed"] {
                draft.subfolder(name)?;
            }
            // Of two processes that begin at once the second finds the folder of the first.
            draft.publish()?;
        }
        if !folder.join(SWEEP).exists() {
            return Err(taken(&folder, "it is there already and is no sweep"));
        }
        let sweep = Self::open(&folder)?;
        if sweep.info.identity != plan.identity {
            return Err(taken(&folder, "it holds another sweep"));
        }
        let reused = sweep.reuse(root)?;
        Ok((sweep, Reused(reused)))
    }

    /// Opens the folder of a sweep.
    ///
    /// # Errors
    /// [`Kind::Missing`] where there is none, [`Kind::Exists`] where another version of this program wrote it, [`Kind::Data`] where
    /// it is damaged.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(SWEEP);
        let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                Fault::new(Kind::Missing, format!("there is no sweep here: expected {SWEEP}\n{}", folder.display()))
            }
            _ => Fault::read("a sweep", &path, &e),
        })?;
        let damaged =
            |what: &str, why: String| Fault::data(format!("the sweep is damaged: {what}: {why}\n{}", folder.display()));
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let Version { schema } = serde_json::from_str(&text).map_err(|e| damaged(SWEEP, e.to_string()))?;
        if schema != SCHEMA {
            let why = format!(
                "the sweep has layout {schema}, this program reads {SCHEMA}; use the version that wrote it\n{}",
                folder.display()
            );
            return Err(Fault::new(Kind::Exists, why).into());
        }
        let info: SweepInfo = serde_json::from_str(&text).map_err(|e| damaged(SWEEP, e.to_string()))?;
        let spec = RunSpec::open(&folder.join(SPEC))?;
        let path = folder.join(PLAN);
        let text = fs::read_to_string(&path).map_err(|e| Fault::read("the plan of a sweep", &path, &e))?;
        let shards = (text.lines().enumerate())
            .map(|(at, line)| {
                serde_json::from_str(line).map_err(|e| damaged(PLAN, format!("line {}: {e}", at + 1)).into())
            })
            .collect::<Result<Vec<Shard>>>()?;
        if shards.len() != info.shards {
            return Err(damaged(PLAN, format!("has {} shards, {SWEEP} says {}", shards.len(), info.shards)).into());
        }
        Ok(Self { folder: folder.to_owned(), spec, info, shards })
    }

    /// Whether `folder` holds a sweep.
    pub fn is_at(folder: &Path) -> bool {
        folder.join(SWEEP).is_file()
    }

    /// Where the run of a model lies once it is merged.
    pub fn run_folder(&self, model: &Model) -> PathBuf {
        self.folder.join("models").join(model.label().replace(['/', '\\', ':'], "_"))
    }

    /// The shards of a stage.
    pub(crate) fn stage(&self, stage: Stage) -> PathBuf {
        self.folder.join(SHARDS).join(stage.name())
    }

    /// Whether a shard is done, by its record and the lengths of its files.
    pub fn state(&self, shard: &Shard) -> State {
        let root = self.stage(shard.stage);
        match shard.stage {
            Stage::Extract | Stage::Tokens => store::state(&store::shard_folder(&root, &shard.key), &shard.key),
            Stage::Lens | Stage::Align | Stage::Model | Stage::States => {
                record::state(&store::shard_folder(&root, &shard.key), &shard.key)
            }
        }
    }

    pub(super) fn model(&self, label: &str) -> Result<&Model> {
        let found = self.info.models.iter().find(|model| model.label() == label);
        Ok(found
            .ok_or_else(|| Fault::data(format!("the plan names the model {label}, which {SWEEP} does not know")))?)
    }

    /// The sentences, as they were when the sweep was planned.
    pub(super) fn corpus(&self) -> Result<Corpus> {
        let corpus = sentences(&self.spec)?;
        let planned = &self.info.corpus.sha256;
        if corpus.sha256 != *planned {
            return Err(Fault::data(format!(
                "the sentences have changed since the sweep was planned: their SHA-256 is {}, it was {planned}; put the old ones \
                 back, or run the spec under another name\n{}",
                corpus.sha256, self.spec.data.path
            ))
            .into());
        }
        for (path, planned) in self.info.models.iter().flat_map(|model| &model.files) {
            let found = content("a probe", path)?;
            if found != *planned {
                return Err(Fault::data(format!(
                    "a file that a probe reads has changed since the sweep was planned: it is {found}, it was {planned}; put the old one \
                     back, or run the spec under another name\n{path}"
                ))
                .into());
            }
        }
        Ok(corpus)
    }

    /// The engine of a model, which must be the one of the plan.
    pub(super) fn engine(
        &self,
        bench: &mut Workbench,
        model: &Model,
        monitor: &Monitor,
    ) -> Result<std::sync::Arc<babelscope_core::engine::Engine>> {
        let spec = model.spec.model.first().ok_or_else(|| Fault::data("a model of the sweep has no spec"))?;
        let engine = bench.engine(spec, monitor)?;
        let hashes = |info: &ModelInfo| {
            [
                ("weights", info.weights_sha256.clone()),
                ("config.json", info.config_sha256.clone()),
                ("tokenizer.json", info.tokenizer_sha256.clone()),
            ]
        };
        for ((what, found), (_, planned)) in hashes(engine.info()).into_iter().zip(hashes(&model.info)) {
            if found != planned {
                return Err(Fault::data(format!(
                    "the model {} has changed since the sweep was planned: SHA-256 of its {what} is {found}, it was {planned}; put the \
                     old one back, or run the spec under another name\n{}",
                    model.label(),
                    spec.path
                ))
                .into());
            }
        }
        Ok(engine)
    }

    /// Links finished shards of other sweeps below `root` into this one.
    fn reuse(&self, root: &Path) -> Result<usize> {
        let mut missing: BTreeMap<&str, &Shard> = self
            .shards
            .iter()
            .filter(|shard| self.state(shard) == State::Missing)
            .map(|s| (s.key.as_str(), s))
            .collect();
        if missing.is_empty() {
            return Ok(0);
        }
        let mut reused = 0;
        for entry in fs::read_dir(root).into_iter().flatten().flatten() {
            let other = entry.path();
            let same = fs::canonicalize(&other).ok() == fs::canonicalize(&self.folder).ok();
            if same || !Self::is_at(&other) {
                continue;
            }
            let mut found = Vec::new();
            for (key, shard) in &missing {
                let from = store::shard_folder(&other.join(SHARDS).join(shard.stage.name()), key);
                if from.join(format!("{key}.json")).is_file() && self.link(shard, &from)? {
                    found.push(*key);
                }
            }
            reused += found.len();
            missing.retain(|key, _| !found.contains(key));
        }
        Ok(reused)
    }

    /// Links the files of a shard, its record last; `false` where the file system cannot link, or the shard there is not whole.
    fn link(&self, shard: &Shard, from: &Path) -> Result<bool> {
        let whole = match shard.stage {
            Stage::Extract | Stage::Tokens => store::state(from, &shard.key),
            Stage::Lens | Stage::Align | Stage::Model | Stage::States => record::state(from, &shard.key),
        };
        if whole != State::Done {
            return Ok(false);
        }
        let to = store::shard_folder(&self.stage(shard.stage), &shard.key);
        fs::create_dir_all(&to).map_err(|e| Fault::write("a folder of shards", &to, &e))?;
        let record = format!("{}.json", shard.key);
        let mut names = Vec::new();
        for entry in fs::read_dir(from).map_err(|e| Fault::read("a folder of shards", from, &e))?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&shard.key) && name != record {
                names.push(name);
            }
        }
        names.push(record);
        for name in names {
            match fs::hard_link(from.join(&name), to.join(&name)) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}
