//! candle-mi doing the same work: every block's output of batches of equal length. The script that runs it puts this file into
//! a package of its own. Arguments: model folder, JSON file with batches of token ids, file for one layer's states.
//! It does the work once for each line of its input.

use std::{fs, path::Path, time::Instant};

use candle_core::{DType, Device, Tensor};
use candle_mi::{GenericTransformer, HookPoint, HookSpec, MIModel, config::TransformerConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, ids, out] = arguments.as_slice() else { return Err("three arguments expected".into()) };
    let batches: Vec<Vec<Vec<u32>>> = serde_json::from_slice(&fs::read(ids)?)?;
    let start = Instant::now();
    let config: serde_json::Value = serde_json::from_slice(&fs::read(Path::new(folder).join("config.json"))?)?;
    let bytes = fs::read(Path::new(folder).join("model.safetensors"))?;
    let weights = candle_nn::VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu)?;
    let config = TransformerConfig::from_hf_config(&config)?;
    let model = GenericTransformer::load(config, &Device::Cpu, DType::F32, weights)?;
    let model = MIModel::new(Box::new(model), Device::Cpu);
    let load_seconds = start.elapsed().as_secs_f64();
    let mut hooks = HookSpec::new();
    hooks.capture(HookPoint::Embed).capture_all((0..model.num_layers()).map(HookPoint::ResidPost));
    let run = |batch: &[Vec<u32>]| -> Result<Vec<Tensor>, Box<dyn std::error::Error>> {
        let kept = model.forward(&Tensor::new(batch.to_vec(), &Device::Cpu)?, &hooks)?;
        let mean = |hook| -> Result<Tensor, Box<dyn std::error::Error>> { Ok(kept.require(&hook)?.mean(1)?) };
        let mut pooled = vec![mean(HookPoint::Embed)?];
        for block in 0..model.num_layers() {
            pooled.push(mean(HookPoint::ResidPost(block))?);
        }
        Ok(pooled)
    };
    run(&batches[0][..1])?;
    let mut states = Vec::new();
    println!("ready");
    for line in std::io::stdin().lines() {
        line?;
        let start = Instant::now();
        states = batches.iter().map(|batch| run(batch)).collect::<Result<Vec<_>, _>>()?;
        println!("{}", start.elapsed().as_secs_f64());
    }
    let layer = model.num_layers() - 1;
    let chosen = states.iter().map(|batch| batch[layer].clone()).collect::<Vec<_>>();
    let values: Vec<f32> = Tensor::cat(&chosen, 0)?.flatten_all()?.to_vec1()?;
    fs::write(out, values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse()?;
    let report = serde_json::json!({ "load_seconds": load_seconds, "peak_mb": peak / 1024.0 });
    println!("{report}");
    Ok(())
}
