//! What a model needs on this machine, before any of its weights is read: memory, room on disk, time.

use std::{collections::BTreeSet, path::Path, time::Duration};

use anyhow::Result;
use babelscope_core::{
    corpus::Corpus,
    engine::LoadOptions,
    inspect::{Inspection, Speed},
};
use serde::Serialize;

use crate::manifest::memory_bytes;

/// How long the products are timed.
const CALIBRATION: Duration = Duration::from_millis(1500);
/// The system reads a mapped file by pages of this size.
const PAGE: usize = 4096;
/// What a run touches of the program beside the model: code, fonts, figures, tables.
const PROGRAM: usize = 24 << 20;
/// What pooling a corpus keeps in memory beside its vectors, for each sentence: texts, ids and their places.
const SENTENCE: usize = 1 << 10;

/// What is known of a model and of a corpus that it is to read.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The model.
    pub model: Inspection,
    /// Bytes of the buffers of one batch, without logits.
    pub batch_bytes: usize,
    /// The same with logits of every token.
    pub batch_with_logits_bytes: usize,
    /// How fast this machine computes the model's products.
    pub speed: Speed,
    /// The corpus, where one was given.
    pub corpus: Option<CorpusCost>,
    /// Estimated largest resident memory of a run in bytes: of reading the corpus with every layer pooled, or without a corpus of one batch.
    pub peak_bytes: usize,
    /// Memory of this machine in bytes, or of the container that the program runs in; `None` where the system does not say.
    pub machine_bytes: Option<u64>,
    /// Whether the peak lies below 90 % of the machine's memory.
    pub fits: Option<bool>,
}

/// What reading a corpus costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CorpusCost {
    /// The corpus as it was asked for.
    pub name: String,
    /// Its languages.
    pub languages: usize,
    /// Its lines.
    pub lines: usize,
    /// Tokens of all languages together.
    pub tokens: usize,
    /// The longest sentence in tokens.
    pub longest: usize,
    /// Sentences that are longer than the model's context, and so would be refused.
    pub too_long: usize,
    /// Bytes of one vector for each sentence and layer.
    pub pooled_bytes: usize,
    /// Bytes of one vector for each token and layer.
    pub token_bytes: usize,
    /// Estimated seconds of the pass.
    pub seconds: f64,
}

impl Report {
    /// Looks at a model, and at what `corpus` would cost (its first `limit` lines; 0 is all).
    ///
    /// # Errors
    /// Those of [`Inspection::of`] and [`Corpus::open`]; a text that the tokenizer cannot encode.
    pub fn of(model: &str, options: &LoadOptions, corpus: Option<(&Path, usize)>) -> Result<Self> {
        let model = Inspection::of(model, options)?;
        // Before the calibration, whose matrices are gone when the model is loaded.
        let base = memory_bytes().unwrap_or(0) as usize;
        let read = corpus.map(|(path, limit)| Corpus::open(path)?.select(&[], limit)).transpose()?;
        let counted = read.as_ref().map(|corpus| count(&model, corpus)).transpose()?;
        let words = counted.as_ref().map_or(0, |(_, words)| *words);
        let speed = model.calibrate(CALIBRATION);
        let corpus = read.zip(counted).map(|(corpus, (lengths, _))| CorpusCost::of(&model, &speed, &corpus, &lengths));
        let longest = corpus.as_ref().map_or(0, |corpus| corpus.longest.min(model.context));
        let batch_bytes = model.batch_bytes(longest, false);
        let kept = corpus.as_ref().map_or(0, |c| c.pooled_bytes + c.languages * c.lines * SENTENCE);
        let row = (model.in_file_bytes / model.vocabulary).next_multiple_of(PAGE);
        let weights = model.weight_bytes - model.in_file_bytes + model.in_file_bytes.min(words * row);
        let peak_bytes = base + PROGRAM + weights + batch_bytes + kept;
        let machine_bytes = machine_bytes();
        Ok(Self {
            batch_with_logits_bytes: model.batch_bytes(longest, true),
            batch_bytes,
            speed,
            corpus,
            peak_bytes,
            machine_bytes,
            fits: machine_bytes.map(|machine| peak_bytes as f64 <= 0.9 * machine as f64),
            model,
        })
    }
}

impl CorpusCost {
    fn of(model: &Inspection, speed: &Speed, corpus: &Corpus, lengths: &[usize]) -> Self {
        let tokens = lengths.iter().sum();
        Self {
            name: corpus.name.clone(),
            languages: corpus.languages.len(),
            lines: corpus.len(),
            tokens,
            longest: lengths.iter().copied().max().unwrap_or(0),
            too_long: lengths.iter().filter(|n| **n > model.context).count(),
            pooled_bytes: model.pooled_bytes(lengths.len(), model.layers + 1),
            token_bytes: model.token_bytes(tokens, model.layers + 1),
            seconds: model.seconds(speed, lengths.iter().copied()),
        }
    }
}

/// The tokens of each sentence, and how many different ones there are in all.
fn count(model: &Inspection, corpus: &Corpus) -> Result<(Vec<usize>, usize)> {
    let mut lengths = Vec::with_capacity(corpus.languages.len() * corpus.len());
    let mut words = BTreeSet::new();
    for lines in &corpus.sentences {
        for encoded in model.tokenizer().encode_all(lines)? {
            lengths.push(encoded.ids.len());
            words.extend(encoded.ids);
        }
    }
    Ok((lengths, words.len()))
}

/// `None` where the system does not say.
fn machine_bytes() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let limit = system.cgroup_limits().map_or(u64::MAX, |limits| limits.total_memory);
    Some(system.total_memory().min(limit))
}
