//! Text to ids with byte offsets, and tokens as a person can read them.

mod piece;

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::Deserialize;
use serde_json::Value;

pub use piece::{Cell, Joined, Piece};

use crate::{Error, Result, guard::guarded, hash::sha256};
use piece::Spelling;

/// One sentence as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// For each id its byte range in the text; empty for tokens that the tokenizer added (BOS). Tokens that share a character
    /// (byte-level pieces) share its range, so a range always begins and ends at a character.
    pub spans: Vec<Range<usize>>,
    /// How many special tokens the tokenizer put in front (0 or 1: BOS). A special token typed in the text is not counted.
    pub bos: usize,
}

/// A tokenizer.json, checked and ready.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    tokens: Vec<Option<Token>>,
    spelling: Spelling,
    /// What the post-processor puts in front of every text.
    front: Vec<u32>,
    unknown: Option<u32>,
    sha256: String,
    path: PathBuf,
}

struct Token {
    text: String,
    /// Added to the vocabulary by hand: its text is meant as it stands, in no byte alphabet.
    added: bool,
    special: bool,
}

/// The parts of tokenizer.json that decide how its tokens are spelled; the vocabulary is skipped, not stored.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    model: Option<ModelHead>,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    pre_tokenizer: Value,
}

#[derive(Deserialize)]
struct ModelHead {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    dropout: Option<f64>,
    #[serde(default)]
    continuing_subword_prefix: Option<String>,
    /// BPE, WordPiece and WordLevel name the unknown token, Unigram gives its id.
    #[serde(default)]
    unk_token: Option<String>,
    #[serde(default)]
    unk_id: Option<u32>,
}

impl Tokenizer {
    /// Reads a tokenizer.json.
    ///
    /// # Errors
    /// [`Error::Read`] when the file cannot be read, else as [`Tokenizer::from_bytes`].
    pub fn from_file(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|source| Error::Read {
            what: "the tokenizer",
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the bytes of a tokenizer.json; `path` only says in messages where they came from. Truncation and padding that the
    /// file may ask for are switched off: sentences are never cut, and padding does not exist here.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the bytes are not JSON, hold no model, drop merges at random, or add BOS twice.
    pub fn from_bytes(json: &[u8], path: &Path) -> Result<Self> {
        let fail = |why: String| Error::Tokenizer { why, path: path.to_owned() };
        let head: Head = serde_json::from_slice(json).map_err(|e| {
            fail(format!("this is no tokenizer.json: {e}; expected the JSON that Hugging Face's tokenizers writes"))
        })?;
        let Some(model) = head.model else {
            return Err(fail(
                "the file holds no model (the section `model` with vocabulary and merges is missing); \
                 take the tokenizer.json that belongs to the checkpoint"
                    .to_owned(),
            ));
        };
        if let Some(dropout) = model.dropout.filter(|d| *d != 0.0) {
            return Err(fail(format!(
                "the BPE model has dropout {dropout}: the same text would give other ids each time; set `model.dropout` to null"
            )));
        }
        let (inner, front) = guarded(|| build(json))
            .unwrap_or_else(|panic| {
                Err(format!("the tokenizer cannot be built ({panic}); it is damaged, get it again"))
            })
            .map_err(fail)?;
        let tokens = table(&inner).map_err(fail)?;
        let unknown = model.unk_id.or_else(|| inner.token_to_id(model.unk_token.as_deref()?));
        let spelling = if has_type(&head.decoder, "ByteLevel") || has_type(&head.pre_tokenizer, "ByteLevel") {
            Spelling::ByteLevel
        } else if model.kind.as_deref() == Some("WordPiece") || has_type(&head.decoder, "WordPiece") {
            Spelling::WordPiece(model.continuing_subword_prefix.unwrap_or_else(|| "##".to_owned()))
        } else {
            Spelling::Metaspace
        };
        if let [first, second, ..] = *front
            && first == second
        {
            let token = tokens.get(first as usize).and_then(Option::as_ref).map_or("a token", |t| &t.text);
            return Err(fail(format!("its post_processor puts {token:?} in front twice; models know one BOS or none")));
        }
        Ok(Self { inner, tokens, spelling, front, unknown, sha256: sha256(json), path: path.to_owned() })
    }

    /// Ids of `text` with the special tokens that the post-processor of tokenizer.json adds, and no others.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when the tokenizer has no token for a part of the text and no unknown token either.
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        let encoding = self.encoding(text, || self.inner.encode(text, true))?;
        let spans = encoding.get_offsets().iter().map(|(start, end)| {
            let start = text.floor_char_boundary(*start);
            start..text.ceil_char_boundary(*end).max(start)
        });
        Ok(Encoded { spans: spans.collect(), ids: encoding.get_ids().to_vec(), bos: self.front.len() })
    }

    /// Ids of a text that already holds its special tokens, as a chat template writes them: none is added. `bos` is the text of
    /// the model's BOS token; [`Encoded::bos`] is 1 where the text begins with it or with what [`Tokenizer::encode`] would add.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_written(&self, text: &str, bos: Option<&str>) -> Result<Encoded> {
        let encoding = self.encoding(text, || self.inner.encode(text, false))?;
        let spans = encoding.get_offsets().iter().map(|(start, end)| {
            let start = text.floor_char_boundary(*start);
            start..text.ceil_char_boundary(*end).max(start)
        });
        let ids = encoding.get_ids().to_vec();
        let own = bos.and_then(|token| self.inner.token_to_id(token));
        let begins = ids.first().is_some_and(|first| Some(*first) == own || Some(*first) == self.bos());
        Ok(Encoded { spans: spans.collect(), ids, bos: usize::from(begins) })
    }

    /// [`Tokenizer::encode`] for many texts on all cores, in their order.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], for the first text that fails.
    pub fn encode_all<S: AsRef<str> + Sync>(&self, texts: &[S]) -> Result<Vec<Encoded>> {
        texts.par_iter().map(|t| self.encode(t.as_ref())).collect()
    }

    /// Ids of `text` alone, without BOS or any other token that the post-processor adds.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_plain(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.encoding(text, || self.inner.encode_fast(text, false))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Text of `ids`, special tokens left out. Bytes that form no character become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for an id without a token (the unused rows of a padded embedding).
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        if let Some(id) = ids.iter().find(|id| self.token(**id).is_none()) {
            return Err(self.error(format!(
                "id {id} has no token (the vocabulary has {}); an embedding may have unused rows at its end",
                self.vocabulary()
            )));
        }
        let decoded = guarded(|| self.inner.decode(ids, true).map_err(|e| e.to_string())).unwrap_or_else(Err);
        decoded.map_err(|e| self.error(format!("ids do not decode: {e}")))
    }

    /// Highest id plus one, added tokens included: how many rows an embedding must at least have.
    pub fn vocabulary(&self) -> usize {
        self.tokens.len()
    }

    /// Refuses an embedding that has no row for some id. More rows than ids are fine: many models are padded to a round number.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] when `rows` is less than [`Tokenizer::vocabulary`].
    pub fn check_rows(&self, rows: usize) -> Result<()> {
        if rows >= self.vocabulary() {
            return Ok(());
        }
        Err(self.error(format!(
            "the tokenizer has ids up to {}, the model's embedding has only {rows} rows; \
             tokenizer.json belongs to another checkpoint",
            self.vocabulary() - 1
        )))
    }

    /// The token that the tokenizer puts in front of every text, if it does.
    pub fn bos(&self) -> Option<u32> {
        self.front.first().copied()
    }

    /// The token that stands for what the vocabulary cannot spell, where there is one.
    pub fn unknown(&self) -> Option<u32> {
        self.unknown
    }

    /// SHA-256 of the bytes of tokenizer.json, hex.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The token as tokenizer.json spells it (`Ġthe`, `▁the`, `<0xE0>`).
    pub fn token(&self, id: u32) -> Option<&str> {
        self.entry(id).map(|t| t.text.as_str())
    }

    /// Whether `id` is a special token (BOS, EOS, chat markers) and so no text.
    pub fn is_special(&self, id: u32) -> bool {
        self.entry(id).is_some_and(|t| t.special)
    }

    /// The bytes that the token stands for, its leading space included; `None` for special tokens and ids without a token.
    pub fn bytes(&self, id: u32) -> Option<Vec<u8>> {
        let token = self.entry(id).filter(|t| !t.special)?;
        Some(if token.added { token.text.clone().into_bytes() } else { self.spelling.bytes(&token.text) })
    }

    /// The token as it is shown. An id without a token (a padded row of the embedding) is a special piece that says so.
    pub fn piece(&self, id: u32) -> Piece {
        match (self.entry(id), self.bytes(id)) {
            (_, Some(bytes)) => Piece::of(&bytes),
            (Some(token), None) => Piece::Special(token.text.clone()),
            (None, None) => Piece::Special(format!("[no token {id}]")),
        }
    }

    /// Tokens in a row as they are shown: where neighbours complete a character between them, each knows it.
    pub fn pieces(&self, ids: &[u32]) -> Vec<Cell> {
        let pieces = ids.iter().map(|id| self.piece(*id)).collect();
        let bytes: Vec<_> = ids.iter().map(|id| self.bytes(*id)).collect();
        piece::join(pieces, &bytes)
    }

    fn entry(&self, id: u32) -> Option<&Token> {
        self.tokens.get(usize::try_from(id).ok()?)?.as_ref()
    }

    fn encoding(
        &self,
        text: &str,
        encode: impl FnOnce() -> tokenizers::Result<tokenizers::Encoding>,
    ) -> Result<tokenizers::Encoding> {
        guarded(|| encode().map_err(|e| e.to_string())).unwrap_or_else(Err).map_err(|why| {
            let start: String = text.chars().take(40).collect();
            self.error(format!("the text beginning {start:?} cannot be encoded: {why}"))
        })
    }

    fn error(&self, why: String) -> Error {
        Error::Tokenizer { why, path: self.path.clone() }
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inner: _, tokens, spelling, front, unknown, sha256, path } = self;
        f.debug_struct("Tokenizer")
            .field("tokens", &tokens.len())
            .field("spelling", spelling)
            .field("front", front)
            .field("unknown", unknown)
            .field("sha256", sha256)
            .field("path", path)
            .finish_non_exhaustive()
    }
}

/// The tokenizer without truncation and padding, and what it puts in front of every text.
fn build(json: &[u8]) -> std::result::Result<(tokenizers::Tokenizer, Vec<u32>), String> {
    let mut inner =
        tokenizers::Tokenizer::from_bytes(json).map_err(|e| format!("the tokenizer cannot be built: {e}"))?;
    inner.with_truncation(None).map_err(|e| format!("truncation cannot be switched off: {e}"))?;
    inner.with_padding(None);
    let front = front(&inner).map_err(|e| format!("its post_processor fails: {e}"))?;
    Ok((inner, front))
}

/// The special tokens that the post-processor puts before a text, seen on a text of one made-up token.
fn front(inner: &tokenizers::Tokenizer) -> std::result::Result<Vec<u32>, tokenizers::Error> {
    let text = tokenizers::Encoding::from_tokens(vec![tokenizers::Token::new(0, "a".to_owned(), (0, 1))], 0);
    let whole = inner.post_process(text, None, true)?;
    let added = whole.get_special_tokens_mask().iter().take_while(|m| **m == 1).count();
    Ok(whole.get_ids().iter().copied().take(added).collect())
}

/// All tokens by id.
fn table(inner: &tokenizers::Tokenizer) -> std::result::Result<Vec<Option<Token>>, String> {
    let added = inner.get_added_tokens_decoder();
    let by_id: BTreeMap<u32, String> = inner.get_vocab(true).into_iter().map(|(text, id)| (id, text)).collect();
    let Some((&last, _)) = by_id.last_key_value() else {
        return Err("the vocabulary is empty".to_owned());
    };
    // A real vocabulary has few gaps; a stray huge id would ask for gigabytes here and for an embedding row that no model has.
    let most = 16 * by_id.len() + 65_536;
    if last as usize >= most {
        return Err(format!("the vocabulary has {} tokens but an id of {last}", by_id.len()));
    }
    let mut tokens: Vec<Option<Token>> = (0..=last).map(|_| None).collect();
    for (id, text) in by_id {
        if let Some(slot) = tokens.get_mut(id as usize) {
            let special = added.get(&id).is_some_and(|t| t.special);
            *slot = Some(Token { text, added: added.contains_key(&id), special });
        }
    }
    Ok(tokens)
}

/// Whether a section of tokenizer.json, or a part of it, is of this type.
fn has_type(section: &Value, name: &str) -> bool {
    match section {
        Value::Object(map) => {
            map.get("type").and_then(Value::as_str) == Some(name) || map.values().any(|v| has_type(v, name))
        }
        Value::Array(parts) => parts.iter().any(|v| has_type(v, name)),
        _ => false,
    }
}
