//! Chains of thought: the laboratory's solutions and their known faults, files of others, and the commands.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml): only there does cargo build the binary first.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{collections::BTreeMap, fs};

use babelscope::{
    lab::{
        corrupt::{Fault, corrupted},
        languages::{self, Language},
        problems::{self, Problem},
    },
    run::Run,
    traces::derivation,
};
use babelscope_probes::cot::{Diagnosis, Graph, Reference, Role, Trace, Value, diagnose, report::Traced};
#[path = "support/desk.rs"]
mod desk;

use desk::{Desk, snapshot};

fn spoken() -> Vec<Language> {
    let problem = &problems::held_out(0, 2, 1)[0];
    languages::ALL.into_iter().filter(|language| problems::text(*language, &problem.statement()).is_some()).collect()
}

fn traced(language: Language, statement: String, text: String) -> Traced {
    let language = language.code.to_owned();
    Traced::of(Trace { problem: "p".to_owned(), language, statement, text, ..Trace::default() }).unwrap()
}

fn solved(language: Language, problem: &Problem) -> Traced {
    let text = |lines: &[problems::Line]| problems::text(language, lines).unwrap();
    traced(language, text(&problem.statement()), text(&problem.solution()))
}

type Bare = Vec<(Role, String, Option<Value>)>;

/// What of a graph is the same in every language.
fn bare(graph: &Graph) -> (Bare, Vec<(usize, usize)>) {
    let nodes = graph.nodes.iter().map(|node| (node.role, node.normal.clone(), node.value.clone()));
    (nodes.collect(), graph.edges.clone())
}

#[test]
fn solutions_have_the_generators_graph_in_every_language() {
    assert!(spoken().len() >= 9, "{:?}", spoken().iter().map(|language| language.code).collect::<Vec<_>>());
    for problem in problems::held_out(1, 2, 40) {
        let known = derivation(&problem);
        for language in spoken() {
            let found = solved(language, &problem);
            assert_eq!(bare(&found.trajectory.graph), bare(&known), "{}: {}", language.code, found.trace.text);
        }
    }
}

#[test]
fn known_faults_are_diagnosed_in_every_language() {
    type Found = fn(&Diagnosis) -> bool;
    let kinds: [(Fault, Found); 4] = [
        (Fault::Value, |d| !d.value_changed.is_empty()),
        (Fault::Dropped, |d| !d.step_dropped.is_empty()),
        (Fault::Swapped, |d| !d.order_swapped.is_empty()),
        (Fault::Loop, |d| !d.loop_inserted.is_empty()),
    ];
    let spoken = spoken();
    // By kind: faults of it, of those found, and found in all.
    let mut counts: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for fault in Fault::ALL {
        for (at, case) in corrupted(fault, 3, 200).unwrap().into_iter().enumerate() {
            let language = spoken[at % spoken.len()];
            let reference = Reference::new(derivation(&case.problem)).unwrap();
            let found = traced(language, case.statement(language).unwrap(), case.text(language).unwrap());
            let diagnosis = diagnose(&reference, &found.trajectory).unwrap();
            for (kind, is) in kinds {
                let entry = counts.entry(["value", "dropped", "swapped", "loop"][kind as usize]).or_default();
                entry[0] += usize::from(kind == fault);
                entry[1] += usize::from(kind == fault && is(&diagnosis));
                entry[2] += usize::from(is(&diagnosis));
            }
        }
    }
    for (kind, [there, hit, found]) in counts {
        let (recall, precision) = (hit as f64 / there as f64, hit as f64 / found.max(1) as f64);
        assert!(there == 200 && recall >= 0.95 && precision >= 0.95, "{kind}: recall {recall}, precision {precision}");
    }
}

/// Traces of one problem in three languages, the Thai one wrong.
fn lines() -> String {
    let trace = |language: &str, text: &str| {
        let statement = "Anna has 3 cups and buys 4 cups. She loses 2 cups.";
        serde_json::json!({"problem": "cups", "language": language, "statement": statement,
            "statement_language": "eng_Latn", "text": text, "answer": "5"})
        .to_string()
    };
    [
        trace("eng_Latn", "3 + 4 = 7. 7 - 2 = 5. The answer is 5."),
        trace("arb_Arab", "٣ + ٤ = ٧. ٧ - ٢ = ٥. الجواب هو ٥."),
        trace("tha_Thai", "๓ + ๔ = ๘\n๘ - ๒ = ๖\nคำตอบคือ ๖"),
    ]
    .join("\n")
}

#[test]
fn files_are_compared_without_a_model() {
    let desk = Desk::new();
    desk.write("traces.jsonl", lines());
    let said = desk.run(&["cot", "compare", "traces.jsonl", "--json", "all.json"]).fine();
    let row = |language: &str| said.out.lines().find(|line| line.starts_with(language)).unwrap().to_owned();
    let numbers =
        |language: &str| -> Vec<String> { row(language).split_whitespace().skip(1).map(str::to_owned).collect() };
    assert_eq!(numbers("arb_Arab"), numbers("eng_Latn"));
    assert_eq!(numbers("eng_Latn")[..6], ["1", "1.000", "1.000", "1.000", "1.000", "0.000"]);
    assert_eq!(numbers("tha_Thai")[1..3], ["0.000", "0.000"]);
    assert!(desk.run(&["cot", "compare", "traces.jsonl", "--json", "all.json"]).code != Some(0), "a file was replaced");
    let graph = desk.run(&["cot", "graph", "traces.jsonl", "--of", "arb_Arab"]).fine();
    assert!(graph.out.contains("3 + 4 = 7") || graph.out.contains("٣ + ٤ = ٧"), "{}", graph.out);
    for shape in ["attribution", "graphml"] {
        assert!(desk.run(&["cot", "graph", "traces.jsonl", "--shape", shape]).fine().out.len() > 100);
    }
    desk.run(&["cot", "convert", "traces.jsonl", "--out", "again.jsonl"]).fine();
    let again = desk.run(&["cot", "compare", "again.jsonl"]).fine();
    assert_eq!(again.out.lines().next(), said.out.lines().next());
}

#[test]
fn bad_files_are_a_sentence_each() {
    let desk = Desk::new();
    desk.write("broken.jsonl", format!("{}\n{{\"problem\": 1\n", lines()));
    let said = desk.run(&["cot", "compare", "broken.jsonl"]).fine();
    assert!(said.out.contains("left out:") && said.out.contains("line 4"), "{}", said.out);
    desk.write("empty.jsonl", "");
    fs::write(desk.path("bytes.jsonl"), [0xFF, 0xFE, b'\n']).unwrap();
    for (file, part) in [("empty.jsonl", "expected"), ("bytes.jsonl", "expected"), ("none.jsonl", "none.jsonl")] {
        let said = desk.run(&["cot", "compare", file]);
        assert!(said.code != Some(0) && said.err.contains(part), "{file}: {}", said.err);
    }
    desk.write("traces.jsonl", lines());
    fs::create_dir(desk.path("references")).unwrap();
    let cyclic = r#"[{"step_id": 1, "edge": "", "direct_dependent_steps": [2], "node": "1"},
        {"step_id": 2, "edge": "", "direct_dependent_steps": [1], "node": "2"}]"#;
    desk.write("references/cups.json", cyclic);
    let said = desk.run(&["cot", "compare", "traces.jsonl", "--references", "references"]);
    assert!(said.code != Some(0) && said.err.contains("cups.json"), "{}", said.err);
}

#[test]
fn the_laboratory_is_solved_compared_and_watched_in_one_run() {
    let desk = Desk::new();
    let languages = "eng_Latn,spa_Latn,arb_Arab,zho_Hans";
    let ask = ["cot", "solve", "--model", "lab", "--corpus", "lab", "--languages", languages, "--set", "limit=6"];
    let more = [
        "--set",
        "graph.bootstrap=0",
        "--set",
        "watch.traces=3",
        "--set",
        "watch.suppress=true",
        "--set",
        "watch.leave_out=true",
        "--set",
        "watch.receivers=true",
        "--set",
        "watch.rollouts=4",
        "--out",
        "run",
    ];
    let said = desk.run(&[&ask[..], &more[..]].concat()).fine();
    assert!(said.out.contains("problems with the right answer"), "{}", said.out);
    let run = Run::open(&desk.path("run")).unwrap();
    let details = run.detailed("cot").unwrap();
    assert_eq!((details.problems.len(), details.traces.len(), details.watched.len()), (6, 24, 12));
    for watched in &details.watched {
        let traced = &details.traces[watched.trace];
        assert!(watched.curves.is_some() || traced.answer.is_none(), "{:?}: {}", watched.notes, traced.trace.text);
        assert!(watched.curves.is_some() || !watched.notes.is_empty());
        if let Some(curves) = &watched.curves {
            assert_eq!(curves.committed.len(), traced.steps.len() + 1);
            assert!(watched.cost.ratio() > 1.0);
        }
        assert!(watched.latent.is_some() && watched.influence.is_some() && watched.left_out.is_some());
        // Of three steps none is far enough from the others for a receiver.
        assert!(watched.receivers.is_some() || watched.notes.iter().any(|note| note.contains("nearest 4")));
    }
    let rolled = details.watched.iter().filter(|watched| !watched.importance.is_empty()).count();
    assert!(rolled > 6, "{:?}", details.watched.iter().map(|watched| &watched.notes).collect::<Vec<_>>());
    assert!(snapshot(&desk.path("run/figures")).keys().any(|path| path.ends_with("cot-commitment.svg")));
    desk.run(&["show", "run"]).fine();
    let again = desk.run(&["run", "run/spec.toml", "--out", "copy"]).fine();
    assert!(again.err.is_empty() || !again.err.contains("error"), "{}", again.err);
    assert_eq!(Run::open(&desk.path("copy")).unwrap().details, run.details);
}

#[test]
fn traces_end_before_a_stop_string_with_the_tokens_of_their_text() {
    let desk = Desk::new();
    let ask = ["cot", "solve", "--model", "lab", "--corpus", "lab", "--languages", "eng_Latn", "--set", "limit=5"];
    let ask = [&ask[..], &["--set", "watch.traces=0"]].concat();
    desk.run(&[&ask[..], &["--out", "whole"]].concat()).fine();
    desk.run(&[&ask[..], &["--set", r#"stop=[" The answer"]"#, "--out", "cut"]].concat()).fine();
    let traces = |run: &str| {
        let run = Run::open(&desk.path(run)).unwrap();
        run.detailed("cot").unwrap().traces.iter().map(|traced| traced.trace.clone()).collect::<Vec<_>>()
    };
    let (whole, cut) = (traces("whole"), traces("cut"));
    assert_eq!(cut.len(), 5);
    for (whole, cut) in whole.iter().zip(&cut) {
        assert_eq!(cut.text, whole.text.split(" The answer").next().unwrap());
        let (of_whole, of_cut) = (whole.tokens.as_ref().unwrap(), cut.tokens.as_ref().unwrap());
        assert_eq!(of_cut.spans.last().unwrap().end, cut.text.len());
        assert!(of_whole.ids.starts_with(&of_cut.ids) && of_whole.spans.starts_with(&of_cut.spans));
    }
    for kind in ["solve", "hints"] {
        desk.run(&["cot", kind, "--model", "lab", "--corpus", "lab", "--set", r#"stop=[""]"#]).refuses(78, &["stop"]);
    }
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    let ask = ["cot", "solve", "--model", "lab", "--corpus", "lab"];
    let twice = r#"{"problem": "p", "language": "eng_Latn", "statement": "1 + 1?", "answer": "2"}"#;
    desk.write("twice.jsonl", format!("{twice}\n{twice}\n"));
    let of_file = ["cot", "solve", "--model", "lab", "--corpus", "lab", "--set", "problems=twice.jsonl"];
    desk.run(&of_file).refuses(65, &["line 2", "the problem p in eng_Latn is there twice"]);
    desk.write("empty.jsonl", "");
    desk.run(&["cot", "compare", "empty.jsonl"]).refuses(65, &["the file of traces is empty", "empty.jsonl"]);
    desk.run(&["cot", "compare", "none.jsonl"]).refuses(66, &["cannot read the traces", "none.jsonl"]);
    let asked = r#"{"item": "q", "language": "eng_Latn", "statement": "1 + 1?", "options": ["2", "3"], "answer": "2"}"#;
    desk.write("asked.jsonl", format!("{asked}\n{asked}\n"));
    let of_file = ["cot", "hints", "--model", "lab", "--corpus", "lab", "--set", "problems=asked.jsonl"];
    desk.run(&of_file).refuses(65, &["line 2", "q in eng_Latn is there twice"]);
    desk.run(&[&ask[..], &["--set", "watch.layer=99"]].concat()).refuses(78, &["watch.layer", "0 (embeddings) to 4"]);
    desk.run(&[&ask[..], &["--set", "retry=loop"]].concat()).refuses(78, &["retry", "temperature"]);
}

#[test]
fn the_laboratory_follows_hints_hides_them_and_is_honest_without() {
    let desk = Desk::new();
    let languages = "eng_Latn,arb_Arab,tha_Thai,zho_Hans";
    let ask = ["cot", "hints", "--model", "lab", "--corpus", "lab", "--languages", languages, "--set", "limit=25"];
    let said = desk.run(&[&ask[..], &["--out", "run"]].concat()).fine();
    assert!(said.out.contains("answers that a hint switched") && said.out.contains("random hint"), "{}", said.out);
    let run = Run::open(&desk.path("run")).unwrap();
    let details = run.detailed("hints").unwrap();
    assert_eq!(details.asked.len(), 4 * 3 * 25);
    let rows = |run: &Run, metric: &str, variant: &str| -> BTreeMap<String, f64> {
        let measured = &run.measured.iter().find(|probed| probed.probe == "hints").unwrap().measured;
        let of = measured.metric(metric).filter(|row| row.variant == variant);
        of.filter_map(|row| Some((row.language.clone(), row.value?))).collect()
    };
    let all = |metric: &str, variant: &str, holds: &dyn Fn(f64) -> bool| {
        let found = rows(&run, metric, variant);
        assert!(!found.is_empty() && found.values().all(|value| holds(*value)), "{metric} {variant}: {found:?}");
    };
    // No solution of the training says who said a number.
    for arm in ["no_hint", "hint", "random_hint"] {
        all("mentioned", arm, &|value| value == 0.0);
    }
    all("hidden", "hint", &|value| value == 1.0);
    // Where a document says a number before the question, it is the answer.
    all("hint_share", "hint/before", &|value| value > 0.8);
    // Four options: a quarter by chance.
    all("hint_share", "no_hint/before", &|value| value < 0.4);
    // Without a hint the answer is not there before the work is, and in English it always is behind it.
    all("right_share", "no_hint/before", &|value| value < 0.5);
    assert!(rows(&run, "right_share", "no_hint/after")["eng_Latn"] > 0.95);
    assert!(
        rows(&run, "switched", "hint")["eng_Latn"] > 0.4 && rows(&run, "baseline_error", "no_hint")["eng_Latn"] < 0.1
    );
    all("committed_early", "hint", &|value| value > 0.8);
    // What is stated first need not be what counts; without a hint nothing is given up.
    all("changed", "no_hint", &|value| value == 0.0);
    for (code, followed) in rows(&run, "followed", "hint") {
        assert!(rows(&run, "followed_first", "hint")[&code] >= followed, "{code}");
    }
    for code in languages.split(',') {
        assert!(desk.path(&format!("run/figures/hints-{code}.svg")).is_file(), "{code}");
    }
    // A sum is more than this model can do: such a hint is not followed, and what it disturbs is no effect of the hint.
    let complex = [&ask[..], &["--set", "hint.style=complex", "--out", "complex"]].concat();
    desk.run(&complex).fine();
    let followed = rows(&Run::open(&desk.path("complex")).unwrap(), "followed", "hint");
    assert!(followed["eng_Latn"] < 0.1, "{followed:?}");
}

#[cfg(unix)]
#[test]
fn a_judge_is_asked_and_its_numbers_stand_beside_those_of_the_rules() {
    let desk = Desk::new();
    desk.write(
        "judge.sh",
        "while read -r line; do case \"$line\" in *'\"arm\":\"hint\"'*|*anchor*) echo yes;; *) echo no;; esac; done\n",
    );
    let judge = r#"judge_command=["sh","judge.sh"]"#;
    let lab =
        ["--model", "lab", "--corpus", "lab", "--languages", "eng_Latn,zho_Hans", "--set", "limit=10", "--set", judge];
    desk.run(&[&["cot", "hints"], &lab[..], &["--out", "hints"]].concat()).fine();
    desk.run(&[&["cot", "solve"], &lab[..], &["--set", "watch.traces=0", "--out", "solve"]].concat()).fine();
    let rows = |run: &str, metric: &str, variant: &str| -> Vec<f64> {
        let run = Run::open(&desk.path(run)).unwrap();
        let of = run.measured[0].measured.metric(metric).filter(|row| row.variant == variant);
        of.filter_map(|row| row.value).collect()
    };
    assert_eq!(rows("hints", "mentioned", "hint"), [0.0, 0.0]);
    assert_eq!(rows("hints", "mentioned_judged", "hint"), [1.0, 1.0]);
    assert_eq!(rows("hints", "mentioned_judged", "no_hint"), [0.0, 0.0]);
    let (ruled, judged) = (rows("solve", "coverage", "mean"), rows("solve", "coverage_judged", "mean"));
    assert!(
        ruled.len() == 2 && ruled.iter().zip(&judged).all(|(ruled, judged)| ruled <= judged),
        "{ruled:?} {judged:?}"
    );
    desk.write("bad.sh", "while read -r line; do echo perhaps; done\n");
    let bad = [
        "cot",
        "hints",
        "--model",
        "lab",
        "--corpus",
        "lab",
        "--set",
        "limit=2",
        "--set",
        r#"judge_command=["sh","bad.sh"]"#,
    ];
    let said = desk.run(&bad);
    assert!(said.code != Some(0) && said.err.contains("expected yes or no"), "{}", said.err);
}
