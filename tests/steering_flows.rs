//! Vectors, comparisons and patching through the real binary: what is written, what comes back, and what is refused.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::fs;

use babelscope::{run::Run, spec::RunSpec, vectors};

#[path = "support/desk.rs"]
mod desk;

use desk::{Desk, GOLDEN};

const LAB: [&str; 6] = ["--model", "lab", "--corpus", "lab", "--languages", "eng_Latn,spa_Latn,qis_Latn"];

fn train(desk: &Desk, out: &str) -> String {
    let arguments =
        [&["vector", "train"][..], &LAB, &["--target", "spa_Latn", "--set", "bootstrap=100", "--out", out]].concat();
    let said = desk.run(&arguments).fine();
    assert!(said.out.contains("orders rightly"), "{}", said.out);
    let name = "eng_Latn-to-spa_Latn-diff_mean.safetensors";
    desk.path(&format!("{out}/tensors/vector/{name}")).to_str().unwrap().to_owned()
}

#[test]
fn a_vector_is_trained_shown_exported_and_applied() {
    let desk = Desk::new();
    let file = train(&desk, "run");
    let run = Run::open(&desk.path("run")).unwrap();
    let vector = vectors::read(file.as_ref()).unwrap();
    assert_eq!(run.detailed("vector").unwrap().vectors, std::slice::from_ref(&vector));
    assert_eq!(vector.card.weights_sha256, run.manifest.model.weights_sha256);
    assert_eq!(vector.card.data_sha256, run.manifest.corpus.sha256);
    assert_eq!((vector.card.positive.as_str(), vector.card.negative.as_str()), ("spa_Latn", "eng_Latn"));

    let shown = desk.run(&["vector", "show", &file]).fine();
    assert!(shown.out.contains("spa_Latn") && shown.out.contains("diff_mean"), "{}", shown.out);
    let export = |layers: &str, out: &str| {
        desk.run(&["vector", "export", &file, "--format", "gguf", "--layers", layers, "--out", out])
    };
    export("2,3", "v.gguf").fine();
    let back = vectors::read(&desk.path("v.gguf")).unwrap();
    assert_eq!(back.layers.keys().copied().collect::<Vec<_>>(), [2, 3]);
    assert_eq!(back.layers[&2], vector.layers[&2]);
    export("2", "v.gguf").refuses(73, &["v.gguf"]);
    export("0", "w.gguf").refuses(65, &["the embeddings"]);
    export("9", "w.gguf").refuses(65, &["no direction for layer 9"]);

    let compare = |more: &[&str]| {
        desk.run(&[&["compare"][..], &LAB, &["--text", "Anna lives in", "--vector", &file], more].concat())
    };
    let said = compare(&["--layer", "2", "--strength", "1", "--out", "compared"]).fine();
    for arm in ["none", "steered", "random"] {
        assert!(said.out.contains(arm), "{}", said.out);
    }
    let compared = Run::open(&desk.path("compared")).unwrap();
    assert_eq!(compared.detailed("compare").unwrap().compared[0].answers.len(), 3);
    let page = fs::read_to_string(desk.path("compared/report.html")).unwrap();
    assert!(page.contains("Answers side by side"));
    compare(&["--layer", "9", "--strength", "1"]).refuses(65, &["no direction for layer 9"]);
    compare(&["--layer", "2", "--strength", "1e30"]).refuses(65, &["overflows"]);
    let printed = compare(&["--layer", "2", "--strength", "-0.5", "--print-spec"]).fine().out;
    assert!(RunSpec::parse(&printed).unwrap().to_toml().unwrap().contains("strength = -0.5"));
}

#[test]
fn strength_zero_gives_the_plain_answer_in_every_column() {
    let desk = Desk::new();
    let arguments =
        ["compare", "--text", "Anna lives in", "--source", "eng_Latn", "--target", "spa_Latn", "--layer", "2"];
    desk.run(&[&arguments[..], &LAB, &["--strength", "0", "--out", "zero"]].concat()).fine();
    let run = Run::open(&desk.path("zero")).unwrap();
    let answers = &run.detailed("compare").unwrap().compared[0].answers;
    assert!(answers.iter().all(|answer| answer.ids == answers[0].ids), "{answers:?}");
}

#[test]
fn a_vector_of_another_model_needs_to_be_told_so() {
    let desk = Desk::new();
    let file = train(&desk, "run");
    let golden = format!("{GOLDEN}/llama");
    let arguments =
        ["compare", "--model", &golden, "--corpus", "corpus", "--text", "a", "--vector", &file, "--layer", "1"];
    desk.run(&[&arguments[..], &["--strength", "1"]].concat()).refuses(65, &["residual stream"]);
    fs::write(desk.path("broken.safetensors"), "nothing").unwrap();
    let broken = ["compare", "--text", "a", "--vector", "broken.safetensors", "--layer", "1", "--strength", "1"];
    desk.run(&[&broken[..], &LAB].concat()).refuses(65, &["broken.safetensors"]);
}

#[test]
fn pairs_make_a_vector_and_bad_pairs_are_named() {
    let desk = Desk::new();
    let line = |who: &str| {
        format!("{{\"positive\": \"{who} lives in the village.\", \"negative\": \"{who} lives in the city.\"}}\n")
    };
    let good: String = ["Anna", "Peter", "Mary", "John"].map(line).concat();
    let pairs = |text: &str, more: &[&str]| {
        desk.write("pairs.jsonl", text);
        let arguments = [
            "vector",
            "train",
            "--pairs",
            "pairs.jsonl",
            "--layers",
            "1,2",
            "--set",
            "bootstrap=0",
            "--set",
            "positive=village",
        ];
        desk.run(&[&arguments[..], &LAB, &["--set", "negative=city"], more].concat())
    };
    pairs(&good, &["--out", "village"]).fine();
    let run = Run::open(&desk.path("village")).unwrap();
    assert_eq!(run.detailed("vector").unwrap().vectors[0].card.positive, "village");
    let asked = |who: &str| {
        format!(
            "{{\"question\": \"{who} lives in the\", \"answer_matching_behavior\": \"village\", \"answer_not_matching_behavior\": \"city\"}}\n"
        )
    };
    let questions: String = ["Anna", "Peter", "Mary", "John"].map(asked).concat();
    pairs(&questions, &["--out", "asked"]).fine();
    let run = Run::open(&desk.path("asked")).unwrap();
    let rows: Vec<_> = run.probed("vector").unwrap().metric("steerability").collect();
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.value.is_some() && row.n == 2), "{rows:?}");
    pairs("", &["--out", "x"]).refuses(65, &["pair"]);
    pairs("{\"positive\": \"a\"}\n", &["--out", "x"]).refuses(65, &["line 1"]);
    let alike = "{\"positive\": \"Anna lives.\", \"negative\": \"Anna lives.\"}\n".to_owned() + &good;
    pairs(&alike, &["--out", "x"]).refuses(65, &["line 1"]);
    assert!(!desk.path("x").exists());
}

#[test]
fn patching_shows_both_runs_and_refuses_what_does_not_fit() {
    let desk = Desk::new();
    let patch = |clean: &str, answer: &str, more: &[&str]| {
        let arguments =
            ["patch", "--model", "lab", "--clean", clean, "--corrupt", "Peter lives in the", "--answer", answer];
        desk.run(&[&arguments[..], &["--wrong", "city", "--language", "eng_Latn"], more].concat())
    };
    let said = patch("Anna lives in the", "village", &["--out", "patched"]).fine();
    assert!(said.out.contains("clean") && said.out.contains("corrupt"), "{}", said.out);
    let run = Run::open(&desk.path("patched")).unwrap();
    let patched = &run.detailed("patch").unwrap().patched[0];
    assert!(!patched.panels.is_empty());
    assert!(fs::read_dir(desk.path("patched/figures")).unwrap().count() >= 2 * patched.panels.len());
    patch("Anna lives in", "village", &[]).refuses(65, &["tokens"]);
    patch("Anna lives in the", "city", &[]).refuses(65, &["city"]);
    desk.write(
        "p.toml",
        "schema = 1\nname = \"p\"\n[[model]]\npath = \"lab\"\n[[probe]]\nkind = \"patch\"\nexperiment = \"grdi\"\n",
    );
    desk.run(&["validate", "p.toml"]).refuses(78, &["grdi"]);
}
