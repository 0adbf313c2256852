//! MEXA of states that are already there: a safetensors file with one f32 tensor `[layers, sentences, width]` a language.
//!
//! `cargo run --release -p babelscope-probes --example mexa -- states.safetensors eng_Latn` prints JSON:
//! seconds, and for each language, raw and centred, the score of each layer.

use std::{collections::BTreeMap, error::Error, fs, time::Instant};

use babelscope_core::monitor::Monitor;
use babelscope_probes::align::{AlignParams, Centring, LanguageStates, align};
use ndarray::Array2;
use safetensors::{Dtype, SafeTensors};

#[expect(clippy::print_stdout, reason = "the answer of this program")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(pivot)) = (arguments.next(), arguments.next()) else {
        return Err("usage: mexa STATES.safetensors PIVOT".into());
    };
    let start = Instant::now();
    let bytes = fs::read(&file)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let mut states = BTreeMap::new();
    for (language, view) in tensors.iter() {
        let (Dtype::F32, &[layers, sentences, width]) = (view.dtype(), view.shape()) else {
            return Err(format!("{language}: expected f32 [layers, sentences, width], got {:?}", view.shape()).into());
        };
        let values: Vec<f32> = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let of = values.chunks_exact((sentences * width).max(1)).take(layers);
        let of = of.map(|v| Array2::from_shape_vec((sentences, width), v.to_vec())).collect::<Result<Vec<_>, _>>()?;
        states.insert(language.to_owned(), of);
    }
    let layers = states.values().map(Vec::len).max().unwrap_or(0);
    let (languages, states): (Vec<_>, Vec<_>) = states.into_iter().unzip();
    let states = LanguageStates::new(languages, (0..layers).collect(), states)?;
    let read = start.elapsed().as_secs_f64();
    let params = AlignParams { pivots: vec![pivot], with_self: true, ..AlignParams::default() };
    let report = align(&states, &params, &Monitor::silent())?;
    let seconds = start.elapsed().as_secs_f64() - read;
    let mut scores: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for cell in &report.cells {
        let name = if cell.centring == Centring::Raw { "raw" } else { "centred" };
        scores.entry(name).or_default().entry(&cell.language).or_default().push(cell.mexa.value);
    }
    println!(
        "{}",
        serde_json::json!({ "seconds_reading": read, "seconds": seconds, "scores": scores, "notes": report.notes })
    );
    Ok(())
}
