//! Our encoding equals that of the `tokenizers` package as Python sees it, for every golden file; and laws of tokens.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use babelscope_core::tokens::{Encoded, Piece, Tokenizer};
use serde::Deserialize;

/// One line of a golden.jsonl (see the README of the oracles).
#[derive(Deserialize)]
struct Golden {
    text: String,
    ids: Vec<u32>,
    offsets_char: Vec<(usize, usize)>,
    ids_no_special: Vec<u32>,
    decoded: String,
}

fn own() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizers")
}

/// The folders that hold a tokenizer.json beside a golden.jsonl: ours, and those under `BABELSCOPE_ORACLES` (by default
/// `../shared/oracles` beside the repository, when it is there; where `CI` or the variable is set it must be).
fn folders() -> Vec<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/oracles");
    let named = std::env::var_os("BABELSCOPE_ORACLES").map(PathBuf::from);
    let must = named.is_some() || std::env::var_os("CI").is_some();
    let oracles = named.unwrap_or(shared);
    assert!(!must || oracles.is_dir(), "the oracles are not there: {}", oracles.display());
    let mut found = Vec::new();
    let mut open = vec![own(), oracles];
    while let Some(folder) = open.pop() {
        if folder.join("golden.jsonl").is_file() {
            found.push(folder);
        } else if let Ok(entries) = fs::read_dir(&folder) {
            open.extend(entries.map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
        }
    }
    found.sort();
    found
}

fn load(folder: &Path) -> (Tokenizer, Vec<Golden>) {
    let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap();
    let lines = fs::read_to_string(folder.join("golden.jsonl")).unwrap();
    let golden = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect::<Vec<_>>();
    assert!(!golden.is_empty(), "{}", folder.display());
    (tokenizer, golden)
}

/// Byte position of the `n`th character, where characters are counted to the end of the text.
fn byte_at(text: &str, n: usize) -> usize {
    text.char_indices().nth(n).map_or(text.len(), |(at, _)| at)
}

#[test]
fn our_own_golden_files_are_there() {
    assert!(folders().iter().filter(|f| f.starts_with(own())).count() >= 6);
}

#[test]
fn ids_spans_and_text_equal_the_reference() {
    for folder in folders() {
        let (tokenizer, golden) = load(&folder);
        for Golden { text, ids, offsets_char, ids_no_special, decoded } in golden {
            let at = format!("{} on {text:?}", folder.display());
            let Encoded { ids: ours, spans, bos } = tokenizer.encode(&text).unwrap();
            assert_eq!(ours, ids, "ids of {at}");
            let expected: Vec<_> = offsets_char.iter().map(|(a, b)| byte_at(&text, *a)..byte_at(&text, *b)).collect();
            assert_eq!(spans, expected, "spans of {at}");
            assert_eq!(tokenizer.encode_plain(&text).unwrap(), ids_no_special, "ids without special tokens of {at}");
            assert_eq!(tokenizer.decode(&ids).unwrap(), decoded, "decoded {at}");
            let front = ids.len().saturating_sub(ids_no_special.len()).min(1);
            assert!(bos <= front, "BOS of {at}");
            assert_eq!(bos == 1, tokenizer.bos().is_some(), "BOS of {at}");
        }
    }
}

#[test]
fn bos_is_what_the_post_processor_says() {
    for (name, bos) in [
        ("bpe_gpt2", None),
        ("bpe_qwen", None),
        ("bpe_llama3", Some("<|begin_of_text|>")),
        ("spm_llama2", Some("<s>")),
        ("unigram_tok", Some("</s>")),
        ("wordpiece", Some("[CLS]")),
    ] {
        let (tokenizer, _) = load(&own().join(name));
        assert_eq!(tokenizer.bos().and_then(|id| tokenizer.token(id)), bos, "{name}");
        assert_eq!(tokenizer.encode("a").unwrap().bos, usize::from(bos.is_some()), "{name}");
    }
}

#[test]
fn a_special_token_typed_in_the_text_is_not_the_bos() {
    let (tokenizer, _) = load(&own().join("spm_llama2"));
    let typed = tokenizer.encode("<s> a").unwrap();
    assert_eq!(typed.ids.first(), typed.ids.get(1));
    assert_eq!((typed.bos, typed.spans[1].clone()), (1, 0..3));
}

#[test]
fn byte_level_tokens_spell_the_text() {
    for name in ["bpe_gpt2", "bpe_llama3"] {
        let (tokenizer, golden) = load(&own().join(name));
        for Golden { text, ids, .. } in golden {
            let bytes: Vec<u8> = ids.iter().filter_map(|id| tokenizer.bytes(*id)).flatten().collect();
            assert_eq!(String::from_utf8_lossy(&bytes), tokenizer.decode(&ids).unwrap(), "{name} on {text:?}");
            if !text.contains("<|") {
                assert_eq!(bytes, text.as_bytes(), "{name} on {text:?}");
            }
        }
    }
}

#[test]
fn cells_of_a_byte_level_sentence_lose_no_character() {
    let (tokenizer, _) = load(&own().join("bpe_gpt2"));
    let text = "ትግርኛ 𐎀𐎁 བོད་སྐད 👩‍👩‍👧‍👦 क्षत्रिय";
    let cells = tokenizer.pieces(&tokenizer.encode(text).unwrap().ids);
    let mut shown = String::new();
    let mut at = 0;
    while let Some(cell) = cells.get(at) {
        if let Some(joined) = &cell.joined {
            assert_eq!(joined.cells.start, at);
            assert!(cells[joined.cells.clone()].iter().all(|c| c.joined.as_ref() == Some(joined)));
            shown += &joined.text;
            at = joined.cells.end;
        } else {
            match &cell.piece {
                Piece::Text(s) | Piece::Blank(s) | Piece::Marks(s) => shown += s,
                Piece::Word(s) => shown += &format!(" {s}"),
                Piece::Special(_) | Piece::Bytes(_) => panic!("{cell:?} stands alone"),
            }
            at += 1;
        }
    }
    assert_eq!(shown, text);
}

#[test]
fn every_id_has_a_piece_and_ids_beyond_say_so() {
    for folder in folders() {
        let (tokenizer, _) = load(&folder);
        let ids = u32::try_from(tokenizer.vocabulary()).unwrap();
        assert_eq!(tokenizer.pieces(&(0..ids).collect::<Vec<_>>()).len(), tokenizer.vocabulary());
        assert_eq!(tokenizer.piece(ids), Piece::Special(format!("[no token {ids}]")));
        let refused = tokenizer.decode(&[ids]).unwrap_err().to_string();
        assert!(refused.contains(&format!("id {ids} has no token")), "{refused}");
    }
}

#[test]
fn pieces_read_as_text_in_every_kind_of_vocabulary() {
    let text = |s: &str| Piece::Text(s.to_owned());
    for (name, token, piece) in [
        ("bpe_gpt2", "Ġt", Piece::Word("t".to_owned())),
        ("bpe_gpt2", "Ċ", Piece::Blank("\n".to_owned())),
        ("bpe_gpt2", "à", Piece::Bytes(vec![0xE0])),
        ("bpe_gpt2", "<|endoftext|>", Piece::Special("<|endoftext|>".to_owned())),
        ("spm_llama2", "▁a", Piece::Word("a".to_owned())),
        ("spm_llama2", "▁", Piece::Blank(" ".to_owned())),
        ("spm_llama2", "<0xE0>", Piece::Bytes(vec![0xE0])),
        ("spm_llama2", "<0x41>", text("A")),
        ("spm_llama2", "<0x0A>", Piece::Blank("\n".to_owned())),
        ("spm_llama2", "े", Piece::Marks("े".to_owned())),
        ("wordpiece", "##a", text("a")),
        ("wordpiece", "a", Piece::Word("a".to_owned())),
    ] {
        let (tokenizer, _) = load(&own().join(name));
        let ids = u32::try_from(tokenizer.vocabulary()).unwrap();
        let id =
            (0..ids).find(|id| tokenizer.token(*id) == Some(token)).unwrap_or_else(|| panic!("{name}: no {token}"));
        assert_eq!(tokenizer.piece(id), piece, "{name} {token}");
    }
}

/// A tokenizer.json with one thing changed.
fn changed(name: &str, change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let json = fs::read(own().join(name).join("tokenizer.json")).unwrap();
    let mut value = serde_json::from_slice(&json).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

fn refusal(json: &[u8]) -> String {
    Tokenizer::from_bytes(json, Path::new("models/x/tokenizer.json")).unwrap_err().to_string()
}

#[test]
fn files_that_are_no_tokenizer_get_a_sentence() {
    let html = refusal(b"<!DOCTYPE html>");
    assert!(html.contains("this is no tokenizer.json") && html.ends_with("models/x/tokenizer.json"), "{html}");
    let empty = refusal(b"");
    assert!(empty.contains("this is no tokenizer.json"), "{empty}");
    let headless = refusal(&changed("bpe_gpt2", |v| v["model"] = serde_json::Value::Null));
    assert!(headless.contains("holds no model"), "{headless}");
    let random = refusal(&changed("bpe_gpt2", |v| v["model"]["dropout"] = 0.1.into()));
    assert!(random.contains("dropout 0.1"), "{random}");
    let huge = refusal(&changed("wordpiece", |v| v["model"]["vocab"]["huge"] = u32::MAX.into()));
    assert!(huge.contains("an id of 4294967295"), "{huge}");
    let twice = refusal(&changed("spm_llama2", |v| {
        let bos = v["post_processor"]["single"][0].clone();
        v["post_processor"]["single"].as_array_mut().unwrap().insert(0, bos);
    }));
    assert!(twice.contains("puts \"<s>\" in front twice"), "{twice}");
}

#[test]
fn padded_embeddings_are_taken_and_short_ones_refused() {
    let (tokenizer, _) = load(&own().join("bpe_gpt2"));
    tokenizer.check_rows(tokenizer.vocabulary()).unwrap();
    tokenizer.check_rows(tokenizer.vocabulary() + 100).unwrap();
    let short = tokenizer.check_rows(tokenizer.vocabulary() - 1).unwrap_err().to_string();
    assert!(short.contains("belongs to another checkpoint"), "{short}");
}

#[test]
fn truncation_and_padding_of_the_file_are_switched_off() {
    let json = changed("bpe_gpt2", |v| {
        v["truncation"] =
            serde_json::json!({"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0});
        v["padding"] = serde_json::json!({"strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 1, "pad_type_id": 0, "pad_token": "<pad>"});
    });
    let (plain, _) = load(&own().join("bpe_gpt2"));
    let cut = Tokenizer::from_bytes(&json, Path::new("x")).unwrap();
    let text = "one two three four five six seven";
    assert_eq!(cut.encode(text).unwrap(), plain.encode(text).unwrap());
}

#[test]
fn many_texts_are_encoded_in_their_order() {
    let (tokenizer, golden) = load(&own().join("bpe_qwen"));
    let texts: Vec<_> = golden.iter().map(|g| g.text.as_str()).collect();
    let all = tokenizer.encode_all(&texts).unwrap();
    assert_eq!(all.iter().map(|e| &e.ids).collect::<Vec<_>>(), golden.iter().map(|g| &g.ids).collect::<Vec<_>>());
}
