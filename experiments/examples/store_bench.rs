//! What the activation store costs: write and read beside the disk's own in the same run, and storing beside capturing alone.
//!
//! ```text
//! cargo run --release --example store_bench -- FOLDER [MEGABYTES] [MODEL...]
//! cargo run --release --example store_bench -- FOLDER generate SENTENCES
//! ```
//! The second form captures so many generated sentences with the embedded model, and says what memory did meanwhile.
//! `FOLDER` is on the disk that is measured; everything that is written there is removed. Linux with coreutils.

#![expect(clippy::print_stdout, reason = "the numbers are its result")]

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use babelscope_core::{
    dtype::Dtype,
    engine::{Engine, LoadOptions},
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
    store::{Capturing, Made, Row, SCHEMA, Shard, ShardMeta, ShardWriter, capture, shard_folder},
};

const LAYERS: usize = 32;
const WIDTH: usize = 2048;
/// Rows that come at once, as from a batch.
const BATCH: usize = 256;
const REPEATS: usize = 3;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::tempdir_in(folder)?;
    let megabytes = arguments.next().unwrap_or_else(|| "1000".to_owned());
    if megabytes == "generate" {
        return generate(folder.path(), arguments.next().map_or(Ok(1_000_000), |text| text.parse())?);
    }
    let megabytes: usize = megabytes.parse()?;
    disk(folder.path(), megabytes)?;
    for model in ["lab".to_owned()].into_iter().chain(arguments) {
        overhead(folder.path(), &model)?;
    }
    Ok(())
}

/// The best of some repetitions, in MB/s (MB = 10^6 bytes).
fn best(bytes: u64, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut best = Duration::MAX;
    for _ in 0..REPEATS {
        let begun = Instant::now();
        work()?;
        best = best.min(begun.elapsed());
    }
    Ok(bytes as f64 / 1e6 / best.as_secs_f64())
}

fn dd(arguments: &[String]) -> Result<()> {
    let output = Command::new("dd").args(arguments).args(["bs=4M", "status=none"]).output()?;
    ensure!(output.status.success(), "dd: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn disk(folder: &Path, megabytes: usize) -> Result<()> {
    let raw = folder.join("raw");
    let blocks = megabytes * 1_000_000 / (4 << 20);
    let bytes = (blocks * (4 << 20)) as u64;
    // Not zeros, which some disks do not write: what a generator made before, held in memory.
    let noise: Vec<f32> = (0..BATCH * WIDTH).map(|i| (i as f32 * 0.37).sin()).collect();
    let source = Path::new("/dev/shm/store_bench.raw");
    let noise_bytes: Vec<u8> = noise.iter().flat_map(|x| x.to_le_bytes()).cycle().take(bytes as usize).collect();
    fs::write(source, noise_bytes)?;
    let write = best(bytes, || {
        fs::remove_file(&raw).ok();
        dd(&[format!("if={}", source.display()), format!("of={}", raw.display()), "conv=fsync".to_owned()])
    })?;
    let read = best(bytes, || dd(&[format!("if={}", raw.display()), "of=/dev/null".to_owned()]))?;
    let direct =
        best(bytes, || dd(&[format!("if={}", raw.display()), "of=/dev/null".to_owned(), "iflag=direct".to_owned()]))?;
    fs::remove_file(source)?;
    fs::remove_file(&raw)?;
    println!("disk   dd conv=fsync {write:8.0} MB/s   read warm {read:8.0}   read direct {direct:8.0}");
    for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
        let lines = bytes as usize / (LAYERS * WIDTH * dtype.size()) / BATCH * BATCH;
        let mut meta = meta(lines, dtype);
        let size = (lines * LAYERS * WIDTH * dtype.size()) as u64;
        let mut number = 0;
        let stored = best(size, || {
            number += 1;
            fs::remove_dir_all(shard_folder(folder, &meta.key)).ok();
            meta.first_line = number;
            meta.key = meta.content_key();
            shard(folder, &meta, &noise)
        })?;
        let place = shard_folder(folder, &meta.key);
        let open = Instant::now();
        let opened = Shard::open(&place, &meta.key)?;
        let open = open.elapsed();
        let first = Instant::now();
        for layer in 0..LAYERS {
            opened.layer(layer)?;
        }
        let first = size as f64 / 1e6 / first.elapsed().as_secs_f64();
        let again = best(size, || {
            for layer in 0..LAYERS {
                opened.layer(layer)?;
            }
            Ok(())
        })?;
        let deep = best(size, || Ok(Shard::open(&place, &meta.key)?.verify()?))?;
        println!(
            "store  {dtype:4} write {stored:8.0} MB/s ({:3.0} % of dd)   first read, checked {first:8.0}   again {again:8.0}   \
             verify {deep:8.0}   open {:.2} ms",
            100.0 * stored / write,
            open.as_secs_f64() * 1e3
        );
        fs::remove_dir_all(place)?;
    }
    Ok(())
}

fn meta(lines: usize, dtype: Dtype) -> ShardMeta {
    ShardMeta {
        schema: SCHEMA,
        key: "none".to_owned(),
        model: "bench".to_owned(),
        weights_sha256: String::new(),
        config_sha256: String::new(),
        tokenizer_sha256: String::new(),
        corpus_sha256: String::new(),
        language: "eng_Latn".to_owned(),
        first_line: 0,
        lines,
        site: "resid_post".to_owned(),
        layers: (0..LAYERS).collect(),
        pooling: "mean".to_owned(),
        include_bos: false,
        skip_first: 0,
        dtype,
        width: WIDTH,
    }
}

fn shard(root: &Path, meta: &ShardMeta, values: &[f32]) -> Result<()> {
    let rows: Vec<Row> = (0..meta.lines as u32).map(|line| Row::pooled(line, 100)).collect();
    let mut writer = ShardWriter::create(&shard_folder(root, &meta.key), meta.clone(), &rows)?;
    for first in (0..meta.lines).step_by(BATCH) {
        for layer in 0..LAYERS {
            writer.put(layer, first, values)?;
        }
    }
    writer.publish(Made::default())?;
    Ok(())
}

/// Sentences of usual length from a few words.
fn sentences(count: usize) -> impl Iterator<Item = String> {
    let words = [
        "the", "cat", "sees", "two", "red", "birds", "in", "a", "house", "and", "dog", "sleeps", "book", "girl", "has",
        "big",
    ];
    let word = move |line: usize, at: usize| words[(line * 7 + at * 5 + line / 16 * at) % words.len()];
    (0..count).map(move |line| (0..6 + line % 7).map(|at| word(line, at)).collect::<Vec<_>>().join(" "))
}

fn overhead(folder: &Path, model: &str) -> Result<()> {
    let silent = Monitor::silent();
    let engine = Engine::load(model, &LoadOptions::default(), &silent)?;
    let count = if engine.info().parameters > 100_000_000 { 128 } else { 8192 };
    let lines: Vec<String> = sentences(count).collect();
    let layers: Vec<usize> = (0..=engine.info().layers).collect();
    let plan = Plan::layers(layers.clone(), Reduce::Mean(Window::default()));
    let what = Capturing { dtype: Dtype::Bf16, ..Capturing::mean("eng_Latn", layers) };
    let (mut alone, mut stored) = (Duration::MAX, Duration::MAX);
    let mut bytes = 0;
    for repeat in 0..=REPEATS {
        let begun = Instant::now();
        for block in lines.chunks(what.block) {
            engine.run(&engine.tokenizer().encode_all(block)?, &plan, &silent)?;
        }
        let without = begun.elapsed();
        let root = folder.join(format!("captured-{repeat}"));
        let begun = Instant::now();
        let done = capture(&engine, lines.iter().cloned().map(Ok), &what, &root, &silent)?;
        let with = begun.elapsed();
        // The first warms up.
        if repeat > 0 {
            (alone, stored) = (alone.min(without), stored.min(with));
        }
        bytes = done
            .keys
            .iter()
            .map(|key| Ok(Shard::open(&shard_folder(&root, key), key)?.record().bytes))
            .sum::<Result<u64>>()?;
        fs::remove_dir_all(root)?;
    }
    let (alone, stored) = (alone.as_secs_f64(), stored.as_secs_f64());
    println!(
        "{model}: {count} sentences, pooled capture alone {alone:.2} s, stored as bf16 {stored:.2} s ({:.1} MB): {:+.1} %",
        bytes as f64 / 1e6,
        100.0 * (stored / alone - 1.0)
    );
    Ok(())
}

/// Megabytes that this process has held at most.
fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    Ok(line.and_then(|line| line.split_whitespace().nth(1)).map_or(Ok(0), str::parse)? / 1000)
}

fn generate(folder: &Path, count: usize) -> Result<()> {
    let silent = Monitor::silent();
    let engine = Engine::load("lab", &LoadOptions::default(), &silent)?;
    let what = Capturing { dtype: Dtype::F16, ..Capturing::mean("eng_Latn", vec![0, engine.info().layers]) };
    let warm = count.min(10 * what.block);
    capture(&engine, sentences(warm).map(Ok), &what, &folder.join("warm"), &silent)?;
    let before = peak()?;
    let begun = Instant::now();
    let done = capture(&engine, sentences(count).map(Ok), &what, &folder.join("store"), &silent)?;
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{} generated sentences into {} shards in {seconds:.0} s ({:.0} a second); peak memory {before} MB after {warm}, {} MB after all",
        done.lines,
        done.keys.len(),
        done.lines as f64 / seconds,
        peak()?
    );
    Ok(())
}
