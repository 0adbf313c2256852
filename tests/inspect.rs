//! `inspect` against reality: counts and sizes exactly, memory within a fifth, and no weight read.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use babelscope_core::{
    corpus::Corpus,
    engine::{Engine, LoadOptions, Values},
    inspect::Inspection,
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
};
use serde_json::{Value, json};

const BABELSCOPE: &str = env!("CARGO_BIN_EXE_babelscope");

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn inspected(model: &Path) -> Inspection {
    Inspection::of(model.to_str().unwrap(), &LoadOptions::default()).unwrap()
}

#[test]
fn the_headers_say_what_the_engine_finds() {
    let golden = repository().join("tests/golden/models");
    for entry in fs::read_dir(golden).unwrap() {
        let folder = entry.unwrap().path();
        let seen = inspected(&folder);
        let engine = Engine::load(folder.to_str().unwrap(), &LoadOptions::default(), &Monitor::silent()).unwrap();
        let info = engine.info();
        let name = folder.display();
        assert_eq!(seen.parameters, info.parameters, "{name}");
        assert_eq!(seen.stored_dtype, info.stored_dtype, "{name}");
        let shape = (seen.layers, seen.width, seen.heads, seen.kv_heads, seen.vocabulary, seen.context, seen.tied);
        let want = (info.layers, info.width, info.heads, info.kv_heads, info.vocabulary, info.context, info.tied);
        assert_eq!(shape, want, "{name}");
        let sites = seen.sites.iter().flat_map(|site| {
            let named = site.blocks.iter().map(|block| format!("{}.{block}", site.name));
            if site.blocks.is_empty() { vec![site.name.clone()] } else { named.collect() }
        });
        let mut sites: Vec<String> = sites.collect();
        let mut want: Vec<String> = engine.sites().iter().map(ToString::to_string).collect();
        sites.sort_unstable();
        want.sort_unstable();
        assert_eq!(sites, want, "{name}");
    }
}

#[test]
fn room_for_vectors_is_exact() {
    let corpus = Corpus::open(Path::new("lab")).unwrap().select(&[], 5).unwrap();
    let seen = inspected(Path::new("lab"));
    let engine = Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap();
    let sentences: Vec<_> =
        corpus.sentences.iter().flat_map(|lines| engine.tokenizer().encode_all(lines).unwrap()).collect();
    let tokens: usize = sentences.iter().map(|s| s.ids.len()).sum();
    let bytes = |reduce: Reduce| -> usize {
        let kept = engine.run(&sentences, &Plan::layers(0..=seen.layers, reduce), &Monitor::silent()).unwrap();
        kept.iter()
            .map(|captured| match &captured.values {
                Values::Pooled(rows) => 4 * rows.elem_count(),
                Values::Tokens(tensors) => tensors.iter().map(|t| 4 * t.elem_count()).sum(),
            })
            .sum()
    };
    let mean = Reduce::Mean(Window { include_bos: true, skip_first: 0 });
    assert_eq!(seen.pooled_bytes(sentences.len(), seen.layers + 1), bytes(mean));
    assert_eq!(seen.token_bytes(tokens, seen.layers + 1), bytes(Reduce::All));
}

/// A model folder with the tokenizer of the laboratory and the header of a weight file.
fn model(folder: &Path, config: &Value, tensors: &[(String, Vec<usize>)], dtype: &str, size: usize) -> File {
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::copy(repository().join("core/lab/tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    let (mut header, mut end) = (BTreeMap::new(), 0);
    for (name, shape) in tensors {
        let begin = end;
        end += shape.iter().product::<usize>() * size;
        header.insert(name, json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}));
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    // A hole in the file: numbers that nobody wrote.
    file.set_len((8 + header.len() + end) as u64).unwrap();
    file
}

fn llama(
    width: usize,
    layers: usize,
    heads: usize,
    hidden: usize,
    vocabulary: usize,
) -> (Value, Vec<(String, Vec<usize>)>) {
    let config = json!({"model_type": "llama", "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": hidden, "vocab_size": vocabulary, "max_position_embeddings": 4096, "tie_word_embeddings": false});
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_owned(), vec![vocabulary, width]),
        ("lm_head.weight".to_owned(), vec![vocabulary, width]),
        ("model.norm.weight".to_owned(), vec![width]),
    ];
    for index in 0..layers {
        for (name, shape) in [
            ("input_layernorm", vec![width]),
            ("post_attention_layernorm", vec![width]),
            ("self_attn.q_proj", vec![width, width]),
            ("self_attn.k_proj", vec![width, width]),
            ("self_attn.v_proj", vec![width, width]),
            ("self_attn.o_proj", vec![width, width]),
            ("mlp.gate_proj", vec![hidden, width]),
            ("mlp.up_proj", vec![hidden, width]),
            ("mlp.down_proj", vec![width, hidden]),
        ] {
            tensors.push((format!("model.layers.{index}.{name}.weight"), shape));
        }
    }
    (config, tensors)
}

fn babelscope(arguments: &[&str]) -> Output {
    Command::new(BABELSCOPE).args(arguments).output().unwrap()
}

fn json_of(arguments: &[&str]) -> Value {
    let out = babelscope(arguments);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// The shape of Llama 2 7B, whose public count is 6,738,415,616 parameters; its weights are a hole in a file of 13.5 GB.
#[test]
fn no_weight_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (config, tensors) = llama(4096, 32, 32, 11008, 32000);
    drop(model(folder.path(), &config, &tensors, "BF16", 2));
    let report = json_of(&["inspect", "--json", folder.path().to_str().unwrap()]);
    assert_eq!(report["model"]["parameters"], 6_738_415_616_u64);
    assert_eq!(report["model"]["stored_dtype"], "bf16");
    assert_eq!(report["model"]["sites"][0], json!({"name": "embeddings", "blocks": [], "width": 4096}));
    let weights = report["model"]["weight_bytes"].as_u64().unwrap();
    assert!((13_476_831_232..13_480_000_000).contains(&weights), "{weights}");
    // It was not read, or the peak of a run would be here by now.
    assert!(report["peak_bytes"].as_u64().unwrap() < weights + (1 << 30));
    assert!(report["speed"]["seconds_per_token"].as_f64().unwrap() > 0.0);
}

/// Largest resident memory of `align`, as its manifest says, and as `inspect` estimated it.
fn peaks(model: &str) -> Option<(f64, f64)> {
    let runs = tempfile::tempdir().unwrap();
    let estimate = json_of(&["inspect", "--json", model, "--corpus", "lab", "--limit", "60"]);
    let out = runs.path().join("run");
    let done =
        babelscope(&["align", "--model", model, "--corpus", "lab", "--limit", "60", "--out", out.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let manifest: Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    Some((estimate["peak_bytes"].as_f64()?, manifest["peak_memory_bytes"].as_f64()?))
}

#[test]
fn peak_memory_is_within_a_fifth() {
    let folder = tempfile::tempdir().unwrap();
    // A third of it is tables with a row for each token, of which a pass reads some.
    let (config, tensors) = llama(512, 6, 8, 1408, 16_000);
    let mut file = model(folder.path(), &config, &tensors, "F32", 4);
    let count: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    assert!(count * 4 > 100_000_000);
    // Numbers that bf16 does not hold.
    let numbers = (0..count).map(|i| (i.wrapping_mul(2_654_435_761) % 10_007) as f32 * 1e-5 - 0.05);
    let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
    file.write_all(&bytes).unwrap();
    drop(file);
    for model in ["lab", folder.path().to_str().unwrap()] {
        let Some((estimate, real)) = peaks(model) else { continue };
        let off = estimate / real;
        assert!((0.8..1.2).contains(&off), "{model}: {estimate} estimated, {real} measured");
    }
}

#[test]
fn a_model_that_is_not_supported_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (mut config, tensors) = llama(64, 2, 4, 96, 3043);
    config["model_type"] = "mamba2".into();
    drop(model(folder.path(), &config, &tensors, "F32", 4));
    let out = babelscope(&["inspect", folder.path().to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(65));
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(said.contains("architecture \"mamba2\" is not supported; supported are llama"), "{said}");
}

#[test]
fn a_person_reads_what_it_is_and_whether_it_fits() {
    let out = babelscope(&["inspect", "lab", "--corpus", "lab"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    for part in
        ["llama, decoder", "1.2 million", "resid_post", "1-4", "all layers, pooled", "one pass", "peak memory", "fits"]
    {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}
