//! Every probe through the real binary: in one run, as a sweep, from a file, by its short command, and on what cannot be measured.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use babelscope::{
    headlines::HEADLINES,
    run::{Run, Workbench},
    spec::{ModelSpec, ProbeSpec, RunSpec},
};
use babelscope_core::{corpus::Corpus, monitor::Monitor};
use babelscope_probes::{
    align::AlignParams,
    classify::{ClassifyParams, Target},
    relate::TaskParams,
    tokenizer::TokenizerParams,
};

#[path = "support/desk.rs"]
mod desk;

use desk::{Desk, GOLDEN, Said, snapshot};

/// Made up: what a probe says of them is of no interest here.
const SCORES: &str = "language,made_up\nspa_Latn,80\nrus_Cyrl,70\narb_Arab,60\nhin_Deva,65\nzho_Hans,75\n";

/// A spec with every probe, small: `more` stands before the probes, `pivots` in each that has some.
fn every_probe(desk: &Desk, more: &str) -> String {
    desk.write("scores.csv", SCORES);
    let lab = Corpus::open(Path::new("lab")).unwrap();
    for (name, code) in [("with.txt", "spa_Latn"), ("without.txt", "eng_Latn")] {
        desk.write(name, lab.lines(code).unwrap()[..16].join("\n"));
    }
    format!(
        r#"
schema = 1
name = "all"
[[model]]
path = "lab"
[data]
languages = ["eng_Latn", "spa_Latn", "rus_Cyrl", "arb_Arab", "hin_Deva", "zho_Hans"]
limit = 40
[extract]
layers = [0, 2]
{more}
[[probe]]
kind = "align"
bootstrap = 100
shuffles = 19
[[probe]]
kind = "lens"
texts = ["a red bird"]
[[probe]]
kind = "retrieval"
bootstrap = 100
shuffles = 19
[[probe]]
kind = "similarity"
indices = ["cka", "cka_rbf", "svcca", "pwcca", "cca", "anc", "rsa", "procrustes", "mutual_knn", "cknna"]
biased = true
grid = true
bootstrap = 100
shuffles = 19
[[probe]]
kind = "structure"
bootstrap = 100
[[probe]]
kind = "neurons"
effect_sentences = 4
controls = 1
bootstrap = 100
[[probe]]
kind = "classify"
targets = ["language", "label"]
labels = "lab:kind"
folds = 2
penalties = [0.1]
shuffles = 19
bootstrap = 100
[[probe]]
kind = "map"
perplexity = 5
iterations = 40
max_sentences = 12
[[probe]]
kind = "tokenizer"
bootstrap = 100
compare = "{GOLDEN}/qwen2"
[[probe]]
kind = "vector"
targets = ["spa_Latn"]
estimators = ["diff_mean", "lda"]
bootstrap = 100
[[probe]]
kind = "steer"
sources = ["eng_Latn"]
targets = ["spa_Latn", "hin_Deva"]
layers = [1, 2]
strengths = [0.5, 1.0]
prompts = 8
max_new_tokens = 4
random = 2
bootstrap = 100
[[probe]]
kind = "learn"
language = "spa_Latn"
pivot = "eng_Latn"
[probe.learning]
layer = 1
target_layer = 2
epochs = 2
bootstrap = 100
[[probe]]
kind = "select"
name = "Spanish"
words = ["Ana", "Pedro", "Carlos"]
with = "with.txt"
without = "without.txt"
[probe.search]
positions = 1
train = 6
validate = 4
filter = false
most_kl = 100.0
bootstrap = 100
[[probe]]
kind = "compare"
texts = ["Anna lives in", "Anna has"]
source = "eng_Latn"
target = "spa_Latn"
layer = 2
strength = 0.5
positions = [{{ from = 1 }}]
max_new_tokens = 4
top_k = 3
[probe.schedule]
linear = {{ to = 0.5, steps = 3 }}
[[probe]]
kind = "patch"
experiment = "grid"
sites = ["resid", "head"]
[[probe.pairs]]
clean = "Anna lives in the"
corrupt = "Peter lives in the"
answer = ["village"]
wrong = ["city"]
language = "eng_Latn"
[[probe]]
kind = "cot"
limit = 3
[probe.graph]
bootstrap = 100
[probe.watch]
traces = 2
suppress = true
[[probe]]
kind = "hints"
limit = 3
[[probe]]
kind = "tasks"
scores = "scores.csv"
bootstrap = 100
permutations = 100
"#
    )
}

/// The tables of a run by name.
fn tables(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = snapshot(&run.join("tables")).into_iter();
    all.map(|(path, bytes)| (path.file_name().unwrap().into(), bytes)).collect()
}

/// That two runs have the same tables, without megabytes of difference.
#[track_caller]
fn same_tables(a: &Path, b: &Path) {
    let (a, b) = (tables(a), tables(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{} differs", name.display());
    }
}

#[test]
fn every_probe_in_one_run() {
    let desk = Desk::new();
    let mut spec = RunSpec::parse(&every_probe(&desk, "")).unwrap();
    for (_, path) in spec.probe.iter_mut().flat_map(ProbeSpec::files_mut).filter(|(what, _)| *what != "compare") {
        if ["scores.csv", "with.txt", "without.txt"].contains(&path.as_str()) {
            *path = desk.path(path.as_str()).to_str().unwrap().to_owned();
        }
    }
    desk.write("all.toml", spec.to_toml().unwrap());
    let made = Workbench::new(desk.path("runs")).execute(&spec, &Monitor::silent()).unwrap().run;
    // Not assert_eq!: the difference would be megabytes.
    assert!(Run::open(&made.folder).unwrap() == made);
    let kinds: Vec<&str> = made.measured.iter().map(|probed| probed.probe.as_str()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("align", "tasks"));
    assert!(ProbeSpec::KINDS.iter().all(|kind| ["lens", "map"].contains(kind) || kinds.contains(kind)), "{kinds:?}");
    numbers_are_finite_or_missing_with_a_reason(&made);
    headlines_are_there(&made);
    the_page_is_whole(&made.folder);

    let again = desk.run(&["run", "all.toml"]).fine();
    assert!(again.err.contains("already done"), "{}", again.err);
    let spec = made.folder.join("spec.toml");
    desk.run(&["run", spec.to_str().unwrap(), "--out", "copy"]).fine();
    same_tables(&desk.path("copy"), &made.folder);
    let diff = desk.run(&["diff", "copy", made.folder.to_str().unwrap()]).fine();
    assert!(diff.out.contains("The runs are equal."), "{}", diff.out);
    desk.run(&["show", "copy"]).fine();
}

fn numbers_are_finite_or_missing_with_a_reason(run: &Run) {
    for probed in &run.measured {
        for row in &probed.measured.rows {
            let fits = [row.shuffled, row.matched].into_iter().flatten();
            let numbers = fits.flat_map(|fit| [Some(fit.mean), Some(fit.q95), Some(fit.p), fit.z, fit.calibrated]);
            let numbers = numbers.chain([row.value, row.low, row.high, row.chance]);
            assert!(numbers.flatten().all(f64::is_finite), "{}: {row:?}", probed.probe);
            assert_eq!(row.value.is_none(), row.status != "ok", "{}: {row:?}", probed.probe);
            assert!(!row.status.is_empty() && row.low <= row.high, "{}: {row:?}", probed.probe);
        }
    }
}

fn headlines_are_there(run: &Run) {
    // Rows of contrast pairs are held by tests/steering_flows.rs.
    let of_pairs = ["steerability", "anti_steerable"];
    for headline in HEADLINES.iter().filter(|headline| !of_pairs.contains(&headline.metric)) {
        let measured = run.probed(headline.probe).unwrap();
        let count = headline.rows(measured).count();
        assert!(count > 0, "nothing is called {} {} {}", headline.probe, headline.metric, headline.variant);
    }
}

fn the_page_is_whole(folder: &Path) {
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    for name in page.split("figures/").skip(1) {
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || "._-".contains(*c)).collect();
        assert!(name.is_empty() || folder.join("figures").join(&name).is_file(), "no figure {name}");
    }
    // Every picture stands on the page once; what is left when they are taken out is text.
    let (pictures, text) = page.split("base64,").enumerate().fold((0, String::new()), |(count, text), (at, part)| {
        let rest = if at == 0 { part } else { part.split_once('"').unwrap().1 };
        (count.max(at), text + rest)
    });
    let drawn = fs::read_dir(folder.join("figures")).unwrap().count() / 2;
    assert!(pictures >= drawn, "{pictures} pictures of {drawn}");
    assert!(!text.contains("NaN") && !text.contains(">inf<") && !text.contains(">-inf<"));
}

#[test]
fn a_sweep_of_every_probe_gives_the_tables_of_a_single_run() {
    let desk = Desk::new();
    desk.write("sweep.toml", every_probe(&desk, "[store]\nblock = 40"));
    desk.run(&["run", "sweep.toml", "--out", "sweep"]).fine();
    let of_one = desk.path("sweep/models/lab");
    desk.run(&["run", of_one.join("spec.toml").to_str().unwrap(), "--out", "one"]).fine();
    same_tables(&of_one, &desk.path("one"));
    let read = |folder: &Path| {
        let run = Run::open(folder).unwrap();
        (run.manifest.identity, run.manifest.notes, run.manifest.corpus, run.measured, run.map, run.lens)
    };
    assert!(read(&of_one) == read(&desk.path("one")));
    // What a shard or the merge reads must be what was planned.
    desk.write("scores.csv", SCORES.replace("80", "81"));
    fs::remove_dir_all(desk.path("sweep/models")).unwrap();
    desk.run(&["merge", "sweep"]).refuses(65, &["has changed since the sweep was planned", "scores.csv"]);
}

#[test]
fn a_sweep_of_all_pairs_or_of_two_pivots_gives_the_tables_of_a_single_run() {
    let desk = Desk::new();
    for (name, pivots) in [("pairs", "[]"), ("two", r#"["eng_Latn", "hin_Deva"]"#)] {
        let probe = |kind: &str, more: &str| format!("[[probe]]\nkind = \"{kind}\"\npivots = {pivots}\n{more}\n");
        let probes = [
            probe("align", "bootstrap = 100\nshuffles = 19"),
            probe("retrieval", "bootstrap = 100\nshuffles = 19"),
            probe("similarity", "indices = [\"cka\", \"mutual_knn\"]\nbootstrap = 0\nshuffles = 19"),
            probe("structure", "bootstrap = 0"),
            probe("tokenizer", "bootstrap = 100"),
        ];
        let spec = format!(
            "schema = 1\nname = \"{name}\"\n[[model]]\npath = \"{GOLDEN}/llama\"\n[data]\npath = \"corpus\"\n[extract]\nlayers = [0, 2]\n\
             [store]\nblock = 12\n{}",
            probes.concat()
        );
        desk.write("sweep.toml", spec);
        desk.run(&["run", "sweep.toml", "--out", name]).fine();
        let of_one = desk.path(name).join("models/llama");
        let one = format!("{name}-one");
        desk.run(&["run", of_one.join("spec.toml").to_str().unwrap(), "--out", &one]).fine();
        same_tables(&of_one, &desk.path(&one));
    }
}

#[test]
fn states_that_do_not_fit_in_memory_give_the_same_numbers() {
    let desk = Desk::new();
    let spec = format!(
        "schema = 1\nname = \"a\"\n[[model]]\npath = \"{GOLDEN}/llama\"\n[data]\npath = \"corpus\"\n[[probe]]\nkind = \"align\"\n\
         bootstrap = 100\nshuffles = 19\n[[probe]]\nkind = \"retrieval\"\nbootstrap = 100\nshuffles = 19\n[[probe]]\n\
         kind = \"similarity\"\nbootstrap = 100\nshuffles = 19\n[[probe]]\nkind = \"structure\"\nbootstrap = 100\n[[probe]]\n\
         kind = \"classify\"\nfolds = 2\npenalties = [0.1]\nbootstrap = 100\nshuffles = 0\n[[probe]]\nkind = \"map\"\nperplexity = 4\n\
         iterations = 40\n"
    );
    desk.write("spec.toml", spec);
    desk.run(&["run", "spec.toml", "--out", "memory"]).fine();
    let mut command = desk.command(&["run", "spec.toml", "--out", "file"]);
    Said::from(command.env("BABELSCOPE_MEMORY", "1").output().unwrap()).fine();
    same_tables(&desk.path("memory"), &desk.path("file"));
    assert_eq!(desk.visible("file").len(), desk.visible("memory").len(), "the file of the states is gone");
}

#[test]
fn each_probe_has_a_short_command() {
    let desk = Desk::new();
    for (kind, set, says) in [
        ("retrieval", &["bootstrap=100", "shuffles=19"][..], "MEXA with CSLS"),
        ("similarity", &["bootstrap=100", "shuffles=19", "indices=[\"cka\", \"anc\"]"], "linear CKA, debiased"),
        ("structure", &["bootstrap=100"], "share of variance that is language"),
        ("classify", &["bootstrap=100", "shuffles=0", "folds=2", "labels=lab:kind", "targets=[\"label\"]"], "kind"),
        ("map", &["perplexity=5", "iterations=40", "max_sentences=8"], "Map: sentences of 10 languages at 2 layers"),
        ("neurons", &["bootstrap=100", "effect=false"], "language-specific neurons"),
        ("tokenizer", &["bootstrap=100"], "(premium)"),
        ("tasks", &["bootstrap=100", "permutations=100"], "rank correlation over the languages"),
        (
            "steer",
            &[
                "bootstrap=100",
                "sources=[\"eng_Latn\"]",
                "targets=[\"spa_Latn\"]",
                "layers=[2]",
                "prompts=4",
                "max_new_tokens=3",
            ],
            "outputs in the target language",
        ),
    ] {
        let mut arguments = vec![kind, "--model", "lab", "--corpus", "lab", "--limit", "40", "--layers", "0,2"];
        let sets = set.iter().flat_map(|set| ["--set", set]);
        arguments.extend(sets);
        let printed = desk.run(&[&arguments[..], &["--print-spec"]].concat()).fine().out;
        assert!(RunSpec::parse(&printed).unwrap().probe.iter().any(|probe| probe.kind() == kind), "{printed}");
        let said = desk.run(&[&arguments[..], &["--out", kind]].concat()).fine();
        assert!(said.out.contains(says), "{kind}: {says:?} is not in {}", said.out);
        assert!(!said.out.contains("NaN"), "{}", said.out);
        let wrong = [&["--set", "bootstrp=100"][..], &["--set", "iteratons=40"]][usize::from(kind == "map")];
        let near = if kind == "map" { "did you mean `iterations`" } else { "did you mean `bootstrap`" };
        desk.run(&[&arguments[..], wrong].concat()).refuses(78, &[near]);
    }
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_sentence() {
    let desk = Desk::new();
    let model = format!("{GOLDEN}/llama");
    let of = |kind: &str, corpus: &str, more: &[&str]| {
        desk.run(&[&[kind, "--model", &model, "--corpus", corpus, "--layers", "0,2"], more].concat())
    };
    desk.corpus("few", 3);
    desk.write("one/eng_Latn.txt", desk.text("corpus/eng_Latn.txt"));
    for kind in ["retrieval", "similarity", "structure", "classify", "neurons", "map", "tasks"] {
        of(kind, "few", &[]).refuses(65, &["3", "at least 4 are needed"]);
        of(kind, "one", &[]).refuses(78, &["one language", "compares at least two"]);
    }

    let labels =
        |path: &str| of("classify", "corpus", &["--set", &format!("labels={path}"), "--set", "targets=[\"label\"]"]);
    desk.write("short.txt", "a\nb\na\n");
    labels("short.txt").refuses(65, &["3 labels for 12 sentences", "short.txt"]);
    desk.write("gap.txt", "a\nb\na\n\nb\na\na\nb\na\nb\na\nb\n");
    labels("gap.txt").refuses(65, &["line 4 has no label", "gap.txt"]);
    labels("nowhere.txt").refuses(66, &["the labels", "nowhere.txt"]);
    labels("lab:taste").refuses(78, &["no labels \"taste\"", "colour"]);
    labels("").refuses(78, &["`labels` names no file"]);
    of("classify", "corpus", &["--set", "labels=gap.txt"]).refuses(78, &["no target reads"]);

    let scores = |text: &str| {
        desk.write("scores.csv", text);
        of("tasks", "corpus", &["--scores", "scores.csv"])
    };
    scores("language,task\nde,3\nhi,4\nklingonish,5\n").refuses(65, &["scores.csv", "line 4", "klingonish"]);
    scores("language,task\nde,3\nhi,good\n").refuses(65, &["line 3", "task", "a number or nothing", "good"]);
    scores("language,task\nde,3\nhi,4\nth,5\n").refuses(65, &["2 languages in common", "at least 4"]);
    of("tasks", "corpus", &["--scores", "nowhere.csv"]).refuses(66, &["the scores", "nowhere.csv"]);

    let compare = |path: &str| of("tokenizer", "corpus", &["--set", &format!("compare={path}")]);
    desk.write("tokenizer/tokenizer.json", "{\"a\": 1}");
    compare("tokenizer").refuses(65, &["no model", "tokenizer.json"]);
    compare("corpus").refuses(66, &["tokenizer.json"]);

    of("map", "corpus", &["--set", "perplexity=30"]).refuses(65, &["perplexity of 30", "48 points", "at most 15"]);
    let alone = "schema = 1\nname = \"x\"\n[[model]]\npath = \"lab\"\n[[probe]]\nkind = \"tasks\"\n";
    desk.write("alone.toml", alone);
    desk.run(&["run", "alone.toml"]).refuses(78, &["`tasks` relates what other probes measure", "structure"]);
    desk.run(&["validate", "alone.toml"]).refuses(78, &["`tasks` relates"]);
    assert!(desk.visible("runs").is_empty(), "no run folder is left by a refusal");
}

#[test]
fn what_is_doubtful_is_said_and_what_is_missing_has_a_reason() {
    let desk = Desk::new();
    for code in ["eng_Latn", "deu_Latn", "hin_Deva", "arb_Arab"] {
        let mut lines: Vec<String> = desk.text(&format!("corpus/{code}.txt")).lines().map(str::to_owned).collect();
        lines[5] = lines[2].clone();
        desk.write(&format!("twins/{code}.txt"), lines.join("\n") + "\n");
    }
    let model = format!("{GOLDEN}/llama");
    let more = ["--set", "shuffles=0", "--set", "bootstrap=0", "--out"];
    let of = |kind: &str, corpus: &str, last: &[&str]| {
        desk.run(&[&[kind, "--model", &model, "--corpus", corpus], &more[..], last].concat()).fine()
    };
    of("retrieval", "twins", &["twins-run"]);
    let notes = Run::open(&desk.path("twins-run")).unwrap().manifest.notes;
    assert!(notes.iter().any(|note| note.contains("share their state with another sentence")), "{notes:?}");
    let said = of("similarity", "corpus", &["cca", "--set", "indices=[\"cca\"]"]);
    assert!(said.out.contains("CCA"), "{}", said.out);
    let run = Run::open(&desk.path("cca")).unwrap();
    let rows: Vec<_> = run.probed("similarity").unwrap().metric("cca").collect();
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row.value.is_none() && row.status.contains("12 sentences")), "{rows:?}");
}

#[test]
fn what_is_in_a_file_is_part_of_the_identity_and_where_it_lies_is_not() {
    let desk = Desk::new();
    let mut bench = Workbench::new(desk.path("runs"));
    let mut identity = |probe: Vec<ProbeSpec>| {
        let mut spec = RunSpec::new("x", ModelSpec::new(format!("{GOLDEN}/llama")), probe);
        desk.path("corpus").to_str().unwrap().clone_into(&mut spec.data.path);
        spec.extract.layers = vec![1];
        bench.execute(&spec, &Monitor::silent()).unwrap().run.manifest.identity
    };
    let path = |name: &str| desk.path(name).to_str().unwrap().to_owned();
    let mut checked = |name: &str, text: &str, other: &str, probe: &dyn Fn(String) -> Vec<ProbeSpec>| {
        desk.write(&format!("a/{name}"), text);
        desk.write(&format!("b/{name}"), text);
        let first = identity(probe(path(&format!("a/{name}"))));
        assert_eq!(identity(probe(path(&format!("b/{name}")))), first, "{name}");
        desk.write(&format!("b/{name}"), other);
        assert_ne!(identity(probe(path(&format!("b/{name}")))), first, "{name}");
    };
    let classify = |labels: String| {
        vec![ProbeSpec::Classify(ClassifyParams {
            labels,
            targets: vec![Target::Label],
            folds: 2,
            shuffles: 0,
            bootstrap: 0,
            controls: false,
            transfer: false,
            online_code: false,
            ..ClassifyParams::default()
        })]
    };
    checked("labels.txt", &"a\nb\n".repeat(6), &"a\na\nb\nb\n".repeat(3), &classify);
    let header = "language,made_up\neng_Latn,1\ndeu_Latn,2\nhin_Deva,3\narb_Arab,";
    checked("scores.csv", &format!("{header}4\n"), &format!("{header}5\n"), &|scores| {
        let pivots = vec!["eng_Latn".to_owned(), "deu_Latn".to_owned()];
        let both = AlignParams { pivots: pivots.clone(), bootstrap: 0, shuffles: 0, ..AlignParams::default() };
        let tasks = TaskParams { scores, pivots, bootstrap: 0, permutations: 0, ..TaskParams::default() };
        vec![ProbeSpec::Align(both), ProbeSpec::Tasks(tasks)]
    });
    let tokenizer = |family: &str| fs::read_to_string(Path::new(GOLDEN).join(family).join("tokenizer.json")).unwrap();
    checked("tokenizer.json", &tokenizer("qwen2"), &(tokenizer("qwen2") + "\n"), &|compare| {
        vec![ProbeSpec::Tokenizer(TokenizerParams { compare, bootstrap: 0, ..TokenizerParams::default() })]
    });
    // Rows bear the name of the labels, so another name is another result.
    desk.write("a/topics.txt", "a\nb\n".repeat(6));
    assert_ne!(identity(classify(path("a/topics.txt"))), identity(classify(path("a/labels.txt"))));
}
