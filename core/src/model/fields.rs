//! Typed access to the keys of a config.json; it remembers what was read, so that a key that nobody read can be refused.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use serde_json::{Map, Value};

use crate::{Error, Result, model::config::Activation};

/// The keys of a JSON object; null is absent.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path,
    read: RefCell<BTreeSet<String>>,
}

/// What families call the number of blocks.
const BLOCKS: [&str; 3] = ["num_hidden_layers", "n_layer", "num_layers"];

/// The most blocks that a model may have.
pub(crate) const MOST_BLOCKS: usize = 4096;

/// Keys that no forward pass in evaluation mode depends on: ids of special tokens, dropout, training, how transformers
/// generates, labels, notes of the tools that wrote the file.
const HARMLESS: &[&str] = &[
    "model_type",
    "architectures",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "auto_map",
    "use_cache",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "unk_token_id",
    "sep_token_id",
    "cls_token_id",
    "mask_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "initializer_range",
    "initializer_factor",
    "init_std",
    "initializer_cutoff_factor",
    "is_encoder_decoder",
    "is_decoder",
    "gradient_checkpointing",
    "tokenizer_class",
    "return_dict",
    "output_hidden_states",
    "output_attentions",
    "output_past",
    "output_router_logits",
    "router_aux_loss_coef",
    "router_jitter_noise",
    "torchscript",
    "pruned_heads",
    "id2label",
    "label2id",
    "num_labels",
    "finetuning_task",
    "problem_type",
    "task_specific_params",
    "prefix",
    "max_length",
    "min_length",
    "do_sample",
    "num_beams",
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "length_penalty",
    "early_stopping",
    "num_return_sequences",
    "bad_words_ids",
    "n_ctx",
    "vocab_size_padded",
    "summary_activation",
    "summary_first_dropout",
    "summary_proj_to_labels",
    "summary_type",
    "summary_use_proj",
    "attention_dropout",
    "attn_pdrop",
    "embd_pdrop",
    "resid_pdrop",
    "hidden_dropout",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "activation_dropout",
    "classifier_dropout",
    "classifier_dropout_prob",
    "dropout_rate",
    "layerdrop",
    "pretraining_tp",
    "slow_but_exact",
    "reorder_and_upcast_attn",
    "unsloth_fixed",
    "unsloth_version",
    "model_max_length",
    "language",
    "cache_implementation",
    "masked_softmax_fusion",
    "bias_dropout_fusion",
    "skip_bias_add",
    "skip_bias_add_qkv",
    "attention_softmax_in_fp32",
    "offset_alibi",
    "use_bfloat16",
    "transformers.js_config",
    "directionality",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "chunk_size_feed_forward",
    "tie_encoder_decoder",
    "cross_attention_hidden_size",
    "remove_invalid_values",
    "output_scores",
    "return_dict_in_generate",
    "diversity_penalty",
    "num_beam_groups",
    "typical_p",
    "encoder_no_repeat_ngram_size",
    "begin_suppress_tokens",
    "suppress_tokens",
    "exponential_decay_length_penalty",
    "tf_legacy_loss",
];

impl<'a> Fields<'a> {
    pub(super) fn new(map: &'a Map<String, Value>, path: &'a Path) -> Self {
        Self { map, path, read: RefCell::default() }
    }

    /// The same file, another object in it.
    pub(super) fn within(&self, map: &'a Map<String, Value>) -> Self {
        Self::new(map, self.path)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.map.keys()
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.read.borrow_mut().insert(key.to_owned());
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Marks keys that mean nothing for this family.
    pub(super) fn ignore(&self, keys: &[&str]) {
        self.read.borrow_mut().extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Fails at the first key that has a value and that neither the family nor the list of harmless keys knows.
    pub(super) fn refuse_unknown(&self, family: &str, allowed: &[String]) -> Result<()> {
        let read = self.read.borrow();
        let unknown = self.map.iter().find(|(key, value)| {
            !value.is_null()
                && !key.starts_with('_')
                && !HARMLESS.contains(&key.as_str())
                && !read.contains(*key)
                && !allowed.contains(*key)
        });
        match unknown {
            None => Ok(()),
            Some((key, value)) => Err(self.fail(&format!(
                "the option `{key}` ({}) is not known for {family}, and it may change numbers; when you know that it does \
                 not, name it in `ignore_options`",
                short(value)
            ))),
        }
    }

    pub(super) fn fail(&self, why: &str) -> Error {
        Error::Config { why: why.to_owned(), path: self.path.to_owned() }
    }

    pub(super) fn refuse(&self, key: &str, got: &str, known: &str) -> Error {
        self.fail(&format!("`{key}` is {got}, which is not supported; supported: {known}"))
    }

    /// Fails unless the flag is absent or `want`.
    pub(super) fn only(&self, key: &str, want: bool) -> Result<()> {
        match self.flag(key)? {
            Some(flag) if flag != want => Err(self.refuse(key, &flag.to_string(), &want.to_string())),
            _ => Ok(()),
        }
    }

    fn wrong(&self, key: &str, want: &str, got: &Value) -> Error {
        self.fail(&format!("`{key}` should be {want}, found {got}"))
    }

    pub(super) fn size(&self, key: &str) -> Result<Option<usize>> {
        // Far above any model, and low enough that sizes made of several counts cannot overflow. Blocks are listed one by one.
        let most = if BLOCKS.contains(&key) { MOST_BLOCKS } else { 1 << 24 };
        let size = |v: &Value| v.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= most);
        self.get(key).map(|v| size(v).ok_or_else(|| self.wrong(key, &format!("a count up to {most}"), v))).transpose()
    }

    pub(super) fn need(&self, key: &str) -> Result<usize> {
        self.size(key)?.ok_or_else(|| self.fail(&format!("`{key}` is missing")))
    }

    /// The first of several spellings that is there.
    pub(super) fn need_any(&self, keys: &[&str]) -> Result<usize> {
        for key in keys {
            if let Some(size) = self.size(key)? {
                return Ok(size);
            }
        }
        Err(self.fail(&format!("`{}` is missing", keys.first().copied().unwrap_or_default())))
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.get(key).map(|v| v.as_f64().ok_or_else(|| self.wrong(key, "a number", v))).transpose()
    }

    /// Numbers of a list.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f64>>> {
        let list = |v: &Value| v.as_array().and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
        self.get(key).map(|v| list(v).ok_or_else(|| self.wrong(key, "a list of numbers", v))).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key).map(|v| v.as_bool().ok_or_else(|| self.wrong(key, "true or false", v))).transpose()
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.get(key).map(|v| v.as_str().ok_or_else(|| self.wrong(key, "a string", v))).transpose()
    }

    /// The object behind `key`.
    pub(super) fn object(&self, key: &str) -> Result<Option<&'a Map<String, Value>>> {
        self.get(key).map(|v| v.as_object().ok_or_else(|| self.wrong(key, "an object", v))).transpose()
    }

    /// The activation that transformers means by the name behind the first of `keys` that is there.
    pub(super) fn activation(&self, keys: &[&str], default: &str) -> Result<Activation> {
        let mut named = None;
        for key in keys {
            let text = self.text(key)?;
            named = named.or(text.map(|text| (*key, text)));
        }
        let (key, name) = named.unwrap_or((keys.first().copied().unwrap_or_default(), default));
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Activation::GeluTanh),
            "gelu" => Ok(Activation::Gelu),
            "relu" => Ok(Activation::Relu),
            other => Err(self.refuse(key, other, "silu, swish, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu")),
        }
    }

    /// `width / heads`
    pub(super) fn divided(&self, width: usize, heads: usize) -> Result<usize> {
        if heads == 0 || !width.is_multiple_of(heads) {
            return Err(self.fail(&format!("the width {width} does not divide into {heads} heads")));
        }
        Ok(width / heads)
    }

    /// For each block whether it slides, from `layer_types`.
    pub(super) fn layer_types(&self, layers: usize) -> Result<Option<Vec<bool>>> {
        let Some(kinds) = self.get("layer_types") else { return Ok(None) };
        let kinds = kinds.as_array().ok_or_else(|| self.fail("`layer_types` is not a list"))?;
        if kinds.len() != layers {
            let why = format!("`layer_types` has {} entries, expected {layers}, one a block", kinds.len());
            return Err(self.fail(&why));
        }
        let slides = kinds.iter().map(|kind| match kind.as_str() {
            Some("full_attention") => Ok(false),
            Some("sliding_attention") => Ok(true),
            _ => Err(self.refuse("layer_types", &kind.to_string(), "full_attention, sliding_attention")),
        });
        slides.collect::<Result<_>>().map(Some)
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 40 { text } else { text.chars().take(37).chain("...".chars()).collect() }
}
