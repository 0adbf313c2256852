//! Sweeps that are killed, damaged, doubled and starved: nothing is lost, and the numbers are those of an undisturbed run.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use babelscope::run::Run;
use babelscope_probes::align::Centring;
use rand::{Rng as _, SeedableRng as _};

#[path = "support/desk.rs"]
mod desk;

use desk::{Desk, GOLDEN, Said, snapshot};

/// Two models on four languages; `more` stands before the probes.
fn spec(name: &str, block: usize, more: &str) -> String {
    format!(
        r#"
schema = 1
name = "{name}"
[[model]]
path = "{GOLDEN}/llama"
[[model]]
path = "{GOLDEN}/qwen2"
[data]
path = "corpus"
[store]
block = {block}
{more}
[[probe]]
kind = "align"
bootstrap = 100
[[probe]]
kind = "lens"
texts = ["a cat", "zwei Vögel"]
"#
    )
}

/// Every table of every merged run of a sweep, by its path in there.
fn tables(sweep: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut tables = BTreeMap::new();
    for model in fs::read_dir(sweep.join("models")).unwrap().flatten() {
        if model.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        for (path, bytes) in snapshot(&model.path().join("tables")) {
            tables.insert(path.strip_prefix(sweep).unwrap().to_owned(), bytes);
        }
    }
    tables.insert("results.parquet".into(), fs::read(sweep.join("results.parquet")).unwrap());
    tables
}

/// The data of every shard by its path; records say when and where, so they differ.
fn shards(sweep: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = snapshot(&sweep.join("shards")).into_iter();
    let all = all.map(|(path, bytes)| (path.strip_prefix(sweep).unwrap().to_owned(), bytes));
    let data: BTreeMap<_, _> =
        all.filter(|(path, _)| path.extension().is_some_and(|e| e != "json") && !hidden(path)).collect();
    assert!(!data.is_empty(), "no shards below {}", sweep.display());
    data
}

fn hidden(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with('.'))
}

/// One file of a stage's shards.
fn a_shard(sweep: &Path, stage: &str, ending: &str) -> PathBuf {
    let found = shards(sweep)
        .into_keys()
        .find(|path| path.starts_with(format!("shards/{stage}")) && path.to_string_lossy().ends_with(ending));
    sweep.join(found.unwrap())
}

/// An undisturbed run of `spec` in a place of its own.
fn undisturbed(desk: &Desk, name: &str) -> PathBuf {
    desk.run(&["run", name, "--out", "undisturbed"]).fine();
    desk.path("undisturbed")
}

/// The same run from its start, in a process that the test may kill.
fn start(desk: &Desk, arguments: &[&str]) -> Child {
    desk.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_sweep_gives_the_tables_of_single_runs() {
    let desk = Desk::new();
    desk.write("whole.toml", spec("whole", 12, ""));
    desk.run(&["run", "whole.toml", "--out", "whole"]).fine();
    desk.write("sweep.toml", spec("sweep", 5, ""));
    undisturbed(&desk, "sweep.toml");
    for model in ["llama", "qwen2"] {
        let of_one = desk.path("whole/models").join(model);
        desk.run(&["run", of_one.join("spec.toml").to_str().unwrap(), "--out", model]).fine();
        assert_eq!(
            snapshot(&of_one.join("tables")).into_values().collect::<Vec<_>>(),
            snapshot(&desk.path(model).join("tables")).into_values().collect::<Vec<_>>(),
            "{model}"
        );
        // Blocks are batches of their own: without AMX the last bits of a state depend on its batch (docs/ARCHITECTURE.md).
        let blocks = format!("undisturbed/models/{model}");
        desk.run(&["diff", &blocks, model, "--tolerance", "1e-5"]).fine();
    }
    let again = desk.run(&["run", "sweep.toml", "--out", "undisturbed"]).fine();
    assert!(again.err.contains("0 shards computed"), "{}", again.err);
    let listed = desk.run(&["ls", "--runs", "."]).fine();
    for word in ["undisturbed/models/llama", "undisturbed/models/qwen2", "34 of 34 shards"] {
        assert!(listed.out.contains(word), "{word}: {}", listed.out);
    }
    desk.run(&["show", "undisturbed"]).fine();
    desk.run(&["verify", "undisturbed"]).fine();
}

#[test]
fn all_pairs_are_cut_by_pivot_and_equal_a_single_run() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 7, "").replace("kind = \"align\"", "kind = \"align\"\npivots = []"));
    let sweep = undisturbed(&desk, "sweep.toml");
    let of_one = sweep.join("models/llama");
    desk.run(&["run", of_one.join("spec.toml").to_str().unwrap(), "--out", "one"]).fine();
    for table in ["results.parquet", "sentences.parquet"] {
        let read = |folder: &Path| fs::read(folder.join("tables").join(table)).unwrap();
        assert_eq!(read(&of_one), read(&desk.path("one")), "{table}");
    }
}

#[test]
fn killed_twenty_times_at_random_moments_it_ends_with_the_same_bytes() {
    let desk = Desk::new();
    desk.corpus("corpus", 150);
    desk.write("sweep.toml", spec("sweep", 3, ""));
    let begun = Instant::now();
    let whole = undisturbed(&desk, "sweep.toml");
    let took = begun.elapsed();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(4);
    desk.run(&["plan", "sweep.toml", "--out", "killed"]).fine();
    let mut kills = 0;
    for _ in 0..20 {
        let mut child = start(&desk, &["resume", "killed"]);
        thread::sleep(took.mul_f64(random.random_range(0.02..0.3)));
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(kills > 0, "every resume had ended before it was killed");
    desk.run(&["resume", "killed"]).fine();
    assert_eq!(tables(&desk.path("killed")), tables(&whole));
    assert_eq!(shards(&desk.path("killed")), shards(&whole));
    assert!(desk.run(&["resume", "killed"]).fine().err.contains("0 shards computed"));
}

#[test]
fn two_at_once_publish_each_shard_once() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 2, ""));
    let whole = undisturbed(&desk, "sweep.toml");
    let twin =
        || desk.command(&["run", "sweep.toml", "--out", "twins"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    for child in [twin().unwrap(), twin().unwrap()] {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert_eq!(tables(&desk.path("twins")), tables(&whole));
    assert_eq!(shards(&desk.path("twins")), shards(&whole));
}

#[test]
fn another_spec_in_the_same_folder_is_refused_and_changes_nothing() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 5, ""));
    undisturbed(&desk, "sweep.toml");
    let before = snapshot(&desk.path("undisturbed"));
    desk.run(&["run", "sweep.toml", "--set", "probe.0.bootstrap=200", "--out", "undisturbed"])
        .refuses(73, &["another sweep", "undisturbed"]);
    assert_eq!(snapshot(&desk.path("undisturbed")), before);
    // A folder that is no sweep at all.
    desk.write("mine/notes.txt", "mine");
    desk.run(&["run", "sweep.toml", "--out", "mine"]).refuses(73, &["no sweep"]);
    assert_eq!(desk.text("mine/notes.txt"), "mine");
}

#[test]
fn a_changed_spec_redoes_only_what_changed() {
    let desk = Desk::new();
    desk.write(
        "sweep.toml",
        spec("sweep", 6, "").replace("[store]", "languages = [\"eng_Latn\", \"deu_Latn\"]\n[store]"),
    );
    desk.run(&["run", "sweep.toml"]).fine();
    // Two blocks of two languages and two models are there; the third language is new, and so are the lens's token sets.
    let more = r#"data.languages=["eng_Latn", "deu_Latn", "hin_Deva"]"#;
    let second = desk.run(&["run", "sweep.toml", "--set", more]).fine();
    // 8 of extraction and 2 of alignment.
    assert!(second.err.contains("10 shards are those of another sweep"), "{}", second.err);
    assert!(second.err.contains("10 shards computed"), "{}", second.err);
}

#[test]
fn a_damaged_shard_is_found_put_away_and_computed_again() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 6, ""));
    let whole = undisturbed(&desk, "sweep.toml");
    let good = (tables(&whole), shards(&whole));
    for (stage, ending, cut) in [
        ("extract", ".safetensors", true),
        ("extract", ".safetensors", false),
        ("align", "results.parquet", true),
        ("align", "results.parquet", false),
        ("lens", ".parquet", false),
    ] {
        let path = a_shard(&whole, stage, ending);
        let mut bytes = fs::read(&path).unwrap();
        if cut {
            bytes.pop();
        } else {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
        }
        // As a disk would do it: under the same name, behind the program's back. The run folders that were made of it go.
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::remove_dir_all(whole.join("models")).unwrap();
        fs::remove_file(whole.join("results.parquet")).unwrap();
        if !cut {
            desk.run(&["verify", "undisturbed"]).refuses(65, &["1 shards are damaged", "quarantine"]);
        }
        let resumed = desk.run(&["resume", "undisturbed"]).fine();
        assert!(resumed.err.contains("1 shards computed"), "{stage} {cut}: {}", resumed.err);
        assert_eq!((tables(&whole), shards(&whole)), good, "{stage} {cut}");
    }
    assert!(fs::read_dir(whole.join("quarantine")).unwrap().count() >= 5);
}

#[test]
fn damage_that_only_an_analysis_meets_fails_that_analysis_alone() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 6, ""));
    let whole = undisturbed(&desk, "sweep.toml");
    let good = tables(&whole);
    // One that is not the pivot's, so that others can go on: its analyses are taken away, so that they must read it.
    let plan = fs::read_to_string(whole.join("plan.jsonl")).unwrap();
    let shards: Vec<serde_json::Value> = plan.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |stage: &str, language: &str| {
        let found = shards.iter().find(|s| s["stage"] == stage && s["language"] == language && s["model"] == "llama");
        found.unwrap()["key"].as_str().unwrap().to_owned()
    };
    let (extracted, aligned) = (of("extract", "hin_Deva"), of("align", "hin_Deva"));
    let path = whole.join("shards/extract").join(&extracted[..2]).join(format!("{extracted}.safetensors"));
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 100;
    bytes[last] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::remove_file(whole.join("shards/align").join(&aligned[..2]).join(format!("{aligned}.json"))).unwrap();
    fs::remove_dir_all(whole.join("models")).unwrap();
    desk.run(&["resume", "undisturbed"]).refuses(3, &["1 shards failed", "damaged", "quarantine"]);
    desk.run(&["resume", "undisturbed"]).fine();
    assert_eq!(tables(&whole), good);
}

#[test]
fn what_a_sweep_was_planned_for_must_still_be_there() {
    let desk = Desk::new();
    desk.model("model");
    desk.write("sweep.toml", spec("sweep", 6, "").replace(&format!("{GOLDEN}/llama"), "model"));
    desk.run(&["plan", "sweep.toml", "--out", "sweep"]).fine();
    let corpus = desk.text("corpus/eng_Latn.txt");
    desk.write("corpus/eng_Latn.txt", corpus.replacen("cat", "dog", 1));
    desk.run(&["resume", "sweep"]).refuses(65, &["sentences have changed", "SHA-256"]);
    desk.write("corpus/eng_Latn.txt", corpus);
    scale(&desk.path("model"), "model.embed_tokens.weight", 1.5);
    let said = desk.run(&["resume", "sweep"]);
    let manifest: serde_json::Value = serde_json::from_str(&desk.text("sweep/sweep.json")).unwrap();
    let planned = manifest["models"][0]["info"]["weights_sha256"].as_str().unwrap().to_owned();
    said.refuses(65, &["the model model has changed", "weights", &planned]);
    desk.model("model");
    desk.run(&["resume", "sweep"]).fine();
}

/// Multiplies a tensor of a model by `factor`.
fn scale(model: &Path, tensor: &str, factor: f32) {
    let path = model.join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let parsed: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
    let found = &parsed[tensor];
    assert_eq!(found["dtype"], "F32", "{tensor}");
    let at = |i: usize| 8 + header + found["data_offsets"][i].as_u64().unwrap() as usize;
    for number in bytes[at(0)..at(1)].chunks_exact_mut(4) {
        let value = f32::from_le_bytes(number.try_into().unwrap()) * factor;
        number.copy_from_slice(&value.to_le_bytes());
    }
    fs::remove_file(&path).unwrap();
    fs::write(&path, bytes).unwrap();
}

#[test]
fn numbers_that_are_not_finite_fail_their_shards_and_name_the_layer() {
    let desk = Desk::new();
    desk.model("model");
    // Finite weights, infinite states: block 2 multiplies beyond f32.
    scale(&desk.path("model"), "model.layers.1.mlp.down_proj.weight", 1e37);
    scale(&desk.path("model"), "model.layers.1.mlp.up_proj.weight", 1e30);
    desk.write("sweep.toml", spec("sweep", 6, "").replace(&format!("{GOLDEN}/llama"), "model"));
    let said = desk.run(&["run", "sweep.toml", "--out", "sweep"]);
    said.refuses(3, &["resid_post.2", "line 1 of"]);
    let status = desk.run(&["status", "sweep"]).fine();
    assert!(status.out.contains("qwen2"), "{}", status.out);
    let counts: serde_json::Value = serde_json::from_str(&desk.run(&["status", "sweep", "--json"]).fine().out).unwrap();
    let done = |model: &str| {
        let tallies = counts["tallies"].as_array().unwrap().iter().filter(|t| t["model"] == model);
        tallies.map(|t| t["count"]["done"].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!(done("model"), 0);
    assert_eq!(done("qwen2"), 8 + 2 + 3, "the other model is whole");
    desk.run(&["merge", "sweep"]).refuses(4, &["shards are not done", "bundles of extract", "resume"]);
}

#[test]
fn f16_refuses_what_it_cannot_hold() {
    let desk = Desk::new();
    desk.model("model");
    scale(&desk.path("model"), "model.layers.0.mlp.down_proj.weight", 1e9);
    let spec = spec("sweep", 6, "dtype = \"f16\"").replace(&format!("{GOLDEN}/llama"), "model");
    desk.write("sweep.toml", spec);
    desk.run(&["run", "sweep.toml", "--out", "sweep"]).refuses(3, &["too large for f16", "layer 1", "bf16 or f32"]);
    desk.run(&["run", "sweep.toml", "--set", "store.dtype=bf16", "--out", "rounded"]).fine();
}

#[test]
fn short_memory_makes_smaller_batches_and_the_same_numbers() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 12, "tokens = true"));
    let whole = undisturbed(&desk, "sweep.toml");
    let with = |bytes: u64, out: &str| {
        Said::from(
            desk.command(&["run", "sweep.toml", "--out", out])
                .env("BABELSCOPE_MEMORY", bytes.to_string())
                .output()
                .unwrap(),
        )
    };
    with(1 << 20, "none").refuses(3, &["does not fit into memory by itself", "extract.layers"]);
    // The program itself needs some tens of MB; somewhere above it a batch fits that is not the whole.
    let halved = (25..).map(|mb: u64| (mb, format!("short{mb}"))).find_map(|(mb, out)| {
        let said = with(mb << 20, &out);
        (said.code == Some(0)).then(|| desk.path(&out))
    });
    let halved = halved.unwrap();
    nearly_the_same_states(&whole, &halved);
    for model in ["llama", "qwen2"] {
        let of = |sweep: &Path| sweep.join("models").join(model).to_str().unwrap().to_owned();
        let said = desk.run(&["diff", &of(&whole), &of(&halved), "--tolerance", "1e-5"]).fine();
        assert!(said.out.contains("The runs are equal"), "{}", said.out);
    }
}

/// Stored states of two sweeps to 1e-5 of the largest: without AMX a product over few rows adds up in another order (docs/ARCHITECTURE.md),
/// and where memory runs short differs from run to run.
#[track_caller]
fn nearly_the_same_states(a: &Path, b: &Path) {
    let (a, b) = (shards(a), shards(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    let states = |bytes: &[u8]| -> Vec<f32> {
        let header = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let (header, data) = bytes[8..].split_at(header);
        let named: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
        let layers = named.iter().filter(|(name, _)| name.starts_with("layer."));
        let at =
            |of: &serde_json::Value, end: usize| usize::try_from(of["data_offsets"][end].as_u64().unwrap()).unwrap();
        let numbers = layers.flat_map(|(_, of)| data[at(of, 0)..at(of, 1)].chunks_exact(4));
        numbers.map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    for (path, bytes) in a.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "safetensors")) {
        let (left, right) = (states(bytes), states(&b[path]));
        let largest = left.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        assert_eq!(left.len(), right.len(), "{}", path.display());
        assert!(left.iter().zip(&right).all(|(l, r)| (l - r).abs() <= 1e-5 * largest), "{}", path.display());
    }
}

#[test]
fn layouts_of_another_version_are_refused() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 6, ""));
    desk.run(&["plan", "sweep.toml", "--out", "sweep"]).fine();
    let text = desk.text("sweep/sweep.json");
    desk.write("sweep/sweep.json", text.replacen("\"schema\": 1", "\"schema\": 7", 1));
    desk.run(&["resume", "sweep"]).refuses(73, &["layout 7", "reads 1", "version that wrote it"]);
    desk.write("sweep/sweep.json", "{");
    desk.run(&["resume", "sweep"]).refuses(65, &["damaged", "sweep.json"]);
    desk.write("sweep/sweep.json", &text);
    let plan = desk.text("sweep/plan.jsonl");
    desk.write("sweep/plan.jsonl", plan.lines().skip(1).map(|l| l.to_owned() + "\n").collect::<String>());
    desk.run(&["resume", "sweep"]).refuses(65, &["plan.jsonl", "25 shards", "26"]);
    desk.run(&["resume", "nowhere"]).refuses(66, &["no sweep"]);
    desk.write("later.toml", spec("sweep", 6, "").replace("schema = 1", "schema = 2"));
    desk.run(&["run", "later.toml"]).refuses(78, &["schema", "reads 1"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_whole_shards_and_says_how_to_go_on() {
    let desk = Desk::new();
    desk.corpus("corpus", 400);
    desk.write("sweep.toml", spec("sweep", 4, ""));
    desk.run(&["plan", "sweep.toml", "--out", "sweep"]).fine();
    let child = desk.command(&["resume", "sweep"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let done = || {
        snapshot(&desk.path("sweep/shards")).keys().filter(|path| path.extension().is_some_and(|e| e == "json")).count()
    };
    while !desk.path("sweep/shards").is_dir() || done() < 3 {
        thread::sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    Said::from(child.wait_with_output().unwrap())
        .refuses(75, &["stopped", "babelscope resume sweep", "shards are done"]);
    let before = done();
    desk.run(&["resume", "sweep"]).fine();
    assert!(before >= 3);
    let counts: serde_json::Value = serde_json::from_str(&desk.run(&["status", "sweep", "--json"]).fine().out).unwrap();
    assert_eq!(counts["total"]["missing"], 0);
}

#[test]
fn bundles_done_by_separate_processes_make_the_same_sweep() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 3, "[engine]\nminutes_per_task = 0.0000001"));
    let whole = undisturbed(&desk, "sweep.toml");
    desk.run(&["plan", "sweep.toml", "--out", "cut"]).fine();
    desk.run(&["merge", "cut"]).refuses(4, &["bundles of extract: 0-"]);
    let plan = desk.text("cut/plan.jsonl");
    for stage in ["extract", "probe"] {
        let probes = stage == "probe";
        let bundles = plan.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let bundles = bundles.filter(|s| (s["stage"] == "align") == probes).map(|s| s["bundle"].as_u64().unwrap());
        let last = bundles.max().unwrap();
        assert!(last > 3, "{stage}");
        for bundle in 0..=last {
            let task = desk
                .command(&["shard", "cut", "--stage", stage])
                .env("SLURM_ARRAY_TASK_ID", bundle.to_string())
                .output();
            Said::from(task.unwrap()).fine();
        }
    }
    desk.run(&["shard", "cut", "--stage", "extract", "--bundle", "9999"]).refuses(66, &["no bundle 9999"]);
    desk.run(&["shard", "cut", "--stage", "extract"]).refuses(78, &["SLURM_ARRAY_TASK_ID"]);
    desk.run(&["merge", "cut"]).fine();
    assert_eq!(tables(&desk.path("cut")), tables(&whole));
}

#[test]
fn a_full_disk_and_a_disk_that_cannot_be_written_lose_nothing() {
    let desk = Desk::new();
    desk.corpus("corpus", 300);
    desk.write("sweep.toml", spec("sweep", 50, "tokens = true"));
    let whole = undisturbed(&desk, "sweep.toml");
    fs::create_dir_all(desk.path("disk")).unwrap();
    let Some(disk) = Disk::mount(&desk.path("disk"), "1m") else {
        // Mounting needs root; a person's own machine goes without, the project's CI does not.
        assert!(std::env::var_os("CI").is_none(), "cannot mount a small disk for this test");
        return;
    };
    // Known before anything is computed when the estimate says so; the disk of this test is larger than that, and too small.
    desk.run(&["run", "sweep.toml", "--out", "disk/sweep"]).refuses(74, &["will take about", "are free"]);
    disk.again("size=100m");
    desk.run(&["plan", "sweep.toml", "--out", "disk/sweep"]).fine();
    disk.again("size=1m");
    desk.run(&["resume", "disk/sweep"]).refuses(74, &["cannot write", "resume"]);
    let half = shards(&desk.path("disk/sweep"));
    let all = shards(&whole);
    assert!(!half.is_empty() && half.len() < all.len());
    assert!(half.iter().all(|(path, bytes)| all.get(path) == Some(bytes)));
    disk.again("size=100m,ro");
    desk.run(&["resume", "disk/sweep"]).refuses(74, &["cannot write"]);
    disk.again("size=100m,rw");
    desk.run(&["resume", "disk/sweep"]).fine();
    assert_eq!(tables(&desk.path("disk/sweep")), tables(&whole));
    assert_eq!(shards(&desk.path("disk/sweep")), all);
}

/// A disk of memory, gone with the value.
struct Disk(PathBuf);

impl Disk {
    fn mount(place: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output().ok()?;
        done.status.success().then(|| Self(place.to_owned()))
    }

    fn again(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().ok();
    }
}

#[test]
fn ten_thousand_languages_in_one_corpus() {
    let desk = Desk::new();
    // The private codes qaa to qtz, in twenty scripts.
    let scripts = "Latn Cyrl Arab Deva Thai Hebr Grek Hans Ethi Taml Beng Telu Knda Mlym Geor Armn Hang Jpan Khmr Laoo";
    let codes = scripts
        .split(' ')
        .flat_map(|script| ('a'..='t').flat_map(move |b| ('a'..='z').map(move |c| format!("q{b}{c}_{script}"))));
    desk.write("many/eng_Latn.txt", "a cat\na dog\na cow\nan ox\n");
    for (at, code) in codes.take(9_999).enumerate() {
        desk.write(&format!("many/{code}.txt"), format!("cat {at}\ndog {at}\ncow {at}\nox {at}\n"));
    }
    let model = format!("{GOLDEN}/llama");
    let said = desk.run(&[
        "align",
        "--model",
        &model,
        "--corpus",
        "many",
        "--pivot",
        "eng_Latn",
        "--layers",
        "1",
        "--bootstrap",
        "0",
        "--out",
        "run",
    ]);
    said.fine();
    let report = Run::open(&desk.path("run")).unwrap().align.unwrap();
    let raw = report.cells.iter().filter(|cell| cell.layer == 1 && cell.centring == Centring::Raw);
    assert_eq!(raw.count(), 9_999);
    for figure in fs::read_dir(desk.path("run/figures")).unwrap() {
        let figure = figure.unwrap();
        assert!(figure.metadata().unwrap().len() < 3_000_000, "{} is too large to open", figure.path().display());
    }
}

#[test]
fn progress_is_lines_of_json_on_request() {
    let desk = Desk::new();
    desk.write("sweep.toml", spec("sweep", 5, ""));
    let said = desk.run(&["run", "sweep.toml", "--progress", "json", "--out", "sweep"]).fine();
    let lines: Vec<serde_json::Value> = said.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let captured = lines.iter().rfind(|line| line["what"] == "capturing").unwrap();
    assert_eq!(captured["done"], captured["total"]);
    assert!(captured["rate"].as_f64().unwrap() > 0.0);
    let quiet = desk.run(&["run", "sweep.toml", "--progress", "off", "--out", "other"]).fine();
    assert!(!quiet.err.contains("capturing"), "{}", quiet.err);
}

#[test]
fn the_schema_of_specs_knows_every_key_and_refuses_others() {
    let desk = Desk::new();
    let schema: serde_json::Value = serde_json::from_str(&desk.run(&["schema"]).fine().out).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
    for key in ["schema", "name", "seed", "model", "data", "extract", "store", "engine", "probe"] {
        assert!(keys.contains(&key), "{key} is not among {keys:?}");
    }
    assert_eq!(schema["additionalProperties"], false);
}
