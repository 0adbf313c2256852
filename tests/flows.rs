//! What a person does with the program, through the real binary: runs, refusals, interruptions.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

use babelscope::{
    run::{Run, Workbench},
    spec::{ModelSpec, ProbeSpec, RunSpec},
};
use babelscope_core::monitor::Monitor;
use babelscope_probes::align::AlignParams;

#[path = "support/desk.rs"]
mod desk;
#[expect(unreachable_pub, reason = "shared with the tests of another package")]
#[path = "support/hub_server.rs"]
mod hub_server;

use desk::{Desk, GOLDEN, Said, snapshot};
use hub_server::{COMMIT, HubServer, ID};

fn tables(run: &Path) -> Vec<Vec<u8>> {
    snapshot(&run.join("tables")).into_values().collect()
}

#[test]
fn the_demo_runs_from_nothing_and_is_only_shown_the_second_time() {
    let desk = Desk::new();
    let first = desk.run(&[]).fine();
    for word in ["MEXA", "eng_Latn", "spa_Latn", "Lens", "Run folder", "babelscope-gui -- runs/demo-"] {
        assert!(first.out.contains(word), "{word:?} is not in {}", first.out);
    }
    let folder = desk.only_run();
    for file in ["manifest.json", "spec.toml", "log.txt", "tables/results.parquet", "tables/lens_cells.parquet"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    let pictures = fs::read_dir(folder.join("figures")).unwrap().count();
    assert!(pictures >= 4, "{pictures} figures");
    let before = snapshot(&folder);
    let second = desk.run(&[]).fine();
    assert!(second.err.contains("already done"), "{}", second.err);
    assert_eq!(second.out, first.out);
    assert_eq!(snapshot(&folder), before);
    assert_eq!(desk.run(&["show", folder.to_str().unwrap()]).fine().out.lines().count(), first.out.lines().count());
    assert!(desk.run(&["ls"]).fine().out.contains("demo-"));
}

#[test]
fn what_was_computed_is_what_is_read_back() {
    let desk = Desk::new();
    let probes = vec![
        ProbeSpec::Align(AlignParams {
            pivots: vec!["eng_Latn".into(), "hin_Deva".into()],
            bootstrap: 100,
            ..AlignParams::default()
        }),
        ProbeSpec::lens(vec!["पक्षी 3".into(), "a bird".into()]),
    ];
    let mut spec = RunSpec::new("both", ModelSpec::new(format!("{GOLDEN}/llama")), probes);
    spec.data.path = desk.path("corpus").to_str().unwrap().to_owned();
    let mut bench = Workbench::new(desk.path("runs"));
    let done = bench.execute(&spec, &Monitor::silent()).unwrap();
    assert!(!done.already_done);
    let opened = Run::open(&done.run.folder).unwrap();
    // Not assert_eq!: the difference would be megabytes.
    assert!(opened == done.run);
    assert_eq!(opened.lens.len(), 2);
    assert_eq!(opened.align.unwrap().cells.len(), 2 * 3 * opened.manifest.capture.layers.len() * 2);
    let again = bench.execute(&spec, &Monitor::silent()).unwrap();
    assert!(again.already_done);
    assert!(again.run == done.run);
}

#[test]
fn a_run_is_repeated_exactly_by_its_own_spec() {
    let desk = Desk::new();
    desk.align(&["--languages", "eng_Latn,hin_Deva,deu_Latn", "--limit", "9", "--pooling", "weighted", "--seed", "3"])
        .fine();
    let run = desk.only_run();
    // From elsewhere, into another folder: neither is part of what determines the result.
    let spec = run.join("spec.toml");
    let elsewhere = desk.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = desk.command(&["run", spec.to_str().unwrap(), "--out", "copy"]);
    Said::from(command.current_dir(&elsewhere).output().unwrap()).fine();
    let copy = elsewhere.join("copy");
    assert_eq!(tables(&copy), tables(&run));
    assert_eq!(fs::read(copy.join("spec.toml")).unwrap(), fs::read(&spec).unwrap());
    let identity = |run: &Path| Run::open(run).unwrap().manifest.identity;
    assert_eq!(identity(&copy), identity(&run));
}

#[test]
fn the_same_spec_twice_is_one_run_and_another_spec_is_another() {
    let desk = Desk::new();
    desk.align(&[]).fine();
    let before = snapshot(&desk.path("runs"));
    let again = desk.align(&[]).fine();
    assert!(again.err.contains("already done"), "{}", again.err);
    assert_eq!(snapshot(&desk.path("runs")), before);
    for (count, change) in
        [(2, ["--seed", "1"]), (3, ["--limit", "11"]), (4, ["--layers", "0,2"]), (5, ["--pooling", "last"])]
    {
        desk.align(&change).fine();
        assert_eq!(desk.visible("runs").len(), count, "{change:?}");
    }
}

#[test]
fn a_folder_that_is_there_is_never_written_to() {
    let desk = Desk::new();
    desk.write("mine/thesis.tex", "years of work");
    desk.align(&["--out", "mine"]).refuses(73, &["mine"]);
    assert_eq!(desk.text("mine/thesis.tex"), "years of work");

    desk.align(&["--out", "first"]).fine();
    let before = snapshot(&desk.path("first"));
    desk.align(&["--out", "first", "--seed", "1"]).refuses(73, &["another run", "first"]);
    assert_eq!(snapshot(&desk.path("first")), before);
    desk.align(&["--out", "first"]).fine();
    assert_eq!(snapshot(&desk.path("first")), before);
}

#[test]
fn a_damaged_run_is_refused_and_left_as_it_is() {
    let desk = Desk::new();
    desk.align(&["--out", "run"]).fine();
    let table = "run/tables/results.parquet";
    let whole = fs::read(desk.path(table)).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (damage, word) in [(&whole[..whole.len() - 1], "bytes"), (&flipped, "other content")] {
        desk.write(table, damage);
        let before = snapshot(&desk.path("run"));
        desk.run(&["show", "run"]).refuses(65, &["damaged", "results.parquet", word]);
        desk.align(&["--out", "run"]).refuses(65, &["damaged"]);
        assert_eq!(snapshot(&desk.path("run")), before);
    }
    fs::remove_file(desk.path(table)).unwrap();
    desk.run(&["show", "run"]).refuses(65, &["results.parquet is missing"]);
    desk.write("run/manifest.json", "{\"schema\": 7}");
    desk.run(&["show", "run"]).refuses(65, &["layout 7"]);
    desk.run(&["show", "nowhere"]).refuses(66, &["nowhere"]);
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    let desk = Desk::new();
    let spec =
        "schema = 1\nname = \"x\"\n[[model]]\npath = \"lab\"\n[[probe]]\nkind = \"align\"\npivot = [\"eng_Latn\"]\n";
    desk.write("spec.toml", spec);
    for command in ["validate", "run"] {
        desk.run(&[command, "spec.toml"]).refuses(78, &["line 7", "`probe.pivot`", "did you mean `pivots`"]);
    }
    desk.write("spec.toml", spec.replace("pivot =", "pivots ="));
    let good = desk.run(&["validate", "spec.toml"]).fine();
    assert!(good.out.contains("bootstrap = 1000"), "{}", good.out);
    desk.run(&["run", "spec.toml", "--set", "data.limt=3"]).refuses(78, &["`limit`"]);
    desk.run(&["run", "nothing.toml"]).refuses(66, &["nothing.toml"]);
}

#[test]
fn the_printed_spec_is_the_run() {
    let desk = Desk::new();
    let spec = desk.align(&["--layers", "0,1", "--print-spec"]).fine().out;
    assert!(desk.visible("runs").is_empty());
    desk.write("spec.toml", spec);
    desk.run(&["run", "spec.toml"]).fine();
    let again = desk.align(&["--layers", "0,1"]).fine();
    assert!(again.err.contains("already done"), "{}", again.err);
}

#[test]
fn bad_corpora_are_refused_with_a_sentence() {
    let desk = Desk::new();
    let model = format!("{GOLDEN}/llama");
    let align =
        |corpus: &str, more: &[&str]| desk.run(&[&["align", "--model", &model, "--corpus", corpus], more].concat());
    align("nowhere", &[]).refuses(66, &["nowhere"]);

    desk.corpus("short", 5);
    desk.write("short/deu_Latn.txt", "eins\nzwei\ndrei\nvier\n");
    align("short", &[]).refuses(65, &["deu_Latn", "4", "5"]);

    fs::create_dir(desk.path("empty")).unwrap();
    align("empty", &[]).refuses(65, &["empty"]);

    desk.corpus("odd", 5);
    desk.write("odd/klingon.txt", "1\n2\n3\n4\n5\n");
    align("odd", &[]).refuses(65, &["klingon"]);

    align("corpus", &["--languages", "eng_Latn,deu_Latm"]).refuses(78, &["deu_Latm", "deu_Latn"]);
    align("corpus", &["--pivot", "eng_Lat"]).refuses(78, &["eng_Lat", "eng_Latn"]);
    align("corpus", &["--limit", "13"]).refuses(78, &["13", "12"]);
    align("corpus", &["--limit", "1"]).refuses(65, &["sentences"]);
    align("corpus", &["--layers", "0,99"]).refuses(78, &["layer 99"]);
    assert!(desk.visible("runs").is_empty(), "no run folder is left by a refusal");
}

#[test]
fn bad_models_are_refused_with_a_sentence() {
    let desk = Desk::new();
    let align = |model: &str| desk.run(&["align", "--model", model, "--corpus", "corpus"]);
    align("./nowhere").refuses(66, &["nowhere"]);

    desk.model("json");
    desk.write("json/config.json", "{\"model_type\": \"llama\",");
    align("json").refuses(65, &["config.json"]);

    desk.model("odd");
    desk.write(
        "odd/config.json",
        desk.text("odd/config.json").replace("llama", "perceptron").replace("Llama", "Perceptron"),
    );
    align("odd").refuses(65, &["perceptron", "llama"]);

    desk.model("cut");
    let weights = fs::read(desk.path("cut/model.safetensors")).unwrap();
    desk.write("cut/model.safetensors", &weights[..weights.len() - 1]);
    align("cut").refuses(65, &["model.safetensors"]);
    desk.write("cut/model.safetensors", &weights[..20]);
    align("cut").refuses(65, &["model.safetensors"]);

    desk.model("nan");
    let mut weights = weights;
    // The last four bytes are the last number of the last tensor.
    let at = weights.len() - 4;
    weights[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    desk.write("nan/model.safetensors", &weights);
    align("nan").refuses(65, &["NaN"]);

    desk.model("bare");
    fs::remove_file(desk.path("bare/tokenizer.json")).unwrap();
    align("bare").refuses(66, &["tokenizer.json"]);
    assert!(desk.visible("runs").is_empty(), "no run folder is left by a refusal");
}

#[test]
fn a_sentence_longer_than_the_context_is_named() {
    let desk = Desk::new();
    let long = "word ".repeat(2000);
    let lines: Vec<String> = desk.text("corpus/deu_Latn.txt").lines().map(str::to_owned).collect();
    let longer = lines.iter().enumerate().map(|(at, l)| if at == 6 { long.clone() } else { l.clone() } + "\n");
    desk.write("corpus/deu_Latn.txt", longer.collect::<String>());
    desk.align(&[]).refuses(65, &["line 7", "deu_Latn"]);
}

/// A run that takes long, and is known to be under way once its draft is there.
#[cfg(unix)]
fn interrupted(desk: &Desk, signals: &[&str]) -> Said {
    use std::process::Stdio;

    desk.corpus("large", 4000);
    let model = format!("{GOLDEN}/llama");
    let mut command =
        desk.command(&["align", "--model", &model, "--corpus", "large", "--pivot", "all", "--bootstrap", "1000"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while fs::read_dir(desk.path("runs")).map_or(0, Iterator::count) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    for signal in signals {
        assert!(Command::new("kill").args([*signal, &child.id().to_string()]).status().unwrap().success());
    }
    Said::from(child.wait_with_output().unwrap())
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_nothing() {
    let desk = Desk::new();
    let said = interrupted(&desk, &["-INT"]);
    said.refuses(75, &["nothing half-written is left"]);
    assert_eq!(fs::read_dir(desk.path("runs")).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_run_and_stands_in_nobodys_way() {
    let desk = Desk::new();
    let said = interrupted(&desk, &["-KILL"]);
    assert_eq!(said.code, None);
    assert!(desk.visible("runs").is_empty());
    assert!(desk.run(&["ls"]).fine().err.contains("no runs"));
    desk.align(&[]).fine();
    assert_eq!(desk.visible("runs").len(), 1);
}

#[test]
fn a_place_that_cannot_be_written_to_is_found_before_the_work() {
    let desk = Desk::new();
    desk.write("file", "not a folder");
    desk.align(&["--out", "file/run"]).refuses(74, &["cannot write"]);
}

#[test]
fn a_model_is_fetched_from_the_hub_and_then_loads_without_it() {
    let desk = Desk::new();
    let mut files = BTreeMap::new();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        files.insert(name.to_owned(), fs::read(Path::new(GOLDEN).join("llama").join(name)).unwrap());
    }
    let server = HubServer::start(files, &[]);
    server.world().token = Some("hf_right");
    let run = |arguments: &[&str], more: &[(&str, &str)]| {
        let mut command = desk.command(arguments);
        command.env("HF_HOME", desk.path("hf")).env("HF_ENDPOINT", server.endpoint()).env_remove("HF_HUB_CACHE");
        command.env_remove("HF_TOKEN").env_remove("HF_HUB_OFFLINE").envs(more.iter().copied());
        Said::from(command.output().unwrap())
    };
    let align = ["align", "--model", ID, "--corpus", "corpus", "--bootstrap", "0"];
    let token = [("HF_TOKEN", "hf_right")];
    run(&["get", ID], &[]).refuses(66, &["HF_TOKEN"]);
    run(&["get", ID, "--revision", "v9"], &token).refuses(66, &["no revision v9"]);
    run(&align, &[("HF_HUB_OFFLINE", "1")]).refuses(66, &["offline", "babelscope get org/tiny"]);
    server.world().cuts = vec![1000];
    let got = run(&["get", ID], &token).fine();
    for word in ["model.safetensors", " kB", "sha256:", COMMIT, "models--org--tiny"] {
        assert!(got.out.contains(word), "{word:?} is not in {}", got.out);
    }
    assert!(!got.out.contains("hf_right") && !got.err.contains("hf_right"));
    server.seen();
    run(&align, &[("HF_HUB_OFFLINE", "1")]).fine();
    run(&align, &[]).fine();
    assert_eq!(server.seen(), []);
    let manifest = fs::read_to_string(desk.only_run().join("manifest.json")).unwrap();
    assert!(manifest.contains(COMMIT));
    run(&["get", "lab"], &[]).refuses(65, &["inside the program"]);
    let one = run(&["get", ID, "--file", "config.json"], &token).fine();
    assert!(one.out.contains("config.json") && !one.out.contains("safetensors"), "{}", one.out);
}

#[test]
fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let desk = Desk::new();
    let run = |arguments: &[&str], more: &[(&str, &str)]| {
        let mut command = desk.command(arguments);
        command.env("HF_HOME", desk.path("hf")).env("HF_TOKEN", "hf_secret").envs(more.iter().copied());
        for name in ["HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "RAYON_NUM_THREADS"] {
            if more.iter().all(|(set, _)| *set != name) {
                command.env_remove(name);
            }
        }
        Said::from(command.output().unwrap())
    };
    let well = run(&["doctor"], &[]).fine();
    for word in ["check", "processor", "memory", "GPU", "model cache", "run folder", "fonts", "token from HF_TOKEN"] {
        assert!(well.out.contains(word), "{word:?} is not in {}", well.out);
    }
    assert!(!well.out.contains("hf_secret"));
    assert!(desk.visible("").iter().all(|path| path.ends_with("corpus")), "nothing is left behind");
    assert!(run(&["doctor"], &[("RAYON_NUM_THREADS", "many")]).fine().out.contains("threads (note)"));

    desk.write("file", "not a folder");
    run(&["doctor", "--runs", "file/runs"], &[]).refuses(74, &["something will fail: run folder"]);
    let wrong = run(&["doctor", "--json"], &[("HF_ENDPOINT", "hub.example")]);
    let said: serde_json::Value = serde_json::from_str(&wrong.out).unwrap();
    let hub = said["checks"].as_array().unwrap().iter().find(|check| check["check"] == "Hub").unwrap();
    assert_eq!(hub["state"], "problem");
    wrong.refuses(78, &["something will fail: Hub"]);
}

#[test]
fn a_text_is_continued_and_a_question_answered() {
    let desk = Desk::new();
    let told = |more: &[&str]| {
        desk.run(&[&["generate", "lab", "--prompt", "The cat sees", "--max-new-tokens", "8"], more].concat())
    };
    let greedy = told(&[]).fine();
    assert!(
        greedy.err.contains("8 tokens in ") && greedy.err.contains("cut off at --max-new-tokens"),
        "{}",
        greedy.err
    );
    let said: serde_json::Value = serde_json::from_str(&told(&["--json"]).fine().out).unwrap();
    assert_eq!(format!("{}\n", said["text"].as_str().unwrap()), greedy.out);
    assert_eq!(said["ids"].as_array().unwrap().len(), 8);
    assert_eq!(said["logprobs"].as_array().unwrap().len(), 8);
    assert_eq!((&said["stop"], &said["model"]["reference"]), (&"length".into(), &"lab".into()));
    let drawn = |seed| told(&["--temperature", "1.5", "--seed", seed]).fine().out;
    assert_eq!(drawn("4"), drawn("4"));
    assert_ne!(drawn("4"), drawn("5"));

    let width = said["model"]["width"].as_u64().unwrap() as usize;
    let header = format!("{{\"v\":{{\"dtype\":\"F32\",\"shape\":[{width}],\"data_offsets\":[0,{}]}}}}", 4 * width);
    let numbers = (0..width).flat_map(|i| (i as f32).sin().to_le_bytes());
    let length = (header.len() as u64).to_le_bytes();
    desk.write("v.safetensors", length.into_iter().chain(header.bytes()).chain(numbers).collect::<Vec<u8>>());
    assert_eq!(told(&["--add", "v.safetensors@2*0"]).fine().out, greedy.out);
    assert_ne!(told(&["--add", "v.safetensors@2*9.5"]).fine().out, greedy.out);
    told(&["--add", "v.safetensors@99*1"]).refuses(65, &["99"]);
    told(&["--add", "v.safetensors"]).refuses(78, &["expected FILE.safetensors@LAYER*COEFFICIENT"]);
    told(&["--add", "none.safetensors@1*1"]).refuses(66, &["cannot read the vector"]);

    desk.write("prompts.txt", "The cat\n\nEl gato\n");
    let both = desk.run(&["generate", "lab", "--file", "prompts.txt", "--max-new-tokens", "3"]).fine();
    assert!(both.out.starts_with("The cat ") && both.out.contains("\nEl gato "), "{}", both.out);

    told(&["--chat"]).refuses(65, &["chat template: this model has none", "chat_template.jinja"]);
    told(&["--top-p", "0.9"]).refuses(65, &["temperature 0 draws nothing"]);
    desk.run(&["generate", "lab"]).refuses(65, &["give --prompt TEXT or --file FILE"]);
    desk.model("chatty");
    let template = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{{ strftime_now('%Y') }}:";
    desk.write("chatty/chat_template.jinja", template);
    let ask =
        ["generate", "chatty", "--chat", "--system", "Kurz.", "--prompt", "कहाँ?", "--date", "2026-11-20", "--json"];
    let said: serde_json::Value = serde_json::from_str(&desk.run(&ask).fine().out).unwrap();
    assert_eq!(said["rendered"], "[system] Kurz.\n[user] कहाँ?\n2026:");
    assert_eq!(said["date"], "2026-11-20T00:00:00");
}
