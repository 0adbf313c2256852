//! What needs to write records by hand: headers that lie with a hash that fits, and a store that is larger than the disk.

use std::{
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    path::Path,
};

use super::{
    Index, Made, Record, Row, SCHEMA, Shard, ShardMeta, ShardWriter, Store, TensorRecord, layout::Layout, publish,
    shard_folder,
};
use crate::dtype::Dtype;

fn meta(language: &str, lines: usize, width: usize, dtype: Dtype) -> ShardMeta {
    let mut meta = ShardMeta {
        schema: SCHEMA,
        key: String::new(),
        model: "made up".to_owned(),
        weights_sha256: String::new(),
        config_sha256: String::new(),
        tokenizer_sha256: String::new(),
        corpus_sha256: String::new(),
        language: language.to_owned(),
        first_line: 0,
        lines,
        site: "resid_post".to_owned(),
        layers: vec![0, 2, 7],
        pooling: "mean".to_owned(),
        include_bos: false,
        skip_first: 0,
        dtype,
        width,
    };
    meta.key = meta.content_key();
    meta
}

/// Puts another header into a shard's file, and its hash into the record.
fn lie(folder: &Path, key: &str, header: &[u8]) {
    let path = folder.join(format!("{key}.safetensors"));
    let mut file = fs::read(&path).unwrap();
    file[..header.len()].copy_from_slice(header);
    fs::write(&path, &file).unwrap();
    let mut record = Record::read(folder, key).unwrap();
    let claimed = u64::from_le_bytes(file[..8].try_into().unwrap()).saturating_add(8);
    let first = claimed.min(file.len() as u64) as usize;
    record.header_blake3 = blake3::hash(&file[..first]).to_hex().to_string();
    fs::write(folder.join(format!("{key}.json")), serde_json::to_vec(&record).unwrap()).unwrap();
}

#[test]
fn a_header_that_lies_is_refused_even_where_the_record_vouches_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let meta = meta("eng_Latn", 6, 5, Dtype::F32);
    let key = meta.key.clone();
    let rows: Vec<Row> = (0..6).map(|line| Row::pooled(line, 1)).collect();
    let mut writer = ShardWriter::create(folder, meta, &rows).unwrap();
    for layer in [0, 2, 7] {
        writer.put(layer, 0, &[1.5; 30]).unwrap();
    }
    writer.publish(Made::default()).unwrap();
    let (path, place) = (folder.join(format!("{key}.safetensors")), folder.join(format!("{key}.json")));
    let (whole, record) = (fs::read(&path).unwrap(), fs::read(&place).unwrap());
    let size = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize + 8;
    let text = String::from_utf8(whole[8..size].to_vec()).unwrap();
    let with = |from: &str, to: &str| {
        assert!(text.contains(from) && from.len() == to.len(), "{text}");
        [&whole[..8], text.replacen(from, to, 1).as_bytes()].concat()
    };
    let claims = |bytes: u64| [&bytes.to_le_bytes()[..], &whole[8..size]].concat();
    let tensors = safetensors::SafeTensors::read_metadata(&whole).unwrap().1;
    let range = |name: &str| {
        let (start, end) = tensors.info(name).unwrap().data_offsets;
        format!("[{start},{end}]")
    };
    for header in [
        claims(1 << 60),
        claims(u64::MAX),
        claims(0),
        claims(whole.len() as u64),
        with("\"layer.002\"", "\"layer.003\""),
        with("\"layer.002\"", "\"layer.000\""),
        with("\"F32\"", "\"I32\""),
        with("{\"__metadata", "[\"__metadata"),
        with("eng_Latn", "swh_Latn"),
        // Two tensors at one place.
        with(&range("layer.002"), &range("layer.000")),
    ] {
        lie(folder, &key, &header);
        let message = Shard::open(folder, &key).unwrap_err().to_string();
        assert!(message.contains("the shard is damaged"), "{message}");
        fs::write(&path, &whole).unwrap();
        fs::write(&place, &record).unwrap();
    }
    Shard::open(folder, &key).unwrap().verify().unwrap();
}

/// Kilobytes of memory that this process holds.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// 400 shards of 256 MiB, whose zeros take no room on the disk.
#[test]
fn a_hundred_gigabytes_open_without_being_read() {
    let root = tempfile::tempdir().unwrap();
    let (lines, width, layers) = (4096, 5460, [0, 2, 7]);
    let zeros = |bytes: usize| blake3::hash(&vec![0; bytes]).to_hex().to_string();
    let (column, layer) = (zeros(lines * 4), zeros(lines * width * 4));
    let mut bytes = 0;
    for number in 0..400 {
        let meta = meta(&format!("language-{number:03}"), lines, width, Dtype::F32);
        let layout = Layout::new(&meta, lines).unwrap();
        let folder = shard_folder(root.path(), &meta.key);
        fs::create_dir_all(&folder).unwrap();
        let file = format!("{}.safetensors", meta.key);
        let mut data = File::create(folder.join(&file)).unwrap();
        data.write_all(&layout.header).unwrap();
        data.set_len(layout.bytes).unwrap();
        let mut tensors: std::collections::BTreeMap<_, _> = (layout.parts.iter())
            .map(|part| {
                let blake3 = if part.layer.is_some() { layer.clone() } else { column.clone() };
                (part.name.clone(), TensorRecord { blake3, n_nan: 0, n_inf: 0, min: 0.0, max: 0.0, mean: 0.0 })
            })
            .collect();
        if number == 399 {
            // One row, far in, that is not zero.
            let row = (4000 * width) * 4;
            let mut values = vec![0; lines * width * 4];
            values[row..row + 4].copy_from_slice(&1.25f32.to_le_bytes());
            data.seek(SeekFrom::Start(layout.parts[6].range.start + row as u64)).unwrap();
            data.write_all(&1.25f32.to_le_bytes()).unwrap();
            tensors.get_mut("layer.002").unwrap().blake3 = blake3::hash(&values).to_hex().to_string();
        }
        let record = Record {
            schema: SCHEMA,
            key: meta.key.clone(),
            file,
            rows: lines,
            bytes: layout.bytes,
            sha256: format!("{number}"),
            header_blake3: blake3::hash(&layout.header).to_hex().to_string(),
            tensors,
            made: Made::default(),
            published: String::new(),
            meta,
        };
        bytes += layout.bytes;
        let place = folder.join(format!("{}.json", record.key));
        publish::bytes(&place, &serde_json::to_vec(&record).unwrap()).unwrap();
    }
    assert!(bytes > 100_000_000_000, "{bytes}");
    Index::scan(root.path(), "").unwrap().write(root.path()).unwrap();
    let before = resident();
    let store = Store::open(root.path()).unwrap();
    let shards: Vec<_> = (0..400).map(|at| store.shard(at).unwrap()).collect();
    assert_eq!(layers.len(), shards[0].meta().layers.len());
    let at = store.find("language-399", 4000, |_| true).unwrap();
    let row = shards[at].layer_rows(2, 4000..4001).unwrap();
    assert_eq!((row.len(), row[0], row[1]), (width, 1.25, 0.0));
    let grown = resident().saturating_sub(before);
    assert!(grown < 200_000, "{grown} kB for one row of 100 GB");
}
