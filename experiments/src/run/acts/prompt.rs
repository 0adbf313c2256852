//! What the model is given: a statement as it stands or through its chat template, and the beginning of its reasoning behind it.

use std::ops::Range;

use babelscope_core::{
    Result,
    chat::{ChatOptions, Message},
    engine::Engine,
    tokens::Encoded,
};
use babelscope_probes::cot::Tokens;

/// A prompt.
pub(super) struct Prompt {
    /// All that is given.
    pub(super) encoded: Encoded,
    /// How many of its tokens are the statement's; none where a token belongs to both parts.
    pub(super) own: Option<usize>,
}

impl Prompt {
    /// Statement and prefix as tokens.
    pub(super) fn new(engine: &Engine, statement: &str, prefix: &str, chat: bool) -> Result<Self> {
        let tokenizer = engine.tokenizer();
        let (before, encoded) = if chat {
            let said = engine.chat(&[Message::new("user", statement)], &ChatOptions::default())?;
            if prefix.is_empty() {
                let own = Some(said.encoded.ids.len());
                return Ok(Self { encoded: said.encoded, own });
            }
            let bos = said.encoded.bos;
            let whole = tokenizer.encode_written(&format!("{}{prefix}", said.text), None)?;
            (said.encoded, Encoded { bos, ..whole })
        } else {
            (tokenizer.encode(statement)?, tokenizer.encode(&format!("{statement}{prefix}"))?)
        };
        let own = encoded.ids.starts_with(&before.ids).then_some(before.ids.len());
        Ok(Self { encoded, own })
    }

    /// The tokens of a trace whose text begins with the prefix, with those that stood before it; none where the prefix shares a token with
    /// the statement.
    pub(super) fn whole(&self, written: Tokens, prefix: &str) -> Option<Tokens> {
        let own = self.own?;
        let begins = self.encoded.spans.last().map_or(0, |span| span.end).checked_sub(prefix.len())?;
        let of_prefix = self.encoded.spans[own..]
            .iter()
            .map(|span| span.start.saturating_sub(begins)..span.end.saturating_sub(begins));
        let behind = |span: Range<usize>| span.start + prefix.len()..span.end + prefix.len();
        Some(Tokens {
            ids: self.encoded.ids[own..].iter().copied().chain(written.ids).collect(),
            spans: of_prefix.chain(written.spans.into_iter().map(behind)).collect(),
            prompt: self.encoded.ids[..own].to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use babelscope_core::{engine::LoadOptions, monitor::Monitor};
    use tempfile::TempDir;

    use super::*;

    /// The tiny Llama with a chat template.
    fn chatty() -> (Engine, TempDir) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/models/llama");
        let folder = tempfile::tempdir().unwrap();
        for name in ["config.json", "model.safetensors", "tokenizer.json"] {
            fs::copy(from.join(name), folder.path().join(name)).unwrap();
        }
        let template = "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] ";
        fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
        let path = folder.path().to_str().unwrap();
        (Engine::load(path, &LoadOptions::default(), &Monitor::silent()).unwrap(), folder)
    }

    /// What a model would have written, token by token.
    fn written(engine: &Engine, text: &str) -> Tokens {
        let ids = engine.tokenizer().encode_written(text, None).unwrap().ids;
        let mut at = 0;
        let spans = ids.iter().map(|id| {
            let begin = at;
            at += engine.tokenizer().bytes(*id).unwrap().len();
            begin..at
        });
        Tokens { spans: spans.collect(), ids: ids.clone(), prompt: Vec::new() }
    }

    #[test]
    fn a_trace_is_watched_behind_the_very_tokens_that_the_model_was_given() {
        let (engine, _folder) = chatty();
        let said = engine.chat(&[Message::new("user", "4 + 3?")], &ChatOptions::default()).unwrap().encoded;
        assert!(engine.tokenizer().decode(&said.ids).unwrap().contains("[user] 4 + 3?"));
        for chat in [false, true] {
            for prefix in ["", " Pensemos.", "ต่อไป"] {
                let prompt = Prompt::new(&engine, "4 + 3?", prefix, chat).unwrap();
                if chat {
                    assert!(prompt.encoded.ids.starts_with(&said.ids), "the template comes first");
                    assert_eq!(prompt.own, Some(said.ids.len()));
                }
                let wrote = written(&engine, " Son 7.");
                let Some(whole) = prompt.whole(wrote.clone(), prefix) else {
                    assert_eq!(prompt.own, None, "{prefix:?}, chat {chat}");
                    continue;
                };
                let given: Vec<u32> = prompt.encoded.ids.iter().chain(&wrote.ids).copied().collect();
                assert_eq!([whole.prompt.clone(), whole.ids.clone()].concat(), given, "{prefix:?}, chat {chat}");
                // The text of the trace is the prefix with what was written behind it, token by token.
                let bytes: Vec<u8> = wrote.ids.iter().flat_map(|id| engine.tokenizer().bytes(*id).unwrap()).collect();
                let text = format!("{prefix}{}", String::from_utf8(bytes).unwrap());
                assert_eq!(whole.spans.last().unwrap().end, text.len(), "{prefix:?}, chat {chat}");
                assert!(whole.spans.windows(2).all(|pair| pair[0].end <= pair[1].start || pair[0] == pair[1]));
                for (id, span) in whole.ids.iter().zip(&whole.spans).skip(whole.ids.len() - wrote.ids.len()) {
                    assert_eq!(text.as_bytes()[span.clone()], engine.tokenizer().bytes(*id).unwrap()[..]);
                }
            }
        }
    }

    #[test]
    fn a_prefix_that_shares_a_token_with_the_statement_has_no_tokens_of_its_own() {
        let (engine, _folder) = chatty();
        let word = "the street";
        let whole = engine.tokenizer().encode(word).unwrap();
        let mut shared = 0;
        for cut in 1..word.len() {
            let (statement, prefix) = word.split_at(cut);
            let prompt = Prompt::new(&engine, statement, prefix, false).unwrap();
            assert_eq!(prompt.encoded.ids, whole.ids, "the model is given the text, however it is cut");
            let between = whole.spans.iter().any(|span| span.start < cut && cut < span.end);
            if between {
                assert!(prompt.whole(written(&engine, " a"), prefix).is_none(), "{statement:?} {prefix:?}");
                shared += 1;
            }
        }
        assert!(shared > 0, "no token of {word:?} has more than one letter");
    }
}
