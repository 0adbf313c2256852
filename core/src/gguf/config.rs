//! The metadata of a GGUF file as the config.json that transformers would have.
//!
//! Every key of the architecture must be known, as with config.json: what changes numbers and is not computed is refused. What
//! llama.cpp leaves to its program (Gemma's scale of queries and pattern of windows) is as its program has it.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Map, Value as Json, json};

use super::{Format, Gguf, Value};
use crate::model::MOST_BLOCKS;

type Read<T> = Result<T, String>;

/// Architectures, and what transformers calls them.
const FAMILIES: [(&str, &str); 7] = [
    ("llama", "llama"),
    ("qwen2", "qwen2"),
    ("qwen3", "qwen3"),
    ("gemma", "gemma"),
    ("gemma2", "gemma2"),
    ("gemma3", "gemma3_text"),
    ("phi3", "phi3"),
];

/// The text of a config.json, or why there is none.
pub(crate) fn config(gguf: &Gguf, bytes: &[u8]) -> Read<Vec<u8>> {
    if let Some(files) = gguf.whole("split.count").filter(|files| *files > 1) {
        return Err(format!("the model is split over {files} files; join them first (`llama-gguf-split --merge`)"));
    }
    if let Some(kind) = gguf.text("general.type").filter(|kind| *kind != "model") {
        return Err(format!("the file holds no model but something of the type {kind:?}"));
    }
    let name = gguf.text("general.architecture").ok_or("general.architecture is missing")?;
    let known = || FAMILIES.map(|(name, _)| name).join(", ");
    let (family, model_type) = (FAMILIES.into_iter().find(|(family, _)| *family == name))
        .ok_or_else(|| format!("the architecture {name:?} cannot be read from GGUF; {} can", known()))?;
    let keys = Keys { gguf, family, read: RefCell::default() };
    let map = keys.config(model_type, bytes)?;
    keys.refuse_unknown()?;
    serde_json::to_vec_pretty(&map).map_err(|e| e.to_string())
}

/// The keys of one architecture; it remembers what was read.
struct Keys<'a> {
    gguf: &'a Gguf,
    family: &'static str,
    read: RefCell<BTreeSet<String>>,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        let key = format!("{}.{name}", self.family);
        self.read.borrow_mut().insert(key.clone());
        key
    }

    fn whole(&self, name: &str) -> Option<usize> {
        self.gguf.whole(&self.key(name))
    }

    fn real(&self, name: &str) -> Option<f64> {
        self.gguf.real(&self.key(name))
    }

    fn need(&self, name: &str) -> Read<usize> {
        self.whole(name).ok_or_else(|| format!("{} is missing, or is no count", self.key(name)))
    }

    fn refuse_unknown(&self) -> Read<()> {
        let (read, prefix) = (self.read.borrow(), format!("{}.", self.family));
        let unknown = |(key, value): &(&String, &Value)| {
            key.starts_with(&prefix) && !read.contains(*key) && **value != Value::Whole(0)
        };
        match self.gguf.metadata.iter().find(unknown) {
            None => Ok(()),
            Some((key, value)) => {
                let value = format!("{value:?}").chars().take(60).collect::<String>();
                Err(format!("the option {key} ({value}) is not known for {}, and it may change numbers", self.family))
            }
        }
    }

    fn config(&self, model_type: &str, bytes: &[u8]) -> Read<Map<String, Json>> {
        let (width, layers) = (self.need("embedding_length")?, self.need("block_count")?);
        // A pattern of windows has an entry a block.
        if layers > MOST_BLOCKS {
            return Err(format!("{} is {layers}; expected at most {MOST_BLOCKS}", self.key("block_count")));
        }
        let (heads, context) = (self.need("attention.head_count")?, self.need("context_length")?);
        let turned = self.whole("rope.dimension_count");
        let head_dim = match self.whole("attention.key_length") {
            Some(head_dim) => head_dim,
            None if heads > 0 && width.is_multiple_of(heads) => width / heads,
            None => return Err(format!("the width {width} does not divide into {heads} heads")),
        };
        if let Some(values) = self.whole("attention.value_length").filter(|len| *len != head_dim) {
            return Err(format!("values have {values} numbers a head and keys {head_dim}; expected the same"));
        }
        let embedding = self.gguf.tensor("token_embd.weight").ok_or("tensor token_embd.weight is missing")?;
        let vocabulary = embedding.shape.first().copied().unwrap_or(0);
        if let Some(named) = self.whole("vocab_size").filter(|named| *named != vocabulary) {
            return Err(format!("the vocabulary has {named} tokens, but the embedding {vocabulary} rows"));
        }
        let mut map = Map::new();
        let mut set = |name: &str, value: Json| map.insert(name.to_owned(), value);
        set("model_type", json!(model_type));
        set("hidden_size", json!(width));
        set("num_hidden_layers", json!(layers));
        set("num_attention_heads", json!(heads));
        set("num_key_value_heads", json!(self.whole("attention.head_count_kv").unwrap_or(heads)));
        set("head_dim", json!(head_dim));
        set("intermediate_size", json!(self.need("feed_forward_length")?));
        set("max_position_embeddings", json!(context));
        set("vocab_size", json!(vocabulary));
        set(
            "rms_norm_eps",
            json!(self.real("attention.layer_norm_rms_epsilon").ok_or("the norm's epsilon is missing")?),
        );
        set("rope_theta", json!(self.real("rope.freq_base").unwrap_or(10_000.0)));
        set("tie_word_embeddings", json!(self.gguf.tensor("output.weight").is_none()));
        let has = |name: &str| self.gguf.tensor(&format!("blk.0.{name}.bias")).is_some();
        match self.family {
            "llama" => {
                set("attention_bias", json!(has("attn_q")));
                set("mlp_bias", json!(has("ffn_up")));
            }
            "gemma2" | "gemma3" => self.gemma(&mut set, (width, heads, head_dim, layers)),
            "phi3" => {
                set("sliding_window", json!(self.whole("attention.sliding_window").filter(|window| *window > 0)));
            }
            _ => {}
        }
        match turned {
            Some(turned) if turned != head_dim && self.family == "phi3" => {
                set("partial_rotary_factor", json!(turned as f64 / head_dim as f64));
            }
            Some(turned) if turned != head_dim => {
                return Err(format!(
                    "{turned} numbers of a head of {head_dim} are turned; expected all in {}",
                    self.family
                ));
            }
            _ => {}
        }
        if let Some(scaling) = self.scaling(bytes, context)? {
            set("rope_scaling", scaling);
        }
        Ok(map)
    }

    /// What llama.cpp's program knows of Gemma 2 and 3: the largest of each scales queries by another width.
    fn gemma(&self, set: &mut impl FnMut(&str, Json) -> Option<Json>, sizes: (usize, usize, usize, usize)) {
        let (width, heads, head_dim, layers) = sizes;
        let second = self.family == "gemma2";
        let largest = layers == if second { 46 } else { 62 };
        set("query_pre_attn_scalar", json!(if largest { width / heads.max(1) } else { head_dim }));
        let every = if second { 2 } else { 6 };
        let kind =
            |block: usize| if (block + 1).is_multiple_of(every) { "full_attention" } else { "sliding_attention" };
        set("layer_types", json!((0..layers).map(kind).collect::<Vec<_>>()));
        if let Some(window) = self.whole("attention.sliding_window") {
            set("sliding_window", json!(window));
        }
        set("attn_logit_softcapping", json!(self.real("attn_logit_softcapping")));
        set("final_logit_softcapping", json!(self.real("final_logit_softcapping")));
        if !second {
            set("rope_local_base_freq", json!(self.real("rope.freq_base_swa").unwrap_or(10_000.0)));
        }
    }

    /// `rope_scaling`. Llama 3's scaling is a tensor of factors here, which is what longrope has.
    fn scaling(&self, bytes: &[u8], context: usize) -> Read<Option<Json>> {
        let original = self.whole("rope.scaling.original_context_length");
        let factors = |name: &str| self.gguf.tensor(name).map(|_| numbers(self.gguf, name, bytes)).transpose();
        let kind_key = self.key("rope.scaling.type");
        let kind = self.gguf.text(&kind_key).unwrap_or("none");
        self.key("rope.scaling.finetuned");
        if let Some(factors) = factors("rope_freqs.weight")? {
            if kind != "none" {
                return Err(format!("{kind_key} is {kind} beside a tensor rope_freqs; expected one of the two"));
            }
            return Ok(Some(json!({
                "rope_type": "longrope", "short_factor": factors, "long_factor": factors, "factor": 1.0,
                "attention_factor": 1.0, "original_max_position_embeddings": context,
            })));
        }
        if let Some((short, long)) = factors("rope_factors_short.weight")?.zip(factors("rope_factors_long.weight")?) {
            let mut scaling = json!({ "rope_type": "longrope", "short_factor": short, "long_factor": long });
            scaling["original_max_position_embeddings"] = json!(original.unwrap_or(context));
            if let Some(factor) = self.real("rope.scaling.attn_factor") {
                scaling["attention_factor"] = json!(factor);
            }
            return Ok(Some(scaling));
        }
        let factor = self.real("rope.scaling.factor");
        match (kind, factor) {
            ("none", None) | ("none", Some(1.0)) => Ok(None),
            ("linear", Some(factor)) => Ok(Some(json!({ "rope_type": "linear", "factor": factor }))),
            ("yarn", Some(factor)) => {
                let original =
                    original.ok_or_else(|| format!("{kind_key} is yarn, without the original context length"))?;
                Ok(Some(json!({
                    "rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original,
                })))
            }
            (kind, factor) => {
                Err(format!("{kind_key} is {kind} with factor {factor:?}; linear and yarn are supported"))
            }
        }
    }
}

/// The numbers of a small tensor.
fn numbers(gguf: &Gguf, name: &str, bytes: &[u8]) -> Read<Vec<f32>> {
    let entry = gguf.tensor(name).ok_or_else(|| format!("tensor {name} is missing"))?;
    let mut numbers = vec![0.0; entry.shape.iter().product()];
    let read = Format::dequantise(entry.format, &bytes[entry.range.clone()], &mut numbers);
    read.map(|()| numbers).map_err(|e| format!("tensor {name}: {e}"))
}
