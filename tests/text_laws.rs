//! Laws of text on its way in: nothing is lost, nothing panics, equal text gives equal numbers.

#![expect(clippy::unwrap_used, reason = "a test may unwrap, in its helpers too")]

use std::{fs, path::Path, sync::LazyLock};

use babelscope_core::{corpus::Corpus, tokens::Tokenizer};
use proptest::{prelude::*, sample::Index};

const NAMES: [&str; 6] = ["bpe_gpt2", "bpe_llama3", "bpe_qwen", "spm_llama2", "unigram_tok", "wordpiece"];

fn json(name: &str) -> Vec<u8> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizers");
    fs::read(golden.join(name).join("tokenizer.json")).unwrap()
}

static TOKENIZERS: LazyLock<Vec<(&str, Tokenizer)>> = LazyLock::new(|| {
    NAMES.iter().map(|name| (*name, Tokenizer::from_bytes(&json(name), Path::new(name)).unwrap())).collect()
});

fn tokenizer(name: &str) -> &'static Tokenizer {
    &TOKENIZERS.iter().find(|(n, _)| *n == name).unwrap().1
}

/// Text of many scripts with marks, joiners, emoji sequences, spaces and breaks.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        "[a-zA-Z0-9 .,'!-]{1,8}",
        "[\\u{600}-\\u{6ff}]{1,5}",
        "[\\u{900}-\\u{97f}]{1,5}",
        "[\\u{e00}-\\u{e5b}]{1,5}",
        "[\\u{4e00}-\\u{4fff}]{1,3}",
        "[\\u{1200}-\\u{1248}]{1,4}",
        "[\\u{300}-\\u{36f}\\u{200c}\\u{200d}]{1,2}",
        Just("👩‍👩‍👧‍👦".to_owned()),
        Just("\n\t  ".to_owned()),
        "\\PC{1,4}",
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn byte_level_tokens_give_the_text_back(text in text()) {
        for name in ["bpe_gpt2", "bpe_llama3"] {
            let tokenizer = tokenizer(name);
            let ids = tokenizer.encode(&text).unwrap().ids;
            prop_assert_eq!(&tokenizer.decode(&ids).unwrap(), &text, "{}", name);
        }
    }

    #[test]
    fn spans_of_byte_level_tokens_cover_the_text_in_order(text in text()) {
        for name in ["bpe_gpt2", "bpe_llama3"] {
            let encoded = tokenizer(name).encode(&text).unwrap();
            let mut covered = 0;
            for span in &encoded.spans[encoded.bos..] {
                prop_assert!(span.start <= covered && span.end >= covered, "{name}: {:?}", encoded.spans);
                covered = span.end;
            }
            prop_assert_eq!(covered, text.len(), "{}", name);
        }
    }

    #[test]
    fn spans_lie_at_characters_and_every_id_has_one(text in text()) {
        for (name, tokenizer) in TOKENIZERS.iter() {
            let encoded = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(encoded.ids.len(), encoded.spans.len(), "{}", name);
            for span in &encoded.spans {
                prop_assert!(text.get(span.clone()).is_some(), "{name}: {span:?} of {text:?}");
            }
            prop_assert!(encoded.spans[..encoded.bos].iter().all(|s| s.is_empty()), "{}", name);
            prop_assert_eq!(tokenizer.pieces(&encoded.ids).len(), encoded.ids.len());
        }
    }

    #[test]
    fn joined_cells_spell_a_byte_level_text(text in text()) {
        let tokenizer = tokenizer("bpe_gpt2");
        let ids = tokenizer.encode(&text).unwrap().ids;
        for (at, cell) in tokenizer.pieces(&ids).iter().enumerate() {
            let Some(joined) = &cell.joined else { continue };
            prop_assert!(joined.cells.contains(&at) && joined.cells.len() > 1);
            let bytes: Vec<u8> = ids[joined.cells.clone()].iter().flat_map(|id| tokenizer.bytes(*id).unwrap()).collect();
            prop_assert_eq!(bytes, joined.text.as_bytes());
        }
    }

    #[test]
    fn random_bytes_are_no_tokenizer(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Tokenizer::from_bytes(&bytes, Path::new("x")).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_tokenizer_never_panics(
        name in prop::sample::select(&NAMES[..]),
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), any::<bool>()), 1..4),
    ) {
        let mut json = json(name);
        for (at, byte, cut) in damage {
            if cut {
                json.truncate(at.index(json.len()).max(1));
            } else {
                let at = at.index(json.len());
                json[at] = byte;
            }
        }
        if let Ok(tokenizer) = Tokenizer::from_bytes(&json, Path::new("x")) {
            tokenizer.encode("text عربي हिन्दी").ok();
            tokenizer.decode(&[0, 1, 2]).ok();
        }
    }

    #[test]
    fn equal_text_in_any_normal_form_gives_equal_numbers(accents in prop::collection::vec("[a-eçéñöåがぎáǻ]{1,5}", 1..8)) {
        use unicode_normalization::UnicodeNormalization as _;
        let hash = |lines: Vec<String>| {
            Corpus::from_lines("made", vec![("eng_Latn".to_owned(), lines)]).unwrap().sha256
        };
        let composed = accents.iter().map(|l| l.nfc().collect()).collect();
        let decomposed = accents.iter().map(|l| l.nfd().collect()).collect();
        prop_assert_eq!(hash(composed), hash(decomposed));
    }
}
