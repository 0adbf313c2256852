//! One TOML file = one run. What a person clicks and what a script says are the same spec.

mod compare;
mod cot;
mod hints;
mod keys;
mod learn;
mod probe;
mod select;
mod sweep;
mod vector;

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, Result};
use babelscope_core::{corpus::Corpus, dtype::Dtype, engine::LoadOptions};
use babelscope_probes::align::AlignParams;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compare::CompareSpec;
pub(crate) use cot::LAB_PROBLEMS;
pub use cot::{CotSpec, Retry};
pub use hints::HintsSpec;
pub(crate) use keys::nearest;
pub use learn::LearnSpec;
pub use probe::{LensSpec, ProbeSpec, Reads};
pub use select::SelectSpec;
pub use sweep::{EnginePlace, EngineSpec, SlurmSpec, StoreSpec};
pub use vector::VectorSpec;

use crate::fault::Fault;

/// The version of the layout that this program writes and reads.
pub const SCHEMA: u32 = 1;

/// The whole spec.
///
/// ```
/// use babelscope::spec::RunSpec;
/// let spec = RunSpec::parse(r#"
///     schema = 1
///     name = "first"
///     [[model]]
///     path = "lab"
///     [[probe]]
///     kind = "align"
/// "#)?;
/// assert_eq!(spec.data.path, "lab");
/// assert_eq!(RunSpec::parse(&spec.to_toml()?)?, spec);
/// # Ok::<(), anyhow::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// Version of this layout: [`SCHEMA`].
    pub schema: u32,
    /// Name of the run; the folder is `NAME-HASH`.
    pub name: String,
    /// Every other seed is derived from it.
    #[serde(default)]
    pub seed: u64,
    /// The models. More than one make a sweep: a run of each, in one folder.
    pub model: Vec<ModelSpec>,
    /// The parallel sentences.
    #[serde(default)]
    pub data: DataSpec,
    /// What is captured.
    #[serde(default)]
    pub extract: ExtractSpec,
    /// What is kept of the activations; absent: nothing. Makes a sweep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSpec>,
    /// Where a sweep is computed.
    #[serde(default, skip_serializing_if = "EngineSpec::is_default")]
    pub engine: EngineSpec,
    /// The analyses, at most one of each kind; none where activations are only stored.
    #[serde(default)]
    pub probe: Vec<ProbeSpec>,
}

/// A model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Short name in tables and figures; empty means the last part of `path`.
    #[serde(default)]
    pub id: String,
    /// `lab`, a folder, or a Hub id.
    pub path: String,
    /// How it is loaded; the keys stand beside `path`. The device is not part of the run's identity.
    #[serde(flatten)]
    pub load: LoadOptions,
}

impl ModelSpec {
    /// A model with nothing but its path.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// The name in tables and figures.
    pub fn label(&self) -> &str {
        if !self.id.is_empty() {
            return &self.id;
        }
        let trimmed = self.path.trim_end_matches(['/', '\\']);
        trimmed.rsplit(['/', '\\']).next().unwrap_or(trimmed)
    }
}

/// The corpus and the part of it that is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataSpec {
    /// `lab`, a folder, or a table file.
    pub path: String,
    /// FLORES codes; empty means all.
    pub languages: Vec<String>,
    /// First n lines; 0 means all.
    pub limit: usize,
}

impl Default for DataSpec {
    fn default() -> Self {
        Self { path: "lab".to_owned(), languages: Vec::new(), limit: 0 }
    }
}

/// What is captured of each sentence: the residual stream at the layers, one vector a sentence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExtractSpec {
    /// Canonical layers (0 = embeddings, l = after block l, before the final norm); empty means all.
    pub layers: Vec<usize>,
    /// Pooling.
    pub pooling: Pooling,
    /// Whether BOS counts in the pooling.
    pub include_bos: bool,
    /// How many content tokens the pooling leaves out at the start.
    pub skip_first: usize,
}

/// How a sentence becomes one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Mean over tokens.
    #[default]
    Mean,
    /// Position-weighted mean (MEXA's default).
    Weighted,
    /// Last token.
    Last,
}

impl Pooling {
    /// The name in specs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Weighted => "weighted",
            Self::Last => "last",
        }
    }
}

impl RunSpec {
    /// A spec with every default.
    pub fn new(name: impl Into<String>, model: ModelSpec, probe: Vec<ProbeSpec>) -> Self {
        Self {
            schema: SCHEMA,
            name: name.into(),
            seed: 0,
            model: vec![model],
            data: DataSpec::default(),
            extract: ExtractSpec::default(),
            store: None,
            engine: EngineSpec::default(),
            probe,
        }
    }

    /// The main job on what ships inside the program: alignment of every language with English, and the lens on one sentence in
    /// several scripts.
    ///
    /// # Errors
    /// The embedded corpus cannot be read.
    pub fn demo() -> Result<Self> {
        let corpus = Corpus::open(Path::new("lab"))?;
        let text = |code: &&str| corpus.lines(code).and_then(<[String]>::first).cloned();
        let texts = ["spa_Latn", "zho_Hans", "hin_Deva", "arb_Arab"].iter().filter_map(text).collect();
        Ok(Self::new("demo", ModelSpec::new("lab"), vec![ProbeSpec::align("eng_Latn"), ProbeSpec::lens(texts)]))
    }

    /// Reads a spec and checks it.
    ///
    /// # Errors
    /// [`Fault::spec`]: not TOML, an unknown key (the message names its line and the nearest known key), a value of the wrong
    /// type, or a value that makes no sense ([`RunSpec::check`]).
    pub fn parse(text: &str) -> Result<Self> {
        keys::check(text)?;
        let spec: Self = toml::from_str(text).map_err(|e| Fault::spec(e.to_string().trim_end().to_owned()))?;
        spec.check()?;
        Ok(spec)
    }

    /// Reads a spec from a file.
    ///
    /// # Errors
    /// As [`RunSpec::parse`]; a fault of kind `Missing` where there is no such file.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Fault::read("the spec", path, &e))?;
        Self::parse(&text).with_context(|| format!("the spec {}", path.display()))
    }

    /// The spec as TOML, every default written out. [`RunSpec::parse`] reads exactly this spec back.
    ///
    /// # Errors
    /// Those of [`RunSpec::check`]: a spec that could not be read back is not written.
    pub fn to_toml(&self) -> Result<String> {
        self.check()?;
        Ok(toml::to_string(self)?)
    }

    /// The same spec with one value replaced: `data.limit=8`, `probe.0.bootstrap=100`, `name=second`. The value is read as TOML,
    /// and as plain text where it is none.
    ///
    /// # Errors
    /// [`Fault::spec`]: an unknown key, a value of the wrong type, or one that makes no sense.
    pub fn with(&self, assignment: &str) -> Result<Self> {
        self.with_all([assignment])
    }

    /// As [`RunSpec::with`], of several values that may make sense only together.
    ///
    /// # Errors
    /// As [`RunSpec::with`].
    pub fn with_all(&self, assignments: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self> {
        let mut spec = self.clone();
        for assignment in assignments {
            spec = keys::assign(&spec, assignment.as_ref())?;
        }
        spec.check()?;
        Ok(spec)
    }

    /// Whether the values make sense by themselves; what depends on the model or the corpus is checked when both are loaded.
    ///
    /// # Errors
    /// [`Fault::spec`] with a sentence.
    pub fn check(&self) -> Result<()> {
        self.problem().map_or(Ok(()), |why| Err(Fault::spec(why).into()))
    }

    fn problem(&self) -> Option<String> {
        if self.schema != SCHEMA {
            return Some(format!("`schema` is {}, this program reads {SCHEMA}", self.schema));
        }
        let allowed = |c: char| c.is_alphanumeric() || "._-".contains(c);
        if self.name.is_empty()
            || self.name.len() > 100
            || !self.name.chars().all(allowed)
            || self.name.starts_with(['.', '-'])
        {
            return Some(format!(
                "`name` is {:?}; it becomes a folder's name, so expected are 1 to 100 letters, digits, `.`, `_` or `-`, \
                 with a letter or digit first",
                self.name
            ));
        }
        if i64::try_from(self.seed).is_err() {
            return Some(format!("`seed` is {}; TOML holds integers up to {}", self.seed, i64::MAX));
        }
        if let Some(why) = self.model_problem() {
            return Some(why);
        }
        if self.data.path.trim().is_empty() {
            return Some("`data.path` is empty; expected `lab`, a folder or a table file".to_owned());
        }
        if let Some(twice) = repeated(&self.data.languages) {
            return Some(format!("`data.languages` names {twice} twice"));
        }
        if let Some(twice) = repeated(&self.extract.layers) {
            return Some(format!("`extract.layers` names layer {twice} twice"));
        }
        if self.reads_states()
            && self.extract.pooling == Pooling::Last
            && (self.extract.include_bos || self.extract.skip_first > 0)
        {
            return Some(
                "`extract.pooling` is `last`, which takes one token, so `include_bos` and `skip_first` would do nothing; leave them out"
                    .to_owned(),
            );
        }
        if self.probe.is_empty() && self.store.is_none() {
            return Some(format!(
                "there is no [[probe]] and no [store], so there is nothing to do; known kinds of probe: {}",
                ProbeSpec::KINDS.join(", ")
            ));
        }
        if let Some(why) = self.engine.problem().or_else(|| self.store.as_ref()?.problem()) {
            return Some(why);
        }
        let kinds: Vec<&str> = self.probe.iter().map(ProbeSpec::kind).collect();
        if let Some(twice) = repeated(&kinds) {
            return Some(format!("two [[probe]] of kind {twice}; a run has at most one of each kind"));
        }
        let related = |kind: &&str| ProbeSpec::RELATED.contains(kind);
        if kinds.contains(&"tasks") && !kinds.iter().any(related) {
            let (last, others) = ProbeSpec::RELATED.split_last()?;
            let others = others.join(", ");
            return Some(format!(
                "the probe `tasks` relates what other probes measure; add a [[probe]] of kind {others} or {last}"
            ));
        }
        self.probe.iter().find_map(|probe| probe.problem(&self.data.languages))
    }

    fn model_problem(&self) -> Option<String> {
        if self.model.is_empty() {
            return Some("there is no [[model]]; expected at least one".to_owned());
        }
        if self.model.iter().any(|model| model.path.trim().is_empty()) {
            return Some("`model.path` is empty; expected `lab`, a folder or a Hub id".to_owned());
        }
        let labels: Vec<&str> = self.model.iter().map(ModelSpec::label).collect();
        let twice = repeated(&labels)?;
        Some(format!("two models are called {twice}; give each an `id` of its own, as tables tell them apart by it"))
    }

    /// The alignment analysis, if it is asked for.
    pub fn align(&self) -> Option<&AlignParams> {
        self.probe.iter().find_map(|probe| match probe {
            ProbeSpec::Align(params) => Some(params),
            _ => None,
        })
    }

    /// The lens, if it is asked for.
    pub fn lens(&self) -> Option<&LensSpec> {
        self.probe.iter().find_map(|probe| match probe {
            ProbeSpec::Lens(spec) => Some(spec),
            _ => None,
        })
    }

    /// Whether some probe reads the pooled states of the sentences.
    pub fn reads_states(&self) -> bool {
        self.probe.iter().any(|probe| probe.reads() == Reads::States)
    }

    /// Whether this is more than one run: several models, activations that are kept, or another place than this process.
    pub fn is_sweep(&self) -> bool {
        self.model.len() > 1 || self.store.is_some() || self.engine.kind != EnginePlace::Local
    }

    /// The run of one model of a sweep. Rows that are stored rounded give other numbers, so then it stays a sweep of one.
    pub fn of_model(&self, model: &ModelSpec) -> Self {
        let rounded = self.store.clone().filter(|store| store.dtype != Dtype::F32);
        let store = rounded.map(|store| StoreSpec { tokens: false, ..store });
        Self { model: vec![model.clone()], store, engine: EngineSpec::default(), ..self.clone() }
    }

    /// The JSON schema of specs, for editors: `#:schema FILE` in the first line of a TOML file.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

fn repeated<T: Ord>(values: &[T]) -> Option<&T> {
    let mut seen = BTreeSet::new();
    values.iter().find(|value| !seen.insert(*value))
}

#[cfg(test)]
mod tests {
    use babelscope_core::plan::{Edit, Op, Positions};

    #[derive(serde::Deserialize)]
    struct File {
        edit: Vec<Edit>,
    }

    #[test]
    fn the_edits_of_the_documentation_are_read() {
        let page = include_str!("../../docs/EDITS.md");
        let text = page.split("```toml").nth(1).unwrap().split("```").next().unwrap();
        let edits = toml::from_str::<File>(text).unwrap().edit;
        assert_eq!(edits.iter().map(|edit| edit.op.name()).collect::<Vec<_>>(), ["add", "cut"]);
        let keys = Positions::List(vec![0, 1]);
        assert_eq!(edits[1].op, Op::Cut { heads: Some(vec![3]), keys });
        assert!(toml::from_str::<File>(&text.replace("coefficient", "coeficient")).is_err());
    }
}
