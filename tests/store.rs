//! The store of activations: what goes in comes out, and whatever happens to a shard is found.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

#[path = "store/capture.rs"]
mod capture;
#[path = "store/faults.rs"]
mod faults;
#[path = "store/import.rs"]
mod import;
#[path = "store/large.rs"]
mod large;
#[path = "store/python.rs"]
mod python;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use babelscope_core::{
    dtype::Dtype,
    engine::Values,
    plan::{Reduce, Site, Window},
    store::{
        Index, Made, Publication, Record, Row, Shard, ShardMeta, ShardWriter, State, Store, publish, shard_folder,
        state, sweep,
    },
};
use babelscope_probes::align::LanguageStates;
use proptest::prelude::*;
use tempfile::TempDir;

fn meta(layers: &[usize], lines: usize, width: usize, dtype: Dtype) -> ShardMeta {
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
        lines,
        site: "resid_post".to_owned(),
        layers: layers.to_vec(),
        pooling: "mean".to_owned(),
        include_bos: false,
        skip_first: 0,
        dtype,
        width,
    };
    meta.key = meta.content_key();
    meta
}

fn pooled(lines: usize) -> Vec<Row> {
    (0..lines as u32).map(|line| Row::pooled(line, 10 + line)).collect()
}

/// A number for each place of a tensor, exact in every format.
fn number(layer: usize, row: usize, column: usize) -> f32 {
    ((layer * 31 + row * 7 + column) % 64) as f32 * 0.25 - 5.0
}

fn layer_values(layer: usize, lines: usize, width: usize) -> Vec<f32> {
    (0..lines).flat_map(|row| (0..width).map(move |column| number(layer, row, column))).collect()
}

/// A shard of such numbers: its folder and key.
fn write(root: &Path, meta: &ShardMeta) -> (PathBuf, String, Publication) {
    let folder = shard_folder(root, &meta.key);
    let mut writer = ShardWriter::create(&folder, meta.clone(), &pooled(meta.lines)).unwrap();
    for layer in &meta.layers {
        writer.put(*layer, 0, &layer_values(*layer, meta.lines, meta.width)).unwrap();
    }
    let publication = writer.publish(Made::default()).unwrap();
    (folder, meta.key.clone(), publication)
}

fn small(root: &Path) -> (PathBuf, String) {
    let (folder, key, publication) = write(root, &meta(&[0, 2, 7], 6, 5, Dtype::F32));
    assert_eq!(publication, Publication::New);
    (folder, key)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_shard_is_a_safetensors_file_whose_data_begin_on_64_bytes() {
    let root = folder();
    let (folder, key) = small(root.path());
    assert_eq!(names(&folder), [format!("{key}.json"), format!("{key}.safetensors")]);
    let bytes = fs::read(folder.join(format!("{key}.safetensors"))).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let (header, about) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!((header + 8) % 64, 0);
    let text = &about.metadata().as_ref().unwrap()["babelscope"];
    assert_eq!(serde_json::from_str::<ShardMeta>(text).unwrap(), meta(&[0, 2, 7], 6, 5, Dtype::F32));
    let layer = tensors.tensor("layer.007").unwrap();
    assert_eq!((layer.shape(), layer.dtype()), (&[6, 5][..], safetensors::Dtype::F32));
    let values: Vec<f32> = layer.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(values, layer_values(7, 6, 5));
    let record = Record::read(&folder, &key).unwrap();
    assert_eq!(record.sha256, babelscope_core::hash::sha256(&bytes));
    assert_eq!(record.bytes, bytes.len() as u64);
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / values.len() as f64;
    let told = &record.tensors["layer.007"];
    assert!((told.mean - mean).abs() < 1e-12);
    assert_eq!(told.max, f64::from(values.iter().copied().fold(f32::MIN, f32::max)));
    assert_eq!(told.min, f64::from(values.iter().copied().fold(f32::MAX, f32::min)));
}

#[test]
fn rows_may_come_in_any_order_and_captures_go_to_the_probes() {
    let root = folder();
    let mut languages = Vec::new();
    for (at, language) in ["eng_Latn", "swh_Latn"].into_iter().enumerate() {
        let mut meta = meta(&[0, 3], 9, 4, Dtype::F16);
        meta.language = language.to_owned();
        meta.key = meta.content_key();
        let folder = shard_folder(root.path(), &meta.key);
        let mut writer = ShardWriter::create(&folder, meta.clone(), &pooled(9)).unwrap();
        for (first, rows) in [(6, 3), (0, 2), (2, 4)] {
            for layer in [3, 0] {
                let values = layer_values(layer + at, 9, 4);
                writer.put(layer, first, &values[first * 4..(first + rows) * 4]).unwrap();
            }
        }
        assert_eq!(writer.publish(Made::default()).unwrap(), Publication::New);
        let shard = Shard::open(&folder, &meta.key).unwrap();
        assert_eq!(shard.rows().unwrap(), pooled(9));
        let captured = shard.captured().unwrap();
        let window = Window { include_bos: false, skip_first: 0 };
        assert_eq!(captured[0].capture.site, Site::layer(0));
        assert_eq!(captured[1].capture.site, Site::layer(3));
        assert!(captured.iter().all(|c| c.capture.reduce == Reduce::Mean(window)));
        let Values::Pooled(states) = &captured[1].values else { panic!("pooled") };
        assert_eq!(states.to_vec2::<f32>().unwrap().concat(), layer_values(3 + at, 9, 4));
        languages.push((language.to_owned(), captured));
    }
    let states = LanguageStates::from_captured(&languages).unwrap();
    assert_eq!((states.layers(), states.sentences()), (&[0, 3][..], 9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_goes_in_comes_out(
        lines in 1usize..40,
        width in 1usize..20,
        which in 0usize..3,
        cuts in prop::collection::vec(0usize..40, 0..4),
        part in (0usize..40, 0usize..40),
    ) {
        let root = folder();
        let dtype = [Dtype::F32, Dtype::Bf16, Dtype::F16][which];
        let meta = meta(&[1, 4], lines, width, dtype);
        let place = shard_folder(root.path(), &meta.key);
        let mut writer = ShardWriter::create(&place, meta.clone(), &pooled(lines)).unwrap();
        let mut edges: Vec<usize> = cuts.into_iter().map(|cut| cut.min(lines)).chain([0, lines]).collect();
        edges.sort_unstable();
        for pair in edges.windows(2) {
            for layer in [1, 4] {
                let values = layer_values(layer, lines, width);
                writer.put(layer, pair[0], &values[pair[0] * width..pair[1] * width]).unwrap();
            }
        }
        writer.publish(Made::default()).unwrap();
        let shard = Shard::open(&place, &meta.key).unwrap();
        prop_assert_eq!(shard.meta(), &meta);
        let (from, to) = (part.0.min(part.1).min(lines), part.0.max(part.1).min(lines));
        for layer in [1, 4] {
            let expected = layer_values(layer, lines, width);
            prop_assert_eq!(&shard.layer_rows(layer, from..to).unwrap()[..], &expected[from * width..to * width]);
            prop_assert_eq!(shard.layer(layer).unwrap().to_vec2::<f32>().unwrap().concat(), expected);
        }
        shard.verify().unwrap();
    }
}

#[test]
fn single_tokens_keep_their_place_id_and_bytes() {
    let root = folder();
    let mut meta = meta(&[5], 2, 3, Dtype::Bf16);
    meta.pooling = "tokens".to_owned();
    meta.key = meta.content_key();
    let rows: Vec<Row> = [(0, 0, 1, 0, 0), (0, 1, 77, 0, 4), (1, 0, 1, 0, 0), (1, 1, 9, 0, 2), (1, 2, 10, 2, 7)]
        .into_iter()
        .map(|(line, position, token, start, end)| Row { line, position, token, start, end })
        .collect();
    let folder = shard_folder(root.path(), &meta.key);
    let mut writer = ShardWriter::create(&folder, meta.clone(), &rows).unwrap();
    writer.put(5, 0, &layer_values(5, 5, 3)).unwrap();
    writer.publish(Made::default()).unwrap();
    let shard = Shard::open(&folder, &meta.key).unwrap();
    assert_eq!(shard.rows().unwrap(), rows);
    let message = shard.captured().unwrap_err().to_string();
    assert!(message.contains("holds single tokens"), "{message}");
}

#[test]
fn a_writer_refuses_what_makes_no_shard() {
    let root = folder();
    let good = meta(&[0, 2], 3, 2, Dtype::F32);
    let create = |meta: &ShardMeta, rows: usize| ShardWriter::create(root.path(), meta.clone(), &pooled(rows));
    for (change, told) in [
        ((|m| m.layers = vec![2, 2]) as fn(&mut ShardMeta), "ascending order"),
        (|m| m.layers = vec![], "ascending order"),
        (|m| m.width = 0, "width 0"),
        (|m| m.key = "../../etc".to_owned(), "the key"),
        (|m| m.pooling = "median".to_owned(), "expected mean, weighted, active, last or tokens"),
        (|m| m.site = "resid".to_owned(), "expected the name of a point"),
        (|m| m.site = "final_norm".to_owned(), "no block"),
        (|m| m.schema = 9, "newer version"),
    ] {
        let mut bad = good.clone();
        change(&mut bad);
        let message = create(&bad, 3).unwrap_err().to_string();
        assert!(message.contains(told), "{message}");
    }
    assert!(create(&good, 0).unwrap_err().to_string().contains("without rows"));
    assert!(create(&good, 4).unwrap_err().to_string().contains("4 rows are given for 3 lines"));
    let mut writer = create(&good, 3).unwrap();
    for (layer, row, values, told) in [
        (1, 0, &[0.0; 2][..], "the shard has the layers [0, 2]"),
        (0, 2, &[0.0; 4], "the shard has 3 rows of 2"),
        (0, usize::MAX, &[0.0; 4], "the shard has 3 rows of 2"),
        (0, 0, &[0.0; 3], "the shard has 3 rows of 2"),
    ] {
        let message = writer.put(layer, row, values).unwrap_err().to_string();
        assert!(message.contains(told), "{message}");
    }
    writer.put(0, 0, &[1.0; 6]).unwrap();
    assert!(writer.put(0, 1, &[1.0; 2]).unwrap_err().to_string().contains("row 1 of layer 0 was given twice"));
    writer.put(2, 0, &[1.0; 2]).unwrap();
    let message = writer.publish(Made::default()).unwrap_err().to_string();
    assert!(message.contains("layer 2 lacks 2 of 3 rows, the first is row 1"), "{message}");
    assert_eq!(names(root.path()), Vec::<String>::new(), "nothing is left");
}

#[test]
fn the_key_is_the_hash_of_what_determines_the_numbers() {
    let first = meta(&[0, 2], 3, 2, Dtype::F32);
    assert_eq!(first.content_key(), first.key);
    for change in [
        (|m| m.language = "swh_Latn".to_owned()) as fn(&mut ShardMeta),
        (|m| m.weights_sha256 = "v".to_owned()),
        (|m| m.corpus_sha256 = "l".to_owned()),
        (|m| m.layers = vec![0, 3]),
        (|m| m.dtype = Dtype::F16),
        (|m| m.first_line = 1),
        (|m| m.include_bos = true),
    ] {
        let mut other = first.clone();
        change(&mut other);
        assert_ne!(other.content_key(), first.key);
    }
}

#[test]
fn an_index_lists_shards_and_opens_them_when_they_are_read() {
    let root = folder();
    for (language, first_line) in [("swh_Latn", 0), ("eng_Latn", 6), ("eng_Latn", 0)] {
        let mut meta = meta(&[0, 2], 6, 5, Dtype::F32);
        (meta.language, meta.first_line) = (language.to_owned(), first_line);
        meta.key = meta.content_key();
        write(&root.path().join("shards"), &meta);
    }
    let index = Index::scan(root.path(), "shards").unwrap();
    index.write(root.path()).unwrap();
    index.write(root.path()).unwrap();
    let store = Store::open(root.path()).unwrap();
    let order: Vec<_> = store.shards().iter().map(|e| (e.language.as_str(), e.first_line)).collect();
    assert_eq!(order, [("eng_Latn", 0), ("eng_Latn", 6), ("swh_Latn", 0)]);
    assert_eq!(index.metadata["total_rows"], 18);
    let at = store.find("eng_Latn", 7, |_| true).unwrap();
    assert_eq!(at, 1);
    let shard = store.shard(at).unwrap();
    assert!(Arc::ptr_eq(&shard, &store.shard(at).unwrap()));
    assert_eq!(shard.layer_rows(2, 1..2).unwrap(), layer_values(2, 6, 5)[5..10]);
    assert!(store.shard(3).unwrap_err().to_string().contains("has 3 shards, none at place 3"));
    assert_eq!(store.find("eng_Latn", 12, |_| true), None);
}

#[test]
fn an_index_that_is_newer_damaged_or_leads_elsewhere_is_refused() {
    let root = folder();
    write(root.path(), &meta(&[0], 2, 2, Dtype::F32));
    let index = Index::scan(root.path(), "").unwrap();
    for (change, told) in [
        ((|i| i.metadata = [("schema".to_owned(), 2)].into()) as fn(&mut Index), "newer version"),
        (|i| i.shards[0].file = "/etc/passwd".to_owned(), "outside of the store"),
        (|i| i.shards[0].file = "ab/../../x.safetensors".to_owned(), "outside of the store"),
    ] {
        let mut bad = index.clone();
        change(&mut bad);
        bad.write(root.path()).unwrap();
        let message = Store::open(root.path()).unwrap_err().to_string();
        assert!(message.contains(told), "{message}");
    }
    publish::replace(&root.path().join("index.json"), b"{").unwrap();
    assert!(Store::open(root.path()).unwrap_err().to_string().contains("the index is damaged"));
}

#[test]
fn only_what_is_old_and_nobody_s_is_swept() {
    let root = folder();
    let (folder, key) = small(root.path());
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 24 * 3600);
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(3 * 24 * 3600);
    let put = |name: &str, time| {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_modified(time).unwrap();
    };
    put(".old.host-1-0.tmp", old);
    put(".young.host-1-0.tmp", std::time::SystemTime::now());
    put(".future.host-1-0.tmp", future);
    put("orphan.safetensors", old);
    put("damaged.safetensors", old);
    fs::write(folder.join("damaged.json"), "{").unwrap();
    fs::File::open(folder.join(format!("{key}.safetensors"))).unwrap().set_modified(old).unwrap();
    assert_eq!(sweep(&folder), 2);
    let left = names(&folder);
    assert!(
        !left.contains(&".old.host-1-0.tmp".to_owned()) && !left.contains(&"orphan.safetensors".to_owned()),
        "{left:?}"
    );
    assert_eq!(left.len(), 6, "{left:?}");
    assert_eq!(state(&folder, &key), State::Done);
    assert_eq!(sweep(&folder.join("nowhere")), 0);
}
