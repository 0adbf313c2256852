//! The one face of the crate: load a model, run a plan on sentences, decode states through the unembedding.

use std::{
    cmp::Reverse,
    sync::{Mutex, MutexGuard, PoisonError},
};

use candle_core::{DType, Tensor};

use crate::{
    Error, Result,
    alarm::Run,
    capture::{Collector, sites, width},
    checkpoint::Checkpoint,
    device::Device,
    dtype::Dtype,
    hash::sha256,
    hub::Hub,
    kernels::linear::kernel,
    model::{
        Batch, Config, Decoder, Scratch, Weights,
        config::{Head, Mask},
        rope::LongRope,
    },
    monitor::{Monitor, Tick},
    notes::Notes,
    plan::{Capture, Plan, Point, Site},
    tensor::{Pass, Place},
    tokens::{Encoded, Tokenizer},
};

pub use crate::tensor::EngineKind;

/// What the program knows of a loaded model; goes into every manifest and onto the screen.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct ModelInfo {
    /// The reference that was asked for: `lab`, a folder, a Hub id.
    pub reference: String,
    /// Architecture family: `llama`, `qwen2`, ...
    pub family: String,
    /// Blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Rows of the unembedding.
    pub vocabulary: usize,
    /// Longest sentence in tokens.
    pub context: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Dtype of the weights on disk, and of the computation: `f32`.
    pub stored_dtype: String,
    /// Dtype in which is computed: what [`crate::dtype`] says of it.
    pub compute_dtype: String,
    /// Which matrix product ran. Two kinds of product differ by rounding, so the same run on another machine may differ in its
    /// last bits.
    #[serde(default)]
    pub kernel: String,
    /// What computes.
    #[serde(default)]
    pub engine: EngineKind,
    /// Device: `cpu`, `cuda:0`.
    pub device: String,
    /// SHA-256 over the weight files (hex), see checkpoint.rs.
    pub weights_sha256: String,
    /// SHA-256 of tokenizer.json (hex).
    pub tokenizer_sha256: String,
    /// SHA-256 of config.json (hex): rope and windows change numbers while the weights stay.
    pub config_sha256: String,
    /// Commit of the Hub snapshot that was loaded; `None` for a folder and for `lab`.
    pub revision: Option<String>,
}

/// How a model is loaded.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct LoadOptions {
    /// Hub revision (branch, tag or commit); `None` is `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// `cpu` (default), `cuda:0`, `metal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What computes; absent is `native` on the CPU and `candle` elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
    /// Number format of the operands of matrix products; absent is f32. See [`crate::dtype`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<Dtype>,
    /// Fixes longrope's choice of frequencies (Phi 3); absent: by each sentence's length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longrope: Option<LongRope>,
    /// Adds Falcon's ALiBi twice, as the eager attention of transformers 4.57 and 5.23 does. The paper, the training and the
    /// default attention of transformers add it once, and so does this engine unless it is told otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub eager_alibi: bool,
    /// Options of config.json that the engine does not know and that the person knows to change no number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore_options: Vec<String>,
}

/// What a capture yields.
#[derive(Clone, Debug)]
pub enum Values {
    /// One row a sentence, in the order of the sentences given. `[sentences, width of the site]`, f32.
    Pooled(Tensor),
    /// One tensor a sentence (from [`crate::plan::Reduce::All`]): `[tokens, width]`, or `[heads, tokens, tokens]` for
    /// attention scores and probabilities, f32.
    Tokens(Vec<Tensor>),
}

/// A captured site.
#[derive(Clone, Debug)]
pub struct Captured {
    /// What was asked for.
    pub capture: Capture,
    /// What came.
    pub values: Values,
}

impl Captured {
    /// The site that was captured.
    pub fn site(&self) -> Site {
        self.capture.site
    }
}

/// A loaded model with its tokenizer, ready to run. `Send + Sync`: the window keeps it in its worker thread.
pub struct Engine {
    info: ModelInfo,
    pub(crate) tokenizer: Tokenizer,
    computer: Computer,
    /// How it was loaded, so that it can be loaded again.
    pub(crate) source: (Hub, LoadOptions),
    pub(crate) notes: Notes,
    /// Buffers of passes that are over, for the next.
    scratch: Mutex<Vec<Scratch>>,
}

/// What runs the passes.
enum Computer {
    Native(Box<Decoder>),
    Library(Box<dyn Pass>),
}

impl Computer {
    fn config(&self) -> &Config {
        match self {
            Self::Native(decoder) => &decoder.config,
            Self::Library(pass) => pass.config(),
        }
    }

    fn has_head(&self) -> bool {
        match self {
            Self::Native(decoder) => decoder.has_head(),
            Self::Library(pass) => pass.config().head != Head::None,
        }
    }
}

/// Tokens that go through the model at once: enough to keep the matrix product busy, few enough to stay near the cache.
pub(crate) const BATCH_TOKENS: usize = 1024;

impl Engine {
    /// Loads `model`: `lab` (embedded), a folder with config.json, tokenizer.json and safetensors, a `.gguf` file (quantised
    /// weights become f32 once; [`ModelInfo::stored_dtype`] says `gguf:Q8_0+F32`), or a Hub id, which is downloaded when the
    /// local cache does not have it ([`Hub::from_env`]).
    ///
    /// # Errors
    /// A sentence for each of: no such model, a missing file, a config that is not supported, damaged or misshapen or
    /// non-finite weights, a tokenizer that does not fit the model, a download that fails.
    pub fn load(model: &str, options: &LoadOptions, monitor: &Monitor) -> Result<Self> {
        Self::load_from(&Hub::from_env(), model, options, monitor)
    }

    /// [`Engine::load`] with another Hub than the one that the environment names.
    ///
    /// # Errors
    /// Those of [`Engine::load`].
    pub fn load_from(hub: &Hub, model: &str, options: &LoadOptions, monitor: &Monitor) -> Result<Self> {
        let device = Device::parse(options.device.as_deref())?;
        let usual = if device == Device::Cpu { EngineKind::Native } else { EngineKind::Candle };
        let kind = options.engine.unwrap_or(usual);
        // A machine that lacks the device says so before anything is fetched.
        let place = match (kind, device) {
            (EngineKind::Native, Device::Cpu) => None,
            _ => Some(Place::open(kind, device)?),
        };
        let compute = options.dtype.unwrap_or_default();
        let checkpoint = Checkpoint::find(model, options, hub, monitor)?;
        let path = checkpoint.folder.join("config.json");
        let mut config = Config::parse(&checkpoint.config, &path, &options.ignore_options)?;
        config.compute = compute;
        if let Some(choice) = options.longrope {
            config.fix_longrope(choice);
        }
        if options.eager_alibi {
            config.double_alibi();
        }
        let tokenizer = Tokenizer::from_bytes(&checkpoint.tokenizer, &checkpoint.folder.join("tokenizer.json"))?;
        tokenizer.check_rows(config.vocabulary)?;
        monitor.tick(Tick { what: "loading weights", done: 0, total: 1, unit: "model" })?;
        let mut weights = Weights::open(&checkpoint.shards, &checkpoint.folder)?;
        let (weights_sha256, computer) = rayon::join(
            || checkpoint.weights_sha256(),
            || match place {
                None => Decoder::load(config, &mut weights, compute).map(|decoder| Computer::Native(Box::new(decoder))),
                Some(place) => place.load(config, &mut weights, compute).map(Computer::Library),
            },
        );
        let computer = computer?;
        let kernel = match &computer {
            Computer::Native(_) => kernel(compute).to_owned(),
            Computer::Library(pass) => pass.kernel().to_owned(),
        };
        let Config { layers, width, heads, kv_heads, vocabulary, context, family, .. } = *computer.config();
        let tied = computer.config().tied();
        let info = ModelInfo {
            reference: model.to_owned(),
            family: family.to_string(),
            layers,
            width,
            heads,
            kv_heads,
            vocabulary,
            context,
            parameters: weights.parameters(),
            tied,
            stored_dtype: weights.dtypes(),
            compute_dtype: compute.to_string(),
            engine: kind,
            kernel,
            device: device.to_string(),
            weights_sha256,
            tokenizer_sha256: tokenizer.sha256().to_owned(),
            config_sha256: sha256(&checkpoint.config),
            revision: checkpoint.revision.clone(),
        };
        weights.finish(family)?;
        monitor.tick(Tick { what: "loading weights", done: 1, total: 1, unit: "model" })?;
        let source = (hub.clone(), options.clone());
        Ok(Self { info, tokenizer, computer, source, notes: checkpoint.notes, scratch: Mutex::default() })
    }

    /// What is loaded.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    pub(crate) fn config(&self) -> &Config {
        self.computer.config()
    }

    /// The native pass, where it computes.
    pub(crate) fn decoder(&self) -> Option<&Decoder> {
        match &self.computer {
            Computer::Native(decoder) => Some(decoder),
            Computer::Library(_) => None,
        }
    }

    /// The native pass.
    ///
    /// # Errors
    /// [`Error::Plan`] where another engine computes.
    pub(crate) fn native(&self) -> Result<&Decoder> {
        match &self.computer {
            Computer::Native(decoder) => Ok(decoder),
            Computer::Library(_) => {
                let ModelInfo { engine, device, .. } = &self.info;
                let why = format!(
                    "generation runs on the native engine, and this model is on {engine} ({device}); load it on `cpu` \
                     without another `engine`"
                );
                Err(Error::Plan { why })
            }
        }
    }

    /// The pass of a tensor library.
    pub(crate) fn library(&self) -> Option<&dyn Pass> {
        match &self.computer {
            Computer::Native(_) => None,
            Computer::Library(pass) => Some(pass.as_ref()),
        }
    }

    /// Numbers in a row of this point, in models that have it.
    pub fn width(&self, point: Point) -> usize {
        width(point, self.computer.config())
    }

    /// Whether a token sees only those before it, so that the logits at a token say the next one. Encoders have none of it.
    pub fn is_causal(&self) -> bool {
        self.computer.config().mask == Mask::Causal
    }

    /// Every site that this model has, in the order of the pass.
    pub fn sites(&self) -> Vec<Site> {
        sites(self.computer.config())
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Runs `plan` on all `sentences` (any number: they are sorted by length and packed into batches inside) and returns the
    /// captures in the order of the plan, rows in the order of `sentences`. Ticks once a batch.
    ///
    /// # Errors
    /// Before any work: [`Error::Site`] or [`Error::Plan`] when the model has no such site or the plan contradicts itself,
    /// [`Error::Sentence`] for a sentence that is empty, too long, of another vocabulary, or that a window leaves nothing of.
    /// [`Error::Cancelled`] between blocks. Afterwards [`Error::NotFinite`] when a captured number is NaN or infinite.
    pub fn run(&self, sentences: &[Encoded], plan: &Plan, monitor: &Monitor) -> Result<Vec<Captured>> {
        Ok(self.run_watched(sentences, plan, monitor)?.finite()?.captured)
    }

    /// [`Engine::run`] with what is suspicious about the captured numbers, NaN and infinity included: [`Run::finite`] refuses them.
    ///
    /// # Errors
    /// As [`Engine::run`], but for [`Error::NotFinite`].
    pub fn run_watched(&self, sentences: &[Encoded], plan: &Plan, monitor: &Monitor) -> Result<Run> {
        let order = by_length(sentences);
        let mut collector = Collector::new(plan, self.computer.config(), sentences, order.clone())?;
        let mut scratch = self.scratch().pop().unwrap_or_default();
        let tokens = match &self.computer {
            Computer::Native(_) => BATCH_TOKENS,
            Computer::Library(pass) => pass.batch_tokens(),
        };
        let tick = |done| Tick { what: "running sentences", done, total: sentences.len(), unit: "sentences" };
        monitor.tick(tick(0))?;
        let mut first = 0;
        while first < order.len() {
            let batch = pack(sentences, &order, first, tokens);
            match &self.computer {
                Computer::Native(decoder) => decoder.forward(&batch, &mut scratch, &mut collector, None, monitor)?,
                Computer::Library(pass) => pass.forward(&batch, &mut collector, monitor)?,
            }
            first += batch.layout.len();
            monitor.tick(tick(first))?;
        }
        self.scratch().push(scratch);
        collector.finish()
    }

    /// Final norm, unembedding, soft-cap: what the model itself would say if its last block had put out `states`.
    ///
    /// # Shapes
    /// `states` `[rows, width]` (before the final norm) to `[rows, vocabulary]`, f32.
    ///
    /// # Errors
    /// [`Error::Tensor`] when `states` is not a matrix, [`Error::Plan`] when its width is not the model's.
    pub fn unembed(&self, states: &Tensor) -> Result<Tensor> {
        let rows = states.dims2()?.0;
        let mut logits = Vec::new();
        self.unembed_into(states, &mut logits)?;
        Ok(Tensor::from_vec(logits, (rows, self.info.vocabulary), &candle_core::Device::Cpu)?)
    }

    /// [`Engine::unembed`] into a buffer that the caller keeps: rows of a large vocabulary are read block after block, and fresh
    /// memory for each block would cost as much as reading it.
    ///
    /// # Shapes
    /// `states` `[rows, width]`; afterwards `logits` holds `[rows, vocabulary]` and nothing else.
    ///
    /// # Errors
    /// As [`Engine::unembed`].
    pub fn unembed_into(&self, states: &Tensor, logits: &mut Vec<f32>) -> Result<()> {
        let (rows, width) = states.dims2()?;
        let ModelInfo { width: want, vocabulary, .. } = self.info;
        if width != want {
            return Err(Error::Plan { why: format!("states of width {width} were given to unembed, expected {want}") });
        }
        let states: Vec<f32> = states.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        if !self.computer.has_head() {
            let why = format!("this {} has no head: its checkpoint turns no state into logits", self.info.family);
            return Err(Error::Plan { why });
        }
        logits.resize(rows * vocabulary, 0.0);
        match &self.computer {
            Computer::Native(decoder) => {
                let mut scratch = self.scratch().pop().unwrap_or_default();
                decoder.unembed(&states, logits, &mut scratch);
                self.scratch().push(scratch);
            }
            Computer::Library(pass) => pass.unembed(&states, logits)?,
        }
        Ok(())
    }

    pub(crate) fn scratch(&self) -> MutexGuard<'_, Vec<Scratch>> {
        // A panic elsewhere cannot spoil buffers whose content is never read before it is written.
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("info", &self.info).finish_non_exhaustive()
    }
}

/// The order of execution, the longest sentence first.
pub(crate) fn by_length(sentences: &[Encoded]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sentences.len()).collect();
    order.sort_by_key(|index| Reverse(sentences[*index].ids.len()));
    order
}

/// The next sentences in the order of execution, up to `tokens` tokens.
pub(crate) fn pack(sentences: &[Encoded], order: &[usize], first: usize, tokens: usize) -> Batch {
    let mut batch = Batch::new(first);
    for index in &order[first..] {
        let ids = &sentences[*index].ids;
        if !batch.takes(ids, tokens) {
            break;
        }
        batch.add(ids, ids.len());
    }
    batch
}
