//! From words to the tokens with which they may follow a prompt.
//!
//! A tokenizer spells a word by what stands before it: `village` and ` village` begin with other tokens, a quote may melt into the
//! word, and a word of another script may begin with a bare space or with a byte that half of its language begins with. So nothing
//! is looked up by itself: prompt and word are encoded together, the prompt's tokens must come out as they were, and the word's
//! first token is the next one.

use babelscope_core::tokens::Tokenizer;
use unicode_script::{Script, UnicodeScript as _};

use super::{metric::Sides, refuse};
use crate::Result;

/// What a word is joined with where it does not say so itself: nothing behind a space, an opening quote or bracket, and before a word
/// of a script that is written without spaces; else one space.
fn glue(prompt: &str, word: &str) -> &'static str {
    let unspaced = |c: char| {
        use Script::{Han, Hiragana, Katakana, Khmer, Lao, Myanmar, Thai, Tibetan};
        matches!(c.script(), Han | Hiragana | Katakana | Khmer | Lao | Myanmar | Thai | Tibetan)
    };
    let open = match prompt.chars().next_back() {
        None => true,
        // A straight quote opens where it is the odd one of its line.
        Some('"') => prompt.lines().next_back().is_some_and(|line| !line.matches('"').count().is_multiple_of(2)),
        Some(last) => last.is_whitespace() || "(（[［{“‘«„「『《<".contains(last),
    };
    let written = word.starts_with(char::is_whitespace);
    if open || written || word.chars().next().is_some_and(unspaced) { "" } else { " " }
}

/// Id of the first token of `word` behind `prompt`. A word that begins with a space is joined as it stands.
///
/// # Errors
/// The prompt and the word melt into other tokens, the word adds no token, or its first token is a bare space.
pub(super) fn first_token(tokenizer: &Tokenizer, prompt: &str, word: &str) -> Result<u32> {
    if word.trim().is_empty() {
        return refuse("an answer is an empty word; leave it out".to_owned());
    }
    let before = tokenizer.encode(prompt)?.ids;
    let joined = tokenizer.encode(&format!("{prompt}{}{word}", glue(prompt, word)))?.ids;
    let shown = |ids: &[u32]| -> String {
        let names = ids.iter().rev().take(3).rev().map(|id| tokenizer.token(*id).unwrap_or("?"));
        names.collect::<Vec<_>>().join("|")
    };
    if !joined.starts_with(&before) {
        let same = before.iter().zip(&joined).take_while(|(a, b)| a == b).count();
        return refuse(format!(
            "the prompt that ends in {:?} and the word {word:?} melt together: the prompt's last tokens {} become {}; move the end of \
             the prompt (a closing space or quote belongs to the word)",
            tail(prompt),
            shown(&before[same.min(before.len().saturating_sub(1))..]),
            shown(joined.get(same..).unwrap_or_default())
        ));
    }
    let Some(first) = joined.get(before.len()).copied().filter(|id| !tokenizer.is_special(*id)) else {
        return refuse(format!("the word {word:?} adds no token to the prompt that ends in {:?}", tail(prompt)));
    };
    let blank = |bytes: Vec<u8>| bytes.iter().all(u8::is_ascii_whitespace);
    if joined.len() > before.len() + 1 && tokenizer.bytes(first).is_some_and(blank) {
        return refuse(format!(
            "the word {word:?} begins with a token that is only a space, which says nothing of the word; end the prompt ({:?}) with \
             the space",
            tail(prompt)
        ));
    }
    Ok(first)
}

/// Ascending ids of the first tokens of accepted words.
///
/// # Errors
/// As [`first_token`].
pub(super) fn first_tokens(tokenizer: &Tokenizer, prompt: &str, words: &[String]) -> Result<Vec<u32>> {
    let mut ids = words.iter().map(|word| first_token(tokenizer, prompt, word)).collect::<Result<Vec<_>>>()?;
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The sides of a prompt.
///
/// # Errors
/// As [`first_token`]; and a token that begins words of both sides.
pub(super) fn sides(tokenizer: &Tokenizer, prompt: &str, answer: &[String], wrong: &[String]) -> Result<Sides> {
    for a in answer {
        let id = first_token(tokenizer, prompt, a)?;
        for b in wrong {
            if first_token(tokenizer, prompt, b)? == id {
                return refuse(format!(
                    "the answer {a:?} and the wrong answer {b:?} both begin with the token {:?} behind the prompt that ends in {:?}; \
                     choose words whose first tokens differ",
                    tokenizer.token(id).unwrap_or("?"),
                    tail(prompt)
                ));
            }
        }
    }
    Ok(Sides { answer: first_tokens(tokenizer, prompt, answer)?, wrong: first_tokens(tokenizer, prompt, wrong)? })
}

/// The end of a prompt, for messages.
pub(super) fn tail(prompt: &str) -> &str {
    let start = prompt.char_indices().rev().nth(23).map_or(0, |(at, _)| at);
    prompt.get(start..).unwrap_or(prompt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(vocabulary: &str, merges: &str) -> Tokenizer {
        let json = format!(
            r#"{{"model": {{"type": "BPE", "vocab": {vocabulary}, "merges": {merges}}},
                "pre_tokenizer": {{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": false}},
                "decoder": {{"type": "Metaspace", "replacement": "▁"}}}}"#
        );
        Tokenizer::from_bytes(json.as_bytes(), "tokenizer.json".as_ref()).unwrap()
    }

    #[test]
    fn a_word_is_spelled_as_it_follows_the_prompt() {
        let words = r#"{"▁": 0, "a": 1, "b": 2, "▁a": 3, "▁b": 4, "ab": 5, "猫": 6, "\"": 7}"#;
        let tokenizer = tokenizer(words, r#"[["▁", "a"], ["▁", "b"], ["a", "b"]]"#);
        assert_eq!(first_token(&tokenizer, "a", "b").unwrap(), 4);
        assert_eq!(first_token(&tokenizer, "a", " b").unwrap(), 4);
        assert_eq!(first_token(&tokenizer, "a", "猫").unwrap(), 6);
        // An opening quote takes no space, a closing one does.
        assert_eq!(first_token(&tokenizer, "a \"", "b").unwrap(), 2);
        assert_eq!(first_token(&tokenizer, "\"a\"", "b").unwrap(), 4);
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let tokenizer = tokenizer(r#"{"▁": 0, "a": 1, "b": 2, "▁a": 3, "ab": 4}"#, r#"[["▁", "a"], ["a", "b"]]"#);
        let refused = |prompt: &str, word: &str| first_token(&tokenizer, prompt, word).unwrap_err().to_string();
        assert!(refused("a", "b").contains("only a space"), "{}", refused("a", "b"));
        assert!(refused("b ", "a").contains("melt together"), "{}", refused("b ", "a"));
        assert!(refused("a", " ").contains("empty word"));
        let owned = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let error = sides(&tokenizer, "b", &owned(&["a"]), &owned(&["aa"])).unwrap_err().to_string();
        assert!(error.contains("\"a\"") && error.contains("\"aa\"") && error.contains("differ"), "{error}");
    }
}
