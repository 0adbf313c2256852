//! What runs, sweeps and stores keep on the disk.

use std::{fs, path::Path};

use babelscope::{
    manifest::{FileInfo, Manifest},
    run::{Run, Workbench},
    spec::{ModelSpec, ProbeSpec, RunSpec},
    sweep::{Plan, Sweep},
};
use babelscope_core::{
    dtype::Dtype,
    monitor::Monitor,
    store::{
        Index, Made, Row, Shard, ShardMeta, ShardWriter, Store,
        import::{Choice, Origin, import},
        shard_folder, state,
    },
};
use babelscope_probes::{align::AlignParams, project::MapParams};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    MB, golden,
    memory::within,
    mutate::{changed, changes, fuzz, replaced, replacements},
};

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
