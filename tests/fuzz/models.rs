//! Files of models: weights, configs, tokenizers, chat templates.

use std::{fs, path::Path};

use babelscope_core::{
    chat::{ChatOptions, ChatTemplate, Message},
    engine::{Engine, LoadOptions},
    inspect::Inspection,
    monitor::Monitor,
    tokens::Tokenizer,
};
use proptest::collection::vec;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    MB, golden,
    memory::within,
    mutate::{changed, changes, fuzz, replaced, replacements},
};

/// A copy of a golden model whose files are spoiled one at a time.
fn model(family: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(golden("models").join(family).join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Looks at a model and loads it; the second only where the first says that it is fine.
fn open_model(path: &Path) -> Result<(), String> {
    let (path, options) = (path.to_str().unwrap(), LoadOptions::default());
    // A table with a number for each of 2^24 heads is the largest that a config can ask for.
    within(256 * MB, || {
        Inspection::of(path, &options).map_err(|e| e.to_string())?;
        Engine::load(path, &options, &Monitor::silent()).map(drop).map_err(|e| e.to_string())
    })
}

#[test]
fn safetensors() {
    let folder = model("llama");
    let path = folder.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let (header, numbers) = bytes[8..].split_at(length);
    assert_eq!(open_model(folder.path()), Ok(()));
    fuzz(800, changes(), |changes| {
        fs::write(&path, changed(&bytes, 8 + length, &changes)).unwrap();
        open_model(folder.path()).ok();
    });
    let document: Value = serde_json::from_slice(header).unwrap();
    fuzz(800, replacements(), |replacements| {
        let header = replaced(&document, &replacements).to_string().into_bytes();
        let length = (header.len() as u64).to_le_bytes();
        fs::write(&path, [&length[..], &header, numbers].concat()).unwrap();
        open_model(folder.path()).ok();
    });
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(&path, &bytes).unwrap();
    let names: serde_json::Map<String, Value> =
        document.as_object().unwrap().keys().map(|name| (name.clone(), json!("model.safetensors"))).collect();
    let document = json!({ "metadata": { "total_size": numbers.len() }, "weight_map": names });
    fuzz(400, replacements(), |replacements| {
        fs::write(&index, replaced(&document, &replacements).to_string()).unwrap();
        open_model(folder.path()).ok();
    });
}

#[test]
fn configs() {
    for family in ["llama", "gemma3", "qwen3_moe", "bloom", "bert", "gpt2", "xglm", "mt5", "phi3", "falcon"] {
        let Ok(text) = fs::read(golden("models").join(family).join("config.json")) else { continue };
        let folder = model("llama");
        for name in ["tokenizer.json", "model.safetensors"] {
            let from = golden("models").join(family).join(name);
            if from.is_file() {
                fs::copy(from, folder.path().join(name)).unwrap();
            }
        }
        let document: Value = serde_json::from_slice(&text).unwrap();
        let path = folder.path().join("config.json");
        fuzz(200, replacements(), |replacements| {
            fs::write(&path, replaced(&document, &replacements).to_string()).unwrap();
            open_model(folder.path()).ok();
        });
        fuzz(200, changes(), |changes| {
            fs::write(&path, changed(&text, usize::MAX, &changes)).unwrap();
            open_model(folder.path()).ok();
        });
    }
}

#[test]
fn a_config_with_millions_of_blocks_is_refused_before_they_are_listed() {
    let folder = model("llama");
    let path = folder.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["num_hidden_layers"] = json!(1 << 24);
    fs::write(&path, config.to_string()).unwrap();
    let why = open_model(folder.path()).unwrap_err();
    assert!(why.contains("num_hidden_layers") && why.contains("16777216"), "{why}");
}

#[test]
fn gguf_files() {
    let files = ["llama", "gemma2", "phi3", "qwen2-q8_0", "llama3"];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for file in files {
        let bytes = fs::read(golden("gguf").join(format!("{file}.gguf"))).unwrap();
        let family = file.split('-').next().unwrap();
        fs::copy(golden("models").join(family).join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
        fs::write(&path, &bytes).unwrap();
        assert_eq!(open_model(&path), Ok(()), "{file}");
        for head in [32, 4096, usize::MAX] {
            fuzz(200, changes(), |changes| {
                fs::write(&path, changed(&bytes, head, &changes)).unwrap();
                open_model(&path).ok();
            });
        }
    }
    // Its own tokenizer, and not that beside it.
    fs::remove_file(folder.path().join("tokenizer.json")).unwrap();
    let bytes = fs::read(golden("gguf/qwen2.gguf")).unwrap();
    fuzz(500, changes(), |changes| {
        fs::write(&path, changed(&bytes, 8192, &changes)).unwrap();
        open_model(&path).ok();
    });
}

/// The head of a GGUF file with these counts.
fn counts(tensors: u64, entries: u64) -> Vec<u8> {
    [&b"GGUF"[..], &3_u32.to_le_bytes(), &tensors.to_le_bytes(), &entries.to_le_bytes(), &[0; 64]].concat()
}

#[test]
fn a_gguf_of_two_to_the_sixty_tensors_is_refused_before_they_are_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for (tensors, entries) in [(1 << 60, 0), (0, 1 << 60), (u64::MAX, u64::MAX)] {
        fs::write(&path, counts(tensors, entries)).unwrap();
        let why =
            within(MB, || Inspection::of(path.to_str().unwrap(), &LoadOptions::default())).unwrap_err().to_string();
        assert!(why.contains("cannot stand in the"), "{why}");
    }
}

#[test]
fn a_gguf_of_two_to_the_sixty_blocks_is_refused_before_they_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    for file in ["gemma2", "llama"] {
        let mut bytes = fs::read(golden("gguf").join(format!("{file}.gguf"))).unwrap();
        let key = format!("{file}.block_count");
        let at = bytes.windows(key.len()).position(|w| w == key.as_bytes()).unwrap() + key.len();
        // A u32 becomes a u64.
        bytes.splice(at..at + 8, [&10_u32.to_le_bytes()[..], &(1_u64 << 60).to_le_bytes()].concat());
        fs::write(&path, bytes).unwrap();
        fs::copy(golden("models").join(file).join("tokenizer.json"), folder.path().join("tokenizer.json")).unwrap();
        let why = open_model(&path).unwrap_err();
        assert!(why.contains("block_count") || why.contains("num_hidden_layers"), "{why}");
    }
}

/// Reads a tokenizer and does with it what a run does.
fn tokenize(json: &[u8]) -> Result<(), String> {
    within(64 * MB, || {
        let tokenizer = Tokenizer::from_bytes(json, Path::new("tokenizer.json")).map_err(|e| e.to_string())?;
        for text in ["", "a b", "Two red birds.", "लाल चिड़िया\u{200d}", "طيور 12", "\u{0}\u{feff}é"]
        {
            let Ok(encoded) = tokenizer.encode(text) else { continue };
            assert_eq!(encoded.ids.len(), encoded.spans.len());
            for span in &encoded.spans {
                assert!(text.get(span.clone()).is_some(), "{span:?} of {text:?}");
            }
            tokenizer.pieces(&encoded.ids);
            tokenizer.decode(&encoded.ids).ok();
        }
        Ok(())
    })
}

#[test]
fn tokenizers() {
    for family in ["llama", "bert", "gpt2", "xglm", "gemma3"] {
        let bytes = fs::read(golden("models").join(family).join("tokenizer.json")).unwrap();
        assert_eq!(tokenize(&bytes), Ok(()));
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        fuzz(1000, replacements(), |replacements| {
            tokenize(replaced(&document, &replacements).to_string().as_bytes()).ok();
        });
        fuzz(500, changes(), |changes| {
            tokenize(&changed(&bytes, usize::MAX, &changes)).ok();
        });
    }
}

fn render(template: &[u8]) -> Result<String, String> {
    let messages = [Message::new("system", "s"), Message::new("user", "Two birds"), Message::new("assistant", "é")];
    let options = ChatOptions { date: Some("2026-11-20".to_owned()), ..ChatOptions::default() };
    within(64 * MB, || {
        let template = ChatTemplate::parse(None, Some(template), None, Path::new("")).map_err(|e| e.to_string())?;
        template.render(&messages, &options).map(|(text, _)| text).map_err(|e| e.to_string())
    })
}

#[test]
fn chat_templates() {
    let chat: Value = serde_json::from_slice(&fs::read(golden("chat/chat.json")).unwrap()).unwrap();
    let mut templates = Vec::new();
    strings(&chat, &mut templates);
    templates.retain(|text| text.contains("{%"));
    assert!(templates.len() >= 5, "{}", templates.len());
    for template in &templates {
        fuzz(200, changes(), |changes| {
            render(&changed(template.as_bytes(), usize::MAX, &changes)).ok();
        });
    }
    let words = proptest::sample::select(vec![
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "-",
        " ",
        "for m in messages",
        "endfor",
        "if",
        "endif",
        "else",
        "set x =",
        "messages",
        "m",
        ".content",
        "['role']",
        "|",
        "tojson",
        "trim",
        "upper",
        "(",
        ")",
        "[",
        "]",
        "[::-1]",
        "[1:]",
        "~",
        "+",
        "*",
        "%",
        "'a'",
        "1",
        "99999999999",
        "-1",
        "none",
        "true",
        "is",
        "not",
        "defined",
        "macro f(a)",
        "endmacro",
        "f(1)",
        "loop.index",
        "namespace()",
        "generation",
        "endgeneration",
        "raise_exception('x')",
        "strftime_now('%Y')",
        "range(3)",
        "indent=",
        ".split('')",
        ",",
    ]);
    fuzz(8000, vec(words, 0..25), |words| {
        render(words.join(" ").as_bytes()).ok();
    });
    fuzz(2000, "[{%}# a-c'\"()\\[\\]|.,0-9-]{0,60}", |text: String| {
        render(text.as_bytes()).ok();
    });
}

fn strings(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(map) => map.values().for_each(|item| strings(item, out)),
        _ => {}
    }
}

#[test]
fn a_template_that_indents_by_a_terabyte_is_refused() {
    for indent in ["1000000000000", "9223372036854775807", "100000"] {
        let why = render(format!("{{{{ messages | tojson(indent={indent}) }}}}").as_bytes()).unwrap_err();
        assert!(why.contains("indent"), "{why}");
    }
    assert!(render(b"{{ messages | tojson(indent=4) }}").unwrap().contains("\n    {"));
}
