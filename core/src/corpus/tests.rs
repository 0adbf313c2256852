use std::{fs, path::PathBuf};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = folder(&[(name, text.as_bytes())]);
    let path = folder.path().join(name);
    (folder, path)
}

fn refusal(files: &[(&str, &[u8])]) -> String {
    Corpus::open(folder(files).path()).unwrap_err().to_string()
}

fn corpus(columns: &[(&str, &str)]) -> Corpus {
    let columns = columns.iter().map(|(l, t)| ((*l).to_owned(), t.lines().map(str::to_owned).collect()));
    Corpus::from_lines("made", columns.collect()).unwrap()
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let folder = folder(&[("hin_Deva.txt", "एक\nदो\n".as_bytes()), ("eng_Latn.txt", b"one\ntwo")]);
    let corpus = Corpus::open(folder.path()).unwrap();
    assert_eq!(corpus.languages, ["eng_Latn", "hin_Deva"]);
    assert_eq!(corpus.lines("hin_Deva").unwrap(), ["एक", "दो"]);
    assert_eq!((corpus.len(), corpus.notes.len()), (2, 0));
}

#[test]
fn unequal_counts_name_the_odd_language() {
    let why = refusal(&[("deu_Latn.txt", b"a\nb\n"), ("eng_Latn.txt", b"a\nb\n"), ("fra_Latn.txt", b"a\nb\nc\n")]);
    assert!(why.contains("not parallel: 3 lines in fra_Latn; 2 lines in deu_Latn, eng_Latn"), "{why}");
}

#[test]
fn empty_lines_are_numbered() {
    let why = refusal(&[("eng_Latn.txt", b"a\n\nc\n \t\n"), ("fra_Latn.txt", b"a\nb\nc\nd\n")]);
    assert!(why.contains("eng_Latn has nothing in lines 2, 4"), "{why}");
    let why = refusal(&[("eng_Latn.txt", b"a\n\n\n\n\n\n\n\n")]);
    assert!(why.contains("lines 2, 3, 4, 5, 6 and 2 more"), "{why}");
}

#[test]
fn bytes_that_are_not_utf8_are_found() {
    let why = refusal(&[("eng_Latn.txt", b"abc\nx\xE9y\n")]);
    assert!(why.contains("byte 5 (0xE9, in line 2) is not UTF-8") && why.ends_with("eng_Latn.txt"), "{why}");
}

#[test]
fn file_names_that_are_no_language_get_the_nearest() {
    let why = refusal(&[("eng_Latm.txt", b"a\n")]);
    assert!(why.contains("eng_Latm") && why.contains("eng_Latn"), "{why}");
    let why = refusal(&[("xng_Latn.txt", b"a\n")]);
    assert!(why.contains("the nearest known is eng_Latn (English)"), "{why}");
}

#[test]
fn folders_without_text_and_empty_files_are_refused() {
    assert!(refusal(&[("README.md", b"x")]).contains("holds no .txt file"));
    assert!(refusal(&[("eng_Latn.txt", b"")]).contains("have no lines"));
    assert!(refusal(&[("eng_Latn.txt", b"a\n"), ("en.txt", b"a\n")]).contains("eng_Latn is there twice"));
    let why = Corpus::open(Path::new("no/such/corpus.tsv")).unwrap_err().to_string();
    assert!(why.starts_with("cannot read the corpus") && why.ends_with("no/such/corpus.tsv"), "{why}");
    let (_folder, parquet) = file("corpus.parquet", "PAR1");
    assert!(Corpus::open(&parquet).unwrap_err().to_string().contains("came a .parquet file"));
}

#[test]
fn every_change_and_every_omission_is_noted() {
    let folder = folder(&[
        ("eng_Latn.txt", b"\xEF\xBB\xBFone\r\n two\r\n"),
        ("fra.txt", "cafe\u{301}\ndeux\n".as_bytes()),
        ("README.md", b"about"),
    ]);
    let corpus = Corpus::open(folder.path()).unwrap();
    assert_eq!(corpus.lines("eng_Latn").unwrap(), ["one", "two"]);
    assert_eq!(corpus.lines("fra_Latn").unwrap(), ["café", "deux"]);
    let expected = [
        "eng_Latn: a byte order mark at the start was removed",
        "eng_Latn: Windows line ends (CRLF) read as line ends, 2 of 2",
        "fra is read as fra_Latn",
        "not read, as they are no .txt files: README.md",
        "eng_Latn: white space at the ends removed in 1 line (line 2)",
        "fra_Latn: 1 line normalised to NFC (line 1)",
    ];
    assert_eq!(corpus.notes, expected);
}

#[test]
fn repeated_and_shared_lines_are_noted() {
    let corpus = corpus(&[("eng_Latn", "a\nb\na\nc"), ("deu_Latn", "a\nx\ny\nz")]);
    let expected = [
        "eng_Latn: 1 line repeated from above (line 3); equal sentences tie in retrieval",
        "eng_Latn and deu_Latn are the same text in 1 line (25.0 %)",
    ];
    assert_eq!(corpus.notes, expected);
}

#[test]
fn line_separators_inside_a_sentence_are_refused() {
    for separator in ["\r", "\u{2028}", "\u{85}"] {
        let why = refusal(&[("eng_Latn.txt", format!("a{separator}b\n").as_bytes())]);
        assert!(why.contains("line break inside of line 1"), "{why}");
    }
}

#[test]
fn tables_hold_a_language_in_each_column() {
    let expected = corpus(&[("eng_Latn", "It \"rains\"\nYes, 2"), ("jpn_Jpan", "雨です\nはい")]);
    for (name, text) in [
        ("a.tsv", "id\teng_Latn\tjpn_Jpan\tdomain\n1\tIt \"rains\"\t雨です\tnews\n2\tYes, 2\tはい\tnews\n"),
        ("a.csv", "eng_Latn,jpn_Jpan,domain\n\"It \"\"rains\"\"\",雨です,news\n\"Yes, 2\",はい,news\n"),
        (
            "a.jsonl",
            "{\"id\": 1, \"eng_Latn\": \"It \\\"rains\\\"\", \"jpn_Jpan\": \"雨です\"}\n\
             {\"eng_Latn\": \"Yes, 2\", \"jpn_Jpan\": \"はい\", \"id\": 2}\n",
        ),
        (
            "b.jsonl",
            "{\"translation\": {\"en\": \"It \\\"rains\\\"\", \"ja\": \"雨です\"}}\n\
             {\"translation\": {\"en\": \"Yes, 2\", \"ja\": \"はい\"}}",
        ),
    ] {
        let (_folder, path) = file(name, text);
        let corpus = Corpus::open(&path).unwrap();
        assert_eq!((&corpus.languages, &corpus.sentences), (&expected.languages, &expected.sentences), "{name}");
        assert_eq!(corpus.sha256, expected.sha256, "{name}");
        assert!(!corpus.notes.is_empty(), "{name}");
    }
}

#[test]
fn damaged_tables_say_where() {
    for (name, text, says) in [
        ("a.tsv", "eng_Latn\tfra_Latn\na\tb\nc\n", "every row needs 2 cells"),
        ("a.csv", "eng_Latm\nx\n", "the column \"eng_Latm\" is no language"),
        ("a.csv", "topic,source\nx,y\n", "no column is a language; there are topic, source"),
        ("a.csv", "", "no column is a language"),
        ("a.csv", "eng_Latn\n\"two\nlines\"\n", "line break inside of line 1"),
        ("a.jsonl", "{\"eng_Latn\": \"a\"}\nnonsense\n", "line 2 is no JSON object"),
        ("a.jsonl", "{\"eng_Latn\": \"a\"}\n{}\n", "line 2 has no \"eng_Latn\""),
        ("a.jsonl", "{\"eng_Latn\": \"a\"}\n{\"eng_Latn\": \"b\", \"fra_Latn\": \"c\"}\n", "line 2 has \"fra_Latn\""),
        ("a.jsonl", "{\"eng_Latn\": null}\n", "eng_Latn has nothing in line 1"),
        ("a.txt", "x", "came a .txt file"),
    ] {
        let (_folder, path) = file(name, text);
        let why = Corpus::open(&path).unwrap_err().to_string();
        assert!(why.contains(says), "{name}: {why}");
    }
}

#[test]
fn a_selection_is_a_corpus_of_its_own() {
    let all = corpus(&[("eng_Latn", "a\nb\na"), ("deu_Latn", "x\ny\nz"), ("fra_Latn", "u\nv\nw")]);
    assert_eq!(all.select(&[], 0).unwrap(), all);
    let two = all.select(&["fra".to_owned(), "eng_Latn".to_owned()], 2).unwrap();
    assert_eq!(two.languages, ["fra_Latn", "eng_Latn"]);
    assert_eq!(two.sentences, [["u", "v"], ["a", "b"]]);
    assert_eq!(two.notes, ["the first 2 of 3 lines"]);
    assert_ne!(two.sha256, all.sha256);
    let why = all.select(&["fra_Latm".to_owned()], 0).unwrap_err().to_string();
    assert!(
        why.contains("there is no fra_Latm; the nearest is fra_Latn; there are eng_Latn, deu_Latn, fra_Latn"),
        "{why}"
    );
    let why = all.select(&[], 4).unwrap_err().to_string();
    assert!(why.contains("4 lines are asked for, there are 3"), "{why}");
}

#[test]
fn the_hash_sees_every_language_line_and_order() {
    let base = corpus(&[("eng_Latn", "a\nb"), ("deu_Latn", "c\nd")]);
    for other in [
        corpus(&[("eng_Latn", "a\nb"), ("fra_Latn", "c\nd")]),
        corpus(&[("eng_Latn", "a\nb"), ("deu_Latn", "d\nc")]),
        corpus(&[("deu_Latn", "c\nd"), ("eng_Latn", "a\nb")]),
        corpus(&[("eng_Latn", "a\nb")]),
    ] {
        assert_ne!(base.sha256, other.sha256);
    }
    let renamed = Corpus { name: "other".to_owned(), ..base.clone() };
    assert_eq!(renamed.sha256, base.sha256);
}

#[test]
fn a_language_that_the_registry_lacks_may_have_a_private_code() {
    assert_eq!(corpus(&[("qaa_Cyrl", "a")]).languages, ["qaa_Cyrl"]);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..4) {
        let name = ["eng_Latn.txt", "a.tsv", "a.csv", "a.jsonl"][at];
        let folder = folder(&[(name, &bytes)]);
        let path = if at == 0 { folder.path().to_owned() } else { folder.path().join(name) };
        Corpus::open(&path).ok();
    }

    #[test]
    fn what_is_written_is_read(lines in proptest::collection::vec("[a-zàéあ中ก]{1,6}( [a-z]{1,5})?", 1..12)) {
        let text = lines.join("\n");
        let folder = folder(&[("eng_Latn.txt", text.as_bytes())]);
        let corpus = Corpus::open(folder.path()).unwrap();
        prop_assert_eq!(&corpus.sentences, &[lines]);
    }
}
