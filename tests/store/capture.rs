//! Sentences to shards with the embedded model.

use std::{fs, path::Path};

use babelscope_core::{
    Error, Result,
    engine::{Engine, LoadOptions, Values},
    monitor::Monitor,
    plan::{Plan, Point, Reduce, Window},
    store::{Capturing, Index, Shard, Store, capture, shard_folder},
};

use super::folder;

const WORDS: [&str; 6] = [
    "The cat sees two red birds.",
    "A dog sleeps.",
    "The girl has a book.",
    "Two birds sing.",
    "It is a house.",
    "He eats.",
];

fn sentence(line: usize) -> String {
    [WORDS[line % 6], WORDS[line / 6 % 6]].join(" ")
}

fn generator(lines: usize) -> impl Iterator<Item = Result<String>> {
    (0..lines).map(|line| Ok(sentence(line)))
}

fn lab() -> Engine {
    Engine::load("lab", &LoadOptions::default(), &Monitor::silent()).unwrap()
}

fn open(root: &Path, key: &str) -> Shard {
    Shard::open(&shard_folder(root, key), key).unwrap()
}

#[test]
fn stored_means_are_the_captured_ones_and_are_not_computed_twice() {
    let (root, engine) = (folder(), lab());
    let what = Capturing { block: 40, ..Capturing::mean("eng_Latn", vec![0, 2]) };
    let done = capture(&engine, generator(100), &what, root.path(), &Monitor::silent()).unwrap();
    assert_eq!((done.keys.len(), done.already, done.lines, done.rows), (3, 0, 100, 100));
    let lines: Vec<String> = (0..100).map(sentence).collect();
    let encoded = engine.tokenizer().encode_all(&lines).unwrap();
    let run = engine.run(&encoded, &Plan::layers([0, 2], what.reduce), &Monitor::silent()).unwrap();
    for (captured, layer) in run.iter().zip([0, 2]) {
        let Values::Pooled(states) = &captured.values else { panic!("pooled") };
        let stored: Vec<f32> = done
            .keys
            .iter()
            .flat_map(|key| open(root.path(), key).layer(layer).unwrap().flatten_all().unwrap().to_vec1().unwrap())
            .collect();
        assert_eq!(stored, states.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    }
    Index::scan(root.path(), "").unwrap().write(root.path()).unwrap();
    let store = Store::open(root.path()).unwrap();
    let shard = store.shard(store.find("eng_Latn", 85, |_| true).unwrap()).unwrap();
    let row = shard.rows().unwrap()[5];
    assert_eq!((row.line, row.end as usize), (85, sentence(85).len()));
    // The second block is lost, the third damaged: only they are made again.
    let (second, third) = (&done.keys[1], &done.keys[2]);
    fs::remove_file(shard_folder(root.path(), second).join(format!("{second}.json"))).unwrap();
    fs::write(shard_folder(root.path(), third).join(format!("{third}.safetensors")), "x").unwrap();
    let again = capture(&engine, generator(100), &what, root.path(), &Monitor::silent()).unwrap();
    assert_eq!((again.keys, again.already, again.rows), (done.keys.clone(), 1, 60));
    for key in &done.keys {
        open(root.path(), key).verify().unwrap();
    }
    assert!(root.path().join("quarantine").is_dir());
}

#[test]
fn stored_tokens_are_those_that_the_window_leaves() {
    let (root, engine) = (folder(), lab());
    let window = Window { include_bos: false, skip_first: 1 };
    let what = Capturing { reduce: Reduce::All, window, point: Point::MlpOut, ..Capturing::mean("eng_Latn", vec![1]) };
    let done = capture(&engine, generator(7), &what, root.path(), &Monitor::silent()).unwrap();
    let shard = open(root.path(), &done.keys[0]);
    let rows = shard.rows().unwrap();
    let states = shard.layer(1).unwrap();
    let lines: Vec<String> = (0..7).map(sentence).collect();
    let encoded = engine.tokenizer().encode_all(&lines).unwrap();
    let captures = Plan {
        captures: vec![babelscope_core::plan::Capture { site: "mlp_out.1".parse().unwrap(), reduce: Reduce::All }],
        ..Plan::default()
    };
    let run = engine.run(&encoded, &captures, &Monitor::silent()).unwrap();
    let Values::Tokens(tensors) = &run[0].values else { panic!("tokens") };
    let mut row = 0;
    for (line, (sentence, tensor)) in encoded.iter().zip(tensors).enumerate() {
        for token in sentence.bos + 1..sentence.ids.len() {
            assert_eq!(
                (rows[row].line as usize, rows[row].position as usize, rows[row].token),
                (line, token, sentence.ids[token])
            );
            assert_eq!(rows[row].start as usize..rows[row].end as usize, sentence.spans[token]);
            let expected: Vec<f32> = tensor.get(token).unwrap().to_vec1().unwrap();
            assert_eq!(states.get(row).unwrap().to_vec1::<f32>().unwrap(), expected);
            row += 1;
        }
    }
    assert_eq!((row, done.rows), (rows.len(), rows.len()));
}

#[test]
fn a_generator_that_fails_keeps_the_blocks_before_and_says_why() {
    let (root, engine) = (folder(), lab());
    let what = Capturing { block: 10, ..Capturing::mean("eng_Latn", vec![0]) };
    let broken = (0..25).map(|line| {
        if line < 24 { Ok(sentence(line)) } else { Err(Error::Plan { why: "the source is gone".to_owned() }) }
    });
    let message = capture(&engine, broken, &what, root.path(), &Monitor::silent()).unwrap_err().to_string();
    assert!(message.contains("the source is gone"), "{message}");
    assert_eq!(Index::scan(root.path(), "").unwrap().shards.len(), 2);
    // A sentence that the model refuses is counted over all blocks.
    let empty = (0..25).map(|line| Ok(if line == 23 { String::new() } else { sentence(line) }));
    let window = Window { include_bos: false, skip_first: 0 };
    let what = Capturing { reduce: Reduce::Mean(window), ..what };
    let message = capture(&engine, empty, &what, root.path(), &Monitor::silent()).unwrap_err().to_string();
    assert!(message.contains("sentence 23"), "{message}");
    let none = Capturing { block: 0, ..what };
    assert!(
        capture(&engine, generator(1), &none, root.path(), &Monitor::silent())
            .unwrap_err()
            .to_string()
            .contains("0 sentences")
    );
}
