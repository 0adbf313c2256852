//! Every reader of files and requests on spoiled input: no panic, no memory without bound, no end that never comes.
//!
//! The cases are the same in every run; `BABELSCOPE_FUZZ=50 cargo test --release --test fuzz` takes fifty times as many, others each
//! time. A case that found something becomes a test with a name, here or beside the reader.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml), whose hash functions it needs.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

#[path = "fuzz/memory.rs"]
mod memory;
#[path = "fuzz/mutate.rs"]
mod mutate;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use babelscope::{
    manifest::{FileInfo, Manifest},
    run::{Run, Workbench},
    serve::{files::segments, request},
    spec::{ModelSpec, ProbeSpec, RunSpec},
    sweep::{Plan, Sweep},
};
use babelscope_core::{
    chat::{ChatOptions, ChatTemplate, Message},
    corpus::Corpus,
    dtype::Dtype,
    engine::{Engine, LoadOptions},
    inspect::Inspection,
    lang,
    monitor::Monitor,
    store::{
        Index, Made, Row, Shard, ShardMeta, ShardWriter, Store,
        import::{Choice, Origin, import},
        shard_folder, state,
    },
    tokens::Tokenizer,
};
use babelscope_probes::{align::AlignParams, project::MapParams};
use memory::within;
use mutate::{changed, changes, fuzz, replaced, replacements};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const MB: usize = 1 << 20;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

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
fn requests() {
    let valid = b"GET /v1/runs/demo/file/tables/a%20b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\nRange: bytes=5-9\r\n\r\n";
    let look = |bytes: &[u8]| {
        within(MB, || {
            let read = request::parse(bytes);
            if let Ok(Some((request, length))) = &read {
                assert!(*length <= bytes.len() && *length <= request::HEAD);
                // A head is read at its last byte, and not before: how it is cut into packets changes nothing.
                assert_eq!(request::parse(&bytes[..length - 1]), Ok(None));
                assert_eq!(request::parse(&bytes[..*length]), read);
                for segment in segments(&request.target).unwrap_or_default() {
                    assert!(Path::new(&segment).components().count() == 1 && !segment.starts_with('.'));
                }
                if let Some((first, count)) = request.range.and_then(|range| range.within(1000)) {
                    assert!(count > 0 && first + count <= 1000);
                }
            }
        });
    };
    fuzz(20_000, changes(), |changes| look(&changed(valid, usize::MAX, &changes)));
    fuzz(5000, vec(any::<u8>(), 0..200), |bytes| look(&bytes));
    let words = proptest::sample::select(vec![
        "GET",
        "HEAD",
        " ",
        "/",
        "HTTP/1.1",
        "HTTP/1.0",
        "\r\n",
        "\n",
        ":",
        "Host",
        "Range: bytes=",
        "-",
        "9",
        "Content-Length: ",
        "Authorization: Bearer ",
        "Connection: close",
        "..",
        "%2e",
        "%00",
        "\0",
        "\u{9b}",
    ]);
    fuzz(10_000, vec(words, 0..30), |words| look(words.concat().as_bytes()));
}

#[test]
fn specs() {
    let mut spec = RunSpec::demo().unwrap();
    spec.extract.layers = vec![0, 4];
    spec.model[0].load.revision = Some("main".to_owned());
    let text = spec.to_toml().unwrap();
    let look = |text: &str| {
        within(16 * MB, || {
            if let Ok(spec) = RunSpec::parse(text) {
                // What is taken can be written, and is the same when it is read again.
                assert_eq!(RunSpec::parse(&spec.to_toml().unwrap()).unwrap(), spec);
            }
        });
    };
    fuzz(4000, changes(), |changes| look(&String::from_utf8_lossy(&changed(text.as_bytes(), usize::MAX, &changes))));
    fuzz(2000, "\\PC{0,200}", |text: String| look(&text));
    let keys = proptest::sample::select(vec![
        "data.limit",
        "probe.0.bootstrap",
        "name",
        "model.0.path",
        "a.b.c",
        "",
        "probe",
        "seed",
    ]);
    fuzz(2000, (keys, "\\PC{0,30}"), |(key, value)| {
        within(16 * MB, || spec.with(&format!("{key}={value}")).ok());
    });
}

#[test]
fn a_spec_with_very_many_layers_is_read_in_a_moment() {
    let numbers: Vec<String> = (0..200_000).map(|n| n.to_string()).collect();
    let text = format!(
        "schema = 1\nname = \"x\"\n[[model]]\npath = \"lab\"\n[extract]\nlayers = [{}]\n[[probe]]\nkind = \"align\"\n",
        numbers.join(",")
    );
    assert_eq!(RunSpec::parse(&text).map(|spec| spec.extract.layers.len()).ok(), Some(200_000));
}

/// A small run with every kind of table, made once for each test that spoils it.
fn small_run(desk: &Path) -> Run {
    let corpus = desk.join("corpus");
    fs::create_dir_all(&corpus).unwrap();
    for (code, word) in [("eng_Latn", "birds"), ("hin_Deva", "पक्षी"), ("arb_Arab", "طيور")] {
        let text: String = (0..8).map(|i| format!("{} {word}\n", i * 37)).collect();
        fs::write(corpus.join(format!("{code}.txt")), text).unwrap();
    }
    let pivots = vec!["eng_Latn".to_owned()];
    let align = ProbeSpec::Align(AlignParams { pivots, bootstrap: 100, ..AlignParams::default() });
    let map = ProbeSpec::Map(MapParams { perplexity: 5.0, iterations: 10, ..MapParams::default() });
    let probes = vec![align, ProbeSpec::lens(vec!["طيور birds".to_owned()]), map];
    let mut spec = RunSpec::new("fuzz", ModelSpec::new(golden("models/llama").to_str().unwrap()), probes);
    corpus.to_str().unwrap().clone_into(&mut spec.data.path);
    let run = Workbench::new(desk.join("runs")).execute(&spec, &Monitor::silent()).unwrap().run;
    // Figures are only hashed: without them a case takes a fifth of the time.
    let path = run.folder.join("manifest.json");
    let mut manifest = run.manifest;
    manifest.files.retain(|file| !file.path.starts_with("figures/"));
    fs::write(path, serde_json::to_string(&manifest).unwrap()).unwrap();
    Run::open(&run.folder).unwrap()
}

#[test]
fn manifests_and_run_folders() {
    let desk = tempfile::tempdir().unwrap();
    let made = small_run(desk.path());
    let text = fs::read_to_string(made.folder.join("manifest.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(Manifest::parse(&text).is_ok());
    fuzz(2000, changes(), |changes| {
        let text = String::from_utf8_lossy(&changed(text.as_bytes(), usize::MAX, &changes)).into_owned();
        within(16 * MB, || Manifest::parse(&text).ok());
    });
    let path = made.folder.join("manifest.json");
    fuzz(1500, replacements(), |replacements| {
        let text = replaced(&document, &replacements).to_string();
        fs::write(&path, &text).unwrap();
        within(64 * MB, || Run::open(&made.folder).ok());
    });
    fs::write(&path, &text).unwrap();
    assert_eq!(Run::open(&made.folder).unwrap(), made);
}

#[test]
fn a_file_of_a_run_that_was_changed_is_always_found() {
    let desk = tempfile::tempdir().unwrap();
    let made = small_run(desk.path());
    let files = made.manifest.files.clone();
    fuzz(500, (any::<prop::sample::Index>(), changes()), |(file, changes)| {
        let file = file.get(&files);
        let path = made.folder.join(&file.path);
        let before = fs::read(&path).unwrap();
        let after = changed(&before, usize::MAX, &changes);
        fs::write(&path, &after).unwrap();
        let opened = within(64 * MB, || Run::open(&made.folder));
        fs::write(&path, &before).unwrap();
        match opened {
            Ok(_) => assert_eq!(after, before, "{}", file.path),
            Err(error) => assert!(format!("{error:#}").contains(&file.path)),
        }
    });
}

#[test]
fn tables_with_a_hash_that_fits() {
    let desk = tempfile::tempdir().unwrap();
    let made = small_run(desk.path());
    let tables: Vec<FileInfo> = made.manifest.files.iter().filter(|f| f.path.ends_with(".parquet")).cloned().collect();
    assert_eq!(tables.len(), 10);
    let path = made.folder.join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    // Who damages a table on purpose damages the manifest with it.
    fuzz(3000, (any::<prop::sample::Index>(), any::<bool>(), changes()), |(file, tail, changes)| {
        let file = file.get(&tables);
        let table = made.folder.join(&file.path);
        let before = fs::read(&table).unwrap();
        let after = if tail {
            // The footer of a Parquet file is its head: schema, sizes, places.
            let footer = before.len().saturating_sub(1500);
            [&before[..footer], &changed(&before[footer..], usize::MAX, &changes)].concat()
        } else {
            changed(&before, usize::MAX, &changes)
        };
        fs::write(&table, &after).unwrap();
        let mut manifest = made.manifest.clone();
        let known = manifest.files.iter_mut().find(|f| f.path == file.path).unwrap();
        (known.bytes, known.blake3) = (after.len() as u64, blake3::hash(&after).to_hex().to_string());
        fs::write(&path, serde_json::to_string(&manifest).unwrap()).unwrap();
        within(256 * MB, || Run::open(&made.folder).ok());
        fs::write(&table, before).unwrap();
    });
    fs::write(&path, text).unwrap();
    assert!(Run::open(&made.folder).is_ok());
}

#[test]
fn shards_of_a_store() {
    let root = tempfile::tempdir().unwrap();
    let mut meta = ShardMeta {
        schema: 1,
        key: String::new(),
        model: "made up".to_owned(),
        weights_sha256: "w".to_owned(),
        config_sha256: "c".to_owned(),
        tokenizer_sha256: "t".to_owned(),
        corpus_sha256: "k".to_owned(),
        language: "eng_Latn".to_owned(),
        first_line: 0,
        lines: 6,
        site: "resid_post".to_owned(),
        layers: vec![0, 2, 7],
        pooling: "mean".to_owned(),
        include_bos: false,
        skip_first: 0,
        dtype: Dtype::F16,
        width: 5,
    };
    meta.key = meta.content_key();
    let (folder, key) = (shard_folder(root.path(), &meta.key), meta.key.clone());
    let rows: Vec<Row> = (0..6).map(|line| Row::pooled(line, 10)).collect();
    let mut writer = ShardWriter::create(&folder, meta, &rows).unwrap();
    for layer in [0, 2, 7] {
        writer.put(layer, 0, &[1.5; 30]).unwrap();
    }
    writer.publish(Made::default()).unwrap();
    let look = || {
        within(64 * MB, || {
            state(&folder, &key);
            Index::scan(root.path(), "").map(drop).map_err(|e| e.to_string())?;
            let shard = Shard::open(&folder, &key).map_err(|e| e.to_string())?;
            shard.rows().map_err(|e| e.to_string())?;
            for layer in [0, 2, 7] {
                shard.layer(layer).map_err(|e| e.to_string())?;
            }
            shard.captured().map_err(|e| e.to_string())?;
            shard.verify().map_err(|e| e.to_string())
        })
    };
    assert_eq!(look(), Ok(()));
    let (record, data) = (folder.join(format!("{key}.json")), folder.join(format!("{key}.safetensors")));
    let (text, bytes) = (fs::read(&record).unwrap(), fs::read(&data).unwrap());
    let document: Value = serde_json::from_slice(&text).unwrap();
    fuzz(2000, replacements(), |replacements| {
        fs::write(&record, replaced(&document, &replacements).to_string()).unwrap();
        look().ok();
    });
    fuzz(1000, changes(), |changes| {
        fs::write(&record, changed(&text, usize::MAX, &changes)).unwrap();
        look().ok();
    });
    // A header that was changed together with its hash and with all lengths that are told of it.
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    fuzz(2000, changes(), |changes| {
        let after = changed(&bytes, header, &changes);
        let told =
            after.first_chunk::<8>().map_or(0, |n| u64::from_le_bytes(*n) as usize).saturating_add(8).min(after.len());
        let mut document = document.clone();
        document["bytes"] = json!(after.len());
        document["header_blake3"] = json!(blake3::hash(&after[..told]).to_hex().as_str());
        fs::write(&record, document.to_string()).unwrap();
        fs::write(&data, &after).unwrap();
        look().ok();
    });
    // Any changed byte of the data is found.
    fs::write(&record, &text).unwrap();
    fuzz(500, changes(), |changes| {
        let after = changed(&bytes, usize::MAX, &changes);
        fs::write(&data, &after).unwrap();
        assert_eq!(look().is_ok(), after == bytes);
    });
    fs::write(&data, &bytes).unwrap();
    Index::scan(root.path(), "").unwrap().write(root.path()).unwrap();
    let index = root.path().join("index.json");
    let document: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    fuzz(1000, replacements(), |replacements| {
        fs::write(&index, replaced(&document, &replacements).to_string()).unwrap();
        within(64 * MB, || {
            if let Ok(store) = Store::open(root.path()) {
                (0..store.shards().len()).for_each(|at| drop(store.shard(at)));
            }
        });
    });
}

#[test]
fn captures_of_other_programs() {
    let desk = tempfile::tempdir().unwrap();
    let root = desk.path().join("store");
    let origin = Origin {
        model: "made up".to_owned(),
        language: "eng_Latn".to_owned(),
        pooling: "mean".to_owned(),
        ..Origin::default()
    };
    let choice = Choice { layers: vec![4], ..Choice::default() };
    let take = |path: &Path, choice: &Choice| {
        let taken = within(64 * MB, || import(&[path.to_owned()], choice, &origin, &root, &Monitor::silent()));
        taken.map(drop).map_err(|e| e.to_string())
    };
    for (name, choice) in [("one.npy", &choice), ("sites.safetensors", &Choice::default())] {
        let bytes = fs::read(golden("store").join(name)).unwrap();
        let path = desk.path().join(name);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(take(&path, choice), Ok(()));
        fuzz(500, changes(), |changes| {
            fs::write(&path, changed(&bytes, 600, &changes)).unwrap();
            take(&path, choice).ok();
        });
    }
    // candle's reader would ask for the room of 2^60 numbers, and nothing would be left to say why that was too much.
    let bytes = fs::read(golden("store/one.npy")).unwrap();
    let at = bytes.windows(9).position(|w| w == b"'shape': ").unwrap() + 9;
    let end = at + bytes[at..].iter().position(|b| *b == b'\n').unwrap();
    let huge = format!("{:1$}", "(1152921504606846976,), }", end - at);
    let path = desk.path().join("huge.npy");
    fs::write(&path, [&bytes[..at], huge.as_bytes(), &bytes[end..]].concat()).unwrap();
    let why = take(&path, &choice).unwrap_err();
    assert!(why.contains("it claims the shape (1152921504606846976,)"), "{why}");
}

#[test]
fn the_files_of_a_sweep() {
    let desk = tempfile::tempdir().unwrap();
    let run = small_run(desk.path());
    let mut spec = run.spec.clone();
    spec.model.push(ModelSpec { id: "second".to_owned(), ..ModelSpec::new(golden("models/qwen2").to_str().unwrap()) });
    let root = desk.path().join("sweeps");
    let plan = Plan::of(&mut Workbench::new(root.clone()), &spec, &Monitor::silent()).unwrap();
    let (sweep, _) = Sweep::create(&plan, &root, None).unwrap();
    let folder = root.join(fs::read_dir(&root).unwrap().next().unwrap().unwrap().file_name());
    drop(sweep);
    let look = || within(64 * MB, || Sweep::open(&folder).and_then(|sweep| sweep.status().map(drop)));
    assert!(look().is_ok());
    for name in ["sweep.json", "plan.jsonl", "spec.toml"] {
        let path = folder.join(name);
        let text = fs::read(&path).unwrap();
        fuzz(1000, changes(), |changes| {
            fs::write(&path, changed(&text, usize::MAX, &changes)).unwrap();
            look().ok();
        });
        if let Ok(document) = serde_json::from_slice::<Value>(&text) {
            fuzz(1000, replacements(), |replacements| {
                fs::write(&path, replaced(&document, &replacements).to_string()).unwrap();
                look().ok();
            });
        }
        if name == "plan.jsonl" {
            let lines: Vec<Value> =
                text.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).collect();
            fuzz(1000, (any::<prop::sample::Index>(), replacements()), |(at, replacements)| {
                let mut lines = lines.clone();
                let line = at.index(lines.len());
                lines[line] = replaced(&lines[line], &replacements);
                fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
                look().ok();
            });
        }
        fs::write(&path, text).unwrap();
    }
    assert!(look().is_ok());
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

#[test]
fn corpora() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "eng_Latn,id,deu_Latn\nIt rains.,1,Es regnet.\n\"I, too\",2,\"Ich \"\"auch\"\"\"\n";
    let samples = [
        ("a.csv", lines.to_owned()),
        ("a.tsv", "eng_Latn\tid\tdeu_Latn\nIt rains.\t1\tEs regnet.\n\"I\"\t2\tIch\n".to_owned()),
        (
            "a.jsonl",
            "{\"eng_Latn\":\"It rains.\",\"deu_Latn\":\"Es regnet.\"}\n{\"deu_Latn\":\"b\",\"eng_Latn\":\"a\"}\n"
                .to_owned(),
        ),
        ("folder/eng_Latn.txt", "It rains.\r\nI sleep.\r\n".to_owned()),
    ];
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::write(folder.path().join("folder/deu_Latn.txt"), "Es regnet.\nIch schlafe.\n").unwrap();
    for (name, text) in samples {
        let path = folder.path().join(name);
        let corpus = if name.starts_with("folder") { folder.path().join("folder") } else { path.clone() };
        fs::write(&path, &text).unwrap();
        assert_eq!(Corpus::open(&corpus).unwrap().len(), 2, "{name}");
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            within(64 * MB, || {
                if let Ok(corpus) = Corpus::open(&corpus) {
                    assert!(
                        corpus
                            .sentences
                            .iter()
                            .all(|lines| lines.len() == corpus.len() && !lines.contains(&String::new()))
                    );
                }
            });
        };
        fuzz(1500, changes(), |changes| look(&changed(text.as_bytes(), usize::MAX, &changes)));
        fuzz(500, vec(any::<u8>(), 0..100), |bytes| look(&bytes));
        fuzz(500, "[a-z_,\"\t\n\r{}:\u{feff}\u{2028}é]{0,100}", |text: String| look(text.as_bytes()));
    }
}

#[test]
fn a_table_whose_first_row_is_a_book_is_refused_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "word ".repeat(2_000_000)).unwrap();
    let why = within(256 * MB, || Corpus::open(&path)).unwrap_err().to_string();
    assert!(why.contains("no column is a language") && why.len() < 1000, "{} bytes", why.len());
    assert!(lang::nearest(&"x".repeat(50_000_000)).is_none());
}

#[test]
fn ten_thousand_languages_are_read_from_lines_of_json() {
    let letters = |from: char, to: char| from..=to;
    let codes = letters('a', 't').flat_map(|b| letters('a', 'z').map(move |c| format!("q{b}{c}")));
    let scripts: Vec<&str> = lang::all().iter().map(lang::Lang::script).collect::<BTreeSet<_>>().into_iter().collect();
    let codes = codes.flat_map(|code| scripts.iter().map(move |script| format!("{code}_{script}")));
    let codes: Vec<String> = codes.filter(|code| lang::is_valid(code)).take(10_000).collect();
    assert_eq!(codes.len(), 10_000);
    let line = |n: usize| {
        let cells: Vec<String> = codes.iter().map(|code| format!("\"{code}\":\"{n} {code}\"")).collect();
        format!("{{{}}}\n", cells.join(","))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, line(0) + &line(1)).unwrap();
    assert_eq!(Corpus::open(&path).unwrap().languages, codes);
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
