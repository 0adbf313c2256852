//! Extraction shards: a block of sentences through the model, its states to the disk while the next batch is computed.

use std::time::Instant;

use anyhow::{Context as _, Result};
use babelscope_core::{
    Error,
    alarm::{Alarm, Run},
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
    memory,
    run::{identity::SITE, workbench::reduce},
    spec::ExtractSpec,
};

/// Sentences of a pass whose rows are then handed to the writer: enough to sort by length, few enough to hold.
const SENTENCES: usize = 256;
/// The same where every token is kept.
const SENTENCES_OF_TOKENS: usize = 32;
/// A row stands in memory as it was captured, as it is handed over, and while it is written.
const COPIES: usize = 3;

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
    let (reduce, asked) =
        if tokens { (Reduce::All, SENTENCES_OF_TOKENS) } else { (reduce(&model.spec.extract), SENTENCES) };
    let mut at_once = asked;
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
        // Where every token is kept, BOS is among them and nothing is left out.
        include_bos: tokens || *include_bos,
        skip_first: if tokens { 0 } else { *skip_first },
        dtype: sweep.spec.store.as_ref().map(|store| store.dtype).unwrap_or_default(),
        width: model.info.width,
    };
    let rows = rows(shard.first, lines, &encoded, tokens)?;
    let folder = store::shard_folder(&sweep.stage(shard.stage), &shard.key);
    let mut writer = ShardWriter::create(&folder, meta, &rows)?;
    let plan = Plan::layers(layers.clone(), reduce);
    let mut alarms = Vec::new();
    let (mut row, mut done) = (0, 0);
    while done < encoded.len() {
        monitor.tick(Tick { what: "capturing", done, total: encoded.len(), unit: "sentences" })?;
        let batch = &encoded[done..encoded.len().min(done + at_once)];
        let kept = if tokens { batch.iter().map(|sentence| sentence.ids.len()).sum() } else { batch.len() };
        let needed = (COPIES * kept * layers.len() * model.info.width * size_of::<f32>()) as u64;
        let short = memory::available().is_some_and(|available| needed > available / 2);
        let run = if short {
            None
        } else {
            match engine.run_watched(batch, &plan, &monitor.quiet()).and_then(Run::finite) {
                Err(error) if out_of_memory(&error) => None,
                run => Some(run.map_err(|error| named(error, shard, done))?),
            }
        };
        let Some(run) = run else {
            if batch.len() == 1 {
                let text = format!(
                    "line {} of {} does not fit into memory by itself: its {kept} rows at {} layers need {needed} bytes. Store fewer layers \
                     (`extract.layers`), or run on a machine with more memory",
                    shard.first + done + 1,
                    shard.language,
                    layers.len()
                );
                return Err(Fault::data(text).into());
            }
            at_once = batch.len().div_ceil(2);
            continue;
        };
        alarms.extend(run.alarms.iter().map(|alarm| {
            // The engine counts within what it was given.
            let alarm = Alarm { sentence: shard.first + done + alarm.sentence, ..alarm.clone() };
            format!("{}: {alarm} (counted from 0)", shard.language)
        }));
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
    if at_once < asked {
        alarms.push(format!(
            "memory was short: {at_once} sentences at once instead of {asked}, with the same numbers up to rounding"
        ));
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

/// The error with the line of the corpus that it is about.
fn named(error: Error, shard: &Shard, done: usize) -> anyhow::Error {
    let line = |index: usize| format!("line {} of {}", shard.first + done + index + 1, shard.language);
    match error {
        Error::Sentence { index, why } => Fault::data(format!("{}: {why}", line(index))).into(),
        Error::NotFinite { site, sentence, why } => Fault::data(format!("{} at {site}: {why}", line(sentence))).into(),
        other => other.into(),
    }
}

/// Whether a device said that its memory is full; on the CPU the system kills instead, so there it is asked before.
fn out_of_memory(error: &Error) -> bool {
    matches!(error, Error::Tensor(_) | Error::Torch(_)) && error.to_string().to_lowercase().contains("out of memory")
}

/// What each row of the shard is.
fn rows(first: usize, lines: &[String], encoded: &[Encoded], tokens: bool) -> Result<Vec<Row>> {
    let small = |n: usize| {
        u32::try_from(n).map_err(|_e| Fault::data(format!("line, token or byte {n} is beyond what a shard can count")))
    };
    let mut rows = Vec::new();
    for (at, (text, encoded)) in lines.iter().zip(encoded).enumerate() {
        let line = small(first + at)?;
        if !tokens {
            rows.push(Row::pooled(line, small(text.len())?));
            continue;
        }
        for (position, (id, span)) in encoded.ids.iter().zip(&encoded.spans).enumerate() {
            let (position, start, end) = (small(position)?, small(span.start)?, small(span.end)?);
            rows.push(Row { line, position, token: *id, start, end });
        }
    }
    Ok(rows)
}
