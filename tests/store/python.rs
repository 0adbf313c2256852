//! The reader for Python, run by Python.

use std::{path::Path, process::Command};

use babelscope_core::{
    dtype::Dtype,
    store::{Index, Made, Row, ShardWriter, shard_folder},
};
use serde_json::Value;

use super::{folder, layer_values, meta, number, write};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/python");

/// The first Python that has numpy: another one than the system's may stand first in the path.
fn with_numpy() -> &'static str {
    let has =
        |python: &&str| Command::new(python).args(["-c", "import numpy"]).output().is_ok_and(|o| o.status.success());
    ["python3", "/usr/bin/python3"].into_iter().find(has).expect("no python3 with numpy: apt-get install python3-numpy")
}

/// What a script prints, as JSON.
fn python(script: &str, root: &Path) -> Value {
    let script = format!("import sys, json\nsys.path.insert(0, {READER:?})\nroot = sys.argv[1]\n{script}");
    let output = Command::new(with_numpy()).args(["-B", "-c", &script]).arg(root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn python_reads_every_number_format() {
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        let root = folder();
        for (language, first_line) in [("eng_Latn", 7), ("eng_Latn", 0), ("swh_Latn", 0)] {
            let mut meta = meta(&[0, 2, 12], 7, 5, dtype);
            (meta.language, meta.first_line) = (language.to_owned(), first_line);
            meta.key = meta.content_key();
            write(root.path(), &meta);
        }
        Index::scan(root.path(), "").unwrap().write(root.path()).unwrap();
        let found = python(
            "from babelscope_store import Store, POOLED
store = Store(root)
for shard in store: shard.verify()
shard = store[2]
assert shard.meta['language'] == 'swh_Latn' and shard.layers == [0, 2, 12]
assert (shard.rows['token'] == POOLED).all()
print(json.dumps({'states': store.states('eng_Latn', 12).ravel().tolist(), 'end': shard.rows['end'].tolist(),
  'dtype': str(shard.layer(0).dtype), 'count': len(store)}))",
            root.path(),
        );
        let states: Vec<f32> = serde_json::from_value(found["states"].clone()).unwrap();
        assert_eq!(states, [layer_values(12, 7, 5), layer_values(12, 7, 5)].concat(), "{dtype}");
        assert_eq!(found["end"], serde_json::json!([10, 11, 12, 13, 14, 15, 16]));
        assert_eq!((&found["dtype"], &found["count"]), (&Value::from("float32"), &Value::from(3)));
    }
}

#[test]
fn python_sees_single_tokens_and_damage() {
    let root = folder();
    let mut meta = meta(&[3], 2, 4, Dtype::Bf16);
    meta.pooling = "tokens".to_owned();
    meta.key = meta.content_key();
    let rows = [(0, 0, 5), (0, 1, 6), (1, 0, 7)].map(|(line, position, token)| Row {
        line,
        position,
        token,
        start: 1,
        end: 3,
    });
    let folder = shard_folder(root.path(), &meta.key);
    let mut writer = ShardWriter::create(&folder, meta.clone(), &rows).unwrap();
    writer.put(3, 0, &layer_values(3, 3, 4)).unwrap();
    writer.publish(Made::default()).unwrap();
    let script = format!(
        "from babelscope_store import Shard
import os
path = os.path.join(root, {:?}, {:?})
shard = Shard(path)
told = {{'token': shard.rows['token'].tolist(), 'last': shard.layer(3)[2].tolist()}}
with open(shard.file, 'r+b') as file:
    file.seek(-1, 2); file.write(b'x')
try: Shard(path).verify(); told['flip'] = None
except ValueError as error: told['flip'] = str(error)
os.truncate(shard.file, 100)
try: Shard(path); told['cut'] = None
except ValueError as error: told['cut'] = str(error)
print(json.dumps(told))",
        &meta.key[..2],
        format!("{}.json", meta.key),
    );
    let told = python(&script, root.path());
    assert_eq!(told["token"], serde_json::json!([5, 6, 7]));
    let last: Vec<f32> = serde_json::from_value(told["last"].clone()).unwrap();
    assert_eq!(last, (0..4).map(|column| number(3, 2, column)).collect::<Vec<_>>());
    assert!(told["flip"].as_str().unwrap().contains("its record says"), "{told}");
    assert!(told["cut"].as_str().unwrap().contains("has 100 bytes"), "{told}");
}
