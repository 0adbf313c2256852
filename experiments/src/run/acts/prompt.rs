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
