//! Reference models and what Hugging Face transformers computes with them: `tests/golden/` and the folder of oracles.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use babelscope_core::{
    engine::{Captured, Engine, LoadOptions, Values},
    model::rope::LongRope,
    monitor::Monitor,
    plan::{Capture, Plan, Point, Reduce, Site},
    tokens::Encoded,
};
use candle_core::{DType, Device, Tensor};

/// What meta.json says of a family.
#[derive(Debug, serde::Deserialize)]
pub struct Meta {
    /// `model_type` of config.json.
    pub model_type: String,
    /// What was run.
    pub sentences: Vec<Sentence>,
    /// Blocks.
    pub layers: Option<usize>,
    /// Whether transformers puts its last hidden state through the final norm.
    pub last_hidden_state_is_after_final_norm: bool,
    /// Attention and feed-forward part read the same stream.
    #[serde(default)]
    pub parallel: bool,
    /// Each sum is normed before it goes on.
    #[serde(default)]
    pub post_norm: bool,
    /// Whether a token sees only those before it; encoders have none of it.
    pub causal: Option<bool>,
    /// How far transformers' padded pass is from its pass of each sentence alone, by side.
    #[serde(default)]
    pub max_abs_difference_padded_vs_single: BTreeMap<String, f64>,
}

/// A sentence of a family.
#[derive(Debug, serde::Deserialize)]
pub struct Sentence {
    /// Its text.
    pub text: String,
    /// Its ids, special tokens included.
    pub ids: Vec<u32>,
}

/// A reference model.
#[derive(Debug)]
pub struct Family {
    /// Its folder.
    pub folder: PathBuf,
    /// Its meta.json.
    pub meta: Meta,
}

impl Family {
    /// The golden family `name`.
    pub fn golden(name: &str) -> Self {
        Self::at(&repository().join("tests/golden/models").join(name))
    }

    fn at(folder: &Path) -> Self {
        let meta = serde_json::from_slice(&fs::read(folder.join("meta.json")).unwrap()).unwrap();
        Self { folder: folder.to_owned(), meta }
    }

    /// The name with the folder above it that tells sets apart: `full/llama`.
    pub fn name(&self) -> String {
        let parts: Vec<_> = self.folder.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
        parts.iter().rev().map(AsRef::as_ref).collect::<Vec<&str>>().join("/")
    }

    /// A token sees only those before it.
    pub fn causal(&self) -> bool {
        self.meta.causal.unwrap_or(!["bert", "xlm-roberta", "mt5"].contains(&self.meta.model_type.as_str()))
    }

    /// What makes the engine compute what transformers computed here, where it would do better by itself.
    pub fn options(&self) -> LoadOptions {
        let config: serde_json::Value =
            serde_json::from_slice(&fs::read(self.folder.join("config.json")).unwrap()).unwrap();
        // A padded batch chooses longrope's factors by the padded length.
        let padded = self.meta.layers.is_none() || !self.meta.max_abs_difference_padded_vs_single.is_empty();
        let longest = self.meta.sentences.iter().map(|s| s.ids.len()).max().unwrap_or(0) as u64;
        let long = config["rope_parameters"]["rope_type"] == "longrope"
            && config["original_max_position_embeddings"].as_u64().is_some_and(|original| longest > original);
        LoadOptions {
            longrope: (padded && long).then_some(LongRope::Long),
            eager_alibi: self.meta.model_type == "falcon" && config["alibi"] == true,
            ..LoadOptions::default()
        }
    }

    /// With [`Family::options`].
    pub fn engine(&self) -> Engine {
        load(&self.folder, &self.options())
    }

    /// With the recorded ids; byte spans are not known here.
    pub fn sentences(&self) -> Vec<Encoded> {
        self.meta.sentences.iter().map(|s| encoded(&s.ids)).collect()
    }

    /// The rows of each sentence where all lie one behind the other: first row and number.
    pub fn rows(&self) -> Vec<(usize, usize)> {
        let mut first = 0;
        let row = |s: &Sentence| {
            first += s.ids.len();
            (first - s.ids.len(), s.ids.len())
        };
        self.meta.sentences.iter().map(row).collect()
    }

    /// Every recorded tensor, and `mlp_gate` where `mlp_in` was recorded.
    pub fn expected(&self) -> BTreeMap<String, Tensor> {
        let load = |name: &str| -> BTreeMap<String, Tensor> {
            candle_core::safetensors::load(self.folder.join(name), &Device::Cpu).unwrap().into_iter().collect()
        };
        let mut expected = load("expected.safetensors");
        if expected.contains_key("site.mlp_in.1") {
            let gates = gates(&expected, &load("model.safetensors"));
            expected.extend(gates);
        }
        expected
    }

    /// Where the golden tensor of a site lies: some are not stored because they equal another, some the family does not have.
    pub fn recorded(&self, expected: &BTreeMap<String, Tensor>, site: Site) -> Option<String> {
        let own = site.to_string();
        let point = own.split('.').next().unwrap();
        let here = |point: &str| format!("site.{point}.{}", site.block);
        let other = match point {
            "resid_pre" => Some(format!("site.{}", Site::layer(site.block - 1))),
            "attn_out_post" | "mlp_out_post" => Some(here(&point.replace("_post", ""))),
            _ => None,
        };
        let found = [Some(format!("site.{own}")), other].into_iter().flatten().find(|name| expected.contains_key(name));
        let experts = expected.contains_key(&here("router_logits"));
        let absent = match point {
            "resid_mid" => self.meta.parallel,
            "mlp_gate" | "mlp_act" => experts,
            "router_logits" | "router_weights" => !experts,
            "final_norm" => !self.meta.last_hidden_state_is_after_final_norm,
            "logits" => self.meta.model_type == "mt5",
            _ => false,
        };
        assert_eq!(found.is_none(), absent, "{}: is {own} recorded?", self.name());
        found
    }

    /// The sites that the family has, of every block.
    pub fn sites(&self) -> Vec<Site> {
        let expected = self.expected();
        let layers = self.meta.layers.unwrap();
        sites(layers).filter(|site| self.recorded(&expected, *site).is_some()).collect()
    }
}

/// What the activations read: the product of the recorded `mlp_in` and the checkpoint's own weights, in f64. In some families of
/// transformers no module ends there that a hook could record.
fn gates(recorded: &BTreeMap<String, Tensor>, weights: &BTreeMap<String, Tensor>) -> Vec<(String, Tensor)> {
    const NAMES: [&str; 8] =
        [".gate_proj", ".gate_up_proj", ".wi_0", ".wi", ".c_fc", ".dense_h_to_4h", ".fc1", ".intermediate.dense"];
    let wide = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap();
    let mut found = Vec::new();
    for (name, weight) in weights {
        let Some(stem) = name.strip_suffix(".weight").filter(|stem| NAMES.iter().any(|n| stem.ends_with(n))) else {
            continue;
        };
        let block = stem.split('.').find_map(|part| part.parse::<usize>().ok()).unwrap() + 1;
        let site = |point: &str| recorded.get(&format!("site.{point}.{block}"));
        // Experts have no place of their own.
        let (Some(x), Some(act)) = (site("mlp_in"), site("mlp_act")) else { continue };
        // GPT-2 stores `[inputs, outputs]`.
        let weight = if stem.ends_with(".c_fc") { wide(weight) } else { wide(weight).t().unwrap() };
        let mut gate = wide(x).matmul(&weight).unwrap();
        if let Some(bias) = weights.get(&format!("{stem}.bias")) {
            gate = gate.broadcast_add(&wide(bias)).unwrap();
        }
        // Phi 3 stores the gate's rows before the others.
        let gate = gate.narrow(1, 0, act.dim(1).unwrap()).unwrap();
        found.push((format!("site.mlp_gate.{block}"), gate.to_dtype(DType::F32).unwrap()));
    }
    found
}

/// Every site that a model of `layers` blocks may have.
pub fn sites(layers: usize) -> impl Iterator<Item = Site> {
    Point::NAMES.iter().flat_map(move |(point, _)| {
        let blocks = if point.in_block() { 1..=layers } else { 0..=0 };
        blocks.map(|block| Site::new(*point, block))
    })
}

/// Ids as the engine takes them.
pub fn encoded(ids: &[u32]) -> Encoded {
    Encoded { ids: ids.to_vec(), spans: vec![0..0; ids.len()], bos: 0 }
}

/// The engine of a folder.
pub fn load(folder: &Path, options: &LoadOptions) -> Engine {
    Engine::load(folder.to_str().unwrap(), options, &Monitor::silent())
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
}

/// Cargo says where it is; a test that was carried to another machine is told there.
fn repository() -> PathBuf {
    let tests = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&tests).parent().unwrap().to_owned()
}

/// Every family folder below `folder`.
fn below(folder: &Path) -> Vec<Family> {
    if folder.join("expected.safetensors").is_file() && folder.join("config.json").is_file() {
        return vec![Family::at(folder)];
    }
    let mut folders: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders.iter().flat_map(|path| below(path)).collect()
}

/// The families in `tests/golden/`: every site of every sentence, without padding.
pub fn golden() -> Vec<Family> {
    let found = below(&repository().join("tests/golden/models"));
    assert!(!found.is_empty(), "tests/golden holds no family");
    found
}

/// The families below the folder that `BABELSCOPE_ORACLES` names (by default `../shared/oracles` beside the repository, when it is
/// there; where `CI` is set it must be): padded batches as a user of transformers runs them.
pub fn oracles() -> Vec<Family> {
    let named = std::env::var_os("BABELSCOPE_ORACLES").map(PathBuf::from);
    let must = named.is_some() || std::env::var_os("CI").is_some();
    let folder = named.unwrap_or_else(|| repository().join("../shared/oracles"));
    assert!(!must || folder.is_dir(), "the oracles are not there: {}", folder.display());
    if !folder.is_dir() {
        return Vec::new();
    }
    let found = below(&folder);
    assert!(!found.is_empty(), "no family below {}", folder.display());
    found
}

/// Both.
pub fn families() -> Vec<Family> {
    golden().into_iter().chain(oracles()).collect()
}

/// Every token of a site.
pub fn all(point: Point, block: usize) -> Capture {
    Capture { site: Site::new(point, block), reduce: Reduce::All }
}

/// Runs `captures` on `sentences`.
pub fn run(engine: &Engine, sentences: &[Encoded], captures: Vec<Capture>) -> Vec<Captured> {
    let plan = Plan { captures, ..Plan::default() };
    engine.run(sentences, &plan, &Monitor::silent()).unwrap_or_else(|e| panic!("{}: {e}", engine.info().reference))
}

/// What [`Reduce::All`] yields: one tensor a sentence.
pub fn tokens(captured: &Captured) -> &[Tensor] {
    match &captured.values {
        Values::Tokens(tokens) => tokens,
        Values::Pooled(_) => panic!("{} was pooled", captured.site()),
    }
}

/// What the pooling reductions yield: one row a sentence.
pub fn pooled(captured: &Captured) -> &Tensor {
    match &captured.values {
        Values::Pooled(rows) => rows,
        Values::Tokens(_) => panic!("{} was not pooled", captured.site()),
    }
}

/// The values of a tensor in its order.
pub fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(candle_core::DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest absolute difference; infinite where one side is not a number.
pub fn difference(got: &Tensor, want: &Tensor) -> f32 {
    assert_eq!(got.dims(), want.dims());
    values(got).into_iter().zip(values(want)).fold(0f32, |worst, (a, b)| {
        let d = if a == b { 0.0 } else { (a - b).abs() };
        if d.is_nan() { f32::INFINITY } else { worst.max(d) }
    })
}

/// Largest absolute value: products of other shapes add up in another order, which moves a sum by its own size's rounding.
pub fn magnitude(tensor: &Tensor) -> f32 {
    values(tensor).into_iter().filter(|x| x.is_finite()).fold(0.0, |largest, x| largest.max(x.abs()))
}
