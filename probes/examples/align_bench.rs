//! Speed and memory of alignment on states that are made as they are asked for.
//!
//! `cargo run --release -p babelscope-probes --example align_bench -- 204 33 1012 1024` measures one pivot against all languages at all
//! layers, raw and centred, and how time grows with languages and layers. `-- 32 1 1012 1024 all` measures all pairs. `-- FILE` reads f32
//! states `[languages, layers, sentences, width]` behind four u32 with this shape, for a comparison on the same numbers.

use std::{error::Error, fs, time::Instant};

use babelscope_core::monitor::Monitor;
use babelscope_probes::{
    Result,
    align::{AlignParams, AlignReport, Centring, align_source},
    source::StateSource,
};
use ndarray::{Array2, ArrayView2, CowArray, Ix2};

/// Numbers that are drawn once; states are sums of two windows into them.
const DRAWN: usize = 5_000_011;

/// States as sums of what all languages share, noise of the language, and an offset.
struct Synthetic {
    languages: Vec<String>,
    layers: Vec<usize>,
    sentences: usize,
    width: usize,
    drawn: Vec<f32>,
}

impl Synthetic {
    fn new(languages: usize, layers: usize, sentences: usize, width: usize) -> Self {
        let mut state = 88_172_645_463_325_252u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        // Twelve uniform numbers have variance 1 and are close to a normal one.
        let drawn = (0..DRAWN).map(|_| (0..12).map(|_| uniform()).sum()).collect();
        let languages = (0..languages).map(|at| format!("l{at:03}")).collect();
        Self { languages, layers: (0..layers).collect(), sentences, width, drawn }
    }

    fn window(&self, seed: usize, len: usize) -> &[f32] {
        let from = (seed * 1_299_721) % (DRAWN - len);
        &self.drawn[from..from + len]
    }
}

impl StateSource for Synthetic {
    fn languages(&self) -> &[String] {
        &self.languages
    }

    fn layers(&self) -> &[usize] {
        &self.layers
    }

    fn sentences(&self) -> usize {
        self.sentences
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        let len = self.sentences * self.width;
        let shared = self.window(layer, len);
        let noise = self.window(1000 + language * self.layers.len() + layer, len);
        let offset = self.window(100_000 + language, self.width);
        let mut values = Vec::with_capacity(len);
        let rows = shared.chunks_exact(self.width).zip(noise.chunks_exact(self.width));
        for (shared, noise) in rows {
            let row = offset.iter().zip(shared.iter().zip(noise));
            values.extend(row.map(|(offset, (shared, noise))| shared + 3.0 * noise + offset));
        }
        let state = Array2::from_shape_vec((self.sentences, self.width), values);
        let state = state.map_err(|e| babelscope_probes::Error::Input { measure: "align", why: e.to_string() })?;
        Ok(state.into())
    }
}

/// States of a file.
struct Stored {
    languages: Vec<String>,
    layers: Vec<usize>,
    sentences: usize,
    width: usize,
    values: Vec<f32>,
}

impl StateSource for Stored {
    fn languages(&self) -> &[String] {
        &self.languages
    }

    fn layers(&self) -> &[usize] {
        &self.layers
    }

    fn sentences(&self) -> usize {
        self.sentences
    }

    fn state(&self, language: usize, layer: usize) -> Result<CowArray<'_, f32, Ix2>> {
        let len = self.sentences * self.width;
        let from = (language * self.layers.len() + layer) * len;
        let view = ArrayView2::from_shape((self.sentences, self.width), &self.values[from..from + len]);
        let view = view.map_err(|e| babelscope_probes::Error::Input { measure: "align", why: e.to_string() })?;
        Ok(view.into())
    }

    fn in_memory(&self) -> bool {
        true
    }
}

fn stored(file: &str) -> std::result::Result<Stored, Box<dyn Error>> {
    let bytes = fs::read(file)?;
    let words = bytes.as_chunks::<4>().0;
    let (shape, values) = words.split_at_checked(4).ok_or("no shape")?;
    let shape: Vec<usize> = shape.iter().map(|b| u32::from_le_bytes(*b) as usize).collect();
    let &[languages, layers, sentences, width] = &shape[..] else { return Err("no shape".into()) };
    if values.len() != shape.iter().product::<usize>() {
        return Err(format!("{file} has {} numbers, expected {shape:?}", values.len()).into());
    }
    Ok(Stored {
        languages: (0..languages).map(|at| format!("l{at:03}")).collect(),
        layers: (0..layers).collect(),
        sentences,
        width,
        values: values.iter().map(|b| f32::from_le_bytes(*b)).collect(),
    })
}

/// A number of /proc/self: kilobytes of memory at most.
fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kilobytes.map_or(0.0, |kb| kb / 1024.0)
}

/// Seconds of all threads so far.
fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // User and system time in hundredths, the twelfth and thirteenth field behind the name; its state is a letter.
    fields.get(10).zip(fields.get(11)).map_or(0.0, |(user, system)| (user + system) / 100.0)
}

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn measured(what: &str, source: &dyn StateSource, params: &AlignParams) -> Result<AlignReport> {
    let (begun, before) = (Instant::now(), cpu());
    let report = align_source(source, params, &Monitor::silent())?;
    let (seconds, used) = (begun.elapsed().as_secs_f64(), cpu() - before);
    let width = source.state(0, 0)?.ncols();
    let cells = report.cells.len() as f64 / params.centrings.len() as f64;
    let products = cells * 2.0 * (source.sentences() * source.sentences() * width) as f64 / 1e9;
    println!(
        "{what}: {seconds:.2} s, CPU {used:.2} s, {:.0} GFLOP/s of products, peak {:.0} MiB, {} cells, {} rows",
        products / seconds,
        peak(),
        report.cells.len(),
        report.measured.rows.len(),
    );
    Ok(report)
}

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let one = AlignParams { pivots: vec!["l000".to_owned()], ..AlignParams::default() };
    if let [file] = &arguments[..] {
        let report = measured(file, &stored(file)?, &one)?;
        let mean = |centring: Centring| {
            let mine = report.cells.iter().filter(|cell| cell.centring == centring).map(|cell| cell.mexa.value);
            mine.clone().sum::<f64>() / mine.count() as f64
        };
        println!("mean MEXA: raw {:.6}, centred {:.6}", mean(Centring::Raw), mean(Centring::Language));
        return Ok(());
    }
    let numbers: Vec<usize> = arguments.iter().take(4).map(|a| a.parse()).collect::<std::result::Result<_, _>>()?;
    let &[languages, layers, sentences, width] = &numbers[..] else {
        return Err(
            "usage: align_bench LANGUAGES LAYERS SENTENCES WIDTH [all | bare | growth], or align_bench FILE".into()
        );
    };
    let make = |languages, layers| Synthetic::new(languages, layers, sentences, width);
    if arguments.get(4).is_some_and(|a| a == "all") {
        measured("all pairs", &make(languages, layers), &AlignParams { outcomes: false, ..AlignParams::default() })?;
        return Ok(());
    }
    if arguments.get(4).is_some_and(|a| a == "bare") {
        let bare = AlignParams { bootstrap: 0, shuffles: 0, outcomes: false, ..one };
        measured("scores alone", &make(languages, layers), &bare)?;
        return Ok(());
    }
    if arguments.get(4).is_some_and(|a| a == "growth") {
        for part in [8, 4, 2, 1] {
            let some = languages.div_ceil(part).max(2);
            measured(&format!("{some} languages, {layers} layers"), &make(some, layers), &one)?;
        }
        for part in [8, 4, 2, 1] {
            let some = layers.div_ceil(part);
            measured(&format!("{languages} languages, {some} layers"), &make(languages, some), &one)?;
        }
        return Ok(());
    }
    let what = format!("{languages} languages, {layers} layers, {sentences} sentences, width {width}");
    measured(&what, &make(languages, layers), &one)?;
    Ok(())
}
