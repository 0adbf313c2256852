//! The tokenizer in a GGUF file as a tokenizer.json, where that is possible without guessing: byte-level BPE (`gpt2`) whose way
//! of cutting text into words is one of those that are known by name.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Gguf, Value};

/// llama.cpp's kinds of tokens.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How text is cut into words before merging.
struct Cut {
    pre_tokenizer: Json,
    normalizer: Json,
    /// Words that are tokens are not merged anew.
    ignore_merges: bool,
    /// Whether BOS stands in front where the file does not say.
    bos: bool,
}

impl Cut {
    fn named(name: &str) -> Option<Self> {
        let level = |regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": regex });
        let split = |pattern: &str| {
            let split =
                json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false });
            json!({ "type": "Sequence", "pretokenizers": [split, level(false)] })
        };
        match name {
            "gpt-2" | "gpt2" => {
                Some(Self { pre_tokenizer: level(true), normalizer: Json::Null, ignore_merges: false, bos: false })
            }
            "llama-bpe" | "llama3" | "llama-v3" => {
                Some(Self { pre_tokenizer: split(LLAMA3), normalizer: Json::Null, ignore_merges: true, bos: true })
            }
            "qwen2" => {
                let normalizer = json!({ "type": "NFC" });
                Some(Self { pre_tokenizer: split(QWEN2), normalizer, ignore_merges: false, bos: false })
            }
            _ => None,
        }
    }
}

/// The text of a tokenizer.json, or why there is none.
pub(crate) fn tokenizer(gguf: &Gguf) -> Result<Vec<u8>, String> {
    let put = "put the model's tokenizer.json beside the file";
    let kind = gguf.text("tokenizer.ggml.model").ok_or_else(|| format!("the file holds no tokenizer; {put}"))?;
    if kind != "gpt2" {
        return Err(format!("its tokenizer of the kind {kind:?} cannot be rebuilt faithfully; {put}"));
    }
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("none");
    let cut = Cut::named(pre).ok_or_else(|| {
        format!(
            "how its tokenizer cuts text into words ({pre:?}) is not known here (gpt-2, llama-bpe and qwen2 are); {put}"
        )
    })?;
    let tokens = texts(gguf, "tokenizer.ggml.tokens")?;
    let merges = texts(gguf, "tokenizer.ggml.merges")?;
    let kinds = gguf.list("tokenizer.ggml.token_type").unwrap_or_default();
    let kind = |id: usize| if let Some(Value::Whole(kind)) = kinds.get(id) { *kind } else { 1 };
    let is_added = |id: usize| matches!(kind(id), CONTROL | USER_DEFINED);
    let added: Vec<Json> = (tokens.iter().enumerate())
        .filter(|(id, _)| is_added(*id))
        .map(|(id, content)| {
            json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": kind(id) == CONTROL })
        })
        .collect();
    let vocab: serde_json::Map<String, Json> =
        tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    if vocab.len() != tokens.len() {
        return Err(format!("two of its {} tokens have the same text; {put}", tokens.len()));
    }
    let pairs = merges.iter().map(|merge| merge.split_once(' ').map(|(a, b)| json!([a, b])));
    let merges: Vec<Json> = pairs.collect::<Option<_>>().ok_or_else(|| format!("a merge is not a pair; {put}"))?;
    let flag = |name: &str, default: bool| match gguf.metadata.get(name) {
        Some(Value::Flag(flag)) => *flag,
        _ => default,
    };
    let special = |name: &str| -> Result<(usize, &str), String> {
        let id = gguf.whole(name).ok_or_else(|| format!("{name} is missing; {put}"))?;
        let text = tokens.get(id).ok_or_else(|| format!("{name} is {id}, beyond its tokens; {put}"))?;
        Ok((id, text))
    };
    let mut single = vec![json!({ "Sequence": { "id": "A", "type_id": 0 } })];
    let mut specials = serde_json::Map::new();
    let mut put_in = |name: &str, at: usize| -> Result<(), String> {
        let (id, text) = special(name)?;
        single.insert(at, json!({ "SpecialToken": { "id": text, "type_id": 0 } }));
        specials.insert(text.to_owned(), json!({ "id": text, "ids": [id], "tokens": [text] }));
        Ok(())
    };
    let (bos, eos) = (flag("tokenizer.ggml.add_bos_token", cut.bos), flag("tokenizer.ggml.add_eos_token", false));
    if bos {
        put_in("tokenizer.ggml.bos_token_id", 0)?;
    }
    if eos {
        put_in("tokenizer.ggml.eos_token_id", 1 + usize::from(bos))?;
    }
    let mut pair = single.clone();
    pair.push(json!({ "Sequence": { "id": "B", "type_id": 1 } }));
    let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true });
    let post_processor = if bos || eos {
        json!({ "type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": specials })
    } else {
        byte_level.clone()
    };
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": cut.normalizer,
        "pre_tokenizer": cut.pre_tokenizer, "post_processor": post_processor, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": cut.ignore_merges,
            "vocab": vocab, "merges": merges,
        },
    });
    serde_json::to_vec(&json).map_err(|e| e.to_string())
}

fn texts<'a>(gguf: &'a Gguf, name: &str) -> Result<Vec<&'a str>, String> {
    let list =
        gguf.list(name).ok_or_else(|| format!("{name} is missing; put the model's tokenizer.json beside the file"))?;
    let text = |value: &'a Value| if let Value::Text(text) = value { Some(text.as_str()) } else { None };
    list.iter().map(text).collect::<Option<_>>().ok_or_else(|| format!("{name} holds what is no text"))
}

/// Fails when a tokenizer.json beside the file spells a token otherwise: it belongs to another model. Only ordinary tokens are
/// compared, as converters rewrite others.
pub(crate) fn check_beside(gguf: &Gguf, json: &[u8]) -> Result<(), String> {
    let Ok(tokens) = texts(gguf, "tokenizer.ggml.tokens") else { return Ok(()) };
    let json: Json = serde_json::from_slice(json).map_err(|e| format!("this is no tokenizer.json: {e}"))?;
    let mut spelled: BTreeMap<usize, &str> = BTreeMap::new();
    match &json["model"]["vocab"] {
        Json::Object(vocab) => {
            spelled.extend(vocab.iter().filter_map(|(text, id)| Some((id.as_u64()? as usize, text.as_str()))))
        }
        Json::Array(vocab) => {
            spelled.extend(vocab.iter().enumerate().filter_map(|(id, pair)| Some((id, pair[0].as_str()?))))
        }
        _ => {}
    }
    let kinds = gguf.list("tokenizer.ggml.token_type").unwrap_or_default();
    let ordinary = |id: usize| matches!(kinds.get(id), None | Some(Value::Whole(1)));
    let mut compared = tokens.into_iter().enumerate().filter(|(id, _)| ordinary(*id));
    match compared
        .find_map(|(id, token)| spelled.get(&id).filter(|other| **other != token).map(|other| (id, token, other)))
    {
        None => Ok(()),
        Some((id, token, other)) => Err(format!(
            "token {id} is {other:?} here and {token:?} in the GGUF file beside it; this tokenizer.json belongs to another model"
        )),
    }
}
