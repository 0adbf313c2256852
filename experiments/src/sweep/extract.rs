//! Extraction shards: a block of sentences through the model, its states to the disk while the next batch is computed.

use std::time::Instant;

use anyhow::{Context as _, Result};
use babelscope_core::{
    Error,
    alarm::Run,
    corpus::Corpus,
    engine::{Engine, Values},
    monitor::{Monitor, Tick},
    plan::{Plan, Reduce},
    store::{self, Made, Publication, Row, ShardMeta, ShardWriter},
    tokens::Encoded,
};

use super::{
    folder::Sweep,
    plan::{Model, Shard, Stage},
    work::host,
};
use crate::{
    fault::Fault,
    manifest::peak_memory_bytes,
    run::{identity::SITE, workbench::reduce},
    spec::ExtractSpec,
};

/// Sentences of a pass whose rows are then handed to the writer: enough to sort by length, few enough to hold.
const SENTENCES: usize = 256;
/// The same where every token is kept.
const SENTENCES_OF_TOKENS: usize = 32;
/// Marks what a pooled row has none of.
const NONE: u32 = u32::MAX;

/// Computes and publishes an extraction shard.
pub(super) fn shard(
    sweep: &Sweep,
    model: &Model,
    engine: &Engine,
    corpus: &Corpus,
    shard: &Shard,
    monitor: &Monitor,
) -> Result<Publication> {
    let begun = Instant::now();
    let lines = corpus
        .lines(&shard.language)
        .and_then(|lines| lines.get(shard.first..shard.first + shard.lines))
        .ok_or_else(|| Fault::data(format!("the plan asks for lines of {} that the corpus lacks", shard.language)))?;
    let encoded = engine.tokenizer().encode_all(lines)?;
    let ExtractSpec { layers, pooling, include_bos, skip_first } = &model.spec.extract;
    let tokens = shard.stage == Stage::Tokens;
    let (reduce, at_once) =
        if tokens { (Reduce::All, SENTENCES_OF_TOKENS) } else { (reduce(&model.spec.extract), SENTENCES) };
    let meta = ShardMeta {
        schema: store::SCHEMA,
        key: shard.key.clone(),
        model: model.label().to_owned(),
        weights_sha256: model.info.weights_sha256.clone(),
        config_sha256: model.info.config_sha256.clone(),
        tokenizer_sha256: model.info.tokenizer_sha256.clone(),
        corpus_sha256: sweep.info.corpus.sha256.clone(),
        language: shard.language.clone(),
        first_line: shard.first,
        lines: shard.lines,
        site: SITE.to_owned(),
        layers: layers.clone(),
        pooling: if tokens { "tokens" } else { pooling.name() }.to_owned(),
        include_bos: *include_bos,
        skip_first: *skip_first,
        dtype: sweep.spec.store.as_ref().map(|store| store.dtype).unwrap_or_default(),
        width: model.info.width,
    };
    let rows = rows(shard.first, lines, &encoded, tokens);
    let folder = store::shard_folder(&sweep.stage(shard.stage), &shard.key);
    let mut writer = ShardWriter::create(&folder, meta, &rows)?;
    let plan = Plan::layers(layers.clone(), reduce);
    let mut alarms = Vec::new();
    let (mut row, mut done) = (0, 0);
    for batch in encoded.chunks(at_once) {
        monitor.tick(Tick { what: "capturing", done, total: encoded.len(), unit: "sentences" })?;
        let line = |index: usize| shard.first + done + index + 1;
        let run = engine.run_watched(batch, &plan, &monitor.quiet()).and_then(Run::finite).map_err(|e| match e {
            Error::Sentence { index, why } => {
                anyhow::Error::from(Fault::data(format!("line {} of {}: {why}", line(index), shard.language)))
            }
            Error::NotFinite { site, sentence, why } => {
                Fault::data(format!("line {} of {} at {site}: {why}", line(sentence), shard.language)).into()
            }
            other => other.into(),
        })?;
        alarms.extend(run.alarms.iter().map(|alarm| format!("{}: {alarm} (counted from 0)", shard.language)));
        let mut next = row;
        for (captured, layer) in run.captured.iter().zip(layers) {
            next = row;
            let parts = match &captured.values {
                Values::Pooled(tensor) => std::slice::from_ref(tensor),
                Values::Tokens(tensors) => tensors.as_slice(),
            };
            for part in parts {
                let values: Vec<f32> = part.flatten_all().and_then(|t| t.to_vec1()).map_err(Error::from)?;
                writer.put(*layer, next, &values)?;
                next += part.dims2().map_err(Error::from)?.0;
            }
        }
        row = next;
        done += batch.len();
    }
    monitor.tick(Tick { what: "capturing", done, total: encoded.len(), unit: "sentences" })?;
    let made = Made {
        device: engine.info().device.clone(),
        kernel: engine.info().kernel.clone(),
        host: host(),
        attempt: 1,
        seconds: begun.elapsed().as_secs_f64(),
        peak_memory_bytes: peak_memory_bytes(),
        program: format!("babelscope {}", env!("CARGO_PKG_VERSION")),
        alarms,
    };
    writer.publish(made).with_context(|| format!("{} lines {} on", shard.language, shard.first + 1))
}

/// What each row of the shard is.
fn rows(first: usize, lines: &[String], encoded: &[Encoded], tokens: bool) -> Vec<Row> {
    let small = |n: usize| u32::try_from(n).unwrap_or(NONE);
    let mut rows = Vec::new();
    for (at, (line, encoded)) in lines.iter().zip(encoded).enumerate() {
        let line_number = small(first + at);
        if !tokens {
            rows.push(Row::pooled(line_number, small(line.len())));
            continue;
        }
        for (position, (id, span)) in encoded.ids.iter().zip(&encoded.spans).enumerate() {
            let (start, end) = (small(span.start), small(span.end));
            rows.push(Row { line: line_number, position: small(position), token: *id, start, end });
        }
    }
    rows
}
