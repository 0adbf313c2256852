//! Planted truths, laws, and the golden tokenizers.

use std::{collections::BTreeSet, path::Path};

use babelscope_core::{corpus::Corpus, monitor::Monitor, tokens::Tokenizer};
use serde_json::{Value, json};

use super::{TokenizerParams, tokenizer};
use crate::measure::{Measured, Row};

fn corpus(languages: &[(&str, &[&str])]) -> Corpus {
    Corpus {
        name: "made up".to_owned(),
        languages: languages.iter().map(|(code, _)| (*code).to_owned()).collect(),
        sentences: languages.iter().map(|(_, lines)| lines.iter().map(|l| (*l).to_owned()).collect()).collect(),
        sha256: String::new(),
        notes: Vec::new(),
    }
}

/// A token for every word of the corpus.
fn whole_words(corpus: &Corpus) -> Tokenizer {
    let words: BTreeSet<&str> = corpus.sentences.iter().flatten().flat_map(|line| line.split(' ')).collect();
    let vocab: serde_json::Map<String, Value> =
        std::iter::once("?").chain(words).enumerate().map(|(id, word)| (word.to_owned(), json!(id))).collect();
    let file = json!({
        "model": {"type": "WordLevel", "unk_token": "?", "vocab": vocab},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
    });
    Tokenizer::from_bytes(file.to_string().as_bytes(), "words".as_ref()).unwrap()
}

fn golden(name: &str) -> (Tokenizer, Vec<Value>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tokenizers").join(name);
    let lines = std::fs::read_to_string(folder.join("golden.jsonl")).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap(), lines)
}

fn run(tokenizer_: &Tokenizer, corpus: &Corpus, pivots: &[&str]) -> Measured {
    let pivots = pivots.iter().map(|p| (*p).to_owned()).collect();
    let params = TokenizerParams { pivots, ..TokenizerParams::default() };
    tokenizer("t", tokenizer_, None, corpus, &params, 7, &Monitor::silent()).unwrap()
}

fn row<'a>(measured: &'a Measured, metric: &str, language: &str, pivot: &str) -> &'a Row {
    measured.rows.iter().find(|r| r.metric == metric && r.language == language && r.pivot == pivot).unwrap()
}

fn value(measured: &Measured, metric: &str, language: &str, pivot: &str) -> f64 {
    row(measured, metric, language, pivot).value.unwrap()
}

const ALL_GOLDEN: [&str; 6] = ["bpe_gpt2", "bpe_llama3", "bpe_qwen", "spm_llama2", "unigram_tok", "wordpiece"];

#[test]
fn a_language_of_three_tokens_for_one_has_a_premium_of_three() {
    let clone = |line: &str| line.split(' ').map(|w| format!("{w}1 {w}2 {w}3")).collect::<Vec<_>>().join(" ");
    let english = ["the cat", "a dog runs home", "no"];
    let clones: Vec<String> = english.iter().map(|line| clone(line)).collect();
    let clones: Vec<&str> = clones.iter().map(String::as_str).collect();
    let corpus = corpus(&[("eng_Latn", &english), ("qaa_Latn", &clones)]);
    let found = run(&whole_words(&corpus), &corpus, &["eng_Latn"]);
    for metric in ["premium", "premium_joined", "premium_sentences"] {
        assert_eq!(value(&found, metric, "qaa_Latn", "eng_Latn"), 3.0, "{metric}");
    }
    let premium = row(&found, "premium", "qaa_Latn", "eng_Latn");
    assert_eq!((premium.low, premium.high, premium.n), (Some(3.0), Some(3.0), 3));
    assert_eq!(value(&found, "shared_tokens", "qaa_Latn", "eng_Latn"), 0.0);
    assert_eq!(value(&found, "vocabulary_overlap", "qaa_Latn", "eng_Latn"), 0.0);
    assert!((value(&found, "jsd", "qaa_Latn", "eng_Latn") - 1.0).abs() < 1e-12);
}

#[test]
fn half_one_and_half_three_is_two_of_totals_and_another_mean_of_sentences() {
    // Of four tokens two become three: 8 / 4. By sentence 1 / 1 and 7 / 3.
    let corpus = corpus(&[("eng_Latn", &["a", "b c d"]), ("qaa_Latn", &["a", "b1 b2 b3 c d1 d2 d3"])]);
    let found = run(&whole_words(&corpus), &corpus, &["eng_Latn"]);
    assert_eq!(value(&found, "premium", "qaa_Latn", "eng_Latn"), 2.0);
    assert_eq!(value(&found, "premium_sentences", "qaa_Latn", "eng_Latn"), (1.0 + 7.0 / 3.0) / 2.0);
    // Sentence 1 shares its only token, sentence 2 one of seven.
    assert_eq!(value(&found, "shared_tokens", "qaa_Latn", "eng_Latn"), (1.0 + 1.0 / 7.0) / 2.0);
    // Types {a b c d} and {a b1 b2 b3 c d1 d2 d3}: 2 of 10.
    assert_eq!(value(&found, "vocabulary_overlap", "qaa_Latn", "eng_Latn"), 0.2);
}

#[test]
fn a_pivot_beside_itself_is_one() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    let english = lab.lines("eng_Latn").unwrap().to_vec();
    let twins = Corpus {
        languages: vec!["eng_Latn".into(), "qaa_Latn".into()],
        sentences: vec![english.clone(), english],
        ..lab
    };
    for name in ALL_GOLDEN {
        let found = run(&golden(name).0, &twins, &["eng_Latn"]);
        for metric in
            ["premium", "premium_joined", "premium_sentences", "byte_premium", "shared_tokens", "vocabulary_overlap"]
        {
            assert_eq!(value(&found, metric, "qaa_Latn", "eng_Latn"), 1.0, "{name} {metric}");
        }
        assert_eq!(value(&found, "jsd", "qaa_Latn", "eng_Latn"), 0.0, "{name}");
    }
}

#[test]
fn premiums_multiply_along_a_chain_and_divergence_is_symmetric() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    let params = TokenizerParams { pivots: Vec::new(), bootstrap: 0, ..TokenizerParams::default() };
    for name in ALL_GOLDEN {
        let own = golden(name).0;
        let found = tokenizer(name, &own, None, &lab, &params, 0, &Monitor::silent()).unwrap();
        for metric in ["premium", "byte_premium", "premium_joined"] {
            let of = |x, p| value(&found, metric, x, p);
            for (a, b, c) in [("hin_Deva", "rus_Cyrl", "eng_Latn"), ("tha_Thai", "zho_Hans", "arb_Arab")] {
                assert!((of(a, b) * of(b, c) / of(a, c) - 1.0).abs() < 1e-12, "{name} {metric}");
                assert!((of(a, b) * of(b, a) - 1.0).abs() < 1e-12, "{name} {metric}");
            }
        }
        let (premium, bytes) =
            (value(&found, "premium", "hin_Deva", "eng_Latn"), value(&found, "byte_premium", "hin_Deva", "eng_Latn"));
        let per_token = |code| value(&found, "bytes_per_token", code, "");
        assert!((bytes * per_token("eng_Latn") / per_token("hin_Deva") / premium - 1.0).abs() < 1e-12, "{name}");
        for metric in ["jsd", "vocabulary_overlap"] {
            assert_eq!(value(&found, metric, "hin_Deva", "eng_Latn"), value(&found, metric, "eng_Latn", "hin_Deva"));
        }
    }
}

#[test]
fn bytes_are_the_same_for_every_tokenizer_and_are_the_premium_of_one_that_knows_bytes_alone() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    let byte_premium = |found: &Measured| value(found, "byte_premium", "hin_Deva", "eng_Latn");
    let expected = byte_premium(&run(&golden("bpe_gpt2").0, &lab, &["eng_Latn"]));
    assert_eq!(byte_premium(&run(&golden("wordpiece").0, &lab, &["eng_Latn"])), expected);
    // GPT-2's alphabet without its merges.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tokenizers/bpe_gpt2/tokenizer.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    file["model"]["merges"] = json!([]);
    let bytes = Tokenizer::from_bytes(file.to_string().as_bytes(), &path).unwrap();
    let found = run(&bytes, &lab, &["eng_Latn"]);
    assert_eq!(value(&found, "premium", "hin_Deva", "eng_Latn"), expected);
    assert_eq!(value(&found, "bytes_per_token", "hin_Deva", ""), 1.0);
    assert!(value(&found, "byte_fallback_share", "hin_Deva", "") > 0.8);
}

#[test]
fn counts_are_those_of_the_reference_without_special_tokens() {
    for name in ALL_GOLDEN {
        let (own, lines) = golden(name);
        let ids = |line: &Value| -> Vec<u64> {
            line["ids_no_special"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
        };
        let all: Vec<u64> = lines.iter().flat_map(ids).collect();
        let texts: Vec<&str> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
        let found = run(&own, &corpus(&[("qaa_Latn", &texts)]), &["qaa_Latn"]);
        let of = |metric| value(&found, metric, "qaa_Latn", "");
        assert_eq!(of("tokens"), all.len() as f64, "{name}");
        let unknown = all.iter().filter(|id| own.unknown().is_some_and(|u| u64::from(u) == **id)).count();
        assert_eq!(of("unknown_share"), unknown as f64 / all.len() as f64, "{name}");
        assert_eq!(unknown > 0, matches!(name, "unigram_tok" | "wordpiece"), "{name}");
        if name == "spm_llama2" {
            // Bytes below 0x80 are text alone.
            let above =
                |id: &&u64| own.token(**id as u32).is_some_and(|t| t.starts_with("<0x") && t.as_bytes()[3] >= b'8');
            let count = all.iter().filter(above).count();
            assert_eq!(of("byte_fallback_share"), count as f64 / all.len() as f64);
        }
        let shares: f64 = found.metric("vocabulary_of_script").filter_map(|r| r.value).sum();
        assert!((shares - 1.0).abs() < 1e-12, "{name}");
    }
}

#[test]
fn split_words_are_those_that_the_spelling_of_the_tokens_shows() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    // Letters and spaces alone: then words are what stands between spaces, for UAX-29 and for every tokenizer.
    let plain = |line: &String| line.chars().filter(|c| c.is_alphabetic() || *c == ' ').collect::<String>();
    let lines: Vec<String> = lab.lines("eng_Latn").unwrap().iter().map(plain).collect();
    let words: usize = lines.iter().map(|line| line.split_whitespace().count()).sum();
    let texts: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (name, begins) in [("wordpiece", None), ("spm_llama2", Some('▁')), ("bpe_gpt2", Some('Ġ'))] {
        let own = golden(name).0;
        let mut continued = 0;
        let mut tokens = 0;
        for line in &lines {
            let mut parts: Vec<usize> = Vec::new();
            for id in own.encode_plain(line).unwrap() {
                let token = own.token(id).unwrap();
                let first = parts.is_empty() || begins.map_or(!token.starts_with("##"), |mark| token.starts_with(mark));
                // The mark of the space alone is no part of the word.
                let part = usize::from(begins.is_none_or(|mark| token.chars().any(|c| c != mark)));
                tokens += 1;
                match parts.last_mut() {
                    Some(last) if !first => *last += part,
                    _ => parts.push(part),
                }
            }
            continued += parts.iter().filter(|parts| **parts > 1).count();
        }
        let found = run(&own, &corpus(&[("eng_Latn", &texts)]), &["eng_Latn"]);
        assert_eq!(value(&found, "continued_words", "eng_Latn", ""), continued as f64 / words as f64, "{name}");
        assert_eq!(value(&found, "fertility", "eng_Latn", ""), tokens as f64 / words as f64, "{name}");
    }
}

#[test]
fn two_tokenizers_are_subtracted_draw_by_draw() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    let ((first, _), (second, _)) = (golden("bpe_gpt2"), golden("unigram_tok"));
    let params = TokenizerParams::default();
    let compare = |other| tokenizer("a", &first, Some(("b", other)), &lab, &params, 3, &Monitor::silent()).unwrap();
    let same = compare(&first);
    for row in same.rows.iter().filter(|row| row.metric.ends_with("_difference") && row.value.is_some()) {
        assert_eq!(row.value, Some(0.0), "{row:?}");
        assert!(row.low.is_none_or(|low| low == 0.0) && row.high.is_none_or(|high| high == 0.0), "{row:?}");
    }
    let found = compare(&second);
    let of = |metric: &str, variant: &str| found.value(metric, "hin_Deva", "eng_Latn", None, variant);
    let difference = found.metric("premium_difference").find(|r| r.language == "hin_Deva").unwrap();
    assert_eq!(difference.variant, "b - a");
    assert_eq!(difference.value, Some(of("premium", "b").unwrap() - of("premium", "a").unwrap()));
    // Paired: narrower than two independent intervals side by side.
    let width = |row: &Row| row.high.unwrap() - row.low.unwrap();
    let alone: f64 = found.metric("premium").filter(|r| r.language == "hin_Deva").map(width).sum();
    assert!(width(difference) < alone && difference.low < difference.value && difference.value < difference.high);
    // What no tokenizer changes is there once, and has no difference.
    assert_eq!(found.metric("byte_premium").filter(|r| r.language == "hin_Deva").count(), 1);
    assert_eq!(found.metric("byte_premium_difference").count(), 0);
    assert_eq!(of("byte_premium", ""), same.value("byte_premium", "hin_Deva", "eng_Latn", None, ""));
    let thai = found.metric("fertility_difference").find(|r| r.language == "tha_Thai").unwrap();
    assert!(thai.value.is_none() && thai.status.contains("without spaces"), "{thai:?}");
}

#[test]
fn the_interval_is_that_of_the_ratio_in_each_draw() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    let own = golden("bpe_gpt2").0;
    let found = run(&own, &lab, &["eng_Latn"]);
    let lengths = |code: &str| -> Vec<f64> {
        lab.lines(code).unwrap().iter().map(|line| own.encode_plain(line).unwrap().len() as f64).collect()
    };
    let (ours, theirs) = (lengths("hin_Deva"), lengths("eng_Latn"));
    let draws = crate::bootstrap::Draws::new(lab.len(), 1000, 7).unwrap();
    let dot = |values: &[f64], weights: &[f64]| values.iter().zip(weights).map(|(v, w)| v * w).sum::<f64>();
    let ratio = |b| {
        let w = draws.weights(b);
        dot(&ours, &w) / dot(&theirs, &w)
    };
    let expected = crate::bootstrap::interval(0.0, (0..1000).map(ratio).collect());
    let premium = row(&found, "premium", "hin_Deva", "eng_Latn");
    assert_eq!((premium.low, premium.high), (Some(expected.low), Some(expected.high)));
}

#[test]
fn thai_has_no_words_but_tokens_for_each_character() {
    let lab = Corpus::open("lab".as_ref()).unwrap();
    let found = run(&golden("bpe_gpt2").0, &lab, &["eng_Latn"]);
    for metric in ["fertility", "continued_words"] {
        let row = row(&found, metric, "tha_Thai", "");
        assert!(row.value.is_none() && row.status.starts_with("Thai is written without spaces"), "{}", row.status);
    }
    let (per_character, per_token) =
        (value(&found, "tokens_per_character", "tha_Thai", ""), value(&found, "characters_per_token", "tha_Thai", ""));
    assert!((per_character * per_token - 1.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    let two = corpus(&[("eng_Latn", &["a"]), ("deu_Latn", &["b"])]);
    let own = whole_words(&two);
    let why = |params: TokenizerParams, corpus: &Corpus, other: Option<&str>| {
        let other = other.map(|name| (name, &own));
        tokenizer("a", &own, other, corpus, &params, 0, &Monitor::silent()).unwrap_err().to_string()
    };
    let pivots = |names: &[&str]| TokenizerParams {
        pivots: names.iter().map(|n| (*n).to_owned()).collect(),
        ..TokenizerParams::default()
    };
    assert!(why(pivots(&["fra_Latn"]), &two, None).contains("not among the languages: eng_Latn, deu_Latn"));
    assert!(why(pivots(&["eng_Latn", "eng_Latn"]), &two, None).contains("named twice"));
    assert!(why(pivots(&[]), &corpus(&[("eng_Latn", &[])]), None).contains("holds no sentence"));
    assert!(why(pivots(&[]), &two, Some("a")).contains("both tokenizers are called a"));
    assert!(why(TokenizerParams { alpha: 0.0, ..TokenizerParams::default() }, &two, None).contains("above 0"));
    assert!(why(TokenizerParams { bootstrap: 50, ..TokenizerParams::default() }, &two, None).contains("at least 100"));
}

#[test]
fn sentences_without_a_token_and_unknown_tokens_are_noted() {
    let corpus = corpus(&[("eng_Latn", &["a b", "c"]), ("deu_Latn", &["d", " "])]);
    let mut known = corpus.clone();
    known.sentences[1] = vec!["x".into()];
    let found = run(&whole_words(&known), &corpus, &["eng_Latn"]);
    assert_eq!(row(&found, "premium_sentences", "deu_Latn", "eng_Latn").n, 1);
    assert!(
        found.notes.iter().any(|note| note.starts_with("deu_Latn: 1 of 2 sentences have no token")),
        "{:?}",
        found.notes
    );
    assert!(found.notes.iter().any(|note| note.starts_with("deu_Latn: 100.0 % of the tokens")), "{:?}", found.notes);
}
