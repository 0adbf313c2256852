//! `babelscope store` through the real binary.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn golden(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/store")).join(name)
}

fn store(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_babelscope")).arg("store").args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_capture_is_imported_shown_verified_and_its_damage_found() {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("store");
    let (out, stack) = (out.to_str().unwrap(), golden("stack.npz"));
    let stack = stack.to_str().unwrap();
    let import = |more: &[&str]| store(&[&["import", stack, "--out", out, "--language", "de"], more].concat());
    let refused = import(&[]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(text(&refused.stderr).contains("say --pooling"));
    let refused = import(&["--pooling", "mean"]);
    assert_eq!(refused.status.code(), Some(65));
    assert!(text(&refused.stderr).contains("say --layer-of hidden_states"), "{}", text(&refused.stderr));
    let done = import(&["--pooling", "mean", "--layer-of", "hidden_states", "--model", "made-up", "--dtype", "f16"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let told = text(&done.stdout);
    assert!(told.contains("2 shards imported") && told.contains("final_norm") && told.contains("deu_Latn"), "{told}");
    let info = text(&store(&["info", out]).stdout);
    assert!(info.contains("made-up") && info.contains("resid_post"), "{info}");
    let saelens = golden("saelens");
    let done = store(&["import", saelens.to_str().unwrap(), "--out", out, "--language", "eng_Latn"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let whole = store(&["verify", out, "--deep"]);
    assert!(whole.status.success() && text(&whole.stdout).contains("3 shards are whole"), "{}", text(&whole.stdout));
    // One byte of one shard.
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(Path::new(out).join("index.json")).unwrap()).unwrap();
    let file = Path::new(out).join(index["shards"][0]["file"].as_str().unwrap());
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(store(&["verify", out]).status.success(), "the length is right");
    let damaged = store(&["verify", out, "--deep"]);
    assert_eq!(damaged.status.code(), Some(65));
    assert!(text(&damaged.stdout).contains("is not what was written"), "{}", text(&damaged.stdout));
    assert!(text(&damaged.stderr).contains("1 of 3 shards are damaged"));
    assert_eq!(store(&["info", "/nowhere"]).status.code(), Some(66));
    assert!(store(&["index", out]).status.success());
}
