//! Mean, position-weighted mean and last token of every layer.

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use babelscope_core::{
    engine::Values,
    monitor::Monitor,
    plan::{Plan, Reduce, Window},
    tokens::Encoded,
};
use serde_json::{Value, json};

pub(crate) fn run(folder: &str, ids: &Path, out: &Path, dtype: &str) -> Result<Value> {
    // Batches are for the other side; ours makes its own.
    let batches: Vec<Vec<Vec<u32>>> = serde_json::from_slice(&fs::read(ids)?)?;
    let encoded = |ids: Vec<u32>| Encoded { spans: vec![0..0; ids.len()], ids, bos: 0 };
    let sentences: Vec<Encoded> = batches.into_iter().flatten().map(encoded).collect();
    let (engine, load_seconds) = super::load(folder, dtype)?;
    let layers = engine.info().layers;
    let mut plan = Plan::default();
    for reduce in [Reduce::Mean(Window::default()), Reduce::Weighted(Window::default()), Reduce::Last] {
        plan.captures.extend(Plan::layers(0..=layers, reduce).captures);
    }
    engine.run(&sentences[..1], &plan, &Monitor::silent())?;
    let kept = super::turns(|| Ok(engine.run(&sentences, &plan, &Monitor::silent())?))?;
    ensure!(kept.len() == 3 * (layers + 1), "{} captures came back", kept.len());
    let (mut bytes, mut sum, mut count) = (Vec::new(), 0.0, 0);
    for captured in &kept {
        let Values::Pooled(state) = &captured.values else { anyhow::bail!("the engine did not pool") };
        // The other side's last entry is after the final norm; all others are compared.
        if captured.site().block < layers {
            let state: Vec<f32> = state.flatten_all()?.to_vec1()?;
            sum += state.iter().map(|x| f64::from(x.abs())).sum::<f64>();
            count += state.len();
            if captured.site().block == layers - 1 {
                bytes.extend(state.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
    }
    fs::write(out, bytes)?;
    let info = engine.info();
    Ok(json!({
        "load_seconds": load_seconds, "mean_abs_state": sum / count as f64,
        "parameters": info.parameters, "dtypes": [info.stored_dtype, info.compute_dtype],
    }))
}
