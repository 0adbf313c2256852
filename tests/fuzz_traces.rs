//! Every reader of traces and of graphs on spoiled files: no panic, no memory without bound, one clear sentence for what is refused,
//! and what is taken keeps its promises.
//!
//! The cases are the same in every run; `BABELSCOPE_FUZZ=50 cargo test --release --test fuzz_traces` takes fifty times as many, others
//! each time. A case that found something becomes a test with a name: here, at the end.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

#[path = "fuzz/memory.rs"]
mod memory;
#[path = "fuzz/mutate.rs"]
mod mutate;

use std::{fs, path::Path, time::Instant};

use babelscope_probes::{
    Result,
    cot::{
        Format, Graph, Reference, Trace, Traces, Trajectory, compare, diagnose,
        formats::{attribution, dag_math, graphml, unparsed},
        report::Traced,
        statistics,
    },
};
use memory::within;
use mutate::{changed, changes, fuzz, replaced, replacements};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const MB: usize = 1 << 20;

/// One sentence of a length that can be read; a path may follow on a line of its own.
fn clear(message: &str) {
    let (sentence, path) = message.split_once('\n').unwrap_or((message, ""));
    let fits = sentence.chars().filter(|c| c.is_alphabetic()).count() > 8 && message.len() < 1500;
    assert!(fits && !path.contains('\n') && !sentence.contains(char::is_control), "{message}");
}

/// What a trace promises to whoever works with it.
fn kept(trace: Trace) {
    assert!(!trace.language.is_empty());
    if let Some(tokens) = &trace.tokens {
        assert_eq!(tokens.ids.len(), tokens.spans.len());
        assert!(tokens.spans.is_sorted_by_key(|span| span.start));
        assert!(tokens.spans.iter().all(|span| span.start <= span.end && span.end <= trace.text.len()));
    }
    let traced = Traced::of(trace).unwrap();
    let (graph, text) = (&traced.trajectory.graph, &traced.trace.text);
    assert_eq!(graph.problem(), None);
    assert!(traced.trajectory.actions.iter().all(|action| action.node < graph.nodes.len()));
    assert!(traced.trajectory.said.iter().flatten().all(|node| *node < graph.nodes.len()));
    let spans = traced.steps.iter().map(|step| &step.span).chain(traced.anchors.iter().map(|anchor| &anchor.span));
    assert!(
        spans.chain(traced.ignored.iter().map(|ignored| &ignored.span)).all(|span| text.get(span.clone()).is_some())
    );
    assert!(traced.anchors.iter().filter_map(|anchor| anchor.step).all(|step| step < traced.steps.len()));
}

/// Reads a file or folder of traces as a command would; how many traces there were.
fn look(path: &Path, format: Option<Format>) -> usize {
    within(96 * MB, || {
        let opened = format.map_or_else(|| Format::guess(path), Ok).and_then(|format| Traces::open(path, format, None));
        let read = match opened {
            Ok(read) => read,
            Err(error) => {
                let message = error.to_string();
                clear(&message);
                assert!(message.contains(path.to_str().unwrap()), "{message}");
                return 0;
            }
        };
        let mut traces = 0;
        for part in read {
            match part {
                Ok(trace) => {
                    traces += 1;
                    kept(trace);
                }
                Err(broken) => {
                    clear(&broken.to_string());
                    assert!(broken.path.starts_with(path));
                    let placed = ["element ", "sample "].iter().any(|place| broken.why.starts_with(place));
                    assert!(placed || broken.line.is_some() || path.is_dir() || path.extension().unwrap() == "tsv");
                }
            }
        }
        traces
    })
}

/// A valid file of traces: name, lines or document, format, traces in it.
fn files() -> Vec<(&'static str, Vec<Value>, Format, usize)> {
    let text = "3 + 4 = 7 hats. 7 - 2 = 5. The answer is 5.";
    let own = json!({"problem": "hats", "language": "eng_Latn", "statement": "Ana has 3 hats and buys 4.", "text": text,
        "answer": "5", "sample": 0, "seed": 7, "model": "m", "tokens": {"ids": [1, 2], "spans": [{"start": 0, "end": 5}, {"start": 5, "end": 9}]}});
    let thai = json!({"problem": 2, "language": "th", "statement_language": "en", "text": "๓ + ๔ = ๗ ลูก คำตอบคือ ๗", "answer": 7});
    let poly = json!({"id": "low-sw-3", "question": "Ana ana kofia 3.", "answer": "7", "thinking": "3 + 4 = 7.", "response": "Jibu ni 7.", "sample": 1});
    let lm = json!({"doc_id": 4, "doc": {"question": "Ana has 3 hats.", "language": "de", "answer_number": 7}, "target": "7",
        "resps": [["3 + 4 = 7", "Die Antwort ist 7."]]});
    let sample = |id: u32| {
        json!({"id": id, "epoch": 1, "input": [{"role": "user", "content": "Ana has 3 hats."}], "target": ["7"],
        "metadata": {"language": "fr"}, "messages": [{"role": "assistant", "content": text}],
        "output": {"choices": [{"message": {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "3 + 4"}, {"type": "text", "text": "= 7"}]}}], "completion": ""}})
    };
    let inspect = json!({"version": 2, "eval": {"model": "m/x", "dataset": {}}, "samples": [sample(1), sample(2)]});
    vec![
        ("own.jsonl", vec![own, thai], Format::Jsonl, 2),
        ("rows.jsonl", vec![poly.clone(), poly], Format::PolyMath, 2),
        ("samples_task.jsonl", vec![lm.clone(), lm], Format::LmEval, 4),
        ("log.json", vec![inspect], Format::Inspect, 2),
    ]
}

fn lines(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

#[test]
fn files_of_traces() {
    let folder = tempfile::tempdir().unwrap();
    for (name, rows, format, traces) in files() {
        let path = folder.path().join(name);
        let text = lines(&rows);
        fs::write(&path, &text).unwrap();
        assert_eq!((Format::guess(&path).unwrap(), look(&path, None)), (format, traces), "{name}");
        fuzz(1200, (changes(), any::<bool>()), |(changes, guessed)| {
            fs::write(&path, changed(text.as_bytes(), usize::MAX, &changes)).unwrap();
            look(&path, (!guessed).then_some(format));
        });
        fuzz(1200, (any::<prop::sample::Index>(), replacements(), any::<bool>()), |(at, replacements, array)| {
            let mut rows = rows.clone();
            let row = at.index(rows.len());
            rows[row] = replaced(&rows[row], &replacements);
            let text = if array && format != Format::Inspect { Value::from(rows).to_string() } else { lines(&rows) };
            fs::write(&path, text).unwrap();
            look(&path, Some(format));
        });
    }
}

#[test]
fn tables_of_mgsm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mgsm_es.tsv");
    let table = "question\tanswer\tone\ttwo\nAna tiene 3 gorras.\t7\t3 + 4 = 7.\t\"La respuesta es 7,\no no\"\nLuis\t5\t2 + 3 = 5\n";
    fs::write(&path, table).unwrap();
    assert_eq!(look(&path, None), 3);
    fuzz(2000, changes(), |changes| {
        fs::write(&path, changed(table.as_bytes(), usize::MAX, &changes)).unwrap();
        look(&path, None);
    });
    fuzz(1000, "[a-z0-9\"\t\r\n=+é\u{feff}]{0,80}", |text: String| {
        fs::write(&path, text).unwrap();
        look(&path, None);
    });
}

#[test]
fn folders_of_thought_anchors() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("hi");
    let files = [
        ("problem_1/problem.json", json!({"problem": "Ana has 3 hats.", "gt_answer": "7", "level": 1})),
        ("problem_1/base_solution.json", json!({"prompt": "p", "solution": "3 + 4 = 7. उत्तर 7 है।", "model": "m"})),
        ("problem_2/chunks_labeled.json", json!([{"chunk": "3 + 4 = 7.", "depends_on": []}, {"chunk": "उत्तर 7 है।"}])),
    ];
    for (name, document) in &files {
        fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
        fs::write(root.join(name), document.to_string()).unwrap();
    }
    assert_eq!(look(&root, None), 2);
    for (name, document) in &files {
        let (path, text) = (root.join(name), document.to_string());
        fuzz(800, changes(), |changes| {
            fs::write(&path, changed(text.as_bytes(), usize::MAX, &changes)).unwrap();
            look(&root, None);
        });
        fuzz(800, replacements(), |replacements| {
            fs::write(&path, replaced(document, &replacements).to_string()).unwrap();
            look(&root, None);
        });
        fs::write(&path, &text).unwrap();
    }
}

type Import = fn(&[u8]) -> Result<Graph>;
type Export = fn(&Graph) -> Result<String>;

/// The formats of graphs, by the name that begins their errors.
const GRAPHS: [(&str, Import, Export); 3] = [
    ("DAG-MATH", |bytes| dag_math::import(bytes, &unparsed), dag_math::export),
    (
        "attribution graph",
        |bytes| attribution::import(bytes, &unparsed),
        |graph| attribution::export(graph, "s", "p", "m"),
    ),
    ("GraphML", |bytes| graphml::import(bytes, &unparsed), graphml::export),
];

/// Reads a graph; what is read keeps the promises of a graph, is the same when written and read again, and can be compared.
fn read(which: usize, bytes: &[u8]) -> Option<Graph> {
    let (name, import, export) = GRAPHS[which];
    within(96 * MB, || {
        let graph = match import(bytes) {
            Ok(graph) => graph,
            Err(error) => {
                let message = error.to_string();
                clear(&message);
                assert!(message.starts_with(name) && !message.contains('\n'), "{message}");
                return None;
            }
        };
        assert_eq!(graph.problem(), None);
        assert_eq!(import(export(&graph).unwrap().as_bytes()).unwrap(), graph);
        let numbers = statistics(&graph).unwrap();
        assert_eq!(numbers.nodes, graph.nodes.len());
        if let Ok(reference) = Reference::new(graph.clone()) {
            let trajectory = Trajectory::from(graph.clone());
            let found = compare(&reference, &trajectory).unwrap();
            let shares = [Some(found.coverage), found.edge_fidelity(), found.harmful_rate(), found.recovery()];
            assert!(shares.iter().flatten().all(|share| (0.0..=1.0).contains(share)), "{shares:?}");
            diagnose(&reference, &trajectory).unwrap();
        }
        Some(graph)
    })
}

/// A graph with all that a node can have.
fn graph() -> Graph {
    let text = "A = 3 + 4 = 7 hats. From step 1, B = 2A = 14. 14 - 1/2 = 13.5. The answer is 13.5.";
    let trace = Trace {
        language: "eng_Latn".to_owned(),
        statement: "Ana has 3 hats and buys 4, 1/2 of 1.".to_owned(),
        text: text.to_owned(),
        ..Trace::default()
    };
    Traced::of(trace).unwrap().trajectory.graph
}

#[test]
fn files_of_graphs() {
    let graph = graph();
    for (which, (name, _, export)) in GRAPHS.into_iter().enumerate() {
        let text = export(&graph).unwrap();
        assert_eq!(read(which, text.as_bytes()).as_ref(), Some(&graph), "{name}");
        fuzz(2000, changes(), |changes| drop(read(which, &changed(text.as_bytes(), usize::MAX, &changes))));
        if let Ok(document) = serde_json::from_str::<Value>(&text) {
            fuzz(2500, replacements(), |replacements| {
                drop(read(which, replaced(&document, &replacements).to_string().as_bytes()));
            });
        }
    }
}

/// A graph as each of the formats writes it, from the ids of nodes and what each is built from.
fn written(nodes: &[(u8, Vec<u8>)]) -> [String; 3] {
    let steps: Vec<Value> = nodes
        .iter()
        .map(|(id, on)| json!({"step_id": id, "direct_dependent_steps": on, "node": format!("{id} + 1 = 2")}))
        .collect();
    let points: Vec<Value> =
        nodes.iter().map(|(id, _)| json!({"node_id": id.to_string(), "feature_type": "logit"})).collect();
    let edges = || nodes.iter().flat_map(|(id, on)| on.iter().map(move |used| (used, id)));
    let links: Vec<Value> = edges().map(|(a, b)| json!({"source": a.to_string(), "target": b.to_string()})).collect();
    let elements = nodes.iter().map(|(id, _)| format!("<node id='{id}'/>"));
    let elements: String = elements.chain(edges().map(|(a, b)| format!("<edge source='{a}' target='{b}'/>"))).collect();
    let xml = format!("<graphml><graph edgedefault='directed'>{elements}</graph></graphml>");
    [Value::from(steps).to_string(), json!({"nodes": points, "links": links}).to_string(), xml]
}

#[test]
fn references_that_go_anywhere() {
    fuzz(4000, vec((0u8..12, vec(0u8..12, 0..4)), 0..12), |nodes| {
        let mut ids: Vec<u8> = nodes.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        let unique = ids.len() == nodes.len();
        let found = nodes.iter().flat_map(|(_, on)| on).all(|used| ids.contains(used));
        for (which, text) in written(&nodes).iter().enumerate() {
            let graph = read(which, text.as_bytes());
            assert!(graph.is_none() || (unique && found), "{text}");
            assert!(graph.is_none_or(|graph| graph.nodes.len() == nodes.len()), "{text}");
        }
    });
}

#[test]
fn long_chains_and_circles_are_read_in_a_moment() {
    let n = 50_000;
    for circle in [false, true] {
        let on = |at: usize| {
            if at > 0 {
                vec![at - 1]
            } else if circle {
                vec![n - 1]
            } else {
                vec![]
            }
        };
        let steps: Vec<Value> =
            (0..n).map(|at| json!({"step_id": at, "direct_dependent_steps": on(at), "node": at.to_string()})).collect();
        let started = Instant::now();
        let read = dag_math::import(Value::from(steps).to_string().as_bytes(), &unparsed);
        assert_eq!(read.is_err(), circle);
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
    let deep = format!("<graphml><graph>{}", "<a>".repeat(200_000));
    assert!(graphml::import(deep.as_bytes(), &unparsed).unwrap_err().to_string().contains("ends inside <a>"));
}

#[test]
fn ids_of_a_megabyte_and_of_several_lines_are_refused_in_a_short_line() {
    let step = |id: &str, on: &str| json!({"step_id": id, "direct_dependent_steps": [on], "node": "x"});
    let point = |id: &str| json!({"node_id": id});
    for id in ["x".repeat(MB), "a\nb\u{202e}".to_owned()] {
        let xml = format!("<graphml><graph><node id='{id}'/><node id='{id}'/></graph></graphml>");
        for (import, text) in [
            (GRAPHS[0].1, json!([step(&id, "1")]).to_string()),
            (GRAPHS[0].1, json!([step("1", &id)]).to_string()),
            (GRAPHS[0].1, json!([{"step_id": {"a": id}, "node": "x"}]).to_string()),
            (GRAPHS[0].1, json!([{"step_id": 1, "direct_dependent_steps": id, "node": "x"}]).to_string()),
            (GRAPHS[1].1, json!({"nodes": [point(&id), point(&id)], "links": []}).to_string()),
            (GRAPHS[1].1, json!({"nodes": [], "links": [{"source": "a", "target": id}]}).to_string()),
            (GRAPHS[2].1, xml),
            (GRAPHS[2].1, format!("<graphml><graph>&{id};<{id}>")),
        ] {
            let message = import(text.as_bytes()).unwrap_err().to_string();
            clear(&message);
            assert!(message.len() < 600 && !message.contains(['\n', '\u{202e}']), "{message}");
        }
    }
}

#[test]
fn values_of_a_million_digits_are_refused_in_a_moment() {
    let digits = "7".repeat(MB);
    let xml = format!(
        "<graphml><graph><node id='a'><data key='normal'>7</data><data key='value'>{digits}</data></node></graph></graphml>"
    );
    let started = Instant::now();
    let message = graphml::import(xml.as_bytes(), &unparsed).unwrap_err().to_string();
    clear(&message);
    assert!(message.contains("node \"a\"") && message.contains("at most 10000 characters"), "{message}");
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn the_last_step_that_a_number_can_name_is_written() {
    let mut graph = graph();
    let last = graph.nodes.len() - 1;
    graph.nodes[last].step = Some(usize::MAX);
    for (_, import, export) in GRAPHS {
        assert_eq!(import(export(&graph).unwrap().as_bytes()).unwrap(), graph);
    }
}

/// A file with these lines in a folder of its own.
fn file(name: &str, text: &str) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn tokens_that_do_not_fit_their_text_are_refused() {
    let row = |ids: Value, spans: Value| json!({"problem": 1, "language": "en", "text": "3 + 4 = 7", "tokens": {"ids": ids, "spans": spans}});
    let span = |start: u64, end: u64| json!({"start": start, "end": end});
    let good = row(json!([1, 2]), json!([span(0, 5), span(5, 9)]));
    for (bad, why) in [
        (
            row(json!([1]), json!([span(0, 5), span(5, 9)])),
            "expected a span for each of 1 ids under \"tokens\", got 2 spans",
        ),
        (row(json!([1]), json!([span(0, 10)])), "within its 9 bytes, got 0..10 for token 1"),
        (row(json!([1, 2]), json!([span(5, 9), span(0, 5)])), "in the order of the text"),
        (row(json!([1]), json!([span(5, 2)])), "got 5..2 for token 1"),
        (row(json!([1]), json!([span(u64::MAX, u64::MAX)])), "for token 1"),
        (row(json!(["x".repeat(MB)]), json!([])), "under \"tokens\": invalid type"),
    ] {
        let (_folder, path) = file("own.jsonl", &lines(&[good.clone(), bad]));
        let (traces, broken) = Traces::read(&path, Format::Jsonl, None).unwrap();
        assert_eq!((traces.len(), broken.len(), broken[0].line), (1, 1, Some(2)));
        clear(&broken[0].to_string());
        assert!(broken[0].why.contains(why), "{}", broken[0].why);
    }
}

#[test]
fn tries_that_have_no_number_are_refused_and_not_called_the_first() {
    let poly = json!({"id": 1, "language": "en", "question": "q", "thinking": "3 + 4 = 7", "sample": -1});
    let log = json!({"samples": [{"id": 1, "language": "en", "epoch": "two", "output": {"completion": "7"}}]});
    for (name, text, format, why) in [
        ("rows.jsonl", poly.to_string(), Format::PolyMath, "under \"sample\", got -1"),
        (
            "log.json",
            log.to_string(),
            Format::Inspect,
            "sample 1: expected a whole number under \"epoch\", got \"two\"",
        ),
    ] {
        let (_folder, path) = file(name, &text);
        let (traces, broken) = Traces::read(&path, format, None).unwrap();
        assert!(traces.is_empty() && broken[0].why.contains(why), "{broken:?}");
    }
}
