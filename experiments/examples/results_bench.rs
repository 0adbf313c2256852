//! Merging the results of many runs, measured: `results_bench FOLDER [RUNS] [ROWS]` makes run folders with as many rows in all (10 million),
//! merges them into one Parquet file, and prints rows a second and the memory it took.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};
use babelscope::{merged, tables::align};
use babelscope_probes::align::{AlignCell, AlignReport, Centring, Estimate};
use serde_json::json;

/// Rows of one cell in results.parquet: its five metrics.
const METRICS: usize = 5;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("expected a folder that is not there yet")?);
    let runs: usize = arguments.next().map_or(Ok(100), |n| n.parse())?;
    let rows: usize = arguments.next().map_or(Ok(10_000_000), |n| n.parse())?;
    fs::create_dir(&folder)?;
    let begun = Instant::now();
    for nth in 0..runs {
        write_run(&folder, nth, rows / runs / METRICS)?;
    }
    println!("{runs} runs written in {:.1} s", begun.elapsed().as_secs_f64());

    let before = peak();
    let begun = Instant::now();
    let out = folder.join("all.parquet");
    let done = merged::write(&merged::runs_of(&folder)?, merged::Merging::Results, &out)?;
    let seconds = begun.elapsed().as_secs_f64();
    let size = fs::metadata(&out)?.len() as f64 / 1e6;
    println!(
        "{} rows of {} runs merged in {seconds:.1} s: {:.2} million rows a second, {size:.0} MB",
        done.rows,
        done.runs,
        done.rows as f64 / seconds / 1e6
    );
    if let (Some(before), Some(after)) = (before, peak()) {
        println!("peak memory {before} MB before, {after} MB after");
    }
    Ok(())
}

/// A run folder with a manifest and a table of results: layers 0 to 32, raw and centred, and languages until the cells are enough.
fn write_run(root: &Path, nth: usize, cells: usize) -> Result<()> {
    let folder = root.join(format!("run-{nth:04}"));
    fs::create_dir_all(folder.join("tables"))?;
    let layers = 33;
    let value = |at: usize| ((at * 2_654_435_761) % 1_000_003) as f64 / 1_000_003.0;
    let cell = |at: usize| {
        let estimate = |shift: usize| {
            let value = value(at + shift + nth * 7919);
            Estimate { value, low: value * 0.9, high: (value * 1.1).min(1.0) }
        };
        let letter = |n: usize| char::from(b'a' + (n % 26) as u8);
        let language = at / (2 * layers);
        AlignCell {
            language: format!("q{}{}_Latn", letter(language / 26), letter(language)),
            pivot: "eng_Latn".to_owned(),
            layer: at / 2 % layers,
            centring: if at.is_multiple_of(2) { Centring::Raw } else { Centring::Language },
            mexa: estimate(0),
            recall_from_pivot: estimate(1),
            recall_to_pivot: estimate(2),
            cosine_gap: value(at + 3),
            cosine_wrong: value(at + 4),
            n: 1000,
            outcomes: Vec::new(),
        }
    };
    let report = AlignReport {
        cells: (0..cells).map(cell).collect(),
        chance_mexa: 0.0005,
        chance_recall: 0.001,
        ..AlignReport::default()
    };
    let model = format!("model-{nth}");
    let labels =
        align::Labels { model: &model, revision: "", site: "resid_post", pooling: "mean", seed: 1, intervals: true };
    let table = folder.join("tables/results.parquet");
    align::write_results(&table, &report, labels)?;
    let hash = blake3::hash(&fs::read(&table)?).to_hex().to_string();
    let manifest = json!({
        "schema": 1, "identity": blake3::hash(model.as_bytes()).to_hex().to_string(), "name": format!("run-{nth}"), "started": "2026-11-20T00:00:00Z",
        "program": { "name": "babelscope", "version": "0", "revision": null }, "machine": { "system": "any", "threads": 1 },
        "seconds": { "load": 0.0, "align": 0.0, "lens": 0.0, "write": 0.0, "total": 0.0 }, "peak_memory_bytes": null,
        "model": { "reference": model, "family": "llama", "layers": 32, "width": 8, "heads": 1, "kv_heads": 1, "vocabulary": 9, "context": 8, "parameters": 1,
            "tied": true, "stored_dtype": "f32", "compute_dtype": "f32", "device": "cpu", "weights_sha256": "", "tokenizer_sha256": "", "config_sha256": "",
            "revision": null },
        "corpus": { "name": "made", "sha256": "", "lines": 1000, "languages": ["eng_Latn"], "tokens": 0, "notes": [] },
        "capture": { "layers": [], "layer_convention": "", "post_final_norm": false, "site": "resid_post", "pooling": "mean", "include_bos": false, "skip_first": 0 },
        "align": null, "lens": [], "notes": [],
        "files": [{ "path": "tables/results.parquet", "bytes": fs::metadata(&table)?.len(), "blake3": hash }],
    });
    Ok(fs::write(folder.join("manifest.json"), manifest.to_string())?)
}

/// Largest resident memory so far in megabytes, where the system says it.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? / 1000)
}
