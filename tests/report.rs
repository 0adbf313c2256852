//! What a person reads when the runs are done: the page, the difference of two runs, the list, the merged tables; through the real binary.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use babelscope::{
    merged::{self, Merging},
    run::Run,
};
use serde_json::Value;
use tempfile::TempDir;

const LLAMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/models/llama");
const ATTACK: &str = "<script>alert(1)</script>\"'\u{202E}";
const IMAGE: &str = "<img src=x onerror=alert(2)>&lt;";

/// A folder with a small corpus, of which two lines are an attack on the page: two equal ones never find each other, so they are shown.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let corpus = desk.path("corpus");
        fs::create_dir(&corpus).unwrap();
        for (code, sentence) in [("eng_Latn", "a cat sees # birds"), ("hin_Deva", "# पक्षी हैं"), ("arb_Arab", "# طيور")]
        {
            let line = |i: usize| {
                if i == 3 || i == 4 { format!("{ATTACK} {code}") } else { sentence.replace('#', &(i * 37).to_string()) }
            };
            fs::write(corpus.join(format!("{code}.txt")), (0..8).map(|i| line(i) + "\n").collect::<String>()).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the program; standard output, standard error, exit code.
    fn say(&self, arguments: &[&str]) -> (String, String, i32) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_babelscope"));
        let output = command.args(arguments).current_dir(self.0.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr), output.status.code().unwrap())
    }

    #[track_caller]
    fn fine(&self, arguments: &[&str]) -> String {
        let (out, err, code) = self.say(arguments);
        assert_eq!(code, 0, "{out}{err}");
        out
    }

    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let (out, err, found) = self.say(arguments);
        assert_eq!(found, code, "{out}{err}");
        for word in words {
            assert!(err.contains(word), "expected {word:?} in {err}");
        }
    }

    /// A run of the alignment probe into `out`.
    #[track_caller]
    fn align(&self, out: &str, more: &[&str]) {
        let model = ["align", "--model", LLAMA, "--corpus", "corpus", "--bootstrap", "100", "--out", out];
        self.fine(&[&model, more].concat());
    }

    fn lens(&self, out: &str) {
        self.fine(&["lens", "--model", LLAMA, "--corpus", "corpus", "--text", IMAGE, "--text", "पक्षी हैं", "--out", out]);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// Names of the tags of a page, in order; a tag begins with `<` and a letter, and nothing else does.
fn tags(page: &str) -> Vec<&str> {
    let named = |rest: &'_ str| rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    page.split('<')
        .skip(1)
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
        .map(|rest| &rest[..named(rest)])
        .collect()
}

#[test]
fn a_corpus_that_holds_markup_is_shown_and_stays_inert() {
    let desk = Desk::new();
    desk.align("run", &[]);
    desk.lens("lens");
    let shown = ["&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;", "&lt;img src=x onerror=alert(2)&gt;&amp;lt;"];
    for ((run, heading), shown) in [("run", "Alignment"), ("lens", "Logit lens")].into_iter().zip(shown) {
        let page = desk.text(&format!("{run}/report.html"));
        assert!(page.contains(shown), "the sentence is shown as it is");
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{run}");
        // One script, the page's own, named by the policy; nothing else runs and nothing is fetched.
        assert_eq!(tags(&page).iter().filter(|tag| **tag == "script").count(), 1);
        let known: BTreeSet<&str> = "html head meta title style body main section nav a h1 h2 h3 h4 p ul li div table caption thead tbody tr th td small \
             span bdi figure img figcaption details summary pre code dl dt dd script"
            .split_whitespace()
            .collect();
        let odd: Vec<_> =
            tags(page.split("<script>").next().unwrap()).into_iter().filter(|tag| !known.contains(tag)).collect();
        assert_eq!(odd, Vec::<&str>::new());
        assert!(page.contains("script-src &#39;sha256-") && page.contains("default-src &#39;none&#39;"));
        for word in ["src=\"http", "href=\"http", "@import", "url(http"] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains(&format!(">{heading}</h2>")) && page.contains("For the paper"));
        assert!(page.contains("data:image/png;base64,") && page.contains("alt=\""));
        let manifest: Value = serde_json::from_str(&desk.text(&format!("{run}/manifest.json"))).unwrap();
        let listed = manifest["files"].as_array().unwrap().iter().any(|f| f["path"] == "report.html");
        assert!(listed, "the page is hashed with the rest of the run");
        Run::open(&desk.path(run)).unwrap();
    }
    let page = desk.text("run/report.html");
    for piece in [
        "<bdi lang=\"arb-Arab\" dir=\"rtl\">",
        "<bdi lang=\"hin-Deva\" dir=\"ltr\">",
        "Modern Standard Arabic (arb_Arab)",
        "There are 8 sentences",
        "[[probe]]",
        "docs/methods/mexa.md",
    ] {
        assert!(page.contains(piece), "{piece}");
    }
}

#[test]
fn a_report_replaces_only_reports() {
    let desk = Desk::new();
    desk.align("run", &[]);
    let whole = desk.text("run/report.html");
    // What belongs to the run stays: its hash is in the manifest.
    assert!(desk.fine(&["report", "run"]).contains("report.html"));
    for file in ["run/report.html", "run/spec.toml", "run/manifest.json"] {
        desk.refused(&["report", "run", "--out", file], 73, &["choose another name"]);
    }
    assert_eq!(desk.text("run/report.html"), whole);
    desk.fine(&["report", "run", "--out", "page.html"]);
    desk.fine(&["report", "run", "--out", "page.html"]);
    fs::write(desk.path("mine.html"), "<html>my own page</html>").unwrap();
    desk.refused(&["report", "run", "--out", "mine.html"], 73, &["is there already", "mine.html"]);
    assert_eq!(desk.text("mine.html"), "<html>my own page</html>");
    desk.refused(&["report", "run", "--out", "nowhere/page.html"], 74, &["nowhere"]);
    desk.refused(&["report", "corpus"], 66, &["is no run"]);
    fs::write(desk.path("run/tables/results.parquet"), "x").unwrap();
    desk.refused(&["report", "run", "--out", "late.html"], 65, &["damaged", "results.parquet"]);
}

#[test]
fn a_sweep_has_a_section_for_each_model_and_a_comparison_of_equals() {
    let desk = Desk::new();
    desk.align("sweep/models/one", &[]);
    desk.align("sweep/models/two", &["--dtype", "bf16"]);
    fs::write(
        desk.path("sweep/spec.toml"),
        "[[model]]\npath = \"a\"\n[[model]]\npath = \"b\"\n[[model]]\npath = \"c\"\n",
    )
    .unwrap();
    fs::create_dir(desk.path("sweep/failed")).unwrap();
    fs::write(desk.path("sweep/failed/ab12.1.json"), "{}").unwrap();
    desk.fine(&["report", "sweep"]);
    let page = desk.text("sweep/report.html");
    for words in [
        "side by side",
        "names 3 models, and only 2",
        "1 shards failed",
        "id=\"m1-align\"",
        "id=\"m2-align\"",
        "Mean over languages",
    ] {
        assert!(page.contains(words), "{words}");
    }
    desk.fine(&["report", "sweep"]);
    // Fewer sentences: other rivals, so the numbers may not stand side by side.
    fs::remove_dir_all(desk.path("sweep/models/two")).unwrap();
    fs::write(desk.path("spec.toml"), desk.fine(&["align", "--model", LLAMA, "--corpus", "corpus", "--print-spec"]))
        .unwrap();
    desk.fine(&["run", "spec.toml", "--set", "data.limit=6", "--out", "sweep/models/two"]);
    desk.fine(&["report", "sweep", "--out", "other.html"]);
    assert!(desk.text("other.html").contains("No numbers are compared"));
}

#[test]
fn two_runs_are_compared_in_settings_and_in_every_number() {
    let desk = Desk::new();
    desk.align("a", &[]);
    copy(&desk.path("a"), &desk.path("copy"));
    desk.align("again", &["--name", "again"]);
    desk.align("half", &["--dtype", "bf16"]);
    for same in ["a", "copy", "again"] {
        assert!(desk.fine(&["diff", "a", same]).contains("The runs are equal"));
    }
    let json = |a: &str, b: &str, more: &[&str]| {
        let (out, err, code) = desk.say(&[&["diff", a, b, "--json"], more].concat());
        assert!(err.is_empty(), "{err}");
        (serde_json::from_str::<Value>(&out).unwrap(), code)
    };
    let (there, code) = json("a", "half", &[]);
    assert_eq!(code, 1);
    let keys: Vec<&str> = there["settings"].as_array().unwrap().iter().map(|s| s["key"].as_str().unwrap()).collect();
    assert!(keys.contains(&"model.compute_dtype") && keys.contains(&"model.0.dtype"), "{keys:?}");
    let of = |diff: &Value, metric: &str| {
        diff["metrics"].as_array().unwrap().iter().find(|m| m["metric"] == metric).unwrap().clone()
    };
    let cosine = of(&there, "sentence cosine");
    assert!(cosine["different"].as_u64().unwrap() > 0 && cosine["largest"].as_f64().unwrap() > 0.0);
    assert!(cosine["place"].as_str().unwrap().contains("layer"));
    // Exchanged, the same distance; within a wide tolerance the numbers are equal and the settings still are not.
    let (back, _) = json("half", "a", &[]);
    assert_eq!(of(&back, "sentence cosine"), cosine);
    let (wide, code) = json("a", "half", &["--tolerance", "10"]);
    assert!(wide["metrics"].as_array().unwrap().iter().all(|m| m["different"] == 0) && code == 1);
    desk.refused(&["diff", "a", "half", "--tolerance=-1"], 78, &["zero or more"]);
    desk.refused(&["diff", "a", "corpus"], 66, &["is no run"]);
}

#[test]
fn the_list_of_runs_shows_what_fits() {
    let desk = Desk::new();
    desk.align("runs/alpha", &["--name", "alpha"]);
    desk.lens("runs/beta");
    let listed = |more: &[&str]| desk.fine(&[&["ls"], more].concat());
    assert!(listed(&[]).contains("alpha") && listed(&[]).contains("beta"));
    for (filter, found) in [
        (["--name", "ALPHA"], [true, false]),
        (["--probe", "lens"], [false, true]),
        (["--language", "arabic"], [true, true]),
        (["--model", "golden/models/llama"], [true, true]),
        (["--since", "2d"], [true, true]),
        (["--since", "2999-01-01"], [false, false]),
        (["--language", "tha_Thai"], [false, false]),
    ] {
        let out = listed(&filter);
        assert_eq!([out.contains("alpha"), out.contains("beta")], found, "{filter:?}");
    }
    let (out, err, _) = desk.say(&["ls", "--name", "nobody"]);
    assert!(out.is_empty() && err.contains("none of the 2 runs"), "{out}{err}");
    let lines = listed(&["--json", "--name", "alpha"]);
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(line["manifest"]["name"], "alpha");
    desk.refused(&["ls", "--since", "yesterday"], 78, &["no time"]);
    desk.refused(&["ls", "--probe", "cka"], 78, &["align and lens"]);
}

#[test]
fn results_of_many_runs_are_one_table() {
    let desk = Desk::new();
    desk.align("runs/first", &[]);
    desk.align("runs/second", &["--dtype", "bf16"]);
    desk.lens("runs/third");
    desk.fine(&["results", "runs", "--out", "all.parquet"]);
    desk.fine(&["results", "runs/first", "runs/second", "--out", "all.csv"]);
    // Every value of every run, in order, once.
    let csv = desk.text("all.csv");
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("run,identity,model,revision,language,pivot,layer,"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let mut expected = Vec::new();
    for name in ["first", "second"] {
        let run = Run::open(&desk.path(&format!("runs/{name}"))).unwrap();
        for cell in &run.align.unwrap().cells {
            for value in [
                cell.mexa.value,
                cell.recall_from_pivot.value,
                cell.recall_to_pivot.value,
                cell.cosine_gap,
                cell.cosine_wrong,
            ] {
                expected.push((name.to_owned(), run.manifest.identity.clone(), cell.language.clone(), value));
            }
        }
    }
    let found: Vec<_> = rows
        .iter()
        .map(|r| (r[0].to_owned(), r[1].to_owned(), r[4].to_owned(), r[11].parse::<f64>().unwrap()))
        .collect();
    assert_eq!(found, expected);
    // A file that is there is never written over, and no draft is left.
    desk.refused(&["results", "runs", "--out", "all.csv"], 73, &["all.csv"]);
    desk.refused(&["results", "runs", "--out", "all.xlsx"], 78, &[".parquet or .csv"]);
    desk.refused(&["results", "runs/third", "--out", "none.csv"], 66, &["none of these runs"]);
    desk.refused(&["results", "corpus", "--out", "none.csv"], 66, &["no run here"]);
    copy(&desk.path("runs/first"), &desk.path("runs/twice"));
    desk.refused(&["results", "runs", "--out", "twice.csv"], 65, &["the same run", "twice"]);
    let names: Vec<String> =
        fs::read_dir(desk.0.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.contains("partial") && !name.contains("twice")), "{names:?}");
}

#[test]
fn tables_of_another_version_are_not_merged() {
    let desk = Desk::new();
    desk.align("first", &[]);
    desk.align("second", &["--dtype", "bf16"]);
    // The sentences' table stands for one with other columns, hash and all.
    fs::copy(desk.path("second/tables/sentences.parquet"), desk.path("second/tables/results.parquet")).unwrap();
    let mut manifest: Value = serde_json::from_str(&desk.text("second/manifest.json")).unwrap();
    let files = manifest["files"].as_array_mut().unwrap();
    let other = files.iter().find(|f| f["path"] == "tables/sentences.parquet").unwrap().clone();
    let file = files.iter_mut().find(|f| f["path"] == "tables/results.parquet").unwrap();
    (file["bytes"], file["blake3"]) = (other["bytes"].clone(), other["blake3"].clone());
    fs::write(desk.path("second/manifest.json"), manifest.to_string()).unwrap();
    let refused =
        merged::write(&[desk.path("first"), desk.path("second")], Merging::Results, &desk.path("all.parquet"))
            .unwrap_err()
            .to_string();
    for words in ["other columns", "metric Utf8", "hit Boolean", "second"] {
        assert!(refused.contains(words), "{refused}");
    }
    assert!(!desk.path("all.parquet").exists());
}
