use std::{collections::BTreeMap, fs, path::Path};

use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value as Json;

use super::{Gguf, Repair, Value, config, sources, tokenizer};
use crate::tokens::Tokenizer;

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)).unwrap()
}

#[test]
fn every_format_reads_as_the_gguf_package_reads_it() {
    let (bytes, expected) = (golden("gguf/formats.gguf"), golden("gguf/formats.safetensors"));
    let (gguf, expected) = (Gguf::read(&bytes).unwrap(), SafeTensors::deserialize(&expected).unwrap());
    assert_eq!(gguf.tensors.len(), 12);
    for entry in &gguf.tensors {
        assert_eq!((entry.format.to_string(), &entry.shape[..]), (entry.name.clone(), &[3, 256][..]));
        let mut got = vec![f32::NAN; 768];
        entry.format.dequantise(&bytes[entry.range.clone()], &mut got).unwrap();
        let want = expected.tensor(&entry.name).unwrap();
        for (got, want) in got.iter().zip(want.data().as_chunks::<4>().0) {
            let want = f32::from_le_bytes(*want);
            // Products of three factors may be rounded in another order.
            assert!((got - want).abs() <= 2e-6 * want.abs(), "{}: {got} {want}", entry.name);
        }
    }
}

#[test]
fn heads_are_put_back_as_transformers_has_them() {
    // One head of four rows: halves (0, 1) and (2, 3) are stored interleaved, as rows 0 2 1 3. Then a second head.
    let stored = vec![0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0];
    assert_eq!(Repair::Heads(2).apply(stored, 1), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    assert_eq!(Repair::LessOne.apply(vec![1.5], 1), [0.5]);
}

/// The tokenizer.json that stays when only what a GGUF file holds is kept of a tokenizer.json.
fn rebuilt(json: &Json, pre: &str) -> Vec<u8> {
    let texts: BTreeMap<u64, &str> = (json["model"]["vocab"].as_object().unwrap().iter())
        .map(|(text, id)| (id.as_u64().unwrap(), text.as_str()))
        .collect();
    let added: Vec<u64> =
        json["added_tokens"].as_array().unwrap().iter().map(|token| token["id"].as_u64().unwrap()).collect();
    let list = |values: Vec<Value>| Value::List(values);
    let merges = json["model"]["merges"].as_array().unwrap().iter().map(|merge| match merge {
        Json::String(merge) => Value::Text(merge.clone()),
        pair => Value::Text(format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap())),
    });
    let entries = [
        ("model", Value::Text("gpt2".into())),
        ("pre", Value::Text(pre.into())),
        ("tokens", list(texts.values().map(|text| Value::Text((*text).into())).collect())),
        ("merges", list(merges.collect())),
        ("token_type", list(texts.keys().map(|id| Value::Whole(if added.contains(id) { 3 } else { 1 })).collect())),
        ("bos_token_id", Value::Whole(0)),
    ];
    let metadata = entries.into_iter().map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).collect();
    tokenizer(&Gguf { metadata, tensors: Vec::new() }).unwrap()
}

#[test]
fn tokenizers_that_are_rebuilt_encode_as_those_they_came_from() {
    for (name, pre) in [("bpe_gpt2", "gpt-2"), ("bpe_llama3", "llama-bpe"), ("bpe_qwen", "qwen2")] {
        let original = golden(&format!("tokenizers/{name}/tokenizer.json"));
        let json: Json = serde_json::from_slice(&original).unwrap();
        let path = Path::new("tokenizer.json");
        let (a, b) = (Tokenizer::from_bytes(&original, path), Tokenizer::from_bytes(&rebuilt(&json, pre), path));
        let (a, b) = (a.unwrap(), b.unwrap());
        let lines = String::from_utf8(golden(&format!("tokenizers/{name}/golden.jsonl"))).unwrap();
        for line in lines.lines() {
            let text = serde_json::from_str::<Json>(line).unwrap()["text"].as_str().unwrap().to_owned();
            // Llama 3 takes a word that is a token whole, which this small tokenizer does not.
            if pre != "llama-bpe" {
                assert_eq!(a.encode(&text).unwrap(), b.encode(&text).unwrap(), "{name}: {text}");
            }
            let ids = b.encode(&text).unwrap();
            assert_eq!((ids.bos, b.bos()), (a.encode(&text).unwrap().bos, a.bos()), "{name}");
            assert_eq!(b.decode(&ids.ids).unwrap(), a.decode(&a.encode(&text).unwrap().ids).unwrap(), "{name}");
        }
    }
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let bytes = golden("gguf/llama.gguf");
    let gguf = Gguf::read(&bytes).unwrap();
    assert!(config(&gguf, &bytes).is_ok() && sources(&gguf).is_ok());
    let with = |key: &str, value: Value| {
        let mut gguf = gguf.clone();
        gguf.metadata.insert(key.to_owned(), value);
        gguf
    };
    let refused = |gguf: &Gguf| config(gguf, &bytes).unwrap_err();
    assert!(refused(&with("llama.expert_count", Value::Whole(8))).contains("llama.expert_count"));
    assert!(config(&with("llama.expert_count", Value::Whole(0)), &bytes).is_ok());
    assert!(refused(&with("llama.attention.causal", Value::Flag(false))).contains("attention.causal"));
    assert!(refused(&with("general.architecture", Value::Text("mamba".into()))).contains("mamba"));
    assert!(refused(&with("llama.rope.dimension_count", Value::Whole(4))).contains("turned"));
    assert!(tokenizer(&gguf).unwrap_err().contains("tokenizer.json"), "sentencepiece is not rebuilt");
    assert!(tokenizer(&with("tokenizer.ggml.model", Value::Text("gpt2".into()))).unwrap_err().contains("default"));
    let mut strange = gguf.clone();
    strange.tensors[0].name = "blk.0.strange.weight".to_owned();
    assert!(sources(&strange).unwrap_err().contains("blk.0.strange.weight"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Files that are cut or changed anywhere give an answer, never a panic.
    #[test]
    fn damaged_files_do_not_panic(cut in 0usize..9000, at in 0usize..9000, to: u8, long: bool) {
        let mut bytes = golden(if long { "gguf/formats.gguf" } else { "gguf/qwen2.gguf" });
        let head = bytes.len().min(9000);
        bytes[at % head] = to;
        if cut % 3 == 0 {
            bytes.truncate(cut);
        }
        if let Ok(gguf) = Gguf::read(&bytes) {
            config(&gguf, &bytes).ok();
            tokenizer(&gguf).ok();
            for source in sources(&gguf).unwrap_or_default() {
                prop_assert!(source.range.end <= bytes.len());
            }
        }
    }
}
