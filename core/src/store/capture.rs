//! From sentences to shards: an iterator of sentences goes through the model block by block, so a corpus that is generated while it
//! is read takes no more memory than one block.

use std::{path::Path, time::Instant};

use sha2::{Digest as _, Sha256};

use super::{
    meta::{Made, Row, SCHEMA, ShardMeta},
    publish::host,
    state::{State, quarantine, shard_folder, state},
    writer::ShardWriter,
};
use crate::{
    Error, Result,
    alarm::Run,
    capture::seen,
    dtype::Dtype,
    engine::{Captured, Engine, ModelInfo, Values},
    hash::hex,
    monitor::{Monitor, Tick},
    plan::{Capture, Plan, Point, Reduce, Window},
    tokens::Encoded,
};

/// Tokens that are captured at once where they are pooled, and where each is kept.
const POOLED_TOKENS: usize = 16_384;
const KEPT_TOKENS: usize = 2048;

/// What is captured of each sentence, and how it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capturing {
    /// Language of the sentences.
    pub language: String,
    /// SHA-256 (hex) of the corpus that they come from; `None` takes that of each block's lines.
    pub corpus_sha256: Option<String>,
    /// The point that is read at each of `layers`.
    pub point: Point,
    /// Layers where `point` is `resid_post` (0 = embeddings), blocks otherwise, ascending.
    pub layers: Vec<usize>,
    /// How the tokens of a sentence become rows. [`Reduce::All`] keeps a row for each token that `window` leaves.
    pub reduce: Reduce,
    /// The tokens that [`Reduce::All`] keeps; other reductions have their own.
    pub window: Window,
    /// Number format of the shards.
    pub dtype: Dtype,
    /// Sentences of a shard.
    pub block: usize,
}

impl Capturing {
    /// The mean of all content tokens at these layers, f32, 2048 sentences a shard.
    pub fn mean(language: &str, layers: Vec<usize>) -> Self {
        Self {
            language: language.to_owned(),
            corpus_sha256: None,
            point: Point::ResidPost,
            layers,
            reduce: Reduce::Mean(Window::default()),
            window: Window::default(),
            dtype: Dtype::F32,
            block: 2048,
        }
    }
}

/// What a capture left on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captures {
    /// Keys of the shards, in the order of the sentences.
    pub keys: Vec<String>,
    /// Shards that were there before, and were not computed again.
    pub already: usize,
    /// Sentences.
    pub lines: usize,
    /// Rows of each layer, without those of shards that were there.
    pub rows: usize,
}

/// Runs the sentences through `engine` and writes a shard for each block of them below `root`. A shard that is there is not
/// computed again; one that is damaged is moved to `root/quarantine` first.
///
/// # Errors
/// Those of `lines` and of [`Engine::run`] (sentences count from 0 over all lines), of [`ShardWriter`]; [`Error::Cancelled`].
pub fn capture(
    engine: &Engine,
    lines: impl Iterator<Item = Result<String>>,
    what: &Capturing,
    root: &Path,
    monitor: &Monitor,
) -> Result<Captures> {
    if what.block == 0 {
        return Err(Error::Plan { why: "shards of 0 sentences were asked for; give at least 1".to_owned() });
    }
    let expected = lines.size_hint().1;
    let mut lines = lines;
    let mut done = Captures::default();
    loop {
        let block = lines.by_ref().take(what.block).collect::<Result<Vec<String>>>()?;
        if block.is_empty() {
            return Ok(done);
        }
        let total = expected.unwrap_or(done.lines + block.len());
        monitor.tick(Tick { what: "storing states", done: done.lines, total, unit: "sentences" })?;
        let meta = describe(engine, what, &block, done.lines);
        let folder = shard_folder(root, &meta.key);
        let state = state(&folder, &meta.key);
        if let State::Damaged(_) = state {
            quarantine(&folder, &meta.key, &root.join("quarantine"))?;
        }
        done.keys.push(meta.key.clone());
        if state == State::Done {
            done.already += 1;
        } else {
            done.rows += store(engine, what, meta, &block, &folder, monitor)?;
        }
        done.lines += block.len();
    }
}

fn describe(engine: &Engine, what: &Capturing, block: &[String], first_line: usize) -> ShardMeta {
    let ModelInfo { reference, weights_sha256, config_sha256, tokenizer_sha256, .. } = engine.info();
    let (pooling, window) = match what.reduce {
        Reduce::Mean(window) => ("mean", window),
        Reduce::Weighted(window) => ("weighted", window),
        Reduce::Active(window) => ("active", window),
        Reduce::Last => ("last", Window::default()),
        Reduce::All => ("tokens", what.window),
    };
    let name = Point::NAMES.iter().find(|(point, _)| *point == what.point).map_or("", |(_, name)| name);
    let mut hasher = Sha256::new();
    for line in block {
        hasher.update(line);
        hasher.update(b"\n");
    }
    let text = hex(&hasher.finalize());
    let mut meta = ShardMeta {
        schema: SCHEMA,
        key: String::new(),
        model: reference.clone(),
        weights_sha256: weights_sha256.clone(),
        config_sha256: config_sha256.clone(),
        tokenizer_sha256: tokenizer_sha256.clone(),
        corpus_sha256: what.corpus_sha256.clone().unwrap_or(text),
        language: what.language.clone(),
        first_line,
        lines: block.len(),
        site: name.to_owned(),
        layers: what.layers.clone(),
        pooling: pooling.to_owned(),
        include_bos: window.include_bos,
        skip_first: window.skip_first,
        dtype: what.dtype,
        width: engine.width(what.point),
    };
    meta.key = meta.content_key();
    meta
}

/// Captures one block into one shard, and returns its rows.
fn store(
    engine: &Engine,
    what: &Capturing,
    meta: ShardMeta,
    block: &[String],
    folder: &Path,
    monitor: &Monitor,
) -> Result<usize> {
    let begun = Instant::now();
    let first_line = meta.first_line;
    let fail = |why: String| Error::Store { why, path: folder.to_owned() };
    let sites = meta.layers.iter().map(|layer| meta.site_of(*layer)).collect::<std::result::Result<Vec<_>, _>>();
    let captures = sites.map_err(fail)?.into_iter().map(|site| Capture { site, reduce: what.reduce }).collect();
    let plan = Plan { captures, ..Plan::default() };
    let encoded = engine.tokenizer().encode_all(block)?;
    let (rows, firsts) = rows(&meta, what, block, &encoded).map_err(fail)?;
    let layers = meta.layers.clone();
    let mut writer = ShardWriter::create(folder, meta, &rows)?;
    let mut alarms = Vec::new();
    let quiet = monitor.quiet();
    let mut first = 0;
    while first < encoded.len() {
        let end = first + together(&encoded[first..], what.reduce);
        let run = engine.run_watched(&encoded[first..end], &plan, &quiet).and_then(Run::finite);
        let before = first_line + first;
        let run = run.map_err(|error| match error {
            Error::Sentence { index, why } => Error::Sentence { index: index + before, why },
            Error::NotFinite { site, sentence, why } => Error::NotFinite { site, sentence: sentence + before, why },
            other => other,
        })?;
        alarms.extend(run.alarms.into_iter().map(|mut alarm| {
            alarm.sentence += before;
            format!("{alarm} (counted from 0)")
        }));
        for (layer, Captured { values, .. }) in layers.iter().zip(run.captured) {
            match values {
                Values::Pooled(tensor) => writer.put(*layer, first, &tensor.flatten_all()?.to_vec1::<f32>()?)?,
                Values::Tokens(tensors) => {
                    for (index, tensor) in tensors.into_iter().enumerate() {
                        let sentence = &encoded[first + index];
                        let (tokens, width) = tensor.dims2()?;
                        let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
                        let kept: Vec<f32> = seen(what.window, sentence.bos, tokens)
                            .flat_map(|token| &values[token * width..(token + 1) * width])
                            .copied()
                            .collect();
                        writer.put(*layer, firsts[first + index], &kept)?;
                    }
                }
            }
        }
        first = end;
    }
    let ModelInfo { device, kernel, .. } = engine.info();
    writer.publish(Made {
        device: device.clone(),
        kernel: kernel.clone(),
        host: host(),
        seconds: begun.elapsed().as_secs_f64(),
        program: concat!("babelscope ", env!("CARGO_PKG_VERSION")).to_owned(),
        alarms,
        ..Made::default()
    })?;
    Ok(rows.len())
}

/// How many of the next sentences are captured at once.
fn together(sentences: &[Encoded], reduce: Reduce) -> usize {
    let limit = if reduce == Reduce::All { KEPT_TOKENS } else { POOLED_TOKENS };
    let mut tokens = 0;
    let fit = sentences.iter().take_while(|sentence| {
        tokens += sentence.ids.len();
        tokens <= limit
    });
    fit.count().max(1)
}

/// What the rows stand for, and the first row of each sentence.
fn rows(
    meta: &ShardMeta,
    what: &Capturing,
    block: &[String],
    encoded: &[Encoded],
) -> std::result::Result<(Vec<Row>, Vec<usize>), String> {
    let whole = |number: usize| {
        u32::try_from(number).map_err(|_e| format!("line, token or byte {number} is beyond what a shard can count"))
    };
    let (mut rows, mut firsts) = (Vec::new(), Vec::new());
    for (index, (text, sentence)) in block.iter().zip(encoded).enumerate() {
        firsts.push(rows.len());
        let line = whole(meta.first_line + index)?;
        if meta.is_pooled() {
            rows.push(Row::pooled(line, whole(text.len())?));
            continue;
        }
        for token in seen(what.window, sentence.bos, sentence.ids.len()) {
            let (start, end) = (whole(sentence.spans[token].start)?, whole(sentence.spans[token].end)?);
            rows.push(Row { line, position: whole(token)?, token: sentence.ids[token], start, end });
        }
        if firsts.last() == Some(&rows.len()) {
            return Err(format!(
                "line {line} (from 0) has {} tokens, and the window leaves none of them",
                sentence.ids.len()
            ));
        }
    }
    Ok((rows, firsts))
}
