//! Every reader of files and requests on spoiled input: no panic, no memory without bound, no end that never comes.
//!
//! The cases are the same in every run; `BABELSCOPE_FUZZ=50 cargo test --release --test fuzz` takes fifty times as many, others each
//! time. A case that found something becomes a test with a name, here or beside the reader.
//!
//! This file belongs to the package `babelscope` (see experiments/Cargo.toml), whose hash functions it needs.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

#[path = "fuzz/memory.rs"]
mod memory;
#[path = "fuzz/models.rs"]
mod models;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/runs.rs"]
mod runs;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use babelscope::{
    serve::{files::segments, request},
    spec::RunSpec,
};
use babelscope_core::{corpus::Corpus, lang};
use memory::within;
use mutate::{changed, changes, fuzz};
use proptest::{collection::vec, prelude::*};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const MB: usize = 1 << 20;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

#[test]
fn requests() {
    let valid = b"GET /v1/runs/demo/file/tables/a%20b HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer abc\r\nRange: bytes=5-9\r\n\r\n";
    let look = |bytes: &[u8]| {
        within(MB, || {
            let read = request::parse(bytes);
            if let Ok(Some((request, length))) = &read {
                assert!(*length <= bytes.len() && *length <= request::HEAD);
                // A head is read at its last byte, and not before: how it is cut into packets changes nothing.
                assert_eq!(request::parse(&bytes[..length - 1]), Ok(None));
                assert_eq!(request::parse(&bytes[..*length]), read);
                for segment in segments(&request.target).unwrap_or_default() {
                    assert!(Path::new(&segment).components().count() == 1 && !segment.starts_with('.'));
                }
                if let Some((first, count)) = request.range.and_then(|range| range.within(1000)) {
                    assert!(count > 0 && first + count <= 1000);
                }
            }
        });
    };
    fuzz(20_000, changes(), |changes| look(&changed(valid, usize::MAX, &changes)));
    fuzz(5000, vec(any::<u8>(), 0..200), |bytes| look(&bytes));
    let words = proptest::sample::select(vec![
        "GET",
        "HEAD",
        " ",
        "/",
        "HTTP/1.1",
        "HTTP/1.0",
        "\r\n",
        "\n",
        ":",
        "Host",
        "Range: bytes=",
        "-",
        "9",
        "Content-Length: ",
        "Authorization: Bearer ",
        "Connection: close",
        "..",
        "%2e",
        "%00",
        "\0",
        "\u{9b}",
    ]);
    fuzz(10_000, vec(words, 0..30), |words| look(words.concat().as_bytes()));
}

#[test]
fn specs() {
    let mut spec = RunSpec::demo().unwrap();
    spec.extract.layers = vec![0, 4];
    spec.model[0].load.revision = Some("main".to_owned());
    let text = spec.to_toml().unwrap();
    let look = |text: &str| {
        within(16 * MB, || {
            if let Ok(spec) = RunSpec::parse(text) {
                // What is taken can be written, and is the same when it is read again.
                assert_eq!(RunSpec::parse(&spec.to_toml().unwrap()).unwrap(), spec);
            }
        });
    };
    fuzz(4000, changes(), |changes| look(&String::from_utf8_lossy(&changed(text.as_bytes(), usize::MAX, &changes))));
    fuzz(2000, "\\PC{0,200}", |text: String| look(&text));
    let keys = proptest::sample::select(vec![
        "data.limit",
        "probe.0.bootstrap",
        "name",
        "model.0.path",
        "a.b.c",
        "",
        "probe",
        "seed",
    ]);
    fuzz(2000, (keys, "\\PC{0,30}"), |(key, value)| {
        within(16 * MB, || spec.with(&format!("{key}={value}")).ok());
    });
}

#[test]
fn a_spec_with_very_many_layers_is_read_in_a_moment() {
    let numbers: Vec<String> = (0..200_000).map(|n| n.to_string()).collect();
    let text = format!(
        "schema = 1\nname = \"x\"\n[[model]]\npath = \"lab\"\n[extract]\nlayers = [{}]\n[[probe]]\nkind = \"align\"\n",
        numbers.join(",")
    );
    assert_eq!(RunSpec::parse(&text).map(|spec| spec.extract.layers.len()).ok(), Some(200_000));
}

#[test]
fn corpora() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "eng_Latn,id,deu_Latn\nIt rains.,1,Es regnet.\n\"I, too\",2,\"Ich \"\"auch\"\"\"\n";
    let samples = [
        ("a.csv", lines.to_owned()),
        ("a.tsv", "eng_Latn\tid\tdeu_Latn\nIt rains.\t1\tEs regnet.\n\"I\"\t2\tIch\n".to_owned()),
        (
            "a.jsonl",
            "{\"eng_Latn\":\"It rains.\",\"deu_Latn\":\"Es regnet.\"}\n{\"deu_Latn\":\"b\",\"eng_Latn\":\"a\"}\n"
                .to_owned(),
        ),
        ("folder/eng_Latn.txt", "It rains.\r\nI sleep.\r\n".to_owned()),
    ];
    fs::create_dir(folder.path().join("folder")).unwrap();
    fs::write(folder.path().join("folder/deu_Latn.txt"), "Es regnet.\nIch schlafe.\n").unwrap();
    for (name, text) in samples {
        let path = folder.path().join(name);
        let corpus = if name.starts_with("folder") { folder.path().join("folder") } else { path.clone() };
        fs::write(&path, &text).unwrap();
        assert_eq!(Corpus::open(&corpus).unwrap().len(), 2, "{name}");
        let look = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            within(64 * MB, || {
                if let Ok(corpus) = Corpus::open(&corpus) {
                    assert!(
                        corpus
                            .sentences
                            .iter()
                            .all(|lines| lines.len() == corpus.len() && !lines.contains(&String::new()))
                    );
                }
            });
        };
        fuzz(1500, changes(), |changes| look(&changed(text.as_bytes(), usize::MAX, &changes)));
        fuzz(500, vec(any::<u8>(), 0..100), |bytes| look(&bytes));
        fuzz(500, "[a-z_,\"\t\n\r{}:\u{feff}\u{2028}é]{0,100}", |text: String| look(text.as_bytes()));
    }
}

#[test]
fn a_table_whose_first_row_is_a_book_is_refused_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "word ".repeat(2_000_000)).unwrap();
    let why = within(256 * MB, || Corpus::open(&path)).unwrap_err().to_string();
    assert!(why.contains("no column is a language") && why.len() < 1000, "{} bytes", why.len());
    assert!(lang::nearest(&"x".repeat(50_000_000)).is_none());
}

#[test]
fn ten_thousand_languages_are_read_from_lines_of_json() {
    let letters = |from: char, to: char| from..=to;
    let codes = letters('a', 't').flat_map(|b| letters('a', 'z').map(move |c| format!("q{b}{c}")));
    let scripts: Vec<&str> = lang::all().iter().map(lang::Lang::script).collect::<BTreeSet<_>>().into_iter().collect();
    let codes = codes.flat_map(|code| scripts.iter().map(move |script| format!("{code}_{script}")));
    let codes: Vec<String> = codes.filter(|code| lang::is_valid(code)).take(10_000).collect();
    assert_eq!(codes.len(), 10_000);
    let line = |n: usize| {
        let cells: Vec<String> = codes.iter().map(|code| format!("\"{code}\":\"{n} {code}\"")).collect();
        format!("{{{}}}\n", cells.join(","))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    fs::write(&path, line(0) + &line(1)).unwrap();
    assert_eq!(Corpus::open(&path).unwrap().languages, codes);
}
