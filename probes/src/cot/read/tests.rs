use std::fs;

use super::*;

/// A folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("babelscope_traces_{name}_{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn read(name: &str, content: impl AsRef<[u8]>, language: Option<&str>) -> (Format, Vec<Trace>, Vec<String>) {
    let path = folder(&name.replace(['/', '.'], "_")).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    let format = Format::guess(&path).unwrap();
    let (traces, broken) = Traces::read(&path, format, language).unwrap();
    (format, traces, broken.iter().map(ToString::to_string).collect())
}

#[test]
fn own_lines_are_read_and_broken_ones_reported() {
    let lines: &[u8] = b"\xef\xbb\xbf{\"problem\": 1, \"language\": \"de\", \"text\": \"2 + 3 = 5\", \"answer\": 5, \"seed\": 7}\n\n\
        {\"problem\": \"b\", \"language\": \"eng_Latn\", \"text\": \"x\", \"sample\": 2, \"statement\": \"s\", \"statement_language\": \"th\"}\n\
        {\"problem\": \"b\", \"text\": \n\
        {\"problem\": \"\xff\"}\n\
        [1, 2]\n\
        {\"problem\": \"c\", \"text\": \"no language\"}\n\
        {\"problem\": \"c\", \"language\": \"xx\", \"text\": [1]}\n\
        {\"problem\": \"d\", \"language\": \"eng_Latn\", \"text\": \"x\", \"sample\": -1}";
    let (format, traces, broken) = read("own.jsonl", lines, None);
    assert_eq!(format, Format::Jsonl);
    let first = Trace {
        problem: "1".into(),
        language: "deu_Latn".into(),
        text: "2 + 3 = 5".into(),
        answer: Some("5".into()),
        seed: Some(7),
        ..Trace::default()
    };
    assert_eq!(traces[0], first);
    assert_eq!((traces[1].sample, traces[1].statement_language.as_deref()), (2, Some("tha_Thai")));
    assert_eq!(traces.len(), 2);
    for (message, wanted) in broken.iter().zip([
        "line 4: expected an object of JSON: EOF",
        "line 5: expected UTF-8, got another byte behind the first 13 bytes",
        "line 6: expected an object of JSON, got [1,2]",
        "line 7: expected a language",
        "line 8: expected a text under \"text\", got [1]",
        "line 9: expected a whole number below 2^32 under \"sample\", got -1",
    ]) {
        assert!(message.starts_with(wanted), "{message}");
    }
    assert_eq!(broken.len(), 6);
}

#[test]
fn what_we_write_we_read() {
    let trace = Trace {
        problem: "p".into(),
        language: "qec_Latn".into(),
        statement: "s".into(),
        statement_language: Some("eng_Latn".into()),
        text: "äḃ 1 + 2 = 3".into(),
        answer: Some("3".into()),
        sample: 4,
        seed: Some(1),
        model: Some("m".into()),
        tokens: Some(crate::cot::Tokens { ids: vec![1, 2], spans: vec![0..2, 2..5], prompt: vec![] }),
    };
    let (_, traces, broken) = read("round.jsonl", serde_json::to_string(&trace).unwrap(), None);
    assert_eq!((traces, broken), (vec![trace], vec![]));
}

#[test]
fn polymath_rows_share_the_name_of_their_problem() {
    let row = "{\"id\": \"low-fr-12\", \"question\": \"q\", \"answer\": \"3\", \"thinking\": \"2 + 1\", \"response\": \"= 3\"}\n{\"id\": 1}";
    let (format, traces, broken) = read("rows.jsonl", row, None);
    assert_eq!(format, Format::PolyMath);
    assert_eq!((traces[0].problem.as_str(), traces[0].language.as_str()), ("low-12", "fra_Latn"));
    assert_eq!((traces[0].text.as_str(), traces[0].answer.as_deref()), ("2 + 1\n\n= 3", Some("3")));
    assert!(broken[0].starts_with("line 2: expected a text under \"thinking\" or \"response\""), "{broken:?}");
    let row = "[{\"idx\": 4, \"question\": \"q\", \"answer\": 3, \"thinking_pred\": \"\", \"answer_pred\": \"3\"}]";
    let (_, traces, _) = read("top/th.json", row, None);
    assert_eq!((traces[0].problem.as_str(), traces[0].language.as_str()), ("top-4", "tha_Thai"));
}

#[test]
fn mgsm_tables_have_one_sample_an_output() {
    let table: &[u8] = b"Frage 1\t5\t2 + 3 = 5\t\"5, als\noder\"\nFrage 2\t6\nnur\n\xff\t1\t2\nFrage 5\t7\tsieben\n";
    let (format, traces, broken) = read("mgsm_de.tsv", table, None);
    assert_eq!(format, Format::Mgsm);
    let said: Vec<_> =
        traces.iter().map(|t| (t.problem.as_str(), t.sample, t.text.as_str(), t.answer.as_deref().unwrap())).collect();
    assert_eq!(said, [("1", 0, "2 + 3 = 5", "5"), ("1", 1, "5, als\noder", "5"), ("5", 0, "sieben", "7")]);
    assert!(traces.iter().all(|trace| trace.language == "deu_Latn" && trace.statement.starts_with("Frage")));
    assert!(broken[0].starts_with("line 3: expected an output"), "{broken:?}");
    assert!(broken[1].contains("expected question, answer and outputs") && broken[2].contains("UTF-8"), "{broken:?}");
}

#[test]
fn folders_of_thought_anchors_are_read_in_order() {
    let root = folder("anchors").join("fr");
    for (problem, file, content) in [
        ("problem_10", "base_solution.json", "{\"prompt\": \"p\", \"solution\": \"2 + 3 = 5.\", \"answer\": \"5\"}"),
        ("problem_10", "problem.json", "{\"problem\": \"stated\", \"gt_answer\": \"5\"}"),
        ("problem_9", "chunks_labeled.json", "[{\"chunk\": \"First.\", \"depends_on\": []}, {\"chunk\": \"Then 7.\"}]"),
        ("problem_11", "chunks_labeled.json", "{}"),
        ("problem_12", "base_solution.json", "{"),
        ("other", "notes.txt", ""),
    ] {
        fs::create_dir_all(root.join(problem)).unwrap();
        fs::write(root.join(problem).join(file), content).unwrap();
    }
    assert_eq!(Format::guess(&root).unwrap(), Format::ThoughtAnchors);
    let (traces, broken) = Traces::read(&root, Format::ThoughtAnchors, None).unwrap();
    let said: Vec<_> = traces.iter().map(|t| (t.problem.as_str(), t.text.as_str(), t.statement.as_str())).collect();
    assert_eq!(said, [("9", "First. Then 7.", ""), ("10", "2 + 3 = 5.", "stated")]);
    assert_eq!(traces[1].language, "fra_Latn");
    assert!(broken[0].why.contains("\"chunk\"") && broken[1].why.contains("expected JSON"), "{broken:?}");
}

#[test]
fn logs_of_inspect_give_their_replies() {
    let log = r#"{"version": 2, "eval": {"model": "m/x", "dataset": {}}, "samples": [
        {"id": "a", "epoch": 2, "input": "asked", "target": "5", "metadata": {"language": "sw"},
         "output": {"choices": [{"message": {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "2 + 3"},
         {"type": "text", "text": "= 5"}]}}]}},
        {"id": 2, "input": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "target": ["6", "six"], "lang": "en",
         "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "6"}], "output": {"choices": []}},
        {"id": 3, "lang": "en", "messages": []}]}"#;
    let (format, traces, broken) = read("log.json", log, None);
    assert_eq!(format, Format::Inspect);
    assert_eq!(
        (traces[0].text.as_str(), traces[0].sample, traces[0].language.as_str()),
        ("2 + 3\n\n= 5", 1, "swh_Latn")
    );
    assert_eq!(
        (traces[1].text.as_str(), traces[1].statement.as_str(), traces[1].answer.as_deref()),
        ("6", "u", Some("6"))
    );
    assert_eq!(traces[1].model.as_deref(), Some("m/x"));
    assert!(broken[0].starts_with("sample 3: expected a reply"), "{broken:?}");
}

#[test]
fn samples_of_lm_eval_are_one_trace_a_reply() {
    let lines = "{\"doc_id\": 3, \"doc\": {\"question\": \"q\"}, \"target\": \"5\", \"resps\": [[\"5\", \"6\"]]}\n{\"doc_id\": 4, \"resps\": [[[-1.5, true]]]}";
    let (format, traces, broken) = read("samples_mgsm_native_cot_bn_2025.jsonl", lines, None);
    assert_eq!(format, Format::LmEval);
    let said: Vec<_> =
        traces.iter().map(|t| (t.problem.as_str(), t.sample, t.text.as_str(), t.language.as_str())).collect();
    assert_eq!(said, [("3", 0, "5", "ben_Beng"), ("3", 1, "6", "ben_Beng")]);
    assert!(broken[0].contains("multiple choice"), "{broken:?}");
}

#[test]
fn what_is_no_format_is_refused_with_what_was_expected() {
    let root = folder("refused");
    let cases = [
        ("a.txt", "x", "expected a .jsonl"),
        ("a.eval", "x", "inspect log convert"),
        ("a.jsonl", "{\"a\": 1}", "expected keys"),
    ];
    for (name, content, wanted) in cases {
        fs::write(root.join(name), content).unwrap();
        let why = Format::guess(&root.join(name)).unwrap_err().to_string();
        assert!(why.contains(wanted), "{why}");
    }
    assert!(Format::guess(&root.join("none.jsonl")).is_err());
    assert!(Format::guess(&root).unwrap_err().to_string().contains("problem_N"));
    fs::write(root.join("a.tsv"), "q\t1\tx").unwrap();
    assert!(Traces::open(&root.join("a.tsv"), Format::Mgsm, None).unwrap_err().to_string().contains("mgsm_de.tsv"));
    fs::write(root.join("bad.json"), "[{]").unwrap();
    assert!(Traces::open(&root.join("bad.json"), Format::PolyMath, None).is_err());
}
